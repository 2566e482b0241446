"""The residents' list (SPEC C9), fast: the rows live in memory by month and are proved fresh by one query a request.

A month's stamp is (count, sum of versions, highest id) of its public rows. Versions only rise and public rows never
leave, so an equal stamp means nothing that a card shows has changed. A new stamp reloads the changed rows only. Names
of centres and categories are not covered by the stamp; a snapshot is therefore rebuilt when it is older than MAX_AGE.

Residents see one list from now on: `ahead` puts the months together that are published; a month is only a filter.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from markupsafe import Markup
from sqlalchemy import bindparam, case, func, inspect, select
from sqlalchemy.orm import aliased

from portal.catalogue import pictures, windows, words
from portal.catalogue.models import CANCELLED, PUBLIC, Category, Entry, EntrySession
from portal.centres.models import Centre
from portal.core import clock, pages, reads

PAGE_SIZE = 20
MAX_AGE = timedelta(minutes=1)
NEAREST, NEAR_ENOUGH = 6, 0.5  # how many, and the least share of what was typed
# Each month's own stamp. The months are named, not spanned: only so does SQLite read ix_entry_stamp and nothing else.
STAMPS = (
    reads.stamp(Entry).add_columns(Entry.month.label("month"))
    .where(Entry.month.in_(bindparam("months", expanding=True)), Entry.status.in_(PUBLIC))
    .group_by(Entry.month)
)  # fmt: skip
EVER = "9999-12"  # later than any month
MONTHS_AHEAD = 14  # last month, this one and a year


@dataclass(frozen=True, slots=True)
class Row:
    """One public entry as lists need it. sessions: half-open UTC intervals in order; session_ids: their numbers."""

    id: int
    version: int
    month: str
    title: str
    category: str
    category_name: str
    parent_category: str
    centre_path: str
    centre_name: str
    place: str
    audience: str
    groups: tuple[str, ...]
    capacity: int | None
    unit: str
    taken: int
    waiting: int
    walk_in: bool
    status: str
    weekly: str
    sign_up_from: datetime | None
    sign_up_until: datetime | None
    changed: bool
    sessions: tuple[tuple[datetime, datetime], ...]
    session_ids: tuple[int, ...]
    search: str
    kind: str  # its drawing (catalogue.pictures)

    @property
    def free(self) -> int | None:
        return windows.free_places(self.capacity, self.taken)

    def session_for(self, want: Filters, now: datetime) -> tuple[datetime, datetime] | None:
        """The session that stands for the entry: the first not over, else the last; of those at the time wanted."""
        last = None
        for start, end in self.sessions:
            if want.at_time(start, end):
                last = start, end
                if end > now:
                    break
        return last

    def ends(self, start: datetime) -> datetime:
        """When the session that begins at `start` ends."""
        return next(end for begin, end in self.sessions if begin == start)

    @property
    def first_start(self) -> datetime | None:
        return self.sessions[0][0] if self.sessions else None

    @property
    def last_end(self) -> datetime | None:
        return self.sessions[-1][1] if self.sessions else None

    @property
    def over_at(self) -> datetime:
        return self.last_end or datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)
class Snapshot:
    """A month's public rows."""

    month: str
    stamp: str
    loaded_at: datetime
    rows: dict[int, Row]

    def below(self, path: str) -> Snapshot:
        """The rows of `path` and below."""
        return replace(self, rows={i: row for i, row in self.rows.items() if row.centre_path.startswith(path)})


@dataclass(frozen=True, slots=True)
class Published:
    """Public rows of several months. months: those that have any, in order; stamp: of all of them."""

    months: tuple[str, ...]
    stamp: str
    rows: tuple[Row, ...]

    def below(self, path: str) -> Published:
        """The rows of `path` and below, and the months in which there are any."""
        rows = tuple(row for row in self.rows if row.centre_path.startswith(path))
        with_some = {row.month for row in rows}
        return replace(self, rows=rows, months=tuple(month for month in self.months if month in with_some))


