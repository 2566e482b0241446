"""Which rows of the list a centre has said yes to, by a small index: a board counts them for thousands of rows"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

SAID_YES = sa.text("object_type = 'entry' AND name IN ('accept', 'pass_on', 'approve')")


def upgrade() -> None:
    op.create_index(
        "ix_state_history_yes", "state_history", ["centre_id", "object_id"], sqlite_where=SAID_YES,
        postgresql_where=SAID_YES,
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("ix_state_history_yes", "state_history")
