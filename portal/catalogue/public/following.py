"""What a resident follows: reads for pages, their calendar, and what the features above ask for."""

import hmac
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, bindparam, exists, func, literal, select
from sqlalchemy.orm import aliased

from portal.catalogue.actions import following as actions
from portal.catalogue.models import (
    CANCELLED,
    PUBLIC,
    CalendarFeed,
    Category,
    DroppedSession,
    Entry,
    EntrySession,
    Follow,
    Like,
)
from portal.catalogue.public import month_snapshot
from portal.catalogue.public.month_snapshot import Row
from portal.centres.models import Centre
from portal.core import clock, ical, reads, registry, sealed
from portal.core.db import db
from portal.core.ical import Dated

CALENDAR_SINCE = timedelta(days=7)  # what is over longer ago is no longer told to calendars
PURPOSE = "calendar address"
MARK = 32  # hex digits of the address that only we can make


@dataclass(frozen=True, slots=True)
class Followed:
    """A centre (path: of it; '' for a category) or a category that somebody follows."""

    what: str
    code: str
    name: str
    path: str = ""

    @property
    def url(self) -> str:
        return f"/services?{self.what}={self.code}"

    def fits(self, row: Any) -> bool:
        """row: a Row, or whatever has its place and category."""
        if self.what == "centre":
            return bool(row.centre_path.startswith(self.path))
        return self.code in (row.category, row.parent_category)


_FOLLOWED = (
    select(
        Centre.code.label("centre"), Centre.short_name, Centre.name.label("centre_name"), Centre.path,
        Category.code.label("category"), Category.name.label("category_name"),
    )
    .select_from(Follow)
    .outerjoin(Centre, Centre.id == Follow.centre_id)
    .outerjoin(Category, Category.id == Follow.category_id)
    .where(Follow.resident_id == bindparam("resident_id"))
    .order_by(Follow.id)
)  # fmt: skip


def of(resident_id: int) -> list[Followed]:
    """What somebody follows, in the order of following. One statement."""
    rows = reads.own_rows(_FOLLOWED, resident_id=resident_id)
    return [
        Followed("centre", r.centre, r.short_name or r.centre_name, r.path)
        if r.centre is not None
        else Followed("category", r.category, r.category_name)
        for r in rows
    ]


_OF_ENTRY = (
    select(literal("like").label("what"), literal("").label("code"))
    .where(exists().where(Like.resident_id == bindparam("resident_id"), Like.entry_id == bindparam("entry_id")))
    .union_all(
        select(literal("centre"), Centre.code)
        .join(Follow, Follow.centre_id == Centre.id)
        .where(Follow.resident_id == bindparam("resident_id")),
        select(literal("category"), Category.code)
        .join(Follow, Follow.category_id == Category.id)
        .where(Follow.resident_id == bindparam("resident_id")),
    )
)


def about(resident_id: int | None, entry_id: int = 0) -> set[tuple[str, str]]:
    """What a page needs to draw its buttons: ('centre' or 'category', code) of what is followed, ('like', '') when the
    activity is liked. One statement, none for somebody who is not signed in.
    """
    if resident_id is None:
        return set()
    return {(row.what, row.code) for row in reads.own_rows(_OF_ENTRY, resident_id=resident_id, entry_id=entry_id)}


def coming(followed: Collection[Followed], now: datetime) -> list[Row]:
    """What is to come of what is followed, each once, the nearest first."""
    rows = [
        pair[0]
        for pair in month_snapshot.select_rows(month_snapshot.ahead(now).rows, month_snapshot.Filters(), now).coming
    ]
    return [row for row in rows if row.status != CANCELLED and any(one.fits(row) for one in followed)]


# One's own calendar ---------------------------------------------------------------------------------------------------


def address(resident_id: int) -> str:
    """The path of somebody's own calendar; '' when they have asked for none."""
    code = db.session.scalar(select(CalendarFeed.code).where(CalendarFeed.resident_id == resident_id))
    return f"/calendar/mine/{code}{_mark(code)}.ics" if code else ""


def _mark(code: str) -> str:
    return sealed.mark(code, PURPOSE)[:MARK]


def whose(key: str) -> int | None:
    """The resident whose calendar has this address; None for one that we have not given, or that was ended."""
    code, mark = key[:-MARK], key[-MARK:]
    if not code or not key.isascii() or not hmac.compare_digest(mark, _mark(code)):
        return None
    return db.session.scalar(select(CalendarFeed.resident_id).where(CalendarFeed.code == code))


