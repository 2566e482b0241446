"""/staff/centres: reading, mending, photos, poster; own subtree only (SPEC N1, P6, Q1)."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from PIL import Image
from pypdf import PdfReader
from sqlalchemy import select

from portal.centres import facts, queries
from portal.centres.models import Centre, OpeningException
from portal.centres.rules import Hours
from portal.core import clock
from portal.core.attachments import Attachment
from portal.core.audit import AuditLog
from portal.people.models import StaffAccount
from tests.core.printed import fetched


def form(centre: Centre, **changes: str) -> dict[str, str]:
    values = {
        "seen": facts.stamp(centre), "address": "葵民路（演示地址）", "phone": "0755-84200004", "responsible": "陈美玲",
        "area_m2": "860", "latitude": "22.6312", "longitude": "114.4176", "functions": "书吧、会议室", "intro": "老社区",
        "exceptions": "", **{f"day{n}": "9:00-12:00 14:00-18:00" for n in range(7)},
    }  # fmt: skip
    return values | changes


def save(client: FlaskClient, centre: Centre, **changes: str) -> Any:
    return client.post(f"/staff/centres/{centre.id}", data=form(centre, **changes))


def test_facts_hours_and_days_are_kept_and_recorded(
    client: FlaskClient, as_staff: Any, town: Any, session: Any
) -> None:
    centre = town.centres["A1"]
    as_staff(client, town.staff["A1"])
    days = {"day5": "9：00－12：00、14:00-21:00 晚间延时", "day6": "休息"}
    answer = save(client, centre, **days, exceptions="2026-12-25 休息 设备检修\n2026年12月26日 14:00-21:00 上午停电")
    assert answer.status_code == 303
    session.rollback()
    assert (centre.address, centre.area_m2, centre.functions) == ("葵民路（演示地址）", 860, ["书吧", "会议室"])
    week = queries.weekly_hours(centre.id)
    assert week[0] == [Hours(540, 720), Hours(840, 1080)]
    assert week[5] == [Hours(540, 720), Hours(840, 1260, "晚间延时")] and 6 not in week
    special = session.scalars(select(OpeningException).order_by(OpeningException.day)).all()
    assert [(s.opens, s.closes, s.reason) for s in special] == [(None, None, "设备检修"), (840, 1260, "上午停电")]
    line = session.scalars(select(AuditLog).where(AuditLog.verb == "edit_centre")).one()
    assert line.centre_id == centre.id and line.after["address"] == "葵民路（演示地址）"
    assert line.before["area_m2"] is None and "周六" in line.after["hours"]
    page = client.get(f"/staff/centres/{centre.id}").get_data(as_text=True)
    assert "14:00-21:00 晚间延时" in page and "2026-12-25 休息 设备检修" in page
    shown = client.get(f"/c/{centre.code}").get_data(as_text=True)
    assert "老社区" in shown and "晚间延时" in shown


def test_saving_the_same_again_changes_nothing(client: FlaskClient, as_staff: Any, town: Any, session: Any) -> None:
    centre = town.centres["A1"]
    as_staff(client, town.staff["A1"])
    assert save(client, centre).status_code == 303
    session.rollback()
    stamp = facts.stamp(centre)
    assert save(client, centre).status_code == 303
    session.rollback()
    assert facts.stamp(centre) == stamp
    assert len(session.scalars(select(AuditLog).where(AuditLog.verb == "edit_centre")).all()) == 1


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("phone", "请到前台问", "电话只写数字和横线"),
        ("latitude", "abc", "请填数字"),
        ("latitude", "NaN", "纬度在 3 到 54 之间"),
        ("latitude", "122.5", "纬度在 3 到 54 之间"),
        ("longitude", "", "也请填经度"),
        ("area_m2", "很大", "请填整数"),
        ("area_m2", "0", "面积应在 1 到"),
        ("functions", "一个名字特别特别特别长的功能室", "每项最多 12 个字"),
        ("intro", "长" * 601, "简介最多 600 个字"),
        ("day2", "九点到十二点", "没有看懂"),
        ("day2", "12:00-9:00", "关门时间早于开门时间"),
        ("day2", "9:00-12:00 11:00-14:00", "重叠"),
        ("day2", "9:75-12:00", "没有 9:75 这个时间"),
        ("day2", "9:00-25:00", "没有 25:00 这个时间"),
        ("exceptions", "2026-12-25 休息 检修\n2026-02-30 休息 检修", "第 2 行：没有 2026-02-30 这一天"),
        ("exceptions", "2026-12-25 休息", "请写原因"),
        ("exceptions", "2026-12-25 休息 检修\n2026-12-25 休息 检修", "这一天写了两次"),
        ("exceptions", "2020-01-01 休息 检修", "这一天已经过去了"),
        ("exceptions", "下周一休息", "没有看懂日期"),
    ],
)
def test_bad_input_is_said_beside_the_field_and_kept(
    client: FlaskClient, as_staff: Any, town: Any, session: Any, field: str, typed: str, said: str
) -> None:
    centre = town.centres["A1"]
    before = centre.address
    as_staff(client, town.staff["A1"])
    answer = save(client, centre, **{field: typed})
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert said in page and f'id="{field}-err"' in page
    assert (typed.splitlines() or ["葵民路"])[0] in page
    session.rollback()
    assert centre.address == before and not session.scalars(select(OpeningException)).all()


def test_somebody_was_faster(client: FlaskClient, as_staff: Any, town: Any, session: Any, now: datetime) -> None:
    centre = town.centres["A1"]
    old = form(centre, address="慢的人写的")
    as_staff(client, town.staff["A1"])
    with clock.frozen(now + timedelta(minutes=1)):
        assert save(client, centre, address="快的人写的").status_code == 303
    answer = client.post(f"/staff/centres/{centre.id}", data=old)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 409 and "刚刚被别人处理过了" in page and "慢的人写的" in page
    session.rollback()
    assert centre.address == "快的人写的"


@pytest.mark.parametrize("who", ["A1S", "A2", "B1", "B"])
def test_other_subtrees_do_not_exist(client: FlaskClient, as_staff: Any, town: Any, who: str) -> None:
    centre = town.centres["A1"]
    as_staff(client, town.staff[who])
    for path in ("", "/poster.pdf"):
        assert client.get(f"/staff/centres/{centre.id}{path}").status_code == 404
    assert save(client, centre).status_code == 404
    assert client.post(f"/staff/centres/{centre.id}/photos").status_code == 404
    assert "甲一社区" not in client.get("/staff/centres").get_data(as_text=True)


def test_superiors_may_mend_and_others_may_look(client: FlaskClient, as_staff: Any, town: Any, session: Any) -> None:
    centre = town.centres["A1"]
    for who in ("A", "D"):
        session.rollback()
        assert save(as_staff(client, town.staff[who]), centre, address=f"{who}写的").status_code == 303
    for who in ("A1-OP", "D-LOOK"):
        as_staff(client, town.staff[who])
        page = client.get(f"/staff/centres/{centre.id}")
        assert page.status_code == 200 and "D写的" in page.get_data(as_text=True), who
        assert 'name="address"' not in page.get_data(as_text=True)
        assert save(client, centre).status_code == 403
    assert client.get("/staff/centres/99999").status_code == 404


def test_a_department_finds_the_public_pages(client: FlaskClient, as_staff: Any, town: Any) -> None:
    """It owns no part of the tree: the list leads to what everybody may see."""
    centre = town.centres["A1"]
    as_staff(client, town.staff["ZFB"])
    page = client.get("/staff/centres").get_data(as_text=True)
    assert f'href="/c/{centre.code}"' in page and "/staff/centres/" not in page
    assert client.get(f"/staff/centres/{centre.id}").status_code == 404


def picture() -> io.BytesIO:
    stream = io.BytesIO()
    Image.new("RGB", (60, 40), "teal").save(stream, "PNG")
    stream.seek(0)
    return stream


def test_photos_come_and_go(client: FlaskClient, as_staff: Any, town: Any, session: Any) -> None:
    centre, other = town.centres["A1"], town.centres["A2"]
    as_staff(client, town.staff["A"])
    url = f"/staff/centres/{centre.id}/photos"
    assert client.post(url, data={"caption": "没有图"}).status_code == 422
    bad = client.post(url, data={"photo": (io.BytesIO(b"no picture"), "a.jpg")})
    assert bad.status_code == 422 and "这张图片打不开" in bad.get_data(as_text=True)
    for number in range(facts.PHOTOS.most):
        answer = client.post(url, data={"photo": (picture(), "a.png"), "caption": f"门口{number}"})
        assert answer.status_code == 303
    full = client.post(url, data={"photo": (picture(), "a.png")})
    session.rollback()
    assert full.status_code == 422 and session.scalars(select(Attachment)).all()[0].caption == "门口0"
    photo = session.scalars(select(Attachment)).all()[0]
    assert client.post(f"/staff/centres/{other.id}/photos/{photo.id}/remove").status_code == 404
    assert client.post(f"{url}/{photo.id}/remove").status_code == 303
    session.rollback()
    assert len(facts.PHOTOS.of(centre.id)) == facts.PHOTOS.most - 1
    assert len(session.scalars(select(AuditLog).where(AuditLog.verb.in_(("add_photo", "remove_photo")))).all()) == 7


def test_the_poster_is_a_pdf(client: FlaskClient, as_staff: Any, town: Any) -> None:
    as_staff(client, town.staff["A1"])
    answer = fetched(client, f"/staff/centres/{town.centres['A1'].id}/poster.pdf")
    assert answer.status_code == 200 and answer.mimetype == "application/pdf"
    assert len(PdfReader(io.BytesIO(answer.data)).pages) == 1


def test_the_list_says_what_is_missing(client: FlaskClient, as_staff: Any, town: Any, session: Any) -> None:
    town.centres["A2"].phone = ""
    session.commit()
    as_staff(client, town.staff["A"])
    page = client.get("/staff/centres").get_data(as_text=True)
    assert f'缺<a href="/staff/centres/{town.centres["A2"].id}#phone">电话</a></span>' in page
    assert "甲一小区" in page and "乙街道" not in page
    only = client.get("/staff/centres?missing=1").get_data(as_text=True)
    assert "甲二社区" in only and "甲一小区" not in only


def test_a_long_list_is_found_by_words_and_subdistrict_and_turned_over(
    client: FlaskClient, as_staff: Any, town: Any, session: Any, count_queries: Any
) -> None:
    """418 centres: a page of fifty, light, whichever of name, short name, code or number is known."""
    session.rollback()
    above = town.centres["A"]
    rows = [
        Centre(
            code=f"SQ{number:04d}", name=f"第{number}社区党群服务中心", short_name=f"{number}号院", level="community",
            kind="community", parent_id=above.id, depth=2, functions=[], phone="0755-1234567" if number == 7 else "",
            created_at=above.created_at, updated_at=above.created_at,
        )
        for number in range(400)
    ]  # fmt: skip
    session.add_all(rows)
    session.flush()
    for row in rows:
        row.path = f"{above.path}{row.id}/"
    session.commit()
    as_staff(client, town.staff["D"])
    page = client.get("/staff/centres").get_data()
    assert len(page) < 300_000 and page.count(b"</tr>") == 51 and b"page=2" in page
    for words, code in (("SQ0123", "第123社区"), ("123号院", "123号院"), ("1234567", "7号院"), ("sq0009", "9号院")):
        found = client.get("/staff/centres", query_string={"q": words}).get_data(as_text=True)
        assert (found.count("</tr>") == 2 and code in found) or words == "SQ0123"
    below = client.get(f"/staff/centres?below={town.centres['B'].id}").get_data(as_text=True)
    assert "乙" in below and "号院" not in below
    last = client.get("/staff/centres?page=9").get_data(as_text=True)
    assert "这里是第 401–" in last and "page=10" not in last


def test_a_centre_without_accounts_is_told_where_one_may_be_opened(
    client: FlaskClient, as_staff: Any, town: Any, session: Any
) -> None:
    session.rollback()
    number = town.centres["B1"].id
    for account in session.query(StaffAccount).filter(StaffAccount.centre_id == number):
        account.disabled_at = town.centres["B1"].created_at
    session.commit()
    link = f'<a href="/staff/accounts/new?centre={number}">账户</a>'
    as_staff(client, town.staff["D"])
    assert link in client.get("/staff/centres?missing=1").get_data(as_text=True)
