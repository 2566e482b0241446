"""The doorbell: rings once, costs nothing without Redis, never raises; the scheduler needs neither (SPEC Q3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis
from rq import Queue
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer

import jobs
from jobs import tasks, worker
from jobs.schedule import TABLE, Row, Scheduler
from jobs.worker import PortalWorker
from portal.core import job_queue, outbox
from portal.core.db import db
from portal.notices import actions
from portal.notices.models import Delivery
from portal.operations import work
from tests.servers import RedisServer

NOBODY = "redis://127.0.0.1:1/0"


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[Redis]:
    redis_server.flush()
    client = Redis.from_url(redis_server.url)
    yield client
    client.close()


@pytest.fixture
def bell(redis_server: RedisServer) -> Iterator[job_queue.Doorbell]:
    bell = job_queue.Doorbell(redis_server.url)
    yield bell
    if bell._client is not None:
        bell._client.close()


@pytest.fixture
def our_app(app: Any, bell: job_queue.Doorbell, monkeypatch: Any) -> Any:
    """The tests' app as the one the jobs use, with a bell."""
    monkeypatch.setattr(jobs, "app", lambda: app)
    monkeypatch.setitem(app.extensions, "portal_doorbell", bell)
    monkeypatch.setattr(outbox, "_doorbell", [bell.ring])
    return app


def waiting(redis: Redis) -> list[str]:
    return [job.func_name for job in Queue(job_queue.QUEUE, connection=redis, serializer=JSONSerializer).jobs]


def burst(redis: Redis) -> None:
    worker = PortalWorker([job_queue.QUEUE], connection=redis, serializer=JSONSerializer)
    worker._install_signal_handlers = lambda: None  # type: ignore[method-assign]
    worker.work(burst=True, logging_level="ERROR")


@pytest.mark.once
def test_many_rings_are_one_sweep(redis: Redis, bell: job_queue.Doorbell) -> None:
    for _ in range(10):
        bell.ring()
    assert waiting(redis) == ["jobs.tasks.sweep"]
    bell.answered()
    bell.ring()
    assert waiting(redis) == ["jobs.tasks.sweep"] * 2


@pytest.mark.once
def test_without_redis_it_costs_nothing_and_raises_nothing(monkeypatch: Any) -> None:
    tried, connect = list[str](), job_queue.connect
    monkeypatch.setattr(job_queue, "connect", lambda url: tried.append(url) or connect(url))
    monkeypatch.setattr(job_queue, "AWAY_SECONDS", 3600)
    bell = job_queue.Doorbell(NOBODY)
    for _ in range(100):
        bell.ring()
    assert tried == [NOBODY]  # once; after that it is left alone
    assert bell.ask("sweep") is False
    assert bell.has_worker() is False


@pytest.mark.once
def test_after_a_while_redis_is_tried_again(redis_server: RedisServer, redis: Redis) -> None:
    bell = job_queue.Doorbell(NOBODY)
    bell.ring()
    bell.url, bell._client = redis_server.url, None
    bell.ring()
    assert waiting(redis) == []
    bell.away_until = 0.0
    bell.ring()
    assert waiting(redis) == ["jobs.tasks.sweep"]
    assert bell._client is not None
    bell._client.close()  # type: ignore[unreachable]


def test_a_commit_rings_and_the_worker_sweeps(our_app: Any, session: Any, redis: Redis, now: Any) -> None:
    actions.text_phone("19900000000", "改期", "change", "k", now)
    assert waiting(redis) == []
    db.session.commit()
    assert waiting(redis) == ["jobs.tasks.sweep"]
    db.session.remove()
    burst(redis)
    assert db.session.get_one(Delivery, 1).outcome == "local"
    assert not redis.exists(job_queue.BELL)
    assert waiting(redis) == []


def test_what_comes_during_a_sweep_rings_again(our_app: Any, session: Any, redis: Redis, monkeypatch: Any) -> None:
    rung: list[list[str]] = []

    def busy(now: Any) -> work.Swept:
        outbox.wake()
        db.session.commit()
        rung.append(waiting(redis))
        return work.Swept(0)

    our_app.extensions["portal_doorbell"].ring()
    monkeypatch.setattr(work, "sweep", busy)
    tasks.sweep()
    assert rung == [["jobs.tasks.sweep"] * 2]


def test_tasks_of_rooms_are_called_by_name(our_app: Any, session: Any, redis: Redis) -> None:
    called: list[tuple[int, str]] = []
    job_queue.task("tests.probe")(lambda number, word: called.append((number, word)))
    db.session.execute(db.text("SELECT 1"))
    job_queue.call_soon("tests.probe", 7, "七")
    db.session.rollback()
    db.session.execute(db.text("SELECT 1"))
    db.session.commit()
    assert waiting(redis) == []  # rolled back: nothing was asked for
    job_queue.call_soon("tests.probe", 7, "七")
    db.session.execute(db.text("SELECT 1"))
    db.session.commit()
    burst(redis)
    assert called == [(7, "七")]
    job_queue._tasks.pop("tests.probe")
    with pytest.raises(LookupError):
        job_queue.run_task("tests.probe")


