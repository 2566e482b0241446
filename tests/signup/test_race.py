"""The seat rush inside one process (SPEC S2): 60 people for 10 places; 500 on 50 threads for 30 in `make load`.

Over HTTP: tests/load/seat_rush.py.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Select, func, select

from portal.catalogue.models import Entry
from portal.core.access import Actor
from portal.core.db import is_sqlite
from portal.people.models import Resident
from portal.signup import actions, waiting_list
from portal.signup.models import SignUp
from tests.concurrency import THREADS, Gap, in_the_gap, rush
from tests.factories import NOW, Make, Town
from tests.signup import counts

pytestmark = pytest.mark.own_database

SIZES = [pytest.param(60, 10, THREADS), pytest.param(500, 30, 50, marks=pytest.mark.load)]


def sign_up(entry_id: int, resident_id: int) -> Callable[[], str]:
    return lambda: actions.sign_up(Actor("resident", resident_id, "居民"), entry_id, None, 0, NOW).status


def prepare(session: Any, town: Town, make: Make, people_count: int, places: int) -> tuple[Entry, list[int]]:
    entry = make.entry(town.centres["A1"], capacity=places)
    people: list[Resident] = make.residents(people_count, town.centres["A1"])
    ids = [p.id for p in people]
    session.commit()
    return entry, ids


def by_status(session: Any, entry_id: int) -> dict[str, int]:
    session.rollback()
    statement = select(SignUp.status, func.count()).where(SignUp.entry_id == entry_id).group_by(SignUp.status)
    return dict(session.execute(statement).all())


@pytest.mark.parametrize(("crowd", "places", "threads"), SIZES)
def test_exactly_as_many_as_there_are_places(
    app: Flask, session: Any, town: Town, make: Make, crowd: int, places: int, threads: int
) -> None:
    entry, people = prepare(session, town, make, crowd, places)
    entry_id = entry.id
    session.rollback()
    twice = [sign_up(entry_id, i) for i in people + people[: crowd // 5]]  # every fifth presses twice
    random.Random(7).shuffle(twice)
    answers = rush(app, twice, threads)
    assert [a for a in answers if isinstance(a, Exception)] == []
    assert by_status(session, entry_id) == {"confirmed": places, "waiting": crowd - places}
    assert counts(session, entry) == (places, crowd - places)
    numbers = session.scalars(select(SignUp.queue_no).where(SignUp.status == "waiting").order_by(SignUp.queue_no)).all()
    assert numbers == list(range(1, crowd - places + 1))
    assert entry.version == 1 + crowd


def test_ten_leave_at_once_and_exactly_the_first_ten_move_up(app: Flask, session: Any, town: Town, make: Make) -> None:
    entry, people = prepare(session, town, make, 40, 15)
    entry_id = entry.id
    session.rollback()
    rush(app, [sign_up(entry_id, i) for i in people])
    confirmed = session.execute(
        select(SignUp.id, SignUp.resident_id).where(SignUp.entry_id == entry_id, SignUp.status == "confirmed")
    ).all()
    first = session.scalars(
        select(SignUp.id).where(SignUp.entry_id == entry_id, SignUp.status == "waiting").order_by(SignUp.queue_no)
    ).all()
    session.rollback()

    def leave(row_id: int, resident_id: int) -> Callable[[], Any]:
        return lambda: actions.withdraw(Actor("resident", resident_id, "居民"), row_id, NOW).id

    answers = rush(app, [leave(*row) for row in confirmed[:10]])
    assert [a for a in answers if isinstance(a, Exception)] == []
    session.rollback()
    now_in = set(session.scalars(select(SignUp.id).where(SignUp.entry_id == entry_id, SignUp.status == "confirmed")))
    assert now_in == {row_id for row_id, _ in confirmed[10:]} | set(first[:10])
    assert counts(session, entry) == (15, 15)


def test_leaving_and_signing_up_at_once_keeps_the_figures(app: Flask, session: Any, town: Town, make: Make) -> None:
    entry, people = prepare(session, town, make, 60, 15)
    entry_id = entry.id
    session.rollback()
    rush(app, [sign_up(entry_id, i) for i in people[:30]])
    rows = session.execute(select(SignUp.id, SignUp.resident_id).where(SignUp.entry_id == entry_id)).all()
    session.rollback()
    jobs: list[Callable[[], Any]] = [sign_up(entry_id, i) for i in people[30:]]
    jobs += [lambda r=r: actions.withdraw(Actor("resident", r[1], "居民"), r[0], NOW) and None for r in rows[::2]]
    random.Random(3).shuffle(jobs)
    assert [a for a in rush(app, jobs) if isinstance(a, Exception)] == []
    assert counts(session, entry) == (15, 60 - 15 - 15)


def last_place(
    app: Flask, session: Any, town: Town, make: Make, monkeypatch: pytest.MonkeyPatch
) -> tuple[bool, list[Any]]:
    """Two want the last place, the second while the first has looked and not yet written."""
    entry, people = prepare(session, town, make, 2, 1)
    first, second = (sign_up(entry.id, i) for i in people)
    session.rollback()
    gap = Gap(waiting_list.lock)
    monkeypatch.setattr(waiting_list, "lock", gap)
    return in_the_gap(app, gap, first, second)


def test_who_comes_between_look_and_write_waits(
    app: Flask, session: Any, town: Town, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    both_looked, answers = last_place(app, session, town, make, monkeypatch)
    assert not both_looked
    assert answers == ["confirmed", "waiting"]


def test_without_the_lock_it_oversells(
    app: Flask, session: Any, town: Town, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: this shows that the tests above can fail. SQLite has one writer, so there is nothing to take away."""
    if is_sqlite():
        pytest.skip("SQLite's BEGIN IMMEDIATE is the lock")

    def unlocked(statement: Select[Any]) -> Select[Any]:
        return statement

    monkeypatch.setattr(waiting_list, "for_update", unlocked)
    both_looked, answers = last_place(app, session, town, make, monkeypatch)
    assert both_looked
    assert answers == ["confirmed", "confirmed"]
