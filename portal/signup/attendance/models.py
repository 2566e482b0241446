"""Who came (签到): one row per person and date of an activity, and every mark that was ever made (SPEC S6)."""

from datetime import datetime

from sqlalchemy import ColumnElement, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.catalogue.models import EntrySession
from portal.core.db import Base, UTCDateTime
from portal.core.scope import CentreScoped
from portal.people.models import Relative

# Attendance.via and AttendanceMark.via: how it became known.
SCAN, LIST, PAPER, DOOR, TAIL = "scan", "list", "paper", "door", "tail"


class Attendance(CentreScoped, Base):
    """Whether somebody came to one date; centre_id is the entry's centre.

    person_key: as a sign-up's ('r12', 'v34'), so that whatever way somebody is checked in by is the same row; of a
    walk-in who is only known by surname and the last four digits a keyed hash of both. came: as the latest mark says.
    """

    __tablename__ = "attendance"
    __table_args__ = (
        # However many mark a person at once, there is one row: nobody is counted twice.
        Index("uq_attendance_person", "session_id", "person_key", unique=True),
        Index("ix_attendance_resident", "resident_id"),
        Index("ix_attendance_entry", "entry_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("entry_session.id", ondelete="CASCADE"))
    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id", ondelete="CASCADE"))
    resident_id: Mapped[int | None] = mapped_column(ForeignKey("resident.id"))
    relative_id: Mapped[int | None] = mapped_column(ForeignKey("relative.id"))
    person_key: Mapped[str] = mapped_column(String(40))
    surname: Mapped[str] = mapped_column(String(8), default="")
    tail: Mapped[str] = mapped_column(String(4), default="")
    came: Mapped[bool]
    via: Mapped[str] = mapped_column(String(8))
    marked_at: Mapped[datetime] = mapped_column(UTCDateTime)
    marked_by: Mapped[str] = mapped_column(String(40), default="")  # of the staff; '' when they did it themselves

    date: Mapped[EntrySession] = relationship()
    relative: Mapped[Relative | None] = relationship()

    @classmethod
    def resident_criteria(cls, resident_id: int | None) -> ColumnElement[bool]:
        return cls.resident_id == (resident_id if resident_id is not None else -1)


class AttendanceMark(Base):
    """One mark, under the key that whoever made it gave it: sent again, it is the same one and changes nothing.

    at: when it was made, which may be long before it was received (a phone without network).
    """

    __tablename__ = "attendance_mark"

    key: Mapped[str] = mapped_column(String(80), primary_key=True)
    attendance_id: Mapped[int] = mapped_column(ForeignKey("attendance.id", ondelete="CASCADE"), index=True)
    came: Mapped[bool]
    via: Mapped[str] = mapped_column(String(8))
    by: Mapped[str] = mapped_column(String(40), default="")
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    received_at: Mapped[datetime] = mapped_column(UTCDateTime)


class RosterCheck(Base):
    """The roster of one date has been gone through: whoever is not marked did not come."""

    __tablename__ = "roster_check"

    session_id: Mapped[int] = mapped_column(ForeignKey("entry_session.id", ondelete="CASCADE"), primary_key=True)
    checked_by: Mapped[str] = mapped_column(String(40))
    checked_at: Mapped[datetime] = mapped_column(UTCDateTime)
