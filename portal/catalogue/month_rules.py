"""Until when each level does its part of a month's list: what may be set, who is late, who is reminded (SPEC C5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from portal.core import clock

DEPARTMENTS = "department"  # beside the levels of the profile: departments hand their plans to the district
REMIND_DAYS = (2, 1)  # days before a date at which whoever has not done it is reminded
SOON = timedelta(days=2)  # so long before, it stands among what waits


@dataclass(frozen=True, slots=True)
class Part:
    """One date of a month. what: 社区交清单 …; usual: as the profile has it; before: what it must precede."""

    code: str
    what: str
    usual: datetime
    before: str = ""


def span(month: str) -> tuple[datetime, datetime]:
    """Between which moments a date of `month`'s list may lie: the month before, up to its publication."""
    return clock.month_span(clock.add_months(month, -1))[0], clock.month_span(month)[0]


def problems(parts: Sequence[Part], dates: Mapping[str, datetime], month: str) -> dict[str, str]:
    """By code, why a date will not do; {} when all will. dates: of every part."""
    first, last = span(month)
    words, found = {part.code: part.what for part in parts}, {}
    for part in parts:
        at = dates[part.code]
        if not first <= at <= last:
            found[part.code] = f"要在 {clock.stamp(first)} 到 {clock.stamp(last)} 之间，{clock.stamp(last)} 自动发布。"
        elif part.before and at > dates[part.before]:
            found[part.code] = f"不能晚于“{words[part.before]}”的 {clock.stamp(dates[part.before])}，否则来不及审。"
    return found


def counts(cutoff: datetime | None, since: datetime) -> bool:
    """Whether a date binds a centre that has been here since then: nobody is late for what was over before."""
    return cutoff is not None and since <= cutoff


def reminder(cutoff: datetime, now: datetime) -> int | None:
    """How many days before the date a reminder is due now, if one is: the last one, when an earlier was missed."""
    return next((d for d in reversed(REMIND_DAYS) if cutoff - timedelta(days=d) <= now < cutoff), None)


def may_urge(last: datetime | None, now: datetime) -> bool:
    """Once a day is enough."""
    return last is None or clock.today(last) < clock.today(now)
