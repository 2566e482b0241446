"""Staff sign in, change their password, see where they are signed in (SPEC P3, P4)."""

from typing import Any

from flask import Blueprint, Response, abort, current_app, request, url_for

from portal.core import access, clock, db, pages
from portal.core.access import Permission, safe_next
from portal.core.errors import DomainError
from portal.people import actions_sign_in, actions_staff, forms, queries, rules, signing
from portal.people.models import StaffAccount

face = Blueprint("people_staff", __name__, url_prefix="/staff")
face.context_processor(lambda: {"limits": rules})
DEVICE_DAYS = 400


def _device_cookie() -> str:
    return "__Host-device" if current_app.config["HTTPS"] else "device"


def _target() -> str:
    return safe_next(request.values.get("next"), "/staff")


@face.get("/login")
@access.public
def login() -> Any:
    user = access.viewer()
    if user is not None and user.audience == "staff":
        return pages.see_other(_target())
    return pages.page("people/staff_login.html", form=forms.StaffLoginForm(), target=_target())


@face.post("/login")
@access.public_slow
def sign_in() -> Any:
    form, now = forms.StaffLoginForm(), clock.now()
    if not form.validate_on_submit():
        return pages.page("people/staff_login.html", status=422, form=form, target=_target())
    device = request.cookies.get(_device_cookie(), "")
    try:
        account = actions_sign_in.sign_in(
            form.username.data or "", form.password.data or "", request.remote_addr or "", device, now
        )
    except DomainError as refusal:
        db.keep_on_refusal()
        form.refuse(refusal)
        return pages.page("people/staff_login.html", status=refusal.status, form=form, target=_target())
    device = actions_sign_in.complete(account, request.remote_addr or "", device, now)
    target = url_for("people_staff.change_password") if account.must_change else _target()
    signing.enter("staff", account.id, now)
    answer: Response = pages.see_other(target)
    answer.set_cookie(
        _device_cookie(), device, max_age=DEVICE_DAYS * 86400, httponly=True, samesite="Lax",
        secure=current_app.config["HTTPS"],
    )  # fmt: skip
    return answer


@face.post("/logout")
@access.staff(Permission.VIEW)
def logout() -> Any:
    signing.leave(clock.now())
    return pages.said("已退出登录。", url_for("people_staff.login"))


def _own() -> StaffAccount:
    return db.db.session.get_one(StaffAccount, access.signed_in().id)


@face.route("/password", methods=["GET", "POST"])
@access.staff(Permission.VIEW, slow=True)
def change_password() -> Any:
    form, user = forms.PasswordForm(), access.signed_in()
    if form.validate_on_submit():
        try:
            actions_sign_in.change_password(
                _own(), form.old.data or "", form.new.data or "", user.session_id, access.actor(), clock.now()
            )
        except DomainError as refusal:
            form.refuse(refusal)
        else:
            return pages.said("密码已改好。其他电脑上的登录都已退出。", "/staff")
    status = 422 if form.is_submitted() else 200
    return pages.page("people/staff_password.html", status=status, form=form, must_change=user.must_change)


@face.get("/sessions")
@access.staff(Permission.VIEW)
def sessions() -> Any:
    user = access.signed_in()
    rows = queries.live_sessions("staff", user.id, clock.now())
    return pages.page("people/staff_sessions.html", rows=rows, own=user.session_id, browser=_browser)


@face.post("/sessions/<session_id>/end")
@access.staff(Permission.VIEW)
def end_session(session_id: str) -> Any:
    if session_id == access.signed_in().session_id:
        return logout()
    if not actions_staff.end_own_session(access.actor(), session_id, clock.now()):
        abort(404)
    return pages.said("那台电脑上的登录已结束。", url_for("people_staff.sessions"))


def _browser(agent: str) -> str:
    """'Windows 电脑 · Chrome': enough to recognise one's own."""
    systems = (("Windows", "Windows 电脑"), ("Android", "安卓手机"), ("iPhone", "苹果手机"), ("iPad", "苹果平板"),
               ("Mac OS", "苹果电脑"), ("Linux", "Linux 电脑"))  # fmt: skip
    programs = (("MicroMessenger", "微信"), ("Edg", "Edge"), ("Chrome", "Chrome"), ("Firefox", "Firefox"),
                ("Safari", "Safari"))  # fmt: skip
    system = next((text for key, text in systems if key in agent), "其他设备")
    program = next((text for key, text in programs if key in agent), "")
    return f"{system} · {program}" if program else system
