"""Time: stored in UTC, shown in Asia/Shanghai, and passed in so that tests and replays can set it (SPEC Q6)."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")
WEEKDAYS = "一二三四五六日"
MONTH_PATTERN = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")

_frozen: ContextVar[datetime | None] = ContextVar("frozen_now", default=None)


def now() -> datetime:
    """The present as an aware UTC datetime; read once at the edge (view, job, command) and passed down."""
    return _frozen.get() or datetime.now(UTC)


@contextmanager
def frozen(moment: datetime) -> Iterator[None]:
    """Hold the clock at `moment` (aware) for tests, replays and `tick --now`."""
    if moment.tzinfo is None:
        raise ValueError("a frozen clock needs an aware datetime")
    token = _frozen.set(moment.astimezone(UTC))
    try:
        yield
    finally:
        _frozen.reset(token)


def local(moment: datetime) -> datetime:
    """The same moment on Shanghai's wall clock."""
    return moment.astimezone(SHANGHAI)


def at(day: date, clock: time) -> datetime:
    """Shanghai wall-clock `day` and `clock` as an aware UTC datetime."""
    return datetime.combine(day, clock, SHANGHAI).astimezone(UTC)


def today(moment: datetime | None = None) -> date:
    return local(moment or now()).date()


def month_of(moment: date | datetime) -> str:
    """'YYYY-MM' of a date, or of a moment on Shanghai's clock."""
    if isinstance(moment, datetime):
        moment = local(moment).date()
    return f"{moment.year:04d}-{moment.month:02d}"  # strftime takes ten times as long


def is_month(text: str | None) -> bool:
    return bool(text and MONTH_PATTERN.fullmatch(text))


def month_days(month: str) -> tuple[date, date]:
    """First day of `month` and first day of the next one (half-open)."""
    year, number = int(month[:4]), int(month[5:7])
    following = date(year + number // 12, number % 12 + 1, 1)
    return date(year, number, 1), following


@lru_cache(maxsize=64)
def month_span(month: str) -> tuple[datetime, datetime]:
    """Half-open UTC interval of a Shanghai month."""
    first, following = month_days(month)
    return at(first, time()), at(following, time())


def add_months(month: str, count: int) -> str:
    """'2026-12' and 1 make '2027-01'; `count` may be negative."""
    index = int(month[:4]) * 12 + int(month[5:7]) - 1 + count
    return f"{index // 12:04d}-{index % 12 + 1:02d}"


def month_name(month: str, with_year: bool = False) -> str:
    """'12月', or '2026年12月'."""
    name = f"{int(month[5:7])}月"
    return f"{month[:4]}年{name}" if with_year else name


def hour(moment: datetime | time) -> str:
    """'8:30' on Shanghai's clock, without a leading zero."""
    clock = local(moment).time() if isinstance(moment, datetime) else moment
    return f"{clock.hour}:{clock.minute:02d}"


def weekday(day: date) -> str:
    return f"周{WEEKDAYS[day.weekday()]}"


def day(moment: date | datetime) -> str:
    """'12月13日（周日）'."""
    on = local(moment).date() if isinstance(moment, datetime) else moment
    return f"{on.month}月{on.day}日（{weekday(on)}）"


def span(start: datetime, end: datetime) -> str:
    """'12月13日（周日）8:30–11:00'; an end on another day is written out."""
    first, last = local(start), local(end)
    if first.date() == last.date() or (last - first) < timedelta(hours=12):
        return f"{day(start)}{hour(start)}–{hour(end)}"
    return f"{day(start)}{hour(start)} 至 {day(end)}{hour(end)}"


def stamp(moment: datetime) -> str:
    """'12月12日 20:00' for deadlines and histories."""
    there = local(moment)
    return f"{there.month}月{there.day}日 {hour(moment)}"


def ago(moment: datetime, at_time: datetime) -> str:
    """How long something has waited, in words: '12 分钟', '5 小时', '3 天'."""
    minutes = max(0, int((at_time - moment).total_seconds() // 60))
    if minutes < 60:
        return f"{minutes} 分钟"
    if minutes < 48 * 60:
        return f"{minutes // 60} 小时"
    return f"{minutes // 1440} 天"


def lasting(length: timedelta) -> str:
    """A length of time as rules have it: '60 秒', '5 分钟', '24 小时', '1 小时 30 分钟', '184 天'."""
    minutes, seconds = divmod(int(length.total_seconds()), 60)
    if seconds:
        return f"{seconds + minutes * 60} 秒"
    if minutes >= 48 * 60 and minutes % 1440 == 0:
        return f"{minutes // 1440} 天"
    hours, rest = divmod(minutes, 60)
    return " ".join([*([f"{hours} 小时"] if hours else []), *([f"{rest} 分钟"] if rest or not hours else [])])


_SAID = {
    timedelta(minutes=30): "半小时",
    timedelta(days=1): "一天",
    timedelta(days=183): "半年",
    timedelta(days=366): "一年",
}


def said(length: timedelta) -> str:
    """The same inside a sentence: '一天', '半小时'; else ' 36 小时' with the space that stands before a figure."""
    return _SAID.get(length) or f" {lasting(length)}"
