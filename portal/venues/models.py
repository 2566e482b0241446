"""Rooms and public places, their bookings, closures and notes (SPEC V1-V7)."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    Text,
    event,
    or_,
    select,
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.centres.models import Centre
from portal.core.attachments import Attachment
from portal.core.db import Base, UTCDateTime
from portal.core.scope import CentreScoped
from portal.people.models import Relative, Resident
from portal.venues import overlap_constraint

# Booking.status; the machine is in states.py.
PENDING, APPROVED, OFFERED, WAITING = "pending", "approved", "offered", "waiting"
REFUSED, WITHDRAWN, CANCELLED, LAPSED, RELEASED = "refused", "withdrawn", "cancelled", "lapsed", "released"
HOLDS = overlap_constraint.HOLDS  # pending, approved, offered: nobody else may have that time
ACTIVE = (*HOLDS, WAITING)

# Booking.source: who takes the room.
BY_RESIDENT, BY_STAFF, BY_ACTIVITY = "resident", "staff", "activity"
# Venue.who_may.
EVERYBODY, OWN, STAFF_ONLY = "everybody", "own", "staff"


def _part(name: str, *columns: str, where: str) -> Index:
    """An index of part of a table, on both databases."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


class Venue(CentreScoped, Base):
    """A room of a centre, or a place outside that only carries a link and a phone (`bookable` false).

    Minutes everywhere. version rises with every change of the venue, its closures and its bookings: what pages keep in
    memory is proved fresh by it. revision rises with the venue's own facts only: forms are compared with it.
    """

    __tablename__ = "venue"
    __table_args__ = (
        CheckConstraint("shortest > 0 AND shortest <= longest AND longest <= 1440", name="lengths"),
        CheckConstraint("buffer >= 0 AND step > 0 AND notice >= 0 AND ahead_days >= 0", name="rules"),
        CheckConstraint("capacity IS NULL OR capacity > 0", name="capacity"),
        Index("ix_venue_stamp", "active", "centre_id", "version", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(60))
    kind: Mapped[str] = mapped_column(String(20), default="room")  # of the profile: room, city, scenic, company …
    place: Mapped[str] = mapped_column(String(60), default="")  # floor and door: '二楼 203'
    address: Mapped[str] = mapped_column(String(200), default="")  # where it differs from the centre's
    area_m2: Mapped[int | None]
    capacity: Mapped[int | None]  # people
    functions: Mapped[list[str]] = mapped_column(JSON, default=list)  # what it may be used for: 会议, 培训 …
    equipment: Mapped[list[str]] = mapped_column(JSON, default=list)
    intro: Mapped[str] = mapped_column(Text, default="")
    terms_of_use: Mapped[str] = mapped_column(Text, default="")  # rules for users, one a line
    contact: Mapped[str] = mapped_column(String(40), default="")
    phone: Mapped[str] = mapped_column(String(30), default="")
    link: Mapped[str] = mapped_column(String(300), default="")
    responsible: Mapped[str] = mapped_column(String(12), default="own")  # own or shared (共建共享)
    partner: Mapped[str] = mapped_column(String(80), default="")  # with whom it is shared
    bookable: Mapped[bool] = mapped_column(default=True)
    who_may: Mapped[str] = mapped_column(String(12), default=EVERYBODY)
    needs_approval: Mapped[bool] = mapped_column(default=True)
    approve_hours: Mapped[int] = mapped_column(default=24)  # then the request is handed up
    own_hours: Mapped[bool] = mapped_column(default=False)  # False: the centre's opening hours and exceptions
    buffer: Mapped[int] = mapped_column(default=0)  # kept free after each booking
    shortest: Mapped[int] = mapped_column(default=30)
    longest: Mapped[int] = mapped_column(default=180)
    step: Mapped[int] = mapped_column(default=30)
    notice: Mapped[int] = mapped_column(default=60)
    ahead_days: Mapped[int] = mapped_column(default=14)
    hours_per_week: Mapped[int | None]  # per resident and centre; None: no limit
    bookings_per_month: Mapped[int | None]
    cancel: Mapped[int] = mapped_column(default=120)  # until so long before the start one may withdraw
    release: Mapped[int] = mapped_column(default=0)  # so long after the start an unused room is given on; 0: never
    waiting_list: Mapped[bool] = mapped_column(default=True)
    staff_notes: Mapped[str] = mapped_column(Text, default="")  # for the people on duty: key, air conditioning …
    door_key: Mapped[str] = mapped_column(String(16))  # stands in the QR code at the door, so that one is there
    position: Mapped[int] = mapped_column(default=0)
    active: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)
    revision: Mapped[int] = mapped_column(default=1)
    import_key: Mapped[str | None] = mapped_column(String(80), unique=True)  # 'city:市图书馆': imported once
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime)

    centre: Mapped[Centre] = relationship()
    hours: Mapped[list[VenueHours]] = relationship(
        order_by="VenueHours.weekday, VenueHours.opens", cascade="all, delete-orphan"
    )
    photos: Mapped[list[Attachment]] = relationship(  # written by actions.rooms.PHOTOS
        primaryjoin="and_(foreign(Attachment.subject_id) == Venue.id, Attachment.subject_kind == 'venue')",
        order_by="Attachment.position, Attachment.id",
        viewonly=True,
    )

    @classmethod
    def resident_criteria(cls, resident_id: int | None) -> ColumnElement[bool]:
        return cls.active.is_(True)


