"""A resident's writes (SPEC V2, V5). Staff's are in approval.py. Flush only, never commit."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from portal.cases import ladder
from portal.core import clock, outbox, remarks, scope, states
from portal.core.access import Actor, system_actor
from portal.core.db import db
from portal.notices.actions import forget_staff
from portal.people.models import Relative
from portal.people.refusals import NameMissing, NoSuchPerson
from portal.venues import locks, occupancy, rules
from portal.venues.actions import waiting_list
from portal.venues.errors import (
    BookingGone,
    BookingRefused,
    LimitReached,
    NotBookable,
    OfferOver,
    PurposeMissing,
    SlotTaken,
    TooLate,
    VenueGone,
)
from portal.venues.models import (
    ACTIVE,
    APPROVED,
    BY_ACTIVITY,
    BY_RESIDENT,
    HOLDS,
    OFFERED,
    PENDING,
    WAITING,
    WITHDRAWN,
    Booking,
    Venue,
    VenueNote,
)
from portal.venues.rules import Span
from portal.venues.rules.eligibility import EARLY, Wish, deadline, may_book
from portal.venues.states import MACHINE

TITLE_MAX, NEEDS_MAX = 80, 120
# What outbox topic a fresh booking of that status means.
FIRST_TOPIC = {APPROVED: "venues.approved", PENDING: "venues.received", WAITING: "venues.queued"}


def book(actor: Actor, wish: Wish, now: datetime) -> Booking:
    """Book a room for the acting resident or a relative of theirs: approved at once, or to be decided (V2, V3).

    The same wish twice answers with the booking that is there. Raises VenueGone, NotBookable, BookingRefused,
    LimitReached, NoSuchPerson, NameMissing, PurposeMissing, SlotTaken. Locks: the resident, then the venue.
    """
    return _ask(actor, wish, now, queue_up=False)


def wait(actor: Actor, wish: Wish, now: datetime) -> Booking:
    """Stand in line for a time that somebody else holds; booked at once if it is free by now (V5).

    Raises like `book`, but not SlotTaken where the venue keeps a waiting list. Locks: the resident, then the venue.
    """
    return _ask(actor, wish, now, queue_up=True)


def _ask(actor: Actor, wish: Wish, now: datetime, queue_up: bool) -> Booking:
    with scope.system("whether a room is free is a matter of everybody's bookings"):
        person = locks.lock_resident(actor.id or 0)
        if person is None:
            raise NoSuchPerson()
        if not person[0].strip():
            raise NameMissing()
        venue = locks.lock(wish.venue_id)
        double = _same(actor.id or 0, wish)
        if double is not None:
            if double.status == WAITING:  # free by now, though nobody gave it back: it goes to whoever is first
                waiting_list.free_up(venue, waiting_list.held(double), now)
            return double
        _must_be_known(actor.id or 0, wish.relative_id)
        wish = _check(venue, wish, person[1], now)
        check_limits(venue, actor.id or 0, wish)
        free = occupancy.is_free(venue.id, rules.held(wish.span, venue.buffer))
        if not free and not (queue_up and venue.waiting_list):
            raise SlotTaken(wish, advice="" if venue.waiting_list else "请看看下面相近的时间和别的场地。")
        status = WAITING if not free else PENDING if venue.needs_approval else APPROVED
        return enter(venue, wish, status, BY_RESIDENT, actor, now, resident_id=actor.id)


def _same(resident_id: int, wish: Wish) -> Booking | None:
    """A double click, a second tab, a page sent again."""
    wanted = select(Booking).where(
        Booking.resident_id == resident_id, Booking.venue_id == wish.venue_id, Booking.starts_at == wish.start,
        Booking.ends_at == wish.end, Booking.status.in_(ACTIVE),
    )  # fmt: skip
    return db.session.scalars(wanted).first()


def _must_be_known(resident_id: int, relative_id: int | None) -> None:
    if relative_id is None:
        return
    known = select(Relative.id).where(
        Relative.id == relative_id, Relative.resident_id == resident_id, Relative.removed_at.is_(None)
    )
    if db.session.scalars(known).one_or_none() is None:
        raise NoSuchPerson()


def must_be_bookable(venue: Venue) -> None:
    """Raises VenueGone for a room that is no longer given out, NotBookable for a place outside."""
    if not venue.active:
        raise VenueGone()
    if not venue.bookable:
        raise NotBookable(venue.link, venue.phone)


def _check(venue: Venue, wish: Wish, home_path: str, now: datetime, within: bool = False) -> Wish:
    """Everything that does not depend on other people's bookings. Returns the wish with its words in order.

    within: part of the time this person holds already, so the notice for new bookings does not bind.
    """
    must_be_bookable(venue)
    terms = occupancy.terms_for(venue, wish.start)
    if within:
        terms = replace(terms, notice=0)
    refusal = may_book(venue, home_path) or rules.refusal(terms, wish.span, wish.people, now)
    if refusal is not None:
        raise BookingRefused(refusal)
    return worded(venue, wish)


def worded(venue: Venue, wish: Wish, must_say: bool = True) -> Wish:
    """Words cut to their columns; a known function stands for a missing purpose. Raises PurposeMissing."""
    function = wish.function if wish.function in (venue.functions or []) else ""
    title = " ".join(wish.title.split())[:TITLE_MAX] or function
    if must_say and not title and venue.needs_approval:
        raise PurposeMissing()
    return replace(wish, function=function, title=title or "使用场地", needs=" ".join(wish.needs.split())[:NEEDS_MAX])


def check_limits(venue: Venue, resident_id: int, wish: Wish, but: int = 0) -> None:
    """What this person holds in the venue's centre, counted under the person's lock. Raises LimitReached."""
    if venue.hours_per_week is None and venue.bookings_per_month is None:
        return
    first, last = clock.month_span(clock.month_of(wish.start))
    week = timedelta(days=7)
    wanted = select(Booking.starts_at, Booking.ends_at).where(
        Booking.resident_id == resident_id, Booking.centre_id == venue.centre_id, Booking.id != but,
        Booking.status.in_((*HOLDS, WAITING)), Booking.starts_at >= first - week, Booking.starts_at < last + week,
    )  # fmt: skip
    own = [Span(start, end) for start, end in db.session.execute(wanted)]
    refusal = rules.over_limits(occupancy.terms_for(venue, wish.start), own, wish.span)
    if refusal is not None:
        raise LimitReached(refusal)


def enter(
    venue: Venue, wish: Wish, status: str, source: str, actor: Actor, now: datetime, *,
    resident_id: int | None = None, source_id: int | None = None, series_id: int | None = None,
    contact: tuple[str, str] = ("", ""), held_until: datetime | None = None,
) -> Booking:  # fmt: skip
    """Insert a booking with history and message. Needs the lock and that the time is free (unless waiting).

    held_until: where the buffer after it is not the room's.
    """
    row = made(
        venue, wish, status, source, actor, now, resident_id=resident_id, source_id=source_id, series_id=series_id,
        contact=contact, held_until=held_until,
    )  # fmt: skip
    db.session.add(row)
    locks.touch(venue, now)
    db.session.flush()
    states.note(MACHINE, row, "book", actor, now)
    if resident_id is not None or (row.status == PENDING and source != BY_ACTIVITY):
        outbox.put(FIRST_TOPIC[status], f"booking:{row.id}:new", {"id": row.id}, now)
    return row


def made(
    venue: Venue, wish: Wish, status: str, source: str, actor: Actor, now: datetime, *,
    resident_id: int | None = None, source_id: int | None = None, series_id: int | None = None,
    contact: tuple[str, str] = ("", ""), held_until: datetime | None = None,
) -> Booking:  # fmt: skip
    """A booking that is not in the session yet; `enter` says what the arguments mean."""
    decided = status == APPROVED
    pending = status == PENDING and source != BY_ACTIVITY  # an activity's own review decides, not the room's queue
    return Booking(
        venue_id=venue.id, centre_id=venue.centre_id, source=source, source_id=source_id, series_id=series_id,
        resident_id=resident_id, relative_id=wish.relative_id, contact_name=contact[0], contact_phone=contact[1],
        title=wish.title[:TITLE_MAX] or venue.name, function=wish.function, people=wish.people, needs=wish.needs,
        starts_at=wish.start, ends_at=wish.end, status=status,
        held_until=held_until or rules.held(wish.span, venue.buffer).end,
        waits_at_id=locks.decider_id(venue) if pending else None,
        decide_by=rules.decide_by(now, venue.approve_hours, wish.start) if pending else None,
        created_by=actor.name if actor.kind == "staff" else "", created_at=now, decided_at=now if decided else None,
    )  # fmt: skip


def _own(actor: Actor, booking_id: int, *more_venues: int) -> tuple[Venue, Booking]:
    """The acting resident's booking, the resident locked first. Raises BookingGone. Needs the system scope."""
    if actor.kind == "resident":
        locks.lock_resident(actor.id or 0)
    venue, row = locks.find(booking_id, *more_venues)
    # This runs in the system's scope: whose booking it is must be asked here.
    mine = row.resident_id == actor.id if actor.kind == "resident" else ladder.at_or_above(actor, row.centre)
    if not mine:
        raise BookingGone()
    return venue, row


