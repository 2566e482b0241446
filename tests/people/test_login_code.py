"""Residents come in by a code on their phone (SPEC P1, S1)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.core import clock, registry
from portal.core.outbox import Outbox
from portal.core.sessions import WebSession
from portal.notices import handlers
from portal.notices.models import InboxMessage
from portal.people import rules
from portal.people.actions import login_codes
from portal.people.models import LoginCode, Resident
from portal.people.refusals import CodeExpired, CodeTooSoon, CodeWrong
from tests.factories import Town
from tests.people.conftest import Texts, one, rows

NEW = "19900009999"
FORM = {"name": "新居民", "address": "测试花园9栋901", "agree": "y"}


def ask(client: FlaskClient, phone: str = NEW, target: str = "/services/7?day=2026-12-13") -> Any:
    return client.post("/login", data={"phone": phone, "next": target})


def enter(client: FlaskClient, code: str, target: str = "/services/7?day=2026-12-13") -> Any:
    return client.post("/login/code", data={"code": code, "next": target})


def test_newcomer_registers_on_the_way_and_comes_back_to_the_same_place(
    client: FlaskClient, town: Town, texts: Texts, now: datetime
) -> None:
    target = "/services/7?day=2026-12-13"
    page = client.get("/login", query_string={"next": target}).text
    assert 'value="/services/7?day=2026-12-13"' in page
    assert ask(client, "+86 199-0000 9999").location.startswith("/login/code?next=")
    assert texts.sent[0][0] == NEW
    assert "199 0000 9999" in client.get("/login/code").text
    answer = enter(client, texts.code())
    assert answer.location.startswith("/register?next=")
    page = client.get(answer.location).text
    assert "甲街道" in page
    assert "甲一社区" in page
    assert "测试区</option>" not in page
    home = town.centres["A1"].id
    done = client.post("/register", data={**FORM, "home": str(home), "next": target})
    assert done.location == target
    person = one(select(Resident).where(Resident.phone == NEW))
    assert (person.name, person.home_centre_id, person.consent_version) == ("新居民", home, "2027-01")
    assert person.consent_at == now
    assert client.get("/me/profile").status_code == 200


def test_known_resident_is_asked_nothing_more(client: FlaskClient, town: Town, texts: Texts) -> None:
    ask(client, town.residents[0].phone)
    assert enter(client, texts.code()).location == "/services/7?day=2026-12-13"
    assert client.get("/me/profile").status_code == 200
    assert client.get("/login?next=/services").location == "/services"


def test_the_answer_does_not_tell_who_is_registered(app: Flask, town: Town, texts: Texts) -> None:
    known, unknown = app.test_client(), app.test_client()
    first, second = ask(known, town.residents[0].phone), ask(unknown, NEW)
    assert (first.status_code, first.location) == (second.status_code, second.location)
    wrong = [enter(c, "000000" if texts.code() != "000000" else "111111") for c in (known, unknown)]
    assert [w.status_code for w in wrong] == [422, 422]
    strip = {town.residents[0].phone: "", NEW: ""}
    bodies = []
    for answer, phone in zip(wrong, strip, strict=True):
        spaced = f"{phone[:3]} {phone[3:7]} {phone[7:]}"
        text = answer.text.replace(phone, "").replace(spaced, "")
        bodies.append(re.sub(r'"X-CSRFToken": "[^"]+"|name="csrf_token" value="[^"]+"', "", text))
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize("target", ["//evil.example/x", "https://evil.example", "/\\evil.example", "/a\nb", ""])
def test_never_sent_outside(client: FlaskClient, town: Town, texts: Texts, target: str) -> None:
    ask(client, town.residents[0].phone, target)
    assert enter(client, texts.code(), target).location == "/me"


@pytest.mark.parametrize("phone", ["", "12345", "0755-84200001", "1380000000a", "29900000000"])
def test_wrong_number_keeps_what_was_typed(client: FlaskClient, texts: Texts, phone: str) -> None:
    answer = ask(client, phone)
    assert answer.status_code == 422
    assert f'value="{phone}"' in answer.text
    assert "手机号" in answer.text
    assert not texts.sent


def test_registering_keeps_what_was_typed_and_needs_consent(client: FlaskClient, town: Town, texts: Texts) -> None:
    ask(client)
    enter(client, texts.code())
    answer = client.post("/register", data={"name": "新居民3", "address": "测试花园", "home": "", "next": "/services"})
    assert answer.status_code == 422
    for text in ("姓名里不要有数字", "请选择您住的社区", "同意后再勾选", 'value="新居民3"', 'value="测试花园"'):
        assert text in answer.text
    bad = client.post("/register", data={**FORM, "home": "999999"})
    assert "请从列表里选一项" in bad.text
    assert not rows(select(Resident).where(Resident.phone == NEW))


def test_no_registering_without_a_proved_number(client: FlaskClient, town: Town, texts: Texts) -> None:
    assert client.get("/register?next=/services").location == "/login?next=/services"
    answer = client.post("/register", data={**FORM, "home": str(town.centres["A1"].id)})
    assert answer.location.startswith("/login")
    ask(client)
    enter(client, texts.code())
    with clock.frozen(clock.now() + timedelta(minutes=31)):
        assert client.get("/register").location.startswith("/login")
    assert len(rows(select(Resident))) == 5


def test_sent_twice_registers_once(client: FlaskClient, town: Town, texts: Texts) -> None:
    ask(client)
    code = texts.code()
    assert enter(client, code).status_code == 303
    assert enter(client, code).location.startswith("/login")  # the cookie has moved on
    form = {**FORM, "home": str(town.centres["A1"].id), "next": "/services"}
    with client.session_transaction() as cookie:
        before = dict(cookie)
    assert client.post("/register", data=form).location == "/services"
    with client.session_transaction() as cookie:
        cookie.clear()
        cookie.update(before)
    assert client.post("/register", data=form).location == "/services"
    one(select(Resident).where(Resident.phone == NEW))


def test_second_press_on_send_goes_on_with_the_first_code(client: FlaskClient, texts: Texts) -> None:
    ask(client)
    answer = ask(client)
    assert answer.status_code == 303
    assert len(texts.sent) == 1
    page = client.get(answer.location).text
    assert "刚才已经发过验证码" in page
    assert "60 秒后" in page
    assert enter(client, texts.code()).location.startswith("/register")


def test_code_page_without_a_number_begins_again(client: FlaskClient) -> None:
    assert client.get("/login/code?next=/services").location == "/login?next=/services"
    assert client.post("/login/code", data={"code": "123456"}).location.startswith("/login")


def test_limits_say_when_the_next_is_possible(app: Flask, session: Any, texts: Texts, now: datetime) -> None:
    for minute in (0, 2, 5, 10, 19):
        login_codes.send_code(NEW, "192.0.2.1", now + timedelta(minutes=minute))
    with pytest.raises(CodeTooSoon) as refused:
        login_codes.send_code(NEW, "192.0.2.2", now + timedelta(minutes=20))
    assert refused.value.details["until"] == now + timedelta(hours=1)
    assert "11:00 以后" in refused.value.advice
    login_codes.send_code(NEW, "192.0.2.2", now + timedelta(hours=1))


def test_limit_of_an_address(app: Flask, session: Any, texts: Texts, now: datetime) -> None:
    for number in range(20):
        login_codes.send_code(f"199000088{number:02d}", "192.0.2.1", now + timedelta(seconds=number))
    with pytest.raises(CodeTooSoon):
        login_codes.send_code("19900008899", "192.0.2.1", now + timedelta(minutes=5))
    login_codes.send_code("19900008899", "192.0.2.9", now + timedelta(minutes=5))


def test_hourly_limit_on_the_page(client: FlaskClient, session: Any, texts: Texts, now: datetime) -> None:
    for minute in (0, 2, 5, 10, 19):
        login_codes.send_code(NEW, "127.0.0.1", now + timedelta(minutes=minute))
    session.commit()
    with clock.frozen(now + timedelta(minutes=30)):
        answer = ask(client)
    assert answer.status_code == 429
    assert "11:00 以后可以再发一次" in answer.text
    assert f'value="{NEW}"' in answer.text


def test_five_tries_then_the_code_is_dead(client: FlaskClient, texts: Texts) -> None:
    ask(client)
    code = texts.code()
    wrong = "000000" if code != "000000" else "111111"
    texts_seen = [enter(client, wrong).text for _ in range(4)]
    assert "还可以试 4 次" in texts_seen[0]
    assert "还可以试 1 次" in texts_seen[3]
    assert "已经失效" in enter(client, wrong).text
    assert "已经失效" in enter(client, code).text
    assert one(select(LoginCode)).attempts == 5


def test_code_dies_after_five_minutes_and_with_a_newer_one(session: Any, texts: Texts, now: datetime) -> None:
    login_codes.send_code(NEW, "", now)
    first = texts.code()
    with pytest.raises(CodeExpired):
        login_codes.check_code(NEW, first, now + rules.CODE_LIFE)
    login_codes.send_code(NEW, "", now + timedelta(minutes=2))
    second = texts.code()
    if first != second:
        with pytest.raises(CodeWrong):
            login_codes.check_code(NEW, first, now + timedelta(minutes=3))
    login_codes.check_code(
        NEW, second.translate(str.maketrans("0123456789", "０１２３４５６７８９")), now + timedelta(minutes=3)
    )
    with pytest.raises(CodeExpired):
        login_codes.check_code(NEW, second, now + timedelta(minutes=4))


def test_code_is_not_in_the_table(session: Any, texts: Texts, now: datetime) -> None:
    row = login_codes.send_code(NEW, "", now)
    assert texts.code() not in row.code_hash
    assert len(row.code_hash) == 64


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef"])
def test_odd_code_costs_no_try(client: FlaskClient, texts: Texts, code: str) -> None:
    ask(client)
    answer = enter(client, code)
    assert answer.status_code == 422
    assert "6 位数字" in answer.text
    assert one(select(LoginCode)).attempts == 0


def test_new_notice_is_agreed_to_before_going_on(
    client: FlaskClient, town: Town, session: Any, texts: Texts, now: datetime
) -> None:
    town.residents[0].consent_version = "2020-01"
    session.commit()
    ask(client, town.residents[0].phone)
    answer = enter(client, texts.code())
    assert answer.location.startswith("/privacy/agree?next=")
    page = client.get(answer.location).text
    assert "个人信息使用说明" in page and "这一版改了什么" in page and "OpenID" in page
    assert client.post(answer.location, data={}).status_code == 422
    assert client.post(answer.location, data={"agree": "y"}).location == "/services/7?day=2026-12-13"
    session.rollback()
    assert town.residents[0].consent_version == "2027-01"


def test_leaving_ends_the_session_even_for_a_copied_cookie(
    app: Flask, client: FlaskClient, town: Town, as_resident: Any
) -> None:
    as_resident(client, town.residents[0])
    copy = app.test_client()
    with client.session_transaction() as cookie:
        kept = dict(cookie)
    with copy.session_transaction() as cookie:
        cookie.update(kept)
    assert copy.get("/me/profile").status_code == 200
    assert client.post("/logout").location == "/"
    assert copy.get("/me/profile").location.startswith("/login?next=")
    assert one(select(WebSession)).ended_why == "logout"


def test_entering_ends_what_the_browser_was_before(
    client: FlaskClient, town: Town, as_staff: Any, texts: Texts
) -> None:
    as_staff(client, town.staff["A1"])
    ask(client, town.residents[0].phone)
    enter(client, texts.code())
    assert client.get("/staff/password").location.startswith("/staff/login")
    ended = one(select(WebSession).where(WebSession.audience == "staff"))
    assert ended.ended_at is not None


def test_privacy_page(client: FlaskClient) -> None:
    page = client.get("/privacy").text
    assert "第 2027-01 版" in page
    assert "默认打码" in page
    assert "住址只在上门服务和紧急求助时用" in page


@pytest.mark.parametrize(
    ("what", "new", "was", "now"),
    [
        ("CODES", timedelta(days=9), "都在 7 天后", "都在 9 天后"),
        ("FAILURES", timedelta(days=3), "输错的记录：24 小时", "输错的记录：3 天"),
        ("LOGINS", timedelta(days=45), "过期后 30 天", "过期后 45 天"),
        ("TEXTS", timedelta(days=99), "短信：184 天", "短信：99 天"),
        ("AUDIT", timedelta(days=365), "至少 184 天", "至少 365 天"),
        ("BACKUPS", 21, "最多 14 份", "最多 21 份"),
    ],
)
def test_the_notice_says_how_long_as_the_rules_have_it(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, what: str, new: Any, was: str, now: str
) -> None:
    assert was in client.get("/privacy").text
    monkeypatch.setattr(rules, f"{what}_KEPT", new)
    page = client.get("/privacy").text
    assert now in page and was not in page


def test_no_texter_is_an_error_of_ours(session: Any, now: datetime) -> None:
    kept = list(registry._texter)
    registry._texter.clear()
    try:
        with pytest.raises(RuntimeError, match="texter"):
            login_codes.send_code(NEW, "", now)
    finally:
        registry._texter[:] = kept


# Whoever merely knows a number ----------------------------------------------------------------------------------------


def test_who_knows_a_number_uses_up_nobody_s_tries(
    app: Flask, client: FlaskClient, texts: Texts, now: datetime
) -> None:
    stranger = app.test_client()
    with clock.frozen(now):
        ask(client)
        code = texts.code()
        too_soon = ask(stranger)
    assert too_soon.status_code == 429 and "回到刚才要验证码的那个浏览器" in too_soon.text
    assert stranger.get("/login/code").location.startswith("/login?")
    with clock.frozen(now + timedelta(minutes=2)):
        ask(stranger)  # has a code of its own sent, and wastes it
        for _ in range(6):
            assert enter(stranger, "000000" if texts.code() != "000000" else "111111").status_code == 422
        assert len(texts.sent) == 2
    with clock.frozen(now + timedelta(minutes=3)):
        assert enter(client, code).location.startswith("/register")


def test_a_mark_is_there_before_the_button(client: FlaskClient, texts: Texts) -> None:
    """Two presses of one form are one browser's: the second finds the first one's code."""
    client.get("/login")
    with client.session_transaction() as cookie:
        before = dict(cookie)
    ask(client)
    with client.session_transaction() as cookie:  # the answer to the first press is lost
        cookie.clear()
        cookie.update(before)
    assert ask(client).status_code == 303
    assert enter(client, texts.code()).location.startswith("/register")


def test_a_code_that_is_tried_out_is_not_called_good(client: FlaskClient, texts: Texts) -> None:
    ask(client)
    wrong = "000000" if texts.code() != "000000" else "111111"
    for _ in range(5):
        enter(client, wrong)
    again = ask(client)
    assert again.status_code == 429 and "刚才已经发过" not in again.text and "秒后可以再发" in again.text


# Texts cost money and sleep --------------------------------------------------------------------------------------------


def test_one_ipv6_line_is_one_address(app: Flask, session: Any, texts: Texts, now: datetime) -> None:
    refused = 0
    for number in range(50):
        try:
            login_codes.send_code(
                f"199000088{number:02d}", f"2001:db8:1:2::{number:x}", now + timedelta(seconds=number)
            )
        except CodeTooSoon:
            refused += 1
    assert (len(texts.sent), refused) == (rules.CODES_PER_ADDRESS, 50 - rules.CODES_PER_ADDRESS)


def test_the_portal_has_a_ceiling_and_says_what_to_do(
    app: Flask, client: FlaskClient, session: Any, town: Town, texts: Texts, now: datetime, monkeypatch: Any
) -> None:
    monkeypatch.setitem(app.config, "CODES_PER_HOUR", 3)
    for number in range(3):
        login_codes.send_code(f"1990000880{number}", f"192.0.2.{number}", now)
    session.commit()
    with clock.frozen(now + timedelta(minutes=5)):
        answers = [ask(client), ask(client)]
        assert {a.status_code for a in answers} == {429} and "短信已经暂停" in answers[0].text
        assert "12345" in answers[0].text and len(texts.sent) == 3
        assert client.get("/readyz").get_json()["codes"] == {"ok": False}
    session.rollback()
    (effect,) = rows(select(Outbox).where(Outbox.topic == "people.codes_full"))  # told once an hour
    handlers.codes_full(effect.payload, now)
    session.commit()
    assert {m.title for m in rows(select(InboxMessage))} == {"登录验证码已暂停发送"}
    with clock.frozen(now + timedelta(hours=1, minutes=1)):
        assert ask(client).status_code == 303
