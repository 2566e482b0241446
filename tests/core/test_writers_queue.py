"""SQLite's one writer: who asks first writes first, nobody starves, and no turn is ever lost."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from portal.core import db as core_db
from portal.core import outbox
from portal.core.db import db, make_way, side_write, writing
from portal.core.writers_queue import WritersQueue
from portal.people.models import Resident
from tests.conftest import KIND
from tests.pauses import Pauses

pytestmark = [
    pytest.mark.own_database, pytest.mark.once,
    pytest.mark.skipif(KIND != "sqlite", reason="PostgreSQL has many writers"),
]  # fmt: skip
MANY = 12


def until(true: Any) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def free() -> bool:
    """Nobody holds or waits for a turn."""
    turn = core_db._writers.turn(0.0)
    if turn is None:
        return False
    turn.end()
    return True


def test_first_come_first_served(app: Flask) -> None:
    order: list[int] = []

    def write(number: int) -> None:
        with app.app_context():
            with writing():
                db.session.execute(text("SELECT 1"))
                order.append(number)
            db.session.remove()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(MANY)]
    with app.app_context(), writing():
        db.session.execute(text("SELECT 1"))
        for number, thread in enumerate(threads):
            thread.start()
            until(lambda n=number: core_db._writers.waiting == n + 1)
    for thread in threads:
        thread.join(60)
    assert order == list(range(MANY))
    assert free()


@pytest.mark.parametrize("end", ["commit", "rollback", "error", "refused commit", "connection"])
def test_no_turn_is_lost(app: Flask, end: str, monkeypatch: Any) -> None:
    with app.app_context():
        if end == "connection":  # without a session: given back to the pool
            token = core_db._write_intent.set(True)
            with db.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
                assert not free()
            core_db._write_intent.reset(token)
        else:
            with suppress(ZeroDivisionError, IntegrityError), writing():
                db.session.execute(text("SELECT 1"))
                assert not free()
                if end == "rollback":
                    db.session.rollback()
                elif end == "error":
                    raise ZeroDivisionError
                elif end == "refused commit":
                    db.session.add(Resident(phone=None, name="x", groups=[], quiet={}))
        assert free()
        db.session.remove()


def test_what_follows_a_commit_holds_up_nobody(app: Flask) -> None:
    """The doorbell rings over the network, after the commit and before the connection is given back."""
    seen: list[bool] = []
    with app.app_context(), writing():
        db.session.execute(text("SELECT 1"))
        core_db.after_commit(lambda: seen.append(free()))
    assert seen == [True]


def test_a_small_write_beside_gives_up_soon(app: Flask) -> None:
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with app.app_context(), writing():
            db.session.execute(text("SELECT 1"))
            held.set()
            done.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(60)
    with app.app_context():
        side_write(Resident.__table__.update().values(name="nobody"))
        done.set()
        thread.join(60)
        assert db.session.scalar(select(Resident.id).where(Resident.name == "nobody")) is None
        db.session.rollback()
        side_write(Resident.__table__.update().values(name="everybody"))
        assert db.session.scalar(select(Resident.id).where(Resident.name == "everybody")) is not None
        db.session.remove()
    assert free()


def test_too_long_a_wait_is_said_as_sqlite_says_it(app: Flask, monkeypatch: Any) -> None:
    monkeypatch.setattr(core_db, "QUEUE_SECONDS", 0.01)
    turn = core_db._writers.turn(1.0)
    assert turn is not None
    with app.app_context():
        with pytest.raises(OperationalError, match="database is locked"), writing():
            db.session.execute(text("SELECT 1"))
        turn.end()
        with writing():
            db.session.execute(text("SELECT 1"))
        db.session.remove()


def test_a_long_work_pauses_after_some_writing_and_not_after_each(app: Flask, monkeypatch: Any) -> None:
    clock = Pauses(core_db.WORK_SECONDS / 3)
    monkeypatch.setattr(core_db, "time", clock)
    with app.app_context():
        core_db._mine.made_way = clock.monotonic()
        for _ in range(9):
            with writing():
                db.session.execute(text("SELECT 1"))
            make_way()
    assert 2 <= clock.pauses <= 4


def test_between_two_effects_another_process_may_write(app: Flask, now: datetime, monkeypatch: Any) -> None:
    """Those that are carried out one by one, and those that go together."""
    done: list[int] = []
    monkeypatch.setitem(outbox._handlers, "alone", lambda payload, _now: done.append(payload["n"]))
    monkeypatch.setitem(outbox._handlers, "many", lambda payload, _now: None)
    monkeypatch.setitem(
        outbox._handlers_of_many, "many", (lambda payloads, _now: done.extend(p["n"] for p in payloads), 2)
    )
    with app.app_context():
        with writing():
            for n in range(3):
                outbox.put("alone", f"{n}", {"n": n}, now)
                outbox.put("many", f"{n}", {"n": 10 + n}, now)
        clock = Pauses()
        monkeypatch.setattr(core_db, "time", clock)
        outbox.run_due(now)
        db.session.remove()
    assert sorted(done) == [0, 1, 2, 10, 11, 12]
    assert clock.pauses == 3 + 2


def test_a_turn_called_while_giving_up_is_taken() -> None:
    queue = WritersQueue()
    first = queue.turn(1.0)
    assert first is not None and queue.turn(0.0) is None
    first.end()
    first.end()  # ended once
    second = queue.turn(0.0)
    assert second is not None and queue.turn(0.0) is None


def test_a_forked_child_begins_anew(app: Flask) -> None:
    turn = core_db._writers.turn(1.0)
    assert turn is not None
    child = os.fork()
    if not child:
        os._exit(0 if free() else 1)
    assert os.waitpid(child, 0)[1] == 0
    turn.end()
