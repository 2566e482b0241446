"""Reads of teams, members and rosters. Numbers of members are read by staff of the team's centre and above alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import joinedload

from portal.centres import profile
from portal.centres.models import Centre
from portal.core import clock, scope
from portal.core.access import Actor
from portal.core.db import db
from portal.people import queries as people
from portal.people.models import StaffAccount
from portal.teams import rules
from portal.teams.models import OPEN, Shift, ShiftPattern, Team, TeamMember

PAGE = 40


@cache
def _policy(code: str) -> rules.Policy:
    return rules.policy(profile.load(code).teams)


def policy() -> rules.Policy:
    """Parts of a day, kinds, skills and rest of this deployment."""
    return _policy(profile.current().code)


def serving(day: date) -> ColumnElement[bool]:
    """TeamMember.serves in SQL."""
    return and_(TeamMember.since <= day, or_(TeamMember.until.is_(None), TeamMember.until > day))


# Staff ----------------------------------------------------------------------------------------------------------------


def team(team_id: int) -> Team | None:
    """A team of one's own subtree, with its centre; None for every other."""
    return db.session.scalars(select(Team).where(Team.id == team_id).options(joinedload(Team.centre))).one_or_none()


def member(member_id: int) -> TeamMember | None:
    """A member of a team of one's own subtree."""
    wanted = select(TeamMember).where(TeamMember.id == member_id)
    return db.session.scalars(wanted.options(joinedload(TeamMember.team).joinedload(Team.centre))).one_or_none()


@dataclass(frozen=True, slots=True)
class TeamLine:
    """A team in the list: how many serve, how many shifts of the next 7 days are open and planned."""

    team: Team
    members: int
    open: int
    planned: int


def teams(now: datetime, page: int = 1) -> tuple[list[TeamLine], bool]:
    """The teams of one's subtree in the order of the tree, a page of them; whether there are more. One statement."""
    today = clock.today(now)
    count = select(func.count()).where(TeamMember.team_id == Team.id, serving(today)).scalar_subquery()
    week = [Shift.team_id == Team.id, Shift.day >= today, Shift.day < today + rules.AHEAD]
    planned = select(func.count()).select_from(Shift).where(*week).scalar_subquery()
    missing = select(func.count()).select_from(Shift).where(*week, Shift.status == OPEN).scalar_subquery()
    wanted = select(Team, count, missing, planned).join(Centre, Centre.id == Team.centre_id)
    wanted = wanted.options(joinedload(Team.centre)).order_by(Centre.path, Team.id)
    rows = db.session.execute(wanted.offset((page - 1) * PAGE).limit(PAGE + 1)).all()
    return [TeamLine(*row) for row in rows[:PAGE]], len(rows) > PAGE


def members(team_id: int) -> list[TeamMember]:
    """Everybody who serves or served: those who serve first, by role. One statement."""
    ranks = case({role: number for number, role in enumerate(rules.ROLE_LABELS)}, value=TeamMember.role, else_=9)
    wanted = select(TeamMember).where(TeamMember.team_id == team_id).options(joinedload(TeamMember.staff))
    return list(db.session.scalars(wanted.order_by(TeamMember.until.is_not(None), ranks, TeamMember.id)))


def accounts(centre_id: int) -> list[tuple[str, str]]:
    """(id, name) of the centre's active accounts, to be linked with a member."""
    wanted = select(StaffAccount.id, StaffAccount.name, StaffAccount.username).where(
        StaffAccount.centre_id == centre_id, StaffAccount.disabled_at.is_(None), StaffAccount.department_id.is_(None)
    )
    return [(str(r.id), f"{r.name}（{r.username}）") for r in db.session.execute(wanted.order_by(StaffAccount.id))]


def pattern(team_id: int) -> list[ShiftPattern]:
    """What a week needs. One statement."""
    wanted = select(ShiftPattern).where(ShiftPattern.team_id == team_id)
    return list(db.session.scalars(wanted.order_by(ShiftPattern.weekday, ShiftPattern.id)))


def shifts(team_id: int, first: date, days: int) -> list[Shift]:
    """The roster of [first, first + days), each with its member. One statement."""
    wanted = select(Shift).where(Shift.team_id == team_id, Shift.day >= first, Shift.day < first + timedelta(days=days))
    wanted = wanted.options(joinedload(Shift.member))
    return list(db.session.scalars(wanted.order_by(Shift.day, Shift.part, Shift.role.desc(), Shift.slot)))


