"""A district's rooms for the measurements: 300 rooms of 26 centres, and as many bookings as wanted.

In a process of its own: python -m bench.fill_rooms [--bookings 100000] [--again]. Prints one JSON object: who is signed
in, the centre that is looked at, and the rooms.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from datetime import date, datetime, timedelta
from typing import Any

from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import delete, func, insert, select

from bench.fill import CHUNK, analyse
from bench.prepare import cookies
from portal import create_app
from portal.centres import actions as centre_actions
from portal.centres import profile
from portal.centres.models import Centre, OpeningHours
from portal.core import clock, scope, sessions
from portal.core.access import system_actor
from portal.core.db import db, writing
from portal.people.models import Resident
from portal.venues import overlap_constraint, rules
from portal.venues.models import APPROVED, BY_RESIDENT, Booking, Venue

ROOMS, CENTRES, PEOPLE, OUTSIDE = 300, 26, 1500, 12
FORTNIGHT = 14
TITLE = "例会"
# Minutes after midnight and how long; a busy day has most of them taken.
SLOTS = ((540, 60), (600, 90), (720, 60), (840, 120), (960, 60), (1050, 90), (1140, 60))
FUNCTIONS = ("会议", "培训", "排练", "读书", "亲子活动", "棋牌", "舞蹈")
KINDS = ("会议室", "多功能厅", "书吧", "舞蹈室", "四点半课堂", "党员活动室")


def rooms(now: datetime) -> None:
    """26 centres that open from 9 to 21 h, their 300 rooms (the first centre has 12), and residents."""
    chosen = profile.load("dapeng")
    with writing(), scope.system("bench"):
        units = (chosen.folder / "units.csv").read_text(encoding="utf-8")
        centre_actions.import_centres(units, chosen, system_actor(), now)
    with writing(), scope.system("bench"):
        ids = list(db.session.scalars(select(Centre.id).where(Centre.level == "community").order_by(Centre.id)))
        ids += db.session.scalars(select(Centre.id).where(Centre.id.not_in(ids)).order_by(Centre.id))
        chosen_ids = ids[:CENTRES]
        db.session.execute(delete(OpeningHours))
        db.session.execute(
            insert(OpeningHours),
            [
                {"centre_id": i, "weekday": day, "opens": 540, "closes": 1260, "note": ""}
                for i in ids
                for day in range(7)
            ],
        )
        db.session.execute(insert(Venue), [_room(n, chosen_ids[n % CENTRES], now) for n in range(ROOMS)])
        db.session.execute(insert(Venue), [_outside(n, chosen_ids[0], now) for n in range(OUTSIDE)])
        db.session.execute(
            insert(Resident),
            [
                {
                    "id": n,
                    "phone": f"100{n:08d}",
                    "name": f"居民{n}",
                    "address": "测试路1号",
                    "home_centre_id": chosen_ids[0],
                    "groups": [],
                    "quiet": {},
                    "created_at": now,
                }
                for n in range(1, PEOPLE + 1)
            ],
        )


def _room(number: int, centre_id: int, now: datetime) -> dict[str, Any]:
    return {
        "centre_id": centre_id, "name": f"{KINDS[number % 6]} {number // CENTRES + 1}", "kind": "room",
        "place": f"{number % 4 + 1}楼", "capacity": 10 + 10 * (number % 9), "buffer": 15 if number % 5 == 0 else 0,
        "functions": [FUNCTIONS[number % 7], FUNCTIONS[(number + 3) % 7]], "equipment": ["投影仪"], "ahead_days": 30,
        "needs_approval": number % 3 == 0, "step": 15 if number % 5 == 0 else 30, "longest": 240, "notice": 0,
        "door_key": f"bench{number:011d}", "position": number // CENTRES, "created_at": now, "updated_at": now,
    }  # fmt: skip


def _outside(number: int, centre_id: int, now: datetime) -> dict[str, Any]:
    """A library, a park: a line with address and phone under every search."""
    return {
        "centre_id": centre_id, "name": f"文化场馆{number}", "kind": "city", "bookable": False, "address": "测试路1号",
        "phone": "0755-8420 0000", "door_key": f"outside{number:09d}", "functions": [], "equipment": [],
        "created_at": now, "updated_at": now,
    }  # fmt: skip


def bookings(count: int, now: datetime) -> None:
    """Fill up to `count` bookings: a lively fortnight to come, everything else in the past, a day further back each."""
    with scope.system("bench"):
        ours = select(func.count(Booking.id)).where(Booking.title == TITLE)  # not those made while measuring
        there = db.session.scalar(ours) or 0
        wanted = select(Venue.id, Venue.centre_id, Venue.buffer).where(Venue.bookable).order_by(Venue.id)
        found = [(i, c, b) for i, c, b in db.session.execute(wanted)]
        db.session.rollback()
    today = clock.today(now)
    # Slots of one room lie apart, so the net that refuses overlaps is put back over them at the end, in one go.
    with writing():
        overlap_constraint.remove(db.session.connection())
    chunk: list[dict[str, Any]] = []
    for made, row in enumerate(_rows(found, today, now), 1):
        if made > there:
            chunk.append(row)
        if made >= count:
            break
        if len(chunk) == CHUNK:
            _put(chunk)
            chunk = []
    _put(chunk)
    with writing():
        overlap_constraint.install(db.session.connection())


def _rows(found: list[tuple[int, int, int]], today: date, now: datetime) -> Iterator[dict[str, Any]]:
    for back in range(FORTNIGHT, -10_000, -1):
        for room, centre, buffer in found:
            for place, (opens, minutes) in enumerate(SLOTS):
                # Three of seven hours are taken in the days to come, five in the past; another pattern each day.
                if (room * 31 + back * 17 + place * 5) % 7 >= (3 if back >= 0 else 5):
                    continue
                start = rules.moment(today + back * timedelta(days=1), opens)
                end = start + timedelta(minutes=minutes - buffer)
                yield {
                    "venue_id": room,
                    "centre_id": centre,
                    "source": BY_RESIDENT,
                    "title": TITLE,
                    "people": 8,
                    "resident_id": 1 + (room + back + place) % PEOPLE,
                    "starts_at": start,
                    "ends_at": end,
                    "held_until": end + timedelta(minutes=buffer),
                    "status": APPROVED,
                    "created_at": now,
                    "checked_in_at": start if back < 0 else None,
                }


def _put(chunk: list[dict[str, Any]]) -> None:
    if chunk:
        with writing(), scope.system("bench"):
            db.session.execute(insert(Booking), chunk)


def _told(app: Flask, now: datetime) -> dict[str, Any]:
    with app.app_context(), writing(), scope.system("bench"):
        tokens = [sessions.open_session("resident", n, now) for n in range(1, PEOPLE + 1)]
        code = db.session.scalar(select(Centre.code).join(Venue, Venue.centre_id == Centre.id).order_by(Venue.id))
        found = list(db.session.scalars(select(Venue.id).where(Venue.bookable).order_by(Venue.id)))
    return {"cookies": cookies(app, tokens), "code": code, "rooms": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bookings", type=int, default=100_000)
    parser.add_argument("--again", action="store_true", help="only more bookings for rooms that are there")
    chosen = parser.parse_args()
    logging.getLogger("alembic").setLevel(logging.WARNING)
    app, told = create_app(), {}
    with redirect_stdout(sys.stderr):
        with app.app_context():
            if not chosen.again:
                upgrade()
                rooms(clock.now())
            bookings(chosen.bookings, clock.now())
            analyse()
        if not chosen.again:
            told = _told(app, clock.now())
    print(json.dumps(told))


if __name__ == "__main__":
    main()