def _check_deadline(venue: Venue, booking: Booking, now: datetime) -> None:
    until = deadline(venue, booking)
    if now >= until:
        raise TooLate(clock.stamp(until), venue.phone or venue.centre.phone)


def withdraw(actor: Actor, booking_id: int, now: datetime, reason: str = "") -> Booking:
    """Give a booking up; the time goes to whoever waits for it. Twice is the same as once.

    Residents: their own, until the deadline. Staff: any of their subtree, any time (somebody phoned); the person is
    told. Raises BookingGone, TooLate, NotAllowed. Locks: the resident, the venue.
    """
    with scope.system("a time given up goes on to somebody else"):
        venue, row = _own(actor, booking_id)
        if row.status not in ACTIVE:
            return row
        if actor.kind == "resident":
            _check_deadline(venue, row, now)
        history = waiting_list.end(venue, row, "withdraw", actor, now, reason)
        if actor.kind == "staff":
            payload = {"id": row.id, "history_id": history.id}
            outbox.put("venues.withdrawn", f"booking:{row.id}:{history.id}", payload, now)
    return row


def change(
    actor: Actor, booking_id: int, start: datetime, end: datetime, now: datetime, *,
    venue_id: int | None = None, people: int | None = None,
) -> Booking:  # fmt: skip
    """Another time, length or room for one's own booking; the old time goes on to others (V2).

    In a room with approval an approved booking is decided again, unless it only becomes shorter or smaller. Raises
    like `book`, and BookingGone, TooLate. Locks: the resident, then both venues, lower id first.
    """
    with scope.system("whether a room is free is a matter of everybody's bookings"):
        person = locks.lock_resident(actor.id or 0)
        old_venue, row = _own(actor, booking_id, *([venue_id] if venue_id else []))
        if row.status not in (PENDING, APPROVED):
            raise BookingGone("这份预约现在不能改时间。", advice="可以重新预约一个。")
        _check_deadline(old_venue, row, now)
        venue = old_venue if venue_id in (None, row.venue_id) else locks.lock(venue_id or 0)
        party = row.people if people is None else people
        wish = Wish(venue.id, start, end, party, row.title, row.function, row.needs, row.relative_id)
        if venue is old_venue and (start, end, wish.people) == (row.starts_at, row.ends_at, row.people):
            return row
        within = venue is old_venue and row.starts_at <= start and end <= row.ends_at
        less = within and party <= row.people
        wish = _check(venue, wish, person[1] if person else "", now, within)
        if not within:
            check_limits(venue, actor.id or 0, wish, but=row.id)
            if not occupancy.is_free(venue.id, rules.held(wish.span, venue.buffer), but=(row.id,)):
                raise SlotTaken(wish)
        shift(old_venue, venue, row, wish, actor, now)
        if row.status == APPROVED and venue.needs_approval and not less:
            waiting_list.move(venue, row, "again", actor, now, decided_at=None, **_to_decide(venue, row, now))
        elif row.status == PENDING and not venue.needs_approval:
            waiting_list.move(
                venue, row, "approve", system_actor(), now, decided_at=now, decide_by=None, waits_at_id=None
            )
    return row


