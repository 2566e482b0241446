"""The machine of a request: every status, step and kind of person; two at once; who was first (SPEC H2, P6)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask

from portal.core import scope, states
from portal.core.access import Actor, system_actor
from portal.core.db import db, writing
from portal.core.errors import DomainError
from portal.core.states import NoSuchTransition
from portal.help_requests import reviewing
from portal.help_requests.errors import AdviceMissing, TakenAlready
from portal.help_requests.models import HelpRequest
from portal.help_requests.states import LABELS, MACHINE, RESIDENT_LABELS, TONES
from tests.factories import NOW, Town
from tests.help_requests.conftest import Filed, fresh

# Who may fire a step where the request stands as `conftest.walk` leaves it: A reviews, A1 does it, 0 asked, S the system.
BY = {
    "received": {"A": "ask refuse refer dispatch take", "0": "withdraw", "D": "ask refuse refer dispatch take"},
    "asking": {
        "A": "answer refuse refer dispatch take", "0": "answer withdraw", "D": "answer refuse refer dispatch take",
    },
    "refused": {"0": "appeal"},
    "dispatched": {"A1": "accept decline", "A": "accept decline", "D": "accept decline", "0": "withdraw"},
    "accepted": {
        "A1": "hand_back assign go finish", "A": "hand_back assign go finish", "D": "hand_back assign go finish",
        "0": "withdraw",
    },
    "assigned": {"A1": "unassign go finish", "A": "unassign go finish", "D": "unassign go finish", "0": "withdraw"},
    "going": {"A1": "unassign arrive finish", "A": "unassign arrive finish", "D": "unassign arrive finish", "0": "withdraw"},
    "there": {"A1": "finish", "A": "finish", "D": "finish", "0": "withdraw"},
    "done": {"0": "confirm not_solved"}, "confirmed": {}, "withdrawn": {},
}  # fmt: skip
SYSTEM = {"settle", "drop"}
WALKED = list(BY)


def actor(town: Town, key: str) -> Actor:
    return town.resident_actor(int(key)) if key.isdigit() else system_actor() if key == "S" else town.actor(key)


def test_every_status_has_its_words() -> None:
    assert LABELS.keys() == RESIDENT_LABELS.keys() == TONES.keys() == BY.keys()


@pytest.mark.parametrize("status", WALKED)
def test_every_step_of_every_status_for_everybody(session: Any, town: Town, filed: Filed, status: str) -> None:
    """What is offered to whom is this table and nothing else; what is not offered is refused and changes nothing."""
    row = filed(status)
    for key in ("A", "A1", "D", "B", "B1", "A2", "A1S", "D-LOOK", "ZFB", "0", "1", "S"):
        who = actor(town, key)
        offered = {t.name for t in states.available(MACHINE, row, who)}
        if key != "S":
            assert offered == set(BY[status].get(key, "").split()), (status, key)
        for step in MACHINE.transitions:
            if step.name not in offered:
                with pytest.raises(DomainError):
                    states.fire(MACHINE, row, step.name, who, NOW, "原因")
        assert fresh(row.id).status == status
    for name in SYSTEM:
        usual = MACHINE.transition(name).sources
        if status not in usual:
            with pytest.raises(NoSuchTransition):
                states.fire(MACHINE, row, name, system_actor(), NOW)


@pytest.mark.own_database
def test_two_at_once_one_wins_and_the_other_hears_who(app: Flask, session: Any, town: Town, filed: Filed) -> None:
    """Each in a transaction of its own; both had looked before either wrote."""
    row = filed("dispatched")
    who = {key: town.actor(key) for key in ("A1", "A1-OP")}
    number = row.id
    session.commit()

    def take(key: str) -> str:
        with app.app_context(), scope.use(scope.StaffScope(who[key].centre_path)):
            try:
                with writing():
                    reviewing.accept(who[key], number, NOW)
                return "won"
            except TakenAlready as late:
                return late.message
            finally:
                db.session.remove()

    with ThreadPoolExecutor(2) as pool:
        said = sorted(pool.map(take, who))
    assert said.count("won") == 1
    winner = fresh(number).case.owner_name
    assert any(winner in words and "已经接单" in words for words in said)


@pytest.mark.parametrize(
    "advice", [("", ""), ("guide", "99999"), ("phone", "x"), ("kind", "nothing"), ("kind", "agency"), ("other", "1")]
)
def test_a_refusal_whose_advice_leads_nowhere_is_none(town: Town, filed: Filed, advice: tuple[str, str]) -> None:
    row = filed()
    with pytest.raises(AdviceMissing):
        reviewing.refuse(town.actor("A"), row.id, "不在服务范围内", advice, NOW)
    assert fresh(row.id).status == "received"


def test_the_machine_covers_what_the_room_says() -> None:
    """Each status is reached, and each that is not an end is left."""
    ends = {"confirmed", "withdrawn"}
    targets = {t.target for t in MACHINE.transitions}
    sources = {s for t in MACHINE.transitions for s in t.sources}
    assert targets | {"received"} == set(LABELS) and sources == set(LABELS) - ends
    assert HelpRequest.__tablename__ == MACHINE.name
