"""Staff decide many sign-ups at once and may take it back until it takes effect (SPEC S3, Q9).

Pressing only notes what was decided: each sign-up keeps its place and stays pending, for its owner too. When the time
to take it back is over the outbox carries it out: the sign-ups move, people are told once, and freed places go to the
queue. So a wrong press reaches nobody, and there is never a place to be asked back from whoever moved up meanwhile.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, delete, exists, insert, select
from sqlalchemy.orm import contains_eager, joinedload

from portal.catalogue import bulk_rules
from portal.catalogue.actions import taking_back
from portal.catalogue.actions.taking_back import NotTakenBack
from portal.catalogue.models import PUBLISHED, BulkStep, Entry
from portal.core import audit, outbox, states
from portal.core.access import Actor, Permission
from portal.core.db import db
from portal.core.errors import NotAllowed
from portal.people.models import StaffAccount
from portal.signup import rules, waiting_list
from portal.signup.errors import EntryGone
from portal.signup.models import PENDING, SignUp, SignUpReview
from portal.signup.states import MACHINE

PASS, REFUSE = "sign_pass", "sign_refuse"
KINDS = {PASS: "通过", REFUSE: "不通过"}  # BulkStep.kind of a review
_FIRES = {PASS: "confirm", REFUSE: "refuse"}


@dataclass(frozen=True)
class Reviewed:
    """What came of deciding many. done: sign-ups; left: those that somebody else had decided or that were withdrawn."""

    done: int
    left: int


def undecided() -> ColumnElement[bool]:
    """Of a pending sign-up: nothing about it waits to take effect."""
    return ~exists().where(SignUpReview.sign_up_id == SignUp.id)


def settles_at(entry: Entry, decided_at: datetime) -> datetime:
    """When what is decided of many of its sign-ups at once takes effect (rules.settles_at)."""
    return rules.settles_at((s.starts_at for s in entry.sessions), decided_at)


def review(
    actor: Actor, entry_id: int, ids: Sequence[int], accept: bool, reason: str, now: datetime
) -> tuple[Entry, Reviewed]:
    """Decide these sign-ups of one entry; it takes effect at `settles_at`. Others of `ids` are left.

    Writes 'signup.reviewed' {"step_id", "ids"}. Raises NotAllowed, ReasonMissing, EntryGone. Lock: the entry's row.
    """
    kind, reason = PASS if accept else REFUSE, reason.strip()
    if not actor.can(Permission.SIGN_UPS):
        raise NotAllowed()
    if not accept and not reason:
        raise states.ReasonMissing()
    entry = waiting_list.lock(entry_id)
    if entry.status != PUBLISHED:
        raise EntryGone()
    waiting = select(SignUp.id).where(
        SignUp.entry_id == entry_id, SignUp.id.in_(ids), SignUp.status == PENDING, undecided()
    )
    chosen = list(db.session.scalars(waiting.order_by(SignUp.id)))
    if chosen:
        _note(actor, entry, kind, chosen, reason, now)
    return entry, Reviewed(len(chosen), len(ids) - len(chosen))


def _note(actor: Actor, entry: Entry, kind: str, chosen: Sequence[int], reason: str, now: datetime) -> None:
    _forget_old(now)
    step = BulkStep(
        kind=kind, month=entry.month, account_id=actor.id, centre_id=actor.centre_id, count=len(chosen), at=now
    )
    db.session.add(step)
    db.session.flush()
    decided = [{"sign_up_id": number, "step_id": step.id, "reason": reason} for number in chosen]
    db.session.execute(insert(SignUpReview), decided)
    due = settles_at(entry, now)
    for some in bulk_rules.batches(chosen):
        key = f"{step.id}:{some[0]}:{int(now.timestamp())}"  # a step's number may come again once it is forgotten
        outbox.put("signup.reviewed", key, {"step_id": step.id, "ids": some}, now, due_at=due)
    audit.record(
        actor,
        "sign_up.review",
        "entry",
        entry.id,
        now,
        summary=f"报名{KINDS[kind]} {len(chosen)} 份",
        centre_id=entry.centre_id,
        after={"step": step.id, "sign_ups": list(chosen)},
    )


def _forget_old(now: datetime) -> None:
    """Steps that have long taken effect. What has not, because no worker ran, is kept until it has."""
    waits = exists().where(SignUpReview.step_id == BulkStep.id)
    old = delete(BulkStep).where(BulkStep.kind.in_(KINDS), BulkStep.at < now - bulk_rules.KEPT, ~waits)
    db.session.execute(old.execution_options(synchronize_session=False))


def take_back(actor: Actor, entry_id: int, step_id: int, now: datetime) -> int:
    """Nothing of the step takes effect. Returns of how many sign-ups.

    Raises NotAllowed (somebody else's step), NotTakenBack, EntryGone. Locks: the step, the entry's row.
    """
    step = taking_back.open_step(actor, step_id, KINDS, now)
    entry = waiting_list.lock(entry_id)
    mine = select(SignUp.id).where(SignUp.entry_id == entry_id, SignUp.status == PENDING)
    gone = delete(SignUpReview).where(SignUpReview.step_id == step_id, SignUpReview.sign_up_id.in_(mine))
    gone_ids = gone.returning(SignUpReview.sign_up_id).execution_options(synchronize_session=False)
    found = list(db.session.scalars(gone_ids))
    if not found:
        raise NotTakenBack("这一批已经生效并通知了本人，不能撤回了。", advice="要改的请逐条处理，或打电话给本人。")
    step.undone_at = now
    audit.record(
        actor,
        "sign_up.review_undone",
        "entry",
        entry.id,
        now,
        summary=f"撤回报名{KINDS[step.kind]} {len(found)} 份",
        centre_id=entry.centre_id,
        after={"step": step.id, "sign_ups": sorted(found)},
    )
    return len(found)


def settle(step_id: int, ids: Iterable[int], now: datetime) -> tuple[Entry, str, list[SignUp]] | None:
    """What was decided of these sign-ups takes effect: they move, and freed places go to the queue.

    Returns the entry, the kind of step and the sign-ups that moved; None when it was taken back. Whoever was decided
    one by one meanwhile, or withdrew, is left. Lock: the entry's row.
    """
    step = db.session.get(BulkStep, step_id)
    entry_id = db.session.scalar(select(SignUp.entry_id).where(SignUp.id.in_(list(ids))).limit(1))
    if step is None or entry_id is None:
        return None
    entry = waiting_list.lock(entry_id)
    decided = delete(SignUpReview).where(SignUpReview.step_id == step_id, SignUpReview.sign_up_id.in_(list(ids)))
    told = decided.returning(SignUpReview.sign_up_id, SignUpReview.reason)
    found = db.session.execute(told.execution_options(synchronize_session=False)).all()
    reasons = {sign_up_id: reason for sign_up_id, reason in found}  # noqa: C416 typed rows
    rows = _pending(reasons)
    if rows:
        _move(entry, step, rows, reasons[rows[0].id], now)
        waiting_list.move_up(entry, now)
    return entry, step.kind, rows


def _pending(ids: Iterable[int]) -> list[SignUp]:
    wanted = select(SignUp).where(SignUp.id.in_(list(ids)), SignUp.status == PENDING).order_by(SignUp.id)
    wanted = wanted.options(joinedload(SignUp.relative)).execution_options(populate_existing=True)
    return list(db.session.scalars(wanted))


def _move(entry: Entry, step: BulkStep, rows: Sequence[SignUp], reason: str, now: datetime) -> None:
    values: dict[str, object] = {"decided_at": now}
    if step.kind == REFUSE:
        values |= {"ended_at": now, "refusal_reason": reason}
    account = db.session.get_one(StaffAccount, step.account_id)
    # Whoever pressed had the right then; what became of their account since does not matter.
    who = Actor("system", account.id, account.name, account.centre_id)
    states.fire_many(MACHINE, list(rows), _FIRES[step.kind], who, now, reason, values=values)
    # What was written is read again by one statement, not by one for each when its words are made.
    again = select(SignUp).where(SignUp.id.in_([row.id for row in rows]))
    db.session.scalars(again.execution_options(populate_existing=True)).all()
    waiting_list.shift(entry, -sum(row.places for row in rows) if step.kind == REFUSE else 0, 0)


def waiting_of(entry_id: int) -> dict[int, BulkStep]:
    """By sign-up: the step by which it was decided and that has not taken effect yet. In the caller's scope."""
    wanted = select(SignUpReview).join(SignUp, SignUp.id == SignUpReview.sign_up_id).join(SignUpReview.step)
    wanted = wanted.where(SignUp.entry_id == entry_id, SignUp.status == PENDING)
    return {r.sign_up_id: r.step for r in db.session.scalars(wanted.options(contains_eager(SignUpReview.step)))}
