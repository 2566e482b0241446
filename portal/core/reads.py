"""Reads beside the request's transaction: who is looking, and whether what a process keeps is still true.

Each is one SQLAlchemy Core statement on a connection of the pool, so it sees what is committed by now, however old the
request's own transaction is; on PostgreSQL in autocommit, one round trip instead of three. The scope guard sees the
session's statements only, so this module is for queries files (a house test says so).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import current_app
from sqlalchemy import Engine, Executable, Row, Select, func, select

from portal.core.db import LONE_READ, db, is_sqlite


def _engine() -> Engine:
    extensions = current_app.extensions
    kept: Engine | None = extensions.get("portal_reads")
    if kept is None:
        # On SQLite it is portal.core.db that says BEGIN; there not to say it is autocommit.
        option: dict[str, Any] = {LONE_READ: True} if is_sqlite() else {"isolation_level": "AUTOCOMMIT"}
        kept = extensions["portal_reads"] = db.engine.execution_options(**option)
    return kept


def row(statement: Executable, **values: Any) -> Row[Any] | None:
    """The first row of `statement` with its bound `values`, or None."""
    with _engine().connect() as connection:
        return connection.execute(statement, values).first()


def rows(statement: Executable, **values: Any) -> Sequence[Row[Any]]:
    """All rows of `statement` with its bound `values`."""
    with _engine().connect() as connection:
        return connection.execute(statement, values).all()


def own_rows(statement: Executable, **values: Any) -> Sequence[Row[Any]]:
    """As `rows`, but inside the request's transaction: what it has written shows, what others commit may not."""
    db.session.flush()
    return db.session.connection().execute(statement, values).all()


def stamp(model: Any) -> Select[Any, Any, Any]:
    """A statement for `stamped`: count, sum of versions and highest id of a versioned table's rows, to be narrowed.

    Where versions only rise and rows never leave, an equal stamp means that nothing has changed.
    """
    return select(func.count(), func.coalesce(func.sum(model.version), 0), func.coalesce(func.max(model.id), 0))


def stamped(statement: Select[Any, Any, Any], **values: Any) -> str:
    """The stamp as of now: 'count:sum:highest'."""
    return ":".join([str(part) for part in row(statement, **values) or ()])
