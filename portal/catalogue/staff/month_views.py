"""/staff/catalogue: the month board, where rows are decided in place (SPEC C4-C6)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, abort, flash, request, url_for
from werkzeug.wrappers import Response

from portal.catalogue import bulk_rules, rules
from portal.catalogue.actions import bulk_steps, entry_values, tidying
from portal.catalogue.actions.guides import centre_inside
from portal.catalogue.categories import leaf_categories
from portal.catalogue.models import ACCEPTED, APPROVED, CANCELLED, DRAFT, IN_REVIEW, PUBLISHED, RETURNED, Entry
from portal.catalogue.staff import choices as choice_lists
from portal.catalogue.staff import coverage, month_board, queries
from portal.centres import picking, profile
from portal.centres import queries as centres
from portal.centres.models import Centre
from portal.centres.queries import review_chain
from portal.core import access, clock, pages
from portal.core.access import Actor, Permission
from portal.core.incoming import whole_number
from portal.core.states import Transition

bp = Blueprint("catalogue_staff", __name__)

PAGE_SIZE = 50
TONES = {
    DRAFT: "", IN_REVIEW: "blue", ACCEPTED: "green", RETURNED: "red", APPROVED: "green", PUBLISHED: "green",
    CANCELLED: "red",
}  # fmt: skip
TABS = (
    ("", "全部"), ("mine", "等我处理"), ("passed", "我们已通过"), (DRAFT, "草稿"), (IN_REVIEW, "待审核"),
    (ACCEPTED, "已并入"), (RETURNED, "已退回"), (APPROVED, "已通过"), (PUBLISHED, "已发布"), (CANCELLED, "已取消"),
    ("counted", "送审以后的"),
)  # fmt: skip
ALWAYS = ("", "mine", IN_REVIEW, RETURNED, APPROVED)
SENDS = {"submit": "送审", "settle": "列入", "resubmit": "送回"}


@dataclass(frozen=True)
class Filter:
    """What the board shows. status: '' all, 'mine' waiting for this viewer, or a status."""

    month: str
    status: str = ""
    centre: Centre | None = None
    category_id: int | None = None
    page: int = 1
    q: str = ""
    sort: str = "time"
    alone: bool = False  # of the chosen centre itself, without those below it

    def args(self, **changes: Any) -> dict[str, Any]:
        """Query arguments of this board, without the empty ones."""
        sort = changes.pop("sort", self.sort)
        usual = month_board.usual_sort(changes.get("state", self.status) or "")
        named = {
            "month": self.month, "state": self.status, "centre": self.centre.id if self.centre else None,
            "category": self.category_id, "q": self.q, "sort": sort if sort != usual else None,
            "alone": "1" if self.alone else None,
        } | changes  # fmt: skip
        return {k: v for k, v in named.items() if v}

    def figure(self, name: str) -> str:
        """What a number of this board is called, so that a test can hold all of one name against each other."""
        centre_id = self.centre.id if self.centre else access.actor().centre_id
        narrowed = f":{self.category_id}" if self.category_id else ""
        return f"{name}:{self.month}:{centre_id}{narrowed}{':alone' if self.alone else ''}{self.q}"

    def board(self, actor: Actor) -> list[Any]:
        """Which rows these are, whatever the tab."""
        return month_board.on_board(actor, self.month, self.centre, self.category_id, self.q, self.alone)


@dataclass(frozen=True)
class Line:
    """A row of the board with what this viewer can do about it here."""

    row: Any
    yes: Transition | None = None
    send: Transition | None = None
    may_return: bool = False
    may_edit: bool = False
    may_allot: bool = False
    stand_in: bool = False  # a lower level's turn: may be decided in its place, on the row's own page, never in bulk
    own: bool = False  # of this viewer's own centre or department, or merged into its list

    @property
    def decidable(self) -> bool:
        """Waits for this viewer's own centre to say yes; a department's plan is allotted instead."""
        return self.yes is not None and not self.stand_in and not self.may_allot

    @property
    def pickable(self) -> bool:
        """Can be ticked: to be decided, or one's own to be handed in, mended or deleted with others."""
        return self.decidable or (self.own and self.may_edit)

    @property
    def when(self) -> tuple[str, str]:
        return when_parts(self.row.when)

    @property
    def waited(self) -> str:
        """How long it has waited, once that is worth saying."""
        return "" if self.row.waited == "0 分钟" else str(self.row.waited)

    @property
    def state(self) -> str:
        waits = self.row.entry.status == IN_REVIEW and self.waited
        return f"{self.row.status_text} {self.waited}" if waits else str(self.row.status_text)

    @property
    def send_word(self) -> str:
        return SENDS[self.send.name] if self.send else ""

    @property
    def tone(self) -> str:
        entry = self.row.entry
        if entry.status == RETURNED or (self.own and self.row.editable and self.row.errors):
            return "bad"
        return "warn" if self.row.warnings else ""


