"""/staff/help: one list by next due, decided in place, beside it all that is needed to decide (SPEC H2, H3, H5, H6)."""

from datetime import date, datetime, timedelta
from typing import Any

from flask import Blueprint, Response, abort, request, url_for
from wtforms import ValidationError

from portal.cases import policy
from portal.cases import queries as cases
from portal.cases.actions import MOST_WAITED
from portal.cases.states import HANDOVER
from portal.centres import queries as centres
from portal.core import access, clock, pages, registry, states
from portal.core.access import Permission
from portal.core.errors import DomainError, Invalid
from portal.core.forms import mobile
from portal.core.incoming import whole_number
from portal.help_requests import actions, help_kinds, panes, private_fields, queries, reviewing, rules, voice
from portal.help_requests.actions import Asked
from portal.help_requests.errors import DayWrong
from portal.help_requests.models import DISPATCHED, DONE, OVER, HelpRequest
from portal.help_requests.states import LABELS, MACHINE, TONES
from portal.people import queries as people

bp = Blueprint("help_staff", __name__, url_prefix="/staff/help")
TEMPLATE = "help_requests/staff_list.html"
DEEDS = {
    "file": "提出", "moved": "接办", "not_taken": "退回转介", "called": "已电话告知", "confirm": "居民确认办好了",
    "settle": "默认确认", "answer": "补充", "withdraw": "居民不用了",
}  # fmt: skip

registry.nav("help", "求助", "heart", "help_staff.board", Permission.HELP, 26)
registry.audit_word(
    help_request="求助", ask="问一句", refuse="不能提供", refer="转介", dispatch="派单", take="自己办", accept="接单",
    finish="办好", file="登记求助", called="电话告知", go="出发", arrive="到了", not_solved="没有解决", appeal="申诉",
    withdraw="撤回", answer="补充", confirm="确认", moved="接办", not_taken="退回转介", vulnerable_registration="备案",
    register="登记备案", unregister="结束备案", help_outside="系统外单位", outside="登记外单位",
    outside_off="停用外单位",
)  # fmt: skip


class PhoneWrong(Invalid):
    field = "phone"


# The list -------------------------------------------------------------------------------------------------------------


@bp.get("")
@access.staff(Permission.HELP)
def board() -> Response:
    """The list of one tab; `?open=` shows one beside it."""
    return _board(whole_number(request.args.get("open")) or 0)


def _board(
    opened: int, *, error: DomainError | None = None, where: str = "", shown: dict[str, str] | None = None
) -> Response:
    actor, now, page = access.actor(), clock.now(), pages.page_number()
    tab = request.args.get("show", "")
    tab = tab if tab in dict(queries.TABS) else ""
    lines, more = queries.lines(actor, tab, now, page)
    counts = queries.counts(actor, now)
    tabs = [(text, url_for(".board", show=key or None), key == tab, counts.get(key)) for key, text in queries.TABS]
    return pages.page(
        TEMPLATE, "board", lines=lines, more=more, page=page, tab=tab, counts=counts, labels=LABELS, tones=TONES,
        tabs=tabs, calls=queries.to_call(actor) if counts["call"] else [], error=error, where=where,
        opened=_opened(opened, actor, now, shown or {}) if opened else None, typed=request.form, now=now,
        most_waited=clock.said(timedelta(minutes=MOST_WAITED)),
        review_hours=queries.review_term().amount, until=rules.until_text, name_of=queries.person_of,
    )  # fmt: skip


def _opened(request_id: int, actor: access.Actor, now: datetime, shown: dict[str, str]) -> dict[str, Any]:
    """Everything that is needed to decide on one, without a second page."""
    row = queries.request(request_id) or abort(404)
    today = clock.today(now)
    kind = help_kinds.of(row.kind)
    registered = queries.registration(row.person_key, today) if kind is None or kind.needs_registered else None
    buttons = {t.name for t in states.available(MACHINE, row, actor)}
    offer = queries.offered(row)
    referred = offer is not None and row.status != DISPATCHED and _receives(offer, actor)
    return {
        "row": row, "kind": kind, "name": help_kinds.name(row.kind), "person": queries.person_of(row, today),
        "words": private_fields.may_read_words(row, actor), "registered": registered, "buttons": buttons,
        "readable": {f: private_fields.may_read(row, actor, f, now) for f in ("address", "phone", "voice")},
        "shown": shown, "near": queries.near(row, now), "history": _history(row), "offer": offer, "referred": referred,
        "suggested": queries.suggested(row, kind, registered is not None, actor) if "dispatch" in buttons else None,
        "head": cases.head(row.case, now) if row.status not in (*OVER, DONE) else None,
        "wanted": rules.wanted_text(row.wanted_day, row.wanted_part), "visit": queries.visit_of(row.id),
        "advice": queries.advice(row.advice_kind, row.advice_value), "panes": panes.for_staff(row, actor, now),
        "communities": queries.communities(actor) if "dispatch" in buttons else [],
        "referable": queries.referable(actor) if "refer" in buttons else [],
        "guides": queries.guides() if "refuse" in buttons else [],
        "kinds": [k for k in help_kinds.everything() if k.code != row.kind],
        "phones": _phones(row) if "refuse" in buttons else [], "left": rules.left(row.case.due_at, now),
        "tone": policy.tone(row.case.due_at, now),
    }  # fmt: skip


