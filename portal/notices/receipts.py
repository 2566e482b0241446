"""Status reports of texts as Tencent Cloud and Aliyun push them: whether the telephone has it (SPEC M2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, update

from portal.core.db import db
from portal.notices import rules
from portal.notices.models import Delivery

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
