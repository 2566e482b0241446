"""Many rows of one's own list at once: deleted, given a category or a place, an import taken out again (Q9)."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, String, and_, cast, exists, func, or_, select, update

from portal.catalogue import bulk_rules, rules
from portal.catalogue.actions import bulk_steps, drafting, entry_values, importing, room_holds
from portal.catalogue.actions.bulk_steps import Left, Outcome
from portal.catalogue.models import ACCEPTED, DRAFT, DROPPED, RETURNED, Category, Entry, PlanImport, ServiceType
from portal.catalogue.states import ENTRY, holds
from portal.core import audit, states
from portal.core.access import Actor, Permission
from portal.core.db import db, hit
from portal.core.errors import Invalid
from portal.core.states import StateHistory

OPEN = (DRAFT, RETURNED, ACCEPTED)


class NoCategory(Invalid):
    message = "请选择类别。"
    field = "category"


class NoPlace(Invalid):
    message = f"请写地点，最多 {rules.PLACE_MAX} 个字。"
    field = "place"


def _mine(actor: Actor, ids: Iterable[int]) -> tuple[list[Entry], list[Left]]:
    """Locked rows that this actor may change as they stand, and the others."""
    entry_values.need(actor, Permission.PLAN)
    tree = entry_values.whole_tree()
    found = bulk_steps.locked(ids, sessions=True)
    mine = [e for e in found if e.status in OPEN and holds(e, actor) is None]
    tree.clear()
    return mine, [Left(e.id, e.title, "已经送审或不是您的，不能这样改") for e in found if e not in mine]


def drop_rows(actor: Actor, ids: Iterable[int], now: datetime, step_id: int | None = None) -> Outcome:
    """Take many drafts, returned and accepted rows out of the list. Locks the rows. Flushes only."""
    done, left = _mine(actor, ids)
    step_id = bulk_steps.remember(actor, "drop", done, now, step_id) or step_id
    if done:
        values = entry_values.moves(now, waits_at_id=None, waits_since=None)
        states.fire_many(ENTRY, done, "drop", actor, now, values=values)
    for entry in done:
        room_holds.follow(entry, "drop", actor, now)
    _note(actor, done, "drop_many", "删除", now)
    return Outcome(len(done), left, step_id)


def _note(actor: Actor, rows: Sequence[Entry], verb: str, word: str, now: datetime) -> None:
    if rows:
        ids = [row.id for row in rows]
        audit.record(actor, verb, "entry", None, now, summary=f"{word} {len(ids)} 条", after={"entries": ids})


def set_category(
    actor: Actor, ids: Iterable[int], category_id: int | None, now: datetime, step_id: int | None = None
) -> Outcome:
    """Give many rows one category; the service that a title means follows. Raises NotAllowed, NoCategory."""
    category = db.session.get(Category, category_id) if category_id else None
    if category is None or category.kind not in ("activity", "guide"):
        raise NoCategory()
    done, left = _mine(actor, ids)
    done = [e for e in done if e.category_id != category.id]
    offered = select(ServiceType.id, ServiceType.name).where(ServiceType.category_id == category.id, ServiceType.active)
    known: dict[int, str] = dict(db.session.execute(offered).all())

    def meant(entry: Entry) -> dict[str, object]:
        return {"category_id": category.id, "service_type_id": rules.closest_service(entry.title, known)}

    step_id = _set(actor, "category", done, meant, now, step_id)
    return Outcome(len(done), left, step_id)


def set_place(actor: Actor, ids: Iterable[int], place: str, now: datetime, step_id: int | None = None) -> Outcome:
    """Give many rows one place; words that mean a room of a row's centre name that room.

    What holds a room already (it is handed in) is mended one by one, where a clash is shown.
    Raises NotAllowed, NoPlace.
    """
    words = " ".join(place.split())
    if not words or len(words) > rules.PLACE_MAX:
        raise NoPlace()
    found, left = _mine(actor, ids)
    rooms = room_holds.ByCentre()

    def meant(entry: Entry) -> dict[str, object]:
        return {"place": words, "venue_id": rooms.room(entry.centre, words)}

    wanted = [e for e in found if (e.place, e.venue_id) != tuple(meant(e).values())]
    held = [e for e in wanted if e.status != DRAFT and (e.venue_id or meant(e)["venue_id"])]
    left += [Left(e.id, e.title, "已经订了场地，换场地请逐条修改") for e in held]
    done = [e for e in wanted if e not in held]
    step_id = _set(actor, "place", done, meant, now, step_id)
    return Outcome(len(done), left, step_id)


def _set(
    actor: Actor, kind: str, rows: Sequence[Entry], meant: Callable[[Entry], dict[str, object]], now: datetime,
    step_id: int | None,
) -> int | None:  # fmt: skip
    """Write columns that depend on the row, one statement for each set of values, with history and audit."""
    step_id = bulk_steps.remember(actor, kind, rows, now, step_id) or step_id
    groups: dict[tuple[tuple[str, object], ...], list[Entry]] = {}
    for entry in rows:
        groups.setdefault(tuple(meant(entry).items()), []).append(entry)
    label = rules.LABELS["category_id" if kind == "category" else "place"]
    names = {c.id: c.name for c in db.session.scalars(select(Category))} if kind == "category" else {}
    lines = []
    for values, some in groups.items():
        new = dict(values)
        for entry in some:
            old = names.get(entry.category_id, "") if kind == "category" else entry.place
            to = names.get(new["category_id"], "") if kind == "category" else new["place"]  # type: ignore[call-overload]
            lines.append((entry.id, entry.status, {"changes": [[label, old, to]]}))
        changed = update(Entry).where(Entry.id.in_([e.id for e in some]))
        hit(changed.values(**entry_values.moves(now, **new)), synchronize_session=False)
    states.note_many(ENTRY, lines, "edit_entry", actor, now)
    _note(actor, rows, f"set_{kind}", bulk_rules.KINDS[kind], now)
    for entry in rows:
        db.session.expire(entry)
    return step_id


# A wrong import -------------------------------------------------------------------------------------------------------


# What leaves a draft as the import made it: handed in or dropped, and taken back since.
_LEFT_ALONE = ("draft_entry", "submit", "settle", "recall", "drop", "back_to_draft")


def _untouched() -> ColumnElement[bool]:
    """A draft that still says what the import said."""
    worked_on = exists().where(
        StateHistory.object_type == ENTRY.name,
        StateHistory.object_id == Entry.id,
        StateHistory.name.not_in(_LEFT_ALONE),
    )
    return and_(Entry.status == DRAFT, or_(Entry.revision == 1, ~worked_on))


def taken_imports(actor: Actor, month: str, now: datetime) -> list[tuple[PlanImport, int]]:
    """Plans that the actor's centre or department took in lately, with how many of their drafts nobody has touched."""
    if not actor.can(Permission.PLAN):
        return []
    of = Entry.import_row.like(cast(PlanImport.id, String).concat(":%"))
    wanted = select(PlanImport, func.count(Entry.id)).join(Entry, of)
    wanted = wanted.where(
        PlanImport.centre_id == actor.centre_id, importing.whose(actor), PlanImport.month == month,
        PlanImport.created_at > now - bulk_rules.IMPORT_TAKE_BACK, Entry.month == month, _untouched(),
    )  # fmt: skip
    found = db.session.execute(wanted.group_by(PlanImport.id).order_by(PlanImport.id.desc()))
    return [(plan, count) for plan, count in found]


def rows_of_import(plan: PlanImport) -> tuple[dict[int, str], dict[int, str]]:
    """Titles by id of what an import has left in the list: drafts nobody has touched since, and the others."""
    rows = db.session.execute(
        select(Entry.id, Entry.title, _untouched())
        .where(Entry.import_row.like(f"{plan.id}:%"), Entry.status != DROPPED)
        .order_by(Entry.first_start, Entry.id)
    )
    untouched: dict[int, str] = {}
    others: dict[int, str] = {}
    for number, title, as_it_was in rows:
        (untouched if as_it_was else others)[number] = title
    return untouched, others


def undo_import(actor: Actor, plan: PlanImport, now: datetime) -> Outcome:
    """Take the drafts of an import out again, in batches; what somebody has worked on since stays and is named."""
    entry_values.need(actor, Permission.PLAN)
    drafting.home(actor, plan.centre)
    untouched, others = rows_of_import(plan)

    def step(some: list[int], step_id: int | None) -> Outcome:
        return drop_rows(actor, some, now, step_id)

    found = bulk_steps.in_batches(untouched, step)
    found.left += [Left(number, title, "导入以后有人改过或已送审") for number, title in others.items()]
    return found
