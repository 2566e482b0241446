"""A message to everybody of an activity (SPEC M1): previewed, sent once, not too often. Flush only."""

from collections.abc import Sequence
from datetime import datetime, time
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from portal.catalogue.models import PUBLISHED, Entry
from portal.core import audit, clock, outbox, scope
from portal.core.access import Actor, Permission
from portal.core.db import db
from portal.core.errors import NotAllowed, Refused
from portal.notices.actions import Told, tell_residents
from portal.signup import waiting_list
from portal.signup.errors import EntryGone
from portal.signup.organiser import notices, queries, rules
from portal.signup.organiser.models import OrganiserMessage


class CannotSend(Refused):
    """The rules forbid it; `field` says where."""

    status = 422


def check(entry: Entry, words: str, codes: Sequence[str], now: datetime) -> int:
    """How many people the message would reach. Raises CannotSend."""
    audiences = rules.chosen(codes)
    people = len(queries.recipients(entry.id, audiences)) if audiences else 0
    refusal = rules.refusal(words, audiences, people, _sent_today(entry.id, now))
    if refusal is not None:
        raise CannotSend(refusal)
    return people


def _sent_today(entry_id: int, now: datetime) -> int:
    since = clock.at(clock.today(now), time())
    sent = select(func.count()).where(OrganiserMessage.entry_id == entry_id, OrganiserMessage.sent_at >= since)
    return db.session.scalar(sent) or 0


def send(actor: Actor, entry_id: int, words: str, codes: Sequence[str], once: str, now: datetime) -> int:
    """Tell everybody of these audiences; pressing twice is the same as once. Returns how many it goes to.

    Writes 'signup.message' {"id"}. Raises NotAllowed, EntryGone, CannotSend. Lock: the entry's row.
    """
    if not actor.can(Permission.SIGN_UPS):
        raise NotAllowed()
    entry = waiting_list.lock(entry_id)
    if entry.status != PUBLISHED:
        raise EntryGone()
    audiences = rules.chosen(codes)
    if db.session.scalar(select(OrganiserMessage.id).where(OrganiserMessage.once == once)) is not None:
        return len(queries.recipients(entry.id, audiences))
    people = check(entry, words, codes, now)
    row = OrganiserMessage(
        centre_id=entry.centre_id, entry_id=entry.id, words=words.strip(), once=once, sent_by=actor.name, sent_at=now,
        audience=" ".join(a.code for a in audiences),
    )  # fmt: skip
    db.session.add(row)
    db.session.flush()
    outbox.put("signup.message", str(row.id), {"id": row.id}, now)
    audit.record(
        actor, "sign_up.message", "entry", entry.id, now, centre_id=entry.centre_id,
        summary=f"给{'、'.join(a.label for a in audiences)}发消息，{people} 人", after={"message": row.id},
    )  # fmt: skip
    return people


@outbox.handler("signup.message")
def on_message(payload: dict[str, Any], now: datetime) -> None:
    """Everybody who belongs to the audience when it goes out, one message an account; not when it is cancelled."""
    with scope.system("everybody of an activity"):
        row = db.session.get(OrganiserMessage, payload["id"])
        entry = db.session.get(Entry, row.entry_id, options=[joinedload(Entry.centre)]) if row is not None else None
        if row is None or entry is None or entry.status != PUBLISHED:
            return
        words = notices.to_all(entry, row.words)
        people = queries.recipients(entry.id, rules.chosen(row.audience.split()))
        told = [Told(person, f"message:{row.id}") for person in people]
        tell_residents(
            told, words.kind, words.title, words.body, f"/services/{entry.id}", now, urgent=words.urgent, sms=words.sms
        )
        row.told = len(told)
