"""Staff on one booking: its facts, its history, and everything that can be done with it (SPEC V3-V6)."""

from datetime import datetime
from typing import Any

from flask import abort, flash, request, url_for
from werkzeug.wrappers import Response

from portal.cases import ladder
from portal.centres import queries as centres
from portal.core import access, clock, pages, states
from portal.core.access import Permission
from portal.core.errors import DomainError
from portal.core.incoming import whole_number
from portal.people import queries as people
from portal.venues import room_queries
from portal.venues.actions import approval, duty_notes, on_behalf
from portal.venues.errors import SlotTaken
from portal.venues.models import ACTIVE, APPROVED, BY_ACTIVITY, PENDING, Booking
from portal.venues.rules import Span, eligibility
from portal.venues.staff import booking_queries, forms, plan_queries
from portal.venues.staff.plan_views import bp, came_from, chosen_house, instead_of, may_write, room_choices
from portal.venues.states import MACHINE, TONES

REASON_MAX = 300
WORDS = {
    "book": "预约", "move": "改时间或场地", "check_in": "到场", **{t.name: t.label for t in MACHINE.transitions},
}  # fmt: skip


class OfTheList(DomainError):
    message = "这是服务清单里的活动，占用随活动走。"
    advice = "请到服务清单里改这个活动的时间、地点或取消它。"


def booking_or_404(booking_id: int) -> Booking:
    return booking_queries.booking(booking_id) or abort(404)


# What can be done; each says in a sentence what it has done -----------------------------------------------------------


def _reason(missing: str) -> str:
    """The typed reason. Raises ReasonMissing with its own sentence."""
    reason = request.form.get("reason", "").strip()[:REASON_MAX]
    if not reason:
        raise states.ReasonMissing(missing)
    return reason


def _approve(booking_id: int) -> str:
    row = approval.approve(access.actor(), booking_id, clock.now())
    return f"已批准“{row.title}”，对方会收到通知。"


def _refuse(booking_id: int) -> str:
    row = approval.refuse(access.actor(), booking_id, _reason("请写明为什么不批准。"), clock.now())
    return f"没有批准“{row.title}”，原因会告诉对方，时间让给候补的人。"


def _hand_up(booking_id: int) -> str:
    row = approval.hand_up(access.actor(), booking_id, _reason("请写明为什么移交。"), clock.now())
    due = f"，请在 {clock.stamp(row.decide_by)} 前审批" if row.decide_by else ""
    return f"“{row.title}”已移交{row.waits_at.label if row.waits_at else '上级'}{due}。"


def _prefer(booking_id: int) -> str:
    row = approval.prefer(access.actor(), booking_id, _reason("请写明为什么优先给这一位。"), clock.now())
    return f"已改给“{row.title}”，两边都会收到通知。"


def _cancel(booking_id: int) -> str:
    row = approval.cancel(access.actor(), booking_id, _reason("请写明为什么取消。"), clock.now())
    return f"已取消“{row.title}”，对方会收到通知。"


# What the person said on the telephone, or somebody on duty saw.


def _accept(booking_id: int) -> str:
    return f"已替预约人确认“{on_behalf.accept(access.actor(), booking_id, clock.now()).title}”。"


def _decline(booking_id: int) -> str:
    row = on_behalf.decline(access.actor(), booking_id, clock.now())
    return f"已替预约人放弃“{row.title}”，时间让给下一位。"


def _withdraw(booking_id: int) -> str:
    row = on_behalf.withdraw(access.actor(), booking_id, clock.now())
    return f"已替预约人退订“{row.title}”，对方会收到通知。"


def _arrived(booking_id: int) -> str:
    return f"“{on_behalf.arrived(access.actor(), booking_id, clock.now()).title}”已登记到场。"


