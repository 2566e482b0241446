"""The rows of one sheet: which are services, under which headings, and which are left out (SPEC C7)."""

import re
from dataclasses import dataclass, field, replace

from portal.catalogue.excel.header import REQUIRED_WHEN, Header, header_at
from portal.catalogue.excel.headings import Heading, heading_in
from portal.catalogue.timetext.days import Month
from portal.catalogue.timetext.parts import Problem
from portal.core.tables.grid import Sheet

_NOTE = re.compile(
    r"^[（(\s]*(?:备\s*注|注\s*[:：1１]|说\s*明|填表|填报|制表|制单|审核|审批|审签|负责人签|盖章"
    r"|合\s*计|总\s*计|小\s*计|共计|联系电话|温馨提示|以上)"
)
_SECTION = re.compile(
    r"^[（(\s]*(?:[一二三四五六七八九十]+|\d{1,2}|第[一二三四五六七八九十]+[类部]分?)\s*[）)、.．]\s*"
)
_DITTO = ("同上", "〃", "″", '"', "''", "＂", "同前")
_REPEATED_BY_HABIT = ("number", "category", "organiser", "centre")
_TIMES = ("date", "time", "weekday", "start", "end", "when")
_HAS_DAY = re.compile(r"[月日号/]|\d\.\d|周|星期|礼拜|每|\d{5}|(?<![\d:])\d{1,2}-\d{1,2}(?![\d:])")
OWN_EXPORT = frozenset({"已报名", "编制单位", "状态", "编号"})  # headings of our own table, all of them
CALLED_OFF = ("已取消", "已删除", "已撤下")
SHOWN_LEFT_OUT = 5
_HOW = {
    "隐藏的行": "要用的请在 Excel 里取消隐藏或筛选，再上传",
    "划掉的行": "要用的请去掉删除线，再上传",
    "已取消的行": "要再办的请新建",
    "隐藏的列": "要用的请取消隐藏，再上传",
    "图片": "图片里的字请写成文字",
}


@dataclass
class Draft:
    """A data row while it is read: texts by field, and which cells could not be read."""

    number: int
    sheet: str
    texts: dict[str, str]
    raw: dict[str, str]
    section: str = ""
    heading: Heading | None = None
    own_export: bool = False
    years: set[int] = field(default_factory=set)  # that Excel keeps for dates shown without one
    problems: list[Problem] = field(default_factory=list)


