"""Duty telephones of a centre: data, with a page (SPEC H4). Flush only, never commit."""

from datetime import datetime

from flask import current_app
from sqlalchemy import select

from portal.core import audit, clock
from portal.core.access import Actor
from portal.core.db import db
from portal.help_requests.urgent.errors import NoSuchAlarm, PhoneKnown, PhoneNeeded
from portal.help_requests.urgent.models import DutyPhone
from portal.notices import gateways


def connected() -> dict[str, bool]:
    """Which ways reach a telephone here."""
    return gateways.connected(current_app.config)


def _minutes(text: str) -> int:
    """'18:30' -> 1110; anything else 0."""
    hour, _, minute = text.strip().replace("：", ":").partition(":")
    found = hour.isdecimal() and minute.isdecimal() and int(hour) < 24 and int(minute) < 60
    return int(hour) * 60 + int(minute) if found else 0


def hours_text(row: DutyPhone) -> str:
    """'全天', '18:00–8:30'."""
    if row.opens == row.closes:
        return "全天"
    return "–".join(f"{m // 60}:{m % 60:02d}" for m in (row.opens, row.closes))


def add(actor: Actor, phone: str, name: str, opens: str, closes: str, now: datetime) -> DutyPhone:
    """A telephone of the actor's centre. opens, closes: 'H:MM'; both empty or equal: day and night.

    Raises PhoneNeeded, PhoneKnown.
    """
    if not 7 <= len(phone) <= 15:
        raise PhoneNeeded("请填完整的电话号码。", advice="手机 11 位，座机带区号。")
    mine = select(DutyPhone).where(DutyPhone.centre_id == (actor.centre_id or 0), DutyPhone.phone == phone)
    if db.session.scalars(mine).first() is not None:
        raise PhoneKnown()
    row = DutyPhone(
        centre_id=actor.centre_id or 0, phone=phone, name=name.strip()[:20], opens=_minutes(opens),
        closes=_minutes(closes), created_at=now, created_by=actor.name[:40],
    )  # fmt: skip
    db.session.add(row)
    db.session.flush()
    audit.record(actor, "urgent_phone.add", "urgent_phone", row.id, now, summary=f"尾号 {phone[-4:]} {clock.hour(now)}")
    return row


def remove(actor: Actor, phone_id: int, now: datetime) -> None:
    """Of the caller's scope. Raises NoSuchAlarm."""
    row = db.session.scalars(select(DutyPhone).where(DutyPhone.id == phone_id)).one_or_none()
    if row is None:
        raise NoSuchAlarm("没有这个值班电话。")
    audit.record(
        actor,
        "urgent_phone.remove",
        "urgent_phone",
        row.id,
        now,
        summary=f"尾号 {row.phone[-4:]}",
        centre_id=row.centre_id,
    )
    db.session.delete(row)
    db.session.flush()
