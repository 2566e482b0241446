"""The life of a call-back (SPEC S7, V6): claimed, tried, handed up, closed; said to be unsolved once."""

from typing import Any

from portal.cases import kinds
from portal.cases.ladder import at_or_above
from portal.centres import profile
from portal.core.access import Actor, Permission
from portal.core.states import Machine, Transition
from portal.feedback.models import CLAIMED, DONE, OPEN, UNDONE, CallBack

KIND = kinds.register(kinds.Kind("call_back", "回访", "feedback", Permission.FEEDBACK, "feedback"))
LABELS = {OPEN: "待回访", CLAIMED: "回访中", DONE: "已回访"}
TONES = {OPEN: "gold", CLAIMED: "blue", DONE: "green"}


def _has_it(call_back: Any, actor: Actor) -> str | None:
    """Who it waits at, and the levels above that; whoever has handed it up only looks on."""
    if at_or_above(actor, call_back.waits_at):
        return None
    return f"这件回访已交给{call_back.waits_at.label}。"


def _not_mine_yet(call_back: Any, actor: Actor) -> str | None:
    if call_back.owner_id is not None and call_back.owner_id == actor.id:
        return "已经由您回访了。"
    return _has_it(call_back, actor)


def _somebody_above(call_back: Any, actor: Actor) -> str | None:
    """By the level's name only, so that a page needs no query; the action looks for the centre itself."""
    levels = profile.current().levels
    own = next((lv.rank for lv in levels if lv.code == call_back.waits_at.level), 0)
    if not any(lv.review and lv.rank < own for lv in levels):
        return "上面没有可以接手的单位了。"
    return _has_it(call_back, actor)


def _came_up(call_back: Any, actor: Actor) -> str | None:
    """A hand-over that does not belong above goes back; not once the resident was disappointed by those below."""
    if call_back.waits_at.id == call_back.centre_id:
        return f"这件回访本来就由{call_back.waits_at.label}办。"
    if call_back.reopened_at is not None:
        return "居民说过还没解决，这一次由上级回访。"
    return _has_it(call_back, actor)


def _own(call_back: Any, actor: Actor) -> str | None:
    if actor.kind != "resident" or actor.id != call_back.evaluation.resident_id:
        return "只有评价的居民本人可以说还没解决。"
    return "已经重开过一次。" if call_back.reopened_at is not None else None


def _house(_call_back: Any, actor: Actor) -> str | None:
    return None if actor.kind == "system" else "由系统办理。"


MACHINE = Machine("call_back", CallBack, LABELS, (
    Transition("claim", "我来回访", UNDONE, CLAIMED, Permission.FEEDBACK, guard=_not_mine_yet),
    Transition("try", "没联系上", UNDONE, CLAIMED, Permission.FEEDBACK, guard=_has_it),
    Transition("close", "回访好了", UNDONE, DONE, Permission.FEEDBACK, needs_reason=True, guard=_has_it,
               event="feedback.closed"),
    Transition("hand_up", "交上级", UNDONE, OPEN, Permission.FEEDBACK, needs_reason=True, guard=_somebody_above,
               event="feedback.handed_up"),
    Transition("hand_back", "退回", UNDONE, OPEN, Permission.FEEDBACK, needs_reason=True, guard=_came_up,
               event="feedback.handed_back"),
    Transition("reopen", "还没解决", (DONE,), OPEN, guard=_own, event="feedback.reopened"),
    Transition("drop", "居民已注销", UNDONE, DONE, guard=_house),
), personal=True)  # fmt: skip
