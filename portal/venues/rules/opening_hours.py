"""When a room is open (SPEC V1): weekly hours, days that differ, closures.

Only the standard library, the words of `centres.rules` and `core.clock`, whose one zone is the deployment's; intervals
are half-open, moments aware UTC, hours minutes after local midnight.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import lru_cache

from portal.centres import rules as centre_rules
from portal.core import clock

Hours = tuple[tuple[int, int], ...]
Pair = tuple[datetime, datetime]

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
MAX_HOURS = 24  # nothing longer is held at one go


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open [start, end), aware UTC."""

    start: datetime
    end: datetime

    @property
    def minutes(self) -> int:
        return (self.end - self.start) // MINUTE


@dataclass(frozen=True, slots=True)
class Closure:
    """A time in which the room is not given out, and why."""

    span: Span
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a venue asks of a booking. Minutes where nothing else is said.

    weekly: weekday (0 Monday) → sorted disjoint (opens, closes), closes ≤ 1440; (…, 1440) and (0, …) of the next day
    touch, so a booking may cross that midnight. exceptions: days that differ, () is closed. step: starts and ends lie
    on this grid, counted from local midnight. None is no limit, or unknown for capacity. release 0: never.
    """

    weekly: Mapping[int, Hours]
    exceptions: Mapping[date, Hours] = field(default_factory=dict)
    exception_reasons: Mapping[date, str] = field(default_factory=dict)
    closures: tuple[Closure, ...] = ()
    buffer: int = 0
    shortest: int = 30
    longest: int = 180
    step: int = 30
    ahead_days: int = 14  # the last bookable local day is today + ahead_days
    notice: int = 0
    capacity: int | None = None
    hours_per_week: int | None = None
    bookings_per_month: int | None = None
    cancel: int = 120  # before the start
    release: int = 0  # after the start


# Wall clocks ----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)  # a search asks this of one wish for every room
def local_day(moment: datetime) -> date:
    return clock.local(moment).date()


def wall_minutes(moment: datetime) -> int:
    """Minutes after local midnight that the wall clock shows."""
    there = clock.local(moment)
    return there.hour * 60 + there.minute


def moment(day: date, minutes: int) -> datetime:
    """UTC of local `day` at `minutes` after midnight; 1440 is the next day's beginning."""
    return midnight(day) + minutes * MINUTE


@lru_cache(maxsize=2048)
def midnight(day: date) -> datetime:
    """UTC of the first moment of a local day; the next one's is 24 hours later, for the clock has not changed since
    1991."""
    return clock.at(day, time())


@lru_cache(maxsize=512)
def grid(day: date, step: int) -> tuple[datetime, ...]:
    """Every moment of `day`, the day before and the day after at which a booking may start or end, in order."""
    points = [moment(d, minutes) for d in (day - DAY, day, day + DAY) for minutes in range(0, 1440, step)]
    return (*points, midnight(day + 2 * DAY))


@lru_cache(maxsize=4096)
def on_grid(moment: datetime, step: int) -> bool:
    """Whether a moment falls on the grid of `step` minutes after midnight."""
    there = clock.local(moment)
    return not (there.second or there.microsecond or (there.hour * 60 + there.minute) % step)


def within(points: Sequence[datetime], start: datetime, end: datetime) -> Sequence[datetime]:
    """The points of a grid from `start` to `end`, both included."""
    return points[bisect_left(points, start) : bisect_right(points, end)]


# Opening --------------------------------------------------------------------------------------------------------------


def hours_of(terms: Terms, day: date) -> Hours:
    """Opening hours of a local day before closures; () when closed, or far from our time."""
    if not 1901 < day.year < 9999:
        return ()
    special = terms.exceptions.get(day)
    return terms.weekly.get(day.weekday(), ()) if special is None else special


def opening(terms: Terms, day: date) -> list[Pair]:
    """Open stretches of a local day before closures; touching ones are one."""
    return list(_opened(hours_of(terms, day), day))


@lru_cache(maxsize=4096)  # the rooms of a centre share their hours
def _opened(hours: Hours, day: date) -> tuple[Pair, ...]:
    return tuple(merged((moment(day, opens), moment(day, closes)) for opens, closes in hours))


