"""Steps on many rows: locked together, remembered for being taken back, and what came of them (SPEC Q9)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.orm import selectinload

from portal.catalogue import bulk_rules
from portal.catalogue.models import BulkRow, BulkStep, Entry
from portal.core.access import Actor
from portal.core.db import db, hit, make_way, writing

# What a bulk step may change, and what is put back.
MOMENTS = ("waits_since", "published_at")
KEPT = (
    "status", "waits_at_id", "returned_by_id", "return_reason", "return_field", "check_note", "category_id",
    "service_type_id", "place", "venue_id", *MOMENTS,
)  # fmt: skip


@dataclass(frozen=True)
class Left:
    """A row that a bulk step left as it is, and why."""

    entry_id: int
    title: str
    why: str


@dataclass
class Outcome:
    """What came of a bulk step. step_id: by which it is taken back; None when nothing was done."""

    done: int = 0
    left: list[Left] = field(default_factory=list)
    step_id: int | None = None

    def add(self, part: "Outcome") -> None:
        """One more batch of the same step."""
        self.done += part.done
        self.left += part.left
        self.step_id = self.step_id or part.step_id


Step = Callable[[list[int], int | None], Outcome]  # ids of rows; the step they belong to, None for a new one


def in_batches(ids: Iterable[int], step: Step, size: int = bulk_rules.BATCH) -> Outcome:
    """Do `step` with the rows, each batch committed by itself so that other writers get their turn.

    Whatever stops it leaves whole batches behind; done again it does the rest.
    """
    found = Outcome()
    for some in bulk_rules.batches(ids, size):
        with writing():
            found.add(step(some, found.step_id))
        make_way()
    return found


def locked(ids: Iterable[int], *still: ColumnElement[bool], sessions: bool = False) -> list[Entry]:
    """These rows, locked and fresh, in the order of their ids, so that two people never wait for each other.

    still: what must hold of a row when it is locked, or it is left out.
    """
    wanted = select(Entry).where(Entry.id.in_(list(ids)), *still).order_by(Entry.id).with_for_update(of=Entry)
    if sessions:
        wanted = wanted.options(selectinload(Entry.sessions))
    db.session.flush()
    return list(db.session.scalars(wanted.execution_options(populate_existing=True)))


def remember(actor: Actor, kind: str, rows: Sequence[Entry], now: datetime, step_id: int | None = None) -> int | None:
    """Note how locked rows stand before the step raises each one's revision by one. Returns the step's id.

    step_id: the step to which they are added. The system's own steps are nobody's to take back (None).
    """
    if not rows or actor.kind != "staff" or actor.id is None:
        return None
    if step_id is None:
        old = delete(BulkStep).where(BulkStep.at < now - bulk_rules.KEPT, BulkStep.kind.in_(bulk_rules.KINDS))
        db.session.execute(old)  # with their rows
        step = BulkStep(
            kind=kind, month=rows[0].month, account_id=actor.id, centre_id=actor.centre_id, count=0, at=now,
            department_id=actor.department_id,
        )  # fmt: skip
        db.session.add(step)
        db.session.flush()
        step_id = step.id
    hit(update(BulkStep).where(BulkStep.id == step_id).values(count=BulkStep.count + len(rows)),
        synchronize_session=False)  # fmt: skip
    kept = [{"step_id": step_id, "entry_id": e.id, "revision": e.revision + 1, "before": _before(e)} for e in rows]
    db.session.execute(insert(BulkRow), kept)
    return step_id


def _before(entry: Entry) -> dict[str, Any]:
    values = {name: getattr(entry, name) for name in KEPT}
    return {name: v.isoformat() if isinstance(v, datetime) else v for name, v in values.items()}


def open_steps(actor: Actor, now: datetime) -> list[BulkStep]:
    """What this person did just now and may still take back, the newest first."""
    wanted = select(BulkStep).where(
        BulkStep.account_id == actor.id,
        BulkStep.at > now - bulk_rules.TAKE_BACK,
        BulkStep.undone_at.is_(None),
        BulkStep.kind.in_(bulk_rules.KINDS),
    )
    found = db.session.scalars(wanted.order_by(BulkStep.id.desc()))
    return [s for s in found if not bulk_rules.too_late(s.kind, s.at, s.month, now)]
