"""Refusals of orders and visits, each with the way out."""

from portal.core.errors import DomainError, Invalid


class NoSuchOrder(DomainError):
    status = 404
    message = "没有这张派单。"


class VisitWrong(Invalid):
    field = "visit"
    message = "上门时间要在现在以后，开始早于结束。"


class WhyMissing(Invalid):
    message = "这位队员那时不方便，还是要派他去，请写理由。"
    field = "why"


class NobodyChosen(Invalid):
    message = "请选一位队员。"
    field = "member"


class CannotMove(DomainError):
    message = "这次上门的时间不能再改。"


class SlotGone(DomainError):
    message = "这个时间刚刚被占了。"
    advice = "请另选一个。"


class AskFirst(DomainError):
    message = "派单上有住址和电话，要打印请点“打印派单”。"
    advice = "接单的单位才能打印，会记下是谁。"


class OrderOver(DomainError):
    message = "这张派单已经结束了。"
    advice = "有事请打中心的电话。"
