"""Closures (SPEC V4): around what is booked, or cancelling with notice; activities stay; lifting gives times on."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from portal.core.audit import AuditLog
from portal.core.errors import NotAllowed
from portal.venues.actions import booking, closures
from portal.venues.errors import BookingRefused, ClosureRefused, VenueGone
from portal.venues.models import APPROVED, BY_ACTIVITY, CANCELLED, OFFERED, PENDING, WAITING, Venue, VenueClosure
from portal.venues.rules import Span
from tests.factories import Make, Town
from tests.venues.helping import at, deliver, inbox, kinds, overlapping, span, staff, statuses, wait_all, wish

DAY = Span(at(27, 9), at(27, 21))


@pytest.fixture
def room(town: Town, make: Make) -> Venue:
    return make.venue(town.centres["A1"], name="三楼会议室")


def count(session: Any) -> int:
    return int(session.scalar(select(func.count()).select_from(VenueClosure)))


def test_around_what_is_booked(session: Any, town: Town, room: Venue, now: datetime) -> None:
    kept = booking.book(town.resident_actor(0), wish(room), now)
    with staff(town, "A1") as clerk:
        assert closures.affected(room.centre_id, room.id, DAY) == [kept]
        done = closures.close(clerk, room.centre_id, room.id, DAY, " 空调  检修 ", False, now)
    assert (done.closure.reason, done.closure.created_by) == ("空调 检修", "A1管理员")
    assert done.kept == [kept] and done.cancelled == [] and kept.status == APPROVED
    with pytest.raises(BookingRefused) as refused:
        booking.book(town.resident_actor(1), wish(room, hour=16), now)
    assert refused.value.code == "closed" and "空调 检修" in refused.value.message
    assert booking.book(town.resident_actor(1), wish(room, 28), now).status == APPROVED
    deliver(session, now)
    assert kinds(session, town.residents[0]) == ["booking.approved"]
    assert (
        session.scalars(select(AuditLog).where(AuditLog.verb == "venue.close")).one().summary.endswith("取消 0 份预约")
    )


def test_with_notice(session: Any, town: Town, room: Venue, make: Make, now: datetime) -> None:
    rows = wait_all(town, room, now, 2)
    party = make.booking(room, at(27, 9), source=BY_ACTIVITY, source_id=3, title="主题党课")
    asked = make.booking(room, at(27, 10), resident=town.residents[2], status=PENDING)
    offer = make.booking(room, at(27, 11), resident=town.residents[3], status=OFFERED, accept_by=at(26, 9))
    next_door = make.booking(make.venue(town.centres["A1"]), at(27, 14), resident=town.residents[4])
    after = booking.book(town.resident_actor(4), wish(room, 28), now)
    deliver(session, now)
    with staff(town, "A1") as clerk:
        done = closures.close(clerk, room.centre_id, room.id, DAY, "漏水", True, now)
    assert done.kept == [party] and {b.id for b in done.cancelled} == {b.id for b in (*rows, asked, offer)}
    assert statuses(session, [*rows, asked, offer]) == [CANCELLED] * 4
    assert statuses(session, [party, next_door, after]) == [APPROVED] * 3
    deliver(session, now)
    told = inbox(session, town.residents[0])[-1]
    assert told.kind == "change.cancelled" and "用不了了，您不用来。原因：漏水。" in told.body
    assert kinds(session, town.residents[1]) == ["booking.waiting", "change.cancelled"]  # not moved up into it


def test_the_whole_centre(session: Any, town: Town, room: Venue, make: Make, now: datetime) -> None:
    other, sister = make.venue(town.centres["A1"]), make.venue(town.centres["A2"])
    rows = [make.booking(v, at(27, 14), resident=town.residents[0]) for v in (room, other, sister)]
    with staff(town, "A") as clerk:
        done = closures.close(clerk, town.centres["A1"].id, None, DAY, "停电", True, now)
    assert statuses(session, rows) == [CANCELLED, CANCELLED, APPROVED] and done.closure.venue_id is None
    for venue, closed in ((room, True), (other, True), (sister, False)):
        if closed:
            with pytest.raises(BookingRefused):
                booking.book(town.resident_actor(1), wish(venue, hour=10), now)
        else:
            assert booking.book(town.resident_actor(1), wish(venue, hour=10), now).status == APPROVED
    assert room.version > 1 and other.version > 1


def test_half_open(session: Any, town: Town, room: Venue, make: Make, now: datetime) -> None:
    before, after = make.booking(room, at(27, 8)), make.booking(room, at(27, 21))
    with staff(town, "A1") as clerk:
        done = closures.close(clerk, room.centre_id, room.id, DAY, "漏水", True, now)
    assert done.cancelled == [] and statuses(session, [before, after]) == [APPROVED] * 2


def test_who_waits_outside_the_closure_gets_what_it_frees(session: Any, town: Town, room: Venue, now: datetime) -> None:
    held = booking.book(town.resident_actor(0), wish(room, hour=13, minutes=180), now)
    inside = booking.wait(town.resident_actor(1), wish(room, hour=14, minutes=60), now)
    outside = booking.wait(town.resident_actor(2), wish(room, hour=15, minutes=60), now)
    with staff(town, "A1") as clerk:
        closures.close(clerk, room.centre_id, room.id, Span(at(27, 13), at(27, 15)), "打蜡", True, now)
    assert statuses(session, [held, inside, outside]) == [CANCELLED, CANCELLED, APPROVED]


def test_what_is_over_stays(session: Any, town: Town, room: Venue, make: Make, now: datetime) -> None:
    over = make.booking(room, at(25, 9), resident=town.residents[0])  # ended this minute
    running = make.booking(room, at(25, 10), resident=town.residents[1], checked_in_at=now)
    with staff(town, "A1") as clerk:
        done = closures.close(clerk, room.centre_id, room.id, Span(at(25, 9), at(25, 21)), "停电", True, now)
    assert done.kept == [over] and done.cancelled == [running]


def test_the_form_sent_twice_is_one_closure(session: Any, town: Town, room: Venue, now: datetime) -> None:
    row = booking.book(town.resident_actor(0), wish(room), now)
    with staff(town, "A1") as clerk:
        first = closures.close(clerk, room.centre_id, room.id, DAY, "漏水", False, now)
        again = closures.close(clerk, room.centre_id, room.id, DAY, "漏水", True, now)
        third = closures.close(clerk, room.centre_id, room.id, DAY, "漏水", True, now)
    assert first.closure.id == again.closure.id == third.closure.id and count(session) == 1
    assert (again.cancelled, third.cancelled, row.status) == ([row], [], CANCELLED)
    deliver(session, now)
    assert kinds(session, town.residents[0]).count("change.cancelled") == 1


@pytest.mark.parametrize(("when", "reason", "way"), [
    (DAY, " ", "写明停用的原因"), (Span(at(27, 21), at(27, 9)), "漏水", "晚于"), (Span(at(27, 9), at(27, 9)), "漏水", "晚于"),
    (Span(at(24, 9), at(25, 10)), "漏水", "以后的时间"),
    (Span(at(27, 9), at(27, 9) + timedelta(days=367)), "漏水", "“场地”里停用"),
])  # fmt: skip
def test_refused(session: Any, town: Town, room: Venue, now: datetime, when: Span, reason: str, way: str) -> None:
    with staff(town, "A1") as clerk, pytest.raises(ClosureRefused) as refused:
        closures.close(clerk, room.centre_id, room.id, when, reason, True, now)
    assert way in refused.value.message + refused.value.advice and refused.value.status == 422
    assert count(session) == 0


@pytest.mark.parametrize("key", ["A2", "B", "A1S", "ZFB", "D-LOOK"])
def test_not_by_strangers(session: Any, town: Town, room: Venue, make: Make, now: datetime, key: str) -> None:
    closure = make.closure(room, at(28, 9), at(28, 21))
    row = make.booking(room, at(27, 14), resident=town.residents[0])
    centre_id, venue_id = room.centre_id, room.id
    with staff(town, key) as clerk:
        for venue in (venue_id, None):
            with pytest.raises((VenueGone, NotAllowed)):
                closures.close(clerk, centre_id, venue, DAY, "漏水", True, now)
        with pytest.raises((VenueGone, NotAllowed)):
            closures.lift(clerk, closure.id, now)
        assert closures.affected(centre_id, None, DAY) == [] or key == "D-LOOK"
    assert (row.status, closure.lifted_at, count(session)) == (APPROVED, None, 1)


def test_a_room_of_another_centre_does_not_hang_on_this_one(town: Town, room: Venue, make: Make, now: datetime) -> None:
    sister = make.venue(town.centres["A2"])
    with staff(town, "A") as clerk:
        for centre_id, venue_id in (
            (town.centres["A1"].id, sister.id),
            (town.centres["A2"].id, room.id),
            (99999, None),
        ):
            with pytest.raises(VenueGone):
                closures.close(clerk, centre_id, venue_id, DAY, "漏水", True, now)


# Lift -----------------------------------------------------------------------------------------------------------------


def test_lifting_gives_the_time_to_who_waits(session: Any, town: Town, room: Venue, make: Make, now: datetime) -> None:
    rows = wait_all(town, room, now, 3)
    with staff(town, "A1") as clerk:
        closure = closures.close(clerk, room.centre_id, room.id, DAY, "漏水", False, now).closure
    booking.withdraw(town.resident_actor(0), rows[0].id, now)
    assert statuses(session, rows[1:]) == [WAITING, WAITING]  # closed: nobody gets it
    deliver(session, now)
    with staff(town, "A1") as clerk:
        for _ in range(2):
            assert closures.lift(clerk, closure.id, now).lifted_at == now
    assert statuses(session, rows[1:]) == [APPROVED, WAITING] and overlapping(session) == []
    deliver(session, now)
    assert kinds(session, town.residents[1]) == ["booking.waiting", "place.moved_up"]
    assert booking.book(town.resident_actor(4), wish(room, hour=9), now).status == APPROVED


def test_lifting_one_of_two_closures_opens_nothing_else(
    session: Any, town: Town, room: Venue, make: Make, now: datetime
) -> None:
    waiting = make.booking(room, at(27, 14), resident=town.residents[0], status=WAITING)
    first, _ = make.closure(room, at(27, 9), at(27, 21)), make.closure(room, at(27, 14), at(27, 15))
    with staff(town, "A1") as clerk:
        closures.lift(clerk, first.id, now)
    assert statuses(session, [waiting]) == [WAITING]


def test_lifting_what_is_over(session: Any, town: Town, room: Venue, make: Make, now: datetime) -> None:
    closure = make.closure(room, at(20, 9), at(20, 21))
    with staff(town, "A1") as clerk:
        assert closures.lift(clerk, closure.id, now).lifted_at == now
        with pytest.raises(VenueGone):
            closures.lift(clerk, 99999, now)
    assert span(20, 9).start < now
