"""What waits in `delivery` goes to the gateways: claimed with a lease, sent outside any transaction, marked (M1, M2).

A sender that dies leaves a lease that runs out. Its messages may have gone, so the provider is asked by our key before
anything is sent again; a relay gets the same key and drops the repetition itself. Leases: `claims`; the threads:
`side_by_side`; what is written of the result: `outcomes`.
"""

from collections import Counter
from datetime import datetime

from flask import current_app
from sqlalchemy import select

from portal.core import outbox
from portal.core.db import db
from portal.notices import claims, gateways, side_by_side
from portal.notices.gateways import Gateway, Local
from portal.notices.models import Delivery

LOCAL_BATCH = 500


def deliver_due(now: datetime, limit: int = 1000) -> Counter[str]:
    """Hand over what is due, at most `limit` messages. Counts by outcome: sent, local, failed, unknown, later.

    Must not be called inside a transaction: it commits its own short ones and none is open while it sends.
    """
    counts: Counter[str] = Counter()
    due = select(Delivery.channel).where(Delivery.done_at.is_(None), outbox.is_due(Delivery, now)).distinct()
    channels = set(db.session.scalars(due))  # mostly none: then nothing is claimed
    db.session.rollback()
    if not channels:
        return counts
    ways = {name: way for name, way in gateways.configured(current_app.config).items() if name in channels}
    for channel in [name for name, way in ways.items() if isinstance(way, Local)]:
        counts["local"] += _keep_here(ways.pop(channel), channel, now, limit)
    if ways:
        counts += side_by_side.Round(ways, now, limit).run()
    return counts


def _keep_here(gateway: Gateway, channel: str, now: datetime, limit: int) -> int:
    kept = 0
    while kept < limit:
        claimed = claims.claim((channel,), now, LOCAL_BATCH)
        if not claimed:
            break
        for row in claimed:
            gateway.send(row.text())
        kept += claims.mark(claimed, outcome="local", done_at=now)
    return kept
