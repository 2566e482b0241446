"""Migration 0010: names and words about people leave append-only lines, the chain holds over the mended ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import exc, text

from portal import create_app
from portal.core import audit_chain
from portal.core.db import db
from tests.house.test_schema import put, table_of, whole

AT = datetime(2026, 11, 25, 2, 0, 1, 5, tzinfo=UTC)
LINES: tuple[dict[str, Any], ...] = (
    {"verb": "sign_in", "object_type": "staff_account", "object_id": 1, "summary": ""},
    {"verb": "sign_up.refuse", "object_type": "sign_up", "object_id": 5, "summary": "王秀英说不来了", "after": {"status": "refused"}},
    {"verb": "call_back.close", "object_type": "call_back", "object_id": 7, "summary": "已解决"},
    {"verb": "unmask", "object_type": "booking", "object_id": 3, "summary": "查看完整手机号：场地预约 #3 王秀英生日"},
    {"verb": "venue.note", "object_type": "venue_note", "object_id": 4, "summary": "会议室：王秀英忘了伞"},
    {"verb": "booking.cancel", "object_type": "booking", "object_id": 3, "summary": "王秀英不来了"},
    {"verb": "erase", "object_type": "resident", "object_id": 2, "summary": "居民注销", "actor_kind": "resident",
     "actor_name": "已注销"},
)  # fmt: skip

STEPS: tuple[tuple[str, int, str, tuple[str, int, str], str, dict[str, str] | None], ...] = (
    ("sign_up", 5, "sign_up", ("resident", 9, "王秀英"), "", None),
    ("sign_up", 5, "refuse", ("staff", 1, "经办"), "王秀英说不来了", None),
    ("call_back", 7, "reopen", ("resident", 9, "居民"), "还没解决", {"outcome": "已解决", "words": "王秀英认可"}),
    ("entry", 8, "return", ("staff", 1, "经办"), "时间写错", None),
)


@pytest.fixture
def old(new_database: Callable[..., str], tmp_path: Path) -> Iterator[Flask]:
    """A database as 0009 kept it."""
    app = create_app(
        {"SQLALCHEMY_DATABASE_URI": new_database(), "DATA_DIR": tmp_path, "SECRET_KEY": "t", "TESTING": True}
    )
    with app.app_context():
        upgrade(revision="0009")
        with db.engine.begin() as connection:
            histories(connection)
            chain(connection)
        yield app
        db.session.remove()
        db.engine.dispose()


def histories(connection: Any) -> None:
    put(connection, table_of(connection, "resident"), id=9, name="王秀英", groups=[], quiet={})
    table = table_of(connection, "state_history")
    common = {"from_status": "a", "to_status": "b", "about": "", "at": AT.replace(tzinfo=None)}
    for serial, (kind, number, name, who, reason, details) in enumerate(STEPS, 1):
        actor = dict(zip(("actor_kind", "actor_id", "actor_name"), who, strict=True)) | numbered(connection, serial)
        put(connection, table, object_type=kind, object_id=number, name=name, reason=reason, details=details,
            **actor, **common)  # fmt: skip


def numbered(connection: Any, serial: int) -> dict[str, int]:
    """PostgreSQL counts by itself, and must go on counting."""
    return {"id": serial} if connection.dialect.name == "sqlite" else {}


def chain(connection: Any) -> None:
    table, previous = table_of(connection, "audit_log"), ""
    for serial, facts in enumerate(LINES, 1):
        line = {"actor_kind": "staff", "actor_id": 1, "actor_name": "经办", "centre_id": None, "centre_path": "",
                "address": "", "before": None, "after": None, "previous": previous} | facts  # fmt: skip
        previous, line = digest(line | {"at": AT}), line | numbered(connection, serial)
        put(connection, table, **line, hash=previous, at=AT if connection.dialect.name == "postgresql" else
            AT.replace(tzinfo=None))  # fmt: skip


def digest(line: dict[str, Any]) -> str:
    """As 0009's program computed it."""
    names = ("actor_kind", "actor_id", "actor_name", "centre_id", "centre_path", "address", "verb", "object_type",
             "object_id", "summary", "before", "after")  # fmt: skip
    fields = [line["previous"], line["at"].isoformat(), *(line[name] for name in names)]
    raw = json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(raw.encode()).hexdigest()


