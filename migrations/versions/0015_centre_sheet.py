"""A table of centres is kept until it is confirmed"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "centre_sheet",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("filename", sa.String(120), nullable=False),
        sa.Column("rows", sa.JSON(), nullable=False),
        sa.Column("head", sa.JSON(), nullable=False),
        sa.Column("unused", sa.JSON(), nullable=False),
        sa.Column("created_by", sa.String(40), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("centre_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["centre_id"], ["centre.id"], name=op.f("fk_centre_sheet_centre_id_centre")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_centre_sheet")),
    )
    op.create_index(op.f("ix_centre_sheet_centre_id"), "centre_sheet", ["centre_id"])


def downgrade() -> None:
    op.drop_table("centre_sheet")
