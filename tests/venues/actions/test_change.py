"""One's own booking afterwards: another time, length or room, withdrawn, erased (SPEC V2, V5, P8)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from portal.core.errors import NotAllowed
from portal.core.states import StateHistory
from portal.venues.actions import approval, booking
from portal.venues.errors import (
    BookingGone,
    BookingRefused,
    LimitReached,
    NotBookable,
    SlotTaken,
    TooLate,
    VenueGone,
)
from portal.venues.models import APPROVED, CANCELLED, OFFERED, PENDING, REFUSED, WAITING, WITHDRAWN, Booking, Venue
from portal.venues.rules import eligibility
from tests.factories import Make, Town
from tests.venues.helping import at, deliver, inbox, kinds, overlapping, staff, statuses, wait_all, wish


@pytest.fixture
def room(town: Town, make: Make) -> Venue:
    return make.venue(town.centres["A1"])


@pytest.fixture
def mine(town: Town, room: Venue, now: datetime) -> Booking:
    return booking.book(town.resident_actor(0), wish(room, people=10), now)


def test_another_time(session: Any, town: Town, room: Venue, mine: Booking, now: datetime) -> None:
    row = booking.change(town.resident_actor(0), mine.id, at(27, 15), at(27, 17), now)  # overlaps its own old time
    assert row.id == mine.id and (row.starts_at, row.ends_at, row.held_until) == (at(27, 15), at(27, 17), at(27, 17))
    assert (row.status, row.people, row.revision) == (APPROVED, 10, 2)
    assert booking.book(town.resident_actor(1), wish(room, hour=13), now).status == APPROVED
    history = session.scalars(select(StateHistory).where(StateHistory.name == "move")).one()
    assert history.details == {"venue": room.name, "from": at(27, 14).isoformat(), "to": at(27, 16).isoformat()}
    assert overlapping(session) == []


def test_the_same_change_twice_is_one(session: Any, town: Town, mine: Booking, now: datetime) -> None:
    for _ in range(2):
        row = booking.change(town.resident_actor(0), mine.id, at(27, 9), at(27, 10), now)
    assert row.revision == 2
    assert booking.change(town.resident_actor(0), mine.id, row.starts_at, row.ends_at, now).revision == 2


def test_the_old_time_goes_to_who_waits(session: Any, town: Town, room: Venue, now: datetime) -> None:
    rows = wait_all(town, room, now, 2)
    booking.change(town.resident_actor(0), rows[0].id, at(27, 18), at(27, 20), now)
    assert statuses(session, rows) == [APPROVED, APPROVED]
    deliver(session, now)
    assert kinds(session, town.residents[1])[-1] == "place.moved_up"


def test_what_becomes_free_by_shortening_goes_on_too(session: Any, town: Town, room: Venue, now: datetime) -> None:
    held = booking.book(town.resident_actor(0), wish(room), now)
    waiting = booking.wait(town.resident_actor(1), wish(room, hour=15, minutes=60), now)
    booking.change(town.resident_actor(0), held.id, at(27, 14), at(27, 15), now)
    assert statuses(session, [held, waiting]) == [APPROVED, APPROVED]
    assert overlapping(session) == []


def test_into_a_taken_time(session: Any, town: Town, room: Venue, mine: Booking, make: Make, now: datetime) -> None:
    make.booking(room, at(27, 17))
    with pytest.raises(SlotTaken) as taken:
        booking.change(town.resident_actor(0), mine.id, at(27, 16), at(27, 18), now)
    assert taken.value.wish.span.start == at(27, 16)
    assert (mine.starts_at, mine.ends_at) == (at(27, 14), at(27, 16))


def test_another_room_of_another_centre(session: Any, town: Town, mine: Booking, make: Make, now: datetime) -> None:
    other = make.venue(town.centres["B1"], buffer=15, capacity=12)
    row = booking.change(town.resident_actor(0), mine.id, at(27, 14), at(27, 16), now, venue_id=other.id)
    assert (row.venue_id, row.centre_id, row.held_until) == (other.id, town.centres["B1"].id, at(27, 16, 15))
    assert (row.venue.name, other.version) == (other.name, 2)
    with pytest.raises(BookingRefused) as refused:
        booking.change(town.resident_actor(0), mine.id, at(27, 14), at(27, 16), now, people=13)
    assert refused.value.code == "too_many_people"


def test_rooms_that_are_not_there(town: Town, mine: Booking, make: Make, now: datetime) -> None:
    gone, outside = make.venue(town.centres["A1"], active=False), make.venue(town.centres["A1"], bookable=False)
    for venue_id, error in ((99999, VenueGone), (gone.id, VenueGone), (outside.id, NotBookable)):
        with pytest.raises(error):
            booking.change(town.resident_actor(0), mine.id, at(27, 14), at(27, 16), now, venue_id=venue_id)


@pytest.mark.parametrize("people", [0, -1])
def test_nobody_is_not_a_number_of_people(town: Town, mine: Booking, now: datetime, people: int) -> None:
    with pytest.raises(BookingRefused) as refused:
        booking.change(town.resident_actor(0), mine.id, at(27, 14), at(27, 16), now, people=people)
    assert refused.value.code == "bad_people"


# Where somebody decides -----------------------------------------------------------------------------------------------


@pytest.fixture
def asks(town: Town, make: Make) -> Venue:
    return make.venue(town.centres["A1"], needs_approval=True, notice=1440)


@pytest.fixture
def approved(session: Any, town: Town, asks: Venue, now: datetime) -> Booking:
    row = booking.book(town.resident_actor(0), wish(asks, people=10), now)
    with staff(town, "A1") as clerk:
        return approval.approve(clerk, row.id, now)


def test_another_time_is_decided_again(session: Any, town: Town, asks: Venue, approved: Booking, now: datetime) -> None:
    later = now + timedelta(hours=1)
    row = booking.change(town.resident_actor(0), approved.id, at(27, 16), at(27, 18), later)
    assert (row.status, row.waits_at_id, row.decided_at) == (PENDING, asks.centre_id, None)
    assert row.decide_by == later + timedelta(hours=24)
    deliver(session, later)
    assert (
        kinds(session, town.residents[0]) == ["booking.received"] * 2
    )  # the first 'approved' came too late to be true


@pytest.mark.parametrize(("hours", "people", "status"), [
    ((14, 15), None, APPROVED), ((15, 16), 5, APPROVED), ((14, 16), 9, APPROVED), ((14, 16), 11, PENDING),
    ((14, 15), 20, PENDING),
])  # fmt: skip
def test_less_is_not_decided_again_more_is(
    town: Town, approved: Booking, hours: tuple[int, int], people: int | None, status: str
) -> None:
    """Less is possible also within the notice that new bookings need."""
    start, end = (at(27, h) for h in hours)
    row = booking.change(town.resident_actor(0), approved.id, start, end, at(27, 11), people=people)
    assert row.status == status and (row.decided_at is None) == (status == PENDING)


def test_a_pending_one_asks_anew(town: Town, asks: Venue, make: Make, now: datetime) -> None:
    row = booking.book(town.resident_actor(0), wish(asks), now)
    with staff(town, "A1") as clerk:
        approval.hand_up(clerk, row.id, "要用音响", now)
    assert row.waits_at_id == town.centres["A"].id
    booking.change(town.resident_actor(0), row.id, at(28, 14), at(28, 16), now + timedelta(hours=3))
    assert (row.status, row.waits_at_id, row.reason) == (PENDING, asks.centre_id, "")
    assert row.decide_by == now + timedelta(hours=27) and row.created_at == now


def test_a_pending_one_goes_to_a_room_that_asks_nobody(
    session: Any, town: Town, asks: Venue, room: Venue, now: datetime
) -> None:
    row = booking.book(town.resident_actor(0), wish(asks), now)
    booking.change(town.resident_actor(0), row.id, at(27, 14), at(27, 16), now, venue_id=room.id)
    assert (row.status, row.waits_at_id, row.decide_by, row.decided_at) == (APPROVED, None, None, now)
    deliver(session, now)
    assert kinds(session, town.residents[0]) == ["booking.approved"]


def test_limits_count_without_the_old_time(town: Town, make: Make, now: datetime) -> None:
    room = make.venue(town.centres["A1"], hours_per_week=3)
    row = booking.book(town.resident_actor(0), wish(room), now)
    assert booking.change(town.resident_actor(0), row.id, at(28, 14), at(28, 17), now).starts_at == at(28, 14)
    room.hours_per_week = 2
    with pytest.raises(LimitReached):
        booking.change(town.resident_actor(0), row.id, at(29, 14), at(29, 17), now)
    # What one holds already may always become less.
    assert booking.change(town.resident_actor(0), row.id, at(28, 14), at(28, 16, 30), now).status == APPROVED


# Whose, and until when ------------------------------------------------------------------------------------------------


def test_somebody_elses_does_not_exist(town: Town, mine: Booking, now: datetime) -> None:
    other = town.resident_actor(1)
    for act in (booking.withdraw, booking.accept, booking.decline):
        with pytest.raises(BookingGone):
            act(other, mine.id, now)
    with pytest.raises(BookingGone):
        booking.change(other, mine.id, at(27, 9), at(27, 10), now)
    with pytest.raises(BookingGone):
        booking.withdraw(town.resident_actor(0), 99999, now)


@pytest.mark.parametrize(("key", "error"), [
    ("A1", None), ("A1-OP", None), ("A", None), ("D", None), ("A1S", BookingGone), ("A2", BookingGone),
    ("B", BookingGone), ("ZFB", BookingGone), ("D-LOOK", NotAllowed),
])  # fmt: skip
def test_staff_withdraw_in_their_own_tree_only(
    session: Any, town: Town, mine: Booking, now: datetime, key: str, error: type[Exception] | None
) -> None:
    with staff(town, key) as clerk:
        if error is None:
            assert booking.withdraw(clerk, mine.id, at(27, 13), "来电").status == WITHDRAWN
        else:
            with pytest.raises(error):
                booking.withdraw(clerk, mine.id, now, "来电")
    assert mine.status == (APPROVED if error else WITHDRAWN)
    deliver(session, at(27, 13))
    told = [m.body for m in inbox(session, town.residents[0]) if m.kind == "booking.withdrawn"]
    assert len(told) == (error is None) and all("工作人员已为您退订。原因：来电。" in body for body in told)


@pytest.mark.parametrize("status", [OFFERED, WAITING, CANCELLED, REFUSED, WITHDRAWN])
def test_only_what_stands_is_changed(town: Town, room: Venue, make: Make, now: datetime, status: str) -> None:
    row = make.booking(room, at(27, 14), resident=town.residents[0], status=status)
    with pytest.raises(BookingGone) as gone:
        booking.change(town.resident_actor(0), row.id, at(27, 9), at(27, 10), now)
    assert "重新预约" in gone.value.advice


def test_the_deadline(town: Town, mine: Booking, now: datetime) -> None:
    me = town.resident_actor(0)
    for act in (
        lambda t: booking.withdraw(me, mine.id, t),
        lambda t: booking.change(me, mine.id, at(27, 14), at(27, 15), t),
    ):
        with pytest.raises(TooLate) as late:
            act(at(27, 12))
        assert "11月27日 12:00" in late.value.message and "0755-84200003" in late.value.advice
    assert booking.withdraw(me, mine.id, at(27, 11, 59)).status == WITHDRAWN
    assert booking.withdraw(me, mine.id, at(27, 13)).status == WITHDRAWN  # twice, and too late by now


def test_second_thoughts(town: Town, make: Make, now: datetime) -> None:
    """Whoever booked by mistake shortly before may take it back for a quarter of an hour."""
    room = make.venue(town.centres["A1"], notice=0)
    rows = [booking.book(town.resident_actor(n), wish(room, 25, h, 60), now) for n, h in ((0, 11), (1, 12))]
    assert eligibility.deadline(room, rows[0]) == at(25, 10, 15)
    assert booking.withdraw(town.resident_actor(0), rows[0].id, at(25, 10, 14)).status == WITHDRAWN
    with pytest.raises(TooLate):
        booking.withdraw(town.resident_actor(1), rows[1].id, at(25, 10, 15))


def test_second_thoughts_end_with_the_start(town: Town, make: Make, now: datetime) -> None:
    room = make.venue(town.centres["A1"], notice=0)
    row = booking.book(town.resident_actor(0), wish(room, 25, 10), at(25, 9, 55))
    assert eligibility.deadline(room, row) == at(25, 10)


def test_who_hears_late_that_it_is_approved_may_still_say_no(town: Town, asks: Venue, now: datetime) -> None:
    row = booking.book(town.resident_actor(0), wish(asks), now)
    with staff(town, "A1") as clerk:
        approval.approve(clerk, row.id, at(27, 13))
    assert eligibility.deadline(asks, row) == at(27, 13, 15)
    assert booking.withdraw(town.resident_actor(0), row.id, at(27, 13, 10)).status == WITHDRAWN


def test_without_a_phone_somebody_is_named(town: Town, mine: Booking, room: Venue) -> None:
    room.centre.phone = ""
    with pytest.raises(TooLate) as late:
        booking.withdraw(town.resident_actor(0), mine.id, at(27, 13))
    assert "中心的工作人员" in late.value.advice


def test_a_moved_booking_is_not_checked_in_any_more(town: Town, make: Make, now: datetime) -> None:
    room = make.venue(town.centres["A1"], cancel=0)
    row = make.booking(room, at(25, 11), resident=town.residents[0], checked_in_at=now)
    booking.change(town.resident_actor(0), row.id, at(27, 11), at(27, 12), now)
    assert row.checked_in_at is None


# Leaving the portal ---------------------------------------------------------------------------------------------------


def test_erasing_gives_on_what_is_to_come_and_empties_words(
    session: Any, town: Town, room: Venue, make: Make, now: datetime
) -> None:
    me = town.residents[0]
    past = make.booking(room, at(24, 14), resident=me, title="张三家的聚会", needs="轮椅", function="会议")
    rows = wait_all(town, room, now, 2)
    other = make.venue(town.centres["A1"])
    waiting = make.booking(other, at(28, 14), resident=me, status=WAITING)
    booking.erase(me.id, now)
    assert statuses(session, [past, *rows, waiting]) == [APPROVED, WITHDRAWN, APPROVED, WITHDRAWN]
    assert [(b.title, b.needs) for b in (past, rows[0], waiting)] == [("会议", ""), ("使用场地", ""), ("使用场地", "")]
    assert rows[1].title == "舞蹈队排练"
    booking.erase(me.id, now)
    assert statuses(session, rows) == [WITHDRAWN, APPROVED]
    deliver(session, now)
    assert "place.moved_up" in kinds(session, town.residents[1]) and inbox(session, me) == []