def _to_decide(venue: Venue, row: Booking, now: datetime) -> dict[str, Any]:
    decide_by = rules.decide_by(now, venue.approve_hours, row.starts_at)
    return {"waits_at_id": locks.decider_id(venue), "decide_by": decide_by}


def shift(
    old_venue: Venue, venue: Venue, row: Booking, wish: Wish, actor: Actor, now: datetime, reason: str = ""
) -> states.StateHistory:
    """Put a booking elsewhere; whoever waits for the old time gets it. Needs both locks and that the time is free."""
    old = waiting_list.held(row)
    before = {"venue": old_venue.name, "from": row.starts_at.isoformat(), "to": row.ends_at.isoformat()}
    row.venue_id, row.centre_id, row.people = venue.id, venue.centre_id, wish.people
    until = rules.held(wish.span, venue.buffer).end
    if venue is old_venue and row.starts_at <= wish.start and wish.end <= row.ends_at:
        until = min(until, row.held_until)  # a longer buffer binds new bookings, not what stands already
    row.starts_at, row.ends_at, row.held_until, row.reason = wish.start, wish.end, until, reason
    row.revision += 1
    if row.status == PENDING and (actor.kind == "resident" or old_venue.centre_id != venue.centre_id):
        row.waits_at_id = locks.decider_id(venue)
        row.decide_by = rules.decide_by(now, venue.approve_hours, wish.start)
    for name in ("decide_by", "accept_by"):  # whoever has it keeps it, but nothing is decided after the start
        if getattr(row, name) is not None:
            setattr(row, name, min(getattr(row, name), wish.start))
    if wish.start > now + EARLY:
        row.checked_in_at = None
    for touched in {old_venue.id: old_venue, venue.id: venue}.values():
        locks.touch(touched, now)
    db.session.flush()
    db.session.expire(row, ["venue"])
    history = states.note(MACHINE, row, "move", actor, now, reason, details=before)
    db.session.flush()
    waiting_list.free_up(old_venue, old, now)
    return history


