"""What the outbox carries out for orders: every message (SPEC M1). A handler may be repeated; keys tell once."""

from datetime import datetime
from typing import Any

from portal.cases import ladder
from portal.core import clock, outbox
from portal.help_requests.handlers import staff_link
from portal.help_requests.models import CONFIRMED as AGREED
from portal.help_requests.models import GOING, OFFERED, THERE, HelpOrder
from portal.help_requests.orders import notices, queries
from portal.help_requests.states import KIND
from portal.notices.actions import Told, tell_residents, tell_staff, text_phone
from portal.teams import queries as teams
from portal.teams.models import CAPTAIN, CONTACT
from portal.teams.telling import tell, tell_or_centre


def _tell_member(order: HelpOrder, words: Any, key: str, now: datetime) -> None:
    """In the account he has; by text where there is a number and no account."""
    if not tell([order.member], words, "/m", f"order:{order.id}:{key}", now) and order.member.phone:
        body = f"{words.title}{words.body}"
        text_phone(order.member.phone, body, words.kind, f"order:{order.id}:{key}", now, urgent=False)


@outbox.handler("help.order_offered")
def on_offered(payload: dict[str, Any], now: datetime) -> None:
    order = queries.order(payload["id"])
    if order is not None and order.status == OFFERED:
        _tell_member(order, notices.offered(order), "offered", now)


@outbox.handler("help.order_cancelled")
def on_cancelled(payload: dict[str, Any], now: datetime) -> None:
    order = queries.order(payload["id"])
    if order is not None:
        _tell_member(order, notices.cancelled(order), "cancelled", now)


@outbox.handler("help.order_declined")
def on_back(payload: dict[str, Any], now: datetime) -> None:
    """Declined, or no answer: the contact person sends somebody else."""
    order = queries.order(payload["id"])
    if order is None:
        return
    people = teams.told_of(order.member.team_id, CONTACT, clock.today(now))
    key = f"order:{order.id}:back"
    tell_or_centre(people, order.request.case.waits_at, notices.back(order), staff_link(order.request_id), key, now)


@outbox.handler("help.order_confirmed")
def on_confirmed(payload: dict[str, Any], now: datetime) -> None:
    """The person who asked hears when somebody comes, with the link that moves it."""
    order = queries.order(payload["id"])
    if order is None or order.visit is None or order.status not in (AGREED, GOING, THERE):
        return
    words = notices.coming(order)
    told = Told(order.request.resident_id, f"visit:{order.visit.id}", link=f"/visit/{order.visit.token}")
    sms = not order.request.by_phone
    tell_residents([told], words.kind, words.title, words.body, "", now, sms=sms, with_link=True)


@outbox.handler("help.visit_moved")
def on_moved(payload: dict[str, Any], now: datetime) -> None:
    """The member and the contact person."""
    order = queries.of_visit(payload["id"])
    if order is None:
        return
    words, key = notices.moved(order), f"moved:{payload['history_id']}"
    _tell_member(order, words, key, now)
    people = teams.told_of(order.member.team_id, CONTACT, clock.today(now))
    others = [m for m in people if m.id != order.member_id]
    tell_or_centre(others, order.request.case.waits_at, words, staff_link(order.request_id), key, now)


@outbox.handler("help.check")
def on_check(payload: dict[str, Any], now: datetime) -> None:
    """Step 1 to the member; 2 to the captain and to whoever has the request."""
    order = queries.order(payload["id"])
    if order is None or order.status != THERE or order.check_by is None:
        return
    if int(order.check_by.timestamp()) != payload["since"]:
        return  # he has given a sign since
    key = f"check:{payload['since']}:{payload['step']}"
    if payload["step"] == 1:
        _tell_member(order, notices.well(order), key, now)
        return
    words, link = notices.no_sign(order), staff_link(order.request_id)
    captains = teams.told_of(order.member.team_id, CAPTAIN, clock.today(now))
    at = set(ladder.people_at(order.request.case.waits_at, KIND.permission))
    tell_staff(at, words.kind, words.title, words.body, link, f"order:{order.id}:{key}", now)
    tell([m for m in captains if m.staff_id not in at], words, link, f"order:{order.id}:{key}", now)
