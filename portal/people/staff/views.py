"""Staff sign in, change their password, see where they are signed in (SPEC P3, P4)."""

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, abort, flash, request, session, url_for

from portal.core import access, clock, cookies, db, pages
from portal.core import sessions as sessions_of
from portal.core.access import Permission, safe_next
from portal.core.errors import DomainError
from portal.core.forms import Form
from portal.people import forms, queries, rules, signing
from portal.people.actions import devices, second_factor, staff_sign_in
from portal.people.models import StaffAccount

face = Blueprint("people_staff", __name__, url_prefix="/staff")
face.context_processor(lambda: {"limits": rules})
DEVICE, DEVICE_DAYS = "device", 400
WAITING = "second_step"  # in the signed cookie: the account, when, and a mark of the password that was shown


def _target() -> str:
    return safe_next(request.values.get("next"), "/staff")


@face.get("/login")
@access.public
def login() -> Any:
    user = access.viewer()
    if user is not None and user.audience == "staff":
        return pages.see_other(_target())
    return pages.page("people/staff/login.html", form=forms.StaffLoginForm(), target=_target())


@face.post("/login")
@access.public_slow
def sign_in() -> Any:
    form, now = forms.StaffLoginForm(), clock.now()
    if not form.validate_on_submit():
        return pages.page("people/staff/login.html", status=422, form=form, target=_target())
    device = cookies.read(DEVICE)
    try:
        account = staff_sign_in.sign_in(
            form.username.data or "", form.password.data or "", request.remote_addr or "", device, now
        )
    except DomainError as refusal:
        db.keep_on_refusal()
        form.refuse(refusal)
        return pages.page("people/staff/login.html", status=refusal.status, form=form, target=_target())
    if second_factor.is_on(account):
        session[WAITING] = [account.id, int(now.timestamp()), sessions_of.fingerprint(account.password_hash)[:16]]
        return pages.see_other(url_for("people_staff.second_step", next=_target()))
    return _come_in(account, device, now)


def _come_in(account: StaffAccount, device: str, now: datetime) -> Response:
    device = staff_sign_in.complete(account, request.remote_addr or "", device, now)
    target = url_for("people_staff.change_password") if account.must_change else _target()
    signing.enter("staff", account.id, now)
    answer: Response = pages.see_other(target)
    cookies.keep(answer, DEVICE, device, DEVICE_DAYS)
    return answer


def _between(now: datetime) -> StaffAccount | None:
    """Whose password this browser has shown a moment ago; a reset meanwhile makes it worth nothing."""
    number, at, shown = session.get(WAITING) or (0, 0, "")
    account = db.db.session.get(StaffAccount, number)
    if account is None or account.disabled_at is not None or not second_factor.is_on(account):
        return None
    in_time = now.timestamp() < at + rules.SECOND_STEP.total_seconds()
    return account if in_time and sessions_of.fingerprint(account.password_hash)[:16] == shown else None


def _too_late() -> Response:
    flash(f"密码验证过了 {clock.lasting(rules.SECOND_STEP)}，请重新登录。", "gold")
    return pages.see_other(url_for("people_staff.login", next=_target()))


@face.get("/login/code")
@access.public
def second_step() -> Any:
    """After the password: the code of the telephone, or a recovery code."""
    if _between(clock.now()) is None:
        return _too_late()
    return pages.page("people/staff/login_code.html", form=forms.SecondStepForm(), target=_target())


@face.post("/login/code")
@access.public
def check_second_step() -> Any:
    form, now = forms.SecondStepForm(), clock.now()
    account, device = _between(now), cookies.read(DEVICE)
    if account is None:
        return _too_late()
    if not form.validate_on_submit():
        return pages.page("people/staff/login_code.html", status=422, form=form, target=_target())
    try:
        staff_sign_in.second_step(account, form.code.data or "", request.remote_addr or "", device, now)
    except DomainError as refusal:
        db.keep_on_refusal()
        form.refuse(refusal)
        return pages.page("people/staff/login_code.html", status=refusal.status, form=form, target=_target())
    return _come_in(account, device, now)


@face.post("/logout")
@access.staff(Permission.VIEW)
def logout() -> Any:
    return signing.goodbye("已退出登录。", url_for("people_staff.login"))


def typed_code(form: Form) -> str:
    """Of the second factor, where the form asks for it."""
    return str(form["code"].data or "") if "code" in form else ""


def own_account() -> StaffAccount:
    """Of whoever is looking at a staff page."""
    return db.db.session.get_one(StaffAccount, access.signed_in().id)


@face.route("/password", methods=["GET", "POST"])
@access.staff(Permission.VIEW, slow=True)
def change_password() -> Any:
    user = access.signed_in()
    account = own_account()
    asked = forms.PasswordCodeForm if user.second_factor else forms.PasswordForm
    form = forms.FirstPasswordForm() if account.must_change else asked()
    status = 422 if form.is_submitted() else 200
    if form.validate_on_submit():
        try:
            staff_sign_in.change_password(
                account, str(form["old"].data or "") if "old" in form else None, form.new.data or "", user.session_id,
                access.actor(), clock.now(), typed_code(form),
            )  # fmt: skip
        except DomainError as refusal:
            db.keep_on_refusal()
            form.refuse(refusal)
            status = refusal.status
        else:
            return pages.said("密码已改好。其他电脑上的登录都已退出。", "/staff")
    return pages.page("people/staff/password.html", status=status, form=form, own=user)


@face.get("/sessions")
@access.staff(Permission.VIEW)
def sessions() -> Any:
    user = access.signed_in()
    rows = queries.live_sessions("staff", user.id, clock.now())
    return pages.page("people/staff/sessions.html", rows=rows, own=user.session_id, browser=devices.said)


@face.post("/sessions/<session_id>/end")
@access.staff(Permission.VIEW)
def end_session(session_id: str) -> Any:
    if session_id == access.signed_in().session_id:
        return logout()
    if not devices.end(access.actor(), session_id, clock.now()):
        abort(404)
    return pages.said("那台电脑上的登录已结束。", url_for("people_staff.sessions"))


@face.post("/sessions/end-others")
@access.staff(Permission.VIEW)
def end_other_sessions() -> Any:
    count = devices.end_others(access.actor(), access.signed_in().session_id, clock.now())
    said = f"其他 {count} 处登录都已结束。" if count else "没有别处的登录。"
    return pages.said(said, url_for("people_staff.sessions"))
