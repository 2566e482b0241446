"""What the community is asked to confirm of a person: that they belong to a group (SPEC P2, S3)."""

from datetime import datetime

from sqlalchemy import ColumnElement, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.catalogue.models import Entry
from portal.core.db import Base, UTCDateTime
from portal.core.scope import CentreScoped
from portal.people.models import Relative, Resident

# GroupClaim.status; the machine is in states.py.
ASKED, CONFIRMED, REFUSED = "asked", "confirmed", "refused"


class GroupClaim(CentreScoped, Base):
    """centre_id: the community at home that was asked. One row for a person and a group; asked only where an activity
    demands it, and good for every other one afterwards.
    """

    __tablename__ = "group_claim"
    __table_args__ = (
        UniqueConstraint("person_key", "group_code"),
        Index(
            "ix_group_claim_asked", "centre_id",
            sqlite_where=text("status = 'asked'"), postgresql_where=text("status = 'asked'"),
        ),
        Index("ix_group_claim_resident_id", "resident_id"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    resident_id: Mapped[int] = mapped_column(ForeignKey("resident.id"))
    relative_id: Mapped[int | None] = mapped_column(ForeignKey("relative.id"))
    person_key: Mapped[str] = mapped_column(String(16))  # 'r12' the resident, 'v34' a relative
    group_code: Mapped[str] = mapped_column(String(20))
    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"))  # the activity they wanted when they asked
    status: Mapped[str] = mapped_column(String(12))
    asked_at: Mapped[datetime] = mapped_column(UTCDateTime)
    decided_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    decided_by: Mapped[str] = mapped_column(String(40), default="")
    reason: Mapped[str] = mapped_column(Text, default="")  # why not, which the person reads

    resident: Mapped[Resident] = relationship()
    relative: Mapped[Relative | None] = relationship()
    entry: Mapped[Entry] = relationship()

    @classmethod
    def resident_criteria(cls, resident_id: int | None) -> ColumnElement[bool]:
        return cls.resident_id == (resident_id if resident_id is not None else -1)
