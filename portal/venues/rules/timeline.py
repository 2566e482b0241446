"""A day of rooms as a table: half-hour columns, and blocks that span them (SPEC V2). Pure, no database.

Everything in minutes after local midnight of the day shown; what began yesterday or ends tomorrow is cut off.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from portal.centres.rules import clock_text
from portal.venues.rules import Span, Terms, open_spans
from portal.venues.rules.opening_hours import MINUTE, midnight

STEP = 30  # minutes of a column
DAY_END = 1440
USUAL = (9 * 60, 18 * 60)  # shown when no room opens


@dataclass(frozen=True, slots=True)
class Held:
    """Something that takes a room: in use [start, end), kept free after it until `until`."""

    start: int
    end: int
    until: int
    item: Any


@dataclass(frozen=True, slots=True)
class Shut:
    """A closure in [start, end), and why."""

    start: int
    end: int
    reason: str


@dataclass(frozen=True, slots=True)
class Block:
    """One cell of the table. kind: held, tidy (the buffer), shut, off (outside the hours), past, free."""

    kind: str
    start: int
    end: int
    items: tuple[Any, ...] = ()
    reason: str = ""
    now: bool = False  # the present half hour begins here

    @property
    def columns(self) -> int:
        return (self.end - self.start) // STEP


def minutes_of(span: Span, day: date) -> tuple[int, int]:
    """A span as minutes of `day`, cut at both midnights."""
    first = midnight(day)
    return tuple(min(max((at - first) // MINUTE, 0), DAY_END) for at in (span.start, span.end))  # type: ignore[return-value]


def minute_now(day: date, now: datetime) -> int:
    """Minutes of `day` that are over: 0 before it, 1440 after it."""
    return min(max((now - midnight(day)) // MINUTE, 0), DAY_END)


def bounds(pairs: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """First and last minute that the table shows, on full hours."""
    found = [pair for pair in pairs if pair[0] < pair[1]] or [USUAL]
    first, last = min(p[0] for p in found), max(p[1] for p in found)
    return first // 60 * 60, min(-(-last // 60) * 60, DAY_END)


def opening_minutes(terms: Terms, day: date) -> list[tuple[int, int]]:
    """When a room is open on `day`, closures taken off."""
    return [minutes_of(span, day) for span in open_spans(terms, day)]


def row(
    first: int, last: int, opened: Sequence[tuple[int, int]], shut: Sequence[Shut], held: Sequence[Held], passed: int,
    today: bool = True,
) -> list[Block]:  # fmt: skip
    """The cells of one room from minute `first` to `last`, in order and without gaps.

    passed: minutes of the day that are over. today: whether the moment `passed` is marked.
    """
    marked = passed if today else -1
    blocks = _groups(first, last, held, marked)
    busy = {column for b in blocks for column in range(b.start, b.end, STEP)}
    for column in range(first, last, STEP):
        if column in busy:
            continue
        block = _empty(column, opened, shut, held, passed, marked)
        before = blocks[-1] if blocks else None
        if before and block.kind != "free" and _same(before, block):
            blocks[-1] = Block(block.kind, before.start, block.end, (), block.reason, before.now or block.now)
        else:
            blocks.append(block)
    return sorted(blocks, key=lambda b: b.start)


def _same(a: Block, b: Block) -> bool:
    return (a.kind, a.reason, a.end, False) == (b.kind, b.reason, b.start, b.now)  # the mark of now begins a cell


def _groups(first: int, last: int, held: Sequence[Held], marked: int) -> list[Block]:
    """Blocks of what is held; two within the same half hour share one."""
    found: list[list[Any]] = []  # [start, end, items]
    for one in sorted(held, key=lambda h: (h.start, h.end)):
        start, end = max(one.start // STEP * STEP, first), min(-(-one.end // STEP) * STEP, last)
        if start >= end:
            continue
        if found and start < found[-1][1]:
            if end - found[-1][1] >= STEP and one.start >= found[-1][1] - STEP:
                start = found[-1][1]  # shares only the last half hour of the one before
            else:
                found[-1][1] = max(found[-1][1], end)
                found[-1][2].append(one.item)
                continue
        found.append([start, end, [one.item]])
    return [Block("held", s, e, tuple(items), now=s <= marked < s + STEP) for s, e, items in found]


def _empty(
    column: int, opened: Sequence[tuple[int, int]], shut: Sequence[Shut], held: Sequence[Held], passed: int, marked: int
) -> Block:
    end = column + STEP
    now = column <= marked < end
    closed = next((s for s in shut if s.start < end and s.end > column), None)
    if closed is not None:
        return Block("shut", column, end, reason=closed.reason, now=now)
    if not any(a < end and b > column for a, b in opened):
        return Block("off", column, end, now=now)
    if end <= passed:
        return Block("past", column, end, now=now)
    if any(h.end < end and h.until > column for h in held):
        return Block("tidy", column, end, now=now)
    return Block("free", column, end, now=now)


def free_text(blocks: Sequence[Block]) -> str:
    """'9:00–12:00、14:00–18:00': what is still free, for narrow screens."""
    spans: list[list[int]] = []
    for block in blocks:
        if block.kind != "free":
            continue
        if spans and spans[-1][1] == block.start:
            spans[-1][1] = block.end
        else:
            spans.append([block.start, block.end])
    return "、".join(f"{clock_text(a)}–{clock_text(b)}" for a, b in spans)
