"""Drawing up rows: new, edited, dropped, copied, from a template, every week (SPEC C2, C4, C7)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, time

from sqlalchemy import ColumnElement, func, insert, inspect, select

from portal.catalogue import rules
from portal.catalogue.actions import entry_values, room_holds
from portal.catalogue.models import (
    ACCEPTED,
    APPROVED,
    DRAFT,
    DROPPED,
    PUBLISHED,
    RETURNED,
    Category,
    Entry,
    EntrySession,
    ServiceType,
    Template,
)
from portal.catalogue.rules import EntryValues
from portal.catalogue.states import ENTRY, holds
from portal.catalogue.timetext.parts import errors
from portal.centres import queries as centres
from portal.centres.models import Centre
from portal.core import audit, clock, states
from portal.core.access import Actor, Permission
from portal.core.db import db
from portal.core.errors import DomainError, NotAllowed, NotYourTurn

EDITABLE = (DRAFT, RETURNED, ACCEPTED)
TEMPLATE_NAME_MAX = 80


class NotEditable(DomainError):
    message = "这一条已经送审，不能直接修改。"
    advice = "请先撤回；已发布的请申请变更。"


class NothingToCopy(DomainError):
    message = "上个月没有可以复制的服务。"
    field = "from_month"


def home(actor: Actor, centre: Centre | None) -> Centre:
    """Where a row is drawn up: here or below; of a department only where it is attached. Raises NotAllowed."""
    centre = centre or centres.get(actor.centre_id)
    if centre is None:
        raise NotAllowed()
    if actor.department_id is None:
        entry_values.need_inside(actor, centre)
    elif centre.id != actor.centre_id:
        raise NotYourTurn("部门的计划先交给上级中心，再由它分配到社区。")
    return centre


def new_entry(actor: Actor, centre: Centre, values: EntryValues, now: datetime) -> Entry:
    """An unchecked draft in the session (for copies and allotments); flushes."""
    entry = _made(actor, centre, values, now)
    db.session.add(entry)
    db.session.flush()
    return entry


def _made(actor: Actor, centre: Centre, values: EntryValues, now: datetime) -> Entry:
    entry = Entry(
        centre_id=centre.id, author_centre_id=centre.id, department_id=actor.department_id, sessions=[],
        created_at=now, updated_at=now, title=values.title, month=values.month,
        category_id=values.category_id,
    )  # fmt: skip
    entry_values.put_values(entry, values)
    entry.organiser = entry.organiser or centre.name
    return entry


@dataclass(frozen=True)
class Wanted:
    """A draft to be made with others. import_row: 'import:row', so that no row is taken in twice."""

    centre: Centre
    values: EntryValues
    import_row: str
    check_note: str


def draft_entries(
    actor: Actor, wanted: Iterable[Wanted], service_of: Callable[[EntryValues], int | None], now: datetime
) -> list[int]:
    """Many new drafts by a handful of statements; what `draft_entry` does for one. Returns their ids in their order.

    service_of: the service that a row's title means. The categories must have been looked at before.
    Raises NotAllowed, InvalidRow of the first row that cannot be: then there is none.
    """
    entry_values.need(actor, Permission.PLAN)
    rooms: dict[int, dict[int, str]] = {}
    made = []
    for each in wanted:
        if each.centre.id not in rooms:
            home(actor, each.centre)
            rooms[each.centre.id] = {room.id: room.name for room in room_holds.rooms_of(each.centre)}
        values = each.values
        place = rooms[each.centre.id].get(values.venue_id or 0)
        values = replace(values, place=place) if place is not None else replace(values, venue_id=None)
        values = replace(values, service_type_id=values.service_type_id or service_of(values))
        wrong = errors(rules.check(values, now, draft=True))
        if wrong:
            raise entry_values.InvalidRow(wrong)
        entry = _made(actor, each.centre, values, now)
        entry.import_row, entry.check_note = each.import_row, each.check_note
        made.append((entry, each.centre))
    return _kept(actor, made, now)


def _kept(actor: Actor, made: list[tuple[Entry, Centre]], now: datetime) -> list[int]:
    """Write drafts with their sessions and histories, each table at once; `import_row` tells which is which."""
    if not made:
        return []
    names = {column.key for column in inspect(Entry).column_attrs}
    rows = [{name: value for name, value in vars(entry).items() if name in names} for entry, _ in made]
    # Without render_nulls rows that leave other fields empty would each be a statement of their own.
    statement = insert(Entry).returning(Entry.import_row, Entry.id).execution_options(render_nulls=True)
    written = db.session.execute(statement, rows)
    ids: dict[str | None, int] = {row: number for row, number in written.all()}  # noqa: C416 rows are no pairs to mypy
    sessions = [
        {"entry_id": ids[entry.import_row], "starts_at": each.starts_at, "ends_at": each.ends_at}
        for entry, _ in made
        for each in entry.sessions
    ]
    if sessions:
        db.session.execute(insert(EntrySession), sessions)
    states.note_new(ENTRY, ids.values(), DRAFT, "draft_entry", actor, now)
    for entry, centre in made:
        audit.record(
            actor, "draft_entry", "entry", ids[entry.import_row], now, summary=entry.title,
            centre_id=centre.id, centre_path=centre.path,
        )  # fmt: skip
    return [ids[entry.import_row] for entry, _ in made]


def draft_entry(actor: Actor, values: EntryValues, now: datetime, *, centre: Centre | None = None) -> Entry:
    """A new draft in the list of `centre` (default: the actor's own); time and place may be missing (C2).

    Raises NotAllowed, InvalidRow.
    """
    entry_values.need(actor, Permission.PLAN)
    place = home(actor, centre)
    values = replace(values, service_type_id=values.service_type_id or guess_service(values.category_id, values.title))
    values = room_holds.settled(values, place)
    entry_values.require(values, now, draft=True)
    entry = new_entry(actor, place, values, now)
    entry_values.note(actor, entry, "draft_entry", now)
    return entry


def guess_service(category_id: int, title: str) -> int | None:
    """The service on offer that a title means ('普法教育：民法典…' → 普法教育), so that coverage counts it (C1)."""
    known = db.session.execute(
        select(ServiceType.id, ServiceType.name).where(ServiceType.category_id == category_id, ServiceType.active)
    ).all()
    return rules.closest_service(title, dict(known))


def edit_entry(
    actor: Actor, entry: Entry, values: EntryValues, now: datetime, *, version: int | None = None
) -> list[list[str]]:
    """Change a draft, a returned or an accepted row. Returns [label, before, after] of what differs.

    version: the one the form was filled with. Locks the row, then its rooms once it is handed in.
    Raises NotAllowed, NotEditable, InvalidRow (NoRoom: its room is taken), Stale.
    """
    entry_values.need(actor, Permission.PLAN)
    entry_values.lock(entry, version)
    if entry.status not in EDITABLE:
        raise NotEditable()
    entry_values.refuse(holds(entry, actor))
    changes = rewrite(actor, entry, values, now, "edit_entry", draft=True)
    entry.check_note = ""
    return changes


def rewrite(
    actor: Actor, entry: Entry, values: EntryValues, now: datetime, verb: str, reason: str = "", draft: bool = False
) -> entry_values.Changes:
    """Write the values into a locked row, note what differs, let its room follow. Raises InvalidRow (NoRoom)."""
    before = entry_values.values_of(entry)
    values = room_holds.settled(replace(values, month=entry.month), entry.centre, entry.author_centre)
    entry_values.require(values, now, draft=draft, to_allot=entry_values.to_allot(entry))
    entry_values.put_values(entry, values)
    changes = entry_values.told(before, entry_values.values_of(entry))
    entry_values.touched(entry, now)
    if changes:
        entry_values.note(actor, entry, verb, now, reason=reason, changes=changes)
    db.session.flush()
    room_holds.edited(entry, before.venue_id, actor, now)
    return changes


def confirm_checked(actor: Actor, entry: Entry, now: datetime) -> None:
    """The note 'please check' of a copied or imported row has been looked at and is right."""
    entry_values.need(actor, Permission.PLAN)
    entry_values.refuse(holds(entry, actor))
    entry_values.lock(entry)
    entry.check_note = ""
    entry_values.touched(entry, now)
    entry_values.note(actor, entry, "confirm_checked", now)
    db.session.flush()


def drop_entry(actor: Actor, entry: Entry, now: datetime, reason: str = "") -> None:
    """Take a row out of the list for good; an approved one needs a reason (ReasonMissing)."""
    entry_values.lock(entry)
    name = "withdraw" if entry.status == APPROVED else "drop"
    gone = entry_values.moves(now, waits_at_id=None, waits_since=None)
    states.fire(ENTRY, entry, name, actor, now, reason, values=gone)
    room_holds.follow(entry, name, actor, now)
    entry_values.log(actor, entry, "drop_entry", now, summary=f"{entry.title} {reason}".strip())


def copy_month(actor: Actor, centre: Centre, from_month: str, to_month: str, now: datetime) -> list[Entry]:
    """Draft last month's rows again, a centre its own and a department its own: the 2nd Tuesday stays one (C7).

    What was copied already is left out, and what stands there with the same title at the same time. Copies carry a
    note to check. Raises NotAllowed, NothingToCopy.
    """
    entry_values.need(actor, Permission.PLAN)
    if actor.department_id is None or centre.id != actor.centre_id:
        entry_values.need_inside(actor, centre)
    if not (clock.is_month(from_month) and clock.is_month(to_month)) or from_month == to_month:
        raise NothingToCopy("请选择要复制的月份。")
    own = _copied_by(actor, centre)
    wanted = select(Entry).where(*own, Entry.month == from_month)
    wanted = wanted.where(Entry.status.in_((APPROVED, PUBLISHED))).order_by(Entry.first_start, Entry.id)
    sources = list(db.session.scalars(wanted))
    if not sources:
        raise NothingToCopy(f"{clock.month_name(from_month)}没有可以复制的服务。")
    known = select(Entry.copied_from_id).where(Entry.month == to_month)
    done = set(db.session.scalars(known.where(Entry.copied_from_id.in_([s.id for s in sources]))))
    there = select(Entry.title, Entry.first_start).where(*own, Entry.month == to_month, Entry.status != DROPPED)
    standing = {(title, start) for title, start in db.session.execute(there)}
    made = []
    for source in sources:
        values, notes = rules.move_to_month(entry_values.values_of(source), to_month)
        mark = (values.title, values.first_start)
        if source.id not in done and mark not in standing:
            standing.add(mark)  # what was allotted to several communities is one plan of its department
            made.append(_copy(actor, source, values, notes, now))
    return made


def _copied_by(actor: Actor, centre: Centre) -> tuple[ColumnElement[bool], ...]:
    if actor.department_id is not None:
        return (Entry.department_id == actor.department_id,)
    return Entry.centre_id == centre.id, Entry.department_id.is_(None)


def of_departments(centre: Centre, month: str) -> int:
    """How many rows of a centre's list were allotted to it: their departments draw them up again."""
    wanted = select(func.count(Entry.id)).where(Entry.centre_id == centre.id, Entry.month == month)
    wanted = wanted.where(Entry.department_id.is_not(None), Entry.status.in_((APPROVED, PUBLISHED)))
    return db.session.scalar(wanted) or 0


def _copy(actor: Actor, source: Entry, values: EntryValues, notes: list[str], now: datetime) -> Entry:
    home = source.author_centre if source.department_id is not None else source.centre
    copy = new_entry(actor, home, room_holds.settled(values, home), now)
    copy.copied_from_id, copy.department_id = source.id, source.department_id
    copy.author_centre_id = source.author_centre_id
    copy.check_note = "".join([*notes, f"由{clock.month_name(source.month)}复制，请核对日期和内容。"])
    entry_values.note(actor, copy, "copy_entry", now)
    db.session.flush()
    return copy


def save_template(actor: Actor, entry: Entry, name: str, now: datetime) -> Template:
    """Keep a row's fields for reuse, without its dates (C7). Raises NotAllowed."""
    entry_values.need(actor, Permission.PLAN)
    centre = db.session.get_one(Centre, actor.centre_id)
    entry_values.need_inside(actor, centre)
    name = name.strip() or entry.title
    if len(name) > TEMPLATE_NAME_MAX:
        raise DomainError(f"模板名称最多 {TEMPLATE_NAME_MAX} 个字。", field="name")
    values = entry_values.to_json(entry_values.values_of(entry))
    stored = {k: v for k, v in values.items() if k not in entry_values.DATES | {"sessions", "month", "cover"}}
    template = Template(centre_id=centre.id, name=name, values=stored, created_at=now)
    db.session.add(template)
    db.session.flush()
    entry_values.log(actor, entry, "save_template", now, summary=name)
    return template


def use_template(actor: Actor, template: Template, month: str, now: datetime) -> Entry:
    """A new draft from a template; a weekly one gets its dates of `month`. Raises NotAllowed, InvalidRow."""
    values = entry_values.from_json({**template.values, "month": month, "sessions": []})
    if db.session.get(Category, values.category_id) is None:
        raise DomainError("模板里的类别已经停用，请重新建一条。")
    if values.weekly:
        days, start, end = (values.weekly[name] for name in ("weekdays", "start", "end"))
        rule = (days, time.fromisoformat(start), time.fromisoformat(end))
        values = replace(values, sessions=rules.unfold(*rule, month), weekly=rules.weekly_dict(*rule))
    entry = draft_entry(actor, values, now)
    entry.check_note = "由模板生成，请核对时间。"
    db.session.flush()
    return entry


def forget_template(actor: Actor, template: Template, now: datetime) -> None:
    """Delete a template of the actor's own centre or one below."""
    entry_values.need(actor, Permission.PLAN)
    entry_values.need_inside(actor, db.session.get_one(Centre, template.centre_id))
    db.session.delete(template)
    db.session.flush()
