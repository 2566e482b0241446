"""Reads for the plan of a centre's rooms: a day as a table, a week as a list, open notes (SPEC V2, V6)."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import joinedload

from portal.centres import picking
from portal.centres.models import Centre
from portal.centres.models import label as label_of
from portal.centres.queries import inside
from portal.core import clock
from portal.core.db import db
from portal.venues import occupancy, rules
from portal.venues.models import (
    ACTIVE,
    APPROVED,
    BY_ACTIVITY,
    HOLDS,
    PENDING,
    RELEASED,
    WAITING,
    Booking,
    Venue,
    VenueNote,
)
from portal.venues.rules import Span, timeline
from portal.venues.states import LABELS

# Words of one booking -------------------------------------------------------------------------------------------------


def who(booking: Booking) -> str:
    """Whose it is, for staff: '王秀英（王建国代）', a caller's name, the activity or the colleague who entered it."""
    if booking.resident is not None:
        name = booking.caller_name or booking.resident.name or "没有填姓名的居民"
        return f"{booking.relative.name}（{name}代）" if booking.relative is not None else name
    if booking.source == BY_ACTIVITY:
        return "服务清单活动"
    return booking.contact_name or (f"{booking.created_by}（内部使用）" if booking.created_by else "内部使用")


def phone(booking: Booking) -> str:
    """The number to call about it in full; pages mask it unless it was asked for on record. '' for internal ones."""
    if booking.contact_phone:
        return booking.contact_phone
    return booking.resident.phone or "" if booking.resident is not None else ""


def label(booking: Booking) -> str:
    """The status in one word; who has arrived has arrived, and an activity's hold waits for the list's own review."""
    if booking.status == PENDING and booking.source == BY_ACTIVITY:
        return "清单审核中"
    if booking.status == APPROVED and booking.checked_in_at is not None:
        return "已到场"
    return LABELS[booking.status]


def with_people(statement: Select[Booking]) -> Select[Booking]:
    return statement.options(
        joinedload(Booking.resident), joinedload(Booking.relative), joinedload(Booking.venue).joinedload(Venue.centre)
    )


def touching(start: datetime, end: datetime) -> tuple[ColumnElement[bool], ...]:
    """In [start, end), whichever way it sticks out."""
    return Booking.starts_at < end, Booking.starts_at > start - occupancy.LONGEST_HOLD, Booking.held_until > start


def competing(booking: Booking, waiting: Sequence[Booking]) -> list[Booking]:
    """Of those who wait, the ones who want part of this booking's time."""
    return [
        w for w in waiting
        if w.venue_id == booking.venue_id and w.id != booking.id
        and w.starts_at < booking.held_until and booking.starts_at < w.held_until
    ]  # fmt: skip


# Centres and rooms ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class House:
    """A centre with rooms, for the choice above the plan."""

    id: int
    code: str
    name: str
    rooms: int
    pending: int


class Houses(list[House]):
    """groups: the same for a select box, by code (`centres.picking`); waits: what waits there, by code."""

    groups: picking.Groups
    waits: dict[str, int]


def houses(path: str) -> Houses:
    """Centres at `path` and below that have rooms to book, in tree order, with what waits there. Three statements."""
    columns = (Centre.id, Centre.code, label_of(Centre), Centre.path)
    wanted = select(*columns, func.count(Venue.id)).join(Venue, Venue.centre_id == Centre.id).group_by(*columns)
    wanted = wanted.where(Venue.active, Venue.bookable, *inside(path))
    asked = select(Booking.centre_id, func.count()).where(Booking.status == PENDING, Booking.source != BY_ACTIVITY)
    pending = {row[0]: row[1] for row in db.session.execute(asked.group_by(Booking.centre_id))}
    rows = sorted(db.session.execute(wanted), key=lambda r: [int(i) for i in r.path.strip("/").split("/")])
    found = Houses(House(number, code, name, count, pending.get(number, 0)) for number, code, name, _, count in rows)
    waits = [f"（{house.pending} 份待审批）" if house.pending else "" for house in found]
    lines = ((row.path, row.code, row[2] + wait) for row, wait in zip(rows, waits, strict=True))
    found.groups, found.waits = picking.below(path, lines), {house.code: house.pending for house in found}
    return found


def room_choices(path: str) -> list[tuple[int, str, str]]:
    """(id, room, centre) of every room to book at `path` and below, in tree order. One statement."""
    wanted = select(Venue.id, Venue.name, label_of(Centre), Centre.path, Venue.position)
    wanted = wanted.join(Centre, Centre.id == Venue.centre_id).where(Venue.active, Venue.bookable, *inside(path))
    rows = db.session.execute(wanted).all()
    in_order = sorted(rows, key=lambda r: ([int(i) for i in r.path.strip("/").split("/")], r.position, r.id))
    return [(number, name, centre) for number, name, centre, _, _ in in_order]


# The plan of a day or a week ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One room of the day plan."""

    venue: Venue
    blocks: list[timeline.Block]
    free: str
    waiting: int
    notes: list[VenueNote]
    shut: str  # why the whole day is closed


