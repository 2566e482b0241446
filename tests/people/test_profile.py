"""My own data: correct, relatives, number, export, erase (SPEC P2, P7, P8)."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.core import registry, sessions
from portal.core.access import Actor
from portal.core.audit import AuditLog
from portal.core.errors import NotAllowed
from portal.core.sessions import WebSession
from portal.people import queries
from portal.people.actions import resident_records
from portal.people.models import LoginCode, Relative, Resident
from tests.factories import Town
from tests.people.conftest import Texts, one, rows


@pytest.fixture
def me(client: FlaskClient, town: Town, as_resident: Any, session: Any) -> FlaskClient:
    signed: FlaskClient = as_resident(client, town.residents[0])
    session.rollback()  # a transaction that began before could not be upgraded to write
    return signed


def form(town: Town, **changes: Any) -> dict[str, Any]:
    return {
        "name": "王建国",
        "address": "测试花园1栋",
        "home": str(town.centres["A2"].id),
        "birth_year": "1956年",
        "groups": ["elder", "party"],
    } | changes


def test_correct(me: FlaskClient, town: Town) -> None:
    page = me.get("/me/profile").text
    assert 'value="居民甲"' in page
    assert "199 0000 0000" in page
    answer = me.post("/me/profile", data=form(town, next="/services/3"))
    assert answer.location == "/services/3"
    found = one(select(Resident).where(Resident.name == "王建国"))
    assert (found.home_centre_id, found.birth_year, found.groups) == (town.centres["A2"].id, 1956, ["elder", "party"])
    page = me.get("/me/profile").text
    assert page.count("checked") == 2


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("name", "", "请填写姓名"),
        ("name", "王" * 41, "最多 40 个字"),
        ("name", "<b>王</b>", "不要有数字和符号"),
        ("address", "长" * 121, "最多 120 个字"),
        ("home", "", "请选择您住的社区"),
        ("home", "1; DROP", "请从列表里选一项"),
        ("birth_year", "五六年", "出生年份填 4 位数字"),
        ("birth_year", "2027", "出生年份填 4 位数字"),
        ("groups", ["boss"], "请从列表里选"),
    ],
)
def test_wrong_input_changes_nothing_and_keeps_the_rest(
    me: FlaskClient, town: Town, field: str, value: Any, text: str
) -> None:
    answer = me.post("/me/profile", data=form(town, **{field: value}))
    assert answer.status_code == 422
    assert text in answer.text
    if field != "address":
        assert 'value="测试花园1栋"' in answer.text
    assert one(select(Resident.name).where(Resident.id == town.residents[0].id)) == "居民甲"


def test_an_address_is_given_by_whoever_wants_to(me: FlaskClient, town: Town) -> None:
    assert me.post("/me/profile", data=form(town, address="")).status_code == 303
    assert one(select(Resident.address).where(Resident.id == town.residents[0].id)) == ""
    page = me.get("/me/profile").text
    label = page.split('for="address"')[1].split("</label>")[0]
    assert "选填" in label and "上门服务、紧急求助时才用" in page


def test_signed_out_is_asked_to_sign_in(client: FlaskClient, town: Town) -> None:
    for path in ("/me/profile", "/me/relatives", "/me/phone", "/me/phone/code", "/me/export.json", "/me/erase"):
        assert client.get(path).location == f"/login?next={path}"


def test_relatives(me: FlaskClient, town: Town) -> None:
    data = {"name": "王秀英", "relation": "母亲", "birth_year": "1932", "phone": "１９９ 0000 0088"}
    assert me.post("/me/relatives", data=data).location == "/me/relatives"
    assert me.post("/me/relatives", data=data | {"next": "/services/5"}).location == "/services/5"  # sent twice
    row = one(select(Relative))
    assert (row.name, row.birth_year, row.phone) == ("王秀英", 1932, "19900000088")
    assert "王秀英" in me.get("/me/relatives").text
    assert me.post(f"/me/relatives/{row.id}", data=data | {"name": "王秀珍"}).status_code == 303
    assert one(select(Relative.name)) == "王秀珍"
    assert me.post(f"/me/relatives/{row.id}/remove").status_code == 303
    assert "已不再为王秀珍代办" in me.get("/me/profile").text
    assert "王秀珍" not in me.get("/me/profile").text
    assert me.get(f"/me/relatives/{row.id}").status_code == 404


@pytest.mark.parametrize(
    "bad", [{"name": ""}, {"relation": ""}, {"relation": "主人"}, {"phone": "123"}, {"birth_year": "x"}]
)
def test_relative_with_a_mistake_keeps_what_was_typed(me: FlaskClient, bad: dict[str, str]) -> None:
    data = {"name": "王秀英", "relation": "母亲", "birth_year": "1932", "phone": ""} | bad
    answer = me.post("/me/relatives", data=data)
    assert answer.status_code == 422
    assert f'value="{data["name"]}"' in answer.text
    assert not rows(select(Relative))


def test_somebody_elses_relative_does_not_exist(me: FlaskClient, town: Town, session: Any, now: datetime) -> None:
    row = resident_records.add_relative(town.residents[1], resident_records.RelativeValues("李四", "父亲"), now)
    session.commit()
    assert me.get(f"/me/relatives/{row.id}").status_code == 404
    assert me.post(f"/me/relatives/{row.id}", data={"name": "张三", "relation": "父亲"}).status_code == 404
    assert me.post(f"/me/relatives/{row.id}/remove").status_code == 404
    assert one(select(Relative)).removed_at is None


def test_new_number(me: FlaskClient, town: Town, session: Any, texts: Texts, now: datetime) -> None:
    other = sessions.open_session("resident", town.residents[0].id, now)
    session.commit()
    assert me.post("/me/phone", data={"phone": "19900007777"}).location == "/me/phone/code"
    assert texts.sent[-1][0] == "19900007777"
    assert "199 0000 7777" in me.get("/me/phone/code").text
    assert me.post("/me/phone/code", data={"code": "12"}).status_code == 422
    assert me.post("/me/phone/code", data={"code": texts.code()}).location == "/me/profile"
    assert one(select(Resident.phone).where(Resident.id == town.residents[0].id)) == "19900007777"
    assert me.get("/me/profile").status_code == 200
    ended = one(select(WebSession).where(WebSession.id == sessions.fingerprint(other)))
    assert ended.ended_why == "phone changed"


def test_a_number_that_is_somebody_elses_is_said_only_after_the_code(me: FlaskClient, town: Town, texts: Texts) -> None:
    taken = town.residents[1].phone
    assert me.post("/me/phone", data={"phone": taken}).location == "/me/phone/code"
    answer = me.post("/me/phone/code", data={"code": texts.code()})
    assert answer.status_code == 422
    assert "已经登记在另一个人名下" in answer.text
    assert one(select(Resident.phone).where(Resident.id == town.residents[0].id)) == "19900000000"


def test_the_same_number_needs_no_code(me: FlaskClient, texts: Texts) -> None:
    assert me.post("/me/phone", data={"phone": "19900000000"}).location == "/me/profile"
    assert not texts.sent
    assert me.get("/me/phone/code").location == "/me/phone"


def test_export_holds_every_rooms_part(me: FlaskClient, town: Town, session: Any, now: datetime) -> None:
    resident_records.add_relative(town.residents[0], resident_records.RelativeValues("王秀英", "母亲"), now)
    session.commit()
    answer = me.get("/me/export.json")
    data = json.loads(answer.text)
    assert data["profile"]["phone"] == "19900000000"
    assert data["profile"]["home_community"] == "甲一社区党群服务中心"
    assert data["relatives"][0]["name"] == "王秀英"
    assert "attachment" in answer.headers["Content-Disposition"]
    assert "no-store" in answer.headers["Cache-Control"]
    for source in registry.personal_sources.values():
        assert source(town.residents[0].id).keys() <= data.keys()


def test_erase_needs_a_yes(me: FlaskClient, town: Town) -> None:
    assert "会留下" in me.get("/me/erase").text
    answer = me.post("/me/erase", data={})
    assert answer.status_code == 422
    assert "不能恢复" in answer.text
    assert one(select(Resident.erased_at).where(Resident.id == town.residents[0].id)) is None


def test_erase(me: FlaskClient, town: Town, session: Any, texts: Texts, now: datetime) -> None:
    person = town.residents[0]
    resident_records.add_relative(person, resident_records.RelativeValues("王秀英", "母亲", 1932, "19900000088"), now)
    session.add(LoginCode(phone=person.phone, code_hash="x", sent_at=now, expires_at=now))
    session.commit()
    assert me.post("/me/erase", data={"sure": "y"}).location == "/erased"
    assert me.get("/erased").status_code == 200
    assert me.get("/me/profile").location.startswith("/login")
    gone = one(select(Resident).where(Resident.id == person.id))
    assert (gone.phone, gone.name, gone.address, gone.birth_year, gone.groups) == (None, "已注销", "", None, [])
    assert gone.erased_at == now
    assert one(select(Relative)).name == "已注销"
    assert not rows(select(LoginCode))
    line = one(select(AuditLog))
    assert (line.verb, line.actor_name, line.centre_path) == ("erase", "", town.centres["A1"].path)
    assert "居民甲" not in json.dumps([line.summary, line.before, line.after], ensure_ascii=False)
    # The number is free for a new start.
    me.post("/login", data={"phone": "19900000000"})
    assert me.post("/login/code", data={"code": texts.code()}).location.startswith("/register")


def test_elder_mode_is_remembered(me: FlaskClient, town: Town, session: Any, now: datetime) -> None:
    resident_records.set_elder(town.residents[0], True, now)
    session.commit()
    assert 'class="elder"' in me.get("/me/relatives").text


def test_unmasking_is_recorded(session: Any, town: Town, now: datetime) -> None:
    assert resident_records.unmask(town.actor("A1-OP"), town.residents[0], "phone", "报名 #12", now) == "19900000000"
    session.commit()
    line = one(select(AuditLog))
    assert (line.verb, line.object_id, line.summary) == ("unmask", town.residents[0].id, "查看完整手机号：报名 #12")
    assert line.centre_path == town.centres["A1"].path
    for nobody in (town.actor("D-LOOK"), Actor(kind="resident", id=1, name="居民")):
        with pytest.raises(NotAllowed):
            resident_records.unmask(nobody, town.residents[0], "address", "报名 #12", now)


def test_audience_helpers(session: Any, town: Town) -> None:
    town.residents[0].groups = ["elder", "party"]
    session.commit()
    ids = [r.id for r in town.residents]
    assert queries.resident_ids(town.centres["A"].path) == ids[:3]
    assert queries.resident_ids(groups=["party", "worker"]) == ids[:1]
    assert queries.resident_ids() == ids
    assert [a.username for a in queries.staff_of([town.centres["D"].id])] == ["d", "d-look"]
