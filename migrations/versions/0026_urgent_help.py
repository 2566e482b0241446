"""Urgent help: alarms, their steps, who has seen and heard them, who listens, duty telephones"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

WHEN = sa.DateTime(timezone=True)
OPEN = sa.text("status IN ('ringing', 'taken', 'moving', 'there')")


def upgrade() -> None:
    _alarm()
    op.create_table(
        "urgent_call",
        sa.Column("id", sa.Integer(), primary_key=True),
        _to("urgent_call", "alarm_id", "urgent_alarm"),
        sa.Column("key", sa.String(36), nullable=False),
        sa.Column("at", WHEN, nullable=False),
        sa.Column("network", sa.String(60), nullable=False),
        sa.Column("latitude", sa.Float()),
        sa.Column("longitude", sa.Float()),
        sa.Column("accuracy", sa.Integer()),
        sa.Column("words", sa.String(500), nullable=False),
        sa.Column("voice", sa.String(40), nullable=False),
        sa.Column("voice_seconds", sa.Integer(), nullable=False),
        sa.UniqueConstraint("key", name=op.f("uq_urgent_call_key")),
    )
    op.create_index("ix_urgent_call_network", "urgent_call", ["network", "at"])
    op.create_index("ix_urgent_call_alarm", "urgent_call", ["alarm_id"])
    _steps()
    _listeners()


def _alarm() -> None:
    op.create_table(
        "urgent_alarm",
        sa.Column("id", sa.Integer(), primary_key=True),
        _to("urgent_alarm", "centre_id", "centre"),
        _to("urgent_alarm", "case_id", "case_file"),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("ring", sa.Integer(), nullable=False),
        _to("urgent_alarm", "resident_id", "resident", nullable=True),
        sa.Column("phone", sa.String(20), nullable=False),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.Column("place", sa.String(120), nullable=False),
        sa.Column("filed_at", WHEN, nullable=False),
        sa.Column("rung_at", WHEN, nullable=False),
        _to("urgent_alarm", "taken_by_id", "staff_account", nullable=True),
        sa.Column("taken_by", sa.String(40), nullable=False),
        sa.Column("taken_phone", sa.String(30), nullable=False),
        _to("urgent_alarm", "taken_centre_id", "centre", nullable=True),
        sa.Column("taken_at", WHEN),
        sa.Column("move_by", WHEN),
        sa.Column("moving_at", WHEN),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("there_at", WHEN),
        sa.Column("ended_at", WHEN),
        sa.Column("called_at", WHEN),
        sa.Column("outcome", sa.String(30), nullable=False),
        sa.Column("handed_to", sa.String(3), nullable=False),
        sa.Column("handed_no", sa.String(40), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.Column("departments", sa.String(120), nullable=False),
        sa.Column("report_by", WHEN),
        sa.Column("reported_at", WHEN),
        sa.Column("wrong", sa.Boolean(), nullable=False),
        sa.UniqueConstraint("case_id", name=op.f("uq_urgent_alarm_case_id")),
    )
    op.create_index("ix_urgent_alarm_centre_id", "urgent_alarm", ["centre_id"])
    op.create_index("ix_urgent_alarm_open", "urgent_alarm", ["filed_at"], sqlite_where=OPEN, postgresql_where=OPEN)
    for name, *columns in (("phone", "phone"), ("resident", "resident_id"), ("filed", "centre_id")):
        op.create_index(f"ix_urgent_alarm_{name}", "urgent_alarm", [*columns, "filed_at"])


def _steps() -> None:
    op.create_table(
        "urgent_step",
        sa.Column("id", sa.Integer(), primary_key=True),
        _to("urgent_step", "alarm_id", "urgent_alarm"),
        sa.Column("ring", sa.Integer(), nullable=False),
        sa.Column("no", sa.Integer(), nullable=False),
        _to("urgent_step", "centre_id", "centre"),
        sa.Column("kind", sa.String(6), nullable=False),
        sa.Column("at", WHEN, nullable=False),
        sa.Column("why", sa.String(80), nullable=False),
        _once("urgent_step", "alarm_id", "ring", "no", "centre_id", "kind"),
    )
    op.create_index("ix_urgent_step_centre", "urgent_step", ["centre_id", "alarm_id"])
    op.create_table(
        "urgent_receipt",
        sa.Column("id", sa.Integer(), primary_key=True),
        _to("urgent_receipt", "alarm_id", "urgent_alarm"),
        sa.Column("ring", sa.Integer(), nullable=False),
        sa.Column("session_id", sa.String(64), nullable=False),
        _to("urgent_receipt", "account_id", "staff_account"),
        _to("urgent_receipt", "centre_id", "centre"),
        sa.Column("shown_at", WHEN, nullable=False),
        sa.Column("sounded", sa.Boolean(), nullable=False),
        _once("urgent_receipt", "alarm_id", "ring", "session_id"),
    )
    op.create_table(
        "urgent_ack",
        sa.Column("id", sa.Integer(), primary_key=True),
        _to("urgent_ack", "alarm_id", "urgent_alarm"),
        sa.Column("ring", sa.Integer(), nullable=False),
        _to("urgent_ack", "centre_id", "centre"),
        _to("urgent_ack", "account_id", "staff_account"),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("at", WHEN, nullable=False),
        _once("urgent_ack", "alarm_id", "ring", "centre_id"),
    )
    op.create_table(
        "urgent_reader",
        sa.Column("id", sa.Integer(), primary_key=True),
        _to("urgent_reader", "alarm_id", "urgent_alarm"),
        _to("urgent_reader", "account_id", "staff_account"),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("at", WHEN, nullable=False),
        _once("urgent_reader", "alarm_id", "account_id"),
    )


def _listeners() -> None:
    op.create_table(
        "urgent_listener",
        sa.Column("session_id", sa.String(64), primary_key=True),
        _to("urgent_listener", "account_id", "staff_account"),
        _to("urgent_listener", "centre_id", "centre"),
        sa.Column("seen_at", WHEN, nullable=False),
        sa.Column("sound", sa.Boolean(), nullable=False),
        sa.Column("visible", sa.Boolean(), nullable=False),
        sa.Column("tried_at", WHEN),
        sa.Column("heard", sa.Boolean()),
    )
    op.create_index("ix_urgent_listener_centre", "urgent_listener", ["centre_id", "seen_at"])
    op.create_table(
        "urgent_watch",
        sa.Column("id", sa.Integer(), primary_key=True),
        _to("urgent_watch", "centre_id", "centre"),
        sa.Column("since", WHEN, nullable=False),
        sa.Column("until", WHEN, nullable=False),
    )
    op.create_index("ix_urgent_watch_centre", "urgent_watch", ["centre_id", "until"])
    op.create_table(
        "urgent_phone",
        sa.Column("id", sa.Integer(), primary_key=True),
        _to("urgent_phone", "centre_id", "centre"),
        sa.Column("phone", sa.String(20), nullable=False),
        sa.Column("name", sa.String(20), nullable=False),
        sa.Column("opens", sa.Integer(), nullable=False),
        sa.Column("closes", sa.Integer(), nullable=False),
        sa.Column("created_at", WHEN, nullable=False),
        sa.Column("created_by", sa.String(40), nullable=False),
        _once("urgent_phone", "centre_id", "phone"),
    )
    op.create_index("ix_urgent_phone_centre_id", "urgent_phone", ["centre_id"])


def _to(table: str, column: str, other: str, nullable: bool = False) -> sa.Column[int]:
    key = sa.ForeignKey(f"{other}.id", name=f"fk_{table}_{column}_{other}")
    return sa.Column(column, sa.Integer(), key, nullable=nullable)


def _once(table: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=op.f(f"uq_{table}_{'_'.join(columns)}"))


def downgrade() -> None:
    for name in ("phone", "watch", "listener", "reader", "ack", "receipt", "step", "call", "alarm"):
        op.drop_table(f"urgent_{name}")
