"""When sign-up for an entry opens and closes, until when a place may be given back, and the words for it (SPEC S3, S4).

The one place: pages, forms, messages and posters print these words and never look at the columns themselves. Pure.
Moments are aware UTC and half-open: at the moment itself it is too late.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from portal.core import clock


class Window(Protocol):
    """The columns of an entry that stand behind the rules; None: the usual, which the rules say."""

    @property
    def sign_up_from(self) -> datetime | None: ...
    @property
    def sign_up_until(self) -> datetime | None: ...
    @property
    def first_start(self) -> datetime | None: ...
    @property
    def last_end(self) -> datetime | None: ...


class Windows(Window, Protocol):
    @property
    def own_first_until(self) -> datetime | None: ...
    @property
    def groups_first_until(self) -> datetime | None: ...
    @property
    def withdraw_until(self) -> datetime | None: ...


class Moving(Windows, Protocol):
    @property
    def changed_at(self) -> datetime | None: ...


Rule = Callable[[Windows], datetime | None]


GRACE = timedelta(hours=1)  # who has just signed up may think better of it, also after the deadline (S4)


def opens_at(entry: Window) -> datetime | None:
    """Before this moment nobody signs up (S3); None: from publication on."""
    return entry.sign_up_from


def closes_at(entry: Window) -> datetime | None:
    """From this moment on nobody signs up any more: the set end of the window, or the first session's start (S3)."""
    if entry.sign_up_until is None:
        return entry.first_start
    return min(entry.sign_up_until, entry.last_end) if entry.last_end else entry.sign_up_until


def open_at(entry: Window, now: datetime) -> bool:
    """Whether the window stands open: a page says nothing of places or of waiting for them while it does not."""
    opening, closing = opens_at(entry), closes_at(entry)
    return (opening is None or now >= opening) and (closing is None or now < closing)


def withdraw_deadline(entry: Windows) -> datetime | None:
    """Until when a place may be given back by tap (S4); None: no sessions yet, any time."""
    return entry.withdraw_until or entry.first_start


def free_places(capacity: int | None, taken: int) -> int | None:
    """How many places are left, never less than none; None: there is no limit."""
    return None if capacity is None else max(0, capacity - taken)


# In words -------------------------------------------------------------------------------------------------------------


def opens_text(entry: Window) -> str:
    """'12月1日 9:00 开始', '发布后就能报'."""
    opening = opens_at(entry)
    return f"{clock.stamp(opening)} 开始" if opening else "发布后就能报"


def closes_text(entry: Window, word: str = "前报名") -> str:
    """'12月3日 9:00 前报名'; '' where it goes on until the activity begins and need not be said."""
    closing = closes_at(entry)
    return "" if closing is None or closing == entry.first_start else f"{clock.stamp(closing)} {word}"


def window_text(entry: Window) -> str:
    """Both ends: '发布后就能报，到活动开始为止', '12月1日 9:00 开始，12月3日 9:00 截止'."""
    return f"{opens_text(entry)}，{closes_text(entry, '截止') or '到活动开始为止'}"


def own_first_text(entry: Windows) -> str:
    """'12月3日 9:00 前本社区居民优先'; '' where nobody comes first."""
    return f"{clock.stamp(entry.own_first_until)} 前本社区居民优先" if entry.own_first_until else ""


def opening_now(entry: Window, now: datetime) -> str:
    """'12月1日 9:00 开始'; '' once it has begun."""
    opening = opens_at(entry)
    return opens_text(entry) if opening and now < opening else ""


def own_first_now(entry: Windows, now: datetime) -> str:
    """'本社区居民先报，11月30日 9:00 起都可以报'; '' once everybody may."""
    until = entry.own_first_until
    return f"本社区居民先报，{clock.stamp(until)} 起都可以报" if until and now < until else ""


def closing_now(entry: Window, now: datetime) -> str:
    """'12月3日 9:00 前报名', '报名已截止（12月3日 9:00）'; '' while it goes on until the activity begins."""
    closing = closes_at(entry)
    if closing is None or now < closing:
        return closes_text(entry)
    return "活动已经开始，不再报名" if closing == entry.first_start else f"报名已截止（{clock.stamp(closing)}）"


def withdrawing_now(entry: Moving, now: datetime) -> str:
    """As `withdraw_text` while it is to come; then whom to ring, and who may leave all the same (S4, C8)."""
    deadline, start = withdraw_deadline(entry), entry.first_start
    if deadline is None or now < deadline:
        return withdraw_text(entry)
    said = "活动已经开始，来不了请打电话" if deadline == start else f"{clock.stamp(deadline)} 以后退出请打电话"
    if entry.changed_at is not None and start is not None and now < start:
        said += "；调整前就报名的，活动开始前都可自行退出"
    if open_at(entry, now):
        short = start is not None and now < start < now + GRACE
        said += f"；刚报名的，{'活动开始前' if short else clock.lasting(GRACE) + '内'}还可自行退出"
    return said


def groups_first_text(entry: Windows) -> str:
    """'12月3日 9:00 前适合人群优先'; '' where nobody comes first."""
    return f"{clock.stamp(entry.groups_first_until)} 前适合人群优先" if entry.groups_first_until else ""


def groups_first_now(entry: Windows, now: datetime, who: str) -> str:
    """'长者先报，12月1日 9:00 起都可以报'; '' once everybody may. who: the groups in words."""
    until = entry.groups_first_until
    return f"{who}先报，{clock.stamp(until)} 起都可以报" if until and now < until else ""


def withdraw_text(entry: Windows) -> str:
    """'12月12日 20:00 前可自行退出', '活动开始前都可自行退出'."""
    deadline = withdraw_deadline(entry)
    if deadline is None or deadline == entry.first_start:
        return "活动开始前都可自行退出"
    return f"{clock.stamp(deadline)} 前可自行退出"


@dataclass(frozen=True)
class _Usual:
    """An entry for which nothing was set."""

    first_start: datetime = datetime(2026, 1, 5, 9, tzinfo=UTC)
    last_end: datetime = datetime(2026, 1, 5, 10, tzinfo=UTC)
    sign_up_from: None = None
    sign_up_until: None = None
    own_first_until: None = None
    groups_first_until: None = None
    withdraw_until: None = None


def usual_text(rule: Rule) -> str:
    """What `rule` says of an entry for which nothing was set: '活动开始', '活动开始前 2 小时'."""
    usual = _Usual()
    lead = usual.first_start - (rule(usual) or usual.first_start)
    return "活动开始" + (f"前{clock.said(lead)}" if lead > timedelta() else f"后{clock.said(-lead)}" if lead else "")
