"""The way to the background worker: RQ as a doorbell, never as the memory (DESIGN habit 8).

What must happen stands in the database; Redis only says 'now'. So everything here may fail silently: a sweep every 30 s
finds what was not announced. Jobs are enqueued by name, because the portal never imports the jobs.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from flask import current_app

from portal.core.db import after_commit

if TYPE_CHECKING:
    from redis import Redis

log = structlog.get_logger()

QUEUE = "portal"
BELL = "portal:doorbell"
BELL_MS = 2000  # one announced sweep per so many milliseconds is enough; the sweep takes the mark away first
AWAY_SECONDS = 5.0  # after a failure Redis is left alone for so long, so that requests stay quick
STALE_SECONDS = 60  # an announcement older than this is dropped by RQ: the regular sweep came by meanwhile

Task = Callable[..., Any]
_tasks: dict[str, Task] = {}


def connect(url: str, timeout: float = 0.2) -> Redis:
    """A client that gives up quickly and never retries by itself. timeout: seconds, for connecting and reading."""
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    client: Redis = Redis.from_url(
        url, socket_connect_timeout=timeout, socket_timeout=timeout, retry=Retry(NoBackoff(), 0)
    )
    return client


class Doorbell:
    """Announces work to the worker. Never raises; costs nothing worth naming while Redis is away."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.away_until = 0.0
        self._client: Redis | None = None

    def ring(self) -> None:
        """Ask for a sweep unless one has just been asked for and not begun."""
        self._safely(lambda client: client.set(BELL, 1, nx=True, px=BELL_MS) and self._enqueue(client, "sweep"))

    def answered(self) -> None:
        """The sweep has come; call it before reading what is due."""
        self._safely(lambda client: client.delete(BELL))

    def has_worker(self) -> bool:
        """Whether Redis answers and a living worker listens to our queue."""
        return bool(self._safely(_living_worker))

    def waiting(self) -> int:
        """How many jobs nobody has taken yet; 0 also when Redis is away."""
        return int(self._safely(_queue_length) or 0)

    def ask(self, task: str, *args: Any) -> bool:
        """Enqueue `jobs.tasks.<task>`. Returns whether Redis took it."""
        return bool(self._safely(lambda client: self._enqueue(client, task, *args)))

    def _enqueue(self, client: Redis, task: str, *args: Any) -> bool:
        from rq import Queue
        from rq.serializers import JSONSerializer

        queue = Queue(QUEUE, connection=client, serializer=JSONSerializer)
        # Results are rows, so RQ keeps nothing of what went well.
        queue.enqueue(f"jobs.tasks.{task}", *args, ttl=STALE_SECONDS, result_ttl=0, failure_ttl=86400, job_timeout=900)
        return True

    def _safely(self, action: Callable[[Redis], Any]) -> Any:
        if time.monotonic() < self.away_until:
            return None
        try:
            if self._client is not None:
                with contextlib.suppress(Exception):  # a connection from before Redis was restarted: once more, anew
                    return action(self._client)
            self._client = connect(self.url)
            return action(self._client)
        except Exception as error:  # whatever goes wrong here, the caller's work is already committed
            self._client = None
            self.away_until = time.monotonic() + AWAY_SECONDS
            log.warning("redis is away, the next sweep does the work", error=type(error).__name__)
            return None


def _living_worker(client: Redis) -> bool:
    """A worker killed with -9 stays in RQ's set for a while, but its own key runs out."""
    from rq import Queue
    from rq.worker_registration import get_keys

    return any(client.exists(key) for key in get_keys(queue=Queue(QUEUE, connection=client)))


def _queue_length(client: Redis) -> int:
    from rq import Queue

    return int(Queue(QUEUE, connection=client).count)


def task(name: str) -> Callable[[Task], Task]:
    """Register a function that the worker may call by name (features above and beside never import the jobs)."""

    def register(function: Task) -> Task:
        _tasks[name] = function
        return function

    return register


def run_task(name: str, *args: Any) -> Any:
    """Call a registered task. Raises LookupError for an unknown name."""
    if name not in _tasks:
        raise LookupError(f"no task named {name}")
    return _tasks[name](*args)


def _announce(bell: Doorbell, name: str, args: tuple[Any, ...]) -> None:
    bell.ask("call", name, *args)


def call_soon(name: str, *args: Any) -> None:
    """After this session's commit, ask the worker to call task `name` with plain arguments (ids).

    It may be lost when Redis is away: the work must also be found by a `registry.due` job.
    """
    bell: Doorbell | None = current_app.extensions.get("portal_doorbell")
    if bell is not None:
        after_commit(partial(_announce, bell, name, args))
