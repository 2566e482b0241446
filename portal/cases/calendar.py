"""Working days and office hours: pure, on the rows that the district edits (SPEC Q10).

Spans are half-open minutes of a day, so that 24:00 can be said. "N 个工作日": the day of receipt does not count, the
last one ends with office hours (民法典 201-203).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from portal.core import clock

DAY = timedelta(days=1)
LONGEST = 3 * 366  # days looked ahead: a calendar without working days must not turn for ever


@dataclass(frozen=True)
class WorkClock:
    """spans: (from, to) in minutes of an ordinary working day. rest: days off; work: make-up working days (调休补班).

    official: years whose notice is entered; another year's deadlines are only assumed. Moments are aware UTC.
    """

    spans: tuple[tuple[int, int], ...]
    rest: frozenset[date] = frozenset()
    work: frozenset[date] = frozenset()
    official: frozenset[int] = field(default_factory=frozenset)

    def is_workday(self, day: date) -> bool:
        return day in self.work or (day.weekday() < 5 and day not in self.rest)

    def is_open(self, moment: datetime) -> bool:
        """Whether the office works then: when staff are told of what is not urgent."""
        there = clock.local(moment)
        minute = there.hour * 60 + there.minute
        return self.is_workday(there.date()) and any(start <= minute < end for start, end in self.spans)

    def pieces(self, start: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Half-open working spans from `start` on. Raises ValueError when there are none in three years."""
        first = clock.today(start)
        for number in range(LONGEST):
            day = first + number * DAY
            for opens, closes in self.spans if self.is_workday(day) else ():
                low, high = max(start, _at(day, opens)), _at(day, closes)
                if low < high:
                    yield low, high
        raise ValueError("the calendar has no working hours")

    def add(self, start: datetime, minutes: int) -> datetime:
        """The moment when `minutes` of working time after `start` are over."""
        left = timedelta(minutes=minutes)
        for low, high in self.pieces(start):
            if high - low >= left:
                return low + left
            left -= high - low
        raise AssertionError("pieces never ends")  # pragma: no cover

    def between(self, start: datetime, end: datetime) -> int:
        """Working minutes in [start, end); 0 when reversed."""
        total = timedelta()
        for low, high in self.pieces(start) if start < end else ():
            if low >= end:
                break
            total += min(high, end) - low
        return int(total.total_seconds() // 60)

    def workday_end(self, start: datetime, days: int) -> datetime:
        """Close of business of the `days`-th working day after the day of `start`."""
        day, closes = clock.today(start), max(end for _, end in self.spans)
        for _ in range(LONGEST):
            day += DAY
            days -= self.is_workday(day)
            if days == 0:
                return _at(day, closes)
        raise ValueError("the calendar has no working days")

    def is_assumed(self, due_at: datetime) -> bool:
        """Whether the year of a deadline has no notice yet (未公布): pages say 约."""
        return clock.today(due_at).year not in self.official


def _at(day: date, minute: int) -> datetime:
    return clock.at(day, time()) + timedelta(minutes=minute)
