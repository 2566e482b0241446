"""What is refused leaves a line for whoever guards the portal, and the line names nobody."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
from flask import Flask
from flask.testing import FlaskClient


def lines(client: FlaskClient, address: str, method: str = "GET", **more: Any) -> list[Any]:
    with structlog.testing.capture_logs() as logs:
        client.open(address, method=method, **more)
    return [line for line in logs if line["event"] == "security"]


def test_a_page_beyond_ones_role(client: FlaskClient, town: Any, as_staff: Any) -> None:
    inspector = town.inspector["D"]
    number = inspector.id
    found = lines(as_staff(client, inspector), "/staff/accounts")
    assert [(line["why"], line["audience"], line["person"]) for line in found] == [("forbidden", "staff", number)]
    assert found[0]["endpoint"] and found[0]["address"]


def test_a_neighbours_record(client: FlaskClient, town: Any, make: Any, as_staff: Any) -> None:
    entry, staff = make.entry(town.centres["A1"]), town.staff["B1"]
    entry_id, staff_id = entry.id, staff.id
    found = lines(as_staff(client, staff), f"/staff/sign-ups/{entry_id}")
    assert [(line["why"], line["person"], line["records"]) for line in found] == [
        ("no such record", staff_id, {"entry_id": entry_id})
    ]


def test_a_foreign_form(app: Flask, client: FlaskClient, town: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", True)
    found = lines(client, "/login", "POST", data={"phone": "19900000077"}, headers={"Origin": "https://evil.example"})
    assert [(line["why"], line["from_here"]) for line in found] == [("csrf", False)]
    assert "19900000077" not in str(found)


def test_too_much(client: FlaskClient) -> None:
    assert [line["status"] for line in lines(client, "/login", "POST", data=b"a&" * 2000,
            content_type="application/x-www-form-urlencoded")] == [413]  # fmt: skip


def test_what_is_mistyped_or_tells_a_secret_is_not_noted(client: FlaskClient, town: Any, as_resident: Any) -> None:
    assert not lines(client, "/services/99999999")
    assert not lines(client, "/nowhere")
    found = lines(as_resident(client, town.residents[0]), "/rate/a-secret-of-somebody")
    assert "a-secret-of-somebody" not in str(found)
