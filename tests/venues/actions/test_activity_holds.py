"""An activity's place is a booking (SPEC V4): made equal to its sessions, all or nothing; nobody's desk decides it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from portal.venues import deadlines
from portal.venues.actions import activity_holds, booking
from portal.venues.errors import RoomTaken, SlotTaken
from portal.venues.models import APPROVED, BY_ACTIVITY, PENDING, RELEASED, WAITING, WITHDRAWN, Booking, Venue
from portal.venues.rules import Span
from tests.factories import Make, Town
from tests.venues.helping import at, deliver, inbox, kinds, overlapping, span, statuses, wish

ACTIVITY = 41
TWO = (span(27, 14), span(28, 14))


@pytest.fixture
def room(town: Town, make: Make) -> Venue:
    return make.venue(town.centres["A1"], name="多功能厅", buffer=30, release=15, needs_approval=True)


def hold(
    town: Town,
    room: Venue | None,
    spans: Sequence[Span],
    now: datetime,
    *,
    firm: bool = True,
    source: int = ACTIVITY,
    title: str = "主题党课",
    people: int = 30,
) -> None:
    activity_holds.hold(source, title, room.id if room else None, spans, people, firm, town.actor("A1"), now)


def held(session: Any, source: int = ACTIVITY) -> list[tuple[datetime, str]]:
    session.expire_all()
    mine = select(Booking).where(Booking.source_id == source, Booking.status.in_((PENDING, APPROVED)))
    return [(b.starts_at, b.status) for b in session.scalars(mine.order_by(Booking.starts_at))]


def test_held_like_any_booking(session: Any, town: Town, room: Venue, now: datetime) -> None:
    hold(town, room, TWO, now)
    rows = list(session.scalars(select(Booking).order_by(Booking.starts_at)))
    assert [(b.starts_at, b.held_until) for b in rows] == [(s.start, s.end + timedelta(minutes=30)) for s in TWO]
    assert {(b.source, b.source_id, b.status, b.title, b.people, b.resident_id) for b in rows} == {
        (BY_ACTIVITY, ACTIVITY, APPROVED, "主题党课", 30, None)
    }
    with pytest.raises(SlotTaken):
        booking.book(town.resident_actor(0), wish(room, hour=16), now)  # inside its buffer
    deliver(session, now)
    assert inbox(session, town.staff["A1"], "staff") == []


def test_the_same_again_changes_nothing(session: Any, town: Town, room: Venue, now: datetime) -> None:
    hold(town, room, [*TWO, TWO[0]], now)
    ids = set(session.scalars(select(Booking.id)))
    version = room.version
    hold(town, room, TWO, now)
    assert set(session.scalars(select(Booking.id))) == ids and room.version == version


def test_added_retitled_and_given_back(session: Any, town: Town, room: Venue, now: datetime) -> None:
    hold(town, room, TWO, now)
    version = room.version
    hold(town, room, TWO, now, title="主题党课（二）", people=50)
    rows = session.scalars(select(Booking)).all()
    assert {(b.title, b.people) for b in rows} == {("主题党课（二）", 50)} and room.version > version  # pages notice
    third = span(29, 9)
    hold(town, room, [TWO[1], third], now)
    assert [s for s, _ in held(session)] == [TWO[1].start, third.start]
    gone = session.scalars(select(Booking).where(Booking.status == WITHDRAWN)).one()
    assert (gone.starts_at, gone.reason, gone.ended_at) == (TWO[0].start, "活动改了时间或地点", now)
    assert activity_holds.release(ACTIVITY, "活动取消", now) == 2 and held(session) == []
    assert activity_holds.release(ACTIVITY, "活动取消", now) == 0


def test_undecided_ones_wait_at_nobodys_desk(session: Any, town: Town, room: Venue, now: datetime) -> None:
    hold(town, room, TWO, now, firm=False)
    rows = session.scalars(select(Booking)).all()
    assert {(b.status, b.waits_at_id, b.decide_by) for b in rows} == {(PENDING, None, None)}
    session.commit()
    late = at(28, 15)
    assert deadlines.hand_up_undecided(late) == 0 and deadlines.lapse(late) == 0
    assert deadlines.release_no_shows(late) == 0 and deadlines.remind(late) == 0
    assert {status for _, status in held(session)} == {PENDING}
    hold(town, room, TWO, now, firm=True)
    assert {status for _, status in held(session)} == {APPROVED}
    deliver(session, now)
    assert inbox(session, town.staff["A1"], "staff") == []
    hold(town, room, TWO, now, firm=False)  # what is firm stays firm
    assert {status for _, status in held(session)} == {APPROVED}
    assert deadlines.release_no_shows(late) == 0 and RELEASED not in {s for _, s in held(session)}


def test_confirmed_with_the_month(session: Any, town: Town, room: Venue, make: Make, now: datetime) -> None:
    other = make.venue(town.centres["A1"])
    hold(town, room, TWO, now, firm=False)
    hold(town, other, TWO[:1], now, firm=False, source=42)
    hold(town, other, TWO[1:], now, firm=False, source=43)
    firm = activity_holds.confirm([ACTIVITY, 42], now)
    assert firm == {ACTIVITY: {(room.id, s) for s in TWO}, 42: {(other.id, TWO[0])}}
    assert [{s for _, s in held(session, n)} for n in (ACTIVITY, 42, 43)] == [{APPROVED}, {APPROVED}, {PENDING}]
    assert activity_holds.confirm([ACTIVITY, 42], now) == firm and activity_holds.confirm([], now) == {}


def test_to_another_room_and_to_no_room(session: Any, town: Town, room: Venue, make: Make, now: datetime) -> None:
    other = make.venue(town.centres["A2"])
    hold(town, room, TWO, now)
    hold(town, other, TWO, now)
    rows = session.scalars(select(Booking).where(Booking.status == APPROVED)).all()
    assert {(b.venue_id, b.centre_id) for b in rows} == {(other.id, other.centre_id)} and len(rows) == 2
    hold(town, None, TWO, now)
    assert held(session) == []


def test_what_is_over_stays_as_it_was(session: Any, town: Town, room: Venue, now: datetime) -> None:
    past, running = span(25, 8, 60), span(25, 9)
    hold(town, room, [past, running, *TWO], at(25, 7))
    hold(town, room, TWO[:1], now)  # at 10:00
    assert [s for s, _ in held(session)] == [past.start, TWO[0].start]
    assert activity_holds.release(ACTIVITY, "取消", now) == 1 and [s for s, _ in held(session)] == [past.start]
    hold(town, room, [past], now)
    assert [s for s, _ in held(session)] == [past.start]


# In the way -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def crowded(town: Town, room: Venue, make: Make) -> Venue:
    """The 27th is a resident's, the 28th is closed; the small hall is free, a third is too."""
    make.booking(room, at(27, 15), resident=town.residents[0], title="张三的聚会")
    make.closure(room, at(28, 9), at(28, 18), "打蜡")
    make.venue(town.centres["A1"], name="大厅", capacity=200)
    make.venue(town.centres["A2"], name="别处")
    make.venue(town.centres["A1"], name="校外", bookable=False)
    return make.venue(town.centres["A1"], name="小厅", capacity=30)


