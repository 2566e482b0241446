"""The whole list: coverage, who is late, publication, departments' plans, what leaves the house (C1, C4, C5, C10)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import abort, flash, request, url_for
from sqlalchemy import ColumnElement
from werkzeug.wrappers import Response

from portal.catalogue import cutoffs, month_rules
from portal.catalogue.actions import publishing, reviewing, urging
from portal.catalogue.actions.guides import centre_inside
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
from portal.centres import profile
from portal.centres.models import Centre
from portal.core import access, clock, exports, pages
from portal.core.access import Permission
from portal.core.errors import DomainError
from portal.core.incoming import record_id


def _centre() -> Centre:
    actor = access.actor()
    return centre_inside(actor, number("centre")) or own_centre(actor)


@bp.get("/staff/catalogue/coverage")
@access.staff(Permission.VIEW)
def coverage_page() -> Response:
    """Categories by centres, each number opening its rows; what is missing, in words."""
    now, centre = clock.now(), _centre()
    month = asked_month(now)
    found = coverage.coverage(month, centre.path)
    activity = [c for c in found.categories if c.category.kind == "activity"]
    scope = f"{month}:{centre.id}"
    return pages.page(
        "catalogue/staff/coverage.html", found=found, month=month, centre=centre, activity=activity, scope=scope,
        guides=[c for c in found.categories if c.category.kind == "guide"], now=now, groups=found.groups,
        may_publish=may_publish(access.actor()),
    )  # fmt: skip


@bp.get("/staff/catalogue/late")
@access.staff(Permission.VIEW)
def late() -> Response:
    """Which centre has handed in, which has not, since when, and its phone number."""
    actor, now, centre = access.actor(), clock.now(), _centre()
    month = asked_month(now)
    overdue = {line.centre.id: line for line in queries.late(month, now, centre.path)}
    issues = queries.issues(month, centre.path)
    rows = [(c, issues.get(c.id), overdue.get(c.id)) for c in choices.filing_centres(centre.path)]
    rows.sort(key=lambda r: (r[2] is None, r[1] is not None and r[1].submitted_at is not None))
    handed = sum(1 for _, issue, _ in rows if issue is not None and issue.submitted_at is not None)
    dates = cutoffs.of(month)
    filing = [dates[lv.code] for lv in profile.current().levels if lv.files_list and lv.code in dates]
    cutoff, urges = next(iter(filing), None), urging.urges(month)
    return pages.page(
        "catalogue/staff/late.html", rows=rows, month=month, now=now, handed=handed, cutoff=cutoff,
        late_count=len(overdue), centre=centre, may_set=cutoffs.may_set(actor), urges=urges,
        unbound={c.id for c, *_ in rows if cutoff is not None and not month_rules.counts(cutoff, c.created_at)},
        may_urge={
            c.id for c, *_ in rows
            if urging.may_urge_below(actor, c)
            and month_rules.may_urge(urges[c.id].at if c.id in urges else None, now)
        },
    )  # fmt: skip


@bp.post("/staff/catalogue/late/<int:centre_id>/urge")
@access.staff(Permission.REVIEW)
def urge(centre_id: int) -> Response:
    """催一下: one late centre, once a day."""
    actor, now = access.actor(), clock.now()
    centre, month = centre_inside(actor, centre_id) or abort(404), asked_month(now)
    here = url_for(".late", month=month)
    try:
        urging.urge(actor, centre, month, now)
    except DomainError as refusal:
        return pages.sorry(refusal, here)
    return pages.said(f"已经催了{centre.label}，消息发给了那里的人。", here)


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
    rows = month_board.on_board(actor, month)
    counts = month_board.sums(actor, rows).by_status
    ready, out = counts.get(APPROVED, 0), counts.get(PUBLISHED, 0) + counts.get(CANCELLED, 0)
    left = sum(counts.values()) - ready - out
    return pages.page(
        "catalogue/staff/publish.html", status=422 if errors else 200, month=month, now=now, early=early, errors=errors,
        ready=_part("page", ready, (*rows, Entry.status == APPROVED), now), begins=clock.month_span(month)[0],
        left=_part("rest", left, (*rows, Entry.status.not_in((APPROVED, PUBLISHED, CANCELLED))), now, looked_at=False),
        out=out, typed=request.form.get("reason", ""), offer=coverage.coverage(month, actor.centre_path),
        allowed=may_publish(actor), late=queries.late(month, now, actor.centre_path), why_left=why_left,
        turned=_turned, scope=f"{month}:{actor.centre_id}",
    )  # fmt: skip


PAGE_SIZE = 30  # rows of each of the two lists


@dataclass(frozen=True)
class Part:
    """One page of the rows that go out, or of those that stay; name: the argument of the address that turns it."""

    name: str
    count: int
    page: int
    pages: int
    rows: list[queries.Row]


def _part(name: str, count: int, wanted: Sequence[ColumnElement[bool]], now: datetime, looked_at: bool = True) -> Part:
    pages_ = max(1, -(-count // PAGE_SIZE))
    page = min(number(name) or 1, pages_)
    rows = (
        queries.board_rows(access.actor(), wanted, now, PAGE_SIZE, (page - 1) * PAGE_SIZE, looked_at) if count else []
    )
    return Part(name, count, page, pages_, rows)


def _turned(part: Part, by: int) -> str:
    """The address of the part's page before or after; the other part stays where it is."""
    args = {name: request.args.get(name) for name in ("page", "rest")} | {part.name: str(part.page + by)}
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
        centres = [c for c in choices.filing_centres(actor.centre_path) if c.id in chosen]
        try:
            placed = reviewing.allot(actor, entry, centres, now)
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
        tree=choices.allot_tree(actor.centre_path), row=queries.row(entry, actor, now),
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
