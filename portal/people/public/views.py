"""Residents come in: telephone, code, and the first time name, address and community (SPEC P1)."""

import hmac
import secrets
from datetime import datetime
from typing import Any

from flask import Blueprint, abort, flash, request, session, url_for

from portal.centres import profile
from portal.core import access, clock, cookies, db, pages, registry, sealed
from portal.core.access import safe_next
from portal.core.errors import DomainError
from portal.people import forms, queries, rules, signing, viewer
from portal.people.actions import login_codes, resident_records, spoken_codes
from portal.people.models import Resident
from portal.people.refusals import CodeTooSoon, seconds_until, when

face = Blueprint("people", __name__)
face.context_processor(lambda: {"limits": rules, "errand": errand, "hotline": profile.current().hotline})

# Keys of the signed cookie while somebody is on the way in.
PHONE, VERIFIED, BROWSER = "login_phone", "login_code", "login_browser"
KNOWN = "known"  # a cookie of its own: the number was proved in this browser


def browser() -> str:
    """A random mark in the signed cookie, there before a button is pressed: two presses are one browser's."""
    return str(session.setdefault(BROWSER, secrets.token_urlsafe(12)))


def knows(phone: str) -> bool:
    """Whether somebody has signed in with this number (11 digits) in this browser before."""
    return hmac.compare_digest(cookies.read(KNOWN).encode(), _known_mark(phone).encode())


def _known_mark(phone: str) -> str:
    """Only this application can make it, so that nothing need be stored."""
    return sealed.mark(phone, "known browser")


def send(form: forms.PhoneForm, now: datetime) -> bool:
    """Send a code to the form's number. Pressed twice, or too impatient: the code that was sent is still good.

    False, with the reason in the form, when none may be sent and none is there.
    """
    phone = form.phone.data or ""
    try:
        login_codes.send_code(phone, request.remote_addr or "", now, browser(), knows(phone))
    except CodeTooSoon as refusal:
        db.keep_on_refusal()
        if login_codes.live_code(phone, now, browser()) is None:
            refusal.advice += "短信已经收到的，请回到刚才要验证码的那个浏览器里填；急着用的，看下面打电话的办法。"
            form.refuse(refusal)
            return False
        flash(f"刚才已经发过验证码，请用收到的那一条。{refusal.advice}", "gold")
    return True


def _target() -> str:
    target = safe_next(request.values.get("next"), "/me")
    return (
        "/me" if target.split("?")[0] in {"/login", "/login/code", "/login/spoken", "/register", "/logout"} else target
    )


def errand() -> registry.Errand | None:
    """What comes after signing in, in words."""
    return registry.errand_at(_target().split("?")[0])


def _lost() -> bool:
    """Whether this browser was signed in and is no more."""
    return "_user_id" in session and access.viewer() is None


def _is_resident() -> bool:
    user = access.viewer()
    return user is not None and user.audience == "resident"


@face.get("/login")
@access.public
def login() -> Any:
    if _is_resident():
        return pages.see_other(_target())
    first = next((way for find in registry.ways_in if (way := find(_target()))), "")
    if first:
        return pages.see_other(first)
    browser()
    form = forms.PhoneForm()
    form.phone.data = form.phone.data or session.get(PHONE, "")
    return pages.page("people/public/login.html", form=form, target=_target(), lost=_lost())


@face.post("/login")
@access.public
def send_code() -> Any:
    """Send a code; the answer is the same whether the number is registered or not."""
    form, now = forms.PhoneForm(), clock.now()
    if not form.validate_on_submit():
        return pages.page("people/public/login.html", status=422, form=form, target=_target())
    if not send(form, now):
        return pages.page("people/public/login.html", status=429, form=form, target=_target())
    session[PHONE] = form.phone.data
    return pages.see_other(url_for("people.enter_code", next=_target()))


def code_page(form: forms.CodeForm, phone: str, status: int = 200, changing: bool = False) -> Any:
    now = clock.now()
    wait = rules.next_code_at(queries.codes_sent(phone, request.remote_addr or "", now), now, knows(phone))
    return pages.page(
        "people/public/code.html", status=status, form=form, phone=phone, target=_target(), changing=changing,
        wait_text=when(wait, now) if wait else "", wait_seconds=seconds_until(wait, now) if wait else 0,
        life=rules.CODE_LIFE,
    )  # fmt: skip


@face.get("/login/code")
@access.public
def enter_code() -> Any:
    phone = session.get(PHONE)
    if not phone:
        return pages.see_other(url_for("people.login", next=_target()))
    return code_page(forms.CodeForm(), phone)


