"""What the resident reads of their own alarm: the truth at this second, in words (SPEC H4)."""

from dataclasses import dataclass
from datetime import datetime

from flask import current_app

from portal.centres import queries as centres
from portal.core import scope
from portal.feedback import queries as evaluations
from portal.help_requests.urgent import queries, rules
from portal.help_requests.urgent.models import (
    CLOSED,
    HANDED,
    MISTAKEN,
    MOVING,
    OPEN,
    RINGING,
    TAKEN,
    THERE,
    Alarm,
    AlarmStep,
    UrgentCall,
)  # fmt: skip
from portal.help_requests.urgent.states import KIND
from portal.notices import gateways

SILENT_AFTER = 8  # seconds without any screen, after which the page says so


@dataclass(frozen=True, slots=True)
class Line:
    """A step of the way. state: done, now or wait."""

    state: str
    name: str
    at: str = ""
    note: str = ""
    icon: str = "check"


@dataclass(frozen=True, slots=True)
class Number:
    name: str
    phone: str


@dataclass(frozen=True, slots=True)
class Told:
    """tone: red while it goes on, green when it has ended. alone: nobody's screen rings, and what is done about it."""

    key: str
    status: str
    tone: str
    lead: str
    title: str
    call: Number | None
    way: tuple[Line, ...]
    alone: str
    numbers: tuple[Number, ...]
    position: str
    wrong: bool
    rate: str
    said: tuple[str, ...]
    open: bool


def lapsed(alarm: Alarm, now: datetime) -> bool:
    """Taken, and not set out in time: it rings again, whatever the row says."""
    return alarm.status == TAKEN and alarm.move_by is not None and alarm.move_by <= now


def tell(call: UrgentCall, now: datetime) -> Told:
    """Everything of the page of whoever holds the key; nothing private of anybody else. About ten statements."""
    with scope.system("how things stand, for whoever holds the key"):
        alarm = queries.alarm(call.alarm_id)
        if alarm is None:
            raise LookupError(call.alarm_id)
        again, screens = lapsed(alarm, now), queries.shown_on(alarm.id)
        status = RINGING if again else alarm.status
        taker = Number(f"打给{alarm.taken_by}", alarm.taken_phone) if alarm.taken_phone and status != RINGING else None
        return Told(
            key=call.key, status=status, tone="red" if status in OPEN else "green", lead=_lead(alarm, status, now),
            title=_title(alarm, status), call=taker, way=_way(alarm, status, screens, now),
            alone=_alone(alarm, screens, now) if status == RINGING else "",
            numbers=_numbers(alarm) if status == RINGING else (), position=_position(call, alarm), wrong=alarm.wrong,
            rate=_rate(alarm), said=tuple(_said(c) for c in alarm.calls if c.words or c.voice), open=status in OPEN,
        )  # fmt: skip


def _title(alarm: Alarm, status: str) -> str:
    words = {
        RINGING: "正在响铃，还没有人接", TAKEN: "已经有人接了", MOVING: "已出发，往您这里来", THERE: "已经到场",
        CLOSED: "已经办结", HANDED: f"已转 {alarm.handed_to}", MISTAKEN: "已记为按错",
    }  # fmt: skip
    return words[status]


def _lead(alarm: Alarm, status: str, now: datetime) -> str:
    if status == RINGING:
        return f"已响 {rules.lasted(alarm.rung_at, now)}"
    who = alarm.taken_centre.label if alarm.taken_centre else alarm.centre.label
    if status == MOVING and alarm.moving_at:
        return f"{rules.clock_seconds(alarm.moving_at)[:5]} 有 {alarm.people} 个人"
    if status in (CLOSED, HANDED) and alarm.outcome:
        return f"{who}：{alarm.outcome}"
    return who


