"""Many accounts in one press: a table, what will come of it, slips of paper (SPEC P11)."""

from typing import Any

from flask import Response, request, url_for

from portal.core import access, clock, incoming, pages, pdf, pdf_spool
from portal.core.access import ROLE_LABELS, Permission
from portal.core.errors import DomainError
from portal.core.tables import reading
from portal.core.tables.workbook import MAX_BYTES
from portal.core.text import csv_table
from portal.people import account_table, forms
from portal.people.actions import account_plan
from portal.people.paper import account_slips
from portal.people.staff import queries as staff_queries
from portal.people.staff.views import face


def _typed(form: forms.BulkForm) -> list[account_table.TypedAccount]:
    """Of the file if there is one, else of the words in the page, which then hold the file's. Raises Invalid."""
    sent = request.files.get("file")
    if sent is not None and sent.filename:
        sheet = account_table.chosen(reading.read(sent.read()))
        form.rows.data = incoming.clean(account_table.as_text(sheet))
    return account_table.read(account_table.pasted(form.rows.data or ""))


@face.route("/accounts/import", methods=["GET", "POST"])
@access.staff(Permission.ACCOUNTS, files=True)
def import_accounts() -> Any:
    """The table, then line by line what is taken and what not, then one press."""
    actor, now, form = access.actor(), clock.now(), forms.BulkForm()
    if not form.is_submitted():
        return _import_page(form, [])
    rows: list[account_plan.PlannedAccount] = []
    sent = request.files.get("file")
    try:
        rows = account_plan.plan(actor, _typed(form)) if form.validate() else []
        good = account_plan.taken_in(rows)
        if good and request.form.get("do") == "make" and not (sent is not None and sent.filename):
            token = account_slips.ask(actor, account_slips.to_open(good), now)
            return pages.see_other(url_for("people_staff.slips", token=token))
    except DomainError as refusal:
        return _import_page(form, rows, pages.refused(refusal, form).status)
    return _import_page(form, rows, 200 if good else 422)


def _import_page(form: forms.BulkForm, rows: list[account_plan.PlannedAccount], status: int = 200) -> Response:
    return pages.page(
        "people/staff/accounts_import.html", status=status, form=form, rows=rows, roles=ROLE_LABELS,
        good=len(account_plan.taken_in(rows)), most=account_table.MOST, most_bytes=MAX_BYTES,
        kept=account_slips.KEPT_MINUTES,
    )  # fmt: skip


@face.get("/accounts/import/template.csv")
@access.staff(Permission.ACCOUNTS)
def accounts_template() -> Response:
    """A table to be filled in: the names of the columns and two lines as examples."""
    return pdf_spool.download(csv_table(account_table.EXAMPLE).encode(), "账户表.csv", "text/csv")


@face.get("/accounts/slips/<token>")
@access.staff(Permission.ACCOUNTS)
def slips(token: str) -> Response:
    """How far the worker is; then what came of it and the slips, which only who asked can open."""
    return _slips_page(token, account_slips.progress(access.actor(), token))


def _slips_page(token: str, found: account_slips.Progress | None) -> Response:
    answer = pages.page(
        "people/staff/accounts_slips.html", fragment="state", status=404 if found is None else 200, token=token,
        found=found, kept=account_slips.KEPT_MINUTES,
    )  # fmt: skip
    answer.headers["Cache-Control"] = "no-store"
    return answer


@face.get("/accounts/slips/<token>.pdf")
@access.staff(Permission.ACCOUNTS)
def slips_pdf(token: str) -> Response:
    """The slips, to be printed: shown in the browser, kept by no cache."""
    found = account_slips.progress(access.actor(), token)
    if found is None or not found.pdf:
        return _slips_page(token, found)  # which says where it stands
    return pdf_spool.private_pdf(found.pdf, "账户密码条.pdf")


@face.post("/accounts/slips/<token>/forget")
@access.staff(Permission.ACCOUNTS)
def forget_slips(token: str) -> Any:
    """Printed: the file goes at once."""
    if not account_slips.forget(access.actor(), token):
        return _slips_page(token, None)
    return pages.said("密码条的文件已经删掉。纸上的请当面交给本人。", url_for("people_staff.accounts", state="initial"))


@face.route("/accounts/slips", methods=["GET", "POST"])
@access.staff(Permission.ACCOUNTS)
def renew_slips() -> Any:
    """New slips for people who have not come yet: lost, or a day old."""
    actor, now = access.actor(), clock.now()
    rows = staff_queries.newcomers(actor, account_table.MOST)
    ticked = {number for raw in request.form.getlist("account") if (number := incoming.whole_number(raw))}
    chosen = [row for row in rows if row.id in ticked]
    refusal = None
    if request.method == "POST" and chosen:
        try:
            token = account_slips.ask(actor, account_slips.to_renew(chosen), now)
            return pages.see_other(url_for("people_staff.slips", token=token))
        except pdf.PdfFailed:
            raise
        except DomainError as full:
            refusal = full
    elif request.method == "POST":
        refusal = account_slips.NobodyTicked()
    expired = {row.id for row in rows if staff_queries.state_of(row, now) == "expired"}
    return pages.page(
        "people/staff/accounts_renew.html", status=pages.refused(refusal).status if refusal else 200, rows=rows,
        refusal=refusal, ticked=ticked or expired, expired=expired, roles=ROLE_LABELS, kept=account_slips.KEPT_MINUTES,
    )  # fmt: skip