def opening_around(terms: Terms, day: date) -> list[Pair]:
    """As `opening`, with the days before and after where the room stays open over midnight."""
    hours = hours_of(terms, day)
    if not hours:
        return []
    pieces = opening(terms, day)
    before = opening(terms, day - DAY) if hours[0][0] == 0 else []
    after = opening(terms, day + DAY) if hours[-1][1] == 1440 else []
    return merged([*before, *pieces, *after]) if before or after else pieces


def open_spans(terms: Terms, day: date) -> list[Span]:
    """When the room is open on a local day: its hours minus closures, cut at both midnights, in order."""
    closed = sorted((c.span.start, c.span.end) for c in terms.closures)
    return [Span(start, end) for start, end in minus(opening(terms, day), merged(closed))]


def closures_on(terms: Terms, day: date) -> list[Closure]:
    """Closures that take something of the opening hours of `day`."""
    pieces = opening(terms, day)
    return [c for c in terms.closures if any(c.span.start < end and start < c.span.end for start, end in pieces)]


def week_text(weekly: Mapping[int, Iterable[tuple[int, int]]]) -> list[tuple[str, str]]:
    """[('周一至周五', '9:00–12:00'), …]: weekly hours as a centre says its own."""
    hours = {day: [centre_rules.Hours(opens, closes) for opens, closes in spans] for day, spans in weekly.items()}
    return centre_rules.week_text(hours)


def closed_why(terms: Terms, day: date) -> str | None:
    """One sentence why the room is closed all of `day`; None when it opens at all."""
    if not hours_of(terms, day):
        if day in terms.exceptions:
            return _closed(clock.day(day), terms.exception_reasons.get(day, ""))
        return f"这个场地{clock.weekday(day)}不开放。"
    if open_spans(terms, day):
        return None
    return _closed(clock.day(day), "、".join(dict.fromkeys(c.reason for c in closures_on(terms, day) if c.reason)))


def _closed(when: str, reason: str) -> str:
    return f"{when}不开放：{reason.rstrip('。')}。" if reason else f"{when}不开放。"


# Intervals ------------------------------------------------------------------------------------------------------------


def merged(pairs: Iterable[Pair]) -> list[Pair]:
    """Sorted pairs with touching and overlapping ones made one; empty ones fall out."""
    result: list[Pair] = []
    for start, end in pairs:
        if start >= end:
            continue
        if result and start <= result[-1][1]:
            if end > result[-1][1]:
                result[-1] = (result[-1][0], end)
        else:
            result.append((start, end))
    return result


def minus(pieces: Sequence[Pair], blocks: Sequence[Pair]) -> list[Pair]:
    """What remains of `pieces` without `blocks`; both sorted and disjoint."""
    rest: list[Pair] = []
    passed = 0
    for start, end in pieces:
        while passed < len(blocks) and blocks[passed][1] <= start:
            passed += 1
        at = passed
        while at < len(blocks) and blocks[at][0] < end:
            if blocks[at][0] > start:
                rest.append((start, blocks[at][0]))
            start = blocks[at][1]  # noqa: PLW2901 - what is left of this piece begins here
            at += 1
        if start < end:
            rest.append((start, end))
    return rest


def held(span: Span, buffer: int) -> Span:
    """What a booking takes of its room: [start, end + buffer minutes)."""
    return Span(span.start, span.end + buffer * MINUTE)


def collides(a: Span, b: Span) -> bool:
    """Whether two held spans overlap; touching ones do not (V2)."""
    return a.start < b.end and b.start < a.end


def shut_by(terms: Terms, span: Span) -> Closure | None:
    """The first closure that lies over part of a span."""
    return next((c for c in terms.closures if collides(c.span, span)), None)


def is_clear(span: Span, buffer: int, taken: Iterable[Span]) -> bool:
    """Whether a booking with its buffer of minutes meets none of the held spans."""
    start, end = span.start, span.end + buffer * MINUTE
    return all(other.end <= start or end <= other.start for other in taken)
