"""Booking a room, one's own bookings, the door (SPEC V2, V5). Works without JavaScript."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import Response, abort, request, url_for
from icalendar import Calendar, Event
from sqlalchemy.exc import IntegrityError

from portal.core import access, clock, pages
from portal.core.db import give_up
from portal.core.errors import DomainError
from portal.core.incoming import whole_number
from portal.feedback import queries as feedback
from portal.feedback.models import Evaluation
from portal.people import viewer as viewers
from portal.people.refusals import NameMissing
from portal.venues import evaluating
from portal.venues.actions import booking, taking
from portal.venues.actions import check_in as check_in_actions
from portal.venues.availability import room_snapshot, search
from portal.venues.availability.room_snapshot import Snapshot
from portal.venues.errors import VenueGone
from portal.venues.models import APPROVED, OFFERED, PENDING, STAFF_ONLY, Booking, Venue
from portal.venues.public import booking_panel, queries
from portal.venues.public.queries import Own
from portal.venues.public.views import bp, home_path, room_page, strip_from, venue_of
from portal.venues.rules import Span, day_words, eligibility
from portal.venues.rules.eligibility import EARLY, Wish

Write = Callable[[Any, Wish, datetime], Booking]
TEMPLATE = "venues/public/booking.html"


def _resident() -> Any:
    viewer = access.viewer()
    return viewer if viewer is not None and viewer.audience == "resident" else None


def _venue(seen: Snapshot, venue_id: int) -> Venue:
    found = venue_of(seen, venue_id)
    if found is None:
        raise VenueGone()
    return found


# Book -----------------------------------------------------------------------------------------------------------------


@bp.post("/venues/<int:venue_id>/book")
@access.public
def book(venue_id: int) -> Response:
    """One confirm. Who is not signed in goes through login or registration and comes back to the same wish."""
    return _ask(venue_id, booking.book)


@bp.post("/venues/<int:venue_id>/wait")
@access.public
def wait(venue_id: int) -> Response:
    """Stand in line for a time that somebody else has."""
    return _ask(venue_id, booking.wait)


def _ask(venue_id: int, write: Write) -> Response:
    now, typed = clock.now(), booking_panel.from_request(request.form)
    back = f"{url_for('venues.room', venue_id=venue_id)}?{typed.query()}"
    if _resident() is None:
        return pages.see_other(url_for("people.login", next=back))
    try:
        row = write(access.actor(), booking_panel.wish_of(venue_id, typed), now)
    except NameMissing:
        give_up()
        return pages.see_other(url_for("people.profile", next=back))
    except (DomainError, IntegrityError) as refused:  # the database's own refusal of an overlap reads like a taken time
        error = pages.refused(refused)
        seen = room_snapshot.current(now)
        return room_page(seen, _venue(seen, venue_id), now, typed, error)
    return pages.see_other(url_for("venues.own_booking", booking_id=row.id, new=1))


# One's own booking ----------------------------------------------------------------------------------------------------


def _own(booking_id: int) -> Own:
    return queries.own(access.signed_in().id, booking_id)


@bp.get("/venues/bookings/<int:booking_id>")
@access.resident
def own_booking(booking_id: int) -> Response:
    """Where it stands and until when; change, withdraw, answer; `day` and `start` choose another time."""
    return _page(booking_id)


def _page(booking_id: int, error: DomainError | None = None) -> Response:
    one, now = _own(booking_id), clock.now()
    values = request.form if request.method == "POST" else request.args
    typed = booking_panel.from_request(values)
    return pages.page(
        TEMPLATE, one=one, row=one.row, venue=one.row.venue, now=now, error=error, typed=typed,
        fresh="new" in request.args, next_text=queries.next_step(one, now), move=_move(one, typed, now, error),
        may_change=_may_change(one, now),
        home_centre=viewers.brief_of(one.row.venue.centre), today=clock.today(now), end_text=day_words.end_text,
        rating=_rating(one, now),
    )  # fmt: skip


def _rating(one: Own, now: datetime) -> Evaluation | None:
    """The evaluation that was asked for after this use, to answer or to look at (V6)."""
    if one.row.status != APPROVED or one.row.ends_at > now:
        return None
    asked = feedback.asked_of(evaluating.KIND, one.row.id)
    return next((e for e in asked if e.resident_id == one.row.resident_id), None)


def _may_change(one: Own, now: datetime) -> bool:
    return one.row.status in (APPROVED, PENDING) and now < one.until


def _move(one: Own, typed: booking_panel.Typed, now: datetime, error: DomainError | None) -> dict[str, Any] | None:
    """Other times of the same room, and other rooms for the same time; only when asked for."""
    row = one.row
    if not _may_change(one, now) or (typed.day is None and error is None and "move" not in request.args):
        return None
    home = home_path(room_snapshot.current(now))
    day = typed.day or clock.local(row.starts_at).date()
    shown = search.room_day(row.venue, day, strip_from(clock.today(now), day), now, but=[row.id])
    panel = booking_panel.panel(row.venue, shown, access.viewer(), home, typed, now, error)
    wish = Wish(row.venue_id, row.starts_at, row.ends_at, row.people)
    rooms = search.instead_of(wish, row.venue, home, now) if panel.start is None else None
    return {"shown": shown, "panel": panel, "rooms": rooms, "held": Span(row.starts_at, row.ends_at)}


def _refused(error: DomainError, booking_id: int) -> Response:
    return _page(booking_id, error)


def _done(said: str, booking_id: int) -> Response:
    return pages.said(said, url_for("venues.own_booking", booking_id=booking_id))


@bp.post("/venues/bookings/<int:booking_id>/withdraw")
@access.resident
@pages.act(_refused, _done)
def withdraw(booking_id: int) -> str:
    """Give the time back, or leave the line."""
    waited = _own(booking_id).row.status == "waiting"
    booking.withdraw(access.actor(), booking_id, clock.now())
    return "已退出候补。" if waited else "已退订，时间让给别人。谢谢您提前告知。"


@bp.post("/venues/bookings/<int:booking_id>/change")
@access.resident
@pages.act(_refused, _done)
def change(booking_id: int) -> str:
    """Another time, another length, or another room (`venue`)."""
    wish = booking_panel.wish_of(_own(booking_id).row.venue_id, booking_panel.from_request(request.form))
    people = wish.people if request.form.get("people", "").strip() else None
    other = whole_number(request.form.get("venue")) if request.form.get("venue") else None
    row = booking.change(access.actor(), booking_id, wish.start, wish.end, clock.now(), venue_id=other, people=people)
    when = clock.span(row.starts_at, row.ends_at)
    return f"已改到 {when}，等中心审批。" if row.status == PENDING else f"已改到 {when}。"


@bp.post("/venues/bookings/<int:booking_id>/confirm-name")
@access.resident
@pages.act(_refused, _done)
def confirm_name(booking_id: int) -> str:
    """It is me whom staff entered by my number."""
    booking.confirm_name(access.actor(), booking_id)
    return "好的，中心看到的是您登记的姓名。"


@bp.post("/venues/bookings/<int:booking_id>/answer")
@access.resident
@pages.act(_refused, _done)
def answer(booking_id: int) -> str:
    """Say yes or no to a time that became free."""
    _own(booking_id)
    if request.form.get("answer") == "no":
        booking.decline(access.actor(), booking_id, clock.now())
        return "好的，这个时间给下一位。"
    row = booking.accept(access.actor(), booking_id, clock.now())
    return "已交中心审批，结果会通知您。" if row.status == PENDING else "订上了，到时候见。"


@bp.get("/venues/bookings/<int:booking_id>/booking.ics")
@access.resident
def own_calendar(booking_id: int) -> Response:
    """One's own booking for the phone's calendar."""
    row = _own(booking_id).row
    book_ = Calendar()
    book_.add("prodid", "-//saoma-diandan//venues//ZH")
    book_.add("version", "2.0")
    book_.add_component(_event(row, clock.now()))
    answer_ = Response(book_.to_ical(), mimetype="text/calendar")
    answer_.headers["Content-Disposition"] = f'attachment; filename="booking-{row.id}.ics"'
    answer_.headers["Cache-Control"] = "private, no-store"
    return answer_


def _event(row: Booking, now: datetime) -> Event:
    event, centre = Event(), row.venue.centre
    event.add("uid", f"booking-{row.id}@saoma-diandan")
    event.add("dtstamp", now)
    event.add("sequence", row.revision)  # so that a calendar takes the newer one
    event.add("dtstart", row.starts_at)
    event.add("dtend", row.ends_at)
    event.add("summary", f"{row.venue.name}：{row.title}")
    event.add("location", " ".join(filter(None, (centre.name, row.venue.place, row.venue.address or centre.address))))
    event.add("url", pages.absolute(url_for("venues.own_booking", booking_id=row.id)))
    if row.status not in (APPROVED, PENDING, OFFERED):
        event.add("status", "CANCELLED")
    return event


# At the door ----------------------------------------------------------------------------------------------------------


@bp.get("/venues/<int:venue_id>/door/<door_key>")
@access.public
def door(venue_id: int, door_key: str) -> Response:
    """What the QR at the door opens: now and next without names, and one press to check in."""
    return _door_page(_at_door(venue_id, door_key), clock.now())


def _at_door(venue_id: int, door_key: str) -> Venue:
    found = _venue(room_snapshot.current(clock.now()), venue_id)
    if not check_in_actions.is_at_door(found, door_key):
        raise VenueGone("这个二维码不是这间房门口的。", advice="请扫门口现在贴的二维码，或从“场地”里找。")
    if not found.bookable:
        abort(404)
    return found


def _door_page(venue: Venue, now: datetime, error: DomainError | None = None) -> Response:
    viewer, today = _resident(), clock.today(now)
    shown = search.room_day(venue, today, today, now)
    span = day_words.now_span(shown.terms, shown.taken, now)
    home = home_path(room_snapshot.current(now)) if viewer is not None else None
    begin = next((s for _name, starts in shown.starts for s in starts), None)
    open_to_all = venue.who_may != STAFF_ONLY
    return pages.page(
        "venues/public/door.html", venue=venue, now=now, error=error, signed_in=viewer is not None,
        door=queries.door(venue, viewer.id if viewer else None, now),
        until=day_words.free_now(shown.terms, shown.taken, now),
        take=span if eligibility.may_take_now(venue, home) is None else None,
        begin=begin if open_to_all else None, closed=shown.day.closed, home_centre=viewers.brief_of(venue.centre),
        early=EARLY,
    )  # fmt: skip


def _not_in(error: DomainError, venue_id: int, door_key: str) -> Response:
    return _door_page(_at_door(venue_id, door_key), clock.now(), error)


@bp.post("/venues/<int:venue_id>/door/<door_key>")
@access.resident
@pages.act(_not_in, pages.said)
def check_in(venue_id: int, door_key: str) -> Response:
    """我到了: one's own booking of now is used."""
    _at_door(venue_id, door_key)  # says what is wrong with the code
    row = check_in_actions.check_in(access.actor(), venue_id, door_key, clock.now())
    return pages.said("签到好了，请进。", url_for("venues.own_booking", booking_id=row.id))


@bp.post("/venues/<int:venue_id>/door/<door_key>/take")
@access.resident
@pages.act(_not_in, pages.said)
def take(venue_id: int, door_key: str) -> Response:
    """现在用: a free room, until the next booking."""
    _at_door(venue_id, door_key)
    try:
        row = taking.take_now(access.actor(), venue_id, door_key, clock.now())
    except NameMissing:
        give_up()
        back = url_for("venues.door", venue_id=venue_id, door_key=door_key)
        return pages.see_other(url_for("people.profile", next=back))
    return pages.said(f"可以用到 {clock.hour(row.ends_at)}，请进。", url_for("venues.own_booking", booking_id=row.id))
