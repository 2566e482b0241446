"""/staff/centres/import: all centres as one table, mended in Excel, looked at before it is taken in (SPEC N2)."""

from typing import Any

from flask import Response, abort, flash, request, url_for

from portal.centres import actions, comparing, exporting, profile, queries, table
from portal.centres.comparing import BAD, CHANGED, NEW, SAME, Compared
from portal.centres.forms import ImportForm
from portal.centres.models import CentreSheet
from portal.centres.views_staff import bp
from portal.core import access, clock, exports, pages, pdf_spool
from portal.core.access import Permission
from portal.core.errors import DomainError

PAGE_SIZE = 50
TABS = (("", "全部"), (BAD, "要改"), (NEW, "新增"), (CHANGED, "有改动"), (SAME, "没有改动"))
STATES = {BAD: ("要改", "red"), NEW: ("新增", "green"), CHANGED: ("有改动", "blue"), SAME: ("没有改动", "neutral")}
TONES = {BAD: "bad", CHANGED: "warn", NEW: "good"}
ORDER = {BAD: 0, NEW: 1, CHANGED: 2, SAME: 3}  # what is wrong first, what stays as it is last


def _must() -> None:
    if not actions.may_import(access.actor()):
        abort(403)


@bp.get("/table.xlsx")
@access.staff(Permission.CENTRES)
def export_table() -> Response:
    """One's centres as a workbook: mended in Excel and imported again, it changes what was mended."""
    _must()
    made = exporting.workbook(access.actor().centre_path)
    return pdf_spool.download(made, f"阵地-{clock.today().isoformat()}.xlsx", exports.MIMETYPES["xlsx"])


@bp.route("/import", methods=["GET", "POST"])
@access.staff(Permission.CENTRES, files=True)
def import_centres() -> Response:
    """Choose a file; it is compared with what is stored, and nothing changes yet."""
    _must()
    form = ImportForm()
    if not form.is_submitted():
        return _import_page(form)
    upload = request.files.get("file")
    if not form.validate() or upload is None:
        return _import_page(form, 422)
    try:
        with upload.stream:
            data = upload.stream.read()
        sent = actions.read_file(data)
        kept = actions.keep(access.actor(), upload.filename or "阵地.xlsx", sent, clock.now())
    except DomainError as refusal:
        return _import_page(form, pages.refused(refusal, form).status)
    return pages.see_other(url_for(".sheet", sheet_id=kept.id))


def _import_page(form: ImportForm, status: int = 200) -> Response:
    current = profile.current()
    return pages.page(
        "centres/staff_import.html",
        status=status,
        form=form,
        unfinished=queries.unfinished_sheets(),
        columns=table.COLUMNS,
        levels=current.levels,
        kinds=current.kinds,
        rows_most=table.MAX_ROWS,
    )


def _sheet_or_404(sheet_id: int) -> CentreSheet:
    found = queries.sheet(sheet_id) or abort(404)
    _must()
    return found


@bp.get("/import/<int:sheet_id>")
@access.staff(Permission.CENTRES)
def sheet(sheet_id: int) -> Response:
    """Row by row: what is new, what changes from what to what, what is refused and why."""
    return _sheet_page(_sheet_or_404(sheet_id))


def _sheet_page(kept: CentreSheet, status: int = 200) -> Response:
    rows = actions.compared(kept, profile.current())
    kinds = [row.kind for row in rows]
    wanted = request.args.get("state", "")
    wanted = wanted if wanted in STATES else ""
    chosen = sorted((row for row in rows if not wanted or row.kind == wanted), key=_order)
    page = pages.page_number()
    tabs = [
        (name, url_for(".sheet", sheet_id=kept.id, state=tab or None), tab == wanted, count)
        for tab, name in TABS
        if (count := kinds.count(tab) if tab else len(rows)) or tab in ("", wanted)
    ]
    context: dict[str, Any] = {
        "sheet": kept,
        "rows": chosen[(page - 1) * PAGE_SIZE : page * PAGE_SIZE],
        "count": {kind: kinds.count(kind) for kind in STATES},
        "tabs": tabs,
        "seen": comparing.fingerprint(rows),
        "states": STATES,
        "tones": TONES,
        "column": {column.name: column.words for column in table.COLUMNS},
        "page": page,
        "more": len(chosen) > page * PAGE_SIZE,
    }
    return pages.page("centres/staff_sheet.html", status=status, **context)


def _order(row: Compared) -> tuple[int, int]:
    return ORDER[row.kind], row.number


@bp.post("/import/<int:sheet_id>/take")
@access.staff(Permission.CENTRES)
def take_sheet(sheet_id: int) -> Response:
    """Takes the table in, all of it or nothing."""
    kept = _sheet_or_404(sheet_id)
    here = url_for(".sheet", sheet_id=sheet_id)
    try:
        done = actions.take_in(access.actor(), kept, request.form.get("seen", "")[:40], profile.current(), clock.now())
    except DomainError as refusal:
        return pages.sorry(refusal, here)
    if not (done.added or done.changed):
        flash("和现在的信息一样，没有要改的。", "ok")
        return pages.see_other(url_for(".list_"))
    return pages.said(f"导入完成：新增 {done.added}，更新 {done.changed}，未变 {done.unchanged}。", url_for(".list_"))


@bp.post("/import/<int:sheet_id>/lay-aside")
@access.staff(Permission.CENTRES)
def lay_aside_sheet(sheet_id: int) -> Response:
    kept = _sheet_or_404(sheet_id)
    name = kept.filename
    actions.lay_aside(access.actor(), kept)
    return pages.said(f"“{name}”放弃了，阵地的信息没有改动。", url_for(".import_centres"))