def when_parts(text: str) -> tuple[str, str]:
    """'12月13日（周日）' and '8:30–11:00': narrow columns break between the day and the hours only."""
    for mark in ("）", " "):
        first, found, rest = text.partition(mark)
        if found:
            return (first + found).strip(), rest.strip()
    return text, ""


def number(name: str) -> int | None:
    """A whole number from the query or the form, else None."""
    return whole_number(request.values.get(name))


def asked_month(now: datetime) -> str:
    """The month that the query or the form names, else the one whose list is being drawn up."""
    month = request.values.get("month", "")
    return month if clock.is_month(month) else choice_lists.default_month(now)


def read_filter(month: str) -> Filter:
    """The board's filter from the query, or from the form of a row, which carries it along; what is unknown or foreign
    is left out."""
    status = request.values.get("state") or request.values.get("status", "")
    centre, page = centre_inside(access.actor(), number("centre")), min(number("page") or 1, 1000)
    q, sort = request.values.get("q", "").strip()[:40], request.values.get("sort", "")
    status = status if status in dict(TABS) else ""
    return Filter(
        month,
        status,
        centre,
        number("category"),
        page,
        q,
        sort if sort in month_board.SORTS else month_board.usual_sort(status),
        request.values.get("alone") == "1",
    )


def line_of(row: queries.Row, actor: Actor) -> Line:
    """The first yes, the first way to send, return, edit and allot: only what the board shows is worked out."""
    stand_in = row.entry.status == IN_REVIEW and row.entry.waits_at_id != actor.centre_id
    return Line(
        row=row, own=_is_own(row.entry, actor), yes=row.first(month_board.YES), send=row.first(SENDS),
        may_return=row.can("return"), stand_in=stand_in, may_edit=row.editable,
        may_allot=row.entry.status == IN_REVIEW and row.can("allot"),
    )  # fmt: skip


def _is_own(entry: Entry, actor: Actor) -> bool:
    if actor.department_id is not None:
        return entry.department_id == actor.department_id
    merged = entry.status == ACCEPTED and entry.waits_at_id == actor.centre_id
    return merged or (entry.centre_id == actor.centre_id and not entry_values.to_allot(entry))


def entry_or_404(entry_id: int) -> Entry:
    """A row of this viewer's subtree; a foreign one does not exist (Q4)."""
    return queries.entry(entry_id) or abort(404)


def back(entry: Entry | None = None, fallback: str = "") -> str:
    """Where a decision returns to: the page it was made on, else the row's own page."""
    fallback = fallback or (url_for("catalogue_staff.entry", entry_id=entry.id) if entry else url_for(".month"))
    return access.safe_next(request.values.get("next"), fallback)


def own_centre(actor: Actor) -> Centre:
    return centres.get(actor.centre_id) or abort(403)


def not_for_departments(actor: Actor, month: str) -> Response | None:
    """Copies of a list and templates belong to centres."""
    if actor.department_id is None:
        return None
    flash("部门的计划请逐条填写，再由区中心分配到社区。", "gold")
    return pages.see_other(url_for(".new", month=month))


def may_publish(actor: Actor) -> bool:
    """Publishing by hand belongs to the top of the review chain."""
    return actor.can(Permission.PUBLISH) and centres.at_top(actor)


