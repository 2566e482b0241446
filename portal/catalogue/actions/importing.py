"""A centre's plan from Excel: previewed row by row, mended in place, taken in once (SPEC C7)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, select

from portal.catalogue import bulk_rules, rules
from portal.catalogue.actions import drafting, entry_values, room_holds
from portal.catalogue.actions.plan_rows import (
    NO_CATEGORY,
    Categories,
    Centres,
    PreviewRow,
    Reader,
    from_json,
    joined,
    mark_duplicates,
    problems_of,
    rows_of,
    to_json,
)
from portal.catalogue.categories import leaf_categories
from portal.catalogue.models import Category, Entry, PlanImport
from portal.catalogue.rules import EntryValues
from portal.catalogue.states import LAID_ASIDE, PLAN_IMPORT, PREVIEW
from portal.catalogue.timetext.parts import Plan, errors
from portal.centres import queries as centre_queries
from portal.centres.models import Centre, Department
from portal.core import audit, clock, states
from portal.core.access import Actor, Permission
from portal.core.db import db, make_way, writing
from portal.core.errors import Invalid, NotAllowed
from portal.core.tables import reading
from portal.core.tables.reading import TableRefused


class PlanRefused(TableRefused):
    """The plan as a whole cannot be used; the message says what to do instead."""


class RowsNotReady(Invalid):
    field = "rows"


class NoSuchRow(Invalid):
    message = "表格里没有这一行。"


def preview_plan(actor: Actor, centre: Centre, month: str, filename: str, data: bytes, now: datetime) -> PlanImport:
    """Read a plan and keep what was understood; nothing enters the list yet (C7). A row may go to a centre below.

    A department's plan is for the centre it is attached to, and its own.
    The same file uploaded again for the same list opens the earlier preview with its corrections.
    Raises NotAllowed, TableRefused.
    """
    entry_values.need(actor, Permission.PLAN)
    drafting.home(actor, centre)
    if not clock.is_month(month):
        raise PlanRefused("请选择月份。", field="month")
    digest = hashlib.sha256(data).hexdigest()
    earlier = select(PlanImport).where(PlanImport.centre_id == centre.id, PlanImport.month == month)
    earlier = earlier.where(PlanImport.digest == digest, PlanImport.status == PREVIEW, whose(actor))
    known = db.session.scalars(earlier.order_by(PlanImport.id.desc())).first()
    if known is not None:
        return known
    plan: Plan = reading.read(data, month, by="portal.catalogue.excel.sheet.read_plan")
    reader = Reader(centre, month, now, _department(actor))
    found = reader.read(plan.rows)
    if not found:
        raise PlanRefused("表格里没有找到服务。", advice="请检查是不是选错了文件或工作表。")
    upload = PlanImport(
        centre_id=centre.id, month=month, filename=filename[-120:], digest=digest, rows=[to_json(r) for r in found],
        notes=[*(p.message for p in plan.problems), *plan.notes], question=reader.centres.question(plan.titles),
        created_by=actor.name[:40], created_at=now, department_id=actor.department_id,
    )  # fmt: skip
    db.session.add(upload)
    db.session.flush()
    _log(actor, upload, "preview_plan", now, f"{filename}，{len(found)} 行")
    return upload


def whose(actor: Actor) -> ColumnElement[bool]:
    """Plans that are this actor's to work on, wherever in the tree: those of centres, or of the actor's department."""
    return PlanImport.department_id == actor.department_id


def _department(actor: Actor) -> Department | None:
    return db.session.get(Department, actor.department_id) if actor.department_id is not None else None


def _taken_up(actor: Actor, upload: PlanImport) -> Centre:
    """The centre of an upload that the actor may work on; one at a time, so that a double click takes nothing in twice.

    Locks the import. Raises NotAllowed.
    """
    entry_values.need(actor, Permission.PLAN)
    db.session.flush()
    db.session.refresh(upload, with_for_update=True)
    drafting.home(actor, upload.centre)
    if upload.department_id != actor.department_id:
        raise NotAllowed("部门的计划表由部门自己导入。")
    return upload.centre


def answer_question(actor: Actor, upload: PlanImport, now: datetime) -> None:
    """The list is for the chosen centre although its title names another one. Locks the import. Raises NotAllowed."""
    _taken_up(actor, upload)
    if upload.question:
        _log(actor, upload, "answer_plan_question", now, f"{upload.filename}，{upload.question}")
        upload.question = ""
        db.session.flush()


def take_in_plan(actor: Actor, upload: PlanImport, numbers: Iterable[int] | None, now: datetime) -> list[Entry]:
    """Make drafts of the chosen rows (None: every good one that is not there yet). Nothing is taken in twice (C7).

    A chosen row that has errors stays in the preview, where they stand beside its fields, and does not keep out the
    others; the preview is finished once every row is in. Raises NotAllowed, NoSuchRow, RowsNotReady while the
    preview's question is open or when it was laid aside. Locks the import.
    """
    ids = _take_in(actor, upload, numbers, now)
    made = {entry.id: entry for entry in db.session.scalars(select(Entry).where(Entry.id.in_(ids)))} if ids else {}
    return [made[number] for number in ids]


def take_in_batches(actor: Actor, upload: PlanImport, numbers: Iterable[int] | None, now: datetime) -> int:
    """As `take_in_plan`, each batch committed by itself so that other writers get their turn.

    Returns how many drafts were made. Whatever stops it leaves whole batches behind; called again it does the rest.
    """
    wanted, done = None if numbers is None else list(numbers), 0
    while True:
        with writing():
            part = len(_take_in(actor, upload, wanted, now, bulk_rules.IMPORT_BATCH))
        done += part
        if part < bulk_rules.IMPORT_BATCH:
            return done
        make_way()


def _take_in(
    actor: Actor, upload: PlanImport, numbers: Iterable[int] | None, now: datetime, limit: int | None = None
) -> list[int]:
    """limit: at most so many. Returns the ids of the drafts in the order of the rows."""
    chosen_centre = _taken_up(actor, upload)
    if upload.status == LAID_ASIDE:
        raise RowsNotReady("这份表格已经放弃，请重新上传。")
    if upload.question:
        raise RowsNotReady(f"{upload.question}没错的话，请先点“没传错”。")
    kept = {stored["number"]: stored for stored in upload.rows}
    categories = Categories((), upload.month)
    chosen = list(islice(_chosen(kept, numbers, categories, now), limit))
    centres = {centre.id: centre for centre in centre_queries.subtree(chosen_centre)} | {
        chosen_centre.id: chosen_centre
    }
    wanted = [
        drafting.Wanted(
            centres[row.centre_id or chosen_centre.id], row.values, f"{upload.id}:{row.number}", _check_note(row)
        )
        for row in chosen
    ]
    taken = drafting.draft_entries(actor, wanted, categories.service_of, now)
    for row, number in zip(chosen, taken, strict=True):
        kept[row.number] = kept[row.number] | {"entry_id": number}
    upload.rows = list(kept.values())
    db.session.flush()
    if upload.status == PREVIEW and all(stored["entry_id"] is not None for stored in upload.rows):
        states.fire(PLAN_IMPORT, upload, "take", actor, now, values={"taken_at": now})
    if taken:
        _log(actor, upload, "take_in_plan", now, f"{upload.filename}，导入 {len(taken)} 条")
    return taken


def _check_note(row: PreviewRow) -> str:
    # A place that is missing is said by the rules for as long as it is.
    doubts = [p for p in row.problems if p.severity == "warning" and (p.field != "place" or row.values.place)]
    return "；".join(p.message.rstrip("。") for p in doubts)


def _again(row: PreviewRow, categories: Categories, now: datetime) -> PreviewRow:
    """Errors that came about since the preview was made (a category gone); known doubts stay."""
    gone = row.values.category_id not in categories.by_id
    values = replace(row.values, category_id=NO_CATEGORY) if gone else row.values
    wrong = {p.field for p in errors(row.problems)}
    new = [p for p in errors(problems_of(values, row.category_text, now)) if p.field not in wrong]
    return replace(row, problems=(*row.problems, *new))


def _chosen(
    kept: dict[int, dict[str, Any]], numbers: Iterable[int] | None, categories: Categories, now: datetime
) -> Iterator[PreviewRow]:
    """One after the other, the rows that can be taken in; what is found out about the others is kept with them."""
    asked = list(kept) if numbers is None else list(dict.fromkeys(numbers))
    if not kept.keys() >= set(asked):
        raise NoSuchRow()
    for number in asked:
        if kept[number]["entry_id"] is not None:
            continue
        row = _again(from_json(kept[number]), categories, now)
        kept[number] = to_json(row)
        if row.state == "ready" if numbers is None else row.ok:
            yield row


def _named(found: dict[int, PreviewRow], numbers: Iterable[int]) -> list[PreviewRow]:
    wanted = [found.get(n) for n in dict.fromkeys(numbers)]
    if any(row is None for row in wanted):
        raise NoSuchRow()
    return [row for row in wanted if row is not None]


def mend_plan_row(actor: Actor, upload: PlanImport, number: int, values: EntryValues, now: datetime) -> PreviewRow:
    """Replace what was understood of one row by what the person says; its problems are found anew.

    Raises NotAllowed, NoSuchRow, RowsNotReady for a row already taken in.
    """
    chosen = _taken_up(actor, upload)
    found = {row.number: row for row in rows_of(upload)}
    row = found.get(number)
    if row is None:
        raise NoSuchRow()
    if row.entry_id is not None or upload.status != PREVIEW:
        raise RowsNotReady("这一行已经导入，请在清单里修改。")
    centre = db.session.get_one(Centre, row.centre_id) if row.centre_id else chosen
    values = replace(values, month=upload.month, groups=values.groups or rules.groups_in(values.audience))
    values = room_holds.settled(replace(values, weekly=rules.still_weekly(values)), centre)
    category = db.session.get(Category, values.category_id) if values.category_id else None
    text = category.name if category else ""
    if category is None:
        values = replace(values, category_id=NO_CATEGORY)
    foreign = [p for p in row.problems if p.field == "centre"]
    mended = replace(
        row, values=values, when_text=rules.when_text(values.sessions, values.weekly), mended=True,
        category_text=text or row.category_text, category_guessed=False, unused=(),
        problems=joined(foreign, problems_of(values, row.category_text, now, upload.department_id is not None)),
    )  # fmt: skip
    found[number] = mark_duplicates([mended], Centres(chosen, _department(actor)), upload.month)[0]
    upload.rows = [to_json(r) for r in found.values()]
    db.session.flush()
    return found[number]


@dataclass(frozen=True)
class Choice:
    """What is said once for many rows of a preview; None leaves a field as it is in each."""

    category_id: int | None = None
    contact: str | None = None
    phone: str | None = None
    place: str | None = None
    centre_id: int | None = None


CHOICES = tuple(field.name for field in fields(Choice))
CHANGES = tuple(name for name in CHOICES if name != "centre_id")  # of the row's values


def set_for_rows(
    actor: Actor, upload: PlanImport, numbers: Iterable[int], choice: Choice, now: datetime
) -> list[PreviewRow]:
    """Say category, contact, phone, place or centre once for rows that are not in the list yet; their problems of
    these fields are found anew, doubts about others stay. Returns the rows as they are now.

    Raises NotAllowed, NoSuchRow, RowsNotReady when the preview is finished or nothing is said. Locks the import.
    """
    chosen = _taken_up(actor, upload)
    if upload.status != PREVIEW:
        raise RowsNotReady("这份表格已经导入完了，请在清单里修改。")
    said = {name: value for name, value in vars(choice).items() if value is not None}
    if not said:
        raise RowsNotReady("请先选好或填好要设的内容。")
    centres = Centres(chosen, _department(actor))
    names = {category.id: category.name for category in leaf_categories()}
    if choice.centre_id is not None and choice.centre_id not in centres.known:
        raise RowsNotReady("请选择这份清单的阵地，或它下面的阵地。")
    if choice.category_id is not None and choice.category_id not in names:
        raise RowsNotReady("请选择类别。")
    found = {row.number: row for row in rows_of(upload)}
    rooms = room_holds.ByCentre()
    changed = []
    for row in _named(found, numbers):
        if row.entry_id is None:
            changed.append(_with(row, said, centres, rooms, names.get(choice.category_id or 0, ""), now))
    changed = mark_duplicates(changed, centres, upload.month)
    found |= {row.number: row for row in changed}
    upload.rows = [to_json(row) for row in found.values()]
    db.session.flush()
    return changed


def _with(
    row: PreviewRow, said: dict[str, Any], centres: Centres, rooms: room_holds.ByCentre, category: str, now: datetime
) -> PreviewRow:
    """One row with what is said for many."""
    centre_id = said.get("centre_id") or row.centre_id or centres.chosen.id
    values = replace(row.values, **{name: said[name] for name in CHANGES if name in said})
    if "place" in said or "centre_id" in said:
        values = replace(values, venue_id=rooms.room(centres.known[centre_id], values.place))
    if "centre_id" in said and not row.values.organiser and centres.department is None:
        values = replace(values, organiser=centres.known[centre_id].name)
    settled = {*said, "centre"} if "centre_id" in said else set(said)
    kept = [p for p in row.problems if p.field not in settled]
    anew = [p for p in problems_of(values, row.category_text, now, centres.to_allot) if p.field in said]
    return replace(
        row, values=values, centre_id=(0 if row.centre_id == 0 and "centre_id" not in said else centre_id), mended=True,
        problems=(*kept, *anew), category_text=category or row.category_text,
        category_guessed=row.category_guessed and "category_id" not in said,
    )  # fmt: skip


def lay_aside_plan(actor: Actor, upload: PlanImport, now: datetime) -> None:
    """Give a preview up; the rows already taken in stay."""
    states.fire(PLAN_IMPORT, upload, "lay_aside", actor, now)
    _log(actor, upload, "lay_aside_plan", now, upload.filename)


def _log(actor: Actor, upload: PlanImport, verb: str, now: datetime, summary: str) -> None:
    audit.record(
        actor, verb, "plan_import", upload.id, now, summary=f"{upload.month} {summary}",
        centre_id=upload.centre_id, centre_path=upload.centre.path,
    )  # fmt: skip
