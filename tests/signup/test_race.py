"""The seat rush inside one process: 500 people, 50 threads, 30 places (SPEC S2). Over HTTP: tests/load/seat_rush.py."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Select, func, select

from portal.catalogue.models import Entry
from portal.core import scope
from portal.core.access import Actor
from portal.core.db import db, is_sqlite, writing
from portal.people.models import Resident
from portal.signup import actions, waiting_list
from portal.signup.models import SignUp
from tests.factories import NOW, Make, Town
from tests.signup import counts

PEOPLE, THREADS, PLACES = 500, 50, 30


def rush(app: Flask, jobs: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run every job in its own transaction on 50 threads; an error is an answer too."""

    def one(job: Callable[[], Any]) -> Any:
        with app.app_context():
            try:
                with writing(), scope.system("race"):
                    return job()
            except Exception as error:
                return error
            finally:
                db.session.remove()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, jobs))


def sign_up(entry_id: int, resident_id: int) -> Callable[[], str]:
    return lambda: actions.sign_up(Actor("resident", resident_id, "居民"), entry_id, None, 0, NOW).status


def prepare(session: Any, town: Town, make: Make) -> tuple[Entry, list[int]]:
    entry = make.entry(town.centres["A1"], capacity=PLACES)
    people: list[Resident] = make.residents(PEOPLE, town.centres["A1"])
    ids = [p.id for p in people]
    session.commit()
    return entry, ids


def by_status(session: Any, entry_id: int) -> dict[str, int]:
    session.rollback()
    statement = select(SignUp.status, func.count()).where(SignUp.entry_id == entry_id).group_by(SignUp.status)
    return dict(session.execute(statement).all())


def test_exactly_thirty(app: Flask, session: Any, town: Town, make: Make) -> None:
    entry, people = prepare(session, town, make)
    entry_id = entry.id
    session.rollback()
    twice = [sign_up(entry_id, i) for i in people + people[:100]]  # a hundred press twice
    random.Random(7).shuffle(twice)
    answers = rush(app, twice)
    assert [a for a in answers if isinstance(a, Exception)] == []
    assert by_status(session, entry_id) == {"confirmed": PLACES, "waiting": PEOPLE - PLACES}
    assert counts(session, entry) == (PLACES, PEOPLE - PLACES)
    numbers = session.scalars(select(SignUp.queue_no).where(SignUp.status == "waiting").order_by(SignUp.queue_no)).all()
    assert numbers == list(range(1, PEOPLE - PLACES + 1))
    assert entry.version == 1 + PEOPLE


def test_ten_leave_at_once_and_exactly_the_first_ten_move_up(app: Flask, session: Any, town: Town, make: Make) -> None:
    entry, people = prepare(session, town, make)
    entry_id = entry.id
    session.rollback()
    rush(app, [sign_up(entry_id, i) for i in people[:100]])
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
    assert counts(session, entry) == (PLACES, 60)


def test_leaving_and_signing_up_at_once_keeps_the_figures(app: Flask, session: Any, town: Town, make: Make) -> None:
    entry, people = prepare(session, town, make)
    entry_id = entry.id
    session.rollback()
    rush(app, [sign_up(entry_id, i) for i in people[:60]])
    rows = session.execute(select(SignUp.id, SignUp.resident_id).where(SignUp.entry_id == entry_id)).all()
    session.rollback()
    jobs: list[Callable[[], Any]] = [sign_up(entry_id, i) for i in people[60:120]]
    jobs += [lambda r=r: actions.withdraw(Actor("resident", r[1], "居民"), r[0], NOW) and None for r in rows[::2]]
    random.Random(3).shuffle(jobs)
    assert [a for a in rush(app, jobs) if isinstance(a, Exception)] == []
    assert counts(session, entry) == (PLACES, 120 - 30 - PLACES)


def test_without_the_lock_it_oversells(
    app: Flask, session: Any, town: Town, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: this shows that the tests above can fail. SQLite has one writer, so there is nothing to take away."""
    if is_sqlite():
        pytest.skip("SQLite's BEGIN IMMEDIATE is the lock")

    def unlocked(statement: Select[Any]) -> Select[Any]:
        return statement

    entry, people = prepare(session, town, make)
    entry_id = entry.id
    session.rollback()
    monkeypatch.setattr(waiting_list, "for_update", unlocked)
    rush(app, [sign_up(entry_id, i) for i in people])
    assert by_status(session, entry_id)["confirmed"] > PLACES
