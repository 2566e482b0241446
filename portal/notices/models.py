"""Messages to people: the inbox in the portal always, SMS or WeChat where configured (SPEC M1-M3)."""

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import Base, UTCDateTime
from portal.notices import rules


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
            "ix_delivery_due", "rank", "due_at", "id",
            sqlite_where=text("done_at IS NULL"), postgresql_where=text("done_at IS NULL"),
        ),
        Index("ix_delivery_created_at", "created_at"),
        Index(
            "ix_delivery_failed", "created_at",
            sqlite_where=text("outcome = 'failed'"), postgresql_where=text("outcome = 'failed'"),
        ),
        Index("ix_delivery_tail", "tail", "id"),
        Index("ix_delivery_recipient", "recipient", "created_at"),
        Index(
            "ix_delivery_serial", "serial",
            sqlite_where=text("serial <> ''"), postgresql_where=text("serial <> ''"),
        ),
    )  # fmt: skip

    id: Mapped[int] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(String(10))  # sms, wechat, voice
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
    outcome: Mapped[str] = mapped_column(String(12), default="")  # sent, local, failed, unknown, capped
    parts: Mapped[dict[str, str]] = mapped_column(
        JSON, default=dict, server_default="{}"
    )  # what templates are filled with
    rank: Mapped[int] = mapped_column(default=rules.LAST, server_default=str(rules.LAST))  # rules.rank: who goes first
    serial: Mapped[str] = mapped_column(String(80), default="", server_default="")  # the provider's number of it
    pieces: Mapped[int] = mapped_column(default=0, server_default="0")  # what the provider counts and is paid for
    # The last try of which nobody knows whether it arrived; how many such tries there were.
    doubt_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    doubts: Mapped[int] = mapped_column(default=0, server_default="0")
    # The provider's report: when, whether the telephone has it, and its code.
    receipt_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    received: Mapped[bool | None]
    receipt: Mapped[str] = mapped_column(String(80), default="", server_default="")
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str] = mapped_column(String(300), default="")


class WechatBinding(Base):
    """A resident's WeChat, as the official account knows it. One person has one, and it is one person's."""

    __tablename__ = "wechat_binding"

    resident_id: Mapped[int] = mapped_column(ForeignKey("resident.id"), primary_key=True)
    open_id: Mapped[str] = mapped_column(String(64), unique=True)
    bound_at: Mapped[datetime] = mapped_column(UTCDateTime)
    left_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # no longer follows the account: nothing reaches them


class WechatToken(Base):
    """The official account's access token, one for all processes; whoever holds the lease renews it."""

    __tablename__ = "wechat_token"

    app_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    token: Mapped[str] = mapped_column(String(600), default="")
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    leased_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
