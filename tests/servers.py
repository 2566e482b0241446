"""Servers that the tests own: a throw-away PostgreSQL cluster and Redis on free loopback ports.

Each test process (each xdist worker too) has its own, started when first asked for, so tests may stop and kill
them. `PORTAL_TEST_DATABASE` = sqlite (default) or postgresql says what the ordinary suite runs on.
Both end with the process that started them, also when that is killed.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

START_SECONDS = 180  # also on a machine that does much else


def database_kind() -> str:
    """What the ordinary suite runs on: "sqlite" or "postgresql"."""
    kind = os.environ.get("PORTAL_TEST_DATABASE", "sqlite")
    if kind not in {"sqlite", "postgresql"}:
        raise pytest.UsageError(f"PORTAL_TEST_DATABASE={kind}: sqlite or postgresql")
    return kind


def free_port() -> int:
    """A port nobody listens on just now; the caller must cope when another process takes it first."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def granian(port: int, door: str, workers: int = 1) -> list[str]:
    """The command that serves `door` ('module:name') on a loopback port as the Procfile does."""
    return [
        sys.executable, "-m", "granian", "--interface", "rsgi", "--host", "127.0.0.1", "--port", str(port),
        "--workers", str(workers), "--no-ws", "--backlog", "2048", "--backpressure", "2048", "--log-level", "warning",
        "--workers-kill-timeout", "3", door,
    ]  # fmt: skip


def chromium_path() -> str | None:
    """The machine's Chromium; None lets Playwright use a build of its own."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("PORTAL_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


def _program(name: str) -> str:
    """A PostgreSQL program; Debian keeps them out of PATH. The newest version wins."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda p: int(p.parts[4]))
    program = str(found[-1]) if found else shutil.which(name)
    if program is None:
        raise RuntimeError(f"{name} is missing: apt-get install postgresql")
    return program


def _bound_to_us(command: list[str], user: str | None = None) -> list[str]:
    """The command so that it ends with this process; as another user when root must not run it."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return ["runuser", "-u", user, "--", *command] if user else command
    become = ["--reuid", user, "--regid", user, "--init-groups"] if user else []
    return [setpriv, *become, "--pdeathsig", "KILL", "--", *command]


def memory() -> Path | None:
    """A folder in memory with room to spare: a database is copied there four times as fast; None where there is none."""
    folder = Path("/dev/shm")
    fits = folder.is_dir() and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > 4 * 1024**3
    return folder if fits else None


def _children(process: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def _runs(process: int) -> bool:
    """Killed but not yet collected by its parent counts as gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Server:
    """A child process that can be stopped, killed and started again on the same data."""

    port: int
    process: subprocess.Popen[bytes] | None = None

    def __init__(self, prefix: str, folder: Path | None = None) -> None:
        # Under /tmp and not pytest's tmp_path: PostgreSQL runs as another user, who may not look in there.
        self.home = Path(tempfile.mkdtemp(prefix=prefix, dir=folder))

    def command(self) -> list[str]:
        """What to run."""
        raise NotImplementedError

    def answers(self) -> bool:
        """True when this very server, not another one on its port, can be used."""
        raise NotImplementedError

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the process; what it says goes to its log."""
        with (self.home / "log").open("ab") as log:
            return subprocess.Popen(self.command(), stdout=log, stderr=log, cwd="/")

    def start(self) -> None:
        """Start it, on another port should somebody have taken the chosen one. Returns when it answers."""
        for _ in range(3):
            self.process = self.spawn()
            deadline = time.monotonic() + START_SECONDS
            while time.monotonic() < deadline and self.process.poll() is None:
                if self.answers():
                    return
                time.sleep(0.02)
            self.kill()
            self.port = free_port()
        raise RuntimeError(f"{type(self).__name__} did not start:\n{(self.home / 'log').read_text()[-2000:]}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal and wait for the end."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(START_SECONDS)
            self.process = None

    def kill(self) -> None:
        """As `kill -9`: no farewell."""
        self.signal(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order."""
        self.signal(signal.SIGINT)

    def discard(self) -> None:
        """End it and take its data away."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)


NO_SYNC = ("fsync=off", "full_page_writes=off")


class PostgresServer(Server):
    """A cluster of its own. fsync is off: the tests need speed, and nothing in it outlives them."""

    def __init__(self, options: tuple[str, ...] = NO_SYNC) -> None:
        super().__init__("portal-pg-", memory() if options == NO_SYNC else None)
        self.options = options
        self.port = free_port()
        self.user: str | None = None
        if os.geteuid() == 0:
            # initdb and postgres refuse to run as root.
            self.user = pwd.getpwnam("postgres").pw_name
            shutil.chown(self.home, self.user)
        initdb = [_program("initdb"), "-D", str(self.home / "data"), "-U", "portal", "-A", "trust", "-E", "UTF8"]
        done = subprocess.run(
            _bound_to_us([*initdb, "--locale=C.UTF-8", "--no-sync"], self.user),
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )
        if done.returncode:
            raise RuntimeError(f"initdb failed:\n{done.stderr}")

    def command(self) -> list[str]:
        """See Server."""
        settings = [
            f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={self.home}",
            "max_connections=200", "shared_buffers=64MB", "synchronous_commit=off", "wal_level=minimal",
            "max_wal_senders=0", "lock_timeout=60s",  # a test that waits for itself fails instead of hanging
            *self.options,
        ]  # fmt: skip
        run = [_program("postgres"), "-D", str(self.home / "data")]
        return _bound_to_us([*run, *(part for s in settings for part in ("-c", s))], self.user)

    def connect(self) -> psycopg.Connection:
        """An administrator's connection, autocommitting."""
        place = f"host=127.0.0.1 port={self.port} user=portal dbname=postgres"
        return psycopg.connect(place, autocommit=True, connect_timeout=5)

    def answers(self) -> bool:
        """See Server."""
        try:
            with self.connect() as connection:
                shown = connection.execute("SHOW data_directory").fetchone()
        except psycopg.OperationalError:
            return False
        return shown == (str(self.home / "data"),)

    def kill(self) -> None:
        """Its children notice within a moment; a start must wait for that, or it is refused."""
        children = _children(self.process.pid) if self.process is not None else []
        super().kill()
        deadline = time.monotonic() + START_SECONDS
        while any(map(_runs, children)) and time.monotonic() < deadline:
            time.sleep(0.02)

    def url(self, name: str) -> str:
        """The SQLAlchemy address of one database."""
        return f"postgresql+psycopg://portal@127.0.0.1:{self.port}/{name}"

    def create(self, name: str, template: str = "template1") -> str:
        """A new database, as a copy of `template` (which must have no open connection); its address."""
        with self.connect() as connection:
            names = sql.Identifier(name), sql.Identifier(template)
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))
        return self.url(name)

    def drop(self, name: str) -> None:
        """Drop a database with whoever is still connected."""
        with self.connect() as connection:
            drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            connection.execute(drop.format(sql.Identifier(name)))


