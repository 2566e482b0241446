"""What the papers and the calendar of a room say, from the database (SPEC V7). Public: times, never names."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Select, or_, select

from portal.centres import queries as centres
from portal.centres.models import Centre
from portal.core import clock, pages, scope
from portal.core.db import db
from portal.venues import occupancy, room_queries, rules
from portal.venues.models import (
    APPROVED,
    BY_ACTIVITY,
    BY_STAFF,
    EVERYBODY,
    HOLDS,
    WAITING,
    Booking,
    Venue,
    VenueClosure,
)
from portal.venues.paper import documents
from portal.venues.rules import Span, timeline
from portal.venues.rules.eligibility import EARLY

DAY = timedelta(days=1)
WEEK = 7 * DAY


@dataclass(frozen=True, slots=True)
class Taken:
    """A held time as anybody may see it. kind: documents.ACTIVITY, BOOKED, ASKED or OWN; title only of an activity."""

    id: int
    venue_id: int
    start: datetime
    end: datetime
    kind: str
    title: str
    revision: int
    firm: bool


def taken(venue_ids: Collection[int], start: datetime, end: datetime) -> list[Taken]:
    """What holds these rooms in [start, end), in order, as anybody may see it: no names, no purposes (P8).

    An activity is named once it is public: its hold is approved when its list is published. One statement.
    """
    with scope.system("times that are taken are public; who takes them does not leave this function"):
        rows = db.session.execute(_held(venue_ids, start, end).where(Booking.status.in_(HOLDS))).all()
    return [_taken(row) for row in rows]


def given_back(venue_id: int, start: datetime, end: datetime) -> list[Taken]:
    """What held this room in [start, end) once and does not any more, for calendars that have it. One statement."""
    with scope.system("who gave a time back does not leave this function"):
        rows = db.session.execute(_held([venue_id], start, end).where(Booking.status.not_in((*HOLDS, WAITING)))).all()
    return [replace(_taken(row), title="已取消") for row in rows]


def _held(venue_ids: Collection[int], start: datetime, end: datetime) -> Select[*tuple[Any, ...]]:
    return select(
        Booking.id, Booking.venue_id, Booking.starts_at, Booking.ends_at, Booking.status, Booking.source,
        Booking.title, Booking.revision, Booking.resident_id, Booking.contact_name, Booking.contact_phone,
    ).where(
        Booking.venue_id.in_(venue_ids), Booking.starts_at < end, Booking.ends_at > start,
        Booking.starts_at > start - occupancy.LONGEST_HOLD,
    ).order_by(Booking.starts_at, Booking.id)  # fmt: skip


def _taken(row: Any) -> Taken:
    firm = row.status == APPROVED
    somebody = row.resident_id or row.contact_name or row.contact_phone
    if not firm:
        kind = documents.ASKED
    elif row.source == BY_ACTIVITY:
        kind = documents.ACTIVITY
    else:
        kind = documents.OWN if row.source == BY_STAFF and not somebody else documents.BOOKED
    title = row.title if kind == documents.ACTIVITY else documents.WORDS[kind]
    return Taken(row.id, row.venue_id, row.starts_at, row.ends_at, kind, title, row.revision, firm)


def lifted(venue: Venue, start: datetime, end: datetime) -> list[rules.Closure]:
    """Closures of this room in [start, end) that were taken back, for calendars that have them. One statement."""
    wanted = select(VenueClosure.starts_at, VenueClosure.ends_at, VenueClosure.reason).where(
        VenueClosure.centre_id == venue.centre_id, VenueClosure.lifted_at.is_not(None), VenueClosure.ends_at > start,
        VenueClosure.starts_at < end, or_(VenueClosure.venue_id.is_(None), VenueClosure.venue_id == venue.id),
    )  # fmt: skip
    rows = db.session.execute(wanted.order_by(VenueClosure.starts_at, VenueClosure.id))
    return [rules.Closure(Span(row.starts_at, row.ends_at), row.reason) for row in rows]


def monday_of(day: date) -> date:
    return day - timedelta(days=day.weekday())


def room_week(venue: Venue, monday: date, now: datetime) -> documents.RoomWeek:
    """A room's week for its door. Five statements."""
    return _weeks([venue], monday, now)[0]


