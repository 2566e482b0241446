"""Asked again who sits there, before what cannot be taken back; where one is signed in (SPEC P3, P8)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.core import clock, sessions
from portal.core.audit import AuditLog
from portal.core.remarks import Remark
from portal.core.sessions import WebSession
from portal.people import rules
from portal.people.models import LoginFailure, Resident, StaffAccount
from tests.factories import PASSWORD, Town
from tests.people.conftest import Texts, one, rows

NEW = "seventeen green boats"
# What nobody may do from a telephone or a desk that was left alone.
GUARDED = {
    "people.phone", "people.phone_code", "people.export", "people.own_data", "people.own_data_read", "people.export_pdf",
    "people.erase", "wechat.bind",
    "people_staff.second_factor", "people_staff.begin_second_factor", "people_staff.confirm_second_factor",
    "people_staff.new_recovery_codes", "people_staff.turn_off_second_factor",
    "signup_staff.full_table",
}  # fmt: skip


@pytest.fixture
def me(client: FlaskClient, town: Town, as_resident: Any) -> FlaskClient:
    as_resident(client, town.residents[0])
    return client


def test_which_views_ask_again(app: Flask) -> None:
    assert {e for e, view in app.view_functions.items() if getattr(view, "proves", False)} == GUARDED


@pytest.mark.parametrize(
    ("method", "path", "back"),
    [
        ("GET", "/me/phone", "/me/phone"), ("POST", "/me/phone", "/me/phone"), ("POST", "/me/phone/code", "/me/phone"),
        ("GET", "/me/export.json", "/me/data"), ("GET", "/me/data", "/me/data"), ("GET", "/me/erase", "/me/erase"),
        ("POST", "/me/erase", "/me/erase"),
    ],
)  # fmt: skip
def test_a_resident_is_asked_again(
    me: FlaskClient, town: Town, texts: Texts, now: datetime, method: str, path: str, back: str
) -> None:
    with clock.frozen(now + rules.PROOF_LIFE):
        answer = me.open(path, method=method, data={"sure": "y", "phone": "19900007777", "code": "123456"})
        assert answer.location == f"/me/proof?next={back}"
        page = me.get(answer.location).text
        assert "199****0000" in page and "发验证码" in page and not texts.sent
        assert me.post("/me/proof/send", data={"next": back}).location == f"/me/proof?next={back}"
        assert texts.sent[-1][0] == town.residents[0].phone
        assert 'name="code"' in me.get(f"/me/proof?next={back}").text
        wrong = "000000" if texts.code() != "000000" else "111111"
        assert me.post("/me/proof", data={"code": wrong, "next": back}).status_code == 422
        assert me.get(back).status_code == 303
        assert me.post("/me/proof", data={"code": texts.code(), "next": back}).location == back
        assert me.get(back).status_code == 200
    with clock.frozen(now + 2 * rules.PROOF_LIFE):
        assert me.get(back).status_code == 303
    assert one(select(Resident.erased_at).where(Resident.id == town.residents[0].id)) is None


@pytest.mark.parametrize("face", ["resident", "staff"])
def test_showing_again_makes_a_new_session(
    client: FlaskClient, town: Town, texts: Texts, now: datetime, as_staff: Any, as_resident: Any, face: str
) -> None:
    """A cookie that was copied before does not become worth more by it (ASVS 7.2.4)."""
    inside = "/staff/sessions" if face == "staff" else "/me/profile"
    if face == "staff":
        as_staff(client, town.staff["A1"])
    else:
        as_resident(client, town.residents[0])
    copied = client.get_cookie("portal").value  # type: ignore[union-attr]
    with clock.frozen(now + rules.PROOF_LIFE):
        if face == "staff":
            assert client.post("/staff/proof", data={"password": PASSWORD}).status_code == 303
        else:
            client.post("/me/proof/send")
            assert client.post("/me/proof", data={"code": texts.code()}).status_code == 303
        assert client.get(inside).status_code == 200
        client.set_cookie("portal", copied)
        assert client.get(inside).status_code == 303


def test_a_code_is_not_asked_for_without_end(me: FlaskClient, town: Town, texts: Texts, now: datetime) -> None:
    with clock.frozen(now + rules.PROOF_LIFE):
        me.post("/me/proof/send")
        answer = me.post("/me/proof/send")
        assert answer.status_code == 429 and "太频繁" in answer.text and len(texts.sent) == 1
        assert 'name="code"' in answer.text  # the one that was sent is good
        assert me.post("/me/proof", data={"code": "12", "next": "//evil.example"}).status_code == 422
        assert me.post("/me/proof", data={"code": texts.code(), "next": "//evil.example"}).location == "/me"


def test_the_old_number_is_told_of_the_new(me: FlaskClient, town: Town, texts: Texts) -> None:
    old = town.residents[0].phone
    me.post("/me/phone", data={"phone": "19900007777"})
    me.post("/me/phone/code", data={"code": texts.code()})
    phone, body = texts.sent[-1]
    assert phone == old and "7777" in body and "0755-842000" in body and "19900007777" not in body
    line = one(select(AuditLog))
    assert (line.verb, line.actor_kind, line.centre_path) == ("change_phone", "resident", town.centres["A1"].path)
    said = one(select(Remark)).words
    assert (
        "尾号 0000" in said and "尾号 7777" in said and "尾号" not in line.summary
    )  # the line stays, the words may go


def test_staff_show_their_password_again(client: FlaskClient, town: Town, as_staff: Any, now: datetime) -> None:
    as_staff(client, town.staff["A1"])
    with clock.frozen(now + rules.PROOF_LIFE):
        there = client.get("/staff/second-factor").location
        assert there == "/staff/proof?next=/staff/second-factor"
        assert client.get(there).status_code == 200
        answer = client.post(there, data={"password": "wrong", "next": "/staff/second-factor"})
        assert answer.status_code == 422 and "密码不对" in answer.text and "wrong" not in answer.text
        assert client.post(there, data={"password": PASSWORD, "next": "/staff/second-factor"}).status_code == 303
        assert client.get("/staff/second-factor").status_code == 200
    assert "proof_wrong" in {line.verb for line in rows(select(AuditLog))}
    assert not rows(select(LoginFailure))


@pytest.mark.parametrize("path", ["/staff/proof", "/staff/password"])
def test_the_present_password_is_not_tried_out(
    app: Flask, client: FlaskClient, town: Town, as_staff: Any, now: datetime, path: str
) -> None:
    """In a stolen session, on either page; sessions do not have tries of their own."""
    for number in range(rules.FAILURES_HERE):
        thief = as_staff(app.test_client(), town.staff["A1"])
        data = {"password": f"x{number}", "old": f"x{number}", "new": NEW, "again": NEW}
        assert thief.post(path, data=data).status_code == 422
    answer = thief.post(path, data={"password": PASSWORD, "old": PASSWORD, "new": NEW, "again": NEW})
    assert answer.status_code == 429 and "10:15 以后" in answer.text
    assert len(rows(select(AuditLog).where(AuditLog.verb == "proof_wrong"))) == rules.FAILURES_HERE
    # The owner signs in all the same: other tries are counted elsewhere.
    assert client.post("/staff/login", data={"username": "a1", "password": PASSWORD}).status_code == 303
    with clock.frozen(now + rules.FAILURE_WINDOW):
        assert thief.post("/staff/password", data={"old": PASSWORD, "new": NEW, "again": NEW}).location == "/staff"


def test_ones_own_devices(
    app: Flask, me: FlaskClient, town: Town, session: Any, as_resident: Any, now: datetime
) -> None:
    session.rollback()
    agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0) MicroMessenger/8"
    wechat = sessions.fingerprint(sessions.open_session("resident", town.residents[0].id, now, "", agent, "甲一社区"))
    foreign = sessions.fingerprint(sessions.open_session("resident", town.residents[1].id, now))
    staffs = sessions.fingerprint(sessions.open_session("staff", town.residents[0].id, now))
    session.commit()
    third = as_resident(app.test_client(), town.residents[0])
    page = me.get("/me/devices").text
    assert "苹果手机 · 微信" in page and "就是这一台" in page and "甲一社区工作人员读的登录码" in page
    for other in (foreign, staffs):
        assert me.post(f"/me/devices/{other}/end").status_code == 404
    assert me.post(f"/me/devices/{wechat}/end").location == "/me/devices"
    assert one(select(WebSession).where(WebSession.id == wechat)).ended_at == now
    assert me.post("/me/devices/end-others").location == "/me/devices"
    assert third.get("/me/devices").location.startswith("/login")
    assert me.get("/me/devices").status_code == 200
    assert [s.ended_at for s in rows(select(WebSession).where(WebSession.id.in_((foreign, staffs))))] == [None, None]
    own = one(select(WebSession.id).where(WebSession.person_id == town.residents[0].id, WebSession.audience == "resident",
                                          WebSession.ended_at.is_(None)))  # fmt: skip
    assert me.post(f"/me/devices/{own}/end").location == "/"
    assert me.get("/me/devices").location.startswith("/login")


def test_staff_end_all_but_this_one(app: Flask, client: FlaskClient, town: Town, as_staff: Any) -> None:
    as_staff(client, town.staff["A1"])
    assert "全部退出" not in client.get("/staff/sessions").text
    other, neighbour = (as_staff(app.test_client(), town.staff[who]) for who in ("A1", "A2"))
    assert "全部退出" in client.get("/staff/sessions").text
    assert client.post("/staff/sessions/end-others").location == "/staff/sessions"
    assert other.get("/staff/sessions").location.startswith("/staff/login")
    assert client.get("/staff/sessions").status_code == neighbour.get("/staff/sessions").status_code == 200
    assert one(select(AuditLog)).summary == "结束其他 1 处登录"


def test_who_was_let_in_by_a_code_read_out_has_not_proved_anything(
    client: FlaskClient, town: Town, session: Any, now: datetime
) -> None:
    token = sessions.open_session("resident", town.residents[0].id, now, let_in_by="甲一社区")
    session.commit()
    with client.session_transaction() as cookie:
        cookie["_user_id"], cookie["_fresh"] = token, True
    assert client.get("/me/erase").location == "/me/proof?next=/me/erase"


def test_a_password_that_is_tried_first_is_refused_with_a_reason(
    client: FlaskClient, town: Town, as_staff: Any, session: Any
) -> None:
    row = session.get(StaffAccount, town.staff["A1"].id)
    row.phone = "19900001111"
    session.commit()
    as_staff(client, town.staff["A1"])
    for new, why in (
        ("WOAINI1314", "太常见"), ("qq123456789", "太常见"), ("Sunflower2026", "太常见"), ("5201314520", "太常见"),
        ("my19900001111", "不能有自己的"), ("甲一社区党群服务中心", "不能有自己的"),
    ):  # fmt: skip
        answer = client.post("/staff/password", data={"old": PASSWORD, "new": new, "again": new})
        assert answer.status_code == 422 and why in answer.text and rules.GOOD_ONE in answer.text, new
    assert client.post("/staff/password", data={"old": PASSWORD, "new": NEW, "again": NEW}).location == "/staff"


def test_the_window_is_said_in_words(client: FlaskClient, town: Town, as_staff: Any, now: datetime) -> None:
    as_staff(client, town.staff["A1"])
    with clock.frozen(now + timedelta(hours=1)):
        assert "10 分钟内不再问" in client.get("/staff/proof").text
