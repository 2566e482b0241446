"""Deadlines of bookings, derived from rows at every tick (SPEC V3, V5, V6). Each firing has a unique key or a status.

Two schedulers, a dead one or a late one change nothing.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import CompoundSelect, Select, select, union_all
from sqlalchemy.exc import SQLAlchemyError

from portal.cases import ladder
from portal.core import deadlines as starts
from portal.core import outbox, registry, scope
from portal.core.access import Permission, system_actor
from portal.core.db import db, writing
from portal.core.errors import DomainError, Stale
from portal.venues import locks
from portal.venues.actions import approval, check_in, waiting_list
from portal.venues.models import APPROVED, BY_ACTIVITY, OFFERED, PENDING, WAITING, Booking

log = structlog.get_logger()
# How far back a request that waited for nothing is looked for after the scheduler stood still; undecided requests and
# offers have indexes of their own and are always found.
LONG_AGO = timedelta(days=15)


@registry.due
def release_no_shows(now: datetime) -> int:
    """Rooms nobody came to are given on."""
    return check_in.release_no_shows(now)


@registry.due
def hand_up_undecided(now: datetime) -> int:
    """Requests nobody decided in time go to the level above; at the top the same centre is reminded once."""
    late = select(Booking.id).where(
        Booking.status == PENDING, Booking.decide_by <= now, Booking.starts_at > now, Booking.source != BY_ACTIVITY
    )
    return _each(late, now, _hand_up)


def _hand_up(booking_id: int, now: datetime) -> int:
    _, row = locks.find(booking_id)
    if row.status != PENDING or row.decide_by is None or row.decide_by > now:
        return 0
    if ladder.above(row.waits_at or row.centre, Permission.VENUES) is None:
        row.decide_by = None  # asked for once; the inbox shows it red until somebody decides
        outbox.put("venues.undecided", f"booking:{row.id}:{row.waits_at_id}", {"id": row.id}, now)
        return 1
    approval.hand_up(system_actor(), row.id, "没有在期限内审批，自动移交上级", now)
    return 1


@registry.due
def lapse(now: datetime) -> int:
    """Offers nobody accepted, and requests that nobody decided or whose turn never came, end; the time goes on."""
    ids = select(Booking.id).where(Booking.source != BY_ACTIVITY)
    return _each(
        union_all(
            ids.where(Booking.status == OFFERED, Booking.accept_by <= now),  # never later than the start
            ids.where(Booking.status == PENDING, Booking.starts_at <= now),
            ids.where(Booking.status == WAITING, Booking.starts_at <= now, Booking.starts_at > now - LONG_AGO),
        ),
        now,
        _lapse,
    )


def _lapse(booking_id: int, now: datetime) -> int:
    venue, row = locks.find(booking_id)
    offer_over = row.status == OFFERED and row.accept_by is not None and row.accept_by <= now
    if row.status not in (PENDING, WAITING, OFFERED) or not (offer_over or row.starts_at <= now):
        return 0
    waiting_list.end(venue, row, "lapse", system_actor(), now)
    return 1


def _each(wanted: Select[Any] | CompoundSelect[Any], now: datetime, act: Callable[[int, datetime], int]) -> int:
    """One transaction a row, so that one bad row holds up nobody."""
    with scope.system("deadlines of bookings"):
        ids = sorted(set(db.session.scalars(wanted)))
        db.session.rollback()
        done = 0
        for booking_id in ids:
            try:
                with writing():
                    done += act(booking_id, now)
            except Stale:
                continue  # somebody was faster; the next tick sees what they left
            except (DomainError, SQLAlchemyError):
                log.exception("deadline of a booking failed", booking=booking_id, rule=act.__name__)
    return done


@registry.due
def remind(now: datetime) -> int:
    """Write the reminders that are due now: a day and two hours before. Returns how many."""
    with scope.system("reminders"):
        soon = select(Booking.id, Booking.starts_at, Booking.created_at).where(
            Booking.status == APPROVED, Booking.resident_id.is_not(None), Booking.starts_at > now,
            Booking.starts_at <= now + starts.DAY_BEFORE,
        )  # fmt: skip
        wanted: dict[str, dict[str, Any]] = {}
        for booking_id, start, created in db.session.execute(soon):
            rule = starts.reminder_due(start, now, created)
            if rule:
                wanted[f"{booking_id}:{rule}:{int(start.timestamp())}"] = {"id": booking_id, "rule": rule}
        return outbox.put_new("venues.remind", wanted, now)
