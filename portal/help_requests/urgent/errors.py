"""Refusals, each with the way out. What somebody in need sends is never refused without a number to ring."""

from portal.core.errors import DomainError, Invalid


class PhoneNeeded(Invalid):
    field = "phone"
    message = "请填一个能打通的手机号。"
    advice = "也可以直接打 120、110 或社区电话。"


class PlaceNeeded(Invalid):
    field = "centre_id"
    message = "请选您在哪个社区。"
    advice = "也可以直接打 120、110。"


class TooManyCalls(DomainError):
    status = 429
    message = "这个网络短时间内求助太多次，网上先收不下了。"
    advice = "请直接打下面的电话，有人接。"


class NoSuchAlarm(DomainError):
    status = 404
    message = "没有这个求助。"


class AlreadyTaken(DomainError):
    message = "已经有人接了。"


class CallFirst(Invalid):
    field = "reason"
    message = "按错要先打电话向居民问清楚。"
    advice = "打过以后写明谁接的、怎么说。"


class UnknownOutcome(Invalid):
    field = "outcome"
    message = "请选一个结果。"


class NumberNeeded(Invalid):
    field = "handed_to"
    message = "请选转给 110、119 还是 120。"


class WordsTooLong(Invalid):
    advice = "请删短一点。"


class PeopleNeeded(Invalid):
    field = "people"
    message = "请填派了几个人（1 到 99）。"


class PhoneKnown(Invalid):
    field = "phone"
    message = "这个号码已经在值班电话里。"
