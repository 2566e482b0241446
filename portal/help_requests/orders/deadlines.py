"""What of orders is due: no answer in two hours, no sign from somebody alone in a home, requests that went another way.

The database says what is due; marks move in the transaction of the outbox row, so two schedulers tell once (SPEC H7).
"""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Select, literal, select, union_all, update

from portal.core import clock, outbox, registry, scope
from portal.core.db import db, hit, writing
from portal.help_requests.models import (
    ASSIGNED,
    CONFIRMED,
    GOING,
    OFFERED,
    ORDER_UNDONE,
    THERE,
    HelpOrder,
    HelpRequest,
)
from portal.help_requests.orders import actions, queries, rules
from portal.teams.models import TeamMember

AHEAD = (OFFERED, CONFIRMED)


@registry.due
def orders(now: datetime) -> int:
    """What nobody answered, whose member leaves before the visit, whose request went another way: one statement finds
    them, and each is looked at again under its lock. Returns how many moved."""
    with scope.system("orders that are due"):
        found = db.session.execute(union_all(_unanswered(now), _of_leavers(), _of_others())).all()
        db.session.rollback()
        done = 0
        for step, number in found:
            with writing():
                done += STEPS[step](number, now)
        return done


def _unanswered(now: datetime) -> Select[str, int]:
    due = select(literal("lapse"), HelpOrder.id)
    return due.where(HelpOrder.status == OFFERED, HelpOrder.answer_by <= now)


def _of_leavers() -> Select[str, int]:
    """Orders of members who will have left the team when they should come go back to the contact person."""
    theirs = select(literal("left"), HelpOrder.id).join(TeamMember, TeamMember.id == HelpOrder.member_id)
    return theirs.where(HelpOrder.status.in_(AHEAD), TeamMember.until.is_not(None))


def _of_others() -> Select[str, int]:
    """Requests that were withdrawn, handed back or given to somebody else: nobody need go."""
    theirs = select(literal("follow"), HelpOrder.id).join(HelpRequest, HelpRequest.id == HelpOrder.request_id)
    return theirs.where(HelpOrder.status.in_(ORDER_UNDONE), HelpRequest.status.not_in((ASSIGNED, GOING, THERE)))


def _locked(order_id: int) -> HelpOrder | None:
    db.session.execute(select(HelpOrder.id).where(HelpOrder.id == order_id).with_for_update())
    return queries.order(order_id)


def _lapse(order_id: int, now: datetime) -> int:
    order = _locked(order_id)
    if order is None or order.status != OFFERED or order.answer_by is None or order.answer_by > now:
        return 0
    actions.lapse(order, now)
    return 1


def _left(order_id: int, now: datetime) -> int:
    order = _locked(order_id)
    if order is None or order.status not in AHEAD or order.visit is None:
        return 0
    if order.member.serves(clock.today(order.visit.at_from)):
        return 0
    actions.member_left(order, now)
    return 1


def _follow(order_id: int, now: datetime) -> int:
    order = _locked(order_id)
    if order is None or order.status not in ORDER_UNDONE or order.request.status in (ASSIGNED, GOING, THERE):
        return 0
    actions.follow(order, now)
    return 1


STEPS: dict[str, Callable[[int, datetime], int]] = {"lapse": _lapse, "left": _left, "follow": _follow}


@registry.due
def no_sign(now: datetime) -> int:
    """Alone in a home: the member is asked after 60 minutes, the captain and the community hear of it 15 later."""
    wanted = select(HelpOrder.id, HelpOrder.check_by, HelpOrder.check_told).where(
        HelpOrder.check_by <= now, HelpOrder.check_told < 2, HelpOrder.status == THERE
    )
    with scope.system("members alone in a home"):
        rows = db.session.execute(wanted.order_by(HelpOrder.id)).all()
        db.session.rollback()
        return sum(_mark(row.id, row.check_by, row.check_told, now) for row in rows)


def _mark(order_id: int, check_by: datetime, told: int, now: datetime) -> int:
    step = rules.check_step(check_by, now)
    if step <= told:
        return 0
    with writing():
        mark = update(HelpOrder).where(
            HelpOrder.id == order_id, HelpOrder.check_by == check_by, HelpOrder.check_told == told,
            HelpOrder.status == THERE,
        )  # fmt: skip
        if not hit(mark.values(check_told=step), synchronize_session=False):
            return 0
        since = int(check_by.timestamp())
        outbox.put("help.check", f"{order_id}:{since}:{step}", {"id": order_id, "since": since, "step": step}, now)
        return 1
