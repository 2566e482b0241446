"""Every write about cases (SPEC H2, D1). Flush only, never commit.

Each step is one conditional UPDATE (states.fire): of two people at once one wins, the other is told (I4). Being handed
on never moves a due time (I1).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select, update

from portal.cases import kinds, ladder, policy, queries
from portal.cases.errors import AlreadyOffered, MayNotDecline, NobodyAbove
from portal.cases.models import BACK, CLAIMED, DECLINED, DISPATCH, OFFERED, UNDONE, Case, CaseClock, Handover
from portal.cases.states import HANDOVER, MACHINE, has_it
from portal.centres.models import Centre, Department
from portal.core import audit, clock, outbox, registry, remarks, states
from portal.core.access import Actor, system_actor
from portal.core.db import db
from portal.core.errors import NotAllowed
from portal.people.actions import staff_accounts as people
from portal.people.models import StaffAccount

MOST_WAITED = 72 * 60  # minutes that waiting for the resident's answer may add in all
MOST_RETURNS = 2  # between the same two; then the level above both decides (争议裁决)


def open_case(
    kind: str, centre: Centre, title: str, detail: str, clocks: Iterable[str], now: datetime, *,
    first: Centre | None = None,
) -> Case:  # fmt: skip
    """A new case of `centre`, at whoever works there or nearest above; `clocks` of its kind's policy start.

    first: who has it to begin with, where that is not the centre itself (a subdistrict reviews for its communities).
    """
    at, why = ladder.step_over(first or centre, kinds.of(kind).permission)
    case = Case(
        kind=kind, centre=centre, waits_at=at, title=title[:100], detail=detail[:200], opened_at=now, turn_since=now
    )
    db.session.add(case)
    db.session.flush()
    start_clocks(case, clocks, now)
    states.note(MACHINE, case, "open", system_actor(), now, why)
    return case


def start_clocks(case: Case, names: Iterable[str], now: datetime, own: Mapping[str, policy.Term] | None = None) -> None:
    """Start clocks from the policy as it is now; what they say is never computed again (I1).

    own: terms that are this case's alone (each kind of help has a whole time of its own).
    """
    p, work = policy.of(case.kind), queries.work_clock()
    terms = {**p.clocks, **(own or {})}
    for name in names:
        term = terms[name]
        before = select(func.count()).where(CaseClock.case_id == case.id, CaseClock.name == name)
        ordinal, due = 1 + (db.session.scalar(before) or 0), term.due(now, work)
        row = CaseClock(
            case_id=case.id, name=name, ordinal=ordinal, unit=term.unit, amount=term.amount, started_at=now, due_at=due,
            warn_at=now + (due - now) * p.warn / 100 if p.warn else None,
        )  # fmt: skip
        db.session.add(row)
    next_due(case)


def _must_have(case: Case, actor: Actor) -> None:
    why = has_it(case, actor)
    if why is not None:
        raise NotAllowed(why)


def _running(case: Case) -> list[CaseClock]:
    db.session.flush()
    wanted = select(CaseClock).where(CaseClock.case_id == case.id, CaseClock.stopped_at.is_(None))
    return list(db.session.scalars(wanted.order_by(CaseClock.due_at, CaseClock.id)))


def next_due(case: Case) -> None:
    """due_at is the nearest clock that runs; after the last one it stays, for the record."""
    running = _running(case)
    if running:
        case.due_at = running[0].due_at
        db.session.flush()


def stop_clock(case: Case, name: str, now: datetime) -> None:
    """What the clock stands for is done; a missed one stays missed (I7)."""
    for row in _running(case):
        if row.name == name:
            row.stopped_at = now
    next_due(case)


def claim(actor: Actor, case: Case, now: datetime) -> None:
    """'I will do it', also in a colleague's place. Raises NotAllowed, NoSuchTransition, Stale."""
    states.fire(MACHINE, case, "claim", actor, now, values={"owner_id": actor.id, "owner_name": actor.name[:40]})


def _moved(centre: Centre, now: datetime, department: Department | None = None) -> dict[str, object]:
    return {
        "waits_at_id": centre.id,
        "department_id": department.id if department else None,
        "owner_id": None,
        "owner_name": "",
        "turn_since": now,
    }


