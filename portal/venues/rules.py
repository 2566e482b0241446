"""Who may have a room when, and until when something must be decided (SPEC V1-V5, V7). Pure functions, no database.

Opening hours and closures stand in `opening.py`, other times than the wished one in `offers.py`. Intervals are
half-open, moments aware UTC. A booking holds its room for its own time and the buffer after it; the buffer may stick
out over closing time or into a closure, it only has to end before the next booking begins.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from portal.core import clock
from portal.venues.opening import (
    DAY,
    MAX_HOURS,
    MINUTE,
    Closure,
    Pair,
    Span,
    Terms,
    closed_why,
    closures_on,
    day_bounds,
    grid,
    hours_of,
    local_day,
    merged,
    minus,
    moment,
    on_grid,
    open_spans,
    opening_around,
    wall_minutes,
    within,
)

__all__ = [
    "MAX_HOURS", "MOST_DATES", "Closure", "Refusal", "Span", "Terms", "Use", "accept_by", "cancel_until", "closed_why",
    "closures_on", "collides", "decide_by", "duration", "earliest_start", "ends", "free_spans", "held", "hours_text",
    "idle", "last_day", "local_day", "moment", "open_spans", "over_limits", "refusal", "release_at", "reminder_rule",
    "series_refusal", "series_spans", "starts", "use", "wall_minutes",
]  # fmt: skip

MOST_DATES = 120  # of one series
IDLE_SHARE = 0.2  # of the opening hours: a room used less stands idle (V7)
DECIDE_LEAD = timedelta(minutes=30)  # a decision comes at least so long before the start …
DECIDE_LEAST = timedelta(minutes=15)  # … but whoever decides has at least so long
ACCEPT_LEAST = timedelta(minutes=15)
DAY_BEFORE = timedelta(hours=24)
HOURS_BEFORE = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not, and what to do instead. field: day, start, end, people, weekdays or until, where it can be mended."""

    code: str
    message: str
    advice: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True)
class Use:
    """How much of its opening hours a room was booked, in minutes."""

    open_minutes: int
    booked_minutes: int

    @property
    def share(self) -> float:
        """0–1; 0 for a room that did not open."""
        return self.booked_minutes / self.open_minutes if self.open_minutes else 0.0


# Words ----------------------------------------------------------------------------------------------------------------


def duration(minutes: int) -> str:
    """'45 分钟', '3 小时', '1 小时 30 分钟', '2 天'."""
    if minutes >= 1440 and minutes % 1440 == 0:
        return f"{minutes // 1440} 天"
    hours, rest = divmod(minutes, 60)
    parts = [f"{hours} 小时"] if hours else []
    return " ".join([*parts, f"{rest} 分钟"] if rest or not parts else parts)


def hours_text(terms: Terms, day: date) -> str:
    """'8:30–12:00、14:00–21:00'; '' on a day without opening hours."""
    return "、".join(f"{_hour(opens)}–{_hour(closes)}" for opens, closes in hours_of(terms, day))


def _hour(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02d}"


def _stamp(at: datetime, zone: ZoneInfo) -> str:
    there = at.astimezone(zone)
    return f"{clock.day(there.date())}{clock.hour(there.time())}"


# May this be booked? --------------------------------------------------------------------------------------------------


def last_day(terms: Terms, now: datetime) -> date:
    """The last local day on which a booking may begin."""
    return local_day(now, terms.zone) + terms.ahead_days * DAY


def earliest_start(terms: Terms, now: datetime) -> datetime:
    """Before this moment no booking begins (UTC; not rounded to the grid)."""
    return now + terms.notice * MINUTE


def longest_of(terms: Terms) -> int:
    """Minutes of the longest booking; never more than MAX_HOURS."""
    return min(terms.longest, MAX_HOURS * 60)


def refusal(terms: Terms, span: Span, people: int | None, now: datetime) -> Refusal | None:
    """Why `span` may not be booked for `people` (None: not asked), whoever else has the room; None when it may (V1).

    In this order: reversed, past, too_soon, too_far, bad_people, too_many_people, too_short, too_long, off_step,
    closed, outside_hours.
    """
    return (
        _too_early(terms, span, now) or _too_far(terms, span, now) or _party(terms, people) or _length(terms, span)
        or _grid(terms, span) or _closed(terms, span) or _outside(terms, span)
    )  # fmt: skip


