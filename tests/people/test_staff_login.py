"""Staff sign in, are throttled, must change their first password (SPEC P3, P4)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.core import clock, sessions
from portal.core.audit import AuditLog
from portal.core.sessions import WebSession
from portal.people import passwords, rules
from portal.people.models import KnownDevice, LoginFailure, StaffAccount
from tests.factories import PASSWORD, Town
from tests.people.conftest import one, rows

NEW = "seventeen green boats"


def sign_in(client: FlaskClient, username: str = "a1", password: str = PASSWORD, **more: Any) -> Any:
    return client.post("/staff/login", data={"username": username, "password": password, **more})


@pytest.mark.parametrize("username", ["a1", " A1 ", "Ａ１"])
def test_sign_in(client: FlaskClient, town: Town, username: str, now: datetime) -> None:
    answer = sign_in(client, username, next="/staff/sessions")
    assert answer.location == "/staff/sessions"
    assert client.get("/staff/sessions").status_code == 200
    account = one(select(StaffAccount).where(StaffAccount.username == "a1"))
    assert account.last_login_at == now
    line = one(select(AuditLog))
    assert (line.verb, line.actor_name, line.address) == ("sign_in", "A1管理员", "127.0.0.1")
    assert client.get("/staff/login?next=/staff/password").location == "/staff/password"


def test_unknown_user_and_wrong_password_look_the_same(client: FlaskClient, town: Town, session: Any) -> None:
    town.staff["B1"].disabled_at = clock.now()
    session.commit()
    answers = [sign_in(client, "nobody"), sign_in(client, "a1", "wrong"), sign_in(client, "b1")]
    assert [a.status_code for a in answers] == [422] * 3
    for answer in answers:
        assert "用户名或密码不对" in answer.text
        assert PASSWORD not in answer.text
    assert 'value="nobody"' in answers[0].text
    assert client.get("/staff/sessions").location.startswith("/staff/login")


def test_an_unknown_user_costs_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    class Hasher:
        def verify(self, password_hash: str, _password: str) -> bool:
            seen.append(password_hash)
            return True

        hash = staticmethod(lambda _password: "$a hash of nobody")

    monkeypatch.setattr(passwords, "hasher", Hasher())
    passwords._nobodys_hash.cache_clear()
    assert not passwords.matches(None, "anything")
    passwords._nobodys_hash.cache_clear()
    assert seen == ["$a hash of nobody"]


@pytest.mark.parametrize(("username", "password"), [("", ""), ("a1", ""), ("", "x"), ("a" * 81, "x")])
def test_odd_input(client: FlaskClient, town: Town, username: str, password: str) -> None:
    assert sign_in(client, username, password).status_code == 422
    assert not rows(select(LoginFailure))


def test_five_failures_close_the_account_for_a_quarter_of_an_hour(
    app: Flask, client: FlaskClient, town: Town, now: datetime
) -> None:
    for _ in range(5):
        assert sign_in(client, "a1", "wrong").status_code == 422
    answer = sign_in(client)
    assert answer.status_code == 429
    assert "10:15 以后" in answer.text
    assert sign_in(app.test_client(), "a2").status_code == 303
    with clock.frozen(now + timedelta(minutes=15)):
        assert sign_in(client).status_code == 303
    assert not rows(select(LoginFailure).where(LoginFailure.key == "account:a1"))


def test_the_owners_own_browser_is_let_in_although_others_fail(
    app: Flask, client: FlaskClient, town: Town, now: datetime
) -> None:
    sign_in(client)
    client.post("/staff/logout")
    stranger = app.test_client()
    for _ in range(5):
        sign_in(stranger, "a1", "wrong")
    assert sign_in(stranger).status_code == 429
    assert sign_in(client).status_code == 303
    # A stolen browser has its own limit.
    client.post("/staff/logout")
    for _ in range(10):
        sign_in(client, "a1", "wrong")
    assert sign_in(client).status_code == 429


def test_whoever_tries_many_accounts_from_one_address_is_slowed(app: Flask, client: FlaskClient, town: Town) -> None:
    answers = [sign_in(client, f"guess{number}", "wrong").status_code for number in range(60)]
    assert answers == [422] * rules.ACCOUNTS_PER_ADDRESS + [429] * (60 - rules.ACCOUNTS_PER_ADDRESS)
    assert sign_in(client).status_code == 429
    elsewhere = app.test_client()
    data = {"username": "a1", "password": PASSWORD}
    assert elsewhere.post("/staff/login", data=data, environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code == 303


def test_one_colleague_mistypes_and_the_office_works_on(app: Flask, client: FlaskClient, town: Town) -> None:
    answers = [sign_in(client, "a2", "wrong").status_code for _ in range(30)]
    assert answers == [422] * 5 + [429] * 25
    assert sign_in(app.test_client(), "a1").status_code == 303


def test_a_stranger_elsewhere_closes_nothing_here_but_many_do(app: Flask, client: FlaskClient, town: Town) -> None:
    def guess(number: int) -> int:
        address = {"REMOTE_ADDR": f"192.0.2.{number}"}
        data = {"username": "a1", "password": "wrong"}
        return app.test_client().post("/staff/login", data=data, environ_base=address).status_code

    assert [guess(1) for _ in range(6)] == [422] * 5 + [429]
    assert sign_in(client).status_code == 303  # a browser that the account does not know yet, from another network
    client.post("/staff/logout")
    assert [guess(2 + number // 5) for number in range(20)] == [422] * 20  # the success has cleared the account's count
    assert guess(9) == 429
    assert sign_in(app.test_client()).status_code == 429
    assert sign_in(client).status_code == 303  # its own browser is let in all the same


def test_a_reset_ends_the_sessions_and_leaves_the_owners_browser_known(
    app: Flask, client: FlaskClient, town: Town, as_staff: Any
) -> None:
    sign_in(client)
    boss = as_staff(app.test_client(), town.staff["A"])
    page = boss.post(f"/staff/accounts/{town.staff['A1'].id}/reset").text
    password = re.findall(r'id="secret">([^<]+)<', page)[0]
    assert client.get("/staff/sessions").location.startswith("/staff/login")
    for number in range(4):
        address = {"REMOTE_ADDR": f"192.0.2.{number}"}
        for _ in range(5):
            app.test_client().post("/staff/login", data={"username": "a1", "password": "x"}, environ_base=address)
    assert sign_in(app.test_client(), password=password).status_code == 429
    assert sign_in(client, password=password).location == "/staff/password"


def test_a_shared_desk_is_known_to_both_accounts(client: FlaskClient, town: Town) -> None:
    sign_in(client, "a1")
    first = client.get_cookie("device")
    sign_in(client, "a1-op")
    sign_in(client, "a1")
    assert first is not None
    assert client.get_cookie("device").value == first.value  # type: ignore[union-attr]
    assert len(rows(select(KnownDevice))) == 2
    assert first.value not in {d.token_hash for d in rows(select(KnownDevice))}


def test_initial_password_must_be_changed_first(client: FlaskClient, town: Town, session: Any, now: datetime) -> None:
    account = town.staff["A1"]
    account.must_change, account.password_expires_at = True, now + timedelta(hours=24)
    session.commit()
    assert sign_in(client, next="/staff/sessions").location == "/staff/password"
    for path in ("/staff/sessions", "/staff/accounts", "/staff/audit"):
        assert client.get(path).location == "/staff/password"
    page = client.get("/staff/password").text
    assert "一次性密码" in page and 'name="old"' not in page  # typed a moment ago
    same = client.post("/staff/password", data={"new": PASSWORD, "again": PASSWORD})
    assert same.status_code == 422 and "不能和一次性密码一样" in same.text
    answer = client.post("/staff/password", data={"new": NEW, "again": NEW})
    assert answer.location == "/staff"
    assert client.get("/staff/sessions").status_code == 200
    session.rollback()
    assert (account.must_change, account.password_expires_at) == (False, None)


def test_a_one_time_password_works_once(
    app: Flask, client: FlaskClient, town: Town, session: Any, now: datetime
) -> None:
    account = town.staff["A1"]
    account.must_change, account.password_expires_at = True, now + timedelta(hours=24)
    session.commit()
    assert [sign_in(client).status_code, sign_in(client).status_code] == [303, 303]  # pressed twice
    with clock.frozen(now + timedelta(minutes=1)):
        answer = sign_in(app.test_client())
        assert answer.status_code == 422
        assert "只能用一次" in answer.text
        assert client.post("/staff/password", data={"new": NEW, "again": NEW}).location == "/staff"
        assert sign_in(app.test_client(), password=NEW).status_code == 303


def test_initial_password_dies_after_a_day(client: FlaskClient, town: Town, session: Any, now: datetime) -> None:
    account = town.staff["A1"]
    account.must_change, account.password_expires_at = True, now
    session.commit()
    answer = sign_in(client)
    assert answer.status_code == 422
    assert "已经过期" in answer.text


@pytest.mark.parametrize(
    ("old", "new", "again", "text"),
    [
        ("wrong", NEW, NEW, "现在的密码不对"),
        (PASSWORD, "short", "short", "至少 10 个字符"),
        (PASSWORD, NEW, NEW + "!", "两次写的新密码不一样"),
        (PASSWORD, "my-a1-is-fine", "my-a1-is-fine", "不能有自己的用户名"),
        (PASSWORD, "1234567890", "1234567890", "太常见"),
        (PASSWORD, PASSWORD, PASSWORD, "不能和现在的一样"),
        (PASSWORD, "", "", "请填写新密码"),
    ],
)
def test_password_policy(
    client: FlaskClient, town: Town, as_staff: Any, old: str, new: str, again: str, text: str
) -> None:
    as_staff(client, town.staff["A1"])
    answer = client.post("/staff/password", data={"old": old, "new": new, "again": again})
    assert answer.status_code == 422
    assert text in answer.text
    assert old not in answer.text.replace("wrong", "") or old == "wrong"
    assert passwords.matches(one(select(StaffAccount.password_hash).where(StaffAccount.username == "a1")), PASSWORD)


def test_new_password_ends_the_other_sessions(app: Flask, client: FlaskClient, town: Town, as_staff: Any) -> None:
    as_staff(client, town.staff["A1"])
    other = app.test_client()
    as_staff(other, town.staff["A1"])
    client.post("/staff/password", data={"old": PASSWORD, "new": NEW, "again": NEW})
    assert client.get("/staff/sessions").status_code == 200
    assert other.get("/staff/sessions").location.startswith("/staff/login")


def test_own_sessions(app: Flask, client: FlaskClient, town: Town, session: Any, as_staff: Any, now: datetime) -> None:
    as_staff(client, town.staff["A1"])
    session.rollback()
    agent = "Mozilla/5.0 (Windows NT 10.0) Chrome/120 Edg/120"
    mine = sessions.fingerprint(sessions.open_session("staff", town.staff["A1"].id, now, "192.0.2.5", agent))
    foreign = sessions.fingerprint(sessions.open_session("staff", town.staff["B1"].id, now))
    session.commit()
    page = client.get("/staff/sessions").text
    assert "Windows 电脑 · Edge" in page
    assert "192.0.2.5" in page
    assert "现在有 2 处" in page
    assert client.post(f"/staff/sessions/{foreign}/end").status_code == 404
    assert client.post(f"/staff/sessions/{mine}/end").location == "/staff/sessions"
    assert one(select(WebSession).where(WebSession.id == mine)).ended_at == now
    assert one(select(WebSession).where(WebSession.id == foreign)).ended_at is None
    own = one(select(WebSession.id).where(WebSession.ended_at.is_(None), WebSession.id != foreign))
    assert client.post(f"/staff/sessions/{own}/end").location == "/staff/login"
    assert client.get("/staff/sessions").location.startswith("/staff/login")


def test_a_hash_of_weaker_days_is_made_anew_on_the_way_in(client: Any, town: Any, session: Any) -> None:
    account = session.get(StaffAccount, town.staff["A1"].id)
    account.password_hash = PasswordHasher(time_cost=1, memory_cost=16, parallelism=1).hash(PASSWORD)
    session.commit()
    assert passwords.is_dated(account.password_hash)
    assert client.post("/staff/login", data={"username": "a1", "password": PASSWORD}).status_code == 303
    session.rollback()  # what this test has read is older
    assert not passwords.is_dated(account.password_hash)
