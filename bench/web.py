"""/services beside bare Flask on the same server, the same core and the same kind of database.

Ratios are of requests per second of processor time, all processes of the server and its database together: what a
core gives that does nothing else. By the clock they come out higher, because a client in Python slows the faster side
more, and unsteady when the machine does other things too; that ratio is shown beside.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlencode

from bench import http
from bench.fill import ACTIVITIES
from bench.table import Line
from bench.town import LABELS, Town

TARGETS = {"sqlite": 0.40, "postgresql": 0.25}
SLICE = 0.5  # seconds; short turns, so that what else the machine does meets both sides
PER_SECOND = 5  # sign-ups while the list is read
BURST = 4  # seconds


class Arriving(Protocol):
    """People who write something, one after another."""

    def one(self) -> None: ...


class Arrivals:
    """Sign-ups of one person after another, spread over the month's activities."""

    def __init__(self, town: Town, port: int) -> None:
        self.town, self.port, self.count = town, port, 0
        self.line = http.Connection(port)

    def one(self) -> None:
        """Sign the next person up. Raises RuntimeError when the portal refuses."""
        self.count += 1
        cookie = self.town.cookies[1 + self.count % (len(self.town.cookies) - 1)]
        path = f"/services/{1 + self.count % ACTIVITIES}/sign-up"
        body = urlencode({"for": "me", "csrf_token": self.town.csrf}).encode()
        self.line.send(http.message("POST", self.port, path, {"Cookie": cookie}, body))
        status, _ = self.line.read()
        if status != 303:
            raise RuntimeError(f"{path} answered {status}")


@contextmanager
def arriving(arrivals: Arriving) -> Iterator[None]:
    """They arrive while the block runs."""
    stop, failed = threading.Event(), []

    def work() -> None:
        try:
            while not stop.wait(1 / PER_SECOND):
                arrivals.one()
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if failed:
        raise failed[0]


@dataclass
class Turns:
    """What the turns of one kind of request gave: rates, ratios to the hello of the same turn, and p99."""

    rates: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    by_processor: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)

    def line(self, group: str, name: str, target: float | None = None) -> Line:
        middle = statistics.median
        return Line(group, name, middle(self.rates), "/s", middle(self.by_processor), "hello", target, True)


class Sides:
    """Bare hello and the portal, measured in turns."""

    def __init__(self, database: int, bare: http.Served, portal: http.Served) -> None:
        self.bare, self.portal = bare, portal
        self.roots = [portal.process, *([database] if database else [])]
        self.hello = Turns()

    def bare_turn(self) -> None:
        before = http.processor_seconds(self.bare.process)
        rate = http.measure(self.bare.port, "/", [{}], SLICE)
        self.hello.rates.append(rate.per_second)
        self.hello.by_processor.append((http.processor_seconds(self.bare.process) - before) / rate.count)

    def list_turn(
        self, turns: Turns, headers: Sequence[dict[str, str]], path: str | Sequence[str] = "/services"
    ) -> None:
        """A page, in relation to the last turn of hello."""
        before = http.processor_seconds(*self.roots)
        rate = http.measure(self.portal.port, path, headers, SLICE)
        used = (http.processor_seconds(*self.roots) - before) / rate.count
        turns.rates.append(rate.per_second)
        turns.ratios.append(rate.per_second / self.hello.rates[-1])
        turns.by_processor.append(self.hello.by_processor[-1] / used if used else 0.0)
        turns.p99.append(rate.p99_ms)


def measure(town: Town, count: int) -> list[Line]:
    """Medians over `count` turns: hello, list signed in, not signed in, and while sign-ups arrive."""
    me = [{"Cookie": town.cookies[0]}]
    # More people than kept answers, so that each page is really made for the one who asks.
    crowd = [{"Cookie": cookie} for cookie in town.cookies[1:]]
    mine, others, anybody, busy = Turns(), Turns(), Turns(), Turns()
    with http.served("bench.hello:app", {}) as bare, http.served("wsgi:app", town.env) as portal:
        arrivals, sides = Arrivals(town, portal.port), Sides(town.process, bare, portal)
        http.measure(portal.port, "/services", me, SLICE)
        http.measure(portal.port, "/services", [{}], SLICE)
        for _ in range(count):
            sides.bare_turn()
            sides.list_turn(mine, me)
            sides.list_turn(others, crowd)
            sides.list_turn(anybody, [{}])
            with arriving(arrivals):
                sides.list_turn(busy, me)
        signed_up = _burst(arrivals)
    hello, target = statistics.median(sides.hello.rates), TARGETS[town.kind]
    group = f"/services, {LABELS[town.kind]}"
    return [
        Line(group, "bare Flask hello", hello, "/s"),
        mine.line(group, "signed in", target),
        others.line(group, "signed in, somebody else each time"),
        busy.line(group, f"signed in, {PER_SECOND} sign-ups a second, their cost included"),
        anybody.line(group, "not signed in"),
        Line(
            group,
            "signed in, by the clock",
            statistics.median(mine.rates),
            "/s",
            statistics.median(mine.ratios),
            "hello",
        ),
        Line(group, "99 of 100 within, 4 at a time", statistics.median(mine.p99), "ms"),
        Line(group, "statements, nothing changed", town.statements, "", target=1),
        Line(group, "sign-ups over HTTP, one client", signed_up, "/s"),
    ]


def _burst(arrivals: Arrivals) -> float:
    """Sign-ups per second, one after the other, each committed to the disk."""
    before, began = arrivals.count, time.monotonic()
    while (passed := time.monotonic() - began) < BURST and arrivals.count < len(arrivals.town.cookies) - 2:
        arrivals.one()
    return (arrivals.count - before) / passed
