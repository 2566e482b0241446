"""What a row of an uploaded plan means here: its centre, category, room, problems; and how a preview keeps it (C7)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select

from portal.catalogue import rules
from portal.catalogue.actions import entry_values, room_holds
from portal.catalogue.categories import leaf_categories
from portal.catalogue.models import DROPPED, Category, Entry, PlanImport, ServiceType
from portal.catalogue.rules import EntryValues
from portal.catalogue.timetext.parts import PlanRow, Problem, error, errors, warning
from portal.centres import queries as centre_queries
from portal.centres.models import Centre, Department
from portal.core import clock, scope
from portal.core.db import db
from portal.core.text import fold

# What the reader of the file calls a cell → the field of the form.
FIELDS = {"category": "category_id", "when": "sessions", "contact": "phone", "contact_name": "contact"}
FIELDS |= {"contact_phone": "phone", "date": "sessions", "time": "sessions", "centre": "centre"}
NO_CATEGORY = 0
REMEMBERED = 3  # months back in which the same title tells the category


@dataclass(frozen=True)
class PreviewRow:
    """One row of the uploaded table as understood. number: its name in the preview; excel_row: as Excel counts.

    centre_id: whose list it enters; 0 for the one chosen at the upload. unused: words and times put aside or not
    understood. category_guessed: nobody said the category.
    """

    number: int
    excel_row: int
    sheet: str
    values: EntryValues
    when_text: str
    category_text: str
    problems: tuple[Problem, ...]
    raw: dict[str, str]
    duplicate_of: int | None = None  # an entry of the same title and first date that is already in the list
    entry_id: int | None = None  # taken in as
    mended: bool = False
    centre_id: int = 0
    unused: tuple[str, ...] = ()
    category_guessed: bool = False

    @property
    def ok(self) -> bool:
        return not errors(self.problems)

    @property
    def capacity_text(self) -> str:
        return rules.capacity_text(self.values.capacity, self.values.unit, self.values.walk_in)

    @property
    def state(self) -> str:
        """'taken', 'bad', 'duplicate' or 'ready'."""
        if self.entry_id is not None:
            return "taken"
        if not self.ok:
            return "bad"
        return "duplicate" if self.duplicate_of is not None else "ready"


def to_json(row: PreviewRow) -> dict[str, Any]:
    """A row as a preview keeps it."""
    return {
        "number": row.number, "excel_row": row.excel_row, "sheet": row.sheet,
        "values": entry_values.to_json(row.values), "when_text": row.when_text, "category_text": row.category_text,
        "raw": row.raw, "mended": row.mended,
        "problems": [[p.field, p.severity, p.message] for p in row.problems],
        "duplicate_of": row.duplicate_of, "entry_id": row.entry_id, "centre_id": row.centre_id,
        "unused": list(row.unused), "category_guessed": row.category_guessed,
    }  # fmt: skip


def from_json(stored: dict[str, Any]) -> PreviewRow:
    """A row as `to_json` kept it, also one kept before a field was new."""
    problems = tuple(Problem(*p) for p in stored["problems"])
    values = entry_values.from_json(stored["values"])
    unused = tuple(stored.get("unused", ()))
    return PreviewRow(**{**stored, "values": values, "problems": problems, "unused": unused})


def rows_of(upload: PlanImport) -> list[PreviewRow]:
    """The rows of a preview in the order of the file."""
    return [from_json(stored) for stored in upload.rows]


# --- centres ----------------------------------------------------------------------------------------------------------


def _key(name: str) -> str:
    """Names of centres are compared without blanks, width and what they all end in."""
    return re.sub(r"\s|党群服务(?:中心|站|点)|居民?委员?会|工作站|服务中心", "", fold(name))


def _names(centres: Iterable[tuple[int, str, str]]) -> dict[str, int]:
    """Ids by the names people write; a name that two centres have means neither."""
    found: dict[str, set[int]] = {}
    for number, name, short in centres:
        for words in {_key(name), _key(short or name)} - {""}:
            found.setdefault(words, set()).add(number)
    return {words: next(iter(numbers)) for words, numbers in found.items() if len(numbers) == 1}


class Centres:
    """Which centres a plan for `chosen` may put rows to: it and those below; a department's, only it."""

    def __init__(self, chosen: Centre, department: Department | None = None) -> None:
        self.chosen, self.department = chosen, department
        below = () if department is not None else centre_queries.subtree(chosen)
        self.known = {centre.id: centre for centre in below} | {chosen.id: chosen}
        self.to_allot = department is not None
        with scope.system("a plan may name any centre"):
            named = db.session.execute(select(Centre.id, Centre.name, Centre.short_name))
            every = [(number, name, short) for number, name, short in named]
        self.own = _names(row for row in every if row[0] in self.known)
        self.all = _names(every)

    def of(self, text: str) -> tuple[int, list[Problem]]:
        """The centre that a cell names; 0 and a problem when the row cannot go there.

        Where a department's row is to take place is a wish for whoever allots it, who is told.
        """
        key = _key(text)
        if not key:
            return self.chosen.id, []
        if self.department is not None:
            said = f"表里写的是“{text}”，分到哪些社区由{self.chosen.label}定"
            return self.chosen.id, [warning("centre", said)] if key != _key(self.chosen.name) else []
        found = self.own.get(key) or self.own.get(f"{key}社区")
        if found is not None:
            return found, []
        where = self.chosen.label
        if key in self.all or f"{key}社区" in self.all:
            said = f"这一行是“{text}”的，不属于{where}；请传到它自己的清单里，或选上级中心再上传"
        else:
            said = f"没有叫“{text}”的阵地；请在表里写{where}或它下面阵地的名字"
        return 0, [error("centre", said)]

    def question(self, titles: Iterable[str]) -> str:
        """What to ask when the titles of a file name another centre than the chosen one; '' when they do not."""
        keys = sorted(self.all, key=len, reverse=True)
        line = (*self.chosen.ancestor_ids, self.chosen.id)
        named: list[tuple[str, int]] = []
        for title in titles:
            text = _key(title)
            for key in keys:
                if len(key) > 2 and key in text:
                    named.append((key, self.all[key]))
                    text = text.replace(key, " ")
        if not named or any(number in line for _, number in named):
            return ""
        other = named[0][0]
        return f"表的标题写的是“{other}”，现在选的是“{self.chosen.label}”。"


