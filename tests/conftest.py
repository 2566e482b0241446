"""One app a worker, one fixed town, a fresh copy of the database for each test, on either database.

PORTAL_TEST_DATABASE=sqlite (default) or postgresql.
"""

from __future__ import annotations

import contextvars
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, request
from flask.globals import _cv_app
from flask.testing import FlaskClient
from jinja2 import Undefined
from jinja2.runtime import missing
from sqlalchemy import create_engine, event, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from portal import create_app
from portal.catalogue.public import month_snapshot
from portal.core import clock, protection, reads, scope, sessions
from portal.core.db import READ_METHODS, db
from portal.venues.availability import room_snapshot
from tests import factories

KIND = os.environ.get("PORTAL_TEST_DATABASE", "sqlite")
pytest_plugins = ["tests.servers"]


class Misspelt(Undefined):
    """An attribute that its object does not have is a mistake in a template; a key that a dict lacks may be."""

    def _used(self) -> bool:
        if self._undefined_obj is not missing and not isinstance(self._undefined_obj, Mapping):
            self._fail_with_undefined_error()
        return False

    def __bool__(self) -> bool:
        return self._used()

    def __str__(self) -> str:
        self._used()
        return ""

    def __eq__(self, other: object) -> bool:
        return self._used() or type(self) is type(other)

    __hash__ = Undefined.__hash__


class Client(FlaskClient):
    """Requests get an app context of their own, as in production, even while a test holds one open."""

    def open(self, *args: Any, **kwargs: Any) -> Any:
        def apart() -> Any:
            _cv_app.set(None)  # type: ignore[arg-type]
            return super(Client, self).open(*args, **kwargs)

        return contextvars.copy_context().run(apart)


class GetWrote(AssertionError):
    """A GET left the session dirty or flushed something."""


@event.listens_for(Session, "after_flush")
def _note_flush(session: Session, _context: object) -> None:
    session.info["flushed"] = True


def _no_writes_on_get(response: Response) -> Response:
    touched = db.session.new or db.session.dirty or db.session.deleted or db.session().info.pop("flushed", False)
    if request.method in READ_METHODS and touched:
        raise GetWrote(f"GET {request.path} wrote to the database")
    return response


class Database:
    """A template with the town in it, and a fresh copy for each test."""

    def __init__(self, folder: Path, worker: str) -> None:
        self.folder, self.worker = folder, worker
        self.template, self.live = folder / "template.db", folder / "live.db"

    @property
    def url(self) -> str:
        return f"sqlite:///{self.live}"

    def keep(self) -> None:
        db.session.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        db.session.remove()
        db.engine.dispose()
        shutil.copy(self.live, self.template)

    def restore(self) -> None:
        db.engine.dispose()
        for ending in ("-wal", "-shm"):
            self.live.with_name(self.live.name + ending).unlink(missing_ok=True)
        shutil.copy(self.template, self.live)


class PostgresDatabase(Database):
    def __init__(self, folder: Path, worker: str) -> None:
        from tests.servers import postgresql_url

        super().__init__(folder, worker)
        self.name = f"portal_{worker}"
        self.admin = create_engine(postgresql_url("postgres"), isolation_level="AUTOCOMMIT", poolclass=NullPool)
        self.target = postgresql_url(self.name)
        self._run(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)", f"CREATE DATABASE {self.name}")

    def _run(self, *statements: str) -> None:
        with self.admin.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    @property
    def url(self) -> str:
        return self.target

    def keep(self) -> None:
        db.session.remove()
        db.engine.dispose()
        self._run(
            f"DROP DATABASE IF EXISTS {self.name}_template WITH (FORCE)",
            f"CREATE DATABASE {self.name}_template TEMPLATE {self.name}",
        )

    def restore(self) -> None:
        db.engine.dispose()
        self._run(
            f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)",
            # Copying the files: 0.13 s instead of 0.20 by way of the log, some two thousand times.
            f"CREATE DATABASE {self.name} TEMPLATE {self.name}_template STRATEGY FILE_COPY",
        )


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    folder = tmp_path_factory.mktemp("database")
    return PostgresDatabase(folder, worker) if KIND == "postgresql" else Database(folder, worker)


