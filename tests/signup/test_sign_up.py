"""Signing up: works, refused, odd input, the second click, the queue (SPEC S1, S2)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from portal.catalogue.models import Entry
from portal.core import outbox, scope
from portal.core.access import Actor
from portal.core.states import StateHistory
from portal.people.models import Relative
from portal.signup import actions, queries
from portal.signup.errors import EntryGone, NameMissing, NoSuchPerson, SignUpRefused
from tests.factories import NOW, Make, Town
from tests.signup import counts


@pytest.fixture
def entry(town: Town, make: Make) -> Entry:
    return make.entry(town.centres["A1"], capacity=2, max_companions=2)


def relative(session: Any, town: Town, number: int = 0, name: str = "王奶奶") -> Relative:
    row = Relative(
        resident_id=town.residents[number].id, name=name, relation="母亲", created_at=town.residents[0].created_at
    )
    session.add(row)
    session.commit()
    return row


def test_confirmed_at_once(session: Any, town: Town, entry: Entry, now: datetime) -> None:
    version = entry.version
    row = actions.sign_up(town.resident_actor(0), entry.id, None, 0, now)
    session.commit()
    assert (row.status, row.places, row.queue_no, row.centre_id) == ("confirmed", 1, None, entry.centre_id)
    assert counts(session, entry) == (1, 0)
    assert entry.version == version + 1
    history = session.scalars(select(StateHistory).where(StateHistory.object_id == row.id)).one()
    assert (history.name, history.to_status, history.actor_id) == ("sign_up", "confirmed", town.residents[0].id)
    effect = session.scalars(select(outbox.Outbox).where(outbox.Outbox.topic == "signup.confirmed")).one()
    assert effect.payload == {"id": row.id}


def test_statements_of_the_hot_path(
    session: Any, town: Town, entry: Entry, now: datetime, count_queries: Callable[[], Any]
) -> None:
    """Lock, person, insert, count, history, outbox; full or not."""
    entry_id, residents = entry.id, [r.id for r in town.residents]
    session.commit()
    for resident_id in residents:
        session.expunge_all()
        with count_queries() as seen:
            actions.sign_up(Actor("resident", resident_id, "居民"), entry_id, None, 0, now)
            session.flush()
        assert len([s for s in seen if not s.startswith("BEGIN")]) <= 6, seen
        session.commit()


def test_second_click_is_the_same_sign_up(session: Any, town: Town, entry: Entry, now: datetime) -> None:
    first = actions.sign_up(town.resident_actor(0), entry.id, None, 0, now)
    second = actions.sign_up(town.resident_actor(0), entry.id, None, 2, now)
    assert first.id == second.id
    assert counts(session, entry) == (1, 0)


def test_for_a_relative_beside_oneself(session: Any, town: Town, entry: Entry, now: datetime) -> None:
    person = relative(session, town)
    own = actions.sign_up(town.resident_actor(0), entry.id, None, 0, now)
    hers = actions.sign_up(town.resident_actor(0), entry.id, person.id, 0, now)
    assert own.id != hers.id
    assert (hers.relative_id, hers.resident_id) == (person.id, town.residents[0].id)
    assert counts(session, entry) == (2, 0)


def test_somebody_elses_relative_is_nobody(session: Any, town: Town, entry: Entry, now: datetime) -> None:
    theirs = relative(session, town, 1)
    removed = relative(session, town, 0, "李大爷")
    removed.removed_at = now
    session.commit()
    for relative_id in (theirs.id, removed.id, 99_999):
        with pytest.raises(NoSuchPerson):
            actions.sign_up(town.resident_actor(0), entry.id, relative_id, 0, now)
    assert counts(session, entry) == (0, 0)


def test_full_means_waiting_list_with_numbers(session: Any, town: Town, entry: Entry, now: datetime) -> None:
    rows = [actions.sign_up(town.resident_actor(n), entry.id, None, 0, now) for n in range(5)]
    assert [r.status for r in rows] == ["confirmed"] * 2 + ["waiting"] * 3
    assert [queries.place_number(r) for r in rows] == [None, None, 1, 2, 3]
    assert counts(session, entry) == (2, 3)


def test_party_waits_although_one_place_is_free(session: Any, town: Town, entry: Entry, now: datetime) -> None:
    actions.sign_up(town.resident_actor(0), entry.id, None, 0, now)
    party = actions.sign_up(town.resident_actor(1), entry.id, None, 1, now)
    single = actions.sign_up(town.resident_actor(2), entry.id, None, 0, now)
    assert (party.status, single.status) == ("waiting", "waiting")  # nobody overtakes
    assert counts(session, entry) == (1, 2)


def test_reviewed_ones_hold_their_place(session: Any, town: Town, make: Make, now: datetime) -> None:
    entry = make.entry(town.centres["A1"], capacity=1, needs_review=True)
    rows = [actions.sign_up(town.resident_actor(n), entry.id, None, 0, now) for n in range(2)]
    assert [r.status for r in rows] == ["pending", "waiting"]
    assert counts(session, entry) == (1, 1)


def test_unlimited(session: Any, town: Town, make: Make, now: datetime) -> None:
    entry = make.entry(town.centres["A1"], capacity=None)
    rows = [actions.sign_up(town.resident_actor(n), entry.id, None, 0, now) for n in range(5)]
    assert {r.status for r in rows} == {"confirmed"}
    assert counts(session, entry) == (5, 0)


def test_own_community_first(session: Any, town: Town, make: Make, now: datetime) -> None:
    entry = make.entry(town.centres["A1"], own_first_until=now + timedelta(days=1))
    assert actions.sign_up(town.resident_actor(0), entry.id, None, 0, now).status == "confirmed"
    with pytest.raises(SignUpRefused) as refusal:
        actions.sign_up(town.resident_actor(2), entry.id, None, 0, now)
    assert refusal.value.code == "own_first"
    assert actions.sign_up(town.resident_actor(2), entry.id, None, 0, now + timedelta(days=1)).status == "confirmed"


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"walk_in": True}, "walk_in"),
        ({"status": "cancelled"}, "cancelled"),
        ({"sign_up_until": NOW - timedelta(days=1)}, "closed"),
    ],
)
def test_refused_and_nothing_stored(
    session: Any, town: Town, make: Make, now: datetime, values: dict[str, Any], code: str
) -> None:
    entry = make.entry(town.centres["A1"], **values)
    with pytest.raises(SignUpRefused) as refusal:
        actions.sign_up(town.resident_actor(0), entry.id, None, 0, now)
    assert refusal.value.code == code
    assert counts(session, entry) == (0, 0)


@pytest.mark.parametrize("status", ["draft", "in_review", "approved", "dropped"])
def test_unpublished_does_not_exist(session: Any, town: Town, make: Make, now: datetime, status: str) -> None:
    entry = make.entry(town.centres["A1"], status=status)
    with pytest.raises(EntryGone):
        actions.sign_up(town.resident_actor(0), entry.id, None, 0, now)
    with pytest.raises(EntryGone):
        actions.sign_up(town.resident_actor(0), 99_999, None, 0, now)


@pytest.mark.parametrize("companions", [-1, 3])
def test_companions_within_what_is_allowed(
    session: Any, town: Town, entry: Entry, now: datetime, companions: int
) -> None:
    with pytest.raises(SignUpRefused) as refusal:
        actions.sign_up(town.resident_actor(0), entry.id, None, companions, now)
    assert refusal.value.field == "companions"


def test_without_a_name_the_profile_comes_first(session: Any, town: Town, entry: Entry, now: datetime) -> None:
    town.residents[0].name = " "
    session.commit()
    with pytest.raises(NameMissing):
        actions.sign_up(town.resident_actor(0), entry.id, None, 0, now)


def test_signing_up_again_after_leaving_starts_at_the_end(
    session: Any, town: Town, entry: Entry, now: datetime
) -> None:
    rows = [actions.sign_up(town.resident_actor(n), entry.id, None, 0, now) for n in range(5)]
    actions.withdraw(town.resident_actor(2), rows[2].id, now)
    again = actions.sign_up(town.resident_actor(2), entry.id, None, 0, now)
    assert again.id != rows[2].id
    assert [queries.place_number(r) for r in (rows[3], rows[4], again)] == [1, 2, 3]


def test_works_in_a_residents_own_scope(session: Any, town: Town, entry: Entry, now: datetime) -> None:
    """The queue is counted although a resident can read only their own rows."""
    with scope.use(scope.ResidentScope(town.residents[0].id)):
        for number in range(4):
            actions.sign_up(town.resident_actor(number), entry.id, None, 0, now)
        own = queries.own(town.residents[3].id, entry.id)
    assert [o.label for o in own] == ["候补第 2 位"]
