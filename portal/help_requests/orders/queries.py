"""Reads of orders and visits. Whoever opens a link without a login reads in the system's scope, by the token alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time

from sqlalchemy import case, func, select
from sqlalchemy.orm import joinedload

from portal.cases.models import Case
from portal.centres import profile
from portal.core import clock, scope
from portal.core.db import db
from portal.help_requests import help_kinds
from portal.help_requests.models import DONE, ORDER_UNDONE, HelpAddress, HelpOrder, HelpReading, HelpRequest, HelpVisit
from portal.help_requests.orders import rules
from portal.teams import free
from portal.teams.free import Candidate
from portal.teams.models import Team, TeamMember
from portal.teams.rules import Busy

_REQUEST = joinedload(HelpOrder.request)
WHOLE = (
    _REQUEST.joinedload(HelpRequest.case).joinedload(Case.waits_at), _REQUEST.joinedload(HelpRequest.centre),
    _REQUEST.joinedload(HelpRequest.resident), _REQUEST.joinedload(HelpRequest.relative), joinedload(HelpOrder.visit),
    joinedload(HelpOrder.member).joinedload(TeamMember.team).joinedload(Team.centre),
)  # fmt: skip


def order(order_id: int) -> HelpOrder | None:
    """One of the caller's scope, with all that its pages show. One statement."""
    wanted = select(HelpOrder).where(HelpOrder.id == order_id).options(*WHOLE)
    return db.session.scalars(wanted).one_or_none()


def by_token(token: str) -> HelpOrder | None:
    """The order of a paper code."""
    with scope.system("a paper order's code"):
        return db.session.scalars(select(HelpOrder).where(HelpOrder.token == token).options(*WHOLE)).one_or_none()


def live(request_id: int) -> HelpOrder | None:
    """The order of a request that is not over. In the caller's scope."""
    wanted = select(HelpOrder).where(HelpOrder.request_id == request_id, HelpOrder.status.in_(ORDER_UNDONE))
    return db.session.scalars(wanted.options(*WHOLE).order_by(HelpOrder.id.desc()).limit(1)).first()


def of_request(request_id: int) -> list[HelpOrder]:
    """All orders of a request, the newest first. In the caller's scope."""
    wanted = select(HelpOrder).where(HelpOrder.request_id == request_id).options(*WHOLE)
    return list(db.session.scalars(wanted.order_by(HelpOrder.id.desc())))


def of_members(member_ids: Sequence[int]) -> list[HelpOrder]:
    """What these members have to do, the nearest first. One statement."""
    with scope.system("a member's own orders"):
        wanted = select(HelpOrder).where(HelpOrder.member_id.in_(member_ids), HelpOrder.status.in_(ORDER_UNDONE))
        rows = db.session.scalars(wanted.options(*WHOLE).order_by(HelpOrder.id))
        return sorted(rows, key=lambda o: (o.visit.at_from if o.visit else o.offered_at, o.id))


def visit_by_token(token: str) -> tuple[HelpVisit, HelpOrder] | None:
    """The visit of a message's link, and the order that stands for it."""
    with scope.system("a visit's link"):
        visit = db.session.scalars(select(HelpVisit).where(HelpVisit.token == token)).one_or_none()
        if visit is None:
            return None
        order = of_visit(visit.id)
        return (visit, order) if order is not None else None


@free.busy
def kept_by_orders(member_ids: Sequence[int], since: datetime, until: datetime) -> list[Busy]:
    """Visits of orders that are not over. One statement; of all requests, but no word of what they are about."""
    with scope.system("times only, so that nobody is sent twice at once"):
        wanted = select(HelpOrder.member_id, HelpVisit.at_from, HelpVisit.at_to, HelpRequest.kind).where(
            HelpOrder.visit_id == HelpVisit.id, HelpOrder.request_id == HelpRequest.id,
            HelpOrder.member_id.in_(member_ids), HelpOrder.status.in_(ORDER_UNDONE), HelpVisit.at_from < until,
            HelpVisit.at_to > since,
        )  # fmt: skip
        return [Busy(row.member_id, row.at_from, row.at_to, _what(row.kind)) for row in db.session.execute(wanted)]


