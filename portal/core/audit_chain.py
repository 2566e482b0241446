"""Proving the audit log's chain: nothing changed, taken out, cut off at either end, or written anew (SPEC P9)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from portal.core import audit
from portal.core.audit import AuditHead, AuditLog
from portal.core.db import db


@dataclass(frozen=True, slots=True)
class Anchor:
    """What was kept outside the database: so many lines, from this first hash to this newest one.

    accepted: a person vouches for the lines up to here, whose key is lost: that none is missing is still proved, what
    each says is not.
    """

    count: int
    first: str
    head: str
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """row: the line's id (0: none is there). why: a clause that follows "第 n 条"."""

    row: int
    why: str


@dataclass(slots=True)
class Chain:
    """What a walk has seen. last: the newest line's id."""

    count: int = 0
    first: str = ""
    head: str = ""
    last: int = 0
    keyed: bool = False
    fault: Fault | None = None


def verify(anchors: Sequence[Anchor], see: Callable[[AuditLog], None] = lambda _row: None) -> Chain:
    """Walk every line, and stop at the first that does not hold. see: called with each line on the way.

    Only reads; what is added meanwhile is proved too.
    """
    db.session.rollback()
    head = db.session.execute(select(AuditHead.lines, AuditHead.hash, AuditHead.key_id, AuditHead.seal)).one_or_none()
    kept = {anchor.count: anchor for anchor in anchors}
    trusted = max((anchor.count for anchor in anchors if anchor.accepted), default=0)
    chain = Chain()
    every = select(AuditLog).order_by(AuditLog.id).execution_options(yield_per=500)
    with db.session.scalars(every) as rows:
        for row in rows:
            see(row)
            why = _line(row, chain, trusted)
            if not why and not chain.count and any(anchor.first != row.hash for anchor in anchors):
                why = "不是当初的第一条：开头的记录不见了"
            chain.count, chain.last, chain.head = chain.count + 1, row.id, row.hash
            chain.first = chain.first or row.hash
            if not why and chain.count in kept and kept[chain.count].head != row.hash:
                why = "与数据库外留存的校验值不一样：到这一条为止的记录被重写过"
            if not why and head is not None and chain.count == head.lines and row.hash != head.hash:
                why = "不是当时的最后一条：末尾的记录被换过"
            if why:
                chain.fault = Fault(row.id, why)
                return chain
    chain.fault = _end(chain, max(kept, default=0), trusted, head)
    return chain


def _line(row: AuditLog, chain: Chain, trusted: int) -> str:
    """Why this line does not follow from the ones before; '' when it does."""
    if row.previous != chain.head:
        return "与前一条对不上：中间少了记录" if chain.count else "指着更早的一条：开头的记录不见了"
    if chain.keyed and not row.key_id:
        return "没有用密钥校验，更早的却有：从这一条起是另写的"
    chain.keyed = chain.keyed or bool(row.key_id)
    if row.key_id and row.key_id not in audit.known_keys():
        missing = f"用的密钥（编号 {row.key_id}）不在这里：请把原来的密钥放回密钥文件"
        return "" if chain.count < trusted else missing
    return "" if audit.digest(row) == row.hash else "的内容与校验值对不上：这一条被改过"


def _end(chain: Chain, kept: int, trusted: int, head: Any) -> Fault | None:
    """Whether the newest line is the newest one that was written."""
    known = max(kept, head.lines if head is not None else 0)
    if chain.count < known:
        return Fault(chain.last, f"之后少了 {known - chain.count} 条：末尾的记录不见了")
    if head is None:
        return Fault(chain.last, "之后的封签不见了：末尾的记录可能不全") if chain.keyed else None
    if head.key_id not in audit.known_keys():
        return None if head.lines <= trusted else Fault(chain.last, f"之后的封签用的密钥（编号 {head.key_id}）不在这里")
    if audit.seal(head.key_id, head.lines, head.hash) != head.seal:
        return Fault(chain.last, "之后的封签对不上：末尾的记录不全，或封签被改过")
    return None
