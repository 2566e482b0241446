"""Reads of help requests: who reviews, one of them, a resident's own, the staff's list, what is near (SPEC H1-H6).

Nothing here shows what is private (private_fields): lists and pages have the masked columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, func, literal_column, or_, select
from sqlalchemy.orm import aliased, joinedload

from portal.cases import policy
from portal.cases import queries as cases
from portal.cases.calendar import WorkClock
from portal.cases.models import OFFERED, Case, CaseClock, Handover
from portal.catalogue.models import Guide
from portal.centres import profile
from portal.centres import queries as centres
from portal.centres.models import Centre, Department, label
from portal.core import clock, reads, scope
from portal.core.access import Actor
from portal.core.db import db
from portal.core.states import StateHistory
from portal.help_requests import help_kinds, private_fields, rules
from portal.help_requests.models import (
    CONFIRMED,
    DISPATCHED,
    DONE,
    GUIDE,
    OTHER_KIND,
    OVER,
    PHONE,
    REFUSED,
    UNDONE,
    WITHDRAWN,
    HelpAddress,
    HelpOutside,
    HelpReading,
    HelpRequest,
    HelpVisit,
    VulnerableRegistration,
)
from portal.help_requests.states import KIND, MACHINE
from portal.people.models import Relative, Resident

PAGE = 40
TABS = (("", "等我办"), ("away", "别处在办"), ("done", "等居民确认"), ("over", "已结束"))

# Who does it ----------------------------------------------------------------------------------------------------------


def _chain(home: Centre) -> list[Centre]:
    return [home, *reversed(centres.ancestors(home))]


def community_of(home: Centre) -> Centre:
    """The centre that serves who lives at `home`: the nearest that files a list of its own."""
    levels = {lv.code for lv in profile.current().levels if lv.files_list}
    return next((c for c in _chain(home) if c.level in levels), home)


def reviewer_of(home: Centre) -> Centre:
    """Who reviews what people of `home` ask: the nearest level above the community that reviews (the subdistrict).

    Of the resident's home, whatever centre's code was scanned.
    """
    levels = {lv.code for lv in profile.current().review_levels if not lv.files_list}
    chain = _chain(home)
    return next((c for c in chain if c.level in levels), chain[-1])


def review_term() -> policy.Term:
    """How long a review may take."""
    return policy.of(KIND.name).clocks["review"]


def work_clock() -> WorkClock:
    """Office hours and the calendar's days. Two statements."""
    return cases.work_clock()


def known_place(resident: Resident, relative: Relative | None) -> str:
    """Where to come to when nothing was typed: the resident's address; of a relative the one of the last request."""
    if relative is None:
        return resident.address
    last = select(HelpAddress.text).join(HelpRequest, HelpRequest.address_id == HelpAddress.id)
    last = last.where(HelpRequest.relative_id == relative.id, HelpAddress.text != "").order_by(HelpRequest.id.desc())
    with scope.system("own rows: they are the resident's to whom the relative belongs"):
        return db.session.scalars(last.limit(1)).first() or ""


# One request ----------------------------------------------------------------------------------------------------------

_WHOLE = (
    joinedload(HelpRequest.centre), joinedload(HelpRequest.taken), joinedload(HelpRequest.resident),
    joinedload(HelpRequest.relative), joinedload(HelpRequest.outside),
    joinedload(HelpRequest.case).joinedload(Case.waits_at), joinedload(HelpRequest.case).joinedload(Case.centre),
)  # fmt: skip


def request(request_id: int) -> HelpRequest | None:
    """One of the caller's scope, with its case, people and centres. One statement."""
    return db.session.scalars(select(HelpRequest).where(HelpRequest.id == request_id).options(*_WHOLE)).one_or_none()


def by_case(case_id: int) -> HelpRequest | None:
    """The request of a case: what cases tell of (overdue, lifted)."""
    return db.session.scalars(select(HelpRequest).where(HelpRequest.case_id == case_id).options(*_WHOLE)).one_or_none()


