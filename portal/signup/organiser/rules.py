"""Who may be written to, how long and how often (SPEC M1, M3). Pure functions, no database."""

from collections.abc import Iterable
from dataclasses import dataclass

from portal.core.words import Refusal

LONGEST = 200  # characters: two text messages together with the name of the activity
MOST_A_DAY = 3  # messages to the people of one activity; whoever gets more reads none


@dataclass(frozen=True, slots=True)
class Audience:
    """Some of an activity's people. statuses: of their sign-ups."""

    code: str
    label: str
    statuses: tuple[str, ...]


AUDIENCES = (
    Audience("confirmed", "报上的人", ("confirmed",)),
    Audience("waiting", "候补的人", ("waiting", "offered")),
    Audience("pending", "等审核的人", ("pending",)),
)


def chosen(codes: Iterable[str]) -> tuple[Audience, ...]:
    """Those of AUDIENCES that were ticked, in their order."""
    wanted = set(codes)
    return tuple(one for one in AUDIENCES if one.code in wanted)


def refusal(words: str, audiences: tuple[Audience, ...], people: int, sent_today: int) -> Refusal | None:
    """Why this message may not be sent; None when it may. people: whom it would reach."""
    if not words.strip():
        return Refusal("words", "请写要通知什么。", "比如：请带身份证，提前十分钟到。", "words")
    if len(words.strip()) > LONGEST:
        return Refusal("words", f"最多 {LONGEST} 个字。", "长的话请改活动内容，消息里写要紧的。", "words")
    if not audiences:
        return Refusal("to", "请选发给谁。", "", "to")
    if sent_today >= MOST_A_DAY:
        return Refusal("often", f"一个活动一天最多发 {MOST_A_DAY} 次。", "急事请打电话，其余的明天再发。", "words")
    if not people:
        return Refusal("nobody", "选的这些人里现在没有人。", "有人报名以后再发。", "to")
    return None


def limits_text() -> str:
    """How often, for the page."""
    return f"一天最多发 {MOST_A_DAY} 次，每次最多 {LONGEST} 个字"
