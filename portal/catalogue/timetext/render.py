"""Says sessions in words, in the one way that `parse_when` also reads back (SPEC C7)."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from portal.catalogue.timetext.parts import Span
from portal.centres.rules import clock_text
from portal.core import clock


def weekdays_text(weekdays: Sequence[int]) -> str:
    """`每周一至周五`, `每周二、四`, `每天`; weekdays 0 = Monday, sorted."""
    days = list(weekdays)
    if days == list(range(7)):
        return "每天"
    if len(days) >= 3 and days == list(range(days[0], days[-1] + 1)):
        return f"每周{clock.WEEKDAYS[days[0]]}至周{clock.WEEKDAYS[days[-1]]}"
    return "每周" + "、".join(clock.WEEKDAYS[day] for day in days)


def clock_range(start: int, end: int) -> str:
    """`9:30–11:00`, `22:00–次日1:00`; both in minutes from 0:00 of the first day."""
    if end > 24 * 60:
        return f"{clock_text(start)}–次日{clock_text(end - 24 * 60)}"
    return f"{clock_text(start)}–{clock_text(end)}"


def _minutes(span: Span) -> tuple[int, int]:
    start = span.start.hour * 60 + span.start.minute
    return start, start + int((span.end - span.start).total_seconds()) // 60


def _days_text(days: Sequence[date]) -> str:
    runs: list[list[date]] = []
    for day in days:
        if runs and day - runs[-1][-1] == timedelta(days=1):
            runs[-1].append(day)
        else:
            runs.append([day])
    parts = []
    for run in runs:
        if len(run) >= 3:
            parts.append(f"{clock.day(run[0])}–{clock.day(run[-1])}")
        else:
            parts += [clock.day(day) for day in run]
    return "、".join(parts)


def render_spans(spans: Iterable[Span]) -> str:
    """`12月13日（周日）8:30–11:00`; days with equal times stand together, kinds of days are parted by `；`.

    The spans start and end within 24 hours; half-open. `parse_when(render_spans(x), month)` gives x again.
    """
    by_day: dict[date, list[tuple[int, int]]] = {}
    for span in sorted(spans):
        by_day.setdefault(span.start.date(), []).append(_minutes(span))
    by_times: dict[tuple[tuple[int, int], ...], list[date]] = {}
    for day, times in by_day.items():
        by_times.setdefault(tuple(times), []).append(day)
    return "；".join(
        _days_text(days) + "，".join(clock_range(*each) for each in times) for times, days in by_times.items()
    )
