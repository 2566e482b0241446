"""Accounts of one's own centre and below (SPEC P4-P6)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.core.access import Role, system_actor
from portal.core.audit import AuditLog
from portal.core.db import writing
from portal.core.errors import NotAllowed
from portal.core.outbox import Outbox
from portal.core.sessions import WebSession
from portal.people import passwords, queries
from portal.people.actions import staff_accounts
from portal.people.actions.staff_accounts import AccountValues
from portal.people.models import KnownDevice, StaffAccount
from portal.people.refusals import NotYourself, OutOfReach, UsernameTaken
from tests.factories import PASSWORD, Town
from tests.people.conftest import one, rows

SECRET = re.compile(r'id="secret">([^<]+)<')


def new_form(town: Town, where: str = "A1", **changes: Any) -> dict[str, Any]:
    form = {"username": "kx-chen", "name": "陈新", "phone": "199 0000 0066", "role": "operator", "department": ""}
    return form | {"centre": str(town.centres[where].id)} | changes


def account(username: str) -> StaffAccount:
    found: StaffAccount = one(select(StaffAccount).where(StaffAccount.username == username))
    return found


def test_list_is_the_subtree(client: FlaskClient, town: Town, as_staff: Any) -> None:
    page = as_staff(client, town.staff["A"]).get("/staff/accounts").text
    for name in ("A管理员", "A1管理员", "A1经办", "A2管理员", "A1S管理员"):
        assert name in page
    for name in ("B管理员", "B1管理员", "D管理员", "D督查", "政法办"):
        assert name not in page
    assert "共 5 个账户" in page


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("q=A1经", ["A1经办"]),
        ("q=甲二", ["A2管理员"]),
        ("q=%25", []),
        ("level=station", ["A1S管理员"]),
        ("state=disabled", ["A2管理员"]),
        ("state=initial", ["A1经办"]),
        ("state=expired", ["A1S管理员"]),
        ("level=nonsense", []),
        ("page=99", []),
    ],
)
def test_filters(
    client: FlaskClient, town: Town, session: Any, as_staff: Any, now: datetime, query: str, names: list[str]
) -> None:
    town.staff["A2"].disabled_at = now
    for key, hours in (("A1-OP", 1), ("A1S", -1)):
        town.staff[key].must_change, town.staff[key].password_expires_at = True, now + timedelta(hours=hours)
    session.commit()
    page = as_staff(client, town.staff["A"]).get(f"/staff/accounts?{query}").text
    assert re.findall(r'<a href="/staff/accounts/\d+">([^<]+)</a></strong>', page) == names


def test_list_by_centre_and_its_queries(client: FlaskClient, town: Town, as_staff: Any, count_queries: Any) -> None:
    as_staff(client, town.staff["D"])
    client.get("/staff/accounts")
    with count_queries() as seen:
        page = client.get(f"/staff/accounts?centre={town.centres['B1'].id}").text
    assert re.findall(r'<a href="/staff/accounts/\d+">([^<]+)</a></strong>', page) == ["B1管理员"]
    mine = [s for s in seen if "FROM staff_account JOIN centre" in s and "web_session" not in s]
    assert len(mine) == 3  # what is found by state, the whole, the page


@pytest.mark.parametrize("who", ["A1-OP", "D-LOOK", "ZFB"])
def test_only_managers(client: FlaskClient, town: Town, as_staff: Any, who: str) -> None:
    as_staff(client, town.staff[who])
    for path in ("/staff/accounts", "/staff/accounts/new", f"/staff/accounts/{town.staff['A1S'].id}"):
        assert client.get(path).status_code == 403
    for verb in ("reset", "disable", "enable", "role", "hand-over"):
        assert client.post(f"/staff/accounts/{town.staff['A1S'].id}/{verb}").status_code == 403


@pytest.mark.parametrize("foreign", ["A", "D", "A2", "B1", "ZFB"])
def test_siblings_and_parents_do_not_exist(client: FlaskClient, town: Town, as_staff: Any, foreign: str) -> None:
    as_staff(client, town.staff["A1"])
    address = f"/staff/accounts/{town.staff[foreign].id}"
    assert client.get(address).status_code == 404
    assert client.get(f"{address}/hand-over").status_code == 404
    for verb, data in (("reset", {}), ("disable", {}), ("enable", {}), ("role", {"role": "inspector"}),
                       ("hand-over", {"name": "张三", "phone": "19900000055"})):  # fmt: skip
        assert client.post(f"{address}/{verb}", data=data).status_code == 404
    assert not rows(select(AuditLog))


def test_new_account_shows_its_password_once(app: Flask, client: FlaskClient, town: Town, as_staff: Any) -> None:
    as_staff(client, town.staff["A"])
    page = client.get("/staff/accounts/new").text
    assert "甲一社区" in page
    assert "乙街道" not in page
    answer = client.post("/staff/accounts/new", data=new_form(town, username=" KX-Chen "))
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    password = SECRET.findall(answer.text)[0]
    row = account("kx-chen")
    assert (row.name, row.phone, row.centre_id, row.must_change) == ("陈新", "19900000066", town.centres["A1"].id, True)
    line = one(select(AuditLog).where(AuditLog.verb == "open"))
    assert line.after["phone"] == "199****0066"
    assert line.centre_path == town.centres["A1"].path
    stored = [str(vars(r)) for m in (StaffAccount, AuditLog, Outbox) for r in rows(select(m))]
    assert not any(password in text for text in stored)
    for path in ("/staff/accounts", f"/staff/accounts/{row.id}"):
        assert password not in client.get(path).text
    newcomer = app.test_client()
    signed = newcomer.post("/staff/login", data={"username": "kx-chen", "password": password})
    assert signed.location == "/staff/password"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"username": "A1-OP"}, "已经有人用了"),
        ({"username": "陈新"}, "小写字母"),
        ({"username": "x"}, "小写字母"),
        ({"name": ""}, "请填写姓名"),
        ({"phone": "123"}, "11 位数字"),
        ({"role": ""}, "请选择角色"),
        ({"role": "king"}, "请从列表里选一项"),
        ({"centre": ""}, "请选择阵地"),
        ({"centre": "999999"}, "请从列表里选一项"),
        ({"department": "999999"}, "请从列表里选一项"),
    ],
)
def test_mistakes_in_a_new_account(
    client: FlaskClient, town: Town, as_staff: Any, changes: dict[str, str], text: str
) -> None:
    as_staff(client, town.staff["D"])
    answer = client.post("/staff/accounts/new", data=new_form(town, **changes))
    assert answer.status_code == 422
    assert text in answer.text
    if "name" not in changes:
        assert 'value="陈新"' in answer.text
    assert len(rows(select(StaffAccount))) == len(town.staff)


def test_no_account_for_a_centre_beside_or_above(client: FlaskClient, town: Town, as_staff: Any, now: datetime) -> None:
    as_staff(client, town.staff["A1"])
    for centre in ("A", "A2", "D"):
        assert client.post("/staff/accounts/new", data=new_form(town, centre)).status_code == 422
        values = AccountValues("x-1234", "张三", "", town.centres[centre].id, Role.MANAGER)
        with pytest.raises(OutOfReach):
            staff_accounts.open_account(town.actor("A1"), values, now)
    with pytest.raises(NotAllowed):
        staff_accounts.open_account(town.actor("A1-OP"), values, now)


def test_department_account_stands_at_its_departments_centre(client: FlaskClient, town: Town, as_staff: Any) -> None:
    as_staff(client, town.staff["D"])
    client.post("/staff/accounts/new", data=new_form(town, department=str(town.department.id)))
    row = account("kx-chen")
    assert (row.centre_id, row.department_id) == (town.centres["D"].id, town.department.id)


def test_a_departments_manager_sees_the_department_only(
    client: FlaskClient, town: Town, session: Any, as_staff: Any, now: datetime
) -> None:
    town.staff["ZFB"].role = Role.MANAGER
    session.commit()
    page = as_staff(client, town.staff["ZFB"]).get("/staff/accounts").text
    assert "共 1 个账户" in page
    assert client.get(f"/staff/accounts/{town.staff['A1'].id}").status_code == 404
    values = AccountValues("x-1234", "张三", "", town.centres["D"].id, Role.OPERATOR)
    with pytest.raises(OutOfReach):
        staff_accounts.open_account(town.actor("ZFB"), values, now)


def test_reset_by_a_superior(app: Flask, client: FlaskClient, town: Town, as_staff: Any, now: datetime) -> None:
    holder = app.test_client()
    holder.post("/staff/login", data={"username": "a1", "password": PASSWORD})
    as_staff(client, town.staff["A"])
    answer = client.post(f"/staff/accounts/{town.staff['A1'].id}/reset")
    password = SECRET.findall(answer.text)[0]
    assert answer.headers["Cache-Control"] == "no-store"
    assert holder.get("/staff/sessions").location.startswith("/staff/login")
    assert len(rows(select(KnownDevice))) == 1  # the owner's own: strangers' failures must not keep him out
    assert holder.post("/staff/login", data={"username": "a1", "password": PASSWORD}).status_code == 422
    row = account("a1")
    assert row.password_expires_at == now + timedelta(hours=24)
    effect = one(select(Outbox).where(Outbox.topic == "people.account_notice"))
    assert effect.payload == {"account_id": row.id, "event": "reset", "by_name": "A管理员", "by_id": town.staff["A"].id}
    line = one(select(AuditLog).where(AuditLog.verb == "reset"))
    assert (line.actor_name, line.object_id) == ("A管理员", row.id)
    assert holder.post("/staff/login", data={"username": "a1", "password": password}).location == "/staff/password"


def test_own_password_is_not_reset(client: FlaskClient, town: Town, as_staff: Any) -> None:
    as_staff(client, town.staff["A1"])
    answer = client.post(f"/staff/accounts/{town.staff['A1'].id}/reset")
    assert answer.status_code == 409
    assert "修改密码" in answer.text
    assert passwords.matches(account("a1").password_hash, PASSWORD)


def test_hand_over(app: Flask, client: FlaskClient, town: Town, as_staff: Any) -> None:
    holder = app.test_client()
    holder.post("/staff/login", data={"username": "a1", "password": PASSWORD})
    as_staff(client, town.staff["A"])
    address = f"/staff/accounts/{town.staff['A1'].id}/hand-over"
    assert "A1管理员" in client.get(address).text
    bad = client.post(address, data={"name": "", "phone": "199"})
    assert bad.status_code == 422
    assert holder.get("/staff/sessions").status_code == 200
    answer = client.post(address, data={"name": "周新", "phone": "19900000044"})
    password = SECRET.findall(answer.text)[0]
    assert holder.get("/staff/sessions").location.startswith("/staff/login")
    row = account("a1")
    assert (row.name, row.phone, row.must_change) == ("周新", "19900000044", True)
    line = one(select(AuditLog).where(AuditLog.verb == "hand_over"))
    assert (line.before["name"], line.after["name"]) == ("A1管理员", "周新")
    assert app.test_client().post("/staff/login", data={"username": "a1", "password": password}).status_code == 303


def test_hand_over_of_ones_own_account_signs_out(client: FlaskClient, town: Town, as_staff: Any) -> None:
    as_staff(client, town.staff["A1"])
    address = f"/staff/accounts/{town.staff['A1'].id}/hand-over"
    assert "您自己的账户" in client.get(address).text
    answer = client.post(address, data={"name": "周新", "phone": "19900000044"})
    assert SECRET.search(answer.text)
    assert client.get("/staff/accounts").location.startswith("/staff/login")


def test_disable_and_enable(app: Flask, client: FlaskClient, town: Town, as_staff: Any, now: datetime) -> None:
    holder = app.test_client()
    holder.post("/staff/login", data={"username": "a1-op", "password": PASSWORD})
    as_staff(client, town.staff["A1"])
    address = f"/staff/accounts/{town.staff['A1-OP'].id}"
    for _ in range(2):  # pressed twice
        assert client.post(f"{address}/disable").location == address
    assert holder.get("/staff/sessions").location.startswith("/staff/login")
    assert holder.post("/staff/login", data={"username": "a1-op", "password": PASSWORD}).status_code == 422
    assert account("a1-op").disabled_at == now
    assert "已停用" in client.get(address).text
    for _ in range(2):
        assert client.post(f"{address}/enable").location == address
    assert holder.post("/staff/login", data={"username": "a1-op", "password": PASSWORD}).status_code == 303
    assert [
        a.verb
        for a in rows(
            select(AuditLog)
            .where(AuditLog.object_id == town.staff["A1-OP"].id, AuditLog.verb.like("%able"))
            .order_by(AuditLog.id)
        )
    ] == ["disable", "enable"]


def test_nobody_disables_or_raises_himself(client: FlaskClient, town: Town, as_staff: Any, now: datetime) -> None:
    as_staff(client, town.staff["A1"])
    address = f"/staff/accounts/{town.staff['A1'].id}"
    assert client.post(f"{address}/disable").status_code == 409
    assert client.post(f"{address}/role", data={"role": "inspector"}).status_code == 409
    page = client.get(address).text
    assert "停用账户" not in page
    assert "保存角色" not in page
    with pytest.raises(NotYourself):
        staff_accounts.disable(town.actor("A1"), town.staff["A1"], now)


def test_role(client: FlaskClient, town: Town, as_staff: Any) -> None:
    as_staff(client, town.staff["A"])
    address = f"/staff/accounts/{town.staff['A1-OP'].id}"
    assert client.post(f"{address}/role", data={"role": "king"}).status_code == 422
    assert client.post(f"{address}/role", data={}).status_code == 422
    assert client.post(f"{address}/role", data={"role": "manager"}).location == address
    assert account("a1-op").role == "manager"
    line = one(select(AuditLog).where(AuditLog.verb == "change_role"))
    assert (line.before, line.after) == ({"role": "经办人"}, {"role": "管理员"})
    client.post(f"{address}/role", data={"role": "manager"})
    assert len(rows(select(AuditLog).where(AuditLog.verb == "change_role"))) == 1


def test_two_at_once_cannot_take_one_username(session: Any, town: Town, now: datetime, monkeypatch: Any) -> None:
    values = AccountValues("same-name", "张三", "", town.centres["A1"].id, Role.OPERATOR)
    staff_accounts.open_account(system_actor(), values, now)
    # As if the other request had committed between our look and our insert.
    monkeypatch.setattr(queries, "account_by_username", lambda _user: None)
    with pytest.raises(UsernameTaken):
        staff_accounts.open_account(system_actor(), values, now)
    assert session.is_active


def test_web_session_rows_say_why_they_ended(client: FlaskClient, town: Town, as_staff: Any, session: Any) -> None:
    as_staff(client, town.staff["A1"])
    session.rollback()
    with writing():
        staff_accounts.disable(town.actor("A"), town.staff["A1"], town.staff["A1"].created_at)
    assert one(select(WebSession)).ended_why == "disabled"


@pytest.mark.parametrize(
    ("verb", "button"), [("reset", "重置，显示一次性密码"), ("disable", "停用"), ("second-factor", "重置")]
)
def test_it_asks_first_and_says_whose_login_ends(
    app: Flask, client: FlaskClient, town: Town, as_staff: Any, verb: str, button: str
) -> None:
    """Looking changes nothing; a colleague who is at work is named."""
    as_staff(app.test_client(), town.staff["A1"])
    as_staff(client, town.staff["A"])
    address = f"/staff/accounts/{town.staff['A1'].id}/{verb}"
    page = client.get(address).text
    assert "A1管理员现在有 1 处登录" in page and f">{button}</" in page.replace("<span>", ">").replace("</span>", "</")
    idle = client.get(f"/staff/accounts/{town.staff['A1S'].id}/{verb}").text
    assert "现在没有登录，不会打断谁" in idle
    assert all(row.ended_at is None for row in rows(select(WebSession)))


def test_another_one_at_the_same_place(client: FlaskClient, town: Town, as_staff: Any) -> None:
    as_staff(client, town.staff["A"])
    made = client.post("/staff/accounts/new", data=new_form(town)).text
    again = re.search(r'href="([^"]+)"[^>]*>(?:(?!</a>).)*再建一个', made)
    assert again
    form = client.get(again[1].replace("&amp;", "&")).text
    assert re.search(rf'<option selected value="{town.centres["A1"].id}"', form)
    assert re.search(r'value="operator"[^>]*checked|checked[^>]*value="operator"', form)
