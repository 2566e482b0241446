"""Staff set up their second factor: a QR code for the telephone, then recovery codes for the drawer (SPEC P3)."""

from typing import Any

from flask import Response, flash, url_for
from markupsafe import Markup

from portal.centres import profile
from portal.core import access, clock, pages, qr
from portal.core.access import Permission
from portal.core.errors import DomainError
from portal.people import forms, proof
from portal.people.actions import second_factor
from portal.people.staff.views import face, own_account


def _page(form: forms.SecondStepForm, status: int = 200) -> Response:
    account, user = own_account(), access.signed_in()
    on, secret = second_factor.is_on(account), None
    if not on:
        secret = second_factor.secret_of(account)
    drawn = qr.qr_svg(second_factor.address_of(account, secret), "两步验证的二维码") if secret else ""
    answer = pages.page(
        "people/staff/second_factor.html", status=status, form=form, on=on, since=account.totp_on_at,
        left=second_factor.codes_left(account) if on else 0, demanded=bool(user.must_first),
        code=Markup(drawn),  # noqa: S704 made of modules only
        spaced=" ".join(secret[i : i + 4] for i in range(0, len(secret), 4)) if secret else "",
    )  # fmt: skip
    answer.headers["Cache-Control"] = "no-store"
    return answer


@face.get("/second-factor", endpoint="second_factor")
@access.staff(Permission.VIEW)
@proof.asked_first()
def second_factor_page() -> Any:
    """On or off; while it is being set up, the QR code and the field that confirms it."""
    return _page(forms.SecondStepForm())


@face.post("/second-factor/begin")
@access.staff(Permission.VIEW)
@proof.asked_first("people_staff.second_factor")
def begin_second_factor() -> Any:
    second_factor.begin(own_account())
    return pages.see_other(url_for("people_staff.second_factor"))


@face.post("/second-factor/confirm")
@access.staff(Permission.VIEW)
@proof.asked_first("people_staff.second_factor")
def confirm_second_factor() -> Any:
    """The first right code turns it on; the answer is the only page that shows the recovery codes."""
    form, user = forms.SecondStepForm(), access.signed_in()
    if not form.validate_on_submit():
        return _page(form, 422)
    try:
        codes = second_factor.confirm(own_account(), form.code.data or "", access.actor(), user.session_id, clock.now())
    except DomainError as refusal:
        form.refuse(refusal)
        return _page(form, refusal.status)
    return _codes(codes, "两步验证已开启")


@face.post("/second-factor/codes")
@access.staff(Permission.VIEW)
@proof.asked_first("people_staff.second_factor")
def new_recovery_codes() -> Any:
    return _codes(second_factor.recovery_codes(own_account(), access.actor(), clock.now()), "新的备用码")


def _codes(codes: list[str], title: str) -> Response:
    answer = pages.page(
        "people/staff/recovery_codes.html", codes=codes, title=title, account=own_account(),
        product=profile.current().product,
    )  # fmt: skip
    answer.headers["Cache-Control"] = "no-store"
    return answer


@face.post("/second-factor/off")
@access.staff(Permission.VIEW)
@proof.asked_first("people_staff.second_factor")
def turn_off_second_factor() -> Any:
    second_factor.turn_off(own_account(), access.actor(), clock.now())
    flash("两步验证已关闭。换了手机的，请马上重新设置。", "gold")
    return pages.see_other(url_for("people_staff.second_factor"))
