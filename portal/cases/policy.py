"""What a deployment says of each kind of case: clocks and what follows a missed one (profile, table [cases])."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from functools import cache
from typing import Any, Literal

from portal.cases.calendar import WorkClock
from portal.centres import profile
from portal.core import clock

Unit = Literal["hours", "working_hours", "workdays"]
SOON = timedelta(hours=24)
FIRST_HOUR, LAST_HOUR, NOON = 9, 18, time(12)  # in which residents are called


@dataclass(frozen=True, slots=True)
class Term:
    """So much time in a unit: hours run day and night; working hours and days by the calendar. by_day: what would end
    when nobody is called ends at a full hour of the day, never sooner.
    """

    unit: Unit
    amount: int
    by_day: bool = False

    def due(self, start: datetime, work: WorkClock) -> datetime:
        """When it is over; aware UTC."""
        if self.unit == "workdays":
            return work.workday_end(start, self.amount)
        if self.unit == "working_hours":
            return work.add(start, 60 * self.amount)
        due = start + timedelta(hours=self.amount)
        return _by_day(due) if self.by_day else due


def _by_day(moment: datetime) -> datetime:
    """The next full hour; what would be in the evening is the next noon."""
    end = clock.local(moment)
    if end > end.replace(minute=0, second=0, microsecond=0):
        end = end.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    if end.hour < FIRST_HOUR:
        return clock.at(end.date(), NOON)
    if end.hour > LAST_HOUR:
        return clock.at(end.date() + timedelta(days=1), NOON)
    return end.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Policy:
    """then: after a missed clock the level above is told, gets the case, or is alarmed; after_hours later than the due
    time. answer: how long an offered hand-over may wait; dispatch: one to a lower level, where that is another time.
    warn: after so many hundredths of a clock who has it is reminded, 0 never. any_time: staff are told outside office
    hours too.
    """

    clocks: Mapping[str, Term] = field(default_factory=dict)
    then: Literal["tell", "hand_up", "alarm"] = "tell"
    after_hours: int = 24
    answer: Term = Term("working_hours", 4)
    dispatch: Term | None = None
    warn: int = 0
    may_decline: bool = True
    any_time: bool = False


def read(table: Mapping[str, Any]) -> Policy:
    """A kind's table as a Policy. Raises TypeError for a key that does not exist."""
    plain = {k: v for k, v in table.items() if k not in ("clocks", "answer", "dispatch")}
    plain |= {name: Term(**table[name]) for name in ("answer", "dispatch") if name in table}
    return Policy(clocks={name: Term(**term) for name, term in table.get("clocks", {}).items()}, **plain)


@cache
def _of(code: str, kind: str) -> Policy:
    return read(profile.load(code).cases[kind])


def of(kind: str) -> Policy:
    """This deployment's policy. Raises KeyError for a kind that its profile does not name."""
    return _of(profile.current().code, kind)


def tone(due_at: datetime | None, now: datetime, soon: timedelta = SOON) -> str:
    """red once overdue, gold when soon, else neutral; for everything that has a due time."""
    if due_at is None:
        return "neutral"
    return "red" if now >= due_at else "gold" if due_at - now <= soon else "neutral"
