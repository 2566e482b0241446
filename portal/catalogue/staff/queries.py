"""Reads for the staff's catalogue pages: rows with what may be done to them, what waits, who is late, histories."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, false, func, or_, select
from sqlalchemy.orm import contains_eager, joinedload, selectinload

from portal.cases import ladder
from portal.catalogue import cutoffs, rules
from portal.catalogue.actions import entry_values as rows
from portal.catalogue.actions import importing, room_holds
from portal.catalogue.models import (
    ACCEPTED,
    CANCELLED,
    DRAFT,
    DROPPED,
    IN_REVIEW,
    RETURNED,
    BulkStep,
    Category,
    Entry,
    EntryChange,
    EntrySession,
    Issue,
    PlanImport,
    Template,
)
from portal.catalogue.month_rules import DEPARTMENTS, counts
from portal.catalogue.staff.month_board import SORTS, inside, my_turn
from portal.catalogue.states import ASKED, ENTRY, URGENT, holds, status_text
from portal.catalogue.timetext.parts import Problem, Span, errors
from portal.centres import profile
from portal.centres import queries as centre_queries
from portal.centres.models import Centre
from portal.core import clock, scope, states
from portal.core.access import Actor, Permission
from portal.core.db import db, is_sqlite
from portal.core.states import Transition

GONE = (DROPPED, CANCELLED)


@dataclass(frozen=True)
class Row:
    """One row of a list with everything the page says of it. What may be done is worked out only where it is shown."""

    entry: Entry
    when: str
    capacity_text: str
    status_text: str
    waited: str  # '2 天', or '' when it waits for nobody
    warnings: tuple[str, ...]  # clashes of rooms and what to check
    actor: Actor
    now: datetime
    tree: Sequence[Centre]  # held, so that the chain above every row is answered from memory

    @cached_property
    def buttons(self) -> tuple[Transition, ...]:
        return tuple(states.available(ENTRY, self.entry, self.actor))

    @property
    def _is_open(self) -> bool:
        return self.entry.status in (DRAFT, RETURNED, ACCEPTED)

    @property
    def editable(self) -> bool:
        return self._is_open and self.actor.can(Permission.PLAN) and holds(self.entry, self.actor) is None

    @cached_property
    def problems(self) -> tuple[Problem, ...]:
        """Of rows still with their author."""
        if not self._is_open:
            return ()
        return tuple(rules.check(rows.values_of(self.entry), self.now, to_allot=rows.to_allot(self.entry)))

    @property
    def errors(self) -> list[Problem]:
        return errors(self.problems)

    def can(self, name: str) -> bool:
        """One transition alone: a list asks only for what it shows."""
        return ENTRY.transition(name).refusal(self.entry, self.actor) is None

    def first(self, names: Iterable[str]) -> Transition | None:
        """The first of these transitions that may be fired."""
        return next((ENTRY.transition(name) for name in names if self.can(name)), None)


def _loaded(statement: Select[Entry]) -> Select[Entry]:
    return statement.options(
        joinedload(Entry.centre), joinedload(Entry.author_centre), joinedload(Entry.waits_at),
        joinedload(Entry.category).joinedload(Category.parent), joinedload(Entry.department),
        selectinload(Entry.sessions),
    )  # fmt: skip


def entry(entry_id: int) -> Entry | None:
    """A row with what its page shows; None when it is not in the viewer's scope. Two queries."""
    return db.session.scalar(_loaded(select(Entry).where(Entry.id == entry_id)))


def change(change_id: int) -> EntryChange | None:
    """A change of a row of one's own subtree, or None."""
    found = select(EntryChange).where(EntryChange.id == change_id).options(joinedload(EntryChange.entry))
    return db.session.scalar(found)


def plan_import(import_id: int, actor: Actor) -> PlanImport | None:
    """An uploaded plan of the actor's subtree or department; a department's is nobody else's."""
    return db.session.scalar(select(PlanImport).where(PlanImport.id == import_id, importing.whose(actor)))