def above(case: Case) -> Centre:
    """The nearest level above where somebody works. Raises NobodyAbove."""
    higher = ladder.above(case.waits_at, kinds.of(case.kind).permission)
    if higher is None:
        raise NobodyAbove()
    return higher


def below(case: Case) -> Centre:
    """Where a case goes back to: where it belongs; after two returns between the same two to the level above both,
    which decides (I6).
    """
    return _ruling(case, case.waits_at, case.centre) or ladder.desk(case.centre, kinds.of(case.kind).permission)


def hand_on(actor: Actor, case: Case, kind: str, to: Centre, reason: str, now: datetime, tried: str = "") -> None:
    """Up or back, with the reason; taken at once. kind: UP or BACK. Raises NotAllowed, ReasonMissing, Stale."""
    giver = case.waits_at_id
    details = {"from": giver, "to": to.id}
    states.fire(MACHINE, case, "hand_on", actor, now, reason, details=details, values=_moved(to, now))
    row = _handover(case, kind, giver, to, reason, now, tried)
    states.fire(HANDOVER, row, "pass", actor, now, values={"decided_at": now, "decided_by": actor.name[:40]})


def _handover(
    case: Case, kind: str, giver: int, to: Centre, reason: str, now: datetime, tried: str = "",
    department: Department | None = None, answer_by: datetime | None = None,
) -> Handover:  # fmt: skip
    row = Handover(
        case_id=case.id,
        kind=kind,
        from_id=giver,
        from_department_id=case.department_id,
        to_id=to.id,
        to_department_id=department.id if department else None,
        reason=reason.strip()[:300],
        tried=tried[:300],
        offered_at=now,
        answer_by=answer_by,
    )
    db.session.add(row)
    db.session.flush()
    return row


def _ruling(case: Case, giver: Centre, receiver: Centre) -> Centre | None:
    """Who decides when two have sent a case back twice: the nearest above both that works; None before that."""
    pair = (giver.id, receiver.id)
    wanted = select(func.count()).where(Handover.from_id.in_(pair), Handover.to_id.in_(pair))
    wanted = wanted.where(Handover.case_id == case.id, or_(Handover.kind == BACK, Handover.status == DECLINED))
    if (db.session.scalar(wanted) or 0) < MOST_RETURNS:
        return None
    common = [a for a in giver.ancestor_ids if a in receiver.ancestor_ids]
    top = db.session.get(Centre, common[-1]) if common else None
    return ladder.desk(top, kinds.of(case.kind).permission) if top is not None else None


def offer(
    actor: Actor, case: Case, kind: str, to: Centre, reason: str, now: datetime, *,
    department: Department | None = None, tried: str = "",
) -> Handover:  # fmt: skip
    """Offer a case to another centre or department: the giver has it until the other accepts (I6, 首接负责).

    kind: REFER or DISPATCH. Raises NotAllowed, ReasonMissing, AlreadyOffered.
    """
    _must_have(case, actor)
    if not reason.strip():
        raise states.ReasonMissing()
    if queries.offered(case.id) is not None:
        raise AlreadyOffered()
    permission = kinds.of(case.kind).permission
    if department is not None and department.id not in ladder.working_departments(permission):
        department = None
    at = to if department is not None else ladder.desk(to, permission)
    p = policy.of(case.kind)
    until = (p.dispatch if kind == DISPATCH and p.dispatch else p.answer).due(now, queries.work_clock())
    row = _handover(case, kind, case.waits_at_id, at, reason, now, tried, department, until)
    states.note(MACHINE, case, "offer", actor, now, reason, details={"handover": row.id, "to": at.id})
    _effect(case, "offered", f"{row.id}", now)
    return row


def accept(actor: Actor, row: Handover, now: datetime) -> None:
    """Responsibility moves now. Raises NotAllowed (not the receiver), NoSuchTransition, Stale."""
    states.fire(HANDOVER, row, "accept", actor, now, values={"decided_at": now, "decided_by": actor.name[:40]})
    _take_over(actor, row, now)