def rows(name: str) -> list[dict[str, Any]]:
    with db.engine.connect() as connection:
        table = table_of(connection, name)
    return whole(table)


def test_names_and_words_leave_the_lines_and_the_chain_holds(old: Flask) -> None:
    upgrade()
    lines = rows("state_history") + rows("audit_log")
    assert "王秀英" not in json.dumps(lines, ensure_ascii=False, default=str)
    first, refused, reopened, returned = rows("state_history")
    assert (first["actor_id"], first["actor_name"], first["remark_id"]) == (9, "", None)
    assert (refused["actor_name"], refused["reason"]) == ("经办", "")
    assert reopened["details"] == {"outcome": "已解决"}
    assert (returned["reason"], returned["remark_id"]) == ("时间写错", None)
    words = {row["id"]: row["words"] for row in rows("remark")}
    assert words[refused["remark_id"]] == "王秀英说不来了"
    seen = rows("audit_log")
    assert [words[row["after"]["remark"]] for row in (seen[1], seen[5])] == ["王秀英说不来了", "王秀英不来了"]
    assert [row["summary"] for row in seen[2:5]] == ["已解决", "查看完整手机号：场地预约 #3", "会议室"]
    assert seen[-1]["after"] == {"lines": 5, "old_head": digest_of_last()}
    assert audit_chain.verify([]).fault is None


def digest_of_last() -> str:
    previous = ""
    for facts in LINES:
        line = {"actor_kind": "staff", "actor_id": 1, "actor_name": "经办", "centre_id": None, "centre_path": "",
                "address": "", "before": None, "after": None, "at": AT, "previous": previous} | facts  # fmt: skip
        previous = digest(line)
    return previous


def test_what_did_not_hold_before_does_not_hold_afterwards(old: Flask) -> None:
    """A line that was changed by hand is not made true by computing the chain anew."""
    with db.engine.begin() as connection:
        forbid = "DROP TRIGGER audit_log_no_UPDATE"
        if connection.dialect.name == "postgresql":
            forbid = "ALTER TABLE audit_log DISABLE TRIGGER audit_log_append_only"
        connection.exec_driver_sql(forbid)
        connection.execute(text("UPDATE audit_log SET actor_name = '别人' WHERE id = 3"))
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(
                "CREATE TRIGGER audit_log_no_UPDATE BEFORE UPDATE ON audit_log BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
    upgrade()
    fault = audit_chain.verify([]).fault
    assert fault is not None and fault.row == 3


def test_back_again(old: Flask) -> None:
    before = rows("state_history")
    upgrade()
    downgrade(revision="0009")
    after = rows("state_history")
    before[2] |= {"details": {"outcome": "已解决"}, "actor_name": "王秀英"}  # named as the person is called now
    assert after == before
    lines = rows("audit_log")
    assert lines[1]["summary"] == "王秀英说不来了"
    for line in lines:
        at = line["at"].replace(tzinfo=UTC) if line["at"].tzinfo is None else line["at"].astimezone(UTC)
        assert digest(line | {"at": at}) == line["hash"]
    upgrade()
    assert audit_chain.verify([]).fault is None


@pytest.mark.parametrize(
    ("statement", "refused"),
    [
        ("UPDATE remark SET words = 'x', salt = 's'", True),
        ("UPDATE remark SET words = '', salt = ''", False),
        ("UPDATE remark SET words = ''", True),  # the salt would still let one guess
        ("UPDATE remark SET words = '', salt = '', object_id = 9", True),
        ("DELETE FROM remark", True),
    ],
)
def test_a_remark_is_only_blanked(old: Flask, statement: str, refused: bool) -> None:
    upgrade()
    if not refused:
        with db.engine.begin() as connection:
            connection.execute(text(statement))
        assert {row["words"] for row in rows("remark")} == {""}
        assert audit_chain.verify([]).fault is None
        return
    with pytest.raises(exc.DBAPIError, match="append-only"), db.engine.begin() as connection:
        connection.execute(text(statement))
