"""派谁去: everybody with a strip of the day and a reason, one button on the best; the paper order (SPEC H7)."""

from datetime import date, datetime, timedelta
from typing import Any

from flask import Blueprint, Response, abort, request, url_for

from portal.core import access, clock, pages, pdf_spool
from portal.core.access import Permission
from portal.core.errors import DomainError
from portal.core.incoming import whole_number
from portal.core.limits import limiter
from portal.help_requests import help_kinds, private_fields
from portal.help_requests import queries as requests
from portal.help_requests.handlers import staff_link
from portal.help_requests.models import ACCEPTED, ASSIGNED, GOING, HelpOrder, HelpRequest
from portal.help_requests.orders import actions, documents, queries, rules
from portal.help_requests.orders.actions import Wish
from portal.help_requests.orders.errors import AskFirst, VisitWrong
from portal.help_requests.states import ORDER_LABELS, has_it

bp = Blueprint("help_orders", __name__, url_prefix="/staff/help")
PRINT_WITHIN = timedelta(minutes=15)  # after the address was asked for on purpose


def _request(request_id: int) -> HelpRequest:
    return requests.request(request_id) or abort(404)


def _span(row: HelpRequest, values: Any, now: datetime) -> tuple[datetime, datetime]:
    """From day, from and to of the address or form; the usual when nothing is said. Raises VisitWrong."""
    if not values.get("day"):
        return rules.usual_span(row.wanted_day, row.wanted_part, now)
    try:
        day = date.fromisoformat(values["day"])
        start, end = (clock.at(day, _clock(values.get(name, ""))) for name in ("from", "to"))
    except ValueError:
        raise VisitWrong() from None
    actions.check_span(start, end, now)
    return start, end


def _hhmm(moment: datetime) -> str:
    """'09:00', as the browser's field of a time wants it."""
    return clock.local(moment).strftime("%H:%M")


def _clock(text: str) -> Any:
    return datetime.strptime(text.strip(), "%H:%M").time()  # noqa: DTZ007  # a time of day


@bp.get("/<int:request_id>/send")
@access.staff(Permission.HELP)
def send(request_id: int) -> Response:
    """Who can go, who cannot and why. ?day= &from= &to=: another time."""
    return _page(request_id, request.args)


def _page(request_id: int, values: Any, error: DomainError | None = None) -> Response:
    row, now, actor = _request(request_id), clock.now(), access.actor()
    try:
        start, end = _span(row, values, now)
    except VisitWrong as wrong:
        error = error or wrong
        start, end = rules.usual_span(row.wanted_day, row.wanted_part, now)
    lines, day = queries.candidates(row, start, end, now), clock.today(start)
    strips = {one.who.id: [b for x in one.who.busy if (b := rules.bar(x.start, x.end, day))] for one in lines}
    shifts = {one.who.id: [b for a, z in one.who.on if (b := rules.bar(a, z, day))] for one in lines}
    return pages.page(
        "help_requests/orders/dispatch.html", request_row=row, can=[x for x in lines if x.who.can], strips=strips,
        cannot=[x for x in lines if not x.who.can], start=start, end=end, frame=rules.bar(start, end, day), day=day,
        hours=rules.hours(start, end), shifts=shifts, width=rules.STRIP, now=now, error=error, typed=values,
        kind=help_kinds.name(row.kind), person=requests.person_of(row, clock.today(now)), back=staff_link(row.id),
        may=has_it(row, actor) is None and row.status in (ACCEPTED, ASSIGNED, GOING), live=queries.live(row.id),
        why_not=has_it(row, actor), labels=ORDER_LABELS, when=rules.wish_text(start, end),
        due=clock.stamp(row.case.due_at) if row.case.due_at else "", hhmm=_hhmm, answer=clock.said(rules.ANSWER),
    )  # fmt: skip


def _again(error: DomainError, request_id: int) -> Response:
    return _page(request_id, request.form, error)


@bp.post("/<int:request_id>/send")
@access.staff(Permission.HELP)
@pages.act(_again)
def assign(request_id: int) -> Response:
    """Send this one; somebody who cannot go by the list needs a reason."""
    row, now = _request(request_id), clock.now()
    start, end = _span(row, request.form, now)
    wish = Wish(whole_number(request.form.get("member")) or 0, start, end, request.form.get("why", ""))
    order = actions.assign(access.actor(), request_id, wish, now)
    by = clock.stamp(order.answer_by) if order.answer_by else ""
    return pages.said(f"已派给{order.member.name}，{by} 前要答复。", staff_link(request_id))


def _sorry(error: DomainError, order_id: int) -> Response:
    order = queries.order(order_id)
    return pages.sorry(error, staff_link(order.request_id) if order else url_for("front_staff.inbox"))


def _order(order_id: int) -> HelpOrder:
    return queries.order(order_id) or abort(404)


@bp.post("/orders/<int:order_id>/agreed")
@access.staff(Permission.HELP)
@pages.act(_sorry)
def agreed(order_id: int) -> Response:
    """The member said yes by telephone or at the desk."""
    _order(order_id)
    order = actions.agreed(access.actor(), order_id, clock.now())
    return pages.said(f"记下了，{order.member.name}去。", staff_link(order.request_id))


@bp.post("/orders/<int:order_id>/cancel")
@access.staff(Permission.HELP)
@pages.act(_sorry)
def cancel(order_id: int) -> Response:
    """The member need not go."""
    _order(order_id)
    order = actions.cancel(access.actor(), order_id, clock.now())
    return pages.said(f"已告诉{order.member.name}不用去了。", staff_link(order.request_id))


# Paper: asking for it reads the address, so it is pressed; the sheet itself follows within minutes --------------------


@bp.post("/orders/<int:order_id>/print")
@access.staff(Permission.HELP)
@pages.act(_sorry)
def ask_paper(order_id: int) -> Response:
    """Note that the address and the number were read for paper, then the sheet."""
    order, now, actor = _order(order_id), clock.now(), access.actor()
    for field in ("address", "phone"):
        private_fields.read(actor, order.request, field, now)
    return pages.see_other(url_for(".paper", order_id=order_id))


@bp.get("/orders/<int:order_id>.pdf")
@access.staff(Permission.HELP)
@limiter.limit("60 per minute")
def paper(order_id: int) -> Response:
    """派单 on A5 with a code, for members without a phone; only for who has just asked for it."""
    order, now, actor = _order(order_id), clock.now(), access.actor()
    recent = queries.read_lately(order.request_id, actor.id or 0, now - PRINT_WITHIN)
    if not recent or not private_fields.may_read(order.request, actor, "address", now):
        return pages.sorry(AskFirst(), staff_link(order.request_id))
    url, row = pages.absolute(f"/m/paper/{order.token}"), order.request
    sheet = documents.sheet_of(
        order, now, url, queries.printed(order), help_kinds.name(row.kind), requests.name_of(row)
    )
    job = documents.order_sheet(sheet)
    return pdf_spool.answer(job, f"派单 {order.id}.pdf", private=True)
