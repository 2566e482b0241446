"""/services beside bare Flask on the same server, the same core and the same kind of database."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

from bench import http
from bench.fill import ACTIVITIES
from bench.table import Line
from bench.town import LABELS, Town

TARGETS = {"sqlite": 0.40, "postgresql": 0.25}
SLICE = 0.5  # seconds; short turns, so that what else the machine does meets both sides
PER_SECOND = 5  # sign-ups while the list is read
BURST = 4  # seconds


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
def arriving(arrivals: Arrivals) -> Iterator[None]:
    """Sign-ups arrive while the block runs."""
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


def measure(town: Town, turns: int) -> list[Line]:
    """Medians of the ratios of `turns` turns: hello, list signed in, not signed in, and while sign-ups arrive."""
    me = {"Cookie": town.cookies[0]}
    ratios: dict[str, list[float]] = {"mine": [], "anybody's": [], "busy": []}
    hellos, mine, p99 = [], [], []
    with http.served("bench.hello:app", {}) as bare, http.served("wsgi:app", town.env) as portal:
        arrivals = Arrivals(town, portal)
        for headers in (me, {}):
            http.measure(portal, "/services", headers, SLICE)
        for _ in range(turns):
            hello = http.measure(bare, "/", {}, SLICE).per_second
            list_ = http.measure(portal, "/services", me, SLICE)
            ratios["mine"].append(list_.per_second / hello)
            ratios["anybody's"].append(http.measure(portal, "/services", {}, SLICE).per_second / hello)
            with arriving(arrivals):
                ratios["busy"].append(http.measure(portal, "/services", me, 2 * SLICE).per_second / hello)
            hellos.append(hello)
            mine.append(list_.per_second)
            p99.append(list_.p99_ms)
        signed_up = _burst(arrivals)
    middle = {name: statistics.median(found) for name, found in ratios.items()}
    hello, target = statistics.median(hellos), TARGETS[town.kind]
    group = f"/services, {LABELS[town.kind]}"
    return [
        Line(group, "bare Flask hello", hello, "/s"),
        Line(group, "signed in", statistics.median(mine), "/s", middle["mine"], "hello", target, True),
        Line(
            group, f"signed in, {PER_SECOND} sign-ups a second", middle["busy"] * hello, "/s", middle["busy"], "hello",
            target, True,
        ),
        Line(group, "not signed in", middle["anybody's"] * hello, "/s", middle["anybody's"], "hello"),
        Line(group, "99 of 100 within, 4 at a time", statistics.median(p99), "ms"),
        Line(group, "statements, nothing changed", town.statements, "", target=1),
        Line(group, "sign-ups over HTTP, one client", signed_up, "/s", signed_up / hello, "hello"),
    ]  # fmt: skip


def _burst(arrivals: Arrivals) -> float:
    """Sign-ups per second, one after the other, each committed to the disk."""
    before, began = arrivals.count, time.monotonic()
    while (passed := time.monotonic() - began) < BURST and arrivals.count < len(arrivals.town.cookies) - 2:
        arrivals.one()
    return (arrivals.count - before) / passed
