"""Core statements of columns for the pages that everybody opens: a fifth of what the same costs through the ORM.

The scope guard sees the ORM's statements only, so this module is for queries files, each with a reason (a house test).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from flask import has_request_context
from sqlalchemy import Connection, Executable, Row, Select, func, select

from portal.core.db import LONE_READ, db, in_reading_request, is_sqlite

READING = "reading"  # of a session: its transaction, and the connection on which pages are read


def _shared() -> Connection | None:
    """The connection of a page that is read: its own, the same for each of its statements; None for a request that may
    write and take it back, and outside of requests.

    On PostgreSQL it begins in autocommit: each statement of READ COMMITTED sees what is committed by then anyway, so
    BEGIN and ROLLBACK buy nothing.
    """
    if not in_reading_request():
        return None
    session = db.session()
    kept: tuple[Any, Connection] | None = session.info.get(READING)
    if kept is None or kept[0] is not session.get_transaction():
        untouched = not session.in_transaction() and not is_sqlite()
        connection = session.connection(execution_options={"isolation_level": "AUTOCOMMIT"} if untouched else None)
        session.info[READING] = kept = session.get_transaction(), connection
    return kept[1]


@contextmanager
def _beside() -> Iterator[Connection]:
    """Sees what is committed by now: a request that has written may take it back, so it reads beside itself.

    On SQLite from the start: the transaction of a request that writes begins with the lock of all writers. On
    PostgreSQL a request that has done nothing yet needs no second connection.
    """
    if has_request_context() and not is_sqlite() and not db.session().in_transaction():
        yield db.session.connection()
        return
    option: dict[str, Any] = {LONE_READ: True} if is_sqlite() else {"isolation_level": "AUTOCOMMIT"}
    with db.engine.connect().execution_options(**option) as connection:
        yield connection


def row(statement: Executable, **values: Any) -> Row[Any] | None:
    """The first row of `statement` with its bound `values`, or None."""
    connection = _shared()
    if connection is not None:
        return connection.execute(statement, values).first()
    with _beside() as connection:
        return connection.execute(statement, values).first()


def rows(statement: Executable, **values: Any) -> Sequence[Row[Any]]:
    """All rows of `statement` with its bound `values`."""
    connection = _shared()
    if connection is not None:
        return connection.execute(statement, values).all()
    with _beside() as connection:
        return connection.execute(statement, values).all()


def own_rows(statement: Executable, **values: Any) -> Sequence[Row[Any]]:
    """As `rows`, but always inside the request's transaction: what it has written shows."""
    connection = _shared()
    if connection is None:
        db.session.flush()
        connection = db.session.connection()
    return connection.execute(statement, values).all()


def stamp(model: Any) -> Select[Any, Any, Any]:
    """A statement for `stamped`: count, sum of versions and highest id of a versioned table's rows, to be narrowed.

    Where versions only rise and rows never leave, an equal stamp means that nothing has changed.
    """
    return select(func.count(), func.coalesce(func.sum(model.version), 0), func.coalesce(func.max(model.id), 0))


def stamped(statement: Select[*tuple[Any, ...]], **values: Any) -> str:
    """The stamp as of now: 'count:sum:highest'."""
    return ":".join([str(part) for part in row(statement, **values) or ()])
