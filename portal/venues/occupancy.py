"""What the rules need to know of venues: opening, closures, what is taken. A fixed number of statements each."""

from collections.abc import Collection, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Date, Integer, bindparam, cast, literal, null, or_, select, union_all

from portal.centres.models import OpeningException, OpeningHours
from portal.core import clock
from portal.core.db import db
from portal.venues import rules
from portal.venues.models import HOLDS, Booking, Venue, VenueClosure, VenueHours
from portal.venues.rules import Span

FIRST_DAY, LAST_DAY = date(1902, 1, 1), date(9998, 1, 1)
LONGEST_HOLD = timedelta(days=2)  # a day and a generous buffer; bounds the look-up of what is taken


Weekly = dict[int, list[tuple[int, int]]]


class Odd(NamedTuple):
    """A day of a centre that differs: other hours, or closed (opens None)."""

    day: date
    opens: int | None
    closes: int | None
    reason: str


def _hours(
    venue_ids: Collection[int], centre_ids: Collection[int], first: date, until: date
) -> tuple[dict[int, Weekly], dict[int, Weekly], dict[int, list[Odd]]]:
    """Own hours by venue, hours by centre, days that differ by centre. One statement of three parts."""
    no_day, no_weekday = cast(null(), Date), cast(null(), Integer)
    own = select(
        literal("venue").label("whose"), VenueHours.venue_id.label("owner"), VenueHours.weekday,
        no_day.label("day"), VenueHours.opens, VenueHours.closes, literal("").label("reason"),
    ).where(VenueHours.venue_id.in_(venue_ids))  # fmt: skip
    house = select(
        literal("centre"), OpeningHours.centre_id, OpeningHours.weekday, no_day, OpeningHours.opens,
        OpeningHours.closes, literal(""),
    ).where(OpeningHours.centre_id.in_(centre_ids))  # fmt: skip
    odd = select(
        literal("odd"), OpeningException.centre_id, no_weekday, OpeningException.day, OpeningException.opens,
        OpeningException.closes, OpeningException.reason,
    ).where(
        OpeningException.centre_id.in_(centre_ids), OpeningException.day >= first, OpeningException.day < until
    )  # fmt: skip
    rows: Sequence[Any] = db.session.execute(union_all(own, house, odd)).all()
    weekly: dict[str, dict[int, Weekly]] = {"venue": {}, "centre": {}}
    exceptions: dict[int, list[Odd]] = {}
    for whose, owner, weekday, day, opens, closes, reason in rows:
        if whose == "odd":
            exceptions.setdefault(owner, []).append(Odd(day, opens, closes, reason))
        else:
            weekly[whose].setdefault(owner, {}).setdefault(weekday, []).append((opens, closes))
    return weekly["venue"], weekly["centre"], exceptions


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
    """The rules of each venue for the local days [first, until): hours, exceptions, closures. Two statements.

    A venue without hours of its own follows its centre's weekly hours; the centre's exceptions (closed, other hours)
    hold for every venue, because nobody opens the house that day.
    """
    if not venues:
        return {}
    # A day on either side: a booking may begin before midnight, an alternative lie on the next day.
    own, house, odd = _hours(
        [v.id for v in venues if v.own_hours], {v.centre_id for v in venues}, first - timedelta(days=1),
        until + timedelta(days=1),
    )  # fmt: skip
    shut = closures(venues, clock.at(first - timedelta(days=1), time()), clock.at(until + timedelta(days=1), time()))
    return {
        v.id: _terms(
            v, own.get(v.id, {}) if v.own_hours else house.get(v.centre_id, {}), odd.get(v.centre_id, []), shut[v.id]
        )
        for v in venues
    }


def _terms(venue: Venue, weekly: Weekly, odd: list[Odd], shut: tuple[rules.Closure, ...]) -> rules.Terms:
    return rules.Terms(
        weekly={day: tuple(sorted(spans)) for day, spans in weekly.items()},
        exceptions={x.day: () if x.opens is None or x.closes is None else ((x.opens, x.closes),) for x in odd},
        exception_reasons={x.day: x.reason for x in odd if x.reason}, closures=shut, buffer=venue.buffer,
        shortest=venue.shortest, longest=venue.longest, step=venue.step, ahead_days=venue.ahead_days,
        notice=venue.notice, capacity=venue.capacity, hours_per_week=venue.hours_per_week,
        bookings_per_month=venue.bookings_per_month, cancel=venue.cancel, release=venue.release,
    )  # fmt: skip


def terms_for(venue: Venue, around: datetime) -> rules.Terms:
    """The rules of one venue for a week on either side of a moment: enough for a wish and its alternatives."""
    day = min(max(clock.local(around).date(), FIRST_DAY), LAST_DAY)  # far from our time nothing is open anyway
    return terms_of([venue], day - timedelta(days=1), day + timedelta(days=8))[venue.id]


_TAKEN = (
    select(Booking.venue_id, Booking.starts_at, Booking.held_until)
    .where(
        Booking.venue_id.in_(bindparam("venues", expanding=True)), Booking.status.in_(HOLDS),
        Booking.id.not_in(bindparam("but", expanding=True)), Booking.starts_at < bindparam("until"),
        Booking.starts_at > bindparam("earliest"), Booking.held_until > bindparam("since"),
    )
    .order_by(Booking.starts_at)
)  # fmt: skip


def taken(
    venue_ids: Collection[int], start: datetime, end: datetime, but: Collection[int] = ()
) -> dict[int, list[Span]]:
    """Held spans (buffers included) that touch [start, end), per venue and in order. One statement, by one index.

    but: bookings that do not count (the one that is being moved).
    """
    values = {
        "venues": list(venue_ids),
        "but": list(but),
        "until": end,
        "earliest": start - LONGEST_HOLD,
        "since": start,
    }
    found: dict[int, list[Span]] = {venue_id: [] for venue_id in venue_ids}
    for venue_id, first, last in db.session.execute(_TAKEN, values):
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
