"""What waits for staff about rooms, for /staff and the counts of the left column (SPEC V3)."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from portal.cases import ladder
from portal.cases.policy import tone
from portal.centres.models import Centre, label
from portal.centres.queries import inside
from portal.core import clock, registry
from portal.core.access import Actor, Permission
from portal.core.db import moment, packed
from portal.core.registry import Waiting, Waits
from portal.venues.models import Booking, Venue
from portal.venues.staff.booking_queries import SOON, TO_DECIDE

SECTION = "venues"


@registry.waiting
def to_decide(actor: Actor, now: datetime) -> list[Waits]:
    """Requests that wait at the actor's own centre (handed-up ones too); from below only what is overdue."""
    if not actor.can(Permission.VENUES) or actor.department_id is not None or actor.centre_id is None:
        return []
    here = Booking.waits_at_id.in_(ladder.answers_for(actor, Permission.VENUES))
    below = (Booking.decide_by <= now) & Booking.waits_at_id.in_(select(Centre.id).where(*inside(actor.centre_path)))
    wanted = (*TO_DECIDE, here | below)
    count = select(func.count(Booking.id)).where(*wanted).scalar_subquery()
    return [Waits(SECTION, count, lambda: _rows(wanted), lambda found: _line(found, actor, now))]


def _rows(wanted: tuple[ColumnElement[bool], ...]) -> Select[Any]:
    row = packed(
        id=Booking.id, title=Booking.title, people=Booking.people, start=Booking.starts_at, end=Booking.ends_at,
        since=Booking.created_at, due=Booking.decide_by, waits_at=Booking.waits_at_id, centre=Booking.centre_id,
        room=Venue.name, at=label(Centre),
    )  # fmt: skip
    rows = select(row).join(Venue, Venue.id == Booking.venue_id).join(Centre, Centre.id == Booking.waits_at_id)
    return rows.where(*wanted).order_by(Booking.decide_by, Booking.id)


def _line(found: dict[str, Any], actor: Actor, now: datetime) -> Waiting:
    start, end, due = moment(found["start"]) or now, moment(found["end"]) or now, moment(found["due"])
    words = f"{found['room']} {clock.span(start, end)} · {found['people']} 人"
    if found["waits_at"] != actor.centre_id:
        words += f" · {found['at']}超时还没有审批"
    elif found["centre"] != found["waits_at"]:
        words += " · 下级移交上来的"
    if due is not None:
        words += f" · 请在 {clock.stamp(due)} 前审批" if due > now else f" · 应在 {clock.stamp(due)} 前审批，已超时"
    return Waiting(
        SECTION, f"场地申请：{found['title']}", words, moment(found["since"]) or now,
        f"/staff/venues/bookings/{found['id']}", due, tone(due, now, SOON),
    )  # fmt: skip
