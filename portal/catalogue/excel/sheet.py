"""Reads a centre's monthly plan from Excel, as centres really keep it (SPEC C2, C7)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from portal.catalogue.excel.cells import parse_capacity, parse_contact
from portal.catalogue.excel.header import Header, find_header, header_at
from portal.catalogue.excel.when_cells import when_text
from portal.catalogue.excel.workbook import MAX_ROWS_READ, Sheet, open_sheets
from portal.catalogue.timetext.days import Month
from portal.catalogue.timetext.parse import parse_when
from portal.catalogue.timetext.parts import Plan, PlanRow, PlanUnreadable, Problem
from portal.catalogue.timetext.tidy import numerals_before, plain

MAX_ROWS = 500
_NOTE = re.compile(
    r"^[（(\s]*(?:备\s*注|注\s*[:：1１]|说\s*明|填表|填报|制表|制单|审核|审批|审签|负责人签|盖章"
    r"|合\s*计|总\s*计|小\s*计|共计|联系电话|温馨提示|以上)"
)
_SECTION = re.compile(
    r"^[（(\s]*(?:[一二三四五六七八九十]+|\d{1,2}|第[一二三四五六七八九十]+[类部]分?)\s*[）)、.．]\s*"
)
_DITTO = ("同上", "〃", "″", '"', "''", "＂", "同前")
_MONTH = re.compile(r"(?:(?P<y>20\d\d)\s*(?:年度?|[-./])\s*)?(?<!\d)(?P<m>\d{1,2})\s*月(?:份)?(?!\s*\d{1,2}\s*[日号])")
_REPEATED_BY_HABIT = ("number", "category", "organiser")
_TEXT_FIELDS = ("title", "category", "content", "audience", "place", "organiser", "remark")
_COLUMN_NAMES = {"place": "服务地点", "audience": "服务对象", "capacity": "名额"}
MAX_TITLE = 100


@dataclass
class _Draft:
    """A data row while it is read: texts by field, and which cells could not be read."""

    number: int
    sheet: str
    texts: dict[str, str]
    raw: dict[str, str]
    section: str = ""
    problems: list[Problem] = field(default_factory=list)


@dataclass
class _Table:
    """What one sheet holds: rows, and the texts above and below the table."""

    header: Header
    titles: list[str]
    drafts: list[_Draft]
    notes: list[str]


def read_plan(data: bytes, month: str) -> Plan:
    """The plan in an .xlsx file of at most 2 MB and 500 rows, for `month` ("YYYY-MM", Asia/Shanghai).

    Every row comes back, also those with errors; their problems name the field and say what to write.
    Raises PlanUnreadable, with a sentence for the centre, when the file as a whole cannot be used;
    ValueError when `month` itself is malformed (SPEC C7).
    """
    plan_month = Month.parse(month)
    tables, problems = _choose(open_sheets(data), plan_month)
    drafts = [draft for _, table in tables for draft in table.drafts]
    if len(drafts) > MAX_ROWS:
        raise PlanUnreadable(f"表里超过 {MAX_ROWS} 行服务（有 {len(drafts)} 行）；请分成几个文件上传")
    titles = [title for _, table in tables for title in table.titles]
    in_title = _month_in(titles + [sheet.name for sheet, _ in tables], plan_month)
    problems += _plan_problems(tables, drafts, in_title, plan_month)
    rows = _mark_repeats([_row(draft, month) for draft in drafts])
    notes = titles[1:] + [note for _, table in tables for note in table.notes]
    return Plan(titles[0] if titles else "", tuple(rows), tuple(notes), tuple(problems))


# --- which sheets -------------------------------------------------------------------


def _choose(sheets: list[Sheet], month: Month) -> tuple[list[tuple[Sheet, _Table]], list[Problem]]:
    """The visible sheets that hold a plan; when some name the month, only those."""
    found = [(sheet, header) for sheet in sheets if (header := find_header(sheet)) is not None]
    visible = [(sheet, _read_table(sheet, header)) for sheet, header in found if not sheet.hidden]
    if not visible:
        raise PlanUnreadable(_no_header(bool(found), sheets))
    problems = []
    if len(visible) < len(found):
        problems.append(Problem("plan", "warning", "隐藏的工作表没有读；需要的话请取消隐藏后再上传"))
    if len(visible) == 1:
        return visible, problems
    months = [_month_in([*table.titles, sheet.name], month) for sheet, table in visible]
    wanted = f"{month.year}-{month.month:02d}"
    others = [each[0].name for each, said in zip(visible, months, strict=True) if said not in (wanted, None)]
    if wanted in months and others:
        visible = [each for each in visible if each[0].name not in others]
        problems.append(Problem("plan", "warning", f"工作表“{'”“'.join(others)}”不是{month}的，没有读"))
    filled = [each for each in visible if each[1].drafts] or visible[:1]
    if len(filled) > 1:
        names = "”“".join(sheet.name for sheet, _ in filled)
        problems.append(Problem("plan", "warning", f"读了 {len(filled)} 个工作表：“{names}”，请核对"))
    return filled, problems


def _no_header(only_hidden: bool, sheets: list[Sheet]) -> str:
    if only_hidden:
        return "服务清单在隐藏的工作表里；请在 Excel 里取消隐藏，保存后再上传"
    if not any(sheet.rows for sheet in sheets):
        return "这个文件里什么也没有；请填好服务清单再上传，可以先下载模板"
    return "没有找到表头；请检查有没有一行写着“服务名称”“服务时间”这样的列名，或下载模板填写"


def _plan_problems(
    tables: list[tuple[Sheet, _Table]], drafts: list[_Draft], in_title: str | None, month: Month
) -> list[Problem]:
    problems: list[Problem] = []
    if in_title is not None and in_title != f"{month.year}-{month.month:02d}":
        year, number = in_title.split("-")
        said = f"表的标题写的是{year}年{int(number)}月，现在选的是{month}，请核对有没有传错文件"
        problems.append(Problem("plan", "warning", said))
    if not drafts:
        problems.append(Problem("plan", "error", "表里还没有填服务；请在表头下面一行一项填写"))
        return problems
    for name, shown in _COLUMN_NAMES.items():
        if any(name not in table.header.columns for _, table in tables):
            problems.append(Problem("plan", "warning", f"表里没有“{shown}”这一列，请核对"))
    if any(len(sheet.rows) >= MAX_ROWS_READ for sheet, _ in tables):
        problems.append(Problem("plan", "error", f"只读到第 {MAX_ROWS_READ} 行；请删掉中间的空行再上传"))
    return problems


def _month_in(texts: list[str], month: Month) -> str | None:
    """The month that a title or a sheet's name tells, `2026-12`; a bare 12月 gets the nearest year."""
    for text in texts:
        match = _MONTH.search(numerals_before(plain(text), "月"))
        if match and 1 <= int(match.group("m")) <= 12 and not re.match(r"\s*(?:填报|填表|制表|上报)", text):
            number = int(match.group("m"))
            year = int(match.group("y")) if match.group("y") else month.nearest_year(number)
            return f"{year}-{number:02d}"
    return None


