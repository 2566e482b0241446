"""A table of people who are to have accounts, as typed: which column is what, line by line (SPEC P11)."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from portal.core.access import ROLE_LABELS, Role
from portal.core.errors import Invalid
from portal.core.tables.csv_text import csv_sheet
from portal.core.tables.grid import Sheet, Unreadable
from portal.core.text import fold

MOST = 500  # in one table: the worker hashes them in half a minute
_LOOKED_AT = 20  # lines in which the names of the columns may stand
NAMES = {
    "username": ("用户名", "账号", "帐号", "登录名", "username"), "name": ("姓名", "名字", "name"),
    "phone": ("手机", "手机号", "手机号码", "电话", "联系电话", "phone"), "role": ("角色", "权限", "role"),
    "place": ("单位", "所属单位", "阵地", "所属阵地", "中心", "党群服务中心", "centre", "center"),
    "department": ("部门", "职能部门", "department"),
}  # fmt: skip
SAID = {"name": "姓名", "phone": "手机", "role": "角色", "place": "单位（或部门）"}
ROLES = {
    **{role.value: role for role in Role}, **{label: role for role, label in ROLE_LABELS.items()},
    **{label.rstrip("员人"): role for role, label in ROLE_LABELS.items()},
}  # fmt: skip
EXAMPLE = (
    ("用户名", "姓名", "手机", "角色", "单位", "部门"), ("", "陈一", "19900000001", "管理员", "葵涌社区", ""),
    ("", "林二", "19900000002", "经办人", "", "政法办"),
)  # fmt: skip


class TableUnclear(Invalid):
    field = "rows"


@dataclass(frozen=True, slots=True)
class TypedAccount:
    """A line as typed; '' where nothing was. line: as the spreadsheet numbers it."""

    line: int
    username: str
    name: str
    phone: str
    role: str
    place: str
    department: str


def pasted(text: str) -> Sheet:
    """Lines copied from a spreadsheet or typed with commas. Raises TableUnclear."""
    try:
        return csv_sheet(text.encode())
    except Unreadable as unreadable:
        raise TableUnclear(unreadable.message) from unreadable


def chosen(sheets: Sequence[Sheet]) -> Sheet:
    """The sheet with the names of our columns. Raises TableUnclear."""
    shown = [sheet for sheet in sheets if not sheet.hidden] or list(sheets)
    for sheet in shown:
        if _heading(sheet) is not None:
            return sheet
    raise TableUnclear("没有找到表头。", advice="第一行要写列名：用户名（可以不写）、姓名、手机、角色、单位或部门。")


def as_text(sheet: Sheet) -> str:
    """The sheet with tabs between its cells, each row on a line of its own, so that it can be mended in a page."""
    out = io.StringIO()
    csv.writer(out, delimiter="\t", lineterminator="\n").writerows([" ".join(c.split()) for c in r] for r in sheet.rows)
    return out.getvalue()


def read(sheet: Sheet) -> list[TypedAccount]:
    """The people of a sheet. Raises TableUnclear without its columns, without a line, with more than MOST."""
    number = _heading(chosen([sheet])) or 0
    columns = _columns(sheet.rows[number])
    absent = [said for name, said in SAID.items() if name not in columns and name != "place"]
    if not {"place", "department"} & columns.keys():
        absent.append(SAID["place"])
    if absent:
        raise TableUnclear(f"表里缺少这些列：{'、'.join(absent)}。", advice="请加上列名再来，列的先后没有关系。")
    found = []
    for line, row in enumerate(sheet.rows[number + 1 :], number + 2):
        cells = {name: " ".join(row[i].split()) if i < len(row) else "" for name, i in columns.items()}
        if any(cells.values()):
            found.append(TypedAccount(line, **dict.fromkeys(NAMES, "") | cells))
    if not found:
        raise TableUnclear("表头下面没有内容。", advice="请一人写一行。")
    if len(found) > MOST:
        raise TableUnclear(f"一次最多 {MOST} 人，这张表有 {len(found)} 人。", advice="请分成几张表。")
    return found


def _heading(sheet: Sheet) -> int | None:
    """The index of the row with the names of the columns."""
    rows = enumerate(sheet.rows[:_LOOKED_AT])
    return next((number for number, row in rows if {"name", "phone"} <= _columns(row).keys()), None)


def _columns(row: Sequence[str]) -> dict[str, int]:
    """Which column is what; the first of two of one name."""
    found: dict[str, int] = {}
    for index, cell in enumerate(row):
        plain = re.sub(r"[\s*:]|\(.*?\)", "", fold(cell))
        name = next((name for name, words in NAMES.items() if plain in words), None)
        if name is not None:
            found.setdefault(name, index)
    return found
