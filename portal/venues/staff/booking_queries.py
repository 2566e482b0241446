"""Reads for the staff's pages about bookings; the scope of the request keeps them inside one's own subtree."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from sqlalchemy import case, func, literal_column, or_, select
from sqlalchemy.orm import aliased, joinedload

from portal.cases import ladder
from portal.cases.policy import tone
from portal.centres.models import Centre
from portal.centres.rules import clock_text
from portal.core import clock, states
from portal.core.access import Actor, Permission
from portal.core.db import db
from portal.core.forms import FULL_WIDTH
from portal.people.models import Relative, Resident
from portal.venues import occupancy, room_queries, rules
from portal.venues.models import (
    ACTIVE,
    APPROVED,
    BY_ACTIVITY,
    CANCELLED,
    PENDING,
    RELEASED,
    WAITING,
    WITHDRAWN,
    Booking,
    BookingSeries,
    Venue,
    VenueClosure,
    VenueNote,
)
from portal.venues.rules import Span
from portal.venues.staff.plan_queries import competing, phone, touching, who, with_people
from portal.venues.states import MACHINE

PAGE = 20
# Written out, not bound: only so does SQLite see that the small index of pending ones holds them all.
TO_DECIDE = (Booking.status == literal_column(f"'{PENDING}'"), Booking.source != BY_ACTIVITY)
DATES = 60  # of a series on one page: a year of Tuesdays
SHORTEST_PHONE = 4  # digits of a number's end that are enough to look for it
# Of somebody whom staff entered, only what they typed.
_BOOKER = case((Booking.caller_name == "", Resident.name), else_=Booking.caller_name)
_NAMES = (Booking.title, Booking.contact_name, _BOOKER, Relative.name)
FIND_TABS = (("coming", "还没用的"), ("past", "用过和取消的"), ("all", "全部"))
SOON = timedelta(hours=4)  # a decision that is due so soon is marked
LATEST = 366  # days ahead that staff are shown other times for
RECENT = timedelta(days=45)
REQUEST_TABS = (("mine", "待我审批"), ("below", "下级审批中"), ("above", "已移交上级"), ("all", "全部"))
CLOSURE_TABS = (("coming", "现在和以后"), ("past", "已结束"), ("lifted", "已撤销"))

# Requests -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Earlier:
    """What is on record of a resident here: facts, no score."""

    used: int = 0
    missed: int = 0
    ended: int = 0

    @property
    def words(self) -> str:
        if not (self.used or self.missed or self.ended):
            return "第一次在这里订场地"
        parts = [f"用过 {self.used} 次"] if self.used else []
        parts += [f"订了没来 {self.missed} 次"] if self.missed else []
        parts += [f"退订或取消 {self.ended} 次"] if self.ended else []
        return "，".join(["以前" + parts[0], *parts[1:]])


@dataclass(frozen=True, slots=True)
class Request:
    """A booking to decide, with everything one needs to decide it."""

    booking: Booking
    who: str
    phone: str
    waits: str  # '3 小时'
    due: datetime | None
    tone: str
    rivals: list[Booking]
    earlier: Earlier
    actions: frozenset[str]
    crowded: bool
    handed_up: str = ""  # the centre that has it now, when it is not the room's own

    @property
    def can_approve(self) -> bool:
        return "approve" in self.actions


@dataclass(slots=True)
class Queue:
    """One page of requests with the counts of every tab."""

    lines: list[Request]
    more: bool
    counts: dict[str, int] = field(default_factory=dict)
    overdue: int = 0


def requests(actor: Actor, which: str, centre_id: int | None, now: datetime, page: int = 1) -> Queue:
    """The requests of one tab, what is due first first; with their rivals and what is known of the bookers.

    which: mine, below, above or all; centre_id: only rooms of that centre. Five statements at most.
    """
    decider = aliased(Centre)
    counts, overdue = _counts(actor, now)
    wanted = with_people(select(Booking)).options(joinedload(Booking.waits_at), joinedload(Booking.centre))
    wanted = wanted.join(decider, decider.id == func.coalesce(Booking.waits_at_id, Booking.centre_id)).where(*TO_DECIDE)
    inside = (decider.path >= actor.centre_path) & (decider.path < actor.centre_path + ":")
    mine = decider.id.in_(ladder.answers_for(actor, Permission.VENUES))
    wanted = wanted.where(*{"mine": (mine,), "below": (inside, ~mine), "above": (~inside,)}.get(which, ()))
    if centre_id is not None:
        wanted = wanted.where(Booking.centre_id == centre_id)
    wanted = wanted.order_by(Booking.decide_by, Booking.id).offset((page - 1) * PAGE).limit(PAGE + 1)
    rows = list(db.session.scalars(wanted))
    return Queue(request_lines(rows[:PAGE], actor, now), len(rows) > PAGE, counts, overdue)


def _counts(actor: Actor, now: datetime) -> tuple[dict[str, int], int]:
    decider = aliased(Centre)
    late = func.sum(case((Booking.decide_by <= now, 1), else_=0))
    wanted = select(decider.id, decider.path, func.count(), late).select_from(Booking)
    wanted = wanted.join(decider, decider.id == func.coalesce(Booking.waits_at_id, Booking.centre_id)).where(*TO_DECIDE)
    counts, overdue = Counter({key: 0 for key, _ in REQUEST_TABS}), 0
    own = set(db.session.scalars(ladder.answers_for(actor, Permission.VENUES)))
    for centre_id, path, count, past in db.session.execute(wanted.group_by(decider.id, decider.path)):
        place = "mine" if centre_id in own else "below" if path.startswith(actor.centre_path) else "above"
        counts[place] += count
        counts["all"] += count
        overdue += int(past or 0) if place == "mine" else 0
    return dict(counts), overdue


def request_lines(rows: Sequence[Booking], actor: Actor, now: datetime) -> list[Request]:
    """Requests with their rivals and their bookers' record. Two statements."""
    waiting = rivals_of(rows)
    known = earlier([b.resident_id for b in rows if b.resident_id is not None], now)
    return [_request(b, actor, now, competing(b, waiting), known.get(b.resident_id or 0, Earlier())) for b in rows]


