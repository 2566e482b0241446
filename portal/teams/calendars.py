"""The calendar of a member's shifts, by a secret address: a calendar program signs in nowhere (SPEC H7)."""

import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from portal.core import clock, ical, scope, sealed
from portal.core.db import db
from portal.core.ical import Dated
from portal.teams import queries
from portal.teams.models import Shift, Team, TeamMember

PURPOSE = "shift calendar"
MARK = 32  # hex digits of the address that only we can make


def address(member: TeamMember) -> str:
    """The path of a member's calendar; '' when he has asked for none."""
    return f"/m/calendar/{member.code}{_mark(member.code)}.ics" if member.code else ""


def _mark(code: str) -> str:
    return sealed.mark(code, PURPOSE)[:MARK]


def whose(key: str, now: datetime) -> TeamMember | None:
    """The member whose calendar has this address; None for one not given, ended, or of somebody who has left."""
    code, mark = key[:-MARK], key[-MARK:]
    if not code or not key.isascii() or not hmac.compare_digest(mark, _mark(code)):
        return None
    with scope.system("a calendar by its secret address"):
        wanted = select(TeamMember).where(TeamMember.code == code, queries.serving(clock.today(now)))
        return db.session.scalars(wanted.options(joinedload(TeamMember.team).joinedload(Team.centre))).one_or_none()


def book(member: TeamMember, now: datetime) -> bytes:
    """His shifts from a week ago on."""
    first = clock.today(now) - timedelta(days=7)
    with scope.system("a calendar by its secret address"):
        wanted = select(Shift).where(Shift.member_id == member.id, Shift.day >= first).order_by(Shift.day, Shift.id)
        dated = _dated(list(db.session.scalars(wanted)), member)
    return ical.book(f"{member.team.name}值班", dated, clock.at(clock.today(now), datetime.min.time()))


def _dated(shifts: Sequence[Shift], member: TeamMember) -> list[Dated]:
    p = queries.policy()
    return [
        Dated(
            f"shift-{s.id}-{member.id}", 0, *p.part(s.part).span(s.day), f"{member.team.name}值班",
            member.team.centre.name, "/m",
        )
        for s in shifts
    ]  # fmt: skip
