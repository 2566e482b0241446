"""An evening's 50,000 reminders: put into the inboxes and on their way as texts, one effect for a session's people."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, select

from bench.fill import analyse
from bench.table import Line
from bench.watch import Watch, second_writer
from portal.catalogue.models import Category, Entry, EntrySession
from portal.centres.models import Centre
from portal.core import clock, outbox, scope
from portal.core.db import db, writing
from portal.notices.models import InboxMessage
from portal.people.models import Resident
from portal.signup import reminders
from portal.signup.models import SignUp

MANY = 50_000
A_SESSION, CHUNK = 17, 10_000  # people of a session; rows of one transaction
FIRST = 50_000_000  # keys of what is made here, beyond the demo's
SECONDS, WAIT = 60.0, 0.1


def fill(now: datetime, count: int) -> None:
    """So many people who come tomorrow, `A_SESSION` to each activity."""
    begins = now + timedelta(hours=20)
    with writing(), scope.system("bench"):
        home = db.session.scalars(select(Centre.id).where(Centre.level == "community")).first()
        category = db.session.scalars(select(Category.id).where(Category.kind == "activity")).first()
        entries = [
            {
                "id": FIRST + n, "month": clock.month_of(begins), "centre_id": home, "author_centre_id": home,
                "category_id": category, "title": f"晚间课堂{n}", "content": "学一点新东西。", "organiser": "社区",
                "place": "二楼书吧", "audience": "全体居民", "groups": [], "capacity": 80, "unit": "人",
                "status": "published", "first_start": begins, "last_end": begins + timedelta(hours=1),
                "published_at": now, "taken": A_SESSION, "created_at": now, "updated_at": now,
            }
            for n in range(-(-count // A_SESSION))
        ]  # fmt: skip
        dates = [
            {"entry_id": e["id"], "starts_at": e["first_start"], "ends_at": e["last_end"]} for e in entries
        ]  # fmt: skip
        db.session.execute(insert(Entry), entries)
        db.session.execute(insert(EntrySession), dates)
    for start in range(0, count, CHUNK):
        some = range(start, min(start + CHUNK, count))
        with writing(), scope.system("bench"):
            db.session.execute(insert(Resident), [
                {"id": FIRST + n, "phone": f"1{FIRST + n:010d}", "name": f"居民{n}", "home_centre_id": home,
                 "groups": [], "quiet": {}, "created_at": now}
                for n in some
            ])  # fmt: skip
            db.session.execute(insert(SignUp), [
                {"entry_id": FIRST + n // A_SESSION, "resident_id": FIRST + n, "person_key": f"r{FIRST + n}",
                 "places": 1, "status": "confirmed", "centre_id": home, "created_at": now - timedelta(days=9)}
                for n in some
            ])  # fmt: skip
    analyse()


def _inbox() -> int:
    found = db.session.scalar(select(func.count()).select_from(InboxMessage)) or 0
    db.session.rollback()
    return found


def measure(database: int, count: int) -> dict[str, Any]:
    """Seconds of the clock and of the processor until everybody has it, and what another writer waits meanwhile."""
    now = clock.now()
    fill(now, count)
    watch, before = Watch(database), _inbox()
    reminders.remind(now)

    def tell() -> None:
        with scope.system("bench"):
            while outbox.run_due(now):
                pass

    with second_writer() as longest:
        cost = watch.cost(tell)
    told = _inbox() - before
    if told < count:
        raise RuntimeError(f"{told} of {count} were told")
    return {"count": told, "wall": cost.wall, "cpu": cost.cpu, "statements": cost.statements / told,
            "held": cost.held, "wait": longest(cost)}  # fmt: skip


def lines_of(label: str, told: dict[str, Any]) -> list[Line]:
    """For `python -m bench`."""
    if not told:
        return []
    group = f"{told['count']:,} reminders, {label}"
    return [
        Line(group, "in the inboxes", told["wall"], "s", target=SECONDS),
        Line(group, "processor time a message", told["cpu"] / told["count"] * 1000, "ms"),
        Line(group, "statements a message", told["statements"], ""),
        Line(group, "longest transaction, processor time", told["held"] * 1000, "ms"),
        Line(group, "another writer waits at most", told["wait"] * 1000, "ms", target=WAIT * 1000),
    ]
