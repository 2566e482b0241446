"""Figures for Prometheus. Counting a request costs a few microseconds; everything else is read when asked.

Each process counts for itself and leaves its counts in DATA_DIR/metrics now and then; whoever is asked adds them up.
The counts of a process that has ended are folded into one file, so that totals never fall.
"""

from __future__ import annotations

import fcntl
import ipaddress
import json
import os
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from hmac import compare_digest
from pathlib import Path
from typing import Any

from flask import Flask, Request, Response, current_app, request
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from portal.core import outbox
from portal.notices import queries as notices
from portal.operations import work

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds
WRITE_EVERY = 5.0  # seconds
SEEN = "portal.seen"
METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS"})  # anything else is one label, whatever strangers send

Counts = dict[str, list[float]]  # 'endpoint method status' -> counts per bucket, the last one +Inf, then the sum


class Requests:
    """This process's request counts, and the folder where all processes leave theirs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.counts: Counts = {}
        self.pid = os.getpid()
        self.written = time.monotonic()

    def note(self, seen: tuple[str, str, int], seconds: float) -> None:
        """Count one answer."""
        if self.pid != os.getpid():  # forked after the app was made: the parent's counts are not ours
            self.counts, self.pid = {}, os.getpid()
        name = f"{seen[0]} {seen[1]} {seen[2] // 100}xx"
        row = self.counts.get(name)
        if row is None:
            row = self.counts[name] = [0.0] * (len(BUCKETS) + 2)
        row[bisect_left(BUCKETS, seconds)] += 1
        row[-1] += seconds
        if time.monotonic() - self.written > WRITE_EVERY:
            self.write()

    def write(self) -> None:
        """Leave our counts for whoever is asked. Losing them must never fail a request."""
        self.written = time.monotonic()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            part = self.folder / f"{os.getpid()}.part"
            part.write_text(json.dumps(self.counts))
            part.replace(self.folder / f"{os.getpid()}.json")
        except OSError:
            return

    def total(self) -> Counts:
        """All processes together, the ended ones included."""
        self.write()
        total: Counts = {}
        with _locked(self.folder):
            self._fold_ended()
            for file in self.folder.glob("*.json"):
                add(total, _read(file))
        return total

    def _fold_ended(self) -> None:
        ended = [f for f in self.folder.glob("*.json") if f.stem.isdigit() and not _alive(int(f.stem))]
        if not ended:
            return
        kept = self.folder / "ended.json"
        total = _read(kept)
        for file in ended:
            add(total, _read(file))
        part = self.folder / "ended.part"
        part.write_text(json.dumps(total))
        part.replace(kept)
        for file in ended:
            file.unlink(missing_ok=True)


def add(total: Counts, more: Counts) -> None:
    """Add `more` to `total`, name by name."""
    for name, row in more.items():
        known = total.setdefault(name, [0.0] * len(row))
        for place, value in enumerate(row):
            known[place] += value


def _read(file: Path) -> Counts:
    try:
        counts: Counts = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return counts


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


class Figures(Collector):
    """What is read from the database when Prometheus asks, and the summed request counts."""

    def __init__(self, requests: Requests, now: datetime) -> None:
        self.requests, self.now = requests, now

    def collect(self) -> Iterable[Metric]:
        yield from self._backlogs()
        yield from self._daily()
        yield self._requests()

    def _backlogs(self) -> Iterable[Metric]:
        due, age = outbox.oldest_waiting(self.now)
        yield GaugeMetricFamily("portal_outbox_due", "Effects that are due and not done", value=due)
        yield GaugeMetricFamily("portal_outbox_oldest_seconds", "Age of the oldest due effect", value=age)
        waiting, age, failed = notices.backlog(self.now)
        yield GaugeMetricFamily("portal_deliveries_due", "Texts that are due and not sent", value=waiting)
        yield GaugeMetricFamily("portal_deliveries_oldest_seconds", "Age of the oldest due text", value=age)
        yield GaugeMetricFamily("portal_deliveries_failed_last_day", "Texts given up within a day", value=failed)

    def _daily(self) -> Iterable[Metric]:
        family = GaugeMetricFamily("portal_daily_ok", "Whether the daily task last went well", labels=["task"])
        for name, value in sorted(work.daily_results().items()):
            family.add_metric([name], 1.0 if value.get("ok", True) else 0.0)
        yield family

    def _requests(self) -> Metric:
        family = HistogramMetricFamily(
            "portal_request_seconds", "Time to answer, by endpoint", labels=["endpoint", "method", "status"]
        )
        for name, row in sorted(self.requests.total().items()):
            running, buckets = 0.0, []
            for limit, count in zip((*map(str, BUCKETS), "+Inf"), row[:-1], strict=True):
                running += count
                buckets.append((limit, running))
            family.add_metric(name.split(" "), buckets, sum_value=row[-1])
        return family


def render(now: datetime) -> bytes:
    """The whole answer of /metrics."""
    registry = CollectorRegistry()
    registry.register(Figures(current_app.extensions["portal_requests"], now))
    return generate_latest(registry)


def may_read(asked: Request, token: str) -> bool:
    """With the token (Authorization: Bearer …), or from this machine and its private network.

    A forwarded request that no trusted proxy vouches for comes from outside, whatever its last hop is.
    """
    scheme, _, given = asked.headers.get("Authorization", "").partition(" ")
    if token and scheme.lower() == "bearer" and compare_digest(given.strip().encode(), token.encode()):
        return True
    if not current_app.config["BEHIND_PROXY"] and "X-Forwarded-For" in asked.headers:
        return False
    try:
        address = ipaddress.ip_address(asked.remote_addr or "")
    except ValueError:
        return False
    return address.is_loopback or address.is_private


def _note_answer(response: Response) -> Response:
    asked = request._get_current_object()  # type: ignore[attr-defined]
    method = asked.method
    asked.environ[SEEN] = (asked.endpoint or "none", method if method in METHODS else "other", response.status_code)
    return response


def init_app(app: Flask) -> None:
    """Measure around the whole app, so that the commit is inside the time."""
    requests = Requests(Path(app.config["DATA_DIR"]) / "metrics")
    app.extensions["portal_requests"] = requests
    app.after_request(_note_answer)
    inner: Any = app.wsgi_app
    clock = time.perf_counter

    def measured(environ: dict[str, Any], start_response: Any) -> Any:
        began = clock()
        try:
            return inner(environ, start_response)
        finally:
            seen = environ.get(SEEN)
            if seen is not None:
                requests.note(seen, clock() - began)

    app.wsgi_app = measured  # type: ignore[method-assign]
