"""The life of a help request and of an order to a team member (SPEC H2, H3, H7), and what each step is called.

Written once: buttons, pages, messages and docs/flows.md are made of these tables.
"""

from typing import Any

from portal.cases import kinds
from portal.cases import queries as case_queries
from portal.cases import states as case_states
from portal.cases.ladder import at_or_above
from portal.centres import profile
from portal.core.access import Actor, Permission
from portal.core.states import Machine, Transition
from portal.help_requests.models import (
    ACCEPTED,
    ASKING,
    ASSIGNED,
    CANCELLED,
    CONFIRMED,
    DECLINED,
    DISPATCHED,
    DONE,
    GOING,
    OFFERED,
    ORDER_UNDONE,
    RECEIVED,
    REFUSED,
    TAKEN,
    THERE,
    TO_REVIEW,
    UNDONE,
    WITHDRAWN,
    HelpOrder,
    HelpRequest,
)

KIND = kinds.register(kinds.Kind("help", "求助", "help", Permission.HELP, "help"))

# What staff read.
LABELS = {
    RECEIVED: "待审核", ASKING: "等补充", REFUSED: "不能提供", DISPATCHED: "已派单", ACCEPTED: "已接单",
    ASSIGNED: "已派人", GOING: "在路上", THERE: "已到", DONE: "已办，等确认", CONFIRMED: "已确认", WITHDRAWN: "已撤回",
}  # fmt: skip
# What the resident reads.
RESIDENT_LABELS = {
    RECEIVED: "在审核", ASKING: "等您回答", REFUSED: "这次不能提供", DISPATCHED: "已派给社区", ACCEPTED: "社区接单了",
    ASSIGNED: "派了人", GOING: "在路上", THERE: "到了", DONE: "办好了，请您点一下", CONFIRMED: "已完成",
    WITHDRAWN: "您不要了",
}  # fmt: skip
TONES = {
    RECEIVED: "blue", ASKING: "gold", REFUSED: "neutral", DISPATCHED: "blue", ACCEPTED: "blue", ASSIGNED: "blue",
    GOING: "blue", THERE: "blue", DONE: "gold", CONFIRMED: "green", WITHDRAWN: "neutral",
}  # fmt: skip
ORDER_LABELS = {
    OFFERED: "等队员确认", CONFIRMED: "队员已确认", DECLINED: "队员去不了", GOING: "在路上", THERE: "已到",
    DONE: "已办", CANCELLED: "不用去了",
}  # fmt: skip


def has_it(request: Any, actor: Actor) -> str | None:
    """Who has the case now, and the levels above; a department's people for their own."""
    return case_states.has_it(request.case, actor)


def _receives(request: Any, actor: Actor) -> str | None:
    """Whom it was dispatched to, as the hand-over that waits for an answer says."""
    if actor.kind == "system":
        return None
    offered = case_queries.offered(request.case_id)
    if offered is None:
        return "这张派单已经有人答复了。"
    refusal = case_states.HANDOVER.transition("accept").refusal(offered, actor)
    return refusal.message if refusal is not None else None


def is_own(request: Any, actor: Actor) -> bool:
    return actor.kind == "resident" and actor.id == request.resident_id


def _own(request: Any, actor: Actor) -> str | None:
    return None if is_own(request, actor) else "只有求助的居民本人可以。"


def _own_or_recorded(request: Any, actor: Actor) -> str | None:
    """The person themselves; for who rang, whose staff wrote it down. Whoever does it never says so for them."""
    if is_own(request, actor):
        return None
    recorded = actor.centre_id is not None and actor.centre_id == request.recorded_centre_id
    here = recorded and actor.department_id is None and actor.can(Permission.HELP)
    return None if here else "只有求助的居民本人可以。"


def _own_or_heard(request: Any, actor: Actor) -> str | None:
    """An answer may be given on the telephone, to whoever asked."""
    if _own_or_recorded(request, actor) is None or actor.kind == "system":
        return None
    return has_it(request, actor) if actor.can(Permission.HELP) else "只有求助的居民本人可以。"


def _once(request: Any, actor: Actor) -> str | None:
    if request.appealed_at is not None:
        return "已经申诉过一次，这是上级的答复。"
    return _own_or_recorded(request, actor)


def _came_down(request: Any, actor: Actor) -> str | None:
    """Accepted by a unit that reviews: there is nobody to give it back to."""
    reviews = {lv.code for lv in profile.current().review_levels if not lv.files_list}
    if request.case.waits_at.level in reviews and request.case.department_id is None:
        return "这件事本来就由本单位审核，请直接办理。"
    return has_it(request, actor)