# --- the rows of one sheet ------------------------------------------------------------


def _read_table(sheet: Sheet, header: Header) -> _Table:
    above = [texts for row in sheet.rows[: header.top - 1] for texts in [_distinct(row)] if texts]
    table = _Table(header, [" ".join(texts) for texts in above], [], [])
    section, skip_to = "", header.bottom
    if len(above) > 1 and len(above[-1]) == 1 and _SECTION.match(above[-1][0]):
        section = _SECTION.sub("", table.titles.pop())
    for number in range(header.bottom + 1, len(sheet.rows) + 1):
        again = header_at(sheet, number) if number > skip_to else None
        if again is not None:
            header, skip_to = again, again.bottom
        if number <= skip_to:
            continue
        texts = _distinct(sheet.rows[number - 1])
        lone = _lone_text(sheet, number, texts, header)
        if lone and _NOTE.match(lone):
            table.notes.append(" ".join(texts))
        elif lone is not None:
            section = _section(lone, sheet, number, table, section)
        elif texts:
            _add(table, _draft(sheet, number, header, section), sheet, header)
    return table


def _distinct(row: list[str]) -> list[str]:
    return list(dict.fromkeys(text for text in row if text))


def _lone_text(sheet: Sheet, number: int, texts: list[str], header: Header) -> str | None:
    """The text of a row that is no service: a note, or a heading that stands alone in its row."""
    if not texts:
        return None
    first = texts[0]
    if _NOTE.match(first) and (len(texts) <= 2 or not _has(sheet, number, header, "when")):
        return first
    if len(texts) != 1:
        return None
    row = sheet.rows[number - 1]
    column = row.index(first) + 1
    merge = sheet.merge_at(number, column)
    wide = merge is not None and merge.right > merge.left
    in_title = column in header.columns["title"]
    return first if wide or not (in_title or first.isdigit()) else None


def _has(sheet: Sheet, number: int, header: Header, name: str) -> bool:
    row = sheet.rows[number - 1]
    columns = header.columns.get(name, ())
    return any(row[column - 1] and row[column - 1] != row[0] for column in columns)


def _section(lone: str, sheet: Sheet, number: int, table: _Table, current: str) -> str:
    """A lone text names the category of the rows below it; after the last service it is a note."""
    below = any(len(_distinct(row)) > 2 for row in sheet.rows[number : number + 30])
    name = _SECTION.sub("", lone)
    if below and len(name) <= 20:
        return name
    table.notes.append(lone)
    return current


def _draft(sheet: Sheet, number: int, header: Header, section: str) -> _Draft:
    row = sheet.rows[number - 1]
    texts: dict[str, str] = {}
    for name, columns in header.columns.items():
        texts[name] = " ".join(dict.fromkeys(row[c - 1] for c in columns if c <= len(row) and row[c - 1]))
    raw = {name: row[c - 1] for c, name in header.names.items() if c <= len(row) and row[c - 1]}
    draft = _Draft(number, sheet.name, texts, raw, section)
    for name, columns in header.columns.items():
        if any((number, column) in sheet.unknown for column in columns):
            target = "when" if name in ("date", "time", "weekday", "start", "end") else name
            said = "这一格是公式，文件里没有存下结果；请把它改成直接写的文字，保存后再上传"
            draft.problems.append(Problem(target, "error", said))
    return draft


