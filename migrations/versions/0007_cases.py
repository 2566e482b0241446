"""Cases, their clocks and hand-overs; the calendar; a call-back's place, owner and time move to its case"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

NOT_DONE, RUNNING, UNANSWERED = (
    sa.text("status <> 'done'"),
    sa.text("stopped_at IS NULL"),
    sa.text("status = 'offered'"),
)
MOMENT = sa.DateTime(timezone=True)
# The notices of the State Council for the years that are known: (name, first day, days) and make-up working days.
RESTS = {
    2025: (
        ("元旦", "01-01", 1), ("春节", "01-28", 8), ("清明节", "04-04", 3), ("劳动节", "05-01", 5),
        ("端午节", "05-31", 3), ("国庆节、中秋节", "10-01", 8),
    ),
    2026: (
        ("元旦", "01-01", 3), ("春节", "02-15", 9), ("清明节", "04-04", 3), ("劳动节", "05-01", 5),
        ("端午节", "06-19", 3), ("中秋节", "09-25", 3), ("国庆节", "10-01", 7),
    ),
}  # fmt: skip
WORKS = {
    2025: (
        ("春节", "01-26"), ("春节", "02-08"), ("劳动节", "04-27"), ("国庆节、中秋节", "09-28"),
        ("国庆节、中秋节", "10-11"),
    ),
    2026: (
        ("元旦", "01-04"), ("春节", "02-14"), ("春节", "02-28"), ("劳动节", "05-09"), ("国庆节", "09-20"),
        ("国庆节", "10-10"),
    ),
}  # fmt: skip


def upgrade() -> None:
    _calendar()
    _cases()
    _call_backs_get_cases()


def _calendar() -> None:
    years = op.create_table(
        "calendar_year",
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("notice", sa.String(length=80), nullable=False),
        sa.Column("entered_by", sa.String(length=40), nullable=False),
        sa.Column("entered_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("year", name=op.f("pk_calendar_year")),
    )
    days = op.create_table(
        "calendar_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(length=4), nullable=False),
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_calendar_day")),
    )
    at = datetime(2026, 11, 28, tzinfo=UTC)
    op.bulk_insert(years, [{"year": y, "notice": "", "entered_by": "", "entered_at": at} for y in RESTS])
    rows = [
        {"day": date.fromisoformat(f"{year}-{first}") + timedelta(days=n), "kind": "rest", "name": name}
        for year, holidays in RESTS.items()
        for name, first, count in holidays
        for n in range(count)
    ]
    rows += [
        {"day": date.fromisoformat(f"{year}-{day}"), "kind": "work", "name": name}
        for year, works in WORKS.items()
        for name, day in works
    ]
    op.bulk_insert(days, rows)


def _cases() -> None:
    op.create_table(
        "case_file",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("waits_at_id", sa.Integer(), nullable=False),
        sa.Column("department_id", sa.Integer(), nullable=True),
        sa.Column("owner_id", sa.Integer(), nullable=True),
        sa.Column("owner_name", sa.String(length=40), nullable=False),
        sa.Column("title", sa.String(length=100), nullable=False),
        sa.Column("detail", sa.String(length=200), nullable=False),
        sa.Column("url", sa.String(length=200), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("outcome", sa.String(length=30), nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("turn_since", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=True),
        sa.Column("closed_at", MOMENT, nullable=True),
        sa.Column("asked_at", MOMENT, nullable=True),
        sa.Column("waited", sa.Integer(), nullable=False),
        sa.Column("centre_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["centre_id"], ["centre.id"], name=op.f("fk_case_file_centre_id_centre")),
        sa.ForeignKeyConstraint(["waits_at_id"], ["centre.id"], name=op.f("fk_case_file_waits_at_id_centre")),
        sa.ForeignKeyConstraint(
            ["department_id"], ["department.id"], name=op.f("fk_case_file_department_id_department")
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["staff_account.id"], name=op.f("fk_case_file_owner_id_staff_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_file")),
    )
    op.create_index(op.f("ix_case_file_centre_id"), "case_file", ["centre_id"])
    op.create_index("ix_case_file_waits", "case_file", ["waits_at_id", "status"])
    op.create_index("ix_case_file_due", "case_file", ["due_at"], sqlite_where=NOT_DONE, postgresql_where=NOT_DONE)
    op.create_table(
        "case_clock",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("unit", sa.String(length=16), nullable=False),
        sa.Column("amount", sa.Integer(), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("stopped_at", MOMENT, nullable=True),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"], name=op.f("fk_case_clock_case_id_case_file")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_clock")),
        sa.UniqueConstraint("case_id", "name", "ordinal", name=op.f("uq_case_clock_case_id_name_ordinal")),
    )
    op.create_index("ix_case_clock_due", "case_clock", ["due_at"], sqlite_where=RUNNING, postgresql_where=RUNNING)
    _handovers()


def _handovers() -> None:
    centre = {name: f"fk_handover_{name}_centre" for name in ("from_id", "to_id")}
    department = {name: f"fk_handover_{name}_department" for name in ("from_department_id", "to_department_id")}
    op.create_table(
        "handover",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("from_id", sa.Integer(), nullable=False),
        sa.Column("to_id", sa.Integer(), nullable=False),
        sa.Column("from_department_id", sa.Integer(), nullable=True),
        sa.Column("to_department_id", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("tried", sa.String(length=300), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("offered_at", MOMENT, nullable=False),
        sa.Column("answer_by", MOMENT, nullable=True),
        sa.Column("decided_at", MOMENT, nullable=True),
        sa.Column("decided_by", sa.String(length=40), nullable=False),
        sa.Column("decline_reason", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["case_file.id"], name=op.f("fk_handover_case_id_case_file")),
        *(sa.ForeignKeyConstraint([c], ["centre.id"], name=op.f(n)) for c, n in centre.items()),
        *(sa.ForeignKeyConstraint([c], ["department.id"], name=op.f(n)) for c, n in department.items()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_handover")),
    )
    op.create_index("ix_handover_case", "handover", ["case_id", "id"])
    for name, columns, unique in (("uq_handover_offered", ["case_id"], True), ("ix_handover_to", ["to_id"], False)):
        op.create_index(name, "handover", columns, unique=unique, sqlite_where=UNANSWERED, postgresql_where=UNANSWERED)


def _call_backs_get_cases() -> None:
    op.execute("""
        INSERT INTO case_file (kind, centre_id, waits_at_id, owner_id, owner_name, title, detail, url, status, outcome,
            opened_at, turn_since, due_at, closed_at, waited)
        SELECT 'call_back', c.centre_id, c.waits_at_id, c.owner_id, c.owner_name, e.title || '（' || e.stars || ' 星）',
            CASE WHEN e.words <> '' THEN substr(e.words, 1, 40) ELSE '没有留言' END,
            '/staff/feedback/call-backs/' || c.id, c.status, c.outcome, c.opened_at,
            COALESCE(c.handed_up_at, c.opened_at), c.due_at, c.closed_at, 0
        FROM call_back c JOIN evaluation e ON e.id = c.evaluation_id ORDER BY c.id
    """)
    op.add_column("call_back", sa.Column("case_id", sa.Integer(), nullable=True))
    op.execute("""
        UPDATE call_back SET case_id = (
            SELECT f.id FROM case_file f WHERE f.url = '/staff/feedback/call-backs/' || call_back.id)
    """)
    op.execute("""
        INSERT INTO case_clock (case_id, name, ordinal, unit, amount, started_at, due_at, stopped_at, told)
        SELECT case_id, CASE WHEN reopened_at IS NULL THEN 'call' ELSE 'again' END, 1, 'hours',
            CASE WHEN reopened_at IS NULL THEN 72 ELSE 48 END, COALESCE(reopened_at, opened_at),
            due_at, closed_at, warned
        FROM call_back
    """)
    op.drop_index("ix_call_back_due", table_name="call_back")
    op.drop_index("ix_call_back_waits", table_name="call_back")
    with op.batch_alter_table("call_back") as batch:
        batch.alter_column("case_id", existing_type=sa.Integer(), nullable=False)
        batch.create_unique_constraint(op.f("uq_call_back_case_id"), ["case_id"])
        batch.create_foreign_key(op.f("fk_call_back_case_id_case_file"), "case_file", ["case_id"], ["id"])
        batch.drop_constraint(op.f("ck_call_back_counts"), type_="check")
        batch.create_check_constraint(op.f("ck_call_back_tries"), "tries >= 0")
        batch.drop_constraint(op.f("fk_call_back_owner_id_staff_account"), type_="foreignkey")
        batch.drop_constraint(op.f("fk_call_back_waits_at_id_centre"), type_="foreignkey")
        for name in ("waits_at_id", "owner_id", "owner_name", "opened_at", "due_at", "handed_up_at", "warned"):
            batch.drop_column(name)


def downgrade() -> None:
    for column in (
        sa.Column("waits_at_id", sa.Integer(), nullable=True),
        sa.Column("owner_id", sa.Integer(), nullable=True),
        sa.Column("owner_name", sa.String(length=40), nullable=True),
        sa.Column("opened_at", MOMENT, nullable=True),
        sa.Column("due_at", MOMENT, nullable=True),
        sa.Column("handed_up_at", MOMENT, nullable=True),
        sa.Column("warned", sa.Integer(), nullable=True),
    ):
        op.add_column("call_back", column)
    op.execute("""
        UPDATE call_back SET (waits_at_id, owner_id, owner_name, opened_at, due_at, handed_up_at, warned) = (
            SELECT f.waits_at_id, f.owner_id, f.owner_name, f.opened_at, f.due_at,
                CASE WHEN f.waits_at_id <> f.centre_id THEN f.turn_since END,
                COALESCE((SELECT k.told FROM case_clock k WHERE k.case_id = f.id ORDER BY k.id DESC LIMIT 1), 0)
            FROM case_file f WHERE f.id = call_back.case_id)
    """)
    with op.batch_alter_table("call_back") as batch:
        for name, kind in (
            ("waits_at_id", sa.Integer()), ("owner_name", sa.String(length=40)), ("opened_at", MOMENT),
            ("due_at", MOMENT), ("warned", sa.Integer()),
        ):  # fmt: skip
            batch.alter_column(name, existing_type=kind, nullable=False)
        batch.drop_constraint(op.f("uq_call_back_case_id"), type_="unique")
        batch.drop_constraint(op.f("fk_call_back_case_id_case_file"), type_="foreignkey")
        batch.drop_constraint(op.f("ck_call_back_tries"), type_="check")
        batch.create_check_constraint(op.f("ck_call_back_counts"), "tries >= 0 AND warned BETWEEN 0 AND 2")
        batch.create_foreign_key(op.f("fk_call_back_owner_id_staff_account"), "staff_account", ["owner_id"], ["id"])
        batch.create_foreign_key(op.f("fk_call_back_waits_at_id_centre"), "centre", ["waits_at_id"], ["id"])
        batch.drop_column("case_id")
    op.create_index("ix_call_back_due", "call_back", ["due_at"], sqlite_where=NOT_DONE, postgresql_where=NOT_DONE)
    op.create_index("ix_call_back_waits", "call_back", ["waits_at_id", "status"])
    for table in ("handover", "case_clock", "case_file", "calendar_day", "calendar_year"):
        op.drop_table(table)
