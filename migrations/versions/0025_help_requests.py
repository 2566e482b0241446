"""Help requests: what is asked, where and when, orders and visits, who read what, 备案, numbers outside"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def _to(table: str, other: str, column: str = "") -> sa.ForeignKey:
    return sa.ForeignKey(f"{other}.id", name=f"fk_{table}_{column or other + '_id'}_{other}")


RUNNING = sa.text("stopped_at IS NULL")


def upgrade() -> None:
    op.add_column("case_clock", sa.Column("warn_at", MOMENT))
    op.create_index("ix_case_clock_warn", "case_clock", ["warn_at"], sqlite_where=RUNNING, postgresql_where=RUNNING)
    _addresses()
    _requests()
    _doing()
    _readings()
    _registrations()


def _addresses() -> None:
    op.create_table(
        "help_address",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("text", sa.String(120), nullable=False),
        sa.Column("latitude", sa.Float()),
        sa.Column("longitude", sa.Float()),
        sa.Column("rounded_at", MOMENT),
        sa.Column("centre_id", sa.Integer(), _to("help_address", "centre"), nullable=False),
    )
    op.create_index("ix_help_address_centre_id", "help_address", ["centre_id"])
    op.create_table(
        "help_outside",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("phone", sa.String(30), nullable=False),
        sa.Column("note", sa.String(100), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("centre_id", sa.Integer(), _to("help_outside", "centre"), nullable=False),
        sa.UniqueConstraint("centre_id", "name", name="uq_help_outside_centre_id_name"),
    )
    op.create_index("ix_help_outside_centre_id", "help_outside", ["centre_id"])


def _requests() -> None:
    name = "help_request"
    op.create_table(
        name,
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("case_id", sa.Integer(), _to(name, "case_file", "case_id"), nullable=False),
        sa.Column("resident_id", sa.Integer(), _to(name, "resident"), nullable=False),
        sa.Column("relative_id", sa.Integer(), _to(name, "relative")),
        sa.Column("person_key", sa.String(16), nullable=False),
        sa.Column("caller_name", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("health", sa.Boolean(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("voice_file", sa.String(80), nullable=False),
        sa.Column("voice_seconds", sa.Integer(), nullable=False),
        sa.Column("wanted_day", sa.Date()),
        sa.Column("wanted_part", sa.String(4), nullable=False),
        sa.Column("address_id", sa.Integer(), _to(name, "help_address", "address_id")),
        sa.Column("masked_address", sa.String(80), nullable=False),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("filed_at", MOMENT, nullable=False),
        sa.Column("consent_version", sa.String(20), nullable=False),
        sa.Column("recorded_by_id", sa.Integer(), _to(name, "staff_account", "recorded_by_id")),
        sa.Column("recorded_centre_id", sa.Integer(), _to(name, "centre", "recorded_centre_id")),
        sa.Column("by_phone", sa.Boolean(), nullable=False),
        sa.Column("call_text", sa.String(300), nullable=False),
        sa.Column("question", sa.String(300), nullable=False),
        sa.Column("refusal", sa.String(300), nullable=False),
        sa.Column("advice_kind", sa.String(8), nullable=False),
        sa.Column("advice_value", sa.String(40), nullable=False),
        sa.Column("appealed_at", MOMENT),
        sa.Column("outside_id", sa.Integer(), _to(name, "help_outside", "outside_id")),
        sa.Column("taken_id", sa.Integer(), _to(name, "centre", "taken_id")),
        sa.Column("taken_department_id", sa.Integer(), _to(name, "department", "taken_department_id")),
        sa.Column("taken_at", MOMENT),
        sa.Column("done_at", MOMENT),
        sa.Column("done_words", sa.String(300), nullable=False),
        sa.Column("reopened", sa.Integer(), nullable=False),
        sa.Column("by_default", sa.Boolean(), nullable=False),
        sa.Column("closed_at", MOMENT),
        sa.Column("centre_id", sa.Integer(), _to(name, "centre"), nullable=False),
        sa.CheckConstraint("reopened >= 0", name=op.f("ck_help_request_reopened")),
        sa.UniqueConstraint("case_id", name="uq_help_request_case_id"),
        sa.UniqueConstraint("address_id", name="uq_help_request_address_id"),
    )
    undone = sa.text("status NOT IN ('refused','confirmed','withdrawn')")
    op.create_index("ix_help_request_centre_id", name, ["centre_id"])
    op.create_index("ix_help_request_taken_id", name, ["taken_id"])
    op.create_index("ix_help_request_resident", name, ["resident_id", "id"])
    op.create_index("ix_help_request_person", name, ["person_key", "kind"])
    op.create_index("ix_help_request_status", name, ["status", "done_at"])
    op.create_index("ix_help_request_near", name, ["kind", "filed_at"])
    to_call = sa.text("call_text <> ''")
    columns = ["recorded_centre_id"]
    op.create_index("ix_help_request_call", name, columns, sqlite_where=to_call, postgresql_where=to_call)
    op.create_index("ix_help_request_undone", name, ["centre_id"], sqlite_where=undone, postgresql_where=undone)


def _doing() -> None:
    op.create_table(
        "help_visit",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("request_id", sa.Integer(), _to("help_visit", "help_request", "request_id"), nullable=False),
        sa.Column("member_id", sa.Integer(), _to("help_visit", "team_member", "member_id")),
        sa.Column("at_from", MOMENT, nullable=False),
        sa.Column("at_to", MOMENT, nullable=False),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("token", sa.String(32), nullable=False),
        sa.Column("set_at", MOMENT, nullable=False),
        sa.Column("set_by", sa.String(40), nullable=False),
        sa.Column("moves", sa.Integer(), nullable=False),
        sa.Column("centre_id", sa.Integer(), _to("help_visit", "centre"), nullable=False),
        sa.CheckConstraint("at_from < at_to", name=op.f("ck_help_visit_order")),
        sa.UniqueConstraint("token", name="uq_help_visit_token"),
    )
    op.create_index("ix_help_visit_centre_id", "help_visit", ["centre_id"])
    op.create_index("ix_help_visit_member_id", "help_visit", ["member_id"])
    op.create_index("ix_help_visit_request", "help_visit", ["request_id"])
    op.create_table(
        "help_order",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("request_id", sa.Integer(), _to("help_order", "help_request", "request_id"), nullable=False),
        sa.Column("member_id", sa.Integer(), _to("help_order", "team_member", "member_id"), nullable=False),
        sa.Column("visit_id", sa.Integer(), _to("help_order", "help_visit", "visit_id")),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("token", sa.String(32), nullable=False),
        sa.Column("offered_at", MOMENT, nullable=False),
        sa.Column("offered_by", sa.String(40), nullable=False),
        sa.Column("why", sa.String(200), nullable=False),
        sa.Column("answer_by", MOMENT),
        sa.Column("answered_at", MOMENT),
        sa.Column("decline_reason", sa.String(200), nullable=False),
        sa.Column("going_at", MOMENT),
        sa.Column("there_at", MOMENT),
        sa.Column("done_at", MOMENT),
        sa.Column("done_words", sa.String(300), nullable=False),
        sa.Column("check_by", MOMENT),
        sa.Column("check_told", sa.Integer(), nullable=False),
        sa.Column("centre_id", sa.Integer(), _to("help_order", "centre"), nullable=False),
        sa.UniqueConstraint("token", name="uq_help_order_token"),
    )
    op.create_index("ix_help_order_centre_id", "help_order", ["centre_id"])
    op.create_index("ix_help_order_request", "help_order", ["request_id", "id"])
    op.create_index("ix_help_order_member", "help_order", ["member_id", "status"])
    op.create_index("ix_help_order_check", "help_order", ["check_by"])


def _readings() -> None:
    op.create_table(
        "help_reading",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("request_id", sa.Integer(), _to("help_reading", "help_request", "request_id"), nullable=False),
        sa.Column("field", sa.String(10), nullable=False),
        sa.Column("account_id", sa.Integer(), _to("help_reading", "staff_account", "account_id")),
        sa.Column("reader", sa.String(40), nullable=False),
        sa.Column("unit", sa.String(80), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("centre_id", sa.Integer(), _to("help_reading", "centre"), nullable=False),
    )
    op.create_index("ix_help_reading_centre_id", "help_reading", ["centre_id"])
    op.create_index("ix_help_reading_request", "help_reading", ["request_id", "id"])


def _registrations() -> None:
    name = "vulnerable_registration"
    op.create_table(
        name,
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("resident_id", sa.Integer(), _to(name, "resident"), nullable=False),
        sa.Column("relative_id", sa.Integer(), _to(name, "relative")),
        sa.Column("person_key", sa.String(16), nullable=False),
        sa.Column("caller_name", sa.String(40), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("until", sa.Date()),
        sa.Column("proof", sa.String(100), nullable=False),
        sa.Column("registered_by", sa.String(40), nullable=False),
        sa.Column("registered_at", MOMENT, nullable=False),
        sa.Column("ended_by", sa.String(40), nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.Column("centre_id", sa.Integer(), _to(name, "centre"), nullable=False),
        sa.CheckConstraint("until IS NULL OR until >= since", name=op.f("ck_vulnerable_registration_order")),
    )
    op.create_index("ix_vulnerable_registration_centre_id", name, ["centre_id"])
    op.create_index("ix_vulnerable_registration_person", name, ["person_key"])
    op.create_index("ix_vulnerable_registration_resident", name, ["resident_id"])


def downgrade() -> None:
    # Requests end with their tables; their cases go too, for nothing else knows what they were about.
    op.drop_table("vulnerable_registration")
    op.drop_table("help_reading")
    op.drop_table("help_order")
    op.drop_table("help_visit")
    op.drop_table("help_request")
    op.drop_table("help_outside")
    op.drop_table("help_address")
    for clean in (
        "DELETE FROM handover WHERE case_id IN (SELECT id FROM case_file WHERE kind = 'help')",
        "DELETE FROM case_clock WHERE case_id IN (SELECT id FROM case_file WHERE kind = 'help')",
        "DELETE FROM case_file WHERE kind = 'help'",
    ):
        op.execute(clean)
    op.drop_index("ix_case_clock_warn", "case_clock")
    op.drop_column("case_clock", "warn_at")