def board_context(wanted: Filter, now: datetime) -> dict[str, Any]:
    """Everything the board shows. The whole month is counted, only the page's rows are loaded."""
    actor = access.actor()
    rows = wanted.board(actor)
    sums = month_board.sums(actor, rows)
    shown = sums.shown(wanted.status)
    last = max(1, -(-shown // PAGE_SIZE))
    page = min(wanted.page, last)
    found = queries.board_rows(
        actor, (*rows, *month_board.in_state(actor, wanted.status)), now, PAGE_SIZE, (page - 1) * PAGE_SIZE,
        sort=wanted.sort,
    )  # fmt: skip
    return _around(wanted, sums, now, page) | {
        "lines": [line_of(row, actor) for row in found], "shown": shown, "page": page, "pages": last,
        "yes_count": sums.decidable if wanted.status in ("", "mine", IN_REVIEW) else 0,
        "steps": bulk_steps.open_steps(actor, now), "imports": tidying.taken_imports(actor, wanted.month, now),
        "said_of": bulk_rules,
    }  # fmt: skip


def _around(wanted: Filter, sums: month_board.Sums, now: datetime, page: int = 1) -> dict[str, Any]:
    """What the board says around its rows; all of it when only one row is drawn anew."""
    actor = access.actor()
    here = url_for(".month", **wanted.args(page=page if page > 1 else None))
    return {
        "here": here, "along": wanted.args(month=None) | {"next": here}, "oob": False, "asking": None,
        "wanted": wanted, "actor": actor, "now": now, "tones": TONES, "labels": rules.LABELS,
        "head": queries.head(actor, wanted.month, now, wanted.centre),
        "offer": coverage.coverage(wanted.month, (wanted.centre or own_centre(actor)).path, by_centre=False),
        "total": sums.total, "tabs": _tabs(sums, wanted), "counts": sums.by_status, **_tools(actor, wanted, sums),
    }  # fmt: skip


def _tabs(sums: month_board.Sums, wanted: Filter) -> list[tuple[str, str, bool, int, str]]:
    return [
        (
            label,
            url_for(".month", **wanted.args(state=code, sort=month_board.usual_sort(code))),
            code == wanted.status,
            sums.shown(code),
            wanted.figure(f"state:{code or 'all'}"),
        )
        for code, label in TABS
        if code in ALWAYS or code == wanted.status or (sums.shown(code) and code != "counted")
    ]


def _tools(actor: Actor, wanted: Filter, sums: month_board.Sums) -> dict[str, Any]:
    """What can be done about the whole list, and the choices of the filter."""
    own = own_centre(actor)
    level = profile.current().level(own.level)
    choices = centres.choices(actor.centre_path) if actor.department_id is None else []
    may_plan = actor.can(Permission.PLAN)
    return {
        "own": own, "level": level, "centre_choices": picking.of(choices) if len(choices) > 1 else [],
        "categories": leaf_categories(), "may_plan": may_plan, "may_publish": may_publish(actor),
        "may_submit": may_plan and bool(sums.ready), "ready_count": sums.ready,
        "may_file": level.files_list,
        "months": sorted({*queries.months(clock.now()), wanted.month}, reverse=True),
        "list_centre": wanted.centre or own, "submit_to": next(iter(review_chain(own)), None),
        "whose": _whose(actor, wanted.centre or own), "is_board": True,
        "sorts": [(code, words) for code, (words, _) in month_board.SORTS.items()],
        "sums": sums, "open_changes": queries.open_change_count(actor),
    }  # fmt: skip


def _whose(actor: Actor, centre: Centre) -> str:
    """Whose list the page shows: the department's of who looks, or a centre's."""
    return centre.label if actor.department_id is None else choice_lists.who_invites(actor, centre)[0]


@bp.get("/staff/catalogue")
@access.staff(Permission.VIEW)
def month() -> Response:
    """The list of a month: one sentence, four numbers, and the rows, each decided where it stands."""
    now = clock.now()
    return pages.page(
        "catalogue/staff/month.html", fragment="board", **board_context(read_filter(asked_month(now)), now)
    )


def row_answer(entry: Entry, message: str, tone: str = "green", **extra: Any) -> Response:
    """After a decision about one row: HTMX gets the row as the board shows it (and the sums beside it); without
    HTMX back to where the button was, with the message."""
    if not pages.wants_fragment():
        flash(message, tone)
        return pages.see_other(back(entry))
    return row_fragment(entry, said=message, **extra)


def row_fragment(entry: Entry, status: int = 200, **extra: Any) -> Response:
    """The block `row` of the board, followed by the board's sums out of band."""
    wanted, now, actor = read_filter(entry.month), clock.now(), access.actor()
    rows = wanted.board(actor)
    found = queries.board_rows(actor, (*rows, Entry.id == entry.id), now)
    if not found:
        return Response("")
    context = _around(wanted, month_board.sums(actor, rows), now)
    context |= {"line": line_of(found[0], actor), "oob": True} | extra
    # What counts the same rows elsewhere on the page follows: the numbers above, the bar, the left column.
    parts = ["bar"] if wanted.status in ("", "mine", IN_REVIEW) else []
    answer = with_sums("catalogue/staff/month.html", context, *parts)
    return Response(answer, status, headers={"Vary": "HX-Request"}, mimetype="text/html")


def with_sums(template: str, context: dict[str, Any], *more: str) -> str:
    """The block `row`, and `sums` (and `more` blocks, and the left column) to be swapped out of band. Inside
    <template>, because a browser that has just read a <tbody> drops every <form> that follows outside a cell."""
    row, *others = (pages.block(template, name, **context) for name in ("row", "sums", *more))
    others.append(pages.block("staff.html", "nav", **context))
    return f"{row}\n<template>{''.join(others)}</template>"
