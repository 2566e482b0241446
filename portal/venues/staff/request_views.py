"""Staff decide on requests, with the competing ones in sight (SPEC V3)."""

from typing import Any

from flask import Response, flash, request, url_for

from portal.core import access, clock, pages, states
from portal.core.access import Permission
from portal.core.db import db
from portal.core.errors import DomainError
from portal.core.incoming import whole_number
from portal.people import queries as people
from portal.venues.staff import booking_queries, plan_queries
from portal.venues.staff.booking_views import DECISIONS, booking_or_404
from portal.venues.staff.plan_views import bp, chosen_house, may_write
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
        "centre": request.args.get("centre", "")[:40],
        "page": pages.page_number(),
    }


def board(*, said: str = "", error: DomainError | None = None, where: int = 0, lost: str = "") -> Response:
    """The page or its block. where: the row an error belongs to; lost: what became of one that is no longer here."""
    actor, now, kept = access.actor(), clock.now(), _filters()
    houses = plan_queries.houses(actor.centre_path)
    house = chosen_house(houses) if kept["centre"] else None
    queue = booking_queries.requests(actor, kept["show"], house.id if house else None, now, kept["page"])
    return pages.page(
        "venues/staff/requests.html", "board", queue=queue, filters=booking_queries.REQUEST_TABS, kept=kept,
        houses=houses, house=house, now=now, may=may_write(), said=said, error=error, where=where, lost=lost,
        typed=request.form, here=actor.centre_id,
    )  # fmt: skip


def _back() -> str:
    kept = {k: v for k, v in _filters().items() if v not in ("", 1)}
    return url_for(".requests", **kept)


def _refused(error: DomainError, booking_id: int) -> Response:
    return board(error=error, where=booking_id, lost=_lost(booking_id))


def _done(said: str, booking_id: int) -> Response:
    return pages.said(said, _back(), lambda: board(said=said))


def _lost(booking_id: int) -> str:
    """'“合唱排练”现在是：已订上（A1经办，11月25日 10:05）。' of a booking that somebody else has just decided."""
    row = booking_or_404(booking_id)
    last = next(reversed(states.history(MACHINE, [booking_id])), None)
    by = f"（{people.doers([last])[last.id]}，{clock.stamp(last.at)}）" if last is not None else ""
    return f"“{row.title}”现在是：{LABELS[row.status]}{by}。"


@bp.post("/requests/approve", endpoint="approve_many")
@access.staff(Permission.VENUES)
def approve_many() -> Response:
    """Several at once; what somebody else decided meanwhile is said, the rest is approved."""
    ids = [number for raw in request.form.getlist("id") if (number := whole_number(raw)) is not None]
    done, failed = 0, []
    for booking_id in dict.fromkeys(ids[:MOST_AT_ONCE]):
        row = booking_or_404(booking_id)
        title = row.title
        try:
            with db.session.begin_nested():
                DECISIONS["approve"](booking_id)
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


# One request with one press; refusing, handing up and preferring with a reason.
for _name, _decide in DECISIONS.items():
    _view = access.staff(Permission.VENUES)(pages.act(_refused, _done)(_decide))
    bp.post(f"/requests/<int:booking_id>/{_name.replace('_', '-')}", endpoint=f"{_name}_request")(_view)
