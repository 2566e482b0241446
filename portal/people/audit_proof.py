"""The nightly proof of the audit log's chain: made by a scheduled task, shown by the audit page (SPEC P9)."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from portal.centres.models import Setting
from portal.core import audit, remarks
from portal.core.db import db, writing

KEY = "audit_proof"
FRESH = timedelta(days=2)  # an older one says that nobody proves any more


@dataclass(frozen=True, slots=True)
class Proof:
    """at: ISO. upto: the last line it saw. broken: the first line that does not hold. verbs, kinds: what occurs."""

    at: str
    upto: int
    broken: int | None
    verbs: list[str]
    kinds: list[str]

    @property
    def moment(self) -> datetime:
        return datetime.fromisoformat(self.at)

    def is_old(self, now: datetime) -> bool:
        return now - self.moment > FRESH


def last() -> Proof | None:
    """What the last night found; None before the first one."""
    kept = db.session.get(Setting, KEY)
    return Proof(**kept.value) if kept is not None else None


def prove(now: datetime) -> Proof:
    """Walk the whole chain (about 30,000 lines a second) and keep the result. Commits by itself."""
    verbs, kinds, seen, sealed = set[str](), set[str](), [0], list[tuple[int, int, str]]()

    def see(row: audit.AuditLog) -> None:
        verbs.add(row.verb)
        kinds.add(row.object_type)
        seen[0] = row.id
        if row.after and audit.REMARK in row.after:
            sealed.append((row.id, row.after[audit.REMARK], row.after[audit.SEAL]))

    broken, before = audit.broken_link(see), last()
    if broken is None and before is not None and before.upto > seen[0]:
        broken = seen[0] + 1  # the newest lines were taken away: what is left holds together
    if broken is None:
        broken = remarks.altered(sealed)
    found = Proof(now.isoformat(), seen[0], broken, sorted(verbs), sorted(kinds))
    db.session.rollback()
    with writing():
        db.session.merge(Setting(key=KEY, value=asdict(found)))
    return found
