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


@dataclass(frozen=True)
class AtlasRow:
    """A centre of the printed map. number: of its dot, 0 when its place is not known."""

    number: int
    name: str
    address: str
    phone: str


@dataclass(frozen=True)
class AtlasDot:
    """x, y: in the units of the map's picture, which is 1000 wide."""

    number: int
    x: float
    y: float


@dataclass(frozen=True)
class Atlas:
    """The distribution map on paper. groups: (name of the branch, its centres). path: the outline, of an SVG.

    height: of the picture, 0 without one. url: of the page of all centres. phone: whom to ask, '' when not known.
    """

    district: str
    groups: tuple[tuple[str, tuple[AtlasRow, ...]], ...]
    height: int
    path: str
    dots: tuple[AtlasDot, ...]
    names: tuple[tuple[str, float, float, bool], ...]  # words, x, y, and whether they end there
    issuer: str
    phone: str
    issued_on: date
    url: str

    @property
    def count(self) -> int:
        return sum(len(rows) for _, rows in self.groups)


def atlas(told: Atlas, paper: str) -> pdf.PrintJob:
    """paper: 'a4' or 'a3'."""
    return pdf.single(pdf.html("atlas.html", atlas=told), ("base.css", "atlas.css", f"atlas_{paper}.css"))
