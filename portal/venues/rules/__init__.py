"""Who may have a room when, and until when something must be decided (SPEC V1-V5, V7). Pure functions, no database.

The one door to the rules of a room: opening hours stand in `opening_hours.py`, refusals of a wish in `refusals.py`,
what is free and other times in `alternatives.py`; limits, series and clocks here. Intervals are half-open, moments
aware UTC. A booking holds its room for its own time and the buffer after it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from portal.core import clock
from portal.core.words import Refusal
from portal.venues.rules.alternatives import alternatives, ends, free_spans, starts
from portal.venues.rules.opening_hours import (
    DAY,
    MAX_HOURS,
    MINUTE,
    Closure,
    Span,
    Terms,
    closed_why,
    closures_on,
    collides,
    held,
    hours_of,
    is_clear,
    local_day,
    midnight,
    moment,
    open_spans,
    shut_by,
    wall_minutes,
    week_text,
)
from portal.venues.rules.refusals import (
    ahead_text,
    duration,
    earliest_start,
    hours_text,
    last_day,
    longest_of,
    refusal,
    whole_minute,
)

__all__ = [
    "MAX_HOURS", "Closure", "Refusal", "Span", "Terms", "Use", "ahead_text", "alternatives",
    "answer_text", "cancel_text", "cancel_until", "closed_why", "closures_on", "collides", "decide_by", "duration",
    "earliest_start", "ends", "free_spans", "held", "hours_of", "hours_text", "is_clear", "last_day",
    "limits_text", "local_day", "longest_of", "moment", "open_spans", "over_limits", "refusal", "release_at",
    "release_text", "series_refusal", "series_spans", "shut_by", "starts", "terms_text", "wall_minutes", "week_text",
    "whole_minute",
]  # fmt: skip

MOST_DATES = 120  # of one series
DECIDE_LEAD = timedelta(minutes=30)  # a decision comes at least so long before the start …
DECIDE_LEAST = timedelta(minutes=15)  # … but whoever decides has at least so long


@dataclass(frozen=True, slots=True)
class Use:
    """How much of its opening hours a room was booked, in minutes."""

    open_minutes: int
    booked_minutes: int

    @property
    def share(self) -> float:
        """0–1; 0 for a room that did not open."""
        return self.booked_minutes / self.open_minutes if self.open_minutes else 0.0


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
    day = local_day(wanted.start)
    monday = day - day.weekday() * DAY
    begin, end = midnight(monday), midnight(monday + 7 * DAY)
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
    first = local_day(wanted.start).replace(day=1)
    following = (first + 31 * DAY).replace(day=1)
    begin, end = midnight(first), midnight(following)
    used = sum(begin <= span.start < end for span in own)
    if used < terms.bookings_per_month:
        return None
    message = f"每人每月最多订 {terms.bookings_per_month} 次，{first.month}月您已订 {used} 次。"
    return Refusal("month_limit", message, f"可以订{clock.day(following)}起的时间，或先取消一次用不上的预约。", "day")


# Series ---------------------------------------------------------------------------------------------------------------


def series_spans(first: date, until: date, weekdays: frozenset[int], opens: int, closes: int) -> list[Span]:
    """One span per chosen weekday from `first` to `until` (included). Ask `series_refusal` first; nothing is cut off
    here."""
    days = (first + offset * DAY for offset in range((until - first).days + 1))
    return [Span(moment(day, opens), moment(day, closes)) for day in days if day.weekday() in weekdays]


def series_refusal(first: date, until: date, weekdays: frozenset[int], opens: int, closes: int) -> Refusal | None:
    """Why such a series makes no sense: reversed, empty or too_long (more than MOST_DATES dates); None when it does."""
    if until < first:
        return Refusal("reversed", "最后一天要不早于第一天。", f"请选{clock.day(first)}或以后的日子。", "last_day")
    if not 0 <= opens < closes <= 1440:
        return Refusal("reversed", "结束时间要晚于开始时间。", "请把结束时间改晚一些，最晚到 24:00。", "end")
    if not weekdays:
        return Refusal("empty", "还没有选星期几。", "请至少选一天。", "weekdays")
    weeks, rest = divmod((until - first).days + 1, 7)
    count = sum(weeks + ((day - first.weekday()) % 7 < rest) for day in weekdays)
    if count < 1:
        return Refusal("empty", "这段日子里没有一个选中的日期。", "请把最后一天改晚一些，或换别的星期。", "last_day")
    if count > MOST_DATES:
        message = f"一次最多排 {MOST_DATES} 个日期，现在有 {count} 个。"
        return Refusal("too_long", message, "请把最后一天改早一些，后面的以后再排。", "last_day")
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


# In words -------------------------------------------------------------------------------------------------------------
# What rules say of a usual booking far ahead, so that pages follow them; None of these looks at a number itself.

_NOW = clock.at(date(2026, 1, 5), time(9))
_LATER = _NOW + timedelta(days=300)


def _words(length: timedelta) -> str:
    return duration(length // MINUTE)


def terms_text(terms: Terms) -> str:
    """'至少提前 1 小时，最多提前 14 天；一次 30 分钟到 3 小时' (V1)."""
    notice = earliest_start(terms, _NOW) - _NOW
    early = f"至少提前 {_words(notice)}，" if notice else ""
    return f"{early}{ahead_text(terms, _NOW)}；一次 {duration(terms.shortest)}到 {duration(longest_of(terms))}"


def limits_text(terms: Terms) -> str:
    """'每人每周最多 4 小时，每月最多 3 次'; '' without limits (V5)."""
    week = f"每人每周最多 {terms.hours_per_week} 小时" if terms.hours_per_week else ""
    month = f"每月最多 {terms.bookings_per_month} 次" if terms.bookings_per_month else ""
    return "，".join(filter(None, (week, month)))


def answer_text(hours: int) -> str:
    """'24 小时内答复': how long a request may wait for its decision (V3)."""
    return f"{(decide_by(_NOW, hours, _LATER) - _NOW) / timedelta(hours=1):g} 小时内答复"


def cancel_text(minutes: int) -> str:
    """'开始前 2 小时可以自己退订' (V5)."""
    lead = _LATER - cancel_until(_LATER, minutes)
    return f"开始前 {_words(lead)}可以自己退订" if lead else "开始前都可以自己退订"


def release_text(minutes: int) -> str:
    """'15 分钟' after the start a room nobody checked in to is given on (V5); '' where it never is."""
    moment = release_at(_LATER, minutes)
    return _words(moment - _LATER) if moment else ""
