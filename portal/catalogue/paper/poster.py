"""The A3 notice-board poster: rows are measured, and their type grows until the sheets are full (SPEC C10, Q7).

Read from two metres: at scale 1 a title has 26 pt, everything else of a row 20 pt, a code 20 mm. Nothing is ever set
smaller; what does not fit goes on one more sheet, and all columns of a centre end together. Measures are millimetres.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil

from portal.catalogue.paper.documents import WALK_IN, CentrePart, GuideRow, ListDocument, ListRow, weeks_of
from portal.core import pdf, typeset

PT = 25.4 / 72
WIDTH, HEIGHT, MARGIN = 297.0, 420.0, 18.0
INNER = WIDTH - 2 * MARGIN
#: Points of a row's words and title at scale 1, and the side of its code: the least that is read from two metres.
TEXT, TITLE, CODE = 20.0, 26.0, 20.5
_STEPS = tuple(step / 100 for step in range(240, 99, -4))
_WIDE_BAND, _BAND, _TALL_BAND = 64.0, 44.5, 92.0
_ROOMY_FROM = 1.2  # from this scale on there is room for the tall band
_TITLE_LINE, _TEXT_LINE = 1.16, 1.22  # poster.css
_QUIET = 3.0  # four modules of a code stay white between it and the next
_EDGES = 3.5  # white between band, rows and foot
_AIR = 0.3  # white above and below a row's words at scale 1
_STRETCH = 1.6  # so much higher than its words a row may be, to fill a sheet
_GAP = 9.0  # between two columns
_NARROW_TEXT = 18.0  # em of a line beside the phone number in the foot


@dataclass(frozen=True)
class Block:
    """Something on a sheet. kind: row, head (a centre's name on a shared sheet), guides, nothing."""

    kind: str
    part: CentrePart
    row: ListRow | None = None
    guides: tuple[GuideRow, ...] = ()
    rule: str = "thin"  # the line below: thin, or thick where a week (or what is every week) ends
    days: tuple[str, ...] = ()  # of a weekly row, in lines
    hours: str = ""


@dataclass(frozen=True)
class _Words:
    """A row's words: how high they stand, lines of its title and below it, whether the audience needs its own line.

    chars: of the title on a line; beside: what is kept for the places beside it, in em.
    """

    height: float
    titles: int
    texts: int
    under: bool
    chars: int
    beside: float

    @property
    def pleasant(self) -> bool:
        """Bigger type than needed must not break a row into many lines."""
        return self.titles <= 2 and self.texts <= 3


@dataclass(frozen=True)
class Placed:
    """A block at its place; pad: white above its words."""

    block: Block
    top: float
    height: float
    pad: float
    words: _Words | None = None
    inside: bool = False  # its code stands in the inner one of two columns of codes


@dataclass(frozen=True)
class Sheet:
    """One sheet: scale of the type, heights of band and foot, width of a text column, blocks by column."""

    scale: float
    band: float
    foot: float
    code: float
    width: float
    columns: tuple[tuple[Placed, ...], ...]
    zigzag: bool = False

    @property
    def left(self) -> tuple[float, ...]:
        return tuple(MARGIN + n * (self.width + _GAP) for n in range(len(self.columns)))


@dataclass(frozen=True)
class _Shape:
    """How a sheet is divided: in one or two columns, codes in one column or in two alternating ones."""

    columns: int = 1
    zigzag: bool = False

    @property
    def width(self) -> float:
        return (INNER - _GAP * (self.columns - 1)) / self.columns

    def code(self, scale: float) -> float:
        return CODE if self.columns == 2 or self.zigzag else min(CODE * scale, 42.0)

    def text(self, scale: float) -> float:
        """Width of a row's words."""
        codes = self.code(scale) * (1 + self.zigzag) + (_QUIET if self.zigzag else 0.0) + 5.0
        return self.width - codes - (0.0 if self.columns == 2 else day_width(scale))


_ONE, _ZIGZAG, _TWO = _Shape(), _Shape(zigzag=True), _Shape(columns=2)


def day_width(scale: float) -> float:
    """Of the column with the day."""
    return 33.0 * scale


def board_poster(document: ListDocument) -> pdf.PrintJob:
    """The A3 poster: each centre's month fills its own sheets; neighbours with few rows share one (C10).

    Raises: ValueError without parts.
    """
    year, month = typeset.month_words(document.month)
    title = f"{document.scope_name} {year}年{month}月服务清单"
    parts = []
    for group in _groups(document):
        shared = group if len(group) > 1 else ()
        html = pdf.html(
            "poster.html", document=document, year=year, month=month, title=title, part=None if shared else group[0],
            sheets=sheets(document, group), foot=_foot_lines(document, None if shared else group[0]),
            day_width=day_width,
        )  # fmt: skip
        parts.append(pdf.Part("、".join(part.label for part in group), html, ("base.css", "poster.css")))
    number = ((WIDTH - MARGIN) * pdf.MM, 4.6 * pdf.MM, 14)
    return pdf.PrintJob(tuple(parts), pdf.Frame(title, pdf.A3, number))


def _groups(document: ListDocument) -> list[tuple[CentrePart, ...]]:
    """Neighbours together as long as they fill no more than one sheet in the smallest type."""
    groups: list[tuple[CentrePart, ...]] = []
    for part in document.parts:
        if groups and _fits_one((*groups[-1], part), document):
            groups[-1] = (*groups[-1], part)
        else:
            groups.append((part,))
    return groups


def _fits_one(group: tuple[CentrePart, ...], document: ListDocument) -> bool:
    blocks = _blocks(document.month, group)
    room = HEIGHT - _BAND - foot_height(document, None, 1.0) - _EDGES
    return any(sum(_height(b, 1.0, shape) for b in blocks) <= room for shape in (_ONE, _ZIGZAG))


# What stands on it ----------------------------------------------------------------------------------------------------


def _blocks(month: str, group: Sequence[CentrePart]) -> list[Block]:
    """What is to be placed, in order: what is every week first, then the days; guides last."""
    found: list[Block] = []
    for part in group:
        if len(group) > 1:
            found = [*found[:-1], *(replace(last, rule="") for last in found[-1:]), Block("head", part)]
        rows = [Block("row", part, row, days=_days(row)[0], hours=_days(row)[1]) for row in part.weekly]
        rows = _ended(rows)
        if not part.rows:
            rows.append(Block("nothing", part))
        for week in weeks_of(month, part.rows):
            rows += _ended([Block("row", part, row, hours=row.when_text) for row in week.rows])
        found += rows
        if part.guides:
            found.append(Block("guides", part, guides=part.guides, rule=""))
    return found


def _ended(rows: list[Block]) -> list[Block]:
    return [*rows[:-1], *(replace(row, rule="thick") for row in rows[-1:])]


def _days(row: ListRow) -> tuple[tuple[str, ...], str]:
    """A weekly row's days in lines of about four characters, and its hours: 每周一 至周五, 16:30–18:00."""
    days, _, hours = row.when_text.partition(" ")
    if not hours or typeset.width(days) > 12:
        return ("每周",), row.when_text
    if typeset.width(days) == 5:
        days = days.removeprefix("每")  # 周六、日 in one line rather than 日 alone
    lines = [""]
    for piece in days.replace("至", "\0至").replace("、", "、\0").split("\0"):
        if lines[-1] and typeset.width(lines[-1] + piece) > 4:
            lines.append("")
        lines[-1] += piece
    return tuple(lines), hours


# How high it is -------------------------------------------------------------------------------------------------------


def lines_of(text: float, width: float) -> int:
    """How many lines `text` (em) takes on lines of `width` (em): wrapped ones may end three characters early."""
    return 1 if text <= width else ceil(text / max(width - 2.5, 4.0))


def _needs(block: Block, row: ListRow, scale: float, shape: _Shape) -> _Words:
    """What a row's words need."""
    days, hours = block.days, block.hours
    line = shape.text(scale) / (TEXT * scale * PT)  # em of the words
    said = typeset.width(hours) + 1 + typeset.width(row.place)
    title = typeset.width(row.title) + (typeset.width(row.status_text) + 1.5 if row.status_text else 0.0)
    beside = typeset.width(row.capacity_text) + (1.6 if row.capacity_text == WALK_IN else 0.7)
    if shape.columns == 2:
        titles = lines_of(title, line * TEXT / TITLE)
        texts = lines_of(typeset.width(row.place + row.audience) + 1.4 + beside, line)
        lead = typeset.width("".join(days)) + 1.0 if days else 4.9  # the day and a gap
        firsts = 0.15 + lines_of(lead + typeset.width(hours), line)
        high = titles * TITLE * _TITLE_LINE + (firsts + texts) * TEXT * _TEXT_LINE
        return _Words(scale * PT * high, titles, texts, False, int(line * TEXT / TITLE), 0.0)
    first = (line - beside) * TEXT / TITLE
    titles = lines_of(title, first)
    chars = len(row.title) if titles == 1 else int(first)
    under = said + 1 + typeset.width(row.audience) > line
    texts = lines_of(said, line) + lines_of(typeset.width(row.audience), line) if under else 1
    high = scale * PT * (titles * TITLE * _TITLE_LINE + texts * TEXT * _TEXT_LINE)
    return _Words(high, titles, texts, under, chars, beside)


def _height(block: Block, scale: float, shape: _Shape) -> float:
    """The least height of a block."""
    line = TEXT * _TEXT_LINE * scale * PT
    if block.kind == "row" and block.row is not None:
        words = _needs(block, block.row, scale, shape).height + 2 * _AIR * scale
        words = max(words, (len(block.days) * line + 2 * _AIR) if shape.columns == 1 else 0.0)
        return max(words, CODE - 1.0) if shape.zigzag else max(words, shape.code(scale) + _QUIET)
    if block.kind == "head":
        return CODE + 9.0
    if block.kind == "guides":
        text = shape.width / (TEXT * scale * PT)
        tall = sum(lines_of(typeset.width(g.title + g.note + g.phone) + 3, text) for g in block.guides)
        return (tall + 1.6) * line + 4.0
    return 4 * TITLE * scale * PT * 1.5


# Where it stands ------------------------------------------------------------------------------------------------------


def sheets(document: ListDocument, group: tuple[CentrePart, ...]) -> list[Sheet]:
    """The fewest sheets; of those the widest columns; of those the biggest type."""
    blocks = _blocks(document.month, group)
    part = group[0] if len(group) == 1 else None
    for count in range(1, len(blocks) + 1):
        for shape in (_ONE, _ZIGZAG, _TWO) if part is not None else (_ONE, _ZIGZAG):
            for scale in _STEPS:
                found = _try(document, part, blocks, count, shape, scale)
                if found is not None:
                    return found
    # One block a sheet, higher than the sheet: a title of hundreds of characters. It is shown as far as it goes.
    return [_sheet(document, part, [[block]], _ONE, 1.0) for block in blocks]


def _try(
    document: ListDocument, part: CentrePart | None, blocks: list[Block], count: int, shape: _Shape, scale: float
) -> list[Sheet] | None:
    """The blocks on `count` sheets, or None when they do not fit."""
    if shape is not _ONE and scale > 1.12:
        return None  # codes in a zigzag and narrow columns are for months that need them
    if scale > 1.0 and any(b.row and not _needs(b, b.row, scale, shape).pleasant for b in blocks):
        return None
    room = HEIGHT - _band(scale) - foot_height(document, part, scale) - _EDGES
    columns = _shared_out(blocks, count * shape.columns, scale, shape)
    if any(not column or sum(_height(b, scale, shape) for b in column) > room for column in columns):
        return None
    per = shape.columns
    return [_sheet(document, part, columns[n : n + per], shape, scale) for n in range(0, len(columns), per)]


def _shared_out(blocks: list[Block], count: int, scale: float, shape: _Shape) -> list[list[Block]]:
    """The blocks in order in `count` columns of about the same height."""
    columns: list[list[Block]] = [[] for _ in range(count)]
    heights = [_height(block, scale, shape) for block in blocks]
    total, before = sum(heights), 0.0
    for block, height in zip(blocks, heights, strict=True):
        columns[min(int((before + height / 2) / total * count), count - 1)].append(block)
        before += height
    return columns


def _band(scale: float) -> float:
    return _WIDE_BAND if scale >= _ROOMY_FROM else _BAND


def _sheet(
    document: ListDocument, part: CentrePart | None, columns: list[list[Block]], shape: _Shape, scale: float
) -> Sheet:
    """Place the blocks; what is left of the sheet goes to the rows, then to the band."""
    band, foot = _band(scale), foot_height(document, part, scale)
    most = max(sum(_most(b, scale, shape) for b in column) for column in columns)
    if HEIGHT - foot - most - _EDGES >= _TALL_BAND:
        band = _TALL_BAND
    room = HEIGHT - band - foot - _EDGES
    top = band + _EDGES * 0.6
    placed = tuple(tuple(_stacked(column, top, room, shape, scale)) for column in columns)
    return Sheet(scale, band, foot, shape.code(scale), shape.width, placed, shape.zigzag)


def _most(block: Block, scale: float, shape: _Shape) -> float:
    return _height(block, scale, shape) * (_STRETCH if block.kind == "row" else 1.0)


def _stacked(column: list[Block], top: float, room: float, shape: _Shape, scale: float) -> Iterator[Placed]:
    heights = [_height(block, scale, shape) for block in column]
    rows = sum(height for block, height in zip(column, heights, strict=True) if block.kind == "row")
    spare = room - sum(heights)
    grown = min(1.0 + spare / rows, _STRETCH) if rows else 1.0
    # What even then is left stands below and above in equal parts.
    top += max(0.0, (spare - rows * (grown - 1.0)) / 2)
    inside = False
    for block, least in zip(column, heights, strict=True):
        if block.kind == "row" and block.row is not None:
            height, words = least * grown, _needs(block, block.row, scale, shape)
            inside = not inside and shape.zigzag
            yield Placed(block, top, height, max(0.0, (height - words.height) / 2), words, inside)
        else:
            height = least
            yield Placed(block, top, height, 0.0)
        top += height


# The foot -------------------------------------------------------------------------------------------------------------


def _foot_lines(document: ListDocument, part: CentrePart | None) -> tuple[str, ...]:
    """What stands beside the phone number: opening hours as far as they are known, the address."""
    if part is None:
        return ()
    hours = [line for line in part.hours.split("；") if line]
    if hours and typeset.width(hours[0]) <= _NARROW_TEXT - 3:
        hours[0] += " 开门" if "（" not in hours[0] else ""
    return (*hours, *([part.address] if part.address else []))


def foot_height(document: ListDocument, part: CentrePart | None, scale: float) -> float:
    """The foot holds the phone number, what `_foot_lines` says and the line of issue; as high as it must be."""
    beside = sum(lines_of(typeset.width(line), _NARROW_TEXT) for line in _foot_lines(document, part))
    call = 33.0 if scale >= _ROOMY_FROM else 27.5
    # Beside: its white above, its lines, and below them the line of issue with the page number (poster.css).
    return max(call + 8.0, 3.6 + beside * TEXT * 1.25 * PT + 10.9)
