"""Hooks: where features register what upper features show together, so that lower ones need not know them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, literal_column, select, union_all

from portal.core.access import Actor, Permission, Viewer
from portal.core.db import db
from portal.core.ical import Dated


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that waits for a staff member. since/due: aware UTC. tone: neutral, gold (soon), red (overdue)."""

    section: str
    title: str
    detail: str
    since: datetime
    url: str
    due: datetime | None = None
    tone: str = "neutral"
    count: int = 1


@dataclass(frozen=True, slots=True)
class Waits:
    """What of one kind waits for somebody, not asked for yet: all kinds together are one statement.

    count: scalar SQL, asked by every page of the staff's. rows: makes a SELECT of one column, a JSON object a line
    (`db.packed`), the most pressing first; only the inbox needs it. line: such an object in words.
    """

    section: str
    count: ColumnElement[Any]
    rows: Callable[[], Select[Any]]
    line: Callable[[dict[str, Any]], Waiting]


@dataclass(frozen=True, slots=True)
class Mine:
    """Something of a resident's on /me. section: upcoming, waiting, past, requests …"""

    section: str
    title: str
    when: str
    place: str
    status_text: str
    tone: str
    next_text: str
    url: str
    starts_at: datetime | None = None
    person: str = ""


@dataclass(frozen=True, slots=True)
class NavItem:
    section: str
    label: str
    icon: str
    endpoint: str
    permission: Permission
    position: int
    also: tuple[str, ...] = ()  # pages of the section at another address


@dataclass(frozen=True, slots=True)
class Errand:
    """What somebody is about to do at an address: '报名《四点半课堂》'. phone: whom to ring instead; centre_id: whose
    it is, for who comes the first time by a poster most likely lives there."""

    words: str
    phone: str = ""
    centre_id: int | None = None


WaitingSource = Callable[[Actor, datetime], list[Waits]]
MineSource = Callable[[int, datetime, bool], list[Mine]]  # resident, now, only what is to come
DueJob = Callable[[datetime], int]
Part = tuple[str, dict[str, Any]]  # a template and its context
Exporter = Callable[[Actor, dict[str, Any]], bytes]  # on whose behalf, and what they asked for
PanelSource = Callable[[Any, Any, datetime], Part]  # entry, viewer or None, now
FactSource = Callable[[Any], Part]
ErrandSource = Callable[[str], Errand | None]  # a path of this portal

waiting_sources: dict[str, WaitingSource] = {}
mine_sources: dict[str, MineSource] = {}
due_jobs: dict[str, DueJob] = {}
personal_sources: dict[str, Callable[[int], dict[str, Any]]] = {}
exporters: dict[str, Exporter] = {}
erasers: dict[str, Callable[[int, datetime], None]] = {}
nav_items: dict[str, NavItem] = {}
errand_sources: dict[str, ErrandSource] = {}
panel_sources: dict[str, PanelSource] = {}
fact_sources: dict[str, FactSource] = {}


def name_of(function: Callable[..., Any]) -> str:
    """Under which it is registered."""
    return f"{function.__module__}.{function.__qualname__}"


def waiting(source: WaitingSource) -> WaitingSource:
    """fn(actor, now) -> what waits for this staff member; it asks for nothing itself."""
    waiting_sources[name_of(source)] = source
    return source


MOST_LINES = 50  # of one kind; the counts know of the others


def waiting_counts(actor: Actor, now: datetime) -> dict[str, int]:
    """How much waits under each section of the left column. One statement, however many features there are."""
    sections, statement = question(replace(actor, name="", address=""), now, tuple(waiting_sources.values()))
    counts: dict[str, int] = {}
    for section, number in zip(sections, db.session.execute(statement).one(), strict=True) if sections else ():
        counts[section] = counts.get(section, 0) + (number or 0)
    return counts


@lru_cache(maxsize=64)
def question(actor: Actor, now: datetime, sources: tuple[WaitingSource, ...]) -> tuple[tuple[str, ...], Select[Any]]:
    """The statement of `waiting_counts`, and the section of each of its columns. To put it together costs three times
    what the answer does, and who works opens one page after another: the column asks as of the whole minute.
    """
    kinds = _kinds(actor, now, sources)
    return tuple(kind.section for kind in kinds), select(*(kind.count for kind in kinds))


def waiting_lines(actor: Actor, now: datetime, *sources: WaitingSource) -> list[Waiting]:
    """What waits, the most pressing first; of all features or only of `sources`. One statement."""
    kinds = _kinds(actor, now, sources or waiting_sources.values())
    parts = [select(literal_column(str(i)), kind.rows().limit(MOST_LINES).subquery()) for i, kind in enumerate(kinds)]
    rows = db.session.execute(union_all(*parts)).all() if parts else []
    return sorted(
        (kinds[i].line(found) for i, found in rows),
        key=lambda w: ({"red": 0, "gold": 1}.get(w.tone, 2), w.due or w.since),
    )


def _kinds(actor: Actor, now: datetime, sources: Iterable[WaitingSource]) -> list[Waits]:
    return [kind for source in sources for kind in source(actor, now)]


def mine(source: MineSource) -> MineSource:
    """fn(resident_id, now, coming) -> what /me shows of this feature; coming: without what is over, for home."""
    mine_sources[name_of(source)] = source
    return source


def due(job: DueJob) -> DueJob:
    """fn(now) -> how much was done. Deadline work derived from rows; must be idempotent and commit by itself."""
    due_jobs[name_of(job)] = job
    return job


def exporter(source: Exporter) -> Exporter:
    """fn(actor, args) -> the file. It runs in the worker when it is large (core.exports), so it knows no request."""
    exporters[name_of(source)] = source
    return source


