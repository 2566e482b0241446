"""The portal as the crash test runs it: the same worker, scheduler and web process, with one effect and one page more.

`python -m tests.jobs.stand worker|schedule`; granian takes `tests.jobs.stand:door`.
"""

from __future__ import annotations

import sys
import time
from datetime import datetime, timedelta
from typing import Any

from flask import Flask, request

import jobs
from portal import door as doors
from portal.core import access, clock, outbox
from portal.notices import actions, claims

# A killed sender's texts come back after the lease: minutes in life, seconds here.
claims.LEASE = timedelta(seconds=3)


@outbox.handler("tests.tell")
def tell(payload: dict[str, Any], now: datetime) -> None:
    """Tell some residents, slowly enough that a kill falls into the middle of it."""
    rows = [actions.Told(resident, payload["key"]) for resident in payload["ids"]]
    half = len(rows) // 2
    actions.tell_residents(rows[:half], "change", "活动改期", "改到周日", "/me", now, urgent=True)
    time.sleep(0.02)
    actions.tell_residents(rows[half:], "change", "活动改期", "改到周日", "/me", now, urgent=True)


def _with_page(app: Flask) -> Flask:
    @access.public
    def announce() -> str:
        numbers = [int(n) for n in request.form["ids"].split(",")]
        outbox.put("tests.tell", request.form["key"], {"ids": numbers, "key": request.form["key"]}, clock.now())
        return "ok"

    app.config["WTF_CSRF_ENABLED"] = False
    app.add_url_rule("/tests/announce", "tests_announce", announce, methods=["POST"])
    return app


def __getattr__(name: str) -> Any:
    if name == "door":
        return doors.of(_with_page(jobs.app()))
    raise AttributeError(name)


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        from jobs.worker import main
    else:
        from jobs.schedule import main
    sys.exit(main())
