"""The pages of whoever needs help and of whoever takes it, with and without a script (SPEC H4, H5)."""

from __future__ import annotations

import io
import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from portal.core import audit, clock
from portal.help_requests import voice
from portal.help_requests.urgent import actions, rules
from portal.help_requests.urgent.models import Alarm, AlarmReceipt, Listener, UrgentCall
from tests.factories import NOW
from tests.help_requests.recordings import recording

KEY = "10000000-0000-4000-8000-000000000001"
HERE = f"/help/urgent/{KEY}"
PLACE, PHONE = "测试花园0栋", "19900000000"  # of the first resident


def send(client: Any, **form: Any) -> Any:
    return client.post("/help/urgent", data={"key": KEY} | form)


def only(session: Any) -> Alarm:
    session.rollback()  # what requests have committed since
    return session.scalars(select(Alarm)).one()


def test_numbers_first_and_two_taps_without_a_script(app, client, session, town, as_resident):
    as_resident(client, town.residents[0])
    page = client.get("/help/urgent").text
    numbers = [page.index(f'href="tel:{n}"') for n in ("120", "110", "119")]
    assert numbers == sorted(numbers) and numbers[-1] < page.index("按住求助") and 'name="phone"' not in page
    assert "甲一社区和甲街道同时响铃" in page and "现在没有工作人员在电脑前" in page
    answer = send(client)
    assert answer.status_code == 303 and answer.location == HERE
    assert send(client).location == HERE  # a double tap is one
    alarm = only(session)
    assert alarm.verified and alarm.phone == PHONE and len(session.scalars(select(UrgentCall)).all()) == 1
    page = client.get(HERE).text
    assert "正在响铃，还没有人接" in page and '<noscript><meta http-equiv="refresh"' in page
    assert page.index("情况变重") < page.rindex('href="tel:120"') and PLACE not in page and PHONE not in page


def test_who_is_not_signed_in_gives_a_number_and_rings_all_the_same(client, session, town):
    refused = send(client, centre_id=town.centres["A1"].id)
    assert refused.status_code == 422 and "能打通的手机号" in refused.text and f'value="{KEY}"' in refused.text
    assert send(client, phone="１３９ 0000-0009", centre_id=town.centres["A1"].id).status_code == 303
    alarm = only(session)
    assert (alarm.phone, alarm.verified, alarm.centre_id) == ("13900000009", False, town.centres["A1"].id)


def test_without_a_community_the_top_rings_and_the_position_finds_it(client, session, town):
    send(client, phone="13900000009")
    alarm, b1 = only(session), town.centres["B1"]
    assert alarm.centre_id == town.centres["D"].id
    client.post(f"{HERE}/place", data={"latitude": b1.latitude, "longitude": b1.longitude, "accuracy": "20"})
    assert only(session).centre_id == b1.id
    for odd in ({"latitude": "nan", "longitude": "1", "accuracy": "1"}, {"latitude": "x"}, {}):
        assert client.post(f"{HERE}/place", data=odd).status_code == 303


def test_a_flood_is_told_whom_to_ring(client, session, town):
    for n in range(rules.MOST_CALLS):
        answer = send(
            client, key=f"20000000-0000-4000-8000-{n:012d}", phone=f"1390000{n:04d}", centre_id=town.centres["A1"].id
        )
        assert answer.status_code == 303
    answer = send(client, phone="13911111111", centre_id=town.centres["A1"].id)
    assert answer.status_code == 429 and "请直接打下面的电话" in answer.text and "tel:120" in answer.text


