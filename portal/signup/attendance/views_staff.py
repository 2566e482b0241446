"""Staff at the door (SPEC S6): today's dates, a roster, codes, walk-ins. The phone may lack network meanwhile."""

import re
import secrets
from datetime import datetime
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort, current_app, flash, jsonify, request, url_for

from portal.catalogue.models import EntrySession
from portal.core import access, clock, pages, pdf_spool, qr, registry
from portal.core.access import Permission
from portal.core.errors import DomainError
from portal.core.incoming import whole_number
from portal.signup.attendance import actions, codes, documents, queries, rules
from portal.signup.attendance.models import LIST, PAPER, SCAN, TAIL

bp = Blueprint("check_in_staff", __name__, url_prefix="/staff/check-in")
TEMPLATE = "signup/attendance/staff_date.html"
TOGETHER = 200  # marks that a phone may send at once
IN_A_FORM = 100  # people: a form has so many fields, and a press on 保存 is never far away
KEY = re.compile(r"[\w-]{8,60}")
WALK_IN = re.compile(r"\+(.{0,8}?)(\d{11}|\d{4})")
PERSON = re.compile(r"[rv]\d{1,10}|w[0-9a-f]{24}")

registry.nav(
    "check_in", "签到", "check", "check_in_staff.today", Permission.VIEW, 31, "no_shows.rule", "no_shows.appeals"
)


class NoSuchCode(DomainError):
    message = "没有找到这个报名码。"
    advice = "请核对数字，或在名单里按姓名、手机尾号找。"
    field = "typed"


@bp.get("")
@access.staff(Permission.VIEW)
def today() -> Response:
    """Today's dates of my subtree, and what is over and not gone through yet."""
    return _today()


def _today(error: DomainError | None = None) -> Response:
    path, now = access.signed_in().centre_path, clock.now()
    text = request.args.get("q", "").strip()[:40]
    return pages.page(
        "signup/attendance/staff_today.html", lines=queries.of_today(path, now, text), q=text, most=queries.MOST,
        left=queries.unchecked(path, now), now=now, error=error, typed=request.form.get("typed", ""),
        may=access.actor().can(Permission.SIGN_UPS),
    )  # fmt: skip


@bp.get("/go")
@access.staff(Permission.VIEW)
def go() -> Response:
    """Another date of the same activity, chosen from a list."""
    number = whole_number(request.args.get("date"))
    to = url_for("check_in_staff.date", date_id=number) if number else url_for("check_in_staff.today")
    return pages.see_other(to)


def _date(date_id: int) -> EntrySession:
    return queries.date_of(date_id) or abort(404)


@bp.get("/<int:date_id>")
@access.staff(Permission.VIEW)
def date(date_id: int) -> Response:
    """Everybody of one date, to be ticked; `?found=` is whom a code named."""
    return _page(date_id)


def _page(date_id: int, error: DomainError | None = None, where: str = "") -> Response:
    found, now = _date(date_id), clock.now()
    people = queries.roster(found)
    may = access.actor().can(Permission.SIGN_UPS) and found.entry.status == "published"
    return pages.page(
        TEMPLATE, "board", date=found, entry=found.entry, now=now, people=people, rule=rules, error=error, where=where,
        batches=[people[i : i + IN_A_FORM] for i in range(0, len(people), IN_A_FORM)],
        came=sum(bool(p.came) for p in people), expected=sum(not p.walk_in for p in people),
        shut=rules.staff_refusal(found, now) if may else None, may=may, checked=queries.checked([date_id]).get(date_id),
        found=next((p for p in people if p.key == request.args.get("found")), None), typed=request.form,
        once=secrets.token_urlsafe(9), me=access.signed_in(), others=found.entry.sessions,
        qr=qr.qr_svg(place_url(found.id), "现场签到码") if may else "", said=codes.said,
    )  # fmt: skip


def place_url(date_id: int) -> str:
    """What the code at the place of one date opens."""
    return pages.absolute(url_for("check_in.place", date_id=date_id, place_key=codes.of_date(date_id)))


# Codes ----------------------------------------------------------------------------------------------------------------


@bp.get("/code/<code>")
@access.staff(Permission.SIGN_UPS)
def code(code: str) -> Response:
    """What a resident's code opens in the phone's own camera: that person on the roster, one press from checked in."""
    try:
        return pages.see_other(_person_url(code))
    except DomainError as error:
        return pages.sorry(error, url_for("check_in_staff.today"))


@bp.post("/find")
@access.staff(Permission.SIGN_UPS)
@pages.act(_today)
def find() -> Response:
    """The digits of a code, typed."""
    return pages.see_other(_person_url(request.form.get("typed", "")))


def _person_url(typed: str) -> str:
    number = codes.read(typed[:200])
    found = queries.date_for_sign_up(number, clock.now()) if number is not None else None
    if found is None:
        raise NoSuchCode()
    row, on = found
    return url_for("check_in_staff.date", date_id=on.id, found=row.person_key)


# Marks ----------------------------------------------------------------------------------------------------------------


@bp.get("/<int:date_id>/ticks")
@access.staff(Permission.SIGN_UPS)
def standing(date_id: int) -> Response:
    """How it stands, for a phone that has nothing to send: what colleagues have ticked meanwhile."""
    return _standing(date_id, actions.Outcome())


