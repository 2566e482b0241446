"""Staff on sign-ups: who comes, who waits, who must be decided; callers; rosters (SPEC S3, S5, S10)."""

import re
from collections import Counter
from datetime import date, datetime, time
from typing import Any

from flask import Blueprint, Response, abort, request, url_for
from wtforms import ValidationError

from portal.catalogue import windows
from portal.catalogue.actions import changing
from portal.catalogue.models import BulkStep, Entry
from portal.core import access, clock, forms, pages, registry
from portal.core.access import Actor, Permission
from portal.core.errors import DomainError, Invalid
from portal.core.incoming import whole_number
from portal.people import queries as people
from portal.people.actions import resident_records as people_actions
from portal.signup import notices, queries, queries_staff, reviewing, rules, staff_actions
from portal.signup.errors import SignUpGone

bp = Blueprint("signup_staff", __name__, url_prefix="/staff/sign-ups")
TEMPLATE = "signup/staff_entry.html"

registry.nav("sign_ups", "报名", "users", "signup_staff.list", Permission.VIEW, 30)


class BadInput(Invalid):
    message = "填写的内容有误。"


@bp.get("", endpoint="list")
@access.staff(Permission.VIEW)
def list_entries() -> Response:
    """What people sign up for in my subtree: taken, waiting, to decide, when it starts."""
    viewer = access.signed_in()
    which = request.args.get("show", "")
    which = which if which in dict(queries_staff.FILTERS) else ""
    page = pages.page_number()
    text = request.args.get("q", "").strip()[:40]
    lines, more = queries_staff.staff_list(viewer.centre_path, clock.now(), which, text, page)
    return pages.page(
        "signup/staff_list.html", "results", lines=lines, more=more, page=page, which=which, q=text,
        filters=queries_staff.FILTERS, now=clock.now(),
    )  # fmt: skip


def entry_or_404(entry_id: int) -> Entry:
    return queries_staff.staff_entry(entry_id) or abort(404)


@bp.get("/<int:entry_id>")
@access.staff(Permission.VIEW)
def entry(entry_id: int) -> Response:
    """Everybody of one activity, decided in place."""
    return _page(entry_id)


def _page(
    entry_id: int, *, error: DomainError | None = None, where: str = "", shown: dict[int, str] | None = None
) -> Response:
    """The page or its block; `where` names the form an error belongs to ('add', 'extend', 'merge', a row's id)."""
    now = clock.now()
    found = entry_or_404(entry_id)
    rows = queries_staff.for_entry(entry_id)
    live = [r for r in rows if r.status in queries_staff.ORDER]
    decided = reviewing.waiting_of(entry_id)
    actor = access.actor()
    may = actor.can(Permission.SIGN_UPS) and found.status == "published" and now < (found.last_end or now)
    return pages.page(
        TEMPLATE, "board", entry=found, now=now, when=notices.when(found), live=live,
        ended=[r for r in rows if r.status not in queries_staff.ORDER],
        undecided=[r.id for r in live if r.status == "pending" and r.id not in decided], decided=decided,
        own_steps=_own_steps(decided, actor), review=reviewing, rule=rules,
        offered=sum(r.status == "offered" for r in live), closes=windows.closes_at(found), may=may,
        low=rules.is_low(found, now), error=error, where=where, shown=shown or {},
        typed=request.form, open_change=changing.open_change(found.id), may_plan=actor.can(Permission.PLAN),
        same_series=queries_staff.same_series,
        targets=queries_staff.merge_targets(found, now) if may else [], may_print=actor.can(Permission.SIGN_UPS),
        may_unmask=actor.can(Permission.UNMASK),
    )  # fmt: skip


def _own_steps(decided: dict[int, BulkStep], actor: Actor) -> list[tuple[BulkStep, int]]:
    """Steps on many rows that this person did and that wait to take effect, with of how many sign-ups; newest first."""
    counted = Counter(step.id for step in decided.values() if step.account_id == actor.id)
    steps = {step.id: step for step in decided.values()}
    return [(steps[number], counted[number]) for number in sorted(counted, reverse=True)]


def _act(where: str = "") -> pages.Acting:
    """One action; a refusal comes back beside the form that `where` names, or in the row it was about."""

    def redraw(error: DomainError, entry_id: int, sign_up_id: int = 0) -> Response:
        return _page(entry_id, error=error, where=where or str(sign_up_id))

    return pages.act(redraw, _done)


def _done(said: str, entry_id: int, sign_up_id: int = 0) -> Response:
    return pages.said(said, url_for("signup_staff.entry", entry_id=entry_id), lambda: _page(entry_id))


def _row_of(entry_id: int, sign_up_id: int) -> Any:
    row = next((r for r in queries_staff.for_entry(entry_id) if r.id == sign_up_id), None)
    if row is None:
        raise SignUpGone()
    return row


@bp.post("/<int:entry_id>/<int:sign_up_id>/accept")
@access.staff(Permission.SIGN_UPS)
@_act()
def accept(entry_id: int, sign_up_id: int) -> str:
    """Pass a sign-up, or place somebody of the waiting list by hand."""
    _row_of(entry_id, sign_up_id)
    staff_actions.decide(access.actor(), sign_up_id, True, "", clock.now())
    return "已通过，对方会收到通知。"