def _request(booking: Booking, actor: Actor, now: datetime, rivals: list[Booking], record: Earlier) -> Request:
    capacity = booking.venue.capacity
    elsewhere = booking.waits_at if booking.waits_at_id not in (None, booking.centre_id) else None
    return Request(
        booking, who(booking), phone(booking), clock.ago(booking.created_at, now), booking.decide_by,
        tone(booking.decide_by, now, SOON), rivals, record,
        frozenset(t.name for t in states.available(MACHINE, booking, actor)),
        capacity is not None and booking.people > capacity, elsewhere.label if elsewhere is not None else "",
    )  # fmt: skip


def rivals_of(rows: Sequence[Booking]) -> list[Booking]:
    """Everybody on the waiting list of the rooms and times of `rows`, first come first. One statement."""
    if not rows:
        return []
    start, end = min(b.starts_at for b in rows), max(b.held_until for b in rows)
    wanted = select(Booking).where(
        Booking.venue_id.in_({b.venue_id for b in rows}), Booking.status == WAITING, *touching(start, end)
    )
    return list(db.session.scalars(with_people(wanted).order_by(Booking.id)))


def earlier(resident_ids: Iterable[int], now: datetime) -> dict[int, Earlier]:
    """Bookings of these residents that are over, within one's own subtree. One statement."""
    ids = sorted(set(resident_ids))
    if not ids:
        return {}
    wanted = select(Booking.resident_id, Booking.status, func.count()).where(Booking.resident_id.in_(ids))
    wanted = wanted.where(or_(Booking.status.not_in(ACTIVE), Booking.ends_at <= now))
    found: dict[int, Counter[str]] = defaultdict(Counter)
    for resident_id, status, count in db.session.execute(wanted.group_by(Booking.resident_id, Booking.status)):
        found[resident_id or 0][status] += count
    return {key: Earlier(c[APPROVED], c[RELEASED], c[WITHDRAWN] + c[CANCELLED]) for key, c in found.items()}


# One booking ----------------------------------------------------------------------------------------------------------


def booking(booking_id: int) -> Booking | None:
    """A booking of one's subtree with its people and places; None for everybody else's."""
    wanted = with_people(select(Booking).where(Booking.id == booking_id)).options(
        joinedload(Booking.waits_at), joinedload(Booking.centre), joinedload(Booking.series)
    )
    return db.session.scalars(wanted).one_or_none()