def _take_over(actor: Actor, row: Handover, now: datetime) -> None:
    department = db.session.get(Department, row.to_department_id) if row.to_department_id else None
    details = {"from": row.from_id, "to": row.to_id, "handover": row.id}
    values = _moved(row.receiver, now, department)
    states.fire(MACHINE, row.case, "take_over", actor, now, row.reason, details=details, values=values)


def decline(actor: Actor, row: Handover, reason: str, now: datetime) -> None:
    """Not ours: the giver keeps it; the third time between the same two the level above both gets it (I6).

    Raises MayNotDecline (a dispatch of such a kind), NotAllowed, ReasonMissing, NoSuchTransition, Stale.
    """
    case = row.case
    if row.kind == DISPATCH and not policy.of(case.kind).may_decline:
        raise MayNotDecline()
    ruling = _ruling(case, row.giver, row.receiver)
    values = {"decided_at": now, "decided_by": actor.name[:40], "decline_reason": reason.strip()[:300]}
    states.fire(HANDOVER, row, "decline", actor, now, reason, values=values)
    states.note(MACHINE, case, "declined", actor, now, reason, details={"handover": row.id})
    if ruling is not None:
        _lift(case, ruling, f"双方各退回 {MOST_RETURNS} 次，由{ruling.label}裁决", now)
    _effect(case, "declined", f"{row.id}", now)


def lapse(row: Handover, now: datetime) -> None:
    """No answer in time: a dispatch from above is accepted by that, a referral declined and the case rises (I6)."""
    actor, case = system_actor(), row.case
    states.fire(HANDOVER, row, "lapse", actor, now, values={"decided_at": now})
    _effect(case, "lapsed", f"{row.id}", now)
    if row.kind == DISPATCH:
        _take_over(actor, row, now)
        return
    higher = ladder.above(row.giver, kinds.of(case.kind).permission)
    states.note(MACHINE, case, "declined", actor, now, "没有按时答复", details={"handover": row.id})
    if higher is not None:
        _lift(case, higher, f"{row.receiver.label}没有按时答复，转{higher.label}协调", now)


def _lift(case: Case, to: Centre, why: str, now: datetime) -> None:
    """By the system, without anybody's doing: nobody works there any more, or those above have to decide."""
    details = {"from": case.waits_at_id, "to": to.id}
    states.fire(MACHINE, case, "lift", system_actor(), now, why, details=details, values=_moved(to, now))
    _effect(case, "lifted", f"{int(now.timestamp())}", now)


def _effect(case: Case, name: str, key: str, now: datetime) -> None:
    outbox.put(f"{kinds.of(case.kind).topic}.{name}", f"{case.id}:{key}", {"case_id": case.id}, now)


@registry.on_staffing
def resettle(now: datetime) -> None:
    """What stands where nobody works any more moves to the nearest that does, and what a gone owner had is free (I0).

    In the transaction that disabled, moved or re-ranked an account. Dues and histories stay.
    """
    for kind in kinds.everything():
        here = ladder.staffed(kind.permission)
        undone = select(Case).where(Case.kind == kind.name, Case.status.in_(UNDONE))
        nobody = Case.department_id.is_(None) & Case.waits_at_id.not_in(here)
        empty = Case.department_id.is_not(None) & Case.department_id.not_in(ladder.working_departments(kind.permission))
        for case in list(db.session.scalars(undone.where(nobody | empty).order_by(Case.id))):
            to = ladder.desk(case.waits_at, kind.permission, here)
            if to.id != case.waits_at_id or case.department_id is not None:
                _lift(case, to, ladder.instead(case.waits_at, to), now)
        owned = select(Case, StaffAccount).join(StaffAccount, StaffAccount.id == Case.owner_id)
        owned = owned.where(Case.kind == kind.name, Case.status == CLAIMED).order_by(Case.id)
        for case, owner in list(db.session.execute(owned)):
            if owner.disabled_at is not None or has_it(case, people.actor_of(owner)) is not None:
                _lift(case, case.waits_at, f"{case.owner_name}不在这个岗位了，请同事接手", now)
        offers = select(Handover).join(Case).where(Case.kind == kind.name, Handover.status == OFFERED)
        for row in db.session.scalars(offers.where(Handover.to_id.not_in(here), Handover.to_department_id.is_(None))):
            row.to_id = ladder.desk(row.receiver, kind.permission, here).id
    db.session.flush()


