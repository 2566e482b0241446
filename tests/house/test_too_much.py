"""Nobody stops the portal with one form: what is too much is refused before it is taken apart (SPEC Q8)."""

from __future__ import annotations

import io
from typing import Any

import pytest
import werkzeug.formparser
from flask import Flask
from flask.testing import FlaskClient

from portal.core import access, incoming
from tests.house.test_access_matrix import routes

FORM = "application/x-www-form-urlencoded"
pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def _with_tokens(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", True)  # reads every form before any view does


@pytest.fixture
def sent_to(app: Flask) -> list[tuple[str, access.Access]]:
    """Every address that takes a form, and who may send there."""
    found = []
    for audience in ("public", "resident", "staff"):
        for rule, method, declared in routes(app, audience):
            if method == "POST":
                values = dict.fromkeys(rule.arguments, "1")
                found.append((app.url_map.bind("localhost").build(rule.endpoint, values, method="POST"), declared))
    assert len(found) > 100
    return found


@pytest.mark.parametrize("body", [b"a&" * 150_000, b"a&" * 1000], ids=["300 KB", "1001 fields"])
def test_no_form_of_thousands_of_fields_is_taken_apart(
    client: FlaskClient, sent_to: list[tuple[str, access.Access]], monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    def parse(*_: Any, **__: Any) -> Any:
        raise AssertionError("taken apart")

    monkeypatch.setattr(werkzeug.formparser, "parse_qsl", parse)
    for path, _ in sent_to:
        answer = client.post(path, data=body, content_type=FORM)
        if path.startswith("/hooks/"):  # of machines, which take no form: refused before anything is read
            assert answer.status_code == 404
            continue
        assert (answer.status_code, "内容太大了" in answer.text) == (413, True), path


def test_only_who_takes_a_file_takes_much(app: Flask, sent_to: list[tuple[str, access.Access]]) -> None:
    for path, declared in sent_to:
        expected = "MAX_CONTENT_LENGTH" if declared.files else "MAX_FORM_LENGTH"
        if path == "/staff/catalogue/import":
            expected = "MAX_TOLD_LENGTH"  # says itself, beside its field, that a plan is too large
        assert incoming.largest(app, path, "POST") == app.config[expected], path
    assert incoming.largest(app, "/nowhere", "POST") == app.config["MAX_FORM_LENGTH"] <= 256 * 1024
    files = {path for path, declared in sent_to if declared.files}
    assert files == {
        "/staff/catalogue/new", "/staff/catalogue/1/edit", "/staff/catalogue/import", "/staff/centres/1/photos",
        "/staff/centres/import", "/staff/venues/rooms/1/photos", "/staff/accounts/import", "/help", "/help/urgent/1/voice",
    }  # fmt: skip


def test_parts_of_a_multipart_form_are_counted_too(client: FlaskClient) -> None:
    parts = {f"a{n}": "1" for n in range(1001)} | {"f": (io.BytesIO(b"x"), "x")}
    assert client.post("/login", data=parts).status_code == 413


def test_what_people_send_still_arrives(client: FlaskClient) -> None:
    long = client.post("/login", data={"phone": "文" * 20_000} | {f"box{n}": "1" for n in range(900)})
    assert long.status_code != 413


def test_an_address_of_thousands_of_parts_is_a_calm_page(client: FlaskClient) -> None:
    answer = client.get("/services?" + "a&" * 1000)
    assert answer.status_code == 414 and "这一步没有看懂" in answer.text
    assert client.get("/services?" + "a=1&" * 900).status_code == 200
