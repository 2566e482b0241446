"""/staff/centres/import: the district's page; every bad line named, nothing by halves (SPEC N2)."""

from __future__ import annotations

import io
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from portal.centres.models import Centre

HEADER = "code,name,level,kind,parent_code,note\n"
URL = "/staff/centres/import"


def send(client: FlaskClient, text: str | bytes) -> Any:
    data = text.encode() if isinstance(text, str) else text
    return client.post(URL, data={"file": (io.BytesIO(data), "units.csv")})


def test_good_rows_come_in(client: FlaskClient, as_staff: Any, town: Any, session: Any) -> None:
    as_staff(client, town.staff["D"])
    assert client.get(URL).status_code == 200
    text = "\ufeff" + HEADER + "A9,甲九社区党群服务中心,community,community,A,\n"
    assert send(client, text).status_code == 303
    session.rollback()
    new = session.scalars(select(Centre).where(Centre.code == "A9")).one()
    assert new.path.startswith(town.centres["A"].path)
    assert "甲九社区" in client.get("/staff/centres").get_data(as_text=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEADER + "A9,甲九社区,community,community,A,\nA8,甲八社区,moon,moon,A,\n", "没有“moon”这个层级"),
        (HEADER + "A9,甲九社区,community,community,NOWHERE,\n", "找不到上级 NOWHERE"),
        ("name,level\n甲九,community\n", "缺少列"),
        ("甲九社区".encode("gbk"), "不是 UTF-8 编码"),
    ],
)
def test_one_bad_line_keeps_everything_out(
    client: FlaskClient, as_staff: Any, town: Any, session: Any, text: str | bytes, said: str
) -> None:
    before = session.scalar(select(func.count(Centre.id)))
    session.rollback()
    as_staff(client, town.staff["D"])
    answer = send(client, text)
    assert answer.status_code == 422 and said in answer.get_data(as_text=True)
    session.rollback()
    assert session.scalar(select(func.count(Centre.id))) == before


def test_no_file(client: FlaskClient, as_staff: Any, town: Any) -> None:
    answer = as_staff(client, town.staff["D"]).post(URL, data={})
    assert answer.status_code == 422 and "请选择文件" in answer.get_data(as_text=True)


@pytest.mark.parametrize("who", ["A", "A1", "A1-OP", "D-LOOK", "ZFB"])
def test_only_the_district(client: FlaskClient, as_staff: Any, town: Any, who: str) -> None:
    as_staff(client, town.staff[who])
    assert client.get(URL).status_code == 403
    assert send(client, HEADER).status_code == 403
    assert "从 CSV 导入" not in client.get("/staff/centres").get_data(as_text=True)
