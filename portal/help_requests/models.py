"""Help that somebody asks for (个性化服务), and what belongs to one request (SPEC H1-H3, H5-H7).

Who has a request, until when and the way it went: its case. What only those may read who have accepted it (address,
telephone, voice) is read by private_fields.read and nowhere else.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    Date,
    Float,
    ForeignKey,
    Index,
    Select,
    String,
    Text,
    UniqueConstraint,
    false,
    select,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.cases.models import Case
from portal.centres.models import Centre
from portal.centres.queries import inside
from portal.core.db import Base, UTCDateTime
from portal.core.scope import CentreScoped, StaffScope
from portal.people.models import Relative, Resident, StaffAccount
from portal.teams.models import TeamMember

# HelpRequest.status; the machine is in states.py.
RECEIVED, ASKING, REFUSED = "received", "asking", "refused"
DISPATCHED, ACCEPTED, ASSIGNED = "dispatched", "accepted", "assigned"
GOING, THERE, DONE = "going", "there", "done"
CONFIRMED, WITHDRAWN = "confirmed", "withdrawn"
TO_REVIEW = (RECEIVED, ASKING)
TAKEN = (ACCEPTED, ASSIGNED, GOING, THERE)  # somebody has accepted it and has not done it yet
UNDONE = (*TO_REVIEW, DISPATCHED, *TAKEN)
OVER = (REFUSED, CONFIRMED, WITHDRAWN)

# HelpOrder.status
OFFERED, DECLINED, CANCELLED = "offered", "declined", "cancelled"
ORDER_UNDONE = (OFFERED, CONFIRMED, GOING, THERE)

# HelpVisit.status
PLANNED, MOVED, KEPT, CALLED_OFF = "planned", "moved", "kept", "called_off"

# HelpRequest.wanted_part, HelpRequest.advice_kind, VulnerableRegistration
AM, PM = "am", "pm"
GUIDE, PHONE, OTHER_KIND = "guide", "phone", "kind"

TO_CALL = text("call_text <> ''")
IS_UNDONE = text("status NOT IN ('refused','confirmed','withdrawn')")


def _shown_to(scope: StaffScope) -> ColumnElement[bool]:
    """Whoever sees the case: where the person lives, whoever has it, to whom it is offered. A request and its case
    belong to the same community."""
    cases = HelpRequest.case_id.in_(select(Case.id).where(Case.staff_criteria(scope)))
    if scope.department_id is not None:
        return cases
    return HelpRequest.centre_id.in_(select(Centre.id).where(*inside(scope.path))) | cases


class HelpRequest(CentreScoped, Base):
    """One thing that somebody needs help with. centre_id: the community where the person lives.

    person_key: 'r12' the resident, 'v34' a relative. words: what for, in their own; of a health-like kind only for who
    has it. masked_address: what lists and messages may show. taken_id, taken_department_id: the unit that has accepted.
    recorded_centre_id: whose staff wrote it down for somebody who rang; by_phone: that person is told by telephone, and
    call_text is what waits to be said. question: what is asked back. advice_*: what to do instead of what was refused.
    """

    __tablename__ = "help_request"
    __table_args__ = (
        CheckConstraint("reopened >= 0", name="reopened"),
        Index("ix_help_request_resident", "resident_id", "id"),
        Index("ix_help_request_person", "person_key", "kind"),
        Index("ix_help_request_status", "status", "done_at"),
        Index("ix_help_request_near", "kind", "filed_at"),
        Index("ix_help_request_call", "recorded_centre_id", sqlite_where=TO_CALL, postgresql_where=TO_CALL),
        Index("ix_help_request_undone", "centre_id", sqlite_where=IS_UNDONE, postgresql_where=IS_UNDONE),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("case_file.id"), unique=True)
    resident_id: Mapped[int] = mapped_column(ForeignKey("resident.id"))
    relative_id: Mapped[int | None] = mapped_column(ForeignKey("relative.id"))
    person_key: Mapped[str] = mapped_column(String(16))
    caller_name: Mapped[str] = mapped_column(String(40), default="")  # typed by staff, not confirmed by the person
    kind: Mapped[str] = mapped_column(String(20))  # of the profile
    health: Mapped[bool] = mapped_column(default=False)  # as the kind was when it was filed
    words: Mapped[str] = mapped_column(Text)
    voice_file: Mapped[str] = mapped_column(String(80), default="")  # its name under uploads
    voice_seconds: Mapped[int] = mapped_column(default=0)
    wanted_day: Mapped[date | None] = mapped_column(Date)
    wanted_part: Mapped[str] = mapped_column(String(4), default="")  # '' any, am, pm
    address_id: Mapped[int | None] = mapped_column(ForeignKey("help_address.id"), unique=True)
    masked_address: Mapped[str] = mapped_column(String(80), default="")
    status: Mapped[str] = mapped_column(String(12), default=RECEIVED)
    filed_at: Mapped[datetime] = mapped_column(UTCDateTime)
    consent_version: Mapped[str] = mapped_column(String(20), default="")
    recorded_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff_account.id"))
    recorded_centre_id: Mapped[int | None] = mapped_column(ForeignKey("centre.id"))
    by_phone: Mapped[bool] = mapped_column(default=False)
    call_text: Mapped[str] = mapped_column(String(300), default="")
    question: Mapped[str] = mapped_column(String(300), default="")
    refusal: Mapped[str] = mapped_column(String(300), default="")
    advice_kind: Mapped[str] = mapped_column(String(8), default="")
    advice_value: Mapped[str] = mapped_column(String(40), default="")  # a guide's id, a number, a kind's code
    appealed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    outside_id: Mapped[int | None] = mapped_column(ForeignKey("help_outside.id"))
    taken_id: Mapped[int | None] = mapped_column(ForeignKey("centre.id"), index=True)
    taken_department_id: Mapped[int | None] = mapped_column(ForeignKey("department.id"))
    taken_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    done_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    done_words: Mapped[str] = mapped_column(String(300), default="")
    reopened: Mapped[int] = mapped_column(default=0)
    by_default: Mapped[bool] = mapped_column(default=False)  # closed by silence: never counted as satisfied
    closed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    centre: Mapped[Centre] = relationship(foreign_keys="HelpRequest.centre_id")
    taken: Mapped[Centre | None] = relationship(foreign_keys=[taken_id])
    case: Mapped[Case] = relationship(lazy="joined")
    resident: Mapped[Resident] = relationship()
    relative: Mapped[Relative | None] = relationship()
    address: Mapped[HelpAddress | None] = relationship()
    outside: Mapped[HelpOutside | None] = relationship()

    @classmethod
    def staff_criteria(cls, scope: StaffScope) -> ColumnElement[bool]:
        return _shown_to(scope)

    @classmethod
    def resident_criteria(cls, resident_id: int | None) -> ColumnElement[bool]:
        return cls.resident_id == (resident_id if resident_id is not None else -1)


class _OfRequest(CentreScoped):
    """What belongs to a request is seen by whoever sees the request. centre_id: the request's."""

    @classmethod
    def _of(cls, which: Select[Any]) -> ColumnElement[bool]:
        own: ColumnElement[bool] = getattr(cls, "request_id").in_(which)  # noqa: B009  # each of them has it
        return own

    @classmethod
    def staff_criteria(cls, scope: StaffScope) -> ColumnElement[bool]:
        return cls._of(select(HelpRequest.id).where(_shown_to(scope)))

    @classmethod
    def resident_criteria(cls, resident_id: int | None) -> ColumnElement[bool]:
        own = resident_id if resident_id is not None else -1
        return cls._of(select(HelpRequest.id).where(HelpRequest.resident_id == own))


