"""Leaving and moving up: exactly the first, late ones are asked, offers lapse (SPEC S2, S4)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from portal.catalogue.models import Entry
from portal.core import outbox, scope, states
from portal.core.access import system_actor
from portal.core.db import writing
from portal.core.errors import NotAllowed
from portal.signup import actions, staff_actions, waiting_list
from portal.signup.errors import OfferOver, SignUpGone, SignUpRefused, WithdrawRefused
from portal.signup.models import HOLDS_PLACE, SignUp
from portal.signup.states import MACHINE
from tests.factories import Make, Town
from tests.signup import counts


def fill(town: Town, entry: Entry, now: datetime, people: int = 5, companions: int = 0) -> list[SignUp]:
    return [actions.sign_up(town.resident_actor(n), entry.id, None, companions, now) for n in range(people)]


@pytest.fixture
def entry(town: Town, make: Make) -> Entry:
    return make.entry(town.centres["A1"], capacity=2, max_companions=3)


def statuses(rows: list[SignUp]) -> list[str]:
    return [r.status for r in rows]


def test_the_next_moves_up(session: Any, town: Town, entry: Entry, now: datetime) -> None:
    rows = fill(town, entry, now)
    actions.withdraw(town.resident_actor(0), rows[0].id, now)
    assert statuses(rows) == ["withdrawn", "confirmed", "confirmed", "waiting", "waiting"]
    assert counts(session, entry) == (2, 2)
    topics = session.scalars(select(outbox.Outbox.topic).order_by(outbox.Outbox.id)).all()
    assert topics[-1] == "signup.moved_up"


def test_cancelling_ten_moves_up_exactly_the_first_ten(session: Any, town: Town, make: Make, now: datetime) -> None:
    entry = make.entry(town.centres["A1"], capacity=30)
    people = make.residents(60, town.centres["A1"])
    rows = [actions.sign_up(_actor(p), entry.id, None, 0, now) for p in people]
    for row in rows[5:15]:
        actions.withdraw(_actor(people[rows.index(row)]), row.id, now)
    assert statuses(rows[30:40]) == ["confirmed"] * 10
    assert statuses(rows[40:]) == ["waiting"] * 20
    assert counts(session, entry) == (30, 20)


def _actor(person: Any) -> Any:
    from portal.core.access import Actor

    return Actor("resident", person.id, person.name)


def test_leaving_the_queue_moves_nobody(session: Any, town: Town, entry: Entry, now: datetime) -> None:
    rows = fill(town, entry, now)
    actions.withdraw(town.resident_actor(2), rows[2].id, now)
    assert statuses(rows) == ["confirmed", "confirmed", "withdrawn", "waiting", "waiting"]
    assert counts(session, entry) == (2, 2)


def test_withdrawing_twice_is_once(session: Any, town: Town, entry: Entry, now: datetime) -> None:
    rows = fill(town, entry, now, 1)
    for _ in range(2):
        actions.withdraw(town.resident_actor(0), rows[0].id, now)
    assert counts(session, entry) == (0, 0)


def test_somebody_elses_sign_up_does_not_exist(session: Any, town: Town, entry: Entry, now: datetime) -> None:
    rows = fill(town, entry, now, 1)
    for action in (actions.withdraw, actions.accept_offer, actions.decline_offer):
        with pytest.raises(SignUpGone):
            action(town.resident_actor(1), rows[0].id, now)
    with scope.use(scope.ResidentScope(town.residents[1].id)), pytest.raises(SignUpGone):
        actions.withdraw(town.resident_actor(1), rows[0].id, now)
    assert counts(session, entry) == (1, 0)


def test_after_the_deadline_staff_must_help(session: Any, town: Town, make: Make, now: datetime) -> None:
    entry = make.entry(town.centres["A1"], withdraw_until=now + timedelta(hours=1))
    rows = fill(town, entry, now, 2)
    later = now + timedelta(hours=1)
    with pytest.raises(WithdrawRefused) as refusal:
        actions.withdraw(town.resident_actor(0), rows[0].id, later)
    assert "打电话" in refusal.value.advice
    staff_actions.withdraw_for(town.actor("A1-OP"), rows[0].id, "来电说来不了", later)
    assert rows[0].status == "withdrawn"
    # A change of the activity opens the door again (C8).
    entry.changed_at = later
    session.flush()
    actions.withdraw(town.resident_actor(1), rows[1].id, later)
    assert counts(session, entry) == (0, 0)


def test_a_party_gets_smaller_and_the_next_moves_up(session: Any, town: Town, make: Make, now: datetime) -> None:
    entry = make.entry(town.centres["A1"], capacity=4, max_companions=3)
    rows = [*fill(town, entry, now, 1, 3), actions.sign_up(town.resident_actor(1), entry.id, None, 1, now)]
    assert statuses(rows) == ["confirmed", "waiting"]
    actions.reduce_places(town.resident_actor(0), rows[0].id, 3, now)
    assert rows[1].status == "waiting"  # two are needed, one is free
    actions.reduce_places(town.resident_actor(0), rows[0].id, 1, now)
    assert statuses(rows) == ["confirmed", "confirmed"]
    assert counts(session, entry) == (3, 0)
    for wrong in (0, 2, 9):
        with pytest.raises(SignUpRefused):
            actions.reduce_places(town.resident_actor(0), rows[0].id, wrong, now)


def test_a_smaller_party_in_the_queue_may_be_next(session: Any, town: Town, entry: Entry, now: datetime) -> None:
    actions.sign_up(town.resident_actor(0), entry.id, None, 0, now)
    party = actions.sign_up(town.resident_actor(1), entry.id, None, 1, now)
    assert party.status == "waiting"
    actions.reduce_places(town.resident_actor(1), party.id, 1, now)
    assert party.status == "confirmed"
    assert counts(session, entry) == (2, 0)


def test_late_places_are_offered_and_accepted(session: Any, town: Town, entry: Entry, now: datetime) -> None:
    rows = fill(town, entry, now, 4)
    late = entry.first_start - timedelta(hours=10)
    actions.withdraw(town.resident_actor(0), rows[0].id, late)
    assert rows[2].status == "offered"
    assert rows[2].accept_by == late + timedelta(hours=5)
    assert counts(session, entry) == (2, 1)
    for _ in range(2):  # the second tap changes nothing
        actions.accept_offer(town.resident_actor(2), rows[2].id, late + timedelta(hours=1))
    assert (rows[2].status, rows[2].accept_by) == ("confirmed", None)
    assert counts(session, entry) == (2, 1)


def test_declined_goes_to_the_next(session: Any, town: Town, entry: Entry, now: datetime) -> None:
    rows = fill(town, entry, now, 4)
    late = entry.first_start - timedelta(hours=10)
    actions.withdraw(town.resident_actor(0), rows[0].id, late)
    actions.decline_offer(town.resident_actor(2), rows[2].id, late)
    assert statuses(rows) == ["withdrawn", "confirmed", "withdrawn", "offered"]
    with pytest.raises(OfferOver):
        actions.decline_offer(town.resident_actor(2), rows[2].id, late)
    assert counts(session, entry) == (2, 0)


def test_offers_lapse_and_pass_on(session: Any, town: Town, entry: Entry, now: datetime) -> None:
    rows = fill(town, entry, now, 4)
    late = entry.first_start - timedelta(hours=10)
    actions.withdraw(town.resident_actor(0), rows[0].id, late)
    session.commit()
    deadline = rows[2].accept_by
    assert actions.lapse_offers(deadline - timedelta(seconds=1)) == 0
    with pytest.raises(OfferOver):
        actions.accept_offer(town.resident_actor(2), rows[2].id, deadline)
    assert actions.lapse_offers(deadline) == 1
    session.expire_all()
    assert statuses(rows) == ["withdrawn", "confirmed", "lapsed", "offered"]
    assert rows[3].accept_by == deadline + timedelta(hours=2, minutes=30)
    assert actions.lapse_offers(deadline) == 0  # a second scheduler finds nothing
    assert counts(session, entry) == (2, 0)


def test_nobody_moves_after_the_start(session: Any, town: Town, entry: Entry, now: datetime) -> None:
    rows = fill(town, entry, now, 3)
    staff_actions.withdraw_for(town.actor("A1"), rows[0].id, "", entry.first_start)
    assert rows[2].status == "waiting"
    assert counts(session, entry) == (1, 1)


def test_reviewed_ones_move_up_into_review(session: Any, town: Town, make: Make, now: datetime) -> None:
    entry = make.entry(town.centres["A1"], capacity=1, needs_review=True)
    rows = fill(town, entry, now, 2)
    actions.withdraw(town.resident_actor(0), rows[0].id, now)
    assert rows[1].status == "pending"
    assert counts(session, entry) == (1, 0)


def test_more_places_move_up(session: Any, town: Town, entry: Entry, now: datetime) -> None:
    rows = fill(town, entry, now)
    entry.capacity = 4
    session.commit()
    assert actions.move_up(entry.id, now) == 2
    assert statuses(rows) == ["confirmed"] * 4 + ["waiting"]
    entry.capacity = None
    session.commit()
    assert actions.move_up(entry.id, now) == 1
    assert counts(session, entry) == (5, 0)


def test_cancelled_entry_ends_everything_once(session: Any, town: Town, entry: Entry, now: datetime) -> None:
    rows = fill(town, entry, now)
    session.commit()
    with writing():
        assert len(actions.cancel_all(entry.id, now, "台风")) == 5
    with writing():
        assert actions.cancel_all(entry.id, now, "台风") == []
    session.expire_all()
    assert set(statuses(rows)) == {"cancelled"}
    assert counts(session, entry) == (0, 0)
    assert {h.reason for h in states.history(MACHINE, [r.id for r in rows]) if h.name == "cancel"} == {"台风"}


def test_erasing_gives_future_places_on(session: Any, town: Town, entry: Entry, now: datetime) -> None:
    rows = fill(town, entry, now, 3)
    actions.erase(town.residents[0].id, now)
    assert statuses(rows) == ["withdrawn", "confirmed", "confirmed"]
    actions.erase(town.residents[1].id, entry.last_end)
    assert rows[1].status == "confirmed"  # what is over keeps its figures
    assert counts(session, entry) == (2, 0)


STATES = tuple(MACHINE.labels)


@pytest.mark.parametrize("transition", MACHINE.transitions, ids=lambda t: t.name)
@pytest.mark.parametrize("status", STATES)
def test_every_transition_from_every_state(
    session: Any, town: Town, entry: Entry, now: datetime, transition: states.Transition, status: str
) -> None:
    row = SignUp(
        entry_id=entry.id,
        centre_id=entry.centre_id,
        resident_id=town.residents[0].id,
        person_key="r1",
        status=status,
        created_at=now,
    )
    session.add(row)
    session.flush()
    locked = waiting_list.lock(entry.id)
    allowed = status in transition.sources
    if not allowed:
        with pytest.raises(states.NoSuchTransition):
            waiting_list.move(locked, row, transition.name, system_actor(), now, "因为")
        return
    # A neighbour can do nothing with it.
    with pytest.raises(NotAllowed):
        waiting_list.move(locked, row, transition.name, town.resident_actor(1), now, "因为")
    locked.taken, locked.waiting = int(status in HOLDS_PLACE), int(status == "waiting")
    waiting_list.move(locked, row, transition.name, system_actor(), now, "因为")
    assert row.status == transition.target
    counts(session, entry)
