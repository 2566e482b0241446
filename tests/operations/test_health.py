"""Is it alive, is it ready, how is it doing (contract: /healthz, /readyz, /metrics; SPEC Q3)."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from portal import create_app
from portal.core import outbox
from portal.core.db import db
from portal.notices import actions
from portal.operations import health
from tests.servers import RedisServer

ROOT = Path(__file__).parents[2]


def test_healthz_asks_nothing(client: Any, session: Any, count_queries: Any) -> None:
    with count_queries() as seen:
        answer = client.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok\n")
    assert seen == []


def test_ready_with_redis(
    app: Any, client: Any, session: Any, redis_server: RedisServer, monkeypatch: Any, now: datetime
) -> None:
    monkeypatch.setitem(app.config, "REDIS_URL", redis_server.url)
    report = client.get("/readyz").json
    assert report["status"] == "ok"
    assert report["database"]["ok"] and report["redis"]["ok"]
    assert report["outbox"] == {"ok": True, "due": 0, "oldest_seconds": 0.0}


def test_without_redis_it_is_degraded_not_down(client: Any, session: Any) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json["status"]) == (200, "degraded")
    assert answer.json["redis"] == {"ok": False}


def test_work_that_waits_too_long_is_degraded(
    app: Any, client: Any, session: Any, redis_server: RedisServer, monkeypatch: Any, now: datetime
) -> None:
    monkeypatch.setitem(app.config, "REDIS_URL", redis_server.url)
    outbox.put("x", "1", {}, now - timedelta(minutes=6))
    actions.text_phone("19900000000", "t", "change", "k", now - timedelta(minutes=1))
    db.session.commit()
    report = client.get("/readyz").json
    assert report["status"] == "degraded"
    assert report["outbox"] == {"ok": False, "due": 1, "oldest_seconds": 360.0}
    assert report["deliveries"]["ok"] and report["deliveries"]["due"] == 1


def test_no_database_is_503_and_says_nothing_of_where(client: Any, session: Any, monkeypatch: Any) -> None:
    def gone(*_: Any, **__: Any) -> None:
        raise OperationalError("SELECT 1", {}, Exception("host=db.internal password=x"))

    monkeypatch.setattr(db.session, "execute", gone)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json["status"]) == (503, "down")
    assert "internal" not in answer.text


@pytest.mark.once
@pytest.mark.parametrize(
    "gone", ["postgresql+psycopg://x@127.0.0.1:1/x?connect_timeout=2", "sqlite:////no/such/folder/x.db"]
)
def test_a_process_answers_while_its_database_is_away(app: Any, gone: str) -> None:
    """Whoever restarts what does not answer must not restart it for that."""
    lonely = create_app({
        "TESTING": True, "SECRET_KEY": "tests only", "SQLALCHEMY_DATABASE_URI": gone, "DATA_DIR": app.config["DATA_DIR"],
        "REDIS_URL": app.config["REDIS_URL"], "RATELIMIT_ENABLED": False,
    })  # fmt: skip
    client = lonely.test_client()
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json["status"]) == (503, "down")


def test_metrics_count_requests_and_backlogs(client: Any, session: Any, now: datetime) -> None:
    outbox.put("x", "1", {}, now - timedelta(minutes=6))
    db.session.commit()
    client.get("/healthz")
    client.get("/no-such-page")
    text = client.get("/metrics").text
    assert "portal_outbox_due 1.0" in text
    assert "portal_outbox_oldest_seconds 360.0" in text
    assert 'portal_request_seconds_count{endpoint="operations.healthz",method="GET",status="2xx"}' in text
    assert 'portal_request_seconds_count{endpoint="none",method="GET",status="4xx"}' in text
    assert 'le="+Inf"' in text


@pytest.mark.parametrize(
    ("address", "headers", "token", "status"),
    [
        ("127.0.0.1", {}, "", 200),
        ("10.1.2.3", {}, "", 200),
        ("8.8.8.8", {}, "", 403),
        ("127.0.0.1", {"X-Forwarded-For": "8.8.8.8"}, "", 403),
        ("8.8.8.8", {"Authorization": "Bearer s3cret"}, "s3cret", 200),
        ("8.8.8.8", {"Authorization": "Bearer wrong"}, "s3cret", 403),
        ("8.8.8.8", {"Authorization": "Bearer "}, "", 403),
    ],
)
def test_who_may_read_metrics(
    app: Any,
    client: Any,
    session: Any,
    monkeypatch: Any,
    address: str,
    headers: dict[str, str],
    token: str,
    status: int,
) -> None:
    monkeypatch.setitem(app.config, "METRICS_TOKEN", token)
    answer = client.get("/metrics", headers=headers, environ_base={"REMOTE_ADDR": address})
    assert answer.status_code == status


def test_a_count_that_cannot_be_kept_fails_no_request(app: Any, client: Any, monkeypatch: Any) -> None:
    from portal.operations import metrics

    def gone(*_: Any) -> None:
        raise FileNotFoundError("metrics")

    monkeypatch.setattr(metrics.SECONDS, "labels", gone)
    monkeypatch.setattr(metrics.REFUSED, "labels", gone)
    assert client.get("/healthz").status_code == 200
    metrics.refused(503)


@pytest.mark.once
def test_counts_of_all_processes_are_added(app: Any, client: Any, session: Any) -> None:
    line = 'portal_request_seconds_count{endpoint="operations.healthz",method="GET",status="2xx"}'

    def counted() -> float:
        return next(float(x.rsplit(" ", 1)[1]) for x in client.get("/metrics").text.splitlines() if x.startswith(line))

    client.get("/healthz")
    before = counted()
    code = (
        "from portal import create_app; app = create_app(); client = app.test_client();"
        "print([client.get('/healthz').status_code for _ in range(3)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stdout.strip() == "[200, 200, 200]", done.stderr
    assert counted() == before + 3


def test_strangers_learn_whether_all_is_well_and_no_more(
    app: Any, client: Any, town: Any, as_staff: Any, redis_server: RedisServer, monkeypatch: Any
) -> None:
    outside = {"REMOTE_ADDR": "8.8.8.8"}
    assert client.get("/readyz", environ_base=outside).json == {"status": "not ok"}  # no Redis
    monkeypatch.setitem(app.config, "REDIS_URL", redis_server.url)
    assert client.get("/readyz", environ_base=outside).json == {"status": "ok"}
    monkeypatch.setitem(app.config, "METRICS_TOKEN", "s3cret")
    answer = client.get("/readyz", environ_base=outside, headers={"Authorization": "Bearer s3cret"})
    assert answer.json["failing"] == []
    for who, knows in (("D", True), ("A1-OP", False), ("D-LOOK", False)):
        report = as_staff(app.test_client(), town.staff[who]).get("/readyz", environ_base=outside).json
        assert ("database" in report) is knows, who


def test_a_full_or_read_only_disk_is_named(app: Any, client: Any, session: Any, monkeypatch: Any) -> None:
    def said() -> Any:
        report = client.get("/readyz").json
        assert report["status"] == "degraded"
        return report["failing"][0], report["disk"]

    monkeypatch.setattr(health, "LEAST_FREE", 2**62)
    name, disk = said()
    assert (name, disk["ok"], disk["free_mb"] > 0) == ("disk", False, True)
    monkeypatch.setattr(health, "LEAST_FREE", 0)
    with monkeypatch.context() as patch:  # a real read-only file system needs root: tests/faults
        patch.setattr(health.os, "access", lambda *_: False)
        assert said() == ("disk", {"ok": False, "why": "read only"})

    def gone(_folder: Path) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(health.os, "statvfs", gone)
    assert said() == ("disk", {"ok": False, "why": "gone"})


def test_counts_claim_their_room_before_the_first(app: Any, client: Any, monkeypatch: Any) -> None:
    """A page of a mapped file that a full disk cannot give kills the process."""
    from portal.operations import metrics

    folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    client.get("/healthz")
    for kind in ("counter", "histogram"):
        assert (folder / f"{kind}_{os.getpid()}.db").stat().st_blocks * 512 >= metrics.ROOM

    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setitem(metrics._claimed, "process", -1)
    with monkeypatch.context() as disk:
        disk.setattr(metrics.os, "posix_fallocate", full)
        counted: list[str] = []
        disk.setattr(metrics.SECONDS, "labels", lambda *_: counted.append("x"))
        assert client.get("/healthz").status_code == 200
        metrics.refused(503)
        assert not counted
    assert metrics.has_room()
