"""What staff do with bookings (SPEC V3, V5): enter a caller, decide, hand up, prefer, move, cancel. Flush only."""

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import func, select

from portal.cases import ladder
from portal.cases.errors import NobodyAbove
from portal.centres.models import Centre
from portal.core import audit, clock, outbox, registry, scope, states
from portal.core.access import Actor, Permission, system_actor
from portal.core.db import db
from portal.core.errors import NotAllowed, NotYourTurn
from portal.people.actions import callers
from portal.people.models import Resident
from portal.venues import locks, occupancy, rules
from portal.venues.actions import booking as residents
from portal.venues.actions import waiting_list
from portal.venues.errors import BookingOver, BookingRefused, InTheWay, SlotTaken, VenueGone
from portal.venues.models import ACTIVE, APPROVED, BY_ACTIVITY, BY_RESIDENT, BY_STAFF, PENDING, WAITING, Booking, Venue
from portal.venues.rules import Refusal, Span
from portal.venues.rules.eligibility import Wish
from portal.venues.states import NOT_YOUR_TURN

BACK_DATED = timedelta(hours=1)  # somebody walked in and sits there already


def must(actor: Actor) -> None:
    """Raises NotAllowed without the right to manage rooms."""
    if not actor.can(Permission.VENUES):
        raise NotAllowed()


def noted(actor: Actor, row: Booking, verb: str, before: str, now: datetime, reason: str = "") -> None:
    """One line of the audit log (P9); whose booking it is stays in the booking."""
    audit.record(
        actor, f"booking.{verb}", "booking", row.id, now, words=reason, centre_id=row.centre_id,
        before={"status": before},
        after={"status": row.status, "venue": row.venue_id, "from": row.starts_at.isoformat(),
               "to": row.ends_at.isoformat()},
    )  # fmt: skip


def staff_refusal(terms: rules.Terms, span: Span, people: int, now: datetime) -> Refusal | None:
    """What binds staff too: a real span of at most a day, not in the past, no closure. Hours and limits do not."""
    if span.start >= span.end:
        return Refusal("reversed", "结束时间要晚于开始时间。", "请检查起止时间。", "end")
    if span.end - span.start > timedelta(hours=rules.MAX_HOURS):
        return Refusal("too_long", f"一次最长 {rules.MAX_HOURS} 小时。", "更长的请按天分开，或用“停用”。", "end")
    if span.start < now - BACK_DATED:
        return Refusal("past", "这个时间已经过去了。", "请选以后的时间。", "start")
    if people < 1:
        return Refusal("bad_people", "人数至少 1 人。", "请填大概人数。", "people")
    shut = rules.shut_by(terms, span)
    if shut is not None:
        why = f"{clock.span(shut.span.start, shut.span.end)} 停用：{shut.reason}。"
        return Refusal("closed", why, "请换时间，或先取消停用。", "start")
    return None


def check(venue: Venue, wish: Wish, now: datetime, but: tuple[int, ...] = ()) -> None:
    """Raises VenueGone, NotBookable, BookingRefused, SlotTaken: may staff put this wish there? Needs the lock."""
    residents.must_be_bookable(venue)
    refusal = staff_refusal(occupancy.terms_for(venue, wish.start), wish.span, wish.people, now)
    if refusal is not None:
        raise BookingRefused(refusal)
    if not occupancy.is_free(venue.id, rules.held(wish.span, venue.buffer), but):
        raise SlotTaken(wish)


def book_for(actor: Actor, wish: Wish, phone: str, name: str, now: datetime, relative_name: str = "") -> Booking:
    """Book for somebody who phones or walks in, or (no phone) for the house itself. Approved at once.

    phone: 11 digits or ''. A resident is found by it or opened; of somebody from elsewhere pages show `name`. Both
    names show when `relative_name` is given. Staff are not bound by notice, limits and hours; by other bookings and
    closures they are. Whose time has begun sits there already. The same wish twice is one booking. Raises VenueGone,
    NotBookable, BookingRefused, CallerNameMissing, LookupsFull, SlotTaken, NotAllowed. Locks: the resident, then the
    venue.
    """
    must(actor)
    path = _path(wish.venue_id)
    with scope.system("a resident found by phone, a room's other bookings"):
        caller = callers.find(actor, phone, name, path, now) if phone else None
        resident = caller.resident if caller else None
        if resident is not None:
            locks.lock_resident(resident.id)
        venue = locks.lock(wish.venue_id)
        relative = caller.relative(relative_name, now) if caller else None
        wish = replace(wish, relative_id=relative.id) if relative else wish
        wish = residents.worded(venue, wish, must_say=False)
        double = _same(actor, wish, resident)
        if double is not None:
            return double
        check(venue, wish, now)
        source = BY_RESIDENT if resident else BY_STAFF
        row = residents.enter(venue, wish, APPROVED, source, actor, now, resident_id=resident.id if resident else None,
                              contact=(name.strip()[:40], phone) if resident is None else ("", ""))  # fmt: skip
        row.checked_in_at = now if wish.start <= now else None
        if caller is not None:
            row.caller_name = caller.typed
        noted(actor, row, "add", "", now, caller.noted if caller else "")
    return row