def _receives(offer: Any, actor: access.Actor) -> bool:
    return HANDOVER.transition("accept").refusal(offer, actor) is None


def _phones(row: HelpRequest) -> list[tuple[str, str]]:
    """Numbers that a refusal may give: the community's, those above it, the hotline, and what is stored outside."""
    chain = [row.centre, *reversed(centres.ancestors(row.centre))]
    own = [(c.phone, f"{c.label} {c.phone}") for c in chain if c.phone]
    hotline = queries.hotline()
    return [*own, (hotline, f"政务热线 {hotline}"), *((o.phone, f"{o.name} {o.phone}") for o in queries.outsiders())]


def _history(row: HelpRequest) -> list[dict[str, Any]]:
    """Newest first; what was done in words, by whom, when, why. Of whom it is about only the masked name."""
    rows, lines = [], queries.history(row.id)
    who = people.doers(lines)
    masked = queries.person_of(row, date.min).split(" ")[0]
    for h in reversed(lines):
        deed = DEEDS.get(h.name) or MACHINE.transition(h.name).label
        to = (h.details or {}).get("to", "")
        by = masked if h.actor_kind == "resident" else who[h.id]
        rows.append({"what": f"{deed} {to}".strip(), "who": by, "when": clock.stamp(h.at), "reason": h.reason})
    return rows


# What is done in place ------------------------------------------------------------------------------------------------


def _act(where: str) -> pages.Acting:
    """One step; a refusal comes back beside its form, which `where` names."""

    def redraw(error: DomainError, request_id: int) -> Response:
        return _board(request_id, error=error, where=where)

    return pages.act(redraw, _done)


def _done(said: str, request_id: int) -> Response:
    url = url_for(".board", open=request_id, show=request.args.get("show") or None)
    return pages.said(said, url)


def _reason() -> str:
    return request.form.get("reason", "")


def _ask(request_id: int) -> str:
    reviewing.ask(access.actor(), request_id, _reason(), clock.now())
    return "已问居民，等回答的时间不算在审核里。"


def _refuse(request_id: int) -> str:
    kind, _, value = request.form.get("advice", "").partition(":")
    reviewing.refuse(access.actor(), request_id, _reason(), (kind, value), clock.now())
    return "已答复居民：为什么不能提供，可以怎么办。"


def _refer(request_id: int) -> str:
    row = reviewing.refer(access.actor(), request_id, request.form.get("to", ""), _reason(), clock.now())
    return f"已请对方接办，对方接受以前仍由{row.case.waits_at.label}负责。"


def _dispatch(request_id: int) -> str:
    to = whole_number(request.form.get("to")) or 0
    row = reviewing.dispatch(access.actor(), request_id, to, clock.now(), _reason())
    return "已派单，等社区接单。" if row.status == DISPATCHED else "那里暂无值班账户，已由本单位办。"


def _take(request_id: int) -> str:
    reviewing.take(access.actor(), request_id, clock.now())
    return "由我们来办，住址和电话可以看了。"


def _accept(request_id: int) -> str:
    row = reviewing.accept(access.actor(), request_id, clock.now())
    return "已接单，住址和电话可以看了。" if row.taken_at else "已接办，请审核。"


def _decline(request_id: int) -> str:
    reviewing.decline(access.actor(), request_id, _reason(), clock.now())
    return "已退回，原来的单位重新安排。"


def _hand_back(request_id: int) -> str:
    row = reviewing.hand_back(access.actor(), request_id, _reason(), clock.now())
    return f"已退回{row.case.waits_at.label}，期限不变。"


