"""Reads of one activity for whoever holds it, each figure with its records. In the caller's scope."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, func, select

from portal.catalogue.models import Entry, EntrySession
from portal.core import clock
from portal.core.db import db
from portal.feedback import queries as feedback
from portal.feedback.models import UNDONE, CallBack, Evaluation
from portal.notices.models import Delivery, InboxMessage
from portal.signup.attendance import queries as attendance
from portal.signup.models import SignUp
from portal.signup.organiser.models import OrganiserMessage
from portal.signup.organiser.rules import Audience
from portal.signup.series import KIND


def recipients(entry_id: int, audiences: Sequence[Audience]) -> list[int]:
    """Accounts that a message to these audiences reaches, each once."""
    statuses = [status for one in audiences for status in one.statuses]
    wanted = select(SignUp.resident_id).where(SignUp.entry_id == entry_id, SignUp.status.in_(statuses)).distinct()
    return list(db.session.scalars(wanted.order_by(SignUp.resident_id)))


@dataclass(frozen=True, slots=True)
class Came:
    """One date: how many are marked as there; whether the roster has been gone through."""

    date: EntrySession
    came: int
    checked: bool

    @property
    def when(self) -> str:
        return clock.span(self.date.starts_at, self.date.ends_at)


def dates(entry: Entry) -> list[Came]:
    """Of each date who came. Two statements."""
    ids = [d.id for d in entry.sessions]
    known, through = attendance.marks(ids), attendance.checked(ids)
    came: dict[int, int] = {}
    for (date, _), row in known.items():
        came[date] = came.get(date, 0) + row.came
    return [Came(d, came.get(d.id, 0), d.id in through) for d in entry.sessions]


@dataclass(frozen=True, slots=True)
class Said:
    """What people said of it. average: None as long as nobody has."""

    asked: int
    answers: tuple[Evaluation, ...]
    calls: tuple[CallBack, ...]

    @property
    def average(self) -> float | None:
        stars = [a.stars for a in self.answers if a.stars is not None]
        return sum(stars) / len(stars) if stars else None

    @property
    def undone(self) -> int:
        return sum(call.status in UNDONE for call in self.calls)


def said(entry_id: int) -> Said:
    """Evaluations and call-backs of one activity. Two statements."""
    rows = feedback.asked_of(KIND, entry_id)
    calls = select(CallBack).join(CallBack.evaluation)
    calls = calls.where(Evaluation.subject_kind == KIND, Evaluation.subject_id == entry_id).order_by(CallBack.id)
    answers = sorted((r for r in rows if r.given_at is not None), key=lambda r: r.given_at or r.asked_at, reverse=True)
    return Said(len(rows), tuple(answers), tuple(db.session.scalars(calls)))


@dataclass(frozen=True, slots=True)
class Sent:
    """Messages of one kind. title: of one of them. texts: handed to the gateway; failed: of which it gave up."""

    kind: str
    title: str
    people: int
    read: int
    texts: int
    failed: int
    last_at: datetime


def _messages(entry_id: int, *columns: Any) -> Select[Any]:
    """Inbox messages about this activity of the people who ever signed up for it, by their inboxes' index."""
    theirs = select(SignUp.resident_id).where(SignUp.entry_id == entry_id)
    statement = select(*columns).select_from(InboxMessage)
    statement = statement.outerjoin(Delivery, Delivery.message_id == InboxMessage.id)
    about = and_(InboxMessage.audience == "resident", InboxMessage.link == f"/services/{entry_id}")
    return statement.where(InboxMessage.person_id.in_(theirs), about)


def messages(entry_id: int) -> list[Sent]:
    """What was sent about this activity, by kind, the newest kind first. One statement. A foreign entry has none."""
    ours = func.count(InboxMessage.id.distinct())
    statement = _messages(
        entry_id, InboxMessage.kind, func.min(InboxMessage.title), ours, ours.filter(InboxMessage.read_at.is_not(None)),
        func.count(Delivery.id), func.count(Delivery.id).filter(Delivery.outcome == "failed"),
        func.max(InboxMessage.created_at),
    )  # fmt: skip
    rows = db.session.execute(statement.group_by(InboxMessage.kind))
    return sorted((Sent(*row) for row in rows), key=lambda s: s.last_at, reverse=True)


PAGE = 100


def message_lines(entry_id: int, kind: str, page: int) -> tuple[list[Any], bool]:
    """(account, title, when, read at, the text's outcome or None) of one kind, the newest first. No names."""
    statement = _messages(
        entry_id, InboxMessage.person_id, InboxMessage.title, InboxMessage.created_at, InboxMessage.read_at,
        Delivery.outcome,
    )  # fmt: skip
    statement = statement.where(InboxMessage.kind == kind).order_by(InboxMessage.id.desc())
    rows = list(db.session.execute(statement.limit(PAGE + 1).offset((page - 1) * PAGE)))
    return rows[:PAGE], len(rows) > PAGE


def written(entry_id: int) -> list[OrganiserMessage]:
    """The organiser's own messages, the newest first."""
    wanted = select(OrganiserMessage).where(OrganiserMessage.entry_id == entry_id)
    return list(db.session.scalars(wanted.order_by(OrganiserMessage.id.desc()).limit(PAGE)))


def on_list(entry_id: int) -> dict[str, int]:
    """How many accounts a message to each status's people would reach. One statement."""
    counted = select(SignUp.status, func.count(SignUp.resident_id.distinct())).where(SignUp.entry_id == entry_id)
    return {status: number for status, number in db.session.execute(counted.group_by(SignUp.status))}  # noqa: C416
