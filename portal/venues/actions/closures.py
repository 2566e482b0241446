"""Closures (SPEC V4): a room, or a whole centre, is not given out for a while. Flush only, never commit."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from portal.cases import ladder
from portal.centres.models import Centre
from portal.core import audit, clock, scope
from portal.core.access import Actor
from portal.core.db import db
from portal.venues import locks, occupancy
from portal.venues.actions import approval, waiting_list
from portal.venues.errors import ClosureRefused, VenueGone
from portal.venues.models import ACTIVE, BY_ACTIVITY, Booking, Venue, VenueClosure
from portal.venues.rules import Span

LONGEST = timedelta(days=366)
REASON_MAX = 80


@dataclass(frozen=True, slots=True)
class Closed:
    """kept: bookings inside that stay (activities always do: they are changed in the list)."""

    closure: VenueClosure
    kept: list[Booking]
    cancelled: list[Booking]


def affected(centre_id: int, venue_id: int | None, span: Span) -> list[Booking]:
    """Live bookings that touch `span` of one venue or of all venues of a centre, in order. For previews."""
    wanted = select(Booking).where(
        Booking.centre_id == centre_id, Booking.status.in_(ACTIVE), Booking.starts_at < span.end,
        Booking.starts_at > span.start - occupancy.LONGEST_HOLD, Booking.ends_at > span.start,
    )  # fmt: skip
    if venue_id is not None:
        wanted = wanted.where(Booking.venue_id == venue_id)
    return list(db.session.scalars(wanted.order_by(Booking.starts_at, Booking.id)))


def close(
    actor: Actor, centre_id: int, venue_id: int | None, span: Span, reason: str, cancel_booked: bool, now: datetime
) -> Closed:
    """Close a venue (or every venue of the centre) for `span`, around what is booked or cancelling it with notice.

    Activities are never cancelled here: their place is changed in the service list. The same closure twice is one.
    Raises ClosureRefused, VenueGone, NotAllowed. Locks: the venues, lower ids first.
    """
    approval.must(actor)
    check(span, reason, now)
    locked = _locked(actor, centre_id, venue_id)
    closure = _same(centre_id, venue_id, span) or VenueClosure(
        centre_id=centre_id, venue_id=venue_id, starts_at=span.start, ends_at=span.end,
        created_by=actor.name, created_at=now,
    )  # fmt: skip
    closure.reason = " ".join(reason.split())[:REASON_MAX]
    db.session.add(closure)
    for venue in locked.values():
        locks.touch(venue, now)
    db.session.flush()
    kept, cancelled = [], []
    for row in affected(centre_id, venue_id, span):
        if not cancel_booked or row.source == BY_ACTIVITY or row.ends_at <= now:
            kept.append(row)
            continue
        waiting_list.end(locked[row.venue_id], row, "cancel", actor, now, closure.reason)
        cancelled.append(row)
    audit.record(
        actor, "venue.close", "venue_closure", closure.id, now, centre_id=centre_id,
        summary=f"{clock.span(span.start, span.end)} {closure.reason}，取消 {len(cancelled)} 份预约",
    )  # fmt: skip
    return Closed(closure, kept, cancelled)


def check(span: Span, reason: str, now: datetime) -> None:
    """Raises ClosureRefused: no reason, an empty or past span, or one of more than a year."""
    if not reason.strip():
        raise ClosureRefused("请写明停用的原因，居民会看到。", field="reason")
    if span.start >= span.end:
        raise ClosureRefused("结束时间要晚于开始时间。")
    if span.end <= now:
        raise ClosureRefused("这段时间已经过去了。", advice="请选以后的时间。")
    if span.end - span.start > LONGEST:
        raise ClosureRefused(f"一次最多停用{clock.said(LONGEST)}。", advice="长期不用的场地可以在“场地”里停用。")


def _locked(actor: Actor, centre_id: int, venue_id: int | None) -> dict[int, Venue]:
    centre = db.session.get(Centre, centre_id)
    if not ladder.at_or_above(actor, centre):
        raise VenueGone("没有找到这个中心。")
    wanted = select(Venue.id).where(Venue.centre_id == centre_id)
    ids = list(db.session.scalars(wanted.where(Venue.id == venue_id) if venue_id is not None else wanted))
    if not ids:
        raise VenueGone()
    return locks.lock_all(ids)


def _same(centre_id: int, venue_id: int | None, span: Span) -> VenueClosure | None:
    """The form sent twice, or once more in order to cancel what is booked."""
    wanted = select(VenueClosure).where(
        VenueClosure.centre_id == centre_id, VenueClosure.venue_id.is_not_distinct_from(venue_id),
        VenueClosure.starts_at == span.start, VenueClosure.ends_at == span.end, VenueClosure.lifted_at.is_(None),
    )  # fmt: skip
    return db.session.scalars(wanted).first()


def lift(actor: Actor, closure_id: int, now: datetime) -> VenueClosure:
    """Open again earlier than planned; whoever waits for a time inside gets it. Raises VenueGone, NotAllowed.

    Locks: the venues, lower ids first.
    """
    approval.must(actor)
    closure = db.session.scalars(select(VenueClosure).where(VenueClosure.id == closure_id)).one_or_none()
    if closure is None:
        raise VenueGone("没有找到这条停用。")
    if closure.lifted_at is not None:
        return closure
    wanted = select(Venue.id).where(Venue.centre_id == closure.centre_id)
    if closure.venue_id is not None:
        wanted = wanted.where(Venue.id == closure.venue_id)
    locked = locks.lock_all(db.session.scalars(wanted))
    closure.lifted_at = now
    with scope.system("whoever waits for a time inside the closure"):
        db.session.flush()
        for venue in locked.values():
            locks.touch(venue, now)
            waiting_list.free_up(venue, Span(max(closure.starts_at, now), max(closure.ends_at, now)), now)
    audit.record(
        actor, "venue.lift", "venue_closure", closure.id, now, centre_id=closure.centre_id,
        summary=f"提前恢复：{clock.span(closure.starts_at, closure.ends_at)} {closure.reason}",
    )  # fmt: skip
    return closure
