"""The monthly list of services (服务清单): categories, entries with sessions, issues, guides (SPEC C1-C8)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    and_,
    false,
    literal_column,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.catalogue import windows
from portal.centres.models import Centre, Department
from portal.core.db import Base, UTCDateTime
from portal.core.scope import CentreScoped
from portal.core.states import StateHistory
from portal.venues.models import Venue

# Entry.status; the machine is in states.py.
DRAFT, IN_REVIEW, RETURNED, APPROVED = "draft", "in_review", "returned", "approved"
ACCEPTED = "accepted"  # a station's row taken into its community's list; goes on with the community's issue
PUBLISHED, CANCELLED, DROPPED = "published", "cancelled", "dropped"
PUBLIC = (PUBLISHED, CANCELLED)


class Category(Base):
    """Two steps: 大众化服务 / 党群服务. `kind` says what its services are: activity, guide, venue, help, other."""

    __tablename__ = "category"
    __table_args__ = (UniqueConstraint("parent_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String(30))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("category.id"))
    kind: Mapped[str] = mapped_column(String(12))
    position: Mapped[int] = mapped_column(default=0)
    # At least so many services are expected of it (生活指南: exactly 20); None: no rule.
    expected: Mapped[int | None]

    parent: Mapped[Category | None] = relationship(remote_side=[id])


class ServiceType(Base):
    """A service on offer (百项服务): what coverage is counted against. Imported from services.csv."""

    __tablename__ = "service_type"
    __table_args__ = (UniqueConstraint("category_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    category_id: Mapped[int] = mapped_column(ForeignKey("category.id"), index=True)
    name: Mapped[str] = mapped_column(String(60))
    source: Mapped[str] = mapped_column(String(80), default="")
    position: Mapped[int] = mapped_column(default=0)
    active: Mapped[bool] = mapped_column(default=True)

    category: Mapped[Category] = relationship()


class Issue(CentreScoped, Base):
    """One centre's list of one month: when it was handed in; its rows are entries."""

    __tablename__ = "issue"
    __table_args__ = (UniqueConstraint("month", "centre_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    month: Mapped[str] = mapped_column(String(7))
    submitted_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    submitted_by: Mapped[str] = mapped_column(String(40), default="")
    published_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    centre: Mapped[Centre] = relationship()


class Cutoff(Base):
    """Until when a level does its part of one month, where it is not the profile's date: Spring Festival moves it."""

    __tablename__ = "cutoff"

    month: Mapped[str] = mapped_column(String(7), primary_key=True)
    level: Mapped[str] = mapped_column(String(24), primary_key=True)  # of the profile, or month_rules.DEPARTMENTS
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    set_by: Mapped[str] = mapped_column(String(40))
    set_at: Mapped[datetime] = mapped_column(UTCDateTime)


class Urge(CentreScoped, Base):
    """When a late centre was last urged about a month, and by whom."""

    __tablename__ = "urge"
    __table_args__ = (UniqueConstraint("month", "centre_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    month: Mapped[str] = mapped_column(String(7))
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    urged_by: Mapped[str] = mapped_column(String(40))


class Entry(CentreScoped, Base):
    """One row of a month's list: an activity people sign up for or walk in to.

    centre_id: whose list it stands in. author_centre_id: who drew it up (a station, or the district for a department).
    waits_at_id: the centre whose decision is pending while in_review. taken/waiting/version are kept by portal.signup
    under a lock on this row; version rises with every change that a list shows.
    """

    __tablename__ = "entry"
    __table_args__ = (
        CheckConstraint("capacity IS NULL OR capacity > 0", name="capacity"),
        CheckConstraint("taken >= 0 AND waiting >= 0", name="counts"),
        Index("ix_entry_month_status", "month", "status", "centre_id"),
        # The list's freshness check reads only this index.
        Index("ix_entry_stamp", "month", "status", "version", "id"),
        Index("ix_entry_waits", "waits_at_id", "status"),
        Index("ix_entry_list", "status", "first_start", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    month: Mapped[str] = mapped_column(String(7))
    author_centre_id: Mapped[int] = mapped_column(ForeignKey("centre.id"))
    department_id: Mapped[int | None] = mapped_column(ForeignKey("department.id"))
    category_id: Mapped[int] = mapped_column(ForeignKey("category.id"))
    service_type_id: Mapped[int | None] = mapped_column(ForeignKey("service_type.id"))
    title: Mapped[str] = mapped_column(String(80))
    content: Mapped[str] = mapped_column(Text, default="")
    organiser: Mapped[str] = mapped_column(String(60), default="")
    place: Mapped[str] = mapped_column(String(80), default="")
    # The room it takes, held by bookings once the row is handed in (rooms.py); `place` is then the room's name.
    venue_id: Mapped[int | None] = mapped_column(ForeignKey("venue.id"), index=True)
    audience: Mapped[str] = mapped_column(String(80), default="全体居民")  # words on the page
    groups: Mapped[list[str]] = mapped_column(JSON, default=list)  # codes for the filter: elder, child, party …
    capacity: Mapped[int | None]  # places; None: unlimited
    unit: Mapped[str] = mapped_column(String(6), default="人")  # 人, 组, 家庭
    walk_in: Mapped[bool] = mapped_column(default=False)  # 直接到场: nothing to sign up for
    needs_review: Mapped[bool] = mapped_column(default=False)  # sign-ups are checked by the organiser (S3)
    max_companions: Mapped[int] = mapped_column(default=0)
    # None: the usual. What each means, and what is usual, windows.py says.
    own_first_until: Mapped[datetime | None] = mapped_column(UTCDateTime)  # own community only, until then
    groups_first_until: Mapped[datetime | None] = mapped_column(UTCDateTime)  # those of `groups` only, until then
    groups_only: Mapped[bool] = mapped_column(
        default=False, server_default=false()
    )  # those of `groups` and nobody else
    sign_up_from: Mapped[datetime | None] = mapped_column(UTCDateTime)
    sign_up_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    withdraw_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    contact: Mapped[str] = mapped_column(String(40), default="")
    phone: Mapped[str] = mapped_column(String(30), default="")
    fee: Mapped[int] = mapped_column(default=0)  # fen
    cover: Mapped[str] = mapped_column(String(80), default="")
    # {"weekdays": [0..6], "start": "16:30", "end": "18:00", "label": "每周一至周五 16:30–18:00"} when it repeats
    weekly: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    status: Mapped[str] = mapped_column(String(12), default=DRAFT)
    waits_at_id: Mapped[int | None] = mapped_column(ForeignKey("centre.id"))
    waits_since: Mapped[datetime | None] = mapped_column(UTCDateTime)
    returned_by_id: Mapped[int | None] = mapped_column(ForeignKey("centre.id"))  # where it goes back to once mended
    return_reason: Mapped[str] = mapped_column(Text, default="")
    return_field: Mapped[str] = mapped_column(String(40), default="")
    # What to look at before it goes on (a copied date, a doubtful cell of a plan); gone once edited.
    check_note: Mapped[str] = mapped_column(Text, default="")
    first_start: Mapped[datetime | None] = mapped_column(UTCDateTime)  # of its sessions, for lists
    last_end: Mapped[datetime | None] = mapped_column(UTCDateTime)
    published_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    change_note: Mapped[str] = mapped_column(Text, default="")  # the last approved change, shown on the page
    changed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    copied_from_id: Mapped[int | None] = mapped_column(ForeignKey("entry.id"))
    import_row: Mapped[str | None] = mapped_column(String(60), unique=True)  # 'batch:row', so no row is taken in twice
    taken: Mapped[int] = mapped_column(default=0)  # places held
    waiting: Mapped[int] = mapped_column(default=0)  # sign-ups on the waiting list
    version: Mapped[int] = mapped_column(default=1)
    # Rises with what the catalogue itself changes, not with sign-ups: what a form was loaded with is compared with it.
    revision: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime)

    centre: Mapped[Centre] = relationship(foreign_keys="Entry.centre_id")
    author_centre: Mapped[Centre] = relationship(foreign_keys=[author_centre_id])
    waits_at: Mapped[Centre | None] = relationship(foreign_keys=[waits_at_id])
    department: Mapped[Department | None] = relationship()
    category: Mapped[Category] = relationship()
    venue: Mapped[Venue | None] = relationship()
    sessions: Mapped[list[EntrySession]] = relationship(
        back_populates="entry", order_by="EntrySession.starts_at", cascade="all, delete-orphan"
    )

    @classmethod
    def resident_criteria(cls, resident_id: int | None) -> ColumnElement[bool]:
        return cls.status.in_(PUBLIC)

    @property
    def free(self) -> int | None:
        """Free places; None when unlimited."""
        return windows.free_places(self.capacity, self.taken)

    @property
    def call_phone(self) -> str:
        """Whom to call about it: its own number, else the centre's."""
        return self.phone or self.centre.phone

    @property
    def author(self) -> str:
        """Whose row it is: a department's plan, else the centre that drew it up."""
        return self.department.name if self.department else self.author_centre.label


class EntrySession(Base):
    """One date of an entry: half-open [starts_at, ends_at)."""

    __tablename__ = "entry_session"
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="order"),
        Index("ix_entry_session_starts_at", "starts_at", "entry_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id", ondelete="CASCADE"), index=True)
    starts_at: Mapped[datetime] = mapped_column(UTCDateTime)
    ends_at: Mapped[datetime] = mapped_column(UTCDateTime)

    entry: Mapped[Entry] = relationship(back_populates="sessions")


class DroppedSession(Base):
    """A date of a published entry that is no longer in the list: calendars that have it are told that it is off."""

    __tablename__ = "dropped_session"

    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id", ondelete="CASCADE"), primary_key=True)
    session_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # the number that it had
    starts_at: Mapped[datetime] = mapped_column(UTCDateTime)
    ends_at: Mapped[datetime] = mapped_column(UTCDateTime)


class EntryChange(CentreScoped, Base):
    """A change after publication: asked with a reason, decided by the publisher, told to everyone signed up (C8)."""

    __tablename__ = "entry_change"

    id: Mapped[int] = mapped_column(primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"), index=True)
    kind: Mapped[str] = mapped_column(String(12))  # edit (time, place …) or cancel
    before: Mapped[dict[str, Any]] = mapped_column(JSON)
    after: Mapped[dict[str, Any]] = mapped_column(JSON)
    reason: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(12), default="asked")  # asked, applied, refused, urgent, undone
    waits_at_id: Mapped[int | None] = mapped_column(ForeignKey("centre.id"), index=True)
    asked_by: Mapped[str] = mapped_column(String(40))
    asked_at: Mapped[datetime] = mapped_column(UTCDateTime)
    decided_by: Mapped[str] = mapped_column(String(40), default="")
    decided_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    decision_reason: Mapped[str] = mapped_column(Text, default="")

    entry: Mapped[Entry] = relationship()


class SynonymList(Base):
    """One row: the district's own groups of words that mean the same, one group a line, beside the profile's (C9)."""

    __tablename__ = "synonym_list"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    text: Mapped[str] = mapped_column(Text)
    version: Mapped[int]  # rises with each save: what is kept of searches, and a form, is compared with it


class Follow(Base):
    """A resident wants to hear of what a centre (and all below it), or a category, publishes."""

    __tablename__ = "follow"
    __table_args__ = (
        CheckConstraint("(centre_id IS NULL) <> (category_id IS NULL)", name="one"),
        UniqueConstraint("resident_id", "centre_id"),
        UniqueConstraint("resident_id", "category_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    resident_id: Mapped[int] = mapped_column(ForeignKey("resident.id"))
    centre_id: Mapped[int | None] = mapped_column(ForeignKey("centre.id"))
    category_id: Mapped[int | None] = mapped_column(ForeignKey("category.id"))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)


class Like(Base):
    """A resident likes an activity: once, and may take it back. Only the number is ever shown."""

    __tablename__ = "entry_like"

    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"), primary_key=True)
    resident_id: Mapped[int] = mapped_column(ForeignKey("resident.id"), primary_key=True, index=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)


class CalendarFeed(Base):
    """The address under which a resident's calendar program reads their dates; a new code ends the old address.

    The address holds a mark of the code that only this application can make, so a copied database gives none away.
    """

    __tablename__ = "calendar_feed"

    resident_id: Mapped[int] = mapped_column(ForeignKey("resident.id"), primary_key=True, autoincrement=False)
    code: Mapped[str] = mapped_column(String(24), unique=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)


class Guide(Base):
    """生活指南, 政策咨询: nothing to sign up for; phone, link, steps, address (C3). Public once `active`."""

    __tablename__ = "guide"
    __table_args__ = (UniqueConstraint("category_id", "title", "centre_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    category_id: Mapped[int] = mapped_column(ForeignKey("category.id"), index=True)
    service_type_id: Mapped[int | None] = mapped_column(ForeignKey("service_type.id"))
    centre_id: Mapped[int | None] = mapped_column(ForeignKey("centre.id"))  # None: the whole deployment
    title: Mapped[str] = mapped_column(String(60))
    summary: Mapped[str] = mapped_column(String(200), default="")
    phone: Mapped[str] = mapped_column(String(30), default="")
    link: Mapped[str] = mapped_column(String(300), default="")
    steps: Mapped[str] = mapped_column(Text, default="")  # one step a line
    materials: Mapped[str] = mapped_column(Text, default="")
    time_limit: Mapped[str] = mapped_column(String(60), default="")
    fee: Mapped[str] = mapped_column(String(60), default="")
    address: Mapped[str] = mapped_column(String(120), default="")
    external: Mapped[bool] = mapped_column(default=False)  # a market platform: the parties agree between themselves
    position: Mapped[int] = mapped_column(default=0)
    active: Mapped[bool] = mapped_column(default=True)
    updated_at: Mapped[datetime] = mapped_column(UTCDateTime)

    category: Mapped[Category] = relationship()


class PlanImport(CentreScoped, Base):
    """An uploaded Excel plan, row by row as understood; kept until confirmed so nothing is lost (C7)."""

    __tablename__ = "plan_import"

    id: Mapped[int] = mapped_column(primary_key=True)
    month: Mapped[str] = mapped_column(String(7))
    filename: Mapped[str] = mapped_column(String(120))
    digest: Mapped[str] = mapped_column(String(64))
    rows: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    notes: Mapped[list[str]] = mapped_column(JSON, default=list)
    # Asked before anything is taken in: the title names another centre. Empty once answered.
    question: Mapped[str] = mapped_column(String(300), default="", server_default="")
    status: Mapped[str] = mapped_column(String(12), default="preview")  # preview, taken
    created_by: Mapped[str] = mapped_column(String(40))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    taken_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # A department's plan, for the centre it is attached to: nobody else works on it.
    department_id: Mapped[int | None] = mapped_column(ForeignKey("department.id"))

    centre: Mapped[Centre] = relationship()


class BulkStep(CentreScoped, Base):
    """What somebody did to many rows at once, so that it can be taken back for a while (SPEC Q9)."""

    __tablename__ = "bulk_step"
    __table_args__ = (Index("ix_bulk_step_account_at", "account_id", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(12))  # bulk_rules.KINDS
    month: Mapped[str] = mapped_column(String(7))
    account_id: Mapped[int] = mapped_column(ForeignKey("staff_account.id"))
    count: Mapped[int] = mapped_column(default=0)
    department_id: Mapped[int | None] = mapped_column(ForeignKey("department.id"))  # whose people may take it back
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    undone_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class BulkRow(Base):
    """A row as it was before a bulk step. revision: that of the row right after it; a higher one has moved on."""

    __tablename__ = "bulk_row"

    step_id: Mapped[int] = mapped_column(ForeignKey("bulk_step.id", ondelete="CASCADE"), primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"), primary_key=True)
    revision: Mapped[int]
    before: Mapped[dict[str, Any]] = mapped_column(JSON)


class Template(CentreScoped, Base):
    """A row kept for reuse (C7): the fields of an entry without dates."""

    __tablename__ = "entry_template"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    values: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)


class PrintedDocument(CentreScoped, Base):
    """A list or poster that was or is being made; kept with its data and file once issued (SPEC C10, Q7).

    digest: of the data it is made from, so that the same paper is never made twice and a change makes a new one.
    """

    __tablename__ = "printed_document"
    __table_args__ = (UniqueConstraint("month", "centre_id", "paper", "digest"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    month: Mapped[str] = mapped_column(String(7))
    paper: Mapped[str] = mapped_column(String(4))  # printing.PAPERS; a4+, a3+: from a day on; pack: many
    digest: Mapped[str] = mapped_column(String(64))
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    status: Mapped[str] = mapped_column(String(12), default="asked")  # asked, making, ready, failed
    file: Mapped[str] = mapped_column(String(120), default="")
    pages: Mapped[int] = mapped_column(default=0)
    parts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(String(200), default="")
    asked_at: Mapped[datetime] = mapped_column(UTCDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    ready_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    centre: Mapped[Centre] = relationship()

    @classmethod
    def resident_criteria(cls, resident_id: int | None) -> ColumnElement[bool]:
        # Public paper: it only ever shows published rows.
        return true()


# Yes was said to a row. Written out and not bound: only so do databases see that the small index holds them all, by
# which a board counts what its viewer has passed.
SAID_YES = and_(
    StateHistory.object_type == literal_column("'entry'"),
    StateHistory.name.in_([literal_column(f"'{name}'") for name in ("accept", "pass_on", "approve")]),
)
Index(
    "ix_state_history_yes", StateHistory.centre_id, StateHistory.object_id, sqlite_where=SAID_YES,
    postgresql_where=SAID_YES,
)  # fmt: skip
