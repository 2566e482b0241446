"""All centres as a list and as a drawn map (党群服务导图, SPEC N4); nearest first when the phone shares its place."""

from dataclasses import dataclass, replace

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
    label_y: int = 0  # 0: no label
    label_left: bool = False  # the label ends at the dot instead of beginning there


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
    return labelled(dots), height


LABELLED_DEPTH, LABEL_HEIGHT, LABEL_WIDTH = 3, 50, 46  # a line of a label, and a character, in the picture's units


def labelled(dots: list[Dot]) -> list[Dot]:
    """Labels for the upper levels, moved down until none covers another; higher levels choose first."""
    taken: list[tuple[float, float, float]] = []  # left, right, baseline
    places: dict[str, Dot] = {}
    for dot in sorted((d for d in dots if d.depth < LABELLED_DEPTH), key=lambda d: (d.depth, d.y)):
        width, left = len(dot.label) * LABEL_WIDTH, dot.x >= 500
        start = dot.x - 22 - width if left else dot.x + 22
        y = dot.y + 16.0
        while any(start < r and start + width > a and abs(y - base) < LABEL_HEIGHT for a, r, base in taken):
            y += LABEL_HEIGHT
        taken.append((start, start + width, y))
        places[dot.code] = replace(dot, label_y=round(y), label_left=left)
    return [places.get(dot.code, dot) for dot in dots]
