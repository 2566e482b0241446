"""Deciding about rows: approve, return, send, hand in, recall, drop (SPEC C4, C6)."""

from typing import Any

from flask import flash, url_for
from werkzeug.wrappers import Response

from portal.catalogue.actions import drafting, reviewing
from portal.catalogue.actions.entry_values import InvalidRow
from portal.catalogue.models import RETURNED, Entry
from portal.catalogue.staff import forms, queries
from portal.catalogue.staff.month_views import (
    back,
    bp,
    entry_or_404,
    number,
    row_answer,
    row_fragment,
)
from portal.catalogue.states import status_text
from portal.core import access, clock, pages
from portal.core.access import Permission
from portal.core.errors import DomainError, Stale


def seen_version() -> int | None:
    """The version of the row as it stood on the page that was decided on."""
    return number("version")


def _refused(error: DomainError, entry_id: int) -> Response:
    """Somebody was faster, or it is not this viewer's turn: the row as it stands now, with why."""
    entry = entry_or_404(entry_id)
    text = f"{error.message}{error.advice}"
    if not pages.wants_fragment():
        flash(text, "red")
        return pages.see_other(back(entry))
    return row_fragment(entry, 409, refusal=text)


@bp.post("/staff/catalogue/<int:entry_id>/approve")
@access.staff(Permission.REVIEW)
@pages.act(_refused)
def approve_row(entry_id: int) -> Response:
    entry = entry_or_404(entry_id)
    reviewing.approve(access.actor(), entry, clock.now(), version=seen_version())
    return row_answer(entry, f"“{entry.title}”通过了，现在{status_text(entry)}。")


@bp.get("/staff/catalogue/<int:entry_id>/row")
@access.staff(Permission.VIEW)
def row(entry_id: int) -> Response:
    """The row alone, when somebody thinks better of returning it."""
    entry = entry_or_404(entry_id)
    return row_fragment(entry) if pages.wants_fragment() else pages.see_other(back(entry))


@bp.route("/staff/catalogue/<int:entry_id>/return", methods=["GET", "POST"])
@access.staff(Permission.REVIEW)
@pages.act(_refused)
def return_row(entry_id: int) -> Response:
    """Reason chips, words, and which field; opened inside the row, or as a page of its own."""
    entry, form = entry_or_404(entry_id), forms.return_form()
    if not form.validate_on_submit():
        return _ask_reason(entry, form, 422 if form.is_submitted() else 200)
    try:
        reviewing.return_entry(
            access.actor(), entry, form.reason.data or "", form.field.data or "", clock.now(), version=seen_version()
        )
    except Stale:
        raise
    except DomainError as error:
        return _ask_reason(entry, form, pages.refused(error, form).status)
    return row_answer(entry, f"“{entry.title}”退回给{entry.author}了，对方已收到理由。")


def _ask_reason(entry: Entry, form: forms.ReasonForm, status: int) -> Response:
    if pages.wants_fragment():
        return row_fragment(entry, status, asking=form)
    row = queries.row(entry, access.actor(), clock.now())
    return pages.page(
        "catalogue/staff/return.html", status=status, entry=entry, row=row, form=form, next_url=back(entry),
    )  # fmt: skip


@bp.post("/staff/catalogue/<int:entry_id>/send")
@access.staff(Permission.PLAN)
@pages.act(_refused)
def send_row(entry_id: int) -> Response:
    """A draft goes to its first reviewer; a mended row straight back to whom returned it."""
    entry = entry_or_404(entry_id)
    act: Any = reviewing.resubmit if entry.status == RETURNED else reviewing.offer
    try:
        act(access.actor(), entry, clock.now(), version=seen_version())
    except InvalidRow as error:
        error.message = f"还不能送审：{error.message}"
        return pages.sorry(error, url_for(".edit", entry_id=entry_id, next=back()))
    return row_answer(entry, f"“{entry.title}”送出了，现在{status_text(entry)}。")


@bp.post("/staff/catalogue/<int:entry_id>/recall")
@access.staff(Permission.PLAN)
@pages.act(_refused)
def recall_row(entry_id: int) -> Response:
    entry = entry_or_404(entry_id)
    reviewing.recall(access.actor(), entry, clock.now(), version=seen_version())
    return row_answer(entry, f"“{entry.title}”撤回来了，可以修改后再送。")


@bp.route("/staff/catalogue/<int:entry_id>/drop", methods=["GET", "POST"])
@access.staff(Permission.PLAN)
def drop_row(entry_id: int) -> Response:
    """Take a row out of the list, after one look at what it is; an approved one needs a reason."""
    entry, form = entry_or_404(entry_id), forms.ReasonForm()
    error: DomainError | None = None
    if form.is_submitted():
        try:
            drafting.drop_entry(access.actor(), entry, clock.now(), (form.reason.data or "").strip())
        except DomainError as refusal:
            error, entry = pages.refused(refusal), entry_or_404(entry_id)
        else:
            return pages.said(f"“{entry.title}”已从清单里撤下。", url_for(".month", month=entry.month))
    if error is not None:
        form.reason.errors = [f"{error.message}{error.advice}"]
    return pages.page("catalogue/staff/drop.html", entry=entry, form=form, error=error)


@bp.post("/staff/catalogue/<int:entry_id>/checked")
@access.staff(Permission.PLAN)
def checked(entry_id: int) -> Response:
    """'Please check' has been looked at and is right."""
    entry = entry_or_404(entry_id)
    drafting.confirm_checked(access.actor(), entry, clock.now())
    return pages.said("已标为核对过。", back(entry))
