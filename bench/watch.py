"""What a piece of work costs: processor time of server and database, statements, the longest transaction; and how long
somebody else waits meanwhile who wants to write.

The second writer is a process of its own: python -m bench.watch. It writes a line of the audit log every ten
milliseconds, as any request does that changes something, and says on every line when it asked and how long it waited.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event

from bench import http
from portal.core.db import db

PAUSE = 0.01  # seconds between two writes of the second writer


@dataclass(frozen=True, slots=True)
class Cost:
    """cpu, wall: seconds. held: processor seconds of this process in its longest transaction."""

    cpu: float
    wall: float
    statements: int
    held: float
    began: float
    ended: float


class Watch:
    """Counts what the app's engine is sent; database: the process of its server, 0 when it is a library."""

    def __init__(self, database: int) -> None:
        self.roots = [database] if database else []
        self.statements, self.longest, self._began = 0, 0.0, 0.0
        for name in ("before_cursor_execute", "begin", "commit", "rollback"):
            event.listen(db.engine, name, getattr(self, f"_{name}"))

    def _before_cursor_execute(self, _connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        self.statements += not statement.startswith(("BEGIN", "PRAGMA", "SAVEPOINT", "RELEASE"))

    def _begin(self, _connection: Any) -> None:
        self._began = time.process_time()

    def _commit(self, _connection: Any) -> None:
        self.longest = max(self.longest, time.process_time() - self._began)

    _rollback = _commit

    def _of_database(self) -> float:
        return http.processor_seconds(*self.roots) if self.roots else 0.0

    def cost(self, work: Callable[[], object]) -> Cost:
        """Do the work once."""
        self.statements, self.longest = 0, 0.0
        database = self._of_database()  # looking for it costs more than some of the work: outside
        own, began = _own(), time.monotonic()
        work()
        ended, own = time.monotonic(), _own() - own
        cpu = own + self._of_database() - database
        return Cost(cpu, ended - began, self.statements, self.longest, began, ended)


def _own() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)  # reading a file
    return time.process_time() + children.ru_utime + children.ru_stime


@contextmanager
def second_writer() -> Iterator[Callable[[Cost], float]]:
    """Another process that writes all the time; afterwards: its longest wait (seconds) during a piece of work."""
    command = [sys.executable, "-m", "bench.watch"]
    with http.on_core(http.CLIENT_CORE):
        process = subprocess.Popen(command, cwd=http.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    process.stdout.readline()  # it is ready
    waits: list[tuple[float, float]] = []

    def longest(cost: Cost) -> float:
        return max((wait for at, wait in waits if at < cost.ended and at + wait > cost.began), default=0.0)

    try:
        yield longest
    finally:
        told, _ = process.communicate("\n")
        waits += [(float(at), float(wait)) for at, wait in map(str.split, told.splitlines())]


def main() -> None:
    """Write until a line comes in."""
    import threading

    from portal import create_app
    from portal.core import audit, clock
    from portal.core.access import system_actor
    from portal.core.db import writing

    app, ended = create_app(), threading.Event()
    told: list[str] = []

    def write() -> None:
        began = time.monotonic()
        with writing():
            audit.record(system_actor("bench"), "bench", "bench", None, clock.now())
        told.append(f"{began} {time.monotonic() - began}")

    with app.app_context():
        write()
        told.clear()
        print("ready", flush=True)
        threading.Thread(target=lambda: (sys.stdin.readline(), ended.set()), daemon=True).start()
        while not ended.wait(PAUSE):
            write()
    print("\n".join(told))


if __name__ == "__main__":
    main()
