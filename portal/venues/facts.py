"""What the rules need to know of venues: opening, closures, what is taken. A fixed number of statements each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import or_, select

from portal.centres.models import OpeningException, OpeningHours
from portal.core import clock
from portal.core.db import db
from portal.venues import rules
from portal.venues.models import HOLDS, Booking, Venue, VenueClosure, VenueHours
from portal.venues.rules import Span

LONGEST_HOLD = timedelta(days=2)  # a day and a generous buffer; bounds the look-up of what is taken

Weekly = dict[int, list[tuple[int, int]]]


def _weekly(rows: Iterable[Any]) -> dict[int, Weekly]:
    found: dict[int, Weekly] = {}
    for owner, weekday, opens, closes in rows:
        found.setdefault(owner, {}).setdefault(weekday, []).append((opens, closes))
    return found


def _own_hours(venue_ids: Collection[int]) -> dict[int, Weekly]:
    if not venue_ids:
        return {}
    wanted = select(VenueHours.venue_id, VenueHours.weekday, VenueHours.opens, VenueHours.closes)
    wanted = wanted.where(VenueHours.venue_id.in_(venue_ids)).order_by(VenueHours.opens)
    return _weekly(db.session.execute(wanted))


def _centre_hours(centre_ids: Collection[int]) -> dict[int, Weekly]:
    wanted = select(OpeningHours.centre_id, OpeningHours.weekday, OpeningHours.opens, OpeningHours.closes)
    wanted = wanted.where(OpeningHours.centre_id.in_(centre_ids)).order_by(OpeningHours.opens)
    return _weekly(db.session.execute(wanted))


def _exceptions(centre_ids: Collection[int], first: date, until: date) -> dict[int, list[OpeningException]]:
    wanted = select(OpeningException).where(
        OpeningException.centre_id.in_(centre_ids), OpeningException.day >= first, OpeningException.day < until
    )
    found: dict[int, list[OpeningException]] = {}
    for row in db.session.scalars(wanted):
        found.setdefault(row.centre_id, []).append(row)
    return found


def closures(venues: Sequence[Venue], start: datetime, end: datetime) -> dict[int, tuple[rules.Closure, ...]]:
    """Per venue what is closed in [start, end): its own closures and those of its whole centre. One statement."""
    wanted = select(VenueClosure).where(
        VenueClosure.centre_id.in_({v.centre_id for v in venues}), VenueClosure.lifted_at.is_(None),
        VenueClosure.ends_at > start, VenueClosure.starts_at < end,
        or_(VenueClosure.venue_id.is_(None), VenueClosure.venue_id.in_([v.id for v in venues])),
    )  # fmt: skip
    rows = list(db.session.scalars(wanted.order_by(VenueClosure.starts_at, VenueClosure.id)))
    return {
        venue.id: tuple(
            rules.Closure(Span(row.starts_at, row.ends_at), row.reason)
            for row in rows
            if row.centre_id == venue.centre_id and row.venue_id in (None, venue.id)
        )
        for venue in venues
    }


def terms_of(venues: Sequence[Venue], first: date, until: date) -> dict[int, rules.Terms]:
    """The rules of each venue for the local days [first, until): hours, exceptions, closures. At most four statements.

    A venue without hours of its own follows its centre's weekly hours; the centre's exceptions (closed, other hours)
    hold for every venue, because nobody opens the house that day.
    """
    if not venues:
        return {}
    centre_ids = {v.centre_id for v in venues}
    own, house = _own_hours([v.id for v in venues if v.own_hours]), _centre_hours(centre_ids)
    # A day on either side: a booking may begin before midnight, an alternative lie on the next day.
    odd = _exceptions(centre_ids, first - timedelta(days=1), until + timedelta(days=1))
    shut = closures(venues, clock.at(first - timedelta(days=1), time()), clock.at(until + timedelta(days=1), time()))
    return {
        v.id: _terms(
            v, own.get(v.id, {}) if v.own_hours else house.get(v.centre_id, {}), odd.get(v.centre_id, []), shut[v.id]
        )
        for v in venues
    }


def _terms(venue: Venue, weekly: Weekly, odd: list[OpeningException], shut: tuple[rules.Closure, ...]) -> rules.Terms:
    return rules.Terms(
        weekly={day: tuple(spans) for day, spans in weekly.items()},
        exceptions={x.day: () if x.opens is None or x.closes is None else ((x.opens, x.closes),) for x in odd},
        exception_reasons={x.day: x.reason for x in odd if x.reason}, closures=shut, buffer=venue.buffer,
        shortest=venue.shortest, longest=venue.longest, step=venue.step, ahead_days=venue.ahead_days,
        notice=venue.notice, capacity=venue.capacity, hours_per_week=venue.hours_per_week,
        bookings_per_month=venue.bookings_per_month, cancel=venue.cancel, release=venue.release,
    )  # fmt: skip


def terms_for(venue: Venue, around: datetime) -> rules.Terms:
    """The rules of one venue for a week on either side of a moment: enough for a wish and its alternatives."""
    day = clock.local(around).date()
    return terms_of([venue], day - timedelta(days=1), day + timedelta(days=8))[venue.id]


def taken(
    venue_ids: Collection[int], start: datetime, end: datetime, but: Collection[int] = ()
) -> dict[int, list[Span]]:
    """Held spans (buffers included) that touch [start, end), per venue and in order. One statement, by one index.

    but: bookings that do not count (the one that is being moved).
    """
    wanted = select(Booking.venue_id, Booking.starts_at, Booking.held_until).where(
        Booking.venue_id.in_(venue_ids), Booking.status.in_(HOLDS), Booking.starts_at < end,
        Booking.starts_at > start - LONGEST_HOLD, Booking.held_until > start,
    )  # fmt: skip
    if but:
        wanted = wanted.where(Booking.id.not_in(but))
    found: dict[int, list[Span]] = {venue_id: [] for venue_id in venue_ids}
    for venue_id, first, last in db.session.execute(wanted.order_by(Booking.starts_at)):
        found[venue_id].append(Span(first, last))
    return found


def in_the_way(venue_id: int, held: Span, but: Collection[int] = ()) -> list[Booking]:
    """Bookings that hold part of `held` (buffers on both sides), in order. The look before every write."""
    wanted = select(Booking).where(
        Booking.venue_id == venue_id, Booking.status.in_(HOLDS), Booking.starts_at < held.end,
        Booking.starts_at > held.start - LONGEST_HOLD, Booking.held_until > held.start,
    )  # fmt: skip
    if but:
        wanted = wanted.where(Booking.id.not_in(but))
    return list(db.session.scalars(wanted.order_by(Booking.starts_at)))


def is_free(venue_id: int, held: Span, but: Collection[int] = ()) -> bool:
    """The guard in one place: the control test takes it away to show that bookings then overlap."""
    return not in_the_way(venue_id, held, but)
