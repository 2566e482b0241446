"""What one person was told and what became of it, for whoever answers the telephone: "没收到" (SPEC M2, P8)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from portal.centres.models import Centre
from portal.centres.queries import inside
from portal.core import audit, clock
from portal.core.access import Actor
from portal.core.db import db
from portal.core.errors import DomainError
from portal.notices import kinds, queries, rules
from portal.notices.models import Delivery
from portal.people.actions import callers
from portal.people.models import Resident

CODES = 5  # of the last login codes that are shown


# What to do in states that say all by themselves.
OTHER = {
    "unreceived": "运营商说手机没有收到：停机、关机或拦截。请核对号码，急的打电话；可以按“重发”。",
    "unknown": "发的时候没有等到答复，可能已经收到。请先问本人；没收到再按“重发”。",
    "local": "当时没有接短信网关，手机没收到。请直接告诉本人，或请他打开网页上的“我的消息”。",
    "capped": f"当天已经给这个号码发过 {rules.per_day_text()}，这一条只放在网页的“我的消息”里。",
}

RECEIVED = "运营商说手机已经收到。请本人看看被拦截的短信；急的直接告诉本人。"
GONE = {
    rules.SMS: "已交给运营商。请本人看看被拦截的短信，再核对手机号；急的直接告诉本人。",
    rules.WECHAT: "已发到微信，请本人看看服务通知；急的直接告诉本人。",
    rules.VOICE: "已打过电话。没有接到的，请直接告诉本人。",
}


class NoNumber(DomainError):
    status = 422
    message = f"请填 {rules.MOBILE} 位手机号，或者后 {rules.TAIL} 位数字。"
    field = "phone"


class NobodyHere(DomainError):
    """The same for a number that nobody has and for one of another tree."""

    status = 422
    message = "您这里没有用这个手机号登记的居民。"
    advice = "请核对号码；住在别处的居民，请他打自己社区的电话。没登记过的号码收不到消息。"
    field = "phone"


def person(actor: Actor, resident_id: int) -> Resident | None:
    """A resident whose messages the actor may see (`queries.visible`): at home in the subtree; at the top, anybody."""
    if actor.department_id is not None or not actor.centre_path:
        return None
    wanted = select(Resident).outerjoin(Centre, Centre.id == Resident.home_centre_id)
    wanted = wanted.where(Resident.id == resident_id, Resident.erased_at.is_(None))
    if not queries.sees_all(actor):
        wanted = wanted.where(*inside(actor.centre_path))
    return db.session.scalar(wanted.options(joinedload(Resident.home_centre)))


def find(actor: Actor, phone: str, now: datetime) -> Resident:
    """The resident of a number that rings; counted and recorded, so that nobody tries out numbers.

    phone: digits. Raises LookupsFull, and NobodyHere after the number was counted (commit nevertheless).
    """
    callers.count(actor, now)
    number = db.session.scalar(select(Resident.id).where(Resident.phone == phone))
    found = person(actor, number) if number is not None else None
    if found is None:
        raise NobodyHere()
    audit.record(actor, "look_up", "resident", found.id, now, summary="查发给这位居民的消息")
    return found


@dataclass(frozen=True, slots=True)
class Told:
    """One message of the inbox, and each text of it on its way to the phone, oldest first."""

    id: int
    at: datetime
    kind: str
    title: str
    body: str
    read_at: datetime | None
    texts: Sequence[Any]


def told(resident_id: int, before: int | None = None) -> queries.Page:
    """What a resident was told, newest first, 20 a page, as `Told`. Two statements."""
    found = queries.inbox("resident", resident_id, before)
    wanted = select(*queries.SHOWN).where(Delivery.message_id.in_([row.id for row in found.rows])).order_by(Delivery.id)
    texts: dict[int | None, list[Any]] = {}
    for text in db.session.execute(wanted) if found.rows else ():
        texts.setdefault(text.message_id, []).append(text)
    rows = [
        Told(r.id, r.created_at, r.kind, r.title, r.body, r.read_at, texts.get(r.id, ())) for r in found.rows
    ]  # fmt: skip
    return queries.Page(rows, found.next_before)


def codes(resident: Resident) -> Sequence[Any]:
    """The texts with the last login codes to the resident's number: when and what became of them, never the code."""
    if not resident.phone:
        return []
    mine = (Delivery.tail == resident.phone[-rules.TAIL :], Delivery.recipient == resident.phone)
    wanted = select(*queries.SHOWN).where(*mine, Delivery.kind == kinds.LOGIN_CODE, Delivery.message_id.is_(None))
    return db.session.execute(wanted.order_by(Delivery.id.desc()).limit(CODES)).all()


def what_to_do(text: Any, now: datetime) -> str:
    """What whoever answers the telephone says of a text. text: a row of queries.SHOWN."""
    if text.done_at is None:
        return _waits(text, now)
    if text.state in OTHER:
        return OTHER[text.state]
    if text.outcome == "sent":
        return RECEIVED if text.received else GONE.get(text.channel, GONE[rules.SMS])
    if queries.is_stale(text.kind, text.created_at, now):
        return "没发出，现在已经过时，不再重发。请直接告诉本人。"
    return "没发出。可以按“重发”；号码停机、换号的，请直接告诉本人。"


def _waits(text: Any, now: datetime) -> str:
    if text.attempts:
        return f"发送不顺利，{clock.stamp(text.due_at)} 再试；急的请直接告诉本人。"
    if text.due_at > now:
        return f"{rules.quiet_text()}不打扰居民，{clock.stamp(text.due_at)} 发出。"
    return "马上就发，请本人稍等几分钟再看。"


def why_no_text(message: Told, resident: Resident) -> str:
    """Why a message of the inbox went to no phone."""
    kind = kinds.of(message.kind)
    if kind.switchable and kind.code in rules.switched_off(resident.quiet):
        return f"本人关了“{kind.label}”的短信，只在网页的“我的消息”里。要收短信，请他到“我的消息”里打开。"
    return "这一条只放在网页的“我的消息”里，不发短信。"
