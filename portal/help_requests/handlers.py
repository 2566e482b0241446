"""What the outbox carries out for help requests: every message (SPEC M1). A handler may be repeated; keys tell once."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from portal.cases import ladder
from portal.cases import queries as cases
from portal.cases.models import REFER
from portal.core import outbox, states
from portal.core.db import db
from portal.core.words import Words
from portal.help_requests import notices, queries, reviewing, voice
from portal.help_requests.models import DONE, OVER, HelpRequest
from portal.help_requests.states import KIND
from portal.notices.actions import Told, tell_residents, tell_staff

Wording = Callable[[HelpRequest], Words]


def resident_link(request_id: int) -> str:
    return f"/help/{request_id}"


def staff_link(request_id: int) -> str:
    """The list with this request open; messages to staff about it point there."""
    return f"/staff/help?open={request_id}"


def _found(payload: dict[str, Any]) -> HelpRequest | None:
    return queries.request(payload["id"]) if "id" in payload else queries.by_case(payload["case_id"])


def _step(payload: dict[str, Any]) -> states.StateHistory:
    return db.session.get_one(states.StateHistory, payload["history_id"])


def _tell_person(row: HelpRequest, words: Words, key: str, now: datetime) -> None:
    """By inbox and text; whoever is told by telephone has a line for that on the staff's list instead."""
    told = Told(row.resident_id, f"help:{row.id}:{key}", link=resident_link(row.id))
    tell_residents([told], words.kind, words.title, words.body, "", now, sms=not row.by_phone)


def _tell_unit(row: HelpRequest, words: Words, key: str, now: datetime, accounts: list[int] | None = None) -> None:
    """Whoever has it now, or `accounts`."""
    if accounts is None:
        accounts = _people(row)
    tell_staff(accounts, words.kind, words.title, words.body, staff_link(row.id), f"help:{row.id}:{key}", now)


def _people(row: HelpRequest) -> list[int]:
    if row.case.department_id is not None:
        return ladder.people_of_department(row.case.department_id, KIND.permission)
    return ladder.people_at(row.case.waits_at, KIND.permission)


def _person_hears(topic: str, wording: Wording) -> None:
    """The person is told of this step, once for each time that it was taken."""

    @outbox.handler(topic)
    def on_step(payload: dict[str, Any], now: datetime) -> None:
        row = _found(payload)
        if row is not None:
            _tell_person(row, wording(row), f"step:{payload['history_id']}", now)


_person_hears("help.asked", notices.asked)
_person_hears("help.refused", notices.refused)
_person_hears("help.dispatched", notices.sent_on)
_person_hears("help.accepted", notices.accepted)
_person_hears("help.going", notices.going)
_person_hears("help.done", notices.done)
_person_hears("help.settled", notices.settled)


def _unit_hears(topic: str, wording: Wording) -> None:
    """Whoever has it is told of what the person said."""

    @outbox.handler(topic)
    def on_said(payload: dict[str, Any], now: datetime) -> None:
        row = _found(payload)
        if row is not None and (row.closed_at is None or topic == "help.withdrawn"):
            _tell_unit(row, wording(row), f"step:{payload['history_id']}", now)


_unit_hears("help.answered", notices.answered)
_unit_hears("help.appealed", notices.appealed)
_unit_hears("help.not_solved", notices.not_solved)
_unit_hears("help.withdrawn", notices.withdrawn)


@outbox.handler("help.filed")
def on_filed(payload: dict[str, Any], now: datetime) -> None:
    row = _found(payload)
    if row is not None and row.closed_at is None:
        _tell_unit(row, notices.filed(row), "filed", now)


@outbox.handler("help.referred")
@outbox.handler("help.moved")
@outbox.handler("help.assigned")
def on_moved(_payload: dict[str, Any], _now: datetime) -> None:
    """Nobody is written to: the other unit hears of its offer, the person sees it on the page."""


@outbox.handler("help.voice_gone")
def on_voice_gone(payload: dict[str, Any], _now: datetime) -> None:
    """The recording itself, after its row has forgotten it."""
    voice.remove(payload["file"])


@outbox.handler("help.offered")
def on_offered(payload: dict[str, Any], now: datetime) -> None:
    """Those whom it is dispatched or referred to."""
    row = _found(payload)
    offer = queries.offered(row) if row is not None else None
    if row is None or offer is None:
        return
    accounts = (
        ladder.people_of_department(offer.to_department_id, KIND.permission)
        if offer.to_department_id is not None
        else ladder.people_at(offer.receiver, KIND.permission)
    )
    _tell_unit(row, notices.offered(row, offer.giver.label), f"offer:{offer.id}", now, accounts)


@outbox.handler("help.returned")
def on_returned(payload: dict[str, Any], now: datetime) -> None:
    """What was dispatched is back at whoever sent it."""
    row = _found(payload)
    if row is not None and row.closed_at is None:
        _tell_unit(row, notices.declined(row, _step(payload).reason), f"returned:{payload['history_id']}", now)


@outbox.handler("help.declined")
def on_declined(payload: dict[str, Any], now: datetime) -> None:
    """A referral was not taken; a dispatch has its own step for that."""
    row, offer = _found(payload), cases.last_declined(payload["case_id"])
    if row is not None and row.closed_at is None and offer is not None and offer.kind == REFER:
        _tell_unit(row, notices.declined(row, offer.decline_reason), f"declined:{offer.id}", now)


@outbox.handler("help.lapsed")
def on_lapsed(payload: dict[str, Any], now: datetime) -> None:
    """Nobody answered: a dispatch counts as accepted, and the request follows its case."""
    reviewing.follow_lapse(payload["case_id"], now)


@outbox.handler("help.lifted")
def on_lifted(payload: dict[str, Any], now: datetime) -> None:
    row = _found(payload)
    if row is not None and row.status not in OVER:
        _tell_unit(row, notices.lifted(row), f"lifted:{int(row.case.turn_since.timestamp())}", now)


@outbox.handler("help.soon")
def on_soon(payload: dict[str, Any], now: datetime) -> None:
    """While there is time: the owner, or everybody of the unit while nobody has it."""
    row = _found(payload)
    if row is not None and row.status not in (*OVER, DONE):
        owner = [row.case.owner_id] if row.case.owner_id else None
        _tell_unit(row, notices.soon(row), f"soon:{payload['due_at']}", now, owner)


@outbox.handler("help.overdue")
def on_overdue(payload: dict[str, Any], now: datetime) -> None:
    """Step 1: the owner (everybody of the unit while nobody has it); step 2: the level above."""
    row = _found(payload)
    if row is None or row.status in (*OVER, DONE):
        return
    key = f"late:{payload['due_at']}:{payload['step']}"
    if payload["step"] == 1:
        _tell_unit(row, notices.overdue(row), key, now, [row.case.owner_id] if row.case.owner_id else None)
        return
    higher = ladder.above(row.case.waits_at, KIND.permission)
    if higher is not None:
        _tell_unit(row, notices.overdue_above(row), key, now, ladder.people_at(higher, KIND.permission))
