"""Teams and their members: made, changed, left (SPEC H7). Flush only, never commit."""

import secrets
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import or_, select, update

from portal.cases.ladder import at_or_above
from portal.centres.models import Centre
from portal.core import audit, clock, outbox, registry, scope, states
from portal.core.access import Actor, Permission, system_actor
from portal.core.db import db, hit
from portal.core.errors import NotAllowed
from portal.people import queries as people
from portal.people.models import StaffAccount
from portal.teams import queries
from portal.teams.errors import AccountTaken, BadChoice, LeftBeforeJoining, NoSuchMember, NoSuchTeam
from portal.teams.models import Shift, Team, TeamMember
from portal.teams.rules import ROLE_LABELS
from portal.teams.states import MACHINE

GONE = "已注销队员"
registry.audit_word(team="服务队", team_member="队员", shift="值班", join="入队", leave="离队")


@dataclass(frozen=True, slots=True)
class MemberValues:
    """What a form says of a member. phone: 11 digits or ''."""

    name: str
    phone: str
    role: str
    kind: str
    skills: tuple[str, ...]
    staff_id: int | None
    since: date


def lock(team_id: int) -> Team:
    """The team's row, locked: rosters of one team are written one after the other. Raises NoSuchTeam."""
    statement = select(Team).where(Team.id == team_id).with_for_update()
    found = db.session.scalars(statement.execution_options(populate_existing=True)).one_or_none()
    if found is None:
        raise NoSuchTeam()
    return found


def check(actor: Actor, centre: Centre | None) -> None:
    """Raises NotAllowed for whoever does not keep this centre's teams: its own people and those above."""
    if not actor.can(Permission.TEAMS) or not at_or_above(actor, centre):
        raise NotAllowed()


def open_team(actor: Actor, centre: Centre, name: str, now: datetime) -> Team:
    """A new team. Raises NotAllowed, TeamNameTaken (by its constraint)."""
    check(actor, centre)
    team = Team(centre_id=centre.id, name=name[:40], created_at=now)
    db.session.add(team)
    db.session.flush()
    audit.record(actor, "create", "team", team.id, now, summary=team.name, **_where(centre))
    return team


def _where(centre: Centre) -> dict[str, Any]:
    return {"centre_id": centre.id, "centre_path": centre.path}


def join(actor: Actor, team_id: int, values: MemberValues, now: datetime) -> TeamMember:
    """A new member. Raises NoSuchTeam, NotAllowed, BadChoice, AccountTaken. Lock: the team's row."""
    team = lock(team_id)
    check(actor, team.centre)
    _check_values(team, values, None)
    row = TeamMember(team_id=team.id, centre_id=team.centre_id, created_at=now, **_columns(values))
    db.session.add(row)
    db.session.flush()
    # The line stays for ever, so no name is in it.
    audit.record(actor, "join", "team_member", row.id, now, summary=team.name, **_where(team.centre))
    return row


def _columns(values: MemberValues) -> dict[str, Any]:
    return {
        "name": values.name[:40], "phone": values.phone, "role": values.role, "kind": values.kind,
        "skills": list(values.skills), "staff_id": values.staff_id, "since": values.since,
    }  # fmt: skip


def _check_values(team: Team, values: MemberValues, own: int | None) -> None:
    p = queries.policy()
    if values.role not in ROLE_LABELS or values.kind not in p.kinds or not set(values.skills) <= p.skills.keys():
        raise BadChoice()
    if values.staff_id is None:
        return
    account = db.session.get(StaffAccount, values.staff_id)
    if account is None or account.centre_id != team.centre_id or account.disabled_at is not None:
        raise BadChoice(field="staff_id")
    taken = select(TeamMember.id).where(
        TeamMember.team_id == team.id, TeamMember.staff_id == values.staff_id, TeamMember.until.is_(None)
    )
    if own is not None:
        taken = taken.where(TeamMember.id != own)
    if db.session.scalar(taken.limit(1)) is not None:
        raise AccountTaken()


def edit(actor: Actor, member_id: int, values: MemberValues, now: datetime) -> TeamMember:
    """Change what is known of a member. Raises NoSuchMember, NotAllowed, BadChoice, AccountTaken, LeftBeforeJoining."""
    row = _found(member_id)
    team = lock(row.team_id)
    check(actor, team.centre)
    _check_values(team, values, row.id)
    if row.until is not None and row.until < values.since:
        raise LeftBeforeJoining(field="since")
    if values.staff_id is not None:
        row.resident_id = None
    for key, value in _columns(values).items():
        setattr(row, key, value)
    db.session.flush()
    audit.record(actor, "edit", "team_member", row.id, now, summary=team.name, **_where(team.centre))
    return row


def _found(member_id: int) -> TeamMember:
    return queries.member(member_id) or _none()


def _none() -> TeamMember:
    raise NoSuchMember()


