"""Thousands of notices through a provider that errs, while whoever sends is killed with -9 (SPEC M1, M2).

`python -m tests.notices.gateways.storm` (`make storm`) takes PEOPLE=5000, KILLS=50 and PORTAL_TEST_DATABASE; the suite
takes fewer.
What is looked at afterwards: each notice once in its inbox, each text taken by the provider, how many twice.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from tests.notices.gateways import providers
from tests.notices.gateways.conftest import TEMPLATES
from tests.notices.gateways.providers import SILENT

BUSY = {"tencent": "InternalError.OtherError", "aliyun": "isv.SYSTEM_ERROR"}
ROUND = timedelta(minutes=30)  # between two starts, on the clock of the portal: leases and doubts are over by then
START = datetime(2026, 12, 1, 2, 0, tzinfo=UTC)
HOURS = 12  # of the portal's clock: rounds go on next morning, none is in the quiet hours
ERRORS, UNKNOWN = 5, 1  # of a hundred tries


@dataclass(frozen=True, slots=True)
class Weather:
    """What is left when all is over. doubles: texts that the provider took twice."""

    people: int
    kills: int
    inbox: int
    inbox_twice: int
    texts: int
    sent: int
    taken: int
    doubles: int
    asked: int
    seconds: float

    def holds(self, most_doubles: int) -> bool:
        once = self.inbox == self.texts == self.sent == self.taken == self.people and not self.inbox_twice
        return once and self.doubles <= most_doubles

    def lost(self) -> int:
        return self.people - min(self.inbox, self.taken)


def judge(kind: str, seed: int) -> Callable[[str, int], str]:
    """Errors and unknown outcomes that depend on the message and its try, not on the order of threads."""

    def decide(once: str, times: int) -> str:
        digest = hashlib.sha256(f"{seed}:{once}:{times}".encode()).digest()
        share = int.from_bytes(digest[:4], "big") % 100
        return SILENT if share < UNKNOWN else BUSY[kind] if share < UNKNOWN + ERRORS else ""

    return decide


def moments() -> Iterator[datetime]:
    """Round after round, by day only."""
    moment = START
    while True:
        yield moment
        moment += ROUND
        if moment - START.replace(day=moment.day, month=moment.month) > timedelta(hours=HOURS):
            moment = (moment + timedelta(days=1)).replace(hour=START.hour, minute=0)


class Storm:
    """One database in `folder`, one provider, and a child that sends until it is killed."""

    def __init__(self, folder: Path, url: str, provider: providers.Provider, people: int) -> None:
        self.people, self.provider, self.engine = people, provider, sa.create_engine(url)
        (folder / "templates.toml").write_text(TEMPLATES)
        own = providers.settings(provider, str(folder / "templates.toml"))
        settings = {f"PORTAL_{name}": str(value) for name, value in own.items() if name != "TEMPLATES_FILE"}
        self.env = {
            **os.environ, **settings, "PORTAL_TEMPLATES": own["TEMPLATES_FILE"], "DATABASE_URL": url, "SECRET_KEY": "storm",
            "PORTAL_DATA_DIR": str(folder / "data"), "REDIS_URL": "redis://127.0.0.1:1/0", "PORTAL_SMS_RATE": "0",
            "PORTAL_LOG_LEVEL": "CRITICAL",
        }  # fmt: skip
        self.child("prepare", str(people)).communicate()

    def child(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.notices.gateways.storm_child", *arguments]
        return subprocess.Popen(command, env=self.env, stdout=subprocess.PIPE)

    def count(self, statement: str) -> int:
        with self.engine.connect() as connection:
            return int(connection.scalar(sa.text(statement)) or 0)

    def undone(self) -> int:
        waiting = "SELECT count(*) FROM {} WHERE done_at IS NULL"
        return self.count(waiting.format("outbox")) + self.count(waiting.format("delivery"))

    def run(self, kills: int, seed: int) -> Weather:
        """Start and kill; then let it end. The kills fall while texts are in the air: the child says when it begins."""
        dice, began, times = random.Random(seed), time.monotonic(), moments()
        for _ in range(kills):
            child = self.child("sweep", next(times).isoformat())
            assert child.stdout is not None
            child.stdout.readline()  # ready: what comes now is telling and sending
            before = sum(self.provider.took.values())
            target = before + dice.randrange(self.people // kills + 1)
            until = time.monotonic() + 5
            while child.poll() is None and sum(self.provider.took.values()) < target and time.monotonic() < until:
                time.sleep(0.001)
            child.send_signal(signal.SIGKILL)
            child.communicate()
        for _ in range(60):
            if not self.undone():
                break
            self.child("sweep", next(times).isoformat()).communicate()
        found = replace(self.weather(kills), seconds=round(time.monotonic() - began, 1))
        self.engine.dispose()
        return found

    def weather(self, kills: int) -> Weather:
        took = self.provider.took
        asks = ("QuerySendDetails", "PullSmsSendStatusByPhoneNumber")
        asked = sum(1 for action, _ in self.provider.requests if action in asks)
        inbox = self.count("SELECT count(*) FROM inbox_message")
        return Weather(
            self.people, kills, inbox, inbox - self.count("SELECT count(DISTINCT person_id) FROM inbox_message"),
            self.count("SELECT count(*) FROM delivery"), self.count("SELECT count(*) FROM delivery WHERE outcome = 'sent'"),
            len(took), sum(number - 1 for number in took.values()), asked, 0.0,
        )  # fmt: skip


def _database(folder: str, kind: str) -> str:
    from tests import servers

    name = f"storm_{kind}_{Path(folder).name.replace('-', '_').lower()}"
    engine = sa.create_engine(servers.postgresql_url("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return servers.postgresql_url(name)


def main() -> int:
    """The long one: both providers, on SQLite or PostgreSQL."""
    import tempfile

    from tests import servers

    people, kills = int(os.environ.get("PEOPLE", "5000")), int(os.environ.get("KILLS", "50"))
    failed = 0
    for kind in ("tencent", "aliyun"):
        with tempfile.TemporaryDirectory() as folder, providers.running(kind) as provider:
            provider.judge, provider.delay = judge(kind, 1), 0.02
            url = _database(folder, kind) if servers.database_kind() == "postgresql" else f"sqlite:///{folder}/storm.db"
            found = Storm(Path(folder), url, provider, people).run(kills, 1)
            ok = found.holds(most_doubles=50)
            print(
                f"{servers.database_kind()}, {kind}: {found} lost={found.lost()} {'ok' if ok else 'FAILED'}", flush=True
            )
            failed += not ok
    return failed


if __name__ == "__main__":
    sys.exit(main())
