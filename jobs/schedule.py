"""The scheduler: `python -m jobs.schedule`. One table of what runs when.

It only hands out work. What is due is written in the database, so a second, a late or a dead scheduler does no harm.
When Redis or every worker is away, or the worker is busy with something long, it works itself: messages go out.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import structlog

import jobs
from jobs import tasks
from portal.core import job_queue
from portal.operations import work

log = structlog.get_logger()

LOOK_SECONDS = 1.0
ALONE_SECONDS = 5.0  # without a worker nobody hears the doorbell, so look more often (a login code is waited for)
PATIENCE_SECONDS = 3.0  # jobs that nobody takes for so long: the worker prints a book, or hangs


@dataclass(frozen=True, slots=True)
class Row:
    """Every so many seconds `task` with `arguments`. alone: every so many while there is no worker."""

    name: str
    every: float
    task: Callable[..., Any]
    arguments: tuple[str, ...] = ()
    alone: float | None = None


# What runs when. The daily ones are only looked at here: each knows its hour and whether today's has been done.
TABLE = (
    Row("sweep", 30, tasks.sweep, alone=ALONE_SECONDS),
    Row("tick", 60, tasks.tick),
    Row("receipts", 300, tasks.receipts),
    *(Row(f"daily {daily.name}", 300, tasks.daily, (daily.name,)) for daily in work.DAILY),
)


@dataclass
class Scheduler:
    """Looks at the table once a second."""

    url: str
    table: tuple[Row, ...] = TABLE
    bell: job_queue.Doorbell = field(init=False)
    last: dict[str, float] = field(default_factory=dict)
    unheard_since: float | None = None

    def __post_init__(self) -> None:
        self.bell = job_queue.Doorbell(self.url)

    def pass_once(self, moment: float, ended: threading.Event | None = None) -> list[str]:
        """Hand out every row whose time has come at `moment` (seconds of a steady clock); their names."""
        heard = self._is_heard(moment)
        due = [row for row in self.table if self._is_due(row, moment, row.every)]
        early = [row for row in self.table if row.alone and row not in due and self._is_due(row, moment, row.alone)]
        if not due and not early:
            return []
        helped = heard and self.bell.has_worker()
        done = []
        for row in due if helped else due + early:
            if ended is not None and ended.is_set():
                break
            self.last[row.name] = moment
            self._hand_out(row, helped)
            done.append(row.name)
        return done

    def _is_heard(self, moment: float) -> bool:
        """Whether jobs are taken within a few seconds."""
        if not self.bell.waiting():
            self.unheard_since = None
        elif self.unheard_since is None:
            self.unheard_since = moment
        return self.unheard_since is None or moment - self.unheard_since < PATIENCE_SECONDS

    def _is_due(self, row: Row, moment: float, every: float) -> bool:
        return moment - self.last.get(row.name, float("-inf")) >= every

    def _hand_out(self, row: Row, helped: bool) -> None:
        if helped and self.bell.ask(row.task.__name__, *row.arguments):
            return
        try:
            row.task(*row.arguments)
        except Exception:  # a database that is away now may be back at the next look
            log.exception("scheduled work failed", row=row.name)


def main() -> int:
    """Look at the table until a signal says otherwise."""
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    scheduler = Scheduler(jobs.app().config["REDIS_URL"])
    log.info("scheduler ready", rows=[row.name for row in TABLE])
    while not ended.is_set():
        scheduler.pass_once(time.monotonic(), ended)
        ended.wait(LOOK_SECONDS)
    log.info("scheduler ended")
    return 0


if __name__ == "__main__":
    sys.exit(main())