def leave(actor: Actor, member_id: int, until: date, now: datetime) -> int:
    """He serves until the day before `until`; shifts from then on are open again, and the contact person hears of it.

    Returns how many shifts became open. Raises NoSuchMember, NotAllowed, LeftBeforeJoining. Lock: the team's row.
    """
    row = _found(member_id)
    team = lock(row.team_id)
    check(actor, team.centre)
    if until < row.since:
        raise LeftBeforeJoining()
    row.until = until
    db.session.flush()
    freed = free_from(row, until, now)
    audit.record(actor, "leave", "team_member", row.id, now, summary=team.name, after={"freed": freed},
                 **_where(team.centre))  # fmt: skip
    return freed


def come_back(actor: Actor, member_id: int, now: datetime) -> None:
    """Somebody who has left, or was about to, stays. Raises NoSuchMember, NotAllowed, BadChoice, AccountTaken."""
    row = _found(member_id)
    team = lock(row.team_id)
    check(actor, team.centre)
    if row.staff_id is not None:
        _check_values(team, MemberValues(row.name, row.phone, row.role, row.kind, (), row.staff_id, row.since), row.id)
    row.until = None
    db.session.flush()
    audit.record(actor, "join", "team_member", row.id, now, summary=team.name, **_where(team.centre))


def free_from(row: TeamMember, first: date, now: datetime) -> int:
    """The member's shifts from `first` on, that have not begun, are open again; told once. Under the team's lock."""
    wanted = select(Shift).where(Shift.member_id == row.id, Shift.day >= first)
    p = queries.policy()
    held = [s for s in db.session.scalars(wanted.order_by(Shift.id)) if p.part(s.part).span(s.day)[0] > now]
    if held:
        states.fire_many(
            MACHINE,
            held,
            "free",
            system_actor(),
            now,
            values={"member_id": None, "told": 0},
            details={"member": row.id},
        )
        key = f"{row.id}:{first.isoformat()}:{held[-1].id}"
        said = {"team_id": row.team_id, "count": len(held), "first": first.isoformat(), "key": key}
        outbox.put("teams.left", key, said, now)
    return len(held)


def link(actor: Actor, now: datetime) -> list[TeamMember]:
    """Before somebody acts on /m: places known by the number alone get the account that has proved it."""
    found = queries.own_members(actor, now)
    for row in found:
        if actor.kind == "resident" and row.resident_id is None and row.staff_id is None:
            row.resident_id = actor.id
    db.session.flush()
    return found


def calendar(actor: Actor, now: datetime) -> None:
    """A new secret address for the calendar of one's shifts, in place of an older one."""
    for row in link(actor, now):
        row.code = secrets.token_hex(8)
    db.session.flush()


# Who goes -------------------------------------------------------------------------------------------------------------


@registry.on_staffing
def follow_accounts(now: datetime) -> None:
    """Members whose account was disabled or moved to another centre leave, and their shifts are open again."""
    gone = or_(StaffAccount.disabled_at.is_not(None), StaffAccount.centre_id != TeamMember.centre_id)
    today = clock.today(now)
    still = or_(TeamMember.until.is_(None), TeamMember.until > today)
    rows = db.session.scalars(
        select(TeamMember).join(StaffAccount, StaffAccount.id == TeamMember.staff_id).where(gone, still)
    )
    for row in list(rows):
        _end(row, now)


def _end(row: TeamMember, now: datetime) -> None:
    lock(row.team_id)
    row.until = max(row.since, clock.today(now))
    db.session.flush()
    free_from(row, row.until, now)


@registry.on_locked_out
def forget_addresses(resident_id: int | None) -> None:
    """A telephone is lost: the calendar's address, which may be in it, ends."""
    wanted = update(TeamMember).values(code=None)
    with scope.system("addresses that open a calendar end"):
        mine = TeamMember.resident_id == resident_id
        hit(wanted.where(mine) if resident_id is not None else wanted, synchronize_session=False)


@registry.erase
def erase(resident_id: int, now: datetime) -> None:
    """Somebody leaves the portal: he leaves the teams too, future shifts are open, name and number go."""
    with scope.system("a person erases their data"):
        person = people.resident(resident_id)
        mine = TeamMember.resident_id == resident_id
        if person is not None and person.phone:
            mine = or_(mine, (TeamMember.phone == person.phone) & TeamMember.staff_id.is_(None))
        for row in list(db.session.scalars(select(TeamMember).where(mine))):
            if row.until is None or row.until > clock.today(now):
                _end(row, now)
            row.name, row.phone, row.resident_id, row.code, row.skills = GONE, "", None, None, []
        db.session.flush()


@registry.personal
def personal(resident_id: int) -> dict[str, Any]:
    """This feature's part of the export of own data."""
    return {"服务队": queries.personal(resident_id)}


def note_look(actor: Actor, row: TeamMember, now: datetime) -> None:
    """Who read a member's number in full is recorded (P8)."""
    audit.record(
        actor, "unmask", "team_member", row.id, now, summary=f"电话 {row.team.name}", centre_id=row.centre_id,
        centre_path=row.team.centre.path,
    )  # fmt: skip