def _way(alarm: Alarm, status: str, screens: list[tuple[str, int]], now: datetime) -> tuple[Line, ...]:
    total = sum(count for _, count in screens)
    each = "，".join(f"{name} {count} 台" for name, count in screens)
    rung = Line("done" if total else "now", f"已响铃 {total} 台电脑" if total else "正在找在线的电脑",
                rules.clock_seconds(alarm.filed_at), each, "check" if total else "bell")  # fmt: skip
    lines = [rung]
    if status == RINGING:
        again = f"{alarm.taken_by}接了没有出发，正在重新响铃" if alarm.taken_at else "接了会在这里写明是谁、电话多少"
        lines.append(Line("now" if total else "wait", "等人接", "", again, "bell"))
    elif alarm.taken_at is not None and alarm.taken_centre is not None:
        took = f"{alarm.taken_by}，用了 {rules.lasted(alarm.filed_at, alarm.taken_at)}"
        lines.append(Line("done", f"{alarm.taken_centre.label}已接", rules.clock_seconds(alarm.taken_at), took))
    lines += _coming(alarm, status)
    ended = status not in OPEN
    lines.append(
        Line(
            "done" if ended else "wait",
            "办结" if ended else "办结，请您评价",
            rules.clock_seconds(alarm.ended_at) if alarm.ended_at else "",
            alarm.outcome if ended else "",
        )
    )
    return tuple(lines)


def _coming(alarm: Alarm, status: str) -> list[Line]:
    ended = status in (CLOSED, HANDED, MISTAKEN)
    lines = []
    if alarm.moving_at is not None and status != RINGING:
        since = rules.clock_seconds(alarm.moving_at)
        start = f"从{alarm.taken_centre.label}" if alarm.taken_centre else ""
        lines.append(Line("now" if status == MOVING else "done", f"已出发 {alarm.people} 人", since, start, "walk"))
    elif not ended:
        lines.append(Line("now" if status == TAKEN else "wait", "派人出发", "", "", "walk"))
    if alarm.there_at is not None and status != RINGING:
        lines.append(Line("now" if status == THERE else "done", "到您这里了", rules.clock_seconds(alarm.there_at)))
    elif not ended:
        lines.append(Line("wait", "到您这里", "", "到了会在这里写明"))
    return lines


def _alone(alarm: Alarm, screens: list[tuple[str, int]], now: datetime) -> str:
    """Said when it has rung on no screen: what is being done instead, or that nothing is."""
    if screens or (now - alarm.rung_at).total_seconds() < SILENT_AFTER:
        return ""
    ids = [step.centre_id for step in _reached(alarm, now)]
    there = gateways.connected(current_app.config)
    on_duty = [p for p in queries.phones(ids) if rules.on_duty(p.opens, p.closes, now)]
    if on_duty and (there["sms"] or there["voice"]):
        how = "打电话、发短信" if there["voice"] and there["sms"] else "打电话" if there["voice"] else "发短信"
        return f"现在没有工作人员在电脑前。正在给值班手机{how}。等不及，请直接打下面的电话。"
    return "现在没有工作人员在电脑前，也叫不到值班手机。请直接打下面的电话，不要等。"


def _reached(alarm: Alarm, now: datetime) -> list[AlarmStep]:
    return queries.reached(alarm.id, now)


def _numbers(alarm: Alarm) -> tuple[Number, ...]:
    """Whom to ring while nobody has taken it: duty telephones and the centres, nearest first."""
    chain = [alarm.centre, *reversed(centres.ancestors(alarm.centre))]
    duty = {p.centre_id: p for p in reversed(queries.phones([c.id for c in chain[:2]]))}
    found = [Number(f"{c.label}值班", duty[c.id].phone) for c in chain if c.id in duty]
    found += [Number(c.label, c.phone) for c in chain if c.phone]
    return tuple(found[:4])


def _position(call: UrgentCall, alarm: Alarm) -> str:
    if rules.usable(call.accuracy):
        return f"位置已送到，误差约 {call.accuracy} 米"
    if alarm.place:
        return "位置不准，用您登记的住址" if call.accuracy is not None else "用您登记的住址"
    return "还不知道您在哪里，请说一说或写下来"


def _rate(alarm: Alarm) -> str:
    if alarm.resident_id is None or alarm.status in OPEN:
        return ""
    found = evaluations.asked_of(KIND.name, alarm.id)
    return f"/rate/{found[0].token}" if found else ""


def _said(call: UrgentCall) -> str:
    when = rules.clock_seconds(call.at)[:5]
    parts = [f"录音 {call.voice_seconds} 秒"] if call.voice else []
    parts += [f"{len(call.words)} 个字"] if call.words else []  # whoever holds the phone need not read them
    return f"{when} 已送到：{'，'.join(parts)}"
