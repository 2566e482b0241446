"""A request that A1 has accepted, a team that could go, and an order to one of its members."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any

import pytest

from portal.core import clock, scope
from portal.core.db import db, writing
from portal.help_requests.models import HelpOrder, HelpRequest
from portal.help_requests.orders import actions, queries
from portal.help_requests.orders.actions import Wish
from portal.teams.models import Team
from tests.factories import NOW, Town
from tests.help_requests.conftest import filed  # noqa: F401  # a fixture
from tests.teams.conftest import TODAY, by_name, member, shift

START = clock.at(TODAY + timedelta(days=1), time(14))
END = START + timedelta(hours=2)
Ordered = Callable[..., HelpOrder]


@pytest.fixture
def team(session: Any, town: Town) -> Team:
    """A captain and a contact person with accounts, a resident, one known by number and one by name only; on duty
    tomorrow afternoon, all but the last."""
    row = Team(centre_id=town.centres["A1"].id, name="甲一服务队", created_at=NOW)
    session.add(row)
    session.flush()
    people = [
        member(row, "队长", role="captain", staff_id=town.staff["A1"].id),
        member(row, "联络", role="contact", staff_id=town.staff["A1-OP"].id),
        member(row, "居民甲", resident_id=town.residents[3].id),
        member(row, "有号码", phone="13911112222"),
        member(row, "只有名"),
    ]
    session.flush()
    for slot, who in enumerate(people[:-1], 1):
        shift(row, 1, "pm", who, slot=slot)
    session.commit()
    return row


@pytest.fixture
def ordered(session: Any, town: Town, team: Team, filed: Callable[..., HelpRequest]) -> Ordered:  # noqa: F811
    """`ordered(name='居民甲', way=(), kind='agency')`: a request given to somebody and carried so far."""

    def make(name: str = "居民甲", *way: str, kind: str = "agency", number: int = 0, now: datetime = NOW) -> HelpOrder:
        row = filed("accepted", kind=kind, number=number)
        with writing():
            why = "" if name != "只有名" else "他认识老人"
            wish = Wish(by_name(team, name).id, START, END, why)
            order = actions.assign(town.actor("A1"), row.id, wish, now)
            for step in way:
                carry(order, step, now)
        return order

    return make


def carry(order: HelpOrder, step: str, now: datetime = NOW) -> None:
    """One step as the member takes it."""
    if step in ("yes", "no"):
        actions.answer(order, step == "yes", "要上班", now)
    elif step == "finish":
        actions.finish(order, "药放在桌上了", now)
    else:
        {"go": actions.go, "arrive": actions.arrive, "well": actions.all_well}[step](order, now)


def again(order: HelpOrder) -> HelpOrder:
    """As it is now."""
    db.session.rollback()
    db.session.expire_all()
    with scope.system("tests"):
        found = queries.order(order.id)
    assert found is not None
    return found
