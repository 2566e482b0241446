"""Every way to tell somebody something. All of it is written in the caller's transaction (SPEC M1)."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

from flask import current_app
from sqlalchemy import func, or_, select, update

from portal.core import audit, clock, outbox, pages
from portal.core.access import Actor
from portal.core.db import db, hit
from portal.core.errors import DomainError
from portal.notices import gateways, kinds, queries, rules, wording
from portal.notices.models import Delivery, InboxMessage
from portal.people.models import Resident

CHUNK = 500  # recipients per statement: far below the parameter limits of both databases


@dataclass(frozen=True, slots=True)
class Told:
    """One recipient. `key` names the occasion ('entry-change:12'); telling it twice to one person is impossible.

    title and body: this person's own wording, where it differs from the others' (a place number). link: likewise.
    """

    resident_id: int
    key: str
    title: str = ""
    body: str = ""
    link: str = ""


def tell_residents(
    rows: Sequence[Told], kind: str, title: str, body: str, link: str, now: datetime, *,
    urgent: bool = False, sms: bool = True, with_link: bool = False,
) -> int:  # fmt: skip
    """Put a message into each resident's inbox, once, and send it to the phone of those who want it (SPEC M1-M3).

    link: a path inside the portal, or ''. urgent: also during quiet hours. sms: False keeps it inside the portal.
    with_link: the text message ends with the link's whole address, for what is done by one tap.
    Three statements for up to 500 recipients. Returns how many inbox messages are new. Flushes, never commits.
    """
    told = 0
    for start in range(0, len(rows), CHUNK):
        part = rows[start : start + CHUNK]
        values = [
            _inbox_row("resident", r.resident_id, r.key, kind, r.title or title, r.body or body, r.link or link, now)
            for r in part
        ]
        told += _insert(InboxMessage, values)
        if sms:
            _text_residents([v["key"] for v in values], kind, urgent, now, with_link)
    return told


def tell_staff(account_ids: Iterable[int], kind: str, title: str, body: str, link: str, key: str, now: datetime) -> int:
    """Put a message into the inbox of each staff account, once per key. Returns how many are new; never commits."""
    ids = sorted(set(account_ids))
    values = [_inbox_row("staff", account, key, kind, title, body, link, now) for account in ids]
    return sum(_insert(InboxMessage, values[i : i + CHUNK]) for i in range(0, len(values), CHUNK))


def forget_staff(links: Iterable[str]) -> None:
    """Staff were told of things of a person who has left: that they were told stays, what was said goes (P8)."""
    gone = sorted(set(links))
    for start in range(0, len(gone), CHUNK):
        told = (InboxMessage.audience == "staff", InboxMessage.link.in_(gone[start : start + CHUNK]))
        statement = update(InboxMessage).where(*told).values(title=wording.LEFT, body="")
        db.session.execute(statement, execution_options={"synchronize_session": False})


def text_phone(
    phone: str,
    body: str,
    kind: str,
    key: str,
    now: datetime,
    urgent: bool = True,
    parts: Mapping[str, str] | None = None,
) -> None:
    """One SMS that belongs to no account (a login code). Leaves at once after the commit, even at night.

    parts: what a provider's template is filled with, beside title, text, link and time, which every message has.
    """
    row = delivery_row(rules.SMS, phone, body, kind, None, f"sms:{key}", urgent, now, parts or {})
    if _insert(Delivery, [row]) and row["due_at"] <= now:
        outbox.wake()


def call_phone(
    phone: str, body: str, kind: str, key: str, now: datetime, parts: Mapping[str, str] | None = None
) -> None:
    """Ring a number that belongs to no account (who has duty), once per key, also at night; nothing without a gateway
    for calls."""
    if not gateways.connected(current_app.config)[rules.VOICE]:
        return
    if _insert(Delivery, [delivery_row(rules.VOICE, phone, body, kind, None, f"call:{key}", True, now, parts or {})]):
        outbox.wake()


def _insert(model: type[Any], values: list[dict[str, Any]]) -> int:
    return outbox.insert_once(model, values) if values else 0


def _key(text: str) -> str:
    """Long keys keep their beginning for the reader and a digest for uniqueness."""
    if len(text) <= rules.KEY_LENGTH:
        return text
    return f"{text[:95]}#{hashlib.sha256(text.encode()).hexdigest()}"


def _inbox_row(
    audience: str, person_id: int, key: str, kind: str, title: str, body: str, link: str, now: datetime
) -> dict[str, Any]:
    # The person is part of the key: the same occasion may be told to many.
    return {
        "audience": audience, "person_id": person_id, "kind": kind, "title": title[:120], "body": body, "link": link,
        "key": _key(f"{audience[0]}{person_id}:{key}"), "created_at": now,
    }  # fmt: skip


def delivery_row(
    channel: str, recipient: str, body: str, kind: str, message_id: int | None, key: str, urgent: bool, now: datetime,
    parts: Mapping[str, str],
) -> dict[str, Any]:  # fmt: skip
    """A text on its way, as a row to be inserted. recipient: a telephone number; key: at most once; parts: what a
    provider's template is filled with."""
    return {
        "channel": channel, "recipient": recipient, "tail": recipient[-rules.TAIL :], "body": body, "kind": kind,
        "message_id": message_id, "key": _key(key), "urgent": urgent, "created_at": now,
        "due_at": rules.due_at(now, urgent), "done_at": None, "outcome": "", "attempts": 0, "last_error": "",
        "parts": dict(parts), "rank": rules.rank(kinds.is_secret(kind), urgent),
    }  # fmt: skip


