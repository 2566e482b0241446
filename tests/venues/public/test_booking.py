"""Booking in few taps, every refusal with its way out, offers that can all be had (SPEC V1, V2, V5; Q1, Q2)."""

from __future__ import annotations

import re
from datetime import time, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from portal.core import clock
from portal.people.models import Relative
from portal.venues.models import Booking, Venue
from tests.factories import NOW, Make, Town

TODAY = NOW.date()
HTMX = {"HX-Request": "true"}
FORM = re.compile(r'<form action="(/venues/\d+/(?:book|wait))" method="post">(.*?)</form>', re.DOTALL)


def at(hour: int, minute: int = 0, days: int = 1) -> Any:
    return clock.at(TODAY + timedelta(days=days), time(hour, minute))


def wish(**changes: str) -> dict[str, str]:
    return {"day": "2026-11-26", "start": "14:00", "end": "15:00", "people": "5", "function": "会议"} | changes


def bookings(session: Any, *statuses: str) -> list[Booking]:
    session.rollback()
    rows = session.scalars(select(Booking).order_by(Booking.id))
    return [row for row in rows if not statuses or row.status in statuses]


def offers(page: str, kind: str = "book") -> list[tuple[str, MultiDict[str, str]]]:
    """The forms that book an offered time in one press: address and fields."""
    found = []
    for action, inside in FORM.findall(page):
        fields = re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)">', inside)
        if action.endswith(kind):
            found.append((action, MultiDict([(n, unescape(v)) for n, v in fields])))
    return found


@pytest.fixture
def hall(town: Town, make: Make) -> Venue:
    return make.venue(town.centres["A1"], name="多功能厅", capacity=60)


@pytest.fixture
def me(client: FlaskClient, town: Town, session: Any, as_resident: Any) -> Any:
    as_resident(client, town.residents[0])
    session.rollback()  # a read transaction of before the sign-in could not write
    return town.residents[0]


def test_four_taps_from_the_centres_page(client: FlaskClient, session: Any, me: Any, hall: Venue) -> None:
    """订场地 → a day → a start → 确认预约; everything else is chosen beforehand."""
    page = client.get("/c/A1").text
    first = re.search(r'<a class="door" href="([^"]+)"[^>]*>(?:(?!</a>).)*订场地', page, re.DOTALL)
    assert first is not None
    page = client.get(unescape(first[1])).text
    second = re.search(rf'href="(/venues/{hall.id}\?day=2026-11-26)"', page)
    assert second is not None
    page = client.get(unescape(second[1])).text
    third = re.search(rf'href="(/venues/{hall.id}\?day=2026-11-26&amp;start=14:00|[^"]*start=14:00)"', page)
    assert third is not None
    page = client.get(unescape(third[1])).text
    assert "确认预约" in page
    fields = dict(re.findall(r'<input type="hidden" name="(day|start|for)" value="([^"]+)">', page))
    chosen = re.search(r'<option value="([^"]+)" selected>', page)
    assert chosen is not None and chosen[1] == "15:00"
    answer = client.post(
        f"/venues/{hall.id}/book", data={**fields, "end": chosen[1], "people": "1", "function": "会议"}
    )
    row = bookings(session)[0]
    assert (answer.status_code, answer.location) == (303, f"/venues/bookings/{row.id}?new=1")
    assert (row.starts_at, row.ends_at, row.status, row.title) == (at(14), at(15), "approved", "会议")
    page = client.get(answer.location).text
    assert ">订上了</h1>" in page and "13:30 起扫门口的二维码" in page and "12:00 前可自行退订" in page


def test_htmx_goes_to_the_booking(client: FlaskClient, session: Any, me: Any, hall: Venue) -> None:
    answer = client.post(f"/venues/{hall.id}/book", data=wish(), headers=HTMX)
    assert answer.headers["HX-Redirect"] == f"/venues/bookings/{bookings(session)[0].id}?new=1"


def test_pending_says_who_decides_until_when(client: FlaskClient, me: Any, town: Town, make: Make) -> None:
    room = make.venue(town.centres["A1"], needs_approval=True)
    assert "提交预约" in client.get(f"/venues/{room.id}?day=2026-11-27&start=14:00").text
    answer = client.post(f"/venues/{room.id}/book", data=wish(day="2026-11-27"))
    page = client.get(answer.location).text
    assert ">已交给甲一社区审批</h1>" in page and "11月26日 10:00 前答复" in page


