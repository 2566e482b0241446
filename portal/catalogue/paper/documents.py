"""Paper of the month's issue: the A4 list, the A3 notice-board poster, an activity's QR poster (SPEC C10, Q7).

Everything printed comes in as plain frozen data, so a document can be made again later from what was kept of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from math import ceil

from portal.core import pdf, typeset

#: More parts than this get a cover with a table of contents.
COVER_ABOVE = 6
# The A3 sheet of templates/print/poster_sheet.html, in millimetres: where strips stand and how high they are.
_STRIP_BOTTOM, _STRIP_HEIGHT = 37.0, 316.0
_STRIP_LEFT, _STRIP_RIGHT = 18.0, 153.5


@dataclass(frozen=True)
class ListRow:
    """One line of the list. `day` is None for a weekly row: then `when_text` says the weekdays too.

    status: "" as planned, "changed", "cancelled" or "full"; status_text is what the paper says ("时间有变").
    short_url is what the row's QR code holds; keep it at 53 characters at most, so that it stays small.
    """

    day: date | None
    title: str
    when_text: str
    place: str
    audience: str
    capacity_text: str
    category: str = ""
    short_url: str = ""
    status: str = ""
    status_text: str = ""


@dataclass(frozen=True)
class GuideRow:
    """A guide without sign-up: what it is about, whom to call, one line of help."""

    title: str
    phone: str = ""
    note: str = ""


@dataclass(frozen=True)
class CentrePart:
    """One centre in the list. short_name is what people call it (葵涌社区); the full name is used if it is empty."""

    code: str
    name: str
    phone: str
    address: str
    hours: str
    url: str
    rows: tuple[ListRow, ...] = ()
    weekly: tuple[ListRow, ...] = ()
    guides: tuple[GuideRow, ...] = ()
    short_name: str = ""
    responsible: str = ""

    @property
    def label(self) -> str:
        return self.short_name or self.name


@dataclass(frozen=True)
class ListDocument:
    """A month's list of one centre, a subdistrict or the whole district. month is "YYYY-MM".

    responsible: the centre that answers for the list; network: the line above the title.
    """

    month: str
    scope_name: str
    scope_level_label: str
    issued_on: date
    responsible: str
    phone: str
    url: str
    parts: tuple[CentrePart, ...]
    network: str = "党群服务阵地"


@dataclass(frozen=True)
class ActivityPoster:
    """An activity on one A4 sheet. when_lines: one line per session, as `12月13日（周日）8:30–11:00`."""

    title: str
    when_lines: tuple[str, ...]
    place: str
    audience: str
    capacity_text: str
    summary: str
    centre_name: str
    phone: str
    url: str
    issued_on: date
    fee_text: str = "免费"
    sign_up_text: str = "扫码报名"
    deadline_text: str = ""


@dataclass(frozen=True)
class Week:
    """A section of the list; number counts the month's weeks from 1."""

    number: int
    span: str
    rows: tuple[ListRow, ...]


def weeks_of(month: str, rows: Iterable[ListRow]) -> tuple[Week, ...]:
    """Return the rows by week, each week in order of day; weeks without rows are left out (C10)."""
    dated = sorted((row for row in rows if row.day is not None), key=lambda row: row.day or date.min)
    found = []
    for number, (first, last) in enumerate(typeset.weeks(month), start=1):
        inside = tuple(row for row in dated if row.day is not None and first <= row.day <= last)
        if inside:
            found.append(Week(number, typeset.day_range(first, last), inside))
    return tuple(found)


# What the type of the A4 list takes of a page in millimetres (list.css), and when tighter rows save a page.
_A4_WEEK, _A4_ROW, _A4_THIRD_LINE, _A4_WEEKLY, _A4_HOURS, _A4_GUIDE = 8.9, 12.9, 3.0, 11.0, 4.5, 7.0
_A4_FULL, _A4_TIGHT = 236.5, 255.0


def _is_tight(part: CentrePart, weeks: int) -> bool:
    """Whether the month would just run over its page: then rows stand closer, and no page holds two lonely lines."""
    rows = (*part.rows, *part.weekly)
    height = weeks * _A4_WEEK + len(rows) * _A4_ROW + (_A4_WEEKLY if part.weekly else 0.0)
    height += sum(_A4_THIRD_LINE for row in rows if 10 < len(row.audience) <= 20)
    height += (part.hours.count("；") + 1) * _A4_HOURS + _A4_GUIDE * (len(part.guides) + bool(part.guides))
    return _A4_FULL < height <= _A4_TIGHT


def monthly_list(document: ListDocument) -> pdf.PrintJob:
    """The A4 list: one part per centre, a cover with contents above COVER_ABOVE centres (C10).

    Raises: ValueError without parts.
    """
    year, month = typeset.month_words(document.month)
    said, parts = {"year": year, "month": month, "document": document}, []
    for part in document.parts:
        weeks = weeks_of(document.month, part.rows)
        html = pdf.html("list_part.html", part=part, weeks=weeks, tight=_is_tight(part, len(weeks)), **said)
        parts.append(pdf.Part(part.label, html, ("base.css", "rows.css", "list.css")))
    title = f"{document.scope_name} {year}年{month}月服务清单"
    cover = ""
    if len(parts) > COVER_ABOVE:
        total = sum(len(part.rows) + len(part.weekly) for part in document.parts)
        cover = pdf.html("list_cover.html", title=title, total=total, **said)
    number = (195 * pdf.MM, 14.2 * pdf.MM, 9.5)
    return pdf.PrintJob(tuple(parts), pdf.Frame(title, pdf.A4, number, cover=cover, css=("base.css", "list_cover.css")))