def _too_early(terms: Terms, span: Span, now: datetime) -> Refusal | None:
    if span.end <= span.start:
        return Refusal("reversed", "结束时间要晚于开始时间。", "请把结束时间改晚一些。", "end")
    earliest = earliest_start(terms, now)
    if span.start >= earliest:
        return None
    advice = f"请选{_stamp(_next_minute(earliest), terms.zone)}以后的时间。"
    if span.start < now:
        return Refusal("past", f"{_stamp(span.start, terms.zone)}已经过去了。", advice, "start")
    return Refusal("too_soon", f"这个场地至少要提前 {duration(terms.notice)}订。", advice, "start")


def _next_minute(at: datetime) -> datetime:
    whole = at.replace(second=0, microsecond=0)
    return whole if whole == at else whole + MINUTE


def _too_far(terms: Terms, span: Span, now: datetime) -> Refusal | None:
    day, last = local_day(span.start, terms.zone), last_day(terms, now)
    if day <= last:
        return None
    message = f"这个场地最多提前 {terms.ahead_days} 天订，现在能订到{clock.day(last)}。"
    opens = clock.day(day - terms.ahead_days * DAY)
    return Refusal("too_far", message, f"请选近一些的日子；{clock.day(day)}的从{opens}起可以订。", "day")


def _party(terms: Terms, people: int | None) -> Refusal | None:
    if people is None:
        return None
    if people < 1:
        return Refusal("bad_people", "人数至少填 1 人。", "说不准的话，填个大概的数就可以。", "people")
    if terms.capacity is not None and people > terms.capacity:
        message = f"这个场地最多坐 {terms.capacity} 人，您填了 {people} 人。"
        return Refusal("too_many_people", message, "可以按人数找别的场地，或者分批来。", "people")
    return None


def _length(terms: Terms, span: Span) -> Refusal | None:
    length, longest = span.end - span.start, longest_of(terms)
    if length < terms.shortest * MINUTE:
        message = f"最短要订 {duration(terms.shortest)}，您选了 {duration(span.minutes)}。"
        return Refusal("too_short", message, "请把结束时间改晚一些。", "end")
    if length > longest * MINUTE:
        message = f"最长可订 {duration(longest)}，您选了 {duration(span.minutes)}。"
        return Refusal("too_long", message, "请改短一些，或分两次订。", "end")
    return None


def _grid(terms: Terms, span: Span) -> Refusal | None:
    for at, name, word in ((span.start, "start", "开始"), (span.end, "end", "结束")):
        if not on_grid(at, terms.step, terms.zone):
            below = wall_minutes(at, terms.zone) // terms.step * terms.step
            nearest = f"{_hour(below)} 或 {_hour(min(below + terms.step, 1440))}"
            message = f"这个场地按 {duration(terms.step)}一格来订，{_hour(wall_minutes(at, terms.zone))} 不在格子上。"
            return Refusal("off_step", message, f"{word}时间请改成 {nearest}。", name)
    return None


def _days(terms: Terms, span: Span) -> list[date]:
    first, last = local_day(span.start, terms.zone), local_day(span.end - timedelta.resolution, terms.zone)
    return [first] if first == last else [first, last]


def _closed(terms: Terms, span: Span) -> Refusal | None:
    advice = "请换一天，或者找别的场地。"
    for day in _days(terms, span):
        if not hours_of(terms, day):
            return Refusal("closed", closed_why(terms, day) or "", advice, "day")
    for closure in terms.closures:
        if collides(closure.span, span):
            until = _stamp(closure.span.end, terms.zone)
            why = f"：{closure.reason.rstrip('。')}。" if closure.reason else "。"
            message = f"{_stamp(closure.span.start, terms.zone)}到{until}不开放{why}"
            return Refusal("closed", message, f"请避开这段时间，{until}以后再用，或者找别的场地。", "day")
    return None


def _outside(terms: Terms, span: Span) -> Refusal | None:
    pieces = opening_around(terms, local_day(span.start, terms.zone))
    if any(start <= span.start and span.end <= end for start, end in pieces):
        return None
    days = [(day, terms.exception_reasons.get(day, "")) for day in _days(terms, span)]
    told = "；".join(
        f"{clock.day(day)}{f'（{reason}）' if reason else ''}的开放时间是 {hours_text(terms, day)}"
        for day, reason in days
    )
    begins_inside = any(start <= span.start < end for start, end in pieces)
    return Refusal("outside_hours", f"{told}。", "请改到开放时间里面。", "end" if begins_inside else "start")


# What is free ---------------------------------------------------------------------------------------------------------


def held(span: Span, buffer: int) -> Span:
    """What a booking takes of its room: [start, end + buffer minutes)."""
    return Span(span.start, span.end + buffer * MINUTE)


def collides(a: Span, b: Span) -> bool:
    """Whether two held spans overlap; touching ones do not (V2)."""
    return a.start < b.end and b.start < a.end