def _text_residents(keys: list[str], kind: str, urgent: bool, now: datetime, with_link: bool = False) -> None:
    """Deliveries for the given inbox messages, to those who have a phone and did not switch the kind off."""
    known, there = kinds.of(kind), gateways.connected(current_app.config)
    statement = (
        select(
            InboxMessage.id, InboxMessage.key, InboxMessage.title, InboxMessage.body, InboxMessage.link, Resident.phone,
            Resident.quiet,
        ).join(Resident, Resident.id == InboxMessage.person_id)
        .where(InboxMessage.key.in_(keys), Resident.phone.is_not(None))
        .order_by(InboxMessage.id)
    )  # fmt: skip
    rows = db.session.execute(statement).all()
    counted = _texts_today([row.phone for row in rows], now) if known.switchable and not urgent else None
    values = []
    for row in rows:
        if known.switchable and known.code in rules.switched_off(row.quiet):
            continue
        values += _texts_of(row, kind, urgent, now, with_link, there)
        if counted is not None:
            counted[row.phone] += 1
            if counted[row.phone] > rules.PER_DAY:  # stays in the inbox; the row says why no phone rang
                values[-1] |= {"outcome": "capped", "done_at": now}
    if _insert(Delivery, values) and rules.due_at(now, urgent) <= now:
        outbox.wake()


def _texts_of(
    row: Any, kind: str, urgent: bool, now: datetime, with_link: bool, there: Mapping[str, bool]
) -> list[dict[str, Any]]:
    """What goes to one phone: a call too, of what is urgent, to those who wish so; calls never at night."""
    address = pages.absolute(row.link) if with_link and row.link else ""
    text = f"【扫码点单】{row.title}：{row.body}" + (f" {address}" if address else "")
    parts = {"title": row.title, "text": row.body, "link": address or pages.absolute("/me/inbox")}
    # The channel is no part of the key: somebody who changes the way gets nothing a second time.
    way, key = rules.way(row.quiet, there[rules.WECHAT]), f"text:{row.key}"
    found = [delivery_row(way, row.phone, text, kind, row.id, key, urgent, now, parts)]
    if urgent and kinds.of(kind).rings and there[rules.VOICE] and rules.wants_calls(row.quiet):
        call = delivery_row(rules.VOICE, row.phone, text, kind, row.id, f"call:{row.key}", True, now, parts)
        found.append(call | {"due_at": rules.due_at(now, urgent=False)})
    return found


