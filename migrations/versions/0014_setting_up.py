"""Setting up by pages: a centre's departments have one name each; a month's own dates; who was urged when late"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_department_centre_name", "department", ["centre_id", "name"], unique=True)
    op.create_table(
        "cutoff",
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("level", sa.String(24), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("set_by", sa.String(40), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("month", "level", name=op.f("pk_cutoff")),
    )
    op.create_table(
        "urge",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("urged_by", sa.String(40), nullable=False),
        sa.Column("centre_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["centre_id"], ["centre.id"], name=op.f("fk_urge_centre_id_centre")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_urge")),
        sa.UniqueConstraint("month", "centre_id", name=op.f("uq_urge_month_centre_id")),
    )
    op.create_index("ix_urge_centre_id", "urge", ["centre_id"])


def downgrade() -> None:
    op.drop_table("urge")
    op.drop_table("cutoff")
    op.drop_index("ix_department_centre_name", "department")
