"""The wording of every message about orders and visits (SPEC M3, H7). None says what the help is about, or for whom."""

from portal.core import clock
from portal.core.words import Words
from portal.help_requests.models import HelpOrder, HelpVisit
from portal.help_requests.notices import NEWS
from portal.help_requests.orders import rules


def _when(visit: HelpVisit | None) -> str:
    return clock.span(visit.at_from, visit.at_to) if visit is not None else ""


def offered(order: HelpOrder) -> Words:
    """To the member."""
    by = clock.stamp(order.answer_by) if order.answer_by else ""
    return Words(
        "team.order",
        "派给您一件事，能去吗？",
        f"{_when(order.visit)}。请在 {by} 前打开“我的队务”，点“我去”或“去不了”。",
    )


def cancelled(order: HelpOrder) -> Words:
    """To the member."""
    return Words("team.order", "不用去了", f"{_when(order.visit)}的那件事取消或换了人，不用您去了，谢谢。")


def back(order: HelpOrder) -> Words:
    """To the contact person: nobody goes yet."""
    why = f"原因：{order.decline_reason}。" if order.decline_reason else f"{clock.said(rules.ANSWER)}没有答复。"
    return Words("team.order", f"派单退回，请另外派人（求助 #{order.request_id}）", f"{order.member.name}去不了，{why}")


def coming(order: HelpOrder) -> Words:
    """To the person who asked: when somebody comes; the link moves it."""
    unit = order.request.case.waits_at.label
    return Words("help.visit", NEWS, f"{unit}安排好人了，{_when(order.visit)} 来。时间不合适，点开可以自己改。")


def moved(order: HelpOrder) -> Words:
    """To the member and the contact person: the person has moved the visit."""
    return Words("team.order", "上门改时间了", f"改到 {_when(order.visit)}，是求助人自己改的。")


def well(order: HelpOrder) -> Words:
    """To the member alone in a home."""
    more = int(rules.CHECK_MORE.total_seconds() // 60)
    return Words(
        "team.check",
        "您还好吗？请报个平安",
        f"到了已经超过{clock.said(rules.CHECK)}。请打开点“平安”；{more} 分钟没有消息，我们会联系队长。",
    )


def no_sign(order: HelpOrder) -> Words:
    """To the captain and the community: somebody alone in a home has given no sign."""
    there = clock.hour(order.there_at) if order.there_at else ""
    more = int((rules.CHECK + rules.CHECK_MORE).total_seconds() // 60)
    said = f"{there} 到的，{more} 分钟没有报平安。请马上打电话；联系不上就上门看看，有危险拨 110。"
    return Words("team.check", f"{order.member.name}上门后没有消息（求助 #{order.request_id}）", said)
