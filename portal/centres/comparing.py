"""A table that was sent beside what is stored: what is new, what changes from what to what, what is refused and why.

Nothing of it is kept: it is worked out anew whenever it is shown or taken in, so it is never older than the tree (N2).
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from portal.centres import table
from portal.centres.models import Centre, OpeningHours
from portal.centres.profile import Profile
from portal.centres.rules import Hours
from portal.centres.table import Line, Sent, Wrong
from portal.core.db import db

NEW, CHANGED, SAME, BAD = "new", "changed", "same", "bad"
PLAIN = ("name", "note", "address", "responsible")  # taken as they stand
READERS: dict[str, Callable[[str], Any]] = {
    "phone": table.phone,
    "latitude": table.latitude,
    "longitude": table.longitude,
    "area_m2": table.area,
    "functions": table.functions,
}


@dataclass(frozen=True, slots=True)
class Change:
    """What one column says now and will say, in words."""

    column: str
    before: str
    after: str


@dataclass(slots=True)
class Compared:
    """One row. kind: NEW, CHANGED, SAME, BAD. values: columns to write; hours: the whole week when it changes."""

    number: int
    code: str
    name: str
    centre: Centre | None
    values: dict[str, Any] = field(default_factory=dict)
    parent_code: str | None = None  # None: stays where it is
    hours: dict[int, list[Hours]] | None = None
    changes: list[Change] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        if self.problems:
            return BAD
        if self.centre is None:
            return NEW
        return CHANGED if self.changes else SAME


Week = Mapping[int, Sequence[Hours]]


class Tree:
    """All centres and their hours, asked once. Two statements."""

    def __init__(self, profile: Profile, lock: bool = False) -> None:
        wanted = select(Centre).order_by(Centre.id)
        found = db.session.scalars(wanted.with_for_update(key_share=True) if lock else wanted)
        self.profile, self.by_code = profile, {centre.code: centre for centre in found}
        self.codes = {centre.id: centre.code for centre in self.by_code.values()}
        self.levels = {word: level.code for level in profile.levels for word in (level.name, level.short, level.code)}
        self.kinds = {word: code for code, name in profile.kinds.items() for word in (name, code)} | self.levels
        self.week: dict[int, dict[int, list[Hours]]] = {}
        rows = select(OpeningHours).order_by(OpeningHours.centre_id, OpeningHours.weekday, OpeningHours.opens)
        for row in db.session.scalars(rows):
            days = self.week.setdefault(row.centre_id, {})
            days.setdefault(row.weekday, []).append(Hours(row.opens, row.closes, row.note))

    def level_word(self, code: str) -> str:
        return next((level.short for level in self.profile.levels if level.code == code), code)

    def kind_word(self, code: str) -> str:
        return self.profile.kinds.get(code) or self.level_word(code)

    def parent_code(self, centre: Centre) -> str:
        return self.codes.get(centre.parent_id or 0, "")


def compare(sent: Sent, tree: Tree) -> list[Compared]:
    """Every row of a table beside the tree, in the order of the file."""
    return _Comparison(sent, tree).rows


def fingerprint(rows: Iterable[Compared]) -> str:
    """Equal as long as taking in would do the same."""
    said = [(row.number, row.code, row.kind, row.changes, row.problems) for row in rows]
    return hashlib.sha256(repr(said).encode()).hexdigest()[:20]


class _Comparison:
    def __init__(self, sent: Sent, tree: Tree) -> None:
        self.sent, self.tree = sent, tree
        self.seen: dict[str, int] = {}
        self.named: dict[str, list[str]] = {}
        for centre in tree.by_code.values():
            self.named.setdefault(centre.name, []).append(centre.code)
        for line in sent.lines:
            code, name = line.cells.get("code", ""), line.cells.get("name", "")
            if name and code and code not in self.named.setdefault(name, []):
                self.named[name].append(code)
        self.coming = {line.cells["code"] for line in sent.lines if "code" in line.cells}
        self.rows = [self._row(line) for line in sent.lines]
        self._tree_problems()

    def _row(self, line: Line) -> Compared:
        cells = line.cells
        code = cells.get("code", "")
        centre = self.tree.by_code.get(code)
        row = Compared(line.number, code, cells.get("name") or (centre.name if centre else ""), centre)
        required = ("code",) if centre else ("code", "name", "level")
        row.problems += [f"缺少 {self._word(name)}" for name in required if not cells.get(name)]
        if line.extra:
            row.problems.append("列数比表头多")
        for name, text in cells.items():
            if len(text) > table.BY_NAME[name].most:
                row.problems.append(f"{table.BY_NAME[name].words}超过 {table.BY_NAME[name].most} 字")
        if code in self.seen:
            row.problems.append(f"编码 {code} 与第 {self.seen[code]} 行重复")
        elif code:
            self.seen[code] = line.number
        self._columns(row, cells)
        self._place(row, cells)
        return row

    def _word(self, name: str) -> str:
        """What a column is called in this file."""
        return self.sent.head.get(name) or table.BY_NAME[name].words

    def _columns(self, row: Compared, cells: Mapping[str, str]) -> None:
        if row.code:
            self._try(row, lambda: table.code(row.code))
        for name in (*PLAIN, *READERS):
            if name in cells and not (row.centre and cells[name] == written(name, getattr(row.centre, name))):
                self._read(row, name, cells[name])
        for name, known in (("level", self.tree.levels), ("kind", self.tree.kinds)):
            if name in cells:
                self._chosen(row, name, cells[name], known)
        if row.centre is None and "kind" not in row.values and "level" in row.values:
            row.values["kind"] = row.values["level"]
        if "hours" in cells or "off_peak" in cells:
            self._try(row, lambda: self._hours(row, cells))
        self._position(row)

    def _try(self, row: Compared, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except Wrong as wrong:
            row.problems.append(str(wrong))

    def _read(self, row: Compared, name: str, text: str) -> None:
        found = self._try(row, lambda: READERS[name](text) if name in READERS else text)
        if found is not None:
            self._set(row, name, list(found) if name == "functions" else found, written(name, found))

    def _chosen(self, row: Compared, name: str, text: str, known: Mapping[str, str]) -> None:
        code = known.get(text)
        if code is None and name == "kind" and re.fullmatch("[a-z_]+", text):
            code = text  # of the operator's own; no list of the profile limits it
        if code is None:
            choices = {self.tree.level_word(c) if name == "level" else self.tree.kind_word(c) for c in known.values()}
            can = list(known.values()) if self._word(name) == name else sorted(choices)
            said = "、".join(dict.fromkeys(can))
            row.problems.append(f"没有“{text}”这个{table.BY_NAME[name].words}（可用：{said}）")
            return
        word = self.tree.level_word if name == "level" else self.tree.kind_word
        self._set(row, name, code, word(code), word(getattr(row.centre, name)) if row.centre else "")

    def _set(self, row: Compared, name: str, value: Any, words: str, before: str | None = None) -> None:
        old = getattr(row.centre, name) if row.centre else None
        if row.centre is not None and old == value:
            return
        row.values[name] = value
        row.changes.append(Change(name, written(name, old) if before is None else before, words))

    def _hours(self, row: Compared, cells: Mapping[str, str]) -> None:
        week = self.tree.week.get(row.centre.id, {}) if row.centre else {}
        usual, noted = cells.get("hours", ""), cells.get("off_peak", "")
        told = table.hours(usual) if usual and usual != table.usual_text(week) else None
        late = table.off_peak(noted) if noted and noted != table.off_peak_text(week) else None
        after = table.with_both(week, told, late)
        if after == week:
            return
        row.hours = after
        for name, say in (("hours", table.usual_text), ("off_peak", table.off_peak_text)):
            if say(week) != say(after):
                row.changes.append(Change(name, say(week), say(after) or "不开放"))

    def _position(self, row: Compared) -> None:
        """Half a place is none."""
        known = {name: row.values.get(name, getattr(row.centre, name, None)) for name in ("latitude", "longitude")}
        if sum(value is None for value in known.values()) == 1 and not row.problems:
            told, lacking = ("纬度", "经度") if known["longitude"] is None else ("经度", "纬度")
            row.problems.append(f"填了{told}，也请填{lacking}，地图上才有这个点")

    def _place(self, row: Compared, cells: Mapping[str, str]) -> None:
        """Where in the tree. An empty cell: where it is; of a new one: at the top."""
        text = cells.get("parent_code", "")
        if not text:
            row.parent_code = None if row.centre else ""
            return
        by_name = self.named.get(text, [])
        code = text if text in self.tree.by_code or text in self.coming else (by_name[0] if len(by_name) == 1 else "")
        if len(by_name) > 1 and not code:
            row.problems.append(f"叫“{text}”的上级不止一个，请写它的编码")
        elif not code:
            row.problems.append(f"找不到上级 {text}")
        elif code == row.code:
            row.problems.append("上级不能是自己")
        else:
            row.parent_code = code
            before = self.tree.parent_code(row.centre) if row.centre else ""
            if before != code:
                row.changes.append(Change("parent_code", self._called(before), self._called(code)))
            else:
                row.parent_code = None

    def _called(self, code: str) -> str:
        centre = self.tree.by_code.get(code)
        return centre.label if centre else code

    def _tree_problems(self) -> None:
        """Circles, parents of a lower or equal level, a second centre of one name in one place."""
        ranks = {level.code: level.rank for level in self.tree.profile.levels}
        parent = {code: self.tree.parent_code(centre) for code, centre in self.tree.by_code.items()}
        level = {code: centre.level for code, centre in self.tree.by_code.items()}
        names = {(parent[code], centre.name): code for code, centre in self.tree.by_code.items()}
        for row in self.rows:
            if row.parent_code is not None:
                parent[row.code] = row.parent_code
            level[row.code] = row.values.get("level", level.get(row.code, ""))
        for row in self.rows:
            above, steps = parent.get(row.code, ""), {row.code}
            if above and ranks.get(level.get(above, ""), -1) >= ranks.get(level[row.code], len(ranks)):
                row.problems.append(f"上级 {above} 的层级不高于本级")
            twin = names.get((above, row.name))
            if row.centre is None and twin and row.code:
                row.problems.append(f"这里已经有同名的阵地，编码是 {twin}；如果是同一个，请写这个编码")
            while above:
                if above in steps:
                    row.problems.append("上下级成了一个圈")
                    break
                steps.add(above)
                above = parent.get(above, "")


def written(name: str, value: Any) -> str:
    """A column's value as its cell says it."""
    if value is None or value == "":
        return ""
    if name == "functions":
        return "、".join(value)
    return str(value)
