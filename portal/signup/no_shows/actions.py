"""Counting, appealing, deciding (SPEC S8). Flush only, but for what the outbox carries out."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import g
from sqlalchemy import select, update
from sqlalchemy.orm import joinedload

from portal.catalogue.models import PUBLISHED, Entry
from portal.centres import queries as centres
from portal.core import audit, outbox, remarks, scope, states
from portal.core.access import Actor, Permission, system_actor
from portal.core.db import db, hit
from portal.core.errors import DomainError, Invalid, NotAllowed, Refused
from portal.notices.actions import Told, tell_residents
from portal.signup.attendance import queries as attendance
from portal.signup.attendance.models import RosterCheck
from portal.signup.models import CONFIRMED, SignUp
from portal.signup.no_shows import notices, queries, rules
from portal.signup.no_shows.models import COUNTED, NoShow, NoShowRule
from portal.signup.no_shows.rules import Policy
from portal.signup.no_shows.states import MACHINE

PAGE = "/me/no-shows"


class NoShowGone(DomainError):
    status = 404
    message = "没有找到这条记录。"
    advice = "可能已经更正，请刷新页面看看。"


class CannotAppeal(Refused):
    """Too late, or without words."""

    status = 422


class BadFigure(Invalid):
    message = "请改一下这个数。"


class ChangedMeanwhile(DomainError):
    message = "别人刚刚改过这条规定，您的还没有保存。"
    advice = "请打开这一页看看现在的，再改一次。"


def may_set(actor: Actor) -> bool:
    """One rule for the whole district: the business of whoever publishes its list."""
    return actor.can(Permission.PUBLISH) and actor.department_id is None and centres.at_top(actor)


def set_rule(actor: Actor, on: bool, figures: Mapping[str, int | None], version: int, now: datetime) -> Policy:
    """Write the district's rule (S8); what is counted already is judged by it at once, what was not counted while it
    was off stays uncounted. version: of the rule that was looked at, 0 for the profile's.

    Raises NotAllowed, BadFigure, ChangedMeanwhile.
    """
    if not may_set(actor):
        raise NotAllowed("报名没到的规定由统一发布清单的上级来定。")
    name, sentence = rules.bad_figure(figures)
    if name:
        raise BadFigure(sentence, field=name)
    old, before = queries.set_rule(), queries.policy()
    if version != (old.version if old is not None else 0):
        raise ChangedMeanwhile()
    _write_rule({"active": on, **{name: figures[name] for name in rules.FIGURES}}, version)
    g.pop("no_show_rule", None)
    after = queries.policy()
    audit.record(
        actor, "set_no_show_rule", "no_show_rule", queries.THE_ONE, now, summary=after.said,
        before={"rule": before.said}, after={"rule": after.said},
    )  # fmt: skip
    return after


def _write_rule(values: dict[str, Any], version: int) -> None:
    if version == 0:
        db.session.add(NoShowRule(id=queries.THE_ONE, version=1, **values))
        db.session.flush()
        return
    same = update(NoShowRule).where(NoShowRule.id == queries.THE_ONE, NoShowRule.version == version)
    if hit(same.values(version=version + 1, **values)) != 1:
        raise ChangedMeanwhile()


@outbox.handler("attendance.checked")
def on_checked(payload: dict[str, Any], now: datetime) -> None:
    """Some time after a roster was gone through: who had a place and did not come, while the rule is on (S8)."""
    if queries.policy().on:
        count(payload["session_id"], now)


def count(session_id: int, now: datetime) -> int:
    """One row for each person who had a place and did not come, told once. Returns how many are new."""
    with scope.system("who did not come"):
        date = attendance.date_of(session_id)
        if date is None or date.entry.status != PUBLISHED or db.session.get(RosterCheck, session_id) is None:
            return 0
        there = {key for (_, key), mark in attendance.marks([session_id]).items() if mark.came}
        had = select(SignUp).where(
            SignUp.entry_id == date.entry_id, SignUp.status == CONFIRMED, SignUp.created_at < date.starts_at
        )
        rows = [_row(s, session_id, now) for s in db.session.scalars(had) if s.person_key not in there]
        new = outbox.insert_once(NoShow, rows)
        if new:
            _tell_counted(session_id, date.entry, now)
        return new


def _row(s: SignUp, session_id: int, now: datetime) -> dict[str, Any]:
    return {
        "centre_id": s.centre_id, "session_id": session_id, "entry_id": s.entry_id, "resident_id": s.resident_id,
        "relative_id": s.relative_id, "person_key": s.person_key, "status": COUNTED, "counted_at": now, "appeal": "",
        "answer": "",
    }  # fmt: skip


def _tell_counted(session_id: int, entry: Entry, now: datetime) -> None:
    new = select(NoShow).where(NoShow.session_id == session_id, NoShow.counted_at == now)
    rows = list(db.session.scalars(new.options(joinedload(NoShow.relative)).order_by(NoShow.id)))
    states.note_new(MACHINE, [row.id for row in rows], COUNTED, "count", system_actor(), now)
    told = []
    for row in rows:
        words = notices.counted(entry, row, queries.policy())
        told.append(Told(row.resident_id, f"no_show:{row.id}", words.title, words.body))
    tell_residents(told, "sign_up.no_show", "", "", PAGE, now)


def appeal(actor: Actor, no_show_id: int, words: str, now: datetime) -> NoShow:
    """Say why it should not count. Raises NoShowGone, CannotAppeal, NoSuchTransition. Lock: the transition's UPDATE."""
    row = _find(no_show_id)
    if row.resident_id != actor.id:
        raise NoShowGone()
    refusal = rules.appeal_refusal(row.counted_at, queries.policy(), now, words)
    if refusal is not None:
        raise CannotAppeal(refusal)
    states.fire(MACHINE, row, "appeal", actor, now, values={"appeal": words.strip(), "appealed_at": now})
    return row


