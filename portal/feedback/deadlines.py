"""Call-backs past their time: told to the owner, a day later to the level above (SPEC H3 for feedback).

The mark on the row moves in the same transaction as the outbox row, so two schedulers or a late one tell once.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import or_, select, update

from portal.core import outbox, registry, scope
from portal.core.db import db, writing
from portal.feedback import queries
from portal.feedback.models import UNDONE, CallBack


@registry.due
def overdue(now: datetime) -> int:
    """Write the warnings that are due now; returns how many. Nothing is written when none are (a deadline job)."""
    with scope.system("overdue call-backs"):
        longer = now - timedelta(hours=queries.policy().escalate_hours)
        first = (CallBack.warned == 0) & (CallBack.due_at <= now)
        second = (CallBack.warned == 1) & (CallBack.due_at <= longer)
        statement = select(CallBack.id, CallBack.warned, CallBack.due_at)
        statement = statement.where(queries.NOT_DONE, CallBack.due_at <= now, or_(first, second))
        late = db.session.execute(statement.order_by(CallBack.id)).all()
        db.session.rollback()
        return sum(_warn(*row, now) for row in late)


def _warn(call_back_id: int, warned: int, due_at: datetime, now: datetime) -> int:
    """One transaction each. Whoever comes second finds the mark moved."""
    with writing():
        mark = update(CallBack).where(
            CallBack.id == call_back_id, CallBack.warned == warned, CallBack.due_at == due_at,
            CallBack.status.in_(UNDONE),
        )  # fmt: skip
        done = db.session.execute(mark.values(warned=warned + 1).execution_options(synchronize_session=False))
        if done.rowcount != 1:  # type: ignore[attr-defined]
            return 0
        key = f"{call_back_id}:{int(due_at.timestamp())}:{warned + 1}"
        outbox.put("feedback.overdue", key, {"id": call_back_id, "step": warned + 1}, now)
        return 1