def dated(rows: Iterable[Row], since: datetime) -> list[Dated]:
    """The sessions of activities that end after `since`, each under its own number."""
    return [
        # The session's number, not its place among them: a date that stays is the same event.
        Dated(
            f"entry-{row.id}-{number}", row.version, start, end, row.title, row.place or row.centre_name,
            f"/s/{row.id}", row.status == CANCELLED,
        )
        for row in rows
        for number, (start, end) in zip(row.session_ids, row.sessions, strict=True)
        if end > since
    ]  # fmt: skip


_parent = aliased(Category)
DROPPED_DATES: Select[*tuple[Any, ...]] = (
    select(
        Entry.id, DroppedSession.session_id, Entry.version, DroppedSession.starts_at, DroppedSession.ends_at,
        Entry.title, Entry.place, Centre.short_name, Centre.path.label("centre_path"),
        Category.code.label("category"), func.coalesce(_parent.code, "").label("parent_category"),
    )
    .select_from(DroppedSession)
    .join(Entry, Entry.id == DroppedSession.entry_id)
    .join(Centre, Centre.id == Entry.centre_id)
    .join(Category, Category.id == Entry.category_id)
    .outerjoin(_parent, _parent.id == Category.parent_id)
    # A list that was taken back and published again, or a number that another date has got: it is not off.
    .where(~exists().where(
        EntrySession.id == DroppedSession.session_id, EntrySession.entry_id == Entry.id, Entry.status.in_(PUBLIC)
    ))
    .order_by(DroppedSession.starts_at, DroppedSession.session_id)
)  # fmt: skip
_DROPPED_IN = DROPPED_DATES.where(
    Entry.month.in_(bindparam("months", expanding=True)), DroppedSession.ends_at > bindparam("since")
)
_DROPPED_OF = DROPPED_DATES.where(Entry.id == bindparam("entry_id"))


def off(row: Any) -> Dated:
    """A record of DROPPED_DATES for calendars that have the date still: the same name, a higher sequence, cancelled."""
    return Dated(
        f"entry-{row.id}-{row.session_id}", row.version, row.starts_at, row.ends_at, row.title,
        row.place or row.short_name, f"/s/{row.id}", True,
    )  # fmt: skip


def dropped_in(months: Iterable[str], since: datetime, path: str) -> list[Dated]:
    """Dates of `path` and below that were in the lists of these months and are not any more. One statement."""
    rows = reads.rows(_DROPPED_IN, months=list(months), since=since)
    return [off(row) for row in rows if row.centre_path.startswith(path)]


def dropped_of(entry_id: int) -> list[Dated]:
    """Dates that one activity had and has not any more. One statement."""
    return [off(row) for row in reads.rows(_DROPPED_OF, entry_id=entry_id)]


def calendar(resident_id: int, now: datetime) -> bytes:
    """What somebody follows and has, as one calendar; what is both is one event."""
    since = clock.at(clock.today(now), datetime.min.time()) - CALENDAR_SINCE
    followed = of(resident_id)
    stamps = month_snapshot.read_stamps(clock.month_of(since))
    rows = month_snapshot.published(stamps, now).rows if followed else ()
    found = dated((row for row in rows if any(one.fits(row) for one in followed)), since)
    if followed:
        dropped = reads.rows(_DROPPED_IN, months=month_snapshot.months_from(clock.month_of(since)), since=since)
        found += [off(row) for row in dropped if any(one.fits(row) for one in followed)]
    events = {one.uid: one for one in found}
    for source in registry.dates_sources.values():
        for one in source(resident_id, since):
            if one.uid not in events or events[one.uid].cancelled:
                events[one.uid] = one
    made = clock.at(clock.today(now), datetime.min.time())
    ordered = sorted(events.values(), key=lambda one: (one.start, one.uid))
    return ical.book("我的服务", ordered, made)


# For the features above -----------------------------------------------------------------------------------------------


@registry.personal
def personal(resident_id: int) -> dict[str, Any]:
    """This feature's part of the export of own data."""
    liked = select(Entry.title).join(Like, Like.entry_id == Entry.id).where(Like.resident_id == resident_id)
    return {
        "关注": [one.name for one in of(resident_id)],
        "赞过的活动": list(db.session.scalars(liked.order_by(Like.created_at))),
        "日历地址": bool(address(resident_id)),
    }


registry.erase(actions.erase)
