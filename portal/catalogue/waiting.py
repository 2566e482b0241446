"""What waits for a staff member in the catalogue, for /staff and the counts of the left column (SPEC C6)."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Select, and_, case, func, or_, select
from sqlalchemy.orm import aliased

from portal.cases import ladder
from portal.cases.policy import tone
from portal.catalogue import cutoffs, notices
from portal.catalogue.actions.publishing import silent_departments, silent_stations, unsubmitted
from portal.catalogue.models import IN_REVIEW, RETURNED, Entry, EntryChange, PlanImport
from portal.catalogue.month_rules import DEPARTMENTS, SOON, Part, counts
from portal.catalogue.staff import month_board
from portal.catalogue.states import ASKED, PREVIEW
from portal.centres import profile
from portal.centres.models import Centre, Department, label
from portal.centres.profile import Level
from portal.core import clock, registry
from portal.core.access import Actor, Permission
from portal.core.db import moment, packed
from portal.core.registry import Waiting, Waits

SECTION = "catalogue"
ME = aliased(Centre)


@registry.waiting
def waits_for(actor: Actor, now: datetime) -> list[Waits]:
    """Rows to decide and to mend, changes, unfinished imports, lists not handed in."""
    if actor.centre_id is None or not actor.can(Permission.PLAN):
        return []
    if actor.department_id is not None:
        return [_rows(actor, now), _imports(actor, now), *_lists(actor, now)]
    return [_rows(actor, now), _changes(actor, now), _imports(actor, now), *_lists(actor, now)]


def _own_level(actor: Actor) -> ScalarSelect[str]:
    return select(ME.level).where(ME.id == actor.centre_id).scalar_subquery()


def _here_since(actor: Actor) -> ScalarSelect[datetime]:
    return select(ME.created_at).where(ME.id == actor.centre_id).scalar_subquery()


def _rows(actor: Actor, now: datetime) -> Waits:
    """One line per month and centre the rows come from."""
    waits = and_(Entry.status == IN_REVIEW, Entry.waits_at_id.in_(ladder.answers_for(actor, Permission.REVIEW)))
    own = Entry.centre_id.in_(ladder.answers_for(actor, Permission.PLAN)) & ~month_board.of_department()
    mine = Entry.department_id == actor.department_id if actor.department_id else own
    back = and_(Entry.status == RETURNED, mine)
    wanted = back if actor.department_id else or_(waits, back)
    count = select(func.count(Entry.id)).where(wanted).scalar_subquery()
    return Waits(SECTION, count, lambda: _grouped(actor, wanted), lambda found: _row(found, now))


def _grouped(actor: Actor, wanted: ColumnElement[bool]) -> Select[Any]:
    # A plan that stands in no community's list yet is its department's.
    whose = case((Entry.centre_id == Entry.author_centre_id, Department.name), else_=None)
    row = packed(
        status=Entry.status, month=Entry.month, centre=label(Centre), level=_own_level(actor),
        count=func.count(Entry.id), since=func.min(Entry.waits_since), first=func.min(Entry.id),
        moved=cutoffs.moved(Entry.month, _own_level(actor)), here=_here_since(actor), department=whose,
    )  # fmt: skip
    grouped = select(row).join(Centre, Centre.id == Entry.centre_id).where(wanted)
    grouped = grouped.outerjoin(Department, Department.id == Entry.department_id)
    grouped = grouped.group_by(Entry.status, Entry.month, Entry.centre_id, Centre.short_name, Centre.name, whose)
    return grouped.order_by(Entry.month)


def _row(found: dict[str, Any], now: datetime) -> Waiting:
    month, status, count = found["month"], found["status"], found["count"]
    level = profile.current().level(found["level"])
    due, review = moment(found["moved"]) or level.cutoff(month), level.review or "审核"
    if not counts(due, moment(found["here"]) or now):
        due = None
    title = f"{found['centre']} {clock.month_name(month)}清单"
    if found["department"]:
        title, review = f"{found['department']} {clock.month_name(month)}计划", "分配"
    detail = f"{count} 条待{review}" if status == IN_REVIEW else f"{count} 条被退回，改好后送回"
    state = "mine" if status == IN_REVIEW else status
    link = notices.entry_link(found["first"]) if count == 1 else f"{notices.month_link(month)}&state={state}"
    return Waiting(SECTION, title, detail, moment(found["since"]) or now, link, due, tone(due, now, SOON), count)


def _changes(actor: Actor, now: datetime) -> Waits:
    here = EntryChange.waits_at_id.in_(ladder.answers_for(actor, Permission.PUBLISH))
    wanted = (EntryChange.status == ASKED, here)
    words = {"edit": "申请变更", "cancel": "申请取消"}

    def rows() -> Select[Any]:
        row = packed(
            id=EntryChange.id, since=EntryChange.asked_at, kind=EntryChange.kind, reason=EntryChange.reason,
            title=Entry.title,
        )  # fmt: skip
        return select(row).join(Entry, Entry.id == EntryChange.entry_id).where(*wanted).order_by(EntryChange.asked_at)

    def line(found: dict[str, Any]) -> Waiting:
        said, link = f"{words[found['kind']]}：{found['reason']}", notices.change_link(found["id"])
        return Waiting(SECTION, found["title"], said, moment(found["since"]) or now, link, None, "gold")

    return Waits(SECTION, select(func.count(EntryChange.id)).where(*wanted).scalar_subquery(), rows, line)


def _imports(actor: Actor, now: datetime) -> Waits:
    wanted = (PlanImport.status == PREVIEW, PlanImport.centre_id == actor.centre_id,
              PlanImport.department_id == actor.department_id)  # fmt: skip

    def rows() -> Select[Any]:
        row = packed(id=PlanImport.id, name=PlanImport.filename, since=PlanImport.created_at)
        return select(row).where(*wanted).order_by(PlanImport.created_at)

    def line(found: dict[str, Any]) -> Waiting:
        said, link = "导入的计划表还没有确认完", notices.import_link(found["id"])
        return Waiting(SECTION, found["name"], said, moment(found["since"]) or now, link)

    return Waits(SECTION, select(func.count(PlanImport.id)).where(*wanted).scalar_subquery(), rows, line)


def _lists(actor: Actor, now: datetime) -> list[Waits]:
    """Next month's part of this centre or department, not done yet, and who is late below it."""
    month = clock.add_months(clock.month_of(now), 1)
    parts = {part.code: part for part in cutoffs.parts(month)}
    if actor.department_id is not None:
        part = parts.get(DEPARTMENTS)
        return [_own_department(actor, part, month, now)] if part else []
    levels = [level for level in profile.current().levels if level.code in parts]
    filing = [level for level in levels if level.files_list]
    stations = [level for level in levels if not level.files_list and not level.review]
    return [
        *(_own_part(actor, parts[lv.code], unsubmitted(month, lv.code), month, now) for lv in filing),
        *(_own_part(actor, parts[lv.code], silent_stations(month, lv.code), month, now) for lv in stations),
        *(_late_below(actor, level, parts[level.code], month, now) for level in filing),
    ]


