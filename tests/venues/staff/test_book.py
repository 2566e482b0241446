"""Staff book for a caller or for the house (SPEC V3): free of notice and limits, bound by bookings and closures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.people.models import Resident
from portal.venues.models import Booking, Venue
from tests.factories import Make, Town
from tests.venues.helping import at, overlapping

SignIn = Callable[[FlaskClient, Any], FlaskClient]
BOOK = "/staff/venues/book"


@pytest.fixture
def room(make: Make, town: Town) -> Venue:
    return make.venue(town.centres["A1"], name="多功能厅", needs_approval=True, notice=600, bookings_per_month=1)


@pytest.fixture
def form(room: Venue) -> dict[str, str]:
    return {
        "venue_id": str(room.id), "day": "2026-11-25", "start": "14:00", "end": "16:00", "who": "caller",
        "phone": "199 0000 0088", "name": "赵大姐", "relative": "", "people": "12", "title": "合唱队排练", "needs": "话筒",
    }  # fmt: skip


def bookings(session: Any) -> list[Booking]:
    session.rollback()
    return list(session.scalars(select(Booking).order_by(Booking.id)))


def test_the_pressed_cell_fills_the_form(room: Venue, town: Town, client: FlaskClient, as_staff: SignIn) -> None:
    as_staff(client, town.staff["A1"])
    page = client.get(f"{BOOK}?venue={room.id}&start=2026-11-26T09:30").text
    assert all(
        word in page
        for word in (
            'value="2026-11-26"',
            'value="09:30"',
            'value="10:30"',
            f'<option selected value="{room.id}">',
            "9:00–21:00",
        )
    )
    for odd in ("venue=x&start=x", "venue=999999&start=2026-99-99T99:99", "start=2026-11-26T09:00%2B00:00", "day=x"):
        assert client.get(f"{BOOK}?{odd}").status_code == 200


def test_a_caller_is_opened_and_booked_at_once(
    form: dict[str, str], session: Any, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    as_staff(client, town.staff["A1-OP"])
    answer = client.post(BOOK, data=form)
    row = bookings(session)[0]
    assert answer.headers["Location"] == f"/staff/venues/bookings/{row.id}"
    assert (row.status, row.people, row.title, row.needs, row.created_by) == (
        "approved",
        12,
        "合唱队排练",
        "话筒",
        "A1经办",
    )
    assert (row.starts_at, row.ends_at) == (at(25, 14), at(25, 16))
    assert session.scalars(select(Resident.name).where(Resident.phone == "19900000088")).one() == "赵大姐"
    page = client.get(answer.headers["Location"]).text
    assert "赵大姐" in page and "19900000088" not in page


def test_somebody_known_is_found_and_books_for_a_relative(
    form: dict[str, str], session: Any, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    as_staff(client, town.staff["A1"])
    again = form | {"phone": "19900000000", "name": "", "relative": "王奶奶", "start": "１７：００", "end": "18:00"}
    assert client.post(BOOK, data=again).status_code == 303
    row = bookings(session)[0]
    assert row.resident_id == town.residents[0].id
    assert row.relative.name == "王奶奶"
    assert "王奶奶（居民甲代）" in client.get(f"/staff/venues/bookings/{row.id}").text


def test_the_house_needs_no_person(
    form: dict[str, str], session: Any, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    as_staff(client, town.staff["A1"])
    assert client.post(BOOK, data=form | {"who": "inside", "phone": "", "name": "", "end": "00:00"}).status_code == 303
    row = bookings(session)[0]
    assert (row.resident_id, row.source, row.ends_at) == (None, "staff", at(26, 0))
    assert "A1管理员（内部使用）" in client.get(f"/staff/venues/bookings/{row.id}").text


def test_a_taken_time_is_answered_with_free_ones_and_everything_typed_is_kept(
    form: dict[str, str], room: Venue, session: Any, make: Make, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    make.booking(room, at(25, 15), 60, town.residents[1])
    hall = make.venue(town.centres["A1"], name="书画室", capacity=20)
    make.venue(town.centres["A1"], name="小间", capacity=5)
    as_staff(client, town.staff["A1"])
    answer = client.post(BOOK, data=form)
    assert answer.status_code == 409
    assert all(
        word in answer.text
        for word in ("刚刚被别人订走", "这个时间已有", "居民乙", "这些时间有空", "书画室（20 人）", 'value="赵大姐"')
    )
    assert "小间（5 人）" not in answer.text
    assert len(bookings(session)) == 1
    assert client.post(BOOK, data=form | {"venue_id": str(hall.id)}).status_code == 303
    assert overlapping(session) == []


def test_closures_bind_staff_too(
    form: dict[str, str], room: Venue, session: Any, make: Make, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    make.closure(room, at(25, 15), at(25, 18), "空调检修")
    as_staff(client, town.staff["A1"])
    answer = client.post(BOOK, data=form)
    assert answer.status_code == 422 and "空调检修" in answer.text
    assert bookings(session) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"phone": "12345"}, "11 位数字"), ({"phone": ""}, "请填来电人的手机号"), ({"name": ""}, "请写上来电人的姓名"),
        ({"day": "0001-01-01"}, "年份不对"), ({"day": "9999-12-31"}, "年份不对"), ({"day": "2026-02-30"}, "没有这一天"), ({"day": ""}, "请选日期"), ({"start": "早上"}, "没有这个时间"),
        ({"end": "13:00"}, "结束时间要晚于开始时间"), ({"day": "2026-11-20"}, "已经过去"),
        ({"people": "两"}, "人数请填"), ({"people": "0"}, "人数请填"), ({"title": " "}, "请写一句做什么用"),
        ({"title": "字" * 81}, "最多 80 个字"), ({"venue_id": ""}, "请选一个场地"), ({"who": "x"}, "给谁订"),
    ],
)  # fmt: skip
def test_odd_input_is_said_beside_its_field(
    form: dict[str, str],
    session: Any,
    town: Town,
    client: FlaskClient,
    as_staff: SignIn,
    change: dict[str, str],
    said: str,
) -> None:
    as_staff(client, town.staff["A1"])
    answer = client.post(BOOK, data=form | change)
    assert answer.status_code == 422 and said in answer.text
    assert bookings(session) == []
    assert not session.scalars(select(Resident).where(Resident.phone == "19900000088")).all()


@pytest.mark.parametrize(("who", "status"), [("A2", 422), ("A1S", 422), ("ZFB", 422), ("D-LOOK", 403)])
def test_a_neighbours_room_cannot_be_chosen(
    form: dict[str, str], session: Any, town: Town, client: FlaskClient, as_staff: SignIn, who: str, status: int
) -> None:
    as_staff(client, town.staff[who])
    assert client.post(BOOK, data=form).status_code == status
    assert bookings(session) == []