def bulk_step(step_id: int) -> BulkStep | None:
    """A step on many rows that somebody of one's own subtree did, or None."""
    return db.session.scalar(select(BulkStep).where(BulkStep.id == step_id))


def template(template_id: int) -> Template | None:
    return db.session.scalar(select(Template).where(Template.id == template_id))


def templates(centre_id: int) -> list[Template]:
    """A centre's own templates by name (C7)."""
    found = select(Template).where(Template.centre_id == centre_id).order_by(Template.name, Template.id)
    return list(db.session.scalars(found))


def board_rows(
    actor: Actor, wanted: Sequence[ColumnElement[bool]], now: datetime, limit: int | None = None, offset: int = 0,
    looked_at: bool = True, sort: str = "time",
) -> list[Row]:  # fmt: skip
    """Rows that meet `wanted`, by date or as `SORTS` says. looked_at: with clashes and what to check. Five queries."""
    order = SORTS[sort][1]
    # The page's ids first: only its rows are joined with what is said of them.
    ids = select(Entry.id).where(*wanted).order_by(*order).limit(limit).offset(offset)
    found = db.session.scalars(_loaded(select(Entry).where(Entry.id.in_(ids))).order_by(*order))
    return _rows(list(found), actor, now, looked_at)


def row(found: Entry, actor: Actor, now: datetime) -> Row:
    """One row for its own page."""
    return _rows([found], actor, now)[0]


def _rows(found: Sequence[Entry], actor: Actor, now: datetime, looked_at: bool = True) -> list[Row]:
    above = {i for e in found for c in (e.centre, e.waits_at) if c is not None for i in c.ancestor_ids}
    tree = list(db.session.scalars(select(Centre).where(Centre.id.in_(above)))) if above else []
    warnings: dict[int, list[str]] = {}
    if looked_at:
        standing = [e for e in found if e.status not in GONE]
        for told in (room_holds.warnings(standing, now), _clashes(standing)):
            for number, said in told.items():
                warnings.setdefault(number, []).extend(said)
    return [_row(e, actor, now, warnings.get(e.id, []), tree) for e in found]


def _row(found: Entry, actor: Actor, now: datetime, clashes: list[str], tree: Sequence[Centre]) -> Row:
    waits = found.waits_since if found.status in (IN_REVIEW, RETURNED) else None
    return Row(
        entry=found, when=rules.when_text([Span(s.starts_at, s.ends_at) for s in found.sessions], found.weekly),
        capacity_text=rules.capacity_text(found.capacity, found.unit, found.walk_in), status_text=status_text(found),
        waited=clock.ago(waits, now) if waits else "",
        warnings=(*clashes, *([found.check_note] if found.check_note else [])), actor=actor, now=now, tree=tree,
    )  # fmt: skip


BLANKS = (" ", "\u3000", "\u00a0", "\t")


def _clashes(found: Sequence[Entry]) -> dict[int, list[str]]:
    """Places taken twice, against everything that stands in the same lists in those months. One statement."""
    places = {(e.centre_id, bare) for e in found if (bare := re.sub(r"\s+", "", e.place))}
    spans = [s for e in found for s in e.sessions]
    if not places or not spans:
        return {}
    place: Any = Entry.place
    for blank in BLANKS:
        place = func.replace(place, blank, "")
    held = select(
        Entry.id, Entry.centre_id, Entry.place, Entry.title, Entry.venue_id, Entry.status, EntrySession.starts_at,
        EntrySession.ends_at,
    ).join(EntrySession)  # fmt: skip
    held = held.where(
        Entry.centre_id.in_({centre for centre, _ in places}), Entry.month.in_({e.month for e in found}),
        Entry.status.not_in(GONE), place.in_({bare for _, bare in places}),
        EntrySession.starts_at < max(s.ends_at for s in spans), EntrySession.ends_at > min(s.starts_at for s in spans),
    )  # fmt: skip
    sessions: dict[int, list[Span]] = {}
    heads: dict[int, tuple[int, str, str, int | None, str]] = {}
    for number, centre_id, where, title, room, status, start, end in db.session.execute(held):
        heads[number] = (centre_id, where, title, room, status)
        sessions.setdefault(number, []).append(Span(start, end))
    return rules.clashes(
        rules.Held(n, centre_id, where, title, tuple(sorted(sessions[n])), room, status in room_holds.HOLDING)
        for n, (centre_id, where, title, room, status) in heads.items()
    )


