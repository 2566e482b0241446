"""Rooms and outside places from a CSV file: those a deployment ships, and an operator's own (SPEC V1)."""

import csv
import io
import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import select

from portal.centres import profile
from portal.centres import queries as centres
from portal.centres.actions import ImportRefused, RowProblem
from portal.centres.models import Centre
from portal.core import audit, registry
from portal.core.access import Actor, system_actor
from portal.core.db import db
from portal.core.incoming import whole_number
from portal.venues.actions import rooms
from portal.venues.actions.rooms import RoomFacts
from portal.venues.models import Venue

COLUMNS = (
    "name", "kind", "centre_code", "place", "address", "area_m2", "capacity", "functions", "equipment", "intro",
    "terms_of_use", "contact", "phone", "link", "needs_approval",
)  # fmt: skip
REQUIRED = COLUMNS[:2]
LIMITS = {
    "name": 60, "place": 60, "address": 200, "intro": 600, "terms_of_use": 1000, "contact": 40, "phone": 30,
    "link": 300, "centre_code": 32,
}  # fmt: skip
NUMBERS = {"area_m2": 1_000_000, "capacity": 100_000}
WORD_LENGTH, KEY_LENGTH = 12, 80
FILE = "venues.csv"


class VenuesRefused(ImportRefused):
    """Nothing was imported; `problems` says why, line by line."""


@dataclass(frozen=True, slots=True)
class VenueRow:
    """One line of the file. centre_code '': the deployment's top centre."""

    line: int
    centre_code: str
    facts: RoomFacts

    def key(self, top: str) -> str:
        return f"{self.centre_code or top}:{self.facts.kind}:{self.facts.name}"


def read_venues(text: str) -> list[VenueRow]:
    """Rows of a venues file. Lists are divided by 、, rules of use by |. Raises VenuesRefused with every bad line."""
    reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
    found, problems = list[VenueRow](), list[RowProblem]()
    seen: dict[str, int] = {}
    try:
        header = [(h or "").strip() for h in reader.fieldnames or []]
        missing = [c for c in REQUIRED if c not in header]
        if missing:
            raise VenuesRefused([RowProblem(1, f"缺少列：{'、'.join(missing)}（应有 {','.join(COLUMNS)}）")])
        for raw in reader:
            cells = {c: str(raw.get(c) or "").strip() for c in COLUMNS}
            if not any(cells.values()):
                continue
            row = VenueRow(reader.line_num, cells["centre_code"], _facts(cells))
            bad = ["列数比表头多"] if None in raw else _problems(cells, row)
            twin = seen.setdefault(row.key(""), reader.line_num)
            bad += [f"与第 {twin} 行重复"] if twin != reader.line_num else []
            problems += [RowProblem(reader.line_num, why) for why in bad]
            found.append(row)
    except csv.Error:  # an open quotation mark that swallows the rest of the file, a cell of 128 KB
        why = "从这一行起读不下去，可能少了半个引号，或者这不是 CSV 文件"
        raise VenuesRefused([RowProblem(reader.line_num + 1, why)]) from None
    if not found and not problems:
        problems.append(RowProblem(1, "表头下面没有内容"))
    if problems:
        raise VenuesRefused(problems)
    return found


def _facts(cells: dict[str, str]) -> RoomFacts:
    def number(name: str) -> int | None:
        return whole_number(cells[name], NUMBERS[name]) or None

    return RoomFacts(
        name=cells["name"], kind=cells["kind"], place=cells["place"], address=cells["address"], intro=cells["intro"],
        contact=cells["contact"], phone=cells["phone"], link=cells["link"], area_m2=number("area_m2"),
        capacity=number("capacity"),
        functions=tuple(rooms.divided(cells["functions"])), equipment=tuple(rooms.divided(cells["equipment"])),
        terms_of_use=cells["terms_of_use"].replace("|", "\n"),
        bookable=cells["kind"] not in profile.current().venues.outside,
        needs_approval=cells["needs_approval"] != "否",
    )  # fmt: skip


