"""Departments on a page: made, renamed, closed, opened again; who may, and what is kept (SPEC P10)."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.centres.models import Department
from portal.core.access import Role
from portal.core.audit import AuditLog
from portal.people.actions import staff_accounts
from portal.people.actions.staff_accounts import AccountValues
from portal.people.models import StaffAccount
from portal.people.refusals import DepartmentClosed
from tests.factories import NOW, Town
from tests.people.conftest import one, rows

HERE = "/staff/departments"


@pytest.fixture
def district(client: FlaskClient, town: Town, as_staff: Any) -> FlaskClient:
    signed: FlaskClient = as_staff(client, town.staff["D"])
    return signed


def department(name: str) -> Department:
    found: Department = one(select(Department).where(Department.name == name))
    return found


def test_a_new_one_can_be_given_accounts_at_once(district: FlaskClient, town: Town) -> None:
    answer = district.post(HERE, data={"name": " 文体局 ", "phone": "0755－84200077"})
    assert answer.location == HERE
    row = department("文体局")
    assert (row.centre_id, row.phone, row.active) == (town.centres["D"].id, "0755-84200077", True)
    page = district.get(HERE).text
    assert "文体局" in page and "0755-8420 0077" in page
    form = district.get(f"/staff/accounts/new?department={row.id}").text
    assert f'<option selected value="{row.id}">文体局' in form
    district.post("/staff/accounts/new", data={
        "username": "wtj", "name": "林文", "phone": "19900000070", "role": "operator", "department": str(row.id),
        "centre": str(town.centres["D"].id),
    })  # fmt: skip
    made = one(select(StaffAccount).where(StaffAccount.username == "wtj"))
    assert (made.department_id, made.centre_id) == (row.id, town.centres["D"].id)
    line = one(select(AuditLog).where(AuditLog.verb == "open_department"))
    assert line.after == {"name": "文体局", "phone": "0755-84200077"}


@pytest.mark.parametrize(("change", "text"), [
    ({"name": ""}, "请填写部门名称"), ({"name": "长" * 61}, "最多 60 个字"), ({"phone": "打前台"}, "只写数字和横线"),
    ({"name": "政法办"}, "已经有这个名称的部门"),
])  # fmt: skip
def test_a_mistake_is_said_and_kept(district: FlaskClient, change: dict[str, str], text: str) -> None:
    for url in (HERE, f"{HERE}/{_second(district)}"):
        answer = district.post(url, data={"name": "群团工作部", "phone": ""} | change)
        assert answer.status_code == 422 and text in answer.text
        assert all(value in answer.text for value in change.values())
    assert {row.name for row in rows(select(Department))} == {"政法办", "义工联"}


def _second(district: FlaskClient) -> int:
    district.post(HERE, data={"name": "义工联", "phone": ""})
    return department("义工联").id


def test_renamed_it_keeps_its_accounts(district: FlaskClient, town: Town) -> None:
    url = f"{HERE}/{town.department.id}"
    assert district.post(url, data={"name": "政法委", "phone": ""}).location == HERE
    assert one(select(StaffAccount).where(StaffAccount.username == "zfb")).department.name == "政法委"
    line = one(select(AuditLog).where(AuditLog.verb == "edit_department"))
    assert (line.before["name"], line.after["name"]) == ("政法办", "政法委")
    assert district.post(url, data={"name": "政法委", "phone": ""}).location == HERE
    assert len(rows(select(AuditLog).where(AuditLog.verb == "edit_department"))) == 1


def test_it_is_closed_only_when_nobody_works_there(district: FlaskClient, town: Town) -> None:
    number, person = town.department.id, town.staff["ZFB"].id
    refused = district.post(f"{HERE}/{number}/active")
    assert "还有 1 个账户在用" in district.get(refused.location).text and department("政法办").active
    district.post(f"/staff/accounts/{person}/disable")
    assert district.post(f"{HERE}/{number}/active").location == HERE
    assert not department("政法办").active
    offered = f'value="{number}">政法办'
    assert offered not in district.get("/staff/accounts/new").text
    values = AccountValues("new-one", "新人", "19900000071", town.centres["D"].id, Role.OPERATOR, number)
    with pytest.raises(DepartmentClosed):
        staff_accounts.open_account(town.actor("D"), values, NOW)
    district.post(f"{HERE}/{number}/active")
    assert department("政法办").active and offered in district.get("/staff/accounts/new").text
    assert [line.verb for line in rows(select(AuditLog).where(AuditLog.object_type == "department").order_by(AuditLog.id))] == [
        "close_department", "reopen_department",
    ]  # fmt: skip


@pytest.mark.parametrize("who", ["A", "A1", "ZFB"])
def test_only_the_top_keeps_them(client: FlaskClient, town: Town, as_staff: Any, who: str) -> None:
    as_staff(client, town.staff[who])
    assert client.get(HERE).status_code == 403 and client.post(HERE, data={"name": "甲"}).status_code == 403
    for url in (f"{HERE}/{town.department.id}", f"{HERE}/{town.department.id}/active"):
        assert client.post(url, data={"name": "乙"}).status_code in (403, 404)
    assert "职能部门" not in client.get("/staff/accounts").text or who == "ZFB"
    assert department("政法办").active
