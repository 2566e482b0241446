"""A centre's calendar in phones: a date that stays is the same event, a date that moves is the same one moved (C10)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from flask.testing import FlaskClient
from icalendar import Calendar

from portal.catalogue.actions import changing, entry_values
from portal.catalogue.models import Entry
from portal.catalogue.timetext.parts import Span
from tests.factories import NOW, Make, Town

WEEK, START = timedelta(days=7), NOW + timedelta(days=8)


def weekly(*weeks: int, later: timedelta = timedelta(0)) -> tuple[Span, ...]:
    starts = [START + number * WEEK + later for number in weeks]
    return tuple(Span(start, start + timedelta(hours=2)) for start in starts)


def change(session: Any, town: Town, entry: Entry, sessions: tuple[Span, ...]) -> None:
    values = replace(entry_values.values_of(entry), sessions=sessions)
    changing.ask_change(town.actor("D"), entry, values, "场地调整", NOW)
    session.commit()


def events(client: FlaskClient) -> dict[str, Any]:
    data = client.get("/calendar/A1.ics?month=2026-12").data
    assert b"TZID=" not in data  # in UTC: a zone without its definition is refused by strict programs
    return {str(event["UID"]): event for event in Calendar.from_ical(data).walk("VEVENT")}


def test_a_date_that_stays_is_the_same_event(client: FlaskClient, session: Any, town: Town, make: Make) -> None:
    entry = make.entry(town.centres["A1"], [(s.start, s.end) for s in weekly(0, 1, 2)])
    before = events(client)
    change(session, town, entry, weekly(1, 2))
    after = events(client)
    assert after.keys() == before.keys()
    assert all(before[uid].decoded("DTSTART") == after[uid].decoded("DTSTART") for uid in after)
    (off,) = (event for event in after.values() if event.get("STATUS") == "CANCELLED")
    assert off.decoded("DTSTART") == START and off["SEQUENCE"] > before[str(off["UID"])]["SEQUENCE"]


def test_a_date_that_moves_is_the_same_event_moved(client: FlaskClient, session: Any, town: Town, make: Make) -> None:
    entry = make.entry(town.centres["A1"], [(s.start, s.end) for s in weekly(0, 1)])
    before = events(client)
    moved = weekly(0, later=timedelta(days=1))
    change(session, town, entry, (*moved, *weekly(1)))
    after = events(client)
    assert after.keys() == before.keys()
    assert sorted(event.decoded("DTSTART") for event in after.values()) == [moved[0].start, weekly(1)[0].start]
    assert all(int(after[uid]["SEQUENCE"]) > int(before[uid]["SEQUENCE"]) for uid in after)
