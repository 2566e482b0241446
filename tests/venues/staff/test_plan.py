"""The plan of a day and a week, and what the people on duty see and do (SPEC V2, V6)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.core import clock
from portal.core.audit import AuditLog
from portal.venues.models import Booking, Venue, VenueNote
from tests.factories import Make, Town
from tests.venues.helping import at

SignIn = Callable[[FlaskClient, Any], FlaskClient]
PLAN = "/staff/venues"


@pytest.fixture
def room(make: Make, town: Town) -> Venue:
    return make.venue(town.centres["A1"], name="多功能厅", place="二楼 203", staff_notes="钥匙在前台")


def test_the_day_shows_who_when_and_in_which_state(
    room: Venue, make: Make, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    make.booking(room, at(25, 14), 120, town.residents[0], title="合唱队排练", needs="话筒 2 支")
    make.booking(room, at(25, 17), 60, town.residents[1], title="楼长会", status="pending")
    make.booking(room, at(25, 17), 60, town.residents[2], title="读书会", status="waiting")
    make.closure(room, at(25, 19), at(25, 20), "消防演练")
    as_staff(client, town.staff["A1"])
    page = client.get(PLAN).text
    assert all(
        word in page
        for word in (
            "合唱队排练",
            "居民甲",
            "199****0000",
            "话筒 2 支",
            "已订上",
            "楼长会",
            "待审批 候补1",
            "关闭：消防演练",
            "钥匙在前台",
        )
    )
    assert "19900000000" not in page
    assert 'colspan="4"' in page  # two hours are four half hours
    assert f"/staff/venues/book?venue={room.id}&amp;start=2026-11-25T11:00" in page
    assert "start=2026-11-25T09:00" not in page  # that is over
    assert "start=2026-11-25T14:00" not in page  # that is taken
    assert '<span class="vh">，现在</span>' in page


def test_other_days_weeks_and_odd_dates(
    room: Venue, make: Make, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    make.booking(room, at(26, 9), 60, town.residents[0], title="明天的会")
    as_staff(client, town.staff["A1"])
    assert "明天的会" not in client.get(PLAN).text
    tomorrow = client.get(f"{PLAN}?day=2026-11-26").text
    assert "明天的会" in tomorrow and "，现在" not in tomorrow
    week = client.get(f"{PLAN}?week=2026-11-24").text
    assert "明天的会" in week and "周一 11/23" in week
    assert "明天的会" in client.get(f"{PLAN}?week=1&day=2026-11-27").text
    for odd in ("day=2026-13-45", "day=9999-12-31", "day=0001-01-01", "week=x", "day=%00"):
        assert client.get(f"{PLAN}?{odd}").status_code == 200


def test_a_closed_day_says_why(room: Venue, make: Make, town: Town, client: FlaskClient, as_staff: SignIn) -> None:
    make.closure(room, at(26, 0), at(28, 0), "停电")
    as_staff(client, town.staff["A1"])
    assert "关闭：停电" in client.get(f"{PLAN}?day=2026-11-26").text


def test_levels_above_choose_a_centre_neighbours_do_not_exist(
    room: Venue, make: Make, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    make.venue(town.centres["B1"], name="乙一的厅")
    as_staff(client, town.staff["A"])
    first = client.get(PLAN).text
    assert "请选一个下级中心" in first and "甲一社区" in first and "乙一" not in first
    assert "多功能厅" in client.get(f"{PLAN}?centre=A1").text
    assert client.get(f"{PLAN}?centre=B1").status_code == 404
    as_staff(client, town.staff["A2"])
    assert client.get(f"{PLAN}?centre=A1").status_code == 404
    assert "还没有可以预约的场地" in client.get(PLAN).text


def test_inspectors_read_and_departments_see_nothing(
    room: Venue, make: Make, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    make.booking(room, at(25, 14), 120, town.residents[0], title="合唱队排练")
    as_staff(client, town.inspector["D"])
    page = client.get(f"{PLAN}?centre=A1").text
    assert "合唱队排练" in page
    assert "/staff/venues/book?" not in page and "加一条备注" not in page
    as_staff(client, town.staff["ZFB"])
    page = client.get(PLAN)
    assert page.status_code == 200 and "合唱队排练" not in page.text and "多功能厅" not in page.text
    assert client.get(f"{PLAN}?centre=A1").status_code == 404


def test_arrivals_are_noted_from_the_plan(
    room: Venue, session: Any, make: Make, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    row = make.booking(room, at(25, 10), 60, town.residents[0], title="晨读")
    later = make.booking(room, at(25, 18), 60, town.residents[1], title="夜读")
    as_staff(client, town.staff["A1-OP"])
    page = client.get(PLAN).text
    assert f"/bookings/{row.id}/arrived" in page and f"/bookings/{later.id}/arrived" not in page
    answer = client.post(f"{PLAN}/bookings/{row.id}/arrived", data={"next": PLAN})
    assert (answer.status_code, answer.headers["Location"]) == (303, PLAN)
    session.rollback()
    assert session.get(Booking, row.id).checked_in_at == clock.now()
    assert "已到场" in client.get(PLAN).text
    assert client.post(f"{PLAN}/bookings/{row.id}/arrived").status_code == 303  # a second press changes nothing
    session.rollback()
    verbs = session.scalars(select(AuditLog.verb).where(AuditLog.object_type == "booking")).all()
    assert verbs == ["booking.check_in"]
    early = client.post(f"{PLAN}/bookings/{later.id}/arrived")
    assert early.status_code == 409 and "开始前 30 分钟" in early.text
    outside = client.post(f"{PLAN}/bookings/{row.id}/arrived", data={"next": "//evil.example"})
    assert outside.headers["Location"] == f"{PLAN}/bookings/{row.id}"


def test_notes_stand_on_the_plan_until_they_are_solved(
    room: Venue, session: Any, make: Make, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    as_staff(client, town.staff["A1"])
    form = {"venue_id": str(room.id), "body": "投影仪不亮，已报修", "next": PLAN}
    assert client.post(f"{PLAN}/notes", data=form).headers["Location"] == PLAN
    assert "投影仪不亮，已报修" in client.get(PLAN).text
    assert "投影仪不亮，已报修" in client.get(f"{PLAN}/notes?centre=A1").text
    session.rollback()
    note = session.scalars(select(VenueNote)).one()
    assert (note.created_by, note.centre_id) == ("A1管理员", town.centres["A1"].id)
    assert client.post(f"{PLAN}/notes/{note.id}/solve").status_code == 303
    assert client.post(f"{PLAN}/notes/{note.id}/solve").status_code == 303  # a second press changes nothing
    assert "备注都处理完了" in client.get(PLAN).text
    assert "A1管理员" in client.get(f"{PLAN}/notes?show=solved").text


@pytest.mark.parametrize(
    ("form", "said"),
    [({"body": "  "}, "请写一句情况"), ({"body": "字" * 301}, "最多 300 个字"), ({"venue_id": "x", "body": "坏了"}, "请从列表里选"),
     ({"venue_id": "999999", "body": "坏了"}, "请从列表里选")],
)  # fmt: skip
def test_odd_notes_are_said_in_place(
    room: Venue, session: Any, town: Town, client: FlaskClient, as_staff: SignIn, form: dict[str, str], said: str
) -> None:
    as_staff(client, town.staff["A1"])
    answer = client.post(f"{PLAN}/notes", data={"venue_id": str(room.id)} | form)
    assert answer.status_code == 422 and said in answer.text
    session.rollback()
    assert not session.scalars(select(VenueNote)).all()


@pytest.mark.parametrize(("who", "status"), [("A2", 404), ("B", 404), ("A1S", 404), ("D-LOOK", 403), ("ZFB", 404)])
def test_notes_belong_to_the_centre(
    room: Venue, session: Any, make: Make, town: Town, client: FlaskClient, as_staff: SignIn, who: str, status: int
) -> None:
    note = make.note(room)
    as_staff(client, town.staff[who])
    assert client.post(f"{PLAN}/notes/{note.id}/solve").status_code == status
    session.rollback()
    assert session.get(VenueNote, note.id).solved_at is None


@pytest.mark.parametrize(
    ("query", "found"),
    [("", ["合唱队排练"]), ("q=居民甲", ["合唱队排练"]), ("q=合唱", ["合唱队排练"]), ("q=0000", ["合唱队排练"]), ("q=199 0000 0000", ["合唱队排练"]),
     ("q=读书&show=past", ["读书会"]), ("q=0001&show=all", ["读书会"]), ("q=9999&show=all", ["内部会"]), ("q=%25", []), ("q=_", []),
     ("q=000", []), ("show=all&centre=A1", ["内部会", "读书会", "合唱队排练"]), ("page=9", []), ("show=x&page=x", ["合唱队排练"])],
)  # fmt: skip
def test_a_caller_s_booking_is_found(
    room: Venue, make: Make, town: Town, client: FlaskClient, as_staff: SignIn, query: str, found: list[str]
) -> None:
    make.booking(room, at(26, 14), 120, town.residents[0], title="合唱队排练")
    make.booking(room, at(26, 17), 60, town.residents[1], title="读书会", status="cancelled")
    make.booking(room, at(20, 9) - timedelta(days=200), 60, title="内部会")  # looked for further back than others
    as_staff(client, town.staff["A1"])
    page = client.get(f"{PLAN}/bookings?{query}").text
    assert [title for title in ("内部会", "读书会", "合唱队排练") if f"<strong>{title}</strong>" in page] == found
    assert "19900000000" not in page
    as_staff(client, town.staff["A2"])
    assert "合唱队排练" not in client.get(f"{PLAN}/bookings?show=all&q=合唱").text
