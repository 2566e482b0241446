"""What is free in every room (SPEC V2), kept in memory and proved fresh by one query a request, as the lists are.

The stamp is (count, sum of versions, highest id) of all rooms: every booking, closure and change of a room raises its
version under its lock, so an equal stamp means that nothing a page shows has changed. A new stamp reads the rooms
again (one statement) and forgets only the days of those whose version moved. Opening hours belong to centres and are
not covered; a board is therefore made anew when it is older than MAX_AGE, which also moves "not before now".
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import select

from portal.centres.models import Centre
from portal.centres.rules import distance_km
from portal.core import clock, scope
from portal.core.db import db
from portal.core.stamps import Stamp
from portal.venues import days, facts, rules
from portal.venues.days import Day
from portal.venues.models import Venue
from portal.venues.rules import Span, Terms

MAX_AGE = timedelta(minutes=1)
AHEAD = 62  # days of rules kept: the furthest that pages look at in one go
MOST_DAYS = 30_000  # room days kept before all are forgotten; a few megabytes
STAMP = Stamp(
    "(SELECT count(*) || ':' || coalesce(sum(version), 0) || ':' || coalesce(max(id), 0) FROM venue WHERE active)",
    "board",
)
ONE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class House:
    """A centre as lists of rooms show it; the same names as centres.models.Centre."""

    id: int
    code: str
    label: str
    path: str
    phone: str
    latitude: float | None
    longitude: float | None


@dataclass(frozen=True, slots=True)
class Room:
    """A room as lists show it; the same names as models.Venue, without a session behind it."""

    id: int
    centre_id: int
    version: int
    name: str
    kind: str
    place: str
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
    """All rooms that may be booked. pages: rendered pages by what was asked; they live and die with the stamp."""

    stamp: str
    loaded_at: datetime
    rooms: dict[int, Room]
    terms: dict[int, Terms]
    sheets: dict[tuple[int, date], Sheet] = field(default_factory=dict)
    orders: dict[int, tuple[list[Room], dict[int, float | None]]] = field(default_factory=dict)
    pages: dict[Any, Any] = field(default_factory=dict)

    def week(self, rooms: Sequence[Room], first: date, count: int) -> dict[int, list[Sheet]]:
        """`count` days from `first` for each room; what is not known yet is read in one statement."""
        wanted = [first + n * ONE for n in range(count)]
        missing = [r for r in rooms if any((r.id, d) not in self.sheets for d in wanted)]
        if missing:
            self._read(missing, wanted)
        return {r.id: [self.sheets[r.id, d] for d in wanted] for r in rooms}

    def _read(self, rooms: Sequence[Room], wanted: Sequence[date]) -> None:
        if len(self.sheets) > MOST_DAYS:
            self.sheets.clear()
        start, end = clock.at(wanted[0] - ONE, time()), clock.at(wanted[-1] + 2 * ONE, time())
        with scope.system("what is taken, never by whom"):
            taken = facts.taken([r.id for r in rooms], start, end)
        for room in rooms:
            terms = self.terms[room.id]
            for day in wanted:
                low, high = clock.at(day - ONE, time()), clock.at(day + 2 * ONE, time())
                near = [t for t in taken[room.id] if t.start < high and t.end > low]
                self.sheets[room.id, day] = Sheet(days.day_of(terms, day, near, self.loaded_at), near)

    def near(self, centre: Any | None) -> tuple[list[Room], dict[int, float | None]]:
        """Every room, those of `centre` first and then the nearest centres'; and each centre's distance in km."""
        key = centre.id if centre is not None else 0
        if key not in self.orders:
            km = {r.centre_id: _km(centre, r.centre) for r in self.rooms.values()}
            order = sorted(
                self.rooms.values(),
                key=lambda r: (r.centre_id != key, km[r.centre_id] is None, km[r.centre_id] or 0.0, r.centre.path,
                               r.position, r.id),
            )  # fmt: skip
            self.orders[key] = order, km
        return self.orders[key]


def _km(one: Any | None, other: House) -> float | None:
    if one is None or None in (one.latitude, one.longitude, other.latitude, other.longitude):
        return None
    return distance_km(one.latitude, one.longitude, other.latitude or 0.0, other.longitude or 0.0)


_board: list[Board] = []
_lock = threading.Lock()


def current(now: datetime, answer: str | None = None) -> Board:
    """The board, fresh as of this request. answer: to `STAMP.question`, when this request has asked it."""
    stamp = STAMP.told(answer) if answer else STAMP.read()
    known = _board[0] if _board else None
    if known is not None and known.stamp == stamp and abs(now - known.loaded_at) < MAX_AGE:
        return known
    with _lock:
        young = known is not None and abs(now - known.loaded_at) < MAX_AGE
        fresh = _renewed(known, stamp) if known is not None and young else _load(stamp, now)
        _board[:] = [fresh]
    return fresh


def forget() -> None:
    """Drop everything held in memory (tests, another database)."""
    _board.clear()
    STAMP.forget()


_ROOMS = (
    select(
        Venue.id, Venue.centre_id, Venue.version, Venue.name, Venue.kind, Venue.place, Venue.capacity,
        Venue.functions, Venue.phone, Venue.who_may, Venue.needs_approval, Venue.waiting_list, Venue.own_hours,
        Venue.buffer, Venue.shortest, Venue.longest, Venue.step, Venue.notice, Venue.ahead_days,
        Venue.hours_per_week, Venue.bookings_per_month, Venue.cancel, Venue.release, Venue.position,
        Centre.code, Centre.short_name, Centre.name, Centre.path, Centre.phone, Centre.latitude, Centre.longitude,
    )
    .join(Centre, Centre.id == Venue.centre_id)
    .where(Venue.active, Venue.bookable, Centre.active)
)  # fmt: skip
_VENUE_COLUMNS = 24


def _rooms() -> dict[int, Room]:
    found: dict[int, Room] = {}
    houses: dict[int, House] = {}
    with scope.system("rooms are public"):
        for record in db.session.execute(_ROOMS):
            row: tuple[Any, ...] = tuple(record)
            values: list[Any] = list(row[:_VENUE_COLUMNS])
            code, short, name, path, phone, latitude, longitude = row[_VENUE_COLUMNS:]
            values[7] = tuple(values[7] or ())
            house = houses.setdefault(
                values[1], House(values[1], code, short or name, path, phone, latitude, longitude)
            )
            found[values[0]] = Room(*[*values, house])
    return found


def _terms(rooms: Iterable[Room], now: datetime) -> dict[int, Terms]:
    today = clock.today(now)
    with scope.system("opening hours and closures are public"):
        return facts.terms_of(list(rooms), today - ONE, today + AHEAD * ONE)


def _load(stamp: str, now: datetime) -> Board:
    rooms = _rooms()
    return Board(stamp, now, rooms, _terms(rooms.values(), now))


def _renewed(known: Board, stamp: str) -> Board:
    """Something was booked or changed: only the days of those rooms are read again when they are asked for."""
    rooms = _rooms()
    moved = [r for i, r in rooms.items() if i not in known.rooms or known.rooms[i].version != r.version]
    stale = {r.id for r in moved}
    terms = {i: t for i, t in known.terms.items() if i in rooms and i not in stale}
    terms |= _terms(moved, known.loaded_at)
    sheets = {key: sheet for key, sheet in list(known.sheets.items()) if key[0] in terms and key[0] not in stale}
    return Board(stamp, known.loaded_at, rooms, terms, sheets)


def fits(room: Room, terms: Terms, sheet: Sheet, span: Span, now: datetime) -> bool:
    """Whether `span` on the sheet's day may be booked: inside one free stretch, on the grid, not too short or long.

    Says the same as rules.refusal and a look at what is taken, without asking ten questions of each room (a property
    test compares the two). A span over midnight is asked in full.
    """
    inside = next((f for f in sheet.day.free if f.start <= span.start and span.end <= f.end), None)
    if inside is not None:
        return (
            room.shortest <= span.minutes <= rules.longest_of(terms)
            and rules.wall_minutes(span.start, terms.zone) % room.step == 0
            and rules.wall_minutes(span.end, terms.zone) % room.step == 0
        )
    midnight = clock.at(sheet.day.day + ONE, time())
    if span.end <= midnight:
        return False
    held = rules.held(span, room.buffer)
    return rules.refusal(terms, span, None, now) is None and not any(rules.collides(held, t) for t in sheet.taken)
