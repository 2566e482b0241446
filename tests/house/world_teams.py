"""A team of A1 with the first resident in it, a shift of his, and an order to him; for `world.build`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from portal.core import clock
from portal.core.db import db
from portal.help_requests import actions, reviewing
from portal.help_requests.actions import Asked
from portal.help_requests.orders import actions as orders
from portal.help_requests.orders.actions import Wish
from portal.teams.models import Shift, Team, TeamMember
from tests.factories import NOW, Town


def ids(town: Town, secret: str) -> dict[str, Any]:
    """URL argument -> its value."""
    a1, person, today = town.centres["A1"], town.residents[0], clock.today(NOW)
    team = Team(centre_id=a1.id, name=secret, created_at=NOW)
    db.session.add(team)
    db.session.flush()
    of = {"team_id": team.id, "centre_id": a1.id}
    member = TeamMember(
        **of, name=secret[:6], phone="19900000777", kind="volunteer", skills=["errand"], since=today, created_at=NOW,
        resident_id=person.id,
    )  # fmt: skip
    db.session.add(member)
    db.session.flush()
    shift = Shift(**of, day=today + timedelta(days=2), part="am", member_id=member.id, status="filled")
    db.session.add(shift)
    db.session.flush()
    return {"team_id": team.id, "member_id": member.id, "shift_id": shift.id, "step": "go", **_order(town, member)}


def _order(town: Town, member: TeamMember) -> dict[str, Any]:
    """What the first resident asked for and A1 has accepted and given to the member."""
    row = actions.ask_for_help(town.resident_actor(0), Asked("errand", "买米"), None, NOW)
    reviewing.dispatch(town.actor("A"), row.id, row.centre_id, NOW)
    reviewing.accept(town.actor("A1"), row.id, NOW)
    start = clock.at(clock.today(NOW) + timedelta(days=2), clock.local(NOW).time())
    wish = Wish(member.id, start, start + timedelta(hours=1), "指定")
    order = orders.assign(town.actor("A1"), row.id, wish, NOW)
    return {"order_id": order.id, "paper_token": order.token, "visit_token": order.visit.token if order.visit else ""}
