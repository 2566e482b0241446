"""The wording of every message about evaluations and call-backs, in one place (SPEC M3)."""

from datetime import datetime, timedelta

from portal.cases import policy
from portal.core import clock
from portal.core.words import Words
from portal.feedback.models import CallBack
from portal.feedback.states import KIND

STAFF_KIND = "work.call_back"


def asked(title: str, when_text: str, person: str, until: datetime) -> tuple[str, str]:
    """Title and body of the one question."""
    whose = f"（{person}参加的）" if person else ""
    return f"《{title}》怎么样？", f"{when_text}{whose}。点一下星星就评好了，{clock.stamp(until)} 前都可以评。"


def opened(call: CallBack) -> Words:
    e = call.evaluation
    said = f"“{e.words[:60]}”" if e.words else "、".join(e.tags)
    return Words(
        STAFF_KIND,
        f"要回访：《{e.title}》{e.stars} 星",
        f"{e.when_text}。{said + '。' if said else ''}请在 {clock.stamp(call.due_at)} 前打电话问清楚、说明处理。",
    )


def handed_up(call: CallBack, by: str, reason: str) -> Words:
    return Words(
        STAFF_KIND,
        f"{call.centre.label}交来一件回访：《{call.evaluation.title}》",
        f"{by}交来，原因：{reason}。期限不变，{clock.stamp(call.due_at)} 前要打电话给居民。",
    )


def handed_back(call: CallBack, by: str, reason: str) -> Words:
    return Words(
        STAFF_KIND,
        f"上级退回一件回访：《{call.evaluation.title}》",
        f"{by}退回，原因：{reason}。期限不变，请在 {clock.stamp(call.due_at)} 前打电话给居民。",
    )


def lifted(call: CallBack) -> Words:
    return Words(
        STAFF_KIND,
        f"转来一件回访：《{call.evaluation.title}》",
        f"原来的单位或同事暂时办不了。期限不变，请在 {clock.stamp(call.due_at)} 前打电话给居民。",
    )


def reopened(call: CallBack, reason: str) -> Words:
    return Words(
        STAFF_KIND,
        f"居民说还没解决：《{call.evaluation.title}》",
        f"居民的话：{reason}。已由{call.centre.label}回访过一次，请在 {clock.stamp(call.due_at)} 前再回访。",
    )


def _escalation() -> str:
    """'一天': how long after the due time the level above hears of it."""
    return clock.said(timedelta(hours=policy.of(KIND.name).after_hours))


def overdue(call: CallBack) -> Words:
    return Words(
        STAFF_KIND,
        f"回访超时了：《{call.evaluation.title}》",
        f"应在 {clock.stamp(call.due_at)} 前回访，请现在就打电话。再过{_escalation()}会通知上级。",
    )


def overdue_above(call: CallBack) -> Words:
    who = f"{call.waits_at.label}{call.owner_name}"
    return Words(
        STAFF_KIND,
        f"{call.waits_at.label}的回访超时{_escalation()}：《{call.evaluation.title}》",
        f"应由{who}在 {clock.stamp(call.due_at)} 前回访。请督促，或直接接手。",
    )


def closed(call: CallBack, again_days: int) -> Words:
    """To the resident: what was done, in the words written for them (an outcome such as '居民认可' speaks to staff).

    'Still not solved' is offered only while it can be said.
    """
    again = "" if call.reopened_at else f"如果还没解决，{again_days} 天内可以打开这条消息再说一次。"
    said = f"{call.waits_at.label}回访：{call.outcome_words.rstrip('。')}。{again}"
    return Words("call_back.closed", f"《{call.evaluation.title}》的意见有回音了", said)
