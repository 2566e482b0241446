"""The residents' list (SPEC C9), fast: a month's rows live in memory and are proved fresh by one query a request.

A month's stamp is (count, sum of versions, highest id) of its public rows. Versions only rise and public rows never
leave, so an equal stamp means nothing that a card shows has changed. A new stamp reloads the changed rows only. Names
of centres and categories are not covered by the stamp; a snapshot is therefore rebuilt when it is older than MAX_AGE.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from markupsafe import Markup
from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import aliased

from portal.catalogue import windows
from portal.catalogue.models import CANCELLED, PUBLIC, Category, Entry, EntrySession
from portal.centres.models import Centre
from portal.core import clock, pages, reads
from portal.core.text import fold

PAGE_SIZE = 20
MAX_AGE = timedelta(minutes=1)
# Reads only ix_entry_stamp.
STAMP = reads.stamp(Entry).where(Entry.month == bindparam("month"), Entry.status.in_(PUBLIC))


@dataclass(frozen=True, slots=True)
class Row:
    """One public entry as lists need it. sessions: half-open UTC intervals in order; session_ids: their numbers."""

    id: int
    version: int
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

    @property
    def free(self) -> int | None:
        return windows.free_places(self.capacity, self.taken)

    def session_for(self, days: tuple[date, date] | None, now: datetime) -> tuple[datetime, datetime] | None:
        """The session that stands for the entry: the first not over (inside `days`, half-open), or None."""
        for start, end in self.sessions:
            if days is not None:
                on = clock.local(start).date()
                if days[0] <= on < days[1]:
                    return start, end
            elif end > now:
                return start, end
        return None

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


_snapshots: dict[str, Snapshot] = {}
_lock = threading.Lock()

_category, _parent = aliased(Category), aliased(Category)
_ROWS = (
    select(
        Entry.id, Entry.version, Entry.title, _category.code.label("category"), _category.name.label("category_name"),
        func.coalesce(_parent.code, "").label("parent_category"), Centre.path.label("centre_path"),
        Centre.short_name.label("centre_name"), Entry.place, Entry.audience, Entry.groups, Entry.capacity, Entry.unit,
        Entry.taken, Entry.waiting, Entry.walk_in, Entry.status, Entry.weekly, Entry.sign_up_from, Entry.sign_up_until,
        Entry.changed_at, Entry.organiser, Entry.content,
    )
    .join(_category, _category.id == Entry.category_id)
    .outerjoin(_parent, _parent.id == _category.parent_id)
    .join(Centre, Centre.id == Entry.centre_id)
    .where(Entry.status.in_(PUBLIC), Entry.id.in_(bindparam("ids", expanding=True)))
)  # fmt: skip
_SESSIONS = (
    select(EntrySession.id, EntrySession.entry_id, EntrySession.starts_at, EntrySession.ends_at)
    .where(EntrySession.entry_id.in_(bindparam("ids", expanding=True)))
    .order_by(EntrySession.starts_at)
)
SEARCHED = ("title", "category_name", "centre_name", "place", "audience", "organiser", "content")
_VERSIONS = select(Entry.id, Entry.version).where(Entry.month == bindparam("month"), Entry.status.in_(PUBLIC))


def read_stamp(month: str) -> str:
    """The month's stamp, by one query on one index; begins with '0:' when nothing is published."""
    return reads.stamped(STAMP, month=month)


def snapshot(month: str, now: datetime, stamp: str = "") -> Snapshot:
    """The month's public rows, fresh as of this request. stamp: when this request has read it."""
    stamp = stamp or read_stamp(month)
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
    """said: a record of _ROWS, whose labels are the fields of Row; the last three columns only tell what follows."""
    said["search"] = fold(" ".join([said[name] for name in SEARCHED]))
    said["changed"] = said.pop("changed_at") is not None
    del said["organiser"], said["content"]
    said["groups"], said["weekly"] = tuple(said["groups"] or ()), (said["weekly"] or {}).get("label", "")
    spans = tuple((session.starts_at, session.ends_at) for session in sessions)
    return Row(**said, sessions=spans, session_ids=tuple(session.id for session in sessions))