def _add(table: _Table, draft: _Draft, sheet: Sheet, header: Header) -> None:
    """Takes the draft into the table: empty rows fall out, parts of a merged title join the row above."""
    told = [name for name, text in draft.texts.items() if text and name not in _REPEATED_BY_HABIT]
    own = [name for name in told if not _from_above(sheet, draft.number, header, name)]
    if not own and not draft.problems:
        return
    before = table.drafts[-1] if table.drafts else None
    _fill_ditto(draft, before)
    merge = sheet.merge_at(draft.number, header.columns["title"][0])
    if before is not None and merge is not None and merge.top <= before.number and merge.top < draft.number:
        for name in ("date", "when", "time"):
            old, new = before.texts.get(name, ""), draft.texts.get(name, "")
            if new and new not in old:
                before.texts[name] = f"{old}；{new}"
        before.problems += draft.problems
        return
    table.drafts.append(draft)


def _from_above(sheet: Sheet, number: int, header: Header, name: str) -> bool:
    merges = [sheet.merge_at(number, column) for column in header.columns[name]]
    return all(merge is not None and merge.top < number for merge in merges)


def _fill_ditto(draft: _Draft, before: _Draft | None) -> None:
    for name, text in draft.texts.items():
        if text in _DITTO and before is not None:
            draft.texts[name] = before.texts.get(name, "")
    if not draft.texts.get("category"):
        if draft.section:
            draft.texts["category"] = draft.section
        elif before is not None and "category" in draft.texts and before.texts.get("category"):
            category = before.texts["category"]
            draft.texts["category"] = category
            said = f"类别空着，按上一行的“{category}”算，请核对"
            draft.problems.append(Problem("category", "warning", said))


# --- one row --------------------------------------------------------------------------


def _row(draft: _Draft, month: str) -> PlanRow:
    texts = {name: " ".join(draft.texts.get(name, "").split()) for name in _TEXT_FIELDS}
    texts["content"] = draft.texts.get("content", "")
    when = parse_when(when_text(draft.texts, month), month)
    capacity = parse_capacity(excel_number(draft.texts.get("capacity", "")))
    contact = parse_contact(_joined(draft.texts, "contact", "contact_name"), draft.texts.get("contact_phone", ""))
    problems = [*draft.problems, *_text_problems(texts, draft)]
    broken = {problem.field for problem in draft.problems if problem.severity == "error"}
    for parsed in (when.problems, capacity.problems, contact.problems):
        problems += [problem for problem in parsed if problem.field not in broken]
    return PlanRow(
        number=draft.number,
        title=texts["title"],
        category_text=texts["category"],
        content=texts["content"],
        when=when,
        audience_text=texts["audience"],
        place=texts["place"],
        capacity=capacity.places,
        unit=capacity.unit,
        unlimited=capacity.unlimited,
        organiser=texts["organiser"],
        contact_name=contact.name,
        contact_phone=contact.phone,
        raw=draft.raw,
        problems=tuple(problems),
        remark=texts["remark"],
        sheet=draft.sheet,
    )


def _joined(texts: dict[str, str], *names: str) -> str:
    return " ".join(texts[name] for name in names if texts.get(name))


def excel_number(text: str) -> str:
    """`30.0` typed as text reads as 30; everything else stays."""
    return text[:-2] if re.fullmatch(r"\d+\.0", text) else text


def _text_problems(texts: dict[str, str], draft: _Draft) -> Iterator[Problem]:
    if not texts["title"]:
        yield Problem("title", "error", "没写服务名称，请补上")
    elif len(texts["title"]) > MAX_TITLE:
        yield Problem("title", "error", f"服务名称超过 {MAX_TITLE} 个字，请缩短，细节写到服务内容里")
    if "place" in draft.texts and not texts["place"]:
        yield Problem("place", "warning", "没写地点，请补上")
    if "audience" in draft.texts and not texts["audience"]:
        yield Problem("audience", "warning", "没写服务对象，请补上（谁都可以来就写“全体居民”）")


def _mark_repeats(rows: list[PlanRow]) -> list[PlanRow]:
    """A warning on a row that says the same service at the same time as a row above it."""
    first: dict[tuple[object, ...], int] = {}
    marked = []
    for row in rows:
        key = (row.title, row.place, row.when.spans)
        seen = first.setdefault(key, row.number)
        if seen != row.number and row.title and row.when.spans:
            said = f"和第 {seen} 行的服务、时间、地点都一样，请核对是不是写重了"
            marked.append(replace(row, problems=(*row.problems, Problem("title", "warning", said))))
        else:
            marked.append(row)
    return marked