def test_words_and_voice_are_kept_and_heard_by_whoever_takes_it(app, session, town, as_staff, as_resident):
    resident, staff, other = app.test_client(), app.test_client(), app.test_client()
    as_resident(resident, town.residents[0])
    send(resident)
    assert resident.post(f"{HERE}/say", data={"words": "老人摔倒了"}).status_code == 303
    sound = {"voice": (io.BytesIO(recording("ogg", "libopus")), "voice.webm")}
    assert resident.post(f"{HERE}/voice", data=sound, content_type="multipart/form-data").status_code == 303
    for bad in ({}, {"voice": (io.BytesIO(b"<svg/>"), "voice.webm")}):
        refused = resident.post(f"{HERE}/voice", data=bad, content_type="multipart/form-data")
        assert refused.status_code == 422 and "tel:120" in refused.text
    alarm = only(session)
    call = alarm.calls[0]
    assert call.words == "老人摔倒了" and call.voice_seconds == 2
    as_staff(staff, town.staff["A1"])
    as_staff(other, town.staff["A"])
    page, heard = f"/staff/urgent/{alarm.id}", f"/staff/urgent/{alarm.id}/voice/{call.id}"
    for who in (staff, other):  # nothing private before it is taken
        text = who.get(page).text
        assert not any(secret in text for secret in (PLACE, PHONE, "老人摔倒了", "居民甲"))
        assert who.get(heard).status_code == 403
    assert staff.post(f"{page}/take").status_code == 303
    text = staff.get(page).text
    assert all(shown in text for shown in (PLACE, PHONE, "老人摔倒了", "居民甲"))
    assert staff.get(heard).data[4:8] == b"ftyp" and staff.get(heard, headers={"Range": "bytes=0-9"}).status_code == 206
    lost = other.post(f"{page}/take")
    assert lost.status_code == 409 and "甲一社区A1管理员" in lost.text and PHONE not in lost.text
    assert other.get(heard).status_code == 403
    other.post(f"{page}/read")
    assert PHONE in other.get(page).text and other.get(heard).status_code == 200
    logged = select(audit.AuditLog.actor_name).where(audit.AuditLog.verb.in_(("urgent.take", "urgent.read")))
    session.rollback()
    assert session.scalars(logged.order_by(audit.AuditLog.id)).all() == ["A1管理员", "A管理员"]
    neighbour = app.test_client()
    as_staff(neighbour, town.staff["B1"])
    assert neighbour.get(page).status_code == 404 and neighbour.post(f"{page}/read").status_code == 404
    voice.remove(call.voice)


def test_the_resident_sees_the_way_to_the_second(app, session, town, as_resident):
    client = app.test_client()
    as_resident(client, town.residents[0])
    a1 = town.actor("A1")
    session.rollback()
    actions.here(a1, "s1", True, True, NOW)
    session.commit()
    send(client)
    alarm_id = only(session).id
    for moment, act, expected in (
        (2, lambda n: actions.shown(a1, "s1", alarm_id, 1, True, n), "甲一社区 1 台"),
        (32, lambda n: actions.take(a1, alarm_id, n), "A1管理员，用了 32 秒"),
        (90, lambda n: actions.move(a1, alarm_id, 2, n), "10:01 有 2 个人"),
        (400, lambda n: actions.arrive(a1, alarm_id, n), "已经到场"),
        (900, lambda n: actions.close(a1, alarm_id, "已到场处理", n), "已经办结"),
    ):
        now = NOW + timedelta(seconds=moment)
        session.rollback()
        act(now)
        session.commit()
        with clock.frozen(now):
            part = client.get(HERE, headers={"HX-Request": "true"})
        assert expected in part.text and "<html" not in part.text
    client.post(f"{HERE}/wrong")  # over: nothing to take back
    assert not only(session).wrong


def test_nobody_there_is_said(client, session, town, as_resident):
    as_resident(client, town.residents[0])
    send(client)
    with clock.frozen(NOW + timedelta(seconds=20)):
        page = client.get(HERE).text
    assert "也叫不到值班手机" in page and "0755-84200003" in page.replace(" ", "")


