"""Expired and foreign tokens, sessions that ended while somebody typed: explained, and nothing typed is lost (Q1)."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from portal.catalogue.models import Entry
from portal.core import access, sessions
from portal.core.db import writing
from portal.signup.models import SignUp
from tests.house.browser import HERE, hidden_fields, post, send, token_of

NEW = "/staff/catalogue/new?month=2026-12"
TYPED = "打字打了很久的一段 <内容>\n第二行"


@pytest.fixture(autouse=True)
def _with_tokens(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", True)


def row(town: Any, **changes: Any) -> dict[str, Any]:
    return {
        "month": "2026-12",
        "title": "冬至包汤圆",
        "category_id": town.categories["party"].id,
        "content": TYPED,
        "sessions": "12月22日 14:30-17:00",
        "place": "一楼大厅",
        "audience": "全体居民",
        "mode": "limited",
        "capacity": "60",
        "unit": "人",
        "groups": ["elder", "child"],
        "do": "save",
    } | changes


def entries(session: Any) -> list[Entry]:
    session.rollback()
    return list(session.scalars(select(Entry)))


@pytest.mark.once
def test_every_changing_request_needs_a_token(app: Flask) -> None:
    """No view is exempt but those for providers' machines, and each one is stopped before it is even asked who is there;
    those machines prove themselves (tests/notices/gateways/test_hooks.py)."""
    csrf = app.extensions["csrf"]
    assert csrf._exempt_views == {f"portal.notices.views_hooks.{name}" for name in ("sms_receipts", "wechat_event")}
    assert not csrf._exempt_blueprints
    wrong = []
    for rule in app.url_map.iter_rules():
        if "POST" not in (rule.methods or set()):
            continue
        with app.test_request_context():
            address = app.url_map.bind("localhost").build(rule.endpoint, dict.fromkeys(rule.arguments, 1), "POST")
        for client in (app.test_client(),):
            answer = client.post(address, headers={"Origin": "https://evil.example"})
            if rule.rule.startswith("/hooks/"):
                assert answer.status_code == 404
                continue
            if answer.status_code != 400 or "请再确认一次" not in answer.text:
                wrong.append((rule.rule, answer.status_code))
    assert not wrong
    assert access.of(app.view_functions["signup.sign_up"]) is not None


def test_a_stale_token_keeps_the_form_and_one_press_sends_it(
    client: FlaskClient, town: Any, session: Any, as_staff: Any
) -> None:
    as_staff(client, town.operator["A1"])
    client.get(NEW)
    refused = post(client, NEW, NEW, row(town, csrf_token="from yesterday"))
    assert refused.status_code == 400
    assert "刚才填的内容都还在" in refused.text
    assert "打字打了很久的一段 &lt;内容&gt;" in refused.text
    assert entries(session) == []
    fields = hidden_fields(refused.text)
    assert fields["groups"] == ["elder", "child"]
    assert fields["content"] == [TYPED]
    done = post(client, NEW, NEW, fields)
    assert done.status_code == 303
    assert [e.content for e in entries(session)] == [TYPED]


def test_a_foreign_page_gets_nothing_onto_ours(client: FlaskClient, town: Any, session: Any, as_staff: Any) -> None:
    as_staff(client, town.operator["A1"])
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Referer": "https://evil.example/x"}, {}):
        refused = client.post(NEW, data=row(town), headers=headers)
        assert refused.status_code == 400
        assert "汤圆" not in refused.text
        assert "<textarea" not in refused.text
        assert "回首页" in refused.text
    assert entries(session) == []


def test_somebody_elses_token_is_refused(app: Flask, town: Any, session: Any, as_staff: Any) -> None:
    theirs = token_of(as_staff(app.test_client(), town.staff["B1"]).get(NEW).text)
    mine = as_staff(app.test_client(), town.operator["A1"])
    mine.get(NEW)
    assert post(mine, NEW, NEW, row(town, csrf_token=theirs)).status_code == 400
    assert entries(session) == []


def test_passwords_are_never_written_back(client: FlaskClient, town: Any) -> None:
    answer = post(client, "/staff/login", "/staff/login", {"username": "a1", "password": "tulip 郁金香 harbour"})
    assert answer.status_code == 400
    assert "郁金香" not in answer.text
    assert 'href="/staff/login"' in answer.text


def test_htmx_gets_a_new_token_and_keeps_the_page(client: FlaskClient, town: Any, make: Any, as_staff: Any) -> None:
    entry = make.entry(town.centres["A1"], status="in_review", waits_at_id=town.centres["A"].id)
    as_staff(client, town.staff["A"])
    where = f"/staff/catalogue/{entry.id}/approve"
    refused = post(client, "/staff/catalogue", where, {}, headers={"HX-Request": "true", "X-CSRFToken": "old"})
    assert refused.status_code == 400
    fresh = {"HX-Request": "true", "X-CSRFToken": refused.headers["X-New-Token"]}
    assert post(client, "/staff/catalogue", where, {}, headers=fresh).status_code == 200
    foreign = client.post(where, headers={"HX-Request": "true", "Origin": "https://evil.example"})
    assert "X-New-Token" not in foreign.headers


def test_a_session_that_ended_while_typing_loses_nothing(
    client: FlaskClient, town: Any, session: Any, as_staff: Any, now: Any
) -> None:
    as_staff(client, town.operator["A1"])
    token = token_of(client.get(NEW).text)
    account_id = town.operator["A1"].id
    with writing():
        sessions.end_all("staff", account_id, now, "idle")
    kept = post(client, NEW, NEW, row(town, csrf_token=token))
    assert kept.status_code == 401
    assert "登录已过期" in kept.text
    assert 'href="/staff/login?next=' in kept.text
    fields = hidden_fields(kept.text)
    # In the new window: signed in again, so the old page's token is worth nothing; asked once more, then done.
    as_staff(client, town.operator["A1"])
    with client.session_transaction() as cookie:
        cookie.pop("csrf_token", None)
    again = post(client, NEW, NEW, fields)
    assert again.status_code == 400
    assert post(client, NEW, NEW, hidden_fields(again.text)).status_code == 303
    assert [e.title for e in entries(session)] == ["冬至包汤圆"]


def test_a_bare_button_after_the_session_just_asks_to_sign_in(client: FlaskClient, town: Any, make: Any) -> None:
    entry = make.entry(town.centres["A1"])
    answer = send(client, "/login", f"/services/{entry.id}/withdraw", {})
    assert (answer.status_code, answer.location) == (303, "/login?next=/login")


def test_signing_up_twice_with_one_form(
    client: FlaskClient, town: Any, make: Any, session: Any, as_resident: Any
) -> None:
    entry = make.entry(town.centres["A1"])
    as_resident(client, town.residents[0])
    page = f"/services/{entry.id}"
    token = token_of(client.get(page).text)
    for _ in range(2):
        answer = post(client, page, f"{page}/sign-up", {"csrf_token": token, "for": "me"})
        assert answer.status_code == 303
        assert "报上了" in client.get(answer.location).text
    session.rollback()
    assert session.scalar(select(func.count(SignUp.id))) == 1


def test_the_origin_with_an_odd_referrer_is_no_500(client: FlaskClient) -> None:
    for headers in ({"Referer": "http://["}, {"Origin": "http://[", "Referer": HERE}):
        assert client.post("/elder", headers=headers).status_code == 400
