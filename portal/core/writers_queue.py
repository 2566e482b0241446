"""Who wants to write next, in the order of asking. SQLite has one writer, and its own waiting is a lottery: of fifty
threads that look again and again some find the lock taken for longer than they may wait.

Within a process one thread at a time asks SQLite; the others stand in line. Other processes are few.
"""

import os
import threading
from collections import deque

QUEUE_SECONDS = 15.0  # as long as SQLite itself waits (core.db)


class Turn:
    """Being the one who may ask. Ended once, by whichever end of the transaction comes first."""

    def __init__(self, queue: "WritersQueue") -> None:
        self._queue: WritersQueue | None = queue

    def end(self) -> None:
        """The next one's turn; nothing when it has ended already."""
        queue, self._queue = self._queue, None
        if queue is not None:
            queue._next()


class WritersQueue:
    """First come, first served, for the threads of one process."""

    def __init__(self) -> None:
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """Those who wait in the parent do not wait in its child."""
        self._lock = threading.Lock()
        self._taken = False
        self._line: deque[threading.Event] = deque()

    def turn(self, seconds: float) -> Turn | None:
        """Wait for one's turn; None when it has not come within so many seconds."""
        with self._lock:
            if not self._taken:
                self._taken = True
                return Turn(self)
            called = threading.Event()
            self._line.append(called)
        if called.wait(seconds):
            return Turn(self)
        with self._lock:
            if called.is_set():
                return Turn(self)
            self._line.remove(called)
            return None

    def _next(self) -> None:
        with self._lock:
            if self._line:
                self._line.popleft().set()
            else:
                self._taken = False

    @property
    def waiting(self) -> int:
        """How many stand in line."""
        return len(self._line)
