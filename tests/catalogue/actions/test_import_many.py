"""Many rows at once: few statements whatever their number, and each row where it belongs (SPEC C7, Q8)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import event, select

from portal.catalogue.actions import importing
from portal.catalogue.models import Entry, PlanImport
from portal.core.audit import AuditLog, broken_link
from portal.core.db import db
from tests.factories import NOW, Town

MONTH = "2026-12"
PLANS = Path(__file__).parents[1] / "data" / "plans"


def preview(town: Town, data: bytes, who: str = "A1", centre: str = "A1", month: str = MONTH) -> PlanImport:
    return importing.preview_plan(town.actor(who), town.centres[centre], month, "计划.xlsx", data, NOW)


def counted(work: Any) -> int:
    """Statements that `work` sends, its commit with the audit lines included."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        sent.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        work()
        db.session.commit()
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    return len(sent)


def test_three_hundred_rows_cost_few_statements(session: Any, town: Town) -> None:
    data = (PLANS / "m15-300rows.xlsx").read_bytes()
    looked = counted(lambda: preview(town, data))
    upload = session.scalars(select(PlanImport)).one()
    taken: list[Entry] = []
    sent = counted(lambda: taken.extend(importing.take_in_plan(town.actor("A1"), upload, None, NOW)))
    assert len(taken) == 300
    assert looked <= 30
    assert sent <= 30, sent  # of 300 rows; 0.5 a row are allowed
    assert broken_link() is None
    lines = session.scalars(select(AuditLog.object_id).where(AuditLog.verb == "draft_entry").order_by(AuditLog.id))
    assert list(lines) == [entry.id for entry in taken]
