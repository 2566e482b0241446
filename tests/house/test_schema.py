"""Migrations and models agree, up and down, on both databases."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import MetaData, Table, exc, inspect, text

from portal import create_app
from portal.cases import queries
from portal.core import audit, audit_chain, clock, protection, scope
from portal.core.access import system_actor
from portal.core.db import Base, db
from portal.signup.attendance.models import Attendance
from portal.signup.models import SignUp
from tests import factories


@pytest.fixture
def empty(new_database: Callable[..., str], tmp_path: Path) -> Iterator[Flask]:
    app = create_app(
        {"SQLALCHEMY_DATABASE_URI": new_database(), "DATA_DIR": tmp_path, "SECRET_KEY": "t", "TESTING": True}
    )
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


def test_models_and_migrations_agree(empty: Flask) -> None:
    upgrade()
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_down_to_nothing_and_up_again(empty: Flask) -> None:
    upgrade()
    downgrade(revision="base")
    with db.engine.connect() as connection:
        assert set(inspect(connection).get_table_names()) <= {"alembic_version"}
    upgrade()


def test_photos_become_attachments_and_photos_again(empty: Flask) -> None:
    upgrade(revision="0005")
    centre = "INSERT INTO centre (id, code, name, short_name, level, kind, path, depth, address, phone, functions, " \
        "responsible, intro, note, active, created_at, updated_at) VALUES ({0}, 'c{0}', 'C', '', 'community', " \
        "'community', '/{0}/', 0, '', '', '[]', '', '', '', true, '2026-11-01', '2026-11-25 02:00')"  # fmt: skip
    with db.engine.begin() as connection:
        columns = {c["name"]: c for c in inspect(connection).get_columns("venue")}
        needed = {"centre_id": "7", "name": "'R'", "created_at": "'2026-11-01'", "updated_at": "'2026-11-25 03:00'"}
        for name, column in columns.items():
            if not column["nullable"] and name not in needed:
                needed[name] = "3" if name == "id" else _filler(str(column["type"]))
        connection.execute(text(centre.format(7)))
        connection.execute(text(f"INSERT INTO venue ({', '.join(needed)}) VALUES ({', '.join(needed.values())})"))
        for owner, number in (("centre", 7), ("venue", 3)):
            for position in (1, 2):
                values = f"({number}, '{owner}{position}.jpg', 'p{position}', {position})"
                connection.execute(
                    text(f"INSERT INTO {owner}_photo ({owner}_id, file, caption, position) VALUES {values}")
                )
    upgrade()
    with db.engine.connect() as connection:
        rows = connection.execute(
            text("SELECT subject_kind, subject_id, centre_id, kind, file, position FROM attachment ORDER BY id")
        ).all()
        when = connection.execute(text("SELECT count(DISTINCT created_at) FROM attachment")).scalar()
    assert rows == [(k, s, 7, "photo", f"{k}{p}.jpg", p) for k, s in (("centre", 7), ("venue", 3)) for p in (1, 2)]
    assert when == 2
    downgrade(revision="0005")
    with db.engine.connect() as connection:
        assert "attachment" not in inspect(connection).get_table_names()
        for owner, number in (("centre", 7), ("venue", 3)):
            again = connection.execute(
                text(f"SELECT {owner}_id, file, caption, position FROM {owner}_photo ORDER BY id")
            )
            assert again.all() == [(number, f"{owner}{p}.jpg", f"p{p}", p) for p in (1, 2)]


def _filler(kind: str) -> str:
    if kind == "BOOLEAN":
        return "true"
    return "'[]'" if kind == "JSON" else "1" if kind == "INTEGER" else "''"


def test_revisions_are_linear_and_numbered(empty: Flask) -> None:
    directory = ScriptDirectory(str(Path(__file__).parents[2] / "migrations"))
    revisions = [script.revision for script in directory.walk_revisions()][::-1]
    assert revisions == [f"{number:04d}" for number in range(1, len(revisions) + 1)]
    assert len(directory.get_heads()) == 1


@pytest.mark.once
def test_no_migration_imports_live_code() -> None:
    """It would make another schema once that code changes."""
    for file in sorted((Path(__file__).parents[2] / "migrations" / "versions").glob("*.py")):
        imported = [
            name
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in ([a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""])
        ]
        assert not [n for n in imported if n.split(".")[0] in {"portal", "jobs", "wsgi", "tests"}], file.name


def _nets() -> set[str]:
    """What the database itself refuses: triggers, functions, exclusion constraints, by their text without layout."""
    source = (
        "SELECT sql FROM sqlite_master WHERE type = 'trigger'"
        if db.engine.dialect.name == "sqlite"
        else "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal UNION ALL "
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'x' UNION ALL "
        "SELECT pg_get_functiondef('refuse_change'::regproc)"
    )
    with db.engine.connect() as connection:
        return {" ".join(found.split()) for found in connection.scalars(text(source))}


def test_tables_made_without_migrations_have_the_same_nets(empty: Flask) -> None:
    """Tests make them so; the migrations hold frozen copies."""
    upgrade()
    migrated = _nets()
    downgrade(revision="base")
    db.create_all()
    with db.engine.begin() as connection:
        protection.install(connection)
    assert _nets() == migrated and len(migrated) >= 4


@pytest.mark.parametrize("table", ["audit_log", "state_history"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET actor_name = 'x'", "DELETE FROM {}"])
def test_append_only_tables_refuse_change(empty: Flask, table: str, statement: str) -> None:
    upgrade()
    row: dict[str, Any] = {
        "audit_log": "INSERT INTO audit_log (at, actor_kind, actor_name, verb, object_type, centre_path, address, summary, "
        "previous, hash) VALUES ('2026-11-25', 'system', 's', 'v', 'o', '', '', '', '', 'h')",
        "state_history": "INSERT INTO state_history (object_type, object_id, name, from_status, to_status, actor_kind, "
        "actor_name, reason, about, at) VALUES ('o', 1, 'n', 'a', 'b', 'system', 's', '', '', '2026-11-25')",
    }
    with db.engine.begin() as connection:
        connection.execute(text(row[table]))
    with pytest.raises(exc.DBAPIError, match="append-only"), db.engine.begin() as connection:
        connection.execute(text(statement.format(table)))


def test_a_call_backs_place_owner_and_time_move_to_its_case_and_back(empty: Flask) -> None:
    """Migration 0007, on rows as 0006 kept them."""
    upgrade(revision="0006")
    now = datetime(2026, 11, 25, 2)
    with db.engine.begin() as connection:
        tables = {name: table_of(connection, name) for name in ("centre", "resident", "evaluation", "call_back")}
        for number, path in ((1, "/1/"), (2, "/1/2/")):
            put(connection, tables["centre"], id=number, code=f"C{number}", name="区", level="district", path=path,
                functions=[])  # fmt: skip
        put(connection, tables["resident"], id=1, name="甲", groups=[], quiet={})
        for number in (1, 2):
            put(connection, tables["evaluation"], id=number, centre_id=2, resident_id=1, title="书法课", stars=number,
                subject_id=number, token=f"t{number}", words="门锁着" * (number - 1), tags=[])  # fmt: skip
        put(connection, tables["call_back"], id=7, evaluation_id=1, centre_id=2, waits_at_id=1, status="open",
            due_at=now, warned=1, handed_up_at=now)  # fmt: skip
        put(connection, tables["call_back"], id=9, evaluation_id=2, centre_id=2, waits_at_id=2, status="done",
            due_at=now, closed_at=now, outcome="已解决", reopened_at=now)  # fmt: skip
    old = whole(tables["call_back"])
    upgrade()
    with db.engine.connect() as connection:
        found = connection.execute(text(
            "SELECT f.waits_at_id, f.status, f.title, f.detail, f.url, k.name, k.told FROM call_back c JOIN case_file f "
            "ON f.id = c.case_id JOIN case_clock k ON k.case_id = f.id ORDER BY c.id"
        )).all()  # fmt: skip
        assert [tuple(row) for row in found] == [
            (1, "open", "书法课（1 星）", "没有留言", "/staff/feedback/call-backs/7", "call", 1),
            (2, "done", "书法课（2 星）", "门锁着", "/staff/feedback/call-backs/9", "again", 0),
        ]
    downgrade(revision="0006")
    assert whole(tables["call_back"]) == old


def table_of(connection: Any, name: str) -> Table:
    return Table(name, MetaData(), autoload_with=connection)


def put(connection: Any, table: Table, **values: Any) -> None:
    """A row with something in every column that wants it."""
    zero: dict[type, Any] = {int: 0, str: "", bool: True, datetime: datetime(2026, 11, 25), float: 0.0}
    for column in table.columns:
        if column.name not in values and not column.nullable and column.server_default is None:
            values[column.name] = zero.get(column.type.python_type, [])
    connection.execute(table.insert().values(**values))


def whole(table: Table) -> list[dict[str, Any]]:
    with db.engine.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(table.select().order_by(table.c.id))]


def test_the_calendars_of_known_years_are_there(empty: Flask) -> None:
    upgrade()
    assert list(queries.years()) == [2025, 2026]
    assert [len(queries.days_of(year)) for year in (2025, 2026, 2027)] == [28 + 5, 33 + 6, 0]
    start = clock.at(date(2026, 9, 30), time(16))
    assert queries.work_clock().workday_end(start, 5) == clock.at(date(2026, 10, 13), time(18))


def test_old_audit_lines_hold_after_the_key_came(empty: Flask) -> None:
    """Migration 0010 on a log as older versions kept it: plain hashes, no head; up, written to, down and up again."""
    upgrade(revision="0009")
    line = SimpleNamespace(
        previous="", at=datetime(2026, 11, 25, 2, tzinfo=UTC), actor_kind="system", actor_id=None, actor_name="s",
        centre_id=None, centre_path="/1/", address="", verb="v", object_type="o", object_id=None, summary="", before=None,
        after=None, key_id="",
    )  # fmt: skip
    hashed = audit.digest(line)  # type: ignore[arg-type]
    with db.engine.begin() as connection:
        connection.execute(text(
            "INSERT INTO audit_log (at, actor_kind, actor_name, verb, object_type, centre_path, address, summary, "
            "before, after, previous, hash) VALUES ('2026-11-25 02:00:00+00:00', 'system', 's', 'v', 'o', '/1/', '', "
            f"'', 'null', 'null', '', '{hashed}')"
        ))  # fmt: skip
    upgrade()
    assert audit_chain.verify([]).fault is None
    audit.record(system_actor(), "v", "o", 1, clock.now())
    db.session.commit()
    chain = audit_chain.verify([])
    assert (chain.fault, chain.count, chain.keyed) == (None, 2, True)
    db.session.remove()
    downgrade(revision="0009")
    upgrade()


def test_the_one_mark_of_a_sign_up_becomes_who_came_and_a_mark_again(empty: Flask) -> None:
    directory = ScriptDirectory(str(Path(__file__).parents[2] / "migrations"))
    before = next(str(s.down_revision) for s in directory.walk_revisions() if s.path.endswith("_attendance.py"))
    upgrade()
    with scope.system("test"):
        factories.build_town()
        town, make = factories.load_town(), factories.Make()
        entry = make.entry(town.centres["A1"], taken=2)
        for person in town.residents[:2]:
            sign_up = SignUp(
                entry_id=entry.id, centre_id=entry.centre_id, resident_id=person.id, person_key=f"r{person.id}",
                status="confirmed", created_at=factories.NOW,
            )  # fmt: skip
            db.session.add(sign_up)
        came = f"r{town.residents[0].id}"
        db.session.add(Attendance(
            centre_id=entry.centre_id, session_id=entry.sessions[0].id, entry_id=entry.id, person_key=came, came=True,
            via="list", marked_at=factories.NOW, resident_id=town.residents[0].id,
        ))  # fmt: skip
        db.session.commit()
        db.session.remove()
    downgrade(revision=before)
    with db.engine.connect() as connection:
        marked = connection.execute(text("SELECT person_key FROM sign_up WHERE checked_in_at IS NOT NULL"))
        assert marked.scalars().all() == [came]
    upgrade()
    with db.engine.connect() as connection:
        rows = connection.execute(text("SELECT person_key, came FROM attendance")).all()
    assert [(key, bool(there)) for key, there in rows] == [(came, True)]
