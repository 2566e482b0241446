"""Leases on what waits in `delivery`: whoever has one sends it and may mark it, nobody else (SPEC M1, M2)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select, update

from portal.core import clock, outbox, pages
from portal.core.db import db, hit, writing
from portal.notices import kinds, queries
from portal.notices.gateways import Text
from portal.notices.models import Delivery

LEASE = timedelta(minutes=3)  # longer than a batch that runs into every timeout


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery as leased by us; `lease` is the fence: whoever holds another one may not mark it.

    doubt_at, doubts: the last try of which nobody knows whether it arrived, and how many such tries there were.
    """

    id: int
    channel: str
    recipient: str
    body: str
    kind: str
    key: str
    message_id: int | None
    attempts: int
    created_at: datetime
    due_at: datetime
    urgent: bool
    parts: Mapping[str, str]
    doubt_at: datetime | None
    doubts: int
    lease: datetime

    def text(self, to: str = "") -> Text:
        """What a gateway gets. to: who it is there, where that is no telephone number."""
        parts = {
            "title": kinds.label(self.kind), "text": self.body, "link": pages.absolute("/me/inbox"),
            "time": clock.stamp(self.created_at), **self.parts,
        }  # fmt: skip
        return Text(to or self.recipient, self.body, self.key, self.kind, parts)


COLUMNS = (
    Delivery.id, Delivery.channel, Delivery.recipient, Delivery.body, Delivery.kind, Delivery.key, Delivery.message_id,
    Delivery.attempts, Delivery.created_at, Delivery.due_at, Delivery.urgent, Delivery.parts, Delivery.doubt_at,
    Delivery.doubts,
)  # fmt: skip


def claim(
    channels: Collection[str], now: datetime, size: int, settling: Mapping[str, timedelta] | None = None,
    moment: datetime | None = None,
) -> list[Claimed]:  # fmt: skip
    """Lease up to `size` due deliveries: login codes, then urgent ones, then the longest due (one short transaction).

    PostgreSQL: rows locked by another sweeper are skipped; SQLite: the write lock is taken at the start.
    moment: now and what has passed since, for the lease. settling: for channels whose gateway does not drop
    repetitions, how long after a try it can say what became of it.
    Those whose sender died are in doubt from then on.
    """
    moment = moment or now
    lease = moment + LEASE
    # A lease further away than any can be is from before the clock was set back.
    free = or_(Delivery.leased_until.is_(None), Delivery.leased_until <= moment, Delivery.leased_until > lease + LEASE)
    statement = (
        select(*COLUMNS, Delivery.leased_until)
        .where(Delivery.done_at.is_(None), outbox.is_due(Delivery, now), Delivery.channel.in_(list(channels)), free)
        .order_by(Delivery.rank, Delivery.due_at, Delivery.id).limit(size).with_for_update(skip_locked=True)
    )  # fmt: skip
    with writing():
        rows = db.session.execute(statement).all()
        doubtful = {
            r.id: min(r.leased_until - LEASE, moment) for r in rows if r.leased_until and r.channel in (settling or {})
        }
        waits = {r.id for r in rows if r.id in doubtful and doubtful[r.id] + (settling or {})[r.channel] > now}
        if doubtful:
            _doubt(doubtful)
        if waits:
            _lease(waits, due_at=min(doubtful.values()) + max((settling or {}).values()), leased_until=None)
        ours = [row for row in rows if row.id not in waits]
        if ours:
            _lease([row.id for row in ours], leased_until=lease)
    return [_claimed(row, lease, doubtful.get(row.id)) for row in ours]


def _claimed(row: Any, lease: datetime, died: datetime | None) -> Claimed:
    *values, _leased = row
    found = dict(zip([column.key for column in COLUMNS], values, strict=True))
    if died is not None:
        found |= {"doubt_at": found["doubt_at"] or died, "doubts": found["doubts"] + 1}
    return Claimed(**found, lease=lease)


def _doubt(doubtful: Mapping[int, datetime]) -> None:
    """Whoever sent these died over it: they may have gone. An earlier doubt stays the beginning of what is asked."""
    values = {"doubt_at": func.coalesce(Delivery.doubt_at, min(doubtful.values())), "doubts": Delivery.doubts + 1}
    _lease(list(doubtful), **values)


def _lease(ids: Collection[int], **values: Any) -> None:
    statement = update(Delivery).where(Delivery.id.in_(list(ids))).values(**values)
    db.session.execute(statement, execution_options={"synchronize_session": False})


def mark(rows: Sequence[Claimed], **values: object) -> int:
    """Write the same result for all and give the lease back, only where the lease is still ours. Commits."""
    if not rows:
        return 0
    with writing():
        return sum(_mark_leased(rows, lease, values) for lease in {row.lease for row in rows})


def _mark_leased(rows: Sequence[Claimed], lease: datetime, values: Mapping[str, object]) -> int:
    ids = [row.id for row in rows if row.lease == lease]
    ours = (Delivery.id.in_(ids), Delivery.leased_until == lease, Delivery.done_at.is_(None))
    return hit(update(Delivery).where(*ours).values(leased_until=None, **values), synchronize_session=False)


def seconds(number: float) -> timedelta:
    """So many seconds of a steady clock."""
    return timedelta(seconds=number)


def is_stale(row: Claimed, now: datetime) -> bool:
    """Whether it came too late to be of use to anybody."""
    return queries.is_stale(row.kind, row.created_at, now)
