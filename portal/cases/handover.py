"""The life of an offered hand-over (SPEC H2, D1; 首接负责): answered by whom it is offered to, or lapsed."""

from typing import Any

from portal.cases import kinds
from portal.cases.ladder import at_or_above
from portal.cases.models import ACCEPTED, DECLINED, LAPSED, OFFERED, Handover
from portal.core.access import Actor
from portal.core.states import Machine, Transition

LABELS = {OFFERED: "等对方接收", ACCEPTED: "已接收", DECLINED: "已退回", LAPSED: "没有答复"}


def _receives(row: Any, actor: Actor) -> str | None:
    mine = row.to_department_id is not None and row.to_department_id == actor.department_id
    centre = row.to_department_id is None and at_or_above(actor, row.receiver)
    if actor.can(kinds.of(row.case.kind).permission) and (mine or centre):
        return None
    return f"这件事转给了{row.receiver.label}，由他们答复。"


HANDOVER = Machine(
    "handover",
    Handover,
    LABELS,
    (
        Transition("accept", "接收", (OFFERED,), ACCEPTED, guard=_receives),
        Transition("decline", "退回", (OFFERED,), DECLINED, needs_reason=True, guard=_receives),
        Transition("pass", "直接转交", (OFFERED,), ACCEPTED),  # up and back need no answer
        Transition("lapse", "没有答复", (OFFERED,), LAPSED),
    ),
)
