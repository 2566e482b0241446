"""Looking for marks: words that stand nowhere else, in everything that the portal keeps."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import select

from portal.core.db import Base, db


def tables() -> bytes:
    """Every value of every table, as text."""
    db.session.rollback()
    rows = []
    for table in Base.metadata.sorted_tables:
        rows += [f"{table.name} {tuple(row)!r}" for row in db.session.execute(select(*table.columns))]
    db.session.rollback()
    return "\n".join(rows).encode()


def files(*folders: Path) -> bytes:
    """Names and content of every file below."""
    found = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    return b"\n".join(str(path).encode() + b"\n" + path.read_bytes() for path in found)


def left(marks: Iterable[str | bytes], *places: bytes) -> list[str | bytes]:
    """Those marks that stand in any of the places, also as JSON and as Python write what is not ASCII."""
    return [m for m in marks if any(form in place for form in _forms(m) for place in places)]


def _forms(mark: str | bytes) -> set[bytes]:
    if isinstance(mark, bytes):
        return {mark}
    escaped = mark.encode("ascii", "backslashreplace")
    return {mark.encode(), escaped, escaped.upper().replace(b"\\U", b"\\u")}
