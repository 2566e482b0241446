"""Excel plans: uploaded, shown row by row as understood, mended in place, taken in once confirmed (SPEC C7)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import abort, flash, request, url_for
from werkzeug.wrappers import Response

from portal.catalogue import rules
from portal.catalogue.actions import importing, room_holds
from portal.catalogue.actions.guides import centre_inside
from portal.catalogue.actions.plan_rows import PreviewRow, problems_of, rows_of
from portal.catalogue.categories import leaf_categories
from portal.catalogue.excel.sheet import MAX_ROWS
from portal.catalogue.models import PlanImport
from portal.catalogue.staff import choices, forms, queries, sessions_field
from portal.catalogue.staff.entry_views import outlook_of
from portal.catalogue.staff.month_views import asked_month, bp, with_sums
from portal.catalogue.states import PREVIEW, TAKEN
from portal.centres import picking
from portal.centres import queries as centre_queries
from portal.core import access, clock, pages
from portal.core.access import Permission
from portal.core.errors import DomainError
from portal.core.incoming import record_id, whole_number
from portal.core.tables.workbook import MAX_BYTES
from portal.core.text import fold

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
TEMPLATE = "catalogue/staff/import_preview.html"
PAGE_SIZE = 50
STATES = {
    "taken": ("已导入", "green", "check"), "bad": ("要改", "red", ""), "duplicate": ("清单里已有", "gold", ""),
}  # fmt: skip
TABS = (
    ("", "全部"), ("bad", "要改"), ("look", "提醒"), ("duplicate", "清单里已有"), ("taken", "已导入"),
)  # fmt: skip
ALWAYS = ("", "bad", "look")
TONES = {"bad": "bad", "duplicate": "warn", "taken": "good"}


@bp.route("/staff/catalogue/import", methods=["GET", "POST"])
@access.staff(Permission.PLAN, files=True, tells_size=True)
def import_plan() -> Response:
    """Choose a file; the plans not finished yet are listed beside, so nothing is lost by leaving."""
    actor, now = access.actor(), clock.now()
    form = forms.UploadForm()
    form.centre.offer(picking.of(choices.drafting_centres(actor)))
    if not form.is_submitted():
        form.month.data = asked_month(now)
        form.centre.data = actor.centre_id
    elif form.validate_on_submit():
        centre = centre_inside(actor, form.centre.data)
        sent = form.file.data
        assert centre is not None  # the select offers only centres inside
        try:
            with sent.stream:
                data = sent.read()
            plan = importing.preview_plan(actor, centre, form.month.data, sent.filename or "计划表.xlsx", data, now)
        except DomainError as error:
            pages.refused(error, form)
        else:
            return pages.see_other(url_for(".plan", import_id=plan.id))
    return pages.page(
        "catalogue/staff/import.html", status=422 if form.is_submitted() else 200, form=form, now=now, most=MAX_BYTES,
        rows_most=MAX_ROWS, department=actor.department_id is not None, unfinished=choices.unfinished_imports(actor),
    )  # fmt: skip


@bp.get("/staff/catalogue/import/template.xlsx")
@access.staff(Permission.PLAN)
def plan_template() -> Response:
    """The empty plan with the deployment's own categories in its drop-down lists."""
    from portal.catalogue.excel.template import template_workbook  # xlsxwriter only for who needs it

    month = asked_month(clock.now())
    made = template_workbook(month, [c.name for c in leaf_categories()])
    return Response(made, mimetype=XLSX, headers={"Content-Disposition": f"attachment; filename=plan-{month}.xlsx"})


def _plan_or_404(import_id: int) -> PlanImport:
    return queries.plan_import(import_id, access.actor()) or abort(404)


def state_of(row: PreviewRow) -> tuple[str, str, str]:
    """For ui.tag: whether the row was understood."""
    return STATES.get(row.state, ("改好了" if row.mended else "好", "green", "check"))


def is_in_tab(row: PreviewRow, tab: str) -> bool:
    """Whether the row stands under that tab: '' all, 'look' what can be taken in but should be looked at, a state."""
    if tab == "look":
        return row.state in ("ready", "duplicate") and bool(row.problems or row.unused)
    return not tab or row.state == tab


@dataclass(frozen=True)
class Shown:
    """Which rows of a preview are asked for: a tab, words searched for, a page from 1."""

    tab: str = ""
    q: str = ""
    page: int = 1

    @classmethod
    def asked(cls) -> "Shown":
        tab = request.values.get("state", "")
        page = whole_number(request.values.get("page"), 999) or 1
        return cls(tab if tab in dict(TABS) else "", request.values.get("q", "").strip()[:40], page)

    def args(self, **changes: Any) -> dict[str, Any]:
        """Query arguments without the empty ones."""
        return {k: v for k, v in ({"state": self.tab, "q": self.q} | changes).items() if v}

    def among(self, found: list[PreviewRow]) -> list[PreviewRow]:
        """The rows of all pages."""
        words = fold(self.q)
        return [row for row in found if is_in_tab(row, self.tab) and (not words or words in _words(row))]


