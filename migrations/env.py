"""Alembic runs inside the app, on whichever database is configured."""

from __future__ import annotations

from typing import Any

from alembic import context
from flask import current_app

from portal.core.db import Base, db


def _include(item: Any, name: str | None, kind: str, _reflected: bool, _compare: Any) -> bool:
    return not (kind == "table" and name == "alembic_version")


def run() -> None:
    with db.engine.connect() as connection:
        context.configure(
            connection=connection, target_metadata=Base.metadata, include_object=_include,
            # SQLite cannot alter tables in place: Alembic copies them.
            render_as_batch=connection.dialect.name == "sqlite", compare_type=True,
        )  # fmt: skip
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()


if current_app:
    run()
