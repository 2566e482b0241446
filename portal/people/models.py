"""Residents, their relatives, staff accounts and the codes they sign in with (SPEC P1-P5)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.centres.models import Centre, Department
from portal.core.access import Role
from portal.core.db import Base, UTCDateTime


class Resident(Base):
    """A registered resident. Erasing keeps the row (counts stay true) and removes every personal field."""

    __tablename__ = "resident"

    id: Mapped[int] = mapped_column(primary_key=True)
    phone: Mapped[str | None] = mapped_column(String(20), unique=True)  # 11 digits; None once erased
    name: Mapped[str] = mapped_column(String(40))
    address: Mapped[str] = mapped_column(String(120), default="")
    home_centre_id: Mapped[int | None] = mapped_column(ForeignKey("centre.id"), index=True)
    birth_year: Mapped[int | None]
    groups: Mapped[list[str]] = mapped_column(JSON, default=list)  # codes of the profile's groups
    consent_version: Mapped[str] = mapped_column(String(20), default="")
    consent_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    elder_mode: Mapped[bool] = mapped_column(default=False)
    quiet: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)  # message kinds switched off (M3)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    erased_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    home_centre: Mapped[Centre | None] = relationship()
    relatives: Mapped[list[Relative]] = relationship(
        back_populates="resident",
        primaryjoin="and_(Resident.id == Relative.resident_id, Relative.removed_at == None)",
        order_by="Relative.id",
    )


class Relative(Base):
    """Somebody the resident acts for (代老人报名, SPEC P2)."""

    __tablename__ = "relative"

    id: Mapped[int] = mapped_column(primary_key=True)
    resident_id: Mapped[int] = mapped_column(ForeignKey("resident.id"), index=True)
    name: Mapped[str] = mapped_column(String(40))
    relation: Mapped[str] = mapped_column(String(20))
    birth_year: Mapped[int | None]
    phone: Mapped[str] = mapped_column(String(20), default="")
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    removed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    resident: Mapped[Resident] = relationship(back_populates="relatives")


class LoginCode(Base):
    """A one-time code sent by SMS; only its hash is kept."""

    __tablename__ = "login_code"
    __table_args__ = (
        Index("ix_login_code_phone_sent_at", "phone", "sent_at"),
        Index("ix_login_code_address_sent_at", "address", "sent_at"),
        Index("ix_login_code_sent_at", "sent_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    phone: Mapped[str] = mapped_column(String(20))
    code_hash: Mapped[str] = mapped_column(String(64))
    sent_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    attempts: Mapped[int] = mapped_column(default=0)
    used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    address: Mapped[str] = mapped_column(String(60), default="")
    browser: Mapped[str] = mapped_column(String(40), default="", server_default="")  # that asked; no other may try it
    known: Mapped[bool] = mapped_column(default=False, server_default=false())  # the number was proved there before


class StaffAccount(Base):
    """Belongs to one centre (or one department) and has one role. Nobody can ever read its password."""

    __tablename__ = "staff_account"
    __table_args__ = (CheckConstraint("role IN ('manager','operator','inspector')", name="role"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(40), unique=True)
    name: Mapped[str] = mapped_column(String(40))  # the present holder
    phone: Mapped[str] = mapped_column(String(20), default="")
    centre_id: Mapped[int] = mapped_column(ForeignKey("centre.id"), index=True)
    department_id: Mapped[int | None] = mapped_column(ForeignKey("department.id"))
    role: Mapped[Role] = mapped_column(String(12))
    password_hash: Mapped[str] = mapped_column(String(200))
    # Initial and reset passwords: shown once, valid 24 h, must be changed (P4).
    must_change: Mapped[bool] = mapped_column(default=True)
    password_expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    password_used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # a one-time password's first sign-in
    password_changed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # Second factor: sealed (core.sealed); counts once a code has confirmed it. The counter is that of the last code.
    totp_secret: Mapped[str] = mapped_column(String(200), default="", server_default="")
    totp_on_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    totp_counter: Mapped[int] = mapped_column(default=0, server_default="0")
    disabled_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    last_login_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)

    centre: Mapped[Centre] = relationship()
    department: Mapped[Department | None] = relationship()


class RecoveryCode(Base):
    """Signs in once in place of a second factor's code; only its keyed hash is kept."""

    __tablename__ = "recovery_code"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("staff_account.id"), index=True)
    code_hash: Mapped[str] = mapped_column(String(64))
    used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class SpokenCode(Base):
    """A login code that staff read out to somebody they know, who telephoned or came; only its keyed hash is kept."""

    __tablename__ = "spoken_code"
    __table_args__ = (Index("ix_spoken_code_account_made", "account_id", "made_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    resident_id: Mapped[int] = mapped_column(ForeignKey("resident.id"), index=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("staff_account.id"))
    centre_id: Mapped[int] = mapped_column(ForeignKey("centre.id"))  # whose staff read it out
    code_hash: Mapped[str] = mapped_column(String(64))
    made_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    attempts: Mapped[int] = mapped_column(default=0)
    used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class PhoneLookup(Base):
    """A staff member typed somebody's number: counted, so that nobody tries out numbers."""

    __tablename__ = "phone_lookup"
    __table_args__ = (Index("ix_phone_lookup_account_at", "account_id", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("staff_account.id"))
    at: Mapped[datetime] = mapped_column(UTCDateTime)


class LoginFailure(Base):
    """One wrong password or code. key: what was tried ('account:<username>', 'device:<mark>', 'proof:<id>' …)."""

    __tablename__ = "login_failure"
    __table_args__ = (
        Index("ix_login_failure_key_at", "key", "at"),
        Index("ix_login_failure_address_at", "address", "at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(120))
    address: Mapped[str] = mapped_column(
        String(60), default="", server_default=""
    )  # rules.network of where it came from
    at: Mapped[datetime] = mapped_column(UTCDateTime)


class KnownDevice(Base):
    """A browser that has signed in to the account before: let in although the account is throttled."""

    __tablename__ = "known_device"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("staff_account.id"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
