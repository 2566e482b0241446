"""Attacks on the portal as `make run` starts it, with visitors beside them. Loopback only, about nine minutes.

    python -m tests.attack [--database sqlite|postgresql|both] [--seconds 8] [--only papers,codes]

One table a database: for each attack the visitors' p95 meanwhile, which is to be at most three times the quiet one or
half a second, whichever is larger; no 5xx but 503 with its sentence. Then: how many codes were sent to anybody and to
one victim, and how many owners signed in while others spent their tries. Ends with 1 when anything is not as it should.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from tests.attack.attacks import ATTACKS
from tests.attack.owner import owners_who_came_in
from tests.attack.target import Target
from tests.attack.visitors import Seen, visit
from tests.servers import PostgresServer, free_port

ROOT = Path(__file__).parents[2]
READY_SECONDS, LARGEST, TIMES = 300.0, 0.5, 3
CEILING, VICTIM, A_DAY, OWNERS = 300, "19900009999", 10, 20
KINDS = ("sqlite", "postgresql")


@dataclass(frozen=True)
class Stand:
    """`make run`, running."""

    target: Target
    url: str
    given: dict[str, int] = field(default_factory=dict)  # by number, the last text that was looked at

    def code(self, phone: str) -> str | None:
        """The newest code for a number that has not been given out yet: what the managers' page of messages shows."""
        engine = sa.create_engine(self.url, poolclass=sa.NullPool)
        with engine.connect() as connection:
            told = sa.text("SELECT id, body FROM delivery WHERE recipient = :phone AND body LIKE :words ORDER BY id")
            rows = connection.execute(told, {"phone": phone, "words": "%验证码%"}).all()
        fresh = [body for number, body in rows if number > self.given.get(phone, 0) and re.search(r"\d{6}", body)]
        self.given[phone] = max([self.given.get(phone, 0), *(number for number, _ in rows)])
        found = re.search(r"\d{6}", fresh[-1]) if fresh else None
        return found[0] if found else None


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'portal.db'}"
        return
    server = PostgresServer(("shared_buffers=128MB",))
    server.start()
    try:
        yield server.create("attack")
    finally:
        server.discard()


@contextmanager
def make_run(kind: str) -> Iterator[Stand]:
    """What `make run` starts, on free ports, with the demo."""
    with tempfile.TemporaryDirectory(prefix="portal-attack-") as name, database(kind, Path(name)) as url:
        port, log = free_port(), Path(name, "log")
        env = os.environ | {
            "PORT": str(port), "PORTAL_HOST": "127.0.0.1", "REDIS_PORT": str(free_port()), "PORTAL_DATA_DIR": name,
            "DATABASE_URL": url, "PORTAL_PROXY": "1", "PORTAL_CODES_PER_HOUR": str(CEILING),
        }  # fmt: skip
        with log.open("wb") as said:
            portal = subprocess.Popen([sys.executable, "-m", "tools.run"], cwd=ROOT, env=env, stdout=said, stderr=said)
        try:
            _until_ready(portal, log)
            command = [sys.executable, "-m", "tests.attack.prepare", str(port)]
            told = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout
            yield Stand(Target.of(told.splitlines()[-1]), url)
        finally:
            portal.terminate()
            portal.wait(60)


def _until_ready(portal: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + READY_SECONDS
    while "The portal is ready" not in log.read_text(errors="replace"):
        if portal.poll() is not None or time.monotonic() > until:
            raise RuntimeError(log.read_text(errors="replace")[-2000:])
        time.sleep(0.5)


def under(name: str, target: Target, seconds: float) -> tuple[Seen, Counter[str]]:
    """What visitors and the attacker met; an attacker who is not yet through afterwards is waited for."""
    command = [sys.executable, "-m", "tests.attack.fire", name, str(seconds)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as attacker:
        assert attacker.stdin is not None and attacker.stdout is not None
        attacker.stdin.write(target.to_json())
        attacker.stdin.close()
        seen = asyncio.run(visit(target, seconds + 1))
        return seen, Counter(json.loads(attacker.stdout.read() or '{"did not end well": 1}'))


def told(counts: Counter[str]) -> str:
    return ", ".join(f"{status} × {number}" for status, number in counts.most_common(6))


def line(name: str, seen: Seen, met: Counter[str], most: float) -> bool:
    """Print one line of the table; whether it is as it should be."""
    good = seen.p95 <= most and not seen.faults and not (met["500"] + met["502"] + met["did not end well"])
    print(
        f"  {'ok  ' if good else 'MISS'} {name:14} p95 {seen.p95 * 1000:6.0f} ms  max {max(seen.times):5.2f} s  "
        f"visitors {told(seen.answers):44} attacker {told(met)}",
        flush=True,
    )
    return good


def codes_sent(url: str) -> tuple[int, int]:
    """To anybody, and to the victim."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT phone FROM login_code").all()
    engine.dispose()
    return len(rows), sum(row[0] == VICTIM for row in rows)


def phones(url: str) -> list[str]:
    """Of residents who have agreed to how their data is used."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT phone FROM resident WHERE erased_at IS NULL ORDER BY id DESC").all()
    engine.dispose()
    return [str(row[0]) for row in rows[:OWNERS]]


def said(name: str, good: bool, what: str) -> bool:
    print(f"  {'ok  ' if good else 'MISS'} {name:14} {what}", flush=True)
    return good


def attack(kind: str, seconds: float, names: list[str]) -> bool:
    """The whole table of one database."""
    with make_run(kind) as stand:
        asyncio.run(visit(stand.target, 3))
        quiet = asyncio.run(visit(stand.target, seconds))
        most = max(LARGEST, TIMES * quiet.p95)
        print(f"\n{kind}: visitors' p95 at most {most * 1000:.0f} ms", flush=True)
        good = line("quiet", quiet, Counter(), most)
        if "owners" in names:
            came = owners_who_came_in(stand.target.port, phones(stand.url), stand.code, 61)
            good &= said("owners", came == OWNERS, f"{came} of {OWNERS} signed in while others spent their tries")
        for name in names:
            if name in ATTACKS:
                good &= line(name, *under(name, stand.target, seconds), most)
        if "codes" in names:
            everybody, victim = codes_sent(stand.url)
            what = f"{everybody} codes sent (ceiling {CEILING}), {victim} to one victim (at most {A_DAY})"
            good &= said("codes sent", everybody <= CEILING and victim <= A_DAY, what)
        return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=[*KINDS, "both"], default="both")
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--only", default=",".join(["owners", *ATTACKS]), help="names, with commas between")
    chosen = parser.parse_args()
    kinds = KINDS if chosen.database == "both" else (chosen.database,)
    good = [attack(kind, chosen.seconds, chosen.only.split(",")) for kind in kinds]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
