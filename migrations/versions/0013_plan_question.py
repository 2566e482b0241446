"""A plan whose title names another centre than the chosen one waits for an answer before anything is taken in"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("plan_import", sa.Column("question", sa.String(300), nullable=False, server_default=""))


def downgrade() -> None:
    with op.batch_alter_table("plan_import") as table:
        table.drop_column("question")