def _system(_request: Any, actor: Actor) -> str | None:
    return None if actor.kind == "system" else "由系统办理。"


_HELP = Permission.HELP

STEPS = (
    # The review: by the subdistrict of the person who needs help, or whoever does its work or accepted a referral.
    Transition("ask", "问一句", (RECEIVED,), ASKING, _HELP, needs_reason=True, guard=has_it, event="help.asked"),
    Transition("answer", "补充", (ASKING,), RECEIVED, needs_reason=True, guard=_own_or_heard, event="help.answered"),
    Transition("refuse", "不能提供", TO_REVIEW, REFUSED, _HELP, needs_reason=True, guard=has_it, event="help.refused"),
    Transition("refer", "转介", TO_REVIEW, RECEIVED, _HELP, needs_reason=True, guard=has_it, event="help.referred"),
    Transition("dispatch", "派单", TO_REVIEW, DISPATCHED, _HELP, guard=has_it, event="help.dispatched"),
    Transition("take", "我们来办", TO_REVIEW, ACCEPTED, _HELP, guard=has_it, event="help.accepted"),
    # The answer of the community to which it was dispatched.
    Transition("accept", "接单", (DISPATCHED,), ACCEPTED, _HELP, guard=_receives, event="help.accepted"),
    Transition(
        "decline", "退回", (DISPATCHED,), RECEIVED, _HELP, needs_reason=True, guard=_receives, event="help.returned"
    ),
    Transition(
        "hand_back",
        "退回街道",
        (ACCEPTED,),
        RECEIVED,
        _HELP,
        needs_reason=True,
        guard=_came_down,
        event="help.returned",
    ),
    # Doing it: by members of the team (their orders move it), or by the unit's own staff.
    Transition("assign", "派给队员", (ACCEPTED,), ASSIGNED, _HELP, guard=has_it, event="help.assigned"),
    Transition("unassign", "另外派人", (ASSIGNED, GOING), ACCEPTED, _HELP, guard=has_it),
    Transition("go", "出发", (ACCEPTED, ASSIGNED), GOING, _HELP, guard=has_it, event="help.going"),
    Transition("arrive", "到了", (GOING,), THERE, _HELP, guard=has_it),
    Transition("finish", "办好了", TAKEN, DONE, _HELP, needs_reason=True, guard=has_it, event="help.done"),
    # The person who asked has the last word.
    Transition("confirm", "办好了", (DONE,), CONFIRMED, guard=_own_or_recorded),
    Transition("settle", "默认确认", (DONE,), CONFIRMED, guard=_system, event="help.settled"),
    Transition("not_solved", "没有解决", (DONE,), ACCEPTED, guard=_own_or_recorded, event="help.not_solved"),
    Transition("appeal", "申诉", (REFUSED,), RECEIVED, needs_reason=True, guard=_once, event="help.appealed"),
    Transition("withdraw", "不用了", UNDONE, WITHDRAWN, guard=_own_or_recorded, event="help.withdrawn"),
    Transition("drop", "居民已注销", (*UNDONE, DONE), WITHDRAWN, guard=_system),
)
MACHINE = Machine("help_request", HelpRequest, LABELS, STEPS, personal=True)


def _unit(order: Any, actor: Actor) -> str | None:
    """Of the centre that has the request, or above it; the member's own buttons act as the system in his name."""
    if actor.kind == "system" or (actor.can(_HELP) and at_or_above(actor, order.request.case.waits_at)):
        return None
    return f"这件求助由{order.request.case.waits_at.label}安排。"


ORDER_STEPS = (
    Transition("confirm", "我去", (OFFERED,), CONFIRMED, guard=_unit, event="help.order_confirmed"),
    Transition("decline", "去不了", (OFFERED, CONFIRMED), DECLINED, needs_reason=True, guard=_unit,
               event="help.order_declined"),
    Transition("lapse", "没有答复", (OFFERED,), DECLINED, guard=_unit, event="help.order_declined"),
    Transition("go", "出发", (OFFERED, CONFIRMED), GOING, guard=_unit),
    Transition("arrive", "到了", (GOING,), THERE, guard=_unit),
    Transition("finish", "办好了", (CONFIRMED, GOING, THERE), DONE, guard=_unit),
    Transition("cancel", "不用去了", ORDER_UNDONE, CANCELLED, guard=_unit),
)  # fmt: skip
ORDER = Machine("help_order", HelpOrder, ORDER_LABELS, ORDER_STEPS, personal=True)
