"""The whole portal as processes, people who write all the time, and what must hold whatever was done to it meanwhile."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa

from tests.jobs.test_kill import Process, wait_until
from tests.notices.gateway_server import FakeGateway
from tests.servers import PostgresServer, RedisServer, free_port, granian

ROOT = Path(__file__).parents[2]
PEOPLE, PLACES, WRITERS, WRITES = 100, 30, 4, 200
PATIENCE = 300  # seconds for whatever is waited for: a busy machine is no failure


@dataclass
class Writing:
    """What the people did. answers: by status; 0: none came, so nobody knows. done: (person, kind) that was answered
    well; refused: that was answered otherwise."""

    answers: Counter[int] = field(default_factory=Counter)
    done: set[tuple[int, str]] = field(default_factory=set)
    refused: set[tuple[int, str]] = field(default_factory=set)
    unknown: set[tuple[int, str]] = field(default_factory=set)


class Stand:
    """Web (two workers), worker, scheduler, Redis, a database, a gateway outside. `people` write through HTTP."""

    def __init__(
        self, home: Path, logs: Path, gateway: FakeGateway, postgres: PostgresServer | None, url: str = ""
    ) -> None:  # fmt: skip
        self.home, self.gateway, self.postgres = home, gateway, postgres
        self.url = url or f"sqlite:///{home / 'data' / 'portal.db'}"
        self.redis, self.port = RedisServer(), free_port()
        self.redis.start()
        (home / "data").mkdir(exist_ok=True)
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("PORTAL_")} | {
            "DATABASE_URL": self.url, "PORTAL_DATA_DIR": str(home / "data"), "SECRET_KEY": "faults",
            "REDIS_URL": self.redis.url, "PORTAL_SMS_URL": gateway.url, "PORTAL_RATE_LIMITS": "0",
            "PORTAL_LOG_LEVEL": "WARNING",
        }  # fmt: skip
        module = [sys.executable, "-m", "tests.jobs.stand"]
        self.processes = {
            "web": Process(granian(self.port, "tests.jobs.stand:door", 2), self.env, logs / "web.log"),
            "worker": Process([*module, "worker"], self.env, logs / "worker.log"),
            "schedule": Process([*module, "schedule"], self.env, logs / "schedule.log"),
        }
        self.engine = sa.create_engine(self.url, poolclass=sa.NullPool)
        seed = [sys.executable, "-m", "tests.load.seed", str(PEOPLE), str(PLACES)]
        done = subprocess.run(seed, cwd=ROOT, env=self.env, capture_output=True, text=True, check=True)
        self.seeded: dict[str, Any] = json.loads(done.stdout)

    def start(self) -> None:
        for process in self.processes.values():
            process.start()
        wait_until(lambda: self.get("/healthz") == 200, "the web process")

    def close(self) -> None:
        for process in self.processes.values():
            if process.child is not None and process.child.poll() is None:
                process.end(signal.SIGKILL)
        self.redis.discard()
        self.engine.dispose()

    def kill(self, name: str) -> None:
        """kill -9, and what systemd does a moment later."""
        if name in self.processes:
            self.processes[name].end(signal.SIGKILL)
            self.processes[name].start()
        elif name == "redis":
            self.redis.kill()
            time.sleep(0.5)
            self.redis.start()
        else:
            assert self.postgres is not None
            self.postgres.kill()
            time.sleep(0.5)
            self.postgres.start()

    def ask(self, method: str, path: str, form: dict[str, str], headers: dict[str, str]) -> tuple[int, bytes]:
        """Status and body; the status is 0 when there was no answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            try:
                connection.request(method, path, urlencode(form), headers)
                answer = connection.getresponse()
                return answer.status, answer.read()
            except (OSError, http.client.HTTPException):
                return 0, b""

    def get(self, path: str) -> int:
        return self.ask("GET", path, {}, {})[0]

    def failing(self) -> list[str]:
        """What the health page says is not well; [] while nobody answers."""
        body = self.ask("GET", "/readyz", {}, {})[1]
        return list(json.loads(body)["failing"]) if body else []

    def post(self, person: int, path: str, form: dict[str, str]) -> int:
        cookie = f"{self.seeded['cookie']}={self.seeded['cookies'][person]}"
        kind = "application/x-www-form-urlencoded"
        return self.ask("POST", path, form, {"Cookie": cookie, "Content-Type": kind})[0]

    def rows(self, statement: str) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(sa.text(statement)))

    def count(self, statement: str) -> int:
        return int(self.rows(statement)[0][0])


