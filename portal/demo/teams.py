"""Two service teams with a lively roster: who is on duty, a gap, a shift that somebody wants to swap (SPEC H7)."""

from datetime import timedelta

from sqlalchemy import select

from portal.core import clock, scope
from portal.core.access import Actor
from portal.core.db import db, writing
from portal.core.errors import DomainError
from portal.demo import residents
from portal.demo.stage import Stage
from portal.people.models import Resident
from portal.teams import members, queries, roster
from portal.teams.members import MemberValues
from portal.teams.models import FILLED, Shift, TeamMember

# Communities of the demo's tree: the one of the demo's first residents, and one by the sea.
TEAMS = (("kuichong", "葵涌社区综合服务队", 12), ("pengcheng", "鹏城社区综合服务队", 7))
KINDS = ("organiser", "assistant", "social", "party", "party", "volunteer")
SKILLS = (
    ("errand", "drive"), ("errand", "care"), ("care", "talk"), ("errand",), ("repair", "drive"), ("errand", "phone"),
    ("care", "first_aid"), ("law", "talk"),
)  # fmt: skip
ROLES = {0: "captain", 1: "contact", 2: "leader", 3: "leader"}
# Two by day, one in the evening of working days, a leader on the two days that most people come.
WEEK = {(day, part, ""): 2 if day < 5 else 1 for day in range(7) for part in ("am", "pm")}
WEEK |= {(day, "evening", ""): 1 for day in range(5)} | {(day, "am", "leader"): 1 for day in (0, 3)}


def build(stage: Stage) -> int:
    """Both teams, last week's roster and four weeks ahead; returns how many serve."""
    count = 0
    for number, (username, name, size) in enumerate(TEAMS):
        boss = stage.staff[username]
        with writing(), scope.system("demo"):
            team_id = _team(stage, boss, name, size, number)
        with writing(), scope.system("demo"):
            then = stage.now - timedelta(days=8)
            roster.fill(boss, team_id, clock.today(then), 31, then)
        with writing(), scope.system("demo"):
            _stories(stage, boss, team_id)
        count += size
    return count


def _team(stage: Stage, boss: Actor, name: str, size: int, number: int) -> int:
    then = stage.now - timedelta(days=40)
    centre = stage.centre(stage.code_of(boss.centre_id or 0))
    team = members.open_team(boss, centre, name, then)
    roster.set_pattern(boss, team.id, WEEK, then)
    people = list(db.session.scalars(select(Resident).order_by(Resident.id).offset(8 + 40 * number).limit(size)))
    for i in range(size):
        role, account = ROLES.get(i, "member"), boss.id if i == 0 else None
        person = people[i]
        values = MemberValues(
            boss.name if i == 0 else person.name if i > 1 else residents.name(300 + number), _phone(person, i),
            role, KINDS[i % len(KINDS)], SKILLS[i % len(SKILLS)], account, clock.today(then),
        )  # fmt: skip
        members.join(boss, team.id, values, then)
    return team.id


def _phone(person: Resident, number: int) -> str:
    """Members are residents who sign in with their number; some are known by name only: the paper order is theirs."""
    return (person.phone or "") if number > 1 and number % 4 != 3 else ""


def _stories(stage: Stage, boss: Actor, team_id: int) -> None:
    """A gap in five days, one who leaves soon, one who wants to swap."""
    today = clock.today(stage.now)
    rows = [s for s in queries.shifts(team_id, today + timedelta(days=2), 5) if s.status == FILLED]
    gap = next(s for s in reversed(rows) if s.part == "pm")
    roster.set_cells(boss, team_id, {gap.id: None}, stage.now)
    last = db.session.scalars(select(TeamMember).where(TeamMember.team_id == team_id).order_by(TeamMember.id)).all()[-1]
    members.leave(boss, last.id, today + timedelta(days=16), stage.now)
    for shift in rows:
        if _offered(stage, shift):
            return


def _offered(stage: Stage, shift: Shift) -> bool:
    person = db.session.scalar(select(Resident).where(Resident.phone == shift.member.phone)) if shift.member else None
    if person is None:
        return False
    try:
        roster.offer(Actor("resident", person.id, person.name), shift.id, stage.now)
    except DomainError:
        return False
    return True
