"""What the loser of a race is offered instead: other times of the same room (SPEC V2). Pure functions, no database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from portal.venues import rules
from portal.venues.opening import DAY, MINUTE, Span, Terms, grid, local_day, moment, wall_minutes, within

LATER_DAYS = 7


def alternatives(terms: Terms, wanted: Span, taken: Iterable[Span], now: datetime, most: int = 4) -> list[Span]:
    """At most `most` other times of the same room, all bookable now.

    First the nearest earlier and later start of the same day with the same length (the nearer one first), then the
    largest free part of the wish, then the same hours on the next days; what room is left goes to further shifts.
    taken: held spans of the room from the wished day to a week later.
    """
    busy = list(taken)
    shifts = _shifts(terms, wanted, busy, now)
    before = [s for s in shifts if s.start < wanted.start][:1]
    after = [s for s in shifts if s.start > wanted.start][:1]
    near = sorted(before + after, key=shifts.index)
    chosen = [*near, *_parts(terms, wanted, busy, now)[:1], *_later_days(terms, wanted, busy, now)][:most]
    further = [s for s in shifts if s not in near][: most - len(chosen)]
    return [*near[:most], *further, *chosen[len(near) :]]


def _shifts(terms: Terms, wanted: Span, taken: Sequence[Span], now: datetime) -> list[Span]:
    """The same length on the same day, the nearest first."""
    minutes = wanted.minutes
    found = rules.starts(terms, local_day(wanted.start, terms.zone), taken, now, minutes)
    found.sort(key=lambda at: (abs(at - wanted.start), at))
    return [Span(at, at + minutes * MINUTE) for at in found if at != wanted.start]


def _parts(terms: Terms, wanted: Span, taken: Sequence[Span], now: datetime) -> list[Span]:
    """Free parts of the wish itself, the longest first."""
    day = local_day(wanted.start, terms.zone)
    points, longest = grid(terms.zone, day, terms.step), rules.longest_of(terms) * MINUTE
    found = []
    for start, end in rules.free_stretches(terms, day, taken, now):
        inside = within(points, max(start, wanted.start), min(end, wanted.end))
        inside = [p for p in inside if p - inside[0] <= longest]
        if inside:
            found.append(Span(inside[0], inside[-1]))
    fitting = [s for s in found if s != wanted and rules.refusal(terms, s, None, now) is None]
    return sorted(fitting, key=lambda s: (s.start - s.end, s.start))


def _later_days(terms: Terms, wanted: Span, taken: Sequence[Span], now: datetime) -> list[Span]:
    """The same hours by the wall clock on the days after the wished one."""
    zone = terms.zone
    first, last = local_day(wanted.start, zone), local_day(wanted.end, zone)
    opens, closes = wall_minutes(wanted.start, zone), wall_minutes(wanted.end, zone)
    found = []
    for offset in range(1, min(LATER_DAYS, (rules.last_day(terms, now) - first).days) + 1):
        later = offset * DAY
        span = Span(moment(first + later, opens, zone), moment(last + later, closes, zone))
        held = rules.held(span, terms.buffer)
        if rules.refusal(terms, span, None, now) is None and not any(rules.collides(held, t) for t in taken):
            found.append(span)
    return found
