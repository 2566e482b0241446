"""What a centre's monthly plan says, as plain frozen data (SPEC C2, C7)."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong or doubtful: an error keeps the row out, a warning asks for a second look."""

    field: str
    severity: Severity
    message: str


def error(field: str, message: str) -> Problem:
    return Problem(field, "error", message)


def warning(field: str, message: str) -> Problem:
    return Problem(field, "warning", message)


def errors(problems: Iterable[Problem]) -> list[Problem]:
    """Those that keep a row out; warnings aside."""
    return [problem for problem in problems if problem.severity == "error"]


@dataclass(frozen=True, order=True)
class Span:
    """A session as a half-open interval [start, end) of aware datetimes in Asia/Shanghai."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class WeeklyRule:
    """The rule behind weekly sessions, for display. Weekdays 0 = Monday; `end` 0:00 means midnight after."""

    weekdays: tuple[int, ...]
    start: time
    end: time
    label: str


@dataclass(frozen=True)
class When:
    """What a time cell means. `weekly` is set only when one rule tells the whole truth.

    `unused` are words and times that were put aside (until when to sign up, where to gather) or not understood.
    """

    spans: tuple[Span, ...]
    weekly: WeeklyRule | None
    label: str
    problems: tuple[Problem, ...]
    unused: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlanRow:
    """One service of the plan, understood. `number` is the row number that Excel shows."""

    number: int
    title: str
    category_text: str
    content: str
    when: When
    audience_text: str
    place: str
    capacity: int | None
    unit: str
    unlimited: bool
    organiser: str
    contact_name: str
    contact_phone: str
    raw: dict[str, str]
    problems: tuple[Problem, ...]
    remark: str = ""
    sheet: str = ""
    walk_in: bool = False
    centre_text: str = ""


@dataclass(frozen=True)
class Plan:
    """A whole plan: rows in the order of the file; notes are texts around the table, titles those above it."""

    title: str
    rows: tuple[PlanRow, ...]
    notes: tuple[str, ...]
    problems: tuple[Problem, ...] = field(default=())
    titles: tuple[str, ...] = field(default=())
