"""What staff decided of many sign-ups at once waits until it cannot be taken back any more"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    sign_up = sa.ForeignKey("sign_up.id", name="fk_sign_up_review_sign_up_id_sign_up")
    step = sa.ForeignKey("bulk_step.id", name="fk_sign_up_review_step_id_bulk_step")
    op.create_table(
        "sign_up_review",
        sa.Column("sign_up_id", sa.Integer(), sign_up, primary_key=True),
        sa.Column("step_id", sa.Integer(), step, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
    )
    op.create_index("ix_sign_up_review_step_id", "sign_up_review", ["step_id"])


def downgrade() -> None:
    # Nobody was told and nothing moved: they are simply to be decided again.
    op.drop_table("sign_up_review")
    op.execute("DELETE FROM bulk_step WHERE kind IN ('sign_pass', 'sign_refuse')")