# What decides on a request, also from the list of requests; and every deed of a booking's own page.
DECISIONS = {"approve": _approve, "refuse": _refuse, "hand_up": _hand_up, "prefer": _prefer}
ON_BEHALF = {"accept": _accept, "decline": _decline, "withdraw": _withdraw, "arrived": _arrived}
DEEDS = DECISIONS | ON_BEHALF | {"cancel": _cancel}


# The page -------------------------------------------------------------------------------------------------------------


@bp.get("/bookings", endpoint="bookings")
@access.staff(Permission.VIEW)
def list_bookings() -> Response:
    """Somebody calls about a booking: found by what it is for, by name or by the end of the phone number."""
    now, page, text = clock.now(), pages.page_number(), request.args.get("q", "").strip()[:40]
    which = request.args.get("show", "")
    which = which if which in dict(booking_queries.FIND_TABS) else "coming"
    houses = plan_queries.houses(access.signed_in().centre_path)
    house = chosen_house(houses) if request.args.get("centre") else None
    rows, more = booking_queries.find(which, text, house.id if house else None, page, now)
    return pages.page(
        "venues/staff/bookings.html", rows=rows, more=more, page=page, which=which, q=text, houses=houses,
        house=house, filters=booking_queries.FIND_TABS, may=may_write(),
    )  # fmt: skip


@bp.get("/bookings/<int:booking_id>", endpoint="booking")
@access.staff(Permission.VIEW)
def show(booking_id: int) -> Response:
    """All facts of one booking, what happened to it, and the buttons that are open to the viewer."""
    return page_of(booking_or_404(booking_id))


def page_of(
    row: Booking, *, status: int = 0, error: DomainError | None = None, where: str = "", phone: str = "",
    form: forms.MoveForm | None = None, instead: Any = None,
) -> Response:  # fmt: skip
    """`where` names the form an error belongs to; phone: in full, asked for on record."""
    actor, now = access.actor(), clock.now()
    line = booking_queries.request_lines([row], actor, now)[0]
    may = may_write() and row.source != BY_ACTIVITY
    active = row.status in ACTIVE
    move, free = (form, None) if form else _move_form(row, now) if may and active else (None, None)
    return pages.page(
        "venues/staff/booking.html", status=status, b=row, line=line, history=_history(row), may=may, active=active,
        actions=line.actions if may else frozenset(), label=plan_queries.label(row), tone=TONES[row.status],
        of_list=row.source == BY_ACTIVITY, now=now, move=move, free=free, instead=instead,
        can_arrive=may and _can_arrive(row, now), error=error, where=where, phone=phone, typed=request.form,
        notes=booking_queries.notes_of(row.venue_id, row.id), may_note=may_write(),
        may_unmask=actor.can(Permission.UNMASK), passed_over=_passed_over(row),
    )  # fmt: skip


def _passed_over(row: Booking) -> str:
    """Why a request is not with the room's own centre or the next above: nobody works there; '' otherwise."""
    if row.status != PENDING or row.waits_at is None or row.waits_at_id == row.centre_id:
        return ""
    way = [row.centre, *reversed(centres.ancestors(row.centre))]
    return ladder.passed_over(way, row.waits_at, Permission.VENUES)


def _can_arrive(row: Booking, now: datetime) -> bool:
    coming = row.starts_at - eligibility.EARLY <= now < row.ends_at + eligibility.LOOK_BACK
    return row.status == APPROVED and row.checked_in_at is None and coming


def _history(row: Booking) -> list[dict[str, str]]:
    lines, steps = [], states.history(MACHINE, [row.id])
    who = people.doers(steps)
    for h in steps:
        what, moved = WORDS.get(h.name, h.name), h.details or {}
        if "from" in moved and "to" in moved:
            then = clock.span(datetime.fromisoformat(moved["from"]), datetime.fromisoformat(moved["to"]))
            what = f"{what}（原来 {moved.get('venue', '')} {then}）"
        own = row.caller_name and h.actor_kind == "resident"  # who has not confirmed yet has no name here
        lines.append({"who": "本人" if own else who[h.id], "when": clock.stamp(h.at), "what": what, "reason": h.reason})
    return lines


