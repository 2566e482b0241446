"""Rooms that stand idle, and what could be done with them (一室多用, SPEC V7, A3). Thresholds: profile [venues.use]."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from sqlalchemy import select

from portal.centres import profile
from portal.core import clock
from portal.core.db import db
from portal.venues import occupancy, rules
from portal.venues.models import APPROVED, Booking, Venue
from portal.venues.rules.opening_hours import DAY
from portal.venues.usage import figures as usage
from portal.venues.usage.figures import PARTS, Figures, Minutes, Span

DEFAULTS = {
    "idle_days": 28.0, "idle_open_hours": 20.0, "idle_share": 0.1, "small_bookings": 5.0, "small_open_hours": 20.0,
}  # fmt: skip
MOST_FUNCTIONS = 3


@dataclass(frozen=True)
class Idle:
    """An idle room: when it is never used, and what its centre lacks room for.

    empty: (word of the part, days in words). unmet: (function, times, whether this room may be used for it).
    popular: (function, booked minutes) of the centre's rooms.
    """

    venue: Venue
    use: rules.Use
    empty: tuple[tuple[str, str], ...]
    unmet: tuple[tuple[str, int, bool], ...]
    popular: tuple[tuple[str, int], ...]

    @property
    def percent(self) -> int:
        return round(100 * self.use.share)


def threshold(name: str) -> float:
    """One of DEFAULTS, or what the deployment says instead."""
    return float(profile.current().venues.use.get(name, DEFAULTS[name]))


def few_bookings(figures: Figures) -> bool:
    """Too few bookings for a share of them to say much."""
    return figures.bookings < threshold("small_bookings")


def little_open(figures: Figures) -> bool:
    """Open for too short a time for the share of it to say much."""
    return figures.open < threshold("small_open_hours") * 60


def recent(now: datetime) -> Span:
    """The days that idleness is judged by: the last four weeks, today not included."""
    today = clock.today(now)
    return Span(today - int(threshold("idle_days")) * DAY, today)


def asked_for(now: datetime) -> Span:
    """The days of requests that are looked at beside idle rooms: the same, and today."""
    span = recent(now)
    return replace(span, until=span.until + DAY)


def is_idle(use: rules.Use) -> bool:
    """Open long enough to judge, and booked for less than the threshold (V7)."""
    return use.open_minutes >= threshold("idle_open_hours") * 60 and use.share < threshold("idle_share")


def idle_rooms(path: str, now: datetime) -> list[Idle]:
    """Idle rooms below `path` with what speaks for using them otherwise. Six statements.

    A room counts from the day it was entered: one that is new has not been idle for four weeks.
    """
    span = recent(now)
    venues = [venue for _, rooms in usage.by_centre(usage.venues_of(path)) for venue in rooms if venue.active]
    terms = occupancy.terms_of(venues, span.first, span.until)
    booked, popular = _booked(path, span)
    uses = {v.id: rules.Use(sum(usage.open_in(terms[v.id], span.days)), booked.get(v.id, 0)) for v in venues}
    found = [v for v in venues if is_idle(uses[v.id]) and _old_enough(v, terms[v.id], span)]
    if not found:
        return []
    unmet, empty = usage.unmet_by_function(path, asked_for(now)), _empty(found, terms, span)
    return [_idle(v, uses[v.id], empty[v.id], unmet, popular) for v in found]


def _booked(path: str, span: Span) -> tuple[dict[int, int], dict[int, dict[str, int]]]:
    """Booked minutes of each room; and of each centre by what its rooms are taken for, the most first."""
    rooms: Counter[int] = Counter()
    centres: dict[int, Counter[str]] = {}
    for venue_id, centre_id, function, minutes in usage.booked_by_room(path, span):
        rooms[venue_id] += minutes
        if function:
            centres.setdefault(centre_id, Counter())[function] += minutes
    return rooms, {centre_id: dict(liked.most_common()) for centre_id, liked in centres.items()}


def _old_enough(venue: Venue, terms: rules.Terms, span: Span) -> bool:
    """Whether its open hours since it was entered reach the threshold; of an old one they are known to."""
    entered = clock.today(venue.created_at)
    if entered <= span.first:
        return True
    opened = sum(usage.open_in(terms, (day for day in span.days if day >= entered)))
    return opened >= threshold("idle_open_hours") * 60


def _idle(
    venue: Venue, use: rules.Use, empty: tuple[tuple[str, str], ...], unmet: Mapping[int, Mapping[str, int]],
    popular: Mapping[int, Mapping[str, int]],
) -> Idle:  # fmt: skip
    lacking = list(unmet.get(venue.centre_id, {}).items())[:MOST_FUNCTIONS]
    liked = tuple(popular.get(venue.centre_id, {}).items())[:MOST_FUNCTIONS]
    return Idle(venue, use, empty, tuple((name, times, name in venue.functions) for name, times in lacking), liked)


# Which hours are empty ------------------------------------------------------------------------------------------------


def _empty(venues: list[Venue], terms: Mapping[int, rules.Terms], span: Span) -> dict[int, tuple[tuple[str, str], ...]]:
    """Per room the parts of the week in which it opens and was never booked. Idle rooms have few bookings to read."""
    start, end = span.moments
    wanted = select(Booking.venue_id, Booking.starts_at, Booking.ends_at).where(
        Booking.venue_id.in_([v.id for v in venues]), Booking.status == APPROVED, Booking.starts_at >= start,
        Booking.starts_at < end,
    )  # fmt: skip
    booked: dict[int, dict[int, Minutes]] = {v.id: {} for v in venues}
    for venue_id, begins, ends in db.session.execute(wanted):
        day = clock.local(begins).date()
        begin = rules.moment(day, 0)
        minutes = usage.parts_of((begins - begin) // timedelta(minutes=1), (ends - begin) // timedelta(minutes=1))
        _add(booked[venue_id], day, minutes)
    found = {}
    for venue in venues:
        opened: dict[int, Minutes] = {}
        for day in span.days:
            _add(opened, day, usage.open_on(terms[venue.id], day))
        found[venue.id] = tuple(_never(opened, booked[venue.id]))
    return found


def _add(week: dict[int, Minutes], day: date, minutes: Minutes) -> None:
    before = week.get(day.weekday(), usage.NONE)
    week[day.weekday()] = (before[0] + minutes[0], before[1] + minutes[1], before[2] + minutes[2])


def _never(opened: Mapping[int, Minutes], booked: Mapping[int, Minutes]) -> Iterable[tuple[str, str]]:
    for index, (_, word, _, _) in enumerate(PARTS):
        days = [d for d in range(7) if opened.get(d, usage.NONE)[index] and not booked.get(d, usage.NONE)[index]]
        if days:
            yield word, days_words(days)


def days_words(days: list[int]) -> str:
    """'每天', '周一至周五', '周二、周四'; 0 is Monday, in order."""
    if len(days) == 7:
        return "每天"
    runs: list[list[int]] = []
    for day in days:
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return "、".join(_run(run) for run in runs)


def _run(run: list[int]) -> str:
    words = [f"周{clock.WEEKDAYS[day]}" for day in run]
    return f"{words[0]}至{words[-1]}" if len(run) > 2 else "、".join(words)
