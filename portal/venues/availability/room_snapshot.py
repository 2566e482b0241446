"""What is free in every room (SPEC V2), kept in memory and proved fresh by one query a request, as the lists are.

The stamp is (count, sum of versions, highest id) of all rooms: every booking, closure and change of a room raises its
version under its lock and rooms are never deleted, so an equal stamp means that nothing a page shows has changed. After
a booking only the days of its room are read again; after a change of a room's facts, all rooms. Centres and opening
hours are not covered; a board is therefore made anew every minute, which also moves "not before now".

What is read for the board is read apart from the request's transaction (`core.db.apart`): at least as new as the stamp,
and never what a request has written and may take back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import and_, select

from portal.centres.models import Centre
from portal.centres.rules import Hours, Opening, distance_km, opening
from portal.core import clock, reads, scope
from portal.core.db import apart, db
from portal.venues import occupancy, rules
from portal.venues.models import Venue
from portal.venues.rules import Span, Terms, day_words
from portal.venues.rules.day_words import Day

AHEAD = 200  # days for which rules are kept: nobody books further ahead (actions.rooms allows 180)
MOST_PARTS = 1000  # people type any number of people
MOST_DAYS = 30_000  # room days kept before all are forgotten; a few megabytes
_STAMP = reads.stamp(Venue)
ONE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class House:
    """A centre as lists of rooms show it; the same names as centres.models.Centre."""

    id: int
    code: str
    name: str
    label: str
    path: str
    phone: str
    address: str
    latitude: float | None
    longitude: float | None


@dataclass(frozen=True, slots=True)
class Room:
    """A room or a place outside as lists show it; the same names as models.Venue, without a session behind it."""

    id: int
    centre_id: int
    version: int
    revision: int
    bookable: bool
    name: str
    kind: str
    place: str
    address: str
    capacity: int | None
    functions: tuple[str, ...]
    phone: str
    who_may: str
    needs_approval: bool
    waiting_list: bool
    own_hours: bool
    buffer: int
    shortest: int
    longest: int
    step: int
    notice: int
    ahead_days: int
    hours_per_week: int | None
    bookings_per_month: int | None
    cancel: int
    release: int
    position: int
    centre: House


@dataclass(frozen=True, slots=True)
class Sheet:
    """One day of one room: what is held (buffers included, a day on either side) and what is free."""

    day: Day
    taken: list[Span]


@dataclass(slots=True)
class Board:
    """All rooms that may be booked, by id, and outside the places that are booked elsewhere.

    pages: rendered pages by what was asked; parts: what else is worked out from the board on the way (bit_search.py).
    They live and die with the stamp.
    """

    stamp: str
    loaded_at: datetime
    rooms: dict[int, Room]
    outside: list[Room]
    houses: dict[int, House]  # every active centre, with rooms or without
    terms: dict[int, Terms]
    sheets: dict[tuple[int, date], Sheet] = field(default_factory=dict)
    orders: dict[int, tuple[list[Room], dict[int, float | None]]] = field(default_factory=dict)
    parts: dict[Any, Any] = field(default_factory=dict)
    pages: dict[Any, Any] = field(default_factory=dict)

    def week(self, rooms: Collection[Room], first: date, count: int) -> dict[int, list[Sheet]]:
        """`count` days from `first` for each room; what is not known yet is read in one statement."""
        if len(self.sheets) > MOST_DAYS:
            self.sheets = {}  # a new one: another thread may still be looking into the old
        sheets = self.sheets
        wanted = [first + n * ONE for n in range(count)]
        missing = [r for r in rooms if any((r.id, d) not in sheets for d in wanted)]
        if missing:
            sheets |= self._read(missing, wanted)
        return {r.id: [sheets[r.id, d] for d in wanted] for r in rooms}

    def _read(self, rooms: Sequence[Room], wanted: Sequence[date]) -> dict[tuple[int, date], Sheet]:
        start, end = clock.at(wanted[0] - ONE, time()), clock.at(wanted[-1] + 2 * ONE, time())
        with apart(), scope.system("what is taken, never by whom"):
            taken = occupancy.taken([r.id for r in rooms], start, end)
        found = {}
        for day in wanted:
            low, high = clock.at(day - ONE, time()), clock.at(day + 2 * ONE, time())
            for room in rooms:
                near = [t for t in taken[room.id] if t.start < high and t.end > low]
                found[room.id, day] = Sheet(day_words.day_of(self.terms[room.id], day, near, self.loaded_at), near)
        return found

    def near(self, centre: House | Centre | None) -> tuple[list[Room], dict[int, float | None]]:
        """Every room, those of `centre` first and then the nearest centres'; and each centre's distance in km."""
        key = centre.id if centre is not None else 0
        found = self.orders.get(key)
        if found is None:
            houses = {r.centre_id: r.centre for r in self.rooms.values()}
            km = {i: _km(centre, house) for i, house in houses.items()}
            order = sorted(
                self.rooms.values(),
                key=lambda r: (r.centre_id != key, km[r.centre_id] is None, km[r.centre_id] or 0.0, r.centre.path,
                               r.position, r.id),
            )  # fmt: skip
            found = self.orders[key] = order, km
        return found

    def opening(self, centre_id: int, now: datetime) -> Opening | None:
        """What a page's head says of a centre, out of a room that keeps the centre's hours; None: no room does."""
        rooms = (self.terms[r.id] for r in self.rooms.values() if r.centre_id == centre_id and not r.own_hours)
        terms = next(rooms, None)
        if terms is None:
            return None
        there = clock.local(now)
        today, tomorrow = (
            [Hours(opens, closes) for opens, closes in rules.hours_of(terms, day)]
            for day in (there.date(), there.date() + ONE)
        )
        return opening(today, there.hour * 60 + there.minute, tomorrow)

    def house(self, code: str) -> House | None:
        """An active centre by its code."""
        known: dict[str, House] = self.part("codes", lambda: {house.code: house for house in self.houses.values()})
        return known.get(code)

    def part(self, key: Any, make: Callable[[], Any]) -> Any:
        """`make()`, worked out once as long as the board holds."""
        found = self.parts.get(key)
        if found is None:
            if len(self.parts) > MOST_PARTS:
                self.parts = {}
            found = self.parts[key] = make()
        return found


def _km(one: House | Centre | None, other: House) -> float | None:
    if one is None or one.latitude is None or one.longitude is None:
        return None
    if other.latitude is None or other.longitude is None:
        return None
    return distance_km(one.latitude, one.longitude, other.latitude, other.longitude)


_board: list[Board] = []
_lock = threading.Lock()


def current(now: datetime) -> Board:
    """The board, fresh as of this request."""
    stamp = reads.stamped(_STAMP)
    known = _board[0] if _board else None
    if known is not None and known.stamp == stamp and _young(known, now):
        return known
    with _lock, apart(), scope.system("rooms, their hours and closures are public"):
        known = _board[0] if _board else None
        if known is not None and _young(known, now):
            if known.stamp == stamp:  # another thread was first
                return known
            fresh = _renewed(known, stamp) or _load(known, stamp, now)
        else:
            fresh = _load(known, stamp, now)
        _board[:] = [fresh]
    return fresh


def _young(known: Board, now: datetime) -> bool:
    """Within one minute "not before now" is the same for everybody, because bookings begin on whole minutes."""
    return minute(now) == minute(known.loaded_at)


def minute(moment: datetime) -> int:
    """The minute a page belongs to, counted from 1970."""
    return int(moment.timestamp()) // 60


def forget() -> None:
    """Drop everything held in memory (tests, another database)."""
    _board.clear()


# Reading --------------------------------------------------------------------------------------------------------------

# Each column is labelled with the field it fills; those of the centre begin with `house_`.
_HOUSE = [f.name for f in fields(House)]
_ROOM = [f.name for f in fields(Room) if f.name != "centre"]
_ROOMS = (
    select(
        *[getattr(Centre, "short_name" if name == "label" else name).label(f"house_{name}") for name in _HOUSE],
        *[getattr(Venue, name).label(name) for name in _ROOM],
    )
    .outerjoin(Venue, and_(Venue.centre_id == Centre.id, Venue.active))
    .where(Centre.active)
    .order_by(Venue.position, Venue.id)
)
_VERSIONS = select(Venue.id, Venue.version, Venue.revision).join(Centre).where(Venue.active, Centre.active)


def _read_rooms() -> tuple[dict[int, House], dict[int, Room], list[Room]]:
    houses: dict[int, House] = {}
    rooms: dict[int, Room] = {}
    outside: list[Room] = []
    for record in db.session.execute(_ROOMS).mappings():
        house = houses.get(record["house_id"])
        if house is None:
            named = {name: record[f"house_{name}"] for name in _HOUSE}
            house = houses[record["house_id"]] = House(**named | {"label": named["label"] or named["name"]})
        if record["id"] is None:
            continue
        said = {name: record[name] for name in _ROOM}
        one = Room(**said | {"functions": tuple(said["functions"] or ()), "centre": house})
        if one.bookable:
            rooms[one.id] = one
        else:
            outside.append(one)
    return houses, rooms, outside


def _load(known: Board | None, stamp: str, now: datetime) -> Board:
    """Everything anew. Days that are told by the same rules and bookings as before are kept."""
    houses, rooms, outside = _read_rooms()
    today = clock.today(now)
    terms = occupancy.terms_of(list(rooms.values()), today - ONE, today + AHEAD * ONE)
    fresh = Board(stamp, now, rooms, outside, houses, terms)
    if known is not None and clock.today(known.loaded_at) == today:
        soon = {i: clock.today(rules.earliest_start(t, now)) for i, t in terms.items()}
        fresh.sheets = {
            (i, day): sheet
            for (i, day), sheet in list(known.sheets.items())
            if i in rooms
            and day > soon[i]
            and rooms[i].version == known.rooms[i].version
            and terms[i] == known.terms[i]
        }
    return fresh


def _renewed(known: Board, stamp: str) -> Board | None:
    """Rooms were booked or closed: only their days are read again, when they are asked for. None: facts changed too."""
    rows = db.session.execute(_VERSIONS).all()
    there = known.rooms | {r.id: r for r in known.outside}
    if len(rows) != len(there) or any(i not in there or there[i].revision != revision for i, _, revision in rows):
        return None
    moved = [replace(there[i], version=v) for i, v, _ in rows if there[i].version != v and there[i].bookable]
    stale = {r.id for r in moved}
    sheets = {key: sheet for key, sheet in list(known.sheets.items()) if key[0] not in stale}
    rooms = known.rooms | {r.id: r for r in moved}
    orders = {key: ([rooms[r.id] for r in order], km) for key, (order, km) in list(known.orders.items())}
    terms = known.terms | _closed_anew(moved, known)
    return Board(stamp, known.loaded_at, rooms, known.outside, known.houses, terms, sheets, orders)


def _closed_anew(moved: Sequence[Room], known: Board) -> dict[int, Terms]:
    if not moved:
        return {}
    today = clock.today(known.loaded_at)
    start, end = clock.at(today - 2 * ONE, time()), clock.at(today + (AHEAD + 1) * ONE, time())
    shut = occupancy.closures(moved, start, end)
    return {r.id: replace(known.terms[r.id], closures=shut[r.id]) for r in moved}
