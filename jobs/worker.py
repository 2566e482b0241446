"""The background worker: `python -m jobs.worker`. Waits when Redis is away; SIGTERM and SIGINT end it cleanly.

Beside it, in a thread that needs no Redis, it makes the PDFs and large tables that pages ask for (`core.pdf_spool`).
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from types import FrameType
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import SimpleWorker
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer
from rq.worker import WorkerStatus

import jobs
from portal.core import exports, job_queue, pdf_spool

log = structlog.get_logger()

WORKER_TTL = 60  # seconds; with the defaults a worker killed with -9 is noticed after 13 minutes
MAINTENANCE_SECONDS = 20
WAIT_SECONDS = 1.0

ended = threading.Event()


class PortalWorker(SimpleWorker):
    """Works in this process: four times the jobs of a fork each, and one app for all of them. What could eat memory or
    hang (making PDF) runs in a child process of its own, inside the task."""

    max_connection_wait_time = 5.0
    dequeue_timeout = 5  # seconds between two heartbeats of a worker that waits

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """RQ looks whether it shall stop before it waits for a job, not while it waits: a signal that came in between
        was forgotten, and the worker never ended."""
        if ended.is_set() and self.get_state() == WorkerStatus.IDLE:
            raise StopRequested
        super().heartbeat(timeout, pipeline)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Finish the job at hand, then end; also when Redis cannot be told about it."""
        ended.set()
        with contextlib.suppress(RedisError):
            super().request_stop(signum, frame)  # type: ignore[no-untyped-call]  # RQ gives it no types

    def subscribe(self) -> None:
        """No remote commands: a thread less, and none left over after each lost connection."""

    def unsubscribe(self) -> None:
        """See subscribe."""


def _end(_number: int, _frame: FrameType | None) -> None:
    ended.set()


def _listen_for_the_end() -> None:
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)


def _work(url: str) -> None:
    """Work until asked to end, or until Redis fails in the middle of something."""
    connection = Redis.from_url(url)
    try:
        worker = PortalWorker(
            [job_queue.QUEUE],
            connection=connection,
            serializer=JSONSerializer,
            worker_ttl=WORKER_TTL,
            maintenance_interval=MAINTENANCE_SECONDS,
        )
        worker.work(logging_level="WARNING")
    except (RedisError, OSError) as error:
        log.warning("redis is away, waiting for it", error=type(error).__name__)
    finally:
        with contextlib.suppress(RedisError, OSError):
            connection.close()


def main() -> int:
    """Work until a signal says otherwise."""
    _listen_for_the_end()
    app = jobs.app()  # now, so that a wrong setting is said before the first job
    with app.app_context():
        printing = pdf_spool.spool(exports.maker(app))
    threading.Thread(target=printing.work, args=(ended,), name="spool", daemon=True).start()
    log.info("worker ready", queue=job_queue.QUEUE)
    while not ended.is_set():
        try:
            _work(app.config["REDIS_URL"])
            _listen_for_the_end()
            ended.wait(WAIT_SECONDS)
        except StopRequested:
            break
    log.info("worker ended")
    return 0


if __name__ == "__main__":
    sys.exit(main())
