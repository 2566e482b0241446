"""Each cookie is bound to this host behind https, signed by SHA-256, and what it kept goes when one leaves."""

from __future__ import annotations

import hashlib
import time
from typing import Any
from unittest.mock import patch

import pytest
from flask import Flask, session
from flask.testing import FlaskClient

from portal.core import cookies
from tests.factories import PASSWORD


def test_every_cookie_behind_https_has_the_prefix(
    app: Flask, client: FlaskClient, town: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session's own name is a setting, read before (tests/house/test_security.py)."""
    monkeypatch.setitem(app.config, "HTTPS", True)
    answers = [
        client.post("/elder", data={"on": "1"}), client.post("/my-centre", data={"centre": town.centres["A1"].code}),
        client.post("/staff/login", data={"username": "a1", "password": PASSWORD}),
    ]  # fmt: skip
    own = app.config["SESSION_COOKIE_NAME"]
    sent = [c for a in answers for c in a.headers.getlist("Set-Cookie") if not c.startswith(f"{own}=")]
    assert len(sent) == 3
    for cookie in sent:
        assert cookie.startswith("__Host-")
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
        assert "Domain" not in cookie


def test_what_is_chosen_is_read_again(client: FlaskClient, town: Any) -> None:
    client.post("/elder", data={"on": "1"})
    assert client.get_cookie("elder").value == "1"
    assert '<html lang="zh-CN" class="elder">' in client.get("/").text


def test_the_session_is_signed_by_sha_256(app: Flask) -> None:
    signer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    assert isinstance(app.session_interface, cookies.CookieSessions)
    assert signer.make_signer(signer.salt).digest_method is hashlib.sha256


def test_a_cookie_of_somebody_elses_making_is_none(client: FlaskClient, town: Any, as_staff: Any) -> None:
    as_staff(client, town.staff["A1"])
    own = client.get_cookie("portal").value
    assert client.get("/staff/sessions").status_code == 200
    payload, _, rest = own.partition(".")
    for forged in (f"{payload[:-1]}A.{rest}", f"{payload}.{rest[:-3]}AAA", f"{payload}..", payload):
        client.set_cookie("portal", forged)
        assert client.get("/staff/sessions").status_code == 303


def test_an_old_cookie_is_none(app: Flask) -> None:
    signer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    days = app.permanent_session_lifetime.days
    with patch(
        "itsdangerous.timed.TimestampSigner.get_timestamp", lambda _: int(time.time()) - (days + 1) * cookies.DAY
    ):
        old = signer.dumps({"_user_id": "x"})
    for sent, read in ((old, {}), (signer.dumps({"_user_id": "x"}), {"_user_id": "x"})):
        with app.test_request_context(headers={"Cookie": f"{app.config['SESSION_COOKIE_NAME']}={sent}"}):
            assert dict(session) == read


@pytest.mark.parametrize("face", ["resident", "staff"])
def test_leaving_empties_what_the_browser_has_kept(
    client: FlaskClient, town: Any, as_staff: Any, as_resident: Any, face: str
) -> None:
    if face == "staff":
        answer = as_staff(client, town.staff["A1"]).post("/staff/logout")
    else:
        answer = as_resident(client, town.residents[0]).post("/logout")
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
