"""A department's uploaded plans and its steps on many rows are its own"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TABLES = ("plan_import", "bulk_step")


def upgrade() -> None:
    for name in TABLES:
        department = sa.ForeignKey("department.id", name=f"fk_{name}_department_id_department")
        with op.batch_alter_table(name) as table:
            table.add_column(sa.Column("department_id", sa.Integer(), department))


def downgrade() -> None:
    for name in reversed(TABLES):
        with op.batch_alter_table(name) as table:
            table.drop_constraint(f"fk_{name}_department_id_department", type_="foreignkey")
            table.drop_column("department_id")
