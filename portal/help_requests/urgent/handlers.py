"""What the outbox carries out: telephones of whoever has duty, what the resident hears, evaluation (SPEC H4, M1).

A handler may be repeated; keys tell once for each (alarm, step, telephone). Screens need none of this.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import joinedload

from portal.cases import ladder
from portal.centres.models import Centre
from portal.core import clock, outbox, pages
from portal.core.db import db
from portal.core.words import Words
from portal.feedback import actions as feedback
from portal.feedback.actions import Ask
from portal.help_requests.urgent import notices, queries, rules
from portal.help_requests.urgent.models import CLOSED, HANDED, PHONE, RINGING, TAKEN, Alarm, AlarmStep, UrgentCall
from portal.help_requests.urgent.states import KIND
from portal.notices.actions import Told, call_phone, tell_residents, tell_staff, text_phone


def _found(*where: ColumnElement[bool]) -> Alarm | None:
    options = (joinedload(Alarm.centre), joinedload(Alarm.case))
    return db.session.scalars(select(Alarm).where(*where).options(*options)).one_or_none()


@outbox.handler("urgent.phone")
def on_phone(payload: dict[str, Any], now: datetime) -> None:
    """A step has come and it still rings: text and ring the duty telephones of its centre, each once for the step."""
    alarm, ring = _found(Alarm.id == payload["id"]), payload["ring"]
    if alarm is None or now - alarm.filed_at > rules.RINGS:
        return
    late = alarm.status == TAKEN and alarm.move_by is not None and alarm.move_by <= now and ring == alarm.ring + 1
    if not late and not (alarm.status == RINGING and ring == alarm.ring):
        return
    wanted = select(AlarmStep).where(
        AlarmStep.alarm_id == alarm.id, AlarmStep.ring == ring, AlarmStep.no == payload["no"],
        AlarmStep.centre_id == payload["centre_id"], AlarmStep.kind == PHONE, AlarmStep.at <= now,
    )  # fmt: skip
    if db.session.scalars(wanted).one_or_none() is None:
        return
    centre = db.session.get_one(Centre, alarm.centre_id)
    words = notices.duty(centre.label)
    body = f"【扫码点单】{words.title}：{words.body} {pages.absolute('/staff/urgent')}"
    parts = {"title": words.title, "text": words.body, "link": pages.absolute("/staff/urgent")}
    for row in queries.phones([payload["centre_id"]]):
        if rules.on_duty(row.opens, row.closes, now):
            key = f"urgent:{alarm.id}:{ring}:{payload['no']}:{row.phone}"
            text_phone(row.phone, body, words.kind, key, now, parts=parts)
            call_phone(row.phone, body, words.kind, key, now, parts=parts)


@outbox.handler("urgent.taken")
def on_taken(payload: dict[str, Any], now: datetime) -> None:
    _progress(payload, now)


@outbox.handler("urgent.moved")
def on_moved(payload: dict[str, Any], now: datetime) -> None:
    _progress(payload, now)


@outbox.handler("urgent.rang_again")
def on_rang_again(payload: dict[str, Any], now: datetime) -> None:
    """The resident sees it on the page; a text that promises less than the last one helps nobody."""


def _progress(payload: dict[str, Any], now: datetime) -> None:
    alarm = _found(Alarm.id == payload["id"])
    if alarm is None:
        return
    words, key = notices.progress(alarm), f"urgent:{alarm.id}:{payload['history_id']}"
    last = select(UrgentCall.key).where(UrgentCall.alarm_id == alarm.id).order_by(UrgentCall.id).limit(1)
    link = f"/help/urgent/{db.session.scalar(last)}"
    if alarm.resident_id is not None:
        told = [Told(alarm.resident_id, key, link=link)]
        tell_residents(told, words.kind, words.title, words.body, link, now, urgent=True, with_link=True)
    elif alarm.phone:
        said = f"【扫码点单】{words.title}：{words.body} {pages.absolute(link)}"
        parts = {"title": words.title, "text": words.body, "link": pages.absolute(link)}
        text_phone(alarm.phone, said, words.kind, key, now, parts=parts)


@outbox.handler("urgent.ended")
def on_ended(payload: dict[str, Any], now: datetime) -> None:
    """Whoever is known is asked once how it was."""
    alarm = _found(Alarm.id == payload["id"], Alarm.status.in_((CLOSED, HANDED)))
    if alarm is None or alarm.resident_id is None:
        return
    feedback.invite([Ask(
        subject_kind=KIND.name, subject_id=alarm.id, group_key=f"urgent:{alarm.taken_centre_id or alarm.centre_id}",
        centre_id=alarm.centre_id, resident_id=alarm.resident_id, relative_id=None, title="求助服务",
        when_text=clock.stamp(alarm.filed_at),
    )], now)  # fmt: skip


def _tell(alarm: Alarm, words: Words, key: str, now: datetime, accounts: list[int]) -> None:
    tell_staff(accounts, words.kind, words.title, words.body, f"/staff/urgent/{alarm.id}", key, now)


@outbox.handler("urgent.overdue")
def on_overdue(payload: dict[str, Any], now: datetime) -> None:
    """No report after a day: who has it, then the level above."""
    alarm = _found(Alarm.case_id == payload["case_id"], Alarm.reported_at.is_(None))
    if alarm is None:
        return
    key = f"urgent:{alarm.id}:late:{payload['due_at']}:{payload['step']}"
    case = alarm.case
    if payload["step"] == 1:
        whom = [case.owner_id] if case.owner_id else ladder.people_at(case.waits_at, KIND.permission)
        _tell(alarm, notices.overdue(alarm), key, now, whom)
        return
    higher = ladder.above(case.waits_at, KIND.permission) or case.waits_at
    _tell(alarm, notices.overdue_above(alarm), key, now, ladder.people_at(higher, KIND.permission))


@outbox.handler("urgent.lifted")
def on_lifted(payload: dict[str, Any], now: datetime) -> None:
    """Whoever has it now, since nobody works where it was, or its owner is gone."""
    alarm = _found(Alarm.case_id == payload["case_id"])
    if alarm is not None:
        key = f"urgent:{alarm.id}:lifted:{int(alarm.case.turn_since.timestamp())}"
        _tell(alarm, notices.lifted(alarm), key, now, ladder.people_at(alarm.case.waits_at, KIND.permission))
