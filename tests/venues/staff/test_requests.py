"""The queue of requests: waited how long, until when, who competes, decided in place (SPEC V3)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from portal.core import access
from portal.front.frame import registry
from portal.venues.models import Booking, Venue
from tests.factories import NOW, Make, Town
from tests.venues.helping import at, deliver, kinds, staff

SignIn = Callable[[FlaskClient, Any], FlaskClient]
QUEUE = "/staff/venues/requests"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def room(make: Make, town: Town) -> Venue:
    return make.venue(town.centres["A1"], name="多功能厅", needs_approval=True, capacity=20)


@pytest.fixture
def asked(room: Venue, make: Make, town: Town) -> list[Booking]:
    """A request, and two of the waiting list that want part of its time."""
    first = make.booking(
        room,
        at(27, 14),
        120,
        town.residents[0],
        title="合唱队排练",
        people=30,
        status="pending",
        created_at=NOW - timedelta(hours=5),
        decide_by=NOW + timedelta(hours=2),
    )
    second = make.booking(room, at(27, 15), 120, town.residents[1], title="读书会", people=12, status="waiting")
    third = make.booking(room, at(27, 15, 30), 60, town.residents[2], title="议事会", people=9, status="waiting")
    make.booking(room, at(27, 17), 60, town.residents[2], title="没有关系的候补", status="waiting")
    return [first, second, third]


def states(session: Any, rows: list[Booking]) -> list[str]:
    session.rollback()
    session.expire_all()
    return [session.get(Booking, r.id).status for r in rows]


def test_everything_one_needs_to_decide(
    asked: list[Booking], room: Venue, make: Make, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    old = at(10, 9)
    make.booking(room, old, 60, town.residents[0], status="approved")
    make.booking(room, old + timedelta(days=1), 60, town.residents[0], status="released")
    as_staff(client, town.staff["A1"])
    page = client.get(QUEUE).text
    assert all(
        word in page
        for word in (
            "合唱队排练",
            "居民甲",
            "199****0000",
            "5 小时",
            "11月25日 12:00 前",
            "超过容量",
            "以前用过 1 次，订了没来 1 次",
            "还有 2 份在排队",
            "读书会",
            "居民乙",
            "议事会",
            "批准后这 2 份继续候补",
        )
    )
    assert "没有关系的候补" not in page
    assert "19900000000" not in page


def test_one_press_approves_and_the_others_are_told(
    asked: list[Booking], session: Any, make: Make, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    make.booking(asked[0].venue, at(28, 9), 60, town.residents[3], title="还有一份", status="pending")
    as_staff(client, town.staff["A1-OP"])
    answer = client.post(f"{QUEUE}/{asked[0].id}/approve", headers=HTMX)
    assert answer.status_code == 200 and "已批准“合唱队排练”" in answer.text and "<html" not in answer.text
    assert "还有一份" in answer.text
    assert states(session, asked) == ["approved", "waiting", "waiting"]
    deliver(session, NOW)
    assert kinds(session, town.residents[0]) and kinds(session, town.residents[1])


def test_deciding_twice_is_told_with_who_did_it(
    asked: list[Booking], session: Any, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    as_staff(client, town.staff["A1"])
    assert client.post(f"{QUEUE}/{asked[0].id}/approve").status_code == 303
    late = client.post(f"{QUEUE}/{asked[0].id}/refuse", data={"reason": "不在使用范围内", "what": "refuse"})
    assert late.status_code == 409
    assert "“合唱队排练”现在是：已订上（A1管理员" in late.text
    assert states(session, asked)[0] == "approved"


def test_refusing_needs_a_reason_and_passes_the_time_on(
    asked: list[Booking], session: Any, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    as_staff(client, town.staff["A1"])
    base = f"{QUEUE}/{asked[0].id}/refuse"
    bare = client.post(base, data={"reason": "  ", "what": "refuse"})
    assert bare.status_code == 422 and "请写明为什么不批准" in bare.text
    assert states(session, asked)[0] == "pending"
    assert client.post(base, data={"reason": "不在使用范围内"}).status_code == 303
    # Two days ahead in a room with approval: the next in line is examined, the one that overlaps it goes on waiting.
    assert states(session, asked) == ["refused", "pending", "waiting"]


def test_handing_up_changes_whose_turn_it_is(
    asked: list[Booking], session: Any, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    as_staff(client, town.staff["A1"])
    base = f"{QUEUE}/{asked[0].id}/hand-up"
    assert client.post(base, data={"what": "up"}).status_code == 422
    assert client.post(base, data={"reason": "超出本中心的权限"}).status_code == 303
    session.rollback()
    assert session.get(Booking, asked[0].id).waits_at_id == town.centres["A"].id
    page = client.get(f"{QUEUE}?show=above").text
    assert "合唱队排练" in page and "甲街道审批" in page and "批准</button>" not in page
    assert client.post(f"{QUEUE}/{asked[0].id}/approve").status_code == 409
    as_staff(client, town.staff["A"])
    assert "合唱队排练" in client.get(QUEUE).text
    assert client.post(f"{QUEUE}/{asked[0].id}/approve").status_code == 303


def test_a_competing_request_can_be_preferred(
    asked: list[Booking], session: Any, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    as_staff(client, town.staff["A1"])
    base = f"{QUEUE}/{asked[1].id}/prefer"
    bare = client.post(base, data={})
    assert bare.status_code == 422 and "请写明为什么优先" in bare.text
    assert client.post(base, data={"reason": "公益活动优先"}).status_code == 303
    assert states(session, asked) == ["refused", "approved", "waiting"]
    again = client.post(f"{QUEUE}/{asked[2].id}/prefer", data={"reason": "更早"})
    assert again.status_code == 409 and "已经批准给别人" in again.text


def test_several_at_once_and_what_somebody_else_decided_is_said(
    asked: list[Booking], room: Venue, session: Any, make: Make, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    other = make.booking(room, at(28, 9), 60, town.residents[3], title="调解", status="pending")
    gone = make.booking(room, at(28, 11), 60, town.residents[3], title="谈话", status="withdrawn")
    as_staff(client, town.staff["A1"])
    assert client.post(f"{QUEUE}/approve", data={}).status_code == 303
    assert "还没有选中" in client.get(QUEUE).text
    answer = client.post(f"{QUEUE}/approve?show=all", data={"id": [str(asked[0].id), str(other.id), str(gone.id), "x"]})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{QUEUE}?show=all")
    page = client.get(QUEUE).text
    assert "已批准 2 份" in page and "“谈话”没有批准" in page
    assert states(session, [asked[0], other, gone]) == ["approved", "approved", "withdrawn"]


def test_tabs_and_centres_filter(
    asked: list[Booking], make: Make, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    hall = make.venue(town.centres["A2"], name="甲二的厅", needs_approval=True)
    make.booking(hall, at(27, 9), 60, town.residents[3], title="甲二的申请", status="pending")
    as_staff(client, town.staff["A"])
    assert "没有等您审批的申请" in client.get(QUEUE).text
    below = client.get(f"{QUEUE}?show=below").text
    assert "合唱队排练" in below and "甲二的申请" in below
    only = client.get(f"{QUEUE}?show=below&centre=A2").text
    assert "甲二的申请" in only and "合唱队排练" not in only
    assert client.get(f"{QUEUE}?centre=B1").status_code == 404
    assert client.get(f"{QUEUE}?show=%27&page=x").status_code == 200
    # A level above may decide for one below (P6).
    assert client.post(f"{QUEUE}/{asked[0].id}/approve").status_code == 303


def test_pages_of_twenty(room: Venue, make: Make, town: Town, client: FlaskClient, as_staff: SignIn) -> None:
    for n in range(22):
        make.booking(
            room,
            at(1 + n, 9, month=12),
            60,
            town.residents[0],
            title=f"第{n:02d}号",
            status="pending",
            decide_by=NOW + timedelta(hours=n + 1),
        )
    as_staff(client, town.staff["A1"])
    first, second = client.get(QUEUE).text, client.get(f"{QUEUE}?page=2").text
    assert "第00号" in first and "第19号" in first and "第20号" not in first
    assert "第20号" in second and "第21号" in second


@pytest.mark.parametrize(("who", "status"), [("A2", 404), ("B", 404), ("A1S", 404), ("D-LOOK", 403), ("ZFB", 404)])
def test_only_those_in_charge_decide(
    asked: list[Booking], session: Any, town: Town, client: FlaskClient, as_staff: SignIn, who: str, status: int
) -> None:
    as_staff(client, town.staff[who])
    for path in ("approve", "refuse", "hand-up"):
        assert client.post(f"{QUEUE}/{asked[0].id}/{path}", data={"reason": "试试"}).status_code == status
    assert client.post(f"{QUEUE}/{asked[1].id}/prefer", data={"reason": "试试"}).status_code == status
    assert client.post(f"{QUEUE}/approve", data={"id": str(asked[0].id)}).status_code == status
    if who == "D-LOOK":
        page = client.get(f"{QUEUE}?show=below").text
        assert "合唱队排练" in page and "批准</button>" not in page
    assert states(session, asked) == ["pending", "waiting", "waiting"]


def test_what_waits_for_whom(asked: list[Booking], room: Venue, make: Make, town: Town) -> None:
    """Own requests with their time; from below only what is overdue; nothing for departments."""

    def lines(key: str) -> list[tuple[str, str, str]]:
        with staff(town, key) as actor:
            found = [w for w in registry.waiting_lines(actor, NOW) if w.section == "venues"]
        return [(w.title, w.tone, w.url) for w in found]

    url = f"/staff/venues/bookings/{asked[0].id}"
    assert lines("A1") == [("场地申请：合唱队排练", "gold", url)]
    assert lines("A") == lines("A2") == lines("ZFB") == lines("D-LOOK") == []
    late = make.booking(
        room, at(28, 9), 60, town.residents[3], title="迟了", status="pending", decide_by=NOW - timedelta(minutes=1)
    )
    assert [line[0] for line in lines("A")] == ["场地申请：迟了"]
    assert ("场地申请：迟了", "red", f"/staff/venues/bookings/{late.id}") in lines("A1")
    assert access.Permission.VENUES in access.GRANTS[access.Role.OPERATOR]
