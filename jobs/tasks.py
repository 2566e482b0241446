"""What the worker may be asked to do, by name. Thin: each calls the portal, and may run twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import current_app

import jobs
from portal.core import clock, job_queue, scope
from portal.core.db import db
from portal.notices import receipts as pulled
from portal.operations import work


@contextmanager
def _inside(reason: str) -> Iterator[None]:
    """The app's context, everything readable, and no transaction left behind."""
    with jobs.app().app_context(), scope.system(reason):
        try:
            yield
        finally:
            db.session.remove()


def sweep() -> int:
    """Carry out due effects and send due texts."""
    with _inside("jobs.sweep"):
        _answer_the_door()
        return work.sweep(clock.now()).effects


def receipts() -> int:
    """What became of texts, where the provider has to be asked."""
    with _inside("jobs.receipts"):
        return pulled.pull(clock.now())


def tick() -> int:
    """Deadlines, then what they set going."""
    with _inside("jobs.tick"):
        done, _ = work.tick(clock.now())
        return sum(count for count in done.values() if count > 0)


def daily(name: str) -> bool:
    """One of the daily tasks; the database says whether it still has to be done."""
    with _inside("jobs.daily"):
        return any(work.run_daily(d, clock.now()) for d in work.DAILY if d.name == name)


def call(name: str, *args: Any) -> None:
    """A task that a feature registered with `portal.core.job_queue.task`."""
    with _inside(f"jobs.call {name}"):
        job_queue.run_task(name, *args)


def _answer_the_door() -> None:
    """Take the bell's mark away before reading, so that whatever is committed from now on rings again."""
    bell = current_app.extensions.get("portal_doorbell")
    if bell is not None:
        bell.answered()
