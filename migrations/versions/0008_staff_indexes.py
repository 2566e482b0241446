"""Indexes for what staff pages ask on every visit: what waits, a period's bookings, stars of a centre"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

PENDING, FAILED = sa.text("status = 'pending'"), sa.text("outcome = 'failed'")


def upgrade() -> None:
    op.create_index(
        "ix_booking_pending", "booking", ["centre_id", "decide_by"], sqlite_where=PENDING, postgresql_where=PENDING
    )
    op.create_index("ix_booking_centre_starts", "booking", ["centre_id", "starts_at"])
    op.create_index("ix_sign_up_pending", "sign_up", ["entry_id"], sqlite_where=PENDING, postgresql_where=PENDING)
    op.create_index("ix_delivery_failed", "delivery", ["created_at"], sqlite_where=FAILED, postgresql_where=FAILED)
    op.create_index("ix_evaluation_given", "evaluation", ["centre_id", "given_at", "stars", "subject_kind"])
    op.create_index(
        "ix_evaluation_asked", "evaluation", ["centre_id", "asked_at", "group_key", "stars", "subject_kind"]
    )


def downgrade() -> None:
    op.drop_index("ix_evaluation_asked", "evaluation")
    op.drop_index("ix_evaluation_given", "evaluation")
    op.drop_index("ix_delivery_failed", "delivery")
    op.drop_index("ix_sign_up_pending", "sign_up")
    op.drop_index("ix_booking_centre_starts", "booking")
    op.drop_index("ix_booking_pending", "booking")
