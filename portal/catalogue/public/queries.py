"""Reads for residents' pages. Run under a ResidentScope, so drafts do not exist here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from markupsafe import Markup
from sqlalchemy import bindparam, func, or_, select, true
from sqlalchemy.orm import aliased, joinedload, selectinload

from portal.catalogue import pictures, words
from portal.catalogue.actions import changing
from portal.catalogue.models import CANCELLED, PUBLIC, Category, Entry, EntryChange, Guide, Like
from portal.catalogue.public import linked_data, month_snapshot
from portal.catalogue.states import APPLIED, UNDONE, URGENT
from portal.catalogue.windows import free_places
from portal.centres import queries as centres
from portal.centres.models import Centre
from portal.core import clock, pages, reads, scope
from portal.core.db import db
from portal.venues.models import Venue

EFFECTIVE = (APPLIED, URGENT, UNDONE)  # changes that moved something, be it back

_tree = centres.TREE.subquery()
_BRIEF = (
    select(
        Entry.id, Entry.revision, Entry.month, Entry.title, Entry.status, Entry.centre_id, Entry.capacity, Entry.unit,
        Entry.taken, Entry.waiting, Entry.walk_in, Entry.needs_review, Entry.max_companions, Entry.changed_at,
        Entry.own_first_until, Entry.sign_up_from, Entry.sign_up_until, Entry.withdraw_until, Entry.first_start,
        Entry.last_end, Entry.groups, Entry.audience, Entry.groups_only, Entry.groups_first_until,
        func.coalesce(func.nullif(Entry.phone, ""), Centre.phone).label("call_phone"),
        Venue.active.label("room_open"), Centre.code.label("centre_code"),
        func.coalesce(func.nullif(Centre.short_name, ""), Centre.name).label("centre_name"),
        Category.code.label("category_code"), Category.name.label("category_name"),
        select(func.count(Like.resident_id)).where(Like.entry_id == Entry.id).scalar_subquery().label("likes"),
        _tree.c[0].label("centres"), _tree.c[1].label("centres_at"),  # what `centres.stamp` says
    )
    .join(Centre, Centre.id == Entry.centre_id)
    .join(Category, Category.id == Entry.category_id)
    .outerjoin(Venue, Venue.id == Entry.venue_id)
    .join(_tree, true())
    .where(Entry.id == bindparam("id"), Entry.status.in_(PUBLIC))
)  # fmt: skip


def brief(entry_id: int) -> Any | None:
    """What decides about a public entry's page and its sign-up: a row of columns, named as Entry's; None: no such.

    Read inside the request's transaction, so that who has just signed up is counted.
    """
    return next(iter(reads.own_rows(_BRIEF, id=entry_id)), None)


def entry(entry_id: int) -> Entry | None:
    """A published (or published and then cancelled) entry with what its page needs; None otherwise."""
    statement = select(Entry).where(Entry.id == entry_id).options(
        joinedload(Entry.centre), joinedload(Entry.category).joinedload(Category.parent),
        joinedload(Entry.department), joinedload(Entry.venue), selectinload(Entry.sessions),
    )  # fmt: skip
    return db.session.scalar(statement)


_above = aliased(Category)
# 政策咨询服务 is mostly guides, but a 政策咨询日 is an activity like others of 大众化服务.
_CATEGORIES = (
    select(Category.id, Category.code, Category.name, Category.parent_id)
    .outerjoin(_above, _above.id == Category.parent_id)
    .where((Category.kind == "activity") | ((Category.kind == "guide") & (_above.kind == "activity")))
    .order_by(Category.position)
)


def activity_categories() -> list[tuple[str, str]]:
    """Code and name of the categories that activities stand in, in the order of the profile."""
    found = reads.rows(_CATEGORIES)
    parents = {c.parent_id for c in found if c.parent_id}
    return [(c.code, c.name) for c in found if c.id not in parents]


@dataclass(frozen=True, slots=True)
class SessionsView:
    """How an entry's dates are told: the next one large, the rest folded."""

    headline: str
    next_text: str  # '下一次 12月3日（周四）16:30–18:00' for series
    rest: tuple[tuple[str, bool], ...]  # text, already over


def sessions_view(item: Entry, now: datetime) -> SessionsView:
    """How a service's page says its times: a headline, what follows it, and the single dates."""
    spans = [(s.starts_at, s.ends_at) for s in item.sessions]
    if not spans:
        return SessionsView("时间待定", "", ())
    if len(spans) == 1:
        return SessionsView(clock.span(*spans[0]), "", ())
    weekly = (item.weekly or {}).get("label", "")
    first, last = spans[0][0], spans[-1][0]
    headline = weekly or f"{clock.day(first)} 至 {clock.day(last)}，共 {len(spans)} 次"
    coming = next((s for s in spans if s[1] > now), None)
    next_text = f"下一次 {clock.span(*coming)}" if coming else "全部结束"
    return SessionsView(headline, next_text, tuple((clock.span(*s), s[1] <= now) for s in spans))


def changes(entry_id: int) -> list[EntryChange]:
    """Changes that took effect after publication, newest first; a fact of the public page."""
    statement = select(EntryChange).where(EntryChange.entry_id == entry_id, EntryChange.status.in_(EFFECTIVE))
    with scope.system("applied changes are shown on the public page (C8)"):
        return list(db.session.scalars(statement.order_by(EntryChange.decided_at.desc(), EntryChange.id.desc())))


