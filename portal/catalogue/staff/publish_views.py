"""The whole list: coverage, who is late, publication, departments' plans, what leaves the house (C1, C4, C5, C10)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from flask import abort, flash, request, url_for
from sqlalchemy import ColumnElement
from werkzeug.wrappers import Response

from portal.catalogue.actions import publishing, reviewing
from portal.catalogue.actions.guides import centre_inside
from portal.catalogue.categories import leaf_categories
from portal.catalogue.models import ACCEPTED, APPROVED, CANCELLED, DRAFT, PUBLISHED, RETURNED, Entry
from portal.catalogue.staff import choices, coverage, month_board, queries
from portal.catalogue.staff import export as exporting
from portal.catalogue.staff.month_views import (
    asked_month,
    bp,
    entry_or_404,
    may_publish,
    number,
    own_centre,
    read_filter,
)
from portal.centres import picking
from portal.centres import queries as centres
from portal.centres.models import Centre
from portal.core import access, clock, exports, pages
from portal.core.access import Permission
from portal.core.errors import DomainError
from portal.core.incoming import record_id


def _centre() -> Centre:
    actor = access.actor()
    return centre_inside(actor, number("centre")) or own_centre(actor)


COVERED = 60  # centres on one page of the table


@bp.get("/staff/catalogue/coverage")
@access.staff(Permission.VIEW)
def coverage_page() -> Response:
    """Categories by centres, each number opening its rows; what is missing, in words."""
    now, centre, actor = clock.now(), _centre(), access.actor()
    month = asked_month(now)
    found = coverage.coverage(month, centre.path)
    last = max(1, -(-len(found.centres) // COVERED))
    page = min(pages.page_number(), last)
    activity = [c for c in found.categories if c.category.kind == "activity"]
    scope = f"{month}:{centre.id}"
    return pages.page(
        "catalogue/staff/coverage.html", found=found, month=month, centre=centre, activity=activity, scope=scope,
        guides=[c for c in found.categories if c.category.kind == "guide"], now=now, groups=found.groups,
        lines=found.centres[(page - 1) * COVERED : page * COVERED], page=page, pages=last,
        places=picking.above_others(centres.choices(actor.centre_path)), may_publish=may_publish(actor),
    )  # fmt: skip


@bp.route("/staff/catalogue/publish", methods=["GET", "POST"])
@access.staff(Permission.PUBLISH)
def publish() -> Response:
    """What goes out, what does not and why; the button asks for a tick, and before the 1st for a reason."""
    actor, now = access.actor(), clock.now()
    month = asked_month(now)
    early = clock.month_span(month)[0] > now
    errors: dict[str, str] = {}
    if request.method == "POST":
        errors = _publish_errors(early)
        if not errors:
            return _publish(month, now, early)
    counts = month_board.sums(actor, month_board.on_board(actor, month)).by_status
    ready, left = _goes(counts)
    wanted = read_filter(month)
    rows = month_board.on_board(actor, month, wanted.centre, wanted.category_id, wanted.q)
    narrowed = bool(wanted.q or wanted.centre or wanted.category_id)
    found = _goes(month_board.sums(actor, rows).by_status) if narrowed else (ready, left)
    part = partial(_part, sort=wanted.sort, now=now)
    return pages.page(
        "catalogue/staff/publish.html", status=422 if errors else 200, month=month, now=now, early=early, errors=errors,
        ready=part("page", found[0], (*rows, Entry.status == APPROVED)), begins=clock.month_span(month)[0],
        left=part("rest", found[1], (*rows, Entry.status.not_in((APPROVED, *OUT))), looked_at=False),
        goes=ready, stays=left, out=sum(counts.values()) - ready - left, wanted=wanted, narrowed=narrowed,
        categories=leaf_categories(), sorts=month_board.SORTS,
        centre_groups=picking.of(centres.choices(actor.centre_path)), typed=request.form.get("reason", ""),
        offer=coverage.coverage(month, actor.centre_path, by_centre=False),
        allowed=may_publish(actor), late=queries.late(month, now, actor.centre_path), why_left=why_left,
        turned=_turned, scope=f"{month}:{actor.centre_id}",
    )  # fmt: skip


OUT = (PUBLISHED, CANCELLED)


def _goes(counts: Mapping[str, int]) -> tuple[int, int]:
    """How many rows go out, and how many stay; those that are out already are neither."""
    ready = counts.get(APPROVED, 0)
    return ready, sum(counts.values()) - ready - sum(counts.get(status, 0) for status in OUT)


PAGE_SIZE = 30  # rows of each of the two lists


@dataclass(frozen=True)
class Part:
    """One page of the rows that go out, or of those that stay; name: the argument of the address that turns it."""

    name: str
    count: int
    page: int
    pages: int
    rows: list[queries.Row]


def _part(
    name: str, count: int, wanted: Sequence[ColumnElement[bool]], looked_at: bool = True, *, sort: str, now: datetime
) -> Part:
    pages_ = max(1, -(-count // PAGE_SIZE))
    page = min(number(name) or 1, pages_)
    rows = (
        queries.board_rows(access.actor(), wanted, now, PAGE_SIZE, (page - 1) * PAGE_SIZE, looked_at, sort=sort)
        if count
        else []
    )
    return Part(name, count, page, pages_, rows)


def _turned(part: Part, by: int) -> str:
    """The address of the part's page before or after; the other part stays where it is."""
    kept = ("page", "rest", "q", "centre", "category", "sort")
    args = {name: request.args.get(name) for name in kept} | {part.name: str(part.page + by)}
    anchor = "ready" if part.name == "page" else "left"
    return url_for(".publish", month=asked_month(clock.now()), _anchor=anchor, **args)  # type: ignore[arg-type]