class VenueHours(Base):
    """Own weekly hours of a venue: half-open [opens, closes) in minutes after midnight, closes up to 1440."""

    __tablename__ = "venue_hours"
    __table_args__ = (CheckConstraint("opens < closes AND closes <= 1440", name="order"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    venue_id: Mapped[int] = mapped_column(ForeignKey("venue.id", ondelete="CASCADE"), index=True)
    weekday: Mapped[int]  # 0 Monday … 6 Sunday
    opens: Mapped[int]
    closes: Mapped[int]


class VenueClosure(CentreScoped, Base):
    """A time in which a venue, or every venue of the centre (venue_id None), is not given out. Half-open."""

    __tablename__ = "venue_closure"
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="order"),
        Index("ix_venue_closure_ends", "ends_at", "centre_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    venue_id: Mapped[int | None] = mapped_column(ForeignKey("venue.id"), index=True)
    starts_at: Mapped[datetime] = mapped_column(UTCDateTime)
    ends_at: Mapped[datetime] = mapped_column(UTCDateTime)
    reason: Mapped[str] = mapped_column(String(80))
    created_by: Mapped[str] = mapped_column(String(40))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    lifted_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    centre: Mapped[Centre] = relationship()
    venue: Mapped[Venue | None] = relationship()

    @classmethod
    def resident_criteria(cls, resident_id: int | None) -> ColumnElement[bool]:
        return true()  # why a room is closed is public


class VenueNote(CentreScoped, Base):
    """What the people on duty leave for each other: a broken projector, tables to put back (SPEC V6)."""

    __tablename__ = "venue_note"
    __table_args__ = (Index("ix_venue_note_open", "venue_id", "solved_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    venue_id: Mapped[int] = mapped_column(ForeignKey("venue.id"))
    booking_id: Mapped[int | None] = mapped_column(ForeignKey("booking.id"), index=True)
    body: Mapped[str] = mapped_column(String(300))
    created_by: Mapped[str] = mapped_column(String(40))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    solved_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    solved_by: Mapped[str] = mapped_column(String(40), default="")

    venue: Mapped[Venue] = relationship()

    @property
    def said(self) -> str:
        """What it says, or why it says nothing any more."""
        return self.body or "（用场地的居民已注销，内容已删除）"


class BookingSeries(CentreScoped, Base):
    """Every Tuesday from … until …: its dates are bookings of their own."""

    __tablename__ = "booking_series"
    __table_args__ = (CheckConstraint("first_day <= last_day AND opens < closes", name="order"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    venue_id: Mapped[int] = mapped_column(ForeignKey("venue.id"), index=True)
    title: Mapped[str] = mapped_column(String(80))
    weekdays: Mapped[list[int]] = mapped_column(JSON)
    first_day: Mapped[date]
    last_day: Mapped[date]
    opens: Mapped[int]  # minutes after midnight, Shanghai
    closes: Mapped[int]
    created_by: Mapped[str] = mapped_column(String(40))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    venue: Mapped[Venue] = relationship()


class Booking(CentreScoped, Base):
    """One hold on a venue: use is [starts_at, ends_at), held is [starts_at, held_until) with the buffer.

    centre_id is the venue's. For a resident's: resident_id (and relative_id); for staff's: contact of a caller; for an
    activity: source_id is the entry's id, one booking per session. waits_at_id: the centre whose decision is pending.
    """

    __tablename__ = "booking"
    __table_args__ = (
        CheckConstraint("starts_at < ends_at AND ends_at <= held_until", name="order"),
        CheckConstraint("people > 0", name="people"),
        # What is taken of a room at a time; holds are never longer than a day, so a range of starts is enough.
        _part("ix_booking_taken", "venue_id", "starts_at", "held_until", where=f"status IN {HOLDS!r}"),
        Index("ix_booking_venue", "venue_id", "starts_at"),
        Index("ix_booking_resident", "resident_id", "starts_at"),
        Index("ix_booking_waits", "waits_at_id", "status"),
        Index("ix_booking_source", "source", "source_id"),
        Index("ix_booking_starts", "starts_at", "status"),
        Index("ix_booking_centre_starts", "centre_id", "starts_at"),
        Index("ix_booking_ends", "ends_at", "status"),
        _part("ix_booking_accept_by", "accept_by", where="accept_by IS NOT NULL"),
        _part("ix_booking_decide_by", "decide_by", where="status = 'pending'"),
        _part("ix_booking_pending", "centre_id", "decide_by", where="status = 'pending'"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    venue_id: Mapped[int] = mapped_column(ForeignKey("venue.id"))
    source: Mapped[str] = mapped_column(String(10))
    source_id: Mapped[int | None]
    series_id: Mapped[int | None] = mapped_column(ForeignKey("booking_series.id"), index=True)
    resident_id: Mapped[int | None] = mapped_column(ForeignKey("resident.id"))
    relative_id: Mapped[int | None] = mapped_column(ForeignKey("relative.id"))
    contact_name: Mapped[str] = mapped_column(String(40), default="")
    contact_phone: Mapped[str] = mapped_column(String(20), default="")
    caller_name: Mapped[str] = mapped_column(String(40), default="", server_default="")  # typed by staff, not confirmed
    title: Mapped[str] = mapped_column(String(80))  # what for, in words
    function: Mapped[str] = mapped_column(String(20), default="")  # one of the venue's functions
    people: Mapped[int] = mapped_column(default=1)
    needs: Mapped[str] = mapped_column(String(120), default="")  # equipment to have ready
    starts_at: Mapped[datetime] = mapped_column(UTCDateTime)
    ends_at: Mapped[datetime] = mapped_column(UTCDateTime)
    held_until: Mapped[datetime] = mapped_column(UTCDateTime)
    status: Mapped[str] = mapped_column(String(12))
    waits_at_id: Mapped[int | None] = mapped_column(ForeignKey("centre.id"))
    decide_by: Mapped[datetime | None] = mapped_column(UTCDateTime)
    accept_by: Mapped[datetime | None] = mapped_column(UTCDateTime)
    reason: Mapped[str] = mapped_column(Text, default="")  # why refused, cancelled or moved, as told
    created_by: Mapped[str] = mapped_column(String(40), default="")  # staff who entered it
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    decided_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    checked_in_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    revision: Mapped[int] = mapped_column(default=1)

    venue: Mapped[Venue] = relationship()
    resident: Mapped[Resident | None] = relationship()
    relative: Mapped[Relative | None] = relationship()
    waits_at: Mapped[Centre | None] = relationship(foreign_keys=[waits_at_id])
    centre: Mapped[Centre] = relationship(foreign_keys="Booking.centre_id")
    series: Mapped[BookingSeries | None] = relationship()

    @classmethod
    def resident_criteria(cls, resident_id: int | None) -> ColumnElement[bool]:
        return cls.resident_id == (resident_id if resident_id is not None else -1)

    @classmethod
    def of(cls, resident_id: int) -> ColumnElement[bool]:
        """A resident's own, and those that staff entered with the resident's number alone."""
        phone = select(Resident.phone).where(Resident.id == resident_id).scalar_subquery()
        return or_(cls.resident_id == resident_id, cls.contact_phone == phone)


# The net under the actions, on both databases; migration 0004 installs the same.
event.listen(Booking.__table__, "after_create", lambda _table, connection, **_: overlap_constraint.install(connection))
