"""A centre's Excel plan: previewed row by row, mended in place, taken in once (SPEC C7)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select

from portal.catalogue import rules
from portal.catalogue.actions import drafting, entry_values, room_holds
from portal.catalogue.categories import leaf_categories
from portal.catalogue.models import DROPPED, Category, Entry, PlanImport, ServiceType
from portal.catalogue.rules import EntryValues
from portal.catalogue.states import LAID_ASIDE, PLAN_IMPORT, PREVIEW
from portal.catalogue.timetext.parts import Plan, PlanRow, PlanUnreadable, Problem, error, errors, warning
from portal.centres.models import Centre
from portal.core import audit, clock, confined, states
from portal.core.access import Actor, Permission
from portal.core.db import db, let_go
from portal.core.errors import Invalid

# What the reader of the file calls a cell → the field of the form.
FIELDS = {"category": "category_id", "when": "sessions", "contact": "contact", "contact_name": "contact"}
FIELDS |= {"contact_phone": "phone", "date": "sessions", "time": "sessions"}
NO_CATEGORY = 0
SECONDS = 10  # of a file of 500 rows on a slow machine: one or two
MEMORY = 1024**3  # bytes


class PlanRefused(Invalid):
    """The file as a whole cannot be used; the message says what to do instead."""

    field = "file"


class RowsNotReady(Invalid):
    field = "rows"


class NoSuchRow(Invalid):
    message = "表格里没有这一行。"


@dataclass(frozen=True)
class PreviewRow:
    """One row of the uploaded table as understood. number: its name in the preview; excel_row: as Excel counts."""

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

    @property
    def ok(self) -> bool:
        return not errors(self.problems)

    @property
    def capacity_text(self) -> str:
        return rules.capacity_text(self.values.capacity, self.values.unit)

    @property
    def state(self) -> str:
        """'taken', 'bad', 'duplicate' or 'ready'."""
        if self.entry_id is not None:
            return "taken"
        if not self.ok:
            return "bad"
        return "duplicate" if self.duplicate_of is not None else "ready"


def preview_plan(actor: Actor, centre: Centre, month: str, filename: str, data: bytes, now: datetime) -> PlanImport:
    """Read an .xlsx plan and keep what was understood; nothing enters the list yet (C7).

    The same file uploaded again for the same list opens the earlier preview with its corrections.
    Raises NotAllowed, PlanRefused.
    """
    entry_values.need(actor, Permission.PLAN)
    entry_values.need_inside(actor, centre)
    if not clock.is_month(month):
        raise PlanRefused("请选择月份。", field="month")
    digest = hashlib.sha256(data).hexdigest()
    earlier = select(PlanImport).where(PlanImport.centre_id == centre.id, PlanImport.month == month)
    earlier = earlier.where(PlanImport.digest == digest, PlanImport.status == PREVIEW)
    known = db.session.scalars(earlier.order_by(PlanImport.id.desc())).first()
    if known is not None:
        return known
    plan = _read(data, month)
    found = _understood(plan, centre, month, now)
    if not found:
        raise PlanRefused("表格里没有找到服务。", advice="请检查是不是选错了文件或工作表。")
    upload = PlanImport(
        centre_id=centre.id, month=month, filename=filename[-120:], digest=digest, rows=[_stored(r) for r in found],
        notes=[*(p.message for p in plan.problems), *plan.notes], created_by=actor.name[:40], created_at=now,
    )  # fmt: skip
    db.session.add(upload)
    db.session.flush()
    _log(actor, upload, "preview_plan", now, f"{filename}，{len(found)} 行")
    return upload


def _read(data: bytes, month: str) -> Plan:
    let_go()
    try:
        plan: Plan = confined.call(
            "portal.catalogue.excel.sheet", "read_plan", data, month, seconds=SECONDS, memory=MEMORY
        )
    except PlanUnreadable as unreadable:
        raise PlanRefused(unreadable.message) from unreadable
    except confined.Exceeded as exceeded:
        said = f"这个文件读了 {SECONDS} 秒还没有读完，已经停下。"
        raise PlanRefused(said, advice="请把服务清单复制到一个新的 Excel 文件里再上传。") from exceeded
    return plan


def _understood(plan: Plan, centre: Centre, month: str, now: datetime) -> list[PreviewRow]:
    categories, known = _categories(), room_holds.by_name(centre)
    numbers = [row.number for row in plan.rows]
    several = len(set(numbers)) != len(numbers)  # sheets that count their rows each from 1
    found = [
        _understand(row, index if several else row.number, centre, categories, month, now)
        for index, row in enumerate(plan.rows, 1)
    ]
    found = [_in_room(row, known) for row in found]
    return _mark_duplicates(found, centre, month)


def _understand(row: PlanRow, number: int, centre: Centre, categories: Named, month: str, now: datetime) -> PreviewRow:
    category, doubt = _category_of(row, categories)
    rule = row.when.weekly
    values = EntryValues(
        month=month, title=row.title, category_id=category.id if category else NO_CATEGORY,
        content="\n".join(filter(None, (row.content, row.remark))),
        sessions=row.when.spans, place=row.place, audience=row.audience_text or "全体居民",
        groups=rules.groups_in(row.audience_text), capacity=row.capacity, unit=row.unit or "人",
        organiser=row.organiser or centre.name, contact=row.contact_name, phone=row.contact_phone,
        weekly=rules.weekly_dict(rule.weekdays, rule.start, rule.end) | {"label": rule.label} if rule else None,
    )  # fmt: skip
    read = [Problem(FIELDS.get(p.field, p.field), p.severity, p.message) for p in row.problems]
    fields = {p.field for p in read}
    more = [*doubt, *(p for p in problems_of(values, row.category_text, now) if p.field not in fields)]
    return PreviewRow(
        number=number, excel_row=row.number, sheet=row.sheet, values=values, problems=(*read, *more),
        when_text=row.when.label or rules.when_text(values.sessions, values.weekly),
        category_text=row.category_text, raw=row.raw,
    )  # fmt: skip


def _in_room(row: PreviewRow, known: dict[str, int]) -> PreviewRow:
    """A place that is the name of a room means the room (C2); it can be changed in the preview."""
    room = known.get(room_holds.folded(row.values.place))
    return replace(row, values=replace(row.values, venue_id=room)) if room is not None else row


def problems_of(values: EntryValues, category_text: str, now: datetime) -> list[Problem]:
    """What keeps a row of a plan out, or should be looked at."""
    found = rules.check(values, now, draft=True)
    if not values.sessions:
        found = [p for p in found if p.field != "sessions"]
        found.append(error("sessions", "没有看懂时间，请选择日期和时间。"))
    if values.category_id == NO_CATEGORY:
        said = f"没有“{category_text}”这个类别，请选择。" if category_text else "请选择类别。"
        found.append(error("category_id", said))
    return found


Named = dict[str, list[tuple[Category, tuple[str, ...]]]]  # words → categories they may mean, with their services


def _categories() -> Named:
    """Categories by the words plans use: '党群服务', '党群', '大众化服务/党群服务', '大众化服务' for all below it."""
    services: dict[int, list[str]] = {}
    for category_id, name in db.session.execute(select(ServiceType.category_id, ServiceType.name)).all():
        services.setdefault(category_id, []).append(name)
    named: Named = {}
    for category in leaf_categories():
        top = category.parent.name if category.parent is not None else ""
        for words in {category.name, category.name.removesuffix("服务"), f"{top}/{category.name}", top} - {""}:
            named.setdefault(words, []).append((category, tuple(services.get(category.id, ()))))
    return named


def _category_of(row: PlanRow, named: Named) -> tuple[Category | None, list[Problem]]:
    """The category a cell means. Where it names a whole branch, the service named in the title decides."""
    text = row.category_text.strip()
    meant = named.get(text) or named.get(text.replace("-", "/").replace("—", "/")) or []
    own = [category for category, _ in meant if category.name in {text, f"{text}服务"}]
    if own or not meant:
        return (own[0] if own else None), []
    by_service = [category for category, services in meant if any(name in row.title for name in services)]
    chosen = (by_service or [meant[0][0]])[0]
    if by_service or len(meant) == 1:
        return chosen, []
    return chosen, [warning("category_id", f"“{text}”是大类，暂按“{chosen.name}”算，请核对。")]


def _mark_duplicates(found: list[PreviewRow], centre: Centre, month: str) -> list[PreviewRow]:
    known = db.session.execute(
        select(Entry.title, Entry.first_start, Entry.id).where(
            Entry.centre_id == centre.id, Entry.month == month, Entry.status != DROPPED
        )
    )
    there = {(title, start): number for title, start, number in known}
    return [replace(r, duplicate_of=there.get((r.values.title.strip(), r.values.first_start))) for r in found]


def rows_of(upload: PlanImport) -> list[PreviewRow]:
    """The rows of a preview in the order of the file."""
    return [_loaded(stored) for stored in upload.rows]


def _stored(row: PreviewRow) -> dict[str, Any]:
    return {
        "number": row.number, "excel_row": row.excel_row, "sheet": row.sheet,
        "values": entry_values.to_json(row.values), "when_text": row.when_text, "category_text": row.category_text,
        "raw": row.raw, "mended": row.mended,
        "problems": [[p.field, p.severity, p.message] for p in row.problems],
        "duplicate_of": row.duplicate_of, "entry_id": row.entry_id,
    }  # fmt: skip


def _loaded(stored: dict[str, Any]) -> PreviewRow:
    problems = tuple(Problem(*p) for p in stored["problems"])
    return PreviewRow(**{**stored, "values": entry_values.from_json(stored["values"]), "problems": problems})


def _taken_up(actor: Actor, upload: PlanImport) -> Centre:
    """The centre of an upload that the actor may work on; one at a time, so that a double click takes nothing in twice.

    Locks the import. Raises NotAllowed.
    """
    entry_values.need(actor, Permission.PLAN)
    entry_values.need_inside(actor, upload.centre)
    db.session.flush()
    db.session.refresh(upload, with_for_update=True)
    return upload.centre


def take_in_plan(actor: Actor, upload: PlanImport, numbers: Iterable[int] | None, now: datetime) -> list[Entry]:
    """Make drafts of the chosen rows (None: every good one that is not there yet). Nothing is taken in twice (C7).

    Rows that stay out remain in the preview; it is finished once every row is in. Raises NotAllowed, NoSuchRow,
    RowsNotReady when a chosen row still has an error (then none is taken in). Locks the import.
    """
    centre = _taken_up(actor, upload)
    if upload.status == LAID_ASIDE:
        raise RowsNotReady("这份表格已经放弃，请重新上传。")
    found = {row.number: row for row in rows_of(upload)}
    chosen = _chosen({n: _again(row, now) for n, row in found.items()}, numbers)
    taken = [_take(actor, upload, centre, row, now) for row in chosen]
    by_number = dict(zip((row.number for row in chosen), taken, strict=True))
    after = [replace(r, entry_id=by_number[r.number].id) if r.number in by_number else r for r in found.values()]
    upload.rows = [_stored(row) for row in after]
    db.session.flush()
    if upload.status == PREVIEW and all(row.entry_id is not None for row in after):
        states.fire(PLAN_IMPORT, upload, "take", actor, now, values={"taken_at": now})
    if taken:
        _log(actor, upload, "take_in_plan", now, f"{upload.filename}，导入 {len(taken)} 条")
    return taken


def _again(row: PreviewRow, now: datetime) -> PreviewRow:
    """Errors that came about since the preview was made (a category gone); known doubts stay."""
    category = db.session.get(Category, row.values.category_id) if row.values.category_id else None
    values = row.values if category is not None else replace(row.values, category_id=NO_CATEGORY)
    new = [p for p in errors(problems_of(values, row.category_text, now)) if p not in row.problems]
    return replace(row, problems=(*row.problems, *new))


def _chosen(found: dict[int, PreviewRow], numbers: Iterable[int] | None) -> list[PreviewRow]:
    if numbers is None:
        return [row for row in found.values() if row.state == "ready"]
    wanted = [found.get(n) for n in dict.fromkeys(numbers)]
    if any(row is None for row in wanted):
        raise NoSuchRow()
    chosen = [row for row in wanted if row is not None and row.entry_id is None]
    bad = [row for row in chosen if not row.ok]
    if bad:
        lines = "、".join(str(row.excel_row) for row in bad)
        raise RowsNotReady(f"第 {lines} 行还有问题，请先改好或去掉勾选；这次一行也没有导入。")
    return chosen


def _take(actor: Actor, upload: PlanImport, centre: Centre, row: PreviewRow, now: datetime) -> Entry:
    entry = drafting.draft_entry(actor, row.values, now, centre=centre)
    entry.import_row = f"{upload.id}:{row.number}"
    entry.check_note = "；".join(p.message.rstrip("。") for p in row.problems if p.severity == "warning")
    db.session.flush()
    return entry


def mend_plan_row(actor: Actor, upload: PlanImport, number: int, values: EntryValues, now: datetime) -> PreviewRow:
    """Replace what was understood of one row by what the person says; its problems are found anew.

    Raises NotAllowed, NoSuchRow, RowsNotReady for a row already taken in.
    """
    centre = _taken_up(actor, upload)
    found = {row.number: row for row in rows_of(upload)}
    row = found.get(number)
    if row is None:
        raise NoSuchRow()
    if row.entry_id is not None or upload.status != PREVIEW:
        raise RowsNotReady("这一行已经导入，请在清单里修改。")
    values = replace(values, month=upload.month, groups=values.groups or rules.groups_in(values.audience))
    values = room_holds.settled(replace(values, weekly=rules.still_weekly(values)), centre)
    category = db.session.get(Category, values.category_id) if values.category_id else None
    text = category.name if category else ""
    if category is None:
        values = replace(values, category_id=NO_CATEGORY)
    mended = replace(
        row, values=values, when_text=rules.when_text(values.sessions, values.weekly), mended=True,
        category_text=text or row.category_text,
        problems=tuple(problems_of(values, row.category_text, now)),
    )  # fmt: skip
    found[number] = _mark_duplicates([mended], centre, upload.month)[0]
    upload.rows = [_stored(r) for r in found.values()]
    db.session.flush()
    return found[number]


def lay_aside_plan(actor: Actor, upload: PlanImport, now: datetime) -> None:
    """Give a preview up; the rows already taken in stay."""
    states.fire(PLAN_IMPORT, upload, "lay_aside", actor, now)
    _log(actor, upload, "lay_aside_plan", now, upload.filename)


def _log(actor: Actor, upload: PlanImport, verb: str, now: datetime, summary: str) -> None:
    audit.record(
        actor, verb, "plan_import", upload.id, now, summary=f"{upload.month} {summary}",
        centre_id=upload.centre_id, centre_path=upload.centre.path,
    )  # fmt: skip
