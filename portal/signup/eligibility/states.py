"""The life of a claim: the community at home says yes or no, and may say otherwise later (SPEC S3)."""

from typing import Any

from portal.core.access import Actor, Permission
from portal.core.states import Machine, Transition
from portal.signup.eligibility.models import ASKED, CONFIRMED, REFUSED, GroupClaim

LABELS = {ASKED: "待社区确认", CONFIRMED: "已确认", REFUSED: "未确认"}
TONES = {ASKED: "blue", CONFIRMED: "green", REFUSED: "neutral"}


def _own(claim: Any, actor: Actor) -> str | None:
    return None if actor.kind == "resident" and actor.id == claim.resident_id else "只有本人可以请社区确认。"


MACHINE = Machine("group_claim", GroupClaim, LABELS, (
    Transition("confirm", "确认", (ASKED, REFUSED), CONFIRMED, Permission.SIGN_UPS, event="group.confirmed"),
    Transition("refuse", "不确认", (ASKED, CONFIRMED), REFUSED, Permission.SIGN_UPS, needs_reason=True,
               event="group.refused"),
    Transition("ask_again", "再请社区确认", (REFUSED,), ASKED, guard=_own),
), personal=True)  # fmt: skip
