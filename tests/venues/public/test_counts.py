"""Rooms' pages cost the same however much is booked: 3 rooms or 40, 10 bookings or 400 (SPEC V2)."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Any

from flask.testing import FlaskClient

from portal.core import clock
from portal.core.db import db
from portal.venues.availability import room_snapshot
from portal.venues.models import Booking, Venue
from tests.factories import NOW, Make, Town

FEW, MANY = 10, 400


def fill(room: Venue, person: Any, first: int, until: int) -> None:
    """Half hours one after the other from tomorrow 9:00, 24 a day; every fourth is the person's own."""
    for number in range(first, until):
        start = clock.at(NOW.date() + timedelta(days=1 + number // 24), time(9)) + timedelta(minutes=number % 24 * 30)
        end = start + timedelta(minutes=30)
        mine = number % 4 == 0
        db.session.add(
            Booking(
                venue_id=room.id,
                centre_id=room.centre_id,
                source="resident" if mine else "staff",
                title="开会",
                resident_id=person.id if mine else None,
                contact_name="" if mine else "来电人",
                starts_at=start,
                ends_at=end,
                held_until=end,
                status="approved",
                created_at=NOW,
            )
        )
    db.session.commit()


def test_as_many_statements_for_400_bookings_as_for_10(
    client: FlaskClient, session: Any, town: Town, make: Make, as_resident: Any, count_queries: Any
) -> None:
    me = town.residents[0]
    as_resident(client, me)
    session.rollback()
    room = make.venue(town.centres["A1"], ahead_days=30)
    fill(room, me, 0, FEW)
    pages = [
        "/venues?centre=A1", "/venues?centre=A1&day=tomorrow&from=9:00&to=10:00", f"/venues/{room.id}?day=2026-11-26",
        f"/venues/{room.id}?day=2026-11-26&start=9:00", f"/venues/{room.id}?week=2026-11-23",
        f"/venues/{room.id}/door/{room.door_key}", "/me", "/me/export.json",
    ]  # fmt: skip

    def count() -> dict[str, int]:
        counts = {}
        for path in pages:
            room_snapshot.forget()
            client.get("/help")  # whoever looks is known
            with count_queries() as seen:
                assert client.get(path).status_code == 200, path
            # Whether anything was written since (core.again) is asked only of a browser that has asked before.
            counts[path] = len([s for s in seen if not s.startswith(("BEGIN", "PRAGMA"))])
        return counts

    count()  # what a process keeps of rooms and centres is known from here on
    few = count()
    session.rollback()
    fill(room, me, FEW, MANY)
    assert count() == few