def change(entry_id: int, change_id: int) -> EntryChange | None:
    """One of these."""
    return next((one for one in changes(entry_id) if one.id == change_id), None)


def old_and_new(item: Entry, made: Sequence[EntryChange], now: datetime) -> list[str]:
    """What is other than it was published, each change in a sentence with old and new, newest first: until the day of
    the last session is over (C8)."""
    if item.last_end is not None and clock.today(now) > clock.local(item.last_end).date():
        return []
    told = [changing.sentence(one) for one in made]
    return told if not item.change_note or item.change_note in told else [item.change_note, *told]


def moves(entry_id: int) -> dict[linked_data.Span, datetime]:
    """Of each date that was moved after publication, when it would have begun before (linked_data.moves)."""
    made = EntryChange.status.in_((APPLIED, URGENT))
    statement = select(EntryChange).where(EntryChange.entry_id == entry_id, made).order_by(EntryChange.decided_at)
    with scope.system("a date that was moved is said on the public page (C8)"):
        return linked_data.moves(db.session.scalars(statement))


def is_over(item: Any, now: datetime) -> bool:
    """Nobody goes there any more: cancelled, or ended. item: an entry or its brief."""
    return item.status == CANCELLED or (item.last_end is not None and item.last_end <= now)


def similar(item: Any, now: datetime) -> list[Markup]:
    """Others of the same category with free places, nearest in time: the way out when this one is full or over."""
    if not is_over(item, now) and free_places(item.capacity, item.taken) != 0:
        return []
    rows = month_snapshot.ahead(now).rows
    code = next((row.category for row in rows if row.id == item.id), "")
    found = month_snapshot.select_rows(rows, month_snapshot.Filters(category=code, free=True), now)
    others = [(row, session) for row, session in found.coming if row.id != item.id][:3]
    return [month_snapshot.card(row, session, now, with_centre=True) for row, session in others]


def share_text(item: Entry, url: str) -> str:
    """A ready text for a WeChat group."""
    lines = [f"【{item.centre.label}】{item.title}"]
    spans = [(s.starts_at, s.ends_at) for s in item.sessions]
    if spans:
        weekly = (item.weekly or {}).get("label", "")
        lines.append(f"时间：{weekly or clock.span(*spans[0])}")
    lines.append(f"地点：{item.place or item.centre.label}")
    lines.append(f"对象：{item.audience}")
    lines.append(f"报名：{url}" if not item.walk_in else f"直接到场，详情：{url}")
    if item.phone:
        lines.append(f"不会用手机可打电话：{item.contact} {pages.phone_text(item.phone)}")
    return "\n".join(lines)


def share_picture(item: Entry) -> str:
    """The absolute address of its cover, else of the drawing of its kind, for preview cards."""
    cover = f"/pictures/{item.cover}" if item.cover else pages.drawing(pictures.of(item.title, item.groups))
    return pages.absolute(cover)


def guide_tops() -> list[Category]:
    """Top categories that have guides, in order."""
    own = select(Guide.category_id).where(Guide.active)
    leaves = list(db.session.scalars(select(Category).where(Category.id.in_(own))))
    ids = {c.parent_id or c.id for c in leaves if c.kind == "guide"}
    return list(db.session.scalars(select(Category).where(Category.id.in_(ids)).order_by(Category.position)))


def guide_groups(
    wanted: words.Wanted = words.NOTHING, category: str = "", kind: str = "guide"
) -> list[tuple[str, list[Guide]]]:
    """Guides that have the words, under the names of their categories, in the order of the profile. One query."""
    statement = select(Guide).join(Category, Category.id == Guide.category_id).where(Guide.active)
    statement = statement.where(Category.kind == kind).options(joinedload(Guide.category).joinedload(Category.parent))
    if category:
        parents = select(Category.id).where(Category.code == category)
        statement = statement.where(or_(Category.code == category, Category.parent_id.in_(parents)))
    groups: dict[str, list[Guide]] = {}
    for item in db.session.scalars(statement.order_by(Category.position, Guide.position, Guide.id)):
        if wanted.found_in(_guide_text(item.title, item.summary, item.category.name, item.steps)):
            groups.setdefault(item.category.name, []).append(item)
    return list(groups.items())


@dataclass(frozen=True, slots=True)
class GuideLine:
    """A guide as it stands under the activities that a search finds."""

    id: int
    title: str
    category: str
    search: str


_GUIDE_LINES = (
    select(Guide.id, Guide.title, Guide.summary, Guide.steps, Category.name)
    .join(Category, Category.id == Guide.category_id)
    .where(Guide.active, Category.kind == "guide")
    .order_by(Category.position, Guide.position, Guide.id)
)


def guide_lines() -> list[GuideLine]:
    """All guides that a search looks through, in the order of the profile. One statement."""
    rows = reads.rows(_GUIDE_LINES)
    return [GuideLine(r.id, r.title, r.name, _guide_text(r.title, r.summary, r.name, r.steps)) for r in rows]


@lru_cache(maxsize=500)
def _guide_text(title: str, summary: str | None, category: str, steps: str | None) -> str:
    return words.searchable([title, summary or "", category, steps or ""])


def guide(guide_id: int) -> Guide | None:
    """One guide that is shown to residents, or None (C3)."""
    statement = select(Guide).where(Guide.id == guide_id, Guide.active)
    return db.session.scalar(statement.options(joinedload(Guide.category).joinedload(Category.parent)))
