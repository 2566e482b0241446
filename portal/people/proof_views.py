"""Asking again who sits there (`people.proof`), for residents and for staff."""

from datetime import datetime
from typing import Any

from flask import abort, request, url_for

from portal.centres import profile
from portal.core import access, clock, db, pages
from portal.core.access import Permission, safe_next
from portal.core.errors import DomainError
from portal.people import forms, queries, rules, signing
from portal.people.actions import login_codes, staff_sign_in
from portal.people.models import Resident
from portal.people.public.views import browser, knows
from portal.people.public.views import face as residents
from portal.people.refusals import CodeTooSoon, when
from portal.people.staff.views import face as staff
from portal.people.staff.views import own_account, typed_code


def _resident() -> Resident:
    return queries.resident(access.signed_in().id) or abort(404)


def _page(form: forms.CodeForm, status: int, now: datetime, error: str = "") -> Any:
    person = _resident()
    phone = person.phone or ""
    wait = rules.next_code_at(queries.codes_sent(phone, request.remote_addr or "", now), now, knows(phone))
    return pages.page(
        "people/public/proof.html", status=status, form=form, phone=phone, error=error, life=rules.CODE_LIFE,
        sent=login_codes.live_code(phone, now, browser()) is not None, wait_text=when(wait, now) if wait else "",
        target=safe_next(request.values.get("next"), "/me"), hotline=profile.current().hotline,
    )  # fmt: skip


@residents.get("/me/proof")
@access.resident
def proof() -> Any:
    """A code to one's own number; below it the field once a code is under way."""
    return _page(forms.CodeForm(), 200, clock.now())


@residents.post("/me/proof/send")
@access.resident
def send_proof() -> Any:
    now, phone = clock.now(), _resident().phone or ""
    try:
        login_codes.send_code(phone, request.remote_addr or "", now, browser(), knows(phone))
    except CodeTooSoon as refusal:
        db.keep_on_refusal()
        return _page(forms.CodeForm(), refusal.status, now, f"{refusal.message}{refusal.advice}")
    return pages.see_other(url_for("people.proof", next=safe_next(request.values.get("next"), "/me")))


@residents.post("/me/proof")
@access.resident
def check_proof() -> Any:
    form, now = forms.CodeForm(), clock.now()
    if not form.validate_on_submit():
        return _page(form, 422, now)
    try:
        login_codes.check_code(_resident().phone or "", form.code.data or "", now, browser())
    except DomainError as refusal:
        db.keep_on_refusal()
        form.refuse(refusal)
        return _page(form, refusal.status, now)
    signing.enter("resident", access.signed_in().id, now)
    return pages.see_other(safe_next(request.values.get("next"), "/me"))


@staff.route("/proof", methods=["GET", "POST"], endpoint="proof")
@access.staff(Permission.VIEW)
def staff_proof() -> Any:
    """The password once more, and the second factor where it is on."""
    user, target = access.signed_in(), safe_next(request.values.get("next"), "/staff")
    form = forms.ProofCodeForm() if user.second_factor else forms.ProofForm()
    status = 422 if form.is_submitted() else 200
    if form.validate_on_submit():
        now = clock.now()
        try:
            staff_sign_in.show_again(own_account(), form.password.data or "", typed_code(form), access.actor(), now)
        except DomainError as refusal:
            db.keep_on_refusal()
            form.refuse(refusal)
            status = refusal.status
        else:
            signing.enter("staff", user.id, now)
            return pages.see_other(target)
    return pages.page("people/staff/proof.html", status=status, form=form, own=user, target=target)