def _problems(cells: dict[str, str], row: VenueRow) -> list[str]:
    kinds = profile.current().venues.kinds
    found = [f"缺少 {c}" for c in REQUIRED if not cells[c]]
    if cells["kind"] and cells["kind"] not in kinds:
        found.append(f"没有“{cells['kind']}”这个类型（可用：{'、'.join(kinds)}）")
    found += [f"{c} 太长（最多 {most} 个字）" for c, most in LIMITS.items() if len(cells[c]) > most]
    found += [f"{c} 应是整数" for c in NUMBERS if cells[c] and getattr(row.facts, c) is None]
    long = [w for w in (*row.facts.functions, *row.facts.equipment) if len(w) > WORD_LENGTH]
    found += [f"“{w}”太长，每项最多 {WORD_LENGTH} 个字" for w in long]
    if cells["link"] and not re.fullmatch(r"https?://[^\s/]+\S*", cells["link"]):
        found.append("link 要以 https:// 或 http:// 开头")
    if cells["needs_approval"] not in ("", "是", "否"):
        found.append("needs_approval 写“是”或“否”")
    if len(row.key("")) > KEY_LENGTH - LIMITS["centre_code"]:
        found.append("名称太长")
    return found or list(rooms.problems(row.facts, None).values())


def import_venues(rows: list[VenueRow], actor: Actor, now: datetime) -> tuple[int, int]:
    """Add rooms and outside places that are not there yet; one that staff may have changed since is left as it is.

    Returns how many were added and how many were there. Flushes only. Raises VenuesRefused with each line whose centre
    does not exist or has such a room already.
    """
    top = profile.current().root_staff_centre
    homes = {c.code: c for c in db.session.scalars(select(Centre).where(Centre.active))}
    known = set(db.session.scalars(select(Venue.import_key).where(Venue.import_key.is_not(None))))
    there = set(db.session.execute(select(Venue.centre_id, Venue.name).where(Venue.active)))
    new = [row for row in rows if row.key(top) not in known]
    problems = []
    for row in new:
        home = homes.get(row.centre_code or top)
        if home is None:
            problems.append(RowProblem(row.line, f"没有编码为 {row.centre_code or top} 的阵地"))
        elif (home.id, row.facts.name) in there:
            problems.append(RowProblem(row.line, f"{home.label}已经有一个“{row.facts.name}”"))
    if problems:
        raise VenuesRefused(problems)
    for row in new:
        rooms.add_room(actor, homes[row.centre_code or top], row.facts, None, now, import_key=row.key(top))
    if new:
        audit.record(actor, "import_venues", "venue", None, now, summary=f"导入场地：新增 {len(new)}")
    return len(new), len(rows) - len(new)


# What a deployment ships ----------------------------------------------------------------------------------------------


def _shipped() -> list[VenueRow]:
    """The deployment's list. Of another deployment's list only the usual rooms: its museums are in its own town."""
    file = profile.current().file(FILE)
    if not file.exists():
        return []
    rows = read_venues(file.read_text(encoding="utf-8-sig"))
    return rows if file.parent == profile.current().folder else [row for row in rows if row.facts.bookable]


@cache
def _usual(_deployment: str) -> dict[str, RoomFacts]:
    return {row.facts.name: row.facts for row in _shipped() if row.facts.bookable}


def usual_rooms() -> dict[str, RoomFacts]:
    """The kinds of rooms that centres usually have, by name: what a new room may begin with."""
    return _usual(profile.current().code)


@registry.on_init
def load_venues(now: datetime) -> str:
    """Part of `flask init`: the deployment's rooms and outside places, owned by its top centre."""
    rows = _shipped()
    if not rows:
        return "场地 0 个。"
    if centres.by_code(profile.current().root_staff_centre) is None:
        return "场地还没有导入：先要有阵地，再运行一次 init。"
    added, unchanged = import_venues(rows, system_actor("初始化"), now)
    return f"场地新增 {added}，未变 {unchanged}。"
