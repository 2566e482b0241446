"""At the door (SPEC V5): who comes checks in by the QR code; a room nobody came to is given on. Flush only."""

import contextlib
import hmac
from datetime import datetime

from sqlalchemy import select

from portal.core import scope, states
from portal.core.access import Actor, system_actor
from portal.core.db import db, writing
from portal.core.errors import Stale
from portal.venues import locks, rules
from portal.venues.actions import approval, waiting_list
from portal.venues.errors import NotHere, VenueGone
from portal.venues.models import APPROVED, RELEASED, Booking, Venue
from portal.venues.rules import eligibility
from portal.venues.rules.eligibility import EARLY, LOOK_BACK
from portal.venues.states import MACHINE


def is_at_door(venue: Venue, door_key: str) -> bool:
    """Whether the key is the one that stands in the QR code at this door."""
    return hmac.compare_digest(venue.door_key.encode(), door_key.encode())


def check_in(actor: Actor, venue_id: int, door_key: str, now: datetime) -> Booking:
    """The resident stands at the door: their booking of now is used. Twice is the same as once.

    From EARLY before the start until the end. Raises VenueGone (wrong key), NotHere. Lock: the venue.
    """
    with scope.system("who holds this room now"):
        venue = locks.lock(venue_id)
        if not is_at_door(venue, door_key):
            raise VenueGone()
        mine = select(Booking).where(
            Booking.venue_id == venue.id, Booking.resident_id == actor.id, Booking.status == APPROVED,
            Booking.starts_at <= now + EARLY, Booking.ends_at > now,
        )  # fmt: skip
        row = db.session.scalars(mine.order_by(Booking.checked_in_at.is_not(None), Booking.starts_at)).first()
        if row is None:
            raise _nothing_here(venue, actor, now)
        return arrive(venue, row, actor, now)


def _nothing_here(venue: Venue, actor: Actor, now: datetime) -> NotHere:
    """Who comes too late hears what happened to the booking, and what can be done."""
    late = select(Booking.id).where(
        Booking.venue_id == venue.id, Booking.resident_id == actor.id, Booking.status == RELEASED,
        Booking.starts_at <= now, Booking.ends_at > now,
    )  # fmt: skip
    if db.session.scalars(late).first() is None:
        return NotHere(advice=f"签到从{eligibility.early_text()}到结束；也许是在另一个场地？到“我的服务”看看。")
    return NotHere(f"开始 {rules.release_text(venue.release)}没有签到，您的预约已经释放。",
                   advice="还空着的话，可以马上再订后面的时间，或找工作人员。")  # fmt: skip


def check_in_by_staff(actor: Actor, booking_id: int, now: datetime) -> Booking:
    """Somebody on duty saw them come. Raises BookingGone, NotHere, NotAllowed. Lock: the venue."""
    approval.must(actor)
    venue, row = locks.find(booking_id)
    if row.status != APPROVED or not row.starts_at - EARLY <= now < row.ends_at + LOOK_BACK:
        raise NotHere("这份预约现在不能登记到场。", advice=f"已订上的预约，从{eligibility.noted_text()}都可以登记。")
    return arrive(venue, row, actor, now)


def arrive(venue: Venue, row: Booking, actor: Actor, now: datetime) -> Booking:
    """Somebody is there: once. Needs the venue's lock."""
    if row.checked_in_at is None:
        row.checked_in_at = now
        row.revision += 1
        locks.touch(venue, now)
        states.note(MACHINE, row, "check_in", actor, now)
        db.session.flush()
    return row


def no_shows(now: datetime) -> list[int]:
    """Bookings whose room may be given on: approved, of a resident, begun N minutes ago, nobody came.

    Only who can check in at the door is missed there: staff's own meetings and activities are not.
    """
    wanted = select(Booking.id, Booking.starts_at, Venue.release).join(Venue, Venue.id == Booking.venue_id)
    wanted = wanted.where(
        Booking.status == APPROVED, Booking.checked_in_at.is_(None), Booking.resident_id.is_not(None),
        Venue.release > 0, Booking.starts_at <= now, Booking.starts_at > now - LOOK_BACK,
        Booking.ends_at > now,
    )  # fmt: skip
    rows = db.session.execute(wanted.order_by(Booking.venue_id, Booking.id))
    due = ((i, rules.release_at(start, minutes)) for i, start, minutes in rows)
    return [i for i, moment in due if moment is not None and moment <= now]


def release_no_shows(now: datetime) -> int:
    """Give on what nobody came for; one transaction a booking (a deadline job, commits by itself)."""
    with scope.system("rooms nobody came to"):
        ids = no_shows(now)
        db.session.rollback()
        return sum(_release(i, now) for i in ids)


def _release(booking_id: int, now: datetime) -> int:
    with contextlib.suppress(Stale), writing():  # moved just now: the next tick sees where to
        venue, row = locks.find(booking_id)
        until = rules.release_at(row.starts_at, venue.release)  # it may have been moved meanwhile
        if row.status != APPROVED or row.checked_in_at is not None or until is None or until > now:
            return 0
        waiting_list.end(venue, row, "release", system_actor(), now)
        return 1
    return 0
