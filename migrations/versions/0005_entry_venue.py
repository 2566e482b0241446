"""An activity of the list names the room it takes (SPEC C2, V4)"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # In words that both databases understand: SQLite adds the column in place, without copying the largest table.
    op.execute("ALTER TABLE entry ADD COLUMN venue_id INTEGER CONSTRAINT fk_entry_venue_id_venue REFERENCES venue (id)")
    op.create_index(op.f("ix_entry_venue_id"), "entry", ["venue_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_entry_venue_id"), table_name="entry")
    op.execute("ALTER TABLE entry DROP COLUMN venue_id")
