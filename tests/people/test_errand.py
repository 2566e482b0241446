"""Whoever must sign in first reads what comes after it, and whom to ring instead (SPEC S1, P1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from portal.core.sessions import WebSession
from portal.people.models import LoginCode
from tests.factories import NOW, Make, Town

SignIn = Callable[[FlaskClient, Any], FlaskClient]


def test_the_activity_stands_above_the_first_field(town: Town, make: Make, client: FlaskClient) -> None:
    entry = make.entry(town.centres["A1"], title="四点半课堂")
    for path in ("/login", "/login/spoken"):
        page = client.get(f"{path}?next=/services/{entry.id}?for%3D7").text
        assert page.index("报名《四点半课堂》") < page.index('name="phone"')
        assert "0755-8420 0001" in page and "登录过期了" not in page  # the organiser's number
    client.post("/login", data={"phone": "19900001234", "next": f"/services/{entry.id}"})
    assert "报名《四点半课堂》" in client.get(f"/login/code?next=/services/{entry.id}").text


def test_who_comes_by_a_poster_most_likely_lives_there(
    session: Any, town: Town, make: Make, client: FlaskClient
) -> None:
    a2 = town.centres["A2"]
    entry = make.entry(a2)
    with client.session_transaction() as cookie:
        cookie["login_code"] = proved(session)
    page = client.get(f"/register?next=/services/{entry.id}").text
    assert f'<option selected value="{a2.id}">' in page
    district = make.entry(town.centres["D"])  # nobody is at home there
    assert "<option selected" not in client.get(f"/register?next=/services/{district.id}").text


def proved(session: Any) -> int:
    row = LoginCode(phone="19900004321", code_hash="x", sent_at=NOW, expires_at=NOW, used_at=NOW)
    session.add(row)
    session.commit()
    return row.id


def test_a_room_says_so_too(town: Town, make: Make, client: FlaskClient) -> None:
    room = make.venue(town.centres["A1"], name="多功能厅")
    page = client.get(f"/login?next=/venues/{room.id}?day%3D2026-11-26").text
    assert "订多功能厅" in page and town.centres["A1"].phone[-4:] in page


@pytest.mark.parametrize("path", ["/me", "/services/99999", "/services/1x", "/services/", "/venues/99999", "//x"])
def test_elsewhere_it_is_the_plain_page_with_numbers(client: FlaskClient, path: str) -> None:
    page = client.get(f"/login?next={path}").text
    assert "先登录，再" not in page and "登录后接着" not in page
    assert "12345" in page and "看各社区电话" in page


def test_a_lost_session_is_said(session: Any, town: Town, make: Make, client: FlaskClient, as_resident: SignIn) -> None:
    entry = make.entry(town.centres["A1"], title="四点半课堂")
    as_resident(client, town.residents[0])
    session.rollback()
    session.execute(update(WebSession).values(ended_at=NOW))
    session.commit()
    answer = client.post(f"/services/{entry.id}/sign-up", data={"for": "me"})
    assert answer.status_code == 303 and answer.location.startswith("/login?next=")
    page = client.get(answer.location).text
    assert "<h1>登录过期了</h1>" in page and "登录后接着" in page and "报名《四点半课堂》" in page
