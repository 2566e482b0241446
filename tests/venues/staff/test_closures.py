"""Closures: what is booked inside is seen before it is decided; around it, or cancelled with notice (SPEC V4)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.venues.models import Booking, Venue, VenueClosure
from tests.factories import NOW, Make, Town
from tests.venues.helping import at, deliver, kinds

SignIn = Callable[[FlaskClient, Any], FlaskClient]
CLOSURES = "/staff/venues/closures"


@pytest.fixture
def room(make: Make, town: Town) -> Venue:
    return make.venue(town.centres["A1"], name="多功能厅")


@pytest.fixture
def form(room: Venue) -> dict[str, str]:
    return {
        "where": f"v{room.id}", "first_day": "2026-11-27", "start": "", "last_day": "2026-11-28", "end": "",
        "reason": "空调检修",
    }  # fmt: skip


def closed(session: Any) -> list[VenueClosure]:
    session.rollback()
    session.expire_all()
    return list(session.scalars(select(VenueClosure).order_by(VenueClosure.id)))


def seen(page: str) -> str:
    found = re.search(r'name="seen" value="([^"]*)"', page)
    assert found
    return found[1]


def test_the_preview_shows_what_is_inside_and_stores_nothing(
    form: dict[str, str], room: Venue, session: Any, make: Make, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    make.booking(room, at(27, 14), 120, town.residents[0], title="合唱队排练", needs="话筒")
    make.booking(room, at(28, 9), 60, source="activity", source_id=7, title="绘本阅读会")
    make.booking(room, at(29, 9), 60, town.residents[1], title="后天的会")
    as_staff(client, town.staff["A1"])
    page = client.get(f"{CLOSURES}/new", query_string=form).text
    assert all(
        word in page
        for word in (
            "多功能厅",
            "11月27日（周五）到11月28日（周六）全天",
            "已订的 2 份怎么办",
            "合唱队排练",
            "居民甲",
            "话筒",
            "绘本阅读会",
            "绕开已订的（保留）",
            "取消并通知",
            "其中 1 份是清单活动",
        )
    )
    assert "后天的会" not in page
    assert closed(session) == []


def test_around_what_is_booked(
    form: dict[str, str], room: Venue, session: Any, make: Make, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    row = make.booking(room, at(27, 14), 120, town.residents[0])
    as_staff(client, town.staff["A1-OP"])
    assert client.post(CLOSURES, data=form | {"booked": "around"}).status_code == 303
    one = closed(session)[0]
    assert (one.venue_id, one.starts_at, one.ends_at, one.reason) == (room.id, at(27, 0), at(29, 0), "空调检修")
    assert session.get(Booking, row.id).status == "approved"
    page = client.get(CLOSURES).text
    assert "保留了 1 份已订的" in page and "空调检修" in page and "A1经办" in page


def test_cancelling_with_notice_only_what_was_seen(
    form: dict[str, str], room: Venue, session: Any, make: Make, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    row = make.booking(room, at(27, 14), 120, town.residents[0], title="合唱队排练")
    held = make.booking(room, at(28, 9), 60, source="activity", source_id=7, title="绘本阅读会")
    as_staff(client, town.staff["A1"])
    shown = seen(client.get(f"{CLOSURES}/new", query_string=form).text)
    session.rollback()
    late = make.booking(room, at(27, 18), 60, town.residents[1], title="刚订的会")
    changed = client.post(CLOSURES, data=form | {"booked": "cancel", "seen": shown})
    assert changed.status_code == 409 and "刚刚有人预约" in changed.text and "刚订的会" in changed.text
    assert closed(session) == [] and session.get(Booking, late.id).status == "approved"
    session.rollback()
    again = client.post(CLOSURES, data=form | {"booked": "cancel", "seen": seen(changed.text)})
    assert again.status_code == 303
    assert len(closed(session)) == 1
    assert [session.get(Booking, b.id).status for b in (row, late, held)] == ["cancelled", "cancelled", "approved"]
    deliver(session, NOW)
    assert kinds(session, town.residents[0]) and kinds(session, town.residents[1])


def test_a_whole_centre_and_hours_of_a_day(
    form: dict[str, str], session: Any, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    as_staff(client, town.staff["A"])
    whole = form | {"where": f"c{town.centres['A1'].id}", "last_day": "2026-11-27", "start": "09:00", "end": "12:00"}
    page = client.get(f"{CLOSURES}/new", query_string=whole).text
    assert "甲一社区：全部场地" in page and "9:00–12:00" in page and "里面没有人订" in page
    assert client.post(CLOSURES, data=whole).status_code == 303
    one = closed(session)[0]
    assert (one.venue_id, one.centre_id, one.starts_at) == (None, town.centres["A1"].id, at(27, 9))
    assert "全部场地" in client.get(f"{CLOSURES}?centre=A1").text


def test_lifting_and_the_three_lists(
    room: Venue, session: Any, make: Make, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    soon = make.closure(room, at(27, 9), at(27, 12), "门口演练")
    make.closure(room, at(20, 9), at(20, 12), "上周的检修")
    as_staff(client, town.staff["A1"])
    coming = client.get(CLOSURES).text
    assert "门口演练" in coming and "上周的检修" not in coming
    assert "上周的检修" in client.get(f"{CLOSURES}?show=past").text
    assert client.post(f"{CLOSURES}/{soon.id}/lift").status_code == 303
    assert client.post(f"{CLOSURES}/{soon.id}/lift").status_code == 303  # twice is the same as once
    assert closed(session)[0].lifted_at == NOW
    assert "没有停用的场地" in client.get(CLOSURES).text
    assert "门口演练" in client.get(f"{CLOSURES}?show=lifted").text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"reason": " "}, "请写明停用的原因"), ({"last_day": "2026-11-26"}, "结束时间要晚于开始时间"),
        ({"first_day": "2026-11-01", "last_day": "2026-11-02"}, "已经过去"), ({"last_day": "2029-01-01"}, "最多停用一年"),
        ({"where": ""}, "请选场地或整个中心"), ({"where": "v999999"}, "请从列表里选"), ({"where": "c1"}, "请从列表里选"),
        ({"first_day": "0001-01-01"}, "年份不对"), ({"first_day": "2026-02-30"}, "没有这一天"), ({"start": "25:00"}, "没有这个时间"),
        ({"reason": "字" * 81}, "最多 80 个字"),
    ],
)  # fmt: skip
def test_odd_input_is_said_in_place(
    form: dict[str, str],
    session: Any,
    town: Town,
    client: FlaskClient,
    as_staff: SignIn,
    change: dict[str, str],
    said: str,
) -> None:
    as_staff(client, town.staff["A1"])
    for answer in (
        client.get(f"{CLOSURES}/new", query_string=form | change),
        client.post(CLOSURES, data=form | change),
    ):
        assert answer.status_code == 422 and said in answer.text
    assert closed(session) == []


@pytest.mark.parametrize(("who", "status"), [("A2", 404), ("B", 404), ("A1S", 404), ("D-LOOK", 403), ("ZFB", 404)])
def test_closures_belong_to_the_centre(
    form: dict[str, str],
    room: Venue,
    session: Any,
    make: Make,
    town: Town,
    client: FlaskClient,
    as_staff: SignIn,
    who: str,
    status: int,
) -> None:
    one = make.closure(room, at(27, 9), at(27, 12), "门口演练")
    as_staff(client, town.staff[who])
    assert client.post(f"{CLOSURES}/{one.id}/lift").status_code == status
    assert client.post(CLOSURES, data=form).status_code == (403 if who == "D-LOOK" else 422)
    page = client.get(CLOSURES)
    assert page.status_code == 200 and ("门口演练" in page.text) == (who == "D-LOOK")
    assert "恢复使用</button>" not in page.text
    assert [c.lifted_at for c in closed(session)] == [None]