def test_pressing_twice_is_one_booking(client: FlaskClient, session: Any, me: Any, hall: Venue) -> None:
    answers = [client.post(f"/venues/{hall.id}/book", data=wish()) for _ in range(2)]
    assert answers[0].location == answers[1].location and len(bookings(session)) == 1


def test_for_a_relative(client: FlaskClient, session: Any, me: Any, hall: Venue) -> None:
    person = Relative(resident_id=me.id, name="王奶奶", relation="母亲", created_at=NOW)
    session.add(person)
    session.commit()
    page = client.get(f"/venues/{hall.id}?day=2026-11-26&start=14:00&for={person.id}").text
    assert f'<option value="{person.id}" selected>母亲（王奶奶）</option>' in page
    answer = client.post(f"/venues/{hall.id}/book", data=wish(**{"for": str(person.id)}))
    assert "王奶奶" in client.get(answer.location).text
    assert bookings(session)[0].relative_id == person.id


def test_not_signed_in_comes_back_to_the_same_wish(
    client: FlaskClient, session: Any, town: Town, as_resident: Any, hall: Venue
) -> None:
    page = client.get(f"/venues/{hall.id}?day=2026-11-26&start=14:00").text
    assert "登录后预约" in page
    data = wish(end="16:30", title="排练", needs="话筒")
    answer = client.post(f"/venues/{hall.id}/book", data=data)
    assert answer.status_code == 303 and answer.location.startswith("/login?next=")
    lost = client.post(f"/venues/{hall.id}/book", data=data, headers=HTMX)
    assert lost.headers["HX-Redirect"] == answer.location
    assert not bookings(session)
    target = client.get(answer.location)
    assert target.status_code == 200
    back = parse_qs(urlsplit(answer.location).query)["next"][0]
    as_resident(client, town.residents[0])
    page = client.get(back).text
    assert "14:00 开始" in page and 'value="16:30" selected' in page and 'value="排练"' in page
    assert 'value="话筒"' in page and 'value="5"' in page and "确认预约" in page


def test_a_profile_without_a_name_is_completed_first(client: FlaskClient, session: Any, me: Any, hall: Venue) -> None:
    me.name = ""
    session.commit()
    answer = client.post(f"/venues/{hall.id}/book", data=wish())
    assert answer.status_code == 303 and answer.location.startswith("/me/profile?next=/venues/")


