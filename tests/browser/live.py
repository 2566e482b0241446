"""The portal in a process of its own, with a database, a data directory and a port of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
import uuid
from datetime import UTC, datetime
from pathlib import Path

from portal.core.pdf_spool import Spool
from tests.factories import NOW
from tests.servers import Server, database_kind, free_port, granian, postgres

ROOT = Path(__file__).parents[2]
SECRET_KEY = "browser tests only"
# Nobody listens there: what residents do must not need Redis (SPEC Q3).
NO_REDIS = "redis://127.0.0.1:1/0"


class Portal(Server):
    """granian as `make run` starts it, with as many workers; NOW of the town when it starts."""

    def __init__(self, rate_limits: bool = True, workers: int = 2) -> None:
        super().__init__("portal-browser-")
        self.rate_limits, self.workers = rate_limits, workers
        self.port = free_port()
        self.name = f"browser_{uuid.uuid4().hex[:12]}"
        sqlite = database_kind() == "sqlite"
        self.url = f"sqlite:///{self.home / 'portal.db'}" if sqlite else postgres().create(self.name)
        self.shift = (NOW - datetime.now(UTC)).total_seconds()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def env(self) -> dict[str, str]:
        """Only what a newcomer would set; nothing of the machine's own PORTAL_* comes in."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith("PORTAL_")}
        return clean | {
            "DATABASE_URL": self.url,
            "PORTAL_DATA_DIR": str(self.data),
            "SECRET_KEY": SECRET_KEY,
            "REDIS_URL": NO_REDIS,
            "PORTAL_BASE_URL": self.address,
            "PORTAL_LOG_LEVEL": "ERROR",
            "PORTAL_RATE_LIMITS": "1" if self.rate_limits else "0",
            "PORTAL_TEST_CLOCK_SHIFT": str(self.shift),
            "FLASK_APP": "tests.browser.stand",
        }

    def command(self) -> list[str]:
        """See Server."""
        return granian(self.port, "tests.browser.stand:door", self.workers)

    def spawn(self) -> subprocess.Popen[bytes]:
        """See Server."""
        with (self.home / "log").open("ab") as log:
            return subprocess.Popen(self.command(), stdout=log, stderr=log, cwd=ROOT, env=self.env)

    def answers(self) -> bool:
        """See Server."""
        try:
            with urllib.request.urlopen(f"{self.address}/healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def flask(self, *arguments: str) -> str:
        """Run one of the portal's commands and return what it said."""
        command = [sys.executable, "-m", "flask", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"flask {' '.join(arguments)}:\n{done.stdout}{done.stderr[-3000:]}"
        return done.stdout

    def make_papers(self) -> None:
        """Do the worker's part: make the PDFs that pages have asked for."""
        spool = Spool(self.data / "cache" / "pdf")
        while spool.make_next():
            pass

    def log(self) -> str:
        """What the server has complained about so far."""
        return (self.home / "log").read_text(errors="replace")

    def discard(self) -> None:
        """See Server; its PostgreSQL database goes too."""
        super().discard()
        if database_kind() == "postgresql":
            postgres().drop(self.name)
