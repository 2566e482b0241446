"""What the outbox carries out for sign-ups: every message, and what follows from changes of an entry (SPEC M1, C8).

A handler runs in one transaction with its 'done' mark, and inbox rows have keys: it may be repeated and nobody is told
twice.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload

from portal.cases import ladder
from portal.catalogue.actions import changing
from portal.catalogue.models import PUBLISHED, Entry, EntryChange, EntrySession
from portal.core import deadlines, outbox, states
from portal.core.access import Permission
from portal.core.db import db
from portal.core.words import Words
from portal.notices.actions import Told, tell_residents, tell_staff
from portal.signup import actions, notices, queries, reminders, reviewing, rules
from portal.signup.models import ACTIVE, CONFIRMED, LAPSED, OFFERED, PENDING, REFUSED, WAITING, WITHDRAWN, SignUp


def _sign_up(sign_up_id: int) -> SignUp | None:
    statement = select(SignUp).where(SignUp.id == sign_up_id).options(
        joinedload(SignUp.entry).options(joinedload(Entry.centre), selectinload(Entry.sessions)),
        joinedload(SignUp.relative),
    )  # fmt: skip
    return db.session.scalars(statement).one_or_none()


def link(entry_id: int) -> str:
    return f"/services/{entry_id}"


def _tell(
    payload: dict[str, Any], topic: str, now: datetime, word: Callable[[Entry, SignUp], Words], *still: str
) -> None:
    """Tell the owner of one sign-up, while it is still so: who has left meanwhile, or has heard of something newer,
    would only be misled."""
    row = _sign_up(payload["id"])
    if row is None or row.status not in still or (row.accept_by is not None and now >= row.accept_by):
        return
    words = word(row.entry, row)
    key = f"{topic}:{row.id}:{payload.get('history_id', 'new')}"
    tell_residents([Told(row.resident_id, key)], words.kind, words.title, words.body, link(row.entry_id), now,
                   urgent=words.urgent, sms=words.sms)  # fmt: skip


@outbox.handler("signup.confirmed")
def on_confirmed(payload: dict[str, Any], now: datetime) -> None:
    _tell(payload, "confirmed", now, notices.confirmed, CONFIRMED)


@outbox.handler("signup.received")
def on_received(payload: dict[str, Any], now: datetime) -> None:
    _tell(payload, "received", now, notices.received, PENDING, CONFIRMED, REFUSED)


@outbox.handler("signup.waiting")
def on_waiting(payload: dict[str, Any], now: datetime) -> None:
    _tell(payload, "waiting", now, lambda e, s: notices.waiting(e, s, queries.place_number(s)), WAITING)


@outbox.handler("signup.moved_up")
def on_moved_up(payload: dict[str, Any], now: datetime) -> None:
    _tell(payload, "moved_up", now, notices.moved_up, CONFIRMED)


@outbox.handler("signup.offered")
def on_offered(payload: dict[str, Any], now: datetime) -> None:
    _tell(payload, "offered", now, notices.offered, OFFERED)


@outbox.handler("signup.merged")
def on_merged(payload: dict[str, Any], now: datetime) -> None:
    _tell(payload, "merged", now, notices.merged, OFFERED)


@outbox.handler("signup.refused")
def on_refused(payload: dict[str, Any], now: datetime) -> None:
    _tell(payload, "refused", now, notices.refused, REFUSED)


@outbox.handler("signup.reviewed")
def on_reviewed(payload: dict[str, Any], now: datetime) -> None:
    """What staff decided of many sign-ups takes effect, and each person is told once."""
    settled = reviewing.settle(payload["step_id"], payload["ids"], now)
    if settled is None:
        return
    entry, kind, rows = settled
    if entry.last_end is None or now < entry.last_end:
        word = notices.confirmed if kind == reviewing.PASS else notices.refused
        _tell_all(entry, rows, "reviewed", now, lambda s: word(entry, s))


@outbox.handler("signup.lapsed")
def on_lapsed(payload: dict[str, Any], now: datetime) -> None:
    _tell(payload, "lapsed", now, notices.lapsed, LAPSED)


@outbox.handler("signup.withdrawn")
def on_withdrawn(payload: dict[str, Any], now: datetime) -> None:
    history = db.session.get(states.StateHistory, payload["history_id"])
    reason = history.reason if history else ""
    _tell(payload, "withdrawn", now, lambda e, s: notices.withdrawn(e, s, reason), WITHDRAWN)


def _entry(entry_id: int) -> Entry | None:
    statement = select(Entry).where(Entry.id == entry_id)
    return db.session.scalars(statement.options(joinedload(Entry.centre), selectinload(Entry.sessions))).one_or_none()


def _everybody(entry_id: int) -> list[SignUp]:
    live = select(SignUp).where(SignUp.entry_id == entry_id, SignUp.status.in_(ACTIVE))
    return list(db.session.scalars(live.options(joinedload(SignUp.relative)).order_by(SignUp.id)))


def _tell_all(
    entry: Entry, rows: list[SignUp], occasion: str, now: datetime, word: Callable[[SignUp], Words], url: str = ""
) -> int:
    """Everybody in a fixed number of statements per 1,000, each with their own name in it. url: else the activity."""
    told, first = [], None
    for row in rows:
        words = word(row)
        first = first or words
        told.append(Told(row.resident_id, f"{occasion}:{row.id}", words.title, words.body))
    if first is None:
        return 0
    return tell_residents(
        told, first.kind, first.title, first.body, url or link(entry.id), now, urgent=first.urgent, sms=first.sms
    )


@outbox.handler("entry.changed")
def on_entry_changed(payload: dict[str, Any], now: datetime) -> None:
    """Everyone signed up is told before and after and why; more places go to the queue (C8, S2)."""
    entry = _entry(payload["entry_id"])
    change = db.session.get(EntryChange, payload.get("change_id") or 0)
    if entry is None or change is None:
        return
    sentence = changing.sentence(change)
    _tell_all(
        entry,
        _everybody(entry.id),
        f"change:{change.id}:{change.status}",
        now,
        lambda s: notices.changed(entry, s, sentence),
        f"{link(entry.id)}/sign-up?change={change.id}",
    )
    actions.move_up(entry.id, now)


@outbox.handler("entry.cancelled")
def on_entry_cancelled(payload: dict[str, Any], now: datetime) -> None:
    """Everyone's sign-up ends and everyone is told why (C8)."""
    entry = _entry(payload["entry_id"])
    if entry is None or entry.status == PUBLISHED:  # undone before anybody was told
        return
    change = db.session.get(EntryChange, payload.get("change_id") or 0)
    reason = change.reason if change else entry.change_note
    rows = actions.cancel_all(entry.id, now, reason)
    _tell_all(
        entry,
        rows,
        f"cancelled:{entry.id}:{change.id if change else 0}",
        now,
        lambda s: notices.cancelled(entry, s, reason),
    )