@pytest.fixture(scope="session")
def app(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("data")
    app = create_app({
        "TESTING": True, "SECRET_KEY": "tests only", "SQLALCHEMY_DATABASE_URI": database.url, "DATA_DIR": folder,
        "WTF_CSRF_ENABLED": False, "RATELIMIT_ENABLED": False, "REDIS_URL": "redis://127.0.0.1:1/0",
        "BASE_URL": "https://portal.example", "SMS_URL": "", "WECHAT_URL": "", "PROFILE": "dapeng",
        "SERVER_NAME": None, "TRUSTED_HOSTS": None, "HTTPS": False,
    })  # fmt: skip
    app.after_request(_no_writes_on_get)
    app.test_client_class = Client
    app.jinja_env.undefined = Misspelt
    with app.app_context():
        db.create_all()
        with db.engine.begin() as connection:
            protection.install(connection)
        with scope.system("tests"):
            factories.build_town()
        database.keep()
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.fixture(autouse=True)
def _fresh(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests that use the app start from the template; the others cost nothing."""
    if "app" not in request.fixturenames:
        yield
        return
    app: Flask = request.getfixturevalue("app")
    with app.app_context():
        request.getfixturevalue("database").restore()
    # What a process remembers of one test's database must not reach the next.
    app.extensions.pop("portal_centre_brief", None)
    month_snapshot.forget()
    room_snapshot.forget()
    yield


@pytest.fixture(autouse=True)
def now() -> Iterator[datetime]:
    """25 November 2026, 10:00 in Shanghai: December's list is being drawn up."""
    with clock.frozen(factories.NOW):
        yield factories.NOW


@pytest.fixture
def session(app: Flask) -> Iterator[Any]:
    """A session inside an app context that may read everything. Commit before you use the client."""
    with app.app_context(), scope.system("tests"):
        yield db.session
        db.session.rollback()
        db.session.remove()


@pytest.fixture
def town(session: Any) -> factories.Town:
    town = factories.load_town()
    session.commit()
    return town


@pytest.fixture
def make(session: Any) -> factories.Make:
    return factories.Make()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def sign_in(client: FlaskClient, audience: Any, person_id: int) -> None:
    """Open a session row and put its token into the client's cookie."""
    app = client.application
    with app.app_context():
        token = sessions.open_session(audience, person_id, clock.now())
        db.session.commit()
    with client.session_transaction() as cookie:
        cookie["_user_id"] = token
        cookie["_fresh"] = True


@pytest.fixture
def as_staff() -> Callable[[FlaskClient, Any], FlaskClient]:
    def enter(client: FlaskClient, account: Any) -> FlaskClient:
        sign_in(client, "staff", account.id)
        return client

    return enter


@pytest.fixture
def as_resident() -> Callable[[FlaskClient, Any], FlaskClient]:
    def enter(client: FlaskClient, resident: Any) -> FlaskClient:
        sign_in(client, "resident", resident.id)
        return client

    return enter


@pytest.fixture
def count_queries(app: Flask) -> Callable[[], Any]:
    """`with count_queries() as seen: …; len(seen)`: the statements the database was sent."""
    from contextlib import contextmanager

    @contextmanager
    def counting() -> Iterator[list[str]]:
        seen: list[str] = []

        def note(_c: Any, _cur: Any, statement: str, *_rest: Any) -> None:
            seen.append(statement)

        with app.app_context():
            engine = db.engine
        event.listen(engine, "before_cursor_execute", note)
        reads.watch = seen.append
        try:
            yield seen
        finally:
            reads.watch = None
            event.remove(engine, "before_cursor_execute", note)

    return counting
