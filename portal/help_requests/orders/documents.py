"""派单 on A5: for members without a phone (SPEC H7). Holds an address: given by hand, brought back, torn up."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from portal.core import clock, pdf


@dataclass(frozen=True)
class OrderSheet:
    """url: what the code opens. centre_phone: whom the member rings."""

    number: int
    team: str
    member: str
    when: str
    kind: str
    person: str
    address: str
    phone: str
    words: str
    centre: str
    centre_phone: str
    url: str
    printed_on: date


def order_sheet(sheet: OrderSheet) -> pdf.PrintJob:
    """One A5 sheet."""
    return pdf.single(pdf.html("help_order.html", sheet=sheet), ("base.css", "help_order.css"))


def sheet_of(order: Any, now: datetime, url: str, shown: Any, kind: str, person: str) -> OrderSheet:
    """Of an order, with what was read for it (`queries.printed`)."""
    at = order.request.case.waits_at
    return OrderSheet(
        order.id, order.member.team.name, order.member.name,
        clock.span(order.visit.at_from, order.visit.at_to) if order.visit else "", kind, person, shown.address,
        shown.phone, order.request.words, at.name, at.phone, url, clock.today(now),
    )  # fmt: skip
