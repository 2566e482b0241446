"""The life of a visit (SPEC H7): planned, moved by the person's link, kept, called off."""

from typing import Any

from portal.core.access import Actor
from portal.core.states import Machine, Transition
from portal.help_requests.models import CALLED_OFF, KEPT, MOVED, PLANNED, HelpVisit
from portal.help_requests.states import has_it, is_own

VISIT_LABELS = {PLANNED: "约好了", MOVED: "改过时间", KEPT: "来过了", CALLED_OFF: "取消了"}
_AHEAD = (PLANNED, MOVED)


def _unit(visit: Any, actor: Actor) -> str | None:
    return has_it(visit.request, actor)


def _person(visit: Any, actor: Actor) -> str | None:
    """By the link, which is the person's; or signed in."""
    return None if actor.kind == "system" or is_own(visit.request, actor) else "由求助人自己改时间。"


VISIT = Machine("help_visit", HelpVisit, VISIT_LABELS, (
    Transition("move", "改时间", _AHEAD, MOVED, guard=_person, event="help.visit_moved"),
    Transition("keep", "来过了", _AHEAD, KEPT, guard=_unit),
    Transition("call_off", "取消", _AHEAD, CALLED_OFF, guard=_unit),
))  # fmt: skip
