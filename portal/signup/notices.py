"""The wording of every message about sign-ups, in one place (SPEC M3). Plain words; what happens next; until when."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from portal.catalogue.models import Entry, EntrySession
from portal.core import clock
from portal.core.pages import phone_text
from portal.core.words import Words
from portal.signup import rules
from portal.signup.models import SignUp


def when(entry: Entry, now: datetime | None = None) -> str:
    """'12月13日（周日）8:30–11:00'; of a series the rule and its first date, of one that runs at `now` its next."""
    return when_of(entry.sessions, (entry.weekly or {}).get("label"), now)


def when_of(sessions: Sequence[Any], weekly: str | None, now: datetime | None = None) -> str:
    """As `when`, of sessions in order."""
    if not sessions:
        return "时间另行通知"
    coming = [s for s in sessions if now is None or s.ends_at > now]
    if not coming and weekly:
        return weekly
    if not coming or len(coming) == len(sessions):
        return when_text(clock.span(sessions[0].starts_at, sessions[0].ends_at), len(sessions), weekly)
    following = f"下一次 {clock.span(coming[0].starts_at, coming[0].ends_at)}"
    if weekly:
        return f"{weekly}，{following}"
    return following if len(coming) == 1 else f"{following}，还有 {len(coming)} 场"


def when_text(first: str, dates: int, weekly: str | None) -> str:
    """first: the first of so many dates in words; weekly: the words of the rule they follow."""
    if weekly:
        return f"{weekly}，第一次 {first}"
    return first if dates == 1 else f"{first} 等 {dates} 场"


def whom(sign_up: SignUp) -> str:
    """'王秀英' or '您', with the party's size when it is more than one."""
    name = sign_up.relative.name if sign_up.relative else "您"
    return name if sign_up.places == 1 else f"{name}等 {sign_up.places} 位"


def told_at(entry: Entry, s: SignUp) -> datetime:
    """When they hear of their place or of a change: what a message says is true at that moment."""
    return max(moment for moment in (s.created_at, s.decided_at, entry.changed_at) if moment is not None)


def when_for(entry: Entry, s: SignUp) -> str:
    """As `when`, at that moment."""
    return when(entry, told_at(entry, s))


def leaving(entry: Entry, s: SignUp) -> str:
    """'12月12日 20:00 前可自行退出。', as it stands when they hear of their place or of a change."""
    return rules.leaving_text(rules.leave_until(entry, s.created_at, s.decided_at), told_at(entry, s)) + "。"


def reminding(entry: Entry, s: SignUp) -> str:
    """'开始前一天和前 2 小时会提醒。'; '' where none comes any more."""
    said = rules.reminding_text(entry, told_at(entry, s))
    return f"{said}。" if said else ""


def call(entry: Entry) -> str:
    phone = entry.phone or entry.centre.phone
    return f"有事请打电话 {phone}。" if phone else ""


def by_staff(sign_up: SignUp) -> str:
    return f"（由{sign_up.created_by}代为登记）" if sign_up.created_by else ""


def confirmed(entry: Entry, s: SignUp) -> Words:
    return Words("sign_up.confirmed", f"已报上《{entry.title}》",
                 f"{whom(s)}已报上{by_staff(s)}。{when_for(entry, s)}，{entry.place}。"
                 f"{leaving(entry, s)}{reminding(entry, s)}")  # fmt: skip


def received(entry: Entry, s: SignUp) -> Words:
    return Words("sign_up.received", f"已收到《{entry.title}》的报名",
                 f"{whom(s)}的报名{by_staff(s)}由{entry.organiser or entry.centre.name}审核，"
                 "通过或不通过都会告诉您。名额先为您留着。", sms=False)  # fmt: skip


def waiting(entry: Entry, s: SignUp, number: int | None) -> Words:
    where = f"第 {number} 位" if number else "名单上"
    return Words("sign_up.waiting", f"已候补《{entry.title}》",
                 f"{whom(s)}现在候补{where}{by_staff(s)}。有人退出就按先后顺序递补，"
                 "轮到了马上通知。不想等可以随时退出。", sms=False)  # fmt: skip


def moved_up(entry: Entry, s: SignUp) -> Words:
    return Words("place.moved_up", f"候补成功：《{entry.title}》",
                 f"有了空位，{whom(s)}已报上。{when_for(entry, s)}，{entry.place}。"
                 f"{leaving(entry, s)}", urgent=True)  # fmt: skip


def offered(entry: Entry, s: SignUp) -> Words:
    until = clock.stamp(s.accept_by) if s.accept_by else "活动开始"
    return Words("place.offered", f"轮到您了：《{entry.title}》有空位",
                 f"{when_for(entry, s)}，{entry.place}。{whom(s)}还去吗？"
                 f"请在 {until} 前打开确认，过时名额给下一位。", urgent=True)  # fmt: skip


