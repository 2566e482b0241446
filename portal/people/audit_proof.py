"""The nightly proof of the audit log's chain: made by a scheduled task, shown by the audit page (SPEC P9)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from portal.centres.models import Setting
from portal.core import audit, audit_chain, remarks
from portal.core.access import system_actor
from portal.core.audit import AuditLog
from portal.core.audit_chain import Anchor, Fault
from portal.core.db import db, writing
from portal.people import audit_anchors

KEY = "audit_proof"
FRESH = timedelta(days=2)  # an older one says that nobody proves any more


@dataclass(frozen=True, slots=True)
class Proof:
    """at: ISO. upto: the last line it saw. broken: the line that does not hold, why: how it does not. verbs, kinds:
    what occurs. count, head: how many lines it saw, and the newest one's hash."""

    at: str
    upto: int
    broken: int | None
    verbs: list[str]
    kinds: list[str]
    why: str = "与前一条对不上"
    count: int = 0
    head: str = ""

    @property
    def moment(self) -> datetime:
        return datetime.fromisoformat(self.at)

    def is_old(self, now: datetime) -> bool:
        return now - self.moment > FRESH


def last() -> Proof | None:
    """What the last night found; None before the first one."""
    kept = db.session.get(Setting, KEY)
    return Proof(**kept.value) if kept is not None else None


def prove(now: datetime, others: Sequence[Anchor] = ()) -> Proof:
    """Walk the whole chain (about 30,000 lines a second), keep the result, and its ends outside. Commits by itself.

    others: anchors from elsewhere (a backup's manifest) that it must agree with too.
    """
    verbs, kinds, sealed = set[str](), set[str](), list[tuple[int, int, str]]()

    def see(row: AuditLog) -> None:
        verbs.add(row.verb)
        kinds.add(row.object_type)
        if row.after and audit.REMARK in row.after:
            sealed.append((row.id, row.after[audit.REMARK], row.after[audit.SEAL]))

    chain = audit_chain.verify([*others, *audit_anchors.read()], see)
    fault, changed = chain.fault, remarks.altered(sealed)
    if fault is None and changed is not None:
        fault = Fault(changed, "的说明被改过：与当时的封签对不上")
    found = Proof(
        now.isoformat(), chain.last, fault.row if fault else None, sorted(verbs), sorted(kinds),
        fault.why if fault else "", chain.count, chain.head,
    )  # fmt: skip
    db.session.rollback()
    if fault is None:
        audit_anchors.keep(audit_anchors.Line(now.isoformat(), "night", chain.first, chain.count, chain.head))
    with writing():
        db.session.merge(Setting(key=KEY, value=asdict(found)))
    return found


def accept_lost_key(now: datetime) -> None:
    """Somebody vouches for all lines up to now, whose key cannot be found any more; noted in the log itself."""
    with writing():
        audit.record(system_actor("命令行"), "accept_lost_key", "audit_log", None, now)
    audit_anchors.keep(audit_anchors.here("accepted", now))
