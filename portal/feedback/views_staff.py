"""Staff call back, and read what residents say with the records behind each figure (SPEC S7, V6)."""

from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any

from flask import Blueprint, Response, abort, request, url_for

from portal.cases import policy
from portal.cases import queries as cases
from portal.core import access, clock, pages, registry, states
from portal.core.access import Permission
from portal.core.errors import DomainError
from portal.core.incoming import whole_number
from portal.feedback import calling, queries, rules, subjects
from portal.feedback.models import CallBack
from portal.feedback.queries import Wanted
from portal.feedback.states import KIND, LABELS, MACHINE, TONES
from portal.people import queries as people
from portal.people.actions import resident_records as people_actions

bp = Blueprint("feedback_staff", __name__, url_prefix="/staff/feedback")
DEEDS = {"open": "要回访", "restar": "居民改了评价", "drop": "居民已注销", "reopen": "居民说还没解决"}

registry.nav("feedback", "评价回访", "star", "feedback_staff.call_backs", Permission.FEEDBACK, 38)
registry.audit_word(
    claim="接手回访",
    hand_up="交上级",
    hand_back="退回",
    close="办结",
    call_back="回访",
    waits_at_id="现在由谁办",
    **{"try": "没联系上"},
)


def _tabs(active: str) -> list[tuple[str, str, bool]]:
    pages_ = (("call_backs", "回访"), ("evaluations", "评价"), ("averages", "平均分"))
    return [(label, url_for(f"feedback_staff.{name}"), name == active) for name, label in pages_]


@bp.get("")
@access.staff(Permission.FEEDBACK)
def call_backs() -> Response:
    """Call-backs that wait for my centre, the earliest due first; overdue, handed up, done."""
    actor, now = access.actor(), clock.now()
    counts = queries.counts(actor, now)
    # Opened by the number beside its name: what it counts may all be other centres' that are late.
    first = "overdue" if counts["overdue"] and not counts[""] else ""
    which = request.args.get("show", first)
    which = which if which in dict(queries.FILTERS) else ""
    page = pages.page_number()
    lines, more = queries.call_backs(actor, which, now, page)
    return pages.page(
        "feedback/staff_call_backs.html", "results", lines=lines, more=more, page=page, which=which, now=now,
        filters=queries.FILTERS, counts=counts, labels=LABELS, tones=TONES,
        tabs=_tabs("call_backs"), tone=policy.tone, policy=queries.policy(), kind=subjects.label,
        due_hours=policy.of(KIND.name).clocks["call"].amount,
    )  # fmt: skip


@bp.get("/call-backs/<int:call_back_id>")
@access.staff(Permission.FEEDBACK)
def call_back(call_back_id: int) -> Response:
    """One call-back: what was said, whom to call, until when, what was tried."""
    return _page(call_back_id)


def _page(call_back_id: int, *, error: DomainError | None = None, where: str = "", shown: str = "") -> Response:
    """The page or its block; `where` names the form an error belongs to."""
    call = queries.call_back(call_back_id) or abort(404)
    actor, now, p = access.actor(), clock.now(), queries.policy()
    name, phone_ = queries.resident_of(call.evaluation)
    about = subjects.describe(call.evaluation.subject_kind, call.evaluation.subject_id)
    return pages.page(
        "feedback/staff_call_back.html", "board", call=call, e=call.evaluation, now=now, name=name,
        phone=phone_, shown=shown, may_unmask=actor.can(Permission.UNMASK) and bool(phone_),
        buttons={t.name: t for t in states.available(MACHINE, call, actor)}, labels=LABELS, tones=TONES,
        policy=p, error=error, head=cases.head(call.case, now),
        where=where, typed=request.form, about=about,
        kind=subjects.label(call.evaluation.subject_kind), star_words=rules.STAR_WORDS, history=_history(call),
        mine=call.owner_id is not None and call.owner_id == actor.id,
    )  # fmt: skip


def _history(call: CallBack) -> list[dict[str, Any]]:
    """Newest first; what was done in words, by whom, when, why."""
    rows, lines = [], states.history(MACHINE, [call.id])
    who = people.doers(lines)
    for h in reversed(lines):
        deed = DEEDS.get(h.name) or MACHINE.transition(h.name).label
        outcome = (h.details or {}).get("outcome", "") if h.name == "close" else ""
        rows.append({
            "what": f"{deed}：{outcome}" if outcome else deed, "who": who[h.id], "when": clock.stamp(h.at),
            "reason": h.reason,
        })  # fmt: skip
    return rows


def _act(where: str) -> pages.Acting:
    """One step; a refusal comes back beside its form, which `where` names."""

    def redraw(error: DomainError, call_back_id: int) -> Response:
        return _page(call_back_id, error=error, where=where)

    return pages.act(redraw, _done)


