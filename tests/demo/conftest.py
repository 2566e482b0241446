"""The demo on an empty, migrated database of the kind under test; loaded once for all tests of this room."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, time
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from portal import create_app
from portal.catalogue.public import month_snapshot
from portal.core import clock, scope
from portal.core.db import db
from portal.settings import ROOT
from tests.conftest import KIND, Client

PASSWORD = "tulip-harbour-42"
# A Saturday afternoon in the middle of a month: much is over, much is to come.
DAY = clock.at(datetime(2026, 11, 21).date(), time(15))


def _empty_database(folder: Path) -> str:
    if KIND != "postgresql":
        return f"sqlite:///{folder / 'demo.db'}"
    from tests.servers import postgresql_url

    name = f"portal_demo_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    admin = create_engine(postgresql_url("postgres"), isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    return postgresql_url(name)


@pytest.fixture(scope="package")
def demo_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("demo")
    app = create_app(
        {
            "TESTING": True,
            "SECRET_KEY": "tests only",
            "SQLALCHEMY_DATABASE_URI": _empty_database(folder),
            "DATA_DIR": folder,
            "WTF_CSRF_ENABLED": False,
            "RATELIMIT_ENABLED": False,
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "SMS_URL": "",
            "WECHAT_URL": "",
            "PROFILE": "dapeng",
            "TRUSTED_HOSTS": None,
            "HTTPS": False,
            "BASE_URL": "https://portal.example",
        }
    )
    app.test_client_class = Client
    with app.app_context():
        upgrade(directory=str(ROOT / "migrations"))
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
    month_snapshot.forget()


@pytest.fixture(scope="package")
def printed(demo_app: Flask) -> str:
    """What the first `flask demo` said."""
    with clock.frozen(DAY):
        result = demo_app.test_cli_runner().invoke(args=["demo", "--password", PASSWORD])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def now() -> Iterator[datetime]:
    with clock.frozen(DAY):
        yield DAY


@pytest.fixture
def loaded(demo_app: Flask, printed: str, now: datetime) -> Iterator[Any]:
    """A session that may read everything of the loaded demo."""
    month_snapshot.forget()
    with demo_app.app_context(), scope.system("tests"):
        yield db.session
        db.session.rollback()
        db.session.remove()
