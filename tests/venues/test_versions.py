"""Every write about a room raises its version, by which pages kept in memory are proved fresh (SPEC V2)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import text

from portal.core.access import Actor
from portal.core.db import db
from portal.venues import deadlines
from portal.venues.actions import activity_holds, approval, booking, check_in, closures, import_csv, rooms, series
from portal.venues.models import Venue
from portal.venues.rules import Span
from tests.factories import NOW, Make, Town
from tests.venues.helping import at, span, wish

FACTS = (
    "SELECT version, active, name, capacity, who_may, needs_approval, own_hours, buffer, shortest, longest, step, "
    "notice, ahead_days, functions, phone FROM venue WHERE id = :id"
)
HELD = (
    "SELECT starts_at, held_until FROM booking WHERE venue_id = :id AND status IN ('pending', 'approved', 'offered') "
    "ORDER BY starts_at"
)
SHUT = (
    "SELECT id, starts_at, ends_at, reason FROM venue_closure WHERE lifted_at IS NULL "
    "AND (venue_id = :id OR venue_id IS NULL AND centre_id = (SELECT centre_id FROM venue WHERE id = :id)) ORDER BY id"
)
HOURS = "SELECT weekday, opens, closes FROM venue_hours WHERE venue_id = :id ORDER BY weekday, opens"


class Watch:
    """What pages tell of each room, and its version: the one must not change without the other."""

    def __init__(self, session: Any) -> None:
        self.session, self.known = session, self.look(session)
        self.moved: list[int] = []

    @staticmethod
    def look(session: Any) -> dict[int, tuple[int, tuple[Any, ...]]]:
        found = {}
        for room in session.scalars(text("SELECT id FROM venue")).all():
            version, *facts = session.execute(text(FACTS), {"id": room}).one()
            more = [tuple(map(tuple, session.execute(text(sql), {"id": room}))) for sql in (HELD, HOURS, SHUT)]
            found[room] = (version, (*map(str, facts), *more))
        return found

    def after(self, what: str) -> None:
        """Compare with before `what`."""
        self.session.flush()
        now = self.look(self.session)
        for room, (version, told) in now.items():
            before, was = self.known.get(room, (0, ()))
            if told != was:
                self.moved.append(room)
                assert version > before, f"{what}: room {room} tells something new under the old version"
        self.known = now


def _residents_write(watch: Watch, town: Town, room: Venue, other: Venue, now: datetime) -> None:
    me, you = town.resident_actor(0), town.resident_actor(1)
    mine = booking.book(me, wish(room), now)
    watch.after("book")
    waiting = booking.wait(you, wish(room), now)
    watch.after("wait")
    booking.change(me, mine.id, mine.starts_at, mine.ends_at - timedelta(minutes=30), now)
    watch.after("shorten")
    booking.change(me, mine.id, at(28, 9), at(28, 10), now, venue_id=other.id)
    watch.after("change to another room; the next one moves up")
    booking.withdraw(you, waiting.id, now)
    watch.after("withdraw")
    soon = booking.book(me, wish(room, 25, 18), now)
    booking.wait(you, wish(room, 25, 18), now)
    watch.after("book and wait for today")
    booking.withdraw(me, soon.id, now)
    watch.after("withdraw; the next one is asked")
    with suppress(Exception):
        booking.decline(you, waiting.id, now)
    booking.erase(town.residents[1].id, now)
    watch.after("erase")


def _staff_write(watch: Watch, town: Town, asked: Venue, other: Venue, now: datetime) -> None:
    me, clerk = town.resident_actor(0), town.actor("A1")
    rows = [booking.book(me, wish(asked, day), now) for day in (27, 28, 29)]
    watch.after("ask")
    approval.approve(clerk, rows[0].id, now)
    approval.refuse(clerk, rows[1].id, "检修", now)
    watch.after("refuse")
    approval.move(clerk, rows[0].id, other.id, at(27, 9), at(27, 10), "换场地", now)
    watch.after("move")
    approval.cancel(clerk, rows[0].id, "停电", now)
    watch.after("cancel")
    preferred = booking.wait(town.resident_actor(1), wish(asked, 29), now)
    approval.prefer(clerk, preferred.id, "社区活动", now)
    watch.after("prefer")
    approval.book_for(clerk, wish(other, 30, month=11), "", "王主任", now)
    watch.after("book for somebody")
    tuesdays = series.Rule(other.id, "合唱团", frozenset({1}), date(2026, 12, 1), date(2026, 12, 20), 840, 960)
    done = series.book_series(clerk, tuesdays, {}, now)
    watch.after("series")
    series.end_series(clerk, done.series.id, "停课", now)
    watch.after("end of series")
    _closures(watch, clerk, asked, now)
    activity_holds.hold(7, "讲座", other.id, [span(28, 18)], 20, True, clerk, now)
    watch.after("hold for an activity")
    activity_holds.release(7, "活动取消", now)
    watch.after("release of an activity")


def _closures(watch: Watch, clerk: Actor, room: Venue, now: datetime) -> None:
    one = closures.close(
        clerk, room.centre_id, room.id, Span(at(1, 8, month=12), at(1, 20, month=12)), "打蜡", True, now
    )
    watch.after("close a room")
    closures.close(clerk, room.centre_id, None, Span(at(2, 8, month=12), at(2, 20, month=12)), "消防演练", True, now)
    watch.after("close a centre")
    closures.lift(clerk, one.closure.id, now)
    watch.after("lift")


def _deadlines_pass(watch: Watch, town: Town, asked: Venue, open_: Venue) -> None:
    watch.after("rooms made for this")
    booking.book(town.resident_actor(2), wish(asked, 26, 18), NOW)
    booking.book(town.resident_actor(3), wish(open_, 26, 18), NOW)
    watch.after("books")
    db.session.commit()
    for hour in (18, 19):
        later = at(26, hour, 31)
        for rule in (deadlines.hand_up_undecided, deadlines.lapse, check_in.release_no_shows):
            rule(later)
            watch.after(f"{rule.__name__} at {hour}:31")


def _rooms_change(watch: Watch, town: Town, room: Venue, other: Venue, now: datetime) -> None:
    watch.after("rooms made for this")
    clerk = town.actor("A1")
    week = dict.fromkeys(range(7), ((600, 1200),))
    facts = replace(rooms.facts_of(room), name="新名字", capacity=15)
    rooms.edit_room(clerk, room.id, facts, week, now)
    watch.after("edit with hours of its own")
    rooms.copy_rules(clerk, room.id, [other.id], rooms.PARTS, now)
    watch.after("copy rules")
    new = rooms.add_room(clerk, room.centre, replace(facts, name="又一间"), None, now)
    watch.after("add")
    rooms.retire_room(clerk, new.id, now)
    watch.after("retire")
    rooms.restore_room(clerk, new.id, now)
    watch.after("restore")
    import_csv.load_venues(now)
    watch.after("import")


def test_every_write_raises_the_version(session: Any, town: Town, make: Make, now: datetime) -> None:
    """A version that stood still would show a taken room as free until the next minute."""
    a1 = town.centres["A1"]
    room, other = make.venue(a1, buffer=15), make.venue(a1)
    asked_ = make.venue(a1, needs_approval=True)
    late = make.venue(a1, release=30)
    watch = Watch(session)
    _residents_write(watch, town, room, other, now)
    _staff_write(watch, town, asked_, other, now)
    _deadlines_pass(watch, town, make.venue(a1, needs_approval=True, name="等审批"), late)
    _rooms_change(watch, town, make.venue(a1, name="要改的"), make.venue(a1, name="也要改"), now)
    assert len(watch.moved) > 25
