"""A team of the fixed town's community A1."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from portal.core import clock, outbox
from portal.core.db import db
from portal.teams.models import Shift, Team, TeamMember
from tests.factories import NOW, Town

TODAY = clock.today(NOW)
MakeTeam = Callable[..., Team]


def member(team: Team, name: str, **values: Any) -> TeamMember:
    """Somebody who has served for a month."""
    said = {"role": "member", "kind": "volunteer", "skills": ["errand"], "since": TODAY - timedelta(days=30)}
    row = TeamMember(team_id=team.id, centre_id=team.centre_id, name=name, created_at=NOW, **(said | values))
    db.session.add(row)
    return row


def shift(team: Team, days: int, part: str = "am", who: TeamMember | None = None, **values: Any) -> Shift:
    """A place in the roster, so many days from today."""
    status = "filled" if who is not None else "open"
    row = Shift(
        team_id=team.id, centre_id=team.centre_id, day=TODAY + timedelta(days=days), part=part,
        member_id=who.id if who else None, **({"status": status} | values),
    )  # fmt: skip
    db.session.add(row)
    db.session.flush()
    return row


@pytest.fixture
def team(session: Any, town: Town) -> Team:
    """Twelve people: a captain and a contact person with accounts, two leaders, two who are residents."""
    a1 = town.centres["A1"]
    row = Team(centre_id=a1.id, name="甲一服务队", created_at=NOW)
    session.add(row)
    session.flush()
    member(row, "队长", role="captain", kind="assistant", staff_id=town.staff["A1"].id)
    member(row, "联络", role="contact", kind="social", staff_id=town.staff["A1-OP"].id)
    member(row, "分队长甲", role="leader")
    member(row, "分队长乙", role="leader")
    member(row, "居民甲", resident_id=town.residents[0].id, phone="13800000001")
    member(row, "居民乙", resident_id=town.residents[1].id)
    for number in range(6):
        member(row, f"队员{number}", skills=["care"])
    session.commit()
    return row


def by_name(team: Team, name: str) -> TeamMember:
    return next(m for m in team.members if m.name == name)


def deliver() -> int:
    """Carry out what the outbox holds."""
    db.session.rollback()
    return outbox.run_due(NOW)