def _move_form(row: Booking, now: datetime) -> tuple[forms.MoveForm, list[Span] | None]:
    """The form as it stands, or on the room and day that were asked for; and when that room is free then."""
    form = forms.MoveForm(formdata=None)
    form.venue_id.offer(room_choices())
    form.put(Span(row.starts_at, row.ends_at))
    number = whole_number(request.args.get("venue"))
    room = (room_queries.get(number) if number else None) or row.venue
    form.venue_id.data = room.id
    form.day.data = day = forms.typed_day(request.args.get("day"), clock.local(row.starts_at).date())
    return form, booking_queries.free_on(room, day, now, (row.id,))


def _act(where: str) -> pages.Acting:
    """One action; a refusal comes back beside its form, which `where` names."""

    def redraw(error: DomainError, booking_id: int) -> Response:
        return page_of(booking_or_404(booking_id), error=error, where=where)

    def done(said: str, booking_id: int) -> Response:
        return pages.said(said, came_from(url_for(".booking", booking_id=booking_id)))

    return pages.act(redraw, done)


def _free(booking_id: int) -> int:
    """Of a booking that may be changed here. Raises OfTheList; 404 for what is not there."""
    if booking_or_404(booking_id).source == BY_ACTIVITY:
        raise OfTheList()
    return booking_id


def _button(name: str) -> None:
    """POST /bookings/<id>/<name>: one of DEEDS, done on the booking's page."""

    def press(booking_id: int) -> str:
        return DEEDS[name](_free(booking_id))

    view = access.staff(Permission.VENUES)(_act(name)(press))
    bp.post(f"/bookings/<int:booking_id>/{name.replace('_', '-')}", endpoint=name)(view)


for _name in DEEDS:
    _button(_name)


@bp.post("/bookings/<int:booking_id>/move")
@access.staff(Permission.VENUES)
def move(booking_id: int) -> Response:
    """Another time or room, with a reason; taken times are answered with free ones."""
    row = booking_or_404(booking_id)
    form = forms.MoveForm()
    form.venue_id.offer(room_choices())
    if not form.validate():
        return page_of(row, status=422, form=form, where="move")
    span, room, reason = form.span, form.venue_id.data, form.reason.data or ""
    try:
        moved = approval.move(access.actor(), _free(booking_id), room, span.start, span.end, reason, clock.now())
    except DomainError as error:
        return _not_moved(booking_id, form, span, error)
    flash(f"已改到 {moved.venue.name} {clock.span(moved.starts_at, moved.ends_at)}，对方会收到通知。", "ok")
    return pages.see_other(url_for(".booking", booking_id=booking_id))


def _not_moved(booking_id: int, form: forms.MoveForm, span: Span, error: DomainError) -> Response:
    error, row = pages.refused(error), booking_or_404(booking_id)
    instead = None
    if isinstance(error, SlotTaken):
        instead = instead_of(form.venue_id.data, span, row.people, clock.now(), (row.id,))
    return page_of(row, form=form, error=error, where="move", instead=instead)


@bp.post("/bookings/<int:booking_id>/note")
@access.staff(Permission.VENUES)
@_act("note")
def note(booking_id: int) -> str:
    """A word for colleagues about this use of the room."""
    row = booking_or_404(booking_id)
    duty_notes.add(access.actor(), row.venue_id, request.form.get("body", ""), clock.now(), booking_id)
    return "备注已记下，值班的同事会看到。"


@bp.post("/bookings/<int:booking_id>/phone")
@access.staff(Permission.UNMASK)
def phone(booking_id: int) -> Response:
    """Show the phone number in full; it is recorded who looked (P8)."""
    row = booking_or_404(booking_id)
    return page_of(row, phone=duty_notes.unmask(access.actor(), row, clock.now()))