# --- categories -------------------------------------------------------------------------------------------------------


class Categories:
    """Categories by the words plans use: '党群服务', '党群', '大众化服务/党群服务', '大众化服务' for all below it."""

    def __init__(self, centre_ids: Iterable[int], month: str) -> None:
        self.services: dict[int, tuple[str, int]] = {}
        by_category: dict[int, list[str]] = {}
        known = select(ServiceType.id, ServiceType.name, ServiceType.category_id, ServiceType.active)
        for number, name, category_id, active in db.session.execute(known):
            by_category.setdefault(category_id, []).append(name)
            if active:
                self.services[number] = (name, category_id)
        self.named: dict[str, list[tuple[Category, tuple[str, ...]]]] = {}
        self.by_id: dict[int, Category] = {}
        for category in leaf_categories():
            self.by_id[category.id] = category
            top = category.parent.name if category.parent is not None else ""
            for words in {category.name, category.name.removesuffix("服务"), f"{top}/{category.name}", top} - {""}:
                self.named.setdefault(words, []).append((category, tuple(by_category.get(category.id, ()))))
        self.services = {n: service for n, service in self.services.items() if service[1] in self.by_id}
        centres = list(centre_ids)
        self.earlier = self._earlier(centres, month) if centres else {}

    @staticmethod
    def _earlier(centre_ids: list[int], month: str) -> dict[str, int]:
        since = clock.add_months(month, -REMEMBERED)
        wanted = select(Entry.title, Entry.category_id).where(Entry.centre_id.in_(centre_ids), Entry.month < month)
        wanted = wanted.where(Entry.month >= since, Entry.status != DROPPED).order_by(Entry.month, Entry.id)
        return {_bare(title): category_id for title, category_id in db.session.execute(wanted)}

    def of(self, row: PlanRow) -> tuple[Category | None, list[Problem], bool]:
        """The category of a row, what is doubtful about it, and whether it is a guess."""
        text = row.category_text.strip()
        if not text:
            return self._guess(row.title)
        meant = self.named.get(text) or self.named.get(text.replace("-", "/").replace("—", "/")) or []
        own = [category for category, _ in meant if category.name in {text, f"{text}服务"}]
        if own or not meant:
            return (own[0] if own else None), [], False
        by_service = [category for category, services in meant if any(name in row.title for name in services)]
        chosen = (by_service or [meant[0][0]])[0]
        if by_service or len(meant) == 1:
            return chosen, [], False
        return chosen, [warning("category_id", f"“{text}”是大类，暂按“{chosen.name}”算，请核对。")], False

    def _guess(self, title: str) -> tuple[Category | None, list[Problem], bool]:
        known = self.by_id.get(self.earlier.get(_bare(title), 0))
        why = "前几个月同名的服务"
        if known is None:
            service = rules.closest_service(title, {number: name for number, (name, _) in self.services.items()})
            if service is not None:
                name, category_id = self.services[service]
                known, why = self.by_id[category_id], f"服务项目“{name}”"
        if known is None:
            return None, [], False
        return known, [warning("category_id", f"表里没写类别，按{why}猜是“{known.name}”，请核对。")], True

    def service_of(self, values: EntryValues) -> int | None:
        """The service on offer that a title means, of the row's own category."""
        own = {n: name for n, (name, category_id) in self.services.items() if category_id == values.category_id}
        return rules.closest_service(values.title, own)


def _bare(title: str) -> str:
    """A title without signs, numbers and blanks: 亲子阅读（第3期） is 亲子阅读（第4期）."""
    return re.sub(r"第?[一二三四五六七八九十]+(?=[期场讲次课])|[\W\d_]", "", fold(title))


# --- rows -------------------------------------------------------------------------------------------------------------


