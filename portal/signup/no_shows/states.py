"""The life of a no-show (SPEC S8): counted, appealed against, excused or upheld."""

from typing import Any

from portal.core.access import Actor, Permission
from portal.core.states import Machine, Transition
from portal.signup.no_shows.models import APPEALED, COUNTED, EXCUSED, UPHELD, NoShow

LABELS = {COUNTED: "已记一次", APPEALED: "申诉中", EXCUSED: "已撤销，不算", UPHELD: "申诉没有通过"}
TONES = {COUNTED: "gold", APPEALED: "blue", EXCUSED: "green", UPHELD: "red"}


def _own(row: Any, actor: Actor) -> str | None:
    return None if actor.kind == "resident" and actor.id == row.resident_id else "这不是您的记录。"


MACHINE = Machine("no_show", NoShow, LABELS, (
    Transition("appeal", "申诉", (COUNTED,), APPEALED, guard=_own),
    Transition("excuse", "不算", (COUNTED, APPEALED), EXCUSED, Permission.SIGN_UPS, needs_reason=True,
               event="no_show.decided"),
    Transition("uphold", "维持", (APPEALED,), UPHELD, Permission.SIGN_UPS, needs_reason=True, event="no_show.decided"),
), personal=True)  # fmt: skip