def accept(actor: Actor, booking_id: int, now: datetime) -> Booking:
    """Take the offered time. Twice is the same as once. Raises BookingGone, OfferOver. Locks: resident, venue."""
    with scope.system("own offer"):
        venue, row = _own(actor, booking_id)
        if row.status in (APPROVED, PENDING):
            return row
        if row.status != OFFERED or (row.accept_by is not None and now >= row.accept_by):
            raise OfferOver()
        if venue.needs_approval:
            waiting_list.move(venue, row, "ask", actor, now, accept_by=None, **_to_decide(venue, row, now))
        else:
            waiting_list.move(venue, row, "accept", actor, now, decided_at=now, accept_by=None)
    return row


def confirm_name(actor: Actor, booking_id: int) -> Booking:
    """The resident says that it is them whom staff entered: pages show their own name. Raises BookingGone."""
    with scope.system("own booking"):
        _, row = _own(actor, booking_id)
        row.caller_name = ""
    return row


def decline(actor: Actor, booking_id: int, now: datetime) -> Booking:
    """Say no to the offered time; it goes to the next. Twice is the same as once.

    Raises BookingGone, OfferOver. Locks: resident, venue.
    """
    with scope.system("own offer"):
        venue, row = _own(actor, booking_id)
        if row.status == WITHDRAWN:
            return row
        if row.status != OFFERED:
            raise OfferOver()
        waiting_list.end(venue, row, "decline", actor, now)
    return row


def staff_link(booking_id: int) -> str:
    """Where messages to staff about a booking point."""
    return f"/staff/venues/bookings/{booking_id}"


def erase(resident_id: int, now: datetime) -> None:
    """The person leaves the portal: what is to come is withdrawn and goes on; words about them are emptied (P8)."""
    with scope.system("a person erases their data"):
        locks.lock_resident(resident_id)
        mine = select(Booking.id).where(Booking.of(resident_id)).order_by(Booking.venue_id, Booking.id)
        ids = list(db.session.scalars(mine))
        remarks.blank(MACHINE.name, ids)
        for booking_id in ids:
            venue, row = locks.find(booking_id)
            if row.status in ACTIVE and row.ends_at > now:
                waiting_list.end(venue, row, "withdraw", system_actor(), now)
            row.title, row.needs, row.reason = row.function or "使用场地", "", ""
            row.contact_name = row.contact_phone = row.caller_name = ""
        notes = update(VenueNote).where(VenueNote.booking_id.in_(ids))
        db.session.execute(notes.values(body=""))
        forget_staff(staff_link(booking_id) for booking_id in ids)
        db.session.flush()
