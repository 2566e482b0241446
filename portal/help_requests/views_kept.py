"""/staff/help/registrations: 备案, kept by the community; /staff/help/outside: numbers to refer to (SPEC H1, H2)."""

from flask import Blueprint, Response, request, url_for
from wtforms import ValidationError

from portal.core import access, clock, pages
from portal.core.access import Permission
from portal.core.errors import DomainError
from portal.core.forms import mobile
from portal.help_requests import help_kinds, queries, registering, rules
from portal.help_requests.errors import RegistrationWrong
from portal.help_requests.models import VulnerableRegistration
from portal.help_requests.views_staff import PhoneWrong

bp = Blueprint("help_kept", __name__, url_prefix="/staff/help")


def name_of(row: VulnerableRegistration) -> str:
    """'李** 76 岁'."""
    name = row.relative.name if row.relative else row.caller_name or row.resident.name
    year = row.relative.birth_year if row.relative else None if row.caller_name else row.resident.birth_year
    return rules.person_text(name, year, clock.today())


@bp.get("/registrations")
@access.staff(Permission.HELP)
def registrations() -> Response:
    """Who is registered for home services, since when, until when, by whom."""
    return _page()


def _page(error: DomainError | None = None) -> Response:
    ended, page = request.args.get("show") == "ended", pages.page_number()
    rows, more = queries.registrations(ended, clock.today(), page)
    there = url_for(".registrations", show="ended")
    return pages.page(
        "help_requests/staff_registrations.html", "board", rows=rows, more=more, page=page, ended=ended, error=error,
        needing="、".join(k.name for k in help_kinds.everything() if k.needs_registered), typed=request.form,
        name_of=name_of, today=clock.today(), may=access.actor().department_id is None,
        tabs=[("有效", url_for(".registrations"), not ended), ("已结束", there, ended)],
    )  # fmt: skip


def _refused(error: DomainError, **_args: int) -> Response:
    return _page(error)


def _done(said: str, **_args: int) -> Response:
    return pages.said(said, url_for("help_kept.registrations"))


@bp.post("/registrations")
@access.staff(Permission.HELP)
@pages.act(_refused, _done)
def register() -> str:
    """Register somebody, or give who is registered new days."""
    form = request.form
    try:
        phone = mobile(form.get("phone", ""))
    except ValidationError as wrong:
        raise PhoneWrong(str(wrong)) from None
    since = registering.day_of(form.get("since", "")) or clock.today()
    until = registering.day_of(form.get("until", ""))
    if until is not None and until <= since:
        raise RegistrationWrong(field="until")
    row = registering.register(
        access.actor(),
        phone,
        form.get("name", ""),
        form.get("whom", ""),
        since,
        until,
        form.get("proof", ""),
        clock.now(),
    )
    return f"已备案：{name_of(row)}。"


@bp.post("/registrations/<int:registration_id>/end")
@access.staff(Permission.HELP)
@pages.act(_refused, _done)
def end(registration_id: int) -> str:
    """It ends today."""
    return f"{name_of(registering.end(access.actor(), registration_id, clock.now()))} 的备案今天结束。"


@bp.get("/outside")
@access.staff(Permission.HELP)
def outside() -> Response:
    """Numbers outside the portal that requests may be referred to."""
    return _outside()


def _outside(error: DomainError | None = None) -> Response:
    return pages.page(
        "help_requests/staff_outside.html", "board", rows=queries.outsiders(), error=error, typed=request.form,
        own=access.actor().centre_id,
    )  # fmt: skip


def _outside_refused(error: DomainError, **_args: int) -> Response:
    return _outside(error)


def _outside_done(said: str, **_args: int) -> Response:
    return pages.said(said, url_for("help_kept.outside"))


@bp.post("/outside")
@access.staff(Permission.HELP)
@pages.act(_outside_refused, _outside_done)
def keep_outside() -> str:
    """Store one, or give a known one its new number."""
    form = request.form
    row = registering.keep_outside(
        access.actor(), form.get("name", ""), form.get("telephone", ""), form.get("note", ""), clock.now()
    )
    return f"已登记：{row.name} {row.phone}。"


@bp.post("/outside/<int:outside_id>/off")
@access.staff(Permission.HELP)
@pages.act(_outside_refused, _outside_done)
def drop_outside(outside_id: int) -> str:
    """No longer offered."""
    registering.drop_outside(access.actor(), outside_id, clock.now())
    return "已停用。"
