"""Reads for feeds. Run under a ResidentScope, so drafts do not exist here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import aliased, joinedload, selectinload

from portal.catalogue.models import PUBLIC, Category, Entry
from portal.catalogue.open_data.api import PAGE as PLACES
from portal.catalogue.open_data.api import Place
from portal.catalogue.public import month_snapshot
from portal.centres import queries as centres
from portal.centres import rules
from portal.centres.models import Centre
from portal.core.db import db

PAGE = 50  # entries on one page of a feed
# When what an entry says last changed for its readers. Sign-ups change its places, not what it says.
_updated: ColumnElement[datetime] = func.coalesce(Entry.changed_at, Entry.published_at, Entry.updated_at)


@dataclass(frozen=True, slots=True)
class Newest:
    """A page of what was published or changed last. count: of all pages."""

    count: int
    entries: list[Entry]


def newest(path: str, category: str, now: datetime, page: int) -> Newest:
    """The list from now on, what was published or changed last first; of `path` and below, of a category ('': all).

    Two queries and one for the dates.
    """
    months = month_snapshot.months_from(month_snapshot.first_ahead(now))
    wanted = select(Entry).where(Entry.month.in_(months), Entry.status.in_(PUBLIC))
    if path:
        wanted = wanted.join(Centre, Centre.id == Entry.centre_id).where(*centres.inside(path))
    if category:
        wanted = _of_category(wanted, category)
    count = db.session.scalar(wanted.with_only_columns(func.count(Entry.id))) or 0
    shown = wanted.options(joinedload(Entry.centre), joinedload(Entry.category), selectinload(Entry.sessions)).order_by(
        _updated.desc(), Entry.id.desc()
    )
    return Newest(count, list(db.session.scalars(shown.limit(PAGE).offset((page - 1) * PAGE))))


def _of_category(wanted: Select[Entry], code: str) -> Select[Entry]:
    """Those of the category or of one below it, as the list filters."""
    own, above = aliased(Category), aliased(Category)
    wanted = wanted.join(own, own.id == Entry.category_id).outerjoin(above, above.id == own.parent_id)
    return wanted.where(or_(own.code == code, above.code == code))


def category(code: str) -> Category | None:
    """A category by its code, or None."""
    return db.session.scalar(select(Category).where(Category.code == code))


def updated(entry: Entry) -> datetime:
    """When what it says last changed: the same moment as the order of `newest`."""
    return entry.changed_at or entry.published_at or entry.updated_at


def codes() -> dict[str, str]:
    """Code of each centre by its path. One query."""
    return {row.path: row.code for row in db.session.execute(select(Centre.path, Centre.code))}


def places(path: str, page: int) -> tuple[int, list[Place]]:
    """How many active centres there are in `path` ('': everywhere), and a page of them. Four queries."""
    tree = centres.choices(path)
    shown = [choice.id for choice in tree[(page - 1) * PLACES : page * PLACES]]
    known = {c.id: c for c in db.session.scalars(select(Centre).where(Centre.id.in_(shown)))}
    above = codes()
    hours = centres.weekly_hours_of(shown)
    found = [known[i] for i in shown]
    return len(tree), [
        Place(c, above.get(c.path.removesuffix(f"{c.id}/")), [" ".join(line) for line in rules.week_text(hours[c.id])])
        for c in found
    ]
