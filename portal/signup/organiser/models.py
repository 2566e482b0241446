"""Messages of an organiser to everybody of an activity (SPEC M1)."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import Base, UTCDateTime
from portal.core.scope import CentreScoped


class OrganiserMessage(CentreScoped, Base):
    """centre_id: the entry's. audience: codes of rules.AUDIENCES with spaces between.

    once: the form's own key, so that a double press is one message. told: how many people it reached, None until the
    worker has told them.
    """

    __tablename__ = "organiser_message"
    __table_args__ = (Index("ix_organiser_message_entry", "entry_id", "sent_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id", ondelete="CASCADE"))
    words: Mapped[str] = mapped_column(String(300))
    audience: Mapped[str] = mapped_column(String(60))
    once: Mapped[str] = mapped_column(String(40), unique=True)
    sent_by: Mapped[str] = mapped_column(String(40))
    sent_at: Mapped[datetime] = mapped_column(UTCDateTime)
    told: Mapped[int | None]
