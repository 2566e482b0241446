"""The portal without what keeps bookings apart: the control of the room rush, so that it is seen to be able to fail.

PostgreSQL: no lock and no net; the look before each write is still there, and is not enough. A breath after the look
makes the gap as wide as on a busy machine. SQLite: its one writer is the lock and cannot be taken away, so the look
goes instead.
"""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy.exc import DatabaseError

from portal.core.db import db
from portal.venues import locks, occupancy, overlap_constraint
from wsgi import app, door


def unlocked(statement: Any, of: Any) -> Any:
    return statement


def looked(*args: Any, **values: Any) -> bool:
    free = look(*args, **values)
    time.sleep(BREATH)
    return free


def unseen(*_args: Any, **_values: Any) -> bool:
    return True


BREATH = 0.3  # seconds
look = occupancy.is_free
locks.for_update = unlocked
with app.app_context():
    occupancy.is_free = unseen if db.engine.dialect.name == "sqlite" else looked
    try:
        with db.engine.begin() as connection:
            overlap_constraint.remove(connection)
    except DatabaseError:
        pass  # another worker was faster
    db.engine.dispose()

__all__ = ["door"]
