"""The manual of a community's officer: one A4 sheet (SPEC Q7)."""

from dataclasses import dataclass
from datetime import date

from portal.core import pdf


@dataclass(frozen=True)
class Moment:
    """When: '11月22日 18:00 前', '每天'. what: what is done then; how: where, in a line or two."""

    when: str
    what: str
    how: str


@dataclass(frozen=True)
class Manual:
    """centre: whose manual; above: whom to ask, phone: their number ('' when nobody's is known). url: of the sign-in.

    month: the moments of one month in order. days: what happens any day, as (title, text).
    """

    centre: str
    network: str
    month_name: str
    month: tuple[Moment, ...]
    days: tuple[tuple[str, str], ...]
    above: str
    phone: str
    url: str
    issued_on: date


def manual(told: Manual) -> pdf.PrintJob:
    """The A4 sheet with the code of the sign-in page."""
    return pdf.single(pdf.html("manual.html", manual=told), ("base.css", "manual.css"))
