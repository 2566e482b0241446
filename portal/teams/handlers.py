"""What the outbox carries out for teams: every message (SPEC M1, H7). A handler may be repeated; keys tell once."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from portal.core import clock, outbox
from portal.core.db import db
from portal.core.states import StateHistory
from portal.teams import notices, queries, rules
from portal.teams.models import CAPTAIN, CONTACT, OFFERED, OPEN, Shift, Team, TeamMember
from portal.teams.telling import tell, tell_or_centre


def roster_link(team_id: int) -> str:
    return f"/staff/teams/{team_id}/roster"


@outbox.handler("teams.gap")
def on_gap(payload: dict[str, Any], now: datetime) -> None:
    """Those that are still open: step 1 to the contact person, 2 to the captain."""
    wanted = select(Shift).where(Shift.id.in_(payload["ids"]), Shift.status == OPEN)
    wanted = wanted.options(joinedload(Shift.team).joinedload(Team.centre)).order_by(Shift.day, Shift.id)
    found = list(db.session.scalars(wanted))
    if not found:
        return
    team = found[0].team
    role, wording = (CONTACT, notices.gaps) if payload["step"] == 1 else (CAPTAIN, notices.last_call)
    people = queries.told_of(team.id, role, clock.today(now))
    key = f"gap:{payload['step']}:{team.id}:{payload['ids'][0]}:{payload['line']}"
    tell_or_centre(people, team.centre, wording(team.name, found), roster_link(team.id), key, now)


@outbox.handler("teams.offered")
def on_offered(payload: dict[str, Any], now: datetime) -> None:
    """Colleagues who could take it."""
    shift = _shift(payload["id"])
    if shift is None or shift.status != OFFERED or shift.member is None:
        return
    wanted = select(TeamMember).where(
        TeamMember.team_id == shift.team_id, queries.serving(shift.day), TeamMember.id != shift.member_id
    )
    able = [m for m in db.session.scalars(wanted) if rules.fits(shift.role, m.role)]
    key = f"shift:{shift.id}:offered:{payload['history_id']}"
    tell(able, notices.offered(shift, shift.member), "/m", key, now)


@outbox.handler("teams.swapped")
def on_swapped(payload: dict[str, Any], now: datetime) -> None:
    """The captain sees it, and whoever had the shift."""
    shift, line = _shift(payload["id"]), db.session.get(StateHistory, payload["history_id"])
    details = (line.details if line is not None else None) or {}
    by, before = (db.session.get(TeamMember, details.get(key) or 0) for key in ("member", "before"))
    if shift is None or by is None or before is None:
        return
    people = {m.id: m for m in [*queries.told_of(shift.team_id, CAPTAIN, clock.today(now)), before] if m.id != by.id}
    key = f"shift:{shift.id}:swapped:{payload['history_id']}"
    tell(people.values(), notices.swapped(shift, by, before), roster_link(shift.team_id), key, now)


def _shift(shift_id: int) -> Shift | None:
    wanted = select(Shift).where(Shift.id == shift_id).options(joinedload(Shift.team), joinedload(Shift.member))
    return db.session.scalars(wanted).one_or_none()


@outbox.handler("teams.left")
def on_left(payload: dict[str, Any], now: datetime) -> None:
    """The contact person: whose shifts are open again."""
    team = db.session.get(Team, payload["team_id"])
    if team is None:
        return
    first = clock.day(date.fromisoformat(payload["first"]))
    words = notices.left(team.name, payload["count"], first)
    people = queries.told_of(team.id, CONTACT, clock.today(now))
    tell_or_centre(people, team.centre, words, roster_link(team.id), f"left:{payload['key']}", now)
