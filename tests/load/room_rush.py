"""The room rush over HTTP (SPEC V2): 500 overlapping bookings, approvals, moves and series by 50 clients at once.

    python -m tests.load.room_rush [--database sqlite|postgresql|both] [--jobs 500] [--clients 50] [--rooms 4]

Loopback only, bounded in time, on a throw-away database. No two pending, approved or offered bookings of a room may
overlap, buffers included; losers get 409 with other times, whoever is told to come back does. The control run has nothing that keeps bookings apart and
must overlap. Ends with 1 when a figure is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from urllib.parse import urlencode

from tests.load.seat_rush import SECONDS, Portal, take

Job = tuple[str, int, str, dict[str, str]]  # what, whose cookie, path, form
Answer = tuple[str, int, bool, float]  # what, status, whether a way out was offered, seconds
MIX = {"book": 260, "approve": 60, "change": 60, "move": 60, "series": 60}
RETRY = 1.0  # seconds until somebody who is told that many are here presses again
CROWD = 4  # as many as the server has workers
WAYS_OUT = ("这个场地的其他时间", "同一时间，", "可以改到：", ">候补 ")  # what a refused resident may press
OVERLAPPING = """
SELECT a.id, b.id FROM booking a JOIN booking b ON a.venue_id = b.venue_id AND a.id < b.id
WHERE a.status IN ('pending', 'approved', 'offered') AND b.status IN ('pending', 'approved', 'offered')
AND a.starts_at < b.held_until AND b.starts_at < a.held_until
"""


@dataclass
class Result:
    """What one run showed. times: seconds of each request."""

    database: str
    guarded: bool
    seconds: float = 0.0
    answers: list[Answer] = field(default_factory=list)
    overlaps: int = 0
    held: int = 0

    def statuses(self, what: str = "") -> Counter[int]:
        return Counter(status for kind, status, _, _ in self.answers if what in ("", kind))

    @property
    def server_errors(self) -> int:
        return sum(n for status, n in self.statuses().items() if status >= 500 or status == 0) - self.busy

    @property
    def busy(self) -> int:
        """'现在人很多', with the seconds after which to press once more, as the client then does."""
        return sum(status == 503 and way for _, status, way, _ in self.answers)

    @property
    def no_way_out(self) -> int:
        """Residents who lost and were offered nothing."""
        return sum(status == 409 and not way for kind, status, way, _ in self.answers if kind in ("book", "change"))

    def exact(self) -> bool:
        return not self.overlaps and not self.server_errors and not self.no_way_out and self.statuses()[409] > 0


def wanted(pick: random.Random, days: Sequence[str]) -> dict[str, str]:
    """One to two hours between 9:00 and 18:00 of one of the two days."""
    start = pick.randrange(18, 34)
    end = start + pick.randrange(2, 5)
    return {
        "day": pick.choice(days), "start": f"{start // 2}:{start % 2 * 30:02d}",
        "end": f"{end // 2}:{end % 2 * 30:02d}", "people": "5", "title": "会",
    }  # fmt: skip


def jobs_of(seeded: dict[str, Any], jobs: int, seed: int = 7) -> list[Job]:
    """The mix, shuffled; every tenth booking is pressed twice, and four at once want the same hour of a room."""
    pick, rooms, days = random.Random(seed), [i for i, _ in seeded["rooms"]], seeded["days"]
    clerk, people = len(seeded["cookies"]) - 1, len(seeded["cookies"]) - 1
    made: list[list[Job]] = []  # what is sent at the same moment
    asked, own = iter(seeded["asked"]), iter(seeded["own"])
    share = {kind: max(1, jobs * count // sum(MIX.values())) for kind, count in MIX.items()}
    for n in range(0, share["book"], CROWD):
        path, wish = f"/venues/{pick.choice(rooms)}/book", {"for": "me"} | wanted(pick, days)
        crowd: list[Job] = [("book", (n + k) % people, path, wish) for k in range(CROWD)]
        made.append(crowd + crowd[:1] if n % 10 == 0 else crowd)
    for _ in range(share["approve"]):
        one = next(asked, None) or pick.choice(seeded["asked"])
        made.append([("approve", clerk, f"/staff/venues/bookings/{one[1]}/approve", {})])
    for _ in range(share["change"]):
        one = next(own, None) or pick.choice(seeded["own"])
        form = wanted(pick, days) | {"venue": str(pick.choice(rooms))}
        made.append([("change", one[0], f"/venues/bookings/{one[1]}/change", form)])
    for _ in range(share["move"]):
        one = pick.choice(seeded["asked"] + seeded["own"])
        form = wanted(pick, days) | {"venue_id": str(pick.choice(rooms)), "reason": "换地方"}
        made.append([("move", clerk, f"/staff/venues/bookings/{one[1]}/move", form)])
    for n in range(share["series"]):
        made.append([("series", clerk, "/staff/venues/series", series_form(pick, rooms, days, n))])
    pick.shuffle(made)
    return [job for crowd in made for job in crowd]


def series_form(pick: random.Random, rooms: Sequence[int], days: Sequence[str], number: int) -> dict[str, str]:
    """Both days at the same hours, every fourth one waiting where it must."""
    form = wanted(pick, days) | {"venue_id": str(pick.choice(rooms)), "title": f"合唱团{number}"}
    del form["day"]
    weekdays = [date.fromisoformat(d).weekday() for d in days]
    form |= {"first_day": days[0], "last_day": days[1], "weekdays": ",".join(map(str, weekdays))}
    return form | ({f"on-{d}": "wait" for d in days} if number % 4 == 0 else {})


def send_all(portal: Portal, jobs: Sequence[Job], clients: int) -> list[Answer]:
    pile: Iterator[Job] = iter(jobs)

    def client(_number: int) -> list[Answer]:
        connection = http.client.HTTPConnection("127.0.0.1", portal.port, timeout=SECONDS)
        done = []
        with contextlib.closing(connection):
            for job in take(pile):
                again = True
                while again:
                    began = time.perf_counter()
                    status, way = _send(connection, portal.seeded, job)
                    done.append((job[0], status, way, time.perf_counter() - began))
                    again = status == 503 and way
                    time.sleep(RETRY if again else 0)
        return done

    with ThreadPoolExecutor(clients) as pool:
        return [answer for part in pool.map(client, range(clients)) for answer in part]


def _send(connection: http.client.HTTPConnection, seeded: dict[str, Any], job: Job) -> tuple[int, bool]:
    """Status (0: no answer) and whether the page offers something to press instead."""
    _, who, path, form = job
    fields = [(k, part) for k, v in form.items() for part in (v.split(",") if k == "weekdays" else [v])]
    headers = {
        "Cookie": f"{seeded['cookie']}={seeded['cookies'][who]}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    try:
        connection.request("POST", path, urlencode([*fields, ("csrf_token", seeded["csrf"])]), headers)
        answer = connection.getresponse()
        page = answer.read().decode()
        offered = "Retry-After" in answer.headers if answer.status == 503 else any(word in page for word in WAYS_OUT)
        return answer.status, offered
    except (OSError, http.client.HTTPException):
        connection.close()
        return 0, False


def run(database: str, jobs: int, clients: int, rooms: int, guarded: bool = True) -> Result:
    """One rush."""
    result = Result(database, guarded)
    seats = (max(40, jobs // 2), rooms)
    with Portal(database, guarded, *seats, "tests.load.room_seed", "tests.load.unguarded:door") as portal:
        made = jobs_of(portal.seeded, jobs)
        began = time.perf_counter()
        result.answers = send_all(portal, made, clients)
        result.seconds = time.perf_counter() - began
        result.overlaps = len(portal.rows(OVERLAPPING))
        held = "SELECT count(*) FROM booking WHERE status IN ('pending', 'approved', 'offered')"
        result.held = portal.rows(held)[0][0]
    return result


def table(results: Sequence[Result], jobs: int) -> str:
    """One line a run."""
    head = f"{'database':<12}{'guard':<7}{'sent':>6}{'done':>6}{'409':>6}{'503':>5}{'5xx':>5}{'overlaps':>10}"
    lines = [f"{jobs} overlapping bookings, approvals, moves and series", head + f"{'/s':>7}{'p50 ms':>8}{'p95 ms':>8}"]
    for r in results:
        times, seen = [seconds for *_, seconds in r.answers], r.statuses()
        p50, p95 = statistics.median(times), statistics.quantiles(times, n=20)[18]
        verdict = ("exact" if r.exact() else "WRONG") if r.guarded else _control(r)
        lines.append(
            f"{r.database:<12}{'yes' if r.guarded else 'no':<7}{len(times):>6}{seen[303]:>6}{seen[409]:>6}{r.busy:>5}"
            f"{r.server_errors:>5}{r.overlaps:>10}{len(times) / r.seconds:>7.0f}{p50 * 1000:>8.0f}{p95 * 1000:>8.0f}"
            f"  {verdict}"
        )
        odd = {s: n for s, n in seen.items() if s not in (303, 409)}
        lines.append("  " + ", ".join(f"{k} {dict(sorted(r.statuses(k).items()))}" for k in MIX) + f"  odd {odd}")
    return "\n".join(lines)


def _control(result: Result) -> str:
    if result.overlaps:
        return "overlaps, as it must without them"
    return "WRONG: the control did not overlap"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--rooms", type=int, default=4)
    chosen = parser.parse_args(arguments)
    kinds = ("sqlite", "postgresql") if chosen.database == "both" else (chosen.database,)
    size = (chosen.jobs, chosen.clients, chosen.rooms)
    runs: list[Callable[[], Result]] = [
        lambda kind=kind, guarded=guarded: run(kind, *size, guarded=guarded)  # type: ignore[misc]
        for kind in kinds
        for guarded in (True, False)
    ]
    shown = table([one() for one in runs], chosen.jobs)
    print(shown)
    return 1 if "WRONG" in shown else 0


if __name__ == "__main__":
    sys.exit(main())