class HelpAddress(CentreScoped, Base):
    """Where to come to: exact. Read by private_fields.read only; emptied 30 days after the request is closed."""

    __tablename__ = "help_address"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(120), default="")
    latitude: Mapped[float | None] = mapped_column(Float)
    longitude: Mapped[float | None] = mapped_column(Float)
    rounded_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    centre: Mapped[Centre] = relationship(foreign_keys="HelpAddress.centre_id")

    @classmethod
    def staff_criteria(cls, scope: StaffScope) -> ColumnElement[bool]:
        return false()  # private_fields alone reads them, in the system's scope


class HelpVisit(_OfRequest, Base):
    """When somebody comes, half-open. token: the message's link moves it without a login; 128 random bits."""

    __tablename__ = "help_visit"
    __table_args__ = (CheckConstraint("at_from < at_to", name="order"), Index("ix_help_visit_request", "request_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[int] = mapped_column(ForeignKey("help_request.id"))
    member_id: Mapped[int | None] = mapped_column(ForeignKey("team_member.id"), index=True)
    at_from: Mapped[datetime] = mapped_column(UTCDateTime)
    at_to: Mapped[datetime] = mapped_column(UTCDateTime)
    status: Mapped[str] = mapped_column(String(12), default=PLANNED)
    token: Mapped[str] = mapped_column(String(32), unique=True)
    set_at: Mapped[datetime] = mapped_column(UTCDateTime)
    set_by: Mapped[str] = mapped_column(String(40), default="")  # '' the resident, by the link
    moves: Mapped[int] = mapped_column(default=0)

    centre: Mapped[Centre] = relationship(foreign_keys="HelpVisit.centre_id")
    request: Mapped[HelpRequest] = relationship()
    member: Mapped[TeamMember | None] = relationship()


class HelpOrder(_OfRequest, Base):
    """An order to one member of a team. token: the paper order's QR code. check_by: until when somebody alone in a home
    says that all is well; check_told: 0 nobody yet, 1 the contact person, 2 the captain too."""

    __tablename__ = "help_order"
    __table_args__ = (
        Index("ix_help_order_request", "request_id", "id"),
        Index("ix_help_order_member", "member_id", "status"),
        Index("ix_help_order_check", "check_by"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[int] = mapped_column(ForeignKey("help_request.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("team_member.id"))
    visit_id: Mapped[int | None] = mapped_column(ForeignKey("help_visit.id"))
    status: Mapped[str] = mapped_column(String(12), default=OFFERED)
    token: Mapped[str] = mapped_column(String(32), unique=True)
    offered_at: Mapped[datetime] = mapped_column(UTCDateTime)
    offered_by: Mapped[str] = mapped_column(String(40), default="")
    why: Mapped[str] = mapped_column(String(200), default="")  # why one who was not proposed got it
    answer_by: Mapped[datetime | None] = mapped_column(UTCDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    decline_reason: Mapped[str] = mapped_column(String(200), default="")
    going_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    there_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    done_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    done_words: Mapped[str] = mapped_column(String(300), default="")
    check_by: Mapped[datetime | None] = mapped_column(UTCDateTime)
    check_told: Mapped[int] = mapped_column(default=0)

    centre: Mapped[Centre] = relationship(foreign_keys="HelpOrder.centre_id")
    request: Mapped[HelpRequest] = relationship()
    member: Mapped[TeamMember] = relationship()
    visit: Mapped[HelpVisit | None] = relationship()


class HelpReading(_OfRequest, Base):
    """Somebody read a private field in full. Append only; the resident sees it in their own data (H5, P8)."""

    __tablename__ = "help_reading"
    __table_args__ = (Index("ix_help_reading_request", "request_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[int] = mapped_column(ForeignKey("help_request.id"))
    field: Mapped[str] = mapped_column(String(10))  # address, phone, voice
    account_id: Mapped[int | None] = mapped_column(ForeignKey("staff_account.id"))
    reader: Mapped[str] = mapped_column(String(40), default="")
    unit: Mapped[str] = mapped_column(String(80), default="")
    at: Mapped[datetime] = mapped_column(UTCDateTime)

    centre: Mapped[Centre] = relationship(foreign_keys="HelpReading.centre_id")
    account: Mapped[StaffAccount | None] = relationship()


class HelpOutside(CentreScoped, Base):
    """A number outside the portal to which requests may be referred (a hospital's desk, a repair service)."""

    __tablename__ = "help_outside"
    __table_args__ = (UniqueConstraint("centre_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40))
    phone: Mapped[str] = mapped_column(String(30))
    note: Mapped[str] = mapped_column(String(100), default="")
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)

    centre: Mapped[Centre] = relationship(foreign_keys="HelpOutside.centre_id")


class VulnerableRegistration(CentreScoped, Base):
    """备案: the community has registered this person for home services, half-open from `since` to `until`.

    centre_id: the community that keeps it. Checked at review; never a wall at the form (H1).
    """

    __tablename__ = "vulnerable_registration"
    __table_args__ = (
        CheckConstraint("until IS NULL OR until >= since", name="order"),
        Index("ix_vulnerable_registration_person", "person_key"),
        Index("ix_vulnerable_registration_resident", "resident_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    resident_id: Mapped[int] = mapped_column(ForeignKey("resident.id"))
    relative_id: Mapped[int | None] = mapped_column(ForeignKey("relative.id"))
    person_key: Mapped[str] = mapped_column(String(16))
    caller_name: Mapped[str] = mapped_column(String(40), default="")  # typed by staff, not confirmed by the person
    since: Mapped[date] = mapped_column(Date)
    until: Mapped[date | None] = mapped_column(Date)
    proof: Mapped[str] = mapped_column(String(100), default="")  # what was looked at: 低保证, 残疾人证 …
    registered_by: Mapped[str] = mapped_column(String(40))
    registered_at: Mapped[datetime] = mapped_column(UTCDateTime)
    ended_by: Mapped[str] = mapped_column(String(40), default="")
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    centre: Mapped[Centre] = relationship(foreign_keys="VulnerableRegistration.centre_id")
    resident: Mapped[Resident] = relationship()
    relative: Mapped[Relative | None] = relationship()

    def holds(self, day: date) -> bool:
        """Whether it is valid on that day."""
        return self.since <= day and (self.until is None or day < self.until)

    @classmethod
    def resident_criteria(cls, resident_id: int | None) -> ColumnElement[bool]:
        return cls.resident_id == (resident_id if resident_id is not None else -1)
