"""Reads of evaluations and call-backs. Residents never see anybody else's rows, only averages above the minimum."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, bindparam, func, or_, select
from sqlalchemy.orm import aliased, contains_eager, joinedload

from portal.cases import ladder
from portal.cases import queries as cases
from portal.cases.models import Case
from portal.cases.queries import NOT_DONE
from portal.centres import profile
from portal.centres.models import Centre, label
from portal.core import clock, reads, remarks, scope
from portal.core.access import Actor
from portal.core.db import db
from portal.feedback import rules, subjects
from portal.feedback.models import DONE, UNDONE, CallBack, Evaluation
from portal.feedback.states import KIND, LABELS, MACHINE
from portal.people.models import Relative, Resident

PAGE = 40
_WITH_PLACE = joinedload(CallBack.case).joinedload(Case.waits_at)
FILTERS = (("", "等本中心的"), ("overdue", "已超时"), ("handed", "交到上级的"), ("done", "已回访"), ("all", "全部"))


@cache
def _policy(code: str) -> rules.Policy:
    return rules.policy(profile.load(code).feedback)


def policy() -> rules.Policy:
    """The numbers and words of this deployment."""
    return _policy(profile.current().code)


# For features above ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Average:
    """stars: to one decimal. shown: enough people, so that it may stand on a public page."""

    count: int
    stars: float
    shown: bool

    @property
    def text(self) -> str:
        """'4.8（23 人）'."""
        return f"{self.stars:.1f}（{self.count} 人）"


NOBODY = Average(0, 0.0, False)


_AVERAGES = (
    select(Evaluation.group_key, func.count().label("given"), func.sum(Evaluation.stars).label("stars"))
    .where(Evaluation.group_key.in_(bindparam("keys", expanding=True)), Evaluation.stars.is_not(None))
    .group_by(Evaluation.group_key)
)


def average(group_keys: Iterable[str]) -> dict[str, Average]:
    """The average of each group that has any answer; one statement for all. Only figures, so in every scope (S7)."""
    keys = list(dict.fromkeys(group_keys))
    least = policy().public_minimum
    found = reads.rows(_AVERAGES, keys=keys) if keys else []
    return {
        row.group_key: Average(row.given, rules.rounded(int(row.stars), row.given), row.given >= least) for row in found
    }


def asked_of(subject_kind: str, subject_id: int) -> list[Evaluation]:
    """Everybody asked about one occasion, answered or not, in the caller's scope."""
    statement = select(Evaluation).where(Evaluation.subject_kind == subject_kind, Evaluation.subject_id == subject_id)
    return list(db.session.scalars(statement.order_by(Evaluation.id)))


def asked_by_person(subject_kind: str, subject_id: int, resident_id: int) -> Evaluation | None:
    """What a resident was asked, or said, of one occasion."""
    statement = select(Evaluation).where(Evaluation.subject_kind == subject_kind, Evaluation.subject_id == subject_id)
    with scope.system("own rows"):
        return db.session.scalars(statement.where(Evaluation.resident_id == resident_id).limit(1)).first()


def pending_of(resident_id: int, now: datetime) -> list[Evaluation]:
    """What a resident is still asked, the nearest deadline first. One statement."""
    statement = select(Evaluation).options(joinedload(Evaluation.relative)).where(
        Evaluation.resident_id == resident_id, Evaluation.given_at.is_(None), Evaluation.answer_until > now
    )  # fmt: skip
    with scope.system("own rows"):
        return list(db.session.scalars(statement.order_by(Evaluation.answer_until, Evaluation.id).limit(20)))


# The resident ---------------------------------------------------------------------------------------------------------


def by_token(token: str) -> Evaluation | None:
    """The evaluation of a message's link, with centre and relative."""
    statement = select(Evaluation).where(Evaluation.token == token[:64])
    statement = statement.options(joinedload(Evaluation.centre))
    with scope.system("whoever holds the message may answer"):
        return db.session.scalars(statement).one_or_none()


def call_back_of(evaluation_id: int) -> CallBack | None:
    """The call-back that an answer opened, with who has it."""
    statement = select(CallBack).where(CallBack.evaluation_id == evaluation_id)
    with scope.system("of an evaluation that was shown by its link or to its owner"):
        return db.session.scalars(statement.options(_WITH_PLACE)).one_or_none()


_ASKED = Evaluation.given_at.is_(None) & (Evaluation.answer_until > bindparam("now"))
_CALLED = CallBack.status.in_(UNDONE) | (CallBack.closed_at > bindparam("recent"))
_OPEN = (
    select(Evaluation.id)
    .outerjoin(CallBack, CallBack.evaluation_id == Evaluation.id)
    .where(Evaluation.resident_id == bindparam("resident_id"), or_(_ASKED, _CALLED))
)


_BOTH = (
    select(Evaluation, CallBack)
    .outerjoin(CallBack, CallBack.evaluation_id == Evaluation.id)
    .options(joinedload(Evaluation.relative))
)


