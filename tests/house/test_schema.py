"""Migrations and models agree, up and down, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import exc, inspect, text

from portal import create_app
from portal.core.db import Base, db


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
        rows = connection.execute(text("SELECT subject_kind, subject_id, centre_id, kind, file, position FROM attachment "
                                       "ORDER BY id")).all()  # fmt: skip
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