def _own_part(actor: Actor, part: Part, undone: Select[int], month: str, now: datetime) -> Waits:
    """From two days before the date; nothing for a date that was over before the centre was here."""
    due = cutoffs.in_sql(part, month)
    wanted = (
        ME.id == actor.centre_id, ME.id.in_(undone.order_by(None)), due <= now + SOON, ME.created_at <= due,
    )  # fmt: skip
    count = select(func.count(ME.id)).where(*wanted).scalar_subquery()
    what = "清单还没有上交" if part.code in _filing() else "计划还没有报"
    line = _undone(what, month, now)
    return Waits(SECTION, count, lambda: select(packed(due=due)).select_from(ME).where(*wanted), line)


def _filing() -> set[str]:
    return {level.code for level in profile.current().levels if level.files_list}


def _undone(what: str, month: str, now: datetime) -> Callable[[dict[str, Any]], Waiting]:
    def line(found: dict[str, Any]) -> Waiting:
        due = moment(found["due"]) or now
        title, link, since = f"{clock.month_name(month)}{what}", notices.month_link(month), min(now, due - SOON)
        return Waiting(SECTION, title, f"{clock.stamp(due)} 截止", since, link, due, tone(due, now, SOON))

    return line


def _own_department(actor: Actor, part: Part, month: str, now: datetime) -> Waits:
    due, me = cutoffs.in_sql(part, month), Department
    wanted = (
        me.id == actor.department_id, me.id.in_(silent_departments(month).order_by(None)), due <= now + SOON,
        _here_since(actor) <= due,
    )  # fmt: skip
    count = select(func.count(me.id)).where(*wanted).scalar_subquery()
    line = _undone("计划还没有报", month, now)
    return Waits(SECTION, count, lambda: select(packed(due=due)).select_from(me).where(*wanted), line)


def _late_below(actor: Actor, level: Level, part: Part, month: str, now: datetime) -> Waits:
    """Told to those who review lists and file none of their own."""
    above = [lv.code for lv in profile.current().levels if lv.review and not lv.files_list]
    due = cutoffs.in_sql(part, month)
    missing = unsubmitted(month, level.code, actor.centre_path, due)
    wanted = (ME.id == actor.centre_id, ME.level.in_(above), due <= now, missing.exists())

    def rows() -> Select[Any]:
        number = select(func.count()).select_from(missing.subquery()).scalar_subquery()
        return select(packed(missing=number, due=due)).select_from(ME).where(*wanted)

    def line(found: dict[str, Any]) -> Waiting:
        title, link = f"{clock.month_name(month)}清单未交", notices.late_link(month)
        at = moment(found["due"]) or now
        return Waiting(SECTION, title, f"{found['missing']} 个{level.short}还没有上交", at, link, at, "red")

    count = select(func.count(ME.id)).where(*wanted).scalar_subquery()
    return Waits(SECTION, count, rows, line)
