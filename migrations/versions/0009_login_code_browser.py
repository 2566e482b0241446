"""A login code belongs to the browser that asked for it: others who know the number cannot use up its tries"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("login_code", sa.Column("browser", sa.String(40), nullable=False, server_default=""))
    op.create_index("ix_login_code_sent_at", "login_code", ["sent_at"])


def downgrade() -> None:
    op.drop_index("ix_login_code_sent_at", "login_code")
    with op.batch_alter_table("login_code") as table:
        table.drop_column("browser")
