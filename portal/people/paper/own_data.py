"""What the portal keeps of somebody, on paper for themselves (SPEC P8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from portal.core import pdf
from portal.people.own_words import Section


@dataclass(frozen=True)
class OwnData:
    """Everything of one person. product: whose portal it is."""

    name: str
    product: str
    printed_on: date
    sections: Sequence[Section]


def sheets(data: OwnData) -> pdf.PrintJob:
    """A4 sheets in type that is read without glasses at hand."""
    return pdf.single(pdf.html("own_data.html", data=data), ("base.css", "own_data.css"))
