"""The portal without what keeps bookings apart: the control of the room rush, so that it is seen to be able to fail.

PostgreSQL: no lock and no net; the look before each write is still there, and is not enough. SQLite: its one writer is
the lock and cannot be taken away, so the look goes instead.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.exc import DatabaseError

from portal.core.db import db
from portal.venues import facts, guard, locks
from wsgi import app


def unlocked(statement: Any, of: Any) -> Any:
    return statement


def unseen(*_args: Any, **_values: Any) -> bool:
    return True


locks.for_update = unlocked
with app.app_context():
    if db.engine.dialect.name == "sqlite":
        facts.is_free = unseen
    try:
        with db.engine.begin() as connection:
            guard.remove(connection)
    except DatabaseError:
        pass  # another worker was faster
    db.engine.dispose()

__all__ = ["app"]
