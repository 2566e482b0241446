"""The whole cycle with every person inside their own scope, and every effect carried out (SPEC P6, M1)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

import portal.catalogue
from portal.catalogue import waiting
from portal.catalogue.actions import changing, drafting, handing_in, publishing, reviewing
from portal.catalogue.models import IN_REVIEW, PUBLISHED, Entry
from portal.catalogue.staff import coverage, month_board, queries
from portal.catalogue.states import MACHINES
from portal.core import outbox, registry, scope
from portal.core.access import Actor
from tests.catalogue.wording import MONTH, draft, month_rows, span, values
from tests.factories import NOW, Town


def _turn(actor: Actor) -> tuple[Any, ...]:
    """Rows whose decision waits at the actor's centre, as the inbox counts them."""
    return Entry.status == IN_REVIEW, month_board.my_turn(actor)


@contextmanager
def acting(town: Town, who: str) -> Iterator[Actor]:
    actor = town.actor(who)
    with scope.use(scope.StaffScope(actor.centre_path, actor.department_id)):
        yield actor


def test_a_kept_statement_is_guarded_for_whoever_asks(session: Any, town: Town, make: Any) -> None:
    """core.scope remembers how a statement was guarded last: nobody gets what was made for somebody before."""
    for code in ("A1", "B1"):
        make.entry(town.centres[code], title=code, status="draft", published_at=None)
    kept = select(Entry.title).order_by(Entry.title)
    for who, seen in (("A1", ["A1"]), ("A1", ["A1"]), ("B1", ["B1"]), ("D", ["A1", "B1"]), ("A1", ["A1"]), ("ZFB", [])):
        with acting(town, who):
            assert session.scalars(kept).all() == seen, who
    for other in (scope.ResidentScope(town.residents[0].id), scope.ResidentScope()):
        with scope.use(other):
            assert session.scalars(kept).all() == []
    assert session.scalars(kept).all() == ["A1", "B1"]  # the tests' own scope
    nobody = scope.enter(None)
    with pytest.raises(scope.ScopeMissing):
        session.scalars(kept)
    scope.leave(nobody)


def test_the_whole_cycle_inside_scopes(session: Any, town: Town) -> None:
    with acting(town, "A1S") as station:
        offered = draft(town, "A1S", title="站里的")
        reviewing.offer(station, offered, NOW)
        number = offered.id
    with acting(town, "ZFB") as department:
        plan = drafting.draft_entry(department, values(town, title="普法"), NOW)
        reviewing.offer(department, plan, NOW)
        plan_id = plan.id
    with acting(town, "A1") as community:
        reviewing.approve(community, session.get_one(Entry, number), NOW)
        draft(town, "A1", title="社区的")
        assert handing_in.submit_issue(community, town.centres["A1"], MONTH, NOW) == 2
    with acting(town, "A") as subdistrict:
        rows = queries.board_rows(subdistrict, _turn(subdistrict), NOW)
        assert reviewing.approve_all(subdistrict, [r.entry for r in rows], NOW) == 2
    with acting(town, "D") as district:
        rows = queries.board_rows(district, _turn(district), NOW)
        assert {r.entry.title for r in rows} == {"站里的", "社区的", "普法"}
        reviewing.allot(district, session.get_one(Entry, plan_id), [town.centres["B1"], town.centres["B2"]], NOW)
        reviewing.approve_all(district, [r.entry for r in rows], NOW)
        assert coverage.coverage(MONTH, district.centre_path).offered == 4
        assert publishing.publish_month(MONTH, NOW, district, force=True) == 4
    with acting(town, "A1") as community:
        shown = session.get_one(Entry, number)
        change = changing.ask_change(community, shown, values(town, title="站里的", place="三楼"), "场地临时占用", NOW)
        change_id = change.id
    with acting(town, "D") as district:
        (open_change,) = queries.open_changes(district)
        assert open_change.id == change_id
        changing.apply_change(district, open_change, NOW)
    with acting(town, "ZFB") as department:
        assert {r.entry.centre.code for r in month_rows(department, MONTH, NOW)} == {"B1", "B2"}
    session.commit()
    assert {e.status for e in session.scalars(select(Entry))} == {PUBLISHED}
    outbox.run_due(NOW)
    outbox.run_due(NOW + timedelta(hours=2))  # an hour's news for those who follow
    stuck = select(outbox.Outbox.topic, outbox.Outbox.last_error).where(outbox.Outbox.done_at.is_(None))
    assert session.execute(stuck).all() == []


def test_every_effect_has_somebody_to_carry_it_out(app: Flask) -> None:
    """A topic without a handler would wait in the outbox for ever."""
    topics = {t.event for machine in MACHINES for t in machine.transitions if t.event}
    folder = Path(portal.catalogue.__file__).parent
    for file in (
        folder / "actions" / f"{name}.py" for name in ("drafting", "reviewing", "publishing", "changing", "importing")
    ):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                words = node.value
                if words.startswith(("catalogue.", "entry.")) and words.replace(".", "").replace("_", "").isalpha():
                    topics.add(words)
    assert {"entry.changed", "entry.cancelled", "catalogue.late_list"} <= topics
    assert topics <= set(outbox._handlers)


@pytest.mark.parametrize("who", ["D", "A", "A1", "A1S", "ZFB"])
def test_what_waits_costs_few_queries(session: Any, town: Town, count_queries: Any, who: str) -> None:
    for number in range(6):
        entry = draft(town, title=f"活动{number}", sessions=(span(number + 1),))
        reviewing.offer(town.actor("A1"), entry, NOW)
    actor = town.actor(who)
    session.commit()
    with acting(town, who), count_queries() as seen:
        registry.waiting_lines(actor, NOW, waiting.waits_for)
    assert sum(q.startswith("SELECT") for q in seen) <= 6
