"""At the door (SPEC V5): check-in by the QR or by staff; what nobody came to is given on, with a message."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from portal.core.errors import NotAllowed
from portal.core.states import StateHistory
from portal.venues import deadlines
from portal.venues.actions import approval, booking, check_in
from portal.venues.errors import BookingGone, NotHere, VenueGone
from portal.venues.models import APPROVED, BY_ACTIVITY, OFFERED, PENDING, RELEASED, WAITING, Booking, Venue
from tests.factories import Make, Town
from tests.venues.helping import at, deliver, inbox, kinds, staff, statuses, wish


@pytest.fixture
def room(town: Town, make: Make) -> Venue:
    return make.venue(town.centres["A1"], name="棋牌室", release=15, notice=0)


@pytest.fixture
def mine(town: Town, room: Venue, make: Make) -> Booking:
    """Today 14:00-16:00."""
    return make.booking(room, at(25, 14), 120, resident=town.residents[0])


def test_at_the_door(session: Any, town: Town, room: Venue, mine: Booking) -> None:
    me = town.resident_actor(0)
    for minute in (50, 55):
        assert check_in.check_in(me, room.id, room.door_key, at(25, 13, minute)).id == mine.id
    assert (mine.checked_in_at, mine.revision, room.version) == (at(25, 13, 50), 2, 2)
    assert len(session.scalars(select(StateHistory).where(StateHistory.name == "check_in")).all()) == 1


@pytest.mark.parametrize(
    ("minute", "here"), [(13 * 60 + 29, False), (13 * 60 + 30, True), (15 * 60 + 59, True), (16 * 60, False)]
)
def test_from_half_an_hour_before_until_the_end(
    town: Town, room: Venue, mine: Booking, minute: int, here: bool
) -> None:
    moment = at(25, minute // 60, minute % 60)
    if here:
        assert check_in.check_in(town.resident_actor(0), room.id, room.door_key, moment).checked_in_at == moment
    else:
        with pytest.raises(NotHere) as refused:
            check_in.check_in(town.resident_actor(0), room.id, room.door_key, moment)
        assert "开始前 30 分钟" in refused.value.advice


@pytest.mark.parametrize("key", ["", "wrong", "钥匙", "door9999"])
def test_the_key_stands_at_this_door_only(town: Town, room: Venue, mine: Booking, make: Make, key: str) -> None:
    other = make.venue(town.centres["A1"])
    for venue_id, door_key in ((room.id, key), (room.id, other.door_key), (99999, room.door_key)):
        with pytest.raises(VenueGone):
            check_in.check_in(town.resident_actor(0), venue_id, door_key, at(25, 14))
    with pytest.raises(NotHere):
        check_in.check_in(town.resident_actor(0), other.id, other.door_key, at(25, 14))
    with pytest.raises(NotHere):
        check_in.check_in(town.resident_actor(1), room.id, room.door_key, at(25, 14))
    assert mine.checked_in_at is None


@pytest.mark.parametrize("status", [PENDING, WAITING, OFFERED])
def test_only_what_is_approved(town: Town, room: Venue, make: Make, status: str) -> None:
    make.booking(room, at(25, 14), resident=town.residents[0], status=status)
    with pytest.raises(NotHere):
        check_in.check_in(town.resident_actor(0), room.id, room.door_key, at(25, 14))


def test_two_in_a_row(town: Town, room: Venue, mine: Booking, make: Make) -> None:
    second = make.booking(room, at(25, 16), resident=town.residents[0])
    me = town.resident_actor(0)
    assert check_in.check_in(me, room.id, room.door_key, at(25, 14)).id == mine.id
    assert check_in.check_in(me, room.id, room.door_key, at(25, 15, 40)).id == second.id


def test_by_staff(session: Any, town: Town, room: Venue, mine: Booking, make: Make) -> None:
    with staff(town, "A1") as clerk:
        assert check_in.check_in_by_staff(clerk, mine.id, at(26, 9)).checked_in_at == at(26, 9)  # the list, next day
        assert check_in.check_in_by_staff(clerk, mine.id, at(26, 10)).checked_in_at == at(26, 9)
        for moment in (at(25, 13), at(26, 16)):
            with pytest.raises(NotHere) as refused:
                check_in.check_in_by_staff(clerk, mine.id, moment)
            assert "第二天" in refused.value.advice
        pending = make.booking(room, at(25, 18), resident=town.residents[1], status=PENDING)
        with pytest.raises(NotHere):
            check_in.check_in_by_staff(clerk, pending.id, at(25, 18))
    for key in ("A2", "A1S", "ZFB", "D-LOOK"):
        with staff(town, key) as stranger, pytest.raises((BookingGone, NotAllowed)):
            check_in.check_in_by_staff(stranger, mine.id, at(25, 14))


# No-shows -------------------------------------------------------------------------------------------------------------


def test_what_nobody_came_to_is_given_on(session: Any, town: Town, room: Venue, mine: Booking) -> None:
    later = booking.wait(town.resident_actor(1), wish(room, 25, 15, 60), at(25, 10))
    session.commit()
    assert deadlines.release_no_shows(at(25, 14, 14)) == 0
    assert deadlines.release_no_shows(at(25, 14, 15)) == 1 and deadlines.release_no_shows(at(25, 14, 15)) == 0
    assert statuses(session, [mine, later]) == [RELEASED, OFFERED]
    deliver(session, at(25, 14, 15))
    (told,) = inbox(session, town.residents[0])
    assert told.kind == "booking.released" and "开始 15 分钟没有签到" in told.body and "找工作人员" in told.body
    assert kinds(session, town.residents[1])[-1] == "place.offered"


def test_the_rest_of_it_may_be_booked_by_anybody(session: Any, town: Town, room: Venue, mine: Booking) -> None:
    session.commit()
    deadlines.release_no_shows(at(25, 14, 15))
    assert booking.book(town.resident_actor(1), wish(room, 25, 15, 60), at(25, 14, 20)).status == APPROVED


def test_who_comes_too_late_hears_what_happened(session: Any, town: Town, room: Venue, mine: Booking) -> None:
    session.commit()
    deadlines.release_no_shows(at(25, 14, 15))
    with pytest.raises(NotHere) as late:
        check_in.check_in(town.resident_actor(0), room.id, room.door_key, at(25, 14, 16))
    assert "已经释放" in late.value.message and "马上再订" in late.value.advice


@pytest.mark.parametrize("why", ["came", "activity", "house", "caller", "pending", "never", "over"])
def test_not_given_on(session: Any, town: Town, room: Venue, make: Make, why: str) -> None:
    """Only who could have checked in at the door is missed there."""
    values: dict[str, Any] = {"resident": town.residents[0]}
    if why == "came":
        values["checked_in_at"] = at(25, 13, 50)
    elif why == "activity":
        values = {"source": BY_ACTIVITY, "source_id": 4}
    elif why in ("house", "caller"):
        values = {"contact_phone": "" if why == "house" else "19900009999"}
    elif why == "pending":
        values["status"] = PENDING
    elif why == "never":
        room.release = 0
        session.commit()
    row = make.booking(room, at(25, 14), 120, **values)
    assert deadlines.release_no_shows(at(25, 16) if why == "over" else at(25, 15)) == 0
    assert statuses(session, [row])[0] != RELEASED


def test_who_walked_in_is_not_sent_away(session: Any, town: Town, room: Venue) -> None:
    with staff(town, "A1") as clerk:
        row = approval.book_for(clerk, wish(room, 25, 14), town.residents[0].phone or "", "", at(25, 14, 20))
    session.commit()
    assert deadlines.release_no_shows(at(25, 14, 30)) == 0 and statuses(session, [row]) == [APPROVED]


def test_moved_between_the_look_and_the_release(
    session: Any, town: Town, room: Venue, mine: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = at(25, 14, 15)
    with staff(town, "A1") as clerk:
        approval.move(clerk, mine.id, room.id, at(25, 18), at(25, 20), "晚一点", at(25, 14, 10))
    session.commit()
    number = mine.id
    monkeypatch.setattr(check_in, "no_shows", lambda _now: [number])
    assert check_in.release_no_shows(late) == 0 and statuses(session, [mine]) == [APPROVED]


def test_a_late_scheduler_releases_only_what_still_runs(
    session: Any, town: Town, room: Venue, mine: Booking, now: datetime
) -> None:
    session.commit()
    assert check_in.no_shows(mine.ends_at - timedelta(minutes=1)) == [mine.id]
    assert check_in.no_shows(mine.ends_at) == []