_snapshots: dict[str, Snapshot] = {}
_lock = threading.Lock()

_category, _parent = aliased(Category), aliased(Category)
# What people call the place: 葵涌 is found in all communities of 葵涌. The top is left out, for everything is below it.
_ABOVE = (aliased(Centre, name="above"), aliased(Centre, name="further_above"))


def _name_of(place: Any) -> Any:
    name = case((place.parent_id.is_not(None), func.coalesce(func.nullif(place.short_name, ""), place.name)), else_="")
    return name.label(f"{inspect(place).name}_name")


_ROWS = (
    select(
        Entry.id, Entry.version, Entry.month, Entry.title, _category.code.label("category"),
        _category.name.label("category_name"),
        func.coalesce(_parent.code, "").label("parent_category"), Centre.path.label("centre_path"),
        Centre.short_name.label("centre_name"), Entry.place, Entry.audience, Entry.groups, Entry.capacity, Entry.unit,
        Entry.taken, Entry.waiting, Entry.walk_in, Entry.status, Entry.weekly, Entry.sign_up_from, Entry.sign_up_until,
        Entry.changed_at, Entry.organiser, Entry.content, *(_name_of(place) for place in _ABOVE),
    )
    .join(_category, _category.id == Entry.category_id)
    .outerjoin(_parent, _parent.id == _category.parent_id)
    .join(Centre, Centre.id == Entry.centre_id)
    .outerjoin(_ABOVE[0], _ABOVE[0].id == Centre.parent_id)
    .outerjoin(_ABOVE[1], _ABOVE[1].id == _ABOVE[0].parent_id)
    .where(Entry.status.in_(PUBLIC), Entry.id.in_(bindparam("ids", expanding=True)))
)  # fmt: skip
_SESSIONS = (
    select(EntrySession.id, EntrySession.entry_id, EntrySession.starts_at, EntrySession.ends_at)
    .where(EntrySession.entry_id.in_(bindparam("ids", expanding=True)))
    .order_by(EntrySession.starts_at)
)
NOT_SHOWN = ("organiser", "content", "above_name", "further_above_name")  # read to be searched only
SEARCHED = ("title", "category_name", "centre_name", "place", "audience", *NOT_SHOWN)
_VERSIONS = select(Entry.id, Entry.version).where(Entry.month == bindparam("month"), Entry.status.in_(PUBLIC))


def read_stamps(first: str, last: str = EVER) -> dict[str, str]:
    """Stamps of the months from `first` to `last` in which anything is published, in order; one query on one index."""
    return stamps_of(reads.rows(STAMPS, months=months_from(first, last)))


def months_from(first: str, last: str = EVER) -> list[str]:
    """The months from `first` to `last`; at most a year ahead, further than any list is published."""
    found = [clock.add_months(first, number) for number in range(MONTHS_AHEAD)]
    return [month for month in found if month <= last]


def stamps_of(found: Iterable[Sequence[Any]]) -> dict[str, str]:
    """The same from rows of STAMPS."""
    return {row[3]: ":".join(map(str, row[:3])) for row in sorted(found, key=lambda row: str(row[3]))}


def first_ahead(now: datetime) -> str:
    """The month in which the list from now on begins: yesterday's, for something may last past midnight."""
    return clock.month_of(clock.today(now) - timedelta(days=1))


def ahead(now: datetime) -> Published:
    """Everything published from now on, whatever its month: one query when nothing has changed."""
    return published(read_stamps(first_ahead(now)), now)


def published(stamps: Mapping[str, str], now: datetime) -> Published:
    """The months of `stamps` as one."""
    rows = [row for month, stamp in stamps.items() for row in snapshot(month, now, stamp).rows.values()]
    return Published(tuple(stamps), " ".join(f"{month} {stamp}" for month, stamp in stamps.items()), tuple(rows))


