"""The waiting list of a room's time, under the lock of the venue (SPEC V5). Whoever asked first is asked first."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from portal.core import deadlines, scope, states
from portal.core.access import Actor, system_actor
from portal.core.db import db
from portal.core.states import StateHistory
from portal.venues import locks, occupancy, rules
from portal.venues.models import HOLDS, WAITING, Booking, Venue
from portal.venues.states import MACHINE

SHORTEST_OFFER = timedelta(minutes=15)  # rooms are asked for on the same day: somebody else may still come in time


def move(
    venue: Venue, booking: Booking, name: str, actor: Actor, now: datetime, reason: str = "", **values: Any
) -> StateHistory:
    """Fire a transition of a booking; what pages keep of the venue is old afterwards. Needs the lock.

    A reason stands on the booking too, as it is told to the person. Raises what `states.fire` raises.
    """
    if reason.strip():
        values["reason"] = reason.strip()
    row = states.fire(MACHINE, booking, name, actor, now, reason, values={"revision": Booking.revision + 1, **values})
    locks.touch(venue, now)
    return row


def held(booking: Booking) -> rules.Span:
    return rules.Span(booking.starts_at, booking.held_until)


def waiting_for(venue_id: int, span: rules.Span, now: datetime) -> list[Booking]:
    """Live requests on the waiting list that touch `span` (held, with buffers), first come first."""
    wanted = select(Booking).where(
        Booking.venue_id == venue_id, Booking.status == WAITING, Booking.starts_at > now,
        Booking.starts_at < span.end, Booking.starts_at > span.start - occupancy.LONGEST_HOLD,
        Booking.held_until > span.start,
    )  # fmt: skip
    return list(db.session.scalars(wanted.order_by(Booking.id)))


def free_up(venue: Venue, span: rules.Span, now: datetime) -> int:
    """A held time became free: give it to those who wait for it, in order. Needs the lock.

    A day ahead and more: booked at once (or handed to review where the venue reviews). Later than that: offered until
    a deadline. Returns how many bookings moved.
    """
    if not venue.active or not venue.bookable:
        return 0
    moved = 0
    with scope.system("a freed time goes to the next, whoever that is"):
        db.session.flush()
        for booking in waiting_for(venue.id, span, now):
            if occupancy.is_free(venue.id, held(booking)) and not closed(venue, booking):
                _give(venue, booking, now)
                moved += 1
    return moved


def closed(venue: Venue, booking: Booking) -> bool:
    """Whether a closure lies over part of the wished time."""
    shut = occupancy.closures([venue], booking.starts_at, booking.ends_at)[venue.id]
    return any(c.span.start < booking.ends_at and booking.starts_at < c.span.end for c in shut)


def _give(venue: Venue, booking: Booking, now: datetime) -> None:
    house = system_actor()
    deadline = deadlines.offer_until(booking.starts_at, now, SHORTEST_OFFER)
    if booking.resident_id is not None and deadline is not None:
        move(venue, booking, "offer", house, now, accept_by=deadline)
    elif venue.needs_approval and booking.resident_id is not None:
        decide_by = rules.decide_by(now, venue.approve_hours, booking.starts_at)
        move(venue, booking, "examine", house, now, decide_by=decide_by, waits_at_id=locks.decider_id(venue))
    else:
        move(venue, booking, "move_up", house, now, decided_at=now)


def end(
    venue: Venue, booking: Booking, name: str, actor: Actor, now: datetime, reason: str = "", **values: Any
) -> StateHistory:
    """Fire a transition that ends a booking; if it held its time, the time goes on. Needs the lock."""
    was_held, span = booking.status in HOLDS, held(booking)
    row = move(venue, booking, name, actor, now, reason, ended_at=now, accept_by=None, decide_by=None, **values)
    if was_held and span.end > now:
        free_up(venue, span, now)
    return row
