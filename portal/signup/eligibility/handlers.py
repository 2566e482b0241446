"""What follows from the community's word: the resident hears of it (SPEC M1)."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from portal.catalogue.models import Entry
from portal.core import outbox
from portal.core.db import db
from portal.core.words import Words
from portal.notices.actions import Told, tell_residents
from portal.signup.eligibility import notices
from portal.signup.eligibility.models import CONFIRMED, REFUSED, GroupClaim


def _tell(payload: dict[str, Any], still: str, word: Callable[[GroupClaim], Words], now: datetime) -> None:
    """While it is still so: who heard yes and no in one minute would believe neither."""
    wanted = select(GroupClaim).where(GroupClaim.id == payload["id"], GroupClaim.status == still)
    whole = (joinedload(GroupClaim.relative), joinedload(GroupClaim.entry).joinedload(Entry.centre))
    claim = db.session.scalars(wanted.options(*whole)).one_or_none()
    if claim is None:
        return
    words, key = word(claim), f"group:{claim.id}:{payload['history_id']}"
    tell_residents([Told(claim.resident_id, key)], words.kind, words.title, words.body, words.link, now)


@outbox.handler("group.confirmed")
def on_confirmed(payload: dict[str, Any], now: datetime) -> None:
    _tell(payload, CONFIRMED, notices.confirmed, now)


@outbox.handler("group.refused")
def on_refused(payload: dict[str, Any], now: datetime) -> None:
    _tell(payload, REFUSED, notices.refused, now)