REFUSALS = {
    "past": ({"day": "2026-11-25", "start": "9:00", "end": "10:00"}, 422, "已经过去了"),
    "soon": ({"day": "2026-11-25", "start": "10:30", "end": "11:30"}, 422, "至少要提前 1 小时"),
    "reversed": ({"start": "15:00", "end": "14:00"}, 422, "结束时间要晚于开始时间"),
    "same": ({"start": "15:00", "end": "15:00"}, 422, "结束时间要晚于开始时间"),
    "early": ({"start": "7:00", "end": "8:00"}, 422, "开放时间是 9:00–21:00"),
    "late": ({"start": "20:00", "end": "22:00"}, 422, "开放时间是 9:00–21:00"),
    "long": ({"start": "10:00", "end": "16:00"}, 422, "最长可订 3 小时"),
    "short": ({"start": "10:00", "end": "10:10"}, 422, "最短要订 30 分钟"),
    "grid": ({"start": "10:10", "end": "11:10"}, 422, "不在格子上"),
    "far": ({"day": "2026-12-20"}, 422, "最多提前 14 天"),
    "closed": ({"day": "2026-11-28"}, 422, "设备检修"),
    "crowd": ({"people": "61"}, 422, "最多坐 60 人"),
    "nobody": ({"people": "0"}, 422, "人数至少填 1 人"),
    "words": ({"people": "几个"}, 422, "人数请填数字"),
    "no hour": ({"start": "下午", "end": ""}, 422, "没有看懂要订的时间"),
    "no day": ({"day": "2026-13-99"}, 422, "没有看懂要订的时间"),
    "stranger": ({"for": "99999"}, 422, "没有找到这位家人"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_each_refusal_says_why_keeps_what_was_typed_and_has_a_way_out(
    client: FlaskClient, session: Any, make: Make, me: Any, hall: Venue, name: str
) -> None:
    make.closure(hall, at(0, days=3), at(0, days=4))
    changes, status, said = REFUSALS[name]
    for headers in ({}, HTMX):
        data = wish(title="舞蹈队排练", needs="音响", **changes) if "for" not in changes else wish() | changes
        answer = client.post(f"/venues/{hall.id}/book", data=data, headers=headers)
        assert answer.status_code == status, answer.text
        assert said in answer.text and 'role="alert"' in answer.text
        assert "/venues?centre=A1" in answer.text and "tel:075584200003" in answer.text
        if 'id="book-form"' in answer.text and "title" in data:
            assert 'value="舞蹈队排练"' in answer.text and 'value="音响"' in answer.text
        assert answer.text.lstrip().startswith("<section") is bool(headers)
    assert not bookings(session)


@pytest.mark.parametrize("name", ["past", "soon", "early", "closed", "crowd"])
def test_offers_after_a_refusal_can_all_be_had(
    client: FlaskClient, session: Any, make: Make, town: Town, me: Any, hall: Venue, name: str
) -> None:
    make.closure(hall, at(0, days=3), at(0, days=4))
    make.venue(town.centres["A1"], name="大厅", capacity=300)
    page = client.post(f"/venues/{hall.id}/book", data=wish(**REFUSALS[name][0])).text
    found = offers(page)
    assert found
    for action, fields in found:
        answer = client.post(action, data=fields)
        assert answer.status_code == 303 and "/venues/bookings/" in answer.location, answer.text
        # Two offers may overlap each other: each is tried alone.
        client.post(answer.location.replace("?new=1", "/withdraw"))


def test_the_loser_is_offered_what_can_be_had(
    client: FlaskClient, session: Any, town: Town, make: Make, me: Any, hall: Venue
) -> None:
    other = make.venue(town.centres["A1"], name="小会议室")
    near = make.venue(town.centres["A2"], name="邻居会议室")
    make.venue(town.centres["A1"], name="太小的", capacity=2)
    make.booking(hall, at(14), 60, contact_name="保密的人", title="保密的事")
    answer = client.post(f"/venues/{hall.id}/book", data=wish(title="读书会"), headers=HTMX)
    assert answer.status_code == 409
    assert answer.text.lstrip().startswith('<section class="thumb sign-up" id="book"')
    assert "刚刚被别人订走了" in answer.text and "保密" not in answer.text and "太小的" not in answer.text
    found = offers(answer.text)
    assert {"13:00–14:00", "15:00–16:00"} <= set(re.findall(r"\d+:\d\d–\d+:\d\d", answer.text))
    assert {action for action, _ in found} == {f"/venues/{v.id}/book" for v in (hall, other, near)}
    assert len(found) == 6
    # A press books, and the words on it say so: what, and from when to when.
    words = [
        re.sub(r"<[^>]+>", "", button) for button in re.findall(r'<button class="btn ok">(.*?)</button>', answer.text)
    ]
    assert len(words) == 6 and all(re.match(r"订 .*\d+:\d\d–\d+:\d\d", text) for text in words)
    assert "订 小会议室 14:00–15:00" in words and "订 甲二社区 邻居会议室 14:00–15:00" in "".join(words)
    for action, fields in found:
        assert fields["title"] == "读书会" and fields["people"] == "5"
        done = client.post(action, data=fields)
        assert done.status_code == 303 and "/venues/bookings/" in done.location, done.text
    assert len(bookings(session, "approved")) == 7


def test_the_databases_own_refusal_reads_the_same(
    client: FlaskClient, session: Any, make: Make, me: Any, hall: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should the look before the write ever miss somebody, the net below answers with the same offers."""
    from portal.venues import occupancy

    make.booking(hall, at(14), 60)
    monkeypatch.setattr(occupancy, "is_free", lambda *_a, **_k: True)
    answer = client.post(f"/venues/{hall.id}/book", data=wish())
    assert answer.status_code == 409 and "刚刚被别人订走了" in answer.text and offers(answer.text)
    assert not bookings(session, "pending") and len(bookings(session)) == 1


def test_a_taken_start_in_an_old_link_brings_the_same_offers(client: FlaskClient, make: Make, hall: Venue) -> None:
    make.booking(hall, at(14), 60)
    page = client.get(f"/venues/{hall.id}?day=2026-11-26&start=14:00&end=15:00").text
    assert "刚刚被别人订走了" in page and offers(page) and "去登录" in page
    answer = client.post(offers(page)[0][0], data=offers(page)[0][1])
    assert answer.location.startswith("/login?next=")


def test_waiting_for_a_taken_time(client: FlaskClient, session: Any, make: Make, me: Any, hall: Venue) -> None:
    make.booking(hall, at(14), 60)
    make.booking(hall, at(14), 60, resident=make.resident(), status="waiting")
    page = client.post(f"/venues/{hall.id}/book", data=wish()).text
    found = offers(page, "wait")
    assert len(found) == 1
    answer = client.post(found[0][0], data=found[0][1])
    page = client.get(answer.location).text
    assert "候补第 2 位" in page and "轮到了马上通知您" in page
    assert [row.resident_id for row in bookings(session, "waiting")][-1] == me.id


def test_a_room_without_a_waiting_list_offers_none(client: FlaskClient, make: Make, me: Any, hall: Venue) -> None:
    room = make.venue(hall.centre, waiting_list=False)
    make.booking(room, at(14), 60)
    page = client.post(f"/venues/{room.id}/book", data=wish()).text
    assert "刚刚被别人订走了" in page and not offers(page, "wait")


def test_a_limit_says_what_is_left(client: FlaskClient, make: Make, me: Any, hall: Venue) -> None:
    room = make.venue(hall.centre, hours_per_week=2)
    make.booking(room, at(9), 120, resident=me)
    answer = client.post(f"/venues/{room.id}/book", data=wish())
    assert answer.status_code == 409 and "每人每周最多订 2 小时" in answer.text and not offers(answer.text, "wait")


def test_a_purpose_is_asked_for_where_somebody_decides(
    client: FlaskClient, session: Any, make: Make, me: Any, hall: Venue
) -> None:
    room = make.venue(hall.centre, needs_approval=True)
    answer = client.post(f"/venues/{room.id}/book", data=wish(function="other", needs="椅子"))
    assert answer.status_code == 422 and "请写一句做什么用" in answer.text
    assert '<details class="more whom" open>' in answer.text and 'value="椅子"' in answer.text
    assert 'name="title" maxlength="80" value="" placeholder="例如：舞蹈队排练" aria-invalid="true"' in answer.text
    assert client.post(f"/venues/{room.id}/book", data=wish(function="other", title="排练")).status_code == 303
    assert bookings(session)[0].title == "排练"


@pytest.mark.parametrize("kind", ["book", "wait"])
def test_unknown_and_outside_rooms(client: FlaskClient, town: Town, make: Make, me: Any, kind: str) -> None:
    answer = client.post(f"/venues/99999/{kind}", data=wish())
    assert answer.status_code == 404 and "没有找到这个场地" in answer.text and "回首页" in answer.text
    outside = make.venue(town.centres["D"], kind="city", bookable=False, phone="0755-84200088")
    answer = client.post(f"/venues/{outside.id}/{kind}", data=wish())
    assert answer.status_code == 409 and "不在这里预约" in answer.text and "0755-84200088" in answer.text


def test_rooms_for_others_refuse_with_a_telephone(client: FlaskClient, town: Town, make: Make, me: Any) -> None:
    for who, centre in (("own", "B1"), ("staff", "A1")):
        room = make.venue(town.centres[centre], who_may=who)
        answer = client.post(f"/venues/{room.id}/book", data=wish())
        assert answer.status_code == 422 and "tel:0755842000" in answer.text


def test_what_is_typed_stays_text(client: FlaskClient, me: Any, hall: Venue) -> None:
    answer = client.post(f"/venues/{hall.id}/book", data=wish(people="999", title='"><script>x</script>'))
    assert answer.status_code == 422 and "<script>x" not in answer.text


def test_staff_looking_at_the_page_are_asked_to_sign_in_as_residents(
    client: FlaskClient, town: Town, as_staff: Any, hall: Venue
) -> None:
    as_staff(client, town.staff["A1"])
    assert "登录后预约" in client.get(f"/venues/{hall.id}?day=2026-11-26&start=14:00").text
    assert client.post(f"/venues/{hall.id}/book", data=wish()).location.startswith("/login?next=")
