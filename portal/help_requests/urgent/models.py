"""Urgent requests: the alarm, who is alarmed when, who has seen and heard it, who listens (SPEC H4)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Float, ForeignKey, Index, String, Text, UniqueConstraint, or_, select, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.cases.models import Case
from portal.centres.models import Centre
from portal.core.db import Base, UTCDateTime
from portal.core.scope import CENTRE, CentreScoped, StaffScope
from portal.people.models import Resident

# Alarm.status; the machine is in states.py.
RINGING, TAKEN, MOVING, THERE = "ringing", "taken", "moving", "there"
CLOSED, HANDED, MISTAKEN = "closed", "handed", "mistaken"
OPEN = (RINGING, TAKEN, MOVING, THERE)
# AlarmStep.kind: pages that are open ring; telephones of whoever has duty.
SCREEN, PHONE = "screen", "phone"
NOT_OVER = text("status IN ('ringing', 'taken', 'moving', 'there')")


class Alarm(CentreScoped, Base):
    """One call for help at once. centre_id: the community it belongs to.

    ring: it rings for the n-th time (again, given away, not moved). taken_centre_id: whose people have it. move_by:
    who has taken it and has not set out by then has it no more. position: nearest what the phone said, exact for 30
    days. report_by: until when what happened is written down.
    """

    __tablename__ = "urgent_alarm"
    __table_args__ = (
        Index("ix_urgent_alarm_open", "filed_at", sqlite_where=NOT_OVER, postgresql_where=NOT_OVER),
        Index("ix_urgent_alarm_phone", "phone", "filed_at"),
        Index("ix_urgent_alarm_resident", "resident_id", "filed_at"),
        Index("ix_urgent_alarm_filed", "centre_id", "filed_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("case_file.id"), unique=True)
    status: Mapped[str] = mapped_column(String(12), default=RINGING)
    ring: Mapped[int] = mapped_column(default=1)
    resident_id: Mapped[int | None] = mapped_column(ForeignKey("resident.id"))
    phone: Mapped[str] = mapped_column(String(20), default="")
    verified: Mapped[bool] = mapped_column(default=False)  # signed in, so that the number is theirs
    place: Mapped[str] = mapped_column(String(120), default="")  # the stored address at filing
    filed_at: Mapped[datetime] = mapped_column(UTCDateTime)
    rung_at: Mapped[datetime] = mapped_column(UTCDateTime)
    taken_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff_account.id"))
    taken_by: Mapped[str] = mapped_column(String(40), default="")
    taken_phone: Mapped[str] = mapped_column(String(30), default="")
    taken_centre_id: Mapped[int | None] = mapped_column(ForeignKey("centre.id"))
    taken_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    move_by: Mapped[datetime | None] = mapped_column(UTCDateTime)
    moving_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    people: Mapped[int] = mapped_column(default=0)
    there_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    called_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # staff rang the resident
    outcome: Mapped[str] = mapped_column(String(30), default="")
    handed_to: Mapped[str] = mapped_column(String(3), default="")  # 110, 119, 120
    handed_no: Mapped[str] = mapped_column(String(40), default="")
    report: Mapped[str] = mapped_column(Text, default="")
    departments: Mapped[str] = mapped_column(String(120), default="")
    report_by: Mapped[datetime | None] = mapped_column(UTCDateTime)
    reported_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    wrong: Mapped[bool] = mapped_column(default=False)  # the resident says: by mistake

    centre: Mapped[Centre] = relationship(foreign_keys="Alarm.centre_id")
    taken_centre: Mapped[Centre | None] = relationship(foreign_keys=[taken_centre_id])
    case: Mapped[Case] = relationship()
    resident: Mapped[Resident | None] = relationship()
    calls: Mapped[list[UrgentCall]] = relationship(order_by="UrgentCall.id")

    @classmethod
    def staff_criteria(cls, scope: StaffScope) -> ColumnElement[bool]:
        """Those of the subtree, and those that ring or rang there."""
        own = super().staff_criteria(scope)
        if scope.department_id is not None:
            return own
        inside = select(CENTRE.c.id).where(CENTRE.c.path >= scope.path, CENTRE.c.path < scope.path + ":")
        rung = select(AlarmStep.id).where(AlarmStep.alarm_id == cls.id, AlarmStep.centre_id.in_(inside))
        return or_(own, rung.exists(), cls.taken_centre_id.in_(inside))


class UrgentCall(Base):
    """One press of the button, and what was said with it. key: made by the phone, so that a double tap is one; who
    knows it sees how things stand, and nothing private.
    """

    __tablename__ = "urgent_call"
    __table_args__ = (Index("ix_urgent_call_network", "network", "at"), Index("ix_urgent_call_alarm", "alarm_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    alarm_id: Mapped[int] = mapped_column(ForeignKey("urgent_alarm.id"))
    key: Mapped[str] = mapped_column(String(36), unique=True)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    network: Mapped[str] = mapped_column(String(60), default="")
    latitude: Mapped[float | None] = mapped_column(Float)
    longitude: Mapped[float | None] = mapped_column(Float)
    accuracy: Mapped[int | None]  # metres
    words: Mapped[str] = mapped_column(String(500), default="")
    voice: Mapped[str] = mapped_column(String(40), default="")  # help_requests.voice
    voice_seconds: Mapped[int] = mapped_column(default=0)


class AlarmStep(Base):
    """From `at` on the pages of a centre ring, or its telephones are rung. Written at filing, so that who is alarmed is
    a question of the time alone. why: what the alarmed read of it.
    """

    __tablename__ = "urgent_step"
    __table_args__ = (
        UniqueConstraint("alarm_id", "ring", "no", "centre_id", "kind"),
        Index("ix_urgent_step_centre", "centre_id", "alarm_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    alarm_id: Mapped[int] = mapped_column(ForeignKey("urgent_alarm.id"))
    ring: Mapped[int]
    no: Mapped[int]
    centre_id: Mapped[int] = mapped_column(ForeignKey("centre.id"))
    kind: Mapped[str] = mapped_column(String(6), default=SCREEN)
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    why: Mapped[str] = mapped_column(String(80), default="")


class AlarmReceipt(Base):
    """The alarm was on this screen, with sound or without."""

    __tablename__ = "urgent_receipt"
    __table_args__ = (UniqueConstraint("alarm_id", "ring", "session_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    alarm_id: Mapped[int] = mapped_column(ForeignKey("urgent_alarm.id"))
    ring: Mapped[int]
    session_id: Mapped[str] = mapped_column(String(64))
    account_id: Mapped[int] = mapped_column(ForeignKey("staff_account.id"))
    centre_id: Mapped[int] = mapped_column(ForeignKey("centre.id"))
    shown_at: Mapped[datetime] = mapped_column(UTCDateTime)
    sounded: Mapped[bool] = mapped_column(default=False)


class AlarmAck(Base):
    """知道了: this centre's own sound stops; the others' goes on."""

    __tablename__ = "urgent_ack"
    __table_args__ = (UniqueConstraint("alarm_id", "ring", "centre_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    alarm_id: Mapped[int] = mapped_column(ForeignKey("urgent_alarm.id"))
    ring: Mapped[int]
    centre_id: Mapped[int] = mapped_column(ForeignKey("centre.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("staff_account.id"))
    name: Mapped[str] = mapped_column(String(40))
    at: Mapped[datetime] = mapped_column(UTCDateTime)


class AlarmReader(Base):
    """Who has opened address, number and recording, once each; the audit log has it too."""

    __tablename__ = "urgent_reader"
    __table_args__ = (UniqueConstraint("alarm_id", "account_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    alarm_id: Mapped[int] = mapped_column(ForeignKey("urgent_alarm.id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("staff_account.id"))
    name: Mapped[str] = mapped_column(String(40))
    at: Mapped[datetime] = mapped_column(UTCDateTime)


class Listener(Base):
    """A browser whose pages would ring: seen within the last minutes, with sound or without. tried_at: 试响."""

    __tablename__ = "urgent_listener"
    __table_args__ = (Index("ix_urgent_listener_centre", "centre_id", "seen_at"),)

    session_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("staff_account.id"))
    centre_id: Mapped[int] = mapped_column(ForeignKey("centre.id"))
    seen_at: Mapped[datetime] = mapped_column(UTCDateTime)
    sound: Mapped[bool] = mapped_column(default=False)
    visible: Mapped[bool] = mapped_column(default=False)
    tried_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    heard: Mapped[bool | None]


class Watch(Base):
    """From when until when somebody of a centre listened, for the minutes without anybody."""

    __tablename__ = "urgent_watch"
    __table_args__ = (Index("ix_urgent_watch_centre", "centre_id", "until"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    centre_id: Mapped[int] = mapped_column(ForeignKey("centre.id"))
    since: Mapped[datetime] = mapped_column(UTCDateTime)
    until: Mapped[datetime] = mapped_column(UTCDateTime)


class DutyPhone(CentreScoped, Base):
    """A telephone that is texted and rung when an alarm comes to its centre. opens, closes: minutes after midnight;
    equal: day and night.
    """

    __tablename__ = "urgent_phone"
    __table_args__ = (UniqueConstraint("centre_id", "phone"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    phone: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(20), default="")
    opens: Mapped[int] = mapped_column(default=0)
    closes: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    created_by: Mapped[str] = mapped_column(String(40), default="")
