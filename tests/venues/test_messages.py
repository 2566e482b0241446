"""Messages about bookings (SPEC M1, M3): to whom, once, in words with a next step; what is urgent goes out at night."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from portal.core import outbox, states
from portal.notices import kinds as table
from portal.notices.models import Delivery
from portal.people.models import Relative
from portal.venues import handlers, notices
from portal.venues.actions import approval, booking
from portal.venues.models import APPROVED, LAPSED, OFFERED, PENDING, REFUSED, WAITING, Booking, BookingSeries, Venue
from portal.venues.notices import Words
from portal.venues.states import MACHINE
from tests.factories import NOW, Make, Town
from tests.venues.helping import at, deliver, inbox, kinds, staff, wait_all, wish

MACHINE_TALK = ("None", "pending", "approved", "[", "{", "%s", "。。", "：。")


@pytest.fixture
def row(session: Any, town: Town, make: Make) -> Booking:
    room = make.venue(town.centres["A1"], name="三楼会议室", place="三楼 302", release=15)
    mother = Relative(resident_id=town.residents[0].id, name="王秀英", relation="母亲", created_at=NOW)
    session.add(mother)
    session.commit()
    return make.booking(
        room,
        at(27, 14),
        120,
        town.residents[0],
        relative_id=mother.id,
        reason="漏水",
        decide_by=at(26, 10),
        accept_by=at(26, 12),
    )


WORDS: dict[str, Callable[[Booking], Words]] = {
    "approved": notices.approved, "received": notices.received, "queued": lambda b: notices.queued(b, 3),
    "handed_up": notices.handed_up, "moved_up": notices.moved_up, "offered": notices.offered,
    "passed_over": notices.passed_over, "refused": notices.refused, "cancelled": notices.cancelled,
    "lapsed_pending": lambda b: notices.lapsed(b, PENDING), "lapsed_waiting": lambda b: notices.lapsed(b, WAITING),
    "lapsed_offer": lambda b: notices.lapsed(b, OFFERED), "moved": lambda b: notices.moved(b, "上午 旧厅"),
    "withdrawn": notices.withdrawn, "released": notices.released,
    "reminder_day": lambda b: notices.reminder(b, "day", at(26, 14)),
    "reminder_hours": lambda b: notices.reminder(b, "hours", at(27, 12)),
}  # fmt: skip
TO_STAFF = {"overdue", "handed_to_you", "series_ended", "to_staff"}


def test_every_wording_is_looked_at() -> None:
    functions = {name: f for name, f in vars(notices).items() if inspect.isfunction(f) and not name.startswith("_")}
    made = {name for name, f in functions.items() if f.__annotations__.get("return") is Words}
    assert made - TO_STAFF == {
        name.split("_")[0] if name.startswith(("lapsed", "reminder")) else name for name in WORDS
    }


def test_words_say_when_where_and_what_next(row: Booking) -> None:
    for word in WORDS.values():
        _look_at(word(row))


def _look_at(words: Words) -> None:
    assert table.of(words.kind).label != "通知"
    assert "三楼会议室" in words.title and "11月27日（周五）14:00–16:00" in words.body
    assert not [bad for bad in MACHINE_TALK if bad in words.title + words.body], words.body
    assert len(words.title) <= 40 and words.body.endswith("。")
    way_out = ("退订", "打电话", "退出", "别的时间", "确认", "签到", "留着")
    assert any(way in words.body for way in way_out), words.body


def test_the_relatives_name_shows(row: Booking) -> None:
    for name in ("approved", "received", "queued", "moved_up", "offered", "passed_over", "cancelled", "withdrawn",
                 "reminder_day"):  # fmt: skip
        body = WORDS[name](row).body
        assert "王秀英" in body and "您已订上" not in body, name


def test_words_of_bare_rooms(session: Any, town: Town, make: Make) -> None:
    """No phone, no place, no reason yet, no deadline: still whole sentences."""
    room = make.venue(town.centres["A1"], name="棋牌室", phone="")
    room.centre.phone = ""
    row = make.booking(room, at(27, 14), 120, town.residents[0], reason="满员")
    for word in WORDS.values():
        body = word(row).body
        assert not [bad for bad in (*MACHINE_TALK, "打电话 。", "（）") if bad in body], body


def test_staffs_words(session: Any, row: Booking, town: Town) -> None:
    series = BookingSeries(
        venue_id=row.venue_id,
        centre_id=row.centre_id,
        title="合唱团",
        weekdays=[1],
        first_day=NOW.date(),
        last_day=NOW.date(),
        opens=1,
        closes=2,
        created_by="A1管理员",
        created_at=NOW,
    )
    session.add(series)
    session.flush()
    made = [
        notices.overdue(row), notices.handed_to_you(row, ""), notices.handed_to_you(row, "要用音响"),
        notices.series_ended(row, series), notices.to_staff(row, "取消了"),
    ]  # fmt: skip
    for words in made:
        assert words.kind == "work.booking" and "三楼会议室" in words.title and words.body.endswith("。")
        assert not [bad for bad in MACHINE_TALK if bad in words.body], words.body
        assert town.residents[0].name not in words.title + words.body  # whose booking it is stays on the page


# By the outbox --------------------------------------------------------------------------------------------------------


def test_every_event_has_a_handler() -> None:
    topics = {t.event for t in MACHINE.transitions if t.event} | set(booking.FIRST_TOPIC.values())
    topics |= {"venues.moved", "venues.passed_over", "venues.remind", "venues.undecided", "venues.withdrawn"}
    assert topics == {topic for topic in outbox._handlers if topic.startswith("venues.")}


def test_what_is_urgent_goes_out_at_night(session: Any, town: Town, make: Make) -> None:
    room = make.venue(town.centres["A1"], needs_approval=True, notice=0)
    night = at(25, 23)
    rows = [booking.book(town.resident_actor(n), wish(room, 27 + n), night) for n in range(3)]
    with staff(town, "A1") as clerk:
        approval.approve(clerk, rows[0].id, night)
        approval.refuse(clerk, rows[1].id, "不在使用范围内", night)
        approval.cancel(clerk, rows[2].id, "停电", night)
    deliver(session, night)
    sent = {d.kind: (d.urgent, d.due_at) for d in session.scalars(select(Delivery))}
    assert sent == {
        "booking.approved": (False, at(26, 8)),
        "booking.refused": (False, at(26, 8)),
        "change.cancelled": (True, night),
    }


def test_what_is_switched_off_still_stands_in_the_inbox(session: Any, town: Town, make: Make, now: datetime) -> None:
    town.residents[0].quiet = {"off": ["booking"]}
    booking.book(town.resident_actor(0), wish(make.venue(town.centres["A1"])), now)
    deliver(session, now)
    assert kinds(session, town.residents[0]) == ["booking.approved"]
    assert session.scalars(select(Delivery)).all() == []


def test_the_house_hears_of_its_own(session: Any, town: Town, make: Make, now: datetime) -> None:
    """Managers and operators of the room's centre; not the department, not the inspector, not the level above."""
    room = make.venue(town.centres["D"], name="报告厅")
    row = make.booking(room, at(27, 14))
    with staff(town, "D") as clerk:
        approval.cancel(clerk, row.id, "停电", now)
    deliver(session, now)
    assert [m.title for m in inbox(session, town.staff["D"], "staff")] == ["取消了：报告厅"]
    for key in ("ZFB", "D-LOOK", "A", "A1"):
        assert inbox(session, town.staff[key], "staff") == []