def board_poster(document: ListDocument) -> pdf.PrintJob:
    """The A3 notice-board poster; several centres stand side by side in two columns (C10).

    Raises: ValueError without parts.
    """
    year, month = typeset.month_words(document.month)
    single = len(document.parts) == 1
    size = _size(document) if single else "narrow"
    height = _strip_height(document, size) if single else _STRIP_HEIGHT
    groups = [document.parts] if single else _groups(document)
    said, parts = {"year": year, "month": month, "single": single}, []
    for group in groups:
        sections = [(part, weeks_of(document.month, part.rows)) for part in group]
        html = pdf.html("poster_strip.html", size=size, height=height, sections=sections, **said)
        parts.append(pdf.Part("、".join(part.label for part in group), html, ("base.css", "rows.css", "poster.css")))
    title = f"{document.scope_name} {year}年{month}月服务清单"
    sheet = pdf.html("poster_sheet.html", document=document, title=title, **said)
    bottom = _STRIP_BOTTOM + _STRIP_HEIGHT - height
    lefts = (_STRIP_LEFT, _STRIP_RIGHT) if size == "narrow" else (_STRIP_LEFT,)
    slots = tuple((left * pdf.MM, bottom * pdf.MM) for left in lefts)
    number, css = (279 * pdf.MM, 3.6 * pdf.MM, 11.5), ("base.css", "poster_sheet.css")
    return pdf.PrintJob(tuple(parts), pdf.Frame(title, pdf.A3, number, sheet=sheet, css=css, slots=slots))


@dataclass(frozen=True)
class _Type:
    """How much room (mm) rows take in one size of the poster's type; the sizes themselves are in poster.css.

    title_chars, text_chars: Chinese characters on a line.
    """

    row: float
    title_chars: int
    title: float
    text_chars: int
    text: float
    week: float


_TYPES = {
    "roomy": _Type(21.5, 16, 10.5, 22, 7.4, 15.5),
    "wide": _Type(17.0, 22, 8.5, 30, 6.2, 11.5),
    "narrow": _Type(15.6, 16, 6.6, 22, 5.25, 9.3),
}


def _height(month: str, part: CentrePart, size: str) -> float:
    """Return about how high (mm) a centre's month will be in the type `size`, without its heading."""
    kind = _TYPES[size]
    total = kind.week * len(weeks_of(month, part.rows)) + (0.0 if part.rows else 70.0)
    for row in (*part.rows, *part.weekly):
        text = row.when_text + row.place + (row.audience + row.capacity_text if size == "narrow" else "")
        titles = ceil(_width(row.title + row.status_text) / kind.title_chars)
        # Two or three wide gaps stand between the words.
        texts = ceil((_width(text) + 3) / kind.text_chars)
        total += max(kind.row, titles * kind.title + texts * kind.text + 1.6)
    return total + (12.0 if part.weekly else 0.0) + (16.0 + 8.0 * len(part.guides) if part.guides else 0.0)


def _width(text: str) -> float:
    """Return about how wide `text` is, in Chinese characters."""
    return sum(0.56 if char.isascii() or char == "–" else 1.0 for char in text)


def _size(document: ListDocument) -> str:
    """Choose the biggest type in which one centre's month still fits on one sheet."""
    heights = ((size, _height(document.month, document.parts[0], size)) for size in ("roomy", "wide"))
    return next((size for size, height in heights if height <= _STRIP_HEIGHT), "narrow")


def _strip_height(document: ListDocument, size: str) -> float:
    """Return how high (mm) the columns of a single centre should be, so that two of them end together."""
    total = _height(document.month, document.parts[0], size)
    if size != "narrow" or total * 1.1 > 2 * _STRIP_HEIGHT:
        return _STRIP_HEIGHT
    return min(_STRIP_HEIGHT, total * 0.56 + 10.0)


def _groups(document: ListDocument) -> list[tuple[CentrePart, ...]]:
    """Put neighbouring short centres into one column, so that no column stays nearly empty."""
    groups: list[list[CentrePart]] = []
    room = 0.0
    for part in document.parts:
        height = _height(document.month, part, "narrow") + 36.0
        if not groups or height > room:
            groups.append([])
            # A long month flows through several columns; what is left of its last one is room again.
            room = _STRIP_HEIGHT * max(1.0, -(-height // _STRIP_HEIGHT))
        groups[-1].append(part)
        room -= height
    return [tuple(group) for group in groups]


def activity_poster(poster: ActivityPoster) -> pdf.PrintJob:
    """The A4 poster of one activity, with its QR code (C10)."""
    return pdf.single(pdf.html("activity_poster.html", poster=poster), ("base.css", "qr_poster.css"))