@dataclass(frozen=True, slots=True)
class Grid:
    """A roster as a table: a day a row, a part a column. filled, needed: of what is still to come or of all."""

    days: tuple[date, ...]
    cells: dict[tuple[date, str], list[Shift]]
    filled: int
    needed: int
    load: dict[int, int]

    @property
    def coverage(self) -> int:
        return rules.coverage(self.filled, self.needed)


def grid(team_id: int, first: date, days: int) -> Grid:
    """One statement."""
    cells: dict[tuple[date, str], list[Shift]] = {}
    load: dict[int, int] = {}
    rows = shifts(team_id, first, days)
    for row in rows:
        cells.setdefault((row.day, row.part), []).append(row)
        if row.member_id is not None:
            load[row.member_id] = load.get(row.member_id, 0) + 1
    every = tuple(first + timedelta(days=n) for n in range(days))
    return Grid(every, cells, sum(r.member_id is not None for r in rows), len(rows), load)


# The member -----------------------------------------------------------------------------------------------------------


def own(actor: Actor) -> ColumnElement[bool]:
    """Which members are this account: linked, or by the number that a resident proved at signing in."""
    if actor.kind == "staff":
        return TeamMember.staff_id == actor.id
    person = people.resident(actor.id) if actor.kind == "resident" and actor.id is not None else None
    linked = TeamMember.resident_id == (person.id if person else -1)
    if person is None or not person.phone:
        return linked
    unlinked = and_(TeamMember.resident_id.is_(None), TeamMember.staff_id.is_(None), TeamMember.phone == person.phone)
    return or_(linked, unlinked)


def own_members(actor: Actor, now: datetime) -> list[TeamMember]:
    """In which teams somebody serves today or will; for the page /m. Two statements."""
    today = clock.today(now)
    wanted = select(TeamMember).where(own(actor), or_(TeamMember.until.is_(None), TeamMember.until > today))
    with scope.system("one's own places in teams"):
        return list(db.session.scalars(wanted.options(joinedload(TeamMember.team).joinedload(Team.centre))))


def own_shifts(member_ids: Sequence[int], today: date, days: int = 31) -> list[Shift]:
    """One's own shifts from today on. One statement."""
    with scope.system("one's own shifts"):
        wanted = select(Shift).where(Shift.member_id.in_(member_ids), Shift.day >= today - timedelta(days=1))
        wanted = wanted.where(Shift.day < today + timedelta(days=days)).options(joinedload(Shift.team))
        return list(db.session.scalars(wanted.order_by(Shift.day, Shift.id)))


def offered_shifts(team_ids: Sequence[int], but: Sequence[int], today: date) -> list[Shift]:
    """Shifts that colleagues of these teams offer. One statement."""
    with scope.system("shifts that colleagues offer"):
        wanted = select(Shift).where(Shift.team_id.in_(team_ids), Shift.status == "offered", Shift.day >= today)
        wanted = wanted.where(Shift.member_id.not_in(but)).options(joinedload(Shift.team), joinedload(Shift.member))
        return list(db.session.scalars(wanted.order_by(Shift.day, Shift.id)))


# For gaps and messages ------------------------------------------------------------------------------------------------


def told_of(team_id: int, role: str, today: date) -> list[TeamMember]:
    """Who has this role in the team now. One statement."""
    wanted = select(TeamMember).where(TeamMember.team_id == team_id, TeamMember.role == role, serving(today))
    return list(db.session.scalars(wanted.order_by(TeamMember.id)))


def personal(resident_id: int) -> list[dict[str, Any]]:
    """What is kept of a resident as a member: teams, what was written, shifts."""
    with scope.system("export of own data"):
        wanted = select(TeamMember).where(own(Actor("resident", resident_id, ""))).options(joinedload(TeamMember.team))
        found = []
        for row in db.session.scalars(wanted.order_by(TeamMember.id)):
            days = select(Shift.day, Shift.part).where(Shift.member_id == row.id).order_by(Shift.day, Shift.id)
            parts = {part.code: part.label for part in policy().parts}
            found.append({
                "服务队": row.team.name, "姓名": row.name, "电话": row.phone, "角色": rules.ROLE_LABELS[row.role],
                "身份": policy().kinds.get(row.kind, row.kind), "技能": [policy().skills.get(s, s) for s in row.skills],
                "入队": row.since.isoformat(), "离队": row.until.isoformat() if row.until else None,
                "日历地址": bool(row.code),
                "值班": [f"{r.day.isoformat()} {parts.get(r.part, r.part)}" for r in db.session.execute(days)],
            })  # fmt: skip
        return found
