"""What was published in an hour is told to those who follow it: one message each, one effect for many (SPEC C9, M3)."""

from collections import defaultdict
from datetime import datetime
from typing import Any

from sqlalchemy import select

from portal.catalogue import notices
from portal.catalogue.actions.following import HOUR, TOPIC
from portal.catalogue.models import PUBLISHED, Category, Entry, Follow
from portal.centres.models import Centre
from portal.core import outbox
from portal.core.db import db
from portal.notices.actions import Told, tell_residents

AT_ONCE = 500  # residents of one effect; the others are the next one's


@outbox.handler(TOPIC)
def on_published(payload: dict[str, Any], now: datetime) -> None:
    """payload: since (the hour's beginning), after (the last resident who was told)."""
    since, after = datetime.fromisoformat(payload["since"]), payload["after"]
    ids = select(Follow.resident_id).where(Follow.resident_id > after).distinct()
    people = list(db.session.scalars(ids.order_by(Follow.resident_id).limit(AT_ONCE)))
    published = _published(since, now) if people else []
    if not published:
        return
    told = []
    for resident, followed in _followed(people).items():
        fits = [entry for entry in published if followed & entry.subjects]
        if fits:
            words = notices.followed([(entry.title, entry.first_start) for entry in fits])
            told.append(Told(resident, f"follow:{payload['since']}", words.title, words.body))
    tell_residents(told, notices.FOLLOW, "", "", notices.FOLLOWS_LINK, now)
    if len(people) == AT_ONCE:
        following = {"since": payload["since"], "after": people[-1]}
        outbox.put(TOPIC, f"{payload['since']}:{people[-1]}", following, now)


class _Published:
    """subjects: what somebody may follow of it, as ('centre' or 'category', number)."""

    def __init__(self, row: Any) -> None:
        self.title, self.first_start = row.title, row.first_start
        above = [("centre", int(number)) for number in row.path.strip("/").split("/")]
        self.subjects = {*above, ("category", row.category_id), ("category", row.parent_id)}


def _published(since: datetime, now: datetime) -> list[_Published]:
    """Of that hour, what is still to come, the nearest first."""
    wanted = (
        select(Entry.title, Entry.first_start, Entry.category_id, Category.parent_id, Centre.path)
        .join(Centre, Centre.id == Entry.centre_id)
        .join(Category, Category.id == Entry.category_id)
        .where(Entry.published_at >= since, Entry.published_at < since + HOUR)
        .where(Entry.status == PUBLISHED, Entry.last_end > now)
        .order_by(Entry.first_start, Entry.id)
    )
    return [_Published(row) for row in db.session.execute(wanted)]


def _followed(people: list[int]) -> dict[int, set[tuple[str, int]]]:
    found: dict[int, set[tuple[str, int]]] = defaultdict(set)
    wanted = select(Follow.resident_id, Follow.centre_id, Follow.category_id).where(Follow.resident_id.in_(people))
    for row in db.session.execute(wanted):
        found[row.resident_id].add(
            ("centre", row.centre_id) if row.centre_id is not None else ("category", row.category_id)
        )
    return found