def free_stretches(terms: Terms, day: date, taken: Iterable[Span], now: datetime) -> list[Pair]:
    """As `free_spans`, but going on over midnight where the room stays open.

    Any two points of the grid inside a stretch, the right time apart, make a booking: the buffer before the next
    held span is taken off already.
    """
    if not local_day(now, terms.zone) <= day <= last_day(terms, now):
        return []
    pieces = opening_around(terms, day)
    if not pieces:
        return []
    buffer, shortest = terms.buffer * MINUTE, terms.shortest * MINUTE
    begin, finish, earliest = pieces[0][0], pieces[-1][1], earliest_start(terms, now)
    blocks = [(t.start - buffer, t.end) for t in taken if t.start - buffer < finish and t.end > begin]
    blocks += [(c.span.start, c.span.end) for c in terms.closures]
    points = grid(terms.zone, day, terms.step)
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
    first, following, _ = day_bounds(terms.zone, day)
    return [Span(max(s, first), min(e, following)) for s, e in stretches if s < following and e > first]


def starts(terms: Terms, day: date, taken: Iterable[Span], now: datetime, minutes: int) -> list[datetime]:
    """Every start on local `day` from which a booking of `minutes` may be had; [] when that length is not allowed."""
    if not terms.shortest <= minutes <= longest_of(terms):
        return []
    length, found = minutes * MINUTE, []
    first, following, _ = day_bounds(terms.zone, day)
    points = grid(terms.zone, day, terms.step)
    for start, end in free_stretches(terms, day, taken, now):
        for at in within(points, max(start, first), end - length):
            if at < following and on_grid(at + length, terms.step, terms.zone):
                found.append(at)
    return found


def ends(terms: Terms, start: datetime, taken: Iterable[Span], now: datetime) -> list[datetime]:
    """Every end that a booking from `start` may have, until the next obstacle; [] when it may not start then."""
    if not on_grid(start, terms.step, terms.zone):
        return []
    day = local_day(start, terms.zone)
    for begin, end in free_stretches(terms, day, taken, now):
        if begin <= start < end:
            points = grid(terms.zone, day, terms.step)
            latest = min(end, start + longest_of(terms) * MINUTE)
            return list(within(points, start + terms.shortest * MINUTE, latest))
    return []


# Limits per resident --------------------------------------------------------------------------------------------------


def over_limits(terms: Terms, own: Iterable[Span], wanted: Span) -> Refusal | None:
    """Whether `wanted` is more than a resident may have (V5); own: their other bookings, without `wanted` itself.

    Hours count in the local week (Monday to Sunday), bookings in the calendar month, in which they start.
    """
    booked = list(own)
    return _week(terms, booked, wanted) or _month(terms, booked, wanted)


def _week(terms: Terms, own: list[Span], wanted: Span) -> Refusal | None:
    if terms.hours_per_week is None:
        return None
    day = local_day(wanted.start, terms.zone)
    monday = day - day.weekday() * DAY
    begin, end = day_bounds(terms.zone, monday)[0], day_bounds(terms.zone, monday + 6 * DAY)[1]
    used = sum(span.minutes for span in own if begin <= span.start < end)
    left = terms.hours_per_week * 60 - used
    if wanted.minutes <= left:
        return None
    week = f"{clock.day(monday)}到{clock.day(monday + 6 * DAY)}"
    message = (
        f"每人每周最多订 {duration(terms.hours_per_week * 60)}。{week}您已订 {duration(used)}，"
        f"再加 {duration(wanted.minutes)}就超了。"
    )
    shorter = f"可以改短到 {duration(left)}以内，或者" if left >= terms.shortest else "可以"
    return Refusal("week_limit", message, f"{shorter}订{clock.day(monday + 7 * DAY)}起的时间。", "day")


def _month(terms: Terms, own: list[Span], wanted: Span) -> Refusal | None:
    if terms.bookings_per_month is None:
        return None
    first = local_day(wanted.start, terms.zone).replace(day=1)
    following = (first + 31 * DAY).replace(day=1)
    begin, end = day_bounds(terms.zone, first)[0], day_bounds(terms.zone, following)[0]
    used = sum(begin <= span.start < end for span in own)
    if used < terms.bookings_per_month:
        return None
    message = f"每人每月最多订 {terms.bookings_per_month} 次，{first.month}月您已订 {used} 次。"
    return Refusal("month_limit", message, f"可以订{clock.day(following)}起的时间，或先取消一次用不上的预约。", "day")


# Series ---------------------------------------------------------------------------------------------------------------


