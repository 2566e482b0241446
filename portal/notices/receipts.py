"""Status reports of texts, pushed by Tencent Cloud and Aliyun or asked for: whether the telephone has it (SPEC M2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from flask import current_app
from sqlalchemy import bindparam, select, update

from portal.core.db import db, writing
from portal.notices import gateways, rules
from portal.notices.gateways import GatewayError
from portal.notices.gateways.base import Reporting, Sent
from portal.notices.models import Delivery

log = structlog.get_logger()
MOST = 500  # reports of one call; providers send a hundred at most


@dataclass(frozen=True, slots=True)
class Receipt:
    """serial: the provider's number of the message; code: its word for what happened."""

    serial: str
    tail: str
    received: bool
    code: str


def read(given: Any) -> list[Receipt]:
    """What is a report among what was sent; everything else is passed over."""
    rows = given if isinstance(given, list) else []
    return [found for row in rows[:MOST] if isinstance(row, dict) and (found := _one(row)) is not None]


def _one(row: dict[str, Any]) -> Receipt | None:
    if "sid" in row:  # Tencent Cloud
        phone, serial, code = row.get("mobile", ""), row["sid"], row.get("errmsg", "")
        received = row.get("report_status") == "SUCCESS"
    elif "biz_id" in row:  # Aliyun
        phone, serial, code = row.get("phone_number", ""), row["biz_id"], row.get("err_code", "")
        received = row.get("success") is True
    else:
        return None
    if not str(serial):
        return None
    return Receipt(str(serial)[:80], rules.digits(str(phone))[-rules.TAIL :], received, str(code)[:80])


def note(told: Sequence[Receipt], now: datetime) -> None:
    """Keep them with the messages that they are about, the number's end being theirs. One statement; never commits."""
    if not told:
        return
    statement = (
        update(Delivery)
        .where(Delivery.serial == bindparam("its_serial"), Delivery.tail == bindparam("its_tail"))
        .values(received=bindparam("was_received"), receipt=bindparam("its_code"), receipt_at=now)
    )
    rows = [
        {"its_serial": r.serial, "its_tail": r.tail, "was_received": r.received, "its_code": r.code} for r in told
    ]  # fmt: skip
    db.session.connection().execute(statement, rows)
    db.session.info["written"] = True


PULL = "pull"  # PORTAL_RECEIPTS: where no provider can reach us, we ask
NOT_BEFORE, NOT_AFTER, MOST_ASKED = timedelta(minutes=2), timedelta(days=3), 200


def pull(now: datetime) -> int:
    """Ask the provider what became of texts, where that is set; how many answers there were. Commits by itself, and
    no transaction is open while it asks."""
    gateway = gateways.configured(current_app.config)[rules.SMS] if current_app.config["RECEIPTS"] == PULL else None
    if not isinstance(gateway, Reporting):
        return 0
    wanted = select(Delivery.serial, Delivery.recipient, Delivery.done_at).where(
        Delivery.channel == rules.SMS, Delivery.serial != "", Delivery.outcome == "sent", Delivery.receipt_at.is_(None),
        Delivery.done_at < now - NOT_BEFORE, Delivery.done_at > now - NOT_AFTER,
    )  # fmt: skip
    rows = db.session.execute(wanted.order_by(Delivery.id.desc()).limit(MOST_ASKED)).all()
    db.session.rollback()
    if not rows:
        return 0
    try:
        told = gateway.reports([Sent(row.serial, row.recipient, row.done_at) for row in rows])
    except GatewayError as error:
        log.warning("receipts not pulled", why=str(error))
        return 0
    with writing():
        note([Receipt(r.serial, rules.digits(r.phone)[-rules.TAIL :], r.received, r.code) for r in told], now)
    return len(told)
