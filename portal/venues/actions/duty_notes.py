"""Small writes of the people on duty (SPEC V6, P8): notes on a room, seeing a phone number in full. Flush only."""

from datetime import datetime

from sqlalchemy import select

from portal.core import audit
from portal.core.access import Actor, Permission
from portal.core.db import db
from portal.core.errors import DomainError, Invalid, NotAllowed
from portal.people.actions import resident_records as people_actions
from portal.venues.actions import approval
from portal.venues.errors import BookingGone, VenueGone
from portal.venues.models import Booking, Venue, VenueNote

BODY_MAX = 300


class NoteEmpty(Invalid):
    message = "请写一句情况。"
    advice = "例如“投影仪不亮，已报修”。"
    field = "body"


class NoteGone(DomainError):
    status = 404
    message = "没有找到这条备注。"
    advice = "请看最新的备注。"


def add(actor: Actor, venue_id: int, body: str, now: datetime, booking_id: int | None = None) -> VenueNote:
    """Leave a word about a room for colleagues. booking_id: about that use of it.

    Raises VenueGone, BookingGone, NoteEmpty, NotAllowed. Reads in the actor's own scope; takes no lock.
    """
    approval.must(actor)
    venue = db.session.scalars(select(Venue).where(Venue.id == venue_id)).one_or_none()
    if venue is None:
        raise VenueGone()
    if booking_id is not None:
        of_room = select(Booking.id).where(Booking.id == booking_id, Booking.venue_id == venue.id)
        if db.session.scalars(of_room).one_or_none() is None:
            raise BookingGone()
    body = body.strip()
    if not body:
        raise NoteEmpty()
    note = VenueNote(
        centre_id=venue.centre_id, venue_id=venue.id, booking_id=booking_id, body=body[:BODY_MAX],
        created_by=actor.name, created_at=now,
    )  # fmt: skip
    db.session.add(note)
    db.session.flush()
    # What it says stays in the note: it may speak of whoever used the room.
    audit.record(actor, "venue.note", "venue_note", note.id, now, summary=venue.name, centre_id=venue.centre_id)
    return note


def solve(actor: Actor, note_id: int, now: datetime) -> VenueNote:
    """Done: the note no longer stands on the plan. Twice is the same as once. Raises NoteGone, NotAllowed."""
    approval.must(actor)
    note = db.session.scalars(select(VenueNote).where(VenueNote.id == note_id)).one_or_none()
    if note is None:
        raise NoteGone()
    if note.solved_at is None:
        note.solved_at, note.solved_by = now, actor.name
        db.session.flush()
        name = note.venue.name
        audit.record(actor, "venue.solve_note", "venue_note", note.id, now, summary=name, centre_id=note.centre_id)
    return note


def unmask(actor: Actor, booking: Booking, now: datetime) -> str:
    """The phone number of a booking in full, on record (P8). Raises NotAllowed without the right.

    The caller has proved that the booking belongs to the actor's tree.
    """
    why = f"场地预约 #{booking.id}"
    if booking.resident is not None:
        own = people_actions.unmask(actor, booking.resident, "phone", why, now)
        return booking.contact_phone or own
    if not actor.can(Permission.UNMASK):
        raise NotAllowed()
    audit.record(actor, "unmask", "booking", booking.id, now, summary=f"查看完整手机号：{why}")
    return booking.contact_phone
