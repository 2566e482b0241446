"""Writes of the tree: import, and what a centre says of itself."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from portal.centres import rules
from portal.centres.models import Centre
from portal.centres.profile import Profile
from portal.core import audit
from portal.core.access import Actor
from portal.core.db import db
from portal.core.errors import Invalid

COLUMNS = ("code", "name", "level", "kind", "parent_code", "note")
LIMITS = {"code": ("编码", 32), "name": ("名称", 80), "note": ("备注", 200)}


@dataclass(frozen=True, slots=True)
class RowProblem:
    line: int  # in the file, the header is line 1
    reason: str


class ImportRefused(Invalid):
    """Nothing was imported; `problems` says why, line by line."""

    message = "文件里有错误，一行也没有导入。"

    def __init__(self, problems: list[RowProblem]) -> None:
        super().__init__()
        self.problems = problems


@dataclass(frozen=True, slots=True)
class ImportResult:
    added: int
    changed: int
    unchanged: int


def read_rows(text: str) -> list[tuple[int, dict[str, str]]]:
    """Line number and cells of each row. Raises ImportRefused when it is not our table or holds no row."""
    reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
    try:
        rows = _cells(reader)
    except csv.Error:  # an open quotation mark that swallows the rest of the file, a cell of 128 KB
        why = "从这一行起读不下去，可能少了半个引号，或者这不是 CSV 文件"
        raise ImportRefused([RowProblem(reader.line_num + 1, why)]) from None
    if not rows:
        raise ImportRefused([RowProblem(1, "表头下面没有内容")])
    return rows


def _cells(reader: csv.DictReader[str]) -> list[tuple[int, dict[str, str]]]:
    header = [h.strip() for h in reader.fieldnames or []]
    missing = [c for c in COLUMNS[:5] if c not in header]
    if missing:
        raise ImportRefused([RowProblem(1, f"缺少列：{'、'.join(missing)}（应有 {','.join(COLUMNS)}）")])
    rows = []
    for row in reader:
        cells = {(k or "").strip(): (v or "").strip() for k, v in row.items() if not isinstance(v, list)}
        if any(isinstance(v, list) for v in row.values()):
            cells["_extra"] = "1"
        if any(cells.values()):
            rows.append((reader.line_num, cells))
    return rows


def _row_problems(cells: dict[str, str], seen: dict[str, int], profile: Profile, known: set[str]) -> list[str]:
    problems = [f"缺少 {c}" for c in ("code", "name", "level") if not cells.get(c)]
    if cells.get("_extra"):
        problems.append("列数比表头多")
    if any(len(cells.get(name, "")) > most for name, (_, most) in LIMITS.items()):
        problems.append("、".join(f"{label}超过 {most} 字" for label, most in LIMITS.values()))
    if cells.get("code") in seen:
        problems.append(f"编码 {cells['code']} 与第 {seen[cells['code']]} 行重复")
    levels = {lv.code: lv.rank for lv in profile.levels}
    if cells.get("level") and cells["level"] not in levels:
        problems.append(f"没有“{cells['level']}”这个层级（可用：{'、'.join(levels)}）")
    parent = cells.get("parent_code", "")
    if parent and parent == cells.get("code"):
        problems.append("上级不能是自己")
    elif parent and parent not in known:
        problems.append(f"找不到上级 {parent}")
    return problems


def _check(rows: list[tuple[int, dict[str, str]]], profile: Profile, existing: dict[str, Centre]) -> list[RowProblem]:
    known = existing.keys() | {cells.get("code", "") for _, cells in rows}
    problems, seen = [], dict[str, int]()
    for line, cells in rows:
        problems += [RowProblem(line, why) for why in _row_problems(cells, seen, profile, set(known))]
        seen.setdefault(cells.get("code", ""), line)
    if problems:
        return problems
    return _tree_problems(rows, profile, existing)


def _tree_problems(
    rows: list[tuple[int, dict[str, str]]], profile: Profile, existing: dict[str, Centre]
) -> list[RowProblem]:
    """Circles, parents of a lower or equal level, and rows that would leave the tree they are in."""
    ranks = {lv.code: lv.rank for lv in profile.levels}
    codes = {c.id: c.code for c in existing.values()}
    parent = {c.code: codes.get(c.parent_id or 0, "") for c in existing.values()}
    level = {c.code: c.level for c in existing.values()}
    for _, cells in rows:
        parent[cells["code"]], level[cells["code"]] = cells.get("parent_code", ""), cells["level"]
    problems = []
    for line, cells in rows:
        above, steps = cells.get("parent_code", ""), {cells["code"]}
        if above and ranks.get(level[above], -1) >= ranks[cells["level"]]:
            problems.append(RowProblem(line, f"上级 {above} 的层级不高于本级"))
        while above:
            if above in steps:
                problems.append(RowProblem(line, "上下级成了一个圈"))
                break
            steps.add(above)
            above = parent.get(above, "")
    return problems


def import_centres(text: str, profile: Profile, actor: Actor, now: datetime) -> ImportResult:
    """Add or update centres from CSV text (SPEC N2); the same file twice changes nothing.

    Raises ImportRefused with every bad row's line and reason; then nothing is stored.
    """
    rows = read_rows(text)
    existing = {c.code: c for c in db.session.scalars(select(Centre))}
    problems = _check(rows, profile, existing)
    if problems:
        raise ImportRefused(problems)
    added = changed = 0
    for _, cells in rows:
        centre = existing.get(cells["code"])
        if centre is None:
            centre = existing[cells["code"]] = Centre(code=cells["code"], functions=[], created_at=now)
            db.session.add(centre)
            added += 1
            _fill(centre, cells, now)
        elif _fill(centre, cells, now):
            changed += 1
    db.session.flush()
    moved = _link(rows, existing, now)
    result = ImportResult(added, changed + moved, len(rows) - added - changed - moved)
    if added or changed or moved:
        audit.record(actor, "import", "centre", None, now, summary=f"导入阵地：新增 {added}，更新 {changed + moved}")
    return result


def _fill(centre: Centre, cells: dict[str, str], now: datetime) -> bool:
    values = {
        "name": cells["name"], "level": cells["level"], "kind": cells.get("kind") or cells["level"],
        "note": cells.get("note", ""),
    }  # fmt: skip
    changed = {k: v for k, v in values.items() if getattr(centre, k) != v}
    if not changed:
        return False
    for key, value in changed.items():
        setattr(centre, key, value)
    if "name" in changed:
        centre.short_name = rules.short_name(centre.name)
    centre.updated_at = now
    return True


def _link(rows: list[tuple[int, dict[str, str]]], existing: dict[str, Centre], now: datetime) -> int:
    """Set parents, then paths top down. Returns how many old centres moved."""
    moved = 0
    for _, cells in rows:
        centre, parent = existing[cells["code"]], existing.get(cells.get("parent_code", ""))
        parent_id = parent.id if parent else None
        if centre.parent_id != parent_id:
            moved += bool(centre.path)
            centre.parent_id, centre.updated_at = parent_id, now
    below: dict[int | None, list[Centre]] = {}
    for centre in existing.values():
        below.setdefault(centre.parent_id, []).append(centre)
    todo = [(c, "/", 0) for c in below.get(None, [])]
    while todo:
        centre, prefix, depth = todo.pop()
        path = f"{prefix}{centre.id}/"
        if centre.path != path:
            centre.path, centre.depth = path, depth
        todo += [(child, path, depth + 1) for child in below.get(centre.id, [])]
    db.session.flush()
    return moved