def merged(entry: Entry, s: SignUp) -> Words:
    until = clock.stamp(s.accept_by) if s.accept_by else "活动开始"
    return Words("place.merged", f"请您改参加《{entry.title}》",
                 f"{s.note}。给{whom(s)}留了名额：{when_for(entry, s)}，{entry.place}。"
                 f"同意请在 {until} 前打开确认；不同意不用管，到时自动放弃。")  # fmt: skip


def refused(entry: Entry, s: SignUp) -> Words:
    return Words("sign_up.refused", f"《{entry.title}》的报名没有通过",
                 f"原因：{s.refusal_reason}。可以看看其他活动。{call(entry)}")  # fmt: skip


def lapsed(entry: Entry, s: SignUp) -> Words:
    return Words("place.lapsed", f"《{entry.title}》的空位已给下一位",
                 f"{whom(s)}没有在期限前确认。还想参加可以重新报名候补。", sms=False)  # fmt: skip


def withdrawn(entry: Entry, s: SignUp, reason: str) -> Words:
    why = f"原因：{reason}。" if reason else ""
    return Words("sign_up.withdrawn", f"已退出《{entry.title}》", f"工作人员已为{whom(s)}办理退出。{why}{call(entry)}")


def cancelled(entry: Entry, s: SignUp, reason: str) -> Words:
    why = f"原因：{reason}。" if reason else ""
    return Words("change.cancelled", f"活动取消：《{entry.title}》",
                 f"{when_for(entry, s)}的活动不办了，{whom(s)}不用来了。"
                 f"{why}可以看看其他活动。{call(entry)}", urgent=True)  # fmt: skip


def reinstated(entry: Entry, s: SignUp, sentence: str) -> Words:
    return Words("change.reinstated", f"活动照常举行：《{entry.title}》",
                 f"{sentence}{when_for(entry, s)}，{entry.place}，{whom(s)}的报名恢复了；"
                 f"如果来不了，{leaving(entry, s)}"
                 f"{call(entry)}", urgent=True)  # fmt: skip


def changed(entry: Entry, s: SignUp, sentence: str) -> Words:
    """sentence: before, after and why, in the catalogue's own words."""
    until = rules.leave_until(entry, s.created_at, s.decided_at)
    tap = "打开这条消息点一下就能退出，" if until is None or told_at(entry, s) < until else ""
    return Words("change.changed", f"活动有变动：《{entry.title}》",
                 f"{sentence}{whom(s)}的名额还在；如果来不了，{tap}{leaving(entry, s)}"
                 f"{call(entry)}", urgent=True)  # fmt: skip


def reminder(entry: Entry, session: EntrySession, s: SignUp, rule: str) -> Words:
    lead = "明天见" if rule == "day" else "快开始了"
    leave = "来不了请退出或打电话，把名额让给别人。" if rule == "day" else ""
    return Words(f"reminder.{rule}", f"{lead}：《{entry.title}》",
                 f"{clock.span(session.starts_at, session.ends_at)}，{entry.place}，{whom(s)}已报名。"
                 f"{leave}{call(entry)}")  # fmt: skip


def low(entry: Entry) -> Words:
    return Words("work.low", f"报名人数不足：《{entry.title}》",
                 f"{when(entry)}，名额 {entry.capacity} {entry.unit}，只报了 {entry.taken} {entry.unit}。"
                 "可以延长报名、并到别的活动或取消。")  # fmt: skip


_BRING = re.compile(r"[^。；;！!\n]*(?:自带|自备|请带|带上|携带|穿着|请穿|备好)[^。；;！!\n]*")


def to_bring(content: str) -> str:
    """What the description says one should bring or wear, in its own words; '' when it says nothing of it."""
    return "；".join(found.strip(" ，,：:") for found in _BRING.findall(content))[:120]


def for_family(entry: Entry, now: datetime, url: str) -> str:
    """Ready words to send on, after '妈妈报上了': what, when, where, what to bring, whom to call. Nothing private."""
    lines = [f"《{entry.title}》", f"时间：{when(entry, now)}", f"地点：{entry.place or entry.centre.label}"]
    if entry.centre.address:
        lines.append(f"地址：{entry.centre.address}")
    if bring := to_bring(entry.content):
        lines.append(f"准备：{bring}")
    if entry.call_phone:
        lines.append(f"有事打电话：{entry.contact} {phone_text(entry.call_phone)}")
    return "\n".join([*lines, f"详情：{url}"])
