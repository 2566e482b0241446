"""Reads of no-shows: the rule that holds, what counts, one's own, appeals that wait (SPEC S8)."""

from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, select
from sqlalchemy.orm import contains_eager, joinedload

from portal.cases import ladder
from portal.catalogue.models import Entry, EntrySession
from portal.centres import profile
from portal.core import clock
from portal.core.access import Actor, Permission
from portal.core.db import db, packed
from portal.signup.attendance.models import Attendance
from portal.signup.no_shows import rules
from portal.signup.no_shows.models import APPEALED, COUNTS, NoShow
from portal.signup.no_shows.states import LABELS


@cache
def _policy(code: str) -> rules.Policy:
    return rules.policy(profile.load(code).no_show)


def policy() -> rules.Policy:
    """The rule of this deployment; off unless the district has switched it on."""
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
