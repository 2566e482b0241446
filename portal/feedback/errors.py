"""Refusals of this feature, each with the way out."""

from portal.core.errors import DomainError, Invalid


class NoSuchEvaluation(DomainError):
    status = 404
    message = "没有这个评价链接。"
    advice = "请从消息里重新点开，或打电话给中心。"


class CannotAnswer(DomainError):
    message = "现在不能评价了。"
    advice = "还有话想说，请打电话给中心。"


class BadStars(Invalid):
    field = "stars"
    message = "请点 1 到 5 颗星。"


class UnknownTag(Invalid):
    field = "tags"
    message = "选的标签里有一项不在名单上。"
    advice = "请重新选，或用自己的话写下来。"


class WordsTooLong(Invalid):
    field = "words"
    advice = "请删短一点。"


class NoSuchCallBack(DomainError):
    status = 404
    message = "没有这件回访。"


class UnknownOutcome(Invalid):
    field = "outcome"
    message = "请选一个回访结果。"


class CannotSayAgain(DomainError):
    message = "现在不能重开。"
