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