class RedisServer(Server):
    """A Redis that keeps what it was told over a kill (appendonly, every write synced), as in production."""

    def __init__(self) -> None:
        super().__init__("portal-redis-")
        self.port = free_port()

    def command(self) -> list[str]:
        """See Server."""
        place = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.home)]
        keep = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        return _bound_to_us(["redis-server", *place, *keep])

    def answers(self) -> bool:
        """See Server."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as client:
            client.sendall(b"CONFIG GET dir\r\n")
            return str(self.home).encode() in client.recv(4096)
        return False

    @property
    def url(self) -> str:
        """REDIS_URL of this server."""
        return f"redis://127.0.0.1:{self.port}/0"

    def flush(self) -> None:
        """Forget everything, between two tests."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as client:
            client.sendall(b"FLUSHALL\r\n")
            client.recv(16)


@functools.cache
def postgres() -> PostgresServer:
    """This process's PostgreSQL, started by the first who asks."""
    server = PostgresServer()
    atexit.register(server.discard)
    server.start()
    return server


@functools.cache
def redis() -> RedisServer:
    """This process's Redis, started by the first who asks."""
    server = RedisServer()
    atexit.register(server.discard)
    server.start()
    return server


def postgresql_url(name: str) -> str:
    """The address of a database on this process's PostgreSQL (`postgres` exists; others must be created)."""
    return postgres().url(name)


@pytest.fixture(scope="session")
def postgres_server() -> PostgresServer:
    """This process's PostgreSQL. A test that kills it must start it again."""
    return postgres()


@pytest.fixture(scope="session")
def redis_server() -> RedisServer:
    """This process's Redis. A test that kills it must start it again."""
    return redis()


@pytest.fixture
def new_database(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """A function that makes an empty database and gives its address: `new_database()`, of the kind that the suite
    runs on, or `new_database("postgresql")`. They are gone after the test.
    """
    made: list[str] = []

    def new(kind: str | None = None) -> str:
        if (kind or database_kind()) == "sqlite":
            return f"sqlite:///{tmp_path / f'{uuid.uuid4().hex}.db'}"
        made.append(f"test_{uuid.uuid4().hex}")
        return postgres().create(made[-1])

    yield new
    for name in made:
        postgres().drop(name)