def _same(actor: Actor, wish: Wish, resident: Resident | None) -> Booking | None:
    """The form sent twice."""
    wanted = select(Booking).where(
        Booking.venue_id == wish.venue_id, Booking.starts_at == wish.start, Booking.ends_at == wish.end,
        Booking.status == APPROVED, Booking.created_by == actor.name, Booking.title == wish.title,
        Booking.resident_id == (resident.id if resident else None),
    )  # fmt: skip
    return db.session.scalars(wanted).first()


def _path(venue_id: int) -> str:
    """Of the room's centre. In the caller's own scope: a neighbour's room does not exist. Raises VenueGone."""
    wanted = select(Centre.path).join(Venue, Venue.centre_id == Centre.id).where(Venue.id == venue_id)
    path = db.session.scalars(wanted).one_or_none()
    if path is None:
        raise VenueGone()
    return path


def approve(actor: Actor, booking_id: int, now: datetime) -> Booking:
    """Say yes to a request (V3); the person is told, and so are those who stand in line for that time.

    Raises BookingGone, NotAllowed, NoSuchTransition when somebody decided meanwhile. Lock: the venue.
    """
    must(actor)
    venue, row, before = _mine(booking_id)
    waiting_list.move(venue, row, "approve", actor, now, decided_at=now, decide_by=None, waits_at_id=None)
    with scope.system("competing requests are told"):
        for other in waiting_list.waiting_for(venue.id, waiting_list.held(row), now):
            outbox.put("venues.passed_over", f"booking:{other.id}:{row.id}", {"id": other.id, "for": row.id}, now)
    noted(actor, row, "approve", before, now)
    return row


def refuse(actor: Actor, booking_id: int, reason: str, now: datetime) -> Booking:
    """Say no with a reason; the time goes to whoever waits for it (V3). Raises as `approve`, and ReasonMissing."""
    must(actor)
    venue, row, before = _mine(booking_id)
    waiting_list.end(venue, row, "refuse", actor, now, reason, decided_at=now)
    noted(actor, row, "refuse", before, now, reason)
    return row


def hand_up(actor: Actor, booking_id: int, reason: str, now: datetime) -> Booking:
    """Let the level above decide: by hand, or by the clock when nobody did in time (V3).

    What the request has waited since its first day stays; only the new level's deadline is new. Raises NobodyAbove,
    BookingGone, NotAllowed, NoSuchTransition. Lock: the venue.
    """
    must(actor)
    return _pass_on(actor, booking_id, None, reason, now)


def _pass_on(actor: Actor, booking_id: int, to: Centre | None, reason: str, now: datetime) -> Booking:
    venue, row, before = _mine(booking_id)
    to = to or ladder.above(row.waits_at or row.centre, Permission.VENUES)
    if to is None:
        raise NobodyAbove(advice="请在这里批准或不批准。")
    decide_by = rules.decide_by(now, venue.approve_hours, row.starts_at)
    waiting_list.move(venue, row, "hand_up", actor, now, reason, waits_at_id=to.id, decide_by=decide_by)
    db.session.expire(row, ["waits_at"])
    noted(actor, row, "hand_up", before, now, reason)
    return row


@registry.on_staffing
def resettle(now: datetime) -> None:
    """Requests that wait where nobody decides any more go to the nearest that does (SPEC V3). Locks their venues."""
    here = ladder.staffed(Permission.VENUES)
    stranded = select(Booking).where(Booking.status == PENDING, Booking.source != BY_ACTIVITY)
    stranded = stranded.where(func.coalesce(Booking.waits_at_id, Booking.centre_id).not_in(here))
    for row in list(db.session.scalars(stranded.order_by(Booking.venue_id, Booking.id))):
        nominal = row.waits_at or row.centre
        to = ladder.desk(nominal, Permission.VENUES, here)
        if to.id != nominal.id:
            _pass_on(system_actor(), row.id, to, ladder.instead(nominal, to), now)