def _what(kind: str) -> str:
    found = help_kinds.of(kind)
    return "上门" if found is not None and found.home_visit else "办事"


# Dispatch -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """A candidate with what orders know: for this person before, this month."""

    who: Candidate
    before: int
    month: int

    @property
    def reason(self) -> str:
        return f"{self.who.reason}；{rules.known_text(self.before, self.month)}" if self.who.can else self.who.reason


def skill_of(kind: str) -> str:
    """Which skill somebody needs for a kind of help; '' for none ([teams.help_skills] of the profile)."""
    return str(profile.current().teams.get("help_skills", {}).get(kind, ""))


# Of those who cannot, the ones with whom most could be done stand first.
NEAREST = {"rest": 1, "busy": 2, "off": 3, "skill": 4, "not_yet": 5, "left": 6}


def candidates(row: HelpRequest, start: datetime, end: datetime, now: datetime) -> list[Line]:
    """Everybody of the teams of who has the request and below, the best first: can, knows the person, sent least.

    Four statements, however many members.
    """
    found = free.candidates(start, end, path=row.case.waits_at.path, skill=skill_of(row.kind))
    known = _known([c.id for c in found], row.person_key, now)
    lines = [Line(c, *known.get(c.id, (0, 0))) for c in found]
    return sorted(
        lines, key=lambda one: (not one.who.can, NEAREST.get(one.who.code, 0), -one.before, one.month, one.who.id)
    )


def _known(ids: Sequence[int], person_key: str, now: datetime) -> dict[int, tuple[int, int]]:
    """By member: orders done for this person, orders of this month."""
    month = clock.at(clock.today(now).replace(day=1), time())
    before = func.sum(case((HelpRequest.person_key == person_key, 1), else_=0)).filter(HelpOrder.status == DONE)
    recent = func.sum(case((HelpOrder.offered_at >= month, 1), else_=0)).filter(
        HelpOrder.status.in_((*ORDER_UNDONE, DONE))
    )
    with scope.system("how often, nothing of what"):
        wanted = select(HelpOrder.member_id, func.coalesce(before, 0), func.coalesce(recent, 0))
        wanted = wanted.join(HelpRequest, HelpRequest.id == HelpOrder.request_id)
        rows = db.session.execute(wanted.where(HelpOrder.member_id.in_(ids)).group_by(HelpOrder.member_id))
        return {row[0]: (row[1], row[2]) for row in rows}


def of_visit(visit_id: int) -> HelpOrder | None:
    """The order for which a visit was set. In the caller's scope."""
    wanted = select(HelpOrder).where(HelpOrder.visit_id == visit_id).options(*WHOLE)
    return db.session.scalars(wanted.order_by(HelpOrder.id.desc()).limit(1)).first()


def read_lately(request_id: int, account_id: int, since: datetime) -> bool:
    """Whether this account has read the address on purpose since then. In the caller's scope."""
    wanted = select(HelpReading.id).where(
        HelpReading.request_id == request_id, HelpReading.account_id == account_id, HelpReading.field == "address",
        HelpReading.at >= since,
    )  # fmt: skip
    return db.session.scalar(wanted.limit(1)) is not None


@dataclass(frozen=True, slots=True)
class Printed:
    """What the paper order alone shows in full; the caller has noted the reading."""

    address: str
    phone: str


def printed(order: HelpOrder) -> Printed:
    """Address and number for the sheet."""
    with scope.system("a sheet whose reading was noted"):
        row = db.session.get(HelpAddress, order.request.address_id) if order.request.address_id else None
        relative = order.request.relative
        own = relative.phone if relative is not None and not order.request.caller_name else ""
        return Printed(row.text if row is not None else "", own or order.request.resident.phone or "")