def mine(resident_id: int, now: datetime) -> list[tuple[Evaluation, CallBack | None]]:
    """What /me shows: still asked, or a call-back that is on its way or was closed lately. At most two statements."""
    recent = now - timedelta(days=policy().again_days)
    ids = [row.id for row in reads.own_rows(_OPEN, resident_id=resident_id, now=now, recent=recent)]
    if not ids:
        return []
    statement = _BOTH.where(Evaluation.id.in_(ids)).options(_WITH_PLACE)
    statement = statement.order_by(Evaluation.answer_until, Evaluation.id)
    with scope.system("own rows"):
        return [(row, call) for row, call in db.session.execute(statement.limit(40))]


def own(resident_id: int, limit: int = 100) -> list[tuple[Evaluation, CallBack | None]]:
    """Everything a resident has answered, newest first. One statement."""
    statement = _BOTH.where(Evaluation.resident_id == resident_id, Evaluation.given_at.is_not(None))
    statement = statement.order_by(Evaluation.given_at.desc())
    with scope.system("own rows"):
        return [(row, call) for row, call in db.session.execute(statement.limit(limit))]


def personal(resident_id: int) -> list[dict[str, Any]]:
    """The resident's own answers as plain data for the export (P8)."""
    rows = own(resident_id, 10_000)
    calls = [call for _, call in rows if call is not None]
    said = remarks.about(MACHINE.name, (call.id for call in calls))
    cased = cases.written_about([call.case_id for call in calls])
    return [
        {
            "服务": e.title, "时间": e.when_text, "为谁": e.relative.name if e.relative else "本人", "星": e.stars,
            "标签": e.tags, "留言": e.words, "评价时间": clock.stamp(e.given_at) if e.given_at else "",
            "回访": LABELS[c.status] if c else "", "回访结果": c.outcome if c else "",
            "回访说明": c.outcome_words if c else "", "工作人员登记的姓名": e.caller_name,
            "办理说明": list(dict.fromkeys(said.get(c.id, []) + cased.get(c.case_id, []))) if c else [],
        }
        for e, c in rows
    ]  # fmt: skip


# Staff: call-backs ----------------------------------------------------------------------------------------------------


def call_backs(actor: Actor, which: str, now: datetime, page: int = 1) -> tuple[list[Any], bool]:
    """(call-back, evaluation, whose it is, who has it) of the actor's subtree, and whether there are more. One
    statement.

    which: a key of FILTERS; '' is what waits at the actor's own centre. What is undone stands by its due time, what is
    done by its end, all of them the newest first.
    """
    has = aliased(Centre)
    statement = select(CallBack, Evaluation, label(Centre), label(has)).options(contains_eager(CallBack.case))
    statement = statement.join(Evaluation, Evaluation.id == CallBack.evaluation_id).join(CallBack.case)
    statement = statement.join(Centre, Centre.id == CallBack.centre_id).join(has, has.id == Case.waits_at_id)
    statement = statement.where(*_narrowed(actor, which, now))
    order: Any = {"done": CallBack.closed_at.desc(), "all": CallBack.id.desc()}.get(which, Case.due_at)
    statement = statement.order_by(order, CallBack.id.desc())
    rows = list(db.session.execute(statement.limit(PAGE + 1).offset((page - 1) * PAGE)))
    return rows[:PAGE], len(rows) > PAGE


def _narrowed(actor: Actor, which: str, now: datetime) -> list[ColumnElement[bool]]:
    if which == "overdue":
        return [NOT_DONE, Case.due_at <= now]
    if which == "handed":
        return [NOT_DONE, Case.waits_at_id != CallBack.centre_id]
    if which == "done":
        return [CallBack.status == DONE]
    if which == "all":
        return []
    return [NOT_DONE, Case.waits_at_id.in_(ladder.answers_for(actor, KIND.permission))]


def counts(actor: Actor, now: datetime) -> dict[str, int]:
    """How many undone ones stand under each filter, for the chips. One statement over the small index."""
    keys = ("", "overdue", "handed")
    columns = [func.count().filter(*_narrowed(actor, key, now)) for key in keys]
    row = db.session.execute(select(*columns).select_from(CallBack).join(CallBack.case).where(NOT_DONE)).one()
    return dict(zip(keys, row, strict=True))


def call_back(call_back_id: int) -> CallBack | None:
    """One call-back of the caller's subtree, with evaluation, resident and centres. One statement."""
    statement = select(CallBack).where(CallBack.id == call_back_id).options(
        joinedload(CallBack.centre), _WITH_PLACE,
        joinedload(CallBack.evaluation).options(joinedload(Evaluation.resident), joinedload(Evaluation.relative)),
    )  # fmt: skip
    return db.session.scalars(statement).one_or_none()


# Staff: evaluations ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """Filters of the evaluations; empty ones do not narrow. stars 0: all. span: of the answer, half-open."""

    kind: str = ""
    group: str = ""
    stars: int = 0
    month: str = ""  # as the address says it
    span: Span | None = None


Span = tuple[datetime, datetime]


def _in(column: Any, span: Span | None) -> list[ColumnElement[bool]]:
    return [column >= span[0], column < span[1]] if span else []


