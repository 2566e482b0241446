"""One's own bookings: change, withdraw, answer, calendar; the door; /me, export, erasure (SPEC V2, V5, S9, P8)."""

from __future__ import annotations

import re
from datetime import time, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from icalendar import Calendar

from portal.core import clock, registry
from portal.feedback import actions as feedback
from portal.feedback import queries
from portal.feedback.actions import Ask
from portal.people.models import Relative
from portal.venues import evaluating
from portal.venues.models import Booking, Venue
from tests.factories import NOW, Make, Town
from tests.venues.public.test_booking import at

TODAY = NOW.date()


@pytest.fixture
def hall(town: Town, make: Make) -> Venue:
    return make.venue(town.centres["A1"], name="多功能厅", place="二楼", capacity=60, release=15)


@pytest.fixture
def me(client: FlaskClient, town: Town, session: Any, as_resident: Any) -> Any:
    as_resident(client, town.residents[0])
    session.rollback()  # a read transaction of before the sign-in could not write
    return town.residents[0]


def page(client: FlaskClient, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, f"{path}: {answer.status_code}"
    return answer.get_data(as_text=True)


def fresh(session: Any, row: Booking) -> Booking:
    session.rollback()
    session.refresh(row)
    return row


def test_where_it_stands_and_until_when(client: FlaskClient, make: Make, me: Any, hall: Venue) -> None:
    row = make.booking(hall, at(14), resident=me, people=12, needs="话筒")
    text = page(client, f"/venues/bookings/{row.id}")
    for words in ("已订上", '11月26日（周四） <span class="whole">14:00–15:00</span>', "二楼", "12 人", "话筒",
                  "13:30 起扫门口的二维码", "开始 15 分钟没签到", "11月26日 12:00 前可自行退订", "改时间", "存到手机日历",
                  "tel:075584200003"):  # fmt: skip
        assert words in text, words


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("pending", ("已交给甲一社区审批", "前答复，过时由上一级来办", "改时间", "退订…")),
        ("waiting", ("候补第 1 位", "轮到了马上通知您", "不等了…")),
        ("offered", ("我要这个时间", "不要了", "11月25日 12:00 前")),
        ("refused", ("未通过", "不在使用范围内", "再订这个场地")),
        ("cancelled", ("已取消", "不在使用范围内")),
        ("released", ("未到已释放",)),
        ("withdrawn", ("已退订", "再订这个场地")),
        ("lapsed", ("过时失效",)),
    ],
)
def test_each_state_says_what_happens_next(
    client: FlaskClient, make: Make, me: Any, hall: Venue, status: str, words: tuple[str, ...]
) -> None:
    accept_by = NOW + timedelta(hours=2) if status == "offered" else None
    row = make.booking(hall, at(14), resident=me, status=status, reason="不在使用范围内", accept_by=accept_by)
    text = page(client, f"/venues/bookings/{row.id}")
    assert [w for w in words if w not in text] == []


def test_anybody_elses_booking_does_not_exist(
    client: FlaskClient, town: Town, make: Make, me: Any, hall: Venue
) -> None:
    row = make.booking(hall, at(14), resident=town.residents[1], title="保密的事")
    assert "保密的事" not in page(client, f"/venues/bookings/{row.id}", 404)
    for path in ("withdraw", "change", "answer"):
        assert client.post(f"/venues/bookings/{row.id}/{path}").status_code == 404
    page(client, f"/venues/bookings/{row.id}/booking.ics", 404)


def test_withdraw_gives_the_time_to_the_next(
    client: FlaskClient, session: Any, town: Town, make: Make, me: Any, hall: Venue
) -> None:
    row = make.booking(hall, at(14, days=3), resident=me)
    following = make.booking(hall, at(14, days=3), resident=town.residents[1], status="waiting")
    answer = client.post(f"/venues/bookings/{row.id}/withdraw")
    assert answer.location == f"/venues/bookings/{row.id}"
    assert "已退订，时间让给别人" in page(client, answer.location)
    assert fresh(session, row).status == "withdrawn" and fresh(session, following).status == "approved"


