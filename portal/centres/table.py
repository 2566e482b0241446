"""The table of centres as a file: its columns, and what its cells say; no database (SPEC N2).

The same table is written (export) and read back (import): UTF-8 or GBK, .csv, .xlsx, .xls, .et. Its head is in the
words of the form or in the names of the columns, in any order; columns that are not there change nothing.
"""

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portal.centres import rules, typed_hours
from portal.centres.rules import Hours
from portal.core.tables.grid import MAX_ROWS_READ, Sheet, Unreadable
from portal.core.tables.workbook import open_sheets
from portal.core.text import csv_table, fold

MAX_ROWS = 2000
OFF_PEAK = "错时服务"  # beside off-peak hours of which nothing more is said
SHEET, HELP_SHEET = "阵地", "怎么填"
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_HEAD_WITHIN = 10  # rows; titles stand above


@dataclass(frozen=True, slots=True)
class Column:
    """name: as in the database. words: as on the form; others: what people also write. most: characters."""

    name: str
    words: str
    others: tuple[str, ...] = ()
    most: int = 200
    width: int = 14
    hint: str = ""


COLUMNS = (
    Column("code", "编码", ("阵地编码", "代码"), 32, 18, "不要改：按编码认阵地。新增的阵地写一个没有用过的。"),
    Column("name", "名称", ("阵地名称", "中心名称", "阵地", "全称"), 80, 30, "全称，例如 葵涌社区党群服务中心。"),
    Column("level", "层级", ("级别",), 24, 10),
    Column("kind", "类型", ("类别", "性质"), 24, 20, "新增时不写，就按层级定。"),
    Column("parent_code", "上级编码", ("上级", "上级阵地", "上级单位"), 80, 18, "上级的编码或全称；最上级留空。"),
    Column("note", "备注", ("说明",), 200, 20),
    Column("phone", "电话", ("联系电话", "咨询电话", "服务电话", "电话号码"), 30, 16, "例如 0755-84200001。"),
    Column("address", "地址", ("详细地址", "位置", "地点"), 200, 32, "写到门牌，人能找到。"),
    Column("latitude", "纬度", (), 30, 11, "在手机地图里长按门口就能看到，例如 22.5963。"),
    Column("longitude", "经度", (), 30, 11, "例如 114.5126。"),
    Column("area_m2", "面积（平方米）", ("面积", "建筑面积", "面积平方米", "面积㎡", "面积m2"), 30, 12, "例如 650。"),
    Column(
        "hours",
        "开放时间",
        ("每周开放时间", "服务时间", "开门时间"),
        400,
        36,
        "例如 周一至周五 9:00-12:00 14:00-18:00；周六 9:00-12:00；没写的日子不开放。",
    ),
    Column(
        "off_peak",
        "错时服务时间",
        ("错时", "错时服务", "延时服务", "错时延时服务", "延时服务时间"),
        400,
        30,
        "例如 周一至周五 19:00-21:00 晚间延时。",
    ),
    Column("responsible", "负责人", ("责任人", "主要负责人"), 40, 12),
    Column("functions", "功能", ("主要功能", "功能室", "服务功能"), 300, 32, "用顿号隔开：便民服务厅、书吧。"),
)
BY_NAME = {column.name: column for column in COLUMNS}
NAMES = tuple(BY_NAME)


@dataclass(frozen=True, slots=True)
class Line:
    """A row as it was sent. number: as Excel shows it. cells: by column, those with words; extra: beyond the head."""

    number: int
    cells: dict[str, str]
    extra: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """A table as it was sent. head: what its columns were called, by name; unused: columns that are none of ours."""

    lines: tuple[Line, ...]
    head: dict[str, str]
    unused: tuple[str, ...] = ()


class Wrong(ValueError):
    """A cell that cannot be taken; the message says why and what to write instead."""


def _key(words: str) -> str:
    return re.sub(r"[\s*＊()（）\[\]:：]+", "", fold(words))


_KNOWN = {_key(word): column.name for column in COLUMNS for word in (column.name, column.words, *column.others)}


