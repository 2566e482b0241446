"""Helpers for the tests of bookings. Days are those of November 2026 unless told otherwise; NOW is Wednesday the 25th."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import aliased

from portal.core import clock, outbox, scope
from portal.core.access import Actor
from portal.notices.models import InboxMessage
from portal.venues.actions import booking
from portal.venues.models import HOLDS, Booking, Venue
from portal.venues.rules import Span
from portal.venues.rules.eligibility import Wish
from tests.factories import Town


def at(day: int, hour: int, minute: int = 0, month: int = 11) -> datetime:
    """Shanghai's clock on a day of 2026."""
    return clock.at(date(2026, month, day), time(hour, minute))


def span(day: int, hour: int, minutes: int = 120, month: int = 11) -> Span:
    start = at(day, hour, month=month)
    return Span(start, start + timedelta(minutes=minutes))


def wish(venue: Venue, day: int = 27, hour: int = 14, minutes: int = 120, **values: Any) -> Wish:
    """Two hours on Friday the 27th, more than a day ahead."""
    start = at(day, hour, month=values.pop("month", 11))
    return Wish(venue.id, start, start + timedelta(minutes=minutes), **({"title": "舞蹈队排练"} | values))


def who(person: Any) -> Actor:
    return Actor("resident", person.id, person.name)


@contextmanager
def staff(town: Town, key: str) -> Iterator[Actor]:
    """A staff member in their own scope, as on a staff page."""
    actor = town.actor(key)
    with scope.use(scope.StaffScope(actor.centre_path, actor.department_id)):
        yield actor


def wait_all(town: Town, venue: Venue, now: datetime, people: int, **values: Any) -> list[Booking]:
    """The first person has the time, the others stand in line for it."""
    first = [booking.book(town.resident_actor(0), wish(venue, **values), now)]
    return first + [booking.wait(town.resident_actor(n), wish(venue, **values), now) for n in range(1, people)]


def inbox(session: Any, person: Any, audience: str = "resident") -> list[InboxMessage]:
    session.expire_all()
    mine = select(InboxMessage).where(InboxMessage.audience == audience, InboxMessage.person_id == person.id)
    return list(session.scalars(mine.order_by(InboxMessage.id)))


def deliver(session: Any, now: datetime) -> None:
    """What a worker does; twice, because nothing may be told twice."""
    session.commit()
    for _ in range(2):
        outbox.run_due(now)
    late = session.scalars(select(outbox.Outbox).where(outbox.Outbox.done_at.is_(None))).all()
    assert [(row.topic, row.last_error) for row in late if row.last_error] == []


def kinds(session: Any, person: Any, audience: str = "resident") -> list[str]:
    return [m.kind for m in inbox(session, person, audience)]


def overlapping(session: Any) -> list[tuple[int, int]]:
    """Pairs of holds of one room that overlap, buffers included: the truth of every race."""
    a, b = aliased(Booking), aliased(Booking)
    pairs = select(a.id, b.id).where(
        a.venue_id == b.venue_id,
        a.id < b.id,
        a.status.in_(HOLDS),
        b.status.in_(HOLDS),
        a.starts_at < b.held_until,
        b.starts_at < a.held_until,
    )
    return [(x, y) for x, y in session.execute(pairs)]


def statuses(session: Any, rows: list[Booking]) -> list[str]:
    session.flush()
    session.expire_all()
    return [row.status for row in rows]
