"""A walk-in at a free room's door takes it on the spot (SPEC V5). Flush only."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import select

from portal.core import scope
from portal.core.access import Actor
from portal.core.db import db
from portal.people.refusals import NameMissing, NoSuchPerson
from portal.venues import locks, occupancy, rules
from portal.venues.actions import booking, check_in
from portal.venues.errors import BookingRefused, VenueGone
from portal.venues.models import APPROVED, BY_RESIDENT, Booking, Venue
from portal.venues.rules import Refusal, Span, day_words, eligibility
from portal.venues.rules.eligibility import Wish


def take_now(actor: Actor, venue_id: int, door_key: str, now: datetime) -> Booking:
    """The resident stands at the door of a free room: theirs until the next booking, checked in already.

    The room's rules hold but for the notice and the grid of times: it stands empty now. Twice is the same as once.
    Raises VenueGone (wrong key), NotBookable, NoSuchPerson, NameMissing, BookingRefused, LimitReached. Locks: the
    resident, then the venue.
    """
    with scope.system("whether a room is free is a matter of everybody's bookings"):
        person = locks.lock_resident(actor.id or 0)
        if person is None:
            raise NoSuchPerson()
        if not person[0].strip():
            raise NameMissing()
        venue = locks.lock(venue_id)
        if not check_in.is_at_door(venue, door_key):
            raise VenueGone()
        booking.must_be_bookable(venue)
        mine = _mine(venue, actor.id or 0, now)
        if mine is not None:
            return mine
        wish = _wish(venue, person[1], now)
        booking.check_limits(venue, actor.id or 0, wish)
        row = booking.enter(venue, wish, APPROVED, BY_RESIDENT, actor, now, resident_id=actor.id)
        return check_in.arrive(venue, row, actor, now)


def _mine(venue: Venue, resident_id: int, now: datetime) -> Booking | None:
    """One's own that is on: pressed twice, or booked before."""
    own = select(Booking).where(
        Booking.venue_id == venue.id, Booking.resident_id == resident_id, Booking.status == APPROVED,
        Booking.starts_at <= rules.whole_minute(now), Booking.ends_at > now,
    )  # fmt: skip
    return db.session.scalars(own).first()


def _wish(venue: Venue, home_path: str, now: datetime) -> Wish:
    refusal = eligibility.may_take_now(venue, home_path)
    if refusal is not None:
        raise BookingRefused(refusal)
    terms = occupancy.terms_for(venue, now)
    until = now + eligibility.LOOK_BACK
    span = day_words.now_span(terms, occupancy.taken([venue.id], now, until)[venue.id], now)
    if span is None or not occupancy.is_free(venue.id, rules.held(span, venue.buffer)):
        raise BookingRefused(_not_free())
    found = rules.refusal(replace(terms, notice=0, step=1), Span(span.start, span.end), 1, now)
    if found is not None:
        raise BookingRefused(found)
    return booking.worded(venue, Wish(venue.id, span.start, span.end))


def _not_free() -> Refusal:
    return Refusal("taken", "现在不空，或者马上有人要用。", "可以订后面的时间，或看看别的场地。", "")