def _words(row: PreviewRow) -> str:
    """What a search looks through."""
    values = row.values
    said = (values.title, row.category_text, row.when_text, values.place, values.contact, values.phone)
    return fold(" ".join((*said, str(row.excel_row), *(p.message for p in row.problems))))


def _context(plan: PlanImport, shown: Shown | None = None) -> dict[str, Any]:
    shown = shown or Shown.asked()
    found = rows_of(plan)
    states = [row.state for row in found]
    wanted = shown.among(found)
    rows = wanted[(shown.page - 1) * PAGE_SIZE : shown.page * PAGE_SIZE]
    tabs = [(name, url_for(".plan", import_id=plan.id, **shown.args(state=tab)), tab == shown.tab, count)
            for tab, name in TABS
            if (count := sum(is_in_tab(row, tab) for row in found)) or tab in ALWAYS]  # fmt: skip
    centres = {c.id: c.label for c in centre_queries.subtree(plan.centre)}
    return {
        "rooms": _rooms(plan, rows), "in_the_way": _in_the_way(rows, clock.now()), "shown": shown, "tabs": tabs,
        "plan": plan, "rows": rows, "spans": {r.number: sessions_field.shown(r.values.sessions) for r in rows},
        "count": {s: states.count(s) for s in ("ready", "bad", "duplicate", "taken")}, "open": plan.status == PREVIEW,
        "category_names": {c.id: c.name for c in leaf_categories()}, "labels": rules.LABELS, "mending": None,
        "state_of": state_of, "tones": TONES, "total": len(found), "listed": len(wanted),
        "without_category": sum(not r.values.category_id and r.state != "taken" for r in found),
        "several_sheets": len({r.sheet for r in found}) > 1, "all_taken": plan.status == TAKEN,
        "centre_names": centres if len({r.centre_id for r in found}) > 1 else {},
        "more": len(wanted) > shown.page * PAGE_SIZE,
        "together": _together(plan),
    }  # fmt: skip


def _rooms(plan: PlanImport, rows: list[PreviewRow]) -> dict[int, room_holds.Room]:
    """Rooms of the centres of these rows, by id."""
    wanted = {row.centre_id or plan.centre_id for row in rows if row.values.venue_id is not None}
    homes = [centre for centre in centre_queries.subtree(plan.centre) if centre.id in wanted]
    return {room.id: room for room in room_holds.rooms_of(*homes)} if homes else {}


def _together(plan: PlanImport) -> forms.RowsForm:
    """What can be said once for many rows."""
    form = forms.RowsForm()
    form.category_id.choices = forms.category_choices(leaf_categories())
    form.centre_id.offer(picking.of(centre_queries.choices(plan.centre.path)), "不改")
    return form


def _in_the_way(found: list[PreviewRow], now: datetime) -> dict[int, list[str]]:
    """Per row still to be taken in: what holds its room."""
    return room_holds.clashes([
        room_holds.Wanted(-r.number, r.values.venue_id, r.values.place, room_holds.spans(r.values.sessions))
        for r in found
        if r.values.venue_id is not None and r.entry_id is None
    ], now)  # fmt: skip


@bp.get("/staff/catalogue/imports/<int:import_id>")
@access.staff(Permission.VIEW)
def plan(import_id: int) -> Response:
    """Row by row: what was understood, what is wrong, what is there already; ticked rows are taken in."""
    return pages.page(TEMPLATE, **_context(_plan_or_404(import_id)))


def _back(import_id: int, **changes: Any) -> str:
    """The preview as it was looked at."""
    shown = Shown.asked()
    page = shown.page if shown.page > 1 else None
    return url_for(".plan", import_id=import_id, **shown.args(**({"page": page} | changes)))


@bp.post("/staff/catalogue/imports/<int:import_id>/take")
@access.staff(Permission.PLAN)
def take_plan(import_id: int) -> Response:
    """Takes in the ticked rows, or all good ones; what stays is named, and its reason stands beside its field."""
    plan_, now = _plan_or_404(import_id), clock.now()
    numbers = None if request.form.get("all") else request.form.getlist("row", type=record_id)
    if numbers is not None and not numbers:
        flash("还没有勾选要导入的行。", "gold")
        return pages.see_other(_back(import_id))
    try:
        made = importing.take_in_batches(access.actor(), plan_, numbers, now)
    except DomainError as error:
        return pages.sorry(error, _back(import_id))
    wanted = set(numbers or ())
    left = [r for r in rows_of(plan_) if r.state == "bad" and (numbers is None or r.number in wanted)]
    if left:
        lines = "、".join(str(r.excel_row) for r in left[:20]) + ("等" if len(left) > 20 else "")
        flash(f"没有导入 {len(left)} 条：第 {lines} 行，原因写在每一行里，改好再导入。", "gold")
    if not made:
        return pages.see_other(_back(import_id, state="bad" if left else None, page=None))
    return pages.said(
        f"导入了 {made} 条，都是草稿，可以在清单里核对后一起交。",
        _back(import_id, state="bad", page=None) if left else url_for(".plan", import_id=import_id),
    )


