"""Is it well? For load balancers and for people (contract: /healthz, /readyz)."""

import time
from datetime import datetime
from typing import Any

from flask import current_app
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from portal.core import job_queue, outbox, pdf_spool
from portal.core.db import db
from portal.notices import queries as notices
from portal.operations import work
from portal.people import actions_codes

LATE_SECONDS = 300  # effects or texts older than this: nobody does the work
OK, DEGRADED, DOWN = "ok", "degraded", "down"


def check(now: datetime) -> dict[str, Any]:
    """The state of every part. status: ok; degraded (people can work, something waits); down (no database)."""
    report: dict[str, Any] = {"status": OK, "time": now.isoformat(timespec="seconds")}
    report["database"] = _database()
    report["redis"] = _redis(current_app.config["REDIS_URL"])
    if not report["database"]["ok"]:
        return report | {"status": DOWN}
    due, age = outbox.oldest_waiting(now)
    report["outbox"] = {"ok": age < LATE_SECONDS, "due": due, "oldest_seconds": round(age, 1)}
    waiting, age, failed = notices.backlog(now)
    report["deliveries"] = {
        "ok": age < LATE_SECONDS, "due": waiting, "oldest_seconds": round(age, 1), "failed_last_day": failed,
    }  # fmt: skip
    report["printing"] = pdf_spool.health()
    report["codes"] = {"ok": not actions_codes.is_full(now)}
    report["daily"] = {
        name: {"ok": bool(said.get("ok", True)), "slot": said["slot"], "done": said["done"]}
        for name, said in work.daily_results().items()
    }
    named = ("redis", "outbox", "deliveries", "printing", "codes")
    parts = [*(report[name] for name in named), *report["daily"].values()]
    if not all(part["ok"] for part in parts):
        report["status"] = DEGRADED
    return report


def _database() -> dict[str, Any]:
    began = time.perf_counter()
    try:
        db.session.execute(select(1))
    except SQLAlchemyError:
        # The text of the error may name hosts and users; the log has it.
        db.session.rollback()
        work.log.exception("database does not answer")
        return {"ok": False}
    return {"ok": True, "kind": db.engine.dialect.name, "ms": round((time.perf_counter() - began) * 1000, 2)}


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
