"""What was done to many rows at once is remembered for a while, so that it can be taken back"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    centre = sa.ForeignKey("centre.id", name="fk_bulk_step_centre_id_centre")
    account = sa.ForeignKey("staff_account.id", name="fk_bulk_step_account_id_staff_account")
    op.create_table(
        "bulk_step",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("account_id", sa.Integer(), account, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("undone_at", MOMENT),
        sa.Column("centre_id", sa.Integer(), centre, nullable=False),
    )
    op.create_index("ix_bulk_step_account_at", "bulk_step", ["account_id", "at"])
    op.create_index("ix_bulk_step_centre_id", "bulk_step", ["centre_id"])
    step = sa.ForeignKey("bulk_step.id", name="fk_bulk_row_step_id_bulk_step", ondelete="CASCADE")
    entry = sa.ForeignKey("entry.id", name="fk_bulk_row_entry_id_entry")
    op.create_table(
        "bulk_row",
        sa.Column("step_id", sa.Integer(), step, primary_key=True),
        sa.Column("entry_id", sa.Integer(), entry, primary_key=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("bulk_row")
    op.drop_table("bulk_step")
