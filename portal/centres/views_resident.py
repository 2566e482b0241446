"""All centres as a list and as a drawn map (党群服务导图, SPEC N4); nearest first when the phone shares its place."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, Response, request

from portal.centres import queries, rules
from portal.core import access, pages

bp = Blueprint("centres", __name__)


@dataclass(frozen=True, slots=True)
class Dot:
    """A centre on the drawn map: x, y in a 1000-wide picture."""

    code: str
    label: str
    x: int
    y: int
    depth: int


@bp.get("/centres")
@access.public
def list_() -> Response:
    """Every centre under its parent, found by name; the map shows those whose place is known."""
    q = request.args.get("q", "").strip()[:40]
    places = queries.places()
    shown = [p for p in places if q in p.name or q in p.address]
    dots, height = drawn(places)
    return pages.page(
        "centres/list.html", fragment="results", q=q, shown=shown, dots=dots, height=height,
        top_depth=min((p.depth for p in places), default=0),
    )  # fmt: skip


def drawn(places: list[queries.Place]) -> tuple[list[Dot], int]:
    """Centres with coordinates projected into a picture 1000 wide; its height. North is up."""
    known = [p for p in places if p.latitude is not None and p.longitude is not None]
    if len(known) < 2:
        return [], 0
    lats, lngs = [p.latitude or 0 for p in known], [p.longitude or 0 for p in known]
    wide = rules.distance_km(min(lats), min(lngs), min(lats), max(lngs)) or 1
    tall = rules.distance_km(min(lats), min(lngs), max(lats), min(lngs)) or 1
    height = round(880 * tall / wide) + 120
    dots = []
    for place, lat, lng in zip(known, lats, lngs, strict=True):
        x = 60 + 880 * (lng - min(lngs)) / ((max(lngs) - min(lngs)) or 1)
        y = height - 60 - (height - 120) * (lat - min(lats)) / ((max(lats) - min(lats)) or 1)
        dots.append(Dot(place.code, place.label, round(x), round(y), place.depth))
    return dots, height