def why_left(entry: Entry) -> str:
    """Why a row does not go out."""
    if entry.status == RETURNED:
        return f"退回：{entry.return_reason}"
    return {DRAFT: "还是草稿，没有送审", ACCEPTED: "社区还没有上交"}.get(entry.status, "还没有审完")


def _publish_errors(early: bool) -> dict[str, str]:
    errors = {}
    if request.form.get("sure") != "1":
        errors["sure"] = "请先核对，再勾选“我已核对”。"
    if early and not request.form.get("reason", "").strip():
        errors["reason"] = "提前发布请写明原因，会记入操作记录。"
    return errors


def _publish(month: str, now: datetime, early: bool) -> Response:
    actor = access.actor()
    reason = request.form.get("reason", "").strip() if early else ""
    try:
        count = publishing.publish_in_batches(month, now, actor, force=early, reason=reason)
    except DomainError as error:
        return pages.sorry(error, url_for(".publish", month=month))
    said = f"发布了 {count} 条，居民现在就能看到和报名。" if count else "没有可以发布的服务。"
    flash(said, "green" if count else "gold")
    return pages.see_other(url_for(".month", month=month, state=PUBLISHED if count else None))


@bp.route("/staff/catalogue/allot/<int:entry_id>", methods=["GET", "POST"])
@access.staff(Permission.REVIEW)
def allot(entry_id: int) -> Response:
    """A department's plan goes to the communities ticked; each gets its own row, approved at once."""
    actor, now, entry = access.actor(), clock.now(), entry_or_404(entry_id)
    if not queries.row(entry, actor, now).can("allot"):
        flash("只有还没分配的部门计划才能分配。", "gold")
        return pages.see_other(url_for(".entry", entry_id=entry.id))
    error, chosen = "", set(request.form.getlist("centre", type=record_id))
    wished = choices.wished(entry, choices.filing_centres(actor.centre_path)) if request.method == "GET" else set()
    if request.method == "POST":
        below = {f"/{number}/" for number in request.form.getlist("below", type=record_id)}
        filing = choices.filing_centres(actor.centre_path)
        places = [c for c in filing if c.id in chosen or any(part in c.path for part in below)]
        try:
            placed = reviewing.allot(actor, entry, places, now)
        except DomainError as refusal:
            pages.refused(refusal)
            error = f"{refusal.message}{refusal.advice}"
            entry = entry_or_404(entry_id)
        else:
            return pages.said(
                f"“{entry.title}”分到了 {len(placed)} 个社区，已列入它们的清单。", url_for(".month", month=entry.month)
            )
    return pages.page(
        "catalogue/staff/allot.html", status=422 if error else 200, entry=entry, error=error,
        chosen=chosen | wished, wished=len(wished),
        branches=choices.allot_branches(actor.centre_path), row=queries.row(entry, actor, now),
    )  # fmt: skip


@bp.get("/staff/catalogue/wechat")
@access.staff(Permission.VIEW)
def wechat() -> Response:
    """The month's list of a centre as a text for WeChat groups; what is not published yet is said to be so (C10)."""
    now, centre = clock.now(), _centre()
    month = asked_month(now)
    counts = month_board.sums(access.actor(), month_board.on_board(access.actor(), month, centre)).by_status
    status = PUBLISHED if counts.get(PUBLISHED) else APPROVED
    count = counts.get(status, 0)
    last = max(1, -(-count // exporting.PART))
    part = min(pages.page_number(), last)
    shown = month_board.told(access.actor(), month, centre, status, exporting.PART, (part - 1) * exporting.PART)
    link = pages.absolute(f"/c/{centre.code}")
    text = exporting.wechat_text(centre, month, shown, link, pages.absolute, count, part) if shown else ""
    return pages.page(
        "catalogue/staff/wechat.html", centre=centre, month=month, count=count, published=status == PUBLISHED,
        text=text, part=part, parts_=last,
    )  # fmt: skip


@bp.get("/staff/catalogue/export.<kind>")
@access.staff(Permission.VIEW, slow=True)
def export(kind: str) -> Response:
    """The board's rows as the filter shows them. Cells never become formulas."""
    if kind not in exporting.WRITERS:
        abort(404)
    actor, now = access.actor(), clock.now()
    wanted = read_filter(asked_month(now))
    board = wanted.board(actor)
    asked = {
        "kind": kind, "month": wanted.month, "status": wanted.status, "category": wanted.category_id, "q": wanted.q,
        "alone": wanted.alone,
        "centre": wanted.centre.id if wanted.centre else None,
    }  # fmt: skip
    name = f"list-{wanted.month}-{(wanted.centre or own_centre(actor)).code}.{kind}"
    return exports.answer(
        exporting.month_table, actor, asked, month_board.sums(actor, board).shown(wanted.status), name
    )
