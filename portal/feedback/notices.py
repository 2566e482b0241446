"""The wording of every message about evaluations and call-backs, in one place (SPEC M3)."""

from datetime import datetime, timedelta

from portal.cases import policy
from portal.core import clock
from portal.core.words import Words
from portal.feedback.models import CallBack
from portal.feedback.states import KIND


def asked(title: str, when_text: str, person: str, until: datetime) -> tuple[str, str]:
    """Title and body of the one question."""
    whose = f"（{person}参加的）" if person else ""
    return f"《{title}》怎么样？", f"{when_text}{whose}。点一下星星就评好了，{clock.stamp(until)} 前都可以评。"


def _words(call: CallBack, title: str, said: str) -> Words:
    """To staff; every title ends with what was evaluated."""
    return Words("work.call_back", f"{title}：《{call.evaluation.title}》", said)


def opened(call: CallBack) -> Words:
    e = call.evaluation
    words = f"“{e.words[:60]}”" if e.words else "、".join(e.tags)
    said = f"{e.when_text}。{words + '。' if words else ''}请在 {clock.stamp(call.due_at)} 前打电话问清楚、说明处理。"
    return Words("work.call_back", f"要回访：《{e.title}》{e.stars} 星", said)


def handed_up(call: CallBack, by: str, reason: str) -> Words:
    said = f"{by}交来，原因：{reason}。期限不变，{clock.stamp(call.due_at)} 前要打电话给居民。"
    return _words(call, f"{call.centre.label}交来一件回访", said)


def handed_back(call: CallBack, by: str, reason: str) -> Words:
    said = f"{by}退回，原因：{reason}。期限不变，请在 {clock.stamp(call.due_at)} 前打电话给居民。"
    return _words(call, "上级退回一件回访", said)


def lifted(call: CallBack) -> Words:
    said = f"原来的单位或同事暂时办不了。期限不变，请在 {clock.stamp(call.due_at)} 前打电话给居民。"
    return _words(call, "转来一件回访", said)


def reopened(call: CallBack, reason: str) -> Words:
    again = f"已由{call.centre.label}回访过一次，请在 {clock.stamp(call.due_at)} 前再回访。"
    return _words(call, "居民说还没解决", f"居民的话：{reason}。{again}")


def _escalation() -> str:
    """'一天': how long after the due time the level above hears of it."""
    return clock.said(timedelta(hours=policy.of(KIND.name).after_hours))


def overdue(call: CallBack) -> Words:
    said = f"应在 {clock.stamp(call.due_at)} 前回访，请现在就打电话。再过{_escalation()}会通知上级。"
    return _words(call, "回访超时了", said)


def overdue_above(call: CallBack) -> Words:
    at = call.waits_at.label
    said = f"应由{at}{call.owner_name}在 {clock.stamp(call.due_at)} 前回访。请督促，或直接接手。"
    return _words(call, f"{at}的回访超时{_escalation()}", said)


def closed(call: CallBack, again_days: int) -> Words:
    """To the resident: what was done, in the words written for them (an outcome such as '居民认可' speaks to staff).

    'Still not solved' is offered only while it can be said.
    """
    again = "" if call.reopened_at else f"如果还没解决，{again_days} 天内可以打开这条消息再说一次。"
    said = f"{call.waits_at.label}回访：{call.outcome_words.rstrip('。')}。{again}"
    return Words("call_back.closed", f"《{call.evaluation.title}》的意见有回音了", said)
