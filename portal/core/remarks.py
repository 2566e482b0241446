"""What somebody wrote in their own words about a person's matter: a reason, a note on a call (SPEC P8, P9).

State histories and audit lines are append-only and name a remark by its number; the words stand here, so that they can
be blanked when the person leaves, while the lines and the chain of hashes stay as they were. The database lets a remark
be blanked and nothing else (core.protection). An audit line also holds a seal of the words, SHA-256 over a random salt
and them: while they are there it proves them, and once salt and words are gone nothing can be guessed from it.
"""

import hashlib
import secrets
from collections.abc import Collection, Iterable

from sqlalchemy import Index, String, Text, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import Base, db

CHUNK = 500


class Remark(Base):
    """Words about one object that is somebody's: (object_type, object_id) as in histories. '' once blanked."""

    __tablename__ = "remark"
    __table_args__ = (Index("ix_remark_object", "object_type", "object_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    object_type: Mapped[str] = mapped_column(String(40))
    object_id: Mapped[int]
    words: Mapped[str] = mapped_column(Text)
    salt: Mapped[str] = mapped_column(String(32))

    @property
    def seal(self) -> str:
        """64 hex digits."""
        return hashlib.sha256(f"{self.salt}{self.words}".encode()).hexdigest()


def write(object_type: str, object_id: int, words: str) -> Remark | None:
    """Keep what was written; None when nothing was. Flushes."""
    if not words.strip():
        return None
    row = Remark(object_type=object_type, object_id=object_id, words=words.strip(), salt=secrets.token_hex(16))
    db.session.add(row)
    db.session.flush()
    return row


def write_many(object_type: str, object_ids: Collection[int], words: str) -> dict[int, int]:
    """The same words about many objects, in one statement: the remark's number by the object's. Empty without words."""
    if not words.strip():
        return {}
    rows = [
        {"object_type": object_type, "object_id": key, "words": words.strip(), "salt": secrets.token_hex(16)}
        for key in object_ids
    ]
    made = db.session.scalars(insert(Remark).returning(Remark.id, sort_by_parameter_order=True), rows)
    return dict(zip(object_ids, made, strict=True))


def about(object_type: str, object_ids: Iterable[int]) -> dict[int, list[str]]:
    """What was written about each object, oldest first, each sentence once: for the export of own data."""
    found: dict[int, list[str]] = {}
    wanted = select(Remark.object_id, Remark.words).where(Remark.object_type == object_type, Remark.words != "")
    for part in _parts(object_ids):
        for key, words in db.session.execute(wanted.where(Remark.object_id.in_(part)).order_by(Remark.id)):
            if words not in found.setdefault(key, []):
                found[key].append(words)
    return found


def blank(object_type: str, object_ids: Iterable[int]) -> None:
    """Forget the words about these objects for good; that something was written stays. Flush only."""
    for part in _parts(object_ids):
        own = (Remark.object_type == object_type, Remark.object_id.in_(part), Remark.words != "")
        db.session.execute(update(Remark).where(*own).values(words="", salt=""))


def altered(sealed: Iterable[tuple[int, int, str]]) -> int | None:
    """The first line whose remark is not what its seal says; None when all hold. A blanked one proves nothing more.

    sealed: number of the line, number of the remark, seal.
    """
    every = sorted(sealed)
    for start in range(0, len(every), CHUNK):
        part = every[start : start + CHUNK]
        wanted = select(Remark).where(Remark.id.in_([remark for _, remark, _ in part]))
        now = {row.id: row for row in db.session.scalars(wanted)}
        for line, number, seal in part:
            row = now.get(number)
            if row is None or ((row.words or row.salt) and row.seal != seal):
                return line
    return None


def _parts(ids: Iterable[int]) -> Iterable[list[int]]:
    every = sorted(set(ids))
    return (every[start : start + CHUNK] for start in range(0, len(every), CHUNK))