def centre_week(centre: Centre, monday: date, now: datetime) -> documents.CentreWeek | None:
    """A centre's rooms in one table; None when it has no room to give. A fixed number of statements."""
    venues = room_queries.of_centre(centre.id)
    if not venues:
        return None
    weeks = _weeks(venues, monday, now)
    hours, call = {week.hours for week in weeks}, centres.telephone(centre)
    return documents.CentreWeek(
        name=centre.name, rooms=tuple(weeks), monday=monday, issued_on=clock.today(now),
        phone=call.number, phone_of=call.whose, address=centre.address, hours=hours.pop() if len(hours) == 1 else (),
        url=pages.absolute(f"/venues?centre={centre.code}"),
    )  # fmt: skip


def _weeks(venues: Sequence[Venue], monday: date, now: datetime) -> list[documents.RoomWeek]:
    until = monday + WEEK
    terms = occupancy.terms_of(venues, monday, until)
    held: dict[int, list[Taken]] = {v.id: [] for v in venues}
    for row in taken(held, clock.at(monday, time()), clock.at(until, time())):
        held[row.venue_id].append(row)
    days = [monday + n * DAY for n in range(7)]
    calls = centres.telephones([v.centre for v in venues])
    return [
        _room(v, [_day(terms[v.id], day, held[v.id]) for day in days], terms[v.id], calls[v.centre_id], now)
        for v in venues
    ]


def _call(venue: Venue, call: centres.Telephone) -> dict[str, str]:
    """The room's own number, else the one of its centre, with whose it is."""
    return {"phone": venue.phone or call.number, "phone_of": "" if venue.phone else call.whose}


def _room(
    venue: Venue, days: Sequence[documents.Day], terms: rules.Terms, call: centres.Telephone, now: datetime
) -> documents.RoomWeek:
    centre = venue.centre
    hours = tuple(f"{weekdays} {text}" for weekdays, text in rules.week_text(terms.weekly)) if terms.weekly else ()
    return documents.RoomWeek(
        name=venue.name, centre_name=centre.name, days=tuple(days), issued_on=clock.today(now),
        url=pages.absolute(f"/venues/{venue.id}"), place=venue.place, capacity=venue.capacity, area_m2=venue.area_m2,
        functions=tuple(venue.functions), hours=hours, **_call(venue, call),
        rules=tuple(line.strip() for line in venue.terms_of_use.splitlines() if line.strip()),
        bookable=venue.bookable and venue.who_may == EVERYBODY,
    )  # fmt: skip


def _day(terms: rules.Terms, day: date, held: Sequence[Taken]) -> documents.Day:
    begin, end = rules.moment(day, 0), rules.moment(day, 1440)
    slots = tuple(
        documents.Slot(*timeline.minutes_of(Span(row.start, row.end), day), row.title, row.kind)
        for row in held
        if row.start < end and row.end > begin
    )
    hours, closures = rules.hours_of(terms, day), rules.closures_on(terms, day)
    if not rules.open_spans(terms, day):
        reasons = [terms.exception_reasons.get(day, "")] if not hours else [c.reason for c in closures]
        return documents.Day(day, slots=slots, closed="、".join(dict.fromkeys(filter(None, reasons))) or "不开放")
    times = ((*timeline.minutes_of(c.span, day), c.reason) for c in closures)
    shut = tuple(documents.Shut(max(start, hours[0][0]), min(end, hours[-1][1]), why) for start, end, why in times)
    return documents.Day(day, tuple(hours), slots, shut)


def door_poster(venue: Venue, now: datetime) -> documents.DoorPoster:
    """The sheet at the door; it holds the door's key, so it is for those who hang it up."""
    centre = venue.centre
    return documents.DoorPoster(
        name=venue.name, centre_name=centre.name, place=venue.place, **_call(venue, centres.telephone(centre)),
        door_url=pages.absolute(f"/venues/{venue.id}/door/{venue.door_key}"),
        book_url=pages.absolute(f"/venues/{venue.id}"), issued_on=clock.today(now),
        release=rules.release_text(venue.release), early=clock.lasting(EARLY),
        facts=(f"可容 {venue.capacity} 人",) if venue.capacity else (),
    )  # fmt: skip