@bp.post("/<int:date_id>/ticks")
@access.staff(Permission.SIGN_UPS)
def ticks(date_id: int) -> Response:
    """What a phone has noted, each under its own key, perhaps long ago and perhaps sent before; answers how it stands.

    tick: 'key|person|1 or 0|seconds ago|how', a walk-in's person as '+王8017'. JSON: applied and refused keys, rows.
    """
    _date(date_id)
    now = clock.now()
    sent = [m for raw in request.form.getlist("tick")[:TOGETHER] if (m := _tick(raw, now)) is not None]
    marks = [m for m, _, _ in sent if m.person]
    unnamed = [(m, surname, tail) for m, surname, tail in sent if not m.person]
    outcome = actions.Outcome()
    if sent:
        try:
            outcome = actions.mark(access.actor(), date_id, marks, unnamed, now)
        except actions.NotNow as error:
            pages.refused(error)
            outcome.refused = {m.key: error for m, _, _ in sent}
    return _standing(date_id, outcome)


def _tick(raw: str, now: datetime) -> tuple[actions.Mark, str, str] | None:
    parts = raw.split("|")
    if len(parts) != 5 or not KEY.fullmatch(parts[0]) or parts[2] not in ("0", "1"):
        return None
    key, person, came, age, how = parts
    at = rules.marked_at(whole_number(age) or 0, now)
    walk_in = WALK_IN.fullmatch(person)
    if walk_in:
        return actions.Mark(key, "", came == "1", at, TAIL), walk_in[1], walk_in[2]
    if not PERSON.fullmatch(person):
        return None
    return actions.Mark(key, person, came == "1", at, SCAN if how == SCAN else LIST), "", ""


def _standing(date_id: int, outcome: actions.Outcome) -> Response:
    people = queries.roster(_date(date_id))
    answer: Any = jsonify(
        applied=outcome.applied,
        refused={key: f"{why.message}{why.advice}" for key, why in outcome.refused.items()},
        rows=[{"key": p.key, "name": p.name, "tail": p.tail, "came": p.came} for p in people],
    )
    return answer  # type: ignore[no-any-return]


def _redraw(where: str) -> Any:
    return lambda error, date_id: _page(date_id, error, where)


def _done(said: str, date_id: int) -> Response:
    return pages.said(said, url_for("check_in_staff.date", date_id=date_id), lambda: _page(date_id))


@bp.post("/<int:date_id>/save")
@access.staff(Permission.SIGN_UPS)
@pages.act(_redraw("save"), _done)
def save(date_id: int) -> str:
    """The ticks of many in one form, from a paper roster or without JavaScript. Only what was changed here is written,
    so that nobody's tick of meanwhile is undone."""
    form, now = request.form, clock.now()
    was, came = set(form.get("was", "").split()), set(form.getlist("came"))
    once = form.get("once", "")
    once = once if KEY.fullmatch(once) else secrets.token_urlsafe(9)
    changed = sorted((came - was) | (was - came))
    marks = [
        actions.Mark(f"{once}:{person}:{int(person in came)}", person, person in came, now, PAPER)
        for person in changed if PERSON.fullmatch(person)
    ]  # fmt: skip
    outcome = actions.mark(access.actor(), date_id, marks, [], now)
    for error in list(outcome.refused.values())[:1]:
        flash(f"{error.message}{error.advice}", "red")
    return f"已保存，改了 {len(outcome.applied)} 份。" if outcome.applied else "没有要改的。"


@bp.post("/<int:date_id>/walk-in")
@access.staff(Permission.SIGN_UPS)
@pages.act(_redraw("walk-in"), _done)
def walk_in(date_id: int) -> str:
    """Somebody without a sign-up, by surname and last digits; of somebody on the roster it is their tick."""
    form, now = request.form, clock.now()
    once = form.get("once", "")
    key = f"walk-in:{once}" if KEY.fullmatch(once) else secrets.token_urlsafe(9)
    one = actions.Mark(key, "", True, now, TAIL)
    outcome = actions.mark(access.actor(), date_id, [], [(one, form.get("surname", ""), form.get("tail", ""))], now)
    for error in outcome.refused.values():
        raise error
    return "已登记到场。"


@bp.post("/<int:date_id>/close")
@access.staff(Permission.SIGN_UPS)
@pages.act(_redraw("close"), _done)
def close(date_id: int) -> str:
    """The roster has been gone through: whoever is not ticked did not come."""
    missing = actions.close(access.actor(), date_id, clock.now())
    return f"核对完成，{missing} 份未到。有更正的，在名单上直接改。" if missing else "核对完成，报名的人都到了。"


# The code at the place, and the page without network ------------------------------------------------------------------


@bp.get("/<int:date_id>/place.pdf")
@access.staff(Permission.SIGN_UPS)
def place_sheet(date_id: int) -> Response:
    """The A4 sheet with the code that residents scan at the place of one date."""
    found, now = _date(date_id), clock.now()
    entry = found.entry
    sheet = documents.PlaceSheet(
        title=entry.title, when=clock.span(found.starts_at, found.ends_at), place=entry.place or entry.centre.label,
        url=place_url(found.id), window=rules.window_text(), walk_in=entry.walk_in, centre_name=entry.centre.name,
        printed_on=clock.today(now),
    )  # fmt: skip
    return pdf_spool.answer(documents.place_sheet(sheet), f"{entry.title}签到码.pdf", private=True)


@bp.get("/worker.js")
@access.staff(Permission.VIEW)
def worker() -> Response:
    """The service worker of these pages: it must lie above them to open them without network."""
    script = Path(str(current_app.static_folder), "check_in_worker.js").read_text("utf-8")
    return Response(script, mimetype="text/javascript", headers={"Cache-Control": "private, no-cache"})
