"""Messages to people: the inbox in the portal always, SMS or WeChat where configured (SPEC M1-M3)."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import Base, UTCDateTime


class InboxMessage(Base):
    """One message of a resident or of a staff account. `key` makes telling twice impossible."""

    __tablename__ = "inbox_message"
    __table_args__ = (
        Index("ix_inbox_message_person", "audience", "person_id", "id"),
        Index(
            "ix_inbox_message_unread", "audience", "person_id",
            sqlite_where=text("read_at IS NULL"), postgresql_where=text("read_at IS NULL"),
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    audience: Mapped[str] = mapped_column(String(10))  # 'resident' or 'staff'
    person_id: Mapped[int]
    kind: Mapped[str] = mapped_column(String(40))
    title: Mapped[str] = mapped_column(String(120))
    body: Mapped[str] = mapped_column(Text)
    link: Mapped[str] = mapped_column(String(200), default="")
    key: Mapped[str] = mapped_column(String(160), unique=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    read_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class Delivery(Base):
    """One message on its way through a gateway; without configuration it is shown on the staff's outbox page."""

    __tablename__ = "delivery"
    __table_args__ = (
        Index(
            "ix_delivery_due", "due_at", "id",
            sqlite_where=text("done_at IS NULL"), postgresql_where=text("done_at IS NULL"),
        ),
        Index("ix_delivery_created_at", "created_at"),
        Index(
            "ix_delivery_failed", "created_at",
            sqlite_where=text("outcome = 'failed'"), postgresql_where=text("outcome = 'failed'"),
        ),
        Index("ix_delivery_tail", "tail", "id"),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(String(10))  # sms, wechat
    recipient: Mapped[str] = mapped_column(String(80))
    tail: Mapped[str] = mapped_column(String(8), default="", server_default="")  # of the number, to look it up by
    body: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(40))
    message_id: Mapped[int | None] = mapped_column(ForeignKey("inbox_message.id"))
    key: Mapped[str] = mapped_column(String(160), unique=True)
    urgent: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    due_at: Mapped[datetime] = mapped_column(UTCDateTime)
    leased_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    done_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    outcome: Mapped[str] = mapped_column(String(12), default="")  # sent, local, failed
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str] = mapped_column(String(300), default="")