def test_conflicts_name_neither_person_and_offer_ways(
    session: Any, town: Town, room: Venue, crowded: Venue, now: datetime
) -> None:
    third = span(29, 14)
    with pytest.raises(RoomTaken) as taken:
        hold(town, room, [*TWO, third], now)
    first, second = taken.value.conflicts
    assert (first.span, first.held_by, second.span, second.held_by) == (TWO[0], "居民预约", TWO[1], "场地停用（打蜡）")
    assert first.other_rooms == ((crowded.id, "小厅"), first.other_rooms[1]) and first.other_rooms[1][1] == "大厅"
    assert first.shifts == (
        Span(at(27, 12, 30), at(27, 14, 30)),
        Span(at(27, 16, 30), at(27, 18, 30)),
    )  # before and after, the whole length
    assert "还有 1 场也冲突" in taken.value.message and "张三" not in taken.value.message
    assert taken.value.status == 409 and taken.value.advice
    assert held(session) == []  # even before anything is rolled back


def test_ways_out_for_the_next_month_and_for_odd_lengths(town: Town, room: Venue, make: Make, now: datetime) -> None:
    """Residents book two weeks ahead and three hours at most; activities are planned further."""
    make.booking(room, at(29, 14, month=12), 60)
    (far,) = activity_holds.conflicts(room.id, [span(29, 14, 240, month=12)], now)
    assert [(s.start, s.minutes) for s in far.shifts] == [
        (at(29, 9, 30, month=12), 240),
        (at(29, 15, 30, month=12), 240),
    ]
    (odd,) = activity_holds.conflicts(room.id, [span(29, 14, 50, month=12)], now)
    assert [s.start for s in odd.shifts] == [at(29, 12, 40, month=12), at(29, 15, 30, month=12)]
    assert activity_holds.conflicts(room.id, [span(29, 14, 12 * 60 + 30, month=12)], now)[0].shifts == ()


