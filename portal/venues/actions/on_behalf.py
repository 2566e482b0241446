"""What staff do in the booker's place, as told on the telephone or seen at the door (SPEC V5, P9). Flush only."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from sqlalchemy import select

from portal.core.access import Actor
from portal.core.db import db
from portal.venues.actions import approval, check_in
from portal.venues.actions import booking as residents
from portal.venues.errors import BookingGone
from portal.venues.models import Booking

Act = Callable[[Actor, int, datetime], Booking]


def _noted(act: Act, verb: str, actor: Actor, booking_id: int, now: datetime) -> Booking:
    """Do it and write it into the audit log; what changed nothing (a second press) leaves no line.

    Raises BookingGone for another subtree's booking: the residents' actions themselves look everywhere.
    """
    approval.must(actor)
    seen = db.session.execute(select(Booking.status, Booking.revision).where(Booking.id == booking_id)).one_or_none()
    if seen is None:
        raise BookingGone()
    row = act(actor, booking_id, now)
    if (row.status, row.revision) != tuple(seen):
        approval.noted(actor, row, verb, seen.status, now)
    return row


# They take the offered time or do not want it (both raise OfferOver); they do not come, whatever the deadline; somebody
# on duty saw them come (raises NotHere). All raise BookingGone and NotAllowed, and lock as the act itself does.
accept = partial(_noted, residents.accept, "accept")
decline = partial(_noted, residents.decline, "decline")
withdraw = partial(_noted, residents.withdraw, "withdraw")
arrived = partial(_noted, check_in.check_in_by_staff, "check_in")
