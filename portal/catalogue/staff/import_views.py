"""Excel plans: uploaded, shown row by row as understood, mended in place, taken in once confirmed (SPEC C7)."""

from datetime import datetime
from typing import Any

from flask import abort, flash, request, url_for
from werkzeug.wrappers import Response

from portal.catalogue import rules
from portal.catalogue.actions import importing, room_holds
from portal.catalogue.actions.guides import centre_inside
from portal.catalogue.actions.plan_rows import PreviewRow, problems_of, rows_of
from portal.catalogue.categories import leaf_categories
from portal.catalogue.excel.workbook import MAX_BYTES
from portal.catalogue.models import PlanImport
from portal.catalogue.staff import choices, forms, queries, sessions_field
from portal.catalogue.staff.entry_views import outlook_of
from portal.catalogue.staff.month_views import asked_month, bp, not_for_departments, when_parts, with_sums
from portal.catalogue.states import PREVIEW, TAKEN
from portal.core import access, clock, pages
from portal.core.access import Permission
from portal.core.errors import DomainError
from portal.core.incoming import record_id
from portal.people.forms import picks

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
TEMPLATE = "catalogue/staff/import_preview.html"
STATES = {
    "taken": ("已导入", "green", "check"), "bad": ("要改", "red", ""), "duplicate": ("清单里已有", "gold", ""),
}  # fmt: skip
TONES = {"bad": "bad", "duplicate": "warn", "taken": "good"}


@bp.route("/staff/catalogue/import", methods=["GET", "POST"])
@access.staff(Permission.PLAN, files=True)
def import_plan() -> Response:
    """Choose a file; the plans not finished yet are listed beside, so nothing is lost by leaving."""
    actor, now = access.actor(), clock.now()
    elsewhere = not_for_departments(actor, choices.default_month(now))
    if elsewhere is not None:
        return elsewhere
    form = forms.UploadForm()
    form.centre.choices = picks((str(c.id), c.name) for c in choices.drafting_centres(actor))
    if not form.is_submitted():
        form.month.data = asked_month(now)
        form.centre.data = actor.centre_id
    elif form.validate_on_submit():
        centre = centre_inside(actor, form.centre.data)
        sent = form.file.data
        assert centre is not None  # the select offers only centres inside
        try:
            name = sent.filename or "计划表.xlsx"
            plan = importing.preview_plan(actor, centre, form.month.data, name, sent.read(), now)
        except DomainError as error:
            pages.refused(error, form)
        else:
            return pages.see_other(url_for(".plan", import_id=plan.id))
    return pages.page(
        "catalogue/staff/import.html", status=422 if form.is_submitted() else 200, form=form, now=now, most=MAX_BYTES,
        unfinished=[(p, len(rows_of(p))) for p in choices.unfinished_imports(actor)],
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
    return queries.plan_import(import_id) or abort(404)


def state_of(row: PreviewRow) -> tuple[str, str, str]:
    """For ui.tag: whether the row was understood."""
    return STATES.get(row.state, ("改好了" if row.mended else "好", "green", "check"))


def _context(plan: PlanImport) -> dict[str, Any]:
    found = rows_of(plan)
    states = [row.state for row in found]
    known = {room.id: room for room in room_holds.rooms_of(plan.centre)}
    return {
        "rooms": known, "in_the_way": _in_the_way(found, clock.now()),
        "plan": plan, "rows": found, "spans": {r.number: sessions_field.shown(r.values.sessions) for r in found},
        "count": {s: states.count(s) for s in ("ready", "bad", "duplicate", "taken")}, "open": plan.status == PREVIEW,
        "category_names": {c.id: c.name for c in leaf_categories()}, "labels": rules.LABELS, "mending": None,
        "when_parts": when_parts, "state_of": state_of, "tones": TONES,
        "several_sheets": len({r.sheet for r in found}) > 1, "all_taken": plan.status == TAKEN,
    }  # fmt: skip


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


@bp.post("/staff/catalogue/imports/<int:import_id>/take")
@access.staff(Permission.PLAN)
def take_plan(import_id: int) -> Response:
    plan_, now = _plan_or_404(import_id), clock.now()
    numbers = request.form.getlist("row", type=record_id)
    if not numbers:
        flash("还没有勾选要导入的行。", "gold")
        return pages.see_other(url_for(".plan", import_id=import_id))
    try:
        made = importing.take_in_plan(access.actor(), plan_, numbers, now)
    except DomainError as error:
        return pages.sorry(error, url_for(".plan", import_id=import_id))
    return pages.said(
        f"导入了 {len(made)} 条，都是草稿，可以在清单里核对后一起交。", url_for(".plan", import_id=import_id)
    )


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
    form = _mend_form(row_number, plan_)
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


def _mend_form(row_number: int, plan_: PlanImport) -> forms.RowForm:
    """The form of one row; ids carry its number, because several rows may be open in one table."""
    form = forms.RowForm()
    form.offer(leaf_categories())
    form.offer_rooms(room_holds.rooms_of(plan_.centre))
    for field in form:
        field.id = field.label.field_id = f"r{row_number}-{field.name}"
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
    extra |= {"about": {"month": plan_.month, "centre": plan_.centre_id}, "outlook": outlook_of(form, typed, None)}
    extra["spans_now"] = sessions_field.shown(typed.spans)
    if pages.wants_fragment():
        context = _context(plan_) | extra | {"mending": form}
        return Response(pages.block(TEMPLATE, "row", **context), status)
    return pages.page("catalogue/staff/import_row.html", status=status, plan=plan_, labels=rules.LABELS, **extra)
