"""Why a room may not be booked then, in a sentence, and what to do instead (SPEC V1). Pure functions, no database."""

from datetime import date, datetime, timedelta

from portal.centres.rules import clock_text
from portal.core import clock
from portal.core.words import Refusal
from portal.venues.rules.opening_hours import (
    DAY,
    MAX_HOURS,
    MINUTE,
    Span,
    Terms,
    closed_why,
    hours_of,
    local_day,
    on_grid,
    opening_around,
    shut_by,
    wall_minutes,
)

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
    return "、".join(f"{clock_text(opens)}–{clock_text(closes)}" for opens, closes in hours_of(terms, day))


def _stamp(at: datetime) -> str:
    there = clock.local(at)
    return f"{clock.day(there.date())}{clock.hour(there.time())}"


# May this be booked? --------------------------------------------------------------------------------------------------


def last_day(terms: Terms, now: datetime) -> date:
    """The last local day on which a booking may begin."""
    return local_day(now) + terms.ahead_days * DAY


def ahead_text(terms: Terms, now: datetime) -> str:
    """'最多提前 14 天'."""
    return f"最多提前 {(last_day(terms, now) - local_day(now)).days} 天"


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
    advice = f"请选{_stamp(whole_minute(earliest))}以后的时间。"
    if span.start < now:
        return Refusal("past", f"{_stamp(span.start)}已经过去了。", advice, "start")
    return Refusal("too_soon", f"这个场地至少要提前 {duration((earliest - now) // MINUTE)}订。", advice, "start")


def whole_minute(at: datetime) -> datetime:
    """The first whole minute from a moment on."""
    whole = at.replace(second=0, microsecond=0)
    return whole if whole == at else whole + MINUTE


def _too_far(terms: Terms, span: Span, now: datetime) -> Refusal | None:
    day, last = local_day(span.start), last_day(terms, now)
    if day <= last:
        return None
    message = f"这个场地{ahead_text(terms, now)}订，现在能订到{clock.day(last)}。"
    opens = clock.day(day - (last - local_day(now)))
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
        if not on_grid(at, terms.step):
            below = wall_minutes(at) // terms.step * terms.step
            nearest = f"{clock_text(below)} 或 {clock_text(min(below + terms.step, 1440))}"
            message = f"这个场地按 {duration(terms.step)}一格来订，{clock_text(wall_minutes(at))} 不在格子上。"
            return Refusal("off_step", message, f"{word}时间请改成 {nearest}。", name)
    return None


def _days(terms: Terms, span: Span) -> list[date]:
    first, last = local_day(span.start), local_day(span.end - timedelta.resolution)
    return [first] if first == last else [first, last]


def _closed(terms: Terms, span: Span) -> Refusal | None:
    advice = "请换一天，或者找别的场地。"
    for day in _days(terms, span):
        if not hours_of(terms, day):
            return Refusal("closed", closed_why(terms, day) or "", advice, "day")
    closure = shut_by(terms, span)
    if closure is None:
        return None
    until = _stamp(closure.span.end)
    why = f"：{closure.reason.rstrip('。')}。" if closure.reason else "。"
    message = f"{_stamp(closure.span.start)}到{until}不开放{why}"
    return Refusal("closed", message, f"请避开这段时间，{until}以后再用，或者找别的场地。", "day")


def _outside(terms: Terms, span: Span) -> Refusal | None:
    pieces = opening_around(terms, local_day(span.start))
    if any(start <= span.start and span.end <= end for start, end in pieces):
        return None
    days = [(day, terms.exception_reasons.get(day, "")) for day in _days(terms, span)]
    told = "；".join(
        f"{clock.day(day)}{f'（{reason}）' if reason else ''}的开放时间是 {hours_text(terms, day)}"
        for day, reason in days
    )
    begins_inside = any(start <= span.start < end for start, end in pieces)
    return Refusal("outside_hours", f"{told}。", "请改到开放时间里面。", "end" if begins_inside else "start")
