"""Steps on many rows: asked once, with what stays out of them; done in batches; taken back for a while (SPEC Q9)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import abort, flash, request, url_for
from sqlalchemy import ColumnElement, false
from werkzeug.wrappers import Response

from portal.catalogue import bulk_rules
from portal.catalogue.actions import bulk_steps, handing_in, reviewing, taking_back, tidying
from portal.catalogue.actions.bulk_steps import Outcome
from portal.catalogue.categories import leaf_categories
from portal.catalogue.models import DROPPED, Entry
from portal.catalogue.staff import choices, forms, month_board, queries
from portal.catalogue.staff.month_views import Line, asked_month, back, bp, line_of, own_centre, read_filter
from portal.core import access, clock, pages
from portal.core.access import Actor, Permission
from portal.core.errors import DomainError
from portal.core.incoming import record_id, whole_number

MOST_SHOWN = 50  # rows named on the page that asks
MOST = 5000  # rows of one step


@dataclass(frozen=True)
class Deed:
    """A step on many rows, in words."""

    ask: str  # '通过' …: 'ask N 条'
    press: str
    note: str
    tone: str = "primary"


DEEDS = {
    "approve": Deed("通过", "通过", "通过以后自动送到下一级；最后一级通过的，到发布日自动发布。"),
    "return": Deed("退回", "退回", "同一条理由发给每个编写单位，对方会立即收到，改好后直接回到这里。"),
    "hand_in": Deed("上交", "交", "没有问题的先交，其余留在清单里，改好再交。"),
    "drop": Deed("删除", "删除", "从清单里拿掉；来往记录会留着。", "danger"),
    "category": Deed("改类别", "改", "服务项目会按名称重新对应。"),
    "place": Deed("改地点", "改", "写的是本中心场地的名字时，就订那个场地。"),
}  # fmt: skip


@dataclass(frozen=True)
class Pick:
    """The rows that a step is asked for. goes: those it will move; stays: the others, with why."""

    goes: list[Line]
    stays: list[tuple[Line, str]]

    @property
    def clean(self) -> list[Line]:
        """Without anything to look at."""
        return [line for line in self.goes if not line.row.warnings]


def _deed() -> str:
    """What is to be done; '' when no button says so (an old link)."""
    name = request.values.get("do", "")
    return name if name in DEEDS else ""


def _typed_ids() -> list[int]:
    """Rows ticked one by one, or the list that the asking page carries along."""
    listed = [whole_number(text) for text in request.form.get("ids", "").split(",")[:MOST]]
    ticked = request.values.getlist("row", type=record_id)[:MOST]
    return list(dict.fromkeys([*(number for number in listed if number), *ticked]))


def _wanted(do: str, ids: Sequence[int], actor: Actor, now: datetime) -> list[ColumnElement[bool]]:
    """Which rows are meant: the ticked ones, or all of the board that wait for this step."""
    if not request.values.get("all"):
        return [Entry.id.in_(ids), Entry.status != DROPPED, *month_board.inside(actor)]
    wanted = read_filter(asked_month(now))
    if do == "hand_in":
        return [*handing_in.ready(actor, own_centre(actor), wanted.month)]
    if do != "approve":
        return [false()]
    # Only one's own turn: "all" must not pass over the level below.
    board = wanted.board(actor)
    return [*board, month_board.to_decide(actor)]


def _pick(do: str, ids: Sequence[int], actor: Actor, now: datetime) -> Pick:
    rows = queries.board_rows(actor, _wanted(do, ids, actor, now), now, MOST)
    told = [(line, _why_not(do, line)) for line in (line_of(row, actor) for row in rows)]
    return Pick([line for line, why in told if not why], [(line, why) for line, why in told if why])


def _why_not(do: str, line: Line) -> str:
    """Why a row stays out of the step, as far as can be seen without doing it."""
    if do == "approve":
        return "" if line.decidable else "不轮到您，或已经处理过"
    if do == "return":
        return "" if line.may_return else "不轮到您，或已经处理过"
    if not (line.own and line.may_edit):
        return "已经送审，或不是您的"
    if do == "hand_in":
        return "".join(p.message for p in line.row.errors)
    return ""


@bp.get("/staff/catalogue/bulk")
@access.staff(Permission.PLAN)
def bulk() -> Response:
    """Asks once: how many, how many of them have warnings, what stays."""
    do, actor, now = _deed(), access.actor(), clock.now()
    if not do:
        return pages.see_other(_board(now))
    picked = _pick(do, _typed_ids(), actor, now)
    if not picked.goes and not picked.stays:
        flash("还没有勾选服务。" if not request.args.get("all") else "没有可以办的服务。", "gold")
        return pages.see_other(_board(now))
    return _ask(do, picked, now)


def _form() -> forms.BulkForm:
    return forms.bulk_form([(c.id, c.name) for c in leaf_categories()])


def _ask(do: str, picked: Pick, now: datetime, form: forms.BulkForm | None = None, status: int = 200) -> Response:
    return pages.page(
        "catalogue/staff/bulk.html", status=status, do=do, deed=DEEDS[do], picked=picked, form=form or _form(),
        month=asked_month(now), most=MOST_SHOWN, back_url=_board(now), rule=bulk_rules,
    )  # fmt: skip


def _board(now: datetime) -> str:
    return back(fallback=url_for(".month", month=asked_month(now)))


@bp.post("/staff/catalogue/bulk")
@access.staff(Permission.PLAN)
def do_bulk() -> Response:
    """Carries the step out; what it left is named with its reason."""
    do, actor, now = _deed(), access.actor(), clock.now()
    form, ids = _form(), _typed_ids()
    if do and request.values.get("all"):
        ids = [entry.id for entry in choices.entries_that(*_wanted(do, ids, actor, now))]
    if not ids or not do:
        flash("还没有勾选服务。", "gold")
        return pages.see_other(_board(now))
    try:
        found = _act(do, actor, ids, form, now)
    except DomainError as error:
        pages.refused(error, form)
        return _ask(do, _pick(do, ids, actor, now), now, form, error.status)
    return _done(do, found, now)


def _act(do: str, actor: Actor, ids: list[int], form: forms.BulkForm, now: datetime) -> Outcome:
    if do == "hand_in":
        return handing_in.hand_in(actor, own_centre(actor), asked_month(now), now, ids)
    reason, field, category = form.reason.data or "", form.field.data or "", form.category.data
    steps: dict[str, Callable[[list[int], int | None], Outcome]] = {
        "approve": lambda some, step: reviewing.approve_rows(actor, some, now, step),
        "return": lambda some, step: reviewing.return_rows(actor, some, reason, field, now, step),
        "drop": lambda some, step: tidying.drop_rows(actor, some, now, step),
        "category": lambda some, step: tidying.set_category(actor, some, category, now, step),
        "place": lambda some, step: tidying.set_place(actor, some, form.place.data or "", now, step),
    }
    return bulk_steps.in_batches(ids, steps[do])


def _done(do: str, found: Outcome, now: datetime) -> Response:
    said = f"{DEEDS[do].ask}了 {found.done} 条。" if found.done else f"没有可以{DEEDS[do].ask}的服务。"
    if not found.left:
        if found.step_id is None:  # else the board says it itself, beside the button that takes it back
            flash(said, "green" if found.done else "gold")
        return pages.see_other(_board(now))
    return _named(said, found, asked_month(now), now, 200 if found.done else 422)


def _named(said: str, found: Outcome, month: str, now: datetime, status: int = 200) -> Response:
    """What was left, each with its reason and a link to where it is mended."""
    return pages.page(
        "catalogue/staff/bulk_done.html", status=status, said=said, found=found, month=month,
        back_url=back(fallback=url_for(".month", month=month)), until=clock.hour(bulk_rules.take_back_until(now)),
    )  # fmt: skip


@bp.post("/staff/catalogue/steps/<int:step_id>/undo")
@access.staff(Permission.PLAN)
def take_back_step(step_id: int) -> Response:
    """Whoever did it takes it back within its time."""
    now = clock.now()
    step = queries.bulk_step(step_id) or abort(404)
    month = step.month
    try:
        found = taking_back.take_back(access.actor(), step_id, now)
    except DomainError as error:
        return pages.sorry(error, back(fallback=url_for(".month", month=month)))
    said = f"撤回了 {found.done} 条，都回到原来的样子。"
    if found.left:
        return _named(said, found, month, now)
    return pages.said(said, back(fallback=url_for(".month", month=month)))


@bp.route("/staff/catalogue/imports/<int:import_id>/undo", methods=["GET", "POST"])
@access.staff(Permission.PLAN)
def undo_import(import_id: int) -> Response:
    """The drafts of a wrong import are taken out again, after one look at what stays."""
    actor, now = access.actor(), clock.now()
    plan = queries.plan_import(import_id, actor) or abort(404)
    month, name = plan.month, plan.filename
    count = {p.id: n for p, n in tidying.taken_imports(actor, month, now)}.get(import_id, 0)
    board = url_for(".month", month=month)
    if request.method == "POST":
        found: Any = tidying.undo_import(actor, plan, now)
        said = f"撤销了导入，拿掉了 {found.done} 条草稿。"
        return _named(said, found, month, now) if found.left else pages.said(said, board)
    if not count:
        flash("这次导入没有还没动过的草稿，没有可以撤销的。", "gold")
        return pages.see_other(board)
    untouched, others = tidying.rows_of_import(plan)
    return pages.page(
        "catalogue/staff/undo_import.html",
        plan=plan,
        name=name,
        count=count,
        month=month,
        board=board,
        untouched=untouched,
        others=others,
        most=MOST_SHOWN,
    )