def months(now: datetime) -> list[str]:
    """Months that any list has rows of, and this and the next one, the newest first."""
    # From month to month along the index: the rows of ten years are not walked to say that these were ten years.
    entry = Entry.__table__.c
    first = select(func.min(entry.month).label("month")).cte(recursive=True)
    following = select(func.min(entry.month)).where(entry.month > first.c.month).scalar_subquery()
    found = first.union_all(select(following).where(first.c.month.is_not(None)))
    known = {month for month in db.session.scalars(select(found.c.month)) if month is not None}
    here = clock.month_of(now)
    return sorted(known | {here, clock.add_months(here, 1)}, reverse=True)


def issues(month: str, path: str = "") -> dict[int, Issue]:
    """Issues of a month by centre."""
    wanted = select(Issue).where(Issue.month == month)
    if path:
        wanted = wanted.where(Issue.centre_id.in_(select(Centre.id).where(*centre_queries.inside(path))))
    return {issue.centre_id: issue for issue in db.session.scalars(wanted)}


CHANGES = 20  # on one page


def _asked(actor: Actor) -> ColumnElement[bool]:
    if actor.department_id is not None:
        return false()
    return (EntryChange.status == ASKED) & EntryChange.waits_at_id.in_(ladder.answers_for(actor, Permission.PUBLISH))


def open_changes(actor: Actor, page: int = 1) -> list[EntryChange]:
    """Changes that wait for the actor's centre to decide, the oldest first (C8)."""
    loaded = select(EntryChange).where(_asked(actor))
    loaded = loaded.options(joinedload(EntryChange.entry).joinedload(Entry.centre))
    ordered = loaded.order_by(EntryChange.asked_at, EntryChange.id).limit(CHANGES).offset((page - 1) * CHANGES)
    return list(db.session.scalars(ordered))


def open_change_count(actor: Actor) -> int:
    """How many wait in all."""
    return db.session.scalar(select(func.count(EntryChange.id)).where(_asked(actor))) or 0


def told_at_once(actor: Actor, now: datetime) -> list[EntryChange]:
    """Changes of the last days that took effect without the yes of the actor's centre and are not over yet, the newest
    first: what it may still undo (C8)."""
    if actor.department_id is not None:
        return []
    mine = EntryChange.waits_at_id.in_(ladder.answers_for(actor, Permission.PUBLISH))
    recent = (EntryChange.status == URGENT) & (EntryChange.asked_at > now - rules.TOLD_LISTED)
    loaded = select(EntryChange).join(EntryChange.entry).where(mine, recent, Entry.last_end > now)
    loaded = loaded.options(contains_eager(EntryChange.entry).joinedload(Entry.centre))
    return list(db.session.scalars(loaded.order_by(EntryChange.id.desc()).limit(CHANGES)))


def changes_of(found: Entry) -> list[EntryChange]:
    """Every change ever asked for a row, the newest first."""
    wanted = select(EntryChange).where(EntryChange.entry_id == found.id)
    return list(db.session.scalars(wanted.order_by(EntryChange.id.desc())))


@dataclass(frozen=True)
class Late:
    """A centre whose list was not in by the cut-off. submitted_at: handed in after it, or None."""

    centre: Centre
    cutoff: datetime
    submitted_at: datetime | None
    rows: int  # rows of its subtree so far

    @property
    def text(self) -> str:
        if self.submitted_at is not None:
            return f"{clock.stamp(self.submitted_at)} 上交，迟交 {clock.ago(self.cutoff, self.submitted_at)}"
        return f"还没有上交（已编 {self.rows} 条）" if self.rows else "还没有上交，也没有编写"


