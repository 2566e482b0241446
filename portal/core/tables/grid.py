"""A sheet as a grid of text, whatever file it came from, and the limits of what is read (SPEC C7, N2)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from portal.core.text import tidy

MAX_ROWS_READ = 3000
DAYS_1904 = 1462  # between the two ways in which workbooks count days
MAX_COLUMNS = 60
MAX_CELL = 5000
# WPS keeps a picture inside a cell as the formula =DISPIMG("ID_…",1); Excel's own is =IMAGE(…).
_PICTURE = re.compile(r"^\s*=?\s*(?:_xlfn\.)?(?:DISPIMG|IMAGE)\s*\(", re.IGNORECASE)

Cell = tuple[int, int]  # row and column from 1


class Unreadable(Exception):
    """The file as a whole cannot be used; `message` tells the centre what to do instead."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True)
class Merge:
    """A merged range; rows and columns counted from 1, both ends included."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True)
class Marks:
    """What a sheet says of its cells beside their text."""

    unknown: frozenset[Cell] = frozenset()  # a formula saved without its result or in error
    pictures: frozenset[Cell] = frozenset()
    struck: frozenset[Cell] = frozenset()
    hidden_rows: frozenset[int] = frozenset()
    hidden_columns: frozenset[int] = frozenset()
    unshown_years: dict[Cell, int] = field(default_factory=dict)  # a date shown as 1月9日: the year that Excel keeps


@dataclass(frozen=True)
class Sheet:
    """A worksheet as text. `rows[0]` is row 1; merged cells all carry the text of their first cell.

    days_from: what is added to a bare number before it is read as a day of Excel (1462 where days count from 1904).
    """

    name: str
    hidden: bool
    rows: list[list[str]]
    merges: tuple[Merge, ...] = ()
    marks: Marks = field(default_factory=Marks)
    days_from: int = 0

    def merge_at(self, row: int, column: int) -> Merge | None:
        """The merged range over a cell, rows and columns from 1."""
        for merge in self.merges:
            if merge.top <= row <= merge.bottom and merge.left <= column <= merge.right:
                return merge
        return None


def is_picture(text: str) -> bool:
    """Whether the text stands for a picture inside the cell."""
    return _PICTURE.match(text) is not None


def trimmed(rows: list[list[str]]) -> list[list[str]]:
    """Without the empty rows at the end."""
    while rows and not any(rows[-1]):
        rows.pop()
    return rows


def spread(rows: list[list[str]], merges: Iterable[Merge]) -> None:
    """Give every cell of a merged range the text of its first one."""
    for merge in merges:
        if merge.top > len(rows):
            continue
        text = rows[merge.top - 1][merge.left - 1] if merge.left <= len(rows[merge.top - 1]) else ""
        for row in rows[merge.top - 1 : min(merge.bottom, len(rows))]:
            row[len(row) :] = [""] * (merge.right - len(row))
            row[merge.left - 1 : merge.right] = [text] * (merge.right - merge.left + 1)


def cell_text(value: object, with_year: bool = True) -> str:
    """A cell as a person would read it: 30.0 → `30`, a date cell → `2026-12-03 15:00`; 5000 at most.

    with_year: False for a date that is shown without its year, then `12月3日`.
    """
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, date):
        day = value.strftime("%Y-%m-%d") if with_year else f"{value.month}月{value.day}日"
        hours = value.time() if isinstance(value, datetime) else time()
        return day if hours == time() else f"{day} {hours:%H:%M}"
    if isinstance(value, time):
        return value.strftime("%H:%M")
    if isinstance(value, timedelta):
        minutes = int(value.total_seconds()) // 60
        return f"{minutes // 60}:{minutes % 60:02d}"
    return tidy(str(value))[:MAX_CELL]
