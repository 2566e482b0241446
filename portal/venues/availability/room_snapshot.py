"""Rooms, their rules and what is taken of them (SPEC V2), kept in memory and proved fresh by one query a request.

The stamp is (count, sum of versions, highest id) of all rooms: every booking, closure and change of a room raises its
version under its lock and rooms are never deleted, so an equal stamp means that nothing kept here has changed. After a
write only the rooms with another version are read again. Centres and opening hours are not covered: after a minute all
rooms are, and what is known of their days stays where their rules are the same.

What is read here is read apart from the request's transaction (`core.db.apart`): at least as new as the stamp, and
never what a request has written and may take back. Rooms and centres kept here belong to no session: to be read only.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import contains_eager

from portal.centres.models import Centre
from portal.core import clock, pages, reads, scope
from portal.core.db import apart, db
from portal.venues import occupancy, rules
from portal.venues.models import Venue
from portal.venues.rules import Span, Terms, day_words
from portal.venues.rules.day_words import Day

AHEAD = 200  # days for which rules are kept: nobody books further ahead (actions.rooms allows 180)
MOST_DAYS = 30_000  # room days kept before all are forgotten; a few megabytes
MOST_PARTS = 400  # parts of pages, some 20 KB each
MAX_AGE = timedelta(minutes=1)
ONE = timedelta(days=1)
T = TypeVar("T")
_STAMP = reads.stamp(Venue)
_VERSIONS = select(Venue.id, Venue.version).join(Venue.centre).where(Venue.active, Centre.active)
_VENUES = select(Venue).join(Venue.centre).options(contains_eager(Venue.centre))


@dataclass(frozen=True, slots=True)
class Told:
    """A day of a room in words, and what the hours that pass may change of it: today, and the first start of it."""

    at: tuple[date, datetime]
    day: Day


@dataclass(slots=True)
class Snapshot:
    """All rooms in use by id, in the order of their centres: `rooms` to book, and `outside` what is booked elsewhere.

    taken: what is held of a room on a local day and as long after it as its buffer, in order. parts: what pages have
    made of it; they go with it, so that no page of rooms that were different outlives them.
    """

    stamp: str
    loaded_at: datetime
    rooms: dict[int, Venue]
    outside: dict[int, Venue]
    terms: dict[int, Terms]
    taken: dict[tuple[int, date], list[Span]] = field(default_factory=dict)
    days: dict[tuple[int, date], Told] = field(default_factory=dict)
    parts: dict[tuple[Any, ...], Any] = field(default_factory=dict)

    def part(self, key: tuple[Any, ...], make: Callable[[], T]) -> T:
        """`make()`, once as long as the snapshot holds. key: all that the part says besides; nothing of one's own."""
        return pages.kept_in(self.parts, key, make, MOST_PARTS)

    def know(self, rooms: Sequence[int], first: date, count: int) -> dict[tuple[int, date], list[Span]]:
        """What is taken of the rooms on `count` days from `first` and the days on either side, by room and day.

        One statement for what is not known yet.
        """
        if len(self.taken) > MOST_DAYS:
            self.taken, self.days = {}, {}  # new ones: another thread may still be looking into the old
        taken, wanted = self.taken, [first + n * ONE for n in range(-1, count + 1)]
        missing = {room for day in wanted for room in rooms if (room, day) not in taken}
        if missing:
            with apart(), scope.system("what is taken, never by whom"):
                found = occupancy.taken(missing, rules.moment(wanted[0], 0), rules.moment(wanted[-1] + ONE, 0))
            for day in wanted:
                start = rules.moment(day, 0)
                for room in missing:
                    end = rules.moment(day, 1440 + self.terms[room].buffer)  # where a booking of that day holds it
                    taken[room, day] = [t for t in found[room] if t.start < end and t.end > start]
        return taken

    def taken_in(self, room: int, first: date, count: int) -> list[Span]:
        """What is held of a room from the day before `first` to the day after the last of `count`, in order."""
        taken = self.know([room], first, count)
        spans = [t for n in range(-1, count + 1) for t in taken[room, first + n * ONE]]
        return list({(t.start, t.end): t for t in spans}.values())  # what goes over midnight stands in two days

    def week(self, room: int, first: date, count: int, now: datetime) -> list[Day]:
        """`count` days of a room in words. A day is told again only when the hours that pass have changed it."""
        days, terms = self.days, self.terms[room]
        today, earliest = clock.today(now), rules.whole_minute(rules.earliest_start(terms, now))
        found = []
        for day in (first + n * ONE for n in range(count)):
            key, at = (room, day), (today, max(earliest, rules.moment(day, 0)))
            told = days.get(key)
            if told is None or told.at != at:
                told = days[key] = Told(at, day_words.day_of(terms, day, self.taken_in(room, day, 1), now))
            found.append(told.day)
        return found


_kept: list[Snapshot] = []
_lock = threading.Lock()


def current(now: datetime) -> Snapshot:
    """The rooms, fresh as of this request."""
    stamp = reads.stamped(_STAMP)
    known = _kept[0] if _kept else None
    if known is not None and known.stamp == stamp and _young(known, now):
        return known
    with _lock, apart(), scope.system("rooms, their hours and closures are public"):
        known = _kept[0] if _kept else None
        if known is None or known.stamp != stamp or not _young(known, now):  # else another thread was first
            known = _load(known, stamp, now)
            _kept[:] = [known]
    return known


def _young(known: Snapshot, now: datetime) -> bool:
    return abs(now - known.loaded_at) < MAX_AGE


def forget() -> None:
    """Drop everything held in memory (tests, another database)."""
    _kept.clear()


def _load(known: Snapshot | None, stamp: str, now: datetime) -> Snapshot:
    versions = {row.id: row.version for row in db.session.execute(_VERSIONS)}
    before = known.rooms | known.outside if known is not None else {}
    same = {i: v for i, v in before.items() if versions.get(i) == v.version}
    young = known is not None and _young(known, now)
    kept = same if young else {}
    read = {v.id: v for v in db.session.scalars(_VENUES.where(Venue.id.in_(versions.keys() - kept.keys())))}
    venues = sorted((kept | read).values(), key=lambda v: (v.position, v.id))
    rooms = {v.id: v for v in venues if v.bookable}
    today = clock.today(now)
    terms = occupancy.terms_of([v for v in rooms.values() if v.id in read], today - ONE, today + AHEAD * ONE)
    if known is None:
        return Snapshot(stamp, now, rooms, {v.id: v for v in venues if not v.bookable}, terms)
    terms = known.terms | terms
    stands = {i for i in same if known.terms.get(i) == terms.get(i)}
    return Snapshot(
        stamp, known.loaded_at if young else now, rooms, {v.id: v for v in venues if not v.bookable}, terms,
        {key: spans for key, spans in list(known.taken.items()) if key[0] in stands},
        {key: told for key, told in list(known.days.items()) if key[0] in stands},
    )  # fmt: skip