def find(which: str, text: str, centre_id: int | None, page: int, now: datetime) -> tuple[list[Booking], bool]:
    """Bookings by what they are for, by name, or by a phone number's last four digits or more.

    which: coming (live, not over, next first), past (over or ended, last first) or all. Two statements: years of
    bookings are sorted only where the last weeks do not fill the page.
    """
    # What is not over began lately: said so that the order by start can be read off an index.
    lately = Booking.starts_at > now - occupancy.LONGEST_HOLD
    live = (Booking.ends_at > now) & lately & Booking.status.in_(ACTIVE)
    wanted = select(Booking).outerjoin(Resident, Resident.id == Booking.resident_id)
    wanted = wanted.outerjoin(Relative, Relative.id == Booking.relative_id)
    if which != "all":
        wanted = wanted.where(live if which == "coming" else ~live)
    if centre_id is not None:
        wanted = wanted.where(Booking.centre_id == centre_id)
    if text:
        named = [column.icontains(text, autoescape=True) for column in _NAMES]
        digits = re.sub(r"[\s\-*]", "", text.translate(FULL_WIDTH))
        if digits.isdecimal() and len(digits) >= SHORTEST_PHONE:
            named += [column.endswith(digits) for column in (Booking.contact_phone, Resident.phone)]
        wanted = wanted.where(or_(*named))
    order = (Booking.starts_at, Booking.id) if which == "coming" else (Booking.starts_at.desc(), Booking.id.desc())
    recent = wanted.where(Booking.starts_at > now - RECENT)
    filled = db.session.scalar(recent.with_only_columns(Booking.id).offset(page * PAGE).limit(1)) is not None
    wanted = with_people(recent if filled else wanted).order_by(*order).offset((page - 1) * PAGE).limit(PAGE + 1)
    rows = list(db.session.scalars(wanted))
    return rows[:PAGE], len(rows) > PAGE


def with_names(rows: Sequence[Booking]) -> list[Booking]:
    """The same bookings with people and rooms at hand, in the same order. One statement."""
    if not rows:
        return []
    ids = [b.id for b in rows]
    list(db.session.scalars(with_people(select(Booking).where(Booking.id.in_(ids)))))
    return list(rows)


def notes_of(venue_id: int, booking_id: int) -> list[VenueNote]:
    """Open notes of the room, and every note of this booking."""
    wanted = select(VenueNote).where(VenueNote.venue_id == venue_id)
    wanted = wanted.where(or_(VenueNote.solved_at.is_(None), VenueNote.booking_id == booking_id))
    return list(db.session.scalars(wanted.order_by(VenueNote.id.desc()).limit(20)))


def staff_terms(terms: rules.Terms) -> rules.Terms:
    """The rules of a room as they are suggested to staff: hours and closures, but no notice, lengths or days ahead."""
    return replace(terms, notice=0, ahead_days=LATEST, shortest=terms.step, longest=rules.MAX_HOURS * 60)


