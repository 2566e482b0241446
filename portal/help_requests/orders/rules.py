"""Figures and sentences of orders, and the strip of a member's day (SPEC H7). Pure functions, no database.

Spans are aware and half-open; lengths in minutes where nothing else is said.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from portal.core import clock

ANSWER = timedelta(hours=2)  # for the member to say yes
USUAL = timedelta(hours=2)  # how long a visit is planned when nothing is said
LONGEST = timedelta(hours=8)
FARTHEST = timedelta(days=60)
CHECK = timedelta(minutes=60)  # alone in a home: until then he says that all is well
CHECK_MORE = timedelta(minutes=15)  # then the captain and the community are told
TOKEN_LIVES = timedelta(days=2)  # the paper order's code, after the planned end
MOVABLE = timedelta(hours=2)  # before the visit its time can no longer be moved by the link
MOST_MOVES = 3
MOVE_DAYS = 7  # how far ahead other times are offered
STEPS = (("go", "出发"), ("arrive", "到了"), ("finish", "办好了"))
FIRST_HOUR, LAST_HOUR = 8, 20  # of the strip
STRIP = 264  # its width


def answer_by(start: datetime, now: datetime) -> datetime:
    """Until when the member answers: two hours, never after the visit begins."""
    return min(now + ANSWER, start)


def usual_span(day: date | None, part: str, now: datetime) -> tuple[datetime, datetime]:
    """What a dispatcher is shown first: the day and half of it that were wished for, else the next full hour by day."""
    today = clock.today(now)
    if day is not None and day >= today:
        start = clock.at(day, time(9 if part == "am" else 14))
        if start > now:
            return start, start + USUAL
    later = clock.local(now) + timedelta(hours=1)
    start = clock.at(later.date(), time(later.hour))
    if not 8 <= later.hour <= 17:
        start = clock.at(today + timedelta(days=1 if later.hour > 17 or later.date() > today else 0), time(9))
    return start, start + USUAL


def check_step(check_by: datetime, now: datetime) -> int:
    """0 nobody, 1 the member is asked, 2 the captain and the community are told."""
    if now < check_by:
        return 0
    return 2 if now >= check_by + CHECK_MORE else 1


def may_move(status: str, start: datetime, moves: int, now: datetime) -> str:
    """Why the visit's time cannot be moved by the link; '' when it can. status: of the order."""
    if status in ("going", "there"):
        return "人已经出发了，要改请打电话。"
    if status not in ("offered", "confirmed"):
        return "这次上门已经结束或取消了。"
    if now >= start - MOVABLE:
        return f"离上门不到{clock.said(MOVABLE)}，要改请打电话。"
    if moves >= MOST_MOVES:
        return f"已经改过 {MOST_MOVES} 次，再改请打电话。"
    return ""


@dataclass(frozen=True, slots=True)
class Bar:
    """A piece of a strip, in its units."""

    x: int
    width: int


def bar(start: datetime, end: datetime, day: date) -> Bar | None:
    """Where [start, end) lies on the strip of a day; None outside of it."""
    first, last = clock.at(day, time(FIRST_HOUR)), clock.at(day, time(LAST_HOUR))
    a, b = max(start, first), min(end, last)
    if a >= b:
        return None
    scale = STRIP / (last - first).total_seconds()
    x = round((a - first).total_seconds() * scale)
    return Bar(x, max(2, round((b - first).total_seconds() * scale) - x))


def hours(start: datetime, end: datetime) -> list[tuple[int, int, bool]]:
    """(hour, x, whether it is the wanted one) under the strips; what would touch a wanted hour is left out."""
    wanted = [h for h in (clock.local(start).hour, clock.local(end).hour) if FIRST_HOUR <= h <= LAST_HOUR]
    plain = [h for h in (FIRST_HOUR, 12, 16, LAST_HOUR) if all(abs(h - w) > 1 for w in wanted)]
    return [
        (h, round((h - FIRST_HOUR) * STRIP / (LAST_HOUR - FIRST_HOUR)), h in wanted) for h in sorted({*plain, *wanted})
    ]


def known_text(before: int, month: int) -> str:
    """'认识求助人（办过 3 次），本月派过 2 次'."""
    parts = [f"认识求助人（办过 {before} 次）"] if before else []
    return "，".join([*parts, f"本月派过 {month} 次" if month else "本月还没派过"])


def wish_text(start: datetime, end: datetime) -> str:
    """'12月3日（周四） 14:00–16:00'."""
    return clock.span(start, end)
