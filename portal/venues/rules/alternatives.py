"""What is free, and what the loser of a race is offered instead (SPEC V2). Pure functions, no database.

taken: the held spans of one room, in any order. The buffer of a booking may stick out over closing time or into a
closure; it only has to end before the next held span begins.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import date, datetime

from portal.venues.rules.opening_hours import (
    DAY,
    MAX_HOURS,
    MINUTE,
    Pair,
    Span,
    Terms,
    grid,
    is_clear,
    local_day,
    merged,
    midnight,
    minus,
    on_grid,
    opening_around,
    within,
)
from portal.venues.rules.refusals import earliest_start, last_day, longest_of, refusal

LATER_DAYS = 7


def free_stretches(terms: Terms, day: date, taken: Iterable[Span], now: datetime) -> list[Pair]:
    """As `free_spans`, but going on over midnight where the room stays open.

    Any two points of the grid inside a stretch, the right time apart, make a booking: the buffer before the next
    held span is taken off already.
    """
    if not local_day(now) <= day <= last_day(terms, now):
        return []
    pieces = opening_around(terms, day)
    if not pieces:
        return []
    buffer, shortest = terms.buffer * MINUTE, terms.shortest * MINUTE
    begin, finish, earliest = pieces[0][0], pieces[-1][1], earliest_start(terms, now)
    blocks = [(t.start - buffer, t.end) for t in taken if t.start - buffer < finish and t.end > begin]
    blocks += [(c.span.start, c.span.end) for c in terms.closures]
    points = grid(day, terms.step)
    stretches = []
    for start, end in minus(pieces, merged(sorted(blocks))):
        if end - max(start, earliest) < shortest:
            continue
        left, right = bisect_left(points, max(start, earliest)), bisect_right(points, end) - 1
        if left < right and points[right] - points[left] >= shortest:
            stretches.append((points[left], points[right]))
    return stretches


def free_spans(terms: Terms, day: date, taken: Iterable[Span], now: datetime) -> list[Span]:
    """Free stretches of a local day, on the grid, long enough for the shortest booking and not before now + notice.

    taken: held spans of the room, in any order. A stretch over midnight counts in full and is shown up to midnight.
    """
    stretches = free_stretches(terms, day, taken, now)
    if not stretches:
        return []
    first, following = midnight(day), midnight(day + DAY)
    return [Span(max(s, first), min(e, following)) for s, e in stretches if s < following and e > first]


def starts(terms: Terms, day: date, taken: Iterable[Span], now: datetime, minutes: int) -> list[datetime]:
    """Every start on local `day` from which a booking of `minutes` may be had; [] when that length is not allowed."""
    if not terms.shortest <= minutes <= longest_of(terms):
        return []
    stretches = free_stretches(terms, day, taken, now)
    if not stretches:
        return []
    length, found = minutes * MINUTE, []
    first, following = midnight(day), midnight(day + DAY)
    points = grid(day, terms.step)
    for start, end in stretches:
        for at in within(points, max(start, first), end - length):
            if at < following and on_grid(at + length, terms.step):
                found.append(at)
    return found


def ends(terms: Terms, start: datetime, taken: Iterable[Span], now: datetime) -> list[datetime]:
    """Every end that a booking from `start` may have, until the next obstacle; [] when it may not start then."""
    if not on_grid(start, terms.step):
        return []
    day = local_day(start)
    for begin, end in free_stretches(terms, day, taken, now):
        if begin <= start < end:
            points = grid(day, terms.step)
            latest = min(end, start + longest_of(terms) * MINUTE)
            return list(within(points, start + terms.shortest * MINUTE, latest))
    return []


# Other times ----------------------------------------------------------------------------------------------------------


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
    found = starts(terms, local_day(wanted.start), taken, now, minutes)
    found.sort(key=lambda at: (abs(at - wanted.start), at))
    return [Span(at, at + minutes * MINUTE) for at in found if at != wanted.start]


def _parts(terms: Terms, wanted: Span, taken: Sequence[Span], now: datetime) -> list[Span]:
    """Free parts of the wish itself, the longest first."""
    day = local_day(wanted.start)
    points, longest = grid(day, terms.step), longest_of(terms) * MINUTE
    found = []
    for start, end in free_stretches(terms, day, taken, now):
        inside = within(points, max(start, wanted.start), min(end, wanted.end))
        inside = [p for p in inside if p - inside[0] <= longest]
        if inside:
            found.append(Span(inside[0], inside[-1]))
    fitting = [s for s in found if s != wanted and refusal(terms, s, None, now) is None]
    return sorted(fitting, key=lambda s: (s.start - s.end, s.start))


def _later_days(terms: Terms, wanted: Span, taken: Sequence[Span], now: datetime) -> list[Span]:
    """The same hours on the days after the wished one."""
    if wanted.minutes > MAX_HOURS * 60:
        return []
    found = []
    for offset in range(1, min(LATER_DAYS, (last_day(terms, now) - local_day(wanted.start)).days) + 1):
        span = Span(wanted.start + offset * DAY, wanted.end + offset * DAY)
        if refusal(terms, span, None, now) is None and is_clear(span, terms.buffer, taken):
            found.append(span)
    return found
