"""Many sign-ups of one activity decided at once: asked once, taken back until it takes effect (SPEC S3, Q9)."""

from typing import Any

from flask import flash, request, url_for
from werkzeug.wrappers import Response

from portal.catalogue.models import Entry
from portal.core import access, clock, pages
from portal.core.access import Permission
from portal.core.errors import DomainError
from portal.core.incoming import record_id, whole_number
from portal.signup import notices, queries_staff, reviewing, rules
from portal.signup.views_staff import bp, entry_or_404

MOST = 2000  # sign-ups of one step


def _typed_ids() -> list[int]:
    """Those ticked one by one, or the list that the asking page carries along."""
    listed = [whole_number(text) for text in request.form.get("ids", "").split(",")[:MOST]]
    ticked = request.values.getlist("row", type=record_id)[:MOST]
    return list(dict.fromkeys([*(number for number in listed if number), *ticked]))


def _asked_for(entry_id: int) -> tuple[list[queries_staff.Row], list[queries_staff.Row]]:
    """The sign-ups that the step will decide, and those of the ticked ones that are no more to decide."""
    rows, decided = queries_staff.for_entry(entry_id), reviewing.waiting_of(entry_id)
    open_ones = [r for r in rows if r.status == "pending" and r.id not in decided]
    if request.values.get("all"):
        return open_ones, []
    ids = set(_typed_ids())
    goes = [r for r in open_ones if r.id in ids]
    return goes, [r for r in rows if r.id in ids and r not in goes]


def _ask(entry: Entry, error: DomainError | None = None) -> Response:
    goes, stays = _asked_for(entry.id)
    now = clock.now()
    return pages.page(
        "signup/review.html",
        entry=entry,
        goes=goes,
        stays=stays,
        accept=_accept(),
        error=error,
        effect=rules.settles_text(reviewing.settles_at(entry, now), now),
        when=notices.when(entry),
        places=sum(r.places for r in goes),
        reason=request.form.get("reason", ""),
    )


def _accept() -> bool:
    return request.values.get("do") != "refuse"


def _back(entry_id: int) -> str:
    return url_for("signup_staff.entry", entry_id=entry_id)


@bp.get("/<int:entry_id>/review", endpoint="review_many")
@access.staff(Permission.SIGN_UPS)
def ask_review(entry_id: int) -> Response:
    """Asks once: who, how many places, when it takes effect."""
    entry = entry_or_404(entry_id)
    if not any(_asked_for(entry_id)):
        flash("还没有勾选待审核的报名。" if not request.args.get("all") else "没有待审核的报名了。", "gold")
        return pages.see_other(_back(entry_id))
    return _ask(entry)


def _again(error: DomainError, entry_id: int) -> Response:
    return _ask(entry_or_404(entry_id), error)


@bp.post("/<int:entry_id>/review", endpoint="decide_many")
@access.staff(Permission.SIGN_UPS)
@pages.act(_again)
def decide_many(entry_id: int) -> Any:
    """Notes what was decided; it takes effect later."""
    entry_or_404(entry_id)
    ids, accept = _typed_ids(), _accept()
    if not ids:
        flash("还没有勾选待审核的报名。", "gold")
        return pages.see_other(_back(entry_id))
    reason = request.form.get("reason", "")[:500]
    _, found = reviewing.review(access.actor(), entry_id, ids, accept, reason, clock.now())
    left = f"另外 {found.left} 份已经有人处理过，没有动。" if found.left else ""
    if not found.done:
        flash("这些报名已经有人处理过，没有可以审核的。", "gold")
    elif left:
        flash(left, "gold")
    # How many, and until when it can be taken back, stands on the page itself.
    return pages.see_other(_back(entry_id))


@bp.post("/<int:entry_id>/steps/<int:step_id>/undo", endpoint="take_back_review")
@access.staff(Permission.SIGN_UPS)
def take_back_review(entry_id: int, step_id: int) -> Response:
    """Whoever decided takes it back before it takes effect; nobody has been told."""
    entry_or_404(entry_id)
    try:
        count = reviewing.take_back(access.actor(), entry_id, step_id, clock.now())
    except DomainError as error:
        return pages.sorry(error, _back(entry_id))
    return pages.said(f"撤回了 {count} 份，都还待审核，没有通知本人。", _back(entry_id))
