"""Passwords: hidden, pasted, kept by the browser's own helper, and taken exactly as typed (ASVS 6.2.6 to 6.2.9)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from portal.people import passwords, rules
from tests.factories import PASSWORD

STATIC = Path(__file__).parents[2] / "portal" / "static"


def test_fields_hide_what_is_typed_and_helpers_may_fill_them(client: FlaskClient, town: Any, as_staff: Any) -> None:
    pages = client.get("/staff/login").text + as_staff(client, town.staff["A1"]).get("/staff/password").text
    fields = re.findall(r'<input[^>]*name="(?:password|old|new|again)"[^>]*>', pages)
    assert len(fields) == 4
    for field in fields:
        assert 'type="password"' in field
        assert re.search(r'autocomplete="(current|new)-password"', field)
        cut = re.search(r'maxlength="(\d+)"', field)
        assert cut is None or int(cut[1]) > rules.MAX_PASSWORD  # longer ones are refused in words, never cut
    assert not [f.name for f in STATIC.glob("*.js") if re.search(r'"(paste|copy|cut)"\s*,|onpaste', f.read_text())]


@pytest.mark.parametrize(
    "password", ["  Zwei Leerzeichen  ", "密码里有汉字和 Spaces", "Abc" * 21 + "Q", "ＦＵＬＬ width one"]
)
def test_every_character_counts(client: FlaskClient, town: Any, session: Any, password: str) -> None:
    assert rules.password_problem(password, "a1") is None
    town.staff["A1"].password_hash = passwords.hasher.hash(password)
    session.commit()
    for wrong in {password.strip(), password.lower(), password[:-1], password + " "} - {password}:
        assert client.post("/staff/login", data={"username": "a1", "password": wrong}).status_code == 422
    assert client.post("/staff/login", data={"username": "a1", "password": password}).status_code == 303


@pytest.mark.parametrize("password", ["扫码点单的好日子一二", "xx-DaPeng-2741-qq", "新的大鹏新区好日子呀"])
def test_words_that_others_try_first(client: FlaskClient, town: Any, as_staff: Any, password: str) -> None:
    """Product and deployment, beside username, name, telephone and centre (tests/people/test_proof.py)."""
    old = {"old": PASSWORD, "new": password, "again": password}
    answer = as_staff(client, town.staff["A1"]).post("/staff/password", data=old)
    assert answer.status_code == 422
    assert "别人最先试的就是这些" in answer.text
