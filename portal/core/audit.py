"""Audit log (SPEC P9): who, when, from where, what before and after; chained by hash, protected by triggers.

Rows are collected during the request and written just before its commit, so the chain's lock is held for the shortest
time. Migration 0002 installs triggers that refuse UPDATE and DELETE. Each hash needs a key that is not in the database
(`AUDIT_KEYS`), so whoever can write there cannot write the chain anew; `core.audit_chain` proves it.
"""

import hashlib
import hmac
import json
from datetime import datetime
from functools import cache
from typing import Any

from flask import current_app
from sqlalchemy import JSON, ForeignKey, Index, String, event, func, insert, inspect, select, text, update
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
    key_id: Mapped[str] = mapped_column(String(12), default="")  # '' for lines from before there was a key


class AuditHead(Base):
    """One row: how many lines there are and the newest one's hash, sealed by the key. It shows a cut end at once;
    numbers cannot, because a rolled-back transaction leaves a gap in PostgreSQL's."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    lines: Mapped[int]
    hash: Mapped[str] = mapped_column(String(64))
    key_id: Mapped[str] = mapped_column(String(12))
    seal: Mapped[str] = mapped_column(String(64))


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


@cache
def _named(keys: tuple[str, ...]) -> dict[str, bytes]:
    return {hashlib.sha256(f"audit key {key}".encode()).hexdigest()[:12]: key.encode() for key in keys}


def known_keys() -> dict[str, bytes]:
    """The keys of this installation by their public names; new lines are written with the first."""
    return _named(tuple(current_app.config["AUDIT_KEYS"]))


def digest(row: AuditLog) -> str:
    """HMAC-SHA-256 over the previous hash and every field, in a fixed order; plain SHA-256 for lines without a key.

    Raises KeyError when the line's key is not here.
    """
    fields = [
        row.previous, row.at.isoformat(), row.actor_kind, row.actor_id, row.actor_name, row.centre_id, row.centre_path,
        row.address, row.verb, row.object_type, row.object_id, row.summary, row.before, row.after,
    ]  # fmt: skip
    raw = json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    if not row.key_id:
        return hashlib.sha256(raw).hexdigest()
    return hmac.digest(known_keys()[row.key_id], raw, "sha256").hex()


def seal(key_id: str, count: int, last: str) -> str:
    """What only the holder of the key can put under "so many lines, ending with this hash"."""
    return hmac.digest(known_keys()[key_id], f"head {count} {last}".encode(), "sha256").hex()


@event.listens_for(Session, "before_commit")
def _write(session: Session) -> None:
    rows: list[AuditLog] = session.info.pop("audit", [])
    if not rows:
        return
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": CHAIN_LOCK})
    head = session.execute(select(AuditHead.lines, AuditHead.hash)).one_or_none()
    count, previous = head or _lines_so_far(session)
    key_id = next(iter(known_keys()))
    for row in rows:
        row.previous, row.key_id = previous, key_id
        row.hash = previous = digest(row)
    # One statement for many: their ids follow this order, and so does the chain.
    names = [attribute.key for attribute in inspect(AuditLog).column_attrs if attribute.key != "id"]
    session.execute(insert(AuditLog), [{name: getattr(row, name) for name in names} for row in rows])
    count += len(rows)
    values = {"lines": count, "hash": previous, "key_id": key_id, "seal": seal(key_id, count, previous)}
    session.execute(update(AuditHead).values(values) if head else insert(AuditHead).values(id=1, **values))


def _lines_so_far(session: Session) -> tuple[int, str]:
    """Of a log from before there was a head."""
    count = session.scalar(select(func.count()).select_from(AuditLog)) or 0
    return count, session.scalar(select(AuditLog.hash).order_by(AuditLog.id.desc()).limit(1)) or ""


@event.listens_for(Session, "after_rollback")
def _forget(session: Session) -> None:
    session.info.pop("audit", None)
