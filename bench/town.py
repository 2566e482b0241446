"""A filled database of either kind for the figures that need one; PostgreSQL on the server's own core."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import http

KINDS = ("sqlite", "postgresql")
LABELS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
# Durable, unlike the tests' cluster: every commit is on the disk before it is answered.
POSTGRES = ("shared_buffers=256MB", "synchronous_commit=on", "fsync=on", "full_page_writes=on", "autovacuum=on")


@dataclass(frozen=True)
class Town:
    """cookies: of people who are signed in; code: the centre where all are at home."""

    kind: str
    process: int  # the database server; 0 when it is a library
    env: dict[str, str]
    cookies: list[str]
    csrf: str
    code: str


def environment(url: str, folder: Path) -> dict[str, str]:
    """The settings of the portal that is measured: as in production, but nobody answers for Redis."""
    return {
        "DATABASE_URL": url, "PORTAL_DATA_DIR": str(folder), "SECRET_KEY": "bench", "REDIS_URL": "redis://127.0.0.1:1/0",
        "PORTAL_LOG_LEVEL": "ERROR", "PORTAL_PROFILE": "dapeng",
    }  # fmt: skip


@contextmanager
def empty(kind: str) -> Iterator[tuple[dict[str, str], int]]:
    """Settings with an empty database of that kind, gone afterwards; and its server's process (0: none)."""
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as name:
        if kind == "sqlite":
            yield environment(f"sqlite:///{name}/bench.db", Path(name)), 0
            return
        from tests.servers import PostgresServer

        server = PostgresServer(POSTGRES)
        with http.on_core(http.SERVER_CORE):
            server.start()
        try:
            assert server.process is not None
            yield environment(server.create("bench"), Path(name)), server.process.pid
        finally:
            server.discard()


def run(module: str, env: dict[str, str], *arguments: str) -> dict[str, object]:
    """`python -m module` in a process of its own; the JSON it prints. Raises RuntimeError with what it said instead."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, env=os.environ | env, cwd=http.ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{module}:\n{done.stderr[-3000:]}")
    told: dict[str, object] = json.loads(done.stdout)
    return told


@contextmanager
def filled(kind: str, scale: float, people: int = 1500) -> Iterator[Town]:
    """A town of 300 activities this month, 100,000 residents, a million sign-ups; scale < 1 for a quick look.

    people: so many are signed in.
    """
    with empty(kind) as (env, process):
        told = run("bench.prepare", env, "--scale", str(scale), "--people", str(people))
        yield Town(kind, process, env, **told)  # type: ignore[arg-type]
