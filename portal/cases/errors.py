"""Refusals about cases, each with the way out."""

from portal.core.errors import DomainError, Invalid


class NobodyAbove(DomainError):
    message = "上面没有可以接手的单位了。"
    advice = "请在本单位办理，实在办不到请在结果里写明。"


class AlreadyOffered(DomainError):
    message = "这件事已经转出去，正等对方接收。"
    advice = "请等对方答复，或先请对方退回。"


class MayNotDecline(DomainError):
    status = 403
    message = "上级派来的这类事项不能退回。"
    advice = "办不了请写明情况，交上级协调。"


class BadNotice(Invalid):
    field = "text"
    message = "这份节假日安排没有看懂。"
    advice = "请按“元旦：1月1日至3日放假，1月4日上班。”的样子一行写一个节日。"
