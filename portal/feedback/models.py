"""One evaluation a person and occasion, and the call-back that a low one opens (SPEC S7, V6)."""

from datetime import datetime

from sqlalchemy import JSON, CheckConstraint, ColumnElement, ForeignKey, Index, String, UniqueConstraint, select
from sqlalchemy.ext.associationproxy import AssociationProxy, association_proxy
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.cases.models import Case
from portal.centres.models import Centre
from portal.core.db import Base, UTCDateTime
from portal.core.scope import CentreScoped
from portal.people.models import Relative, Resident

# CallBack.status; the machine is in states.py.
OPEN, CLAIMED, DONE = "open", "claimed", "done"
UNDONE = (OPEN, CLAIMED)


class Evaluation(CentreScoped, Base):
    """Written when somebody is asked; filled in when they answer. centre_id: who is responsible for what is evaluated.

    subject: the one occasion (this booking, this activity). group_key: what an average is about ('venue:12'). title and
    when_text are what the person was asked about, kept as it was. person_key: 'r12' the resident, 'v34' a relative.
    """

    __tablename__ = "evaluation"
    __table_args__ = (
        CheckConstraint("stars IS NULL OR stars BETWEEN 1 AND 5", name="stars"),
        UniqueConstraint("subject_kind", "subject_id", "person_key"),  # asked once, however many jobs ask
        Index("ix_evaluation_group", "group_key", "stars"),  # averages read only this index
        Index("ix_evaluation_resident", "resident_id", "id"),
        Index("ix_evaluation_given_at", "given_at", "id"),
        # The staff's figures of a period are read from these two alone.
        Index("ix_evaluation_given", "centre_id", "given_at", "stars", "subject_kind"),
        Index("ix_evaluation_asked", "centre_id", "asked_at", "group_key", "stars", "subject_kind"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    subject_kind: Mapped[str] = mapped_column(String(20))
    subject_id: Mapped[int]
    group_key: Mapped[str] = mapped_column(String(80))
    title: Mapped[str] = mapped_column(String(80))
    when_text: Mapped[str] = mapped_column(String(120), default="")
    resident_id: Mapped[int] = mapped_column(ForeignKey("resident.id"))
    relative_id: Mapped[int | None] = mapped_column(ForeignKey("relative.id"))
    person_key: Mapped[str] = mapped_column(String(16))
    caller_name: Mapped[str] = mapped_column(String(40), default="", server_default="")  # typed by staff, not confirmed
    token: Mapped[str] = mapped_column(String(32), unique=True)  # 128 random bits: the message's link works by itself
    asked_at: Mapped[datetime] = mapped_column(UTCDateTime)
    answer_until: Mapped[datetime] = mapped_column(UTCDateTime)
    stars: Mapped[int | None]
    tags: Mapped[list[str]] = mapped_column(JSON, default=list)
    words: Mapped[str] = mapped_column(String(300), default="")
    given_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    changed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    given_via: Mapped[str] = mapped_column(String(10), default="")  # link: from the message; portal: signed in

    centre: Mapped[Centre] = relationship(foreign_keys="Evaluation.centre_id")
    resident: Mapped[Resident] = relationship()
    relative: Mapped[Relative | None] = relationship()

    @classmethod
    def resident_criteria(cls, resident_id: int | None) -> ColumnElement[bool]:
        return cls.resident_id == (resident_id if resident_id is not None else -1)


class CallBack(CentreScoped, Base):
    """A telephone call to somebody dissatisfied. Who has it, until when and the way it went: its case.

    centre_id: who is responsible for what was evaluated.
    """

    __tablename__ = "call_back"
    __table_args__ = (CheckConstraint("tries >= 0", name="tries"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    evaluation_id: Mapped[int] = mapped_column(ForeignKey("evaluation.id"), unique=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("case_file.id"), unique=True)
    status: Mapped[str] = mapped_column(String(12), default=OPEN)
    tries: Mapped[int] = mapped_column(default=0)
    last_try_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    reopened_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    outcome: Mapped[str] = mapped_column(String(30), default="")
    outcome_words: Mapped[str] = mapped_column(String(500), default="")
    closed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    evaluation: Mapped[Evaluation] = relationship()
    centre: Mapped[Centre] = relationship(foreign_keys="CallBack.centre_id")
    case: Mapped[Case] = relationship(lazy="joined")

    # What pages and messages ask of a call-back and its case knows.
    waits_at: AssociationProxy[Centre] = association_proxy("case", "waits_at")
    owner_id: AssociationProxy[int | None] = association_proxy("case", "owner_id")
    owner_name: AssociationProxy[str] = association_proxy("case", "owner_name")
    opened_at: AssociationProxy[datetime] = association_proxy("case", "opened_at")
    due_at: AssociationProxy[datetime] = association_proxy("case", "due_at")

    @classmethod
    def resident_criteria(cls, resident_id: int | None) -> ColumnElement[bool]:
        own = select(Evaluation.id).where(Evaluation.resident_id == (resident_id if resident_id is not None else -1))
        return cls.evaluation_id.in_(own)