# --- Scheduler -------------------------------------------------------------------------------------------------------


class Recorder:
    def __init__(self) -> None:
        self.done: list[str] = []

    def table(self) -> tuple[Row, ...]:
        def sweep() -> None:
            self.done.append("sweep")

        def tick() -> None:
            self.done.append("tick")
            raise RuntimeError("the database is away for a moment")

        return (Row("sweep", 30, sweep, alone=5), Row("tick", 60, tick))


@pytest.mark.once
def test_the_scheduler_works_alone_when_redis_is_away() -> None:
    recorder = Recorder()
    scheduler = Scheduler(NOBODY, recorder.table())
    moments = {second: scheduler.pass_once(1000.0 + second) for second in range(61)}
    assert [s for s, names in moments.items() if "sweep" in names] == list(range(0, 61, 5))
    assert [s for s, names in moments.items() if "tick" in names] == [0, 60]
    assert recorder.done.count("tick") == 2  # its failure stops nothing


@pytest.mark.once
def test_the_scheduler_hands_out_when_a_worker_lives(redis_server: RedisServer, redis: Redis) -> None:
    recorder = Recorder()
    scheduler = Scheduler(redis_server.url, recorder.table())
    assert scheduler.pass_once(0.0) == ["sweep", "tick"]
    assert recorder.done == ["sweep", "tick"]  # Redis answers, but nobody listens
    worker = PortalWorker([job_queue.QUEUE], connection=redis, serializer=JSONSerializer)
    worker.register_birth()
    handed = {}
    for second in range(61):
        names = scheduler.pass_once(100.0 + second)
        if names:
            handed[second] = waiting(redis)
            redis.delete(f"rq:queue:{job_queue.QUEUE}")  # the worker takes them
    assert handed == {
        0: ["jobs.tasks.sweep", "jobs.tasks.tick"],
        30: ["jobs.tasks.sweep"],
        60: ["jobs.tasks.sweep", "jobs.tasks.tick"],
    }
    redis.delete(worker.key)  # killed with -9, and its key has run out
    assert scheduler.pass_once(165.0) == ["sweep"]
    assert len(recorder.done) == 3
    assert scheduler.bell._client is not None
    scheduler.bell._client.close()


@pytest.mark.once
def test_a_worker_that_is_busy_for_long_does_not_hold_up_a_login_code(redis_server: RedisServer, redis: Redis) -> None:
    recorder = Recorder()
    scheduler = Scheduler(redis_server.url, recorder.table())
    PortalWorker([job_queue.QUEUE], connection=redis, serializer=JSONSerializer).register_birth()
    assert scheduler.pass_once(0.0) == ["sweep", "tick"]
    assert recorder.done == []
    moments = [second for second in range(1, 25) if scheduler.pass_once(float(second))]
    assert moments == [5, 10, 15, 20]  # nobody took the jobs of second 0
    assert recorder.done == ["sweep"] * 4
    assert scheduler.bell._client is not None
    scheduler.bell._client.close()


@pytest.mark.once
def test_a_signal_that_comes_between_two_jobs_is_not_forgotten(redis: Redis) -> None:
    """It finds the worker busy, which then begins to wait: for ever, once."""
    waits = PortalWorker([job_queue.QUEUE], connection=redis, serializer=JSONSerializer)
    waits.register_birth()
    worker.ended.set()
    try:
        with pytest.raises(StopRequested):
            waits.dequeue_job_and_maintain_ttl(1)
    finally:
        worker.ended.clear()


@pytest.mark.once
def test_the_table_names_tasks_that_exist() -> None:
    for row in TABLE:
        assert getattr(tasks, row.task.__name__) is row.task
    assert {row.arguments[0] for row in TABLE if row.arguments} == {d.name for d in work.DAILY}
    often = {row.name: row.every for row in TABLE if not row.arguments}
    assert often == {"sweep": 30, "tick": 60, "receipts": 300}


def test_the_tasks_do_their_work(our_app: Any, session: Any, now: Any) -> None:
    actions.text_phone("19900000000", "改期", "change", "k", now)
    db.session.commit()
    db.session.remove()
    assert tasks.sweep() == 0
    assert db.session.get_one(Delivery, 1).outcome == "local"
    db.session.rollback()
    assert tasks.tick() >= 0
    assert tasks.daily("clean_up") is True
    assert tasks.daily("clean_up") is False
