"""The page of one booking: facts, history, and every button with its refusals (SPEC V3-V6, P8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.core.audit import AuditLog
from portal.venues.models import Booking, Venue, VenueNote
from tests.factories import NOW, Make, Town
from tests.venues.helping import at, deliver, kinds, overlapping

SignIn = Callable[[FlaskClient, Any], FlaskClient]
ACTIONS = (
    "approve", "refuse", "hand-up", "prefer", "cancel", "accept", "decline", "withdraw", "arrived", "move", "note",
)  # fmt: skip


@pytest.fixture
def room(make: Make, town: Town) -> Venue:
    return make.venue(town.centres["A1"], name="多功能厅", needs_approval=True, buffer=15)


@pytest.fixture
def row(room: Venue, make: Make, town: Town) -> Booking:
    return make.booking(
        room, at(27, 14), 120, town.residents[0], title="合唱队排练", people=12, needs="话筒 2 支", status="pending"
    )


def url(row: Booking, action: str = "") -> str:
    return f"/staff/venues/bookings/{row.id}" + (f"/{action}" if action else "")


def status(session: Any, row: Booking) -> str:
    session.rollback()
    session.expire_all()
    return str(session.get(Booking, row.id).status)


def test_all_facts_stand_on_the_page(
    row: Booking, make: Make, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    make.note(row.venue, "投影仪不亮")
    as_staff(client, town.staff["A1"])
    page = client.get(url(row)).text
    assert all(
        word in page
        for word in (
            "合唱队排练",
            "待审批",
            "多功能厅",
            "14:00–16:00",
            "整理到 16:15",
            "居民甲",
            "199****0000",
            "12 人",
            "话筒 2 支",
            "投影仪不亮",
            "批准",
            "不批准",
            "移交上级",
            "改时间或换场地",
            "取消预约",
        )
    )
    assert "19900000000" not in page
    assert "这一天空闲" in page


def test_somebody_phones_and_does_not_come(
    row: Booking, session: Any, make: Make, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    as_staff(client, town.staff["A1"])
    assert "替本人退订" in client.get(url(row)).text
    for _ in range(2):
        assert client.post(url(row, "withdraw")).status_code == 303
    assert status(session, row) == "withdrawn"
    deliver(session, at(25, 10))
    assert kinds(session, town.residents[0]) == ["booking.withdrawn"]
    assert "替本人退订" not in client.get(url(row)).text


def test_seeing_the_phone_is_recorded(
    row: Booking, session: Any, make: Make, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    caller = make.booking(row.venue, at(28, 9), contact_name="赵大姐", contact_phone="19900000077")
    as_staff(client, town.staff["A1"])
    assert "199 0000 0000" in client.post(url(row, "phone")).text
    assert "199 0000 0077" in client.post(url(caller, "phone")).text
    session.rollback()
    lines = session.scalars(select(AuditLog).where(AuditLog.verb == "unmask").order_by(AuditLog.id)).all()
    assert [(x.object_type, x.object_id) for x in lines] == [("resident", town.residents[0].id), ("booking", caller.id)]


def test_approving_then_cancelling_with_a_reason(
    row: Booking, session: Any, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    as_staff(client, town.staff["A1-OP"])
    assert client.post(url(row, "approve")).status_code == 303
    assert status(session, row) == "approved"
    stale = client.post(url(row, "approve"))
    assert stale.status_code == 409 and "现在的状态不能做这一步" in stale.text
    bare = client.post(url(row, "cancel"), data={"reason": " "})
    assert bare.status_code == 422 and "请写明为什么取消" in bare.text
    assert client.post(url(row, "cancel"), data={"reason": "停电停水"}).status_code == 303
    assert status(session, row) == "cancelled"
    page = client.get(url(row)).text
    assert "停电停水" in page and "A1经办" in page and "可以办的事" not in page
    deliver(session, NOW)
    assert len(kinds(session, town.residents[0])) >= 1


def test_refusing_handing_up_and_the_reason_is_kept(
    row: Booking, session: Any, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    as_staff(client, town.staff["A1"])
    for path, said in (("refuse", "请写明为什么不批准"), ("hand-up", "请写明为什么移交")):
        bare = client.post(url(row, path))
        assert bare.status_code == 422 and said in bare.text
    assert client.post(url(row, "hand-up"), data={"reason": "几方都要用"}).status_code == 303
    page = client.get(url(row)).text
    assert "甲街道审批" in page and "几方都要用" in page
    late = client.post(url(row, "refuse"), data={"reason": "不在使用范围内"})
    assert late.status_code == 403 and "现在不由您审批" in late.text
    assert status(session, row) == "pending"


def test_moving_to_a_free_time_and_another_room(
    row: Booking, session: Any, make: Make, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    hall = make.venue(town.centres["A1"], name="书画室")
    as_staff(client, town.staff["A1"])
    look = client.get(url(row) + f"?venue={hall.id}&day=2026-11-28").text
    assert f'<option value="{hall.id}" selected>' in look and "9:00–21:00" in look
    form = {
        "venue_id": str(hall.id),
        "day": "2026-11-28",
        "start": "10:00",
        "end": "11:30",
        "reason": "换到更合适的场地",
    }
    assert client.post(url(row, "move"), data=form).status_code == 303
    session.rollback()
    session.expire_all()
    moved = session.get(Booking, row.id)
    assert (moved.venue_id, moved.starts_at, moved.ends_at) == (hall.id, at(28, 10), at(28, 11, 30))
    page = client.get(url(row)).text
    assert "改时间或场地（原来 多功能厅 11月27日（周五）14:00–16:00）" in page
    assert "换到更合适的场地" in page


def test_a_taken_time_is_answered_with_free_ones_in_one_press(
    row: Booking, session: Any, make: Make, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    make.booking(row.venue, at(27, 16, 30), 90, town.residents[1], title="瑜伽")
    make.venue(town.centres["A1"], name="书画室")
    as_staff(client, town.staff["A1"])
    form = {"venue_id": str(row.venue_id), "day": "2026-11-27", "start": "16:00", "end": "17:00", "reason": "时间冲突"}
    answer = client.post(url(row, "move"), data=form)
    assert answer.status_code == 409
    assert all(
        word in answer.text for word in ("刚刚被别人订走", "这些时间有空", "书画室（30 人）", 'value="时间冲突"')
    )
    assert status(session, row) == "pending"
    assert overlapping(session) == []


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"day": "2026-02-30"}, 422, "没有这一天"), ({"start": "25:00"}, 422, "没有这个时间"),
        ({"start": "17:00", "end": "16:00"}, 422, "结束时间要晚于开始时间"), ({"reason": ""}, 422, "请写明原因"),
        ({"day": "2026-11-24"}, 422, "已经过去"), ({"venue_id": "999999"}, 422, "请从列表里选"),
        ({"venue_id": "x"}, 422, "请从列表里选"), ({"end": ""}, 422, "请填结束时间"),
    ],
)  # fmt: skip
def test_odd_moves_are_said_in_place(
    row: Booking,
    session: Any,
    town: Town,
    client: FlaskClient,
    as_staff: SignIn,
    change: dict[str, str],
    code: int,
    said: str,
) -> None:
    as_staff(client, town.staff["A1"])
    form = {"venue_id": str(row.venue_id), "day": "2026-11-27", "start": "09:00", "end": "10:00", "reason": "换时间"}
    answer = client.post(url(row, "move"), data=form | change)
    assert answer.status_code == code and said in answer.text
    session.rollback()
    assert session.get(Booking, row.id).starts_at == at(27, 14)


def test_what_is_over_cannot_be_moved(
    room: Venue, make: Make, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    over = make.booking(room, at(27, 9), 60, town.residents[0], status="cancelled")
    as_staff(client, town.staff["A1"])
    form = {"venue_id": str(room.id), "day": "2026-11-28", "start": "09:00", "end": "10:00", "reason": "换时间"}
    answer = client.post(url(over, "move"), data=form)
    assert answer.status_code == 409 and "已经结束" in answer.text


def test_an_activity_is_changed_in_the_list(
    room: Venue, session: Any, make: Make, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    held = make.booking(room, at(27, 9), 60, source="activity", source_id=7, title="绘本阅读会", contact_name="")
    as_staff(client, town.staff["A1"])
    page = client.get(url(held)).text
    assert "/staff/catalogue/7" in page and "可以办的事" not in page
    form = {"venue_id": str(room.id), "day": "2026-11-28", "start": "09:00", "end": "10:00", "reason": "换时间"}
    for action in ("cancel", "refuse", "move"):
        answer = client.post(url(held, action), data=form)
        assert answer.status_code == 409 and "请到服务清单里改" in answer.text
    assert status(session, held) == "approved"


def test_offered_times_are_taken_or_left_by_telephone(
    room: Venue, session: Any, make: Make, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    free = make.venue(town.centres["A1"], name="书画室")
    yes = make.booking(free, at(26, 9), 60, town.residents[0], status="offered", accept_by=at(25, 20))
    no = make.booking(free, at(26, 11), 60, town.residents[1], status="offered", accept_by=at(25, 20))
    as_staff(client, town.staff["A1"])
    assert "替本人确认要" in client.get(url(yes)).text
    assert client.post(url(yes, "accept")).status_code == 303
    assert client.post(url(no, "decline")).status_code == 303
    assert (status(session, yes), status(session, no)) == ("approved", "withdrawn")
    lines = session.scalars(select(AuditLog.verb).where(AuditLog.object_type == "booking").order_by(AuditLog.id)).all()
    assert lines == ["booking.accept", "booking.decline"]
    late = client.post(url(no, "accept"))
    assert late.status_code == 409 and "空位给了下一位" in late.text


def test_waiting_ones_can_be_given_the_time(
    row: Booking, session: Any, make: Make, town: Town, client: FlaskClient, as_staff: SignIn
) -> None:
    other = make.booking(row.venue, at(27, 15), 60, town.residents[1], title="读书会", status="waiting")
    as_staff(client, town.staff["A1"])
    assert "直接安排给这一位" in client.get(url(other)).text
    assert client.post(url(other, "prefer"), data={}).status_code == 422
    assert client.post(url(other, "prefer"), data={"reason": "公益活动优先"}).status_code == 303
    assert (status(session, other), status(session, row)) == ("approved", "refused")


def test_notes_of_one_use(row: Booking, session: Any, town: Town, client: FlaskClient, as_staff: SignIn) -> None:
    as_staff(client, town.staff["A1"])
    empty = client.post(url(row, "note"), data={"body": " "})
    assert empty.status_code == 422 and "请写一句情况" in empty.text
    assert client.post(url(row, "note"), data={"body": "桌椅没有归位"}).status_code == 303
    session.rollback()
    assert session.scalars(select(VenueNote.booking_id)).all() == [row.id]
    assert "这次使用" in client.get(url(row)).text


@pytest.mark.parametrize("who", ["A2", "B", "A1S", "ZFB"])
def test_neighbours_do_not_see_it(
    row: Booking, session: Any, town: Town, client: FlaskClient, as_staff: SignIn, who: str
) -> None:
    as_staff(client, town.staff[who])
    assert client.get(url(row)).status_code == 404
    for action in (*ACTIONS, "phone"):
        assert client.post(url(row, action), data={"reason": "试试", "body": "试试"}).status_code == 404
    assert status(session, row) == "pending"


def test_inspectors_only_read(row: Booking, session: Any, town: Town, client: FlaskClient, as_staff: SignIn) -> None:
    as_staff(client, town.inspector["D"])
    page = client.get(url(row))
    assert page.status_code == 200 and "可以办的事" not in page.text and "显示完整号码" not in page.text
    for action in (*ACTIONS, "phone"):
        assert client.post(url(row, action), data={"reason": "试试"}).status_code == 403
    assert status(session, row) == "pending"
