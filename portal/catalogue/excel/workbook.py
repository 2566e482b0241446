"""Opens an uploaded workbook without trusting it and hands out its sheets as grids of text (SPEC C7)."""

import io
import itertools
import re
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import openpyxl
from openpyxl.utils.cell import range_boundaries

from portal.catalogue.timetext.parts import PlanUnreadable
from portal.catalogue.timetext.tidy import tidy
from portal.core.text import megabytes

MAX_BYTES = 2 * 1024 * 1024
MAX_UNPACKED = 20 * 1024 * 1024
MAX_PARTS = 1000
MAX_MARKS = 500_000  # tags and attributes of all parts together: what parsing costs, whatever the bytes
MAX_ROWS_READ = 3000
MAX_COLUMNS = 60
MAX_CELL = 5000
_NOT_XLSX = "请用 Excel 或 WPS 打开，另存为 .xlsx 格式后再上传"
_BROKEN = f"这个文件打不开，可能没有下载完整或已经损坏；{_NOT_XLSX}"
_TOO_LARGE = "文件解开后太大；请把服务清单复制到一个新的 Excel 文件里再上传"
_ROW = re.compile(rb"<(?:\w+:)?row[\s/>]")
_MERGE = re.compile(rb"<(?:\w+:)?mergeCell\b[^>]*?\bref=\"([A-Z]{1,3}\d{1,7}:[A-Z]{1,3}\d{1,7})\"")


@dataclass(frozen=True)
class Merge:
    """A merged range; rows and columns counted from 1, both ends included."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True)
class Sheet:
    """A worksheet as text. `rows[0]` is row 1; merged cells all carry the text of their first cell."""

    name: str
    hidden: bool
    rows: list[list[str]]
    merges: tuple[Merge, ...]
    unknown: frozenset[tuple[int, int]]

    def merge_at(self, row: int, column: int) -> Merge | None:
        """The merged range over a cell, rows and columns from 1."""
        for merge in self.merges:
            if merge.top <= row <= merge.bottom and merge.left <= column <= merge.right:
                return merge
        return None


def open_sheets(data: bytes) -> list[Sheet]:
    """All worksheets of an .xlsx file in their order.

    Raises PlanUnreadable, with what to do instead, for anything that is not a healthy workbook of
    at most MAX_BYTES: old .xls, password, broken zip, zip bomb, XML with a DTD.
    """
    _check_kind(data)
    parts = _check_archive(data)
    try:
        with warnings.catch_warnings():
            # openpyxl warns of styles and validations it will not keep; only the texts matter here.
            warnings.simplefilter("ignore")
            return list(_read(_packed(parts), {name: _merges(part) for name, part in parts.items()}))
    except PlanUnreadable:
        raise
    except Exception as broken:  # openpyxl raises whatever the broken XML leads it to
        raise PlanUnreadable(_BROKEN) from broken


def _check_kind(data: bytes) -> None:
    if not data:
        raise PlanUnreadable("这个文件是空的，请重新选择要上传的 Excel 文件")
    if len(data) > MAX_BYTES:
        raise PlanUnreadable(f"文件超过 {megabytes(MAX_BYTES)}；请去掉图片和多余的工作表后再上传")
    if data.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        if "EncryptedPackage".encode("utf-16-le") in data:
            raise PlanUnreadable("文件设了打开密码；请在 Excel 里去掉密码，保存后再上传")
        raise PlanUnreadable(f"这是旧版 .xls 格式；{_NOT_XLSX}")
    if not data.startswith(b"PK"):
        raise PlanUnreadable(f"这不是 Excel 文件（.xlsx）；{_NOT_XLSX}")


def _check_archive(data: bytes) -> dict[str, bytes]:
    """The XML parts by name, sheets without the rows that nobody reads."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            if len(infos) > MAX_PARTS or sum(info.file_size for info in infos) > MAX_UNPACKED:
                raise PlanUnreadable(_TOO_LARGE)
            if any(info.flag_bits & 1 for info in infos):
                raise PlanUnreadable("文件设了密码；请去掉密码，保存后再上传")
            names = {info.filename for info in infos}
            if "xl/workbook.xml" not in names:
                raise PlanUnreadable(f"这不是 Excel 的 .xlsx 工作簿；{_NOT_XLSX}")
            parts = dict(_xml_parts(archive, infos))
    except PlanUnreadable:
        raise
    except Exception as broken:  # BadZipFile, zlib.error, NotImplementedError, EOFError …
        raise PlanUnreadable(_BROKEN) from broken
    if sum(part.count(b"<") + part.count(b"=") for part in parts.values()) > MAX_MARKS:
        raise PlanUnreadable(_TOO_LARGE)
    return parts


