"""Whoever fails to sign in leaves a line without what was typed (ASVS 16.3.1, 16.3.3)."""

from __future__ import annotations

from typing import Any

import structlog
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.core.audit import AuditLog
from portal.people import rules
from tests.factories import PASSWORD

WRONG = "not the right one at all"


def test_what_fails_is_noted_without_names(client: FlaskClient, town: Any, session: Any) -> None:
    number = town.staff["A1"].id
    session.rollback()
    with structlog.testing.capture_logs() as logs:
        for _ in range(rules.FAILURES_HERE + 1):
            client.post("/staff/login", data={"username": "a1", "password": WRONG})
        client.post("/staff/login", data={"username": "no-such-user-here", "password": WRONG})
        client.post("/login", data={"phone": "19900000066"})
        client.post("/login/code", data={"code": "000000"})
        client.post("/login/spoken", data={"phone": "19900000066", "code": "12345678"})
    found = [line for line in logs if line["event"] == "security"]
    assert [(line["why"], line.get("account")) for line in found] == [
        *[("wrong password", number)] * rules.FAILURES_HERE, ("throttled", None), ("wrong password", None),
        ("wrong code", None), ("wrong spoken code", None),
    ]  # fmt: skip
    assert all(line["address"] for line in found)
    assert not [word for word in (WRONG, "a1'", "no-such-user-here", "19900000066", "000000") if word in str(found)]


def test_what_succeeds_is_noted_too(client: FlaskClient, town: Any, session: Any) -> None:
    number = town.staff["A1"].id
    client.post("/staff/login", data={"username": "a1", "password": PASSWORD})
    session.rollback()
    line = session.scalars(select(AuditLog).order_by(AuditLog.id.desc())).first()
    assert (line.verb, line.object_id, bool(line.address)) == ("sign_in", number, True)
