"""/staff/urgent: the live list, one alarm with its buttons, who listens, duty telephones (SPEC H4)."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, abort, request, url_for

from portal.cases import queries as cases
from portal.centres import queries as centres
from portal.core import access, clock, pages, registry, states
from portal.core.access import Actor, Permission
from portal.core.errors import DomainError
from portal.core.incoming import whole_number
from portal.help_requests import voice
from portal.help_requests.urgent import actions, phones, queries, rules, telling
from portal.help_requests.urgent.models import OPEN, RINGING, Alarm, UrgentCall
from portal.help_requests.urgent.states import LABELS, MACHINE, TONES, has_it, is_above
from portal.people import queries as people

bp = Blueprint("urgent_staff", __name__, url_prefix="/staff/urgent")
registry.nav("urgent", "紧急求助", "alert", "urgent_staff.alarms", Permission.URGENT, 12)
DEEDS = {
    "file": "求助", "press_again": "又按了一次", "wrong": "居民说按错了", "note": "记一笔", "report": "写了报告",
    "force": "要求马上响铃", "acknowledge": "知道了，本中心停响",
}  # fmt: skip


def _tabs(active: str) -> list[tuple[str, str, bool]]:
    found = (("alarms", "求助"), ("listeners", "谁在值守"), ("duty_phones", "值班电话"))
    return [(label, url_for(f".{name}"), name == active) for name, label in found]


@bp.get("")
@access.staff(Permission.URGENT)
def alarms() -> Response:
    """What rings here, what is under way in my subtree, what was; renews itself while something is open."""
    actor, now, page = access.actor(), clock.now(), pages.page_number()
    mine = queries.desk(actor.centre_id, now) if actor.centre_id and actor.department_id is None else []
    under_way, _ = queries.listed(1, only_open=True)
    past, more = queries.listed(page, only_open=False)
    return pages.page(
        "help_requests/urgent/alarms.html",
        rings=[d for d in mine if d.rings],
        under_way=under_way,
        past=past,
        more=more,
        page=page,
        now=now,
        labels=LABELS,
        tones=TONES,
        rules=rules,
        tabs=_tabs("alarms"),
        lapsed=telling.lapsed,
    )


def _found(alarm_id: int) -> Alarm:
    return queries.alarm(alarm_id) or abort(404)


@bp.get("/<int:alarm_id>")
@access.staff(Permission.URGENT)
def alarm(alarm_id: int) -> Response:
    """One alarm: before it is taken nothing private; then, for whoever has it, where to go and whom to ring."""
    return _page(alarm_id)


def _page(alarm_id: int, *, error: DomainError | None = None, where: str = "") -> Response:
    row, actor, now = _found(alarm_id), access.actor(), clock.now()
    lapsed = telling.lapsed(row, now)
    rings = row.status == RINGING or lapsed
    here = queries.alarmed(row.id, actor.centre_id, now)
    reads = queries.has_read(row.id, actor.id) and has_it(row, actor) is None
    return pages.page(
        "help_requests/urgent/alarm.html",
        "board",
        row=row,
        now=now,
        error=error,
        where=where,
        typed=request.form,
        labels=LABELS,
        tones=TONES,
        rules=rules,
        rings=rings,
        lapsed=lapsed,
        may_take=rings and (here or is_above(row, actor)),
        here=here,
        buttons={t.name for t in states.available(MACHINE, row, actor)} if not lapsed else set(),
        may_read=row.taken_at is not None and not reads and has_it(row, actor) is None,
        private=_private(row, reads, now),
        may_force=rings and is_above(row, actor),
        following=queries.next_words(row.id, now) if rings else "",
        screens=queries.shown_on(row.id),
        receipts=queries.receipts(row.id),
        steps=_steps(row.id, now),
        history=_history(row, has_it(row, actor) is None),
        policy=queries.policy(),
        head=cases.head(row.case, now),
        open=row.status in OPEN,
        may_report=has_it(row, actor) is None,
        numbers=rules.NUMBERS,
        readers=queries.readers(row.id) if reads else [],
    )


def _private(row: Alarm, reads: bool, now: datetime) -> dict[str, Any] | None:
    """Address, number, position, words and recordings; None for whoever has not opened them."""
    if not reads:
        return None
    person = people.resident(row.resident_id) if row.resident_id else None
    return {
        "phone": row.phone,
        "place": row.place,
        "name": person.name if person else "",
        "verified": row.verified,
        "calls": row.calls,
        "mistakes": queries.mistakes(row, now),
        "position": next((c for c in reversed(row.calls) if c.latitude is not None), None),
    }


def _steps(alarm_id: int, now: datetime) -> list[tuple[str, str, str]]:
    """(when, centre, why) of everything that has rung."""
    rows = queries.reached(alarm_id, now)
    return [(rules.clock_seconds(s.at), c.label if (c := centres.get(s.centre_id)) else "", s.why) for s in rows]


def _history(row: Alarm, inside: bool) -> list[dict[str, Any]]:
    """Newest first. inside: whose it is, and the levels above; others read what was done, not what was written."""
    lines = states.history(MACHINE, [row.id])
    who = people.doers(lines)
    found = []
    for h in reversed(lines):
        deed = DEEDS.get(h.name) or MACHINE.transition(h.name).label
        when = f"{clock.day(h.at)} {rules.clock_seconds(h.at)}"
        name = "居民" if h.actor_kind == "resident" else who[h.id]
        found.append({"what": deed, "who": name, "when": when, "reason": h.reason if inside else ""})
    return found


def _refused(error: DomainError, alarm_id: int) -> Response:
    return _page(alarm_id, error=error, where=str(request.endpoint).rpartition(".")[2])


def _done(said: str, alarm_id: int) -> Response:
    return pages.said(said, url_for(".alarm", alarm_id=alarm_id), lambda: _page(alarm_id))


def _take(actor: Actor, alarm_id: int, now: datetime) -> str:
    row = actions.take(actor, alarm_id, now)
    by = clock.hour(row.move_by) if row.move_by else ""
    return f"由您接了。请先打电话，{by} 前派人出发；到时没有出发会重新响铃。"


def _acknowledge(actor: Actor, alarm_id: int, now: datetime) -> str:
    actions.acknowledge(actor, alarm_id, now)
    return "本中心不响了，别的单位还在响；还没有人接。"


def _move(actor: Actor, alarm_id: int, now: datetime) -> str:
    row = actions.move(actor, alarm_id, whole_number(request.form.get("people"), 99), now)
    return f"已派 {row.people} 人，居民看得到。"


def _arrive(actor: Actor, alarm_id: int, now: datetime) -> str:
    actions.arrive(actor, alarm_id, now)
    return "已到场，居民看得到。"


def _give_away(actor: Actor, alarm_id: int, now: datetime) -> str:
    actions.give_away(actor, alarm_id, request.form.get("reason", ""), now)
    return "重新响铃，等别人接。"


def _close(actor: Actor, alarm_id: int, now: datetime) -> str:
    row = actions.close(actor, alarm_id, request.form.get("outcome", ""), now)
    return f"已结束。请在 {clock.stamp(row.report_by)} 前写明经过。" if row.report_by else "已结束。"


def _hand(actor: Actor, alarm_id: int, now: datetime) -> str:
    form = request.form
    row = actions.hand(actor, alarm_id, form.get("handed_to", ""), form.get("case_no", ""), now)
    return f"已转 {row.handed_to}。请在{clock.said(rules.REPORT)}内写明经过。"


def _mistake(actor: Actor, alarm_id: int, now: datetime) -> str:
    form = request.form
    actions.mistake(actor, alarm_id, form.get("reason", ""), form.get("called") == "1", now)
    return "已记为误触。"


def _report(actor: Actor, alarm_id: int, now: datetime) -> str:
    form = request.form
    actions.report(actor, alarm_id, form.get("reason", ""), form.get("departments", ""), now)
    return "报告已存好。"


def _note(actor: Actor, alarm_id: int, now: datetime) -> str:
    actions.note(actor, alarm_id, request.form.get("note", ""), now)
    return "已记下。"


def _force(actor: Actor, alarm_id: int, now: datetime) -> str:
    actions.force(actor, alarm_id, now)
    return "下一步已经在响铃。"


def _read(actor: Actor, alarm_id: int, now: datetime) -> str:
    actions.read(actor, alarm_id, now)
    return ""


# POST /staff/urgent/<id>/<name>: the buttons of an alarm's page; that of 接 stands on every page that rings.
STEPS: dict[str, Callable[[Actor, int, datetime], str]] = {
    "take": _take,
    "acknowledge": _acknowledge,
    "move": _move,
    "arrive": _arrive,
    "give_away": _give_away,
    "close": _close,
    "hand": _hand,
    "mistake": _mistake,
    "report": _report,
    "note": _note,
    "force": _force,
    "read": _read,
}


def _step_view(step: Callable[[Actor, int, datetime], str]) -> Callable[..., Any]:
    @pages.act(_refused, _done)
    def view(alarm_id: int) -> str:
        return step(access.actor(), alarm_id, clock.now())

    return view


for _name, _step in STEPS.items():
    _view = access.staff(Permission.URGENT)(_step_view(_step))
    bp.post(f"/<int:alarm_id>/{_name.replace('_', '-')}", endpoint=_name)(_view)


@bp.get("/<int:alarm_id>/voice/<int:call_id>")
@access.staff(Permission.URGENT)
def listen(alarm_id: int, call_id: int) -> Response:
    """A recording, for whoever has opened what is private; opening it was logged."""
    row, actor = _found(alarm_id), access.actor()
    if has_it(row, actor) is not None or not queries.has_read(row.id, actor.id):
        abort(403)
    call: UrgentCall | None = next((c for c in row.calls if c.id == call_id), None)
    return voice.play(call.voice if call else "")


# Who listens ----------------------------------------------------------------------------------------------------------


@bp.get("/listeners")
@access.staff(Permission.URGENT)
def listeners() -> Response:
    """谁在值守: whose pages would ring now, minutes without anybody, who has not tried the sound this week."""
    actor, now = access.actor(), clock.now()
    days = [clock.day(clock.today(now)), "昨天", "前天"]
    return pages.page(
        "help_requests/urgent/listeners.html", rows=queries.watched(actor, now), untried=queries.untried(actor, now),
        now=now, days=days, rules=rules, tabs=_tabs("listeners"),
    )  # fmt: skip


@bp.get("/phones")
@access.staff(Permission.URGENT)
def duty_phones() -> Response:
    """Telephones that are texted and rung when an alarm comes to a centre."""
    return _phones()


def _phones(error: DomainError | None = None, phone_id: int = 0) -> Response:
    return pages.page(
        "help_requests/urgent/phones.html", rows=queries.scoped_phones(), tabs=_tabs("duty_phones"), error=error,
        typed=request.form, there=phones.connected(), mine=access.actor().centre_id, hours=phones.hours_text,
    )  # fmt: skip


def _phones_done(said: str, **_: Any) -> Response:
    return pages.said(said, url_for(".duty_phones"))


@bp.post("/phones")
@access.staff(Permission.URGENT)
@pages.act(_phones, _phones_done)
def add_phone() -> str:
    """One more of my centre's."""
    form = request.form
    row = phones.add(
        access.actor(), re.sub(r"\D", "", form.get("phone", "")), form.get("name", ""), form.get("opens", ""),
        form.get("closes", ""), clock.now(),
    )  # fmt: skip
    return f"已加上 {row.phone}。"


@bp.post("/phones/<int:phone_id>/remove")
@access.staff(Permission.URGENT)
@pages.act(_phones, _phones_done)
def remove_phone(phone_id: int) -> str:
    """Of my subtree."""
    phones.remove(access.actor(), phone_id, clock.now())
    return "已去掉。"
