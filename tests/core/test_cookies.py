"""The session cookie: proved once, signed anew once a day, never shared between requests."""

from __future__ import annotations

import time
from typing import Any

import pytest
from flask import Flask, session
from flask.testing import FlaskClient

from portal.core import cookies

DAY = 24 * 3600


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds to add to the present, for us and for the signature."""
    ahead, real = [0.0], time.time
    monkeypatch.setattr(time, "time", lambda: real() + ahead[0])
    return ahead


@pytest.fixture
def small() -> FlaskClient:
    app = Flask(__name__)
    app.config.update(SECRET_KEY="test")
    cookies.init_app(app)

    @app.get("/in")
    def enter() -> str:
        session.permanent = True
        session["who"], session["bag"] = "王", ["one"]
        return "in"

    @app.get("/look")
    def look() -> dict[str, Any]:
        session.get("bag", []).append("two")  # in place: Flask does not notice it, nobody else may see it
        return {"who": session.get("who"), "bag": session.get("bag")}

    @app.get("/plain")
    def plain() -> str:
        session.clear()
        session.permanent, session["who"] = True, "李"
        return "in"

    return app.test_client()


def test_an_unchanged_session_is_not_signed_with_every_answer(small: FlaskClient, clock: list[float]) -> None:
    assert "Set-Cookie" in small.get("/in").headers
    answer = small.get("/look")
    assert "Set-Cookie" not in answer.headers and answer.headers["Vary"] == "Cookie"
    clock[0] = DAY + 60
    assert "Expires" in small.get("/look").headers["Set-Cookie"]
    assert "Set-Cookie" not in small.get("/look").headers


@pytest.mark.parametrize("start", ["/in", "/plain"])
def test_a_remembered_cookie_still_expires(small: FlaskClient, clock: list[float], start: str) -> None:
    small.get(start)
    assert small.get("/look").get_json()["who"]
    kept = small.get_cookie("session")
    assert kept is not None
    clock[0] = 32 * DAY  # Flask's own lifetime is 31 days
    small.set_cookie("session", kept.value)
    assert small.get("/look").get_json()["who"] is None


def test_requests_do_not_share_values(small: FlaskClient) -> None:
    small.get("/in")
    assert [small.get("/look").get_json()["bag"] for _ in range(2)] == [["one", "two"]] * 2


def test_a_changed_cookie_is_nobody(small: FlaskClient) -> None:
    small.get("/in")
    small.get("/look")
    kept = small.get_cookie("session")
    assert kept is not None
    small.set_cookie("session", kept.value[:-3] + ("aaa" if kept.value[-3:] != "aaa" else "bbb"))
    assert small.get("/look").get_json()["who"] is None
