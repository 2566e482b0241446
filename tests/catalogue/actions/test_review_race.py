"""Two people at one row, two schedulers, two confirmations: one wins, the other is told, nothing twice (SPEC C4, C5, C7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.catalogue.actions import changing, importing, publishing, reviewing
from portal.catalogue.actions.importing import rows_of
from portal.catalogue.models import APPROVED, IN_REVIEW, PUBLISHED, RETURNED, Entry, PlanImport
from portal.catalogue.staff import queries
from portal.core.db import db
from portal.core.errors import DomainError
from portal.core.outbox import Outbox
from portal.core.states import StateHistory
from tests.catalogue.staff.test_import import GOOD, WEEKLY
from tests.catalogue.staff.test_import import plan as workbook
from tests.concurrency import rush
from tests.factories import NOW, Make, Town

pytestmark = pytest.mark.own_database

THREADS = 8


def faults(answers: list[Any]) -> list[Any]:
    return [a for a in answers if isinstance(a, Exception) and not isinstance(a, DomainError)]


def moves(session: Any, entry_id: int) -> list[str]:
    session.rollback()
    mine = select(StateHistory.name).where(StateHistory.object_type == "entry", StateHistory.object_id == entry_id)
    return list(session.scalars(mine))


def test_yes_and_no_at_once(app: Flask, session: Any, town: Town, make: Make) -> None:
    a = town.centres["A"].id
    ids = [make.entry(town.centres["A1"], status=IN_REVIEW, waits_at_id=a).id for _ in range(6)]
    reviewer = town.actor("A")
    session.rollback()

    def yes(entry_id: int, version: int) -> Callable[[], Any]:
        return lambda: reviewing.approve(reviewer, db.session.get_one(Entry, entry_id), NOW, version=version)

    def no(entry_id: int, version: int) -> Callable[[], Any]:
        return lambda: reviewing.return_entry(
            reviewer, db.session.get_one(Entry, entry_id), "时间不清", "sessions", NOW, version=version
        )

    def everything() -> Any:
        return reviewing.approve_all(reviewer, list(db.session.scalars(select(Entry).order_by(Entry.id.desc()))), NOW)

    seen = dict(session.execute(select(Entry.id, Entry.revision)).all())
    session.rollback()
    jobs = [act(i, seen[i]) for i in ids for act in (yes, no, no, yes)]
    assert faults(rush(app, [*jobs[:12], everything, everything, *jobs[12:]])) == []
    for entry_id in ids:
        assert moves(session, entry_id) in (["pass_on"], ["return"])
        row = session.get_one(Entry, entry_id)
        done = (row.status, row.waits_at_id)
        assert done in ((IN_REVIEW, town.centres["D"].id), (RETURNED, None))
        assert bool(row.return_reason) is (row.status == RETURNED)


def test_schedulers_and_a_hand_publish_once(app: Flask, session: Any, town: Town, make: Make) -> None:
    ids = [make.entry(town.centres[c], status=APPROVED).id for c in ("A1", "A2", "B1", "B2") for _ in range(5)]
    district = town.actor("D")
    session.rollback()
    first = publishing.publish_month
    jobs: list[Callable[[], Any]] = [lambda: first("2026-12", NOW, force=True)] * (THREADS - 1)
    answers = rush(app, [*jobs, lambda: first("2026-12", NOW, district, force=True)])
    assert faults(answers) == []
    assert sum(a for a in answers if isinstance(a, int)) == len(ids)
    session.rollback()
    assert session.scalar(select(func.count()).where(Entry.status == PUBLISHED)) == len(ids)
    history = select(func.count()).select_from(StateHistory).where(StateHistory.name == "publish")
    assert session.scalar(history) == len(ids)


def test_one_plan_confirmed_by_many(app: Flask, session: Any, town: Town) -> None:
    operator = town.actor("A1-OP")
    upload = importing.preview_plan(
        operator, town.centres["A1"], "2026-12", "x.xlsx", workbook(GOOD, WEEKLY).read(), NOW
    )
    session.commit()
    upload_id, numbers = upload.id, [row.number for row in rows_of(upload)]
    session.rollback()

    def take() -> Any:
        found = queries.plan_import(upload_id, operator)
        assert found is not None
        return len(importing.take_in_plan(operator, found, numbers, NOW))

    assert faults(rush(app, [take] * THREADS)) == []
    session.rollback()
    assert sorted(session.scalars(select(Entry.title))) == ["包汤圆", "四点半课堂"]
    assert all(row.entry_id for row in rows_of(session.get_one(PlanImport, upload_id)))


def test_one_change_applied_and_refused_at_once(app: Flask, session: Any, town: Town, make: Make) -> None:
    entry = make.entry(town.centres["A1"])
    change = changing.cancel_entry(town.actor("A1"), entry, "台风", NOW)
    session.commit()
    change_id, district = change.id, town.actor("D")
    session.rollback()

    def decide(name: str) -> Callable[[], Any]:
        def act() -> Any:
            found = queries.change(change_id)
            if name == "apply":
                return changing.apply_change(district, found, NOW)
            return changing.refuse_change(district, found, "照常举行", NOW)

        return act

    assert faults(rush(app, [decide("apply"), decide("refuse")] * 3)) == []
    session.rollback()
    decided = queries.change(change_id).status
    cancelled = session.scalar(select(func.count()).where(Entry.status == "cancelled"))
    told = session.scalar(select(func.count()).where(Outbox.topic == "entry.cancelled"))
    assert (decided, cancelled, told) in (("applied", 1, 1), ("refused", 0, 0))
