"""Guides: listed, written, taken off the residents' page and put back."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from portal.catalogue.models import Guide


def typed(town: Any, **changes: Any) -> dict[str, Any]:
    return {
        "title": "哪里办老年优待证",
        "category_id": town.categories["life-food"].id,
        "summary": "60 岁以上都能办",
        "phone": "0755-84200001",
        "link": "https://portal.example/card",
        "steps": "带身份证\n现场拍照",
        "materials": "身份证",
        "time_limit": "当场",
        "fee": "免费",
        "address": "一楼",
        "position": "3",
    } | changes


def test_written_changed_hidden_and_shown_again(client: Any, town: Any, session: Any, as_staff: Any) -> None:
    as_staff(client, town.staff["D"])
    client.post("/staff/guides/new", data=typed(town))
    session.rollback()
    guide = session.scalars(select(Guide)).one()
    assert (guide.centre_id, guide.position) == (None, 3)
    key = guide.id
    session.rollback()
    assert "哪里办老年优待证" in client.get("/staff/guides").text
    assert "带身份证" in client.get(f"/staff/guides/{key}").text
    client.post(f"/staff/guides/{key}", data=typed(town, phone="0755-84200002"))
    assert "0755-8420 0002" in client.get(f"/guides/{key}").text
    client.post(f"/staff/guides/{key}/show", data={"show": "0"})
    assert client.get(f"/guides/{key}").status_code == 404
    assert "已停用" in client.get("/staff/guides").text
    client.post(f"/staff/guides/{key}/show", data={"show": "1"})
    assert client.get(f"/guides/{key}").status_code == 200


@pytest.mark.parametrize(("change", "message"), [
    ({"title": ""}, "请填写名称"), ({"category_id": ""}, "请选择类别"), ({"link": "javascript:alert(1)"}, "网址应以 http"),
    ({"position": "x"}, "整数"), ({"category_id": "99999"}, "请从列表里选一项"),
])  # fmt: skip
def test_a_mistake_is_said_and_nothing_is_lost(
    client: Any, town: Any, session: Any, as_staff: Any, change: dict[str, str], message: str
) -> None:
    as_staff(client, town.staff["D"])
    refused = client.post("/staff/guides/new", data=typed(town, **change))
    assert refused.status_code == 422
    assert message in refused.text
    assert "现场拍照" in refused.text
    session.rollback()
    assert session.scalars(select(Guide)).all() == []


def test_the_same_title_twice_is_refused(client: Any, town: Any, as_staff: Any) -> None:
    as_staff(client, town.staff["D"])
    client.post("/staff/guides/new", data=typed(town))
    again = client.post("/staff/guides/new", data=typed(town))
    assert again.status_code == 422
    assert "已经有同名的指南" in again.text


def test_a_community_keeps_its_own_and_not_the_district_s(client: Any, town: Any, session: Any, as_staff: Any) -> None:
    as_staff(client, town.staff["D"])
    client.post("/staff/guides/new", data=typed(town))
    session.rollback()
    whole = session.scalars(select(Guide.id)).one()
    session.rollback()
    as_staff(client, town.operator["A1"])
    client.post("/staff/guides/new", data=typed(town, title="社区食堂几点开"))
    session.rollback()
    own = session.scalars(select(Guide).where(Guide.title == "社区食堂几点开")).one()
    assert own.centre_id == town.centres["A1"].id
    key = own.id
    session.rollback()
    assert client.get(f"/staff/guides/{whole}").status_code == 404
    assert client.post(f"/staff/guides/{whole}/show", data={"show": "0"}).status_code == 404
    as_staff(client, town.staff["B1"])
    assert client.get(f"/staff/guides/{key}").status_code == 404
    client.get("/staff/guides")  # the message of who wrote it
    assert "社区食堂" not in client.get("/staff/guides").text
    as_staff(client, town.inspector["D"])
    assert client.post("/staff/guides/new", data=typed(town, title="x")).status_code == 403
