"""Which rows stand on a month's board and what waits among them, in SQL: counted, not loaded (SPEC C4-C6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, case, false, func, not_, or_, select

from portal.cases import ladder
from portal.catalogue import rules
from portal.catalogue.models import (
    ACCEPTED,
    APPROVED,
    CANCELLED,
    DRAFT,
    DROPPED,
    IN_REVIEW,
    PUBLISHED,
    RETURNED,
    SAID_YES,
    Entry,
    EntrySession,
)
from portal.catalogue.timetext.parts import Span
from portal.centres import queries as centre_queries
from portal.centres.models import Centre, label
from portal.core.access import Actor, Permission
from portal.core.db import db
from portal.core.states import StateHistory

COUNTED = (IN_REVIEW, ACCEPTED, APPROVED, PUBLISHED)  # what coverage counts
YES = ("accept", "pass_on", "approve")


def inside(actor: Actor, centre: Centre | None = None) -> list[ColumnElement[bool]]:
    """The visible filter: rows of the subtree asked for, of the actor's own, or of the actor's department."""
    if actor.department_id is not None:
        return [Entry.department_id == actor.department_id]
    path = centre.path if centre is not None else actor.centre_path
    return [Entry.centre_id.in_(select(Centre.id).where(*centre_queries.inside(path)))] if path else []


def my_turn(actor: Actor) -> ColumnElement[bool]:
    return Entry.waits_at_id.in_(ladder.answers_for(actor, Permission.REVIEW))


def on_board(
    actor: Actor,
    month: str,
    centre: Centre | None = None,
    category_id: int | None = None,
    q: str = "",
    alone: bool = False,
) -> list[ColumnElement[bool]]:
    """Which rows stand on the board of a month: of a subtree, of a category or those below it, with the words `q` in
    what a row says; dropped ones on none. alone: of the centre itself, without those below it.
    """
    found = [Entry.month == month, Entry.status != DROPPED, *inside(actor, centre)]
    if category_id is not None:
        found.append(or_(Entry.category_id == category_id, Entry.category.has(parent_id=category_id)))
    if alone and centre is not None:
        found.append(Entry.centre_id == centre.id)
    for word in q.split()[:5]:
        columns = (Entry.title, Entry.place, Entry.contact, Entry.phone, Entry.organiser, Entry.content)
        theirs = Entry.centre.has(Centre.name.contains(word, autoescape=True))
        found.append(or_(theirs, *(column.contains(word, autoescape=True) for column in columns)))
    return found


# How a board may be sorted: its code, the words, and the columns. By centre the rows of one stand together.
_CENTRE = select(Centre.path).where(Centre.id == Entry.centre_id).correlate(Entry).scalar_subquery()
_BY_TIME = (Entry.first_start.is_(None), Entry.first_start, Entry.id)
SORTS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "time": ("按时间", _BY_TIME), "centre": ("按阵地", (_CENTRE, *_BY_TIME)),
    "title": ("按名称", (Entry.title, Entry.id)), "new": ("最近改过", (Entry.updated_at.desc(), Entry.id.desc())),
}  # fmt: skip


def usual_sort(state: str) -> str:
    """What is to be decided stands by centre: a reviewer goes from list to list."""
    return "centre" if state == "mine" else "time"


# The guards of the buttons in SQL, so that a board counts what it does not load; tests hold them against each other.


def of_department() -> ColumnElement[bool]:
    """A department's plan that stands in no community's list (yet): nobody else mends it."""
    return and_(Entry.department_id.is_not(None), Entry.centre_id == Entry.author_centre_id)


def to_allot(actor: Actor) -> ColumnElement[bool]:
    """A department's plan that was handed to this centre, to be allotted to communities."""
    if actor.department_id is not None or not actor.can(Permission.REVIEW):
        return false()
    below = Entry.author_centre_id.in_(select(Centre.id).where(*centre_queries.inside(actor.centre_path)))
    return and_(Entry.department_id.is_not(None), Entry.status == IN_REVIEW, below)


def to_decide(actor: Actor) -> ColumnElement[bool]:
    """It is this very centre's turn to say yes; a department's plan is allotted instead."""
    if actor.department_id is not None or not actor.can(Permission.REVIEW):
        return false()
    return and_(Entry.status == IN_REVIEW, Entry.waits_at_id == actor.centre_id, not_(to_allot(actor)))


def to_mend(actor: Actor) -> ColumnElement[bool]:
    """Returned to this centre or department."""
    if not actor.can(Permission.PLAN):
        return false()
    own = Entry.centre_id.in_(ladder.answers_for(actor, Permission.PLAN)) & ~of_department()
    return (Entry.status == RETURNED) & (Entry.department_id == actor.department_id if actor.department_id else own)


