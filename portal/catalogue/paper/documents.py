"""Paper of the month's issue: the A4 list, the A3 notice-board poster, an activity's QR poster (SPEC C10, Q7).

Everything printed comes in as plain frozen data, so a document can be made again later from what was kept of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from portal.core import pdf, typeset

#: More parts than this get a cover with a table of contents.
COVER_ABOVE = 6
#: Instead of a number of places: nobody signs up.
WALK_IN = "直接到场"


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
    """One centre in the list. short_name is what people call it (葵涌社区); the full name is used if it is empty.

    phone_of: whose number it is when it is not the centre's own (葵涌街道中心电话). hours: empty when not known.
    """

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
    phone_of: str = ""

    @property
    def label(self) -> str:
        return self.short_name or self.name


@dataclass(frozen=True)
class ListDocument:
    """A month's list of one centre, a subdistrict or the whole district. month is "YYYY-MM".

    responsible: the centre that answers for the list; network: the line above the title; phone_of: as a part's.
    since: the first day that is on it, when it is printed in the middle of the month.
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
    phone_of: str = ""
    since: date | None = None


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
    phone_of: str = ""


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


@dataclass(frozen=True)
class _Type:
    """What a kind of type of the A4 list takes of a page, in millimetres (list.css), and what a page then holds.

    whom: characters of an audience in one line; a longer one makes its row `tall`.
    """

    name: str
    row: float
    tall: float
    whom: int
    week: float
    weekly: float
    full: float = 236.5


_ROOMY, _PLAIN = _Type("roomy", 19.0, 0.0, 10, 11.3, 12.0), _Type("", 12.9, 3.0, 10, 8.9, 11.0)
_TIGHT, _CLOSE = _Type("tight", 12.1, 3.6, 10, 7.6, 9.4), _Type("close", 11.7, 4.2, 14, 6.4, 7.6, 238.0)
_HOURS, _GUIDE, _NEXT_PAGE = 4.5, 7.0, 255.0


def _fit(part: CentrePart, weeks: tuple[Week, ...]) -> tuple[str, int]:
    """How rows of a centre's list stand (the name of a type), and the number of the week that begins page two (or 0).

    No page holds a lonely box or two lonely lines: a month that just runs over stands closer, one of two pages is
    divided between two weeks, and where there is room the type is larger.
    """
    for kind in (_ROOMY, _PLAIN, _TIGHT, _CLOSE):
        if (weeks or kind is not _ROOMY) and sum(_spans(part, weeks, kind)) <= kind.full:
            return kind.name, 0
    for kind in (_ROOMY, _PLAIN):
        first, *spans, last = _spans(part, weeks, kind)
        cuts = [
            (abs(2 * (first + sum(spans[:n])) - sum(spans)), week.number)
            for n, week in enumerate(weeks)
            if n and first + sum(spans[:n]) <= kind.full and sum(spans[n:]) + last <= _NEXT_PAGE
        ]
        if cuts:
            return kind.name, min(cuts)[1]
    return "", 0


def _spans(part: CentrePart, weeks: tuple[Week, ...], kind: _Type) -> list[float]:
    """Heights of what is every week, of each week, and of what stands around them."""

    def height(rows: Iterable[ListRow]) -> float:
        return sum(kind.row + (kind.tall if kind.whom < len(row.audience) <= 20 else 0.0) for row in rows)

    around = (part.hours.count("；") + 1) * _HOURS + _GUIDE * (len(part.guides) + bool(part.guides))
    first = height(part.weekly) + (kind.weekly if part.weekly else 0.0)
    return [first, *(kind.week + height(week.rows) for week in weeks), around]


def monthly_list(document: ListDocument) -> pdf.PrintJob:
    """The A4 list: one part per centre, a cover with contents above COVER_ABOVE centres (C10).

    Raises: ValueError without parts.
    """
    parts = []
    for part in document.parts:
        weeks = weeks_of(document.month, part.rows)
        fit, second = _fit(part, weeks)
        html = pdf.html("list_part.html", part=part, weeks=weeks, fit=fit, second=second, **_said(document))
        parts.append(pdf.Part(part.label, html, ("base.css", "rows.css", "list.css")))
    return _book(document, parts, (195 * pdf.MM, 14.2 * pdf.MM, 9.5), ("base.css", "list_cover.css"))


def large_list(document: ListDocument) -> pdf.PrintJob:
    """The same list for old eyes (长辈版): A4 with no type below 18 points, the telephone on every sheet.

    Raises: ValueError without parts.
    """
    parts = []
    for part in document.parts:
        html = pdf.html("list_large.html", part=part, weeks=weeks_of(document.month, part.rows), **_said(document))
        parts.append(pdf.Part(part.label, html, ("base.css", "list_large.css")))
    css = ("base.css", "list_cover.css", "list_cover_large.css")
    return _book(document, parts, (195 * pdf.MM, 13.4 * pdf.MM, 18), css, large=True)


def _said(document: ListDocument) -> dict[str, Any]:
    year, month = typeset.month_words(document.month)
    return {"year": year, "month": month, "document": document}


def _book(
    document: ListDocument,
    parts: list[pdf.Part],
    number: tuple[float, float, float],
    css: tuple[str, ...],
    large: bool = False,
) -> pdf.PrintJob:
    """The parts with page numbers, and a cover when there are many."""
    said = _said(document)
    title = f"{document.scope_name} {said['year']}年{said['month']}月服务清单{'（长辈版）' if large else ''}"
    cover = ""
    if len(parts) > COVER_ABOVE:
        total = sum(len(part.rows) + len(part.weekly) for part in document.parts)
        cover = pdf.html("list_cover.html", title=title, total=total, large=large, **said)
    return pdf.PrintJob(tuple(parts), pdf.Frame(title, pdf.A4, number, cover=cover, css=css))


def activity_poster(poster: ActivityPoster) -> pdf.PrintJob:
    """The A4 poster of one activity, with its QR code (C10)."""
    return pdf.single(pdf.html("activity_poster.html", poster=poster), ("base.css", "qr_poster.css"))
