"""`flask sign-out`: the operator ends logins, of one person or of all (ASVS 7.4.5)."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.core.audit import AuditLog
from portal.core.db import db
from tests.factories import Town


def run(app: Flask, *args: str) -> Any:
    db.session.rollback()
    return app.test_cli_runner().invoke(args=["sign-out", *args])


@pytest.fixture
def signed_in(app: Flask, town: Town, as_staff: Any, as_resident: Any) -> dict[str, Any]:
    """Three browsers: two staff, one resident."""
    return {
        "a1": as_staff(app.test_client(), town.staff["A1"]),
        "b1": as_staff(app.test_client(), town.staff["B1"]),
        "resident": as_resident(app.test_client(), town.residents[0]),
    }


def still_in(clients: dict[str, Any]) -> set[str]:
    pages = {"a1": "/staff/sessions", "b1": "/staff/sessions", "resident": "/me/profile"}
    return {name for name, client in clients.items() if client.get(pages[name]).status_code == 200}


def test_one_of_the_staff(app: Flask, signed_in: Any) -> None:
    assert still_in(signed_in) == {"a1", "b1", "resident"}
    result = run(app, "--staff", "A1")
    assert (result.exit_code, "1 处" in result.output) == (0, True)
    assert still_in(signed_in) == {"b1", "resident"}


def test_one_resident_and_the_audit_log_has_no_number(app: Flask, town: Town, signed_in: Any, session: Any) -> None:
    phone, number = town.residents[0].phone, town.residents[0].id
    assert run(app, "--resident", phone or "").exit_code == 0
    assert still_in(signed_in) == {"a1", "b1"}
    session.rollback()
    line = session.scalars(select(AuditLog).order_by(AuditLog.id.desc())).first()
    assert (line.verb, line.object_type, line.object_id) == ("end_session", "resident", number)
    assert phone not in line.summary


def test_everybody(app: Flask, signed_in: Any) -> None:
    assert run(app, "--everybody").exit_code == 0
    assert still_in(signed_in) == set()


@pytest.mark.parametrize(
    "args", [(), ("--staff", "nobody"), ("--resident", "19999999999"), ("--staff", "a1", "--everybody")]
)
def test_whom(app: Flask, signed_in: Any, args: tuple[str, ...]) -> None:
    result = run(app, *args)
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert still_in(signed_in) == {"a1", "b1", "resident"}