class Reader:
    """Turns the rows of a file into rows of a preview; asks the database once, not once a row."""

    def __init__(self, centre: Centre, month: str, now: datetime, department: Department | None = None) -> None:
        self.month, self.now = month, now
        self.centres = Centres(centre, department)
        self.categories = Categories(self.centres.known, month)
        self.rooms = room_holds.ByCentre()

    def read(self, rows: Iterable[PlanRow]) -> list[PreviewRow]:
        """Every row, with what is there already marked."""
        rows = list(rows)
        numbers = [row.number for row in rows]
        several = len(set(numbers)) != len(numbers)  # sheets that count their rows each from 1
        found = [self._understand(row, index if several else row.number) for index, row in enumerate(rows, 1)]
        return mark_duplicates(found, self.centres, self.month)

    def _understand(self, row: PlanRow, number: int) -> PreviewRow:
        category, doubt, guessed = self.categories.of(row)
        centre_id, foreign = self.centres.of(row.centre_text)
        rule = row.when.weekly
        organiser = row.organiser or (self.centres.department.name if self.centres.department is not None else "")
        organiser = organiser or (self.centres.known[centre_id].name if centre_id else "")
        values = EntryValues(
            month=self.month, title=row.title, category_id=category.id if category else NO_CATEGORY,
            content="\n".join(filter(None, (row.content, row.remark))),
            sessions=row.when.spans, place=row.place, audience=row.audience_text or "全体居民",
            groups=rules.groups_in(row.audience_text), capacity=row.capacity, unit=row.unit or "人",
            walk_in=row.walk_in, organiser=organiser, contact=row.contact_name, phone=row.contact_phone,
            weekly=rules.weekly_dict(rule.weekdays, rule.start, rule.end) | {"label": rule.label} if rule else None,
        )  # fmt: skip
        if centre_id:
            # A place that is the name of a room means the room (C2); it can be changed in the preview.
            values = replace(values, venue_id=self.rooms.room(self.centres.known[centre_id], values.place))
        read = [*foreign, *(Problem(FIELDS.get(p.field, p.field), p.severity, p.message) for p in row.problems), *doubt]
        if self.centres.to_allot:  # its place may still be anywhere
            read = [p for p in read if p.field != "place" or p.severity == "error"]
        return PreviewRow(
            number=number, excel_row=row.number, sheet=row.sheet, values=values, centre_id=centre_id,
            problems=joined(read, problems_of(values, row.category_text, self.now, self.centres.to_allot)),
            when_text=row.when.label or rules.when_text(values.sessions, values.weekly),
            category_text=row.category_text, raw=row.raw, unused=row.when.unused, category_guessed=guessed,
        )  # fmt: skip


def joined(read: Iterable[Problem], ruled: Iterable[Problem]) -> tuple[Problem, ...]:
    """What the reader and the rules say, each thing once: an error is never lost behind a warning (C7).

    Of one field the reader's errors stand for the rules', whose errors stand for its doubt about the same; a time that
    must be mended is not also doubted.
    """
    said, found = list(read), list(ruled)
    wrong = {p.field for p in errors(said)}
    said = [p for p in said if p.severity == "error" or p.field != "sessions" or "sessions" not in wrong]
    kept = [p for p in errors(found) if p.field not in wrong]
    named = {p.field for p in said}
    more = [p for p in found if p.severity == "warning" and p.field not in named]
    refused = {p.field for p in kept}
    said = [p for p in said if not (p.severity == "warning" and p.field in refused and "重叠" in p.message)]
    return tuple(dict.fromkeys((*said, *kept, *more)))


def problems_of(values: EntryValues, category_text: str, now: datetime, to_allot: bool = False) -> list[Problem]:
    """What keeps a row of a plan out, or should be looked at. to_allot: of a department's plan."""
    found = rules.check(values, now, draft=True, to_allot=to_allot)
    if not values.sessions:
        found = [p for p in found if p.field != "sessions"]
        found.append(error("sessions", "没有看懂时间，请选择日期和时间。"))
    if values.category_id == NO_CATEGORY:
        said = f"没有“{category_text}”这个类别，请选择。" if category_text else "请选择类别。"
        found.append(error("category_id", said))
    return found


def mark_duplicates(found: list[PreviewRow], centres: Centres, month: str) -> list[PreviewRow]:
    """The rows, each with the entry of its centre, or of the department, that has the same title and first session."""
    chosen, department = centres.chosen, centres.department
    wanted = {row.centre_id or chosen.id for row in found}
    # What was allotted stands in the lists of communities and is still the department's.
    theirs = Entry.centre_id.in_(wanted) if department is None else Entry.department_id == department.id
    known = db.session.execute(
        select(Entry.title, Entry.first_start, Entry.id, Entry.centre_id).where(
            theirs, Entry.month == month, Entry.status != DROPPED
        )
    )
    there = {
        (chosen.id if department is not None else centre_id, title, start): number
        for title, start, number, centre_id in known
    }
    return [
        replace(r, duplicate_of=there.get((r.centre_id or chosen.id, r.values.title.strip(), r.values.first_start)))
        for r in found
    ]
