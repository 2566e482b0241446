"""On PostgreSQL a test runs inside one transaction on one connection, rolled back after it: a copy costs ten times more.

To the portal it looks like a pool of ordinary connections. Each is a `SavepointConnection` over the same wire: its
transaction is a savepoint, set before its first write, released by its commit, rolled back to by its rollback. One that
only reads needs none, so a test may hold a read transaction open while a request commits, as it may on a real database.

Not to be had on one wire: two transactions that write at the same time, threads, what another process sees. Such a
test is refused with `OwnDatabaseNeeded`; `@pytest.mark.own_database` gives it a copy of the database for itself.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, Engine, event

READS = re.compile(r"\s*(SELECT|SHOW|EXPLAIN|WITH(?!.*\b(INSERT|UPDATE|DELETE)\b))\b", re.IGNORECASE | re.DOTALL)
CLEAR_AFTER = 200  # tests: rows that were rolled back still lie in the files
HINT = "mark the test with @pytest.mark.own_database"


class OwnDatabaseNeeded(AssertionError):
    """The test does what one connection cannot show."""


class SavepointConnection(psycopg.Connection[Any]):
    """A connection to the portal, a savepoint on the wire to the database."""

    def __init__(self, outer: OuterTransaction) -> None:
        super().__init__(outer.wire.pgconn)
        self.prepare_threshold = None  # several of us would give the same names on one wire
        self.outer = outer

    def __del__(self) -> None:
        """Nothing to warn of: the wire stays open."""

    def cursor(self, *args: Any, **named: Any) -> Any:
        """Two threads on one wire would wait for each other's answers for ever."""
        if threading.get_ident() != self.outer.thread:
            raise OwnDatabaseNeeded(f"a second thread reads or writes: {HINT}")
        return super().cursor(*args, **named)

    def commit(self) -> None:
        self.outer.end(self, "RELEASE {0}")

    def rollback(self) -> None:
        self.outer.end(self, "ROLLBACK TO {0}; RELEASE {0}")

    def close(self) -> None:
        if not self.closed:
            self.rollback()

    def set_autocommit(self, value: bool) -> None:
        """The outer transaction is open all the time."""

    def set_isolation_level(self, value: Any) -> None:
        """As with autocommit: what runs is decided outside."""


class OuterTransaction:
    """The wire to a database that no test ever changes, and the transaction of the test that runs."""

    def __init__(self, address: str) -> None:
        self.wire = psycopg.connect(address, autocommit=True, prepare_threshold=None)
        found = self.wire.execute("SELECT format('%I.%I', schemaname, sequencename), last_value FROM pg_sequences")
        numbers = [f"setval('{name}', {last or 1}, {last is not None})" for name, last in found.fetchall()]
        self.first_numbers = f"SELECT {', '.join(numbers)}"
        self.tests, self.thread, self.open = 0, 0, False
        self.writer: SavepointConnection | None = None

    def usable(self) -> bool:
        """Whether no test has broken it."""
        return self.wire.pgconn.transaction_status == TransactionStatus.IDLE

    def begin(self) -> None:
        """Before a test. No rollback gives numbers back, so they start anew: ids are those of a fresh copy."""
        self.tests += 1
        if self.tests % CLEAR_AFTER == 0:
            self.wire.execute("VACUUM")
        self.wire.execute(self.first_numbers)
        self.wire.execute("BEGIN")
        self.thread, self.open = threading.get_ident(), True

    def undo(self) -> None:
        """After a test."""
        if self.open:
            self.writer, self.open = None, False
            if not self.wire.closed:
                self.wire.execute("ROLLBACK")

    def before(self, borrower: SavepointConnection, statement: str) -> None:
        """A savepoint for who is about to write."""
        if self.writer is borrower or READS.match(statement):
            return
        if self.writer is not None:  # on SQLite this would wait for the other's end, which never comes
            raise OwnDatabaseNeeded(f"two transactions write at the same time: {HINT}")
        self.wire.execute("SAVEPOINT test")
        self.writer = borrower

    def end(self, borrower: SavepointConnection, how: str) -> None:
        """The end of a borrower's transaction."""
        if self.writer is borrower:
            self.writer = None
            self.wire.execute(how.format("test"))
        elif self.open and self.wire.pgconn.transaction_status == TransactionStatus.INERROR and self.writer is None:
            raise OwnDatabaseNeeded(f"a read failed, and with it the outer transaction: {HINT}")

    def close(self) -> None:
        """At the end of the session."""
        self.wire.close()


def install(engine: Engine, outer: Callable[[], OuterTransaction | None]) -> None:
    """Connections of `engine` are savepoints while `outer()` gives a transaction, else ordinary ones."""

    @event.listens_for(engine, "do_connect")
    def connect(*_: Any) -> SavepointConnection | None:
        now = outer()
        return SavepointConnection(now) if now is not None else None

    @event.listens_for(engine, "before_cursor_execute")
    def before(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        raw = connection.connection.dbapi_connection
        if isinstance(raw, SavepointConnection):
            raw.outer.before(raw, statement)
