"""The life of a case (SPEC H2, D1): taken, handed on, closed. What is done in between is the feature's own table.

And of an offered hand-over (首接负责): answered by whom it is offered to, or lapsed.
"""

from typing import Any

from portal.cases import kinds
from portal.cases.ladder import at_or_above
from portal.cases.models import ACCEPTED, CLAIMED, DECLINED, DONE, LAPSED, OFFERED, OPEN, UNDONE, Case, Handover
from portal.core.access import Actor
from portal.core.states import Machine, Transition

LABELS = {OPEN: "等人接手", CLAIMED: "有人在办", DONE: "办结"}
ANSWER_LABELS = {OFFERED: "等对方接收", ACCEPTED: "已接收", DECLINED: "已退回", LAPSED: "没有答复"}


def has_it(case: Any, actor: Actor) -> str | None:
    """Whose turn it is and the levels above, with the right for this kind; a department's people for their own."""
    if actor.kind == "system":
        return None
    mine = case.department_id is not None and case.department_id == actor.department_id
    if actor.can(kinds.of(case.kind).permission) and (mine or at_or_above(actor, case.waits_at)):
        return None
    return f"这件事已交给{case.waits_at.label}。"


def _system(_case: Any, actor: Actor) -> str | None:
    return None if actor.kind == "system" else "由系统办理。"


STEPS = (
    Transition("claim", "我来办", UNDONE, CLAIMED, guard=has_it),
    Transition("hand_on", "转交", UNDONE, OPEN, needs_reason=True, guard=has_it),
    Transition("take_over", "接收", UNDONE, OPEN),  # decided on the hand-over, by whom it is offered to
    Transition("lift", "由上级处理", UNDONE, OPEN, needs_reason=True, guard=_system),
    Transition("close", "办结", UNDONE, DONE, guard=has_it),
    Transition("reopen", "重开", (DONE,), OPEN),  # who may is the feature's rule
    Transition("drop", "不再需要", UNDONE, DONE, guard=_system),
)
MACHINE = Machine("case_file", Case, LABELS, STEPS, personal=True)


def _receives(row: Any, actor: Actor) -> str | None:
    mine = row.to_department_id is not None and row.to_department_id == actor.department_id
    centre = row.to_department_id is None and at_or_above(actor, row.receiver)
    if actor.can(kinds.of(row.case.kind).permission) and (mine or centre):
        return None
    return f"这件事转给了{row.receiver.label}，由他们答复。"


ANSWERS = (
    Transition("accept", "接收", (OFFERED,), ACCEPTED, guard=_receives),
    Transition("decline", "退回", (OFFERED,), DECLINED, needs_reason=True, guard=_receives),
    Transition("pass", "直接转交", (OFFERED,), ACCEPTED),  # up and back need no answer
    Transition("lapse", "没有答复", (OFFERED,), LAPSED),
)
HANDOVER = Machine("handover", Handover, ANSWER_LABELS, ANSWERS, personal=True)
