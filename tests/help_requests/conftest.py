"""Help requests of the fixed town: filed by a resident of A1, reviewed by A, done by A1."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from portal.core import outbox, scope
from portal.core.access import Actor
from portal.core.db import db
from portal.help_requests import actions, queries, reviewing
from portal.help_requests.actions import Asked
from portal.help_requests.models import HelpRequest
from tests.factories import NOW, Town

Filed = Callable[..., HelpRequest]
PLACE = "金丝雀花园12栋345房"  # stands nowhere before somebody has accepted
WORDS = "帮妈妈取降压药"


@pytest.fixture
def filed(session: Any, town: Town) -> Filed:
    """`filed(status='received', kind='agency', number=0)`: a request of a resident of A1, walked to a status."""

    def make(
        status: str = "received", kind: str = "agency", number: int = 0, now: datetime = NOW, **values: Any
    ) -> HelpRequest:
        session.rollback()
        actor = town.resident_actor(number)
        asked = Asked(**({"kind": kind, "words": WORDS, "place": PLACE} | values))
        row = actions.ask_for_help(actor, asked, None, now)
        walk(town, row, status, now, number)
        session.commit()
        return row

    return make


def walk(town: Town, row: HelpRequest, status: str, now: datetime = NOW, number: int = 0) -> None:
    """Take a received request the usual way to `status`."""
    a, a1, own = town.actor("A"), town.actor("A1"), town.resident_actor(number)
    if status == "asking":
        reviewing.ask(a, row.id, "哪天方便？", now)
    elif status == "refused":
        reviewing.refuse(a, row.id, "不在服务范围内", ("phone", "12345"), now)
    elif status == "withdrawn":
        actions.withdraw(own, row.id, now)
    elif status != "received":
        reviewing.dispatch(a, row.id, town.centres["A1"].id, now)
        steps: list[tuple[str, Callable[[], Any]]] = [
            ("dispatched", lambda: None), ("accepted", lambda: reviewing.accept(a1, row.id, now)),
            ("assigned", lambda: reviewing.states.fire(reviewing.MACHINE, row, "assign", a1, now)),
            ("going", lambda: reviewing.move(a1, row.id, "go", now)),
            ("there", lambda: reviewing.move(a1, row.id, "arrive", now)),
            ("done", lambda: reviewing.finish(a1, row.id, "已送到", now)),
            ("confirmed", lambda: actions.confirm(own, row.id, 5, now)),
        ]  # fmt: skip
        for name, step in steps:
            step()
            if name == status:
                break


def deliver(now: datetime = NOW) -> int:
    """Carry out what the outbox holds."""
    db.session.rollback()
    with scope.system("tests"):
        return outbox.run_due(now)


def fresh(row_id: int) -> HelpRequest:
    """As it is now."""
    db.session.rollback()
    db.session.expire_all()
    found = queries.request(row_id)
    assert found is not None
    return found


__all__ = ["Actor", "Filed"]
