"""Sign-ups (报名): one row per person and entry (SPEC S1-S4)."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.catalogue.models import BulkStep, Entry
from portal.core.db import Base, UTCDateTime
from portal.core.scope import CentreScoped
from portal.people.models import Relative, Resident

# SignUp.status; the machine is in states.py.
PENDING, CONFIRMED, WAITING, OFFERED = "pending", "confirmed", "waiting", "offered"
WITHDRAWN, REFUSED, CANCELLED, LAPSED = "withdrawn", "refused", "cancelled", "lapsed"
HOLDS_PLACE = (PENDING, CONFIRMED, OFFERED)  # an offered place is held until its deadline
ACTIVE = (*HOLDS_PLACE, WAITING)


class SignUp(CentreScoped, Base):
    """centre_id is the entry's centre. queue_no orders the waiting list; places counts the person and companions."""

    __tablename__ = "sign_up"
    __table_args__ = (
        CheckConstraint("places > 0", name="places"),
        # One live sign-up per person: a double click or a second tab can never take two places.
        Index(
            "uq_sign_up_live", "entry_id", "person_key", unique=True,
            sqlite_where=text("status IN ('pending','confirmed','waiting','offered')"),
            postgresql_where=text("status IN ('pending','confirmed','waiting','offered')"),
        ),
        Index("ix_sign_up_queue", "entry_id", "status", "queue_no"),
        Index("ix_sign_up_resident", "resident_id", "id"),
        Index(
            "ix_sign_up_pending", "entry_id",
            sqlite_where=text("status = 'pending'"), postgresql_where=text("status = 'pending'"),
        ),
        # Offers whose deadline passes are looked for at every tick; few rows ever have one.
        Index(
            "ix_sign_up_accept_by", "accept_by",
            sqlite_where=text("accept_by IS NOT NULL"), postgresql_where=text("accept_by IS NOT NULL"),
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"))
    resident_id: Mapped[int] = mapped_column(ForeignKey("resident.id"))
    relative_id: Mapped[int | None] = mapped_column(ForeignKey("relative.id"))
    person_key: Mapped[str] = mapped_column(String(16))  # 'r12' the resident, 'v34' a relative
    places: Mapped[int] = mapped_column(default=1)
    status: Mapped[str] = mapped_column(String(12))
    queue_no: Mapped[int | None]
    accept_by: Mapped[datetime | None] = mapped_column(UTCDateTime)
    note: Mapped[str] = mapped_column(String(200), default="")
    caller_name: Mapped[str] = mapped_column(String(40), default="", server_default="")  # typed by staff, not confirmed
    refusal_reason: Mapped[str] = mapped_column(Text, default="")
    created_by: Mapped[str] = mapped_column(String(40), default="")  # staff who entered it for a caller
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    decided_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    entry: Mapped[Entry] = relationship()
    resident: Mapped[Resident] = relationship()
    relative: Mapped[Relative | None] = relationship()

    @classmethod
    def resident_criteria(cls, resident_id: int | None) -> ColumnElement[bool]:
        return cls.resident_id == (resident_id if resident_id is not None else -1)


class SignUpReview(Base):
    """What staff decided of many sign-ups at once, until it takes effect: the sign-up itself is pending until then.

    step.kind says yes or no (reviewing.KINDS). reason: why not, which the person then reads.
    """

    __tablename__ = "sign_up_review"

    sign_up_id: Mapped[int] = mapped_column(ForeignKey("sign_up.id"), primary_key=True)
    step_id: Mapped[int] = mapped_column(ForeignKey("bulk_step.id"), index=True)
    reason: Mapped[str] = mapped_column(Text, default="")

    step: Mapped[BulkStep] = relationship()
