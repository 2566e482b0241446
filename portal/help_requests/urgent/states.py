"""The life of an urgent request (SPEC H4): rings, is taken by exactly one, somebody sets out, is there, it ends."""

from typing import Any

from portal.cases import kinds
from portal.centres.queries import is_inside
from portal.core.access import Actor, Permission
from portal.core.states import Machine, Transition
from portal.help_requests.urgent.models import CLOSED, HANDED, MISTAKEN, MOVING, OPEN, RINGING, TAKEN, THERE, Alarm

KIND = kinds.register(kinds.Kind("urgent", "紧急求助", "urgent", Permission.URGENT, "urgent"))
LABELS = {
    RINGING: "响铃中", TAKEN: "已接", MOVING: "已派人", THERE: "已到场", CLOSED: "已结", HANDED: "已转 110/119/120",
    MISTAKEN: "误触",
}  # fmt: skip
TONES = {
    RINGING: "red",
    TAKEN: "gold",
    MOVING: "blue",
    THERE: "blue",
    CLOSED: "green",
    HANDED: "green",
    MISTAKEN: "neutral",
}
UNDER_WAY = (TAKEN, MOVING, THERE)


def has_it(alarm: Any, actor: Actor) -> str | None:
    """Whose people took it, and the levels above the community."""
    if actor.kind == "system":
        return None
    here = actor.department_id is None and actor.centre_id is not None
    if here and (actor.centre_id == alarm.taken_centre_id or is_above(alarm, actor)):
        return None
    return f"由{alarm.taken_centre.label if alarm.taken_centre else alarm.centre.label}办。"


def is_above(alarm: Any, actor: Actor) -> bool:
    """Of the community itself or a level above it."""
    return actor.department_id is None and bool(actor.centre_path) and is_inside(alarm.centre, actor.centre_path)


def _centre(_alarm: Any, actor: Actor) -> str | None:
    return "职能部门不接警。" if actor.department_id is not None else None


def _house(_alarm: Any, actor: Actor) -> str | None:
    return None if actor.kind == "system" else "由系统办理。"


P = Permission.URGENT
MACHINE = Machine("urgent_alarm", Alarm, LABELS, (
    Transition("take", "接", (RINGING,), TAKEN, P, guard=_centre, event="urgent.taken"),
    Transition("lapse", "没有出发，重新响铃", (TAKEN,), RINGING, guard=_house, event="urgent.rang_again"),
    Transition("give_away", "交给别人", (TAKEN, MOVING), RINGING, P, needs_reason=True, guard=has_it,
               event="urgent.rang_again"),
    Transition("move", "已派人", (TAKEN,), MOVING, P, guard=has_it, event="urgent.moved"),
    Transition("arrive", "到场了", (TAKEN, MOVING), THERE, P, guard=has_it),
    Transition("close", "结束", UNDER_WAY, CLOSED, P, guard=has_it, event="urgent.ended"),
    Transition("hand", "转 110/119/120", UNDER_WAY, HANDED, P, guard=has_it, event="urgent.ended"),
    Transition("mistake", "误触", UNDER_WAY, MISTAKEN, P, needs_reason=True, guard=has_it),
    Transition("drop", "居民已注销", OPEN, CLOSED, guard=_house),
), personal=True)  # fmt: skip
