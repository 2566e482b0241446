"""Staff's side of a call-back: take it, try, hand it up, close it (SPEC S7, V6). Flush only, never commit.

Each step is one conditional UPDATE (states.fire): of two people pressing at once one is told that the other was first.
"""

from datetime import datetime

from portal.cases import actions as cases
from portal.cases.models import BACK, UP
from portal.centres.models import Centre
from portal.core import audit, states
from portal.core.access import Actor
from portal.feedback import queries
from portal.feedback.errors import NoSuchCallBack, UnknownOutcome, WordsTooLong
from portal.feedback.models import CallBack
from portal.feedback.states import MACHINE

MOST_CLOSING_WORDS = 500
MOST_REASON = 300


def find(call_back_id: int) -> CallBack:
    """One of the caller's subtree. Raises NoSuchCallBack."""
    found = queries.call_back(call_back_id)
    if found is None:
        raise NoSuchCallBack()
    return found


def _noted(
    actor: Actor, call: CallBack, step: states.StateHistory, now: datetime, words: str = "", summary: str = ""
) -> None:
    audit.record(
        actor, f"call_back.{step.name}", "call_back", call.id, now, words=words, summary=summary,
        centre_id=call.centre_id,
        before={"status": step.from_status}, after={"status": call.status, "waits_at_id": call.waits_at.id},
    )  # fmt: skip


def claim(actor: Actor, call_back_id: int, now: datetime) -> CallBack:
    """'I will call': the actor is the owner from now on, also in a colleague's place. The clock runs on.

    Raises NoSuchCallBack, NoSuchTransition, NotAllowed, Stale.
    """
    call = find(call_back_id)
    step = states.fire(MACHINE, call, "claim", actor, now)
    cases.claim(actor, call.case, now)
    _noted(actor, call, step, now)
    return call


def tried(actor: Actor, call_back_id: int, words: str, now: datetime) -> CallBack:
    """Called in vain: counted with its time; whoever tried is the owner. Raises as claim, and WordsTooLong."""
    call = find(call_back_id)
    words = _short(words, MOST_REASON)
    values = {"tries": CallBack.tries + 1, "last_try_at": now}
    step = states.fire(MACHINE, call, "try", actor, now, words or "没联系上", values=values)
    cases.claim(actor, call.case, now)
    _noted(actor, call, step, now, words)
    return call


def hand_up(actor: Actor, call_back_id: int, reason: str, now: datetime) -> CallBack:
    """To the level above with the reason; the clock never resets. Raises as claim, ReasonMissing, NobodyAbove."""
    call = find(call_back_id)
    return _hand_on(actor, call, "hand_up", UP, cases.above(call.case), reason, now)


def hand_back(actor: Actor, call_back_id: int, reason: str, now: datetime) -> CallBack:
    """Back to whose service it was, with the reason; the clock never resets. Raises as claim, ReasonMissing."""
    call = find(call_back_id)
    return _hand_on(actor, call, "hand_back", BACK, cases.below(call.case), reason, now)


def _hand_on(actor: Actor, call: CallBack, name: str, kind: str, to: Centre, reason: str, now: datetime) -> CallBack:
    reason, details = _short(reason, MOST_REASON), {"from": call.waits_at.id, "to": to.id}
    step = states.fire(MACHINE, call, name, actor, now, reason, details=details)
    cases.hand_on(actor, call.case, kind, to, reason, now)
    _noted(actor, call, step, now, reason)
    return call


def close(actor: Actor, call_back_id: int, outcome: str, words: str, now: datetime) -> CallBack:
    """Called, with one of the profile's outcomes and words that the resident reads.

    Raises as claim, UnknownOutcome, ReasonMissing, WordsTooLong.
    """
    call = find(call_back_id)
    if outcome not in queries.policy().outcomes:
        raise UnknownOutcome()
    words = _short(words, MOST_CLOSING_WORDS)
    values = {"outcome": outcome, "outcome_words": words, "closed_at": now}
    step = states.fire(MACHINE, call, "close", actor, now, words, details={"outcome": outcome}, values=values)
    cases.close(actor, call.case, outcome, now)
    _noted(actor, call, step, now, summary=outcome)
    return call


def _short(words: str, most: int) -> str:
    words = words.strip()
    if len(words) > most:
        raise WordsTooLong(f"最多 {most} 个字，现在有 {len(words)} 个字。", field="reason")
    return words
