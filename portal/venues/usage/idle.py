"""Rooms that stand idle, and what could be done with them (一室多用, SPEC V7, A3). Thresholds: profile [venues.use]."""

from __future__ import annotations

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
from portal.venues.usage.figures import PARTS, CentreUse, Figures, Minutes, RoomUse, Span

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

    use: RoomUse
    empty: tuple[tuple[str, str], ...]
    unmet: tuple[tuple[str, int, bool], ...]
    popular: tuple[tuple[str, int], ...]

    @property
    def venue(self) -> Venue:
        return self.use.venue


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


def is_idle(figures: Figures) -> bool:
    """Open long enough to judge, and booked for less than the threshold (V7)."""
    return figures.open >= threshold("idle_open_hours") * 60 and rules.idle(figures.use, threshold("idle_share"))


def idle_rooms(path: str, now: datetime) -> list[Idle]:
    """Idle rooms below `path` with what speaks for using them otherwise. At most 15 statements.

    A room counts from the day it was entered: one that is new has not been idle for four weeks.
    """
    span = recent(now)
    groups = usage.use_of(path, span, now)
    found = [(g, u) for g in groups for u in g.rooms if u.venue.active and is_idle(u.figures)]
    young = _too_young([u.venue for _, u in found], span)
    idle = [(group, use) for group, use in found if use.venue.id not in young]
    if not idle:
        return []
    unmet, popular = usage.unmet_by_function(path, asked_for(now)), usage.booked_by_function(path, span)
    empty = _empty([use.venue for _, use in idle], span)
    return [_idle(group, use, empty[use.venue.id], unmet, popular) for group, use in idle]


def _too_young(venues: list[Venue], span: Span) -> set[int]:
    """Rooms whose open hours since they were entered do not reach the threshold yet."""
    entered = {v.id: clock.local(v.created_at).date() for v in venues}
    recent_ones = [v for v in venues if entered[v.id] > span.first]
    terms = occupancy.terms_of(recent_ones, span.first, span.until)
    least = threshold("idle_open_hours") * 60

    def opened(venue: Venue) -> int:
        return sum(sum(usage.open_on(terms[venue.id], day)) for day in span.days if day >= entered[venue.id])

    return {v.id for v in recent_ones if opened(v) < least}


def _idle(
    group: CentreUse, use: RoomUse, empty: tuple[tuple[str, str], ...], unmet: Mapping[int, Mapping[str, int]],
    popular: Mapping[int, Mapping[str, int]],
) -> Idle:  # fmt: skip
    mine = set(use.venue.functions)
    lacking = list(unmet.get(group.centre.id, {}).items())[:MOST_FUNCTIONS]
    liked = tuple(popular.get(group.centre.id, {}).items())[:MOST_FUNCTIONS]
    return Idle(use, empty, tuple((name, times, name in mine) for name, times in lacking), liked)


# Which hours are empty ------------------------------------------------------------------------------------------------


def _empty(venues: list[Venue], span: Span) -> dict[int, tuple[tuple[str, str], ...]]:
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
    terms = occupancy.terms_of(venues, span.first, span.until)
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
