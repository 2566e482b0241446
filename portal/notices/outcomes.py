"""What became of messages, written in groups: taken, again later, given up, in doubt (SPEC M2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import bindparam, update

from portal.core import outbox
from portal.core.db import db, writing
from portal.notices import actions, kinds, rules, wechat_people
from portal.notices.claims import Claimed
from portal.notices.gateways import Gateway, GatewayError, Taken, Trouble
from portal.notices.gateways.wechat import NoFollower, TokenOver
from portal.notices.models import Delivery

log = structlog.get_logger()

RETRY_MINUTES = (1, 3, 10, 30, 120)  # then given up and shown
LIMIT_WAIT = timedelta(minutes=1)  # after "too fast": this message, while the others go slower
DOUBTS = 2  # tries of unknown outcome, then nobody tries again by itself: at most one too many has gone
FORGOTTEN = "（验证码短信，发出后不再保存内容）"
STALE = "已过时，没有再发"
DOUBTFUL = "不知道对方收到没有：没有等到答复，也查不到"


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of one try. given_up: nobody can say whether an earlier one went, and it is not sent again."""

    row: Claimed
    taken: Taken | None = None
    error: GatewayError | None = None
    stale: bool = False
    given_up: bool = False


def may_send_in_doubt(row: Claimed) -> bool:
    """Whether to send again what may have gone and cannot be asked for. A code never: people ask for a new one."""
    return row.doubts < DOUBTS and not kinds.is_secret(row.kind)


def write(ended: Sequence[Ended], ways: Mapping[str, Gateway], now: datetime) -> Counter[str]:
    """Mark what ended, only where the lease is still ours: one statement for all. Commits. Counts by outcome."""
    counts: Counter[str] = Counter()
    values, instead, gone = [], [], []
    for one in ended:
        outcome, changed = _result(one, ways[one.row.channel], now)
        counts[outcome or "later"] += 1
        values.append(_row(one.row, outcome, changed, now))
        if one.row.channel == rules.WECHAT and outcome in {"failed", "unknown"}:
            instead.append(_by_sms(one.row, now))
        if isinstance(one.error, NoFollower):
            gone.append(one.row.recipient)
    with writing():
        db.session.connection().execute(_MARK, values)
        outbox.insert_once(Delivery, instead)
        if gone:
            wechat_people.left(gone, now)
    return counts


_CHANGED = (
    "outcome",
    "done_at",
    "attempts",
    "last_error",
    "due_at",
    "serial",
    "pieces",
    "body",
    "parts",
    "doubt_at",
    "doubts",
)
_MARK = (
    update(Delivery)
    .where(
        Delivery.id == bindparam("row_id"), Delivery.leased_until == bindparam("row_lease"), Delivery.done_at.is_(None)
    )
    .values(leased_until=None, **{name: bindparam(f"new_{name}") for name in _CHANGED})
)  # fmt: skip


def _row(row: Claimed, outcome: str, changed: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    before = {
        "outcome": outcome, "done_at": max(now, row.created_at) if outcome else None, "attempts": row.attempts + 1,
        "last_error": "", "due_at": row.due_at, "serial": "", "pieces": 0, "body": row.body, "parts": dict(row.parts),
        "doubt_at": row.doubt_at, "doubts": row.doubts,
    }  # fmt: skip
    return {"row_id": row.id, "row_lease": row.lease} | {f"new_{k}": v for k, v in {**before, **changed}.items()}


def _result(one: Ended, gateway: Gateway, now: datetime) -> tuple[str, dict[str, Any]]:
    """The outcome ('' while it is tried again) and what changes in the row."""
    row = one.row
    if one.stale:
        return "failed", {"last_error": STALE, "attempts": row.attempts}
    if one.given_up:
        return "unknown", {"last_error": DOUBTFUL}
    if one.taken is not None:
        forget = {"body": FORGOTTEN, "parts": {}} if kinds.is_secret(row.kind) else {}
        pieces = max(one.taken.pieces, rules.pieces(row.body)) if row.channel == rules.SMS else one.taken.pieces
        return gateway.outcome, {"serial": one.taken.serial, "pieces": pieces, **forget}
    assert one.error is not None
    return _failed(row, one.error, gateway, now)


def _failed(row: Claimed, error: GatewayError, gateway: Gateway, now: datetime) -> tuple[str, dict[str, Any]]:
    said: dict[str, Any] = {"last_error": str(error)[:300]}
    if error.trouble is Trouble.LIMIT or isinstance(error, TokenOver):
        return "", {**said, "due_at": now + LIMIT_WAIT, "attempts": row.attempts}
    if error.trouble is Trouble.UNKNOWN and not gateway.repeats:
        doubts = {"doubt_at": row.doubt_at or now, "doubts": row.doubts + 1}
        return "", {**said, **doubts, "due_at": now + max(gateway.settles, timedelta(minutes=1))}
    if error.trouble is not Trouble.PERMANENT and row.attempts < len(RETRY_MINUTES):
        wait = max(timedelta(minutes=RETRY_MINUTES[row.attempts]), error.wait or timedelta())
        return "", {**said, "due_at": now + wait}
    log.error("message given up", delivery_id=row.id, channel=row.channel, attempts=row.attempts + 1, error=str(error))
    return "failed", said


def _by_sms(row: Claimed, now: datetime) -> dict[str, Any]:
    """Somebody WeChat cannot reach (no follower any more) still gets the message."""
    return actions.delivery_row(
        rules.SMS, row.recipient, row.body, row.kind, row.message_id, f"sms#{row.id}", row.urgent, now, row.parts
    )
