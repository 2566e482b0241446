"""The district's own words for things; what residents follow and like, and the address of their calendar"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "synonym_list",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
    )
    op.create_table(
        "follow",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("resident_id", sa.Integer(), _of("follow", "resident"), nullable=False),
        sa.Column("centre_id", sa.Integer(), _of("follow", "centre")),
        sa.Column("category_id", sa.Integer(), _of("follow", "category")),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(centre_id IS NULL) <> (category_id IS NULL)", name=op.f("ck_follow_one")),
        sa.UniqueConstraint("resident_id", "centre_id", name=op.f("uq_follow_resident_id_centre_id")),
        sa.UniqueConstraint("resident_id", "category_id", name=op.f("uq_follow_resident_id_category_id")),
    )
    op.create_table(
        "entry_like",
        sa.Column("entry_id", sa.Integer(), _of("entry_like", "entry"), primary_key=True),
        sa.Column("resident_id", sa.Integer(), _of("entry_like", "resident"), primary_key=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_entry_like_resident_id", "entry_like", ["resident_id"])
    op.create_table(
        "calendar_feed",
        sa.Column("resident_id", sa.Integer(), _of("calendar_feed", "resident"), primary_key=True, autoincrement=False),
        sa.Column("code", sa.String(24), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("code", name=op.f("uq_calendar_feed_code")),
    )


def _of(table: str, other: str) -> sa.ForeignKey:
    return sa.ForeignKey(f"{other}.id", name=f"fk_{table}_{other}_id_{other}")


def downgrade() -> None:
    op.drop_table("calendar_feed")
    op.drop_table("entry_like")
    op.drop_table("follow")
    op.drop_table("synonym_list")
