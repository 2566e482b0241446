"""Is it well? For load balancers and for people (contract: /healthz, /readyz)."""

import os
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from flask import current_app
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from portal.core import job_queue, outage, outbox, pdf_spool
from portal.core.db import db
from portal.notices import queries as notices
from portal.operations import work
from portal.people.actions import login_codes

LATE_SECONDS = 300  # effects or texts older than this: nobody does the work
LEAST_FREE = 100 * 1024 * 1024  # bytes; with less a night's backup or a few uploads fill the disk
READ_ONLY = "read only"  # who looks can go on
OK, DEGRADED, DOWN = "ok", "degraded", "down"


def check(now: datetime) -> dict[str, Any]:
    """The state of every part. status: ok; degraded (people can work or look, something waits); down (no database).

    failing: the names of the parts that are not ok.
    """
    report: dict[str, Any] = {"status": OK, "time": now.isoformat(timespec="seconds")}
    report["database"] = _database()
    report["disk"] = _disk()
    report["redis"] = _redis(current_app.config["REDIS_URL"])
    if report["database"].get("why", READ_ONLY) != READ_ONLY:
        return report | {"status": DOWN, "failing": [n for n in ("database", "disk", "redis") if not report[n]["ok"]]}
    due, age = outbox.oldest_waiting(now)
    report["outbox"] = {"ok": age < LATE_SECONDS, "due": due, "oldest_seconds": round(age, 1)}
    waiting, age, failed = notices.backlog(now)
    report["deliveries"] = {
        "ok": age < LATE_SECONDS, "due": waiting, "oldest_seconds": round(age, 1), "failed_last_day": failed,
    }  # fmt: skip
    report["printing"] = pdf_spool.health()
    report["codes"] = {"ok": not login_codes.is_full(now)}
    report["daily"] = {
        name: {"ok": bool(said.get("ok", True)), "slot": said["slot"], "done": said["done"]}
        for name, said in work.daily_results().items()
    }
    named = ("database", "disk", "redis", "outbox", "deliveries", "printing", "codes")
    failing = [name for name in named if not report[name]["ok"]]
    failing += [f"daily.{name}" for name, part in report["daily"].items() if not part["ok"]]
    return report | {"status": DEGRADED if failing else OK, "failing": failing}


def _database() -> dict[str, Any]:
    began = time.perf_counter()
    try:
        db.session.execute(select(1))
        takes = db.engine.dialect.name == "sqlite" or db.session.scalar(
            select(func.current_setting("transaction_read_only"))
        ) == "off"  # fmt: skip
    except SQLAlchemyError as error:
        # The text of the error may name hosts and users; the log has it.
        db.session.rollback()
        work.log.exception("database does not answer")
        return {"ok": False, "why": outage.of(error) or "database"}
    if not takes:
        return {"ok": False, "why": READ_ONLY}
    return {"ok": True, "kind": db.engine.dialect.name, "ms": round((time.perf_counter() - began) * 1000, 2)}


def _disk() -> dict[str, Any]:
    """Of the data directory, and of SQLite's file where that lies elsewhere."""
    folders = {Path(current_app.config["DATA_DIR"])}
    if db.engine.dialect.name == "sqlite":
        folders.add(Path(str(db.engine.url.database)).parent)
    free = []
    for folder in folders:
        try:
            found = os.statvfs(folder)
        except OSError:
            return {"ok": False, "why": "gone"}
        if found.f_flag & os.ST_RDONLY or not os.access(folder, os.W_OK):
            return {"ok": False, "why": READ_ONLY}
        free.append(found.f_bavail * found.f_frsize)
    return {"ok": min(free) >= LEAST_FREE, "free_mb": min(free) // 1_048_576}


def _redis(url: str) -> dict[str, Any]:
    began = time.perf_counter()
    try:
        client = job_queue.connect(url)
        try:
            client.ping()
        finally:
            client.close()
    except Exception:
        return {"ok": False}
    return {"ok": True, "ms": round((time.perf_counter() - began) * 1000, 2)}
