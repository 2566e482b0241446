"""The pauses of long works, at which writers of other processes get SQLite's lock (core.db.make_way)."""

from __future__ import annotations

import sqlite3

from portal.core import db as core_db
from portal.core.db import db


class Pauses:
    """Stands for the clock: a second passes at each look, and in each pause another process tries to write at once."""

    def __init__(self, step: float = 1.0) -> None:
        self.now, self.step, self.pauses = 1000.0, step, 0
        core_db._mine.made_way = 0.0  # of a test before

    def monotonic(self) -> float:
        self.now += self.step
        return self.now

    def sleep(self, _seconds: float) -> None:
        self.pauses += 1
        other = sqlite3.connect(str(db.engine.url.database), timeout=0, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")  # raises "database is locked" while the work holds it
        other.execute("ROLLBACK")
        other.close()
