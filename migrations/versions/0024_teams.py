"""Service teams, their members, and who has which shift"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def _of(table: str, other: str) -> sa.ForeignKey:
    return sa.ForeignKey(f"{other}.id", name=f"fk_{table}_{other}_id_{other}")


def _to(table: str, column: str, other: str) -> sa.ForeignKey:
    return sa.ForeignKey(f"{other}.id", name=f"fk_{table}_{column}_{other}")


def upgrade() -> None:
    op.create_table(
        "team",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("centre_id", sa.Integer(), _of("team", "centre"), nullable=False),
        sa.UniqueConstraint("centre_id", "name", name=op.f("uq_team_centre_id_name")),
    )
    op.create_index("ix_team_centre_id", "team", ["centre_id"])
    _members()
    _shifts()


def _members() -> None:
    op.create_table(
        "team_member",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("team_id", sa.Integer(), _of("team_member", "team"), nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("phone", sa.String(20), nullable=False),
        sa.Column("role", sa.String(10), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("skills", sa.JSON(), nullable=False),
        sa.Column("staff_id", sa.Integer(), _to("team_member", "staff_id", "staff_account")),
        sa.Column("resident_id", sa.Integer(), _of("team_member", "resident")),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("until", sa.Date()),
        sa.Column("code", sa.String(32)),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("centre_id", sa.Integer(), _of("team_member", "centre"), nullable=False),
        sa.CheckConstraint("role IN ('captain','contact','leader','member')", name=op.f("ck_team_member_role")),
        sa.CheckConstraint("staff_id IS NULL OR resident_id IS NULL", name=op.f("ck_team_member_one_account")),
        sa.CheckConstraint("until IS NULL OR until >= since", name=op.f("ck_team_member_order")),
        sa.UniqueConstraint("code", name=op.f("uq_team_member_code")),
    )
    op.create_index("ix_team_member_centre_id", "team_member", ["centre_id"])
    op.create_index("ix_team_member_team", "team_member", ["team_id", "id"])
    op.create_index("ix_team_member_staff", "team_member", ["staff_id"])
    op.create_index("ix_team_member_resident", "team_member", ["resident_id"])
    op.create_index("ix_team_member_phone", "team_member", ["phone"])


def _shifts() -> None:
    op.create_table(
        "shift_pattern",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("team_id", sa.Integer(), _of("shift_pattern", "team"), nullable=False),
        sa.Column("weekday", sa.Integer(), nullable=False),
        sa.Column("part", sa.String(10), nullable=False),
        sa.Column("role", sa.String(10), nullable=False),
        sa.Column("need", sa.Integer(), nullable=False),
        sa.Column("centre_id", sa.Integer(), _of("shift_pattern", "centre"), nullable=False),
        sa.CheckConstraint("need BETWEEN 1 AND 9", name=op.f("ck_shift_pattern_need")),
        sa.CheckConstraint("weekday BETWEEN 0 AND 6", name=op.f("ck_shift_pattern_weekday")),
        sa.UniqueConstraint(
            "team_id", "weekday", "part", "role", name=op.f("uq_shift_pattern_team_id_weekday_part_role")
        ),
    )
    op.create_index("ix_shift_pattern_centre_id", "shift_pattern", ["centre_id"])
    op.create_table(
        "shift",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("team_id", sa.Integer(), _of("shift", "team"), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("part", sa.String(10), nullable=False),
        sa.Column("role", sa.String(10), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("member_id", sa.Integer(), _to("shift", "member_id", "team_member")),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.Column("centre_id", sa.Integer(), _of("shift", "centre"), nullable=False),
        sa.CheckConstraint("(status = 'open') = (member_id IS NULL)", name=op.f("ck_shift_filled")),
        sa.UniqueConstraint("team_id", "day", "part", "role", "slot", name=op.f("uq_shift_team_id_day_part_role_slot")),
        sa.UniqueConstraint("member_id", "day", "part", name=op.f("uq_shift_member_id_day_part")),
    )
    op.create_index("ix_shift_centre_id", "shift", ["centre_id"])
    is_open = sa.text("status = 'open'")
    op.create_index("ix_shift_open", "shift", ["day"], sqlite_where=is_open, postgresql_where=is_open)


def downgrade() -> None:
    op.drop_table("shift")
    op.drop_table("shift_pattern")
    op.drop_table("team_member")
    op.drop_table("team")