def _xml_parts(archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo]) -> Iterator[tuple[str, bytes]]:
    for info in infos:
        if info.filename.lower().endswith((".xml", ".rels", ".vml")):
            part = archive.read(info)
            squeezed = part.replace(b"\x00", b"")  # also finds it in UTF-16
            if b"<!DOCTYPE" in squeezed or b"<!ENTITY" in squeezed:
                raise PlanUnreadable(_BROKEN)
            yield info.filename, _first_rows(part)


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


def _merges(part: bytes) -> tuple[Merge, ...]:
    """Read here because openpyxl would build every cell of a merged range."""
    found = []
    for match in _MERGE.findall(part)[:5000]:
        left, top, right, bottom = range_boundaries(match.decode())
        if left and top and right and bottom and top <= MAX_ROWS_READ and left <= MAX_COLUMNS:
            found.append(Merge(left, top, min(right, MAX_COLUMNS), min(bottom, MAX_ROWS_READ)))
    return tuple(found)


def _read(data: bytes, merges: dict[str, tuple[Merge, ...]]) -> Iterator[Sheet]:
    values = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    formulas = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=False)
    try:
        for sheet in values.worksheets:
            part = str(getattr(sheet, "_worksheet_path", "")).lstrip("/")
            rows, unknown = _grid(sheet, formulas[sheet.title])
            found = merges.get(part, ())
            _spread(rows, found)
            yield Sheet(sheet.title, sheet.sheet_state != "visible", rows, found, frozenset(unknown))
    finally:
        values.close()
        formulas.close()


def _grid(sheet: Any, with_formulas: Any) -> tuple[list[list[str]], set[tuple[int, int]]]:
    """Texts, and the cells (row, column from 1) whose formula was saved without its result or in error."""
    limits = {"min_row": 1, "min_col": 1, "max_row": MAX_ROWS_READ, "max_col": MAX_COLUMNS}
    rows: list[list[str]] = []
    unknown: set[tuple[int, int]] = set()
    pairs = zip(sheet.iter_rows(**limits), with_formulas.iter_rows(**limits), strict=False)
    for number, (shown, written) in enumerate(pairs, start=1):
        texts = []
        for column, (cell, source) in enumerate(zip(shown, written, strict=False), start=1):
            is_error = cell.data_type == "e"
            if is_error or (source.data_type == "f" and cell.value is None):
                unknown.add((number, column))
            texts.append("" if is_error else cell_text(cell.value))
        rows.append(texts)
    while rows and not any(rows[-1]):
        rows.pop()
    return rows, unknown


def _spread(rows: list[list[str]], merges: tuple[Merge, ...]) -> None:
    for merge in merges:
        if merge.top > len(rows):
            continue
        text = rows[merge.top - 1][merge.left - 1]
        for row in range(merge.top, min(merge.bottom, len(rows)) + 1):
            for column in range(merge.left, merge.right + 1):
                rows[row - 1][column - 1] = text


def cell_text(value: object) -> str:
    """A cell as a person would read it: 30.0 → `30`, a date cell → `2026-12-03 15:00`; 5000 at most."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d") if value.time() == time() else value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, time):
        return value.strftime("%H:%M")
    if isinstance(value, timedelta):
        minutes = int(value.total_seconds()) // 60
        return f"{minutes // 60}:{minutes % 60:02d}"
    return tidy(str(value))[:MAX_CELL]