def free_on(room: Venue, day: date, now: datetime, but: Iterable[int] = ()) -> list[Span]:
    """When a room is free on a day, for staff. `but`: bookings that do not count. Five statements at most."""
    terms = staff_terms(occupancy.terms_of([room], day, day + timedelta(days=1))[room.id])
    start, end = rules.moment(day, 0), rules.moment(day, 1440)
    held = occupancy.taken([room.id], start - timedelta(days=1), end + timedelta(days=1), tuple(but))[room.id]
    return rules.free_spans(terms, day, held, now)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What is offered instead of a time that is taken: other times of the room, other rooms at that time."""

    times: list[Span]
    rooms: list[Venue]
    blocking: list[Booking]  # what holds it, for staff who may ask those people


def elsewhere(room: Venue, span: Span, people: int, now: datetime, but: Iterable[int] = ()) -> Elsewhere:
    """Nearest free times of `room`, and the other rooms of its centre that are free and large enough; and what is
    in the way. Nine statements at most. `but`: bookings that do not count.
    """
    day, skip = clock.local(span.start).date(), tuple(but)
    others = [r for r in room_queries.of_centre(room.centre_id) if r.id != room.id]
    week = timedelta(days=8)
    terms = occupancy.terms_of([room, *others], day, day + week)
    held = occupancy.taken([room.id, *(r.id for r in others)], span.start - timedelta(days=2), span.end + week, skip)
    times = rules.alternatives(staff_terms(terms[room.id]), span, held[room.id], now)
    free = [
        r
        for r in others
        if rules.refusal(replace(staff_terms(terms[r.id]), step=1), span, people, now) is None
        and rules.is_clear(span, r.buffer, held[r.id])
    ]
    blocking = with_names(occupancy.in_the_way(room.id, rules.held(span, room.buffer), skip))
    return Elsewhere(times, free, blocking)


# Series, closures, notes ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SeriesLine:
    """One series of the list."""

    row: BookingSeries
    coming: int
    total: int
    next_at: datetime | None

    @property
    def when(self) -> str:
        return series_words(self.row)


def series_words(row: BookingSeries) -> str:
    """'每周二、四 9:00–11:00'."""
    days = "、".join(clock.WEEKDAYS[d] for d in sorted(row.weekdays))
    return f"每周{days} {clock_text(row.opens)}–{clock_text(row.closes)}"


def series_list(which: str, page: int, now: datetime) -> tuple[list[SeriesLine], bool]:
    """Series that still go on (which 'coming') or are over, newest first. Two statements."""
    live = (BookingSeries.ended_at.is_(None)) & (BookingSeries.last_day >= clock.today(now))
    wanted = select(BookingSeries).options(joinedload(BookingSeries.venue).joinedload(Venue.centre))
    wanted = wanted.where(live if which != "past" else ~live).order_by(BookingSeries.id.desc())
    rows = list(db.session.scalars(wanted.offset((page - 1) * PAGE).limit(PAGE + 1)))
    coming = (Booking.ends_at > now) & Booking.status.in_(ACTIVE)
    counted = select(
        Booking.series_id, func.count(), func.sum(case((coming, 1), else_=0)),
        func.min(Booking.starts_at).filter(coming),
    )  # fmt: skip
    counted = counted.where(Booking.series_id.in_([r.id for r in rows])).group_by(Booking.series_id)
    found = {key: (int(ahead or 0), total, first) for key, total, ahead, first in db.session.execute(counted)}
    return [SeriesLine(row, *found.get(row.id, (0, 0, None))) for row in rows[:PAGE]], len(rows) > PAGE


def series(series_id: int) -> BookingSeries | None:
    """A series of one's subtree; None for everybody else's."""
    wanted = select(BookingSeries).where(BookingSeries.id == series_id)
    return db.session.scalars(wanted.options(joinedload(BookingSeries.venue).joinedload(Venue.centre))).one_or_none()


def series_dates(series_id: int, page: int) -> tuple[list[Booking], bool]:
    """The dates of a series, also those that moved to another room, in order; whether more follow. One statement."""
    wanted = select(Booking).where(Booking.series_id == series_id).order_by(Booking.starts_at, Booking.id)
    rows = list(db.session.scalars(with_people(wanted).offset((page - 1) * DATES).limit(DATES + 1)))
    return rows[:DATES], len(rows) > DATES


def dates_ahead(series_id: int, now: datetime) -> int:
    """How many dates of a series are still to come. One statement."""
    wanted = select(func.count(Booking.id)).where(Booking.series_id == series_id, Booking.starts_at > now)
    return db.session.scalar(wanted.where(Booking.status.in_(ACTIVE))) or 0


def closure_words(start: datetime, end: datetime) -> str:
    """'11月22日（周日）到11月23日（周一）全天' for whole days, else the span with its hours."""
    first, last = clock.local(start), clock.local(end)
    if first.hour or first.minute or last.hour or last.minute:
        return clock.span(start, end)
    final = last.date() - timedelta(days=1)
    return f"{clock.day(start)}全天" if final <= first.date() else f"{clock.day(start)}到{clock.day(final)}全天"


def closures(which: str, centre_id: int | None, page: int, now: datetime) -> tuple[list[VenueClosure], bool]:
    """Closures that are on or coming, over, or lifted. One statement."""
    wanted = select(VenueClosure).options(joinedload(VenueClosure.venue), joinedload(VenueClosure.centre))
    lifted, over, starts = VenueClosure.lifted_at.is_not(None), VenueClosure.ends_at <= now, VenueClosure.starts_at
    stands = {"lifted": lifted, "past": ~lifted & over}.get(which, ~lifted & ~over)
    wanted = wanted.where(stands).order_by(starts.desc() if which in ("lifted", "past") else starts)
    if centre_id is not None:
        wanted = wanted.where(VenueClosure.centre_id == centre_id)
    rows = list(db.session.scalars(wanted.offset((page - 1) * PAGE).limit(PAGE + 1)))
    return rows[:PAGE], len(rows) > PAGE


def closure(closure_id: int) -> VenueClosure | None:
    """A closure of one's subtree; None for everybody else's."""
    wanted = select(VenueClosure).where(VenueClosure.id == closure_id)
    return db.session.scalars(wanted.options(joinedload(VenueClosure.venue))).one_or_none()


def notes(solved: bool, centre_id: int | None, page: int) -> tuple[list[VenueNote], bool]:
    """Notes on rooms: open ones oldest first, solved ones newest first. One statement."""
    wanted = select(VenueNote).options(joinedload(VenueNote.venue).joinedload(Venue.centre))
    if solved:
        wanted = wanted.where(VenueNote.solved_at.is_not(None)).order_by(VenueNote.solved_at.desc(), VenueNote.id)
    else:
        wanted = wanted.where(VenueNote.solved_at.is_(None)).order_by(VenueNote.id)
    if centre_id is not None:
        wanted = wanted.where(VenueNote.centre_id == centre_id)
    rows = list(db.session.scalars(wanted.offset((page - 1) * PAGE).limit(PAGE + 1)))
    return rows[:PAGE], len(rows) > PAGE


def note(note_id: int) -> VenueNote | None:
    return db.session.scalars(select(VenueNote).where(VenueNote.id == note_id)).one_or_none()