@bp.post("/<int:entry_id>/<int:sign_up_id>/refuse")
@access.staff(Permission.SIGN_UPS)
@_act()
def refuse(entry_id: int, sign_up_id: int) -> str:
    """Refuse with a reason that the person reads."""
    _row_of(entry_id, sign_up_id)
    staff_actions.decide(access.actor(), sign_up_id, False, request.form.get("reason", ""), clock.now())
    return "已退回，原因会告诉对方。"


@bp.post("/<int:entry_id>/<int:sign_up_id>/withdraw")
@access.staff(Permission.SIGN_UPS)
@_act()
def withdraw(entry_id: int, sign_up_id: int) -> str:
    """Somebody called that they cannot come."""
    _row_of(entry_id, sign_up_id)
    staff_actions.withdraw_for(access.actor(), sign_up_id, request.form.get("reason", "")[:200], clock.now())
    return "已办理退出，名额给下一位。"


@bp.post("/<int:entry_id>/<int:sign_up_id>/phone")
@access.staff(Permission.UNMASK)
def phone(entry_id: int, sign_up_id: int) -> Response:
    """Show one phone number in full; it is recorded who looked (P8)."""
    found = entry_or_404(entry_id)
    row = _row_of(entry_id, sign_up_id)
    person = people.resident(row.resident_id)
    if person is None:
        raise SignUpGone()
    own = people_actions.unmask(access.actor(), person, "phone", f"报名 #{row.id} {found.title}", clock.now())
    return _page(entry_id, shown={row.id: row.phone or own})


def _mobile(raw: str) -> str:
    try:
        return forms.mobile(raw)
    except ValidationError as error:
        raise BadInput(str(error), field="phone") from None


@bp.post("/<int:entry_id>/add")
@access.staff(Permission.SIGN_UPS)
@_act("add")
def add(entry_id: int) -> str:
    """Enter somebody who phoned or came by."""
    form = request.form
    places = whole_number(form.get("places", "").strip() or "1", 999)
    if places is None:
        raise BadInput("人数请填数字。", field="places")
    most_of = (("name", "姓名", 40), ("relative", "参加人", 40), ("note", "备注", 200), ("although", "理由", 200))
    for field, label, most in most_of:
        if len(form.get(field, "").strip()) > most:
            raise BadInput(f"{label}最多 {most} 个字。", field=field)
    row = staff_actions.add_by_staff(
        access.actor(), entry_id, _mobile(form.get("phone", "")), form.get("name", ""),
        form.get("relative", ""), places, clock.now(), form.get("note", ""),
        form.get("although", ""),
    )  # fmt: skip
    number = queries.place_number(row)
    return f"已登记，候补第 {number} 位。" if number else "已登记，对方会收到通知。"


@bp.post("/<int:entry_id>/extend")
@access.staff(Permission.SIGN_UPS)
@_act("extend")
def extend(entry_id: int) -> str:
    """Too few people: let them sign up longer."""
    until = _moment(request.form.get("day", ""), request.form.get("clock", ""))
    staff_actions.extend(access.actor(), entry_id, until, clock.now())
    return f"报名延长到{clock.stamp(until)}。"


def _moment(day: str, hour: str) -> datetime:
    digits = re.fullmatch(r"(\d{4})\D?(\d{1,2})\D?(\d{1,2})\D?", day.strip())
    parts = re.fullmatch(r"(\d{1,2})[:：](\d{2})", hour.strip() or "18:00")
    try:
        if digits is None or parts is None:
            raise ValueError
        return clock.at(date(*map(int, digits.groups())), time(int(parts[1]), int(parts[2])))
    except ValueError:
        raise BadInput("没有这个时间，请按 2026-12-03 和 18:00 的样子填写。", field="day") from None


@bp.post("/<int:entry_id>/merge")
@access.staff(Permission.SIGN_UPS)
@_act("merge")
def merge(entry_id: int) -> str:
    """Too few people: ask everybody over to another activity, and ask to cancel this one."""
    target = whole_number(request.form.get("target"))
    if target is None:
        raise BadInput("请选要并到哪个活动。", field="target")
    actor, now = access.actor(), clock.now()
    asked = staff_actions.offer_elsewhere(actor, entry_id, target, now)
    other = entry_or_404(target)
    change = changing.cancel_entry(actor, entry_or_404(entry_id), f"报名人数不足，与《{other.title}》合并", now)
    after = "本活动已取消。" if change.status == "applied" else "本活动的取消等发布单位确认。"
    return f"已请 {asked} 份报名改到《{other.title}》，对方同意才算数。{after}"


@bp.post("/<int:entry_id>/cancel")
@access.staff(Permission.PLAN)
@_act("cancel")
def cancel(entry_id: int) -> str:
    """Too few people: ask to cancel; done at once where the asker is the publisher. Everybody is told."""
    change = changing.cancel_entry(
        access.actor(), entry_or_404(entry_id), request.form.get("reason", "")[:500], clock.now()
    )
    if change.status == "applied":
        return "活动已取消，报名的人都会收到通知。"
    return "已申请取消，发布单位确认后通知所有报名的人。"
