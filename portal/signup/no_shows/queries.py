"""Reads of no-shows: the rule that holds, what counts, one's own, appeals that wait (SPEC S8)."""

from datetime import datetime
from functools import cache
from typing import Any

from flask import g, has_request_context
from sqlalchemy import ColumnElement, Row, Select, bindparam, exists, func, select
from sqlalchemy.orm import contains_eager, joinedload

from portal.cases import ladder
from portal.catalogue.models import Entry, EntrySession
from portal.centres import profile
from portal.core import clock, reads
from portal.core.access import Actor, Permission
from portal.core.db import db, packed
from portal.core.words import Refusal
from portal.signup.attendance.models import Attendance
from portal.signup.no_shows import rules
from portal.signup.no_shows.models import APPEALED, COUNTS, NoShow, NoShowRule
from portal.signup.no_shows.states import LABELS


@cache
def _policy(code: str) -> rules.Policy:
    return rules.policy(profile.load(code).no_show)


THE_ONE = 1
_RULE = select(
    NoShowRule.active.label("on"), NoShowRule.most, NoShowRule.within_days, NoShowRule.pause_days,
    NoShowRule.appeal_days, NoShowRule.version,
).where(NoShowRule.id == THE_ONE)  # fmt: skip


def set_rule() -> Row[Any] | None:
    """The district's own rule as it is kept, with its version; None while the profile's holds. Once a request."""
    if not has_request_context():
        return next(iter(reads.own_rows(_RULE)), None)
    if "no_show_rule" not in g:
        g.no_show_rule = next(iter(reads.own_rows(_RULE)), None)
    found: Row[Any] | None = g.no_show_rule
    return found


def policy() -> rules.Policy:
    """The rule that holds: the district's, else the profile's; off unless one of them switches it on."""
    row = set_rule()
    return rules.policy(row._asdict()) if row is not None else of_profile()


def of_profile() -> rules.Policy:
    """What the profile says, while the district has set nothing."""
    return _policy(profile.current().code)


def came() -> ColumnElement[bool]:
    """Of a no-show: somebody has marked the person as there after all."""
    return exists().where(
        Attendance.session_id == NoShow.session_id, Attendance.person_key == NoShow.person_key, Attendance.came
    )


def counted(person_key: str) -> list[datetime]:
    """When what counts against a person was counted. One statement; to be asked in the system's scope."""
    wanted = select(NoShow.counted_at).where(NoShow.person_key == person_key, NoShow.status.in_(COUNTS), ~came())
    return list(db.session.scalars(wanted))


_OWN_COUNTED = select(NoShow.person_key, NoShow.counted_at).where(
    NoShow.resident_id == bindparam("resident_id"), NoShow.status.in_(COUNTS), ~came()
)


def paused(resident_id: int, now: datetime) -> dict[str, Refusal]:
    """By person's key, why somebody of this account may not sign up by themselves now; to be read before they press.
    One statement while the rule is on, else none."""
    rule = policy()
    if not rule.on:
        return {}
    by_person: dict[str, list[datetime]] = {}
    for row in reads.own_rows(_OWN_COUNTED, resident_id=resident_id):
        by_person.setdefault(row.person_key, []).append(row.counted_at)
    found = {key: rules.sign_up_refusal(moments, rule, now) for key, moments in by_person.items()}
    return {key: why for key, why in found.items() if why is not None}


def own(resident_id: int) -> list[NoShow]:
    """One account's, the newest first, without those where they had come after all."""
    wanted = select(NoShow).join(NoShow.entry).where(NoShow.resident_id == resident_id, ~came())
    wanted = wanted.options(contains_eager(NoShow.entry), joinedload(NoShow.date), joinedload(NoShow.relative))
    return list(db.session.scalars(wanted.order_by(NoShow.id.desc()).limit(50)))


def appeals() -> list[NoShow]:
    """Appeals of the caller's subtree that wait for a decision, the oldest first."""
    wanted = select(NoShow).where(NoShow.status == APPEALED).options(
        joinedload(NoShow.entry).joinedload(Entry.centre), joinedload(NoShow.date), joinedload(NoShow.relative),
        joinedload(NoShow.resident),
    )  # fmt: skip
    return list(db.session.scalars(wanted.order_by(NoShow.appealed_at, NoShow.id).limit(100)))


def waiting(actor: Actor) -> tuple[Any, Any]:
    """Appeals that wait at the actor's own centre: how many, and what makes the SELECT of a packed row each."""
    mine = (NoShow.status == APPEALED, NoShow.centre_id.in_(ladder.answers_for(actor, Permission.SIGN_UPS)))

    def rows() -> Select[Any]:
        row = packed(title=Entry.title, since=NoShow.appealed_at)
        return select(row).select_from(NoShow).join(Entry, Entry.id == NoShow.entry_id).where(*mine)

    return select(func.count(NoShow.id)).where(*mine).scalar_subquery(), rows


def personal(resident_id: int) -> list[dict[str, str]]:
    """For the export of one's own data (P8)."""
    wanted = select(NoShow, Entry.title, EntrySession.starts_at).join(Entry, Entry.id == NoShow.entry_id)
    wanted = wanted.join(EntrySession, EntrySession.id == NoShow.session_id).where(NoShow.resident_id == resident_id)
    return [
        {
            "活动": title, "时间": clock.stamp(start), "状态": LABELS[row.status], "申诉": row.appeal,
            "答复": row.answer,
        }
        for row, title, start in db.session.execute(wanted.order_by(NoShow.id))
    ]  # fmt: skip
