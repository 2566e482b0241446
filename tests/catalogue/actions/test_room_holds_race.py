"""One room, several hands at once: on both databases one wins and the others are told (SPEC V2, V4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from portal.catalogue.actions import changing, entry_values, handing_in, publishing, reviewing
from portal.catalogue.actions.room_holds import NoRoom
from portal.catalogue.models import DRAFT, IN_REVIEW, Entry
from portal.core.access import Actor
from portal.core.db import db
from portal.core.errors import DomainError
from portal.venues.actions import booking
from portal.venues.errors import SlotTaken
from portal.venues.models import BY_ACTIVITY, HOLDS, Booking
from portal.venues.rules.eligibility import Wish
from tests.catalogue.wording import MONTH, draft, published, span
from tests.concurrency import rush
from tests.factories import NOW, Make, Town

pytestmark = pytest.mark.own_database


def overlaps(session: Any) -> int:
    session.rollback()
    one, other = aliased(Booking), aliased(Booking)
    both = select(func.count()).select_from(one).join(other, one.venue_id == other.venue_id)
    both = both.where(one.id < other.id, one.status.in_(HOLDS), other.status.in_(HOLDS))
    return session.scalar(both.where(one.starts_at < other.held_until, other.starts_at < one.held_until)) or 0


def offer(who: Actor, entry_id: int) -> Callable[[], Any]:
    return lambda: reviewing.offer(who, db.session.get_one(Entry, entry_id), NOW)


def test_rows_handed_in_at_once_for_one_room(app: Flask, session: Any, town: Town, make: Make) -> None:
    room = make.venue(town.centres["A1"], name="三楼会议室")
    ids = [draft(town, venue_id=room.id, title=f"第{n}个").id for n in range(8)]
    who = town.actor("A1")
    session.commit()
    answers = rush(app, [offer(who, i) for i in ids])
    assert sorted(type(a).__name__ for a in answers) == ["NoRoom"] * 7 + ["NoneType"], answers
    assert overlaps(session) == 0
    sent = session.scalars(select(Entry.id).where(Entry.status == IN_REVIEW)).all()
    assert session.scalars(select(Booking.source_id).where(Booking.status.in_(HOLDS))).all() == sent
    assert session.scalar(select(func.count()).where(Entry.status == DRAFT)) == 7


def test_residents_and_a_row_at_once(app: Flask, session: Any, town: Town, make: Make) -> None:
    rooms = [make.venue(town.centres["A1"], name=f"{n}号", ahead_days=60) for n in range(6)]
    pairs = [(draft(town, venue_id=r.id, title=f"第{n}个").id, r.id) for n, r in enumerate(rooms)]
    who, people = town.actor("A1"), [p.id for p in town.residents]
    session.commit()
    on = span(5, "10:00", "10:30")

    def book(room_id: int, person: int) -> Callable[[], Any]:
        return lambda: booking.book(Actor("resident", person, "居民"), Wish(room_id, on.start, on.end), NOW).id

    jobs = [job for i, r in pairs for job in (book(r, people[0]), offer(who, i), book(r, people[1]))]
    answers = rush(app, jobs)
    wrong = [a for a in answers if isinstance(a, Exception) and not isinstance(a, (NoRoom, SlotTaken))]
    assert wrong == []
    assert overlaps(session) == 0
    for entry_id, room_id in pairs:
        live = select(Booking.source).where(Booking.venue_id == room_id, Booking.status.in_(HOLDS))
        [source] = session.scalars(live)
        entry = session.get_one(Entry, entry_id)
        assert (source == BY_ACTIVITY) == (entry.status == IN_REVIEW)


def test_lists_and_changes_never_wait_for_each_other_in_a_circle(
    app: Flask, session: Any, town: Town, make: Make
) -> None:
    """Two rooms taken in opposite orders, while published rows swap theirs."""
    one, two = (make.venue(town.centres["A1"], name=n) for n in ("一号", "二号"))
    for day, room in ((5, two), (6, one), (7, two)):
        draft(town, venue_id=room.id, title=f"{day}日", sessions=(span(day),))
    out = [published(town, venue_id=r.id, title=r.name, sessions=(span(20),)).id for r in (one, two)]
    a1, district = town.actor("A1"), town.actor("D")
    ids = [draft(town, venue_id=r.id, title=f"又{n}", sessions=(span(8 + n),)).id for n, r in enumerate((two, one))]
    room_ids = (two.id, one.id)
    session.commit()

    def swap(entry_id: int, room_id: int, day: int) -> Callable[[], Any]:
        def act() -> Any:
            entry = db.session.get_one(Entry, entry_id)
            after = entry_values.values_of(entry)
            return changing.ask_change(district, entry, _moved(after, room_id, day), "换场地", NOW)

        return act

    def submit() -> Any:
        return handing_in.submit_issue(a1, db.session.get_one(Entry, ids[0]).centre, MONTH, NOW)

    swaps = [job for n in range(6) for job in (swap(out[0], room_ids[n % 2], 21 + n),
                                               swap(out[1], room_ids[1 - n % 2], 21 + n))]  # fmt: skip
    jobs = [submit, *swaps[:6], offer(a1, ids[1]), submit, *swaps[6:],
            lambda: publishing.publish_month(MONTH, NOW, district, force=True)]  # fmt: skip
    answers = rush(app, jobs)
    faults = [a for a in answers if isinstance(a, Exception) and not isinstance(a, DomainError)]
    assert faults == []
    assert overlaps(session) == 0


def _moved(values: Any, room_id: int, day: int) -> Any:
    return replace(values, venue_id=room_id, sessions=(span(day),))
