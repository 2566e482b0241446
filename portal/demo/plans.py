"""From a line of activities.csv to a row of a month's list: dates, places, windows."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta

from portal.catalogue import rules
from portal.catalogue.actions import room_holds
from portal.catalogue.rules import EntryValues
from portal.catalogue.timetext.parts import Span
from portal.centres.models import Centre
from portal.core import clock
from portal.demo.stage import Stage, month_dates, table

SOCIAL_WORKERS = ("陈社工", "李社工", "黄社工", "何社工", "林社工", "谢社工")
APART = timedelta(minutes=90)  # between two activities in a room: one may be put off by half an hour
_WHEN = re.compile(r"(每?)([一二三四五六日]+) (\d+:\d+)-(\d+:\d+)")


@dataclass(frozen=True)
class Idea:
    """A line of the file, understood. weekdays: 0 = Monday."""

    key: str
    title: str
    category: str
    weekly: bool
    weekdays: tuple[int, ...]
    start: time
    end: time
    place: str
    audience: str
    capacity: int | None
    unit: str
    walk_in: bool
    content: str
    organiser: str
    flags: dict[str, str] = field(default_factory=dict)


def ideas() -> dict[str, list[Idea]]:
    """By the file's first column: a centre's code, a department's code, or '*' for every community."""
    found: dict[str, list[Idea]] = {}
    for row in table("activities"):
        found.setdefault(row["centre"], []).append(_idea(row))
    return found


def _idea(row: dict[str, str]) -> Idea:
    match = _WHEN.fullmatch(row["when"])
    if match is None:
        raise ValueError(f"activities.csv: {row['title']}: {row['when']}")
    weekly, days, start, end = match.groups()
    number = re.fullmatch(r"(\d+)(.*)", row["capacity"])
    flags = dict(f.partition("=")[::2] for f in row["flags"].split(";") if f)
    return Idea(
        key=row["centre"], title=row["title"], category=row["category"], weekly=bool(weekly),
        weekdays=tuple(clock.WEEKDAYS.index(d) for d in days), start=_time(start), end=_time(end),
        place=row["place"], audience=row["audience"], capacity=int(number.group(1)) if number else None,
        unit=(number.group(2) or "人") if number else "人", walk_in=row["capacity"] == "到场",
        content=row["content"], organiser=row["organiser"], flags=flags,
    )  # fmt: skip


def _time(text: str) -> time:
    hour, minute = text.split(":")
    return time(int(hour), int(minute))


@dataclass
class Diary:
    """Which place of a centre is taken on which day: a lively list has no clashes unless somebody makes one."""

    held: set[tuple[int, str, date]] = field(default_factory=set)
    names: dict[int, dict[str, int]] = field(default_factory=dict)  # centre → rooms by name
    booked: dict[int, list[Span]] = field(default_factory=dict)  # room → sessions

    def find(self, centre: Centre, idea: Idea, days: Collection[date], stage: Stage) -> date | None:
        fitting = [d for d in days if d.weekday() in idea.weekdays]
        free = [d for d in fitting if (centre.id, idea.place, d) not in self.held]
        day = stage.dice.choice(free or fitting) if fitting else None
        if day is not None:
            self.held.add((centre.id, idea.place, day))
        return day

    def room(self, centre: Centre, place: str, sessions: Collection[Span]) -> int | None:
        """The centre's room of that name when it has time for every session; else the place stays words."""
        if centre.id not in self.names:
            self.names[centre.id] = room_holds.by_name(centre)
        room = self.names[centre.id].get(room_holds.folded(place))
        if room is None or not sessions:
            return None
        known = self.booked.setdefault(room, [])
        close = any(s.start < k.end + APART and k.start < s.end + APART for s in sessions for k in known)
        before = min(s.start for s in sessions) - APART
        if close or room_holds.conflicts(room, sessions, before):
            return None
        known.extend(sessions)
        return room


def _span(day: date, idea: Idea) -> Span:
    return Span(datetime.combine(day, idea.start, clock.SHANGHAI), datetime.combine(day, idea.end, clock.SHANGHAI))


def values(
    stage: Stage, centre: Centre, idea: Idea, month: str, diary: Diary, days: Collection[date] = ()
) -> EntryValues | None:
    """The row of `month`; None when it has no fitting day (among `days`, when given)."""
    weekly = None
    if idea.weekly:
        sessions = rules.unfold(idea.weekdays, idea.start, idea.end, month)
        weekly = rules.weekly_dict(idea.weekdays, idea.start, idea.end)
    else:
        day = diary.find(centre, idea, days or month_dates(month), stage)
        if day is None:
            return None
        sessions = (_span(day, idea),)
    row = EntryValues(
        month=month, title=idea.title, category_id=stage.categories[idea.category], sessions=sessions,
        content=idea.content, organiser=_organiser(centre, idea), place=idea.place, audience=idea.audience,
        venue_id=diary.room(centre, idea.place, sessions),
        groups=rules.groups_in(idea.audience), capacity=idea.capacity, unit=idea.unit, walk_in=idea.walk_in,
        needs_review="review" in idea.flags, max_companions=int(idea.flags.get("companions", 0)),
        contact=SOCIAL_WORKERS[centre.id % len(SOCIAL_WORKERS)], phone=centre.phone, weekly=weekly,
    )  # fmt: skip
    return row if idea.walk_in else _windows(stage, row, "own" in idea.flags)


def _organiser(centre: Centre, idea: Idea) -> str:
    return f"{centre.label}党委" if idea.organiser == "社区党委" else idea.organiser or centre.name


def _windows(stage: Stage, row: EntryValues, own_first: bool) -> EntryValues:
    """Withdrawal closes the evening before; a weekly one may be joined until its last date."""
    first, last = row.sessions[0].start, row.sessions[-1].start
    evening = clock.at(clock.today(first) - timedelta(days=1), time(20))
    if row.weekly:
        return replace(row, sign_up_until=last - timedelta(hours=1), withdraw_until=last - timedelta(hours=1))
    begins = clock.month_span(row.month)[0]
    opens = None
    if row.month == stage.month and first > stage.now + timedelta(days=6) and stage.dice.random() < 0.12:
        opens = clock.at(clock.today(stage.now) + timedelta(days=2), time(9))  # not open yet
    own = min(evening - timedelta(hours=12), max(begins, first - timedelta(days=4))) if own_first else None
    # Where somebody has to prepare for each, sign-up closes the evening before; elsewhere it goes on until the start.
    closes = evening if row.needs_review or own_first or opens or (row.capacity or 0) <= 15 else None
    return replace(row, sign_up_until=closes, withdraw_until=evening, own_first_until=own, sign_up_from=opens)