@dataclass
class Table:
    """What one sheet holds: rows, the texts above and below the table, and what was left out."""

    header: Header
    titles: list[str]
    drafts: list[Draft]
    notes: list[str]
    left_out: dict[str, list[str]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def read_table(sheet: Sheet, header: Header, month: Month) -> Table:
    """The services below the header; hidden and struck rows are named, days and categories over rows are theirs."""
    above = [texts for row in sheet.rows[: header.top - 1] for texts in [_distinct(row)] if texts]
    header, unread = _shown(header, sheet)
    table = Table(header, [" ".join(texts) for texts in above], [], [])
    if unread:
        table.left_out["隐藏的列"] = unread
    section, skip_to = "", header.bottom
    heading: Heading | None = None
    if len(above) > 1 and len(above[-1]) == 1 and _SECTION.match(above[-1][0]):
        section = _SECTION.sub("", table.titles.pop())
    for number in range(header.bottom + 1, len(sheet.rows) + 1):
        again = header_at(sheet, number) if number > skip_to else None
        if again is not None:
            header, skip_to = _shown(again, sheet)[0], again.bottom
        texts = _distinct(sheet.rows[number - 1])
        if number <= skip_to or not texts or _is_left_out(sheet, number, header, table):
            continue
        lone = _lone_text(sheet, number, texts, header)
        over = heading_in(texts[0], month) if len(texts) == 1 and not _NOTE.match(texts[0]) else None
        if over is not None:
            heading = over
        elif lone and _NOTE.match(lone):
            table.notes.append(" ".join(texts))
        elif lone is not None:
            named = _section(lone, sheet, number, table, section)
            heading, section = (heading if named == section else None), named
        else:
            draft = _draft_of(sheet, number, header, section)
            draft.heading = heading
            _add(table, draft, sheet, header)
    below = {at for at in sheet.marks.pictures if at[0] > table.header.bottom}
    names = [f"“{table.header.names[c]}”第 {r} 行" for r, c in sorted(below) if c in table.header.names]
    if names:
        table.left_out["图片"] = names
    return table


def _shown(header: Header, sheet: Sheet) -> tuple[Header, list[str]]:
    """The header without hidden columns, and their names; all of it when no plan would be left."""
    hidden = sheet.marks.hidden_columns
    kept = {name: tuple(c for c in columns if c not in hidden) for name, columns in header.columns.items()}
    kept = {name: columns for name, columns in kept.items() if columns}
    if "title" not in kept or not any(name in kept for name in REQUIRED_WHEN):
        return header, []
    fields = sorted({c for columns in header.columns.values() for c in columns} & hidden)
    names = {column: name for column, name in header.names.items() if column not in hidden}
    return replace(header, columns=kept, names=names), [f"“{header.names.get(c, '')}”" for c in fields]


def _is_left_out(sheet: Sheet, number: int, header: Header, table: Table) -> bool:
    """A hidden row, a struck one, or one that is called off; it is named."""
    row, marks = sheet.rows[number - 1], sheet.marks
    titles = [c for c in header.columns["title"] if c <= len(row) and row[c - 1]]
    why = ""
    if number in marks.hidden_rows:
        why = "隐藏的行"
    elif titles and all((number, column) in marks.struck for column in titles):
        why = "划掉的行"
    elif titles and set(header.names.values()) >= OWN_EXPORT and _named(header, row, "状态") in CALLED_OFF:
        why = "已取消的行"
    if why and titles:
        table.left_out.setdefault(why, []).append(f"第 {number} 行“{row[titles[0] - 1][:20]}”")
    return bool(why)


def _named(header: Header, row: list[str], name: str) -> str:
    column = next((c for c, shown in header.names.items() if shown == name), 0)
    return row[column - 1] if 0 < column <= len(row) else ""


def left_out_problems(tables: list[Table]) -> list[Problem]:
    """What was not read of all tables, one sentence a kind: how many and which."""
    found: dict[str, list[str]] = {}
    for table in tables:
        for why, names in table.left_out.items():
            found.setdefault(why, []).extend(names)
    problems = []
    for why, names in found.items():
        more = f"等，共 {len(names)} 个" if len(names) > SHOWN_LEFT_OUT else ""
        shown = "、".join(dict.fromkeys(names[:SHOWN_LEFT_OUT]))
        problems.append(Problem("plan", "warning", f"{why}没有读：{shown}{more}；{_HOW[why]}"))
    return problems


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


def _section(lone: str, sheet: Sheet, number: int, table: Table, current: str) -> str:
    """A lone text names the category of the rows below it; after the last service it is a note."""
    below = any(len(_distinct(row)) > 2 for row in sheet.rows[number : number + 30])
    name = _SECTION.sub("", lone)
    if below and len(name) <= 20:
        return name
    table.notes.append(lone)
    return current


def _draft_of(sheet: Sheet, number: int, header: Header, section: str) -> Draft:
    row, marks = sheet.rows[number - 1], sheet.marks
    texts: dict[str, str] = {}
    for name, columns in header.columns.items():
        own = [row[c - 1] for c in columns if c <= len(row) and row[c - 1] and (number, c) not in marks.struck]
        if sheet.days_from and name in _TIMES:
            own = [str(int(text) + sheet.days_from) if re.fullmatch(r"\d{5}", text) else text for text in own]
        texts[name] = " ".join(dict.fromkeys(own))
    raw = {name: row[c - 1] for c, name in header.names.items() if c <= len(row) and row[c - 1]}
    draft = Draft(number, sheet.name, texts, raw, section, own_export=set(header.names.values()) >= OWN_EXPORT)
    for name, columns in header.columns.items():
        if any((number, column) in marks.unknown for column in columns):
            target = "when" if name in _TIMES else name
            said = "这一格是公式，文件里没有存下结果；请把它改成直接写的文字，保存后再上传"
            draft.problems.append(Problem(target, "error", said))
    draft.years = {marks.unshown_years[number, c] for c in range(1, len(row) + 1) if (number, c) in marks.unshown_years}
    return draft


def _add(table: Table, draft: Draft, sheet: Sheet, header: Header) -> None:
    """Takes the draft into the table: empty rows fall out, parts of a merged title join the row above."""
    told = [name for name, text in draft.texts.items() if text and name not in _REPEATED_BY_HABIT]
    own = [name for name in told if not _from_above(sheet, draft.number, header, name)]
    if not own and not draft.problems:
        return
    before = table.drafts[-1] if table.drafts else None
    _fill_ditto(draft, before)
    _fill_date(draft, before)
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


def _fill_date(draft: Draft, before: Draft | None) -> None:
    """A day written once for the rows below it."""
    texts = draft.texts
    times = " ".join(texts.get(name, "") for name in ("when", "time", "start"))
    if before is None or texts.get("date") != "" or not before.texts.get("date"):
        return
    if times.strip() and not _HAS_DAY.search(times) and draft.heading == before.heading and not texts.get("weekday"):
        texts["date"] = before.texts["date"]
        said = f"日期空着，按上一行的“{before.texts['date']}”算，请核对"
        draft.problems.append(Problem("when", "warning", said))


def _fill_ditto(draft: Draft, before: Draft | None) -> None:
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
