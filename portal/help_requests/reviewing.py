"""The staff's side: ask back, refuse, refer, dispatch, answer an offer, do it (SPEC H2, H3, H5). Flush only.

Each step is one conditional UPDATE (states.fire); of two people at once one is told who was first.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from portal.cases import actions as cases
from portal.cases import ladder
from portal.cases.errors import AlreadyOffered
from portal.cases.models import BACK, DISPATCH, REFER, Handover
from portal.centres import queries as centres
from portal.centres.models import Centre
from portal.core import audit, outbox, scope, states
from portal.core.access import Actor, system_actor
from portal.core.db import db
from portal.core.errors import NotYourTurn, Stale
from portal.core.states import NoSuchTransition
from portal.help_requests import help_kinds, queries
from portal.help_requests.actions import must_be_short, own
from portal.help_requests.errors import AdviceMissing, NowhereToSend, TakenAlready
from portal.help_requests.models import DISPATCHED, HelpRequest
from portal.help_requests.states import KIND, MACHINE

MOST_REASON = 300


def _short(words: str, field: str = "reason") -> str:
    return must_be_short(words.strip(), field, MOST_REASON)


def _noted(actor: Actor, row: HelpRequest, step: states.StateHistory, now: datetime, words: str = "") -> None:
    """A line of the audit log; what was written about the person is a remark that goes with them."""
    audit.record(
        actor, f"help.{step.name}", "help_request", row.id, now, words=words, centre_id=row.centre_id,
        before={"status": step.from_status}, after={"status": row.status},
    )  # fmt: skip


@contextmanager
def _says_who(row: HelpRequest) -> Iterator[None]:
    """Of two who press at once the second is told who was first (I4)."""
    try:
        yield
    except (Stale, NoSuchTransition, NotYourTurn):
        db.session.refresh(row)
        db.session.refresh(row.case)
        if row.taken_at is None:
            raise
        who = f"{row.case.waits_at.label}{row.case.owner_name}"
        raise TakenAlready(f"{who}刚刚已经接单了。") from None


def _no_offer(row: HelpRequest) -> None:
    """While somebody else is asked to take it over, it is not decided over their heads. Raises AlreadyOffered."""
    if queries.offered(row) is not None:
        raise AlreadyOffered()


def ask(actor: Actor, request_id: int, question: str, now: datetime) -> HelpRequest:
    """One question back; the review's time is prolonged by exactly what the answer took, 72 hours in all at most.

    Raises NoSuchRequest, NoSuchTransition, NotAllowed, ReasonMissing, WordsTooLong, Stale.
    """
    row, question = own(request_id), _short(question)
    step = states.fire(MACHINE, row, "ask", actor, now, question, values={"question": question, **_call(row, question)})
    cases.ask(actor, row.case, "", now)
    _noted(actor, row, step, now, question)
    return row


def _call(row: HelpRequest, words: str) -> dict[str, Any]:
    """What must be said by telephone to somebody who has no other way."""
    return {"call_text": words[:300]} if row.by_phone else {}


def refuse(actor: Actor, request_id: int, reason: str, advice: tuple[str, str], now: datetime) -> HelpRequest:
    """Cannot be given: why, and what to do instead (kind and value; it must lead somewhere).

    Raises as `ask`, AdviceMissing, AlreadyOffered.
    """
    row, reason = own(request_id), _short(reason)
    way = queries.advice(*advice)
    if way is None or advice == ("kind", row.kind):
        raise AdviceMissing()
    _no_offer(row)
    values = {
        "refusal": reason, "advice_kind": advice[0], "advice_value": advice[1][:40], "closed_at": now, "question": "",
        **_call(row, f"这次不能提供：{reason}。建议：{way.words}"),
    }  # fmt: skip
    step = states.fire(MACHINE, row, "refuse", actor, now, reason, values=values)
    _stop_asking(row)
    cases.close(actor, row.case, "不能提供", now)
    _noted(actor, row, step, now, reason)
    return row


def _stop_asking(row: HelpRequest) -> None:
    """Decided without waiting for the answer any longer: what was not answered prolongs nothing."""
    row.case.asked_at = None
    db.session.flush()


def refer(actor: Actor, request_id: int, to: str, reason: str, now: datetime) -> HelpRequest:
    """Offer it to another unit ('c12' a centre, 'd3' a department, 'o7' a number outside): until they accept it is
    ours (首接负责). A number outside cannot accept: we go on having it and say how it went.

    Raises as `ask`, NowhereToSend, AlreadyOffered.
    """
    row, reason = own(request_id), _short(reason)
    _no_offer(row)
    way, number = to[:1], int(to[1:]) if to[1:].isdigit() else 0
    outside = next((o for o in queries.outsiders() if o.id == number), None) if way == "o" else None
    department = queries.department(number) if way == "d" else None
    centre = centres.get(number) if way == "c" else centres.get(department.centre_id) if department else None
    if outside is None and (centre is None or not centre.active):
        raise NowhereToSend("请选转给哪个单位。")
    details = {"to": outside.name if outside else department.name if department else centre.label if centre else ""}
    values = {"outside_id": outside.id if outside else None, "question": ""}
    step = states.fire(MACHINE, row, "refer", actor, now, reason, details=details, values=values)
    _stop_asking(row)
    if centre is not None:
        cases.offer(actor, row.case, REFER, centre, reason, now, department=department)
    _noted(actor, row, step, now, reason)
    return row


def dispatch(actor: Actor, request_id: int, centre_id: int, now: datetime, words: str = "") -> HelpRequest:
    """Send it to a community of ours: the review's clock stops, that of the whole starts (once).

    Where nobody works at the community we do it ourselves. Raises as `ask`, NowhereToSend, AlreadyOffered.
    """
    row, words = own(request_id), _short(words)
    to = centres.get(centre_id)
    if actor.department_id is not None or to is None or not to.active:
        raise NowhereToSend()
    if not (row.case.waits_at.path == to.path or to.path.startswith(actor.centre_path)):
        raise NowhereToSend()
    at = ladder.desk(to, KIND.permission)
    if at.id == row.case.waits_at_id:
        return take(actor, request_id, now)
    _no_offer(row)
    step = states.fire(
        MACHINE,
        row,
        "dispatch",
        actor,
        now,
        words,
        details={"to": at.label},
        values={"question": "", "outside_id": None},
    )
    _stop_asking(row)
    cases.offer(actor, row.case, DISPATCH, to, words or "派单", now)
    cases.stop_clock(row.case, "review", now)
    _start_whole(row, now)
    _noted(actor, row, step, now, words)
    return row


def _start_whole(row: HelpRequest, now: datetime) -> None:
    """The clock of the whole starts with the first decision and never again (I1)."""
    kind = help_kinds.of(row.kind)
    if kind is not None and queries.clock_of(row, "whole") is None:
        cases.start_clocks(row.case, ("whole",), now, {"whole": kind.term})


def _taken(row: HelpRequest, at: Centre, department_id: int | None, now: datetime) -> dict[str, Any]:
    return {"taken_id": at.id, "taken_department_id": department_id, "taken_at": now}


def take(actor: Actor, request_id: int, now: datetime) -> HelpRequest:
    """We do it ourselves: the unit that has it accepts. Raises as `ask`, AlreadyOffered, TakenAlready."""
    row = own(request_id)
    _no_offer(row)
    values = {"question": "", **_taken(row, row.case.waits_at, row.case.department_id, now)}
    with _says_who(row):
        step = states.fire(MACHINE, row, "take", actor, now, values=values)
    _stop_asking(row)
    cases.stop_clock(row.case, "review", now)
    _start_whole(row, now)
    _begin(actor, row, now)
    _noted(actor, row, step, now)
    return row


def _begin(actor: Actor, row: HelpRequest, now: datetime) -> None:
    """Somebody has it by name; where one comes home, a time must be set within its clock."""
    if actor.kind == "staff":
        cases.claim(actor, row.case, now)
    kind = help_kinds.of(row.kind)
    if kind is not None and kind.home_visit and queries.clock_of(row, "visit") is None:
        cases.start_clocks(row.case, ("visit",), now)


def _offer_of(row: HelpRequest) -> Handover:
    """The hand-over that waits for an answer. Raises NotYourTurn when there is none."""
    found = queries.offered(row)
    if found is None:
        raise NotYourTurn("这件求助没有在等您答复。")
    return found


def accept(actor: Actor, request_id: int, now: datetime) -> HelpRequest:
    """Take over what was dispatched (the address opens now) or referred to us (we review it from now on).

    Raises NoSuchRequest, NotAllowed, NoSuchTransition, TakenAlready, Stale.
    """
    row = own(request_id)
    if row.status != DISPATCHED:
        return _accept_referral(actor, row, now)
    with _says_who(row):
        offer = queries.offered(row)
        if offer is None:
            raise NoSuchTransition()
        values = _taken(row, offer.receiver, offer.to_department_id, now)
        step = states.fire(MACHINE, row, "accept", actor, now, values=values)
        cases.accept(actor, offer, now)
    _begin(actor, row, now)
    _noted(actor, row, step, now)
    return row


def _accept_referral(actor: Actor, row: HelpRequest, now: datetime) -> HelpRequest:
    with _says_who(row):
        cases.accept(actor, _offer_of(row), now)
    cases.claim(actor, row.case, now)
    step = states.note(MACHINE, row, "moved", actor, now, details={"to": row.case.waits_at.label})
    _noted(actor, row, step, now)
    outbox.put("help.moved", f"{row.id}:{int(now.timestamp())}", {"id": row.id}, now)
    return row


def decline(actor: Actor, request_id: int, reason: str, now: datetime) -> HelpRequest:
    """Not ours: whoever sent it keeps it, and no clock moves; never counted against anybody.

    Raises NoSuchRequest, NotAllowed, NoSuchTransition, ReasonMissing, WordsTooLong, Stale.
    """
    row, reason = own(request_id), _short(reason)
    if row.status != DISPATCHED:
        offer = _offer_of(row)
        cases.decline(actor, offer, reason, now)
        step = states.note(MACHINE, row, "not_taken", actor, now, reason, details={"to": offer.receiver.label})
    else:
        step = states.fire(MACHINE, row, "decline", actor, now, reason)
        cases.decline(actor, _offer_of(row), reason, now)
    _noted(actor, row, step, now, reason)
    return row


def hand_back(actor: Actor, request_id: int, reason: str, now: datetime) -> HelpRequest:
    """Accepted, and it turns out that it cannot be done here: back to who reviews; the whole's clock runs on.

    Raises as `decline`.
    """
    row, reason = own(request_id), _short(reason)
    to = ladder.desk(queries.reviewer_of(row.centre), KIND.permission)
    values = {"taken_id": None, "taken_department_id": None, "taken_at": None}
    step = states.fire(MACHINE, row, "hand_back", actor, now, reason, values=values)
    cases.stop_clock(row.case, "visit", now)
    cases.hand_on(actor, row.case, BACK, to, reason, now)
    _noted(actor, row, step, now, reason)
    return row


def move(actor: Actor, request_id: int, name: str, now: datetime) -> HelpRequest:
    """'go', 'arrive': on the way, there; by the unit's own staff, or for a member of the team as the system.

    Raises NoSuchRequest, NoSuchTransition, NotAllowed, Stale.
    """
    row = own(request_id)
    step = states.fire(MACHINE, row, name, actor, now)
    cases.stop_clock(row.case, "visit", now)
    if actor.kind == "staff":
        _noted(actor, row, step, now)
    return row


def finish(actor: Actor, request_id: int, words: str, now: datetime) -> HelpRequest:
    """Done, in words that the resident reads; the person is asked to confirm. Raises as `move`, ReasonMissing."""
    row, words = own(request_id), _short(words)
    values = {"done_at": now, "done_words": words, **_call(row, f"办好了：{words}")}
    step = states.fire(MACHINE, row, "finish", actor, now, words, values=values)
    with scope.system("the request's own case"):
        cases.close(actor, row.case, "已办", now)
    if actor.kind == "staff":
        _noted(actor, row, step, now, words)
    return row


def follow_lapse(case_id: int, now: datetime) -> None:
    """Nobody answered a dispatch in time, so it counts as accepted: the request follows its case. System's scope."""
    row = queries.by_case(case_id)
    if row is None or row.status != DISPATCHED or queries.offered(row) is not None:
        return
    values = _taken(row, row.case.waits_at, row.case.department_id, now)
    states.fire(MACHINE, row, "accept", system_actor(), now, "没有按时答复，按规定视为接单", values=values)
    _begin(system_actor(), row, now)