def test_a_refused_change_leaves_what_was_held(
    session: Any, town: Town, room: Venue, make: Make, now: datetime
) -> None:
    hold(town, room, TWO, now)
    make.booking(room, at(29, 14))
    with pytest.raises(RoomTaken):
        hold(town, room, [TWO[0], span(29, 14)], now)
    assert [s for s, _ in held(session)] == [s.start for s in TWO]


def test_the_preview_says_the_same(town: Town, room: Venue, crowded: Venue, now: datetime) -> None:
    found = activity_holds.conflicts(room.id, [*TWO, span(24, 14)], now)
    assert [c.held_by for c in found] == ["居民预约", "场地停用（打蜡）"]
    hold(town, room, [span(29, 14)], now)
    assert [c.held_by for c in activity_holds.conflicts(room.id, [span(29, 15)], now)] == ["“主题党课”"]
    assert activity_holds.conflicts(room.id, [span(29, 15)], now, ACTIVITY) == []
    assert activity_holds.conflicts(99999, TWO, now) == []


def test_put_off_by_an_hour_though_somebody_waits_for_the_old_time(
    session: Any, town: Town, room: Venue, now: datetime
) -> None:
    hold(town, room, TWO, now)
    waiting = booking.wait(town.resident_actor(0), wish(room, hour=13), now)
    early = booking.wait(town.resident_actor(1), wish(room, hour=12, minutes=150), now)
    assert (waiting.status, early.status) == (WAITING, WAITING)
    deliver(session, now)
    hold(town, room, [span(27, 15), TWO[1]], now)
    assert [s for s, _ in held(session)] == [at(27, 15), TWO[1].start]
    assert statuses(session, [waiting, early]) == [WAITING, PENDING]  # until 14:30 and a buffer is free now
    assert overlapping(session) == []
    deliver(session, now)
    assert kinds(session, town.residents[1]) == ["booking.waiting", "booking.received"]


def test_sessions_that_follow_each_other_need_no_buffer_between(
    session: Any, town: Town, room: Venue, now: datetime
) -> None:
    morning = [span(27, 9, 60), span(27, 10, 60), span(27, 11, 60)]
    hold(town, room, morning[1:2], now)
    hold(town, room, morning, now)  # one before and one after the one that stands
    rows = list(session.scalars(select(Booking).order_by(Booking.starts_at)))
    assert [b.held_until for b in rows] == [at(27, 10), at(27, 11), at(27, 12, 30)]
    assert activity_holds.conflicts(room.id, morning, now, ACTIVITY) == [] and overlapping(session) == []


def test_sessions_that_overlap_are_told(session: Any, town: Town, room: Venue, now: datetime) -> None:
    double = [span(27, 9), span(27, 10), span(28, 9)]
    assert [c.held_by for c in activity_holds.conflicts(room.id, double, now)] == ["这个活动的另一场"] * 2
    hold(town, room, double[:1], now)
    with pytest.raises(RoomTaken) as taken:
        hold(town, room, double, now)
    assert [c.span for c in taken.value.conflicts] == [double[1]]
    assert [s for s, _ in held(session)] == [double[0].start]


def test_longer_than_a_day_is_written_by_days(town: Town, room: Venue, now: datetime) -> None:
    with pytest.raises(RoomTaken) as taken:
        hold(town, room, [span(27, 9, 25 * 60)], now)
    assert "请按天填写" in taken.value.message


def test_places_outside_hold_nothing(session: Any, town: Town, make: Make, now: datetime) -> None:
    outside = make.venue(town.centres["A1"], bookable=False)
    hold(town, outside, TWO, now)
    assert held(session) == [] and activity_holds.conflicts(outside.id, TWO, now) == []
