"""Refusals of this feature, each with the way out."""

from portal.core import errors
from portal.core.errors import DomainError, Refused


class SignUpRefused(Refused):
    """The entry's rules forbid it."""


class NotForThem(SignUpRefused):
    """It is meant for others: asked once, never forbidden."""


class WithdrawRefused(SignUpRefused):
    """Too late to leave by oneself."""


class AlreadySignedUp(DomainError):
    message = "已经报过名了，不用再报。"
    advice = "刷新这一页就能看到。"


class EntryGone(DomainError):
    status = 404
    message = "没有找到这个活动。"
    advice = "它可能已经撤下，请看看其他活动。"


class SignUpGone(DomainError):
    status = 404
    message = "没有找到这条报名。"
    advice = "请刷新页面看看最新的情况。"


class NoRoom(DomainError):
    message = "名额不够。"
    advice = "可以先增加名额，再安排。"


class OfferOver(DomainError):
    message = "确认的时间已经过了，名额给了下一位。"
    advice = "还想参加可以重新报名候补。"


# Whatever race remains, the database's unique index answers with a sentence instead of an error page.
errors.constraint("uq_sign_up_live", AlreadySignedUp())
errors.constraint("sign_up.entry_id, sign_up.person_key", AlreadySignedUp())
