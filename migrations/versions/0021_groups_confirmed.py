"""Activities for some groups only, or for them first; and what the community confirms of a group somebody belongs to"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def _to(table: str) -> sa.ForeignKey:
    return sa.ForeignKey(f"{table}.id", name=f"fk_group_claim_{table}_id_{table}")


def upgrade() -> None:
    op.add_column("entry", sa.Column("groups_first_until", MOMENT))
    op.add_column("entry", sa.Column("groups_only", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "group_claim",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("resident_id", sa.Integer(), _to("resident"), nullable=False),
        sa.Column("relative_id", sa.Integer(), _to("relative")),
        sa.Column("person_key", sa.String(16), nullable=False),
        sa.Column("group_code", sa.String(20), nullable=False),
        sa.Column("entry_id", sa.Integer(), _to("entry"), nullable=False),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("decided_at", MOMENT),
        sa.Column("decided_by", sa.String(40), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("centre_id", sa.Integer(), _to("centre"), nullable=False),
        sa.UniqueConstraint("person_key", "group_code", name="uq_group_claim_person_key_group_code"),
    )
    op.create_index("ix_group_claim_centre_id", "group_claim", ["centre_id"])
    op.create_index("ix_group_claim_resident_id", "group_claim", ["resident_id"])
    waits = sa.text("status = 'asked'")
    op.create_index("ix_group_claim_asked", "group_claim", ["centre_id"], sqlite_where=waits, postgresql_where=waits)


def downgrade() -> None:
    # Who asked asks again once an activity demands it; rows that were for some only are then for everybody.
    op.drop_table("group_claim")
    op.drop_column("entry", "groups_only")
    op.drop_column("entry", "groups_first_until")
