"""Reads a centre's monthly plan from Excel, as centres really keep it (SPEC C2, C7)."""

import re
from collections.abc import Iterator
from dataclasses import replace

from portal.catalogue.excel.cells import parse_capacity, parse_contact, says_walk_in
from portal.catalogue.excel.header import find_header
from portal.catalogue.excel.table import Draft, Table, left_out_problems, read_table
from portal.catalogue.excel.when_cells import read_when
from portal.catalogue.excel.years import settle_years
from portal.catalogue.timetext.days import Month
from portal.catalogue.timetext.parts import Plan, PlanRow, Problem
from portal.catalogue.timetext.tidy import numerals_before, plain
from portal.core.tables.grid import MAX_ROWS_READ, Sheet, Unreadable
from portal.core.tables.workbook import open_sheets

MAX_ROWS = 2000
_MONTH = re.compile(r"(?:(?P<y>20\d\d)\s*(?:年度?|[-./])\s*)?(?<!\d)(?P<m>\d{1,2})\s*月(?:份)?(?!\s*\d{1,2}\s*[日号])")
_TEXT_FIELDS = ("title", "category", "content", "audience", "place", "organiser", "remark", "centre")
_CONTACT = ("contact", "contact_name", "contact_phone")
_COLUMN_NAMES = {"place": "服务地点", "audience": "服务对象", "capacity": "名额"}
MAX_TITLE = 100


def read_plan(data: bytes, month: str) -> Plan:
    """The plan in a file of at most 8 MB and 2,000 rows, for `month` ("YYYY-MM", Asia/Shanghai).

    Every row comes back, also those with errors; their problems name the field and say what to write.
    Raises Unreadable, with a sentence for the centre, when the file as a whole cannot be used;
    ValueError when `month` itself is malformed (SPEC C7).
    """
    plan_month = Month.parse(month)
    tables, problems = _choose(open_sheets(data), plan_month)
    drafts = [draft for _, table in tables for draft in table.drafts]
    if len(drafts) > MAX_ROWS:
        raise Unreadable(f"表里超过 {MAX_ROWS} 行服务（有 {len(drafts)} 行）；请分成几个文件上传")
    titles = [title for _, table in tables for title in table.titles]
    in_title = _month_in(titles + [sheet.name for sheet, _ in tables], plan_month)
    problems += _plan_problems(tables, drafts, in_title, plan_month)
    problems += left_out_problems([table for _, table in tables])
    problems += settle_years(drafts, in_title, plan_month)
    rows = _mark_repeats([_row(draft, month) for draft in drafts])
    notes = titles[1:] + [note for _, table in tables for note in table.notes]
    above = (*titles, *(sheet.name for sheet, _ in tables))
    return Plan(titles[0] if titles else "", tuple(rows), tuple(notes), tuple(problems), above)


# --- which sheets -------------------------------------------------------------------


def _choose(sheets: list[Sheet], month: Month) -> tuple[list[tuple[Sheet, Table]], list[Problem]]:
    """The visible sheets that hold a plan; when some name the month, only those."""
    found = [(sheet, header) for sheet in sheets if (header := find_header(sheet)) is not None]
    visible = [(sheet, read_table(sheet, header, month)) for sheet, header in found if not sheet.hidden]
    if not visible:
        raise Unreadable(_no_header(bool(found), sheets))
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
    tables: list[tuple[Sheet, Table]], drafts: list[Draft], in_title: str | None, month: Month
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
    if not any(name in table.header.columns for _, table in tables for name in _CONTACT):
        problems.append(Problem("plan", "warning", "表里没有“联系人及电话”这一列，请核对"))
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


# --- one row --------------------------------------------------------------------------


def _row(draft: Draft, month: str) -> PlanRow:
    texts = {name: " ".join(draft.texts.get(name, "").split()) for name in _TEXT_FIELDS}
    texts["content"] = draft.texts.get("content", "")
    when = read_when(draft, month)
    capacity = parse_capacity(excel_number(draft.texts.get("capacity", "")))
    who = _joined(draft.texts, "contact", "contact_name")
    if says_walk_in(who) and not re.search(r"\d", who):  # in the column 报名方式
        capacity, who = replace(capacity, walk_in=capacity.places is None), ""
    contact = parse_contact(who, draft.texts.get("contact_phone", ""))
    problems = [*draft.problems, *_text_problems(texts, draft)]
    broken = {problem.field for problem in draft.problems if problem.severity == "error"}
    told = contact.problems if any(name in draft.texts for name in _CONTACT) else ()
    for parsed in (when.problems, capacity.problems, told):
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
        walk_in=capacity.walk_in,
        centre_text=texts["centre"],
    )


def _joined(texts: dict[str, str], *names: str) -> str:
    return " ".join(texts[name] for name in names if texts.get(name))


def excel_number(text: str) -> str:
    """`30.0` typed as text reads as 30; everything else stays."""
    return text[:-2] if re.fullmatch(r"\d+\.0", text) else text


def _text_problems(texts: dict[str, str], draft: Draft) -> Iterator[Problem]:
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