@dataclass(frozen=True, slots=True)
class DayPlan:
    """Rooms × half hours of a day."""

    hours: list[int]  # minutes after midnight at which a column of an hour begins
    rows: list[PlanRow]
    bookings: list[Booking]  # in order of time, for the people on duty
    now_hour: int | None


@dataclass(frozen=True, slots=True)
class WeekPlan:
    """Rooms × days of a week; cells[venue id][day] in order of time."""

    days: list[date]
    rooms: list[Venue]
    cells: dict[int, dict[date, list[Booking]]]
    shut: dict[int, dict[date, str]]
    count: int


def _bookings(venue_ids: Sequence[int], start: datetime, end: datetime) -> list[Booking]:
    wanted = select(Booking).where(
        Booking.venue_id.in_(venue_ids), Booking.status.in_((*ACTIVE, RELEASED)), *touching(start, end)
    )
    return list(db.session.scalars(with_people(wanted).order_by(Booking.starts_at, Booking.id)))


def _span(day: date, days: int = 1) -> tuple[datetime, datetime]:
    return rules.moment(day, 0), rules.moment(day + timedelta(days=days), 0)


def open_notes(venue_ids: Iterable[int]) -> dict[int, list[VenueNote]]:
    """What colleagues left about these rooms and nobody has solved, oldest first (V6). One statement."""
    wanted = select(VenueNote).where(VenueNote.venue_id.in_(list(venue_ids)), VenueNote.solved_at.is_(None))
    found: dict[int, list[VenueNote]] = defaultdict(list)
    for note in db.session.scalars(wanted.order_by(VenueNote.id)):
        found[note.venue_id].append(note)
    return found


def day_plan(venues: Sequence[Venue], day: date, now: datetime) -> DayPlan:
    """Every room of one centre on a local day. A fixed number of statements."""
    if not venues:
        return DayPlan([], [], [], None)
    start, end = _span(day)
    ids = [v.id for v in venues]
    terms = occupancy.terms_of(venues, day, day + timedelta(days=1))
    found = _bookings(ids, start, end)
    notes = open_notes(ids)
    by_room: dict[int, list[Booking]] = defaultdict(list)
    for booking in found:
        by_room[booking.venue_id].append(booking)
    opened = {v.id: timeline.opening_minutes(terms[v.id], day) for v in venues}
    weekly = [pair for v in venues for pair in rules.hours_of(terms[v.id], day)]
    held = {v.id: _held(by_room[v.id], day) for v in venues}
    first, last = timeline.bounds([*weekly, *((h.start, h.end) for row in held.values() for h in row)])
    plan = [
        _plan_row(v, terms[v.id], day, now, opened[v.id], held[v.id], by_room[v.id], notes.get(v.id, []), (first, last))
        for v in venues
    ]
    today = clock.today(now) == day
    minute = timeline.minute_now(day, now) if today else None
    hours = list(range(first, last, 60))
    now_hour = minute // 60 * 60 if minute is not None and first <= minute < last else None
    return DayPlan(hours, plan, [b for b in found if b.status in HOLDS], now_hour)


def _held(bookings: Sequence[Booking], day: date) -> list[timeline.Held]:
    waiting = [b for b in bookings if b.status == WAITING]
    result = []
    for booking in bookings:
        if booking.status not in HOLDS:
            continue
        start, end = timeline.minutes_of(Span(booking.starts_at, booking.ends_at), day)
        until = timeline.minutes_of(Span(booking.starts_at, booking.held_until), day)[1]
        result.append(timeline.Held(start, end, until, (booking, len(competing(booking, waiting)))))
    return result


def _plan_row(
    room: Venue, terms: rules.Terms, day: date, now: datetime, opened: list[tuple[int, int]],
    held: list[timeline.Held], bookings: list[Booking], notes: list[VenueNote], bounds: tuple[int, int],
) -> PlanRow:  # fmt: skip
    shut = [timeline.Shut(*timeline.minutes_of(c.span, day), c.reason) for c in rules.closures_on(terms, day)]
    passed = timeline.minute_now(day, now)
    blocks = timeline.row(*bounds, opened, shut, held, passed, clock.today(now) == day)
    return PlanRow(
        room, blocks, timeline.free_text(blocks), sum(b.status == WAITING for b in bookings), notes,
        rules.closed_why(terms, day) or "",
    )  # fmt: skip


def week_plan(venues: Sequence[Venue], monday: date) -> WeekPlan:
    """Every room of one centre in a week from `monday`. A fixed number of statements."""
    days = [monday + timedelta(days=n) for n in range(7)]
    if not venues:
        return WeekPlan(days, [], {}, {}, 0)
    start, end = _span(monday, 7)
    terms = occupancy.terms_of(venues, monday, monday + timedelta(days=7))
    cells: dict[int, dict[date, list[Booking]]] = {v.id: {day: [] for day in days} for v in venues}
    count = 0
    for booking in _bookings([v.id for v in venues], start, end):
        day = clock.local(booking.starts_at).date()
        if day in cells[booking.venue_id] and booking.status != RELEASED:
            cells[booking.venue_id][day].append(booking)
            count += booking.status in HOLDS
    shut = {v.id: {day: rules.closed_why(terms[v.id], day) or "" for day in days} for v in venues}
    return WeekPlan(days, list(venues), cells, shut, count)
