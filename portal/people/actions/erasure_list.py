"""Who has left, as pseudonyms: whoever is on the list is erased again when an older backup comes back (SPEC P8).

A line is the SHA-256 of a resident's number and the microsecond of registering, and a moment; nobody can be found by it
who is not in the database. The file lies in DATA_DIR, where no restore touches it, with a copy beside the backups. The
database says the same by its own rows (`erased_at`), so that either makes good what the other lacks.
"""

import hashlib
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import structlog
from flask import current_app
from sqlalchemy import select

from portal.core.db import db
from portal.people.models import Resident

log = structlog.get_logger()

NAME = "erasures.txt"


def subject(resident_id: int, created_at: datetime) -> str:
    """The pseudonym: 64 hex digits. created_at: aware."""
    return hashlib.sha256(f"{resident_id} {created_at.astimezone(UTC).isoformat()}".encode()).hexdigest()


def file() -> Path:
    return Path(current_app.config["DATA_DIR"]) / NAME


def read(path: Path | None = None) -> dict[str, str]:
    """Pseudonym → moment of the list, or of a copy of it; empty when there is none."""
    try:
        lines = (path or file()).read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return {}
    return {parts[0]: parts[1] for line in lines if len(parts := line.split()) == 2}


def add(subjects: dict[str, str], path: Path | None = None) -> None:
    """Write down at the end of the list who is not on it yet; nothing is ever taken off it."""
    path = path or file()
    known = read(path)
    new = "".join(f"{who} {when}\n" for who, when in subjects.items() if who not in known)
    if new:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as stream:
            stream.write(new)
            stream.flush()
            os.fsync(stream.fileno())


def note(who: str, now: datetime) -> None:
    """To be called once the erasure is committed. A full disk loses nothing: the night writes what is missing."""
    try:
        add({who: f"{now:%Y-%m-%dT%H:%M:%S%z}"})
    except OSError as error:
        log.warning("list of erasures", error=error.strerror)


def keep(*others: Path) -> None:
    """The list gets whom the database and these copies know besides."""
    for copy in others:
        add(read(copy))
    left = select(Resident.id, Resident.created_at, Resident.erased_at).where(Resident.erased_at.is_not(None))
    add({subject(number, since): f"{at:%Y-%m-%dT%H:%M:%S%z}" for number, since, at in db.session.execute(left)})
    db.session.rollback()


def copy_to(folder: Path, now: datetime) -> None:
    """A copy beside the backups, to be taken elsewhere with them; what an earlier copy knows stays known.

    A new name each night: whoever fetches only new files must not take it for one that is there already.
    """
    target = folder / f"erasures-{now:%Y%m%d-%H%M}.txt"
    earlier = [path for path in copies(folder) if path != target]
    for path in (file(), *earlier):
        add(read(path), target)
    for path in earlier:
        path.unlink()


def copies(folder: Path) -> list[Path]:
    return sorted(folder.glob("erasures*.txt"))


def returned() -> Iterable[int]:
    """Residents of the database who are on the list and not erased: a backup from before has brought them back."""
    listed = read()
    if not listed:
        return []
    here = select(Resident.id, Resident.created_at).where(Resident.erased_at.is_(None)).order_by(Resident.id)
    found = [number for number, since in db.session.execute(here) if subject(number, since) in listed]
    db.session.rollback()
    return found
