"""Files that hang at something: photos of a centre or a venue today, voices later (SPEC N1, V1). One table for all.

The feature names an album once, with its limit and who may see it; it holds the lock of the thing itself, notes the
change in the audit log and says when a page is old. Flush only, never commit.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Index, String, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from portal.core import outbox, uploads
from portal.core.access import Actor
from portal.core.db import Base, UTCDateTime, db
from portal.core.errors import Invalid
from portal.core.scope import CentreScoped

PHOTO = "photo"
_public: set[str] = set()


class TooMany(Invalid):
    advice = "请先删掉一张。"


class Attachment(CentreScoped, Base):
    """One file at (subject_kind, subject_id). Staff see those of their subtree, residents those of public albums.

    resident_id: who gave it; such a file goes with its giver.
    """

    __tablename__ = "attachment"
    __table_args__ = (Index("ix_attachment_subject", "subject_kind", "subject_id", "position"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    subject_kind: Mapped[str] = mapped_column(String(20))
    subject_id: Mapped[int]
    kind: Mapped[str] = mapped_column(String(10), default=PHOTO)
    file: Mapped[str] = mapped_column(String(80))  # its name under uploads
    caption: Mapped[str] = mapped_column(String(60), default="")
    position: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    created_by: Mapped[str] = mapped_column(String(80), default="")  # '' for a resident
    resident_id: Mapped[int | None] = mapped_column(index=True)

    @classmethod
    def resident_criteria(cls, resident_id: int | None) -> ColumnElement[bool]:
        return cls.subject_kind.in_(sorted(_public))


@dataclass(frozen=True, slots=True)
class Album:
    """The photos of one kind of thing. most: so many each. public: everybody sees them."""

    subject_kind: str
    most: int
    public: bool = False

    def __post_init__(self) -> None:
        if self.public:
            _public.add(self.subject_kind)

    def of(self, subject_id: int) -> list[Attachment]:
        """In their order. Reads in the caller's scope."""
        wanted = select(Attachment).where(
            Attachment.subject_kind == self.subject_kind, Attachment.subject_id == subject_id
        )
        return list(db.session.scalars(wanted.order_by(Attachment.position, Attachment.id)))

    def find(self, subject_id: int, attachment_id: int) -> Attachment | None:
        return next((row for row in self.of(subject_id) if row.id == attachment_id), None)

    def add(self, actor: Actor, subject_id: int, centre_id: int, file: str, caption: str, now: datetime) -> Attachment:
        """Keep a picture as the last one. file: from `picture`, made before the thing was locked. Raises TooMany.

        Whose a resident gives is noted, so that it goes with the person (`forget`).
        """
        own = actor.kind == "resident"
        there = self.of(subject_id)
        if len(there) >= self.most:
            raise TooMany(f"最多放 {self.most} 张照片。", field=PHOTO)
        row = Attachment(
            subject_kind=self.subject_kind, subject_id=subject_id, centre_id=centre_id, caption=caption,
            file=file, position=max((p.position for p in there), default=0) + 1, created_at=now,
            created_by="" if own else actor.name, resident_id=actor.id if own else None,
        )  # fmt: skip
        db.session.add(row)
        db.session.flush()
        return row

    @staticmethod
    def picture(data: bytes) -> str:
        """Decode a picture and write it anew; it takes long, so before any lock. Raises PictureRefused ('photo')."""
        return uploads.save_picture(data, PHOTO)

    def edit(self, row: Attachment, caption: str, first: bool) -> None:
        """Another caption; first: it stands before the others from now on."""
        row.caption = caption
        if first:
            order = [row, *(other for other in self.of(row.subject_id) if other is not row)]
            for position, one in enumerate(order, 1):
                one.position = position
        db.session.flush()

    def remove(self, row: Attachment) -> None:
        """Off the page; the file stays, another row may show it."""
        db.session.delete(row)
        db.session.flush()


def given_by(resident_id: int) -> list[Attachment]:
    """What a resident gave, oldest first. Reads in the caller's scope."""
    own = select(Attachment).where(Attachment.resident_id == resident_id)
    return list(db.session.scalars(own.order_by(Attachment.id)))


def forget(resident_id: int, now: datetime) -> None:
    """Everything a resident gave goes: the rows now, the files after the commit (and again until they are gone)."""
    for row in given_by(resident_id):
        outbox.put("attachment.gone", f"{row.id}", {"file": row.file}, now)
    own = delete(Attachment).where(Attachment.resident_id == resident_id)
    db.session.execute(own, execution_options={"synchronize_session": False})


@outbox.handler("attachment.gone")
def on_gone(payload: dict[str, Any], _now: datetime) -> None:
    """Delete the file, unless the same picture hangs elsewhere (its name is the hash of its content)."""
    if db.session.scalar(select(Attachment.id).where(Attachment.file == payload["file"]).limit(1)) is None:
        uploads.remove(payload["file"])