def read(data: bytes) -> Sent:
    """The table in a file of at most MAX_ROWS rows. Raises Unreadable, with what to do instead."""
    for sheet in open_sheets(_typed(data)):
        at = next((i for i, row in enumerate(sheet.rows[:_HEAD_WITHIN]) if _is_head(row)), None)
        if at is not None and not sheet.hidden:
            return _sent(sheet, at)
    wanted = f"{BY_NAME['code'].words}、{BY_NAME['name'].words}、{BY_NAME['level'].words}、{BY_NAME['phone'].words}"
    raise Unreadable(
        f"没有找到表头：有一行要写列名（{wanted}……），缺少列“{BY_NAME['code'].words}”就认不出是哪个阵地；"
        "可以先导出现有的表，在上面改"
    )


def _typed(data: bytes) -> bytes:
    """Text in UTF-8 without the control characters that some programs leave in it; anything else as it is."""
    if data.startswith(b"PK"):
        return data
    try:
        data.decode()
    except UnicodeDecodeError:
        return data
    return _CONTROL.sub(b"", data)


def _is_head(row: Sequence[str]) -> bool:
    known = [_KNOWN[key] for cell in row if (key := _key(cell)) in _KNOWN]
    return "code" in known and len(known) > 1


def _sent(sheet: Sheet, at: int) -> Sent:
    head: dict[int, str] = {}
    for number, cell in enumerate(sheet.rows[at]):
        name = _KNOWN.get(_key(cell))
        if name is not None and name in head.values():
            raise Unreadable(f"“{cell}”这一列写了两次；请删掉一列再上传")
        if name is not None:
            head[number] = name
    said = {name: sheet.rows[at][number].strip() for number, name in head.items()}
    unused = tuple(cell for number, cell in enumerate(sheet.rows[at]) if cell and number not in head)
    rows = sheet.rows[at + 1 :]
    if len(rows) > MAX_ROWS or len(sheet.rows) >= MAX_ROWS_READ:
        raise Unreadable(f"表里超过 {MAX_ROWS} 行；请分成几个文件上传")
    lines = []
    for number, row in enumerate(rows, at + 2):
        cells = {name: row[i].strip() for i, name in head.items() if i < len(row) and row[i].strip()}
        extra = any(cell.strip() for cell in row[len(sheet.rows[at]) :])
        if cells or extra:
            lines.append(Line(number, cells, extra))
    if not lines:
        raise Unreadable("表头下面没有内容")
    return Sent(tuple(lines), said, unused)


# Cells ----------------------------------------------------------------------------------------------------------------


def code(text: str) -> str:
    """Raises Wrong also for a code that Excel has turned into a rounded number."""
    if re.fullmatch(r"\d(?:\.\d+)?[eE]\+\d+", text):
        raise Wrong(f"编码被 Excel 改成了 {text}，后面几位已经丢了；请用导出的 .xlsx 改，不要用 CSV")
    return text


def phone(text: str) -> str:
    """A number as it is dialled, half-width. Raises Wrong."""
    found = fold(text).translate(str.maketrans("—–", "--"))
    if problem := rules.phone_problem(found):
        raise Wrong(problem.rstrip("。"))
    return found


def area(text: str) -> int:
    """Whole square metres. Raises Wrong."""
    found = re.fullmatch(r"约?(\d{1,9})(?:平方米|平米|平|㎡|m2)?", re.sub(r"[\s,，]", "", fold(text)))
    if not found:
        raise Wrong(f"面积“{text}”没有看懂，请写整数，例如 650")
    if problem := rules.area_problem(int(found[1])):
        raise Wrong(problem.rstrip("。"))
    return int(found[1])


def latitude(text: str) -> float:
    """Degrees. Raises Wrong."""
    return _degrees(text, rules.latitude_problem)


def longitude(text: str) -> float:
    """Degrees. Raises Wrong."""
    return _degrees(text, rules.longitude_problem)


def _degrees(text: str, problem_of: Any) -> float:
    try:
        found = float(fold(text).rstrip("°"))
    except ValueError:
        raise Wrong(f"“{text}”不是数字；{problem_of(0.0).rstrip('。')}") from None
    if problem := problem_of(found):
        raise Wrong(problem.rstrip("。"))
    return found


def functions(text: str) -> tuple[str, ...]:
    """Each once. Raises Wrong."""
    names = rules.function_names(text)
    if problem := rules.functions_problem(names):
        raise Wrong(problem.rstrip("。"))
    return names


def hours(text: str) -> dict[int, list[Hours]]:
    """A week's hours, 0 is Monday. Raises Wrong."""
    return _week(text, "hours", "")


