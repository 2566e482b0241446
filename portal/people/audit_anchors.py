"""First line, count and newest line of the audit log, kept in a file outside the database each night (SPEC P9).

A line of JSON each, only ever added to. What stands before a restore or before lines were accepted without their key
says nothing about the lines that are there now.
"""

import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import structlog
from flask import current_app
from sqlalchemy import func, select

from portal.core.audit import AuditLog
from portal.core.audit_chain import Anchor
from portal.core.db import db

log = structlog.get_logger()

FILE = "audit_anchors.jsonl"
Why = Literal["night", "restored", "accepted"]


@dataclass(frozen=True, slots=True)
class Line:
    """at: ISO. first, head: hashes of the first and the newest line; '' when there is none. count: of lines."""

    at: str
    why: Why
    first: str
    count: int
    head: str


def _file() -> Path:
    return Path(current_app.config["DATA_DIR"]) / FILE


def read() -> list[Anchor]:
    """The anchors that speak of the present log, oldest first."""
    file = _file()
    found: list[Anchor] = []
    for text in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        try:
            line = Line(**json.loads(text))
        except (ValueError, TypeError):
            log.warning("a line of the audit anchors cannot be read", line=text[:80])
            continue
        if line.why != "night":
            found = []
        if line.count:
            found.append(Anchor(line.count, line.first, line.head, accepted=line.why == "accepted"))
    return found


def keep(line: Line) -> None:
    """Add a line to the file (mode 0600, on the disk when this returns) and to the log."""
    with os.fdopen(os.open(_file(), os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "a+b") as handle:
        handle.seek(max(handle.tell() - 1, 0))
        torn = handle.read(1) not in {b"", b"\n"}  # a full disk cut the line before
        handle.write(b"\n" * torn + json.dumps(asdict(line)).encode() + b"\n")
        handle.flush()
        os.fsync(handle.fileno())
    log.info("audit anchor", **asdict(line))


def here(why: Why, now: datetime) -> Line:
    """What the database holds now, unproved; reads columns that every version of the table has."""
    ends = [
        db.session.scalar(select(AuditLog.hash).order_by(order).limit(1)) or ""
        for order in (AuditLog.id, AuditLog.id.desc())
    ]
    count = db.session.scalar(select(func.count()).select_from(AuditLog)) or 0
    return Line(now.isoformat(), why, ends[0], count, ends[1])
