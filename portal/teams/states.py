"""The life of a shift (SPEC H7): open, filled, offered to the team, taken over by another. No clock-in."""

from typing import Any

from portal.cases.ladder import at_or_above
from portal.core.access import Actor, Permission
from portal.core.states import Machine, Transition
from portal.teams.models import FILLED, OFFERED, OPEN, Shift

LABELS = {OPEN: "缺人", FILLED: "已排", OFFERED: "想换班"}
TONES = {OPEN: "gold", FILLED: "neutral", OFFERED: "blue"}


def _plans(shift: Any, actor: Actor) -> str | None:
    return None if at_or_above(actor, shift.team.centre) else "这个服务队由它自己的中心排班。"


def is_him(member: Any, actor: Actor) -> bool:
    """Whether this account is the member's, by what actions have linked."""
    if member is None or actor.id is None:
        return False
    return bool(actor.id == (member.staff_id if actor.kind == "staff" else member.resident_id))


def _own(shift: Any, actor: Actor) -> str | None:
    return None if is_him(shift.member, actor) else "只有这个班的队员本人可以。"


def _colleague(shift: Any, actor: Actor) -> str | None:
    if is_him(shift.member, actor):
        return "这是您自己的班。"
    return None if any(is_him(m, actor) for m in shift.team.members) else "只有同队的队员可以接这个班。"


MACHINE = Machine("shift", Shift, LABELS, (
    Transition("fill", "排上", (OPEN,), FILLED, Permission.TEAMS, guard=_plans),
    Transition("change", "换人", (FILLED, OFFERED), FILLED, Permission.TEAMS, guard=_plans),
    Transition("clear", "空出", (FILLED, OFFERED), OPEN, Permission.TEAMS, guard=_plans),
    Transition("offer", "想换班", (FILLED,), OFFERED, guard=_own, event="teams.offered"),
    Transition("take_back", "不换了", (OFFERED,), FILLED, guard=_own),
    Transition("swap", "我来接这个班", (OFFERED,), FILLED, guard=_colleague, event="teams.swapped"),
    Transition("free", "队员离队", (FILLED, OFFERED), OPEN,
               guard=lambda _s, actor: None if actor.kind == "system" else "由系统办理。"),
))  # fmt: skip
