"""The loop that hands messages to the gateways: claim with a lease, send outside any transaction, mark (SPEC M1, M2).

A sender that dies leaves a lease that runs out, so its messages are taken up again; the gateway gets the same
idempotency key and can drop the repetition.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from flask import current_app
from sqlalchemy import or_, select, update

from portal.core import outbox
from portal.core.db import db, hit, writing
from portal.notices import actions, kinds, queries, rules
from portal.notices.gateways import Gateway, GatewayError, LocalGateway, configured
from portal.notices.models import Delivery

log = structlog.get_logger()

LEASE = timedelta(minutes=3)  # longer than a batch that runs into every timeout
BATCH = 20
LOCAL_BATCH = 500
RETRY_MINUTES = (1, 3, 10, 30, 120)  # then given up and shown
IN_A_ROW = 3  # so many temporary failures in a row: the gateway is away, leave it alone until the next sweep


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery as leased by us; `lease` is the fence: whoever holds another one may not mark it."""

    id: int
    channel: str
    recipient: str
    body: str
    kind: str
    key: str
    message_id: int | None
    attempts: int
    created_at: datetime
    lease: datetime


def deliver_due(now: datetime, limit: int = 2000) -> Counter[str]:
    """Hand over what is due, at most `limit` messages. Counts by outcome: sent, local, failed, later.

    Must not be called inside a transaction: it commits its own short ones and none is open while it sends.
    """
    counts: Counter[str] = Counter()
    due = select(Delivery.channel).where(Delivery.done_at.is_(None), outbox.is_due(Delivery, now)).distinct()
    channels = set(db.session.scalars(due))  # mostly none: then nothing is claimed
    db.session.rollback()
    for channel, gateway in configured(current_app.config).items():
        if channel not in channels:
            continue
        size = LOCAL_BATCH if isinstance(gateway, LocalGateway) else BATCH
        while sum(counts.values()) < limit:
            claimed = claim(channel, now, size)
            if not claimed or not _hand_over(gateway, claimed, now, counts):
                break
    return counts


def claim(channel: str, now: datetime, size: int) -> list[Claimed]:
    """Lease up to `size` due deliveries of `channel`, urgent ones first (one short transaction).

    PostgreSQL: rows locked by another sweeper are skipped; SQLite: the write lock is taken at the start.
    """
    lease = now + LEASE
    # A lease further away than any can be is from before the clock was set back.
    free = or_(Delivery.leased_until.is_(None), Delivery.leased_until <= now, Delivery.leased_until > lease + LEASE)
    columns = (
        Delivery.id, Delivery.channel, Delivery.recipient, Delivery.body, Delivery.kind, Delivery.key,
        Delivery.message_id, Delivery.attempts, Delivery.created_at,
    )  # fmt: skip
    statement = (
        select(*columns)
        .where(Delivery.done_at.is_(None), outbox.is_due(Delivery, now), Delivery.channel == channel, free)
        .order_by(Delivery.urgent.desc(), Delivery.due_at, Delivery.id).limit(size).with_for_update(skip_locked=True)
    )  # fmt: skip
    with writing():
        rows = db.session.execute(statement).all()
        if rows:
            ids = [row.id for row in rows]
            db.session.execute(update(Delivery).where(Delivery.id.in_(ids)).values(leased_until=lease))
    return [Claimed(*row, lease=lease) for row in rows]


def _hand_over(gateway: Gateway, claimed: list[Claimed], now: datetime, counts: Counter[str]) -> bool:
    """Send a batch. Returns False when the gateway seems to be away."""
    if isinstance(gateway, LocalGateway):
        for row in claimed:
            gateway.send(row.recipient, row.body, row.key)
        counts["local"] += _mark(claimed, now, outcome="local", done_at=now)
        return True
    failures = 0
    for place, row in enumerate(claimed):
        outcome = _send(gateway, row, now)
        counts[outcome] += 1
        failures = failures + 1 if outcome == "later" else 0
        if failures >= IN_A_ROW:
            _mark(claimed[place + 1 :], now)
            log.warning("gateway does not answer, trying again later", channel=row.channel)
            return False
    return True


def _send(gateway: Gateway, row: Claimed, now: datetime) -> str:
    if queries.is_stale(row.kind, row.created_at, now):
        _mark([row], now, outcome="failed", done_at=now, last_error="已过时，没有再发")
        return "failed"
    try:
        gateway.send(row.recipient, row.body, row.key)
    except GatewayError as error:
        return _note_failure(row, error, now)
    values: dict[str, object] = {"outcome": gateway.outcome, "done_at": now, "attempts": row.attempts + 1}
    if kinds.is_secret(row.kind):
        values["body"] = "（验证码短信，发出后不再保存内容）"
    _mark([row], now, **values)
    return gateway.outcome


def _note_failure(row: Claimed, error: GatewayError, now: datetime) -> str:
    attempts = row.attempts + 1
    if error.temporary and attempts <= len(RETRY_MINUTES):
        due_at = now + timedelta(minutes=RETRY_MINUTES[attempts - 1])
        _mark([row], now, attempts=attempts, last_error=str(error)[:300], due_at=due_at)
        return "later"
    log.error("message given up", delivery_id=row.id, channel=row.channel, attempts=attempts, error=str(error))
    _mark([row], now, attempts=attempts, last_error=str(error)[:300], outcome="failed", done_at=now)
    if row.channel == rules.WECHAT:
        _by_sms_instead(row, now)
    return "failed"


def _by_sms_instead(row: Claimed, now: datetime) -> None:
    """Somebody WeChat cannot reach (no follower any more) still gets the message."""
    again = actions.delivery_row(
        rules.SMS, row.recipient, row.body, row.kind, row.message_id, f"sms#{row.id}", False, now
    )
    with writing():
        outbox.insert_once(Delivery, [again])


def _mark(rows: Sequence[Claimed], now: datetime, **values: object) -> int:
    """Write the result and give the lease back, only where the lease is still ours. Commits."""
    if not rows:
        return 0
    ours = (Delivery.id.in_([r.id for r in rows]), Delivery.leased_until == rows[0].lease, Delivery.done_at.is_(None))
    with writing():
        return hit(update(Delivery).where(*ours).values(leased_until=None, **values), synchronize_session=False)