def name_of(row: HelpRequest) -> str:
    """Whom it is for, in full: for the resident's own pages."""
    return row.relative.name if row.relative else row.caller_name or row.resident.name


def person_of(row: HelpRequest, today: date) -> str:
    """'李** 76 岁': whom it is for, as staff read it."""
    year = row.relative.birth_year if row.relative else None if row.caller_name else row.resident.birth_year
    return rules.person_text(name_of(row), year, today)


def history(request_id: int) -> list[StateHistory]:
    """The way so far, oldest first. The caller has proved that it may see the request."""
    wanted = select(StateHistory).where(StateHistory.object_type == MACHINE.name, StateHistory.object_id == request_id)
    return list(db.session.scalars(wanted.order_by(StateHistory.id)))


def visit_of(request_id: int) -> HelpVisit | None:
    """The visit that is planned, the newest. In the caller's scope."""
    wanted = select(HelpVisit).where(HelpVisit.request_id == request_id, HelpVisit.status.in_(("planned", "moved")))
    return db.session.scalars(wanted.order_by(HelpVisit.id.desc()).limit(1)).first()


def readings(request_id: int) -> list[HelpReading]:
    """Who read what in full, oldest first. In the caller's scope."""
    wanted = select(HelpReading).where(HelpReading.request_id == request_id)
    return list(db.session.scalars(wanted.order_by(HelpReading.id)))


def offered(row: HelpRequest) -> Handover | None:
    """The hand-over of it that waits for an answer."""
    return cases.offered(row.case_id)


def clock_of(row: HelpRequest, name: str) -> CaseClock | None:
    """The newest clock of that name."""
    wanted = select(CaseClock).where(CaseClock.case_id == row.case_id, CaseClock.name == name)
    return db.session.scalars(wanted.order_by(CaseClock.ordinal.desc()).limit(1)).first()


# 备案 -----------------------------------------------------------------------------------------------------------------


def registration(person_key: str, today: date) -> VulnerableRegistration | None:
    """The valid registration of a person, whichever community keeps it: only its days are shown."""
    wanted = select(VulnerableRegistration).where(
        VulnerableRegistration.person_key == person_key, VulnerableRegistration.since <= today,
        or_(VulnerableRegistration.until.is_(None), VulnerableRegistration.until > today),
    ).order_by(VulnerableRegistration.id.desc()).limit(1)  # fmt: skip
    with scope.system("whether a person is registered decides for whoever reviews"):
        return db.session.scalars(wanted).first()


def registrations(show_ended: bool, today: date, page: int) -> tuple[list[VulnerableRegistration], bool]:
    """Those of the caller's subtree, the newest first, and whether there are more. One statement."""
    valid = or_(VulnerableRegistration.until.is_(None), VulnerableRegistration.until > today)
    wanted = select(VulnerableRegistration).where(~valid if show_ended else valid).options(
        joinedload(VulnerableRegistration.resident), joinedload(VulnerableRegistration.relative),
        joinedload(VulnerableRegistration.centre),
    )  # fmt: skip
    wanted = wanted.order_by(VulnerableRegistration.id.desc()).limit(PAGE + 1).offset((page - 1) * PAGE)
    rows = list(db.session.scalars(wanted))
    return rows[:PAGE], len(rows) > PAGE


# The staff's list -----------------------------------------------------------------------------------------------------

