"""A bulk step is taken back by whoever did it, for a while (SPEC Q9; the rules: bulk_rules)."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import case, delete, literal, select, update

from portal.catalogue import bulk_rules
from portal.catalogue.actions import bulk_steps, entry_values, room_holds
from portal.catalogue.actions.bulk_steps import KEPT, MOMENTS, Left, Outcome
from portal.catalogue.models import DRAFT, DROPPED, PUBLISHED, BulkRow, BulkStep, Entry
from portal.catalogue.states import BACK_TO, ENTRY
from portal.core import audit, outbox, states
from portal.core.access import Actor
from portal.core.db import db, hit, make_way, writing
from portal.core.errors import DomainError, NotAllowed


class NotTakenBack(DomainError):
    """The step cannot be taken back, and why."""

    status = 409
    message = "这一批不能撤回了。"


def take_back(actor: Actor, step_id: int, now: datetime) -> Outcome:
    """Put the rows of a bulk step back as they were before it, in batches that are each committed.

    Rows that have moved on since stay and are named. Raises NotAllowed, NotTakenBack (too late, done before, nothing
    can go back). Locks the step, then the rows, then their rooms.
    """
    found, after = Outcome(), 0
    while True:
        with writing():
            step = open_step(actor, step_id, bulk_rules.KINDS, now)
            rows = list(db.session.scalars(
                select(BulkRow).where(BulkRow.step_id == step_id, BulkRow.entry_id > after)
                .order_by(BulkRow.entry_id).limit(bulk_rules.UNDO_BATCH)
            ))  # fmt: skip
            if not rows:
                _close(actor, step, found, now)
                return found
            after = rows[-1].entry_id
            found.add(_put_back(actor, step, rows, now))
        make_way()


def open_step(actor: Actor, step_id: int, kinds: Collection[str], now: datetime) -> BulkStep:
    """The actor's own step of one of these kinds, locked, while it may be taken back.

    Raises NotAllowed, NotTakenBack.
    """
    wanted = select(BulkStep).where(BulkStep.id == step_id, BulkStep.kind.in_(kinds))
    step = db.session.scalar(wanted.with_for_update())
    if step is None or step.account_id != actor.id or actor.kind != "staff":
        raise NotAllowed("只有做了这一批的人可以撤回。")
    if step.undone_at is not None:
        raise NotTakenBack("这一批已经撤回了。")
    why = bulk_rules.too_late(step.kind, step.at, step.month, now)
    if why:
        raise NotTakenBack(why)
    return step


def _put_back(actor: Actor, step: BulkStep, rows: Sequence[BulkRow], now: datetime) -> Outcome:
    tree = entry_values.whole_tree()
    entries = {e.id: e for e in bulk_steps.locked([r.entry_id for r in rows], sessions=True)}
    outcome, ways = Outcome(), {}  # type: ignore[var-annotated]
    told: dict[int, int] = {}
    for row in rows:
        entry = entries.get(row.entry_id)
        if entry is None:
            continue
        why = bulk_rules.moved_on(step.kind, row.revision, entry.revision, entry.taken + entry.waiting)
        why = why or _room_back(actor, entry, row.before, now)
        if why:
            outcome.left.append(Left(entry.id, entry.title, why))
            continue
        if not (step.department_id is not None and step.kind != "hand_in"):  # a department's own affair
            told[_whom(step, entry)] = told.get(_whom(step, entry), 0) + 1
        ways.setdefault(row.before["status"], []).append((entry, row.before))
    for status, pairs in ways.items():
        _restore(actor, step.kind, status, pairs, now)
        outcome.done += len(pairs)
    done = [e.id for pairs in ways.values() for e, _ in pairs]
    if done:
        db.session.execute(delete(BulkRow).where(BulkRow.step_id == step.id, BulkRow.entry_id.in_(done)))
        payload = {"kind": step.kind, "month": step.month, "by": actor.centre_id, "told": [*told.items()]}
        payload |= {"department_id": step.department_id} if step.department_id is not None else {}
        outbox.put("catalogue.taken_back", f"{step.id}:{done[0]}", payload, now)
    tree.clear()
    return outcome


def _whom(step: BulkStep, entry: Entry) -> int:
    """Who was told of it, and now hears that it is taken back: the reviewer of a list, the author of the others."""
    return entry.waits_at_id or entry.centre_id if step.kind == "hand_in" else entry.centre_id


def _room_back(actor: Actor, entry: Entry, before: dict[str, Any], now: datetime) -> str:
    """The room as it was: given back for a draft, taken again for what was dropped. Why not, or ''."""
    if entry.venue_id is None or entry.status == before["status"]:
        return ""
    if before["status"] == DRAFT and entry.status != DROPPED:
        room_holds.follow(entry, "recall", actor, now)
    elif entry.status == DROPPED and before["status"] != DRAFT:
        return "".join(p.message for p in room_holds.try_to_hold(entry, actor, now))
    return ""


def _restore(
    actor: Actor, kind: str, status: str, pairs: Sequence[tuple[Entry, dict[str, Any]]], now: datetime
) -> None:
    entries = [entry for entry, _ in pairs]
    values = entry_values.moves(now, **{name: _column(name, pairs) for name in KEPT if name != "status"})
    if kind in ("category", "place"):  # these change no status
        hit(update(Entry).where(Entry.id.in_([e.id for e in entries])).values(**values), synchronize_session=False)
        states.note_many(ENTRY, [(e.id, status, None) for e in entries], "taken_back", actor, now)
        for entry in entries:
            db.session.expire(entry)
        return
    off = [entry for entry in entries if entry.status == PUBLISHED]
    entry_values.keep_dropped((e.id, s.id, s.starts_at, s.ends_at) for e in off for s in e.sessions)
    # Nobody but this module fires these: see states._taken_back.
    states.fire_many(ENTRY, entries, BACK_TO[status], replace(actor, kind="system"), now, values=values)


def _column(name: str, pairs: Sequence[tuple[Entry, dict[str, Any]]]) -> Any:
    """What a column was: one value for all, or each row's own in the same statement."""
    kept = {entry.id: _value(name, before[name]) for entry, before in pairs}
    if len(set(kept.values())) == 1:
        return next(iter(kept.values()))
    column = getattr(Entry, name)
    return case({number: literal(value, column.type) for number, value in kept.items()}, value=Entry.id, else_=column)


def _value(name: str, stored: Any) -> Any:
    return datetime.fromisoformat(stored) if name in MOMENTS and stored else stored


def _close(actor: Actor, step: BulkStep, found: Outcome, now: datetime) -> None:
    """Raises NotTakenBack when not one row could go back."""
    if not found.done and step.count:
        names = "、".join(f"“{row.title}”{row.why}" for row in found.left[:3])
        raise NotTakenBack(f"{names or '这一批'}，没有可以撤回的。")
    step.undone_at = now
    audit.record(
        actor, "take_back_step", "entry", None, now, summary=f"撤回{bulk_rules.KINDS[step.kind]} {found.done} 条",
        after={"step": step.id, "left": [row.entry_id for row in found.left]},
    )  # fmt: skip
