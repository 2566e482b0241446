"""What this feature registers for the features above: my services, own data (SPEC S9, P8)."""

import re
from datetime import datetime
from typing import Any

from portal.core import clock, registry
from portal.core.ical import Dated
from portal.core.registry import Mine
from portal.venues.actions import booking
from portal.venues.models import APPROVED, WAITING
from portal.venues.public import queries
from portal.venues.public.queries import Own


@registry.mine
def my_bookings(resident_id: int, now: datetime, coming: bool) -> list[Mine]:
    """Every booking of mine with what happens next."""
    return [_mine(one, now) for one in queries.mine(resident_id, now, coming)]


def _mine(one: Own, now: datetime) -> Mine:
    row = one.row
    over = not one.live or now >= row.ends_at
    section = "past" if over else "upcoming" if row.status == APPROVED else "waiting"
    return Mine(
        section=section, title=f"{row.venue.name} · {row.title}", when=clock.span(row.starts_at, row.ends_at),
        place=row.venue.centre.label, status_text=one.label, tone=one.tone, next_text=queries.next_step(one, now),
        url=f"/venues/bookings/{row.id}", starts_at=row.starts_at, person=row.relative.name if row.relative else "",
    )  # fmt: skip


_ADDRESS = re.compile(r"/venues/(\d{1,9})")


@registry.errand
def about_to(path: str) -> registry.Errand | None:
    """Booking a room."""
    found = _ADDRESS.fullmatch(path)
    room = queries.venue(int(found[1])) if found else None
    if room is None:
        return None
    return registry.Errand(f"订{room.name}", room.phone or room.centre.phone, room.centre_id)


@registry.personal
def personal(resident_id: int) -> dict[str, Any]:
    """This feature's part of the export of own data."""
    return {"场地预约": queries.personal(resident_id)}


@registry.dates
def dates(resident_id: int, since: datetime) -> list[Dated]:
    """Bookings for their holder's own calendar, under the number that each has when it is saved alone."""
    return [
        Dated(
            f"booking-{row.id}", row.revision, row.starts_at, row.ends_at, f"{row.venue.name}：{row.title}",
            row.venue.centre.label, f"/venues/bookings/{row.id}", not one.live,
        )
        for one in queries.mine(resident_id, since)
        if (row := one.row).status != WAITING
    ]  # fmt: skip


registry.acquaintance(queries.booked_at)
registry.erase(booking.erase)