HAS = aliased(Centre)
# Written out, not bound: only so does SQLite see that the small index (ix_help_request_call) holds them all.
LIVE = HelpRequest.status.not_in([literal_column(f"'{status}'") for status in (REFUSED, CONFIRMED, WITHDRAWN)])
HAS_CALL: ColumnElement[bool] = HelpRequest.call_text != literal_column("''")
_NAME = func.coalesce(Relative.name, func.nullif(HelpRequest.caller_name, ""), Resident.name)
_YEAR = case(
    (Relative.id.is_not(None), Relative.birth_year), (HelpRequest.caller_name != "", None), else_=Resident.birth_year
)


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the list. title: of a health-like kind only the kind. moved: it waits elsewhere. left: the clock in
    words; tone: red, gold or neutral."""

    id: int
    title: str
    kind: str
    status: str
    centre: str
    person: str
    waits_at: str
    moved: bool
    owner: str
    offered: bool
    due_at: datetime | None
    left: str
    tone: str
    to_call: bool
    reopened: int


def _narrowed(actor: Actor, tab: str, now: datetime) -> list[ColumnElement[bool]]:
    mine = cases.is_mine(KIND, actor, now)
    if tab == "away":
        return [HelpRequest.status.in_(UNDONE), ~mine]
    if tab == "done":
        return [HelpRequest.status == DONE]
    if tab == "over":
        return [HelpRequest.status.in_(OVER)]
    return [mine]


def _to_call(actor: Actor) -> ColumnElement[bool]:
    return and_(HAS_CALL, HelpRequest.recorded_centre_id == (actor.centre_id or 0))


def lines(actor: Actor, tab: str, now: datetime, page: int) -> tuple[list[Line], bool]:
    """The list of one tab, the nearest due first, and whether there are more. One statement."""
    elsewhere = (Case.waits_at_id != (actor.centre_id or 0)).label("elsewhere")
    wanted = select(
        HelpRequest.id, HelpRequest.kind, HelpRequest.words, HelpRequest.health, HelpRequest.status,
        HelpRequest.reopened, HelpRequest.closed_at, _NAME.label("name"), _YEAR.label("year"),
        label(Centre).label("centre"), label(HAS).label("has"), elsewhere, Case.owner_name, Case.due_at,
        cases.offered_to(actor).label("offered"), _to_call(actor).label("to_call"),
    )  # fmt: skip
    wanted = _joined(wanted).where(*_narrowed(actor, tab, now))
    order = (HelpRequest.id.desc(),) if tab in ("done", "over") else (Case.due_at, HelpRequest.id)
    found = db.session.execute(wanted.order_by(*order).limit(PAGE + 1).offset((page - 1) * PAGE)).all()
    today = clock.today(now)
    return [_line(row, now, today) for row in found[:PAGE]], len(found) > PAGE


def _joined(wanted: Select[Any]) -> Select[Any]:
    wanted = wanted.select_from(HelpRequest).join(Case, Case.id == HelpRequest.case_id)
    wanted = wanted.join(Resident, Resident.id == HelpRequest.resident_id)
    wanted = wanted.outerjoin(Relative, Relative.id == HelpRequest.relative_id)
    return wanted.join(Centre, Centre.id == HelpRequest.centre_id).join(HAS, HAS.id == Case.waits_at_id)


def _line(row: Any, now: datetime, today: date) -> Line:
    live, kind = row.closed_at is None and row.status != DONE, help_kinds.name(row.kind)
    return Line(
        id=row.id, title=kind if row.health else rules.title_of(row.words, kind), kind=kind, status=row.status,
        centre=row.centre, person=rules.person_text(row.name, row.year, today), waits_at=row.has,
        moved=bool(row.elsewhere), owner=row.owner_name, offered=bool(row.offered), due_at=row.due_at,
        left=rules.left(row.due_at, now) if live else "", tone=policy.tone(row.due_at, now) if live else "neutral",
        to_call=bool(row.to_call), reopened=row.reopened,
    )  # fmt: skip


def counts(actor: Actor, now: datetime) -> dict[str, int]:
    """How many stand under each tab, and how many must be rung. One statement."""
    # Whose it is is asked once for each row, however many counts need it.
    rows = select(HelpRequest.status, Case.due_at, cases.is_mine(KIND, actor, now).label("mine")).join(
        Case, Case.id == HelpRequest.case_id
    )
    one = rows.where(LIVE).cte().prefix_with("MATERIALIZED")
    wanted = select(
        func.count().filter(one.c.mine), func.count().filter(one.c.status.in_(UNDONE), ~one.c.mine),
        func.count().filter(one.c.status == DONE), func.count().filter(one.c.mine, one.c.due_at <= now),
        select(func.count(HelpRequest.id)).where(_to_call(actor)).scalar_subquery(),
    ).select_from(one)  # fmt: skip
    return dict(zip(("", "away", "done", "late", "call"), db.session.execute(wanted).one(), strict=True))


def to_call(actor: Actor) -> list[HelpRequest]:
    """Whom this unit has to ring back, the oldest first. One statement."""
    wanted = select(HelpRequest).where(_to_call(actor)).options(*_WHOLE).order_by(HelpRequest.id).limit(PAGE)
    return list(db.session.scalars(wanted))


@dataclass(frozen=True, slots=True)
class Near:
    """A request that may be the same thing. together: undone too, so that one errand may do both."""

    id: int
    status: str
    filed_at: datetime
    why: str
    together: bool


def near(row: HelpRequest, now: datetime) -> list[Near]:
    """Of the same kind within the days before: by the same person, at the same address, or not far. Two statements."""
    p = help_kinds.policy()
    since = row.filed_at - timedelta(days=p.near_days)
    until = row.filed_at + timedelta(days=p.near_days)
    wanted = select(HelpRequest.id, HelpRequest.status, HelpRequest.filed_at).where(
        HelpRequest.kind == row.kind, HelpRequest.filed_at.between(since, until), HelpRequest.id != row.id,
        or_(HelpRequest.person_key == row.person_key, HelpRequest.centre_id == row.centre_id),
    )  # fmt: skip
    found = db.session.execute(wanted.order_by(HelpRequest.id.desc()).limit(100)).all()
    spots = private_fields.spots([row.id, *(one.id for one in found)]) if found else {}
    said = [(one, rules.near(spots[row.id], spots[one.id], p.near_metres)) for one in found]
    return [Near(one.id, one.status, one.filed_at, why, one.status in UNDONE) for one, why in said if why][:5]


# Where it may go ------------------------------------------------------------------------------------------------------


def communities(actor: Actor) -> list[tuple[str, str]]:
    """Where the actor's unit may send an order: the communities and stations below it. One statement."""
    wanted = select(Centre).where(
        Centre.active, *centres.inside(actor.centre_path), Centre.id != (actor.centre_id or 0)
    )
    return [(str(c.id), c.label) for c in db.session.scalars(wanted.order_by(Centre.path))]


