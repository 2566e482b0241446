"""Reads of cases: what waits for somebody, who has one and how it came there, the calendar (SPEC C6, H3, Q10)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, literal_column, select
from sqlalchemy.orm import aliased

from portal.cases import kinds, ladder, policy
from portal.cases.calendar import WorkClock
from portal.cases.models import CLAIMED, DECLINED, OFFERED, WORK, CalendarDay, CalendarYear, Case, Handover
from portal.cases.states import HANDOVER, MACHINE
from portal.centres import profile
from portal.centres import queries as centres
from portal.centres.models import Centre, label
from portal.core import clock, registry, remarks
from portal.core.access import Actor
from portal.core.db import db, moment, packed
from portal.core.registry import Waiting, Waits

# Written out, not bound: only so does SQLite see that the small index of undone ones (ix_case_file_due) holds them all.
NOT_DONE: ColumnElement[bool] = Case.status != literal_column("'done'")


def work_clock() -> WorkClock:
    """Office hours and the calendar's days as they are now. Two statements."""
    days = db.session.execute(select(CalendarDay.day, CalendarDay.kind)).all()
    official = db.session.scalars(select(CalendarYear.year))
    return WorkClock(
        spans=profile.current().hours,
        rest=frozenset(day for day, kind in days if kind != WORK),
        work=frozenset(day for day, kind in days if kind == WORK),
        official=frozenset(official),
    )


def years() -> dict[int, CalendarYear]:
    """The years whose notice is entered."""
    return {row.year: row for row in db.session.scalars(select(CalendarYear).order_by(CalendarYear.year))}


def days_of(year: int) -> list[CalendarDay]:
    """Holidays and make-up working days of a year, in order."""
    within = CalendarDay.day.between(date(year, 1, 1), date(year, 12, 31))
    return list(db.session.scalars(select(CalendarDay).where(within).order_by(CalendarDay.day)))


def offered(case_id: int) -> Handover | None:
    """The hand-over that waits for an answer."""
    wanted = select(Handover).where(Handover.case_id == case_id, Handover.status == OFFERED)
    return db.session.scalars(wanted).one_or_none()


def last_declined(case_id: int) -> Handover | None:
    """The newest hand-over that somebody did not take."""
    wanted = select(Handover).where(Handover.case_id == case_id, Handover.status == DECLINED)
    return db.session.scalars(wanted.order_by(Handover.id.desc()).limit(1)).first()


# What waits -----------------------------------------------------------------------------------------------------------


HAS = aliased(Centre)


@registry.waiting
def waits_for(actor: Actor, now: datetime) -> list[Waits]:
    """Everything that waits for this staff member, of every kind: at their centre (or where nobody works below it) and
    nobody else's; offered to it; from below what is long overdue. By the small index of undone ones.
    """
    return [_waits(kind, actor, now) for kind in kinds.everything() if actor.can(kind.permission)]


def is_mine(kind: kinds.Kind, actor: Actor, now: datetime) -> ColumnElement[bool]:
    """Whether a case of this kind waits for this staff member: what the left column counts and a list shows first."""
    return and_(NOT_DONE, _mine(kind, actor, now))


def _waits(kind: kinds.Kind, actor: Actor, now: datetime) -> Waits:
    mine = is_mine(kind, actor, now)
    count = select(func.count(Case.id)).where(mine).scalar_subquery()
    return Waits(kind.section, count, lambda: _lines(mine, actor), lambda found: _waiting(kind, found, now))


def _lines(mine: ColumnElement[bool], actor: Actor) -> Select[Any]:
    row = packed(
        title=Case.title, detail=Case.detail, url=Case.url, since=Case.opened_at, due=Case.due_at,
        owner=Case.owner_name, centre=label(Centre), waits_at=label(HAS), moved=Case.waits_at_id != Case.centre_id,
        offered=offered_to(actor),
    )  # fmt: skip
    rows = select(row).join(Centre, Centre.id == Case.centre_id).join(HAS, HAS.id == Case.waits_at_id)
    return rows.where(mine).order_by(Case.due_at, Case.id)


def _mine(kind: kinds.Kind, actor: Actor, now: datetime) -> ColumnElement[bool]:
    longer = now - timedelta(hours=policy.of(kind.name).after_hours)
    own = Case.owner_id == (actor.id or 0)  # also what somebody from above has taken in place of those below
    free = (Case.status != CLAIMED) | Case.owner_id.is_(None) | own
    if actor.department_id is not None:
        theirs = (Case.department_id == actor.department_id) & free
        return and_(Case.kind == kind.name, theirs | offered_to(actor))
    here = Case.department_id.is_(None) & Case.waits_at_id.in_(ladder.answers_for(actor, kind.permission))
    below = Case.waits_at_id.in_(select(Centre.id).where(*centres.inside(actor.centre_path)))
    late = here & (free | (Case.due_at <= now)) | own | below & (Case.due_at <= longer)
    return and_(Case.kind == kind.name, late | offered_to(actor))


def offered_to(actor: Actor) -> ColumnElement[bool]:
    """Whether a case waits for this staff member's answer: to be taken over, or not."""
    waiting = select(Handover.id).where(Handover.case_id == Case.id, Handover.status == OFFERED)
    if actor.department_id is not None:
        return waiting.where(Handover.to_department_id == actor.department_id).exists()
    return waiting.where(Handover.to_department_id.is_(None), Handover.to_id == (actor.centre_id or 0)).exists()


def _waiting(kind: kinds.Kind, found: dict[str, Any], now: datetime) -> Waiting:
    due = moment(found["due"])
    where = f"{found['centre']}，现在在{found['waits_at']}" if found["moved"] else found["centre"]
    state = f"{found['owner']}在办" if found["owner"] else "等您答复是否接收" if found["offered"] else "还没有人接"
    detail = " · ".join(part for part in (where, found["detail"], state) if part)
    title, since = f"{kind.label}：{found['title']}", moment(found["since"]) or now
    return Waiting(kind.section, title, detail, since, found["url"], due, policy.tone(due, now))


# One case -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Head:
    """What a case's page says on top: who has it, until when (about: of a year without a notice)."""

    case: Case
    tone: str
    about: bool
    instead: str

    @property
    def until(self) -> str:
        """'11月28日 10:00', '约 1月6日 18:00'."""
        due_at = self.case.due_at
        return "" if due_at is None else f"{'约 ' if self.about else ''}{clock.stamp(due_at)}"


def head(case: Case, now: datetime) -> Head:
    """For the macro case_head. At most four statements."""
    way = [case.centre, *centres.review_chain(case.centre)]
    why = ladder.passed_over(way, case.waits_at, kinds.of(case.kind).permission)
    by_calendar = any(row.unit != "hours" and row.stopped_at is None for row in case.clocks)
    about = bool(by_calendar and case.due_at is not None and work_clock().is_assumed(case.due_at))
    return Head(case, policy.tone(case.due_at, now), about, why)


def written_about(case_ids: Sequence[int]) -> dict[int, list[str]]:
    """What staff wrote about each case and its hand-overs, for the export of own data (P8). Three statements."""
    said = remarks.about(MACHINE.name, case_ids)
    passed = select(Handover.id, Handover.case_id).where(Handover.case_id.in_(case_ids))
    of_case = {row.id: row.case_id for row in db.session.execute(passed.order_by(Handover.id))}
    for handover, words in remarks.about(HANDOVER.name, of_case).items():
        said.setdefault(of_case[handover], []).extend(words)
    return said
