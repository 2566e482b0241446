"""Writing the calendar of a year (SPEC Q10). Flush only, never commit."""

from datetime import date, datetime, time

from sqlalchemy import delete, select

from portal.cases import actions, queries
from portal.cases.calendar import WorkClock
from portal.cases.errors import BadNotice
from portal.cases.models import REST, WORK, CalendarDay, CalendarYear, Case, CaseClock
from portal.cases.notice_text import Reading
from portal.cases.policy import Term
from portal.cases.states import MACHINE
from portal.centres import queries as centres
from portal.core import audit, clock, scope, states
from portal.core.access import Actor, Permission
from portal.core.db import db
from portal.core.errors import NotAllowed


def may_enter(actor: Actor) -> bool:
    """The calendar is the business of the top of the review chain: the district here."""
    home = centres.get(actor.centre_id) if actor.centre_id else None
    if home is None or actor.department_id is not None or not actor.can(Permission.CENTRES):
        return False
    return not centres.review_chain(home)


def must_enter(actor: Actor) -> None:
    """Raises NotAllowed."""
    if not may_enter(actor):
        raise NotAllowed("节假日安排由最上级维护。")


def enter_year(actor: Actor, year: int, reading: Reading, notice: str, now: datetime) -> int:
    """Write the days of a year's notice. Where the year was only assumed, due times by working time are computed once
    more (I1) and audited. Returns how many moved. Raises NotAllowed, BadNotice.
    """
    must_enter(actor)
    if reading.problems:
        raise BadNotice("；".join(reading.problems[:3]) + "。")
    old = queries.work_clock()
    within = CalendarDay.day.between(date(year, 1, 1), date(year, 12, 31))
    db.session.execute(delete(CalendarDay).where(within))
    db.session.add_all(
        CalendarDay(day=day.day, kind=WORK if day.works else REST, name=day.name) for day in reading.days
    )
    row = db.session.get(CalendarYear, year)
    if row is None:
        row = CalendarYear(year=year, entered_at=now)
        db.session.add(row)
    row.notice, row.entered_by, row.entered_at = notice[:80], actor.name[:40], now
    db.session.flush()
    moved = _recount(actor, year, old, now) if year not in old.official else 0
    summary = f"{year}年，{len(reading.days)} 天" + (f"，{moved} 个期限重新计算" if moved else "")
    after = {"days": [f"{d.day} {d.name}{'上班' if d.works else '放假'}" for d in reading.days], "moved": moved}
    audit.record(actor, "enter_year", "calendar_year", year, now, summary=summary, after=after)
    return moved


def _recount(actor: Actor, year: int, old: WorkClock, now: datetime) -> int:
    """Running clocks that end in the year and count by the calendar; what was added to one stays added."""
    new, moved = queries.work_clock(), 0
    wanted = select(CaseClock, Case).join(Case, Case.id == CaseClock.case_id)
    wanted = wanted.where(CaseClock.stopped_at.is_(None), CaseClock.unit != "hours")
    wanted = wanted.where(CaseClock.due_at >= clock.at(date(year, 1, 1), time()))
    with scope.system("the official calendar replaces an assumed one"):
        for row, case in list(db.session.execute(wanted.order_by(CaseClock.id))):
            term = Term(row.unit, row.amount)  # type: ignore[arg-type]
            due = term.due(row.started_at, new) + (row.due_at - term.due(row.started_at, old))
            if due == row.due_at:
                continue
            why = f"{year}年节假日公布，期限从{clock.stamp(row.due_at)}改为{clock.stamp(due)}"
            row.due_at, moved = due, moved + 1
            states.note(MACHINE, case, "recount", actor, now, why)
            actions.next_due(case)
    return moved