@face.post("/login/code")
@access.public
def check_code() -> Any:
    phone, form, now = session.get(PHONE), forms.CodeForm(), clock.now()
    if not phone:
        return pages.see_other(url_for("people.login", next=_target()))
    if not form.validate_on_submit():
        return code_page(form, phone, 422)
    try:
        row = login_codes.check_code(phone, form.code.data or "", now, browser())
    except DomainError as refusal:
        db.keep_on_refusal()
        form.refuse(refusal)
        return code_page(form, phone, refusal.status)
    known = queries.resident_by_phone(phone)
    if known is not None:
        return _come_in(known)
    session.pop(PHONE, None)
    session[VERIFIED] = row.id
    return pages.see_other(url_for("people.register", next=_target()))


@face.route("/login/spoken", methods=["GET", "POST"])
@access.public
def spoken_code() -> Any:
    """No text comes, or the code will not do: the number, and a code that the centre's staff read out."""
    form, now = forms.SpokenForm(), clock.now()
    status = 422 if form.is_submitted() else 200
    if form.validate_on_submit():
        try:
            row = spoken_codes.use(form.phone.data or "", form.code.data or "", request.remote_addr or "", now)
        except DomainError as refusal:
            db.keep_on_refusal()
            form.refuse(refusal)
            status = refusal.status
        else:
            person = queries.resident(row.resident_id) or abort(404)
            return _come_in(person, let_in_by=spoken_codes.read_by(row))
    elif not form.is_submitted():
        form.phone.data = session.get(PHONE, "")
    return pages.page(
        "people/public/spoken.html", status=status, form=form, target=_target(), life=rules.SPOKEN_LIFE,
        digits=rules.SPOKEN_DIGITS,
    )  # fmt: skip


def _come_in(person: Resident, let_in_by: str = "") -> Any:
    target = _target()
    signing.enter("resident", person.id, clock.now(), let_in_by)
    if person.consent_version != profile.current().consent_version:
        target = url_for("people.consent", next=target)
    answer = pages.see_other(target)
    if not let_in_by:  # the telephone itself has shown its number
        cookies.keep(answer, KNOWN, _known_mark(person.phone or ""), rules.KNOWN_DAYS)
    return answer


def _register_page(form: forms.RegisterForm, phone: str, status: int = 200) -> Any:
    return pages.page("people/public/register.html", status=status, form=form, phone=phone, target=_target())


def _register_form() -> forms.RegisterForm:
    form = forms.RegisterForm()
    form.offer_homes(queries.home_choices())
    return form


@face.get("/register")
@access.public
def register() -> Any:
    """Name, address and community, once. Without a proved number it starts where signing in starts."""
    if _is_resident():
        return pages.see_other(_target())
    phone = login_codes.verified_phone(session.get(VERIFIED), clock.now())
    if phone is None:
        return pages.see_other(url_for("people.login", next=_target()))
    form, near, wanted = _register_form(), viewer.chosen_centre(), errand()
    here = near.id if near is not None else wanted.centre_id if wanted is not None else None
    if any(here is not None and choice.value == str(here) for choice in form.home.choices or ()):
        form.home.data = str(here)
    return _register_page(form, phone)


@face.post("/register")
@access.public
def finish_register() -> Any:
    now, form = clock.now(), _register_form()
    phone = login_codes.verified_phone(session.get(VERIFIED), now)
    if phone is None:
        flash(f"验证码是{clock.said(rules.VERIFIED_LIFE)}前验证的，请重新收一次验证码。", "gold")
        return pages.see_other(url_for("people.login", next=_target()))
    if not form.validate_on_submit():
        return _register_page(form, phone, 422)
    values = resident_records.ResidentValues(form.name.data or "", form.address.data or "", int(form.home.data))
    person = resident_records.open_resident(phone, values, now)
    return _come_in(person)


@face.post("/logout")
@access.public
def logout() -> Any:
    return signing.goodbye("已退出。下次用手机号和验证码就能再登录。", "/")


@face.get("/privacy")
@access.public
def privacy() -> Any:
    current = profile.current()
    return pages.page(
        "people/public/privacy.html", notice=current.privacy, version=current.consent_version, area=current.name,
        hotline=current.hotline,
    )  # fmt: skip


@face.route("/privacy/agree", methods=["GET", "POST"])
@access.resident
def consent() -> Any:
    """The notice has a new version: ask once more."""
    form, current = forms.ConsentForm(), profile.current()
    if form.validate_on_submit():
        person = queries.resident(access.signed_in().id)
        if person is not None:
            resident_records.agree(person, clock.now())
        return pages.see_other(_target())
    status = 422 if form.is_submitted() else 200
    return pages.page(
        "people/public/consent.html", status=status, form=form, notice=current.privacy, version=current.consent_version,
        target=_target(),
    )  # fmt: skip
