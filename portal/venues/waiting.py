"""What waits for staff about rooms, for /staff and the counts of the left column (SPEC V3)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import and_, or_, select

from portal.cases import ladder
from portal.cases.policy import tone
from portal.centres.models import Centre
from portal.centres.queries import inside
from portal.core import clock, registry
from portal.core.access import Actor, Permission
from portal.core.db import db
from portal.core.registry import Waiting
from portal.venues.models import BY_ACTIVITY, PENDING, Booking, Venue
from portal.venues.staff.booking_queries import SOON

SECTION = "venues"
MOST = 50


@registry.waiting
def to_decide(actor: Actor, now: datetime) -> list[Waiting]:
    """Requests that wait at the actor's own centre (handed-up ones too); from below only what is overdue. One query."""
    if not actor.can(Permission.VENUES) or actor.department_id is not None or actor.centre_id is None:
        return []
    below = and_(Booking.decide_by <= now, *inside(actor.centre_path))
    wanted = (
        select(
            Booking.id, Booking.title, Booking.people, Booking.starts_at, Booking.ends_at, Booking.created_at,
            Booking.decide_by, Booking.waits_at_id, Booking.centre_id, Venue.name, Centre.short_name, Centre.name,
        )
        .join(Venue, Venue.id == Booking.venue_id)
        .join(Centre, Centre.id == Booking.waits_at_id)
        .where(Booking.status == PENDING, Booking.source != BY_ACTIVITY)
        .where(or_(Booking.waits_at_id.in_(ladder.answers_for(actor, Permission.VENUES)), below))
        .order_by(Booking.decide_by, Booking.id)
        .limit(MOST)
    )  # fmt: skip
    return [_line(tuple(row), actor, now) for row in db.session.execute(wanted)]


def _line(row: tuple[Any, ...], actor: Actor, now: datetime) -> Waiting:
    number, title, people, start, end, since, due, waits_at, centre, room, short, name = row
    words = f"{room} {clock.span(start, end)} · {people} 人"
    if waits_at != actor.centre_id:
        words += f" · {short or name}超时还没有审批"
    elif centre != waits_at:
        words += " · 下级移交上来的"
    if due is not None:
        words += f" · 请在 {clock.stamp(due)} 前审批" if due > now else f" · 应在 {clock.stamp(due)} 前审批，已超时"
    return Waiting(
        SECTION, f"场地申请：{title}", words, since, f"/staff/venues/bookings/{number}", due, tone(due, now, SOON)
    )
