"""The person moves the visit by the message's link, without a login: only times when the same member is free (H7)."""

from datetime import datetime

from flask import Blueprint, Response, abort, request, url_for

from portal.core import access, clock, pages
from portal.core.errors import DomainError
from portal.core.limits import limiter
from portal.help_requests.orders import actions, queries, rules
from portal.help_requests.orders.errors import SlotGone

bp = Blueprint("help_visit", __name__, url_prefix="/visit")


def _page(token: str, error: DomainError | None = None) -> Response:
    found, now = queries.visit_by_token(token), clock.now()
    if found is None:
        abort(404)
    visit, order = found
    why_not = rules.may_move(order.status, visit.at_from, visit.moves, now)
    days: dict[str, list[tuple[str, str]]] = {}
    for start, end in [] if why_not else actions.slots(order, now):
        words = f"{clock.hour(start)}–{clock.hour(end)}"
        days.setdefault(clock.day(start), []).append((start.isoformat(), words))
    answer = pages.page(
        "help_requests/orders/visit.html", visit=visit, order=order, why_not=why_not, days=days, error=error, now=now,
        token=token, team=order.member.team, surname=order.member.name[:1], centre=order.request.case.waits_at,
        moves_left=rules.MOST_MOVES - visit.moves, over=order.status not in ("offered", "confirmed", "going", "there"),
    )  # fmt: skip
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


@bp.get("/<token>")
@access.public
@limiter.limit("60 per minute")
def show(token: str) -> Response:
    """When somebody comes, and other times that are free. Nothing of what for."""
    return _page(token)


def _again(error: DomainError, token: str) -> Response:
    return _page(token, error)


@bp.post("/<token>")
@access.public
@limiter.limit("30 per minute")
@pages.act(_again)
def move(token: str) -> Response:
    """Another time."""
    try:
        start = datetime.fromisoformat(request.form.get("start", ""))
    except ValueError:
        raise SlotGone("请选一个时间。") from None
    if start.tzinfo is None:
        raise SlotGone("请选一个时间。")
    visit = actions.move_visit(token, start, clock.now())
    return pages.said(f"改好了：{clock.span(visit.at_from, visit.at_to)}。", url_for(".show", token=token))
