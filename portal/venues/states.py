"""The life of a booking (SPEC V2, V3, V5). Every transition happens under the lock of its venue; see locks.py."""

from portal.cases.ladder import at_or_above
from portal.core.access import Actor, Permission
from portal.core.states import Machine, Transition
from portal.venues.models import (
    ACTIVE,
    APPROVED,
    BY_ACTIVITY,
    CANCELLED,
    LAPSED,
    OFFERED,
    PENDING,
    REFUSED,
    RELEASED,
    WAITING,
    WITHDRAWN,
    Booking,
)

LABELS = {
    PENDING: "待审批", APPROVED: "已订上", OFFERED: "有空位待确认", WAITING: "候补中", REFUSED: "未通过",
    WITHDRAWN: "已退订", CANCELLED: "已取消", LAPSED: "过时失效", RELEASED: "未到已释放",
}  # fmt: skip
TONES = {
    PENDING: "blue", APPROVED: "green", OFFERED: "gold", WAITING: "gold", REFUSED: "red",
    WITHDRAWN: "neutral", CANCELLED: "red", LAPSED: "neutral", RELEASED: "neutral",
}  # fmt: skip
NOT_YOUR_TURN = "这份预约现在不由您审批。"
WITH_THE_LIST = "这是清单里的活动，占用随活动走，请到服务清单里改。"


def _own(booking: Booking, actor: Actor) -> str | None:
    if actor.kind == "resident":
        return None if actor.id == booking.resident_id else "这不是您的预约。"
    if actor.kind == "staff" and booking.source == BY_ACTIVITY:
        return WITH_THE_LIST
    manages = actor.can(Permission.VENUES) and at_or_above(actor, booking.centre)
    return None if manages else "您的账户没有管理这个场地的权限。"


def _house(booking: Booking, actor: Actor) -> str | None:
    """Not by residents: the waiting list moves by itself or by staff."""
    staff = actor.kind != "resident" and actor.can(Permission.VENUES) and at_or_above(actor, booking.centre)
    return None if staff else "空位按先后顺序递补。"


def decides(booking: Booking, actor: Actor) -> str | None:
    """The centre whose turn it is, or one above it (P6)."""
    if actor.kind == "system":
        return None
    if booking.source == BY_ACTIVITY:
        return WITH_THE_LIST
    return None if at_or_above(actor, booking.waits_at or booking.centre) else NOT_YOUR_TURN


def _hands_up(booking: Booking, actor: Actor) -> str | None:
    centre = booking.waits_at or booking.centre
    if centre.parent_id is None:
        return "上面没有可以移交的中心了。"
    return decides(booking, actor)


_V = Permission.VENUES
MACHINE = Machine("booking", Booking, LABELS, (
    Transition("approve", "批准", (PENDING,), APPROVED, _V, guard=decides, event="venues.approved"),
    Transition("refuse", "不批准", (PENDING, WAITING), REFUSED, _V, True, decides, "venues.refused"),
    Transition("hand_up", "移交上级", (PENDING,), PENDING, _V, guard=_hands_up, event="venues.handed_up"),
    Transition("move_up", "递补", (WAITING,), APPROVED, guard=_house, event="venues.moved_up"),
    Transition("examine", "递补待审", (WAITING,), PENDING, guard=_house, event="venues.received"),
    Transition("offer", "询问是否要", (WAITING,), OFFERED, guard=_house, event="venues.offered"),
    Transition("accept", "我要这个时间", (OFFERED,), APPROVED, guard=_own, event="venues.approved"),
    Transition("ask", "我要，请审批", (OFFERED,), PENDING, guard=_own, event="venues.received"),
    Transition("decline", "不要了", (OFFERED,), WITHDRAWN, guard=_own),
    Transition("again", "改时间后再审", (APPROVED,), PENDING, guard=_own, event="venues.received"),
    Transition("lapse", "过时失效", (OFFERED, WAITING, PENDING), LAPSED, guard=_house, event="venues.lapsed"),
    Transition("withdraw", "退订", ACTIVE, WITHDRAWN, guard=_own),
    Transition("cancel", "取消", ACTIVE, CANCELLED, _V, True, _own, "venues.cancelled"),
    Transition("release", "释放", (APPROVED,), RELEASED, guard=_house, event="venues.released"),
), personal=True)  # fmt: skip
