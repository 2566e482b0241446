"""Reads of the pages on which staff manage rooms (SPEC V1)."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import contains_eager

from portal.centres.models import Centre
from portal.centres.queries import inside
from portal.core.db import db
from portal.venues.models import ACTIVE, PENDING, Booking, Venue, VenueClosure, VenueNote

PER_PAGE = 40
SHOWN = 10  # bookings named when a room cannot be taken out of use
STATES = {"": "使用中", "closed": "临时停用中", "outside": "外部场地", "retired": "已撤下"}


@dataclass(frozen=True, slots=True)
class RoomFilter:
    """q: part of a name, place or function. state: a key of STATES."""

    centre_id: int | None = None
    kind: str = ""
    state: str = ""
    q: str = ""
    page: int = 1


@dataclass(frozen=True, slots=True)
class RoomRow:
    """One room of the list. closed_until: set while a closure runs."""

    venue: Venue
    coming: int
    pending: int
    notes: int
    closed_until: datetime | None
    closed_why: str


@dataclass(frozen=True, slots=True)
class RoomPage:
    rows: list[RoomRow]
    total: int
    page: int
    pages: int


def get(venue_id: int) -> Venue | None:
    """A room of the caller's scope with its centre, retired ones too."""
    wanted = select(Venue).join(Venue.centre).options(contains_eager(Venue.centre)).where(Venue.id == venue_id)
    return db.session.scalars(wanted).one_or_none()


def of_centre(centre_id: int) -> list[Venue]:
    """What can be booked at one centre, in the order its staff gave. One statement."""
    wanted = select(Venue).join(Venue.centre).options(contains_eager(Venue.centre))
    wanted = wanted.where(Venue.centre_id == centre_id, Venue.active, Venue.bookable)
    return list(db.session.scalars(wanted.order_by(Venue.position, Venue.id)))


def rooms(path: str, wanted: RoomFilter, now: datetime) -> RoomPage:
    """Rooms below `path`, by centre, then in the centre's own order. Six statements however many there are."""
    where = [*inside(path), *_conditions(wanted, now)]
    total = db.session.scalar(select(func.count(Venue.id)).join(Venue.centre).where(*where)) or 0
    pages = max(1, -(-total // PER_PAGE))
    page = min(max(1, wanted.page), pages)
    statement = select(Venue).join(Venue.centre).options(contains_eager(Venue.centre)).where(*where)
    # A centre's own rooms before the outside places it lists.
    statement = statement.order_by(Centre.path, Venue.bookable.desc(), Venue.position, Venue.id)
    statement = statement.limit(PER_PAGE).offset((page - 1) * PER_PAGE)
    found = list(db.session.scalars(statement))
    ids = [v.id for v in found]
    counts, notes, closed = _counts(ids, now), _notes(ids), _closed(found, now)
    rows = [RoomRow(v, *counts.get(v.id, (0, 0)), notes.get(v.id, 0), *closed.get(v.id, (None, ""))) for v in found]
    return RoomPage(rows, total, page, pages)


def _conditions(wanted: RoomFilter, now: datetime) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [Venue.active.is_(wanted.state != "retired")]
    if wanted.centre_id is not None:
        found.append(Venue.centre_id == wanted.centre_id)
    if wanted.kind:
        found.append(Venue.kind == wanted.kind)
    if wanted.q:
        found.append(
            or_(Venue.name.contains(wanted.q, autoescape=True), Venue.place.contains(wanted.q, autoescape=True))
        )
    if wanted.state == "outside":
        found.append(Venue.bookable.is_(False))
    if wanted.state == "closed":
        shut = select(VenueClosure.id).where(
            *_running(now),
            VenueClosure.centre_id == Venue.centre_id,
            or_(VenueClosure.venue_id.is_(None), VenueClosure.venue_id == Venue.id),
        )
        found.append(shut.exists())
    return found


def _running(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return VenueClosure.lifted_at.is_(None), VenueClosure.starts_at <= now, VenueClosure.ends_at > now


def _counts(ids: list[int], now: datetime) -> dict[int, tuple[int, int]]:
    """Per room: bookings still to come, and how many of them wait for a decision."""
    pending = func.count().filter(Booking.status == PENDING)
    statement = select(Booking.venue_id, func.count(), pending).where(
        Booking.venue_id.in_(ids), Booking.status.in_(ACTIVE), Booking.ends_at > now
    )
    return {row[0]: (row[1], row[2]) for row in db.session.execute(statement.group_by(Booking.venue_id))}


def _notes(ids: list[int]) -> dict[int, int]:
    statement = select(VenueNote.venue_id, func.count()).where(
        VenueNote.venue_id.in_(ids), VenueNote.solved_at.is_(None)
    )
    return {row[0]: row[1] for row in db.session.execute(statement.group_by(VenueNote.venue_id))}


def _closed(venues: list[Venue], now: datetime) -> dict[int, tuple[datetime, str]]:
    statement = select(VenueClosure).where(VenueClosure.centre_id.in_({v.centre_id for v in venues}), *_running(now))
    found: dict[int, tuple[datetime, str]] = {}
    for row in db.session.scalars(statement):
        for venue in venues:
            if row.venue_id == venue.id or (row.venue_id is None and row.centre_id == venue.centre_id):
                found[venue.id] = max(found.get(venue.id, (row.ends_at, row.reason)), (row.ends_at, row.reason))
    return found


def still_to_come(venue_id: int, now: datetime) -> tuple[int, list[Booking]]:
    """How many bookings of a room have not ended, waiting ones too, and the first SHOWN of them."""
    where = (Booking.venue_id == venue_id, Booking.status.in_(ACTIVE), Booking.ends_at > now)
    count = db.session.scalar(select(func.count(Booking.id)).where(*where)) or 0
    first = select(Booking).where(*where).order_by(Booking.starts_at).limit(SHOWN)
    return count, list(db.session.scalars(first)) if count else []


def last_position(centre_id: int) -> int:
    """The highest place in a centre's own order of rooms."""
    return db.session.scalar(select(func.max(Venue.position)).where(Venue.centre_id == centre_id)) or 0


def others(venue: Venue, path: str) -> list[Venue]:
    """Rooms below `path` that could take this one's rules, those of its own centre first."""
    statement = select(Venue).join(Venue.centre).options(contains_eager(Venue.centre))
    statement = statement.where(*inside(path), Venue.active, Venue.bookable, Venue.id != venue.id)
    statement = statement.order_by(Venue.centre_id != venue.centre_id, Centre.path, Venue.position, Venue.id)
    return list(db.session.scalars(statement))


def totals(path: str) -> tuple[int, int]:
    """How many rooms below `path` are in use, and of how many centres."""
    statement = select(func.count(Venue.id), func.count(Venue.centre_id.distinct())).join(Venue.centre)
    row = db.session.execute(statement.where(*inside(path), Venue.active)).one()
    return row[0], row[1]
