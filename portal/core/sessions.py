"""Server-side sessions: a row that can be ended at once (Flask-Login's own cookie still works when replayed).

The browser holds a random token inside Flask's signed cookie; the database holds its SHA-256, so a copy of the database
signs nobody in.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Index, String, update
from sqlalchemy.orm import Mapped, mapped_column

from portal.core.db import Base, UTCDateTime, db, hit

Audience = Literal["resident", "staff"]

# Residents stay signed in on their own phone; staff sit at shared desks.
ABSOLUTE = {"resident": timedelta(days=180), "staff": timedelta(hours=12)}
IDLE = {"resident": timedelta(days=60), "staff": timedelta(hours=2)}
TOUCH_EVERY = timedelta(minutes=5)


class WebSession(Base):
    __tablename__ = "web_session"
    __table_args__ = (Index("ix_web_session_person", "audience", "person_id"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)  # SHA-256 of the token
    audience: Mapped[str] = mapped_column(String(10))
    person_id: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    last_seen_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    ended_why: Mapped[str] = mapped_column(String(40), default="")
    proved_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # when its owner last proved to be there
    let_in_by: Mapped[str] = mapped_column(String(60), default="", server_default="")  # whose staff read a code out
    address: Mapped[str] = mapped_column(String(60), default="")
    agent: Mapped[str] = mapped_column(String(200), default="")


def fingerprint(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def open_session(
    audience: Audience, person_id: int, now: datetime, address: str = "", agent: str = "", let_in_by: str = ""
) -> str:
    """Start a session row and return the token for the cookie.

    let_in_by: the centre whose staff read a code out; whoever was let in so has not proved to be the owner.
    """
    token = secrets.token_urlsafe(32)
    row = WebSession(
        id=fingerprint(token), audience=audience, person_id=person_id, created_at=now, last_seen_at=now,
        expires_at=now + ABSOLUTE[audience], address=address[:60], agent=agent[:200],
        proved_at=None if let_in_by else now, let_in_by=let_in_by[:60],
    )  # fmt: skip
    db.session.add(row)
    db.session.flush()
    return token


def end_session(session_id: str, now: datetime, why: str = "logout") -> None:
    """End one session by its row id (already hashed)."""
    statement = update(WebSession).where(WebSession.id == session_id, WebSession.ended_at.is_(None))
    db.session.execute(statement.values(ended_at=now, ended_why=why))


def end_everything(now: datetime, why: str) -> int:
    """End every session of everybody. Returns how many there were."""
    return hit(update(WebSession).where(WebSession.ended_at.is_(None)).values(ended_at=now, ended_why=why))


def end_all(audience: Audience, person_id: int, now: datetime, why: str, keep: str = "") -> int:
    """End every session of a person except `keep`; used by password change, reset, disable and hand-over."""
    statement = update(WebSession).where(
        WebSession.audience == audience, WebSession.person_id == person_id,
        WebSession.ended_at.is_(None), WebSession.id != keep,
    )  # fmt: skip
    return hit(statement.values(ended_at=now, ended_why=why))