def referable(actor: Actor) -> list[tuple[str, list[tuple[str, str]]]]:
    """To whom a request may be referred: centres of the reviewing levels, departments, numbers outside. Three
    statements."""
    levels = [lv.code for lv in profile.current().review_levels if not lv.files_list]
    others = select(Centre).where(Centre.active, Centre.level.in_(levels), Centre.id != (actor.centre_id or 0))
    departments = select(Department).where(Department.active).order_by(Department.id)
    return [
        ("其他单位", [(f"c{c.id}", c.label) for c in db.session.scalars(others.order_by(Centre.path))]),
        ("职能部门", [(f"d{d.id}", d.name) for d in db.session.scalars(departments)]),
        ("系统外的单位", [(f"o{o.id}", f"{o.name} {o.phone}") for o in outsiders()]),
    ]


def outsiders(every: bool = False) -> list[HelpOutside]:
    """Numbers outside the portal that somebody has stored; they are public facts, for every unit."""
    wanted = select(HelpOutside).options(joinedload(HelpOutside.centre)).order_by(HelpOutside.name)
    with scope.system("numbers that are no secret"):
        return list(db.session.scalars(wanted if every else wanted.where(HelpOutside.active)))


def department(department_id: int) -> Department | None:
    return db.session.get(Department, department_id)


def guides() -> list[tuple[str, str]]:
    """Guides that a refusal may point to: (id, title)."""
    wanted = select(Guide.id, Guide.title).where(Guide.active).order_by(Guide.title)
    return [(str(row.id), row.title) for row in db.session.execute(wanted)]


def hotline() -> str:
    """The public hotline of the deployment."""
    return profile.current().hotline


@dataclass(frozen=True, slots=True)
class Suggested:
    """What the review would most likely decide, and why. centre_id, label: where to send it."""

    centre_id: int
    label: str
    why: str


