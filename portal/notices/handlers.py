"""What this feature does for others: outbox effects, and its lines on the pages that gather from all features."""

from datetime import datetime, timedelta
from typing import Any

from flask import url_for
from sqlalchemy import delete, func, or_, select

from portal.centres.models import Centre
from portal.core import clock, outbox, registry
from portal.core.access import Actor, Permission, Role
from portal.core.db import db, moment
from portal.core.registry import Waiting, Waits
from portal.notices import actions, queries, wording
from portal.notices.models import Delivery, InboxMessage, WechatBinding
from portal.people.models import Resident, SpokenCode, StaffAccount

RECENT = timedelta(days=3)


@outbox.handler("people.account_notice")
def account_notice(payload: dict[str, Any], now: datetime) -> None:
    """Tell the holder of an account what was done to it, and the one who did it (SPEC P5: both sides).

    payload: account_id, event, by_name, and by_id when a staff member did it.
    """
    account_id, event, by = payload["account_id"], payload["event"], payload.get("by_name", "")
    found = db.session.execute(
        select(StaffAccount.name, Centre.name.label("centre"))
        .join(Centre, Centre.id == StaffAccount.centre_id)
        .where(StaffAccount.id == account_id)
    ).first()
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


@outbox.handler("people.read_out")
def read_out(payload: dict[str, Any], now: datetime) -> None:
    """The person hears at once that a login code was read out for them, and by whose staff. payload: the code's id."""
    row = db.session.get(SpokenCode, payload["id"])
    centre = db.session.get(Centre, row.centre_id) if row is not None else None
    if row is None or centre is None:
        return
    said = wording.read_out(centre.label, centre.phone, clock.stamp(row.made_at))
    told = [actions.Told(row.resident_id, f"spoken:{row.id}")]
    actions.tell_residents(told, "account", said.title, said.body, "/me/devices", now, urgent=True)


@outbox.handler("people.codes_full")
def codes_full(payload: dict[str, Any], now: datetime) -> None:
    """The managers at the top hear once an hour that login codes are stopped."""
    top = select(StaffAccount.id).join(Centre, Centre.id == StaffAccount.centre_id).where(
        Centre.depth == select(func.min(Centre.depth)).scalar_subquery(), StaffAccount.role == Role.MANAGER,
        StaffAccount.disabled_at.is_(None),
    )  # fmt: skip
    said = wording.CODES_FULL
    actions.tell_staff(
        list(db.session.scalars(top)), "account", said.title, said.body, "", f"codes_full:{payload['hour']}", now
    )


@registry.waiting
def waiting(actor: Actor, now: datetime) -> list[Waits]:
    """Unread messages, and texts that were given up."""
    found = []
    if actor.id:
        found.append(Waits("my_messages", *queries.unread_of("staff", actor.id), lambda row: _unread(row, now)))
    visible = queries.visible(actor)
    if visible is not None and actor.can(Permission.MESSAGES):
        given_up = queries.given_up(visible, now - RECENT, now)
        found.append(Waits("messages", *given_up, lambda row: _failed(row, now)))
    return found


def _unread(row: dict[str, Any], now: datetime) -> Waiting:
    number, since = row["number"], moment(row["since"]) or now
    url = url_for("notices_staff.inbox")
    return Waiting("my_messages", wording.unread(number), row["title"], since, url, count=number)


def _failed(row: dict[str, Any], now: datetime) -> Waiting:
    number, since = row["number"], moment(row["since"]) or now
    said, url = wording.failed(number), url_for("notices_staff.deliveries", state="failed")
    return Waiting("messages", said.title, said.body, since, url, tone="gold", count=number)


@registry.personal
def personal(resident_id: int) -> dict[str, Any]:
    """The messages a resident was sent, for the export of personal data."""
    told: dict[str, Any] = {"消息": queries.texts_of(resident_id)}
    bound = db.session.get(WechatBinding, resident_id)
    if bound is not None:
        told["微信"] = {"公众号里的编号": bound.open_id, "绑定时间": bound.bound_at.isoformat()}
    return told


@registry.on_locked_out
def locked_out(resident_id: int | None) -> None:
    """A WeChat on a lost telephone opens nothing any more."""
    bound = delete(WechatBinding)
    bound = bound if resident_id is None else bound.where(WechatBinding.resident_id == resident_id)
    db.session.execute(bound, execution_options={"synchronize_session": False})


@registry.erase
def erase(resident_id: int, now: datetime) -> None:
    """Forget what a resident was told, and what was sent to the phone."""
    own = select(InboxMessage.id).where(InboxMessage.audience == "resident", InboxMessage.person_id == resident_id)
    phone = db.session.scalar(select(Resident.phone).where(Resident.id == resident_id))
    # Texts to a number that the person had before say in their key whose they are.
    gone = [Delivery.message_id.in_(own), Delivery.key.startswith(f"sms:resident:{resident_id}:")]
    gone += [Delivery.recipient == phone] if phone else []
    plain = {"synchronize_session": False}
    bound = delete(WechatBinding).where(WechatBinding.resident_id == resident_id)
    db.session.execute(bound, execution_options=plain)
    db.session.execute(delete(Delivery).where(or_(*gone)), execution_options=plain)
    statement = delete(InboxMessage).where(InboxMessage.audience == "resident", InboxMessage.person_id == resident_id)
    db.session.execute(statement, execution_options=plain)


def install() -> None:
    """Register the lines of the left column, and take on the sending of texts for features below."""
    registry.set_texter(actions.text_phone)
    registry.audit_word(look_up="查发给居民的消息", send_again="重发", delivery="消息", bind_wechat="绑定微信",
                        unbind_wechat="解除微信")  # fmt: skip
    registry.nav("my_messages", "我的消息", "bell", "notices_staff.inbox", Permission.VIEW, 85)
    registry.nav("messages", "消息出口", "mail", "notices_staff.deliveries", Permission.MESSAGES, 86)