def late(month: str, now: datetime, path: str = "") -> list[Late]:
    """The late list: centres that file lists and did not hand in by their cut-off (C5). Three queries a level."""
    found: list[Late] = []
    dates = cutoffs.of(month)
    for level in profile.current().levels:
        cutoff = dates.get(level.code)
        if level.files_list and cutoff is not None and now >= cutoff:
            found += _late_of(level.code, month, cutoff, path)
    return found


def _late_of(level: str, month: str, cutoff: datetime, path: str) -> list[Late]:
    # Nobody is late for what was over before they were here.
    wanted = select(Centre).where(Centre.level == level, Centre.active, Centre.created_at <= cutoff)
    if path:
        wanted = wanted.where(*centre_queries.inside(path))
    centres = list(db.session.scalars(wanted.order_by(Centre.code)))
    # Whether a list came in is known to the whole tree above; the rows themselves stay scoped.
    with scope.system("late list"):
        handed = issues(month, path)
        counts = _counts_by_path(month, path)
    answer = []
    for centre in centres:
        issue = handed.get(centre.id)
        at = issue.submitted_at if issue else None
        if at is None or at > cutoff:
            answer.append(Late(centre, cutoff, at, counts[centre.path]))
    return answer


def _counts_by_path(month: str, path: str) -> Counter[str]:
    """By the path of a centre, how many rows it and those below it have."""
    wanted = select(Centre.path, func.count(Entry.id)).join(Entry, Entry.centre_id == Centre.id)
    wanted = wanted.where(Entry.month == month, Entry.status != DROPPED)
    if path:
        wanted = wanted.where(*centre_queries.inside(path))
    found: Counter[str] = Counter()
    for home, number in db.session.execute(wanted.group_by(Centre.path)):
        for end, letter in enumerate(home, 1):
            if letter == "/":
                found[home[:end]] += number
    return found


@dataclass(frozen=True)
class Step:
    """One line of a row's history. changes: [label, before, after]."""

    at: datetime
    who: str
    centre: str
    what: str
    reason: str
    about: str
    changes: list[list[str]]
    to_status: str
    in_place_of: str


WORDS = {
    "draft_entry": "新建", "edit_entry": "修改", "copy_entry": "复制上月", "confirm_checked": "已核对",
    "correct": "审核时更正", "lift": "转由上级处理",
    "taken_back": "整批撤回",
    "ask_edit": "申请变更", "ask_cancel": "申请取消", "change": "变更生效",
}  # fmt: skip


def history(found: Entry) -> list[Step]:
    """What happened to a row, oldest first. Two queries."""
    lines = states.history(ENTRY, [found.id])
    named = {line.centre_id for line in lines if line.centre_id}
    centres = {c.id: c.label for c in db.session.scalars(select(Centre).where(Centre.id.in_(named)))} if named else {}
    answer = []
    for line in lines:
        details = line.details or {}
        label = WORDS.get(line.name) or ENTRY.transition(line.name).label
        if line.name == "allot":
            label = f"分配到{details.get('centre', '社区')}"
        step = Step(
            at=line.at, who=line.actor_name, centre=centres.get(line.centre_id or 0, ""), what=label,
            reason=line.reason, about=rules.LABELS.get(line.about, ""), changes=details.get("changes", []),
            to_status=line.to_status, in_place_of=details.get("in_place_of", ""),
        )  # fmt: skip
        answer.append(step)
    return answer


SAMPLE = 500  # of a month's rows, whose time of review is averaged
DECISIONS, ARRIVALS = ("accept", "pass_on", "approve", "return"), ("submit", "hand_in", "resubmit")


