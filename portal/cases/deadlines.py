"""One tick for all kinds of cases: missed clocks and unanswered hand-overs (SPEC H3). The database says what is due.

The mark on the clock moves in the same transaction as the outbox row, so two schedulers or a late one tell once.
"""

from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy import select, update

from portal.cases import actions, kinds, policy, queries
from portal.cases.errors import NobodyAbove
from portal.cases.models import OFFERED, UP, Case, CaseClock, Handover
from portal.core import outbox, registry, scope
from portal.core.access import system_actor
from portal.core.db import db, hit, writing


@registry.due
def overdue(now: datetime) -> int:
    """Tell who has it of a missed clock and, the policy's hours later, the level above; returns how many are told now.

    Outside office hours only what may be told at any time. Nothing is written when nothing is due.
    """
    with scope.system("missed clocks of cases"):
        late = select(CaseClock.id, CaseClock.told, CaseClock.due_at, Case.kind).join(Case)
        late = late.where(queries.NOT_DONE, CaseClock.stopped_at.is_(None), CaseClock.told < 2, CaseClock.due_at <= now)
        rows = db.session.execute(late.order_by(CaseClock.id)).all()
        office = bool(rows) and queries.work_clock().is_open(now)
        db.session.rollback()
        done = 0
        for number, told, due_at, kind in rows:
            p = policy.of(kind)
            longer = due_at + timedelta(hours=p.after_hours) <= now
            for step in range(told, 2) if office or p.any_time else ():
                if step == 0 or longer:
                    done += _tell(number, step, due_at, now)
        return done


@registry.due
def warn(now: datetime) -> int:
    """Remind who has it while there is still time, once a clock; returns how many. The mark moves with the message."""
    with scope.system("clocks that end soon"):
        soon = select(CaseClock.id, CaseClock.warn_at, CaseClock.due_at, Case.kind).join(Case)
        soon = soon.where(queries.NOT_DONE, CaseClock.stopped_at.is_(None), CaseClock.warn_at <= now)
        rows = db.session.execute(soon.order_by(CaseClock.id)).all()
        office = bool(rows) and queries.work_clock().is_open(now)
        db.session.rollback()
        ready = [row for row in rows if office or policy.of(row.kind).any_time]
        return sum(_warn(row.id, row.warn_at, row.due_at, row.kind, now) for row in ready if row.warn_at is not None)


def _warn(clock_id: int, warn_at: datetime, due_at: datetime, kind: str, now: datetime) -> int:
    """One transaction each. Of a clock that is over already nobody is reminded: that is told as missed."""
    with writing():
        mark = update(CaseClock).where(CaseClock.id == clock_id, CaseClock.warn_at == warn_at)
        if hit(mark.where(CaseClock.stopped_at.is_(None)).values(warn_at=None), synchronize_session=False) != 1:
            return 0
        if now >= due_at:
            return 0
        case_id = db.session.scalar(select(CaseClock.case_id).where(CaseClock.id == clock_id))
        payload = {"case_id": case_id, "due_at": int(due_at.timestamp())}
        outbox.put(f"{kinds.of(kind).topic}.soon", f"{clock_id}:{int(due_at.timestamp())}", payload, now)
        return 1


def _tell(clock_id: int, told: int, due_at: datetime, now: datetime) -> int:
    """One transaction each. Whoever comes second finds the mark moved."""
    with writing():
        mark = update(CaseClock).where(
            CaseClock.id == clock_id, CaseClock.told == told, CaseClock.due_at == due_at, CaseClock.stopped_at.is_(None)
        )
        done = db.session.execute(mark.values(told=told + 1).execution_options(synchronize_session=False))
        if done.rowcount != 1:  # type: ignore[attr-defined]
            return 0
        case = db.session.scalars(select(Case).join(CaseClock).where(CaseClock.id == clock_id)).one()
        p, topic = policy.of(case.kind), kinds.of(case.kind).topic
        payload = {"case_id": case.id, "step": told + 1, "due_at": int(due_at.timestamp())}
        name = "alarm" if told and p.then == "alarm" else "overdue"
        outbox.put(f"{topic}.{name}", f"{clock_id}:{int(due_at.timestamp())}:{told + 1}", payload, now)
        if told and p.then == "hand_up":
            with suppress(NobodyAbove):  # at the top it stays, red, with whoever is told
                actions.hand_on(system_actor(), case, UP, actions.above(case), "没有在期限内办，自动交上级", now)
        return 1


@registry.due
def lapse(now: datetime) -> int:
    """Hand-overs that nobody answered in time; returns how many."""
    with scope.system("unanswered hand-overs"):
        wanted = select(Handover.id).where(Handover.status == OFFERED, Handover.answer_by <= now)
        ids = list(db.session.scalars(wanted.order_by(Handover.id)))
        db.session.rollback()
        for number in ids:
            with writing():
                row = db.session.get_one(Handover, number, with_for_update=True, populate_existing=True)
                if row.status == OFFERED:
                    actions.lapse(row, now)
        return len(ids)
