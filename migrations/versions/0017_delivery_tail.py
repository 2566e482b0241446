"""Texts are found by the last digits of the number that somebody rings about"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("delivery", sa.Column("tail", sa.String(8), nullable=False, server_default=""))
    op.execute("UPDATE delivery SET tail = substr(recipient, length(recipient) - 3) WHERE length(recipient) > 3")
    op.create_index("ix_delivery_tail", "delivery", ["tail", "id"])


def downgrade() -> None:
    op.drop_index("ix_delivery_tail", "delivery")
    op.drop_column("delivery", "tail")
