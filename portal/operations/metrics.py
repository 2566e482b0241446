"""Figures for Prometheus: each process counts requests (prometheus_client's multiprocess mode), backlogs when asked.

The processes' files lie in DATA_DIR/metrics; whoever starts the portal empties it first (tools/run.py, the unit file),
then totals begin anew, as Prometheus expects of a restart.
"""

import ipaddress
import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from hmac import compare_digest
from pathlib import Path
from time import perf_counter

from flask import Flask, Request, Response, current_app, g, request
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from portal.core import outbox
from portal.notices import queries as notices
from portal.operations import work

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds
ROOM = 2 << 20  # bytes of a process's counts: each page we have, in every status, with its buckets
METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS"})  # anything else is one label, whatever strangers send
SECONDS = Histogram(
    "portal_request_seconds", "Time to answer, by endpoint", ["endpoint", "method", "status"], buckets=BUCKETS
)
REFUSED = Counter("portal_refused", "Answered at the door, without the app: too many, too large, too slow", ["status"])


class Backlogs(Collector):
    """What is read from the database when Prometheus asks."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def collect(self) -> Iterable[Metric]:
        due, age = outbox.oldest_waiting(self.now)
        yield GaugeMetricFamily("portal_outbox_due", "Effects that are due and not done", value=due)
        yield GaugeMetricFamily("portal_outbox_oldest_seconds", "Age of the oldest due effect", value=age)
        waiting, age, failed = notices.backlog(self.now)
        yield GaugeMetricFamily("portal_deliveries_due", "Texts that are due and not sent", value=waiting)
        yield GaugeMetricFamily("portal_deliveries_oldest_seconds", "Age of the oldest due text", value=age)
        yield GaugeMetricFamily("portal_deliveries_failed_last_day", "Texts given up within a day", value=failed)
        family = GaugeMetricFamily("portal_daily_ok", "Whether the daily task last went well", labels=["task"])
        for name, value in sorted(work.daily_results().items()):
            family.add_metric([name], 1.0 if value.get("ok", True) else 0.0)
        yield family


def render(now: datetime) -> bytes:
    """The whole answer of /metrics."""
    Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]).mkdir(parents=True, exist_ok=True)  # emptied, as at each start
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    registry.register(Backlogs(now))
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


def has_room() -> bool:
    """Whether this process's counts have their place on the disk, asked for before the first one.

    prometheus_client maps its files into memory. Where a full disk cannot give a page that is written to, the system
    kills the process; so the whole file is claimed at once, and without it nothing is counted.
    """
    if _claimed.get("process") == os.getpid():
        return True
    try:
        for kind in ("counter", "histogram"):
            file = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]) / f"{kind}_{os.getpid()}.db"
            with file.open("ab") as handle:
                os.posix_fallocate(handle.fileno(), 0, ROOM)
    except OSError:
        return False
    _claimed["process"] = os.getpid()
    return True


_claimed: dict[str, int] = {}


def _began() -> None:
    g.began = perf_counter()


def _seen(response: Response) -> Response:
    g.answered = f"{response.status_code // 100}xx"
    return response


def _count(_error: BaseException | None) -> None:
    """At the end of a request, so that its commit is inside the time."""
    if "began" in g and "answered" in g and has_room():
        method = request.method if request.method in METHODS else "other"
        with suppress(Exception):  # a folder gone, a disk full, in whatever words: losing a count fails no request
            SECONDS.labels(request.endpoint or "none", method, g.answered).observe(perf_counter() - g.began)


def refused(status: int) -> None:
    """Count a request that was answered at the door."""
    with suppress(Exception):
        if not has_room():
            return
        REFUSED.labels(str(status)).inc()


def init_app(app: Flask) -> None:
    """Count every request that reaches the app."""
    app.before_request(_began)
    app.after_request(_seen)
    app.teardown_request(_count)
