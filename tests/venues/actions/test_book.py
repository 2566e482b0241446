"""Booking a room (SPEC V1, V2, V5): works, each refusal with its way out, odd input, twice is once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from portal.centres.models import OpeningException
from portal.core.access import Actor
from portal.core.states import StateHistory
from portal.people.models import Relative
from portal.people.refusals import NameMissing, NoSuchPerson
from portal.venues import occupancy
from portal.venues.actions import booking
from portal.venues.errors import (
    BookingRefused,
    LimitReached,
    NotBookable,
    PurposeMissing,
    SlotTaken,
    VenueGone,
)
from portal.venues.models import APPROVED, CANCELLED, PENDING, WAITING, Booking, Venue
from portal.venues.rules.eligibility import Wish
from tests.factories import Make, Town
from tests.venues.helping import at, deliver, inbox, kinds, overlapping, statuses, wish


@pytest.fixture
def room(town: Town, make: Make) -> Venue:
    return make.venue(town.centres["A1"], name="三楼会议室", place="三楼 302", buffer=30)


def count(session: Any) -> int:
    return int(session.scalar(select(func.count()).select_from(Booking)))


def test_a_room_without_approval_is_booked_at_once(session: Any, town: Town, room: Venue, now: datetime) -> None:
    row = booking.book(town.resident_actor(0), wish(room, people=12, function="会议", needs=" 投影仪  话筒 "), now)
    assert (row.status, row.decided_at, row.decide_by, row.waits_at_id) == (APPROVED, now, None, None)
    assert (row.starts_at, row.ends_at, row.held_until) == (at(27, 14), at(27, 16), at(27, 16, 30))
    assert (row.people, row.title, row.function, row.needs) == (12, "舞蹈队排练", "会议", "投影仪 话筒")
    assert (row.source, row.resident_id, row.centre_id) == ("resident", town.residents[0].id, room.centre_id)
    assert room.version == 2 and room.revision == 1
    deliver(session, now)
    (message,) = inbox(session, town.residents[0])
    assert message.kind == "booking.approved" and message.link == f"/venues/bookings/{row.id}"
    assert "11月27日（周五）14:00–16:00，甲一社区 三楼会议室（三楼 302），您已订上" in message.body
    assert "11月27日 12:00 前可自行退订" in message.body
    history = session.scalars(select(StateHistory).where(StateHistory.object_type == "booking")).one()
    assert (history.name, history.to_status, history.actor_id) == ("book", APPROVED, town.residents[0].id)


def test_a_room_with_approval_waits_at_its_centre(session: Any, town: Town, make: Make, now: datetime) -> None:
    room = make.venue(town.centres["A1"], needs_approval=True, approve_hours=8)
    row = booking.book(town.resident_actor(0), wish(room), now)
    assert (row.status, row.waits_at_id, row.decided_at) == (PENDING, room.centre_id, None)
    assert row.decide_by == now + timedelta(hours=8)
    deliver(session, now)
    (message,) = inbox(session, town.residents[0])
    assert message.kind == "booking.received"
    assert "甲一社区最晚 11月25日 18:00 答复，时间先为您留着" in message.body


def test_a_request_for_soon_is_decided_before_its_start(session: Any, town: Town, make: Make, now: datetime) -> None:
    room = make.venue(town.centres["A1"], needs_approval=True, notice=0)
    row = booking.book(town.resident_actor(0), wish(room, 25, 11), now)
    assert row.decide_by == at(25, 10, 30)


def test_the_same_wish_twice_is_one_booking(session: Any, town: Town, room: Venue, now: datetime) -> None:
    first = booking.book(town.resident_actor(0), wish(room), now)
    again = booking.book(town.resident_actor(0), wish(room, people=3), now)
    third = booking.wait(town.resident_actor(0), wish(room), now)
    assert first.id == again.id == third.id and count(session) == 1
    deliver(session, now)
    assert kinds(session, town.residents[0]) == ["booking.approved"]


def test_for_a_relative_both_names_show(session: Any, town: Town, room: Venue, now: datetime) -> None:
    mother = Relative(resident_id=town.residents[0].id, name="王秀英", relation="母亲", created_at=now)
    session.add(mother)
    session.flush()
    row = booking.book(town.resident_actor(0), wish(room, relative_id=mother.id), now)
    deliver(session, now)
    (message,) = inbox(session, town.residents[0])
    assert (row.resident_id, row.relative_id) == (town.residents[0].id, mother.id)
    assert "王秀英已订上" in message.body


# Refusals -------------------------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    # code: (what is wished, the sentence, the way out)
    "reversed": ({"minutes": -60}, "结束时间要晚于开始时间", "改晚"),
    "past": ({"day": 25, "hour": 9}, "已经过去了", "请选11月25日（周三）11:00以后"),
    "too_soon": ({"day": 25, "hour": 10}, "至少要提前 1 小时订", "11:00以后的时间"),
    "too_far": ({"day": 10, "month": 12}, "最多提前 14 天订", "从11月26日（周四）起可以订"),
    "bad_people": ({"people": 0}, "至少填 1 人", "大概的数"),
    "too_many_people": ({"people": 31}, "最多坐 30 人，您填了 31 人", "别的场地"),
    "too_short": ({"minutes": 20}, "最短要订 30 分钟", "改晚"),
    "too_long": ({"minutes": 240}, "最长可订 3 小时，您选了 4 小时", "分两次"),
    "off_step": ({"minutes": 45}, "按 30 分钟一格", "结束时间请改成"),
    "outside_hours": ({"hour": 20}, "开放时间是 9:00–21:00", "改到开放时间里"),
}


@pytest.mark.parametrize("code", REFUSED)
@pytest.mark.parametrize("ask", [booking.book, booking.wait])
def test_refused_with_a_way_out(
    session: Any, town: Town, room: Venue, now: datetime, code: str, ask: Callable[..., Booking]
) -> None:
    values, why, way = REFUSED[code]
    at_ten = now if code != "too_soon" else now - timedelta(seconds=1)
    with pytest.raises(BookingRefused) as refused:
        ask(town.resident_actor(0), wish(room, **values), at_ten)
    assert (refused.value.code, refused.value.status) == (code, 422)
    assert why in refused.value.message and way in refused.value.advice and refused.value.field
    assert count(session) == 0


def test_a_closed_day_says_why(session: Any, town: Town, room: Venue, make: Make, now: datetime) -> None:
    session.add(OpeningException(centre_id=room.centre_id, day=date(2026, 11, 27), reason="消防演练"))
    make.closure(room, at(28, 13), at(28, 18), "空调检修")
    for day, why in ((27, "消防演练"), (28, "空调检修")):
        with pytest.raises(BookingRefused) as refused:
            booking.book(town.resident_actor(0), wish(room, day), now)
        assert refused.value.code == "closed" and why in refused.value.message
        assert "别的场地" in refused.value.advice
    assert booking.book(town.resident_actor(0), wish(room, 28, 18), now).status == APPROVED  # touches the closure


def test_a_taken_time(session: Any, town: Town, room: Venue, now: datetime) -> None:
    booking.book(town.resident_actor(0), wish(room), now)
    mine = wish(room, hour=15)
    with pytest.raises(SlotTaken) as taken:
        booking.book(town.resident_actor(1), mine, now)
    assert (taken.value.status, taken.value.wish.span) == (409, mine.span)
    assert "刚刚被别人订走" in taken.value.message and "候补" in taken.value.advice
    assert count(session) == 1


def test_no_waiting_list_is_not_promised(session: Any, town: Town, make: Make, now: datetime) -> None:
    room = make.venue(town.centres["A1"], waiting_list=False)
    booking.book(town.resident_actor(0), wish(room), now)
    for ask in (booking.book, booking.wait):
        with pytest.raises(SlotTaken) as taken:
            ask(town.resident_actor(1), wish(room), now)
        assert "候补" not in taken.value.advice and "别的场地" in taken.value.advice


@pytest.mark.parametrize("kind", ["link", "phone", "neither", "retired", "missing"])
def test_what_cannot_be_booked_here(session: Any, town: Town, make: Make, now: datetime, kind: str) -> None:
    values: dict[str, Any] = {"bookable": False}
    values |= {"link": {"link": "https://lib.example"}, "phone": {"phone": "0755-84200099"}}.get(kind, {})
    room = make.venue(town.centres["A1"], **({"active": False} if kind == "retired" else values))
    asked = replace(wish(room), venue_id=room.id + (1000 if kind == "missing" else 0))
    with pytest.raises((NotBookable, VenueGone)) as refused:
        booking.book(town.resident_actor(0), asked, now)
    way = {"link": "https://lib.example", "phone": "0755-84200099", "neither": "现场"}.get(kind, "其他场地")
    assert way in refused.value.advice
    assert refused.value.status == (404 if kind in ("retired", "missing") else 409)


def test_who_may(session: Any, town: Town, make: Make, now: datetime) -> None:
    own, closed = (make.venue(town.centres["A1"], who_may=w, phone="0755-84200077") for w in ("own", "staff"))
    assert booking.book(town.resident_actor(0), wish(own), now).status == APPROVED
    nowhere = make.resident(None)
    for actor, room, code in (
        (town.resident_actor(2), own, "not_own"),  # of the sister community
        (Actor("resident", nowhere.id, nowhere.name), own, "not_own"),
        (town.resident_actor(0), closed, "staff_only"),
    ):
        with pytest.raises(BookingRefused) as refused:
            booking.book(actor, wish(room, 28), now)
        assert refused.value.code == code and "0755-84200077" in refused.value.advice


def test_a_room_of_the_subdistrict_is_for_all_its_communities(town: Town, make: Make, now: datetime) -> None:
    room = make.venue(town.centres["A"], who_may="own")
    assert booking.book(town.resident_actor(2), wish(room), now).status == APPROVED
    with pytest.raises(BookingRefused):
        booking.book(town.resident_actor(3), wish(room, 28), now)


def test_people_who_cannot_be_booked_for(session: Any, town: Town, room: Venue, make: Make, now: datetime) -> None:
    gone = Relative(resident_id=town.residents[0].id, name="王", relation="母", created_at=now, removed_at=now)
    others = Relative(resident_id=town.residents[1].id, name="李", relation="父", created_at=now)
    session.add_all([gone, others])
    session.flush()
    for relative in (gone.id, others.id, 99999):
        with pytest.raises(NoSuchPerson):
            booking.book(town.resident_actor(0), wish(room, relative_id=relative), now)
    nameless, erased = make.resident(town.centres["A1"], name=" "), make.resident(town.centres["A1"], erased_at=now)
    with pytest.raises(NameMissing):
        booking.book(Actor("resident", nameless.id, ""), wish(room), now)
    for nobody in (erased.id, 99999, None):
        with pytest.raises(NoSuchPerson):
            booking.book(Actor("resident", nobody, "谁"), wish(room), now)


def test_where_somebody_decides_a_purpose_is_asked_for(session: Any, town: Town, make: Make, now: datetime) -> None:
    asks, open_ = make.venue(town.centres["A1"], needs_approval=True), make.venue(town.centres["A1"])
    with pytest.raises(PurposeMissing) as refused:
        booking.book(town.resident_actor(0), wish(asks, title="  ", function="烧烤"), now)
    assert refused.value.field == "title" and "例如" in refused.value.advice
    assert booking.book(town.resident_actor(0), wish(asks, title="", function="培训"), now).title == "培训"
    assert booking.book(town.resident_actor(1), wish(open_, title=""), now).title == "使用场地"
    long = booking.book(town.resident_actor(2), wish(open_, 28, title="长 " * 200, needs="需" * 500), now)
    assert (len(long.title), len(long.needs)) == (80, 120)


@pytest.mark.parametrize(
    "start", [datetime(1, 1, 2, tzinfo=UTC), datetime(1900, 1, 1, tzinfo=UTC), datetime(9998, 12, 30, tzinfo=UTC)]
)
def test_times_far_from_ours_are_refused_in_words(town: Town, room: Venue, now: datetime, start: datetime) -> None:
    with pytest.raises(BookingRefused):
        booking.book(town.resident_actor(0), Wish(room.id, start, start + timedelta(hours=1)), now)


# Buffers --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("buffer", "hour", "minute", "free"), [
    (30, 16, 30, True), (30, 16, 0, False), (30, 12, 0, False), (30, 11, 30, True), (0, 16, 0, True), (0, 12, 0, True),
])  # fmt: skip
def test_touching_is_free_overlapping_is_not(
    session: Any, town: Town, make: Make, now: datetime, buffer: int, hour: int, minute: int, free: bool
) -> None:
    room = make.venue(town.centres["A1"], buffer=buffer)
    booking.book(town.resident_actor(0), wish(room), now)
    start = at(27, hour, minute)
    asked = Wish(room.id, start, start + timedelta(hours=2), title="会")
    if free:
        assert booking.book(town.resident_actor(1), asked, now).status == APPROVED
    else:
        with pytest.raises(SlotTaken):
            booking.book(town.resident_actor(1), asked, now)
    assert overlapping(session) == []


def test_a_buffer_changed_later_binds_new_bookings_only(session: Any, town: Town, make: Make, now: datetime) -> None:
    room = make.venue(town.centres["A1"], buffer=0)
    kept = [booking.book(town.resident_actor(n), wish(room, hour=h), now) for n, h in ((0, 14), (1, 16))]
    room.buffer = 60
    session.flush()
    assert [r.held_until for r in kept] == [at(27, 16), at(27, 18)]
    with pytest.raises(SlotTaken):
        booking.book(town.resident_actor(2), wish(room, hour=12), now)  # its own hour after it is new
    assert booking.book(town.resident_actor(2), wish(room, hour=11), now).held_until == at(27, 14)
    # The old ones stay movable inside what they hold.
    changed = booking.change(town.resident_actor(0), kept[0].id, at(27, 14), at(27, 16), now, people=5)
    assert (changed.people, changed.held_until) == (5, at(27, 16))
    assert overlapping(session) == []


# Limits ---------------------------------------------------------------------------------------------------------------


def test_hours_per_week_count_over_all_rooms_of_the_centre(session: Any, town: Town, make: Make, now: datetime) -> None:
    one, other = (make.venue(town.centres["A1"], hours_per_week=4) for _ in range(2))
    elsewhere = make.venue(town.centres["A2"], hours_per_week=4)
    me = town.resident_actor(0)
    booking.book(me, wish(one, 26), now)  # Thursday
    booking.book(me, wish(elsewhere, 26, 18), now)
    assert booking.book(me, wish(other, 29), now).status == APPROVED  # Sunday of the same week: exactly four hours
    with pytest.raises(LimitReached) as refused:
        booking.book(me, wish(other, 28, minutes=30), now)
    assert (refused.value.code, refused.value.status) == ("week_limit", 409)
    assert "每人每周最多订 4 小时" in refused.value.message and "11月30日（周一）起" in refused.value.advice
    assert booking.book(me, wish(one, 30), now).status == APPROVED  # the next week
    assert booking.book(me, wish(one, 1, month=12), now).status == APPROVED  # same week, next month: four hours
    with pytest.raises(LimitReached):
        booking.book(me, wish(other, 2, month=12), now)
    assert booking.book(town.resident_actor(1), wish(other, 28), now).status == APPROVED  # others are not bound


def test_what_is_left_of_the_week_is_said(town: Town, make: Make, now: datetime) -> None:
    room = make.venue(town.centres["A1"], hours_per_week=3)
    booking.book(town.resident_actor(0), wish(room, 26), now)
    with pytest.raises(LimitReached) as refused:
        booking.book(town.resident_actor(0), wish(room, 27), now)
    assert "可以改短到 1 小时以内" in refused.value.advice


def test_bookings_per_month_turn_with_the_month(session: Any, town: Town, make: Make, now: datetime) -> None:
    room, other = (make.venue(town.centres["A1"], bookings_per_month=2) for _ in range(2))
    me = town.resident_actor(0)
    first = booking.book(me, wish(room, 27), now)
    booking.book(me, wish(other, 30), now)
    with pytest.raises(LimitReached) as refused:
        booking.book(me, wish(room, 28), now)
    assert refused.value.code == "month_limit" and "12月1日（周二）起" in refused.value.advice
    assert booking.book(me, wish(room, 1, 9, month=12), now).status == APPROVED
    booking.withdraw(me, first.id, now)
    assert booking.book(me, wish(room, 28), now).status == APPROVED  # what was given back does not count


def test_waiting_counts_and_what_ended_does_not(session: Any, town: Town, make: Make, now: datetime) -> None:
    room = make.venue(town.centres["A1"], bookings_per_month=1)
    booking.book(town.resident_actor(1), wish(room), now)
    waiting = booking.wait(town.resident_actor(0), wish(room), now)
    assert waiting.status == WAITING
    with pytest.raises(LimitReached):
        booking.book(town.resident_actor(0), wish(room, 28), now)
    booking.withdraw(town.resident_actor(0), waiting.id, now)
    make.booking(room, at(26, 9), resident=town.residents[0], status=CANCELLED)
    assert booking.book(town.resident_actor(0), wish(room, 28), now).status == APPROVED


def test_a_forgotten_waiter_gets_the_free_time_by_asking_again(
    session: Any, town: Town, room: Venue, make: Make, now: datetime
) -> None:
    """The holder ended without anybody passing the time on (an old buffer, a row mended by hand)."""
    held = make.booking(room, at(27, 14), 120)
    rows = [booking.wait(town.resident_actor(n), wish(room), now) for n in (0, 1)]
    session.execute(Booking.__table__.update().where(Booking.id == held.id).values(status=CANCELLED))
    assert booking.book(town.resident_actor(1), wish(room), now).id == rows[1].id
    assert statuses(session, rows) == [APPROVED, WAITING]  # whoever asked first is first


def test_the_look_is_one_statement(town: Town, room: Venue, count_queries: Any, now: datetime) -> None:
    asked = wish(room)
    with count_queries() as seen:
        assert occupancy.is_free(asked.venue_id, asked.span)
    assert len([s for s in seen if s != "BEGIN"]) == 1