def suggested(row: HelpRequest, kind: help_kinds.HelpKind | None, registered: bool, actor: Actor) -> Suggested | None:
    """To send it to the community where the person lives, unless a registration is missing (H1: looked at, no wall)."""
    if not row.centre.path.startswith(actor.centre_path) or row.centre_id == actor.centre_id:
        return None
    if kind is not None and kind.needs_registered and not registered:
        return None
    why = "住在本社区，已备案" if kind is not None and kind.needs_registered else "住在本社区，这一种不用备案"
    return Suggested(row.centre_id, row.centre.label, why)


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do instead: words and where they lead."""

    words: str
    url: str


def advice(kind: str, value: str) -> Advice | None:
    """What a refusal points to, or None when it leads nowhere (any more): then it must not be said."""
    if kind == GUIDE and value.isdigit():
        guide = db.session.get(Guide, int(value))
        return Advice(f"看指南《{guide.title}》", f"/guides/{guide.id}") if guide is not None and guide.active else None
    if kind == PHONE and sum(c.isdigit() for c in value) >= 3:
        return Advice(f"打电话 {value}", f"tel:{value.replace(' ', '').replace('-', '')}")
    found = help_kinds.of(value) if kind == OTHER_KIND else None
    return Advice(f"改提“{found.name}”", f"/help?kind={found.code}") if found else None


# The resident ---------------------------------------------------------------------------------------------------------

_RECENT = timedelta(days=30)


_UNDONE_OF = (
    select(HelpRequest.id)
    .where(HelpRequest.resident_id == bindparam("resident_id"), HelpRequest.status.in_((*UNDONE, DONE)))
    .limit(1)
)


def has_undone(resident_id: int) -> bool:
    """Whether a resident has asked for help that is not over. Home asks for everybody, and hardly anybody has."""
    return reads.row(_UNDONE_OF, resident_id=resident_id) is not None


def mine(resident_id: int, now: datetime, coming: bool) -> list[HelpRequest]:
    """What /me shows: undone, done and waiting to be confirmed, lately over (not for home). One statement."""
    live = HelpRequest.status.in_((*UNDONE, DONE))
    wanted = live if coming else or_(live, HelpRequest.closed_at > now - _RECENT)
    rows = select(HelpRequest).where(HelpRequest.resident_id == resident_id, wanted).options(*_WHOLE)
    with scope.system("own rows"):
        return list(db.session.scalars(rows.order_by(HelpRequest.id.desc()).limit(40)))


def offers(rows: Sequence[HelpRequest]) -> dict[int, Handover]:
    """By case: the hand-overs of those that were dispatched, which wait for an answer. At most one statement."""
    ids = [row.case_id for row in rows if row.status == DISPATCHED]
    if not ids:
        return {}
    wanted = select(Handover).where(Handover.case_id.in_(ids), Handover.status == OFFERED)
    found = db.session.scalars(wanted.options(joinedload(Handover.receiver)))
    return {offer.case_id: offer for offer in found}


def open_of(resident_id: int) -> int:
    """How many of a resident's are undone, or wait to be confirmed."""
    wanted = select(func.count(HelpRequest.id)).where(
        HelpRequest.resident_id == resident_id, HelpRequest.status.in_((*UNDONE, DONE))
    )
    with scope.system("own rows"):
        return db.session.scalar(wanted) or 0


def all_of(resident_id: int) -> list[HelpRequest]:
    """Everything of a resident's, oldest first, for the export and for erasing."""
    wanted = (
        select(HelpRequest)
        .where(HelpRequest.resident_id == resident_id)
        .options(*_WHOLE, joinedload(HelpRequest.address))
    )
    with scope.system("own rows"):
        return list(db.session.scalars(wanted.order_by(HelpRequest.id)))


def silent(before: datetime) -> list[int]:
    """Ids of what was done before that moment and nobody has confirmed. By the small index of status."""
    wanted = select(HelpRequest.id).where(HelpRequest.status == DONE, HelpRequest.done_at <= before)
    return list(db.session.scalars(wanted.order_by(HelpRequest.id)))