def personal(source: Callable[[int], dict[str, Any]]) -> Callable[[int], dict[str, Any]]:
    """fn(resident_id) -> this feature's part of the resident's data export (SPEC P8)."""
    personal_sources[name_of(source)] = source
    return source


def erase(eraser: Callable[[int, datetime], None]) -> Callable[[int, datetime], None]:
    """fn(resident_id, now): forget the person in this feature's rows."""
    erasers[name_of(eraser)] = eraser
    return eraser


def panel(source: PanelSource) -> PanelSource:
    """fn(entry, viewer, now) -> (template, context): what an upper feature adds at the thumb of an entry's own page.

    Of the entry only columns may be used, and `call_phone`.
    """
    panel_sources[name_of(source)] = source
    return source


def fact(source: FactSource) -> FactSource:
    """fn(entry) -> (template, context): a line among the facts of an entry's page, the same for everybody."""
    fact_sources[name_of(source)] = source
    return source


def panels(entry: Any, viewer: Viewer | None, now: datetime) -> list[Part]:
    """All panels of an entry's page, each included in turn:
    `{% for template, context in panels %}{% with panel = context.panel %}{% include template %}{% endwith %}…`.
    """
    return [source(entry, viewer, now) for source in panel_sources.values()]


def facts(entry: Any) -> list[Part]:
    """All further facts of an entry, to be included as `panels` are."""
    return [source(entry) for source in fact_sources.values()]


def errand(source: ErrandSource) -> ErrandSource:
    """fn(path) -> Errand: what an address of this feature's is for, so that the page that asks people to sign in first
    says what comes after; None for addresses that are not its own."""
    errand_sources[name_of(source)] = source
    return source


def errand_at(path: str) -> Errand | None:
    """What the feature whose address it is says of it."""
    return next((found for source in errand_sources.values() if (found := source(path)) is not None), None)


def nav(section: str, label: str, icon: str, endpoint: str, permission: Permission, position: int, *also: str) -> None:
    """One line of the staff's left column; shown to roles that hold the permission. also: endpoints of pages that
    belong to it and lie at another address, so that the line is marked there too."""
    nav_items[section] = NavItem(section, label, icon, endpoint, permission, position, also)


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that a centre still lacks. missing: a condition on the table of centres, for one statement that asks
    all of them. url: where one says it. permission: who is told.
    """

    label: str
    missing: Callable[[], ColumnElement[bool]]
    url: Callable[[int], str]
    permission: Permission


gaps: dict[str, Gap] = {}


def gap(
    label: str, missing: Callable[[], ColumnElement[bool]], url: Callable[[int], str], permission: Permission
) -> None:
    """What the list of centres and the start page of the top say is missing, in the order of registering."""
    gaps[label] = Gap(label, missing, url, permission)


Acquaintance = Callable[[int, int, datetime], bool]  # resident, centre, since
acquaintances: dict[str, Acquaintance] = {}


def acquaintance(source: Acquaintance) -> Acquaintance:
    """fn(resident_id, centre_id, since) -> whether this person has dealt with the centre, by an act of their own."""
    acquaintances[name_of(source)] = source
    return source


lockers: dict[str, Callable[[int | None], None]] = {}


def on_locked_out(lock: Callable[[int | None], None]) -> Callable[[int | None], None]:
    """fn(resident id, or None for everybody): all logins were ended for a lost telephone; what else opens the account
    goes too. Flushes."""
    lockers[name_of(lock)] = lock
    return lock


ways_in: list[Callable[[str], str]] = []


def way_in(find: Callable[[str], str]) -> Callable[[str], str]:
    """fn(target) -> where somebody who wants to sign in goes first, before a number is asked; '' for nowhere."""
    ways_in[:] = [*(way for way in ways_in if name_of(way) != name_of(find)), find]
    return find


DatesSource = Callable[[int, datetime], list[Dated]]
dates_sources: dict[str, DatesSource] = {}


def dates(source: DatesSource) -> DatesSource:
    """fn(resident_id, since) -> what of a resident's ends after `since`, for their own calendar."""
    dates_sources[name_of(source)] = source
    return source


Texter = Callable[..., None]
InitStep = Callable[[datetime], str]

init_steps: dict[str, InitStep] = {}
staffing_followers: dict[str, Callable[[datetime], None]] = {}
audit_words: dict[str, str] = {}
_texter: list[Texter] = []


def on_init(step: InitStep) -> InitStep:
    """fn(now) -> a sentence for the terminal. Part of `flask init`; must be idempotent, flushes only."""
    init_steps[name_of(step)] = step
    return step


def on_staffing(follow: Callable[[datetime], None]) -> Callable[[datetime], None]:
    """fn(now): an account was disabled, moved or got another role; what stands where nobody works moves on. Flushes."""
    staffing_followers[name_of(follow)] = follow
    return follow


def staffing_changed(now: datetime) -> None:
    """To be called in the transaction that takes somebody away from a level, in the system's scope."""
    for follow in staffing_followers.values():
        follow(now)


def set_texter(texter: Texter) -> None:
    """fn(phone, body, kind, key, now, urgent=True, parts=None): one text that belongs to no inbox (a login code)."""
    _texter[:] = [texter]


def text_phone(
    phone: str, body: str, kind: str, key: str, now: datetime, parts: Mapping[str, str] | None = None
) -> None:
    """Send an urgent text message to a number in this transaction. Raises RuntimeError when no feature can send one.

    parts: what a provider's template is filled with (a login code's code and minutes).
    """
    if not _texter:
        raise RuntimeError("no feature has registered a texter")
    _texter[0](phone, body, kind, key, now, urgent=True, parts=parts)


def audit_word(**words: str) -> None:
    """How the audit page says verbs, object types and field names: audit_word(approve='通过', entry='活动')."""
    audit_words.update(words)