def extend(actor: Actor, case: Case, name: str, until: datetime, reason: str, now: datetime) -> None:
    """An approved extension of a running clock, by a level above the one that has the case; audited (I1).

    Raises NotAllowed, ReasonMissing.
    """
    higher = ladder.at_or_above(actor, case.waits_at) and actor.centre_id != case.waits_at_id
    if not (higher and actor.can(kinds.of(case.kind).permission)):
        raise NotAllowed("延期由上级批准。")
    if not reason.strip():
        raise states.ReasonMissing()
    for row in (running for running in _running(case) if running.name == name and until > running.due_at):
        before, after = {"due_at": clock.stamp(row.due_at)}, {"due_at": clock.stamp(until)}
        row.due_at, row.told = until, 0
        states.note(MACHINE, case, "extend", actor, now, reason)
        audit.record(
            actor, "extend", "case_file", case.id, now, words=reason, before=before, after=after,
            centre_id=case.centre_id,
        )  # fmt: skip
    next_due(case)


def ask(actor: Actor, case: Case, words: str, now: datetime) -> None:
    """Wait for the resident's answer: nothing stops by that. Raises NotAllowed."""
    _must_have(case, actor)
    case.asked_at = case.asked_at or now
    states.note(MACHINE, case, "ask", actor, now, words)


def answered(case: Case, now: datetime) -> None:
    """The resident answered: due times move by exactly what was waited, 72 hours in all at most (I1)."""
    if case.asked_at is None:
        return
    minutes = min(int((now - case.asked_at).total_seconds() // 60), MOST_WAITED - case.waited)
    case.asked_at, case.waited = None, case.waited + minutes
    for row in _running(case):
        if row.due_at > now - timedelta(minutes=minutes):  # what was missed before stays missed (I7)
            row.due_at += timedelta(minutes=minutes)
            if row.warn_at is not None:
                row.warn_at += timedelta(minutes=minutes)
    states.note(MACHINE, case, "answered", system_actor(), now, details={"minutes": minutes})
    next_due(case)


def close(actor: Actor, case: Case, outcome: str, now: datetime, name: str = "close") -> None:
    """Done, or dropped by the system: clocks stop, offers lapse. Raises NotAllowed, NoSuchTransition, Stale."""
    values: dict[str, object] = {"outcome": outcome[:30], "closed_at": now}
    if name == "close" and case.owner_id is None:
        values |= {"owner_id": actor.id, "owner_name": actor.name[:40]}
    states.fire(MACHINE, case, name, actor, now, outcome, values=values)
    for row in _running(case):
        row.stopped_at = now
    offered = queries.offered(case.id)
    if offered is not None:
        states.fire(HANDOVER, offered, "lapse", system_actor(), now, values={"decided_at": now})
    db.session.flush()


def reopen(actor: Actor, case: Case, to: Centre, clocks: Iterable[str], reason: str, now: datetime) -> None:
    """Once more, at `to` or nearest above, with clocks of its own; who may is the feature's rule. Raises Stale."""
    at, _ = ladder.step_over(to, kinds.of(case.kind).permission)
    values = {**_moved(at, now), "outcome": "", "closed_at": None}
    states.fire(MACHINE, case, "reopen", actor, now, reason, values=values)
    start_clocks(case, clocks, now)


def forget(cases: Sequence[Case]) -> None:
    """The person whose matters these are has left: words about them are blanked; who had what when stays (P8)."""
    for case in cases:
        case.detail = ""
    ids = [case.id for case in cases]
    passed = list(db.session.scalars(select(Handover.id).where(Handover.case_id.in_(ids))))
    remarks.blank(MACHINE.name, ids)
    remarks.blank(HANDOVER.name, passed)
    gone = update(Handover).where(Handover.id.in_(passed))
    db.session.execute(gone.values(reason="", tried="", decline_reason=""))
