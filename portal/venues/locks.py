"""The locks of bookings: every write on bookings takes the person first, then the venues, lower ids first.

PostgreSQL: SELECT … FOR UPDATE, so bookings of one room come one after the other and those of two rooms never wait for
each other in a circle. SQLite: the request's BEGIN IMMEDIATE is already the lock.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import TypeVarTuple

from sqlalchemy import Select, select

from portal.cases import ladder
from portal.centres.models import Centre
from portal.core.access import Permission
from portal.core.db import db
from portal.core.errors import Stale
from portal.people.models import Resident
from portal.venues.errors import BookingGone, VenueGone
from portal.venues.models import Booking, Venue

Found = TypeVarTuple("Found")


def for_update(statement: Select[*Found], of: type[Venue] | type[Resident]) -> Select[*Found]:
    """The strategy of the lock; the control test takes it away to show the race.

    FOR NO KEY UPDATE: writers of one room exclude each other, but not whoever only writes a row that refers to it (an
    activity's venue_id), which would close a circle.
    """
    return statement.with_for_update(of=of, key_share=True)


def lock_all(venue_ids: Iterable[int]) -> dict[int, Venue]:
    """The venues with their rows locked and fresh, in the order of their ids. Reads in the caller's scope."""
    wanted = select(Venue).where(Venue.id.in_(sorted(set(venue_ids)))).order_by(Venue.id)
    found = db.session.scalars(for_update(wanted, Venue).execution_options(populate_existing=True))
    return {venue.id: venue for venue in found}


def lock(venue_id: int) -> Venue:
    """One venue, locked. Raises VenueGone when it is not there or not visible."""
    venue = lock_all([venue_id]).get(venue_id)
    if venue is None:
        raise VenueGone()
    return venue


def lock_resident(resident_id: int) -> tuple[str, str] | None:
    """Name and home path ('' without one) of a resident, locked: a person's limits are counted one at a time."""
    wanted = select(Resident.name, Centre.path).outerjoin(Centre, Centre.id == Resident.home_centre_id)
    wanted = wanted.where(Resident.id == resident_id, Resident.erased_at.is_(None))
    row = db.session.execute(for_update(wanted, Resident)).one_or_none()
    return (str(row[0]), str(row[1] or "")) if row is not None else None


def find(booking_id: int, *more_venues: int) -> tuple[Venue, Booking]:
    """A booking and its venue, the venue locked first (and any others it may move to). Raises BookingGone, Stale.

    Reads in the caller's scope: somebody else's booking does not exist.
    """
    seen = select(Booking.venue_id).where(Booking.id == booking_id)
    fresh = select(Booking).where(Booking.id == booking_id).execution_options(populate_existing=True)
    venue_id = db.session.scalars(seen).one_or_none()
    if venue_id is None:
        raise BookingGone()
    locked = lock_all([venue_id, *more_venues])
    booking = db.session.scalars(fresh).one()
    if booking.venue_id not in locked:
        # Moved to another room between the two reads. Locking that one now could be against the order, and two who do
        # so wait for each other for ever; whoever acts looks again, a deadline comes again with the next tick.
        raise Stale()
    return locked[booking.venue_id], booking


def touch(venue: Venue, now: datetime, facts: bool = False) -> None:
    """What pages keep of this venue is old from now on. facts: the venue's own facts changed, not only its bookings."""
    venue.version += 1
    if facts:
        venue.revision += 1
        venue.updated_at = now


def decider_id(venue: Venue) -> int:
    """The centre that decides on requests for this room: its own, or the nearest above where somebody works (V3)."""
    return ladder.desk(venue.centre, Permission.VENUES).id