def passed(actor: Actor) -> ColumnElement[bool]:
    """This centre has said yes, and the row has not come back: it waits above, stands in its list or is through."""
    if actor.department_id is not None or not actor.can(Permission.REVIEW):
        return false()
    said = select(StateHistory.id).where(
        SAID_YES, StateHistory.object_id == Entry.id, StateHistory.centre_id == actor.centre_id
    )
    above = and_(Entry.status == IN_REVIEW, Entry.waits_at_id != actor.centre_id)
    return and_(or_(above, Entry.status.in_((ACCEPTED, APPROVED, PUBLISHED, CANCELLED))), said.exists())


def in_state(actor: Actor, state: str) -> list[ColumnElement[bool]]:
    """A tab of the board. state: '' all, 'mine' what waits for this viewer, 'passed' what they passed, or a status."""
    if state == "mine":
        return [or_(to_decide(actor), to_allot(actor), to_mend(actor))]
    if state == "passed":
        return [passed(actor)]
    if state == "counted":
        return [Entry.status.in_(COUNTED)]
    return [Entry.status == state] if state else []


@dataclass(frozen=True)
class Sums:
    """What a board counts without loading it. ready: goes along when this centre hands in its list."""

    by_status: dict[str, int]
    mine: int
    decidable: int
    ready: int
    passed: int
    allot: int

    @property
    def mend(self) -> int:
        return self.mine - self.decidable - self.allot

    @property
    def total(self) -> int:
        return sum(self.by_status.values())

    def shown(self, state: str) -> int:
        """How many rows stand under a tab."""
        if state == "passed":
            return self.passed
        if state == "counted":
            return sum(self.by_status.get(status, 0) for status in COUNTED)
        return self.mine if state == "mine" else self.by_status.get(state, 0) if state else self.total


def sums(actor: Actor, board: Sequence[ColumnElement[bool]]) -> Sums:
    """One statement over the rows of `on_board`."""
    own_draft = and_(
        Entry.status == DRAFT, Entry.centre_id == actor.centre_id, Entry.department_id == actor.department_id
    )
    merged = and_(Entry.status == ACCEPTED, Entry.waits_at_id == actor.centre_id)
    merged = merged if actor.department_id is None else false()
    counted = (*in_state(actor, "mine"), to_decide(actor), or_(own_draft, merged), passed(actor), to_allot(actor))
    columns = [func.count(case((condition, 1))) for condition in counted]
    wanted = select(Entry.status, func.count(), *columns).where(*board).group_by(Entry.status)
    found = [tuple(row) for row in db.session.execute(wanted)]
    return Sums({row[0]: row[1] for row in found}, *(sum(row[i] for row in found) for i in range(2, 7)))


@dataclass(frozen=True)
class Told:
    """A row as the text for WeChat groups says it."""

    id: int
    title: str
    when: str
    where: str
    audience: str
    places: str


def told(actor: Actor, month: str, centre: Centre, status: str, limit: int, offset: int) -> list[Told]:
    """Rows of a month in `status` by date, only what is said of them. One statement."""
    date = EntrySession
    dates = (func.min(date.starts_at), func.min(date.ends_at), func.max(date.starts_at), func.max(date.ends_at))
    places = (Entry.capacity, Entry.unit, Entry.walk_in)
    words = (Entry.id, Entry.title, Entry.place, Entry.audience, Entry.weekly, label(Centre))
    wanted = select(*words, *places, func.count(date.id), *dates).outerjoin(date, date.entry_id == Entry.id)
    wanted = wanted.join(Centre, Centre.id == Entry.centre_id).group_by(Entry.id, Centre.id)
    wanted = wanted.where(*on_board(actor, month, centre), Entry.status == status)
    found = db.session.execute(wanted.order_by(Entry.first_start, Entry.id).limit(limit).offset(offset))
    return [_told(tuple(row[:6]), tuple(row[6:9]), row[9], tuple(row[10:])) for row in found]


def _told(words: tuple[Any, ...], places: tuple[Any, ...], count: int, dates: tuple[Any, ...]) -> Told:
    number, title, place, audience, weekly, home = words
    capacity, _, walk_in = places
    # Sessions lie apart, so the earliest end is the first one's; the words need the first, the last and how many.
    spans = [Span(*dates[:2]), *[Span(*dates[2:])] * (count - 1)] if count else []
    said = rules.capacity_text(*places)
    said = said if walk_in else "不限名额" if capacity is None else f"限 {said}"
    return Told(number, title, rules.when_text(spans, weekly), place or home, audience, said)
