"""One app a worker, one fixed town, the database as it was before each test, on either database.

PORTAL_TEST_DATABASE=sqlite (default) or postgresql. SQLite: a file in memory is copied (2 ms). PostgreSQL:
tests.savepoints, or a copy for tests marked `own_database`, whose subject are commits, several connections, threads or
processes.
"""

from __future__ import annotations

import contextvars
import gc
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, has_request_context, request
from flask.globals import _cv_app
from flask.testing import FlaskClient
from hypothesis import settings
from jinja2 import Undefined
from jinja2.runtime import missing
from sqlalchemy import create_engine, event, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from portal import create_app
from portal.catalogue.public import month_snapshot
from portal.core import clock, confined, protection, scope, sessions, uploads
from portal.core import db as core_db
from portal.core.db import READ_METHODS, db
from portal.people import passwords
from portal.venues.availability import room_snapshot
from tests import factories, savepoints
from tests.savepoints import OuterTransaction

LONG_WORK = (
    (confined, "call"), (uploads, "_open"), (uploads, "_encode"), (passwords, "matches"), (passwords, "hash_password"),
)  # fmt: skip
KIND = os.environ.get("PORTAL_TEST_DATABASE", "sqlite")
pytest_plugins = ["tests.servers"]
# The same examples each time and as long as they take: a suite that is red by luck is read by nobody.
# HYPOTHESIS_PROFILE=default tries new ones.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


def pytest_collection_finish() -> None:
    """As wsgi.py does: what was imported never becomes garbage, and looking through it costs an eighth of a test."""
    gc.freeze()


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


def _alone(work: Callable[..., Any]) -> Callable[..., Any]:
    """Whatever takes long in a request that writes is done while nobody has to wait for its transaction."""

    def checked(*args: Any, **named: Any) -> Any:
        if has_request_context() and request.method not in READ_METHODS and db.session().in_transaction():
            raise AssertionError(f"{request.method} {request.path} holds a transaction during {work.__name__}")
        return work(*args, **named)

    return checked


for module, name in LONG_WORK:
    setattr(module, name, _alone(getattr(module, name)))


class Database:
    """A template with the town in it, and a fresh copy for each test."""

    def __init__(self, folder: Path, worker: str) -> None:
        self.folder, self.worker = folder, worker
        self.template, self.live = folder / "template.db", folder / "live.db"

    @property
    def url(self) -> str:
        return f"sqlite:///{self.live}"

    def keep(self) -> None:
        """The town is complete: from here on each test starts with it."""
        db.session.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        db.session.remove()
        db.engine.dispose()
        shutil.copy(self.live, self.template)

    def begin(self, _own: bool) -> None:
        """Before a test. own: it needs a database for itself."""
        db.engine.dispose()
        for ending in ("-wal", "-shm"):
            self.live.with_name(self.live.name + ending).unlink(missing_ok=True)
        shutil.copy(self.template, self.live)

    def end(self) -> None:
        """After a test."""

    def close(self) -> None:
        """After the last test."""


class PostgresDatabase(Database):
    """Three databases: the template, the one that tests share in turn and never change, and one to be worn out."""

    def __init__(self, folder: Path, worker: str) -> None:
        from tests.servers import postgresql_url

        super().__init__(folder, worker)
        self.name = f"portal_{worker}"
        self.admin = create_engine(postgresql_url("postgres"), isolation_level="AUTOCOMMIT", poolclass=NullPool)
        self.target, self.shared = postgresql_url(self.name), postgresql_url(f"{self.name}_shared")
        self.outer: OuterTransaction | None = None
        self.own = True
        self._run(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)", f"CREATE DATABASE {self.name}")

    def _run(self, *statements: str) -> None:
        with self.admin.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def _copy(self, source: str, target: str) -> None:
        # Copying the files: 0.13 s instead of 0.20 by way of the log.
        self._run(
            f"DROP DATABASE IF EXISTS {target} WITH (FORCE)",
            f"CREATE DATABASE {target} TEMPLATE {source} STRATEGY FILE_COPY",
        )

    @property
    def url(self) -> str:
        return self.target

    def keep(self) -> None:
        db.session.remove()
        db.engine.dispose()
        self._copy(self.name, f"{self.name}_template")
        self._copy(self.name, f"{self.name}_shared")
        savepoints.install(db.engine, self._shared)

    def _shared(self) -> OuterTransaction | None:
        return None if self.own else self.outer

    def begin(self, own: bool) -> None:
        if own or self.own:
            db.engine.dispose()
        self.own = own
        if own:
            self._copy(f"{self.name}_template", self.name)
        else:
            self._begin_shared()

    def _begin_shared(self) -> None:
        if self.outer is not None and not self.outer.usable():  # a test hung up
            db.engine.dispose()
            self.outer.close()
            self.outer = None
        self.outer = self.outer or OuterTransaction(self.shared.replace("+psycopg", ""))
        self.outer.begin()

    def end(self) -> None:
        if not self.own and self.outer is not None:
            self.outer.undo()

    def close(self) -> None:
        if self.outer is not None:
            self.outer.close()


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords() -> Iterator[None]:
    """Argon2 with its real parameters takes a tenth of a second each time (people.test_rules has them)."""
    real, passwords.hasher = passwords.hasher, factories.HASHER
    yield
    passwords.hasher = real


@pytest.fixture(scope="session", autouse=True)
def _no_pauses() -> Iterator[None]:
    """Long works wait for nobody here (core.test_writers_queue looks at that)."""
    real, core_db.WAY_SECONDS = core_db.WAY_SECONDS, 0.0
    yield
    core_db.WAY_SECONDS = real


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    if KIND == "postgresql":
        yield PostgresDatabase(tmp_path_factory.mktemp("database"), worker)
        return
    from tests.servers import memory  # imported above, pytest could not rewrite its asserts

    with tempfile.TemporaryDirectory(prefix="portal-sqlite-", dir=memory()) as folder:
        yield Database(Path(folder), worker)


@pytest.fixture(scope="session")
def app(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("data")
    app = create_app({
        "TESTING": True, "SECRET_KEY": "tests only", "SQLALCHEMY_DATABASE_URI": database.url, "DATA_DIR": folder,
        "AUDIT_KEYS": ("tests only",),
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
    gc.freeze()
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
    database.close()


@pytest.fixture(autouse=True)
def _fresh(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests that use the app start with the town and nothing else; the others cost nothing."""
    if "app" not in request.fixturenames:
        yield
        return
    app: Flask = request.getfixturevalue("app")
    database: Database = request.getfixturevalue("database")
    with app.app_context():
        database.begin(request.node.get_closest_marker("own_database") is not None)
    # What a process remembers of one test's database must not reach the next.
    app.extensions.pop("portal_kept", None)
    shutil.rmtree(app.config["DATA_DIR"] / "cache" / "pdf" / "waiting", ignore_errors=True)
    (app.config["DATA_DIR"] / "erasures.txt").unlink(missing_ok=True)
    (app.config["DATA_DIR"] / "audit_anchors.jsonl").unlink(missing_ok=True)
    month_snapshot.forget()
    room_snapshot.forget()
    yield
    database.end()


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
        try:
            yield seen
        finally:
            event.remove(engine, "before_cursor_execute", note)

    return counting
