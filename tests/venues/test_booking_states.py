"""Every state × transition × person of a booking (DESIGN habit 7, SPEC P6, V2, V3, V5)."""

from __future__ import annotations

from typing import Any

import pytest

from portal.core import states
from portal.core.access import Actor, system_actor
from portal.core.states import NoSuchTransition
from portal.venues.models import (
    ACTIVE,
    APPROVED,
    CANCELLED,
    HOLDS,
    LAPSED,
    OFFERED,
    PENDING,
    REFUSED,
    RELEASED,
    WAITING,
    WITHDRAWN,
)
from portal.venues.states import LABELS, MACHINE, TONES
from tests.factories import NOW, Make, Town

PEOPLE = ("D", "A", "B", "A1", "A1-OP", "A2", "A1S", "D-LOOK", "ZFB", "owner", "other", "system")
TREE = {"A1", "A1-OP", "A", "D", "system"}  # rooms of community A1
OWN = TREE | {"owner"}

# State of a resident's booking in a room of community A1 (pending: waits there) → transition → who may.
ALLOWED: dict[str, dict[str, set[str]]] = {
    PENDING: {
        "approve": TREE, "refuse": TREE, "hand_up": TREE, "withdraw": OWN, "cancel": TREE, "lapse": TREE,
    },
    APPROVED: {"withdraw": OWN, "cancel": TREE, "release": TREE, "again": OWN},
    OFFERED: {"accept": OWN, "ask": OWN, "decline": OWN, "lapse": TREE, "withdraw": OWN, "cancel": TREE},
    WAITING: {
        "move_up": TREE, "examine": TREE, "offer": TREE, "lapse": TREE, "refuse": TREE, "withdraw": OWN,
        "cancel": TREE,
    },
    REFUSED: {}, WITHDRAWN: {}, CANCELLED: {}, LAPSED: {}, RELEASED: {},
}  # fmt: skip
# Where each transition leads; whether a reason is asked for; what it tells.
LEADS = {
    "approve": (APPROVED, False, "venues.approved"), "refuse": (REFUSED, True, "venues.refused"),
    "hand_up": (PENDING, False, "venues.handed_up"), "move_up": (APPROVED, False, "venues.moved_up"),
    "examine": (PENDING, False, "venues.received"), "offer": (OFFERED, False, "venues.offered"),
    "accept": (APPROVED, False, "venues.approved"), "ask": (PENDING, False, "venues.received"),
    "decline": (WITHDRAWN, False, None), "again": (PENDING, False, "venues.received"),
    "lapse": (LAPSED, False, "venues.lapsed"), "withdraw": (WITHDRAWN, False, None),
    "cancel": (CANCELLED, True, "venues.cancelled"), "release": (RELEASED, False, "venues.released"),
}  # fmt: skip


def actor(town: Town, who: str) -> Actor:
    if who in ("owner", "other"):
        return town.resident_actor(0 if who == "owner" else 1)
    return system_actor() if who == "system" else town.actor(who)


def test_the_table_is_whole() -> None:
    assert ALLOWED.keys() == LABELS.keys() == TONES.keys()
    assert {t.name: (t.target, t.needs_reason, t.event) for t in MACHINE.transitions} == LEADS
    assert set(ACTIVE) == {s for s, moves in ALLOWED.items() if moves} and set(HOLDS) < set(ACTIVE)


@pytest.mark.parametrize("status", sorted(ALLOWED))
def test_who_may_do_what(session: Any, town: Town, make: Make, status: str) -> None:
    row = make.booking(make.venue(town.centres["A1"]), resident=town.residents[0], status=status)
    wrong = []
    for transition in MACHINE.transitions:
        for who in PEOPLE:
            refusal = transition.refusal(row, actor(town, who))
            if (refusal is None) != (who in ALLOWED[status].get(transition.name, set())):
                wrong.append(f"{status}.{transition.name} by {who}: {refusal!r}")
    assert wrong == []


@pytest.mark.parametrize("status", sorted(ALLOWED))
def test_every_step_from_every_state(session: Any, town: Town, make: Make, status: str) -> None:
    row = make.booking(make.venue(town.centres["A1"]), resident=town.residents[0], status=status)
    clerk = town.actor("A1")
    for name, (target, needs_reason, _) in LEADS.items():
        if name not in ALLOWED[status]:
            with pytest.raises(NoSuchTransition):
                states.fire(MACHINE, row, name, system_actor(), NOW, "原因")
            assert row.status == status
            continue
        point = session.begin_nested()
        if needs_reason:
            with pytest.raises(states.ReasonMissing):
                states.fire(MACHINE, row, name, clerk, NOW, "  ")
        history = states.fire(MACHINE, row, name, clerk, NOW, "原因")
        seen = (row.status, history.from_status, history.to_status, history.reason, history.actor_name)
        assert seen == (target, status, target, "原因", clerk.name), name
        point.rollback()
        session.expire_all()


def test_once_handed_up_it_is_the_upper_levels_turn(session: Any, town: Town, make: Make) -> None:
    room = make.venue(town.centres["A1"])
    row = make.booking(room, resident=town.residents[0], status=PENDING)
    row.waits_at_id = town.centres["A"].id
    session.flush()
    session.expire(row)
    for who in PEOPLE:
        may = MACHINE.transition("approve").refusal(row, actor(town, who)) is None
        assert may == (who in {"A", "D", "system"}), who
    row.waits_at_id = town.centres["D"].id
    session.flush()
    session.expire(row)
    refusal = MACHINE.transition("hand_up").refusal(row, town.actor("D"))
    assert refusal is not None and "上面没有" in refusal.message


@pytest.mark.parametrize("status", sorted(ALLOWED))
def test_buttons_are_what_the_server_takes(session: Any, town: Town, make: Make, status: str) -> None:
    row = make.booking(make.venue(town.centres["A1"]), resident=town.residents[0], status=status)
    for who in PEOPLE:
        shown = {t.name for t in states.available(MACHINE, row, actor(town, who))}
        assert shown == {name for name, people in ALLOWED[status].items() if who in people}