def test_what_a_desk_is_told(app, session, town, as_staff, as_resident):
    resident, staff = app.test_client(), app.test_client()
    as_resident(resident, town.residents[0])
    as_staff(staff, town.staff["A"])
    assert staff.get("/staff/alarms?v=").status_code == 204
    assert staff.get("/staff/alarms").location.endswith("/staff/urgent")
    assert app.test_client().get("/staff/alarms?v=").status_code == 303  # signed out: the worker says so
    send(resident)
    found = staff.get("/staff/alarms?v=").json
    number = only(session).id
    assert found["rings"] == [{"id": number, "ring": 1}] and found["title"] == "【紧急求助】甲一社区"
    assert "甲一社区" in found["html"] and not any(s in found["html"] for s in (PLACE, PHONE, "居民甲", "测试花园"))
    assert staff.get(f"/staff/alarms?v={found['v']}").json == {"v": found["v"], "same": True}
    assert staff.post("/staff/alarms/here", data={"sound": "1", "visible": "0", "tried": "1"}).status_code == 204
    for _ in range(2):
        staff.post("/staff/alarms/shown", data={"alarm": f"{number}:1", "sound": "1"})
    session.rollback()
    assert session.scalars(select(AlarmReceipt.sounded)).all() == [True]
    assert session.scalars(select(Listener.heard)).one()
    text = staff.get("/staff/urgent").text
    assert "接</button>" in text and '<noscript><meta http-equiv="refresh"' in text
    staff.post(f"/staff/urgent/{number}/take")
    after = staff.get(f"/staff/alarms?v={found['v']}").json
    assert after["rings"] == [] and "A管理员" in after["html"] and 'class="al"' not in after["html"]
    staff.post(f"/staff/urgent/{number}/move", data={"people": "2"})
    staff.post(f"/staff/urgent/{number}/close", data={"outcome": "已送医"})
    assert staff.get(f"/staff/alarms?v={found['v']}").status_code == 204


def test_every_staff_page_listens_and_departments_do_not(app, town, as_staff):
    for who, expected in (("A1", True), ("A1-OP", True), ("D", True), ("D-LOOK", False), ("ZFB", False)):
        client = app.test_client()
        as_staff(client, town.staff[who])
        assert ('id="alarm-desk"' in client.get("/staff").text) is expected, who


def test_who_listens_and_duty_phones(app, session, town, as_staff):
    client = as_staff(app.test_client(), town.staff["A"])
    client.post("/staff/alarms/here", data={"sound": "1"})
    page = client.get("/staff/urgent/listeners").text
    assert re.search(r"甲街道</td>.*?1 台铃声已开", page, re.S) and "没有人" in page and "没有试过" in page
    assert client.post("/staff/urgent/phones", data={"phone": "139 0000 1111", "name": "陈主任"}).status_code == 303
    again = client.post("/staff/urgent/phones", data={"phone": "13900001111"})
    assert again.status_code == 422 and "已经在值班电话里" in again.text
    assert "叫不响" in client.get("/staff/urgent/phones").text  # no gateway: said
    other = as_staff(app.test_client(), town.staff["B"])
    assert "13900001111" not in other.get("/staff/urgent/phones").text
    assert other.post("/staff/urgent/phones/1/remove").status_code == 404
    assert client.post("/staff/urgent/phones/1/remove").status_code == 303


@pytest.mark.parametrize("name", ["take", "move", "close", "force", "report", "note", "give-away", "hand", "mistake"])
def test_odd_input_is_said_in_place(app, session, town, press, as_staff, name):
    number = press(0).id
    client = as_staff(app.test_client(), town.staff["A1"])
    if name != "take":
        client.post(f"/staff/urgent/{number}/take")
    answer = client.post(
        f"/staff/urgent/{number}/{name}", data={"people": "x", "outcome": "?", "reason": "", "note": " "}
    )
    assert answer.status_code in ((303,) if name == "take" else (409, 422)), answer.status_code
    assert client.post(f"/staff/urgent/999/{name}").status_code == 404
