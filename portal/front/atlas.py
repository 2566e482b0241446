"""Every service centre as residents look for it: the nearest, by district, on the map (SPEC N4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from portal.centres import drawing, profile, queries, rules
from portal.centres.queries import Place
from portal.front import documents

NEAREST = 3
OPEN_UP_TO = 12  # so many centres a group shows without a press
SCREEN_GAP = 92.0  # between numbered dots, in units of a picture a phone shows 343 px wide: 30 px
SCREEN = drawing.Type(letter=52.0, line=130.0, radius=12.0)  # a phone's 16 px a character, 44 px to press


@dataclass(frozen=True, slots=True)
class Row:
    """A centre in a list. far: '2.1 公里' from the visitor's own, or ''."""

    place: Place
    opening: rules.Opening | None
    far: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """The centres of one branch of the tree, its head first."""

    head: Place
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Spot:
    """A dot that leads somewhere. reach: radius to press, 0 when its neighbours are too close: the list has it."""

    dot: drawing.Dot
    place: Place
    reach: float


@dataclass(frozen=True, slots=True)
class Chart:
    """The map of the whole (`names` lead to a group) or of one group (`spots` are numbered)."""

    picture: drawing.Drawing
    spots: tuple[Spot, ...]
    names: tuple[tuple[drawing.Label, Place], ...]


def rows_of(places: Sequence[Place], now: datetime, home: str = "") -> list[Row]:
    """In the order of the tree. home: code of the visitor's own centre, from which distances are told."""
    open_by_id = queries.openings(now)
    here = next((p for p in places if p.code == home and p.latitude is not None), None)
    return [Row(p, open_by_id.get(p.id), _far(here, p)) for p in places]


def _km(here: Place | None, place: Place) -> float | None:
    """None when either place is unknown, or the same."""
    if here is None or here.id == place.id or here.latitude is None or here.longitude is None:
        return None
    if place.latitude is None or place.longitude is None:
        return None
    return rules.distance_km(here.latitude, here.longitude, place.latitude, place.longitude)


def _far(here: Place | None, place: Place) -> str:
    km = _km(here, place)
    return "" if km is None else rules.distance_text(km)


def nearest(rows: Sequence[Row], home: str) -> list[Row]:
    """The visitor's own centre and those next to it, three in all; none when the own one is not known."""
    own = next((row for row in rows if row.place.code == home), None)
    if own is None:
        return []
    others = [(km, row) for row in rows if (km := _km(own.place, row.place)) is not None]
    others.sort(key=lambda pair: pair[0])
    return [own, *(row for _, row in others[: NEAREST - 1])]


def found(rows: Sequence[Row], words: str) -> list[Row]:
    """Those whose name, address or any higher centre's name holds each of the words."""
    names = {row.place.path: row.place.name for row in rows}

    def words_of(place: Place) -> str:
        steps = [i + 1 for i, letter in enumerate(place.path) if letter == "/"]
        return " ".join([place.name, place.address, *(names.get(place.path[:end], "") for end in steps)])

    return [row for row in rows if all(word in words_of(row.place) for word in words.split())]


def groups(rows: Sequence[Row]) -> list[Group]:
    """The branches of the first level that has several of them; what stands above them is a group of its own."""
    heads = _heads([row.place for row in rows])
    found = [Group(head, tuple(r for r in rows if r.place.path.startswith(head.path))) for head in heads]
    inside = {row.place.id for group in found for row in group.rows}
    above = tuple(row for row in rows if row.place.id not in inside)
    return ([Group(above[0].place, above)] if above else []) + found


def _heads(places: Sequence[Place]) -> list[Place]:
    parents = {place.path.rstrip("/").rsplit("/", 1)[0] + "/" for place in places}
    with_some = [place for place in places if place.path in parents]
    for depth in sorted({place.depth for place in with_some}):
        level = [place for place in with_some if place.depth == depth]
        if len(level) > 1:
            return level
    return []


def chart(rows: Sequence[Row], area: Group | None, heads: Sequence[Place]) -> Chart | None:
    """The map of a group, or of everything; None when too few places are known."""
    shown = [row.place for row in (area.rows if area else rows)]
    outline = profile.outline(profile.current().code)
    gap = SCREEN_GAP if area else 0.0
    picture = drawing.draw([_point(place) for place in shown], outline, gap, whole=area is None)
    if picture is None:
        return None
    by_number = dict(enumerate(shown, 1))
    spots = tuple(Spot(dot, by_number[dot.number], _reach(dot)) for dot in picture.dots)
    words = {n: place.label for n, place in by_number.items() if place in heads} if area is None else {}
    names = drawing.labels(picture, words, SCREEN)
    return Chart(picture, spots, tuple((label, by_number[label.number]) for label in names))


def _reach(dot: drawing.Dot) -> float:
    """Half-way to the next dot, 22 px at most; nothing under 12 px."""
    half = min(dot.free / 2, 64.0)
    return half if half >= 35 else 0.0


def _point(place: Place) -> drawing.Point | None:
    return None if place.latitude is None or place.longitude is None else (place.longitude, place.latitude)


PAPER_GAP = 28.0  # between the dots of the printed picture, in its units
PAPER = drawing.Type(letter=26.0, line=34.0, radius=14.0)


def sheet(rows: Sequence[Row], branches: Sequence[Group], today: date, url: str) -> documents.Atlas:
    """The printed map of everything, its numbers in the order of the tree. url: of the page of all centres."""
    current = profile.current()
    issuer = queries.by_code(current.root_staff_centre)
    outline = profile.outline(current.code)
    picture = drawing.draw([_point(row.place) for row in rows], outline, PAPER_GAP)
    number_of = {row.place.id: number for number, row in enumerate(rows, 1)}
    dots = picture.dots if picture else ()
    heads = {number_of[group.head.id]: group.head.label for group in branches if len(group.rows) > 1}
    names = drawing.labels(picture, heads, PAPER) if picture else []
    on_map = {dot.number for dot in dots}
    return documents.Atlas(
        district=current.name, height=picture.height if picture else 0, path=picture.path if picture else "",
        groups=tuple((_name(group, index), tuple(_line(row, number_of[row.place.id], on_map) for row in group.rows))
                     for index, group in enumerate(branches)),
        dots=tuple(documents.AtlasDot(dot.number, dot.x, dot.y) for dot in dots),
        names=tuple((heads[label.number], label.x, label.y, label.left) for label in names),
        issuer=issuer.name if issuer else current.name, phone=queries.telephone(issuer).number if issuer else "",
        issued_on=today, url=url,
    )  # fmt: skip


def _name(group: Group, index: int) -> str:
    return group.head.label if index else "、".join(row.place.label for row in group.rows[:2])


def _line(row: Row, number: int, on_map: set[int]) -> documents.AtlasRow:
    return documents.AtlasRow(number if number in on_map else 0, row.place.label, row.place.address, row.place.phone)