def off_peak(text: str) -> dict[int, list[Hours]]:
    """As `hours`; each has a note. Raises Wrong."""
    return _week(text, "off_peak", OFF_PEAK)


def _week(text: str, column: str, note: str) -> dict[int, list[Hours]]:
    try:
        return typed_hours.read_week(text, note)
    except typed_hours.Unclear as unclear:
        raise Wrong(f"{BY_NAME[column].words}：{unclear}".rstrip("。")) from None


def with_both(
    week: Mapping[int, Sequence[Hours]], told: Mapping[int, list[Hours]] | None, late: Mapping[int, list[Hours]] | None
) -> dict[int, list[Hours]]:
    """The week after one or both cells were told: what is noted beside it is off-peak, the rest are the usual hours.

    None: that cell was empty, so that part stays. Raises Wrong when they overlap.
    """
    own_words = told is not None and any(h.note for day in told.values() for h in day)
    after = {}
    for day in range(7):
        there = week.get(day, ())
        usual = told.get(day, []) if told is not None else [h for h in there if not h.note]
        if late is not None:
            noted = late.get(day, [])
        else:
            noted = [] if own_words else [h for h in there if h.note]
        try:
            if both := typed_hours.together(usual, noted):
                after[day] = both
        except typed_hours.Unclear as unclear:
            raise Wrong(f"{typed_hours.NAMES[day]}开放时间和错时服务时间的 {unclear}".rstrip("。")) from None
    return after


def usual_text(week: Mapping[int, Sequence[Hours]]) -> str:
    """The cell 开放时间."""
    return typed_hours.write_week({day: [h for h in hours if not h.note] for day, hours in week.items()})


def off_peak_text(week: Mapping[int, Sequence[Hours]]) -> str:
    """The cell 错时服务时间."""
    return typed_hours.write_week({day: [h for h in hours if h.note] for day, hours in week.items()})


# The file -------------------------------------------------------------------------------------------------------------


def to_csv(rows: Iterable[Mapping[str, str]]) -> bytes:
    """UTF-8 with its mark, under the columns' names; `read` takes it back."""
    return csv_table([NAMES, *([row.get(name, "") for name in NAMES] for row in rows)]).encode()


def to_xlsx(rows: Sequence[Mapping[str, str]], levels: Sequence[str], kinds: Sequence[str]) -> bytes:
    """A workbook to mend in Excel, in the words of the form: all cells are text, so that codes keep their digits."""
    import xlsxwriter  # only for who needs it

    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    sheet = book.add_worksheet(SHEET)
    head = book.add_format({"bold": True, "bg_color": "#F7F4EF", "border": 1, "valign": "vcenter", "text_wrap": True})
    cell = book.add_format({"text_wrap": True, "valign": "top", "num_format": "@"})
    empty = book.add_format(
        {"text_wrap": True, "num_format": "@", "bg_color": "#FDF3DD", "border": 1, "border_color": "#E6E0D6"}
    )
    for number, column in enumerate(COLUMNS):
        sheet.set_column(number, number, column.width, cell)
        sheet.write_string(0, number, column.words, head)
        for line, row in enumerate(rows, 1):
            text = row.get(column.name, "")
            sheet.write(line, number, text or None, cell if text or column.name == "note" else empty)
    for name, choices in (("level", levels), ("kind", kinds)):
        if choices and len(",".join(choices)) <= 255:
            at = NAMES.index(name)
            sheet.data_validation(1, at, len(rows) + 200, at, {"validate": "list", "source": list(choices)})
    sheet.freeze_panes(1, 2)
    sheet.autofilter(0, 0, max(1, len(rows)), len(COLUMNS) - 1)
    sheet.set_landscape()
    sheet.set_paper(8)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    _help(book, head, cell)
    book.close()
    return stream.getvalue()


def _help(book: Any, head: Any, cell: Any) -> None:
    sheet = book.add_worksheet(HELP_SHEET)
    sheet.set_column(0, 0, 18, cell)
    sheet.set_column(1, 1, 80, cell)
    sheet.write_row(0, 0, ("列", "怎么写"), head)
    for number, column in enumerate((c for c in COLUMNS if c.hint), 1):
        sheet.write_row(number, 0, (column.words, column.hint))
    sheet.write_row(
        len(COLUMNS) + 1, 0, ("空着的格子", "不改动原来的内容；黄色的是还缺的。要清空一项，请到阵地的页面上删。")
    )
