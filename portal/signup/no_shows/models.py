"""One row for each date that somebody had a place for and did not come to, while the rule is on (SPEC S8)."""

from datetime import datetime

from sqlalchemy import ColumnElement, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.catalogue.models import Entry, EntrySession
from portal.core.db import Base, UTCDateTime
from portal.core.scope import CentreScoped
from portal.people.models import Relative, Resident

# NoShow.status; the machine is in states.py.
COUNTED, APPEALED, EXCUSED, UPHELD = "counted", "appealed", "excused", "upheld"
COUNTS = (COUNTED, UPHELD)  # while an appeal waits, the doubt is theirs


class NoShow(CentreScoped, Base):
    """centre_id: the entry's. counted_at: when it was counted and the person told. appeal: their own words.

    It counts only as long as nobody is marked as there (Attendance.came), so a corrected roster needs no second step.
    """

    __tablename__ = "no_show"
    __table_args__ = (
        Index("uq_no_show_person", "session_id", "person_key", unique=True),
        Index("ix_no_show_resident", "resident_id"),
        Index(
            "ix_no_show_appealed", "centre_id",
            sqlite_where=text("status = 'appealed'"), postgresql_where=text("status = 'appealed'"),
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("entry_session.id", ondelete="CASCADE"))
    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id", ondelete="CASCADE"))
    resident_id: Mapped[int] = mapped_column(ForeignKey("resident.id"))
    relative_id: Mapped[int | None] = mapped_column(ForeignKey("relative.id"))
    person_key: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(12), default=COUNTED)
    counted_at: Mapped[datetime] = mapped_column(UTCDateTime)
    appeal: Mapped[str] = mapped_column(String(200), default="")
    appealed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    answer: Mapped[str] = mapped_column(String(300), default="")  # why, in the words of whoever decided
    decided_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    date: Mapped[EntrySession] = relationship()
    entry: Mapped[Entry] = relationship()
    resident: Mapped[Resident] = relationship()
    relative: Mapped[Relative | None] = relationship()

    @classmethod
    def resident_criteria(cls, resident_id: int | None) -> ColumnElement[bool]:
        return cls.resident_id == (resident_id if resident_id is not None else -1)


class NoShowRule(Base):
    """One row: the district's rule, where it is not the profile's. Days; version rises with each save."""

    __tablename__ = "no_show_rule"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    active: Mapped[bool]
    most: Mapped[int]
    within_days: Mapped[int]
    pause_days: Mapped[int]
    appeal_days: Mapped[int]
    version: Mapped[int]
