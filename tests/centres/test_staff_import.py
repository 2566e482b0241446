"""/staff/centres/import: the district's page; looked at first, every bad line named, nothing by halves (SPEC N2)."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import delete, func, select

from portal.centres import queries, table
from portal.centres.models import Centre, OpeningHours
from portal.centres.rules import Hours
from portal.core.audit import AuditLog

HEADER = "code,name,level,kind,parent_code,note\n"
URL = "/staff/centres/import"


def send(client: FlaskClient, text: str | bytes, name: str = "units.csv") -> Any:
    data = text.encode() if isinstance(text, str) else text
    return client.post(URL, data={"file": (io.BytesIO(data), name)})


def look(client: FlaskClient, text: str | bytes, name: str = "units.csv") -> tuple[str, str]:
    """The preview's address and page after an upload."""
    answer = send(client, text, name)
    assert answer.status_code == 303, answer.get_data(as_text=True)
    there = answer.headers["Location"]
    return there, client.get(there).get_data(as_text=True)


def take(client: FlaskClient, there: str, page: str) -> Any:
    return client.post(f"{there}/take", data={"seen": re.findall(r'name="seen" value="(\w+)"', page)[0]})


def test_good_rows_are_shown_then_come_in(client: FlaskClient, as_staff: Any, town: Any, session: Any) -> None:
    as_staff(client, town.staff["D"])
    assert client.get(URL).status_code == 200
    there, page = look(client, "\ufeff" + HEADER + "A9,甲九社区党群服务中心,community,community,A,\n")
    assert "导入（新增 1，改动 0）" in page
    session.rollback()
    assert session.scalars(select(Centre).where(Centre.code == "A9")).all() == []  # only looked at
    assert "units.csv" in client.get(URL).get_data(as_text=True)  # and found again after leaving
    assert take(client, there, page).status_code == 303
    session.rollback()
    new = session.scalars(select(Centre).where(Centre.code == "A9")).one()
    assert new.path.startswith(town.centres["A"].path)
    assert "甲九社区" in client.get("/staff/centres").get_data(as_text=True)
    assert take(client, there, page).status_code == 303  # a second click changes nothing more
    session.rollback()
    assert session.scalar(select(func.count(Centre.id)).where(Centre.code == "A9")) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEADER + "A9,甲九社区,community,community,A,\nA8,甲八社区,moon,moon,A,\n", "没有“moon”这个层级"),
        (HEADER + "A9,甲九社区,community,community,NOWHERE,\n", "找不到上级 NOWHERE"),
        ("编码,电话\nA1,明天再说\n", "电话只写数字和横线"),
        ("编码,开放时间\nA1,看情况\n", "没有看懂“看情况”"),
        ("编码,纬度\nA9,22.5\n", "缺少 名称"),
        ("编码,面积\nA1,很大\n", "面积“很大”没有看懂"),
        ("编码,电话\n4.40307E+11,0755-84200001\n", "被 Excel 改成了"),
    ],
)
def test_one_bad_line_keeps_everything_out(
    client: FlaskClient, as_staff: Any, town: Any, session: Any, text: str, said: str
) -> None:
    before = session.scalar(select(func.count(Centre.id)))
    session.rollback()
    as_staff(client, town.staff["D"])
    there, page = look(client, text)
    assert said in page and "一行也没有导入" in page and 'name="seen"' not in page
    client.post(f"{there}/take", data={"seen": "whatever"})
    session.rollback()
    assert session.scalar(select(func.count(Centre.id))) == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,level\n甲九,community\n", "缺少列"),
        (HEADER, "表头下面没有内容"),
        (b"\x89PNG\r\n\x1a\n" + b"0" * 50, "不是 Excel"),
    ],
)
def test_what_is_no_table_is_said_beside_the_field(
    client: FlaskClient, as_staff: Any, town: Any, text: str | bytes, said: str
) -> None:
    as_staff(client, town.staff["D"])
    answer = send(client, text)
    assert answer.status_code == 422 and said in answer.get_data(as_text=True)


def test_a_table_in_the_forms_words_and_gbk_mends_what_it_names(
    client: FlaskClient, as_staff: Any, town: Any, session: Any
) -> None:
    as_staff(client, town.staff["D"])
    text = (
        "2026年阵地一览表,,,,,,,\n编码,联系电话,地址,纬度,经度,面积（㎡）,开放时间,错时服务时间,负责人,网格\n"
        "A1,０７５５－84200001,甲一路1号,22.5,114.5,650平方米,周一至周五 9:00-12:00 14:00-18:00,周三 19:00-21:00,张三,3\n"
    )
    there, page = look(client, text.encode("gbk"))
    assert "这些列没有用到" in page and "网格" in page
    assert "周一至周五 9:00-12:00 14:00-18:00" in page and "0755-84200001" in page
    take(client, there, page)
    session.rollback()
    centre = session.scalars(select(Centre).where(Centre.code == "A1")).one()
    assert (centre.phone, centre.address, centre.area_m2) == ("0755-84200001", "甲一路1号", 650)
    assert (centre.latitude, centre.longitude, centre.responsible) == (22.5, 114.5, "张三")
    week = queries.weekly_hours(centre.id)
    assert week[2] == [Hours(540, 720), Hours(840, 1080), Hours(1140, 1260, "错时服务")] and 5 not in week
    lines = session.scalars(select(AuditLog).where(AuditLog.verb == "edit_centre")).all()
    assert [line.after["phone"] for line in lines] == ["0755-84200001"]


