"""An activity's place is a booking (SPEC C2, V4): which rooms a row may name, when it holds one, what is in its way.

A draft only looks. From handing in on, the row's coming sessions are held, pending; publication makes them firm;
recalling, dropping and cancelling give them back. All of it in the transaction of the transition. Lock order: rows
first, then venues, lower ids first.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from portal.catalogue.actions.entry_values import InvalidRow
from portal.catalogue.models import ACCEPTED, APPROVED, IN_REVIEW, PUBLISHED, RETURNED, Entry
from portal.catalogue.rules import EntryValues
from portal.catalogue.timetext.parts import Problem
from portal.catalogue.timetext.parts import Span as Session
from portal.centres import profile
from portal.centres.models import Centre
from portal.core import clock, outbox, scope
from portal.core.access import Actor, Permission
from portal.core.db import db
from portal.core.text import fold
from portal.venues import locks, occupancy
from portal.venues.actions import activity_holds
from portal.venues.actions.activity_holds import Conflict
from portal.venues.errors import RoomTaken
from portal.venues.models import BY_ACTIVITY, HOLDS, Booking, Venue
from portal.venues.rules import Span, collides, held

# In these a row holds its room. Of the transitions, TAKES begin or renew that, GIVES end it, the others leave it.
HOLDING = (IN_REVIEW, ACCEPTED, RETURNED, APPROVED, PUBLISHED)
TAKES = frozenset({"submit", "settle", "hand_in", "resubmit", "allot", "publish", "reinstate"})
GIVES = {
    "recall": "活动撤回修改", "drop": "活动已删除", "withdraw": "活动已撤下", "cancel": "活动取消",
    "cancel_at_once": "活动取消",
}  # fmt: skip
FLOOR = re.compile(r"负?[一二三四五六七八九十\d]{1,2}[楼层]")
MOST_TOLD = 3  # conflicts of one row that are told one by one


class NoRoom(InvalidRow):
    """The row cannot have its room; one problem for each of the first sessions in the way. said: all of it."""

    status = 409

    def __init__(self, room: str, conflicts: Sequence[Conflict]) -> None:
        said = few([sentence(room, c) for c in conflicts])
        super().__init__([Problem("venue_id", "error", words) for words in said])
        self.conflicts = list(conflicts)
        self.said = "".join(said)


def few(messages: Sequence[str]) -> list[str]:
    """The first of many conflicts and how many more there are: a weekly row may have twenty."""
    more = len(messages) - MOST_TOLD
    return [*messages[:MOST_TOLD], *([f"还有 {more} 场也冲突。"] if more > 0 else [])]


def sentence(room: str, conflict: Conflict) -> str:
    """What is in the way and what is possible: '三楼会议室 12月3日… 已被占用：“党课”。那天可以改到 14:00–16:00。'."""
    ways = []
    if conflict.shifts:
        ways.append("那天可以改到 " + "、".join(hours(s) for s in conflict.shifts))
    if conflict.other_rooms:
        ways.append("同一时间空着的有" + "、".join(name for _, name in conflict.other_rooms))
    advice = "；".join(ways) or "请改日期、换场地，或先和占用方商量"
    return f"{room} {conflict.when} 已被占用：{conflict.held_by}。{advice}。"


def hours(span: Span) -> str:
    return f"{clock.hour(span.start)}–{clock.hour(span.end)}"


# Which rooms ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Room:
    """A room as the select of a row offers it."""

    id: int
    name: str
    centre_label: str
    capacity: int | None
    centre_path: str
    place: str  # '三楼 301'


def rooms_of(*centres: Centre) -> list[Room]:
    """Rooms a row of these centres may name: their own and, where a level files no list, those of the centre above
    that files it (a station's community). The own ones first. One query, and one for each unknown centre above."""
    order = list(dict.fromkeys(i for centre in centres for i in _homes(centre)))
    wanted = select(Venue.id, Venue.name, Centre, Venue.capacity, Venue.place).join(
        Centre, Centre.id == Venue.centre_id
    )
    wanted = wanted.where(Venue.centre_id.in_(order), Venue.active, Venue.bookable)
    with scope.system("a station names the rooms of its community"):
        found = list(db.session.execute(wanted.order_by(Venue.position, Venue.id)))
    found.sort(key=lambda row: order.index(row[2].id))
    return [Room(number, name, home.label, size, home.path, place) for number, name, home, size, place in found]


def _homes(centre: Centre) -> list[int]:
    found = [centre.id]
    for number in reversed(centre.ancestor_ids):
        if profile.current().level(centre.level).files_list:
            break
        centre = db.session.get_one(Centre, number)
        if profile.current().level(centre.level).files_list:
            found.append(centre.id)
    return found


def for_entry(entry: Entry) -> list[Room]:
    """Rooms this row may name; a department's plan may also stay in a room of the centre that drew it up."""
    return rooms_of(entry.centre, entry.author_centre)


def settled(values: EntryValues, *centres: Centre) -> EntryValues:
    """The values with the room's name as the place. A room that may not be named by a row of these centres (retired,
    somebody else's) is left out: its words stay. No query for a row without a room."""
    if values.venue_id is None:
        return values
    room = next((r for r in rooms_of(*centres) if r.id == values.venue_id), None)
    return replace(values, place=room.name) if room is not None else replace(values, venue_id=None)


def folded(words: str) -> str:
    """Room names and places are compared without spaces, width and case."""
    return re.sub(r"\s+", "", fold(words))


def by_name(centre: Centre) -> dict[str, int]:
    """Room ids by their folded names, also with the centre's label or the room's own floor in front.

    '三楼会议室' is the 会议室 of '三楼 301'; a room that is called so wins, and the own ones over those above.
    """
    named: dict[str, int] = {}
    known = rooms_of(centre)
    floors = [(floor.group(), room) for room in known if (floor := FLOOR.match(room.place)) is not None]
    for front, room in [*(("", room) for room in known), *floors]:
        for words in (f"{front}{room.name}", f"{room.centre_label}{front}{room.name}"):
            named.setdefault(folded(words), room.id)
    return named


class ByCentre:
    """The room that a place means, asked for many rows: one query a centre."""

    def __init__(self) -> None:
        self._named: dict[int, dict[str, int]] = {}

    def room(self, centre: Centre, place: str) -> int | None:
        """The room of the centre (or of a station's community) that the words of a place mean; None: free text."""
        if not place.strip():
            return None
        if centre.id not in self._named:
            self._named[centre.id] = by_name(centre)
        return self._named[centre.id].get(folded(place))


def recognise(centre_id: int, place: str) -> int | None:
    """The room of the centre (or of a station's community) that the words of a place mean; None: free text."""
    return by_name(db.session.get_one(Centre, centre_id)).get(folded(place)) if place.strip() else None


# Holding --------------------------------------------------------------------------------------------------------------


def follow(entry: Entry, name: str, actor: Actor, now: datetime) -> None:
    """After transition `name` of a row: take its room or give it back. Raises NoRoom. Needs the row's lock."""
    if entry.venue_id is None:
        return
    if name in TAKES:
        _hold(entry, actor, now)
    elif name in GIVES:
        activity_holds.release(entry.id, GIVES[name], now)


def edited(entry: Entry, before: int | None, actor: Actor, now: datetime) -> None:
    """After a row changed: what is held follows its sessions and room. before: the room until now. Raises NoRoom."""
    if entry.status in HOLDING and (entry.venue_id is not None or before is not None):
        _hold(entry, actor, now)


def spans(sessions: Iterable[Session]) -> tuple[Span, ...]:
    return tuple(Span(s.start, s.end) for s in sessions)


def _spans(entry: Entry) -> tuple[Span, ...]:
    return tuple(Span(s.starts_at, s.ends_at) for s in entry.sessions)


def _hold(entry: Entry, actor: Actor, now: datetime, only: Sequence[Span] | None = None) -> None:
    wanted = _spans(entry) if only is None else only
    firm = entry.status == PUBLISHED
    try:
        activity_holds.hold(entry.id, entry.title, entry.venue_id, wanted, entry.capacity or 1, firm, actor, now)
    except RoomTaken as taken:
        raise NoRoom(entry.place, taken.conflicts) from taken


def take(actor: Actor, entries: Iterable[Entry], now: datetime) -> dict[int, list[Problem]]:
    """Hold the rooms of rows that are being handed in together; those that cannot have theirs hold nothing, and their
    problems are returned by row. Free ones are held by a fixed number of statements. Locks: all venues.
    """
    chosen = [e for e in entries if e.venue_id is not None]
    if not chosen:
        return {}
    there = activity_holds.hold_free(
        [activity_holds.Wanted(e.id, e.title, e.venue_id or 0, _spans(e), e.capacity or 1) for e in chosen], actor, now
    )
    found: dict[int, list[Problem]] = {}
    for entry in chosen:
        if entry.id not in there:
            problems = try_to_hold(entry, actor, now)
            if problems:
                found[entry.id] = problems
    return found


def try_to_hold(entry: Entry, actor: Actor, now: datetime) -> list[Problem]:
    """Hold the room of one row, or nothing: then what is in the way."""
    point = db.session.begin_nested()
    try:
        _hold(entry, actor, now)
    except NoRoom as taken:
        point.rollback()
        return taken.problems
    point.commit()
    return []


def _lock_venues(entries: Iterable[Entry]) -> None:
    with scope.system("a station's row holds a room of its community"):
        locks.lock_all({e.venue_id for e in entries if e.venue_id is not None})


def published(actor: Actor, entries: Iterable[Entry], now: datetime) -> None:
    """Rows that have just been published have their rooms for good. Nothing for rows without a room, a fixed number of
    statements for those that hold theirs; one that does not takes what is free, and its people are told the rest."""
    chosen = [e for e in entries if e.venue_id is not None]
    if not chosen:
        return
    ids = [e.id for e in chosen]
    loaded = select(Entry).where(Entry.id.in_(ids)).options(selectinload(Entry.sessions))
    db.session.scalars(loaded.execution_options(populate_existing=True)).all()
    _lock_venues(chosen)
    firm = activity_holds.confirm(ids, now)
    for entry in chosen:
        missing = [s for s in _spans(entry) if s.end > now and (entry.venue_id, s) not in firm.get(entry.id, set())]
        if missing:
            _take_what_is_free(actor, entry, now)


def _take_what_is_free(actor: Actor, entry: Entry, now: datetime) -> None:
    try:
        _hold(entry, actor, now)
    except NoRoom as taken:
        lost = {c.span for c in taken.conflicts}
        _hold(entry, actor, now, [s for s in _spans(entry) if s not in lost])
        payload = {"entry_id": entry.id, "said": taken.said}
        outbox.put("catalogue.room_missing", f"{entry.id}:{entry.version}", payload, now)


def allotted(actor: Actor, placed: Sequence[Entry], now: datetime) -> None:
    """A department's plan stands in the lists of communities: the row that names a room holds it. Words that mean a
    room of their community take it if it is free; if not, the community is asked to look after the place itself."""
    meant = {e.id: recognise(e.centre_id, e.place) for e in placed if e.venue_id is None}
    for entry in placed:
        entry.venue_id = entry.venue_id or meant[entry.id]
    _lock_venues(placed)
    for entry in placed:
        if entry.id not in meant:
            follow(entry, "allot", actor, now)
        elif entry.venue_id is not None:
            _take_if_free(actor, entry, now)
    db.session.flush()


def _take_if_free(actor: Actor, entry: Entry, now: datetime) -> None:
    try:
        _hold(entry, actor, now)
    except NoRoom as taken:
        entry.venue_id = None
        entry.check_note = f"{taken.said}请安排别的地方。"


def refuse_taken(entry: Entry, wanted: EntryValues, now: datetime) -> None:
    """Whoever asks for a change hears at once that its room is taken. Takes nothing. Raises NoRoom."""
    if wanted.venue_id is None:
        return
    found = conflicts(wanted.venue_id, wanted.sessions, now, entry.id)
    if found:
        raise NoRoom(wanted.place, found)


def conflicts(venue_id: int, sessions: Iterable[Session], now: datetime, entry_id: int | None = None) -> list[Conflict]:
    """What stands in the way of these sessions, own holds of the row aside."""
    return activity_holds.conflicts(venue_id, spans(sessions), now, entry_id)


# What pages say of it -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InTheWay:
    """A session that cannot have the room, in words. links: bookings this viewer may open."""

    when: str
    held_by: str
    shifts: tuple[str, ...]
    others: tuple[str, ...]
    links: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a form or a row's page says of its room. hint: a room that the typed words mean, though it is not chosen."""

    room: Room | None = None
    in_the_way: tuple[InTheWay, ...] = ()
    too_many: str = ""
    hint: str = ""

    @property
    def free(self) -> bool:
        return self.room is not None and not self.in_the_way


def outlook(
    actor: Actor, rooms: Sequence[Room], venue_id: int | None, sessions: Sequence[Session], now: datetime, *,
    entry_id: int | None = None, place: str = "", capacity: int | None = None,
) -> Outlook:  # fmt: skip
    """How it stands with a room for these sessions, for somebody who is drawing up or looking at the row."""
    room = next((r for r in rooms if r.id == venue_id), None)
    if room is None:
        meant = next((r.name for r in rooms if place.strip() and folded(place).endswith(folded(r.name))), "")
        return Outlook(hint=meant)
    may_open = actor.can(Permission.VENUES) and actor.department_id is None and bool(actor.centre_path)
    may_open = may_open and room.centre_path.startswith(actor.centre_path)
    found = conflicts(room.id, sessions, now, entry_id)
    small = room.capacity is not None and capacity is not None and capacity > room.capacity
    too_many = f"{room.name}最多容纳 {room.capacity} 人，名额是 {capacity}。" if small else ""
    return Outlook(room, tuple(_in_the_way(c, may_open) for c in found), too_many)


def _in_the_way(conflict: Conflict, may_open: bool) -> InTheWay:
    return InTheWay(
        conflict.when, conflict.held_by, tuple(hours(s) for s in conflict.shifts),
        tuple(name for _, name in conflict.other_rooms),
        tuple(f"/staff/venues/bookings/{i}" for i in conflict.bookings) if may_open else (),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """A row's wish for a room, for looking at many at once. holding: it should hold it by now."""

    key: int
    venue_id: int
    place: str
    sessions: tuple[Span, ...]
    holding: bool = False


def warnings(entries: Iterable[Entry], now: datetime) -> dict[int, list[str]]:
    """Per row of a list: its room is taken by somebody else, or is not held though it should be. At most one query."""
    return clashes(
        [Wanted(e.id, e.venue_id, e.place, _spans(e), e.status in HOLDING) for e in entries if e.venue_id is not None],
        now,
    )


def clashes(rows: Sequence[Wanted], now: datetime) -> dict[int, list[str]]:
    """What bookings stand in the way of many wishes, by their keys (of entries). At most one query."""
    coming = [(row, span) for row in rows for span in row.sessions if span.end > now]
    if not coming:
        return {}
    first, last = min(s.start for _, s in coming), max(s.end for _, s in coming)
    # Columns, not objects: a city's month has thousands of them around one page of its list.
    wanted = select(
        Booking.venue_id, Booking.starts_at, Booking.ends_at, Booking.held_until, Booking.source, Booking.source_id,
        Booking.title, Booking.status, Booking.resident_id, Venue.buffer,
    ).join(Venue, Venue.id == Booking.venue_id).where(
        Booking.venue_id.in_({row.venue_id for row in rows}), Booking.status.in_(HOLDS),
        Booking.starts_at < last + occupancy.LONGEST_HOLD, Booking.starts_at > first - occupancy.LONGEST_HOLD,
        Booking.held_until > first,
    )  # fmt: skip
    with scope.system("a room's holds belong to everybody's bookings"):
        found = db.session.execute(wanted.order_by(Booking.starts_at)).all()
    by_room: dict[int, list[tuple[Span, Any]]] = {}
    for booking in found:
        by_room.setdefault(booking.venue_id, []).append((Span(booking.starts_at, booking.held_until), booking))
    answer: dict[int, list[str]] = {}
    for row, span in coming:
        said = _said(row, span, by_room.get(row.venue_id, []))
        if said:
            answer.setdefault(row.key, []).append(said)
    return {key: ["".join(few(said))] for key, said in answer.items()}


def _said(row: Wanted, span: Span, bookings: Sequence[tuple[Span, Any]]) -> str:
    """bookings: of the room, by their starts: what each holds, and its columns."""
    wish = held(span, bookings[0][1].buffer if bookings else 0)
    others = []
    # Only those near this session can be in its way.
    near = bisect_left(bookings, span.start - occupancy.LONGEST_HOLD, key=lambda pair: pair[0].start)
    past = bisect_left(bookings, wish.end, key=lambda pair: pair[0].start)
    for taken, booking in bookings[near:past]:
        if booking.source == BY_ACTIVITY and booking.source_id == row.key:
            if (booking.starts_at, booking.ends_at) == (span.start, span.end):
                return ""
        elif collides(wish, taken):
            others.append(activity_holds.words(booking))
    when = clock.span(span.start, span.end)
    if others:
        return f"{row.place} {when} 已被占用：{'、'.join(dict.fromkeys(others))}。"
    return f"{row.place} {when} 还没有订上。" if row.holding else ""