@outbox.handler("entry.reinstated")
def on_entry_reinstated(payload: dict[str, Any], now: datetime) -> None:
    """The publisher undid a cancellation at short notice: everybody is back in and hears that it takes place (C8)."""
    entry = _entry(payload["entry_id"])
    change = db.session.get(EntryChange, payload["change_id"])
    if entry is None or change is None or entry.status != PUBLISHED:
        return
    rows, sentence = actions.reinstate_all(entry.id, now), changing.sentence(change)
    _tell_all(entry, rows, f"change:{change.id}:{change.status}", now, lambda s: notices.reinstated(entry, s, sentence))


@outbox.handler_of_many("signup.remind", reminders.TOGETHER)
def on_remind(payloads: list[dict[str, Any]], now: datetime) -> None:
    """Many sessions' reminders to everybody confirmed (S5), by a fixed number of statements.

    Dropped where it comes too late: 'tomorrow' is not true two hours before.
    """
    rules_of = {payload["session_id"]: payload["rule"] for payload in payloads}
    whole = joinedload(EntrySession.entry).options(joinedload(Entry.centre), selectinload(Entry.sessions))
    wanted = select(EntrySession).where(EntrySession.id.in_(rules_of)).options(whole).order_by(EntrySession.id)
    due = [
        s
        for s in db.session.scalars(wanted)
        if deadlines.reminder_due(s.starts_at, now) == rules_of[s.id] and s.entry.status == PUBLISHED
    ]
    told: dict[tuple[str, bool, bool], list[Told]] = {}
    for session, rows in reminders.audiences({s: rules_of[s.id] for s in due}).items():
        rule, entry = rules_of[session.id], session.entry
        occasion = f"remind:{rule}:{session.id}:{int(session.starts_at.timestamp())}"
        for row in rows:
            words = notices.reminder(entry, session, row, rule)
            one = Told(row.resident_id, f"{occasion}:{row.id}", words.title, words.body, link(entry.id))
            told.setdefault((words.kind, words.urgent, words.sms), []).append(one)
    for (kind, urgent, sms), people in told.items():
        tell_residents(people, kind, "", "", "", now, urgent=urgent, sms=sms)


@outbox.handler("signup.low")
def on_low(payload: dict[str, Any], now: datetime) -> None:
    """The organiser hears of too few sign-ups and what can be done (S5)."""
    entry = _entry(payload["entry_id"])
    if entry is None or not rules.is_low(entry, now):
        return
    words = notices.low(entry)
    accounts = {i for c in (entry.centre, entry.author_centre) for i in ladder.people_at(c, Permission.SIGN_UPS)}
    key = f"low:{entry.id}:{int(entry.first_start.timestamp())}" if entry.first_start else f"low:{entry.id}"
    tell_staff(sorted(accounts), words.kind, words.title, words.body, f"/staff/sign-ups/{entry.id}", key, now)
