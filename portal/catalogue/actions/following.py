"""What residents follow and like, and the address of their own calendar (SPEC C9, issue 11)."""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select

from portal.catalogue.models import PUBLIC, CalendarFeed, Category, Entry, Follow, Like
from portal.centres.models import Centre
from portal.core import outbox
from portal.core.db import db
from portal.core.errors import DomainError

MOST = 50  # what one person follows
TOPIC, HOUR = "catalogue.followers", timedelta(hours=1)  # what was published in an hour is told together
SETTLED = timedelta(minutes=10)  # a month's last batch commits later than its moment says


class NothingThere(DomainError):
    status = 404
    message = "没有这个中心、类别或活动。"
    advice = "它可能已经撤下，可以从服务清单里再找。"


class TooMuch(DomainError):
    message = f"最多关注 {MOST} 个。"
    advice = "请先在“我关注的”里取消几个。"


def follow_centre(resident_id: int, code: str, on: bool, now: datetime) -> str:
    """Follow a centre and all below it, or no longer; said twice it is done once. Returns what it is called.

    Raises NothingThere, TooMuch.
    """
    centre = db.session.scalar(select(Centre).where(Centre.code == code, Centre.active))
    if centre is None:
        raise NothingThere()
    _set(resident_id, on, now, centre_id=centre.id)
    return centre.label


def follow_category(resident_id: int, code: str, on: bool, now: datetime) -> str:
    """As follow_centre, for a category of activities."""
    category = db.session.scalar(select(Category).where(Category.code == code))
    if category is None:
        raise NothingThere()
    _set(resident_id, on, now, category_id=category.id)
    return category.name


def _set(resident_id: int, on: bool, now: datetime, **what: int) -> None:
    if not on:
        db.session.execute(delete(Follow).filter_by(resident_id=resident_id, **what))
        return
    others = select(func.count(Follow.id)).where(Follow.resident_id == resident_id)
    if (db.session.scalar(others) or 0) >= MOST:
        raise TooMuch()
    row = {"centre_id": None, "category_id": None} | what
    outbox.insert_once(Follow, [{"resident_id": resident_id, "created_at": now, **row}])


def like(resident_id: int, entry_id: int, on: bool, now: datetime) -> None:
    """Like a public activity, once, or take it back. Raises NothingThere."""
    if not on:
        db.session.execute(delete(Like).filter_by(resident_id=resident_id, entry_id=entry_id))
        return
    public = select(Entry.id).where(Entry.id == entry_id, Entry.status.in_(PUBLIC))
    if db.session.scalar(public) is None:
        raise NothingThere()
    outbox.insert_once(Like, [{"resident_id": resident_id, "entry_id": entry_id, "created_at": now}])


def new_address(resident_id: int, now: datetime) -> None:
    """A new address for one's calendar; one that was given before is no longer answered."""
    end_address(resident_id)
    db.session.add(CalendarFeed(resident_id=resident_id, code=secrets.token_hex(8), created_at=now))
    db.session.flush()


def end_address(resident_id: int) -> None:
    """Nobody reads one's calendar by its address any more."""
    db.session.execute(delete(CalendarFeed).where(CalendarFeed.resident_id == resident_id))


def tell_followers(published_at: datetime, now: datetime) -> None:
    """Whoever follows hears of the whole hour of a publication once it is over, and its last batch committed."""
    begin = published_at.replace(minute=0, second=0, microsecond=0)
    payload = {"since": begin.isoformat(), "after": 0}
    outbox.put(TOPIC, f"{begin.isoformat()}:0", payload, now, begin + HOUR + SETTLED)


def erase(resident_id: int, now: datetime) -> None:
    """Part of erasing a person: nothing is followed, liked or read any more."""
    for table in (Follow, Like, CalendarFeed):
        db.session.execute(delete(table).where(table.resident_id == resident_id))
    db.session.flush()
