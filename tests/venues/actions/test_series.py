"""Every Tuesday from … until … (SPEC V4): planned with conflicts to skip, move or wait for; all or nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from portal.core.audit import AuditLog
from portal.core.errors import NotAllowed
from portal.core.states import ReasonMissing
from portal.venues.actions import approval, booking, series
from portal.venues.actions.series import MOVE, SKIP, WAIT, Choice, Rule
from portal.venues.errors import BookingRefused, NotBookable, SeriesRefused, SlotTaken, VenueGone
from portal.venues.models import APPROVED, BY_ACTIVITY, CANCELLED, PENDING, WAITING, Booking, BookingSeries, Venue
from tests.factories import Make, Town
from tests.venues.helping import at, deliver, inbox, overlapping, span, staff, statuses, wish


@pytest.fixture
def room(town: Town, make: Make) -> Venue:
    return make.venue(town.centres["A1"], name="舞蹈室", buffer=30)


@pytest.fixture
def tuesdays(room: Venue) -> Rule:
    """Five Tuesdays from 1 to 29 December, 14:00-16:00."""
    return Rule(room.id, "合唱团排练", frozenset({1}), date(2026, 12, 1), date(2026, 12, 31), 14 * 60, 16 * 60, 20)


def count(session: Any) -> int:
    return int(session.scalar(select(func.count()).select_from(Booking)))


def test_planned_and_booked(session: Any, town: Town, room: Venue, tuesdays: Rule, now: datetime) -> None:
    with staff(town, "A1") as clerk:
        planned = series.plan(tuesdays, now)
        assert [p.day for p in planned] == [date(2026, 12, d) for d in (1, 8, 15, 22, 29)]
        assert {p.held_by for p in planned} == {""}
        done = series.book_series(clerk, tuesdays, {}, now)
    assert [b.starts_at for b in done.booked] == [at(d, 14, month=12) for d in (1, 8, 15, 22, 29)]
    assert {(b.status, b.source, b.series_id, b.people, b.title, b.created_by) for b in done.booked} == {
        (APPROVED, "staff", done.series.id, 20, "合唱团排练", "A1管理员")
    }
    assert done.booked[0].held_until == at(1, 16, 30, month=12) and not done.waiting and not done.skipped
    deliver(session, now)
    assert inbox(session, town.staff["A1"], "staff") == []
    line = session.scalars(select(AuditLog).where(AuditLog.verb == "booking.series")).one()
    assert line.summary == "合唱团排练：5 次，候补 0，跳过 0"


@pytest.fixture
def crowded(town: Town, room: Venue, make: Make) -> Venue:
    """What stands in the way on the 8th, 15th and 22nd; a second room is free."""
    make.booking(room, at(8, 15, month=12), resident=town.residents[0], status=PENDING, title="张三家的聚会")
    make.booking(room, at(15, 16, month=12), source=BY_ACTIVITY, source_id=3, title="主题党课")  # touches the buffer
    make.closure(room, at(22, 9, month=12), at(22, 21, month=12), "打蜡")
    return make.venue(town.centres["A1"], name="小会议室", capacity=30)


def test_conflicts_say_what_and_where_else(town: Town, crowded: Venue, tuesdays: Rule, now: datetime) -> None:
    with staff(town, "A1"):
        planned = {p.day.day: p for p in series.plan(tuesdays, now)}
    assert {d: p.held_by for d, p in planned.items()} == {
        1: "",
        8: "居民预约（待审批）",
        15: "“主题党课”",
        22: "场地停用（打蜡）",
        29: "",
    }
    for day in (8, 15, 22):
        assert planned[day].other_rooms == ((crowded.id, "小会议室"),)
    assert planned[22].shifts == () and planned[1].other_rooms == ()
    with staff(town, "A1"):
        near = {p.day.day: p for p in series.plan(replace(tuesdays, first_day=date(2026, 12, 8)), at(1, 9, month=12))}
    assert near[8].shifts and all(
        s.end <= at(8, 14, 30, month=12) or s.start >= at(8, 16, month=12) for s in near[8].shifts
    )


def test_skip_move_and_wait(
    session: Any, town: Town, room: Venue, crowded: Venue, tuesdays: Rule, now: datetime
) -> None:
    choices = {
        date(2026, 12, 1): Choice(MOVE, start=at(2, 9, month=12), end=at(2, 10, month=12)),
        date(2026, 12, 8): Choice(WAIT),
        date(2026, 12, 15): Choice(MOVE, venue_id=crowded.id),
        date(2026, 12, 22): Choice(SKIP),
    }
    with staff(town, "A1") as clerk:
        done = series.book_series(clerk, tuesdays, choices, now)
    assert [(b.venue_id, b.starts_at) for b in done.booked] == [
        (room.id, at(2, 9, month=12)),
        (crowded.id, at(15, 14, month=12)),
        (room.id, at(29, 14, month=12)),
    ]
    assert [b.starts_at for b in done.waiting] == [at(8, 14, month=12)] and done.skipped == [date(2026, 12, 22)]
    in_the_way = session.scalars(select(Booking).where(Booking.resident_id == town.residents[0].id)).one()
    booking.withdraw(town.resident_actor(0), in_the_way.id, now)
    assert statuses(session, done.waiting) == [APPROVED]  # staff's own needs nobody's yes
    assert overlapping(session) == []
    deliver(session, now)
    assert [m.title for m in inbox(session, town.staff["A1"], "staff")] == ["候补的时间排上了：舞蹈室"]


def test_taken_meanwhile_nothing_is_stored(
    session: Any, town: Town, room: Venue, tuesdays: Rule, now: datetime
) -> None:
    with staff(town, "A1"):
        assert {p.held_by for p in series.plan(tuesdays, now)} == {""}
    booking.book(town.resident_actor(0), wish(room, 8, 15, month=12), now)
    session.commit()
    with staff(town, "A1") as clerk, pytest.raises(SlotTaken) as taken:
        series.book_series(clerk, tuesdays, {}, now)
    assert taken.value.message == "12月8日（周二）14:00–16:00 的舞蹈室刚刚被占用，整个系列都没有保存。"
    assert taken.value.wish.span == span(8, 14, month=12)
    session.rollback()  # as the request does with every refusal
    assert count(session) == 1 and session.scalar(select(func.count()).select_from(BookingSeries)) == 0


def test_a_closed_date_is_named(town: Town, crowded: Venue, tuesdays: Rule, now: datetime) -> None:
    only = replace(tuesdays, first_day=date(2026, 12, 22))
    with staff(town, "A1") as clerk, pytest.raises(BookingRefused) as refused:
        series.book_series(clerk, only, {}, now)
    assert refused.value.message.startswith("12月22日（周二）：") and "打蜡" in refused.value.message


def test_the_form_sent_twice_is_one_series(session: Any, town: Town, tuesdays: Rule, now: datetime) -> None:
    with staff(town, "A1") as clerk:
        first = series.book_series(clerk, tuesdays, {}, now)
        again = series.book_series(clerk, tuesdays, {}, now + timedelta(seconds=20))
        assert again.series.id == first.series.id and [b.id for b in again.booked] == [b.id for b in first.booked]
        with pytest.raises(SlotTaken):
            series.book_series(clerk, tuesdays, {}, now + timedelta(minutes=5))
    assert count(session) == 5


@pytest.mark.parametrize(("change", "way"), [
    ({"last_day": date(2026, 11, 1)}, "第一天"), ({"weekdays": frozenset()}, "至少选一天"),
    ({"opens": 960, "closes": 840}, "24:00"), ({"last_day": date(2026, 12, 1), "weekdays": frozenset({4})}, "改晚"),
    ({"last_day": date(2028, 12, 1), "weekdays": frozenset(range(7))}, "以后再排"),
    ({"first_day": date(2026, 10, 6), "last_day": date(2026, 11, 24)}, "以后的日期"),
])  # fmt: skip
def test_rules_that_make_no_sense(town: Town, tuesdays: Rule, now: datetime, change: dict[str, Any], way: str) -> None:
    bad = replace(tuesdays, **change)
    for act in (lambda who: series.plan(bad, now), lambda who: series.book_series(who, bad, {}, now)):
        with staff(town, "A1") as clerk, pytest.raises(SeriesRefused) as refused:
            act(clerk)
        assert refused.value.status == 422 and way in refused.value.message + refused.value.advice


def test_at_least_one_date(town: Town, tuesdays: Rule, now: datetime) -> None:
    skip = {date(2026, 12, d): Choice(SKIP) for d in (1, 8, 15, 22, 29)}
    with staff(town, "A1") as clerk, pytest.raises(SeriesRefused) as refused:
        series.book_series(clerk, tuesdays, skip, now)
    assert "至少留一个日期" in refused.value.advice


def test_todays_date_that_began_is_left_out(town: Town, tuesdays: Rule) -> None:
    with staff(town, "A1"):
        planned = series.plan(tuesdays, at(1, 14, month=12))
    assert [p.day.day for p in planned] == [8, 15, 22, 29]


@pytest.mark.parametrize("key", ["A2", "B", "A1S", "ZFB", "D-LOOK"])
def test_not_in_other_peoples_rooms(
    session: Any, town: Town, tuesdays: Rule, make: Make, now: datetime, key: str
) -> None:
    mine = make.venue(town.centres[key if key in town.centres else "D"])
    with staff(town, key) as clerk:
        with pytest.raises((VenueGone, NotAllowed)):
            series.book_series(clerk, tuesdays, {}, now)
        with pytest.raises((VenueGone, NotAllowed)):  # nor by moving a date there
            series.book_series(
                clerk,
                replace(tuesdays, venue_id=mine.id),
                {date(2026, 12, 8): Choice(MOVE, venue_id=tuesdays.venue_id)},
                now,
            )
    session.rollback()
    assert count(session) == 0


def test_rooms_that_are_not_given_out(town: Town, tuesdays: Rule, make: Make, now: datetime) -> None:
    outside, retired = make.venue(town.centres["A1"], bookable=False), make.venue(town.centres["A1"], active=False)
    with staff(town, "A1") as clerk:
        for venue in (outside, retired):
            rule = replace(tuesdays, venue_id=venue.id)
            with pytest.raises(VenueGone):
                series.plan(rule, now)
            with pytest.raises(VenueGone):
                series.book_series(clerk, rule, {}, now)
        with pytest.raises(NotBookable):
            series.book_series(clerk, tuesdays, {date(2026, 12, 8): Choice(MOVE, venue_id=outside.id)}, now)


def test_ending_cancels_what_is_to_come(session: Any, town: Town, room: Venue, tuesdays: Rule, now: datetime) -> None:
    with staff(town, "A1") as clerk:
        done = series.book_series(clerk, tuesdays, {}, now)
    waits = booking.wait(town.resident_actor(0), wish(room, 8, 14, month=12), now)
    deliver(session, now)
    later = at(2, 9, month=12)
    with staff(town, "A1-OP") as clerk:
        with pytest.raises(ReasonMissing):
            series.end_series(clerk, done.series.id, " ", later)
        assert series.end_series(clerk, done.series.id, "合唱团停办", later) == 4
        assert series.end_series(clerk, done.series.id, "合唱团停办", later) == 0
    assert statuses(session, done.booked) == [APPROVED] + [CANCELLED] * 4
    assert statuses(session, [waits]) == [APPROVED]
    deliver(session, later)
    # One piece of news for the centre, not one a date.
    assert [m.title for m in inbox(session, town.staff["A1"], "staff")] == ["固定预约取消了：舞蹈室"]
    assert "合唱团停办" in inbox(session, town.staff["A1"], "staff")[0].body


def test_ending_with_a_date_next_door(session: Any, town: Town, crowded: Venue, tuesdays: Rule, now: datetime) -> None:
    choices = {date(2026, 12, d): Choice(MOVE, venue_id=crowded.id) for d in (8, 15, 22)}
    with staff(town, "A1") as clerk:
        done = series.book_series(clerk, tuesdays, choices, now)
        approval.move(clerk, done.booked[0].id, crowded.id, at(1, 9, month=12), at(1, 10, month=12), "换", now)
        assert series.end_series(clerk, done.series.id, "停办", now) == 5
    assert set(statuses(session, done.booked)) == {CANCELLED}


@pytest.mark.parametrize("key", ["A2", "B", "ZFB", "D-LOOK"])
def test_strangers_do_not_end_it(town: Town, tuesdays: Rule, now: datetime, key: str) -> None:
    with staff(town, "A1") as clerk:
        done = series.book_series(clerk, tuesdays, {}, now)
    with staff(town, key) as clerk, pytest.raises((VenueGone, NotAllowed)):
        series.end_series(clerk, done.series.id, "停", now)
    assert done.series.ended_at is None


def test_a_waiting_date_lapses_like_any_other(
    session: Any, town: Town, crowded: Venue, tuesdays: Rule, now: datetime
) -> None:
    from portal.venues import deadlines

    with staff(town, "A1") as clerk:
        done = series.book_series(
            clerk, tuesdays, {date(2026, 12, d): Choice(WAIT if d == 8 else SKIP) for d in (1, 8, 15, 22, 29)}, now
        )
    session.commit()
    assert statuses(session, done.waiting) == [WAITING]
    assert deadlines.lapse(at(8, 14, month=12)) == 1  # the resident's own request begins an hour later
    deliver(session, at(8, 14, month=12))
    assert [m.title for m in inbox(session, town.staff["A1"], "staff")] == ["候补没有等到：舞蹈室"]
