"""A case, its clocks and hand-overs, and the calendar that working time is counted by (SPEC H2, D1, Q10)."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import ColumnElement, ForeignKey, Index, String, UniqueConstraint, select, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.centres.models import Centre
from portal.centres.queries import inside
from portal.core.db import Base, UTCDateTime
from portal.core.scope import CentreScoped, StaffScope

# Case.status; the machine is in states.py.
OPEN, CLAIMED, DONE = "open", "claimed", "done"
UNDONE = (OPEN, CLAIMED)
# Handover.status
OFFERED, ACCEPTED, DECLINED, LAPSED = "offered", "accepted", "declined", "lapsed"
# Handover.kind: to whom it belongs, to a lower one, to the level above, where it came from.
REFER, DISPATCH, UP, BACK = "refer", "dispatch", "up", "back"
# CalendarDay.kind
REST, WORK = "rest", "work"

NOT_DONE = text("status <> 'done'")
UNANSWERED = text("status = 'offered'")
RUNNING = text("stopped_at IS NULL")


class Case(CentreScoped, Base):
    """One thing that somebody has to do by a time.

    centre_id: where it belongs. waits_at_id: the centre that has it now, or of whose department_id it is. opened_at and
    the due times never move by being handed on; turn_since: since when the present one has it. due_at: the nearest
    clock that runs. asked_at: since when the resident's answer is waited for; waited: minutes granted for that so far.
    """

    __tablename__ = "case_file"
    __table_args__ = (
        Index("ix_case_file_waits", "waits_at_id", "status"),
        Index("ix_case_file_due", "due_at", sqlite_where=NOT_DONE, postgresql_where=NOT_DONE),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    waits_at_id: Mapped[int] = mapped_column(ForeignKey("centre.id"))
    department_id: Mapped[int | None] = mapped_column(ForeignKey("department.id"))
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("staff_account.id"))
    owner_name: Mapped[str] = mapped_column(String(40), default="")
    title: Mapped[str] = mapped_column(String(100))
    detail: Mapped[str] = mapped_column(String(200), default="")
    url: Mapped[str] = mapped_column(String(200), default="")
    status: Mapped[str] = mapped_column(String(12), default=OPEN)
    outcome: Mapped[str] = mapped_column(String(30), default="")
    opened_at: Mapped[datetime] = mapped_column(UTCDateTime)
    turn_since: Mapped[datetime] = mapped_column(UTCDateTime)
    due_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    asked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    waited: Mapped[int] = mapped_column(default=0)

    centre: Mapped[Centre] = relationship(foreign_keys="Case.centre_id")
    waits_at: Mapped[Centre] = relationship(foreign_keys=[waits_at_id])
    clocks: Mapped[list[CaseClock]] = relationship(order_by="CaseClock.id")

    @classmethod
    def staff_criteria(cls, scope: StaffScope) -> ColumnElement[bool]:
        """Cases of the subtree, and those that others handed or offered to it."""
        offered = select(Handover.id).where(Handover.case_id == cls.id, Handover.status == OFFERED)
        if scope.department_id is not None:
            to_it = offered.where(Handover.to_department_id == scope.department_id).exists()
            return (cls.department_id == scope.department_id) | to_it
        within = select(Centre.id).where(*inside(scope.path))
        to_them = offered.where(Handover.to_id.in_(within)).exists()
        return cls.centre_id.in_(within) | cls.waits_at_id.in_(within) | to_them


class CaseClock(Base):
    """A named time of a case, from a snapshot of the policy. A missed one stays missed and visible.

    unit: hours, working_hours or workdays. warn_at: when who has it is reminded; None when that was done or the kind
    has no reminder. told, of the missed one: 0 nobody yet, 1 who has it, 2 the level above too.
    """

    __tablename__ = "case_clock"
    __table_args__ = (
        UniqueConstraint("case_id", "name", "ordinal"),
        Index("ix_case_clock_due", "due_at", sqlite_where=RUNNING, postgresql_where=RUNNING),
        Index("ix_case_clock_warn", "warn_at", sqlite_where=RUNNING, postgresql_where=RUNNING),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("case_file.id"))
    name: Mapped[str] = mapped_column(String(20))
    ordinal: Mapped[int] = mapped_column(default=1)  # the same clock again after reopening
    unit: Mapped[str] = mapped_column(String(16))
    amount: Mapped[int]
    started_at: Mapped[datetime] = mapped_column(UTCDateTime)
    due_at: Mapped[datetime] = mapped_column(UTCDateTime)
    warn_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    stopped_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    told: Mapped[int] = mapped_column(default=0)


class Handover(Base):
    """A case offered to another centre or department. Responsibility moves only when it is accepted (首接负责)."""

    __tablename__ = "handover"
    __table_args__ = (
        Index("ix_handover_case", "case_id", "id"),
        Index("uq_handover_offered", "case_id", unique=True, sqlite_where=UNANSWERED, postgresql_where=UNANSWERED),
        Index("ix_handover_to", "to_id", sqlite_where=UNANSWERED, postgresql_where=UNANSWERED),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("case_file.id"))
    kind: Mapped[str] = mapped_column(String(10))
    from_id: Mapped[int] = mapped_column(ForeignKey("centre.id"))
    to_id: Mapped[int] = mapped_column(ForeignKey("centre.id"))
    from_department_id: Mapped[int | None] = mapped_column(ForeignKey("department.id"))
    to_department_id: Mapped[int | None] = mapped_column(ForeignKey("department.id"))
    reason: Mapped[str] = mapped_column(String(300))
    tried: Mapped[str] = mapped_column(String(300), default="")
    status: Mapped[str] = mapped_column(String(10), default=OFFERED)
    offered_at: Mapped[datetime] = mapped_column(UTCDateTime)
    answer_by: Mapped[datetime | None] = mapped_column(UTCDateTime)
    decided_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    decided_by: Mapped[str] = mapped_column(String(40), default="")
    decline_reason: Mapped[str] = mapped_column(String(300), default="")

    case: Mapped[Case] = relationship()
    giver: Mapped[Centre] = relationship(foreign_keys=[from_id])
    receiver: Mapped[Centre] = relationship(foreign_keys=[to_id])


class CalendarYear(Base):
    """A year whose notice of the State Council is entered; a year without a row is 未公布."""

    __tablename__ = "calendar_year"

    year: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    notice: Mapped[str] = mapped_column(String(80), default="")
    entered_by: Mapped[str] = mapped_column(String(40), default="")
    entered_at: Mapped[datetime] = mapped_column(UTCDateTime)


class CalendarDay(Base):
    """A day that is not what its weekday says: a holiday (rest) or a make-up working day (work, 调休补班)."""

    __tablename__ = "calendar_day"

    day: Mapped[date] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(4))
    name: Mapped[str] = mapped_column(String(20), default="")