def _done(said: str, call_back_id: int) -> Response:
    url = url_for("feedback_staff.call_back", call_back_id=call_back_id)
    return pages.said(said, url, lambda: _page(call_back_id))


def _claim(call_back_id: int) -> str:
    calling.claim(access.actor(), call_back_id, clock.now())
    return "由您回访。"


def _try(call_back_id: int) -> str:
    call = calling.tried(access.actor(), call_back_id, request.form.get("reason", ""), clock.now())
    return f"已记下，第 {call.tries} 次没联系上。"


def _hand_up(call_back_id: int) -> str:
    call = calling.hand_up(access.actor(), call_back_id, request.form.get("reason", ""), clock.now())
    return f"已交给{call.waits_at.label}，期限不变。"


def _hand_back(call_back_id: int) -> str:
    call = calling.hand_back(access.actor(), call_back_id, request.form.get("reason", ""), clock.now())
    return f"已退回{call.waits_at.label}，期限不变。"


def _close(call_back_id: int) -> str:
    """The outcome, and in words what the resident will read."""
    outcome, words = request.form.get("outcome", ""), request.form.get("reason", "")
    calling.close(access.actor(), call_back_id, outcome, words, clock.now())
    return "已办结，结果会发给居民。"


# POST /call-backs/<id>/<name>: the buttons of a call-back's page.
STEPS = {"claim": _claim, "try": _try, "hand_up": _hand_up, "hand_back": _hand_back, "close": _close}
for _name, _step in STEPS.items():
    _view = access.staff(Permission.FEEDBACK)(_act(_name)(_step))
    bp.post(f"/call-backs/<int:call_back_id>/{_name.replace('_', '-')}", endpoint=_name)(_view)


@bp.post("/call-backs/<int:call_back_id>/phone")
@access.staff(Permission.UNMASK)
def phone(call_back_id: int) -> Response:
    """Show the number in full; it is recorded who looked (P8)."""
    call = queries.call_back(call_back_id) or abort(404)
    e = call.evaluation
    people_actions.unmask(access.actor(), e.resident, "phone", f"回访 #{call.id} {e.title}", clock.now())
    return _page(call_back_id, shown=queries.resident_of(e)[1])


RECENT = timedelta(days=90)  # what both lists show of themselves; a month or everything is one choice away


def _wanted(now: datetime) -> Wanted:
    args = request.args
    kind, month = args.get("kind", ""), args.get("month", "")
    month = month if month == "all" or clock.is_month(month) else ""
    tomorrow = clock.at(clock.today(now) + timedelta(days=1), time())
    span = (tomorrow - RECENT, tomorrow) if not month else None if month == "all" else clock.month_span(month)
    return Wanted(
        kind=kind if subjects.of(kind) else "", group=args.get("group", "")[:80],
        stars=whole_number(args.get("stars"), 5) or 0, month=month, span=span,
    )  # fmt: skip


def _months(now: datetime) -> list[tuple[str, str]]:
    this = clock.month_of(now)
    months = [clock.add_months(this, -back) for back in range(12)]
    named = [(m, clock.month_name(m, with_year=True)) for m in months]
    return [("", f"近 {RECENT.days} 天"), *named, ("all", "全部")]


@bp.get("/evaluations")
@access.staff(Permission.FEEDBACK)
def evaluations() -> Response:
    """What residents said, newest first, without names; narrowed by kind, group, stars and month."""
    now, page = clock.now(), pages.page_number()
    wanted = _wanted(now)
    rows, more = queries.evaluations(wanted, page)
    return pages.page(
        "feedback/staff_evaluations.html", "results", rows=rows, more=more, page=page, wanted=wanted,
        spread=queries.spread(wanted), kinds=subjects.kinds(), months=_months(now), label=subjects.label,
        star_words=rules.STAR_WORDS, tabs=_tabs("evaluations"), call_labels=LABELS, call_tones=TONES,
        policy=queries.policy(), title=rows[0].Evaluation.title if wanted.group and rows else "",
    )  # fmt: skip


@bp.get("/averages")
@access.staff(Permission.FEEDBACK)
def averages() -> Response:
    """The average of each activity and room, the lowest first; each opens the records behind it."""
    now, page = clock.now(), pages.page_number()
    wanted = replace(_wanted(now), group="", stars=0)
    groups, more = queries.groups(wanted, page)
    return pages.page(
        "feedback/staff_averages.html", "results", groups=groups, more=more, page=page, wanted=wanted,
        kinds=subjects.kinds(), months=_months(now), tabs=_tabs("averages"), policy=queries.policy(),
    )  # fmt: skip
