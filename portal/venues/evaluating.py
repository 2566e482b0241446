"""How was the room? Asked once after each use, through portal.feedback (SPEC V6)."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import exists, select
from sqlalchemy.orm import joinedload

from portal.core import clock, registry, scope
from portal.core.db import db, writing
from portal.feedback import actions, subjects
from portal.feedback.actions import Ask
from portal.feedback.models import Evaluation
from portal.people.models import Resident
from portal.venues.models import APPROVED, Booking, Venue

KIND = "booking"
REST = timedelta(minutes=30)  # people tidy up first
LOOK_BACK = timedelta(days=7)
MOST = 500  # asked in one transaction


def group_key(venue_id: int) -> str:
    """What averages of a room are counted under."""
    return f"venue:{venue_id}"


def describe(booking_ids: Sequence[int]) -> dict[int, subjects.Described]:
    """Bookings in the words of the evaluation pages. One statement."""
    wanted = select(Booking).where(Booking.id.in_(booking_ids))
    rows = db.session.scalars(wanted.options(joinedload(Booking.venue).joinedload(Venue.centre)))
    return {
        row.id: subjects.Described(
            title=row.venue.name, when_text=clock.span(row.starts_at, row.ends_at), place=row.venue.centre.label,
            centre_id=row.centre_id, url=f"/venues/bookings/{row.id}", staff_url=f"/staff/venues/bookings/{row.id}",
        )
        for row in rows
    }  # fmt: skip


subjects.register(subjects.Subject(KIND, "场地", describe))


@registry.due
def ask_how_it_was(now: datetime) -> int:
    """Ask everybody whose use of a room ended half an hour to seven days ago, once. Returns how many were asked.

    Where arriving is noted (no-shows are given on), only those who came.
    """
    with scope.system("evaluation of rooms"):
        asked = exists().where(Evaluation.subject_kind == KIND, Evaluation.subject_id == Booking.id)
        over = (
            select(Booking).join(Venue, Venue.id == Booking.venue_id)
            .join(Resident, Resident.id == Booking.resident_id)
            .where(
                Booking.status == APPROVED, Booking.ends_at <= now - REST, Booking.ends_at > now - LOOK_BACK,
                Resident.erased_at.is_(None), Booking.checked_in_at.is_not(None) | (Venue.release == 0), ~asked,
            )
            .options(joinedload(Booking.venue), joinedload(Booking.relative))
            .order_by(Booking.id).limit(MOST)
        )  # fmt: skip
        asks = [_ask(row) for row in db.session.scalars(over)]
        db.session.rollback()
        if not asks:
            return 0
        with writing():
            return actions.invite(asks, now)


def _ask(row: Booking) -> Ask:
    return Ask(
        subject_kind=KIND, subject_id=row.id, group_key=group_key(row.venue_id), centre_id=row.centre_id,
        resident_id=row.resident_id or 0, relative_id=row.relative_id, title=row.venue.name,
        when_text=clock.span(row.starts_at, row.ends_at), person=row.relative.name if row.relative else "",
        caller_name=row.caller_name,
    )  # fmt: skip
