"""What holds for steps on many rows at once: what they are called, and what can be taken back until when (SPEC Q9)."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import TypeVar

from portal.core import clock

TAKE_BACK = timedelta(minutes=10)
IMPORT_TAKE_BACK = timedelta(days=1)  # of an import: its drafts are nobody else's business yet
KEPT = timedelta(days=1)  # what a row was before is forgotten then
BATCH = 75  # rows in one transaction, so that another writer waits less than a tenth of a second
IMPORT_BATCH = 50  # of a plan, whose rows are judged and made anew
UNDO_BATCH = 25  # with rooms to be given back one by one
KINDS = {
    "hand_in": "上交", "approve": "通过", "return": "退回", "drop": "删除", "category": "改类别", "place": "改地点",
    "publish": "提前发布",
}  # fmt: skip

Item = TypeVar("Item")


def batches(items: Iterable[Item], size: int = BATCH) -> Iterator[list[Item]]:
    """`items` in lists of at most `size`."""
    rest = list(items)
    for start in range(0, len(rest), size):
        yield rest[start : start + size]


def take_back_until(at: datetime) -> datetime:
    """Up to this moment whoever did a bulk step at `at` may take it back."""
    return at + TAKE_BACK


def take_back_words(at: datetime) -> str:
    """'14:32 前可以撤回'."""
    return f"{clock.hour(take_back_until(at))} 前可以撤回"


def step_words(kind: str, count: int) -> str:
    """'刚才通过了 310 条'."""
    return f"刚才{KINDS[kind]}了 {count} 条"


def too_late(kind: str, at: datetime, month: str, now: datetime) -> str:
    """Why a step as a whole cannot be taken back any more; '' when it can."""
    if now >= take_back_until(at):
        minutes = TAKE_BACK // timedelta(minutes=1)
        return f"已经超过 {minutes} 分钟，不能整批撤回了；要改的请逐条处理。"
    if kind == "publish" and now >= clock.month_span(month)[0]:
        # What is approved of a month that runs is published by itself: residents would see it go and come back.
        return "这个月已经开始，清单会自动发布，撤回没有用；要改的请逐条申请变更或取消。"
    return ""


def moved_on(kind: str, seen: int, revision: int, places: int) -> str:
    """Why one row stays as it is when its step is taken back; '' when it goes back.

    seen, revision: of the row right after the step and now. places: sign-ups and people waiting. What somebody has
    signed up for is never taken away from under them.
    """
    if revision != seen:
        return "后来又有人处理过"
    if kind == "publish" and places:
        return "已经有居民报名"
    return ""
