"""`kill -9` of worker, Redis and web in the middle of 500 notices: none lost, none twice (SPEC M1)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from portal import create_app
from portal.core import clock, job_queue
from portal.core.db import db
from portal.people.models import Resident
from tests.notices import gateway_server
from tests.notices.gateway_server import FakeGateway
from tests.servers import RedisServer, free_port, granian

ROOT = Path(__file__).parents[2]
RESIDENTS, BATCH = 500, 10
DEADLINE = 300  # seconds for each thing waited for: a machine that does other work is no failure


class Process:
    """A process of the portal that can be killed and started again; its children die with it."""

    def __init__(self, command: list[str], env: dict[str, str], log: Path) -> None:
        self.command, self.env, self.log = command, env, log
        self.child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(
                self.command, cwd=ROOT, env=self.env, stdout=log, stderr=log, start_new_session=True
            )

    def end(self, number: signal.Signals) -> int:
        """Signal the whole group; the exit code."""
        assert self.child is not None
        os.killpg(self.child.pid, number)
        return self.child.wait(DEADLINE)


class Stand:
    """Web, worker, scheduler, Redis, a database with 500 residents, and a gateway outside."""

    def __init__(self, url: str, home: Path, gateway: FakeGateway) -> None:
        self.url, self.redis, self.gateway, self.port = url, RedisServer(), gateway, free_port()
        self.engine = sa.create_engine(url)
        python = sys.executable
        self.env = {
            **os.environ, "DATABASE_URL": url, "PORTAL_DATA_DIR": str(home / "data"), "SECRET_KEY": "crash test",
            "PORTAL_SMS_URL": gateway.url, "PORTAL_LOG_LEVEL": "WARNING",
        }  # fmt: skip
        self.redis.start()
        self.env["REDIS_URL"] = self.redis.url
        web = granian(self.port, "tests.jobs.stand:door")
        module = [python, "-m", "tests.jobs.stand"]
        self.web = Process(web, self.env, home / "web.log")
        self.worker = Process([*module, "worker"], self.env, home / "worker.log")
        self.schedule = Process([*module, "schedule"], self.env, home / "schedule.log")

    def start(self) -> None:
        for process in (self.web, self.worker, self.schedule):
            process.start()
        wait_until(self.answers, "the web process")

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def announce(self, ids: list[int], key: str) -> None:
        """Ask until it is taken: a browser whose request failed sends it again."""
        data = urllib.parse.urlencode({"ids": ",".join(map(str, ids)), "key": key}).encode()
        began = time.monotonic()
        while time.monotonic() - began < DEADLINE:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/tests/announce", data, timeout=30) as answer:
                    assert answer.read() == b"ok"
                    return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"{key} was never taken")

    def count(self, statement: str) -> int:
        with self.engine.connect() as connection:
            return int(connection.scalar(sa.text(statement)) or 0)

    def told(self) -> int:
        return self.count("SELECT count(*) FROM inbox_message")

    def close(self) -> None:
        for process in (self.web, self.worker, self.schedule):
            if process.child is not None and process.child.poll() is None:
                process.end(signal.SIGKILL)
        self.redis.discard()
        self.engine.dispose()


def wait_until(true: Callable[[], bool], what: str, seconds: float = DEADLINE) -> None:
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > seconds:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.05)


def fill(url: str, home: Path) -> list[int]:
    """Tables and 500 residents; their ids."""
    app = create_app(
        {
            "TESTING": True,
            "SECRET_KEY": "crash test",
            "SQLALCHEMY_DATABASE_URI": url,
            "DATA_DIR": home / "data",
            "REDIS_URL": "redis://127.0.0.1:1/0",
        }
    )
    with app.app_context():
        db.create_all()
        db.session.execute(
            sa.insert(Resident),
            [
                {"phone": f"1980000{n:04d}", "name": f"居民{n}", "groups": [], "quiet": {}, "created_at": clock.now()}
                for n in range(RESIDENTS)
            ],
        )
        db.session.commit()
        ids = list(db.session.scalars(sa.select(Resident.id).order_by(Resident.id)))
        db.session.remove()
        db.engine.dispose()
    return ids


@pytest.fixture
def stand(new_database: Any, tmp_path: Path) -> Iterator[tuple[Stand, list[int]]]:
    url = new_database()
    (tmp_path / "data").mkdir()
    ids = fill(url, tmp_path)
    with gateway_server.running() as gateway:
        stand = Stand(url, tmp_path, gateway)
        try:
            stand.start()
            yield stand, ids
        except BaseException:
            for log in sorted(tmp_path.glob("*.log")):
                print(f"--- {log.name}\n{log.read_text()[-3000:]}")
            raise
        finally:
            stand.close()


class Sender(threading.Thread):
    """Announces one batch after the other, as far as it may: whatever is killed meanwhile is killed in the middle."""

    def __init__(self, stand: Stand, ids: list[int]) -> None:
        super().__init__(daemon=True)
        self.stand, self.ids, self.allowed = stand, ids, threading.Semaphore(0)

    def may_send(self, residents: int) -> None:
        """So many more."""
        self.allowed.release(residents // BATCH)

    def run(self) -> None:
        for start in range(0, RESIDENTS, BATCH):
            assert self.allowed.acquire(timeout=2 * DEADLINE)
            self.stand.announce(self.ids[start : start + BATCH], f"change:{start}")


@pytest.mark.slow
def test_kill_nine_loses_nothing_and_tells_nobody_twice(stand: tuple[Stand, list[int]]) -> None:
    portal, ids = stand
    sender = Sender(portal, ids)
    sender.start()
    sender.may_send(150)
    wait_until(lambda: portal.told() >= 50, "the first notices")
    portal.worker.end(signal.SIGKILL)
    sender.may_send(100)  # while nobody works
    portal.worker.start()
    wait_until(lambda: portal.told() >= 200, "notices after the worker's end")
    sender.may_send(100)
    portal.redis.kill()
    portal.redis.start()
    portal.web.end(signal.SIGKILL)
    portal.web.start()
    wait_until(lambda: portal.told() >= 300, "notices after the ends of Redis and web")
    sender.may_send(RESIDENTS - 350)
    portal.schedule.end(signal.SIGKILL)
    portal.worker.end(signal.SIGKILL)
    portal.redis.kill()
    portal.schedule.start()  # alone, without Redis and worker
    sender.join(DEADLINE)
    assert not sender.is_alive()
    wait_until(lambda: portal.told() >= RESIDENTS, "the last notices")
    wait_until(lambda: portal.count("SELECT count(*) FROM outbox WHERE done_at IS NULL") == 0, "an empty outbox")
    wait_until(lambda: portal.count("SELECT count(*) FROM delivery WHERE done_at IS NULL") == 0, "all texts sent")

    with portal.engine.connect() as connection:
        told = Counter(connection.scalars(sa.text("SELECT person_id FROM inbox_message")))
    assert set(told) == set(ids)
    assert set(told.values()) == {1}
    assert portal.count("SELECT count(*) FROM delivery WHERE outcome = 'sent'") == RESIDENTS
    # A text may leave again when its sender died before noting it, but always under the same key.
    by_phone = {body["phone"]: headers["Idempotency-Key"] for headers, body in portal.gateway.received}
    assert len(by_phone) == len(set(portal.gateway.keys())) == RESIDENTS
    assert portal.schedule.end(signal.SIGTERM) == 0


@pytest.mark.once
@pytest.mark.slow
def test_worker_and_scheduler_end_cleanly_when_asked(stand: tuple[Stand, list[int]]) -> None:
    portal, ids = stand
    portal.announce(ids[:10], "x")
    wait_until(lambda: portal.told() == 10, "the first notices")
    portal.redis.kill()
    for process in (portal.worker, portal.schedule):  # also while Redis is away
        assert process.end(signal.SIGTERM) == 0
    portal.redis.start()
    portal.worker.start()
    client = job_queue.connect(portal.redis.url)
    wait_until(lambda: client.exists(*client.keys("rq:worker:*"), "none") > 0, "a worker that listens")
    client.close()

    def rung() -> bool:
        """One ring may be lost while Redis comes back: the next sweep would find the work, but nobody sweeps here."""
        portal.announce(ids[10:20], "y")
        return portal.told() == 20

    wait_until(rung, "notices without a scheduler")
    assert portal.worker.end(signal.SIGINT) == 0
