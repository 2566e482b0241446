"""Dates that were taken out of a published series, for calendars that have them; the district's rule for no-shows"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

FIGURES = ("most", "within_days", "pause_days", "appeal_days", "version")


def upgrade() -> None:
    op.create_table(
        "dropped_session",
        sa.Column(
            "entry_id", sa.Integer(),
            sa.ForeignKey("entry.id", name="fk_dropped_session_entry_id_entry", ondelete="CASCADE"), primary_key=True,
        ),
        sa.Column("session_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
    )  # fmt: skip
    op.create_table(
        "no_show_rule",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in FIGURES),
    )


def downgrade() -> None:
    op.drop_table("no_show_rule")
    op.drop_table("dropped_session")
