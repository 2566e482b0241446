"""The pages on which staff manage rooms: typed words stay, folded groups open where something is wrong (SPEC V1, Q1)."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import func, select

from portal.venues.actions import import_csv, rooms
from portal.venues.models import Venue
from portal.venues.staff import room_views

ROOMS = "/staff/venues/rooms"


@pytest.fixture
def a1(app: Flask, town: Any, session: Any, as_staff: Any) -> FlaskClient:
    client: FlaskClient = as_staff(app.test_client(), town.staff["A1"])
    session.rollback()  # a read transaction of before the sign-in could not write
    return client


def the_room(session: Any) -> Venue:
    session.rollback()
    venue: Venue = session.scalars(select(Venue)).one()
    return venue


def as_shown(page: str) -> dict[str, Any]:
    """What a browser would send back of the room's form if nobody touched it."""
    form = page.split('class="form room-form gap"')[1].split("</form>", maxsplit=1)[0]
    sent: dict[str, Any] = {}
    for tag in re.findall(r"<input\b[^>]*>", form):
        name, kind = re.search(r'name="([^"]+)"', tag), re.search(r'type="([^"]+)"', tag)
        value = re.search(r'value="([^"]*)"', tag)
        if name and (kind is None or kind[1] not in ("radio", "checkbox") or " checked" in tag):
            sent.setdefault(name[1], []).append(value[1] if value else "")
    for name, body in re.findall(r'<select\b[^>]*name="([^"]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'<option selected value="([^"]*)"|value="([^"]*)" selected', body)
        sent[name] = (chosen[1] or chosen[2] or "") if chosen else ""
    for name, body in re.findall(r'<textarea\b[^>]*name="([^"]+)"[^>]*>\r?\n?(.*?)</textarea>', form, re.DOTALL):
        sent[name] = body
    return sent


def test_a_name_and_a_number_make_a_room(a1: FlaskClient, town: Any, session: Any) -> None:
    answer = a1.post(f"{ROOMS}/new", data={"name": "  多功能厅 ", "capacity": "８０人"})
    assert answer.status_code == 303
    venue = the_room(session)
    assert (venue.name, venue.capacity, venue.centre_id) == ("多功能厅", 80, town.centres["A1"].id)
    assert rooms.facts_of(venue) == rooms.RoomFacts("多功能厅", capacity=80, position=1)
    assert "已建好" in a1.get(answer.headers["Location"]).text


def test_what_is_shown_and_sent_back_changes_nothing(a1: FlaskClient, town: Any, make: Any, session: Any) -> None:
    values = {
        "functions": ["会议", "茶艺"], "equipment": ["投影仪", "茶具"], "terms_of_use": "请轻声\n请关灯", "buffer": 7,
        "hours_per_week": 5, "longest": 210, "who_may": "own", "responsible": "shared", "partner": "某企业",
        "staff_notes": "钥匙在前台", "phone": "0755-84200001", "waiting_list": False, "position": 4,
    }  # fmt: skip
    venue = make.venue(town.centres["A1"], week={0: [(540, 720)], 6: [(600, 1440)]}, **values)
    before = rooms.facts_of(venue), rooms.week_of(venue)
    url = f"{ROOMS}/{venue.id}"
    answer = a1.post(url, data=as_shown(a1.get(url).text), follow_redirects=True)
    assert "没有改动" in answer.text
    venue = the_room(session)
    assert (rooms.facts_of(venue), rooms.week_of(venue), venue.revision) == (*before, 1)


def test_wrong_fields_keep_what_was_typed_and_open_their_group(a1: FlaskClient, town: Any, session: Any) -> None:
    data = {
        "name": "厅", "capacity": "很多", "own_hours": "yes", "day0": "九点来钟", "day1": "9:00-12:00 晚间", "link": "javascript:1",
        "functions_more": "一二三四五六七八九十一二三", "step": "7",
    }  # fmt: skip
    answer = a1.post(f"{ROOMS}/new", data=data)
    assert answer.status_code == 422 and 'value="很多"' in answer.text and 'value="九点来钟"' in answer.text
    for words in ("1 到 100000 之间的整数", "没有看懂", "只写时间", "https://", "太长", "请从列表里选一项"):
        assert words in answer.text
    opened = re.findall(r'<details class="panel" open><summary>([^<]+)', answer.text)
    assert opened == ["功能和设备", "开放时间", "预约规则", "联系人和地址"]
    assert session.scalar(select(func.count(Venue.id))) == 0


def test_rules_that_do_not_fit_together(a1: FlaskClient, session: Any) -> None:
    answer = a1.post(f"{ROOMS}/new", data={"name": "厅", "capacity": "20", "shortest": "120", "longest": "60"})
    assert answer.status_code == 422 and "最长不能比最短还短" in answer.text
    answer = a1.post(f"{ROOMS}/new", data={"name": "馆", "bookable": "no"})
    assert answer.status_code == 422 and "请写网址或电话" in answer.text


def test_a_usual_room_is_already_written(a1: FlaskClient) -> None:
    page = a1.get(f"{ROOMS}/new?type=健身房").text
    assert 'value="健身房"' in page and "请穿运动鞋" in page and 'aria-current="true">健身房' in page
    assert set(import_csv.usual_rooms()) == {"会议室", "四点半课堂", "书吧", "老人活动室", "健身房"}


def test_another_one_like_this(a1: FlaskClient, town: Any, make: Any, session: Any) -> None:
    venue = make.venue(town.centres["A1"], week={0: [(540, 720)]}, buffer=15, terms_of_use="请轻声", place="203")
    page = a1.get(f"{ROOMS}/new?like={venue.id}").text
    sent = as_shown(page) | {"name": "小会议室"}
    assert sent["place"] == [""] and sent["like"] == [str(venue.id)]
    assert a1.post(f"{ROOMS}/new", data=sent).status_code == 303
    session.rollback()
    made = session.scalars(select(Venue).where(Venue.name == "小会议室")).one()
    assert (made.buffer, made.terms_of_use, made.own_hours) == (15, "请轻声", True)
    assert made.door_key != venue.door_key


def test_somebody_elses_change_is_shown_and_then_overruled(a1: FlaskClient, town: Any, make: Any, session: Any) -> None:
    venue = make.venue(town.centres["A1"])
    url = f"{ROOMS}/{venue.id}"
    mine = as_shown(a1.get(url).text) | {"capacity": "60"}
    theirs = as_shown(a1.get(url).text) | {"capacity": "40", "place": "二楼"}
    assert a1.post(url, data=theirs).status_code == 303
    refused = a1.post(url, data=mine)
    assert refused.status_code == 409 and "还没有保存" in refused.text
    assert [c for c in ("最多人数", "40", "60", "位置", "二楼") if f">{c}<" not in refused.text] == []
    assert the_room(session).capacity == 40
    again = a1.post(url, data=as_shown(refused.text))
    assert again.status_code == 303 and the_room(session).capacity == 60


def test_a_room_with_bookings_cannot_go_and_says_which(a1: FlaskClient, town: Any, make: Any, session: Any) -> None:
    venue = make.venue(town.centres["A1"])
    booking = make.booking(venue, title="舞蹈队排练")
    refused = a1.post(f"{ROOMS}/{venue.id}/retire")
    assert refused.status_code == 409 and "还有 1 次预约没有结束" in refused.text
    assert f"/staff/venues/bookings/{booking.id}" in refused.text and "舞蹈队排练" in refused.text
    assert the_room(session).active
    saved = a1.post(f"{ROOMS}/{venue.id}", data={"name": "厅", "capacity": "10", "seen": "1"}, follow_redirects=True)
    assert "已经订了的 1 次照旧" in saved.text


def test_out_of_use_and_back(a1: FlaskClient, town: Any, make: Any, session: Any) -> None:
    venue = make.venue(town.centres["A1"], name="旧书吧")
    assert a1.post(f"{ROOMS}/{venue.id}/retire").status_code == 303
    assert ">旧书吧</a>" not in a1.get(ROOMS).text
    assert ">旧书吧</a>" in a1.get(f"{ROOMS}?state=retired").text
    session.rollback()
    twin = make.venue(town.centres["A1"], name="旧书吧")
    assert a1.post(f"{ROOMS}/{venue.id}/restore").status_code == 422
    a1.post(f"{ROOMS}/{twin.id}/retire")
    assert a1.post(f"{ROOMS}/{venue.id}/restore").status_code == 303
    session.rollback()
    assert session.get_one(Venue, venue.id).active


def test_photos(a1: FlaskClient, town: Any, make: Any, session: Any) -> None:
    venue = make.venue(town.centres["A1"])
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(stream, "PNG")
    url = f"{ROOMS}/{venue.id}"
    for caption in ("门口", "里面"):
        photo = {"photo": (io.BytesIO(stream.getvalue()), "a.png"), "caption": caption}
        assert a1.post(f"{url}/photos", data=photo).status_code == 303
    bad = a1.post(f"{url}/photos", data={"photo": (io.BytesIO(b"MZ"), "a.exe"), "caption": "留着"})
    assert bad.status_code == 422 and 'value="留着"' in bad.text
    assert a1.post(f"{url}/photos", data={}).status_code == 422
    first, second = the_room(session).photos
    assert a1.post(f"{url}/photos/{second.id}", data={"caption": "窗边", "first": "y"}).status_code == 303
    assert [p.caption for p in the_room(session).photos] == ["窗边", "门口"]
    assert "最多 60" in a1.post(f"{url}/photos/{first.id}", data={"caption": "长" * 61}, follow_redirects=True).text
    page = a1.get(url).text
    assert "窗边" in page and " multiple" not in page
    assert a1.post(f"{url}/photos/{first.id}/remove").status_code == 303
    assert a1.post(f"{url}/photos/{first.id}/remove").status_code == 404


def test_the_same_rules_elsewhere(a1: FlaskClient, town: Any, make: Any, session: Any) -> None:
    source = make.venue(town.centres["A1"], buffer=20, name="甲厅")
    target = make.venue(town.centres["A1S"], name="站里的厅")
    foreign = make.venue(town.centres["A2"], name="别家的厅")
    url = f"{ROOMS}/{source.id}/copy"
    page = a1.get(url).text
    assert "站里的厅" in page and "别家的厅" not in page
    assert a1.post(url, data={"parts": "rules"}).status_code == 422
    stranger = a1.post(url, data={"parts": "rules", "to": [str(foreign.id)], "more": [str(target.id)]})
    assert stranger.status_code == 422
    done = a1.post(url, data={"parts": "rules", "more": str(target.id)}, follow_redirects=True)
    assert "套用到 1 个场地" in done.text
    session.rollback()
    assert session.get_one(Venue, target.id).buffer == 20 and session.get_one(Venue, foreign.id).buffer == 0


def test_a_department_has_no_rooms(app: Flask, town: Any, make: Any, as_staff: Any) -> None:
    venue = make.venue(town.centres["D"], name="区里的厅")
    client = as_staff(app.test_client(), town.staff["ZFB"])
    page = client.get(ROOMS)
    assert page.status_code == 200 and "区里的厅" not in page.text and f"{ROOMS}/new" not in page.text
    assert client.get(f"{ROOMS}/new").status_code == 404
    assert client.get(f"{ROOMS}/{venue.id}").status_code == 404


def test_a_room_is_opened_in_ones_own_subtree_only(app: Flask, town: Any, as_staff: Any, session: Any) -> None:
    client = as_staff(app.test_client(), town.staff["A"])
    data = {"name": "厅", "capacity": "20"}
    assert client.post(f"{ROOMS}/new", data={**data, "centre": str(town.centres["B1"].id)}).status_code == 404
    assert client.post(f"{ROOMS}/new", data={**data, "centre": str(town.centres["A2"].id)}).status_code == 303
    assert the_room(session).centre.code == "A2"


def test_the_list_filters(a1: FlaskClient, town: Any, make: Any) -> None:
    make.venue(town.centres["A1"], name="书吧", place="三楼")
    make.venue(town.centres["A1S"], name="球馆", kind="public", needs_approval=True)
    every = a1.get(ROOMS).text
    assert "书吧" in every and "球馆" in every and "2 个阵地共有 2 个场地" in every
    assert "球馆" not in a1.get(f"{ROOMS}?q=三楼").text
    assert "书吧" not in a1.get(f"{ROOMS}?kind=public").text
    odd = a1.get(f"{ROOMS}?kind=x&state=y&centre=zz&page=-1")
    assert odd.status_code == 200 and "没有这样的场地" in odd.text


def test_many_other_rooms_are_looked_at_centre_by_centre(
    client: Any, as_staff: Any, town: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_views, "MOST_OTHERS", 2)
    mine = make.venue(town.centres["D"], name="区里的", longest=240)
    there = {key: make.venue(town.centres[key], name=f"{key}的场地") for key in ("A1", "A2", "B1")}
    me = as_staff(client, town.staff["D"])
    path = f"/staff/venues/rooms/{mine.id}/copy"
    page = me.get(path).text
    assert ("A1的场地" in page, "A2的场地" in page, "B1的场地" in page) == (True, True, False)
    assert "一共 3 个，这里是前 2 个" in page
    page = me.get(f"{path}?centre={town.centres['B1'].id}").text
    assert ("A1的场地" in page, "B1的场地" in page) == (False, True)
    sent = {"parts": "rules", "more": there["B1"].id, "centre": town.centres["B1"].id}
    assert "套用到 1 个场地" in me.get(me.post(path, data=sent).location).text
