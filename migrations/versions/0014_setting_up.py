"""Setting up by pages: a centre's departments have one name each"""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_department_centre_name", "department", ["centre_id", "name"], unique=True)


def downgrade() -> None:
    op.drop_index("ix_department_centre_name", "department")
