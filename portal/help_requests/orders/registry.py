"""Where orders show themselves: on the staff's open request, the resident's page and the member's page /m."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask import g

from portal.core import clock
from portal.core.access import Actor
from portal.core.registry import Part
from portal.help_requests import help_kinds, panes
from portal.help_requests import queries as requests
from portal.help_requests.models import ACCEPTED, ASSIGNED, GOING, ORDER_UNDONE, THERE, HelpOrder, HelpRequest
from portal.help_requests.orders import queries, rules
from portal.help_requests.states import ORDER_LABELS, has_it
from portal.teams import member_page
from portal.teams.models import TeamMember


@panes.staff
def on_staff_page(row: HelpRequest, actor: Actor, now: datetime) -> Part | None:
    """Whom it was given to, and the way to send somebody."""
    if row.status not in (ACCEPTED, ASSIGNED, GOING, THERE):
        return None
    may = has_it(row, actor) is None and actor.kind == "staff"
    return "help_requests/orders/_staff_pane.html", {
        "request": row, "orders": queries.of_request(row.id), "may": may, "labels": ORDER_LABELS,
        "undone": ORDER_UNDONE, "send": may and row.status in (ACCEPTED, ASSIGNED, GOING), "now": now,
    }  # fmt: skip


@panes.resident
def on_resident_page(row: HelpRequest, _actor: Actor, now: datetime) -> Part | None:
    """When somebody comes, and the link that moves it."""
    if row.status not in (ASSIGNED, GOING):
        return None
    order = queries.live(row.id)
    if order is None or order.visit is None or order.status == "offered":
        return None
    return "help_requests/orders/_resident_pane.html", {
        "visit": order.visit, "surname": order.member.name[:1], "team": order.member.team.name,
        "why_not": rules.may_move(order.status, order.visit.at_from, order.visit.moves, now),
    }  # fmt: skip


@member_page.part
def on_member_page(_actor: Actor, places: Sequence[TeamMember], now: datetime) -> Part:
    """A member's orders, the nearest first."""
    orders = queries.of_members([m.id for m in places])
    cards = [card(order, now) for order in orders if order.request.status in (ASSIGNED, GOING, THERE)]
    return "help_requests/orders/_mine.html", {"panel": {"cards": cards, "shown": g.get("orders_shown", {})}}


def card(order: HelpOrder, now: datetime) -> dict[str, Any]:
    """What the member's pages show of an order: masked until he has said yes and asks for the address."""
    row, kind = order.request, help_kinds.of(order.request.kind)
    later = order.visit is not None and clock.today(order.visit.at_from) != clock.today(now)
    return {
        "order": order, "kind": help_kinds.name(row.kind), "person": requests.person_of(row, clock.today(now)),
        "place": row.masked_address or row.centre.label, "home": kind is not None and kind.home_visit,
        "when": clock.span(order.visit.at_from, order.visit.at_to) if order.visit else "",
        "later": later, "centre": row.case.waits_at, "words": row.words if order.status != "offered" else "",
        "steps": rules.STEPS, "health": row.health, "label": ORDER_LABELS[order.status],
    }  # fmt: skip
