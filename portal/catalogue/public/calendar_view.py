"""The list as a calendar (issue 11): the week day by day, and the month as a grid. The same filters, the same words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from flask import render_template

from portal.catalogue.models import CANCELLED
from portal.catalogue.public import going_back, month_snapshot, rolling_list
from portal.catalogue.public.month_snapshot import Filters, Published, Row
from portal.catalogue.public.rolling_list import Listed
from portal.catalogue.public.wishes import Part
from portal.centres import profile
from portal.centres.models import Centre
from portal.core import clock, pages

IN_CELL = 3  # titles in a day of the grid; the others are a number
IN_DAY = 8  # lines of a day of the week; the day's own list has all
ONE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Line:
    """One session on its day."""

    id: int
    time: str
    title: str
    where: str
    cancelled: bool
    over: bool


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the week or of the grid. url: the list of that day; lines: the first; count: of all that stand open.

    over: of today, what is over, folded below the rest; of another day it stands among the lines.
    """

    on: date
    url: str
    count: int
    lines: list[Line]
    today: bool
    inside: bool  # of the month shown
    over: list[Line] = field(default_factory=list)
    unpublished: str = ""  # when this day's list will be out

    @property
    def weekday(self) -> str:
        return clock.weekday(self.on)

    @property
    def more(self) -> int:
        return self.count - len(self.lines)


@dataclass(frozen=True, slots=True)
class Span:
    """Which days are shown. monday: of the week; month: 'YYYY-MM'."""

    monday: date
    month: str

    @property
    def grid(self) -> tuple[date, date]:
        """The days of the grid, half-open: whole weeks around the month."""
        first, end = clock.month_days(self.month)
        return first - first.weekday() * ONE, end + -end.weekday() % 7 * ONE

    @property
    def months(self) -> tuple[str, str]:
        """The first and the last month of which something may be shown."""
        first, end = self.grid
        return clock.month_of(min(first, self.monday)), clock.month_of(max(end - ONE, self.monday + 6 * ONE))


def span(week: str, wanted: Filters, today: date) -> Span:
    """The week and the month asked for: the week of `week` or of the day chosen, else this one; the month likewise.

    week: an ISO date as in the address; what is none is this week.
    """
    try:
        day = date.fromisoformat(week)
    except ValueError:
        day = None
    if wanted.month and (day is None or clock.month_of(day) != wanted.month):
        day = max(today, clock.month_days(wanted.month)[0]) if wanted.month >= clock.month_of(today) else None
        day = day if day and clock.month_of(day) == wanted.month else clock.month_days(wanted.month)[0]
    day = day or (wanted.days[0] if wanted.days else today)
    # Years from now there is no list, and the calendar's arithmetic ends.
    day = min(max(day, today - 800 * ONE), today + 800 * ONE)
    return Span(day - day.weekday() * ONE, wanted.month or clock.month_of(day))


def sessions(rows: Iterable[Row], wanted: Filters, first: date, end: date) -> dict[date, list[tuple[datetime, Row]]]:
    """Every session of what matches from `first` until before `end`, by its day, in order."""
    found: dict[date, list[tuple[datetime, Row]]] = {}
    wanted = replace(wanted, days=(first, end))
    for row in rows:
        if wanted.fits(row):
            for start, until in row.sessions:
                if wanted.at_time(start, until):
                    found.setdefault(clock.local(start).date(), []).append((start, row))
    for day in found.values():
        day.sort(key=lambda pair: (pair[0], pair[1].id))
    return found


def drawn(
    now: datetime, asked: Published, months: tuple[str, ...], wanted: Filters, label: str, parts: Sequence[Part],
    shown: Span,
) -> Listed:  # fmt: skip
    """The week and the grid under the filters of the list. The arguments are those of rolling_list.drawn."""
    round_it, own = rolling_list.frame(now, asked, months, wanted, label, parts), rolling_list.own_centre(wanted)
    centre: Centre | None = round_it["centre"]
    mixed = centre is None or not profile.current().level(centre.level).files_list
    first, end = shown.grid
    known = sessions(asked.rows, wanted, min(first, shown.monday), max(end, shown.monday + 7 * ONE))

    def day(on: date, most: int, once: bool) -> Day:
        today = on == clock.today(now)
        found = _in_order(known.get(on, []), own, now)
        gone = [(start, row) for start, row in found if row.ends(start) <= now] if today and not once else []
        found = found[: len(found) - len(gone)]  # what is over stands last
        first = list({row.title: (start, row) for start, row in reversed(found)}.values())[::-1] if once else found
        lines = [_line(row, start, now, mixed) for start, row in first[:most]]
        url = pages.with_args(view=None, week=None, month=None, day=on.isoformat())
        over = [_line(row, start, now, mixed) for start, row in gone]
        month, this = clock.month_of(on), clock.month_of(clock.today(now))
        later = month_snapshot.publication(month, this) if month > this and month not in months else ""
        return Day(on, url, len(found), lines, today, month == shown.month, over, later)

    week = [day(shown.monday + n * ONE, IN_DAY, False) for n in range(7)]
    html = render_template(
        "catalogue/public/_calendar.html", week=_to_come(week, clock.today(now)),
        weeks=[[day(monday + n * ONE, IN_CELL, True) for n in range(7)] for monday in _mondays(first, end)],
        monday=shown.monday, sunday=shown.monday + 6 * ONE, shown_month=shown.month, turns=_turns(shown), **round_it,
    )  # fmt: skip
    count = sum(len(found) for on, found in known.items() if clock.month_of(on) == shown.month)
    line = f"{clock.month_name(shown.month)} {count} 场"
    return Listed(wanted, rolling_list.title_of(centre or own), line, going_back.carried(html, going_back.here()))


def _in_order(found: list[tuple[datetime, Row]], own: Centre | None, now: datetime) -> list[tuple[datetime, Row]]:
    """What is to come before what is over, one's own centre before the others; else as the hours are."""
    path = own.path if own is not None else ""
    return sorted(found, key=lambda pair: (pair[1].ends(pair[0]) <= now, not pair[1].centre_path.startswith(path)))


def _to_come(week: list[Day], today: date) -> list[Day]:
    """Of this week only what is to come; of another one all that there is."""
    return [day for day in week if day.on >= today] if any(day.today for day in week) else [d for d in week if d.count]


def _turns(shown: Span) -> dict[str, str]:
    """Where the weeks and months before and after are."""
    weeks = {"week before": shown.monday - 7 * ONE, "week after": shown.monday + 7 * ONE}
    months = {"month before": clock.add_months(shown.month, -1), "month after": clock.add_months(shown.month, 1)}
    found = {name: pages.with_args(week=monday.isoformat(), month=None, day=None) for name, monday in weeks.items()}
    return found | {name: pages.with_args(month=month, week=None, day=None) for name, month in months.items()}


def _mondays(first: date, end: date) -> list[date]:
    return [first + n * ONE for n in range(0, (end - first).days, 7)]


def _line(row: Row, start: datetime, now: datetime, with_centre: bool) -> Line:
    until = row.ends(start)
    where = " · ".join(word for word in (row.centre_name if with_centre else "", row.place) if word)
    hours = f"{clock.hour(start)}–{clock.hour(until)}"
    return Line(row.id, hours, row.title, where, row.status == CANCELLED, until <= now)
