"""Rooms and bookings for the tests of papers and figures, written straight into the tables."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from portal.centres.models import Centre
from portal.core.db import db
from portal.venues import rules
from portal.venues.models import APPROVED, BY_ACTIVITY, BY_RESIDENT, Booking, Venue
from tests.factories import NOW

KEY = "k3yAtTheDoor0001"


def room(centre: Centre, name: str = "多功能厅", **values: Any) -> Venue:
    """A room that follows its centre's hours (9:00–21:00 every day)."""
    defaults: dict[str, Any] = {
        "door_key": KEY, "created_at": NOW, "updated_at": NOW, "capacity": 50, "place": "二楼 203", "functions": ["会议"],
        "equipment": [], "terms_of_use": "离开时关灯\n桌椅放回原处",
    }  # fmt: skip
    venue = Venue(centre_id=centre.id, name=name, **(defaults | values))
    db.session.add(venue)
    db.session.commit()
    return venue


def booked(venue: Venue, day: date, opens: int, closes: int, **values: Any) -> Booking:
    """A booking from `opens` to `closes`, minutes of the local day; approved, a resident's unless told otherwise."""
    start, end = rules.moment(day, opens), rules.moment(day, closes)
    source = values.pop("source", BY_RESIDENT)
    defaults: dict[str, Any] = {
        "status": APPROVED,
        "title": "张三的家庭聚会",
        "people": 5,
        "held_until": end + timedelta(minutes=venue.buffer),
        "created_at": NOW - timedelta(days=40),
    } | ({"source_id": 7, "title": "合唱团排练"} if source == BY_ACTIVITY else {})
    row = Booking(
        venue_id=venue.id, centre_id=venue.centre_id, source=source, starts_at=start, ends_at=end, **(defaults | values)
    )
    db.session.add(row)
    return row
