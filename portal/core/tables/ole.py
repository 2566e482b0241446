"""Old workbooks, .xls and WPS's .et, which hold the same streams (SPEC C7)."""

import io
import re
from datetime import time
from typing import Any

import xlrd

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

_LOCKED = "文件设了打开密码；请在 Excel 里去掉密码，保存后再上传"


def ole_sheets(data: bytes) -> list[Sheet]:
    """All worksheets. Raises Unreadable for a password; whatever the library raises for a broken file."""
    if "EncryptedPackage".encode("utf-16-le") in data:
        raise Unreadable(_LOCKED)
    try:
        # What the library says goes nowhere: the standard output carries our own answer.
        book = xlrd.open_workbook(file_contents=data, formatting_info=True, logfile=io.StringIO())
    except xlrd.XLRDError as refused:
        if "encrypt" in str(refused).lower() or "password" in str(refused).lower():
            raise Unreadable(_LOCKED) from refused
        raise
    return [_sheet(book, sheet) for sheet in book.sheets()]


def _sheet(book: Any, sheet: Any) -> Sheet:
    rows: list[list[str]] = []
    unknown: set[Cell] = set()
    pictures: set[Cell] = set()
    struck: set[Cell] = set()
    years: dict[Cell, int] = {}
    for row in range(min(sheet.nrows, MAX_ROWS_READ)):
        texts = []
        for column in range(min(sheet.row_len(row), MAX_COLUMNS)):
            at = (row + 1, column + 1)
            text, year, is_struck = _text(book, sheet, row, column)
            if sheet.cell_type(row, column) == xlrd.XL_CELL_ERROR:
                unknown.add(at)
            if year is not None:
                years[at] = year
            if is_struck:
                struck.add(at)
            if is_picture(text):
                pictures.add(at)
                text = ""
            texts.append(text)
        rows.append(texts)
    merges = tuple(_merges(sheet))
    spread(rows, merges)
    hidden = {number + 1 for number, info in sheet.rowinfo_map.items() if info.hidden or info.height == 0}
    columns = {number + 1 for number, info in sheet.colinfo_map.items() if info.hidden}
    marks = Marks(
        frozenset(unknown), frozenset(pictures), frozenset(struck), frozenset(hidden), frozenset(columns), years
    )
    return Sheet(sheet.name, sheet.visibility != 0, trimmed(rows), merges, marks, DAYS_1904 if book.datemode else 0)


def _merges(sheet: Any) -> list[Merge]:
    found = []
    for top, bottom, left, right in sheet.merged_cells[:5000]:
        if top < MAX_ROWS_READ and left < MAX_COLUMNS:
            found.append(Merge(left + 1, top + 1, min(right, MAX_COLUMNS), min(bottom, MAX_ROWS_READ)))
    return found


def _text(book: Any, sheet: Any, row: int, column: int) -> tuple[str, int | None, bool]:
    """A cell as read, the year of a date that is shown without one, and whether it is struck through."""
    kind, value = sheet.cell_type(row, column), sheet.cell_value(row, column)
    style = book.xf_list[sheet.cell_xf_index(row, column)]
    is_struck = bool(book.font_list[style.font_index].struck_out)
    if kind == xlrd.XL_CELL_DATE:
        shown = re.sub(r'"[^"]*"|\[[^\]]*\]', "", book.format_map[style.format_key].format_str).lower()
        return (*_moment(value, book.datemode, shown), is_struck)
    if kind == xlrd.XL_CELL_TEXT:
        kept = _unstruck(book, sheet, row, column, value)
        return cell_text(kept), None, bool(value) and (is_struck or not kept)
    if kind in (xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK, xlrd.XL_CELL_ERROR):
        return "", None, False
    return cell_text(value), None, is_struck


def _moment(value: float, datemode: int, shown: str) -> tuple[str, int | None]:
    if 0 <= value < 1:
        minutes = round(value * 24 * 60) % (24 * 60)
        return cell_text(time(minutes // 60, minutes % 60)), None
    moment = xlrd.xldate.xldate_as_datetime(round(value * 24 * 60) / (24 * 60) + 1e-9, datemode).replace(microsecond=0)
    # m"月"d"日" shows no year; 14 and 22 of Excel's own formats say m/d/yy.
    yearless = "y" not in shown and "e" not in shown and "d" in shown
    return cell_text(moment, not yearless), moment.year if yearless else None


def _unstruck(book: Any, sheet: Any, row: int, column: int, text: str) -> str:
    """The text without the runs that are struck through."""
    runs = sheet.rich_text_runlist_map.get((row, column))
    if not runs:
        return text
    kept, ends = text[: runs[0][0]], [start for start, _ in runs[1:]] + [len(text)]
    for (start, font), end in zip(runs, ends, strict=True):
        if not book.font_list[font].struck_out:
            kept += text[start:end]
    return kept
