"""The life of a sign-up (SPEC S2-S4). Every transition happens under the lock of its entry; see waiting_list.py."""

from typing import Any

from portal.core.access import Actor, Permission
from portal.core.states import Machine, Transition
from portal.signup.models import (
    ACTIVE,
    CANCELLED,
    CONFIRMED,
    LAPSED,
    OFFERED,
    PENDING,
    REFUSED,
    WAITING,
    WITHDRAWN,
    SignUp,
)

LABELS = {
    PENDING: "待审核", CONFIRMED: "已报上", WAITING: "候补中", OFFERED: "有名额待确认",
    WITHDRAWN: "已退出", REFUSED: "未通过", CANCELLED: "活动取消", LAPSED: "过时未确认",
}  # fmt: skip
TONES = {
    PENDING: "blue", CONFIRMED: "green", WAITING: "gold", OFFERED: "gold",
    WITHDRAWN: "neutral", REFUSED: "red", CANCELLED: "red", LAPSED: "neutral",
}  # fmt: skip


def _own(sign_up: Any, actor: Actor) -> str | None:
    if actor.kind == "resident":
        return None if actor.id == sign_up.resident_id else "这不是您的报名。"
    return None if actor.can(Permission.SIGN_UPS) else "您的账户没有管理报名的权限。"


def _house(_sign_up: Any, actor: Actor) -> str | None:
    """Not by residents: the queue moves by itself or by staff."""
    return None if actor.kind != "resident" and actor.can(Permission.SIGN_UPS) else "名额按先后顺序递补。"


def _reinstated(_sign_up: Any, actor: Actor) -> str | None:
    return None if actor.kind == "system" else "活动恢复时由系统恢复。"


# A cancelled activity takes place after all: everybody is where they were; who was asked waits again.
BACK = {"back_to_confirmed": CONFIRMED, "back_to_pending": PENDING, "back_to_waiting": WAITING}
MACHINE = Machine("sign_up", SignUp, LABELS, (
    Transition("confirm", "通过", (PENDING,), CONFIRMED, Permission.SIGN_UPS, event="signup.confirmed"),
    Transition("refuse", "不通过", (PENDING, WAITING), REFUSED, Permission.SIGN_UPS, needs_reason=True,
               event="signup.refused"),
    Transition("place", "直接安排", (WAITING,), CONFIRMED, Permission.SIGN_UPS, event="signup.moved_up"),
    Transition("move_up", "递补", (WAITING,), CONFIRMED, guard=_house, event="signup.moved_up"),
    Transition("examine", "递补待审", (WAITING,), PENDING, guard=_house, event="signup.received"),
    Transition("offer", "询问是否参加", (WAITING,), OFFERED, guard=_house, event="signup.offered"),
    Transition("accept", "我要参加", (OFFERED,), CONFIRMED, guard=_own, event="signup.confirmed"),
    Transition("decline", "不去了", (OFFERED,), WITHDRAWN, guard=_own),
    Transition("lapse", "过时未确认", (OFFERED,), LAPSED, guard=_house, event="signup.lapsed"),
    Transition("withdraw", "退出", ACTIVE, WITHDRAWN, guard=_own),
    Transition("cancel", "活动取消", ACTIVE, CANCELLED, guard=_house),
    *(Transition(name, "活动恢复", (CANCELLED,), back, guard=_reinstated) for name, back in BACK.items()),
), personal=True)  # fmt: skip
