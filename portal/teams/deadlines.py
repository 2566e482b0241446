"""Gaps of the next seven days are told exactly once each (SPEC H7). The database says what is due.

The mark on the shift moves in the transaction of the outbox row: two schedulers, or one that was dead, tell once.
"""

from collections import defaultdict
from datetime import datetime, timedelta

from sqlalchemy import func, select, update

from portal.core import clock, outbox, registry, scope
from portal.core.db import db, hit, writing
from portal.core.states import StateHistory
from portal.teams import queries, rules
from portal.teams.models import OPEN, Shift
from portal.teams.states import MACHINE


@registry.due
def gaps(now: datetime) -> int:
    """Tell contact persons of new gaps, captains of those that begin within a day; returns how many are told now."""
    with scope.system("open shifts of the next seven days"):
        today = clock.today(now)
        wanted = select(Shift.id, Shift.team_id, Shift.day, Shift.part, Shift.told).where(
            Shift.status == OPEN, Shift.told < 2, Shift.day >= today - timedelta(days=1),
            Shift.day <= today + rules.AHEAD + timedelta(days=1),
        )  # fmt: skip
        rows = db.session.execute(wanted.order_by(Shift.id)).all()
        db.session.rollback()
        due = defaultdict[int, list[tuple[int, int, int]]](list)
        for row in rows:
            step = rules.gap_step(queries.policy().part(row.part).span(row.day)[0], now)
            if step > row.told:
                due[row.team_id].append((row.id, row.told, step))
        return sum(_tell(team_id, found, now) for team_id, found in due.items())


def _tell(team_id: int, found: list[tuple[int, int, int]], now: datetime) -> int:
    """One transaction a team. Whoever comes second finds the marks moved."""
    with writing():
        moved = []
        for number, told, step in found:
            mark = update(Shift).where(Shift.id == number, Shift.told == told, Shift.status == OPEN)
            if hit(mark.values(told=step), synchronize_session=False):
                moved.append((number, told, step))
        first = [number for number, told, _ in moved if told == 0]
        last = [number for number, _, step in moved if step == 2]
        for step, ids in ((1, first), (2, last)):
            if ids:
                line = _last_line(ids)
                outbox.put(
                    "teams.gap", f"{team_id}:{step}:{ids[0]}:{line}", {"ids": ids, "step": step, "line": line}, now
                )
        return len(moved)


def _last_line(ids: list[int]) -> int:
    """A gap that opens again is a new one: the last line of its history."""
    lines = select(func.max(StateHistory.id)).where(
        StateHistory.object_type == MACHINE.name, StateHistory.object_id.in_(ids)
    )
    return db.session.scalar(lines) or 0