def decide(actor: Actor, no_show_id: int, excused: bool, reason: str, now: datetime) -> NoShow:
    """Staff answer an appeal with a reason that the person reads.

    Writes 'no_show.decided'. Raises NoShowGone, NotAllowed, ReasonMissing, NoSuchTransition. Lock: the transition's
    UPDATE.
    """
    if not actor.can(Permission.SIGN_UPS):
        raise NotAllowed()
    row, reason = _find(no_show_id), reason.strip()[:300]
    verb = "excuse" if excused else "uphold"
    states.fire(MACHINE, row, verb, actor, now, reason, values={"answer": reason, "decided_at": now})
    audit.record(actor, f"no_show.{verb}", "no_show", row.id, now, words=reason, centre_id=row.centre_id,
                 after={"status": row.status})  # fmt: skip
    return row


def _find(no_show_id: int) -> NoShow:
    wanted = select(NoShow).where(NoShow.id == no_show_id).options(joinedload(NoShow.entry))
    row = db.session.scalars(wanted).one_or_none()
    if row is None:
        raise NoShowGone()
    return row


@outbox.handler("no_show.decided")
def on_decided(payload: dict[str, Any], now: datetime) -> None:
    """The person hears what became of the appeal."""
    wanted = select(NoShow).where(NoShow.id == payload["id"])
    whole = wanted.options(joinedload(NoShow.relative), joinedload(NoShow.entry).selectinload(Entry.sessions))
    row = db.session.scalars(whole).one_or_none()
    if row is None or row.decided_at is None:
        return
    words = notices.decided(row)
    key = f"no_show:{row.id}:{payload['history_id']}"
    tell_residents([Told(row.resident_id, key)], words.kind, words.title, words.body, PAGE, now)


def erase(resident_id: int) -> None:
    """The person leaves: what they and others wrote goes, the row stays a figure (P8)."""
    rows = list(db.session.scalars(select(NoShow).where(NoShow.resident_id == resident_id)))
    remarks.blank(MACHINE.name, (row.id for row in rows))
    for row in rows:
        row.appeal = row.answer = ""
    db.session.flush()