@dataclass(frozen=True, slots=True)
class Filters:
    """What the resident asked for, already checked. days: half-open dates."""

    month: str
    category: str = ""
    centre: str = ""
    centre_path: str = ""
    days: tuple[date, date] | None = None
    group: str = ""
    q: str = ""
    free: bool = False
    ended: bool = False
    page: int = 1

    @property
    def any(self) -> bool:
        return bool(self.category or self.centre or self.days or self.group or self.q or self.free)


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


def select_rows(snap: Snapshot, want: Filters, now: datetime) -> list[tuple[Row, tuple[datetime, datetime]]]:
    """Rows that match with the session that stands for each, in the order of the list."""
    terms = fold(want.q).split()
    found = []
    for row in snap.rows.values():
        if not _matches(row, want, terms):
            continue
        session = row.session_for(want.days, now)
        over = session is None or session[1] <= now
        if want.ended:
            if row.over_at <= now and row.sessions:
                found.append((row, row.sessions[-1]))
        elif session is not None and (not over or want.days is not None):
            found.append((row, session))
    found.sort(key=lambda pair: (pair[1][0], pair[0].id), reverse=want.ended)
    return found


def _matches(row: Row, want: Filters, terms: list[str]) -> bool:
    if want.category and want.category not in (row.category, row.parent_category):
        return False
    if want.centre_path and not row.centre_path.startswith(want.centre_path):
        return False
    if want.group and want.group not in row.groups:
        return False
    if want.free and (row.status == CANCELLED or row.free == 0):
        return False
    return all(term in row.search for term in terms)


def ended_count(snap: Snapshot, now: datetime) -> int:
    return sum(1 for row in snap.rows.values() if row.sessions and row.over_at <= now)


def places_tag(row: Row, now: datetime) -> tuple[str, str]:
    """What the card says of places: words and tone."""
    if row.status == CANCELLED:
        return "已取消", "red"
    if row.over_at <= now:
        return "已结束", "neutral"
    if row.walk_in:
        return "直接到场", "blue"
    opening, closing = windows.opens_at(row), windows.closes_at(row)
    if opening and opening > now:
        return f"{clock.stamp(opening)} 开始报名", "gold"
    if closing is not None and closing <= now:
        return "报名已截止", "neutral"
    if row.free is None:
        return "名额不限", "green"
    if row.free == 0:
        return (f"已满 · 可候补，前面 {row.waiting} 人" if row.waiting else "已满 · 可候补"), "red"
    unit = "位" if row.unit == "人" else row.unit
    few = row.free * 5 <= (row.capacity or 0) or row.free <= 3
    return (f"仅剩 {row.free} {unit}", "gold") if few else (f"余 {row.free} {unit}", "green")


def card(row: Row, session: tuple[datetime, datetime], now: datetime, with_centre: bool = False) -> Markup:
    """The row's card as ui.card draws it: anew when the row changes, and each minute.

    with_centre: say whose it is; needed wherever several centres' rows stand in one list.
    """
    key = ("card", row.id, row.version, session[0], with_centre, pages.minute(now))
    return pages.kept(key, lambda: _drawn(row, session, now, with_centre))


def _drawn(row: Row, session: tuple[datetime, datetime], now: datetime, with_centre: bool) -> Markup:
    start, end = session
    on, today = clock.local(start).date(), clock.today(now)
    names = {today: "今天", today + timedelta(days=1): "明天"}
    where = [row.centre_name] if with_centre or not row.place else []
    where += [row.place] if row.place and row.place != row.centre_name else []
    tags = [(row.category_name, "neutral"), places_tag(row, now)]
    if row.changed and row.status != CANCELLED:
        tags.append(("有调整", "gold"))
    hours = f"{clock.hour(start)}–{clock.hour(end)}"
    note = row.weekly.replace(hours, "").strip()  # the hours stand in the line above
    day, line = names.get(on, clock.weekday(on)), " · ".join([hours, *where])
    drawn: Markup = pages.ui().card(f"/services/{row.id}", str(on.day), day, row.title, line, tags, on == today, note)
    return drawn


def upcoming(month: str, centre_path: str, now: datetime, limit: int = 6) -> tuple[int, list[Markup]]:
    """How many activities a subtree still has this month, and the nearest as cards (home and centre pages)."""
    snap = snapshot(month, now)
    rows = select_rows(snap, Filters(month=month, centre_path=centre_path), now)
    return len(rows), [card(row, session, now, with_centre=True) for row, session in rows[:limit]]
