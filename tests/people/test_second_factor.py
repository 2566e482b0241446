"""The second factor of staff: set up, asked for, once each, lost and reset, demanded by the profile (SPEC P3)."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pyotp
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from portal import create_app
from portal.centres import profile
from portal.core import clock, sealed
from portal.core.audit import AuditLog
from portal.core.outbox import Outbox
from portal.people import rules
from portal.people.actions import second_factor
from portal.people.models import RecoveryCode, StaffAccount
from tests.factories import PASSWORD, Town
from tests.people.conftest import one, rows

PAGE = "/staff/second-factor"


def account() -> StaffAccount:
    found: StaffAccount = one(select(StaffAccount).where(StaffAccount.username == "a1"))
    return found


def code(secret: str, now: datetime) -> str:
    return pyotp.TOTP(secret).at(now)


def set_up(client: FlaskClient, now: datetime) -> tuple[str, list[str]]:
    """The whole way; returns the secret and the recovery codes."""
    assert client.post(f"{PAGE}/begin").location == PAGE
    page = client.get(PAGE)
    assert "<svg" in page.text and page.headers["Cache-Control"] == "no-store"
    secret = re.findall(r'id="totp-secret">([A-Z2-7 ]+)<', page.text)[0].replace(" ", "")
    done = client.post(f"{PAGE}/confirm", data={"code": code(secret, now)})
    assert done.headers["Cache-Control"] == "no-store"
    codes = re.findall(r'class="secret">([a-z0-9]{5}-[a-z0-9]{5})<', done.text)
    return secret, codes


def sign_in(client: FlaskClient, typed: str, **more: Any) -> Any:
    first = client.post("/staff/login", data={"username": "a1", "password": PASSWORD, "next": "/staff/sessions"})
    assert first.location == "/staff/login/code?next=/staff/sessions"
    assert client.get("/staff/sessions").location.startswith("/staff/login")  # the password alone opens nothing
    return client.post("/staff/login/code", data={"code": typed, "next": "/staff/sessions"}, **more)


def test_set_up_and_sign_in(app: Flask, client: FlaskClient, town: Town, as_staff: Any, now: datetime) -> None:
    as_staff(client, town.staff["A1"])
    other = as_staff(app.test_client(), town.staff["A1"])
    client.post(f"{PAGE}/begin")
    assert client.post(f"{PAGE}/confirm", data={"code": "000000"}).status_code == 422
    assert account().totp_on_at is None
    secret, codes = set_up(client, now)
    assert len(set(codes)) == rules.RECOVERY_CODES
    row = account()
    assert (row.totp_on_at, secret in row.totp_secret) == (now, False)
    assert {c.code_hash for c in rows(select(RecoveryCode))}.isdisjoint(codes)
    assert other.get(PAGE).location.startswith("/staff/login")
    assert codes[0] not in client.get(PAGE).text and secret[:4] not in client.get(PAGE).text
    stranger = app.test_client()
    with clock.frozen(now + timedelta(minutes=1)):
        typed = code(secret, clock.now())
        assert sign_in(stranger, f" {typed[:3]} {typed[3:]} ").location == "/staff/sessions"
        assert stranger.get("/staff/sessions").status_code == 200
    lines = [line.verb for line in rows(select(AuditLog).order_by(AuditLog.id))]
    assert lines == ["second_factor_on", "sign_in"]


def test_a_code_works_once_and_so_does_a_recovery_code(
    app: Flask, client: FlaskClient, town: Town, as_staff: Any, now: datetime
) -> None:
    secret, codes = set_up(as_staff(client, town.staff["A1"]), now)
    assert sign_in(app.test_client(), code(secret, now)).status_code == 422  # it has confirmed the set-up
    with clock.frozen(now + timedelta(seconds=60)):
        typed = code(secret, clock.now())
        assert sign_in(app.test_client(), typed).status_code == 303
        assert sign_in(app.test_client(), typed).status_code == 422
        # Nor an older one that the clock's drift would let through.
        assert sign_in(app.test_client(), code(secret, now + timedelta(seconds=30))).status_code == 422
        assert sign_in(app.test_client(), codes[3].upper()).status_code == 303
        answer = sign_in(app.test_client(), codes[3])
        assert answer.status_code == 422 and "备用码" in answer.text
    assert len(rows(select(RecoveryCode).where(RecoveryCode.used_at.is_(None)))) == rules.RECOVERY_CODES - 1
    assert "second_factor_wrong" in {line.verb for line in rows(select(AuditLog))}


def test_guessing_is_throttled_and_the_owners_browser_is_not_kept_out(
    app: Flask, client: FlaskClient, town: Town, as_staff: Any, now: datetime
) -> None:
    home = app.test_client()
    home.post("/staff/login", data={"username": "a1", "password": PASSWORD})
    secret, _ = set_up(home, now)
    home.post("/staff/logout")
    for number in range(4):
        for _ in range(5):
            answer = sign_in(app.test_client(), "000000", environ_base={"REMOTE_ADDR": f"192.0.2.{number}"})
            assert answer.status_code == 422
    with clock.frozen(now + timedelta(seconds=60)):
        typed = code(secret, clock.now())
        assert sign_in(app.test_client(), typed).status_code == 429
        assert sign_in(home, typed).status_code == 303


def test_between_the_steps_the_password_must_stay_what_it_was(
    app: Flask, client: FlaskClient, town: Town, as_staff: Any, session: Any, now: datetime
) -> None:
    secret, _ = set_up(as_staff(client, town.staff["A1"]), now)
    late = app.test_client()
    late.post("/staff/login", data={"username": "a1", "password": PASSWORD})
    with clock.frozen(now + rules.SECOND_STEP):
        data = {"code": code(secret, clock.now())}
        assert late.post("/staff/login/code", data=data).location.startswith("/staff/login?next=")
        assert late.get("/staff/login/code").location.startswith("/staff/login?next=")
    waiting = app.test_client()
    waiting.post("/staff/login", data={"username": "a1", "password": PASSWORD})
    as_staff(app.test_client(), town.staff["A"]).post(f"/staff/accounts/{town.staff['A1'].id}/reset")
    with clock.frozen(now + timedelta(minutes=1)):
        data = {"code": code(secret, clock.now())}
        assert waiting.post("/staff/login/code", data=data).location.startswith("/staff/login?next=")
    assert app.test_client().get("/staff/login/code").location.startswith("/staff/login?next=")


def test_the_superior_resets_it_and_both_are_told(
    app: Flask, client: FlaskClient, town: Town, as_staff: Any, now: datetime
) -> None:
    set_up(as_staff(client, town.staff["A1"]), now)
    path = f"/staff/accounts/{town.staff['A1'].id}"
    for who in ("A2", "B1"):
        assert as_staff(app.test_client(), town.staff[who]).post(f"{path}/second-factor").status_code == 404
    assert client.post(f"{path}/second-factor").status_code == 409  # nobody resets his own
    boss = as_staff(app.test_client(), town.staff["A"])
    assert "重置两步验证" in boss.get(path).text
    assert boss.post(f"{path}/second-factor").location == path
    assert boss.post(f"{path}/second-factor").location == path
    assert "重置两步验证</button>" not in boss.get(path).text
    assert client.get(PAGE).location.startswith("/staff/login")
    assert not rows(select(RecoveryCode)) and account().totp_on_at is None
    told = one(select(Outbox).where(Outbox.topic == "people.account_notice"))
    assert (told.payload["event"], told.payload["by_name"]) == ("second_factor_reset", "A管理员")
    assert one(select(AuditLog).where(AuditLog.verb == "reset_second_factor")).object_id == town.staff["A1"].id
    assert client.post("/staff/login", data={"username": "a1", "password": PASSWORD}).location == "/staff"


def test_a_hand_over_takes_it_away(app: Flask, client: FlaskClient, town: Town, as_staff: Any, now: datetime) -> None:
    set_up(as_staff(client, town.staff["A1"]), now)
    boss = as_staff(app.test_client(), town.staff["A"])
    boss.post(f"/staff/accounts/{town.staff['A1'].id}/hand-over", data={"name": "新人", "phone": "19900001234"})
    assert account().totp_on_at is None and not rows(select(RecoveryCode))


def test_new_recovery_codes_and_off(client: FlaskClient, town: Town, as_staff: Any, now: datetime) -> None:
    _, old = set_up(as_staff(client, town.staff["A1"]), now)
    new = re.findall(r'class="secret">([a-z0-9-]{11})<', client.post(f"{PAGE}/codes").text)
    assert len(new) == rules.RECOVERY_CODES and set(new).isdisjoint(old)
    assert client.post(f"{PAGE}/begin").status_code == 409
    assert client.post(f"{PAGE}/off").location == PAGE
    assert "开始设置" in client.get(PAGE).text
    assert client.post(f"{PAGE}/codes").status_code == 409
    assert {"recovery_codes", "second_factor_off"} <= {line.verb for line in rows(select(AuditLog))}


def test_a_profile_demands_it_before_anything_else(
    client: FlaskClient, town: Town, as_staff: Any, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    demanding = replace(profile.load("dapeng"), second_factor=frozenset({("community", "manager")}))
    monkeypatch.setattr(profile, "current", lambda: demanding)
    as_staff(client, town.staff["A1"])
    for path in ("/staff", "/staff/accounts", "/staff/sessions", "/staff/password"):
        assert client.get(path).location == PAGE
    assert "必须开两步验证" in client.get(PAGE).text
    set_up(client, now)
    assert client.get("/staff/accounts").status_code == 200
    operator = as_staff(client, town.staff["A1-OP"])
    assert operator.get("/staff/sessions").status_code == 200


def test_the_demo_demands_none_and_a_misspelt_role_stops_the_start() -> None:
    assert all(not profile.load(name).second_factor for name in profile.codes())
    levels = profile.load("dapeng").levels
    assert profile._who("x", levels, ["district_manager"]) == {("district", "manager")}
    with pytest.raises(LookupError, match="distrikt_manager"):
        profile._who("x", levels, ["distrikt_manager"])


def test_an_unknown_deployment_stops_the_start(app: Flask) -> None:
    known = {k: app.config[k] for k in ("SECRET_KEY", "SQLALCHEMY_DATABASE_URI", "DATA_DIR", "REDIS_URL")}
    with pytest.raises(SystemExit, match="没有名为 nowhere 的部署配置"):
        create_app(known | {"PROFILE": "nowhere"})


def test_a_copy_of_the_database_tells_no_secret(app: Flask, session: Any, town: Town, monkeypatch: Any) -> None:
    row = session.get(StaffAccount, town.staff["A1"].id)
    second_factor.begin(row)
    secret = second_factor.secret_of(row)
    assert secret and secret not in row.totp_secret
    assert sealed.unseal(row.totp_secret, "something else") is None
    monkeypatch.setitem(app.config, "SECRET_KEY", "another")
    assert second_factor.secret_of(row) is None and not second_factor.check(row, "123456", clock.now())


def test_where_it_is_on_a_new_password_and_the_proof_need_it_too(
    client: FlaskClient, town: Town, as_staff: Any, now: datetime
) -> None:
    secret, codes = set_up(as_staff(client, town.staff["A1"]), now)
    new = {"old": PASSWORD, "new": "seventeen green boats", "again": "seventeen green boats"}
    assert "两步验证码" in client.get("/staff/password").text
    for wrong in ({}, {"code": ""}, {"code": "000000"}):
        assert client.post("/staff/password", data=new | wrong).status_code == 422
    assert client.post("/staff/password", data=new | {"code": codes[0]}).location == "/staff"
    with clock.frozen(now + rules.PROOF_LIFE):
        data = {"password": new["new"], "next": PAGE}
        assert client.get(PAGE).location == f"/staff/proof?next={PAGE}"
        assert client.post("/staff/proof", data=data).status_code == 422
        assert client.post("/staff/proof", data=data | {"code": codes[0]}).status_code == 422  # it is used
        assert client.post("/staff/proof", data=data | {"code": code(secret, clock.now())}).location == PAGE
        assert client.get(PAGE).status_code == 200
