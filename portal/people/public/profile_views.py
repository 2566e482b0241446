"""My own data: correct, relatives, another number, leave (SPEC P2, P8)."""

from typing import Any

from flask import abort, flash, request, session, url_for

from portal.centres import profile
from portal.core import access, clock, db, pages
from portal.core.errors import DomainError
from portal.people import forms, proof, queries, signing
from portal.people.actions import devices, login_codes, resident_records
from portal.people.models import Relative, Resident
from portal.people.public.views import browser, code_page, face, send

NEW_PHONE = "new_phone"


def _me() -> Resident:
    return queries.resident(access.signed_in().id) or abort(404)


def _profile_form(person: Resident) -> forms.ProfileForm:
    form = forms.ProfileForm(obj=person)
    form.offer_homes(queries.home_choices())
    form.groups.choices = forms.picks(profile.current().groups.items())
    if not form.is_submitted():
        form.home.data = str(person.home_centre_id or "")
        form.groups.data = list(person.groups)
    return form


@face.route("/me/profile", methods=["GET", "POST"], endpoint="profile")
@access.resident
def own_profile() -> Any:
    person = _me()
    form = _profile_form(person)
    if form.validate_on_submit():
        values = resident_records.ResidentValues(
            form.name.data or "", form.address.data or "", int(form.home.data), form.birth_year.data,
            list(form.groups.data or []),
        )  # fmt: skip
        try:
            resident_records.correct_resident(person, values)
        except DomainError as refusal:
            form.refuse(refusal)
        else:
            return pages.said("已保存。", access.safe_next(request.values.get("next"), url_for("people.profile")))
    status = 422 if form.is_submitted() else 200
    return pages.page(
        "people/public/profile.html", status=status, form=form, person=person, relatives=queries.relatives(person.id),
        target=access.safe_next(request.values.get("next"), ""),
    )  # fmt: skip


# Relatives ------------------------------------------------------------------------------------------------------------


def _relative_values(form: forms.RelativeForm) -> resident_records.RelativeValues:
    return resident_records.RelativeValues(
        form.name.data or "", form.relation.data or "", form.birth_year.data, form.phone.data or "",
    )  # fmt: skip


@face.route("/me/relatives", methods=["GET", "POST"])
@access.resident
def relatives() -> Any:
    person, form = _me(), forms.RelativeForm()
    if form.validate_on_submit():
        row = resident_records.add_relative(person, _relative_values(form), clock.now())
        flash(f"已加上{row.name}。报名时可以选“为{row.name}报名”。", "green")
        return pages.see_other(access.safe_next(request.values.get("next"), url_for("people.relatives")))
    status = 422 if form.is_submitted() else 200
    return pages.page(
        "people/public/relatives.html", status=status, form=form, rows=queries.relatives(person.id),
        target=access.safe_next(request.values.get("next"), ""),
    )  # fmt: skip


def _relative(relative_id: int) -> Relative:
    return queries.relative(access.signed_in().id, relative_id) or abort(404)


@face.route("/me/relatives/<int:relative_id>", methods=["GET", "POST"])
@access.resident
def relative(relative_id: int) -> Any:
    row = _relative(relative_id)
    form = forms.RelativeForm(obj=row)
    if form.validate_on_submit():
        resident_records.edit_relative(row, _relative_values(form))
        return pages.said("已保存。", url_for("people.relatives"))
    return pages.page("people/public/relative.html", status=422 if form.is_submitted() else 200, form=form, row=row)


@face.post("/me/relatives/<int:relative_id>/remove")
@access.resident
def remove_relative(relative_id: int) -> Any:
    row = _relative(relative_id)
    resident_records.remove_relative(row, clock.now())
    return pages.said(f"已不再为{row.name}代办。已经报上的名不受影响。", url_for("people.relatives"))


# Where I am signed in -------------------------------------------------------------------------------------------------


@face.get("/me/devices", endpoint="devices")
@access.resident
def own_devices() -> Any:
    user = access.signed_in()
    rows = queries.live_sessions("resident", user.id, clock.now())
    return pages.page("people/public/devices.html", rows=rows, own=user.session_id, browser=devices.said)


@face.post("/me/devices/<session_id>/end")
@access.resident
def end_device(session_id: str) -> Any:
    if session_id == access.signed_in().session_id:
        signing.leave(clock.now())
        return pages.said("已退出。下次用手机号和验证码就能再登录。", "/")
    if not devices.end(access.actor(), session_id, clock.now()):
        abort(404)
    return pages.said("那台设备已经退出。", url_for("people.devices"))


@face.post("/me/devices/end-others")
@access.resident
def end_other_devices() -> Any:
    count = devices.end_others(access.actor(), access.signed_in().session_id, clock.now())
    said = f"其他 {count} 台设备都已退出。" if count else "没有别的设备登录着。"
    return pages.said(said, url_for("people.devices"))


# Another number -------------------------------------------------------------------------------------------------------


@face.route("/me/phone", methods=["GET", "POST"])
@access.resident
@proof.asked_first()
def phone() -> Any:
    """A new number: a code is sent to it first."""
    person, form, now = _me(), forms.PhoneForm(), clock.now()
    if form.validate_on_submit():
        number = form.phone.data or ""
        if number == person.phone:
            flash("这就是您现在的号码，不用换。", "gold")
            return pages.see_other(url_for("people.profile"))
        if not send(form, now):
            return pages.page("people/public/phone.html", status=429, form=form, person=person)
        session[NEW_PHONE] = number
        return pages.see_other(url_for("people.phone_code"))
    return pages.page("people/public/phone.html", status=422 if form.is_submitted() else 200, form=form, person=person)


@face.route("/me/phone/code", methods=["GET", "POST"])
@access.resident
@proof.asked_first("people.phone")
def phone_code() -> Any:
    person, form, now = _me(), forms.CodeForm(), clock.now()
    number = session.get(NEW_PHONE)
    if not number:
        return pages.see_other(url_for("people.phone"))
    if not form.validate_on_submit():
        return code_page(form, number, 422 if form.is_submitted() else 200, changing=True)
    try:
        login_codes.check_code(number, form.code.data or "", now, browser())
        resident_records.change_phone(access.actor(), person, number, now, access.signed_in().session_id)
    except DomainError as refusal:
        db.keep_on_refusal()
        form.refuse(type(refusal)(refusal.message, advice=refusal.advice, field="code"))
        return code_page(form, number, refusal.status, changing=True)
    session.pop(NEW_PHONE, None)
    return pages.said("手机号已换好，以后用新号码登录。其他手机上的登录已退出。", url_for("people.profile"))


# Leave -------------------------------------------------------------------------------------------------


@face.route("/me/erase", methods=["GET", "POST"])
@access.resident
@proof.asked_first()
def erase() -> Any:
    person, form, now = _me(), forms.EraseForm(), clock.now()
    if form.validate_on_submit():
        resident_records.erase_resident(access.actor(), person, now)
        signing.leave(now, "erased")
        return signing.forgetting(pages.see_other(url_for("people.erased")))
    return pages.page("people/public/erase.html", status=422 if form.is_submitted() else 200, form=form)


@face.get("/erased")
@access.public
def erased() -> Any:
    return pages.page("people/public/erased.html")
