"""Which errors mean that nothing is wrong with the request: the database is busy or away, or its disk takes no more."""

import errno
from typing import Literal

from sqlalchemy.exc import DBAPIError, TimeoutError

Kind = Literal["busy", "disk", "database"]

BUSY = ("database is locked", "deadlock detected", "database table is locked")
DISK_WORDS = (  # SQLite says it in words
    "disk i/o error", "database or disk is full", "attempt to write a readonly database",
    "unable to open database file",
)  # fmt: skip
DISK_STATES = frozenset({"53100", "25006", "58030"})  # PostgreSQL: disk full, read-only transaction, I/O error
AWAY_CLASSES = ("08", "57P", "53")  # no connection, shutting down or starting, too many connections or no memory
DISK_NUMBERS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})


def of(error: BaseException) -> Kind | None:
    """What kind of outage this error tells of; None: a fault of ours, or of what was asked."""
    if isinstance(error, OSError):
        return "disk" if error.errno in DISK_NUMBERS else None
    if isinstance(error, TimeoutError):  # every connection of this process is in use
        return "busy"
    if not isinstance(error, DBAPIError):
        return None
    words = str(error.orig).lower()
    state = getattr(error.orig, "sqlstate", None) or ""
    if any(word in words for word in BUSY):
        return "busy"
    if state in DISK_STATES or any(word in words for word in DISK_WORDS):
        return "disk"
    return "database" if _is_away(error, state) else None


def _is_away(error: DBAPIError, state: str) -> bool:
    """psycopg tells of a connection that could not be had, or broke, by an OperationalError without a state."""
    if state:
        return state.startswith(AWAY_CLASSES)
    from_psycopg = type(error.orig).__module__.startswith("psycopg")
    return error.connection_invalidated or (from_psycopg and type(error.orig).__name__ == "OperationalError")
