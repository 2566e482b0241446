"""The distribution map (党群服务导图, SPEC N4): outline and centres projected into a picture, without a database.

Coordinates are degrees as Chinese maps give them (GCJ-02), the outline's and the centres'. A picture is 1000 units
wide, north is up, and a degree of longitude is as long as it is there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

WIDTH, MARGIN = 1000.0, 0.06  # of the longer side, around what is shown
MOVES = 200  # rounds in which dots give each other room; a dozen do for a subdistrict
Point = tuple[float, float]  # longitude, latitude
Ring = tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Dot:
    """A centre in the picture. number: its place in the list, from 1; free: units to the nearest other dot."""

    number: int
    x: float
    y: float
    free: float = WIDTH


@dataclass(frozen=True, slots=True)
class Label:
    """Words beside a dot, their baseline at y. left: they end at x instead of beginning there."""

    number: int
    x: float
    y: float
    left: bool


@dataclass(frozen=True, slots=True)
class Drawing:
    """dots: in the order of the list, without those whose place is unknown or far outside. path: of an SVG."""

    height: int
    path: str
    dots: tuple[Dot, ...]


@dataclass(frozen=True, slots=True)
class _View:
    west: float
    north: float
    scale: float  # units a degree of latitude
    shrink: float  # a degree of longitude in degrees of latitude

    def at(self, lng: float, lat: float) -> tuple[float, float]:
        return (lng - self.west) * self.shrink * self.scale, (self.north - lat) * self.scale


def draw(
    points: Sequence[Point | None], outline: Sequence[Ring], gap: float = 0.0, whole: bool = True
) -> Drawing | None:
    """The picture of the places that are known; None when there are not two of them.

    outline: may be empty. whole: all of the outline is shown, and places far outside are left out; otherwise only the
    surroundings of the places. gap: dots are moved apart until so many units lie between them.
    """
    known = [(number, point) for number, point in enumerate(points, 1) if point is not None]
    if whole and outline:
        frame = [point for ring in outline for point in ring]
        known = [(number, point) for number, point in known if _within(point, frame)]
        frame = [*frame, *(point for _, point in known)]
    else:
        frame = [point for _, point in known]
    if len(known) < 2:
        return None
    view, height = _view(frame)
    at = apart([view.at(*point) for _, point in known], gap, height)
    dots = tuple(
        Dot(number, round(x, 1), round(y, 1), _free(place, at))
        for place, ((number, _), (x, y)) in enumerate(zip(known, at, strict=True))
    )
    return Drawing(round(height), _path(outline, view), dots)


def _within(point: Point, frame: Sequence[Point]) -> bool:
    """Whether it lies inside the frame or no further outside than a fifth of its size."""
    for axis in (0, 1):
        values = [p[axis] for p in frame]
        slack = (max(values) - min(values)) / 5
        if not min(values) - slack <= point[axis] <= max(values) + slack:
            return False
    return True


def _view(frame: Sequence[Point]) -> tuple[_View, float]:
    west, east = min(p[0] for p in frame), max(p[0] for p in frame)
    south, north = min(p[1] for p in frame), max(p[1] for p in frame)
    shrink = math.cos(math.radians((south + north) / 2))
    wide, tall = max((east - west) * shrink, 1e-4), max(north - south, 1e-4)
    margin = MARGIN * max(wide, tall)
    wide += 2 * margin
    tall = max(tall + 2 * margin, wide / 2)  # no picture is flatter than 2 : 1
    middle = (south + north) / 2
    scale = WIDTH / wide
    return _View(west - margin / shrink, middle + tall / 2, scale, shrink), tall * scale


def _path(outline: Sequence[Ring], view: _View) -> str:
    """Whole units; a point less than three from the one before says nothing more."""
    parts = []
    for ring in outline:
        kept: list[tuple[int, int]] = []
        for point in ring:
            x, y = view.at(*point)
            if not kept or math.hypot(x - kept[-1][0], y - kept[-1][1]) >= 3:
                kept.append((round(x), round(y)))
        if len(kept) > 2:
            parts.append("M" + " ".join(f"{x},{y}" for x, y in kept) + "Z")
    return "".join(parts)


def apart(points: Sequence[tuple[float, float]], gap: float, height: float) -> list[tuple[float, float]]:
    """The same points moved away from each other as little as needed until `gap` units lie between any two.

    They stay in the picture; where there is no room for it some remain closer.
    """
    # A little aside, each another way: dots of one address, or in one line, else have no way to give room.
    at = [[x + math.cos(2.4 * n), y + math.sin(2.4 * n)] if gap else [x, y] for n, (x, y) in enumerate(points)]
    for _ in range(MOVES if gap else 0):
        moved = False
        for one, other in combinations(at, 2):
            dx, dy = other[0] - one[0], other[1] - one[1]
            far = math.hypot(dx, dy) or 1e-6
            if far >= gap:
                continue
            push = (gap - far) / 2 + 0.05
            for point, sign in ((one, -1), (other, 1)):
                point[0] = min(max(point[0] + sign * push * dx / far, gap / 2), WIDTH - gap / 2)
                point[1] = min(max(point[1] + sign * push * dy / far, gap / 2), height - gap / 2)
            moved = True
        if not moved:
            break
    return [(x, y) for x, y in at]


def _free(place: int, at: Sequence[tuple[float, float]]) -> float:
    return round(min((math.dist(at[place], other) for n, other in enumerate(at) if n != place), default=WIDTH), 1)


@dataclass(frozen=True, slots=True)
class Type:
    """Of the words on a map, in its units: width of a character, height that a line of them needs, radius of a dot."""

    letter: float
    line: float
    radius: float


def labels(picture: Drawing, words: dict[int, str], kind: Type) -> list[Label]:
    """Words of the dots that have some, moved up or down until none covers another or leaves the picture, nor a dot if
    that can be. What finds no room is left out: it stands in the list.
    """
    taken: list[tuple[float, float, float]] = []  # left, right, baseline
    found: list[Label] = []
    for dot in picture.dots:
        if dot.number in words:
            place = _place(dot, len(words[dot.number]) * kind.letter, picture, kind, taken)
            if place is not None:
                start, end, y, left = place
                taken.append((start, end, y))
                found.append(Label(dot.number, round(end if left else start, 1), round(y, 1), left))
    return found


def _place(
    dot: Dot, width: float, picture: Drawing, kind: Type, taken: Sequence[tuple[float, float, float]]
) -> tuple[float, float, float, bool] | None:
    """Left, right, baseline and whether it ends at the dot: the nearest free place beside the dot."""
    aside = kind.radius + kind.letter * 0.3
    sides = [(dot.x + aside, dot.x + aside + width, False), (dot.x - aside - width, dot.x - aside, True)]
    sides = [side for side in sides if side[0] >= 0 and side[1] <= WIDTH]
    steps = sorted((n * kind.letter / 2 for n in range(-8, 9)), key=abs)
    for others in (picture.dots, ()):
        for step in steps:
            y = min(max(dot.y + kind.letter / 3 + step, kind.line), picture.height - kind.line / 4)
            for start, end, left in sides:
                if not any(
                    start < stop and end > begin and abs(y - base) < kind.line for begin, stop, base in taken
                ) and not any(
                    _covers(start, end, y - kind.letter / 3, other, kind) for other in others if other != dot
                ):
                    return start, end, y, left
    return None


def _covers(start: float, end: float, middle: float, dot: Dot, kind: Type) -> bool:
    reach = kind.radius
    return start - reach < dot.x < end + reach and abs(middle - dot.y) < kind.letter / 2 + reach
