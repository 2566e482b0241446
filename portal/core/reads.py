"""The one read that every page makes, without the ORM's cost (figures: docs/performance.md).

A connection of its own per thread, in autocommit: no BEGIN, no ROLLBACK, on PostgreSQL one round trip instead of three.
Only for reads that need no transaction with others, and only from queries.py files: the scope guard does not see them.
"""

from __future__ import annotations

import itertools
import os
import re
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from flask import current_app
from sqlalchemy import Engine, event

from portal.core.db import db

_local = threading.local()
_serials = itertools.count()
PLACEHOLDER = re.compile(r"(?<!:):(\w+)")  # not the :: of a cast
MARK_SQL = "SELECT pg_current_snapshot()::text"
watch: Callable[[str], None] | None = None  # tests count these reads too
_generations: dict[int, int] = {}
_opened: list[tuple[Any, int]] = []


def _disposed(engine: Engine) -> None:
    """A disposed engine (fork, restore, tests) makes kept connections stale; a forked child only forgets them."""
    _generations[id(engine)] = _generations.get(id(engine), 0) + 1
    for connection, process in _opened:
        if process == os.getpid():
            connection.close()
    _opened.clear()


def _connection(engine: Engine) -> Any:
    mark = (id(engine), _generations.get(id(engine), 0))
    kept = getattr(_local, "kept", None)
    if kept is not None and kept[0] == mark:
        return kept[1]
    if not event.contains(engine, "engine_disposed", _disposed):
        event.listen(engine, "engine_disposed", _disposed)
    connection = connect(engine)
    _local.kept, _local.serial, _local.plans = (mark, connection), next(_serials), {}
    _opened.append((connection, os.getpid()))
    return connection


def connect(engine: Engine) -> Any:
    """A new connection in autocommit that cannot write."""
    if engine.dialect.name == "sqlite":
        connection: Any = sqlite3.connect(engine.url.database or "", isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA query_only=ON")
        connection.execute("PRAGMA busy_timeout=15000")
        connection.execute("PRAGMA mmap_size=268435456")
        return connection
    import psycopg

    arguments = engine.dialect.create_connect_args(engine.url)[1]
    connection = psycopg.connect(**arguments, autocommit=True)
    connection.execute("SET default_transaction_read_only = on")
    return connection


def file_version() -> tuple[int, int] | None:
    """A mark that changes with every commit to the SQLite file, by whomever; None on PostgreSQL.

    Costs a microsecond, so that a stamp need not be counted again while nobody writes anything. SQLite counts for each
    connection on its own, hence the connection's number in the mark.
    """
    if not embedded():
        return None
    connection = _connection(_engine())
    return _local.serial, connection.execute("PRAGMA data_version").fetchone()[0]


def database_mark(engine: Engine) -> Any:
    """A mark that is equal twice only when nothing was committed in between, anywhere in the database; None: unknown.

    SQLite: its count of commits by other connections (a microsecond). PostgreSQL: the snapshot, one small round trip.
    """
    try:
        connection = _connection(engine)
        if engine.dialect.name == "sqlite":
            return _local.serial, connection.execute("PRAGMA data_version").fetchone()[0]
        if watch is not None:
            watch(MARK_SQL)
        return _local.serial, _prepared(connection, MARK_SQL, {})
    except Exception:  # a lost connection is found again by whoever needs it
        _local.kept = None
        return None


def embedded() -> bool:
    """Whether the database is a library (SQLite): then a second read costs no second round trip."""
    return _engine().dialect.name == "sqlite"


def row(sql: str, values: dict[str, Any]) -> tuple[Any, ...] | None:
    """The first row of `sql` (`:name` placeholders) or None; the kept connection is renewed once when it was lost."""
    engine = _engine()
    if watch is not None:
        watch(sql)
    connection = _connection(engine)
    if engine.dialect.name == "sqlite":
        found: tuple[Any, ...] | None = connection.execute(sql, values).fetchone()
        return found
    try:
        return _prepared(connection, sql, values)
    except Exception:
        if not connection.closed:
            raise
    _local.kept = None
    return _prepared(_connection(engine), sql, values)


@cache
def _numbered(sql: str) -> tuple[str, tuple[str, ...]]:
    """`:name` placeholders as PostgreSQL's own $1, $2 …, and their names in that order."""
    names = tuple(dict.fromkeys(PLACEHOLDER.findall(sql)))
    return PLACEHOLDER.sub(lambda found: f"${names.index(found[1]) + 1}", sql), names


def _prepared(connection: Any, sql: str, values: dict[str, Any]) -> tuple[Any, ...] | None:
    """One call of libpq on a statement that the server has parsed before: half the cost of a psycopg cursor."""
    from psycopg import pq
    from psycopg.adapt import Transformer
    from psycopg.errors import error_from_result

    text, names = _numbered(sql)
    plans: dict[str, tuple[bytes, Any]] = _local.plans
    if sql not in plans:
        name = f"read_{len(plans)}".encode()
        made = connection.pgconn.prepare(name, text.encode())
        if made.status != pq.ExecStatus.COMMAND_OK:
            raise error_from_result(made)
        plans[sql] = name, Transformer(connection)
    name, transformer = plans[sql]
    result = connection.pgconn.exec_prepared(name, [_encoded(values[n]) for n in names])
    if result.status != pq.ExecStatus.TUPLES_OK:
        raise error_from_result(result)
    if result.ntuples == 0:
        return None
    transformer.set_pgresult(result)
    found: tuple[Any, ...] | None = transformer.load_row(0, tuple)
    return found


def _encoded(value: Any) -> bytes | None:
    if value is None:
        return None
    return (value.isoformat() if isinstance(value, datetime) else str(value)).encode()


def _engine() -> Engine:
    extensions = current_app.extensions
    kept: Engine | None = extensions.get("portal_engine")
    if kept is None:
        kept = extensions["portal_engine"] = db.engine
    return kept


def moment(value: str | datetime) -> datetime:
    """A stored moment as an aware UTC datetime: SQLite keeps text, PostgreSQL knows the type."""
    if isinstance(value, str):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return value.astimezone(UTC)


def bound(value: datetime) -> Any:
    """A moment as a parameter of `row`."""
    if _engine().dialect.name == "sqlite":
        utc = value if value.tzinfo is UTC else value.astimezone(UTC)
        return utc.replace(tzinfo=None).isoformat(" ", "microseconds")
    return value
