"""The same answer again: only to the same browser, only while nothing was written, only within the minute."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from portal.catalogue.models import Entry
from portal.core import again, clock, sessions
from portal.core.sessions import WebSession
from portal.notices.models import InboxMessage
from tests import factories


@pytest.fixture
def me(client: FlaskClient, town: factories.Town, make: factories.Make, as_resident: Any, app: Flask) -> FlaskClient:
    """A resident who has looked at the list often enough for the answer to be kept."""
    start = factories.NOW + timedelta(hours=3)
    make.entry(town.centres["A1"], [(start, start + timedelta(hours=1))], title="今天的活动", capacity=30, taken=2)
    as_resident(client, town.residents[0])
    for _ in range(4):
        assert client.get("/services").status_code == 200
    assert app.extensions["portal_again"]
    return client


def made(client: FlaskClient, app: Flask) -> bool:
    """Whether Flask was asked for the answer."""
    seen: list[str] = []
    functions = app.before_request_funcs.setdefault(None, [])

    def note() -> None:
        seen.append("asked")

    functions.insert(0, note)
    try:
        assert client.get("/services").status_code == 200
    finally:
        functions.remove(note)
    return bool(seen)


def test_nothing_written_the_same_bytes(me: FlaskClient, app: Flask) -> None:
    first = me.get("/services")
    assert not made(me, app)
    again_ = me.get("/services")
    assert again_.data == first.data and dict(again_.headers) == dict(first.headers)
    assert "Content-Security-Policy" in again_.headers


def test_a_place_taken_ends_it(me: FlaskClient, app: Flask, session: Any) -> None:
    assert "余 28 位" in me.get("/services").text
    session.rollback()
    session.execute(update(Entry).values(taken=29, version=Entry.version + 1))
    session.commit()
    assert made(me, app) and "仅剩 1 位" in me.get("/services").text


def test_a_new_message_ends_it(me: FlaskClient, session: Any, town: Any, now: Any) -> None:
    assert "条未读" not in me.get("/services").text
    person_id = town.residents[0].id
    session.rollback()
    session.add(
        InboxMessage(
            audience="resident", person_id=person_id, kind="change", title="t", body="b", key="k", created_at=now
        )
    )
    session.commit()
    assert "条未读" in me.get("/services").text


def test_a_session_ended_elsewhere_ends_it(me: FlaskClient, app: Flask, session: Any, town: Any, now: Any) -> None:
    home = town.residents[0].home_centre.label
    assert home in me.get("/services").text
    session.rollback()
    sessions.end_all("resident", town.residents[0].id, now, "test")
    session.commit()
    assert made(me, app)
    assert session.query(WebSession).filter(WebSession.ended_at.is_(None)).count() == 0
    assert home not in me.get("/services").text.split("results")[0]


def test_the_next_minute_ends_it(me: FlaskClient, app: Flask) -> None:
    with clock.frozen(factories.NOW + timedelta(minutes=1)):
        assert made(me, app)


def test_others_and_other_addresses_never_get_it(me: FlaskClient, app: Flask, town: Any, as_resident: Any) -> None:
    mine = me.get("/services").data
    other = as_resident(app.test_client(), town.residents[3])
    assert other.get("/services").data != mine
    assert app.test_client().get("/services").data != mine
    assert me.get("/services?q=x").data != mine
    assert me.get("/services", headers={"HX-Request": "true"}).data != mine
    assert not {k for k in app.extensions["portal_again"] if k[again.ASKED_BY.index("HTTP_COOKIE")] is None}


def test_an_answer_that_sets_a_cookie_is_not_kept(client: FlaskClient, town: Any, app: Flask) -> None:
    app.extensions["portal_again"].clear()
    client.get("/services", headers={"Cookie": "unknown=1"})
    client.get("/services", headers={"Cookie": "unknown=1"})
    for kept in app.extensions["portal_again"].values():
        assert not [name for name, _ in kept.headers if name == "Set-Cookie"]
