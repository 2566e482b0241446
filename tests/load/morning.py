"""The morning of the 1st: thousands of residents in a minute, from home to the answer of their sign-up.

    python -m tests.load.morning [--database sqlite|postgresql|both] [--people 2000] [--seconds 60] [--workers 2]

Each opens home, the list, an activity (four of five one of twenty with thirty places), signs up and reads the answer,
with two seconds of thought in between; three of ten load the static files first. Who hears "come again in N seconds"
(503) does so. Wrong is: any other 5xx, a refused connection, a place too many, anybody who waits longer than 2 s for a
page or for that sentence. Loopback only; the client shares the machine's cores.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from bench import http, town
from bench.fill import POPULAR
from bench.journey import one_of_many
from tests.servers import free_port, granian

THINK = 2.0  # seconds, mean
SETTINGS = {"PORTAL_RATE_LIMITS": "0", "PORTAL_PROXY": "1"}
MOST_WAITING = 2.0  # seconds for a page, or for the sentence that says when to come again
STATIC = ("/static/portal.css", "/static/portal.js", "/static/vendor/htmx.min.js", "/static/favicon.svg")


@dataclass
class Seen:
    """What the crowd has met."""

    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    answers: Counter[int] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    finished: int = 0


class Resident:
    """One phone with one connection."""

    def __init__(self, filled: town.Town, port: int, number: int, seen: Seen) -> None:
        self.town, self.port, self.number, self.seen = filled, port, number, seen
        self.cookie = {
            "Cookie": filled.cookies[number % len(filled.cookies)],
            "X-Forwarded-For": f"10.{number // 5 // 250}.{number // 5 % 250}.7",  # five phones behind one address
        }
        self.chance = random.Random(number)

    async def arrive(self, after: float) -> None:
        """The whole way."""
        await asyncio.sleep(after)
        try:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
            await self._way()
            self.writer.close()
            self.seen.finished += 1
        except (OSError, asyncio.IncompleteReadError) as error:
            self.seen.wrong[type(error).__name__] += 1

    async def _way(self) -> None:
        activity = f"/services/{one_of_many(self.number)}"
        await self._step("home", "GET", "/")
        for path in STATIC if self.chance.random() < 0.3 else ():
            await self._step("static", "GET", path)
        for name, method, path in (
            ("list", "GET", "/services"), ("activity", "GET", activity), ("sign up", "POST", f"{activity}/sign-up"),
            ("answer", "GET", f"{activity}/sign-up"),
        ):  # fmt: skip
            if name != "answer":
                await asyncio.sleep(self.chance.expovariate(1 / THINK))
            await self._step(name, method, path)

    async def _step(self, name: str, method: str, path: str) -> None:
        body = f"for=me&csrf_token={self.town.csrf}".encode() if method == "POST" else b""
        for _ in range(20):
            began = time.perf_counter()
            self.writer.write(http.message(method, self.port, path, self.cookie, body))
            status, again = await self._answer()
            took = time.perf_counter() - began
            self.seen.answers[status] += 1
            self.seen.times["told to come again" if status == 503 else name].append(took)
            if status != 503:
                if status not in (200, 303, 409):
                    self.seen.wrong[f"{name} answered {status}"] += 1
                return
            await asyncio.sleep(again)
        self.seen.wrong["gave up"] += 1

    async def _answer(self) -> tuple[int, int]:
        """Status, and seconds until one may come again."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(head[9:12]), int(headers.get("retry-after", 0))


@contextmanager
def served(env: dict[str, str], workers: int) -> Iterator[tuple[int, int]]:
    """Port and process of the portal."""
    port, home = free_port(), Path(tempfile.mkdtemp(prefix="portal-morning-"))
    command = granian(port, "wsgi:door", workers)
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=http.ROOT, env=os.environ | env | SETTINGS, stdout=log, stderr=log)
    try:
        http._wait(port)
        yield port, process.pid
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        sys.stderr.write((home / "log").read_text()[-2000:])


async def crowd(filled: town.Town, port: int, people: int, seconds: float) -> Seen:
    seen, when = Seen(), random.Random(7)
    await asyncio.gather(
        *(Resident(filled, port, number, seen).arrive(when.uniform(0, seconds)) for number in range(people))
    )
    return seen


def places(url: str) -> list[str]:
    """What is wrong with places: more taken than there are, or other than sign-ups say."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT e.id, e.capacity, e.taken, coalesce((SELECT sum(places) FROM sign_up s WHERE s.entry_id = e.id "
            f"AND s.status = 'confirmed'), 0) FROM entry e WHERE e.id <= {POPULAR}"
        ).all()
    engine.dispose()
    return [f"activity {i}: {taken} of {most} taken, {held} confirmed" for i, most, taken, held in rows
            if taken > (most or 0) or taken != held]  # fmt: skip


def report(kind: str, seen: Seen, seconds: float, used: float, wrong: list[str]) -> bool:
    """Print what was seen; whether it was as it should be."""
    total = sum(seen.answers.values())
    print(f"\n{kind}: {seen.finished} came through in {seconds:.0f} s, {total} answers, {used:.0f} s of processor time")
    waits = []
    for name, times in seen.times.items():
        ordered = sorted(times)
        p50, p95 = (ordered[int(len(ordered) * share)] for share in (0.5, 0.95))
        waits.append(ordered[-1])
        print(f"  {name:20} {len(times):6}  p50 {p50 * 1000:6.0f} ms  p95 {p95 * 1000:6.0f} ms  max {waits[-1]:.2f} s")
    wrong = [*wrong, *(f"{count} x {what}" for what, count in seen.wrong.items())]
    if max(waits) > MOST_WAITING:
        wrong.append(f"somebody waited {max(waits):.2f} s")
    print(f"  answers {dict(seen.answers)}; " + ("; ".join(wrong) or "nothing wrong, places exact"))
    return not wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=[*town.KINDS, "both"], default="both")
    parser.add_argument("--people", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--workers", type=int, default=0, help="default: 2 on SQLite, 3 on PostgreSQL")
    parser.add_argument("--scale", type=float, default=1.0, help="of the town: 1 is 100,000 residents")
    chosen = parser.parse_args()
    good = True
    for kind in town.KINDS if chosen.database == "both" else [chosen.database]:
        workers = chosen.workers or (2 if kind == "sqlite" else 3)
        with town.filled(kind, chosen.scale, chosen.people) as filled, served(filled.env, workers) as (port, process):
            began, roots = time.monotonic(), [process, *([filled.process] if filled.process else [])]
            before = http.processor_seconds(*roots)
            seen = asyncio.run(crowd(filled, port, chosen.people, chosen.seconds))
            used = http.processor_seconds(*roots) - before
            wrong = places(filled.env["DATABASE_URL"])
            good &= report(town.LABELS[kind], seen, time.monotonic() - began, used, wrong)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