def prefer(actor: Actor, waiting_id: int, reason: str, now: datetime) -> Booking:
    """Give an undecided time to a competing request: what stands in its way is refused with the reason (V3).

    Raises InTheWay when something approved holds the time, ReasonMissing, BookingGone, NoSuchTransition. Lock: venue.
    """
    must(actor)
    venue, row = locks.find(waiting_id)
    others = occupancy.in_the_way(venue.id, waiting_list.held(row), but=(row.id,))
    if row.status != WAITING:
        raise states.NoSuchTransition()
    if any(other.source == BY_ACTIVITY for other in others):
        raise InTheWay("这个时间留给了清单里的活动。", advice="要改请先到服务清单里换这个活动的时间或地点。")
    if any(other.status != PENDING for other in others):
        raise InTheWay()
    if waiting_list.closed(venue, row):
        raise InTheWay("这个时间场地停用。", advice="要用请先取消停用。")
    for other in others:
        # Not `queue.end`: the freed time is for this one, whoever else is earlier in line.
        before = other.status
        waiting_list.move(venue, other, "refuse", actor, now, reason, decided_at=now, ended_at=now, decide_by=None)
        noted(actor, other, "refuse", before, now, reason)
    waiting_list.move(venue, row, "move_up", actor, now, decided_at=now)
    with scope.system("what is left of the freed time goes on"):
        for other in others:
            waiting_list.free_up(venue, waiting_list.held(other), now)
    noted(actor, row, "prefer", WAITING, now, reason)
    return row


def cancel(actor: Actor, booking_id: int, reason: str, now: datetime) -> Booking:
    """Take a booking away with a reason; the person is told at once and offered other times (V4).

    An activity's room is changed in the service list. Raises BookingGone, ReasonMissing, NotAllowed. Lock: the venue.
    """
    must(actor)
    venue, row, before = _mine(booking_id)
    waiting_list.end(venue, row, "cancel", actor, now, reason)
    noted(actor, row, "cancel", before, now, reason)
    return row


def _mine(booking_id: int, *more_venues: int) -> tuple[Venue, Booking, str]:
    """A booking that is decided here, its room locked, and its status. Raises BookingGone, NotYourTurn, Stale."""
    venue, row = locks.find(booking_id, *more_venues)
    if row.source == BY_ACTIVITY:
        raise NotYourTurn("这是清单里的活动，占用随活动走。", advice="请到服务清单里改这个活动的时间、地点或取消它。")
    return venue, row, row.status


def move(
    actor: Actor, booking_id: int, venue_id: int, start: datetime, end: datetime, reason: str, now: datetime
) -> Booking:
    """Put somebody's booking elsewhere; they are told before and after and may withdraw (V4).

    Who stood in line has it now. The same move twice is one. Raises BookingOver, VenueGone, NotBookable,
    BookingRefused, SlotTaken, ReasonMissing, NotAllowed. Locks: both venues, lower id first.
    """
    must(actor)
    if not reason.strip():
        raise states.ReasonMissing()
    old_venue, row, _ = _mine(booking_id, venue_id)
    if row.status not in ACTIVE:
        raise BookingOver()
    venue = old_venue if venue_id == old_venue.id else locks.lock(venue_id)
    if venue is old_venue and (start, end) == (row.starts_at, row.ends_at):
        return row
    if row.status == PENDING and actor.kind == "staff" and not row.centre.path.startswith(actor.centre_path):
        raise NotYourTurn(NOT_YOUR_TURN)
    wish = Wish(venue.id, start, end, row.people, row.title, row.function, row.needs, row.relative_id)
    check(venue, wish, now, but=(row.id,))
    with scope.system("the old time goes on to somebody else"):
        history = residents.shift(old_venue, venue, row, wish, actor, now, reason.strip())
        if start <= now:  # in the middle of it they go next door: they are here
            row.checked_in_at = row.checked_in_at or now
        if row.status == WAITING:
            waiting_list.move(venue, row, "move_up", actor, now, decided_at=now)
        outbox.put("venues.moved", f"booking:{row.id}:{history.id}", {"id": row.id, "history_id": history.id}, now)
    noted(actor, row, "move", row.status, now, reason)
    return row