def series_spans(
    first: date, until: date, weekdays: frozenset[int], opens: int, closes: int, zone: ZoneInfo = clock.SHANGHAI,
    skip: frozenset[date] = frozenset(),
) -> list[Span]:  # fmt: skip
    """One span per chosen weekday from `first` to `until` (included), at the same wall-clock time whatever the clock.

    Ask `series_refusal` first; nothing is cut off here. A time that the clock jumps over wholly falls out.
    """
    days = (first + offset * DAY for offset in range((until - first).days + 1))
    chosen = (day for day in days if day.weekday() in weekdays and day not in skip)
    spans = (Span(moment(day, opens, zone), moment(day, closes, zone)) for day in chosen)
    return [span for span in spans if span.start < span.end]


def series_refusal(
    first: date, until: date, weekdays: frozenset[int], opens: int, closes: int, skip: frozenset[date] = frozenset()
) -> Refusal | None:
    """Why such a series makes no sense: reversed, empty or too_long (more than MOST_DATES dates); None when it does."""
    if until < first:
        return Refusal("reversed", "最后一天要不早于第一天。", f"请选{clock.day(first)}或以后的日子。", "until")
    if not 0 <= opens < closes <= 1440:
        return Refusal("reversed", "结束时间要晚于开始时间。", "请把结束时间改晚一些，最晚到 24:00。", "end")
    if not weekdays:
        return Refusal("empty", "还没有选星期几。", "请至少选一天。", "weekdays")
    weeks, rest = divmod((until - first).days + 1, 7)
    count = sum(weeks + ((day - first.weekday()) % 7 < rest) for day in weekdays)
    count -= sum(first <= day <= until and day.weekday() in weekdays for day in skip)
    if count < 1:
        return Refusal("empty", "这段日子里没有一个选中的日期。", "请把最后一天改晚一些，或换别的星期。", "until")
    if count > MOST_DATES:
        message = f"一次最多排 {MOST_DATES} 个日期，现在有 {count} 个。"
        return Refusal("too_long", message, "请把最后一天改早一些，后面的以后再排。", "until")
    return None


# Clocks ---------------------------------------------------------------------------------------------------------------


def decide_by(asked_at: datetime, hours: int, start: datetime) -> datetime:
    """Until when a request is decided, then it is handed up (V3): `hours` after it was made or half an hour before the
    start, whichever is earlier; at least a quarter of an hour from asking, but never after the start."""
    wanted = min(asked_at + timedelta(hours=hours), start - DECIDE_LEAD)
    return min(start, max(wanted, asked_at + DECIDE_LEAST))


def cancel_until(start: datetime, minutes: int) -> datetime:
    """Up to this moment a resident cancels by tap (V5)."""
    return start - minutes * MINUTE


def release_at(start: datetime, minutes: int) -> datetime | None:
    """When a room nobody checked in to is given on (V5); None: never (0 minutes)."""
    return start + minutes * MINUTE if minutes > 0 else None


def accept_by(now: datetime, start: datetime, hours: int) -> datetime:
    """Until when a slot offered from the waiting list is held for this person (V5).

    `hours` from now, but at most half of the time that is left, so that the next one still gets a chance; at least a
    quarter of an hour, never after the start.
    """
    wanted = min(now + timedelta(hours=hours), now + (start - now) / 2)
    return min(start, max(wanted, now + ACCEPT_LEAST))


def reminder_rule(start: datetime, created_at: datetime, now: datetime) -> Literal["day", "hours"] | None:
    """Which reminder of a booking is due now: from 24 h and from 2 h before its start, never after it.

    Whoever booked within that time has just seen the hour and needs no such reminder.
    """
    if start - HOURS_BEFORE <= now < start:
        return "hours" if created_at <= start - HOURS_BEFORE else None
    if start - DAY_BEFORE <= now < start - HOURS_BEFORE:
        return "day" if created_at <= start - DAY_BEFORE else None
    return None


# Use ------------------------------------------------------------------------------------------------------------------


def use(terms: Terms, days: Iterable[date], spans: Iterable[Span]) -> Use:
    """How much of its opening hours on `days` the room was booked (V7). What lies outside them does not count, and
    what two spans share counts once."""
    opened = [(s.start, s.end) for day in sorted(set(days)) for s in open_spans(terms, day)]
    unused = minus(opened, merged(sorted((s.start, s.end) for s in spans)))
    minutes, rest = (sum((end - start) // MINUTE for start, end in pairs) for pairs in (opened, unused))
    return Use(minutes, minutes - rest)


def idle(used: Use, below: float = IDLE_SHARE) -> bool:
    """Whether a room that opens stands idle: booked for less than the share `below` of its hours (V7)."""
    return used.open_minutes > 0 and used.share < below
