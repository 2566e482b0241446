"""Paper of accounts: slips with one-time passwords, to be cut apart and handed over (SPEC P11, Q7)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from portal.core import pdf

PER_SHEET = 8


@dataclass(frozen=True)
class Slip:
    """One person's. where: centre or department."""

    name: str
    where: str
    role: str
    username: str
    password: str


@dataclass(frozen=True)
class Slips:
    """All of one press. url: where to sign in; shown: the same as people type it. until: `12月1日 18:00`."""

    slips: tuple[Slip, ...]
    url: str
    until: str
    issuer: str
    printed_on: date

    @property
    def shown(self) -> str:
        return self.url.partition("://")[2]

    @property
    def sheets(self) -> Sequence[Sequence[Slip]]:
        """Eight on a sheet."""
        return [self.slips[i : i + PER_SHEET] for i in range(0, len(self.slips), PER_SHEET)]


def account_slips(slips: Slips) -> pdf.PrintJob:
    """A4 sheets with cut lines, one slip a person."""
    return pdf.single(pdf.html("account_slips.html", paper=slips), ("base.css", "account_slips.css"))