def test_too_late_to_withdraw_says_until_when_and_whom_to_call(
    client: FlaskClient, session: Any, make: Make, me: Any, hall: Venue
) -> None:
    row = make.booking(hall, NOW + timedelta(hours=1), resident=me, created_at=NOW - timedelta(days=1))
    text = page(client, f"/venues/bookings/{row.id}")
    assert "11月25日 9:00 以后不能自己退订" in text and "退订…" not in text and "打电话" in text
    for path, data in (("withdraw", {}), ("change", {"day": "2026-11-26", "start": "9:00", "end": "10:00"})):
        answer = client.post(f"/venues/bookings/{row.id}/{path}", data=data)
        assert answer.status_code == 409 and "不能自己退订或改时间" in answer.text and "tel:075584200003" in answer.text
    assert fresh(session, row).status == "approved"


def test_change_by_picking_a_free_time(client: FlaskClient, session: Any, make: Make, me: Any, hall: Venue) -> None:
    row = make.booking(hall, at(14), 60, resident=me, people=9)
    other = make.venue(hall.centre, name="小会议室")
    text = page(client, f"/venues/bookings/{row.id}?move=1")
    assert "改到什么时候" in text and f'name="venue" value="{other.id}"' in text
    assert f"/venues/bookings/{row.id}?day=2026-11-26&start=14:30#change-form" in text  # its own time is free for it
    text = page(client, f"/venues/bookings/{row.id}?day=2026-11-27&start=10:00")
    assert 'name="start" value="10:00"' in text and 'value="9"' in text
    data = {"day": "2026-11-27", "start": "10:00", "end": "12:00", "people": "20"}
    answer = client.post(f"/venues/bookings/{row.id}/change", data=data)
    assert "已改到 11月27日（周五）10:00–12:00" in page(client, answer.location)
    row = fresh(session, row)
    assert (row.starts_at, row.ends_at, row.people) == (at(10, days=2), at(12, days=2), 20)


def test_change_to_another_room(client: FlaskClient, session: Any, make: Make, me: Any, hall: Venue) -> None:
    row = make.booking(hall, at(14), 60, resident=me, people=9)
    other = make.venue(hall.centre, name="小会议室", needs_approval=True)
    text = page(client, f"/venues/bookings/{row.id}?move=1")
    form = re.search(
        rf'<form action="[^"]+/change"[^>]*>((?:(?!</form>).)*name="venue" value="{other.id}".*?)</form>', text
    )
    assert form is not None
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[1]))
    assert client.post(f"/venues/bookings/{row.id}/change", data=fields).status_code == 303
    row = fresh(session, row)
    assert (row.venue_id, row.status, row.starts_at, row.people) == (other.id, "pending", at(14), 9)


def test_a_taken_time_for_a_change_brings_offers(
    client: FlaskClient, session: Any, make: Make, me: Any, hall: Venue
) -> None:
    row = make.booking(hall, at(14), 60, resident=me)
    make.booking(hall, at(16), 60, contact_name="保密的人")
    data = {"day": "2026-11-26", "start": "16:00", "end": "17:00"}
    answer = client.post(f"/venues/bookings/{row.id}/change", data=data)
    assert answer.status_code == 409 and "刚刚被别人订走了" in answer.text and "保密" not in answer.text
    assert "可以改到" in answer.text and "17:00–18:00" in answer.text
    assert fresh(session, row).starts_at == at(14)


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [({"start": "x"}, 422, "没有看懂"), ({"end": "9:00"}, 422, "结束时间要晚于"), ({"people": "999"}, 422, "最多坐 60 人"),
     ({"venue": "99999"}, 404, "没有找到这个场地"), ({"day": "2026-12-30"}, 422, "最多提前 14 天")],
)  # fmt: skip
def test_a_bad_change_is_explained(
    client: FlaskClient, make: Make, me: Any, hall: Venue, changes: dict[str, str], status: int, said: str
) -> None:
    row = make.booking(hall, at(14), 60, resident=me)
    data = {"day": "2026-11-26", "start": "10:00", "end": "11:00"} | changes
    answer = client.post(f"/venues/bookings/{row.id}/change", data=data)
    assert answer.status_code == status and said in answer.text


@pytest.mark.parametrize(("said", "status"), [("yes", "approved"), ("no", "withdrawn")])
def test_an_offer_is_answered(
    client: FlaskClient, session: Any, make: Make, me: Any, hall: Venue, said: str, status: str
) -> None:
    row = make.booking(hall, at(14), resident=me, status="offered", accept_by=NOW + timedelta(hours=2))
    answer = client.post(f"/venues/bookings/{row.id}/answer", data={"answer": said})
    assert answer.status_code == 303 and fresh(session, row).status == status


