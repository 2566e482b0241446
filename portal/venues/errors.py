"""Refusals of this feature, each with the way out."""

from typing import Any

from portal.core import errors
from portal.core.errors import DomainError, Invalid, Refused


class VenueGone(DomainError):
    status = 404
    message = "没有找到这个场地。"
    advice = "它可能已经停用，请看看其他场地。"


class BookingGone(DomainError):
    status = 404
    message = "没有找到这份预约。"
    advice = "请到“我的服务”里看看最新的情况。"


class BookingOver(BookingGone):
    """It is there, but has ended."""

    status = 409
    message = "这份预约已经结束，不能再改。"
    advice = "需要的话请重新登记一份。"


class BookingRefused(Refused):
    """A rule of the venue forbids it."""

    status = 422


class LimitReached(BookingRefused):
    """The resident has used up what one person may book in a week or a month."""

    status = 409


class SlotTaken(DomainError):
    """Somebody else holds part of that time. `wish`: what was asked for; pages offer other times and rooms from it."""

    message = "这个时间刚刚被别人订走了。"
    advice = "请看看下面相近的时间和别的场地，也可以候补。"
    field = "start"

    def __init__(self, wish: Any = None, message: str = "", **details: Any) -> None:
        self.wish = wish
        super().__init__(message, **details)


class NotBookable(DomainError):
    """An outside place: it is booked there, by link or phone."""

    message = "这个地方不在这里预约。"

    def __init__(self, link: str = "", phone: str = "") -> None:
        way = f"请打开它自己的预约网站：{link}" if link else "请到现场或打电话问。"
        super().__init__(advice=f"请打电话 {phone} 预约。" if phone else way)


class TooLate(DomainError):
    """Past the deadline for withdrawing or changing."""

    message = "现在已经过了可以自己退订的时间。"

    def __init__(self, deadline: str, phone: str) -> None:
        call = f"来不了请打电话 {phone}，工作人员帮您处理。" if phone else "来不了请告诉中心的工作人员。"
        super().__init__(f"{deadline} 以后不能自己退订或改时间。", advice=call)


class PurposeMissing(Invalid):
    message = "请写一句做什么用。"
    advice = "例如“舞蹈队排练”，中心要看用途才能批。"
    field = "title"


class OfferOver(DomainError):
    message = "确认的时间已经过了，空位给了下一位。"
    advice = "还想要可以重新预约或候补。"


class InTheWay(DomainError):
    """A competing request can only be preferred while what holds the time is still undecided."""

    message = "这个时间已经批准给别人了。"
    advice = "要改给这一位，请先取消已批准的预约，并写明原因。"


class SeriesRefused(Invalid):
    message = "这样排不了。"
    field = "last_day"


class ClosureRefused(Invalid):
    message = "请检查停用的时间。"
    field = "last_day"


class NotHere(DomainError):
    """Nothing to check in to at this door now."""

    message = "现在没有您在这里的预约。"


class RoomTaken(DomainError):
    """An activity cannot have its room. `conflicts`: what is in the way, session by session (holds.Conflict)."""

    field = "place"

    def __init__(self, room: str, conflicts: list[Any]) -> None:
        self.conflicts = conflicts
        first = conflicts[0]
        more = f"，还有 {len(conflicts) - 1} 场也冲突" if len(conflicts) > 1 else ""
        super().__init__(
            f"{room} {first.when} 已被占用：{first.held_by}{more}。", advice="请改时间、换场地，或先和占用方商量。"
        )


# Whatever race remains, the database's own refusal answers with a sentence instead of an error page.
errors.constraint("booking_overlap", SlotTaken())
