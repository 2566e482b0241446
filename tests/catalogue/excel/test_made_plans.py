"""SPEC C7: five hundred made plans, read against their own truth: no wrong session silently, what is not understood is said."""

from __future__ import annotations

import os

import pytest

from portal.catalogue.excel.sheet import read_plan
from portal.catalogue.timetext.parts import PlanRow, errors
from tests.catalogue.excel.plan_maker import Line, Made, made

pytestmark = pytest.mark.once

# More of them: make fuzz
PLANS = int(os.environ.get("PLANS", "500"))
BATCHES = 10


def found(row: PlanRow) -> list[tuple[int, int, int]]:
    spans = [(s.start, int((s.end - s.start).total_seconds()) // 60) for s in row.when.spans]
    return sorted((start.day, start.hour * 60 + start.minute, start.hour * 60 + start.minute + m) for start, m in spans)


def wrong(line: Line, row: PlanRow) -> str:
    """What is wrong with a row as read; '' when it agrees with what was meant."""
    said = [problem.message for problem in errors(row.problems)]
    if line.asked:
        return "" if said else f"not asked: read as {found(row)}"
    if any(problem.field == "when" for problem in errors(row.problems)):
        return f"asked although clear: {said}"
    if found(row) != sorted(line.sessions):
        return f"sessions {found(row)} instead of {sorted(line.sessions)}"
    if (row.capacity, row.walk_in) != (line.places, line.walk_in) or (line.places and row.unit != line.unit):
        return f"places {row.capacity} {row.unit} {row.walk_in} of {line.capacity!r}"
    return ""


def faults(plan: Made) -> list[str]:
    read = read_plan(plan.data, plan.month)
    rows = {row.title: row for row in read.rows}
    expected = [line.title for line in plan.lines]
    if [row.title for row in read.rows] != expected:
        return [f"rows {[row.title for row in read.rows]} instead of {expected}"]
    told = "".join(problem.message for problem in read.problems)
    silent = [title for title in plan.left_out if title not in told]
    about = [f"{line.when!r} {why}" for line in plan.lines if (why := wrong(line, rows[line.title]))]
    return [*(f"left out in silence: {title}" for title in silent), *about]


@pytest.mark.parametrize("batch", range(BATCHES))
def test_made_plans_are_read_as_they_were_meant(batch: int) -> None:
    bad = {}
    for seed in range(batch, PLANS, BATCHES):
        plan = made(seed)
        if said := faults(plan):
            bad[f"{seed} {plan.layout} {plan.month}"] = said
    assert not bad, "\n".join(f"{name}: {said}" for name, said in bad.items())
