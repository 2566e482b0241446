"""The one read of every page: values, nothing found, errors, a lost connection."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from portal.core import reads
from portal.core.db import db
from tests.servers import database_kind

pytestmark = pytest.mark.own_database


def test_values_by_name_in_any_order(session: Any) -> None:
    sql = "SELECT username, id FROM staff_account WHERE username = :name AND (id > :least OR username = :name)"
    found = reads.row(sql, {"least": 0, "name": "a1", "unused": 1})
    assert found is not None and found[0] == "a1" and isinstance(found[1], int)
    assert reads.row(sql, {"least": 0, "name": "nobody'; --"}) is None
    assert reads.row("SELECT id FROM centre WHERE id = :id AND note = :missing", {"id": 1, "missing": None}) is None


def test_moments_come_back_aware(session: Any) -> None:
    at = datetime(2026, 11, 25, 2, 0, 0, 123456, UTC)
    session.execute(text("UPDATE centre SET updated_at = :at"), {"at": reads.bound(at)})
    session.commit()
    found = reads.row("SELECT updated_at FROM centre WHERE updated_at = :at", {"at": reads.bound(at)})
    assert found is not None and reads.moment(found[0]) == at


def test_a_wrong_statement_is_an_error_and_the_next_read_works(session: Any) -> None:
    with pytest.raises(Exception, match="no_such_table"):
        reads.row("SELECT 1 FROM no_such_table WHERE 1 = :one", {"one": 1})
    assert reads.row("SELECT count(*) FROM centre", {}) is not None


def test_it_cannot_write(session: Any) -> None:
    with pytest.raises(Exception, match=r"read-?only"):
        reads.row("UPDATE centre SET note = 'x' WHERE id = :id RETURNING id", {"id": 1})


def test_a_lost_connection_is_renewed(session: Any) -> None:
    if database_kind() == "sqlite":
        pytest.skip("a file does not hang up")
    sql = "SELECT pg_backend_pid()"
    first = reads.row(sql, {})
    assert first is not None
    with db.engine.connect() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": first[0]})
    second = reads.row(sql, {})
    assert second is not None and second != first


def test_the_mark_changes_with_every_commit(session: Any) -> None:
    if database_kind() == "postgresql":
        assert reads.file_version() is None
        return
    before = reads.file_version()
    assert reads.file_version() == before
    session.execute(text("UPDATE centre SET note = 'x' WHERE id = 1"))
    assert reads.file_version() == before  # not yet
    session.commit()
    assert reads.file_version() != before
