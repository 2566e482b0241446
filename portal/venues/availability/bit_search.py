"""Which of all rooms are free for a wish (SPEC V2), in a few steps: every room is one bit of a number.

A day is cut where any room's free time begins or ends; each stretch knows the rooms that are free all through it. A
room is free for a span when it is free in every stretch that the span touches, for two free times of one room never
touch each other. What is worked out is kept with the board (`Board.part`) and ends with it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from datetime import date, datetime, time
from typing import NamedTuple

from portal.core import clock
from portal.venues import rules
from portal.venues.availability import room_snapshot
from portal.venues.availability.room_snapshot import ONE, Board, Room
from portal.venues.models import EVERYBODY
from portal.venues.rules import Span, Terms
from portal.venues.rules.eligibility import may_book


class Free(NamedTuple):
    """One day of all rooms. rooms[i]: free all through from edges[i] to the next edge. any: free at some time."""

    edges: list[datetime]
    rooms: list[int]
    any: int

    def all_through(self, span: Span) -> int:
        """The rooms that are free from start to end."""
        at = bisect_right(self.edges, span.start) - 1
        if at < 0:
            return 0
        found = self.rooms[at]
        for free in self.rooms[at + 1 : bisect_left(self.edges, span.end)]:
            found &= free
        return found


def bits(seen: Board) -> dict[int, int]:
    """Each room's bit."""
    found: dict[int, int] = seen.part("bits", lambda: {room: 1 << place for place, room in enumerate(seen.rooms)})
    return found


def _kept(seen: Board, key: tuple[object, ...], wanted: Callable[[Room], bool]) -> int:
    """The rooms for which `wanted` is true; asked once for each key."""
    bit = bits(seen)
    found: int = seen.part(key, lambda: sum(bit[r.id] for r in seen.rooms.values() if wanted(r)))
    return found


def suiting(seen: Board, function: str, kind: str, home_path: str | None) -> int:
    """Rooms for this use, of this kind, that somebody with this home may book; '' and None: whatever."""
    found = _kept(seen, ("open", home_path), lambda r: r.who_may == EVERYBODY or may_book(r, home_path) is None)
    if function:
        found &= _kept(seen, ("function", function), lambda r: function in r.functions)
    if kind:
        found &= _kept(seen, ("kind", kind), lambda r: r.kind == kind)
    return found


def large(seen: Board, people: int) -> int:
    """Rooms that hold so many people, or of unknown size."""
    return _kept(seen, ("people", people), lambda r: r.capacity is None or r.capacity >= people)


def day(seen: Board, on: date) -> Free:
    """What is free on a local day. At most one statement."""
    found: Free = seen.part(on, lambda: _cut(bits(seen), seen.week(seen.rooms.values(), on, 1)))
    return found


def _cut(bit: dict[int, int], sheets: dict[int, list[room_snapshot.Sheet]]) -> Free:
    changes: dict[datetime, int] = {}
    some = 0
    for room, (sheet,) in sheets.items():
        for span in sheet.day.free:
            changes[span.start] = changes.get(span.start, 0) ^ bit[room]
            changes[span.end] = changes.get(span.end, 0) ^ bit[room]
            some |= bit[room]
    edges, rooms, now = sorted(changes), [], 0
    for edge in edges:
        now ^= changes[edge]
        rooms.append(now)
    return Free(edges, rooms, some)


def free_for(seen: Board, on: date, span: Span, now: datetime) -> int:
    """Rooms in which `span`, which begins on the day `on`, may be booked now, whatever their size."""
    if span.end > clock.at(on + ONE, time()):
        return _over_midnight(seen, on, span, now)
    found = day(seen, on).all_through(span)
    return found & _right_length(seen, span) if found else 0


def _right_length(seen: Board, span: Span) -> int:
    """Rooms whose lengths and grid allow the span. A handful of groups, however many rooms there are."""

    def group() -> list[tuple[Terms, int]]:
        bit = bits(seen)
        found: dict[tuple[int, int, int], tuple[Terms, int]] = {}
        for room, terms in seen.terms.items():
            first, rooms = found.get((terms.shortest, terms.longest, terms.step), (terms, 0))
            found[terms.shortest, terms.longest, terms.step] = first, rooms | bit[room]
        return list(found.values())

    groups: list[tuple[Terms, int]] = seen.part("groups", group)
    return sum(rooms for terms, rooms in groups if _allowed(terms, span))


def _allowed(terms: Terms, span: Span) -> bool:
    return (
        terms.shortest <= span.minutes <= rules.longest_of(terms)
        and rules.wall_minutes(span.start, terms.zone) % terms.step == 0
        and rules.wall_minutes(span.end, terms.zone) % terms.step == 0
    )


def _over_midnight(seen: Board, on: date, span: Span, now: datetime) -> int:
    """Few rooms stay open so long: each is asked by the rules."""
    bit, found = bits(seen), 0
    for room, (sheet,) in seen.week(seen.rooms.values(), on, 1).items():
        held = rules.held(span, seen.rooms[room].buffer)
        if rules.refusal(seen.terms[room], span, None, now) is None and not any(
            rules.collides(held, t) for t in sheet.taken
        ):
            found |= bit[room]
    return found


def chosen(rooms: Iterable[Room], seen: Board, wanted: int, first: int, count: int) -> list[Room]:
    """`count` of the wanted rooms in the order of `rooms`, after the first `first` of them."""
    bit, found = bits(seen), []
    for room in rooms:
        if wanted & bit[room.id]:
            if first:
                first -= 1
                continue
            found.append(room)
            if len(found) == count:
                break
    return found
