"""Orders: given, answered, carried out; visits moved (SPEC H7). Flush only, never commit.

A member's own buttons and a paper order's act as the system, once the caller has proved who it is: the histories stay
for ever and name no member; which one it was is the order's.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from portal.cases import actions as cases
from portal.core import audit, clock, outbox, scope, states
from portal.core.access import Actor, system_actor
from portal.core.db import db
from portal.core.errors import NotYourTurn, Stale
from portal.help_requests import help_kinds, private_fields, reviewing
from portal.help_requests.actions import must_be_short, own
from portal.help_requests.models import (
    ACCEPTED,
    ASSIGNED,
    CANCELLED,
    CONFIRMED,
    DECLINED,
    DONE,
    GOING,
    OFFERED,
    TAKEN,
    THERE,
    HelpOrder,
    HelpRequest,
    HelpVisit,
)
from portal.help_requests.orders import queries, rules
from portal.help_requests.orders.errors import (
    CannotMove,
    NobodyChosen,
    NoSuchOrder,
    OrderOver,
    SlotGone,
    VisitWrong,
    WhyMissing,
)
from portal.help_requests.orders.states import VISIT
from portal.help_requests.states import MACHINE, ORDER, has_it
from portal.teams import free, members
from portal.teams import queries as teams
from portal.teams.models import TeamMember

MEMBER = "服务队队员"  # how histories call whoever pressed a button of /m


@dataclass(frozen=True, slots=True)
class Wish:
    """Whom to send, when; why: for somebody who cannot go by the list."""

    member_id: int
    start: datetime
    end: datetime
    why: str = ""


def check_span(start: datetime, end: datetime, now: datetime) -> None:
    """Raises VisitWrong for a visit in the past, too long, or months ahead."""
    if not now < start < end or end - start > rules.LONGEST or start - now > rules.FARTHEST:
        raise VisitWrong(f"上门时间要在现在以后、{rules.FARTHEST.days} 天以内，开始早于结束。")


def assign(actor: Actor, request_id: int, wish: Wish, now: datetime) -> HelpOrder:
    """Offer a request to a member: two hours to say yes. Whoever had it before need not go any more.

    Raises NoSuchRequest, NotYourTurn, VisitWrong, NobodyChosen, WhyMissing, NoSuchTransition, Stale. Locks: the team's
    row, so that nobody gets two orders at once; the request moves by a conditional UPDATE, so of two one wins.
    """
    row = own(request_id)
    if why := has_it(row, actor):
        raise NotYourTurn(why)
    check_span(wish.start, wish.end, now)
    member = teams.member(wish.member_id)
    if member is None:
        raise NobodyChosen()
    members.lock(member.team_id)
    before = queries.live(row.id)
    if before is not None:
        _take_from(actor, before, "换人去", now)
    chosen = next((c for c in queries.candidates(row, wish.start, wish.end, now) if c.who.id == member.id), None)
    if chosen is None:
        raise NobodyChosen()
    said = must_be_short(wish.why.strip(), "why", 200)
    if not chosen.who.can and not said:
        raise WhyMissing(f"{member.name}：{chosen.who.reason}。还是要派，请写理由。")
    states.fire(MACHINE, row, "assign", actor, now)
    with scope.system("the request's own case"):
        cases.stop_clock(row.case, "visit", now)
    order = _write(actor, row, member, wish, "" if chosen.who.can else said, now)
    audit.record(actor, "help.assign", "help_request", row.id, now, centre_id=row.centre_id, after={"order": order.id},
                 words=order.why)  # fmt: skip
    return order


def _write(actor: Actor, row: HelpRequest, member: TeamMember, wish: Wish, why: str, now: datetime) -> HelpOrder:
    visit = HelpVisit(
        request_id=row.id, centre_id=row.centre_id, member_id=member.id, at_from=wish.start, at_to=wish.end,
        token=secrets.token_urlsafe(16), set_at=now, set_by=actor.name[:40],
    )  # fmt: skip
    db.session.add(visit)
    db.session.flush()
    order = HelpOrder(
        request_id=row.id, centre_id=row.centre_id, member_id=member.id, visit_id=visit.id, offered_at=now,
        offered_by=actor.name[:40], why=why, answer_by=rules.answer_by(wish.start, now),
        token=secrets.token_urlsafe(16),
    )  # fmt: skip
    db.session.add(order)
    db.session.flush()
    states.note_new(ORDER, [order.id], OFFERED, "offer", actor, now)
    outbox.put("help.order_offered", f"{order.id}", {"id": order.id}, now)
    return order


def _take_from(actor: Actor, order: HelpOrder, reason: str, now: datetime) -> None:
    """The order ends, and its request can be given to somebody else."""
    states.fire(ORDER, order, "cancel", actor, now, reason)
    _call_off(order, now)
    states.fire(MACHINE, order.request, "unassign", actor, now)
    _tell_cancelled(order, now)


def _tell_cancelled(order: HelpOrder, now: datetime) -> None:
    outbox.put("help.order_cancelled", f"{order.id}", {"id": order.id}, now)


def _call_off(order: HelpOrder, now: datetime) -> None:
    if order.visit is not None and order.visit.status in VISIT.transition("call_off").sources:
        states.fire(VISIT, order.visit, "call_off", system_actor(), now)


def cancel(actor: Actor, order_id: int, now: datetime) -> HelpOrder:
    """不用去了: by whoever has the request. Raises NoSuchOrder, NotYourTurn, NoSuchTransition, Stale."""
    order = _found(order_id)
    _take_from(actor, order, "不用去了", now)
    return order


def _found(order_id: int) -> HelpOrder:
    found = queries.order(order_id)
    if found is None:
        raise NoSuchOrder()
    return found


def agreed(actor: Actor, order_id: int, now: datetime) -> HelpOrder:
    """The member said yes by telephone: noted by whoever has the request. Raises as `cancel`."""
    order = _found(order_id)
    states.fire(ORDER, order, "confirm", actor, now, values={"answered_at": now})
    audit.record(actor, "help.agreed", "help_request", order.request_id, now, centre_id=order.centre_id)
    return order


# The member -----------------------------------------------------------------------------------------------------------


def mine(actor: Actor, order_id: int, now: datetime) -> HelpOrder:
    """The order of one of this account's own places in teams. Raises NoSuchOrder for everybody else's."""
    own_ids = {m.id for m in members.link(actor, now)}
    with scope.system("a member's own order"):
        found = queries.order(order_id)
    if found is None or found.member_id not in own_ids:
        raise NoSuchOrder()
    return found


def answer(order: HelpOrder, yes: bool, reason: str, now: datetime) -> HelpOrder:
    """我去 or 去不了: then the request is back at the contact person. Raises OrderOver, WordsTooLong, Stale."""
    with scope.system("a member's own order"), _says_it_is_over(order):
        who, values = system_actor(MEMBER), {"answered_at": now}
        if yes:
            states.fire(ORDER, order, "confirm", who, now, values=values)
            return order
        said = must_be_short(reason.strip(), "reason", 200) or "去不了"
        states.fire(ORDER, order, "decline", who, now, said, values=values | {"decline_reason": said})
        _back(order, now)
    return order


def _back(order: HelpOrder, now: datetime) -> None:
    _call_off(order, now)
    if order.request.status in (ASSIGNED, GOING):
        states.fire(MACHINE, order.request, "unassign", system_actor(MEMBER), now)


@contextmanager
def _says_it_is_over(order: HelpOrder) -> Iterator[None]:
    """A button of an order that has ended since: said in its own words."""
    try:
        yield
    except (states.NoSuchTransition, Stale) as error:
        if order.status in (DECLINED, DONE, CANCELLED):
            raise OrderOver(f"这张派单：{ORDER.labels[order.status]}。") from error
        raise


def go(order: HelpOrder, now: datetime) -> HelpOrder:
    """On the way. Raises OrderOver, NoSuchTransition, Stale."""
    with scope.system("a member's own order"), _says_it_is_over(order):
        who = system_actor(MEMBER)
        values = {"going_at": now, "answered_at": order.answered_at or now}
        states.fire(ORDER, order, "go", who, now, values=values)
        if order.request.status in (ACCEPTED, ASSIGNED):  # else the centre has pressed it for him
            reviewing.move(who, order.request_id, "go", now)
    return order


def arrive(order: HelpOrder, now: datetime) -> HelpOrder:
    """There: in a home the timer begins. Raises OrderOver, NoSuchTransition, Stale."""
    with scope.system("a member's own order"), _says_it_is_over(order):
        who, kind = system_actor(MEMBER), help_kinds.of(order.request.kind)
        alone = kind is not None and kind.home_visit
        values = {"there_at": now, "check_by": now + rules.CHECK if alone else None, "check_told": 0}
        states.fire(ORDER, order, "arrive", who, now, values=values)
        if order.request.status == GOING:
            reviewing.move(who, order.request_id, "arrive", now)
    return order


def all_well(order: HelpOrder, now: datetime) -> HelpOrder:
    """平安: the timer begins again. Raises OrderOver."""
    with scope.system("a member's own order"):
        if order.status != THERE or order.check_by is None:
            raise OrderOver("现在不用报平安。")
        order.check_by, order.check_told = now + rules.CHECK, 0
        states.note(ORDER, order, "all_well", system_actor(MEMBER), now)
        db.session.flush()
    return order


def finish(order: HelpOrder, words: str, now: datetime) -> HelpOrder:
    """Done, in words that the person reads. Raises OrderOver, WordsTooLong, NoSuchTransition, Stale."""
    said = must_be_short(words.strip(), "words") or "已经办好"
    with scope.system("a member's own order"), _says_it_is_over(order):
        who = system_actor(MEMBER)
        values = {"done_at": now, "done_words": said, "check_by": None, "check_told": 0}
        states.fire(ORDER, order, "finish", who, now, values=values)
        _keep(order, now)
        if order.request.status in TAKEN:
            reviewing.finish(who, order.request_id, said, now)
    return order


def _keep(order: HelpOrder, now: datetime) -> None:
    if order.visit is not None and order.visit.status in VISIT.transition("keep").sources:
        states.fire(VISIT, order.visit, "keep", system_actor(), now)


def read(order: HelpOrder, now: datetime) -> tuple[str, str]:
    """Address and telephone for a member who has said yes; noted as a reading that the person sees (P8).

    Raises OrderOver before that and after the end.
    """
    if order.status not in (CONFIRMED, GOING, THERE):
        raise OrderOver("先点“我去”，才能看住址和电话。" if order.status == OFFERED else "")
    unit = order.member.team.name
    with scope.system("a member who has confirmed"):
        address = private_fields.read_for_member(order.request, "address", order.member.name, unit, now)
        phone = private_fields.read_for_member(order.request, "phone", order.member.name, unit, now)
    return address, phone


# By the clock ---------------------------------------------------------------------------------------------------------


def lapse(order: HelpOrder, now: datetime) -> None:
    """Two hours without an answer: back at the contact person. In the system's scope."""
    states.fire(ORDER, order, "lapse", system_actor(), now)
    _back(order, now)