def _go(request_id: int) -> str:
    reviewing.move(access.actor(), request_id, "go", clock.now())
    return "已告诉居民：出发了。"


def _arrive(request_id: int) -> str:
    reviewing.move(access.actor(), request_id, "arrive", clock.now())
    return "已记下：到了。"


def _finish(request_id: int) -> str:
    reviewing.finish(access.actor(), request_id, _reason(), clock.now())
    return "办好了，已请居民确认。"


def _answer(request_id: int) -> str:
    actions.answer(access.actor(), request_id, request.form.get("answer", _reason()), clock.now())
    return "已替居民补充。"


def _withdraw(request_id: int) -> str:
    actions.withdraw(access.actor(), request_id, clock.now())
    return "已替居民撤回。"


def _confirm(request_id: int) -> str:
    actions.confirm(access.actor(), request_id, whole_number(request.form.get("stars"), 5), clock.now())
    return "已替居民确认。"


def _not_solved(request_id: int) -> str:
    row = actions.not_solved(access.actor(), request_id, _reason(), clock.now())
    return f"已退回重办，由{row.case.waits_at.label}办。"


def _appeal(request_id: int) -> str:
    row = actions.appeal(access.actor(), request_id, _reason(), clock.now())
    return f"已替居民申诉，由{row.case.waits_at.label}审核。"


def _called(request_id: int) -> str:
    actions.say_called(access.actor(), request_id, clock.now())
    return "已记下：电话告诉居民了。"


# POST /staff/help/<id>/<name>: the buttons of an open request.
STEPS = {
    "ask": _ask, "refuse": _refuse, "refer": _refer, "dispatch": _dispatch, "take": _take, "accept": _accept,
    "decline": _decline, "hand_back": _hand_back, "go": _go, "arrive": _arrive, "finish": _finish, "answer": _answer,
    "withdraw": _withdraw, "confirm": _confirm, "not_solved": _not_solved, "appeal": _appeal, "called": _called,
}  # fmt: skip
for _name, _step in STEPS.items():
    _view = access.staff(Permission.HELP)(_act(_name)(_step))
    bp.post(f"/<int:request_id>/{_name.replace('_', '-')}", endpoint=_name)(_view)


@bp.post("/<int:request_id>/read/<field>")
@access.staff(Permission.HELP)
def read(request_id: int, field: str) -> Response:
    """Show one private field in full: after accepting only, and it is noted who looked (H5)."""
    if field not in ("address", "phone"):
        abort(404)
    row = actions.own(request_id)
    value = private_fields.read(access.actor(), row, field, clock.now())  # type: ignore[arg-type]
    return _board(request_id, shown={field: value or "没有写"})


@bp.post("/<int:request_id>/voice")
@access.staff(Permission.HELP)
def listen(request_id: int) -> Response:
    """The recording, noted like any other private field."""
    row = actions.own(request_id)
    return voice.play(private_fields.read(access.actor(), row, "voice", clock.now()))


# Written down for somebody who rings ----------------------------------------------------------------------------------


@bp.get("/record")
@access.staff(Permission.HELP)
def new() -> Response:
    """A form for whoever rings or comes by."""
    return _record_page()


def _record_page(error: DomainError | None = None) -> Response:
    now = clock.now()
    return pages.page(
        "help_requests/staff_record.html", "form", kinds=help_kinds.everything(), typed=request.form, error=error,
        chips=rules.day_chips(clock.today(now)), parts=rules.PARTS, most=rules.MOST_WORDS,
    )  # fmt: skip


@bp.post("/record")
@access.staff(Permission.HELP)
@pages.act(_record_page)
def record() -> Response:
    """Record it; the person hears by text, or by telephone from us (H6)."""
    form = request.form
    try:
        phone, day = mobile(form.get("phone", "")), date.fromisoformat(form["day"]) if form.get("day") else None
    except ValidationError as wrong:
        raise PhoneWrong(str(wrong)) from None
    except ValueError:
        raise DayWrong() from None
    asked = Asked(form.get("kind", ""), form.get("what", ""), day, form.get("part", "")[:2], form.get("place", ""))
    by_phone = form.get("tell") == "phone"
    row = actions.record(
        access.actor(), asked, phone, form.get("name", ""), form.get("whom", ""), clock.now(), by_phone=by_phone
    )
    return pages.said(f"已登记，由{row.case.waits_at.label}审核。", url_for(".board", open=row.id, show="away"))