def _about(wanted: Wanted) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.kind:
        found.append(Evaluation.subject_kind == wanted.kind)
    if wanted.group:
        found.append(Evaluation.group_key == wanted.group)
    return found


def _answers(wanted: Wanted) -> list[ColumnElement[bool]]:
    found = [*_about(wanted), *_in(Evaluation.given_at, wanted.span), Evaluation.stars.is_not(None)]
    return [*found, Evaluation.stars == wanted.stars] if wanted.stars else found


def evaluations(wanted: Wanted, page: int = 1) -> tuple[list[Any], bool]:
    """(evaluation, centre, call-back's id and status) newest first, and whether there are more. No names (P8)."""
    newest = (Evaluation.given_at.desc(), Evaluation.id.desc())
    # The page's ids by an index, then its rows.
    ids = select(Evaluation.id).where(*_answers(wanted)).order_by(*newest)
    ids = ids.limit(PAGE + 1).offset((page - 1) * PAGE)
    statement = select(
        Evaluation, label(Centre).label("centre"), CallBack.id.label("call_back_id"),
        CallBack.status.label("call_back_status"),
    )  # fmt: skip
    statement = statement.join(Centre, Centre.id == Evaluation.centre_id)
    statement = statement.outerjoin(CallBack, CallBack.evaluation_id == Evaluation.id).where(Evaluation.id.in_(ids))
    rows = list(db.session.execute(statement.order_by(*newest)))
    return rows[:PAGE], len(rows) > PAGE


@dataclass(frozen=True, slots=True)
class Spread:
    """How many answered with each number of stars, and how many were asked."""

    asked: int
    by_stars: dict[int, int]

    @property
    def count(self) -> int:
        return sum(self.by_stars.values())

    @property
    def stars(self) -> float:
        total = sum(stars * number for stars, number in self.by_stars.items())
        return rules.rounded(total, self.count) if self.count else 0.0


def spread(wanted: Wanted) -> Spread:
    """The figures above the list of the same filters; asked within the same time. One statement."""
    # count(*): of the id the index knows nothing.
    asked = select(func.count()).select_from(Evaluation).where(*_about(wanted), *_in(Evaluation.asked_at, wanted.span))
    statement = select(Evaluation.stars, func.count(), asked.scalar_subquery()).where(*_answers(wanted))
    rows = db.session.execute(statement.group_by(Evaluation.stars)).all()
    if not rows:
        return Spread(db.session.scalar(asked) or 0, {})
    return Spread(rows[0][2], {stars: number for stars, number, _ in rows})


@dataclass(frozen=True, slots=True)
class Group:
    """An average with what stands behind it. few: below the public minimum, so it says little."""

    key: str
    title: str
    kind: str
    centre: str
    asked: int
    count: int
    stars: float
    low: int
    few: bool


def groups(wanted: Wanted, page: int = 1) -> tuple[list[Group], bool]:
    """Averages per group of the subtree: the lowest with enough answers first, small samples last. Two statements."""
    p = policy()
    number, total = func.count(Evaluation.stars), func.coalesce(func.sum(Evaluation.stars), 0)
    low = func.count().filter(Evaluation.stars <= p.low_stars)
    statement = select(Evaluation.group_key, func.count(), number, total, low)
    statement = statement.where(*_about(wanted), *_in(Evaluation.asked_at, wanted.span))
    statement = statement.group_by(Evaluation.group_key).having(number > 0)
    statement = statement.order_by(number < p.public_minimum, total * 1.0 / number, Evaluation.group_key)
    rows = db.session.execute(statement.limit(PAGE + 1).offset((page - 1) * PAGE)).all()
    said = _said_of([row[0] for row in rows])
    found = [
        Group(key, *said[key], asked, count, rules.rounded(int(sum_ or 0), count), bad, count < p.public_minimum)
        for key, asked, count, sum_, bad in rows[:PAGE]
    ]
    return found, len(rows) > PAGE


def _said_of(keys: list[str]) -> dict[str, tuple[str, str, str]]:
    """Title, kind and centre of these groups, as their newest answer says them."""
    answered = (Evaluation.group_key.in_(keys), Evaluation.stars.is_not(None))
    newest = select(func.max(Evaluation.id)).where(*answered).group_by(Evaluation.group_key)
    wanted = select(Evaluation.group_key, Evaluation.title, Evaluation.subject_kind, label(Centre))
    wanted = wanted.join(Centre, Centre.id == Evaluation.centre_id).where(Evaluation.id.in_(newest))
    return {key: (title, subjects.label(kind), centre) for key, title, kind, centre in db.session.execute(wanted)}


def resident_of(evaluation: Evaluation) -> tuple[str, str]:
    """Name and telephone of whom to call: the relative's own number when there is one, else the resident's."""
    person: Resident = evaluation.resident
    relative: Relative | None = evaluation.relative
    name = evaluation.caller_name or person.name
    if relative is None:
        return name, person.phone or ""
    own = "" if evaluation.caller_name else relative.phone  # staff typed the resident's number, not this one
    return f"{relative.name}（{name}代）", own or person.phone or ""
