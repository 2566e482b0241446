"""A small HTTP/1.1 load client over raw sockets, fast enough not to be what is measured. Loopback only."""

from __future__ import annotations

import itertools
import os
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
# What is measured, and who measures, share no core if there are two.
SERVER_CORE, CLIENT_CORE = CORES[0], CORES[-1]
LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)


def _thread_seconds(process: Path) -> float:
    """Processor time of one process's living threads."""
    total = 0
    for account in process.glob("task/[0-9]*/schedstat"):
        try:
            total += int(account.read_text().split()[0])
        except OSError:  # the thread ended meanwhile
            continue
    return total / 1e9


def processor_seconds(*roots: int) -> float:
    """Processor time so far of these processes and all below them, from /proc; 0.0 where there is none.

    From each thread's own account in nanoseconds: the ticks of `stat` are 10 ms, longer than many requests.
    """
    used: dict[int, float] = {}
    below: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        number = int(folder.name)
        used[number] = _thread_seconds(folder)
        below.setdefault(int(fields[1]), []).append(number)
    total, waiting = 0.0, list(roots)
    while waiting:
        number = waiting.pop()
        total += used.get(number, 0.0)
        waiting += below.get(number, [])
    return total


@dataclass(frozen=True)
class Served:
    port: int
    process: int


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """This process, and what it starts meanwhile, on one core."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def served(target: str, env: dict[str, str]) -> Iterator[Served]:
    """`target` on granian, one worker, pinned to one core: the portal's door, or a bare WSGI app."""
    port = free_port()
    door = target.endswith(":door")
    command = [
        sys.executable, "-m", "granian", "--interface", "rsgi" if door else "wsgi", "--host", "127.0.0.1",
        "--port", str(port), "--workers", "1", "--no-ws", "--log-level", "warning",
        *([] if door else ["--blocking-threads", "1"]), target,
    ]  # fmt: skip
    with on_core(SERVER_CORE):
        process = subprocess.Popen(command, env=os.environ | env, cwd=ROOT)
    try:
        _wait(port)
        yield Served(port, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait(port: int, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing answers on port {port}")


class Connection:
    """One keep-alive connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, request: bytes) -> None:
        self.socket.sendall(request)

    def close(self) -> None:
        self.socket.close()

    def read(self) -> tuple[int, int]:
        """Status and body length of one answer."""
        data = self.socket.recv(65536)
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more()
        found = LENGTH.search(data, 0, end)
        length = int(found.group(1)) if found else 0
        missing = end + 4 + length - len(data)
        while missing > 0:
            missing -= len(self._more())
        return int(data[9:12]), length

    def _more(self) -> bytes:
        chunk = self.socket.recv(262144)
        if not chunk:
            raise ConnectionError("closed in the middle of an answer")
        return chunk


def message(method: str, port: int, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """One request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *(f"{k}: {v}" for k, v in headers.items())]
    if body:
        lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


@dataclass(frozen=True)
class Rate:
    per_second: float
    count: int
    p50_ms: float
    p99_ms: float


def measure(
    port: int, path: str | Sequence[str], headers: Sequence[dict[str, str]], seconds: float = 4.0, connections: int = 4
) -> Rate:
    """Requests a second and latency of GET `path` (or each of several), each of `headers` in turn.

    Raises when one is not answered 200.
    """
    paths = [path] if isinstance(path, str) else path
    turns = range(max(len(paths), len(headers)))
    requests = itertools.cycle([message("GET", port, paths[n % len(paths)], headers[n % len(headers)]) for n in turns])
    lanes = [Connection(port) for _ in range(connections)]
    began, count, times = time.monotonic(), 0, []
    stop = began + seconds
    sent = [time.perf_counter()] * connections
    for index, lane in enumerate(lanes):
        lane.send(next(requests))
        sent[index] = time.perf_counter()
    while time.monotonic() < stop:
        for index, lane in enumerate(lanes):
            status, _ = lane.read()
            times.append(time.perf_counter() - sent[index])
            if status != 200:
                raise RuntimeError(f"{path} answered {status}")
            lane.send(next(requests))
            sent[index] = time.perf_counter()
            count += 1
    elapsed = time.monotonic() - began
    for lane in lanes:
        lane.close()
    times.sort()
    return Rate(count / elapsed, count, statistics.median(times) * 1000, times[int(len(times) * 0.99)] * 1000)
