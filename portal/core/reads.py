"""Core statements of columns for the pages that everybody opens: a fifth of what the same costs through the ORM.

The scope guard sees the ORM's statements only, so this module is for queries files, each with a reason (a house test).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from flask import has_request_context
from sqlalchemy import Connection, Executable, Row, Select, func, select

from portal.core.db import LONE_READ, db, in_reading_request, is_sqlite


def _untouched() -> bool:
    """Whether this request has neither read nor written yet, on PostgreSQL."""
    return has_request_context() and not is_sqlite() and not db.session().in_transaction()


def _own() -> Connection:
    """The request's connection; on PostgreSQL a page that is read begins in autocommit.

    Each statement of READ COMMITTED sees what is committed by then anyway, so BEGIN and ROLLBACK buy nothing.
    """
    if in_reading_request() and _untouched():
        return db.session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
    return db.session.connection()


@contextmanager
def _connection() -> Iterator[Connection]:
    """Sees what is committed by now: a request that has written may take it back, so it reads beside itself.

    On SQLite from the start: the transaction of a request that writes begins with the lock of all writers.
    """
    if in_reading_request() or _untouched():
        yield _own()
        return
    option: dict[str, Any] = {LONE_READ: True} if is_sqlite() else {"isolation_level": "AUTOCOMMIT"}
    with db.engine.connect().execution_options(**option) as connection:
        yield connection


def row(statement: Executable, **values: Any) -> Row[Any] | None:
    """The first row of `statement` with its bound `values`, or None."""
    with _connection() as connection:
        return connection.execute(statement, values).first()


def rows(statement: Executable, **values: Any) -> Sequence[Row[Any]]:
    """All rows of `statement` with its bound `values`."""
    with _connection() as connection:
        return connection.execute(statement, values).all()


def own_rows(statement: Executable, **values: Any) -> Sequence[Row[Any]]:
    """As `rows`, but always inside the request's transaction: what it has written shows."""
    db.session.flush()
    return _own().execute(statement, values).all()


def stamp(model: Any) -> Select[Any, Any, Any]:
    """A statement for `stamped`: count, sum of versions and highest id of a versioned table's rows, to be narrowed.

    Where versions only rise and rows never leave, an equal stamp means that nothing has changed.
    """
    return select(func.count(), func.coalesce(func.sum(model.version), 0), func.coalesce(func.max(model.id), 0))


def stamped(statement: Select[*tuple[Any, ...]], **values: Any) -> str:
    """The stamp as of now: 'count:sum:highest'."""
    return ":".join([str(part) for part in row(statement, **values) or ()])
