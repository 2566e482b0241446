"""The seat rush over HTTP (SPEC S2): 500 sign-ups by 50 clients for 30 places, then ten of them leave.

    python -m tests.load.seat_rush [--database sqlite|postgresql|both] [--people 500] [--clients 50] [--places 30]

Loopback only, bounded in time, on a throw-away database. The control run has no lock and must oversell on PostgreSQL.
Ends with 1 when a figure is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import create_engine, text

from tests.servers import free_port, granian, postgres

ROOT = Path(__file__).resolve().parents[2]
WORKERS = 4
SECONDS = 60  # of patience with one request, with the server's start, with its end


@dataclass
class Result:
    """What one run showed. times: seconds of each sign-up request."""

    database: str
    locked: bool
    seconds: float = 0.0
    times: list[float] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    counted: tuple[int, int] = (0, 0)  # taken, waiting as the entry says
    moved_up: bool | None = None  # exactly the first ten of the queue, nobody else

    @property
    def server_errors(self) -> int:
        return sum(n for status, n in self.answers.items() if status >= 500 or status == 0)

    def exact(self, people: int, places: int) -> bool:
        """As the issue asks: so many confirmed, all others waiting, no error, nobody twice."""
        wanted = Counter({"confirmed": places, "waiting": people - places})
        return self.rows == wanted and not self.server_errors and not self.duplicates


class Portal:
    """The portal on a free port with a database of its own."""

    def __init__(
        self, database: str, locked: bool, people: int, places: int, seed_with: str = "tests.load.seed",
        control: str = "tests.load.unlocked:door",
    ) -> None:  # fmt: skip
        self.home = Path(tempfile.mkdtemp(prefix="portal-rush-"))
        self.port = free_port()
        name = f"rush_{uuid.uuid4().hex[:12]}"
        self.url = f"sqlite:///{self.home / 'portal.db'}" if database == "sqlite" else postgres().create(name)
        self.door = "wsgi:door" if locked else control
        # A control needs them all, or one writes after the other and all goes well. The rush itself may begin with one.
        self.workers_first = 1 if locked else WORKERS
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("PORTAL_")} | {
            "DATABASE_URL": self.url, "PORTAL_DATA_DIR": str(self.home), "SECRET_KEY": "load test only",
            "REDIS_URL": "redis://127.0.0.1:1/0", "PORTAL_RATE_LIMITS": "0", "PORTAL_LOG_LEVEL": "ERROR",
        }  # fmt: skip
        seed = [sys.executable, "-m", seed_with, str(people), str(places)]
        done = subprocess.run(seed, cwd=ROOT, env=self.env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"the database could not be filled:\n{done.stderr[-2000:]}")
        self.seeded: dict[str, Any] = json.loads(done.stdout)

    def __enter__(self) -> Portal:
        command = granian(self.port, self.door, WORKERS)
        with (self.home / "log").open("wb") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.env, stdout=log, stderr=log)
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            if self._answers() and self._workers_seen() >= self.workers_first:
                return self
            time.sleep(0.1)
        told = (self.home / "log").read_text()[-2000:]
        self.__exit__()
        raise RuntimeError(f"the portal did not start:\n{told}")

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        with contextlib.suppress(OSError), contextlib.closing(connection):
            connection.request("GET", "/login")
            return connection.getresponse().status == 200
        return False

    def _workers_seen(self) -> int:
        """How many of the workers have answered something: each counts its answers in a file of its own."""
        return len({file.stem.rpartition("_")[2] for file in (self.home / "metrics").glob("*.db")})

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)
        if not self.url.startswith("sqlite"):
            postgres().drop(self.url.rsplit("/", 1)[-1])

    def rows(self, statement: str) -> list[Any]:
        engine = create_engine(self.url)
        try:
            with engine.connect() as connection:
                return list(connection.execute(text(statement)))
        finally:
            engine.dispose()


def post_all(portal: Portal, jobs: Sequence[tuple[int, str, dict[str, str]]], clients: int) -> list[tuple[int, float]]:
    """Send every (person, path, form) by `clients` threads, each with one kept connection: (status, seconds) each."""
    pile = iter(jobs)

    def client(_number: int) -> list[tuple[int, float]]:
        connection = http.client.HTTPConnection("127.0.0.1", portal.port, timeout=SECONDS)
        done = []
        with contextlib.closing(connection):
            for person, path, form in take(pile):
                began = time.perf_counter()
                done.append((_post(connection, portal.seeded, person, path, form), time.perf_counter() - began))
        return done

    with ThreadPoolExecutor(clients) as pool:
        return [answer for part in pool.map(client, range(clients)) for answer in part]


def take(pile: Iterator[Any]) -> Iterator[Any]:
    """Jobs one at a time from an iterator shared by threads (next() on a list's iterator is atomic)."""
    while (job := next(pile, None)) is not None:
        yield job


def _post(
    connection: http.client.HTTPConnection, seeded: dict[str, Any], person: int, path: str, form: dict[str, str]
) -> int:
    """Status of the answer; 0 when there was none."""
    headers = {
        "Cookie": f"{seeded['cookie']}={seeded['cookies'][person]}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    try:
        connection.request("POST", path, urlencode(form | {"csrf_token": seeded["csrf"]}), headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (OSError, http.client.HTTPException):
        connection.close()
        return 0


def run(database: str, people: int, clients: int, places: int, locked: bool = True) -> Result:
    """One rush; every tenth person presses twice. With the lock, ten leave afterwards."""
    result = Result(database, locked)
    with Portal(database, locked, people, places) as portal:
        entry = portal.seeded["entry"]
        twice = sorted([*range(people), *range(0, people, 10)])
        jobs = [(person, f"/services/{entry}/sign-up", {"for": "me"}) for person in twice]
        began = time.perf_counter()
        answers = post_all(portal, jobs, clients)
        result.seconds = time.perf_counter() - began
        result.times = [seconds for _, seconds in answers]
        result.answers = Counter(status for status, _ in answers)
        _count(portal, result)
        if locked:
            result.moved_up = _leave(portal, min(10, places), clients)
    return result


def _count(portal: Portal, result: Result) -> None:
    result.rows = Counter(status for (status,) in portal.rows("SELECT status FROM sign_up"))
    twice = "SELECT resident_id FROM sign_up GROUP BY resident_id HAVING count(*) > 1"
    result.duplicates = len(portal.rows(twice))
    entry = portal.seeded["entry"]
    result.counted = tuple(portal.rows(f"SELECT taken, waiting FROM entry WHERE id = {int(entry)}")[0])


def _leave(portal: Portal, count: int, clients: int) -> bool:
    """`count` confirmed people leave at the same time; whether exactly the first of the queue moved up."""

    def ids(status: str) -> list[Any]:
        return portal.rows(f"SELECT id, resident_id FROM sign_up WHERE status = '{status}' ORDER BY queue_no, id")

    confirmed, waiting = ids("confirmed"), ids("waiting")
    number = {resident: index for index, resident in enumerate(portal.seeded["residents"])}
    path = f"/services/{portal.seeded['entry']}/withdraw"
    jobs = [(number[resident], path, {"sign_up": str(row)}) for row, resident in confirmed[:count]]
    answers = post_all(portal, jobs, min(clients, count))
    wanted = {row for row, _ in confirmed[count:]} | {row for row, _ in waiting[:count]}
    return {status for status, _ in answers} == {303} and {row for row, _ in ids("confirmed")} == wanted


def table(results: Sequence[Result], people: int, places: int) -> str:
    """One line a run."""
    head = f"{'database':<12}{'lock':<6}{'confirmed':>10}{'waiting':>9}{'5xx':>5}{'twice':>7}{'first 10 up':>13}"
    lines = [f"{people} people, {places} places", head + f"{'sign-ups/s':>12}{'p50 ms':>8}{'p99 ms':>8}  verdict"]
    for r in results:
        good = r.exact(people, places) and r.moved_up is not False
        verdict = ("exact" if good else "WRONG") if r.locked else _control(r, places)
        p50, p99 = statistics.median(r.times), statistics.quantiles(r.times, n=100)[98]
        lines.append(
            f"{r.database:<12}{'yes' if r.locked else 'no':<6}{r.rows['confirmed']:>10}{r.rows['waiting']:>9}"
            f"{r.server_errors:>5}{r.duplicates:>7}{'-' if r.moved_up is None else str(r.moved_up):>13}"
            f"{len(r.times) / r.seconds:>12.0f}{p50 * 1000:>8.0f}{p99 * 1000:>8.0f}  {verdict}"
        )
    return "\n".join(lines)


def _control(result: Result, places: int) -> str:
    if result.rows["confirmed"] > places:
        return "oversold, as it must without the lock"
    return "WRONG: the control did not oversell"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--people", type=int, default=500)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--places", type=int, default=30)
    chosen = parser.parse_args(arguments)
    kinds = ("sqlite", "postgresql") if chosen.database == "both" else (chosen.database,)
    size = (chosen.people, chosen.clients, chosen.places)
    runs: list[Callable[[], Result]] = [lambda kind=kind: run(kind, *size) for kind in kinds]  # type: ignore[misc]
    if "postgresql" in kinds:
        runs.append(lambda: run("postgresql", *size, locked=False))
    results = [one() for one in runs]
    shown = table(results, chosen.people, chosen.places)
    print(shown)
    return 1 if "WRONG" in shown else 0


if __name__ == "__main__":
    sys.exit(main())
