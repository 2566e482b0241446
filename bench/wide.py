"""A district of 418 centres made of a small one: what only that many do to a page is seen at that many.

    python -m bench.wide [--kind sqlite|postgresql] [--turns 10] [--path /staff/catalogue] [--json]

Each new community has its people, two rooms, rows of two months, a resident and what they were told. Every staff page
by GET as the district and as a subdistrict: bytes, statements, milliseconds of this process (95th percentile). Ends
with 1 when a page is over a limit. The suite weighs the same pages (tests/house/test_many_centres.py).
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import asdict
from datetime import datetime, time, timedelta
from typing import Any

from sqlalchemy import func, insert, select

from bench import pages, town
from bench.table import Line
from portal import create_app
from portal.catalogue.models import APPROVED, DRAFT, IN_REVIEW, PUBLISHED, Category, Entry, EntrySession
from portal.centres.models import Centre, OpeningHours
from portal.core import clock, scope
from portal.core.db import db, writing
from portal.notices.models import Delivery, InboxMessage
from portal.people.models import Resident, StaffAccount
from portal.venues.models import Venue

CENTRES, STREETS = 418, 12
BYTES, MILLISECONDS = 300_000, 300.0  # of a staff page, on one core
PEOPLE = {"district": ("staff", "dapeng"), "subdistrict": ("staff", "w00")}
NAMES = "东西南北上下前后新老大小"  # 'names differ in one character' is what a search has to cope with


def widen(now: datetime, centres: int = CENTRES, entries: int = 2) -> None:
    """Add subdistricts and communities below the district until there are `centres` in all. Never commits.

    entries: rows of each new community in each of two months.
    """
    top = db.session.scalars(select(Centre).where(Centre.level == "district")).one()
    there = db.session.scalar(select(func.count(Centre.id))) or 0
    streets = [_centre(top, f"W{n:02d}", f"{NAMES[n]}河街道", "subdistrict", now) for n in range(STREETS)]
    db.session.add_all(streets)
    db.session.flush()
    below = []
    for number in range(centres - there - STREETS):
        street = streets[number % STREETS]
        name = f"{street.name[:1]}{NAMES[number // STREETS % 12]}{'坪岭湾塘'[number // 144]}社区"
        below.append(_centre(street, f"W{number + STREETS:04d}", name, "community", now))
    db.session.add_all(below)
    db.session.flush()
    _paths(streets, below)
    db.session.flush()
    db.session.execute(insert(OpeningHours), [
        {"centre_id": c.id, "weekday": day, "opens": 540, "closes": 1260} for c in below for day in range(7)
    ])  # fmt: skip
    _accounts([*streets, *below], now)
    _rooms(below, now)
    if entries:
        _rows(below, now, entries)
    _told(below, now)


def _centre(parent: Centre, code: str, name: str, level: str, now: datetime) -> Centre:
    return Centre(
        code=code, name=f"{name}党群服务中心", short_name=name, level=level, kind=level, parent_id=parent.id,
        path="", depth=parent.depth + 1, functions=["会议", "培训"], address=f"{name}一路1号", phone="0755-84200000",
        latitude=22.6, longitude=114.4, responsible="陈主任", created_at=now - timedelta(days=90),
        updated_at=now,
    )  # fmt: skip


def _paths(*levels: list[Centre]) -> None:
    for level in levels:
        for centre in level:
            parent = db.session.get_one(Centre, centre.parent_id)
            centre.path = f"{parent.path}{centre.id}/"


def _accounts(centres: list[Centre], now: datetime) -> None:
    common = {"role": "manager", "password_hash": "x", "must_change": False, "created_at": now, "phone": "19911112222"}
    db.session.execute(insert(StaffAccount), [
        {"username": c.code.lower(), "name": f"{c.short_name[:2]}管理员", "centre_id": c.id, **common} for c in centres
    ])  # fmt: skip


def _rooms(centres: list[Centre], now: datetime) -> None:
    common = {"functions": ["会议"], "equipment": [], "capacity": 30, "created_at": now, "updated_at": now}
    db.session.execute(insert(Venue), [
        {"centre_id": c.id, "name": name, "door_key": f"{c.code}{n}", "position": n, **common}
        for c in centres for n, name in enumerate(("多功能厅", "会议室"))
    ])  # fmt: skip


def _rows(centres: list[Centre], now: datetime, each: int) -> None:
    """This month's are published; of the next one's some are drafts, most wait at the subdistrict, some are through."""
    category = db.session.scalars(
        select(Category.id).where(Category.kind == "activity").order_by(Category.id.desc())
    ).first()
    values, starts = [], []
    for number, centre in enumerate(centres * each):
        for months in (0, 1):
            status = PUBLISHED if not months else (IN_REVIEW, DRAFT, IN_REVIEW, APPROVED)[number % 4]
            first = clock.at(_month_day(now, months, 1 + number % 28), time(9))
            starts.append(first)
            values.append({
                "centre_id": centre.id, "author_centre_id": centre.id, "category_id": category,
                "month": clock.month_of(first), "title": f"{centre.short_name}读书会", "content": "一起读书。",
                "organiser": centre.name, "place": "多功能厅", "groups": [], "capacity": 30, "contact": "陈社工",
                "phone": "0755-84200001", "status": status, "first_start": first,
                "last_end": first + timedelta(hours=2),
                "waits_at_id": centre.parent_id if status == IN_REVIEW else None,
                "waits_since": now if status == IN_REVIEW else None,
                "published_at": now if status == PUBLISHED else None, "created_at": now, "updated_at": now,
            })  # fmt: skip
    ids = db.session.scalars(insert(Entry).returning(Entry.id, sort_by_parameter_order=True), values).all()
    db.session.execute(insert(EntrySession), [
        {"entry_id": number, "starts_at": at, "ends_at": at + timedelta(hours=2)}
        for number, at in zip(ids, starts, strict=True)
    ])  # fmt: skip


def _month_day(now: datetime, months: int, day: int) -> Any:
    first = clock.month_span(clock.add_months(clock.month_of(now), months))[0]
    return clock.local(first).date() + timedelta(days=day - 1)


def _told(centres: list[Centre], now: datetime) -> None:
    """A resident of each community, a message of theirs and the text that left."""
    common = {"groups": [], "quiet": {}, "consent_version": "x", "created_at": now}
    people = db.session.scalars(insert(Resident).returning(Resident.id, sort_by_parameter_order=True), [
        {"phone": f"1930000{n:04d}", "name": "何居民", "home_centre_id": c.id, **common} for n, c in enumerate(centres)
    ]).all()  # fmt: skip
    letters = db.session.scalars(
        insert(InboxMessage).returning(InboxMessage.id, sort_by_parameter_order=True), list(_letters(people, now))
    ).all()
    db.session.execute(insert(Delivery), [
        {
            "channel": "sms", "recipient": f"1930000{n:04d}", "tail": f"{n:04d}",
            "body": "【扫码点单】报名成功：读书会", "kind": "sign_up",
            "message_id": letter, "key": f"wide{n}", "created_at": now, "due_at": now, "done_at": now,
            "outcome": "sent" if n % 9 else "failed",
        }
        for n, letter in enumerate(letters)
    ])  # fmt: skip


def _letters(people: Any, now: datetime) -> Iterator[dict[str, Any]]:
    for number in people:
        yield {
            "audience": "resident", "person_id": number, "kind": "sign_up", "title": "报名成功", "body": "读书会",
            "key": f"wide{number}", "created_at": now,
        }  # fmt: skip


def lines_of(kind: str, found: list[dict[str, Any]]) -> list[Line]:
    """For `python -m bench`: the heaviest and the slowest page of each person."""
    group, lines = f"418 centres, {town.LABELS[kind]}", []
    for who in PEOPLE:
        own = [page for page in found if page["who"] == who]
        heavy, slow = max(own, key=lambda page: page["size"]), max(own, key=lambda page: page["p95"])
        lines.append(
            Line(group, f"{who}, {len(own)} pages: {heavy['path']}", heavy["size"] / 1000, "KB", target=BYTES / 1000)
        )
        lines.append(Line(group, f"{who}: {slow['path']}", slow["p95"], "ms", target=MILLISECONDS))
    return lines


def _over(page: pages.Seen) -> bool:
    return page.size > BYTES or page.p95 > MILLISECONDS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=town.KINDS, default="sqlite")
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--path", default="/staff", help="only addresses that hold this")
    parser.add_argument("--json", action="store_true", help="for `python -m bench`")
    chosen = parser.parse_args()
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with town.empty(chosen.kind) as (env, _), redirect_stdout(sys.stderr):
        os.environ.update(env)
        app = create_app()
        pages.fill(app, 1)
        with app.app_context():
            with writing(), scope.system("bench"):
                widen(clock.now())
            pages.analyse()
        gc.collect()
        gc.freeze()  # what filling has left behind is no part of any page
        found = pages.measure(app, chosen.turns, chosen.path, PEOPLE)
        with app.app_context():
            db.engine.dispose()
    if chosen.json:
        print(json.dumps([asdict(page) for page in found]))
        return 0
    for page in sorted(found, key=lambda p: -max(p.size / BYTES, p.p95 / MILLISECONDS)):
        mark = "!" if _over(page) else ""
        print(f"{mark:2}{page.who:12}{page.path:60}{page.p95:8.1f} ms{page.statements:4d} st{page.size / 1000:8.1f} KB")
    return 1 if any(map(_over, found)) else 0


if __name__ == "__main__":
    sys.exit(main())
