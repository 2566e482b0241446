"""Refusals of this feature, each with the way out."""

from portal.core.errors import DomainError, Invalid


class NoSuchRequest(DomainError):
    status = 404
    message = "没有这件求助。"


class KindMissing(Invalid):
    field = "kind"
    message = "请点一下要哪一种帮忙。"
    advice = "说不准就点最后一个，我们来分。"


class WordsMissing(Invalid):
    field = "what"
    message = "请说说要帮什么。"
    advice = "一句话就行。"


class WordsTooLong(Invalid):
    advice = "请删短一点，细节我们会打电话问您。"


class DayWrong(Invalid):
    field = "day"
    message = "请选今天以后的日子。"


class TooYoung(DomainError):
    message = "未满 14 周岁，要请家里大人来求助。"
    advice = "大人可以在“我的”里把您加成家人，再替您提出；急事请打电话。"


class TooManyOpen(DomainError):
    message = "您有好几件求助还在办。"
    advice = "请先看看办到哪一步了，急事请打电话。"


class TakenAlready(DomainError):
    """Two pressed at once: the second is told who was first."""

    advice = "请看最新的状态。"


class AdviceMissing(Invalid):
    field = "advice"
    message = "请写明居民可以怎么办：一篇指南、一个电话，或另一种求助。"
    advice = "不能提供时，一定要给居民一条路。"


class NowhereToSend(Invalid):
    field = "to"
    message = "请选派给哪里。"
    advice = ""


class NotReadable(DomainError):
    status = 403
    message = "接单以后才能看住址和电话。"
    advice = "这是为了保护求助人的隐私；要先问清楚，请用“问一句”。"


class RegistrationWrong(Invalid):
    message = "备案的起止日期不对。"
    advice = "结束日期要晚于开始日期。"


class OutsideWrong(Invalid):
    field = "name"
    message = "请写明单位名称和电话。"