def test_a_booking_that_is_gone_is_no_error(session: Any, town: Town) -> None:
    for topic in [t for t in outbox._handlers if t.startswith("venues.")]:
        outbox._handlers[topic]({"id": 99999, "history_id": 99999, "for": 1, "rule": "day"}, NOW)


def test_moved_twice_before_the_worker_came(session: Any, town: Town, make: Make, now: datetime) -> None:
    room = make.venue(town.centres["A1"], name="厅")
    row = make.booking(room, at(27, 14), resident=town.residents[0])
    with staff(town, "A1") as clerk:
        for hour in (16, 18):
            approval.move(clerk, row.id, room.id, at(27, hour), at(27, hour + 1), "清洁", now)
    deliver(session, now)
    told = inbox(session, town.residents[0])
    assert [m.kind for m in told] == ["change.changed"] * 2
    assert all("改到11月27日（周五）18:00–19:00" in m.body for m in told)  # where it is, never where it was meanwhile


def test_moved_and_then_given_up_is_not_told(session: Any, town: Town, make: Make, now: datetime) -> None:
    room = make.venue(town.centres["A1"])
    row = make.booking(room, at(27, 14), resident=town.residents[0])
    with staff(town, "A1") as clerk:
        approval.move(clerk, row.id, room.id, at(27, 16), at(27, 17), "清洁", now)
    booking.withdraw(town.resident_actor(0), row.id, now)
    deliver(session, now)
    assert kinds(session, town.residents[0]) == []


def test_moved_up_and_then_given_up_is_not_told(session: Any, town: Town, make: Make, now: datetime) -> None:
    rows = wait_all(town, make.venue(town.centres["A1"]), now, 2)
    deliver(session, now)
    for number in (0, 1):
        booking.withdraw(town.resident_actor(number), rows[number].id, now)
    deliver(session, now)
    assert "place.moved_up" not in kinds(session, town.residents[1])


def test_the_place_in_line(session: Any, town: Town, make: Make, now: datetime) -> None:
    room: Venue = make.venue(town.centres["A1"])
    booking.book(town.resident_actor(0), wish(room, hour=13, minutes=180), now)
    early = booking.wait(town.resident_actor(1), wish(room, hour=13, minutes=60), now)
    late = booking.wait(town.resident_actor(2), wish(room, hour=15, minutes=60), now)
    both = booking.wait(town.resident_actor(3), wish(room, hour=13, minutes=180), now)
    assert [handlers.number(b, now) for b in (early, late, both)] == [1, 1, 3]  # only what touches counts


def test_histories_tell_the_whole_way(session: Any, town: Town, make: Make, now: datetime) -> None:
    room = make.venue(town.centres["A1"], needs_approval=True)
    row = booking.book(town.resident_actor(0), wish(room), now)
    with staff(town, "A1") as clerk:
        approval.hand_up(clerk, row.id, "要用音响", now)
    with staff(town, "A") as clerk:
        approval.refuse(clerk, row.id, "不在使用范围内", now + timedelta(hours=1))
    way = [(h.name, h.from_status, h.to_status, h.reason) for h in states.history(MACHINE, [row.id])]
    assert way == [
        ("book", PENDING, PENDING, ""),
        ("hand_up", PENDING, PENDING, "要用音响"),
        ("refuse", PENDING, REFUSED, "不在使用范围内"),
    ]
    assert {APPROVED, LAPSED}.isdisjoint({step[2] for step in way})