def snapshot(month: str, now: datetime, stamp: str = "") -> Snapshot:
    """The month's public rows, fresh as of this request. stamp: when this request has read it."""
    stamp = stamp or read_stamps(month, month).get(month, "")
    known = _snapshots.get(month)
    if known is not None and known.stamp == stamp and abs(now - known.loaded_at) < MAX_AGE:
        return known
    with _lock:
        keep = known.rows if known is not None and abs(now - known.loaded_at) < MAX_AGE else {}
        fresh = _load(month, stamp, now, keep)
        if known is not None and keep:
            fresh.loaded_at = known.loaded_at
        _snapshots[month] = fresh
        while len(_snapshots) > 6:  # browsing old months must not fill the memory
            _snapshots.pop(next(iter(_snapshots)))
    return fresh


def one(entry_id: int) -> Row | None:
    """One public entry's row, fresh; None when there is no such."""
    return _rows([entry_id]).get(entry_id)


def forget() -> None:
    """Drop everything held in memory (tests, another database)."""
    _snapshots.clear()


def _load(month: str, stamp: str, now: datetime, keep: dict[int, Row]) -> Snapshot:
    versions = {row.id: row.version for row in reads.rows(_VERSIONS, month=month)}
    rows = {i: keep[i] for i, version in versions.items() if i in keep and keep[i].version == version}
    missing = [i for i in versions if i not in rows]
    for start in range(0, len(missing), 500):
        rows |= _rows(missing[start : start + 500])
    return Snapshot(month, stamp, now, rows)


def _rows(ids: list[int]) -> dict[int, Row]:
    sessions: dict[int, list[Any]] = {}
    for row in reads.rows(_SESSIONS, ids=ids):
        sessions.setdefault(row.entry_id, []).append(row)
    return {row.id: _row(row._asdict(), sessions.get(row.id, [])) for row in reads.rows(_ROWS, ids=ids)}


def _row(said: dict[str, Any], sessions: list[Any]) -> Row:
    """said: a record of _ROWS, whose labels are the fields of Row; the last columns only tell what follows."""
    said["search"] = words.searchable([said[name] or "" for name in SEARCHED], said["groups"] or ())
    said["changed"] = said.pop("changed_at") is not None
    for name in NOT_SHOWN:
        del said[name]
    said["kind"] = pictures.of(said["title"], said["groups"] or ())
    said["groups"], said["weekly"] = tuple(said["groups"] or ()), (said["weekly"] or {}).get("label", "")
    spans = tuple((session.starts_at, session.ends_at) for session in sessions)
    return Row(**said, sessions=spans, session_ids=tuple(session.id for session in sessions))


@dataclass(frozen=True, slots=True)
class Filters:
    """What the resident asked for, already checked. month: '' from now on; days: half-open; ended: what is over.

    weekdays: 0 is Monday, () is each; hours: half-open minutes of the day; q: as typed; terms: what must be found;
    subject: those of them that say what it is about.
    """

    month: str = ""
    category: str = ""
    centre: str = ""
    centre_path: str = ""
    days: tuple[date, date] | None = None
    group: str = ""
    q: str = ""
    free: bool = False
    ended: bool = False
    page: int = 1
    weekdays: tuple[int, ...] = ()
    hours: tuple[int, int] | None = None
    terms: words.Wanted = words.NOTHING
    subject: words.Wanted = words.NOTHING

    @property
    def any(self) -> bool:
        return bool(self.category or self.centre or self.days or self.group or self.q or self.free)

    @property
    def one_day(self) -> bool:
        """Whether it is about a single day."""
        return self.days is not None and self.days[1] - self.days[0] == timedelta(days=1)

    def fits(self, row: Row) -> bool:
        """Whether a row is what was asked for, at whatever time."""
        return _matches(row, self) and self.terms.found_in(row.search)

    def only_mentions(self, row: Row) -> bool:
        """Whether what was asked for is said somewhere else than in the title; such rows stand behind the others."""
        return bool(self.subject) and not self.subject.touches(row.search.partition("|")[0])

    @property
    def any_time(self) -> Filters:
        """The same without its day and hour."""
        return replace(self, days=None, weekdays=(), hours=None)

    def at_time(self, start: datetime, end: datetime) -> bool:
        """Whether a session is on a day wanted, and an hour of it, or half of it, in the hours wanted."""
        if self.days is None and not self.weekdays and self.hours is None:
            return True
        there = clock.local(start)
        if self.days is not None and not self.days[0] <= there.date() < self.days[1]:
            return False
        if self.weekdays and there.weekday() not in self.weekdays:
            return False
        if self.hours is None:
            return True
        begins, length = there.hour * 60 + there.minute, (end - start).total_seconds() / 60
        inside = min(begins + length, self.hours[1]) - max(begins, self.hours[0])
        return inside >= min(60, length / 2)

    def asked_months(self, today: date) -> tuple[str, str]:
        """The first and the last month that this can be about."""
        if self.days is not None:
            return clock.month_of(self.days[0]), clock.month_of(self.days[1] - timedelta(days=1))
        if self.month or self.ended:
            month = self.month or clock.month_of(today)
            return month, month
        return clock.month_of(today - timedelta(days=1)), EVER


