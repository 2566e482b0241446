"""What this feature registers for the features above: my services, waiting for me, own data (SPEC S9, C6, P8)."""

from datetime import datetime, timedelta
from typing import Any

from portal.core import clock, registry
from portal.core.registry import Mine
from portal.feedback import actions, queries
from portal.feedback.models import DONE, CallBack, Evaluation
from portal.feedback.states import LABELS, TONES


@registry.mine
def my_evaluations(resident_id: int, now: datetime, _coming: bool) -> list[Mine]:
    """What I am asked, and the call-backs I wait for: who has it and until when."""
    return [_mine(row, call, now) for row, call in queries.mine(resident_id, now)]


def _mine(row: Evaluation, call: CallBack | None, now: datetime) -> Mine:
    text, tone, until = "请您评一评", "gold", row.answer_until
    following = f"点一下星星就好，{clock.stamp(until)} 前"
    if call is not None and call.status == DONE:
        text, tone = LABELS[DONE], TONES[DONE]
        until = (call.closed_at or now) + timedelta(days=queries.policy().again_days)
        again = "" if call.reopened_at else f"，没解决可以在 {clock.stamp(until)} 前再说"
        following = f"点开看处理结果{again}"
    elif call is not None:
        until, following = call.due_at, waits(call, now)
        text, tone = ("回访晚了", "red") if now >= call.due_at else ("等我们回访", "blue")
    return Mine(
        section="waiting", title=row.title, when=row.when_text, place="", status_text=text, tone=tone,
        next_text=following, url=f"/rate/{row.token}", starts_at=until,
        person=row.relative.name if row.relative else "",
    )  # fmt: skip


def waits(call: CallBack, now: datetime) -> str:
    """Who has it and until when (every wait says so); overdue is said to the resident too."""
    until = clock.stamp(call.due_at)
    if now >= call.due_at:
        return f"{call.waits_at.label}应在 {until} 前打电话给您，已经晚了，系统在催"
    return f"{call.waits_at.label}会在 {until} 前打电话给您"


@registry.personal
def personal(resident_id: int) -> dict[str, Any]:
    """This feature's part of the export of own data."""
    return {"评价": queries.personal(resident_id)}


registry.erase(actions.erase)
