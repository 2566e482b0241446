"""What this feature does for others: outbox effects, and its lines on the pages that gather from all features."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from flask import url_for
from sqlalchemy import delete, or_, select

from portal.centres.models import Centre
from portal.core import outbox, registry
from portal.core.access import Actor, Permission
from portal.core.db import db
from portal.notices import actions, queries, wording
from portal.notices.models import Delivery, InboxMessage
from portal.people.models import Resident, StaffAccount

RECENT = timedelta(days=3)


@outbox.handler("people.account_notice")
def account_notice(payload: dict[str, Any], now: datetime) -> None:
    """Tell the holder of an account what was done to it, and the one who did it (SPEC P5: both sides).

    payload: account_id, event, by_name, and by_id when a staff member did it.
    """
    account_id, event, by = payload["account_id"], payload["event"], payload.get("by_name", "")
    found = db.session.execute(
        select(StaffAccount.name, Centre.name.label("centre")).join(Centre, Centre.id == StaffAccount.centre_id)
        .where(StaffAccount.id == account_id)
    ).first()  # fmt: skip
    if found is None:
        return
    # This runs once per outbox row (its mark commits with us), so the moment tells two resets apart.
    key = f"account:{account_id}:{event}:{now.isoformat()}"
    to_holder = wording.account_to_holder(event, by)
    actions.tell_staff([account_id], "account", to_holder.title, to_holder.body, "", key, now)
    superior = payload.get("by_id")
    if superior and superior != account_id:
        said = wording.account_to_superior(event, found.name, found.centre)
        actions.tell_staff([superior], "account", said.title, said.body, "", key, now)


@registry.waiting
def waiting(actor: Actor, now: datetime) -> list[registry.Waiting]:
    """Unread messages, and texts that were given up."""
    rows: list[registry.Waiting] = []
    own = queries.newest_unread("staff", actor.id) if actor.id else None
    if own is not None:
        title = wording.unread(own.number)
        rows.append(registry.Waiting(
            "my_messages", title, own.title, own.since, url_for("notices_staff.inbox"), count=own.number
        ))  # fmt: skip
    if actor.can(Permission.MESSAGES):
        # On every staff page, so it must be a short stretch of an index; older ones stand on their own page.
        failed = queries.failed_deliveries(actor, [], since=now - RECENT)
        fresh = [row for row in failed if not queries.is_stale(row.kind, row.created_at, now)]
        if fresh:
            said = wording.failed(len(fresh))
            rows.append(registry.Waiting(
                "messages", said.title, said.body, min(r.created_at for r in fresh),
                url_for("notices_staff.deliveries", state="failed"), tone="gold", count=len(fresh),
            ))  # fmt: skip
    return rows


@registry.personal
def personal(resident_id: int) -> dict[str, Any]:
    """The messages a resident was sent, for the export of personal data."""
    return {"消息": queries.texts_of(resident_id)}


@registry.erase
def erase(resident_id: int, now: datetime) -> None:
    """Forget what a resident was told, and what was sent to the phone."""
    own = select(InboxMessage.id).where(InboxMessage.audience == "resident", InboxMessage.person_id == resident_id)
    phone = db.session.scalar(select(Resident.phone).where(Resident.id == resident_id))
    gone = Delivery.message_id.in_(own)
    plain = {"synchronize_session": False}
    db.session.execute(
        delete(Delivery).where(or_(gone, Delivery.recipient == phone) if phone else gone), execution_options=plain
    )
    statement = delete(InboxMessage).where(InboxMessage.audience == "resident", InboxMessage.person_id == resident_id)
    db.session.execute(statement, execution_options=plain)


def install() -> None:
    """Register the lines of the left column, and take on the sending of texts for features below."""
    registry.set_texter(actions.text_phone)
    registry.nav("my_messages", "我的消息", "bell", "notices_staff.inbox", Permission.VIEW, 85)
    registry.nav("messages", "消息出口", "mail", "notices_staff.deliveries", Permission.MESSAGES, 86)
