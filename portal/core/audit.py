"""Audit log (SPEC P9): who, when, from where, what before and after; chained by hash, protected by triggers.

Rows are collected during the request and written just before its commit, so the chain's lock is held for the shortest
time. Migration 0002 installs triggers that refuse UPDATE and DELETE.
"""

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, event, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from portal.core import remarks
from portal.core.access import Actor
from portal.core.db import Base, UTCDateTime, db

REMARK, SEAL = "remark", "seal"  # in `after`: the number of a remark and the seal of its words
CHAIN_LOCK = 727_001  # PostgreSQL advisory lock: one writer at the chain's end at a time


class AuditLog(Base):
    __tablename__ = "audit_log"
    __table_args__ = (
        Index("ix_audit_log_object", "object_type", "object_id"),
        Index("ix_audit_log_path", "centre_path", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    actor_kind: Mapped[str] = mapped_column(String(10))
    actor_id: Mapped[int | None]
    actor_name: Mapped[str] = mapped_column(String(80))
    centre_id: Mapped[int | None] = mapped_column(ForeignKey("centre.id"))
    centre_path: Mapped[str] = mapped_column(String(200), default="")
    address: Mapped[str] = mapped_column(String(60), default="")
    verb: Mapped[str] = mapped_column(String(60))
    object_type: Mapped[str] = mapped_column(String(40))
    object_id: Mapped[int | None]
    summary: Mapped[str] = mapped_column(String(300), default="")
    before: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    after: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    previous: Mapped[str] = mapped_column(String(64), default="")
    hash: Mapped[str] = mapped_column(String(64), unique=True)


def record(
    actor: Actor, verb: str, object_type: str, object_id: int | None, now: datetime, *,
    summary: str = "", before: dict[str, Any] | None = None, after: dict[str, Any] | None = None,
    centre_id: int | None = None, centre_path: str = "", words: str = "",
) -> None:  # fmt: skip
    """Note a change; written with this session's commit. Nothing in it may be a resident's: it stays for ever.

    words: what was written about the person whose the object is; kept as a remark, the line has its number and seal.
    centre: whose record was changed (default: the actor's centre); decides who may read the line.
    """
    own = actor.kind == "resident"  # the name is looked up when shown
    remark = remarks.write(object_type, object_id or 0, words)
    if remark is not None:
        after = (after or {}) | {REMARK: remark.id, SEAL: remark.seal}
    entry = AuditLog(
        at=now, actor_kind=actor.kind, actor_id=actor.id, actor_name="" if own else actor.name,
        address="" if own else actor.address,
        centre_id=centre_id or actor.centre_id, centre_path=centre_path or actor.centre_path, verb=verb,
        object_type=object_type, object_id=object_id, summary=summary[:300],
        before=_plain(before), after=_plain(after),
    )  # fmt: skip
    db.session.info.setdefault("audit", []).append(entry)


def _plain(values: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if values is None else json.loads(json.dumps(values, ensure_ascii=False, default=str))


def digest(row: AuditLog) -> str:
    """SHA-256 over the previous hash and every field, in a fixed order."""
    fields = [
        row.previous, row.at.isoformat(), row.actor_kind, row.actor_id, row.actor_name, row.centre_id, row.centre_path,
        row.address, row.verb, row.object_type, row.object_id, row.summary, row.before, row.after,
    ]  # fmt: skip
    raw = json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(raw.encode()).hexdigest()


@event.listens_for(Session, "before_commit")
def _write(session: Session) -> None:
    rows: list[AuditLog] = session.info.pop("audit", [])
    if not rows:
        return
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CHAIN_LOCK})
    previous = session.scalar(select(AuditLog.hash).order_by(AuditLog.id.desc()).limit(1)) or ""
    for row in rows:
        row.previous = previous
        row.hash = previous = digest(row)
        session.add(row)
        session.flush()


@event.listens_for(Session, "after_rollback")
def _forget(session: Session) -> None:
    session.info.pop("audit", None)


def broken_link(see: Callable[[AuditLog], None] = lambda _row: None) -> int | None:
    """The id of the first row whose chain does not hold, or None. see: called with every row on the way."""
    previous = None
    every = select(AuditLog).order_by(AuditLog.id).execution_options(yield_per=500)
    with db.session.scalars(every) as rows:
        for row in rows:
            see(row)
            if digest(row) != row.hash or (previous is not None and row.previous != previous):
                return row.id
            previous = row.hash
    return None
