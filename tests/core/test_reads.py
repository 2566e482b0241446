"""Reads beside the request's transaction: what is committed by now, and stamps that move with each change."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import bindparam, select, text

from portal.catalogue.models import Entry
from portal.core import reads
from portal.core.db import db
from portal.people.models import StaffAccount
from tests.servers import database_kind

NAMED = select(StaffAccount.username, StaffAccount.created_at).where(StaffAccount.username == bindparam("name"))


def test_a_row_or_none_with_the_types_of_its_columns(session: Any) -> None:
    found = reads.row(NAMED, name="a1")
    assert found is not None and found.username == "a1" and found.created_at.tzinfo is not None
    assert reads.row(NAMED, name="nobody'; --") is None


@pytest.mark.own_database
def test_it_sees_what_others_have_committed_since(session: Any) -> None:
    session.execute(select(StaffAccount.id)).all()  # this transaction's view of the data begins here
    with db.engine.connect() as other:
        other.execute(text("UPDATE staff_account SET username = 'renamed' WHERE username = 'a1'"))
        assert reads.row(NAMED, name="renamed") is None, "not committed yet"
        other.commit()
    assert reads.row(NAMED, name="renamed") is not None


@pytest.mark.own_database
def test_a_lost_connection_is_renewed(session: Any) -> None:
    if database_kind() == "sqlite":
        pytest.skip("a file does not hang up")
    number = select(text("pg_backend_pid()"))
    with db.engine.connect() as other:
        first = reads.row(number)
        assert first is not None
        other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": first[0]})
        second = reads.row(number)
    assert second is not None and second != first


def test_a_stamp_moves_with_each_version_and_each_row(make: Any, town: Any, session: Any) -> None:
    statement = reads.stamp(Entry)
    assert reads.stamped(statement) == "0:0:0"
    entry = make.entry(town.centres["A1"])
    session.commit()
    first = reads.stamped(statement)
    entry.version += 1
    session.commit()
    assert len({first, reads.stamped(statement), "0:0:0"}) == 3
