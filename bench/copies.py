"""The demo's town made many times as big: its rows again with moved keys, by INSERT … SELECT.

Ten copies stand in the demo's own month (a city's worth of work for 43 centres), each further ten a month earlier,
where what waited has been decided long ago. Centres, rooms, accounts and guides stay as they are.
"""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Column, Table, delete, func, insert, literal_column, select, text

from portal.core import audit, clock
from portal.core.audit import AuditHead, AuditLog
from portal.core.db import Base, UTCDateTime, db, is_sqlite, writing
from portal.venues import overlap_constraint

STEP = 100_000  # between the keys of one copy and of the next; the demo has fewer rows than that in any table
SAME_MONTH, MONTH = 10, timedelta(weeks=4)
COPIED = (
    "resident", "relative", "entry", "entry_session", "entry_change", "sign_up", "booking", "evaluation", "case_file",
    "case_clock", "call_back", "inbox_message", "delivery", "state_history",
)  # fmt: skip
# Keys that no constraint names: whatever they point to has been copied too.
POINTS = {("state_history", "object_id"), ("evaluation", "subject_id")}
# What has to differ, and what names a copied row in words; {id} is the copy's, {shift} how far its keys were moved.
MOVED_PERSON = "substr(person_key, 1, 1) || CAST(CAST(substr(person_key, 2) AS INTEGER) + {shift} AS VARCHAR(12))"
OWN = {
    ("resident", "phone"): "'1' || CAST({id} AS VARCHAR(12))",
    ("sign_up", "person_key"): MOVED_PERSON,
    ("evaluation", "person_key"): MOVED_PERSON,
    ("evaluation", "token"): "'copy-' || CAST({id} AS VARCHAR(12))",
    ("inbox_message", "key"): "'copy-' || CAST({id} AS VARCHAR(12))",
    ("delivery", "key"): "'copy-' || CAST({id} AS VARCHAR(12))",
    ("inbox_message", "person_id"): "CASE WHEN audience = 'resident' THEN person_id + {shift} ELSE person_id END",
    ("booking", "source_id"): "source_id + {shift}",
    ("entry", "import_row"): "NULL",
    ("entry", "place"): "place || ' {number}'",  # ten at a time in one place is not what a city is like
}
# Of months that are over.
DECIDED = {
    ("entry", "status"): dict.fromkeys(("draft", "in_review", "accepted", "returned", "approved"), "published"),
    ("booking", "status"): {"pending": "approved", "waiting": "withdrawn", "offered": "withdrawn"},
    ("sign_up", "status"): {"pending": "confirmed", "waiting": "lapsed", "offered": "lapsed"},
    ("entry_change", "status"): {"asked": "applied"},
    ("case_file", "status"): {"open": "done", "claimed": "done"},
    ("call_back", "status"): {"open": "done", "claimed": "done"},
}


def grow(times: int) -> None:
    """Until the demo stands in the database `times` times; what is there already is left as it is."""
    there = (db.session.scalar(text("SELECT max(id) FROM entry")) or 0) // STEP + 1
    for number in range(there, times):
        with writing():
            if number == 1:
                overlap_constraint.remove(db.session.connection())  # the same room several times over
            for name in COPIED:
                _copy(Base.metadata.tables[name], number)
    if times > there:
        _audit(times - there, there)
        _sequences()


def _back(number: int) -> timedelta:
    """How much earlier copy `number` took place."""
    return (number // SAME_MONTH) * MONTH


def _copy(table: Table, number: int) -> None:
    columns = list(table.columns)
    values = ", ".join(_value(table.name, column, number) for column in columns)
    names = ", ".join(f'"{c.name}"' for c in columns)
    db.session.execute(text(f"INSERT INTO {table.name} ({names}) SELECT {values} FROM {table.name} WHERE id < {STEP}"))


def _value(table: str, column: Column[Any], number: int) -> str:
    key, shift, name = (table, column.name), number * STEP, f'"{column.name}"'
    if key in OWN:
        return OWN[key].format(id=f"(id + {shift})", shift=shift, number=number % SAME_MONTH)
    points = any(k.column.table.name in COPIED for k in column.foreign_keys)
    if column.name == "id" or points or key in POINTS:
        return f"{name} + {shift}"
    back = _back(number)
    if isinstance(column.type, UTCDateTime) and back:
        return _earlier(name, back) if key != ("inbox_message", "read_at") else "created_at"
    if key == ("entry", "month") and back:
        months = db.session.scalars(text(f"SELECT DISTINCT month FROM entry WHERE id < {STEP}"))
        return _renamed(name, {m: clock.add_months(m, -(number // SAME_MONTH)) for m in months})
    return _renamed(name, DECIDED[key]) if key in DECIDED and back else name


def _earlier(name: str, back: timedelta) -> str:
    if is_sqlite():
        return f"strftime('%Y-%m-%d %H:%M:%f000', {name}, '-{back.days} days')"
    return f"{name} - interval '{back.days} days'"


def _renamed(name: str, words: dict[str, str]) -> str:
    cases = " ".join(f"WHEN '{old}' THEN '{new}'" for old, new in words.items())
    return f"CASE {name} {cases} ELSE {name} END"


def _audit(copies: int, there: int) -> None:
    """The demo's number of lines `copies` times more, chained as the portal chains them."""
    table = AuditLog.__table__
    lines = [dict(row._mapping) for row in db.session.execute(select(table).order_by(table.c.id).limit(1_000))]
    every = db.session.scalar(select(func.count()).select_from(table)) or 0
    previous = db.session.scalar(select(table.c.hash).order_by(table.c.id.desc()).limit(1)) or ""
    rows = []
    for number in range(every // there * copies):
        row = lines[number % len(lines)] | {"previous": previous}
        del row["id"]
        row["hash"] = previous = audit.digest(SimpleNamespace(**row))  # type: ignore[arg-type]
        rows.append(row)
    with writing():
        db.session.execute(insert(table), rows)
        db.session.execute(delete(AuditHead))  # counted anew with the next line


def _sequences() -> None:
    """On PostgreSQL new rows are numbered after the copies."""
    if is_sqlite():
        return
    with writing():
        for name in COPIED:
            newest = select(func.max(literal_column("id"))).select_from(text(name)).scalar_subquery()
            db.session.execute(select(func.setval(func.pg_get_serial_sequence(name, "id"), newest)))
