"""The staff's list with 500 open requests: four statements, however many are over (issue 12)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import insert

from portal.cases.models import Case, CaseClock
from portal.help_requests.models import HelpRequest
from tests.factories import NOW, Town


def fill(session: Any, town: Town, count: int, status: str = "received") -> None:
    """So many requests of A1 that wait at A, one every two minutes; written at once."""
    first = 1 + (
        session.scalar(Case.__table__.select().with_only_columns(Case.id).order_by(Case.id.desc()).limit(1)) or 0
    )
    a, a1, person = town.centres["A"].id, town.centres["A1"].id, town.residents[0].id
    cases, clocks, rows = [], [], []
    for number in range(first, first + count):
        at = NOW - timedelta(minutes=2 * number)
        done = status == "confirmed"
        cases.append({
            "id": number, "kind": "help", "centre_id": a1, "waits_at_id": a, "title": "代办", "detail": "李**",
            "status": "done" if done else "open", "opened_at": at, "turn_since": at, "due_at": at + timedelta(hours=24),
            "closed_at": at if done else None,
        })  # fmt: skip
        clocks.append({
            "case_id": number, "name": "review", "unit": "hours", "amount": 24, "started_at": at,
            "due_at": at + timedelta(hours=24), "stopped_at": at if done else None,
        })  # fmt: skip
        rows.append({
            "case_id": number, "centre_id": a1, "resident_id": person, "person_key": f"r{person}", "kind": "agency",
            "words": "取药", "status": status, "filed_at": at, "closed_at": at if done else None,
        })  # fmt: skip
    for model, values in ((Case, cases), (CaseClock, clocks), (HelpRequest, rows)):
        session.execute(insert(model), values)
    session.commit()


@pytest.fixture
def many(session: Any, town: Town) -> Town:
    fill(session, town, 500)
    fill(session, town, 1000, "confirmed")
    return town


def test_four_statements(client: FlaskClient, many: Town, as_staff: Any, count_queries: Any, now: Any) -> None:
    as_staff(client, many.staff["A"])
    client.get("/staff/help")
    with count_queries() as seen:
        page = client.get("/staff/help").text
    assert len([s for s in seen if s != "BEGIN"]) <= 4, seen
    assert "等我们办的有 500 件" in page and page.count('class="help-row"') == 40
    with count_queries() as seen:
        assert client.get("/staff/help?show=over").status_code == 200
    assert len([s for s in seen if s != "BEGIN"]) <= 4
