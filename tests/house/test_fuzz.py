"""Whoever sends whatever: never a 500, never a write by GET, never a page without its security headers."""

from __future__ import annotations

import os
import time
import traceback
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.core.db import db
from tests.house import world as worlds
from tests.house.fuzzing import Source
from tests.servers import database_kind

# Two walks: what one database takes and the other refuses is found by either, so each has its own requests.
SEED = int(os.environ.get("PORTAL_FUZZ_SEED", "20261121")) + (database_kind() == "postgresql")
# So many requests a role, the same on every machine; the seconds only bound a slow one. More: PORTAL_FUZZ_REQUESTS=5000.
REQUESTS = int(os.environ.get("PORTAL_FUZZ_REQUESTS", "120"))
SECONDS = float(os.environ.get("PORTAL_FUZZ_SECONDS", "12"))
ROLES = {
    "nobody": {"public", "resident", "staff"}, "resident": {"public", "resident"}, "A1": {"staff", "public"},
    "A1-OP": {"staff"}, "A": {"staff"}, "D": {"staff"}, "ZFB": {"staff"}, "D-LOOK": {"staff"},
}  # fmt: skip


@pytest.mark.parametrize("role", ROLES)
def test_no_request_breaks_a_page(app: Flask, town: Any, make: Any, as_staff: Any, as_resident: Any, role: str) -> None:
    world = worlds.build(town, make)
    source = Source(app, world, SEED)

    def enter() -> FlaskClient:
        client = app.test_client()
        if role == "resident":
            return as_resident(client, town.residents[0])
        return client if role == "nobody" else as_staff(client, town.staff[role])

    person, client, broken, sent = role, enter(), {}, 0
    end = time.monotonic() + SECONDS
    db.session.rollback()
    for rule, method in source.walk(ROLES[role]):
        if sent >= REQUESTS or time.monotonic() > end:
            break
        asked = source.request(rule, method)
        sent += 1
        try:
            answer = client.open(**asked)
        except Exception as error:
            broken.setdefault((where(error), type(error).__name__), (method, str(asked["path"])[:80], str(error)[:200]))
            db.session.rollback()
            client = enter()
            continue
        if answer.status_code >= 500 and rule.endpoint != "operations.readyz":
            broken.setdefault((rule.rule, answer.status), (method, str(asked)[:800]))
        assert "Content-Security-Policy" in answer.headers
        str(answer.headers).encode("latin-1")  # what is not Latin-1 breaks a real server's answer
        if sent % 40 == 0:
            client = enter()
    print(f"{person}: {sent} requests, seed {SEED}")
    assert not broken, f"seed {SEED}, {sent} requests: {short(broken)}"


def where(error: BaseException) -> str:
    """The last line of our own code on the way to the error."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "/portal/" in f.filename]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "outside"


def short(broken: dict[Any, Any]) -> str:
    return "".join(f"\n{key}: {str(value)[:1000]}" for key, value in broken.items())
