"""Many at once, and two at once in an order that is certain.

`rush` runs jobs on threads: whatever the order, what must hold must hold. `in_the_gap` makes the one order that a lock
is for: the second comes while the first stands between its look and its write. Nothing here hopes for luck or sleeps a
guessed time; how many threads a crowd needs to be dangerous is tried in `make load`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from flask import Flask
from sqlalchemy import text

from portal.core import scope
from portal.core.db import db, is_sqlite, writing

# SQLite lets waiting writers in by luck, not in order, and sends them away after 15 s. So few wait that even a machine
# with other work gets to each of them.
THREADS = 8
PATIENCE = 120  # seconds until a test that waits for itself fails
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
Job = Callable[[], Any]


def by_itself(app: Flask, job: Job) -> Any:
    """The job's answer out of a transaction of its own; an error is an answer too."""
    with app.app_context():
        try:
            with writing(), scope.system("race"):
                return job()
        except Exception as error:
            return error
        finally:
            db.session.remove()


def rush(app: Flask, jobs: Sequence[Job], threads: int = THREADS) -> list[Any]:
    """Every job's answer."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda job: by_itself(app, job), jobs))


class Gap:
    """Put in the place of a look: who looks first stays between look and write until `go`."""

    def __init__(self, look: Callable[..., Any]) -> None:
        self.look, self.threads = look, list[int]()
        self.entered, self.go = threading.Event(), threading.Event()

    def __call__(self, *args: Any, **values: Any) -> Any:
        found = self.look(*args, **values)
        self.threads.append(threading.get_ident())
        if not self.entered.is_set():
            self.entered.set()
            assert self.go.wait(PATIENCE), "nobody came"
        return found

    @property
    def both(self) -> bool:
        """Whether the second has looked although the first has not written."""
        return len(set(self.threads)) > 1


def in_the_gap(app: Flask, gap: Gap, first: Job, second: Job) -> tuple[bool, list[Any]]:
    """`second` comes while `first` is in the gap: whether it got so far as to look there, and both answers."""
    came = threading.Event()

    def come() -> Any:
        came.set()
        return by_itself(app, second)

    with ThreadPoolExecutor(2) as pool:
        try:
            one = pool.submit(by_itself, app, first)
            assert gap.entered.wait(PATIENCE), "the first never looked"
            two = pool.submit(come)
            assert came.wait(PATIENCE)
            _until_it_waits_or_is_through(app, gap, two)
            both = gap.both
        finally:
            gap.go.set()
        return both, [one.result(PATIENCE), two.result(PATIENCE)]


def _until_it_waits_or_is_through(app: Flask, gap: Gap, second: Future[Any]) -> None:
    """PostgreSQL says who waits for a lock. SQLite does not: there the second is on its way to BEGIN IMMEDIATE."""
    with app.app_context():
        if is_sqlite():
            return
        until = time.monotonic() + PATIENCE
        while not gap.both and not second.done():
            with db.engine.connect() as connection:
                if connection.scalar(text(WAITING)):
                    return
            assert time.monotonic() < until, "the second neither waits nor gets through"
            time.sleep(0.01)
