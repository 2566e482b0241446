"""Staff decide on requests, with the competing ones in sight (SPEC V3)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import flash, request, url_for
from werkzeug.wrappers import Response

from portal.core import access, clock, pages, states
from portal.core.access import Permission
from portal.core.db import db
from portal.core.errors import DomainError
from portal.core.incoming import whole_number
from portal.venues.staff import booking_queries, plan_queries
from portal.venues.staff.booking_views import approve_it, booking_or_404, hand_up_it, prefer_it, refuse_it
from portal.venues.staff.plan_views import bp, chosen_house, may_write, page_number
from portal.venues.states import LABELS, MACHINE

MOST_AT_ONCE = 100


@bp.get("/requests", endpoint="requests")
@access.staff(Permission.VIEW)
def list_requests() -> Response:
    """What waits for a decision: how long, until when, who competes for it."""
    return board()


def _filters() -> dict[str, Any]:
    """The filters of the page, also of the forms that stand on it."""
    which = request.args.get("show", "")
    return {
        "show": which if which in dict(booking_queries.REQUEST_TABS) else "mine",
        "centre": request.args.get("centre", "")[:40], "page": page_number(),
    }  # fmt: skip


def board(
    *, status: int = 200, said: str = "", error: DomainError | None = None, where: int = 0, lost: str = ""
) -> Response:
    """The page or its block. where: the row an error belongs to; lost: what became of one that is no longer here."""
    actor, now, kept = access.actor(), clock.now(), _filters()
    houses = plan_queries.houses(actor.centre_path)
    house = chosen_house(houses) if kept["centre"] else None
    queue = booking_queries.requests(actor, kept["show"], house.id if house else None, now, kept["page"])
    return pages.page(
        "venues/staff/requests.html", "board", status, queue=queue, filters=booking_queries.REQUEST_TABS, kept=kept,
        houses=houses, house=house, now=now, may=may_write(), said=said, error=error, where=where, lost=lost,
        typed=request.form, here=actor.centre_id,
    )  # fmt: skip


def _back() -> str:
    kept = {k: v for k, v in _filters().items() if v not in ("", 1)}
    return url_for(".requests", **kept)


def _do(booking_id: int, action: Callable[[int, datetime], str]) -> Response:
    row = booking_or_404(booking_id)
    title = row.title
    try:
        said = action(booking_id, clock.now())
    except DomainError as error:
        db.session.rollback()
        if error.status == 404:
            raise
        return board(status=error.status, error=error, where=booking_id, lost=_lost(booking_id, title))
    if pages.wants_fragment():
        db.session.flush()
        return board(said=said)
    flash(said, "ok")
    return pages.see_other(_back())


def _lost(booking_id: int, title: str) -> str:
    """'“合唱排练”现在是：已订上（A1经办，11月25日 10:05）。' of a booking that somebody else has just decided."""
    row = booking_or_404(booking_id)
    last = next(reversed(states.history(MACHINE, [booking_id])), None)
    by = f"（{last.actor_name}，{clock.stamp(last.at)}）" if last is not None else ""
    return f"“{title}”现在是：{LABELS[row.status]}{by}。"


@bp.post("/requests/approve", endpoint="approve_many")
@access.staff(Permission.VENUES)
def approve_many() -> Response:
    """Several at once; what somebody else decided meanwhile is said, the rest is approved."""
    ids = [number for raw in request.form.getlist("id") if (number := whole_number(raw)) is not None]
    now, done, failed = clock.now(), 0, []
    for booking_id in dict.fromkeys(ids[:MOST_AT_ONCE]):
        row = booking_or_404(booking_id)
        title = row.title
        try:
            with db.session.begin_nested():
                approve_it(booking_id, now)
            done += 1
        except DomainError as error:
            failed.append(f"“{title}”没有批准：{error.message}")
    if not ids:
        flash("还没有选中要批准的申请，请先打钩。", "gold")
    if done:
        flash(f"已批准 {done} 份，对方会收到通知。", "ok")
    for sentence in failed[:5]:
        flash(sentence, "gold")
    return pages.see_other(_back())


@bp.post("/requests/<int:booking_id>/approve", endpoint="approve_request")
@access.staff(Permission.VENUES)
def approve_request(booking_id: int) -> Response:
    """Say yes with one press."""
    return _do(booking_id, approve_it)


@bp.post("/requests/<int:booking_id>/refuse", endpoint="refuse_request")
@access.staff(Permission.VENUES)
def refuse_request(booking_id: int) -> Response:
    """Say no with a reason that the person reads."""
    return _do(booking_id, refuse_it)


@bp.post("/requests/<int:booking_id>/hand-up", endpoint="hand_up_request")
@access.staff(Permission.VENUES)
def hand_up_request(booking_id: int) -> Response:
    """Let the level above decide, with the reason."""
    return _do(booking_id, hand_up_it)


@bp.post("/requests/<int:booking_id>/prefer", endpoint="prefer_request")
@access.staff(Permission.VENUES)
def prefer_request(booking_id: int) -> Response:
    """Give the time to one of those who wait for it; the undecided ones in its way are refused with the reason."""
    return _do(booking_id, prefer_it)