class People(threading.Thread):
    """Each signs up and adds a relative: 200 writes by four at a time. Who is refused tries again until it is done."""

    def __init__(self, stand: Stand) -> None:
        super().__init__(daemon=True)
        self.stand, self.writing, self.written = stand, Writing(), 0
        self.lock = threading.Lock()
        kinds = [(person, kind) for person in range(PEOPLE) for kind in ("sign_up", "relative")]
        self.jobs = iter(kinds)

    def run(self) -> None:
        writers = [threading.Thread(target=self._write, daemon=True) for _ in range(WRITERS)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()

    def _write(self) -> None:
        while True:
            with self.lock:
                job = next(self.jobs, None)
            if job is None:
                return
            self._until_done(*job)
            self.written += 1

    def _until_done(self, person: int, kind: str) -> None:
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE:
            status = self._once(person, kind)
            self.writing.answers[status] += 1
            if status and status < 500:
                self.writing.done.add((person, kind))
                return
            (self.writing.refused if status else self.writing.unknown).add((person, kind))
            time.sleep(0.2)
        raise AssertionError(f"{kind} of {person} was never taken")

    def _once(self, person: int, kind: str) -> int:
        if kind == "sign_up":
            return self.stand.post(person, f"/services/{self.stand.seeded['entry']}/sign-up", {"for": "me"})
        name = chr(0x4E00 + person) * 3
        return self.stand.post(
            person, "/me/relatives", {"name": name, "relation": "子女", "birth_year": "", "phone": ""}
        )

    def wait_for(self, number: int) -> None:
        wait_until(lambda: self.written >= number or not self.is_alive(), f"{number} writes", PATIENCE)


def settle(stand: Stand) -> None:
    """Everything that was set going has been done, without anybody's help."""
    wait_until(
        lambda: stand.count("SELECT count(*) FROM outbox WHERE done_at IS NULL") == 0, "an empty outbox", PATIENCE
    )
    open_texts = "SELECT count(*) FROM delivery WHERE done_at IS NULL AND due_at <= created_at"
    wait_until(lambda: stand.count(open_texts) == 0, "all texts sent", PATIENCE)


def check(stand: Stand, people: People) -> None:
    """Nothing half-stored, nothing lost, nobody told twice."""
    writing = people.writing
    assert len(writing.done) == WRITES, writing.answers
    # Each has one place or one number in the line, and the entry's counters say the same.
    signed = Counter(person for (person,) in stand.rows("SELECT resident_id FROM sign_up"))
    assert len(signed) == PEOPLE and set(signed.values()) == {1}, (len(signed), signed.most_common(3), writing.answers)
    status = Counter(s for (s,) in stand.rows("SELECT status FROM sign_up"))
    assert status == {"confirmed": PLACES, "waiting": PEOPLE - PLACES}
    assert tuple(stand.rows("SELECT taken, waiting FROM entry")[0]) == (PLACES, PEOPLE - PLACES)
    histories = Counter(
        row for (row,) in stand.rows("SELECT object_id FROM state_history WHERE object_type = 'sign_up'")
    )
    assert len(histories) == PEOPLE and set(histories.values()) == {1}
    # A relative once; twice at most where no answer came and the same was sent again.
    relatives = Counter(name for (name,) in stand.rows("SELECT name FROM relative"))
    assert len(relatives) == PEOPLE
    again = {chr(0x4E00 + person) * 3 for person, kind in writing.unknown if kind == "relative"}
    assert {name for name, times in relatives.items() if times > 1} <= again
    # One message each, and no text under two keys.
    told = Counter(
        person for (person,) in stand.rows("SELECT person_id FROM inbox_message WHERE audience = 'resident'")
    )
    assert len(told) == PEOPLE and set(told.values()) == {1}, told.most_common(3)
    keys = {(body["phone"], body["text"]): headers["Idempotency-Key"] for headers, body in stand.gateway.received}
    assert len(set(keys.values())) == len({headers["Idempotency-Key"] for headers, _ in stand.gateway.received})
    if stand.url.startswith("sqlite"):
        assert stand.rows("PRAGMA integrity_check")[0][0] == "ok"
    flask = [sys.executable, "-m", "flask", "--app", "wsgi", "audit-check"]
    proved = subprocess.run(flask, cwd=ROOT, env=stand.env, capture_output=True, text=True, check=False)
    assert proved.returncode == 0, proved.stdout + proved.stderr
