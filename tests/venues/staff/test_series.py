"""Regular use: the rule, every date with its conflict, the choice, all or nothing (SPEC V4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from portal.venues.models import Booking, BookingSeries, Venue
from tests.factories import Make, Town
from tests.venues.helping import at, overlapping

SignIn = Callable[[FlaskClient, Any], FlaskClient]
SERIES = "/staff/venues/series"


@pytest.fixture
def room(make: Make, town: Town) -> Venue:
    return make.venue(town.centres["A1"], name="多功能厅", needs_approval=True)


@pytest.fixture
def form(room: Venue) -> dict[str, Any]:
    """Tuesdays and Thursdays, 14:00-16:00: 26 November, 1, 3, 8 and 10 December."""
    return {
        "venue_id": str(room.id), "title": "合唱队排练", "weekdays": ["1", "3"], "first_day": "2026-11-26",
        "last_day": "2026-12-10", "start": "14:00", "end": "16:00", "people": "20",
    }  # fmt: skip


def rows(session: Any) -> list[Booking]:
    session.rollback()
    return list(session.scalars(select(Booking).where(Booking.series_id.is_not(None)).order_by(Booking.starts_at)))


def test_the_preview_names_every_conflict_and_stores_nothing(
    form: dict[str, Any], room: Venue, session: Any, make: Make, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    make.booking(room, at(1, 15, month=12), 60, town.residents[0], title="居民的会")
    make.venue(town.centres["A1"], name="书画室")
    as_staff(client, town.staff["A1"])
    page = client.get(f"{SERIES}/new", query_string=MultiDict(form)).text
    assert "一共 <b>5</b> 个日期" in page and "<b>1</b> 个有冲突" in page
    assert all(
        word in page for word in ("12月1日（周二）", "这一天跳过", "排候补", "改到书画室，同一时间", "改到 13:00–15:00")
    )
    assert rows(session) == [] and not session.scalars(select(BookingSeries)).all()


def test_each_date_goes_as_chosen(
    form: dict[str, Any], room: Venue, session: Any, make: Make, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    for day in (1, 3, 8):
        make.booking(room, at(day, 15, month=12), 60, town.residents[0])
    hall = make.venue(town.centres["A1"], name="书画室")
    as_staff(client, town.staff["A1-OP"])
    chosen = {
        "on-2026-11-26": "take", "on-2026-12-01": "wait", "on-2026-12-03": f"move:{hall.id}:840:960",
        "on-2026-12-08": f"move:{room.id}:780:900", "on-2026-12-10": "skip",
    }  # fmt: skip
    answer = client.post(SERIES, data=form | chosen)
    assert answer.status_code == 303
    found = [(b.starts_at, b.venue_id, b.status) for b in rows(session)]
    assert found == [
        (at(26, 14), room.id, "approved"),
        (at(1, 14, month=12), room.id, "waiting"),
        (at(3, 14, month=12), hall.id, "approved"),
        (at(8, 13, month=12), room.id, "approved"),
    ]
    page = client.get(answer.headers["Location"]).text
    assert all(
        word in page for word in ("已订 3 次，候补 1 次，跳过 1 次", "每周二、四 14:00–16:00", "换到这里", "候补中")
    )
    listed = client.get(SERIES).text
    assert "合唱队排练" in listed and "4 / 4 次" in listed
    assert overlapping(session) == []


def test_what_was_taken_meanwhile_stores_nothing_and_keeps_the_choices(
    form: dict[str, Any], room: Venue, session: Any, make: Make, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    make.booking(room, at(3, 14, month=12), 60, town.residents[0])
    as_staff(client, town.staff["A1"])
    answer = client.post(SERIES, data=form | {"on-2026-12-03": "take", "on-2026-12-08": "skip"})
    assert answer.status_code == 409
    assert "12月3日" in answer.text and "刚刚被占用" in answer.text
    assert '<option value="skip" selected>这一天不要' in answer.text
    assert rows(session) == [] and not session.scalars(select(BookingSeries)).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"weekdays": []}, "请至少选一天"), ({"weekdays": ["9"]}, "请从周一到周日里选"), ({"title": ""}, "请写一句做什么用"),
        ({"last_day": "2026-11-20"}, "最后一天要不早于第一天"), ({"end": "13:00"}, "结束时间要晚于开始时间"),
        ({"last_day": "9999-12-31"}, "年份不对"), ({"last_day": "2030-01-01"}, "一次最多排 120 个日期"), ({"first_day": "x"}, "没有这一天"),
        ({"last_day": "2026-11-26", "weekdays": ["0"]}, "没有一个选中的日期"),
        ({"first_day": "2026-10-01", "last_day": "2026-10-30"}, "都已经过去"), ({"venue_id": "999999"}, "请从列表里选"),
    ],
)  # fmt: skip
def test_odd_rules_are_said_in_place(
    form: dict[str, Any],
    session: Any,
    town: Town,
    client: FlaskClient,
    as_staff: SignIn,
    change: dict[str, Any],
    said: str,
) -> None:
    as_staff(client, town.staff["A1"])
    for answer in (
        client.get(f"{SERIES}/new", query_string=MultiDict(form | change)),
        client.post(SERIES, data=form | change),
    ):
        assert answer.status_code == 422 and said in answer.text
    assert rows(session) == []


def test_odd_choices_cannot_reach_a_neighbours_room(
    form: dict[str, Any], session: Any, make: Make, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    theirs = make.venue(town.centres["A2"], name="甲二的厅")
    as_staff(client, town.staff["A1"])
    answer = client.post(SERIES, data=form | {"on-2026-12-03": f"move:{theirs.id}:840:960"})
    assert answer.status_code == 404
    assert rows(session) == []
    odd = {"on-x": "skip", "on-2026-12-03": "move:x:y:z", "on-2026-12-08": "?", "on-2026-12-10": "skip"}
    assert client.post(SERIES, data=form | odd).status_code == 303
    assert len(rows(session)) == 4  # what nobody offered counts as no choice


def test_skipping_everything_is_no_series(
    form: dict[str, Any], session: Any, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    as_staff(client, town.staff["A1"])
    days = ("2026-11-26", "2026-12-01", "2026-12-03", "2026-12-08", "2026-12-10")
    answer = client.post(SERIES, data=form | {f"on-{day}": "skip" for day in days})
    assert answer.status_code == 422 and "一个日期也没有选上" in answer.text
    assert not session.scalars(select(BookingSeries)).all()


def test_ending_the_rest_needs_a_reason(
    form: dict[str, Any], session: Any, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    as_staff(client, town.staff["A1"])
    where = client.post(SERIES, data=form).headers["Location"]
    bare = client.post(f"{where}/end", data={"reason": " "})
    assert bare.status_code == 422 and "请写明原因" in bare.text
    assert client.post(f"{where}/end", data={"reason": "不再使用"}).status_code == 303
    assert {b.status for b in rows(session)} == {"cancelled"}
    assert "提前结束" in client.get(where).text
    assert "合唱队排练" in client.get(f"{SERIES}?show=past").text
    assert "合唱队排练" not in client.get(SERIES).text


@pytest.mark.parametrize(("who", "status"), [("A2", 404), ("B", 404), ("A1S", 404), ("D-LOOK", 403), ("ZFB", 404)])
def test_series_belong_to_the_centre(
    form: dict[str, Any], session: Any, town: Town, client: FlaskClient, as_staff: SignIn, who: str, status: int
) -> None:
    as_staff(client, town.staff["A1"])
    where = client.post(SERIES, data=form).headers["Location"]
    as_staff(client, town.staff[who])
    assert client.get(where).status_code == (200 if who == "D-LOOK" else 404)
    assert client.post(f"{where}/end", data={"reason": "试试"}).status_code == status
    assert client.post(SERIES, data=form).status_code == (403 if who == "D-LOOK" else 422)
    assert {b.status for b in rows(session)} == {"approved"}


def test_a_long_series_stands_on_several_pages(
    form: dict[str, Any], town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    """A page holds a year of Tuesdays; the count of what is still to come is of all."""
    as_staff(client, town.staff["A1"])
    where = client.post(SERIES, data=form | {"weekdays": list("0123456"), "last_day": "2027-02-10"}).headers["Location"]
    first, second = client.get(where).text, client.get(f"{where}?page=2").text
    assert (first.count("<tr><td"), second.count("<tr><td")) == (60, 17)
    assert "还有 <b>77</b> 次" in first and "还有 <b>77</b> 次" in second
    assert "page=2" in first and "11月26日（周四）" in first and "2月10日（周三）" in second