@bp.post("/staff/catalogue/imports/<int:import_id>/set")
@access.staff(Permission.PLAN)
def set_plan_rows(import_id: int) -> Response:
    """Says category, centre, place or contact once: for the ticked rows, those without a category, or all listed."""
    plan_, now = _plan_or_404(import_id), clock.now()
    form = _together(plan_)
    if not form.validate():
        flash("；".join(str(e) for field in form for e in field.errors), "red")
        return pages.see_other(_back(import_id))
    rows, which = rows_of(plan_), request.form.get("which", "")
    if which == "listed":
        numbers = [row.number for row in Shown.asked().among(rows)]
    elif which == "without":
        numbers = [row.number for row in rows if not row.values.category_id]
    else:
        numbers = request.form.getlist("row", type=record_id)
    if not numbers:
        flash("还没有勾选要设的行。", "gold")
        return pages.see_other(_back(import_id))
    choice = importing.Choice(**{field.name: field.data or None for field in form if field.name in importing.CHOICES})
    try:
        changed = importing.set_for_rows(access.actor(), plan_, numbers, choice, now)
    except DomainError as error:
        return pages.sorry(error, _back(import_id))
    good = sum(row.ok for row in changed)
    return pages.said(f"设好了 {len(changed)} 行，其中 {good} 行可以导入。", _back(import_id, page=None))


@bp.post("/staff/catalogue/imports/<int:import_id>/answer")
@access.staff(Permission.PLAN)
def answer_plan(import_id: int) -> Response:
    """The list is for the chosen centre although its title names another one."""
    plan_ = _plan_or_404(import_id)
    importing.answer_question(access.actor(), plan_, clock.now())
    return pages.said(f"好的，这是{plan_.centre.label}的清单。", url_for(".plan", import_id=import_id))


@bp.post("/staff/catalogue/imports/<int:import_id>/lay-aside")
@access.staff(Permission.PLAN)
def lay_aside_plan(import_id: int) -> Response:
    plan_ = _plan_or_404(import_id)
    importing.lay_aside_plan(access.actor(), plan_, clock.now())
    return pages.said(f"“{plan_.filename}”放弃了；已经导入的服务还在清单里。", url_for(".month", month=plan_.month))


@bp.route("/staff/catalogue/imports/<int:import_id>/rows/<int:row_number>", methods=["GET", "POST"])
@access.staff(Permission.PLAN)
def plan_row(import_id: int, row_number: int) -> Response:
    """Mend one row; its problems are found anew and the table shows it as it is then."""
    plan_ = _plan_or_404(import_id)
    row = next((r for r in rows_of(plan_) if r.number == row_number), None) or abort(404)
    if request.args.get("close"):
        return _row_answer(plan_, row)
    form = _mend_form(row, plan_)
    if not form.is_submitted():
        form.load(row.values)
        if not row.values.sessions:
            form.sessions.data = row.raw.get("when", "")
        return _mend_page(plan_, row, form)
    typed = form.read(plan_.month)
    if typed is None:
        return _mend_page(plan_, row, form, 422)
    values = form.values(plan_.month, typed, row.values)
    form.put(problems_of(values, "", clock.now()))
    if form.errors:
        return _mend_page(plan_, row, form, 422)
    try:
        mended = importing.mend_plan_row(access.actor(), plan_, row_number, values, clock.now())
    except DomainError as error:
        pages.refused(error)
        form.form_errors.append(f"{error.message}{error.advice}")
        return _mend_page(_plan_or_404(import_id), row, form, error.status)
    return _row_answer(plan_, mended)


def _mend_form(row: PreviewRow, plan_: PlanImport) -> forms.RowForm:
    """The form of one row; ids carry its number, because several rows may be open in one table."""
    form = forms.RowForm()
    form.offer(leaf_categories())
    home = centre_queries.get(row.centre_id) if row.centre_id else None
    form.offer_rooms(room_holds.rooms_of(home or plan_.centre))
    for field in form:
        field.id = field.label.field_id = f"r{row.number}-{field.name}"
    return form


def _row_answer(plan_: PlanImport, row: PreviewRow) -> Response:
    """The row as the table shows it, and the sums above it."""
    if not pages.wants_fragment():
        return pages.see_other(url_for(".plan", import_id=plan_.id, _anchor=f"row-{row.number}"))
    context = _context(plan_) | {"row": row, "oob": True}
    return Response(with_sums(TEMPLATE, context))


def _mend_page(plan_: PlanImport, row: PreviewRow, form: forms.RowForm, status: int = 200) -> Response:
    typed = form.typed(plan_.month)
    extra: dict[str, Any] = {"row": row, "form": form, "typed": typed, "oob": False}
    extra |= {
        "about": {"month": plan_.month, "centre": row.centre_id or plan_.centre_id},
        "outlook": outlook_of(form, typed, None),
    }
    extra["spans_now"] = sessions_field.shown(typed.spans)
    if pages.wants_fragment():
        context = _context(plan_) | extra | {"mending": form}
        return Response(pages.block(TEMPLATE, "row", **context), status)
    return pages.page("catalogue/staff/import_row.html", status=status, plan=plan_, labels=rules.LABELS, **extra)