def day_range(word: str, today: date) -> tuple[date, date] | None:
    """'today', 'tomorrow', 'week', 'weekend' or an ISO date as half-open dates; None when it is none of them."""
    one = timedelta(days=1)
    monday = today - timedelta(days=today.weekday())
    named = {
        "today": (today, today + one),
        "tomorrow": (today + one, today + 2 * one),
        "week": (today, monday + 7 * one),
        "weekend": (max(today, monday + 5 * one), monday + 7 * one),
    }
    if word in named:
        return named[word]
    try:
        day = date.fromisoformat(word)
    except ValueError:
        return None
    return day, day + one


@dataclass(frozen=True, slots=True)
class Found:
    """Rows that match, each with the session that stands for it. over: the latest first; coming: the nearest first, of
    a search those that have it in their title before those that only mention it.
    """

    coming: list[tuple[Row, tuple[datetime, datetime]]]
    over: list[tuple[Row, tuple[datetime, datetime]]]


def select_rows(rows: Iterable[Row], want: Filters, now: datetime) -> Found:
    """What matches among `rows`: what is to come apart from what is over, which never stands before it."""
    found = Found([], [])
    for row in rows:
        session = row.session_for(want, now) if want.fits(row) else None
        if session is not None:
            (found.coming if session[1] > now else found.over).append((row, session))
    found.coming.sort(key=lambda pair: (want.only_mentions(pair[0]), pair[1][0], pair[0].id))
    found.over.sort(key=lambda pair: (pair[1][0], pair[0].id), reverse=True)
    return found


def nearest(rows: Iterable[Row], want: Filters, now: datetime) -> list[tuple[Row, tuple[datetime, datetime]]]:
    """What is to come and comes nearest to the words typed, when nothing has them: the nearest first, a handful."""
    near, wanted = [], want.subject or want.terms
    for row in rows:
        session = row.session_for(want, now) if _matches(row, want) else None
        if session is not None and session[1] > now:
            # One of two characters stands somewhere in every long text; in a title it is a slip.
            title, share = wanted.nearness(row.search.partition("|")[0]), wanted.nearness(row.search)
            if title >= NEAR_ENOUGH or share > NEAR_ENOUGH:
                near.append((-title, -share, session[0], row.id, row, session))
    return [(row, session) for *_, row, session in sorted(near, key=lambda found: found[:4])[:NEAREST]]


def _matches(row: Row, want: Filters) -> bool:
    """All but the words."""
    if want.category and want.category not in (row.category, row.parent_category):
        return False
    if want.centre_path and not row.centre_path.startswith(want.centre_path):
        return False
    if want.group and want.group not in row.groups:
        return False
    return not want.free or (row.status != CANCELLED and row.free != 0)