def _texts_today(phones: Sequence[str], now: datetime) -> Counter[str]:
    """How many texts that count for the day's limit each number has had since midnight in Shanghai. One statement."""
    start = clock.at(clock.today(now), time())
    limited = or_(*(
        (Delivery.kind == kind.code) | Delivery.kind.startswith(f"{kind.code}.")
        for kind in kinds.TABLE if kind.switchable
    ))  # fmt: skip
    statement = select(Delivery.recipient, func.count()).where(
        Delivery.recipient.in_(phones), Delivery.created_at >= start, Delivery.urgent.is_(False), limited,
        Delivery.outcome != "capped",
    )  # fmt: skip
    found = db.session.execute(statement.group_by(Delivery.recipient)).all() if phones else []
    return Counter({row[0]: row[1] for row in found})


def mark_read(audience: str, person_id: int, message_id: int, now: datetime) -> str | None:
    """Mark one's own message read. Returns its link ('' if it has none), or None when it is not theirs."""
    own = (InboxMessage.id == message_id, InboxMessage.audience == audience, InboxMessage.person_id == person_id)
    link = db.session.scalar(select(InboxMessage.link).where(*own))
    if link is not None:
        db.session.execute(update(InboxMessage).where(*own, InboxMessage.read_at.is_(None)).values(read_at=now))
    return link


def mark_all_read(audience: str, person_id: int, now: datetime) -> int:
    """Mark all of one's messages read; returns how many were unread."""
    statement = update(InboxMessage).where(
        InboxMessage.audience == audience, InboxMessage.person_id == person_id, InboxMessage.read_at.is_(None)
    )
    return hit(statement.values(read_at=now))


def choose(resident: Resident, wanted: Iterable[str], way: str, calls: bool = False) -> None:
    """Keep which kinds reach the resident's phone, and how (SPEC M3). Flushes with the request's commit.

    calls: ring when something urgent changes.
    """
    keep = set(wanted)
    off = [kind.code for kind in kinds.switchable() if kind.code not in keep]
    chosen = {"off": off, "way": rules.WECHAT if way == rules.WECHAT else rules.SMS, "calls": calls}
    resident.quiet = {**(resident.quiet or {}), **chosen}


class NothingToSend(DomainError):
    message = "没有可以重发的消息。"
    advice = "它可能已经发出，或刚刚被别人重发过。"


class TooLate(DomainError):
    message = "这条消息已经过时，重发没有用。"
    advice = "验证码请对方重新获取；提醒请打电话告知。"


def send_again(actor: Actor, delivery_ids: Sequence[int], now: datetime) -> int:
    """Try failed deliveries once more; the actor must be allowed to see them (SPEC M2).

    Returns how many will be sent. Raises NothingToSend, or TooLate when all of them are past their use.
    """
    failed = queries.failed_deliveries(actor, delivery_ids)
    if not failed:
        raise NothingToSend()
    useful = [row.id for row in failed if not queries.is_stale(row.kind, row.created_at, now)]
    if not useful:
        raise TooLate()
    statement = update(Delivery).where(Delivery.id.in_(useful), Delivery.outcome.in_(["failed", "unknown", "sent"]))
    again = statement.values(
        outcome="", done_at=None, leased_until=None, attempts=0, due_at=now, doubts=0, doubt_at=None,
        received=None, receipt="", receipt_at=None,
    )  # fmt: skip
    done = hit(again, synchronize_session=False)
    audit.record(
        actor, "send_again", "delivery", useful[0], now, summary=f"重发 {len(useful)} 条消息", after={"ids": useful}
    )
    outbox.wake()
    return done