def test_an_empty_cell_changes_nothing(client: FlaskClient, as_staff: Any, town: Any, session: Any) -> None:
    as_staff(client, town.staff["D"])
    there, page = look(client, "编码,电话,地址,错时服务时间,上级编码\nA1,,甲一路9号,周六 21:00-22:00 夜读,\n")
    before = session.scalars(select(Centre).where(Centre.code == "A1")).one()
    phone, path, week = before.phone, before.path, queries.weekly_hours(before.id)
    assert len(week) == 7
    session.rollback()
    take(client, there, page)
    session.rollback()
    centre = session.scalars(select(Centre).where(Centre.code == "A1")).one()
    assert (centre.phone, centre.path, centre.address) == (phone, path, "甲一路9号")
    assert queries.weekly_hours(centre.id)[0] == week[0]  # the usual hours stay


def test_what_changed_since_it_was_shown_is_shown_again(
    client: FlaskClient, as_staff: Any, town: Any, session: Any
) -> None:
    as_staff(client, town.staff["D"])
    there, page = look(client, "编码,地址\nA1,甲一路9号\n")
    session.rollback()
    session.scalars(select(Centre).where(Centre.code == "A1")).one().address = "刚刚改的地址"
    session.commit()
    take(client, there, page)
    session.rollback()
    assert session.scalar(select(Centre.address).where(Centre.code == "A1")) == "刚刚改的地址"
    session.rollback()
    page = client.get(there).get_data(as_text=True)
    assert "您看过之后" in page and "刚刚改的地址" in page
    take(client, there, page)
    session.rollback()
    assert session.scalar(select(Centre.address).where(Centre.code == "A1")) == "甲一路9号"


def test_given_up_it_is_gone(client: FlaskClient, as_staff: Any, town: Any) -> None:
    as_staff(client, town.staff["D"])
    there, _ = look(client, "编码,地址\nA1,甲一路9号\n")
    assert client.post(f"{there}/lay-aside").status_code == 303
    assert client.get(there).status_code == 404


def test_the_export_is_read_back_without_a_change(client: FlaskClient, as_staff: Any, town: Any, session: Any) -> None:
    """Lunch breaks, off-peak hours, a phone with a plus, a half-empty centre; from the page and from the command."""
    as_staff(client, town.staff["D"])
    session.rollback()
    a1, b1 = (session.scalars(select(Centre).where(Centre.code == code)).one() for code in ("A1", "B1"))
    a1.phone, a1.functions, a1.area_m2 = "+86 755-84200001", ["书吧", "四点半课堂"], 650
    a1.latitude, a1.longitude, a1.address, a1.note = 22.59631, 114.51264, "=1+1路 3号", "从2018年起"
    session.execute(delete(OpeningHours).where(OpeningHours.centre_id.in_([a1.id, b1.id])))
    session.add_all([
        OpeningHours(centre_id=a1.id, weekday=day, opens=opens, closes=closes, note=note)
        for day in (0, 1, 2, 5) for opens, closes, note in ((540, 720, ""), (840, 1080, ""), (1140, 1290, "晚间延时"))
        if day < 5 or not note
    ])  # fmt: skip
    session.commit()
    answer = client.get("/staff/centres/table.xlsx")
    assert answer.status_code == 200
    _, page = look(client, answer.data, "阵地.xlsx")
    assert "和现在的信息完全一样" in page
    told = table.read(answer.data)
    assert {"A1", "A1S", "D"} <= {line.cells["code"] for line in told.lines}
    mine = next(line for line in told.lines if line.cells["code"] == "A1")
    assert mine.cells["off_peak"] == "周一至周三 19:00-21:30 晚间延时"
    assert mine.cells["hours"] == "周一、周二、周三、周六 9:00-12:00 14:00-18:00"


def test_no_file(client: FlaskClient, as_staff: Any, town: Any) -> None:
    answer = as_staff(client, town.staff["D"]).post(URL, data={})
    assert answer.status_code == 422 and "请选择文件" in answer.get_data(as_text=True)


@pytest.mark.parametrize("who", ["A", "A1", "A1-OP", "D-LOOK", "ZFB"])
def test_only_the_district(client: FlaskClient, as_staff: Any, town: Any, who: str) -> None:
    as_staff(client, town.staff[who])
    assert client.get(URL).status_code == 403
    assert send(client, HEADER).status_code == 403
    assert client.get("/staff/centres/table.xlsx").status_code == 403
    assert "用表格改" not in client.get("/staff/centres").get_data(as_text=True)