def test_an_offer_that_is_over(client: FlaskClient, session: Any, make: Make, me: Any, hall: Venue) -> None:
    row = make.booking(hall, at(14), resident=me, status="offered", accept_by=NOW - timedelta(hours=2))
    answer = client.post(f"/venues/bookings/{row.id}/answer", data={"answer": "yes"})
    assert answer.status_code == 409 and "空位给了下一位" in answer.text


def test_after_use_it_can_be_rated(client: FlaskClient, session: Any, make: Make, me: Any, hall: Venue) -> None:
    row = make.booking(hall, at(9, days=-1), resident=me, checked_in_at=at(9, days=-1))
    assert "评价这次使用" not in page(client, f"/venues/bookings/{row.id}")
    session.rollback()
    evaluating.ask_how_it_was(NOW)
    text = page(client, f"/venues/bookings/{row.id}")
    link = re.search(r'href="(/rate/[^"]+)"', text)
    assert link is not None and "评价这次使用" in text and "多功能厅" in page(client, link[1])


def test_what_users_thought_is_public_above_a_minimum(
    client: FlaskClient, session: Any, make: Make, me: Any, hall: Venue
) -> None:
    def rate(count: int, ago: int) -> None:
        session.rollback()
        for number in range(count):
            row = make.booking(hall, at(9 + number, days=-ago), resident=me, checked_in_at=at(9, days=-ago))
            key = evaluating.group_key(hall.id)
            feedback.invite([Ask("booking", row.id, key, hall.centre_id, me.id, None, hall.name, "前天")], NOW)
            asked = queries.asked_of("booking", row.id)[0]
            feedback.give(asked.id, 5 - number % 2, NOW)
        session.commit()

    rate(4, ago=2)
    assert "评价</dt>" not in page(client, f"/venues/{hall.id}")
    rate(1, ago=3)
    text = page(client, f"/venues/{hall.id}")
    assert "评价</dt>" in text and "4.6（5 人）" in text
    assert f"/print/venues/{hall.id}.pdf?week=" in text and f"/venues/{hall.id}.ics" in text


def test_for_the_phones_calendar(client: FlaskClient, make: Make, me: Any, hall: Venue) -> None:
    row = make.booking(hall, at(14), 90, resident=me, title="读书会")
    answer = client.get(f"/venues/bookings/{row.id}/booking.ics")
    assert answer.mimetype == "text/calendar" and "no-store" in answer.headers["Cache-Control"]
    event = Calendar.from_ical(answer.data).walk("VEVENT")[0]
    assert event["SUMMARY"] == "多功能厅：读书会" and event.decoded("DTEND") == at(15, 30)
    assert event["URL"] == f"https://portal.example/venues/bookings/{row.id}"


def test_a_calendar_takes_the_newer_one(client: FlaskClient, make: Make, me: Any, hall: Venue) -> None:
    """Moved and given back it is the same event with a higher number; its times are in UTC, which every program reads."""
    row = make.booking(hall, at(14, days=3), resident=me)

    def event() -> Any:
        data = client.get(f"/venues/bookings/{row.id}/booking.ics").data
        assert b"TZID=" not in data
        return Calendar.from_ical(data).walk("VEVENT")[0]

    first = event()
    client.post(f"/venues/bookings/{row.id}/withdraw")
    second = event()
    assert (first["UID"], second["STATUS"]) == (second["UID"], "CANCELLED")
    assert int(first["SEQUENCE"]) < int(second["SEQUENCE"])


# /me, export, erasure -------------------------------------------------------------------------------------------------


def test_my_services_show_bookings(client: FlaskClient, session: Any, make: Make, me: Any, hall: Venue) -> None:
    person = Relative(resident_id=me.id, name="王奶奶", relation="母亲", created_at=NOW)
    session.add(person)
    session.commit()
    row = make.booking(hall, at(14), resident=me, title="读书会", relative_id=person.id)
    make.booking(hall, at(16), resident=me, status="pending")
    make.booking(hall, at(9, days=-3), resident=me, title="上周的会")
    make.booking(hall, at(9, days=-300), resident=me, title="很久以前")
    text = page(client, "/me")
    assert "多功能厅 · 读书会" in text and f'href="/venues/bookings/{row.id}"' in text and "王奶奶" in text
    assert "甲一社区正在审批，" in text and "前可退订或改时间" in text
    assert "已经结束" in text and "上周的会" in text and "很久以前" not in text


