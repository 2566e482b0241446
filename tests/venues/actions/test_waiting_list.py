"""The waiting list of a taken time (SPEC V5): whoever asked first is asked first; late ones are asked, offers lapse."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from portal.venues import deadlines
from portal.venues.actions import approval, booking
from portal.venues.errors import BookingGone, OfferOver, TooLate
from portal.venues.models import APPROVED, LAPSED, OFFERED, PENDING, WAITING, WITHDRAWN, Booking, Venue
from tests.factories import Make, Town
from tests.venues.helping import at, deliver, inbox, kinds, overlapping, staff, statuses, wait_all, wish


@pytest.fixture
def room(town: Town, make: Make) -> Venue:
    return make.venue(town.centres["A1"], notice=0)


def test_first_come_first_served(session: Any, town: Town, room: Venue, now: datetime) -> None:
    rows = wait_all(town, room, now, 4)
    assert statuses(session, rows) == [APPROVED, WAITING, WAITING, WAITING]
    booking.withdraw(town.resident_actor(0), rows[0].id, now)
    assert statuses(session, rows) == [WITHDRAWN, APPROVED, WAITING, WAITING]
    booking.withdraw(town.resident_actor(2), rows[2].id, now)  # leaving the line moves nobody
    booking.withdraw(town.resident_actor(1), rows[1].id, now)
    assert statuses(session, rows) == [WITHDRAWN, WITHDRAWN, WITHDRAWN, APPROVED]


def test_everybody_hears_their_own_part_once(session: Any, town: Town, room: Venue, now: datetime) -> None:
    rows = wait_all(town, room, now, 3)
    deliver(session, now)
    assert "您排第 1 位" in inbox(session, town.residents[1])[0].body
    assert "您排第 2 位" in inbox(session, town.residents[2])[0].body
    booking.withdraw(town.resident_actor(0), rows[0].id, now)
    deliver(session, now)
    assert kinds(session, town.residents[0]) == ["booking.approved"]
    assert kinds(session, town.residents[1]) == ["booking.waiting", "place.moved_up"]
    assert kinds(session, town.residents[2]) == ["booking.waiting"]
    assert "您已订上。11月27日（周五）14:00–16:00" in inbox(session, town.residents[1])[1].body


def test_waiting_for_what_is_free_is_booking(town: Town, room: Venue, now: datetime) -> None:
    assert booking.wait(town.resident_actor(0), wish(room), now).status == APPROVED


def test_one_freed_time_serves_all_that_fit(session: Any, town: Town, room: Venue, now: datetime) -> None:
    held = booking.book(town.resident_actor(0), wish(room, hour=13, minutes=180), now)
    rows = [
        booking.wait(town.resident_actor(1), wish(room, hour=13, minutes=60), now),
        booking.wait(town.resident_actor(2), wish(room, hour=13, minutes=120), now),  # in the first one's way
        booking.wait(town.resident_actor(3), wish(room, hour=14, minutes=120), now),
    ]
    booking.withdraw(town.resident_actor(0), held.id, now)
    assert statuses(session, rows) == [APPROVED, WAITING, APPROVED]
    assert overlapping(session) == []


def test_the_buffer_counts_for_those_who_wait(session: Any, town: Town, make: Make, now: datetime) -> None:
    room = make.venue(town.centres["A1"], buffer=30)
    held = booking.book(town.resident_actor(0), wish(room, hour=14), now)
    booking.book(town.resident_actor(1), wish(room, hour=17), now)
    long = booking.wait(town.resident_actor(2), wish(room, hour=14, minutes=180), now)  # ends at 17:00, held till 17:30
    booking.withdraw(town.resident_actor(0), held.id, now)
    assert statuses(session, [long]) == [WAITING]


def test_where_somebody_decides_who_waited_is_decided_too(session: Any, town: Town, make: Make, now: datetime) -> None:
    room = make.venue(town.centres["A1"], needs_approval=True)
    rows = wait_all(town, room, now, 2)
    deliver(session, now)
    booking.withdraw(town.resident_actor(0), rows[0].id, now)
    assert statuses(session, rows) == [WITHDRAWN, PENDING]
    assert (rows[1].waits_at_id, rows[1].decide_by) == (room.centre_id, now + timedelta(hours=24))
    deliver(session, now)
    assert kinds(session, town.residents[1]) == ["booking.waiting", "booking.received"]


# Late: less than a day before the start -------------------------------------------------------------------------------


@pytest.fixture
def offered(session: Any, town: Town, room: Venue, now: datetime) -> list[Booking]:
    """The holder of tomorrow 9:00 leaves at 11:00 today; the second is asked, the third still waits."""
    rows = wait_all(town, room, now, 3, day=26, hour=9)
    deliver(session, now)
    booking.withdraw(town.resident_actor(0), rows[0].id, at(25, 11))
    deliver(session, at(25, 11))
    return rows


def test_a_late_one_is_asked(session: Any, town: Town, offered: list[Booking]) -> None:
    assert statuses(session, offered) == [WITHDRAWN, OFFERED, WAITING]
    assert offered[1].accept_by == at(25, 22)  # half of what is left
    message = inbox(session, town.residents[1])[-1]
    assert message.kind == "place.offered" and "请在 11月25日 22:00 前打开确认" in message.body
    assert kinds(session, town.residents[2]) == ["booking.waiting"]


def test_accepting(session: Any, town: Town, room: Venue, offered: list[Booking]) -> None:
    later = at(25, 12)
    for _ in range(2):
        row = booking.accept(town.resident_actor(1), offered[1].id, later)
        assert (row.status, row.accept_by, row.decided_at) == (APPROVED, None, later)
    deliver(session, later)
    assert kinds(session, town.residents[1]) == ["booking.waiting", "place.offered", "booking.approved"]
    with pytest.raises(BookingGone):
        booking.accept(town.resident_actor(2), offered[1].id, later)


def test_accepting_where_somebody_decides(session: Any, town: Town, room: Venue, offered: list[Booking]) -> None:
    room.needs_approval = True
    row = booking.accept(town.resident_actor(1), offered[1].id, at(25, 12))
    assert (row.status, row.waits_at_id, row.accept_by) == (PENDING, room.centre_id, None)
    assert row.decide_by == at(26, 8, 30)
    assert booking.accept(town.resident_actor(1), row.id, at(25, 12)).status == PENDING


def test_saying_no_asks_the_next(session: Any, town: Town, offered: list[Booking]) -> None:
    later = at(25, 12)
    for _ in range(2):
        assert booking.decline(town.resident_actor(1), offered[1].id, later).status == WITHDRAWN
    assert statuses(session, offered) == [WITHDRAWN, WITHDRAWN, OFFERED]
    deliver(session, later)
    assert kinds(session, town.residents[2]) == ["booking.waiting", "place.offered"]
    with pytest.raises(OfferOver) as over:
        booking.accept(town.resident_actor(1), offered[1].id, later)
    assert "重新预约" in over.value.advice


def test_an_offer_lapses_and_goes_on_and_on(session: Any, town: Town, offered: list[Booking]) -> None:
    session.commit()
    assert deadlines.lapse(at(25, 21, 59)) == 0
    over = at(25, 22)
    with pytest.raises(OfferOver):
        booking.accept(town.resident_actor(1), offered[1].id, over)
    session.rollback()
    assert deadlines.lapse(over) == 1 and deadlines.lapse(over) == 0
    assert statuses(session, offered) == [WITHDRAWN, LAPSED, OFFERED]
    deliver(session, over)
    assert kinds(session, town.residents[1])[-1] == "booking.lapsed"
    assert "没有在期限前确认" in inbox(session, town.residents[1])[-1].body
    with pytest.raises(OfferOver):
        booking.decline(town.resident_actor(1), offered[1].id, over)
    session.rollback()
    assert deadlines.lapse(offered[2].accept_by) == 1
    assert statuses(session, offered)[2] == LAPSED


def test_an_offer_holds_its_time(session: Any, town: Town, room: Venue, offered: list[Booking]) -> None:
    row = booking.wait(town.resident_actor(4), wish(room, 26, 9), at(25, 12))
    assert row.status == WAITING and overlapping(session) == []


def test_an_offer_that_is_gone_is_not_told(session: Any, town: Town, room: Venue, now: datetime) -> None:
    rows = wait_all(town, room, now, 2, day=26, hour=9)
    deliver(session, now)
    booking.withdraw(town.resident_actor(0), rows[0].id, at(25, 11))
    booking.decline(town.resident_actor(1), rows[1].id, at(25, 11))
    deliver(session, at(25, 11))
    assert kinds(session, town.residents[1]) == ["booking.waiting"]


def test_shortly_before_the_start_there_is_a_quarter_of_an_hour(
    session: Any, town: Town, room: Venue, now: datetime
) -> None:
    rows = wait_all(town, room, now, 2, day=25, hour=11)
    booking.withdraw(town.resident_actor(0), rows[0].id, at(25, 10, 10))  # second thoughts
    assert rows[1].accept_by == at(25, 10, 35)
    session.commit()
    assert deadlines.lapse(at(25, 10, 35)) == 1


def test_whose_turn_never_came_is_told_at_the_start(session: Any, town: Town, room: Venue, now: datetime) -> None:
    rows = wait_all(town, room, now, 2)
    session.commit()
    assert deadlines.lapse(at(27, 13, 59)) == 0
    assert deadlines.lapse(at(27, 14)) == 1
    assert statuses(session, rows) == [APPROVED, LAPSED]
    deliver(session, at(27, 14))
    assert "没有等到空位" in inbox(session, town.residents[1])[-1].body


def test_what_began_is_not_given_to_who_waited_for_it(session: Any, town: Town, room: Venue, now: datetime) -> None:
    rows = wait_all(town, room, now, 2)
    with staff(town, "A1") as clerk:
        approval.cancel(clerk, rows[0].id, "停电", at(27, 14))
    assert statuses(session, rows)[1] == WAITING  # the clock ends it, with a message


def test_a_request_that_lapses_gives_its_time_on(session: Any, town: Town, make: Make, now: datetime) -> None:
    room = make.venue(town.centres["A1"], needs_approval=True, notice=0)
    late = booking.book(town.resident_actor(0), wish(room, 27, 14), now)
    after = booking.wait(town.resident_actor(1), wish(room, 27, 15), now)
    session.commit()
    assert deadlines.lapse(at(27, 14)) == 1
    assert statuses(session, [late, after]) == [LAPSED, OFFERED]
    deliver(session, at(27, 14))
    assert "还没有人审批" in inbox(session, town.residents[0])[-1].body


def test_a_retired_room_moves_nobody_up(session: Any, town: Town, room: Venue, now: datetime) -> None:
    rows = wait_all(town, room, now, 2)
    room.active = False
    booking.withdraw(town.resident_actor(0), rows[0].id, now)
    assert statuses(session, rows) == [WITHDRAWN, WAITING]


def test_leaving_twice_is_once_and_the_deadline_holds_for_the_holder_only(
    session: Any, town: Town, room: Venue, now: datetime
) -> None:
    rows = wait_all(town, room, now, 2)
    late = at(27, 12)  # two hours before
    with pytest.raises(TooLate):
        booking.withdraw(town.resident_actor(0), rows[0].id, late)
    for _ in range(2):
        assert booking.withdraw(town.resident_actor(1), rows[1].id, late).status == WITHDRAWN