def review_days(entry_ids: Select[int], centre_id: int | None) -> float | None:
    """How many days a centre took on average from a row's arrival to its decision; None without a decision.

    A decision is also the arrival at the next one above.
    """
    line = states.StateHistory
    decided = and_(line.name.in_(DECISIONS), line.from_status == IN_REVIEW)
    arrived = func.lag(line.at).over(partition_by=line.object_id, order_by=line.id)
    steps = select(line.at, line.centre_id, decided.label("decided"), arrived.label("arrived"))
    steps = steps.where(line.object_type == ENTRY.name, line.object_id.in_(entry_ids))
    step = steps.where(or_(decided, line.name.in_(ARRIVALS))).subquery().c
    taken = func.julianday(step.at) - func.julianday(step.arrived)
    if not is_sqlite():
        taken = func.extract("epoch", step.at - step.arrived) / 86400
    wanted = select(func.avg(taken)).where(step.decided, step.centre_id == centre_id, step.arrived.is_not(None))
    found = db.session.scalar(wanted)
    return None if found is None else float(found)


@dataclass(frozen=True)
class Head:
    """The numbers above a month's list."""

    month: str
    submitted: int
    expected: int
    waiting: int  # at the viewer's own centre
    review_days: float | None  # of the newest `sample` rows
    cutoff: datetime | None
    cutoff_label: str  # '街道初审截止'
    overdue: bool
    late: int
    sample: int = SAMPLE


def head(actor: Actor, month: str, now: datetime, centre: Centre | None = None) -> Head:
    """Where a month's list stands, for the sentence and the tiles above it. Five queries at most."""
    own = centre_queries.get(actor.centre_id)
    filters = [Entry.month == month, Entry.status != DROPPED, *inside(actor, centre)]
    at_me = select(func.count(Entry.id)).where(*filters, Entry.status == IN_REVIEW, my_turn(actor))
    # By their last change, which no index has: by the key PostgreSQL walks back through all other months.
    newest = select(Entry.id).where(*filters).order_by(Entry.updated_at.desc(), Entry.id.desc()).limit(SAMPLE)
    dates = cutoffs.of(month)
    expected, submitted, late_count = _handed_in(
        month, dates, now, centre.path if centre is not None else actor.centre_path
    )
    level = profile.current().level(own.level) if own is not None else None
    cutoff = cutoffs.for_centre(own, dates)
    label = f"{level.short}{level.review or ('上交' if level.files_list else '')}截止" if level else ""
    if actor.department_id is not None and own is not None:
        expected = submitted = late_count = 0  # whose lists are in is not a department's business
        cutoff, label = dates.get(DEPARTMENTS), "部门报计划截止"
        cutoff = cutoff if counts(cutoff, own.created_at) else None
    return Head(
        month=month, submitted=submitted, expected=expected, waiting=db.session.scalar(at_me) or 0,
        review_days=review_days(newest, actor.centre_id),
        cutoff=cutoff, cutoff_label=label, overdue=cutoff is not None and now >= cutoff, late=late_count,
    )  # fmt: skip


def _handed_in(month: str, dates: Mapping[str, datetime], now: datetime, path: str) -> tuple[int, int, int]:
    """Of the centres below `path` that file lists: how many, how many handed in, how many are late by now."""
    levels = {lv.code: dates.get(lv.code) for lv in profile.current().levels if lv.files_list}
    wanted = select(Centre.level, Centre.created_at, Issue.submitted_at).outerjoin(
        Issue, (Issue.centre_id == Centre.id) & (Issue.month == month)
    )
    wanted = wanted.where(Centre.level.in_(levels), Centre.active)
    if path:
        wanted = wanted.where(*centre_queries.inside(path))
    with scope.system("whether a list came in is known to the whole tree above"):
        found = db.session.execute(wanted).all()
    handed = sum(at is not None for _, _, at in found)
    over = {level: cutoff for level, cutoff in levels.items() if cutoff is not None and now >= cutoff}
    missing = sum(at is None and counts(over.get(level), since) for level, since, at in found)
    return len(found), handed, missing
