"""Papers of rooms: the week for the door, a centre's rooms, the door's QR poster; and the calendar (SPEC V5, V7)."""

from datetime import date, datetime, time, timedelta
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, current_app, request
from icalendar import Calendar, Event

from portal.centres import queries as centres
from portal.core import access, clock, pages, pdf_spool
from portal.core.access import Permission
from portal.core.errors import DomainError
from portal.core.limits import limiter
from portal.venues import occupancy, room_queries, rules
from portal.venues.errors import VenueGone
from portal.venues.models import Venue
from portal.venues.paper import documents, timetables

bp = Blueprint("venues_papers", __name__)
CALENDAR_WEEKS = 8
FAR = timedelta(days=400)


class NoRooms(DomainError):
    status = 404
    message = "这个中心还没有可以预约的场地。"
    advice = "请看看附近的中心，或打电话问。"


def _monday(now: datetime) -> date:
    """Of the week asked for; this week when it is missing, no date or far away."""
    today = clock.today(now)
    try:
        asked = date.fromisoformat(request.args.get("week", ""))
    except ValueError:
        asked = today
    return timetables.monday_of(asked if abs(asked - today) <= FAR else today)


def _paper() -> str:
    asked = request.args.get("paper", "a4").lower()
    return asked if asked in documents.PAPERS else "a4"


def _venue(venue_id: int) -> Venue:
    """A room in use."""
    found = room_queries.get(venue_id)
    if found is None or not found.active:
        raise VenueGone()
    return found


@bp.get("/print/venues/<int:venue_id>.pdf")
@access.public
@limiter.limit("60 per minute")
def week(venue_id: int) -> Response:
    """A room's week on one sheet. ?week= any day of it, ?paper= a4 or a3."""
    now = clock.now()
    venue = _venue(venue_id)
    document = timetables.room_week(venue, _monday(now), now)
    return pdf_spool.answer(documents.room_week(document, _paper()), f"{venue.name} {document.span}使用安排.pdf")


@bp.get("/print/venues/centre/<code>.pdf")
@access.public
@limiter.limit("60 per minute")
def centre_week(code: str) -> Response:
    """A centre's rooms in one table. ?week= any day of it, ?paper= a4 or a3."""
    centre, now = centres.by_code(code), clock.now()
    if centre is None:
        abort(404)
    document = timetables.centre_week(centre, _monday(now), now)
    if document is None:
        raise NoRooms()
    name = f"{centre.label} {document.span}场地使用安排.pdf"
    return pdf_spool.answer(documents.centre_week(document, _paper()), name)


@bp.get("/print/venues/<int:venue_id>/door.pdf")
@access.staff(Permission.VENUES)
@limiter.limit("60 per minute")
def door(venue_id: int) -> Response:
    """The sheet for the door. Its code checks people in, so only those who look after the room print it."""
    venue = room_queries.get(venue_id) or abort(404)
    job = documents.door_poster(timetables.door_poster(venue, clock.now()))
    return pdf_spool.answer(job, f"{venue.name}门口二维码.pdf", private=True)


@bp.get("/venues/<int:venue_id>.ics")
@access.public
@limiter.limit("60 per minute")
def calendar(venue_id: int) -> Response:
    """When the room is taken or closed, this week and the seven after it, for a calendar program."""
    venue, now = _venue(venue_id), clock.now()
    start = clock.at(timetables.monday_of(clock.today(now)), time())
    end = start + timedelta(weeks=CALENDAR_WEEKS)
    book = Calendar()
    book.add("prodid", "-//saoma-diandan//venues//ZH")
    book.add("version", "2.0")
    book.add("method", "PUBLISH")
    book.add("x-wr-calname", f"{venue.centre.label} {venue.name}")
    book.add("refresh-interval", timedelta(hours=1), parameters={"VALUE": "DURATION"})
    for row in timetables.taken([venue.id], start, end):
        status = "CONFIRMED" if row.firm else "TENTATIVE"
        book.add_component(_event(venue, f"booking-{row.id}", row, now, row.title, row.revision, status))
    for row in timetables.given_back(venue.id, start, end):
        book.add_component(_event(venue, f"booking-{row.id}", row, now, row.title, row.revision, "CANCELLED"))
    for component in _closures(venue, start, end, now):
        book.add_component(component)
    answer = Response(book.to_ical(), mimetype="text/calendar")
    answer.headers["Content-Disposition"] = f"inline; filename=room-{venue.id}.ics"
    return answer


def _closures(venue: Venue, start: datetime, end: datetime, now: datetime) -> list[Event]:
    """Times of closing, and those that were taken back, each under the moment at which it begins."""
    times: dict[datetime, list[rules.Closure]] = {}
    for closure in timetables.lifted(venue, start, end):
        times.setdefault(closure.span.start, []).append(closure)
    shut = {closure.span.start: closure for closure in occupancy.closures([venue], start, end)[venue.id]}
    found = []
    for moment in sorted({*times, *shut}):
        closure = shut.get(moment) or times[moment][-1]
        before = 2 * len(times.get(moment, ()))  # closed and opened again that often
        said = f"不开放：{closure.reason}" if closure.reason else "不开放"
        name = f"closed-{venue.id}-{moment.strftime('%Y%m%dT%H%MZ')}"
        sequence, status = (before, "CONFIRMED") if moment in shut else (before - 1, "CANCELLED")
        found.append(_event(venue, name, closure.span, now, said, sequence, status))
    return found


def _event(
    venue: Venue, name: str, at: rules.Span | timetables.Taken, now: datetime, summary: str, sequence: int, status: str
) -> Event:
    event = Event()
    event.add("uid", f"{name}@{urlsplit(current_app.config['BASE_URL']).hostname or 'saoma-diandan'}")
    event.add("dtstamp", now)
    event.add("dtstart", at.start)
    event.add("dtend", at.end)
    event.add("sequence", sequence)
    event.add("status", status)
    event.add("summary", summary)
    event.add("location", " ".join(filter(None, (venue.centre.name, venue.place, venue.name))))
    event.add("url", pages.absolute(f"/venues/{venue.id}"))
    return event
