"""What the outbox carries out for call-backs: every message (SPEC M1). A handler may be repeated; keys tell once."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import joinedload

from portal.cases import ladder
from portal.cases.models import Case
from portal.core import outbox, states
from portal.core.db import db
from portal.core.words import Words
from portal.feedback import notices, queries
from portal.feedback.actions import staff_link
from portal.feedback.models import DONE, CallBack
from portal.feedback.states import KIND
from portal.notices.actions import Told, tell_residents, tell_staff


def _call(payload: dict[str, Any]) -> CallBack | None:
    """One that is not done, by its own id or by its case's: what cases tell of (overdue, lifted)."""
    which = CallBack.id == payload["id"] if "id" in payload else CallBack.case_id == payload["case_id"]
    return _found(which, CallBack.status != DONE)


def _found(*where: ColumnElement[bool]) -> CallBack | None:
    place = joinedload(CallBack.case).joinedload(Case.waits_at)
    options = (joinedload(CallBack.centre), place, joinedload(CallBack.evaluation))
    return db.session.scalars(select(CallBack).where(*where).options(*options)).one_or_none()


def _step(payload: dict[str, Any]) -> states.StateHistory:
    """Who moved it and why, from the history, which is never deleted."""
    return db.session.get_one(states.StateHistory, payload["history_id"])


def _tell(call: CallBack, words: Words, key: str, now: datetime, accounts: list[int] | None = None) -> None:
    """Whoever has the call-back now, or `accounts`."""
    accounts = ladder.people_at(call.waits_at, KIND.permission) if accounts is None else accounts
    tell_staff(accounts, words.kind, words.title, words.body, staff_link(call.id), key, now)


@outbox.handler("feedback.opened")
def on_opened(payload: dict[str, Any], now: datetime) -> None:
    call = _call(payload)
    # Handed up before this message left: that one tells whoever has it now.
    if call is not None and call.waits_at.id == call.centre_id:
        _tell(call, notices.opened(call), f"call_back:{call.id}:opened", now)


@outbox.handler("feedback.handed_up")
def on_handed_up(payload: dict[str, Any], now: datetime) -> None:
    _handed(payload, notices.handed_up, "up", now)


@outbox.handler("feedback.handed_back")
def on_handed_back(payload: dict[str, Any], now: datetime) -> None:
    _handed(payload, notices.handed_back, "back", now)


def _handed(payload: dict[str, Any], word: Callable[[CallBack, str, str], Words], way: str, now: datetime) -> None:
    call, step = _call(payload), _step(payload)
    if call is not None and (step.details or {}).get("to") == call.waits_at.id:
        _tell(call, word(call, step.actor_name, step.reason), f"call_back:{call.id}:{way}:{step.id}", now)


@outbox.handler("feedback.reopened")
def on_reopened(payload: dict[str, Any], now: datetime) -> None:
    call = _call(payload)
    if call is not None:
        _tell(call, notices.reopened(call, _step(payload).reason), f"call_back:{call.id}:again", now)


@outbox.handler("feedback.overdue")
def on_overdue(payload: dict[str, Any], now: datetime) -> None:
    """First to the owner (everybody of the centre while nobody has it), a day later to the level above."""
    call = _call(payload)
    if call is None:
        return
    key = f"call_back:{call.id}:late:{payload['due_at']}:{payload['step']}"
    if payload["step"] == 1:
        _tell(call, notices.overdue(call), key, now, [call.owner_id] if call.owner_id else None)
        return
    higher = ladder.above(call.waits_at, KIND.permission) or call.waits_at
    _tell(call, notices.overdue_above(call), key, now, ladder.people_at(higher, KIND.permission))


@outbox.handler("feedback.lifted")
def on_lifted(payload: dict[str, Any], now: datetime) -> None:
    """Whoever has it now, since nobody works where it was, or its owner is gone."""
    call = _call(payload)
    if call is not None:
        key = f"call_back:{call.id}:lifted:{int(call.case.turn_since.timestamp())}"
        _tell(call, notices.lifted(call), key, now)


@outbox.handler("feedback.closed")
def on_closed(payload: dict[str, Any], now: datetime) -> None:
    """The resident hears what was done, and that 'not solved' can be said."""
    call = _found(CallBack.id == payload["id"], CallBack.status == DONE)
    if call is None:
        return
    e = call.evaluation
    words = notices.closed(call, queries.policy().again_days)
    told = Told(e.resident_id, f"call_back:{call.id}:closed:{payload['history_id']}", link=f"/rate/{e.token}")
    tell_residents([told], words.kind, words.title, words.body, "", now, with_link=True)