def test_export_and_erasure(client: FlaskClient, session: Any, make: Make, me: Any, hall: Venue) -> None:
    row = make.booking(hall, at(14), resident=me, title="读书会", needs="话筒")
    told = client.get("/me/export.json").get_data(as_text=True)
    assert "读书会" in told and "话筒" in told and "多功能厅" in told
    for eraser in registry.erasers.values():
        eraser(me.id, NOW)
    session.commit()
    row = fresh(session, row)
    assert (row.status, row.title, row.needs) == ("withdrawn", "使用场地", "")


# The door -------------------------------------------------------------------------------------------------------------


def door(hall: Venue) -> str:
    return f"/venues/{hall.id}/door/{hall.door_key}"


def test_the_door_shows_now_and_next_without_names(
    client: FlaskClient, session: Any, town: Town, make: Make, hall: Venue
) -> None:
    make.booking(hall, NOW - timedelta(minutes=30), 60, contact_name="保密的人", title="保密的事")
    make.booking(hall, at(14, days=0), 60, source="activity", source_id=3, title="合唱排练", contact_name="")
    text = page(client, door(hall))
    assert "有人订了，到 10:30" in text and "14:00–15:00 “合唱排练”" in text and "保密" not in text
    assert f"/login?next={door(hall)}" in text and "我到了" not in text


def test_an_empty_room_can_be_booked_at_its_door(client: FlaskClient, make: Make, me: Any, hall: Venue) -> None:
    make.booking(hall, at(15, days=0), 60)
    text = page(client, door(hall))
    assert "空着，到 15:00" in text and f"/venues/{hall.id}?day=2026-11-25&amp;start=11:00" in text


def test_one_press_at_the_door(client: FlaskClient, session: Any, make: Make, me: Any, hall: Venue) -> None:
    row = make.booking(hall, NOW + timedelta(minutes=30), 60, resident=me)
    assert "我到了" in page(client, door(hall))
    answer = client.post(door(hall))
    assert answer.location == f"/venues/bookings/{row.id}"
    assert "签到好了" in page(client, answer.location)
    assert fresh(session, row).checked_in_at == NOW
    assert "您已签到" in page(client, door(hall))
    assert client.post(door(hall)).status_code == 303  # a second press is the same


@pytest.mark.parametrize("minutes", [31, -60])
def test_too_early_or_over(client: FlaskClient, session: Any, make: Make, me: Any, hall: Venue, minutes: int) -> None:
    row = make.booking(hall, NOW + timedelta(minutes=minutes), 60, resident=me)
    text = page(client, door(hall))
    assert "我到了" not in text and ("10:01 起可以在这里签到" in text) is (minutes > 0)
    answer = client.post(door(hall))
    assert answer.status_code == 409 and "现在没有您在这里的预约" in answer.text
    assert fresh(session, row).checked_in_at is None


def test_somebody_elses_booking_is_not_checked_in(
    client: FlaskClient, session: Any, town: Town, make: Make, me: Any, hall: Venue
) -> None:
    row = make.booking(hall, NOW, 60, resident=town.residents[1], title="保密的事")
    assert "保密" not in page(client, door(hall))
    assert client.post(door(hall)).status_code == 409
    assert fresh(session, row).checked_in_at is None


def test_a_wrong_key_is_a_page_with_a_way_out(client: FlaskClient, make: Make, me: Any, hall: Venue) -> None:
    make.booking(hall, NOW, 60, resident=me)
    for answer in (client.get(f"/venues/{hall.id}/door/nope"), client.post(f"/venues/{hall.id}/door/nope")):
        assert answer.status_code == 404 and "二维码" in answer.text and "回首页" in answer.text


def test_a_closed_room_says_why_at_its_door(client: FlaskClient, make: Make, hall: Venue) -> None:
    make.closure(hall, clock.at(TODAY, time(0)), clock.at(TODAY, time(23)))
    assert "不开放：设备检修" in page(client, door(hall))