def member_left(order: HelpOrder, now: datetime) -> None:
    """Whoever was to go has left the team by then: back at the contact person. In the system's scope."""
    said = "队员已离队"
    values = {"answered_at": now, "decline_reason": said}
    states.fire(ORDER, order, "decline", system_actor(), now, said, values=values)
    _back(order, now)


def follow(order: HelpOrder, now: datetime) -> None:
    """The request went another way (withdrawn, handed back …): nobody need go. In the system's scope.

    What the centre has marked as done for somebody who had said yes is done.
    """
    if order.request.status in (DONE, CONFIRMED) and order.status != OFFERED:
        states.fire(ORDER, order, "finish", system_actor(), now, values={"done_at": now, "check_by": None})
        _keep(order, now)
        return
    states.fire(ORDER, order, "cancel", system_actor(), now, "不用去了")
    _call_off(order, now)
    _tell_cancelled(order, now)


# The visit's time, moved by the person's link -------------------------------------------------------------------------


def slots(order: HelpOrder, now: datetime) -> list[tuple[datetime, datetime]]:
    """Other times of the same length when this member is free, in the next days. Read in the system's scope."""
    visit = order.visit
    if visit is None:
        return []
    today, length = clock.today(now), visit.at_to - visit.at_from
    with scope.system("free times of one member, for a visit's link"):
        found = free.slots(order.member, today, rules.MOVE_DAYS + 1, length, (visit.at_from, visit.at_to))
    return [s for s in found if s[0] > now + rules.MOVABLE and s != (visit.at_from, visit.at_to)]


def move_visit(token: str, start: datetime, now: datetime) -> HelpVisit:
    """The person takes another free time of the same member. Raises NoSuchOrder, CannotMove, SlotGone. Lock: team."""
    found = queries.visit_by_token(token)
    if found is None:
        raise NoSuchOrder()
    visit, order = found
    with scope.system("a visit's link"):
        members.lock(order.member.team_id)
        db.session.refresh(visit)
        db.session.refresh(order)
        if refusal := rules.may_move(order.status, visit.at_from, visit.moves, now):
            raise CannotMove(refusal)
        span = next((s for s in slots(order, now) if s[0] == start), None)
        if span is None:
            raise SlotGone()
        values = {"at_from": span[0], "at_to": span[1], "moves": visit.moves + 1, "set_at": now, "set_by": ""}
        states.fire(VISIT, visit, "move", system_actor("求助人"), now, values=values)
    return visit
