"""Opens an .xlsx workbook without trusting it and hands out its sheets as grids of text (SPEC C7)."""

import io
import itertools
import re
import warnings
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import openpyxl
from openpyxl.utils.cell import column_index_from_string, range_boundaries
from openpyxl.utils.datetime import CALENDAR_MAC_1904, from_excel

from portal.core.tables.grid import (
    DAYS_1904,
    MAX_COLUMNS,
    MAX_ROWS_READ,
    Cell,
    Marks,
    Merge,
    Sheet,
    Unreadable,
    cell_text,
    is_picture,
    spread,
    trimmed,
)

MAX_UNPACKED = 40 * 1024 * 1024  # with pictures, which are not unpacked
MAX_WORDS = 20 * 1024 * 1024  # of what is parsed
MAX_PARTS = 2000
MAX_MARKS = 500_000  # tags and attributes of all parts together: what parsing costs, whatever the bytes
_SAVE_ANEW = "请用 Excel 或 WPS 打开，另存为 .xlsx 格式后再上传"
_BROKEN = f"这个文件打不开，可能没有下载完整或已经损坏；{_SAVE_ANEW}"
_TOO_LARGE = "文件解开后太大；请把表格复制到一个新的 Excel 文件里再上传"
_ROW = re.compile(rb"<(?:\w+:)?row\b([^>]*)>")
_COL = re.compile(rb"<(?:\w+:)?col\b([^>]*)>")
_CELL = re.compile(rb"<(?:\w+:)?c\b([^>]*?)(?:/>|>(.*?)</(?:\w+:)?c>)", re.DOTALL)
_FORMULA = re.compile(rb"<(?:\w+:)?f\b[^>]*>([^<]*)")
_VALUE = re.compile(rb"<(?:\w+:)?(?:v|t)\b[^>]*>[^<]")
_ATTRIBUTE = re.compile(rb'\b(r|min|max|hidden|ht|t|vm)="([^"]*)"')
# A struck run of a cell's text is put between two signs of nobody's, for openpyxl gives the whole text.
_RUN = re.compile(
    rb"<((?:\w+:)?)r>\s*<\1rPr>((?:(?!</\1rPr>).)*)</\1rPr>\s*<\1t([^>]*)>([^<]*)</\1t>\s*</\1r>", re.DOTALL
)
_STRUCK = re.compile(rb'<(?:\w+:)?strike(?:\s*/>|\s+val="(?:1|true)")')
_FROM, _TO = "\ue0fe", "\ue0ff"
_STRUCK_WORDS = re.compile(f"{_FROM}[^{_TO}]*{_TO}")
_MERGE = re.compile(rb"<(?:\w+:)?mergeCell\b[^>]*?\bref=\"([A-Z]{1,3}\d{1,7}:[A-Z]{1,3}\d{1,7})\"")
# Strict Open XML names the same things by other addresses.
_STRICT = (
    (b"http://purl.oclc.org/ooxml/spreadsheetml/main", b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"),
    (b"http://purl.oclc.org/ooxml/drawingml/", b"http://schemas.openxmlformats.org/drawingml/2006/"),
    (b"http://purl.oclc.org/ooxml/officeDocument/", b"http://schemas.openxmlformats.org/officeDocument/2006/"),
)
# Numbers of China's own formats for dates, which openpyxl does not know: 1月9日, 2026年1月9日, 9时30分.
_DAY_FORMATS, _YEAR_FORMATS = {28, 29, 51, 53, 54, 58}, {27, 30, 31, 36, 50, 52, 57}
_HOUR_FORMATS = {32, 33, 34, 35, 55, 56}


def xlsx_sheets(data: bytes) -> list[Sheet]:
    """All worksheets of an .xlsx file in their order. Raises Unreadable, or what openpyxl raises when broken."""
    parts = _check_archive(data)
    with warnings.catch_warnings():
        # openpyxl warns of styles and validations it will not keep; only the texts matter here.
        warnings.simplefilter("ignore")
        return list(_read(parts))


def _check_archive(data: bytes) -> dict[str, bytes]:
    """The XML parts by name, sheets without the rows that nobody reads."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        words = [info for info in infos if info.filename.lower().endswith((".xml", ".rels", ".vml"))]
        unpacked, read = (sum(info.file_size for info in group) for group in (infos, words))
        if len(infos) > MAX_PARTS or unpacked > MAX_UNPACKED or read > MAX_WORDS:
            raise Unreadable(_TOO_LARGE)
        if any(info.flag_bits & 1 for info in infos):
            raise Unreadable("文件设了密码；请去掉密码，保存后再上传")
        if "xl/workbook.xml" not in {info.filename for info in infos}:
            raise Unreadable(f"这不是 Excel 的 .xlsx 工作簿；{_SAVE_ANEW}")
        parts = dict(_xml_parts(archive, words))
    if sum(part.count(b"<") + part.count(b"=") for part in parts.values()) > MAX_MARKS:
        raise Unreadable(_TOO_LARGE)
    return parts


def _xml_parts(archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo]) -> Iterator[tuple[str, bytes]]:
    for info in infos:
        part = archive.read(info)
        squeezed = part.replace(b"\x00", b"")  # also finds it in UTF-16
        if b"<!DOCTYPE" in squeezed or b"<!ENTITY" in squeezed:
            raise Unreadable(_BROKEN)
        if b"purl.oclc.org" in part:
            for strict, usual in _STRICT:
                part = part.replace(strict, usual)
        if b"strike" in part and info.filename.startswith(("xl/sharedStrings", "xl/worksheets/")):
            part = _RUN.sub(_marked, part)
        yield info.filename, _first_rows(part)


def _marked(run: re.Match[bytes]) -> bytes:
    if not _STRUCK.search(run[2]):
        return run[0]
    return b"<%br><%bt%b>%b%b%b</%bt></%br>" % (
        run[1], run[1], run[3], _FROM.encode(), run[4], _TO.encode(), run[1], run[1],
    )  # fmt: skip


def _first_rows(part: bytes) -> bytes:
    """A sheet cut at the first row too many: openpyxl would go through all of them, and programs write a million."""
    beyond = next(itertools.islice(_ROW.finditer(part), MAX_ROWS_READ, None), None)
    end = part.rfind(b"</", 0, part.rfind(b"sheetData>"))
    return part if beyond is None or end < beyond.start() else part[: beyond.start()] + part[end:]


def _packed(parts: dict[str, bytes]) -> bytes:
    """The workbook as openpyxl opens it, of these parts only."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return made.getvalue()


def _read(parts: dict[str, bytes]) -> Iterator[Sheet]:
    strikes = any(b"strike" in part for part in parts.values())
    packed = io.BytesIO(_packed(parts))
    book = openpyxl.load_workbook(packed, read_only=True, data_only=True)
    try:
        for sheet in book.worksheets:
            part = parts.get(str(getattr(sheet, "_worksheet_path", "")).lstrip("/"), b"")
            grid = _Grid(sheet, book.epoch, strikes)
            grid.unknown, grid.pictures = _formulas(part)
            rows, merges = grid.read(), _merges(part)
            spread(rows, merges)
            hidden = sheet.sheet_state != "visible"
            days = DAYS_1904 if book.epoch == CALENDAR_MAC_1904 else 0
            yield Sheet(sheet.title, hidden, rows, merges, grid.marks(part), days)
    finally:
        book.close()


def _attributes(tag: bytes) -> dict[bytes, bytes]:
    return dict(_ATTRIBUTE.findall(tag))


def _is_true(value: bytes | None) -> bool:
    return value in (b"1", b"true")


def _merges(part: bytes) -> tuple[Merge, ...]:
    """Read here because openpyxl would build every cell of a merged range."""
    found = []
    for match in _MERGE.findall(part)[:5000]:
        left, top, right, bottom = range_boundaries(match.decode())
        if left and top and right and bottom and top <= MAX_ROWS_READ and left <= MAX_COLUMNS:
            found.append(Merge(left, top, min(right, MAX_COLUMNS), min(bottom, MAX_ROWS_READ)))
    return tuple(found)


def _formulas(part: bytes) -> tuple[set[Cell], set[Cell]]:
    """Cells whose formula was saved without its result, and those that are pictures; openpyxl hides both."""
    unknown: set[Cell] = set()
    pictures: set[Cell] = set()
    if not re.search(rb"<(?:\w+:)?f\b|\bvm=", part):
        return unknown, pictures
    for tag, inside in _CELL.findall(part):
        attributes = _attributes(tag)
        reference = re.fullmatch(rb"([A-Z]{1,3})(\d{1,7})", attributes.get(b"r", b""))
        formula = _FORMULA.search(inside)
        if reference is None or (formula is None and b"vm" not in attributes):
            continue
        at = (int(reference[2]), column_index_from_string(reference[1].decode()))
        if b"vm" in attributes or (formula is not None and is_picture(formula[1].decode("utf-8", "replace"))):
            pictures.add(at)
        elif not _VALUE.search(inside):
            unknown.add(at)
    return unknown, pictures


def _hidden(part: bytes) -> tuple[set[int], set[int]]:
    """Rows (also those that a filter leaves out) and columns that are not shown."""
    rows: set[int] = set()
    columns: set[int] = set()
    number = 0
    for tag in itertools.islice(_ROW.findall(part), MAX_ROWS_READ):
        said = _attributes(tag)
        number = int(said[b"r"]) if said.get(b"r", b"").isdigit() else number + 1
        if _is_true(said.get(b"hidden")) or said.get(b"ht") in (b"0", b"0.0"):
            rows.add(number)
    for tag in _COL.findall(part):
        said = _attributes(tag)
        if _is_true(said.get(b"hidden")) and said.get(b"min", b"").isdigit() and said.get(b"max", b"").isdigit():
            columns.update(range(int(said[b"min"]), min(int(said[b"max"]), MAX_COLUMNS) + 1))
    return rows, columns


class _Grid:
    """Reads the cells of one sheet once."""

    def __init__(self, sheet: Any, epoch: datetime, strikes: bool) -> None:
        self.sheet, self.epoch, self.strikes = sheet, epoch, strikes
        self.unknown: set[Cell] = set()
        self.pictures: set[Cell] = set()
        self.struck: set[Cell] = set()
        self.years: dict[Cell, int] = {}

    def read(self) -> list[list[str]]:
        limits = {"min_row": 1, "min_col": 1, "max_row": MAX_ROWS_READ, "max_col": MAX_COLUMNS}
        rows = []
        for number, cells in enumerate(self.sheet.iter_rows(**limits), start=1):
            rows.append([self._text((number, column), cell) for column, cell in enumerate(cells, start=1)])
        return trimmed(rows)

    def marks(self, part: bytes) -> Marks:
        rows, columns = _hidden(part)
        return Marks(
            frozenset(self.unknown), frozenset(self.pictures), frozenset(self.struck), frozenset(rows),
            frozenset(columns), self.years,
        )  # fmt: skip

    def _text(self, at: Cell, cell: Any) -> str:
        value = cell.value
        if value is None:
            return ""
        if at in self.pictures or (isinstance(value, str) and is_picture(value)):
            self.pictures.add(at)
            return ""
        if cell.data_type == "e":
            self.unknown.add(at)
            return ""
        if isinstance(value, str) and _FROM in value:
            kept = _STRUCK_WORDS.sub("", value)
            if not kept.strip():
                self.struck.add(at)
            value = kept if kept.strip() else value.replace(_FROM, "").replace(_TO, "")
        if self.strikes and cell.font is not None and cell.font.strike:
            self.struck.add(at)
        if isinstance(value, date) or (isinstance(value, int | float) and not isinstance(value, bool)):
            return self._number(at, cell, value)
        return cell_text(value)

    def _number(self, at: Cell, cell: Any, value: Any) -> str:
        """A number, or the date or time that it stands for; a date as it is shown, with or without its year."""
        if isinstance(value, date):
            shown = re.sub(r'"[^"]*"|\[[^\]]*\]|\\.', "", cell.number_format or "").lower()
            yearless = "y" not in shown and "e" not in shown and "d" in shown
        else:
            kind = cell.style_array.numFmtId
            if kind not in _DAY_FORMATS | _YEAR_FORMATS | _HOUR_FORMATS or not 0 <= value < 73051:
                return cell_text(value)
            value = from_excel(value, self.epoch)
            if isinstance(value, timedelta):
                return cell_text(value)
            yearless = kind in _DAY_FORMATS and isinstance(value, date)
        if yearless:
            self.years[at] = value.year
        return cell_text(value, not yearless)
