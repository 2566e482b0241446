"""Helpers of the sign-up tests."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from portal.catalogue.models import Entry
from portal.signup.models import SignUp


def counts(session: Any, entry: Entry) -> tuple[int, int]:
    """(taken, waiting) as the entry says, proved against its rows."""
    session.commit()  # and see what others committed
    session.expire_all()
    held = select(func.coalesce(func.sum(SignUp.places), 0)).where(
        SignUp.entry_id == entry.id, SignUp.status.in_(("pending", "confirmed", "offered"))
    )
    queued = select(func.count()).where(SignUp.entry_id == entry.id, SignUp.status == "waiting")
    assert (entry.taken, entry.waiting) == (session.scalar(held), session.scalar(queued))
    return entry.taken, entry.waiting