def publication(month: str, this: str) -> str:
    """When the list of `month`, which is not out, will be; in words. this: the month of today."""
    name = clock.month_name(month, with_year=month[:4] != this[:4])
    return f"{name}清单 {name}1日公布" if month > this else f"{name}清单还没有公布，着急可以打电话问社区"


def next_publication(months: Collection[str], now: datetime) -> str:
    """What of this month and the next is still to come, when `months` are published; '' when both are."""
    this = clock.month_of(clock.today(now))
    missing = [month for month in (this, clock.add_months(this, 1)) if month not in months]
    return publication(missing[0], this) if missing else ""


@dataclass(frozen=True, slots=True)
class Strip:
    """The state of a service in one strip. look: its class; lead: what one can do, or why not; rest: how much."""

    look: str
    icon: str
    lead: str
    rest: str = ""


def state(row: Row, now: datetime) -> Strip:
    """What the card says of signing up and of places."""
    if row.status == CANCELLED:
        return Strip("red", "x", "已取消")
    if row.over_at <= now:
        return Strip("over", "clock", "已结束")
    if row.walk_in:
        return Strip("blue", "walk", "直接到场", "不用报名")
    opening, closing = windows.opens_at(row), windows.closes_at(row)
    if opening and opening > now:
        return Strip("soon", "clock", f"{clock.stamp(opening)} 开始报名")
    if closing is not None and closing <= now:
        return Strip("over", "clock", "报名已截止")
    if row.free == 0:
        return Strip("over", "users", "已满", f"可候补，前面 {row.waiting} 人" if row.waiting else "可候补")
    if row.free is None:
        return Strip("green", "edit", "报名", "名额不限")
    few = row.free * 5 <= (row.capacity or 0) or row.free <= 3
    unit = "位" if row.unit == "人" else row.unit
    return Strip("gold" if few else "green", "edit", "报名", f"{'仅剩' if few else '余'} {row.free} {unit}")


def card(
    row: Row, session: tuple[datetime, datetime], now: datetime, with_centre: bool = False, far: str = ""
) -> Markup:
    """The row's card as ui.card draws it: anew when the row changes, and each minute.

    with_centre: say whose it is; needed wherever several centres' rows stand in one list. far: '2.1 公里'.
    """
    key = ("card", row.id, row.version, session[0], with_centre, far, pages.minute(now))
    return pages.kept(key, lambda: _drawn(row, session, now, with_centre, far))


def _drawn(row: Row, session: tuple[datetime, datetime], now: datetime, with_centre: bool, far: str) -> Markup:
    start, end = session
    on, today = clock.local(start).date(), clock.today(now)
    names = {today: "今天", today + timedelta(days=1): "明天"}
    where = [row.centre_name] if with_centre or not row.place else []
    where += [row.place] if row.place and row.place != row.centre_name else []
    where += [far] if far else []
    tags = [("有调整", "gold")] if row.changed and row.status != CANCELLED else []
    hours = f"{clock.hour(start)}–{clock.hour(end)}"
    note = row.weekly.replace(hours, "").strip()  # the hours stand in the line above
    weekday = clock.weekday(on) if on.month == today.month else f"{on.month}月 {clock.weekday(on)}"
    day, line = names.get(on, weekday), " · ".join([hours, *where])
    drawn: Markup = pages.ui().card(
        f"/services/{row.id}", str(on.day), day, row.title, line, tags, on == today, note, row.kind, state(row, now)
    )
    return drawn


def upcoming(now: datetime, limit: int) -> tuple[int, list[Markup], str]:
    """Of the whole deployment: how much there is from now on, the nearest as cards, and when more is published."""
    known = ahead(now)
    rows = select_rows(known.rows, Filters(), now).coming
    cards = [card(row, session, now, with_centre=True) for row, session in rows[:limit]]
    return len(rows), cards, next_publication(known.months, now)
