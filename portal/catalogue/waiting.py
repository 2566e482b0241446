"""What waits for a staff member in the catalogue, for /staff and the counts of the left column (SPEC C6)."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ScalarSelect, and_, func, or_, select
from sqlalchemy.orm import aliased

from portal.cases import ladder
from portal.cases.policy import tone
from portal.catalogue import notices
from portal.catalogue.actions.publishing import unsubmitted
from portal.catalogue.models import IN_REVIEW, RETURNED, Entry, EntryChange, Issue, PlanImport
from portal.catalogue.states import ASKED, PREVIEW
from portal.centres import profile
from portal.centres.models import Centre, label
from portal.centres.profile import Level
from portal.core import clock, registry
from portal.core.access import Actor, Permission
from portal.core.db import moment, packed
from portal.core.registry import Waiting, Waits

SECTION = "catalogue"
SOON = timedelta(days=2)
ME = aliased(Centre)


@registry.waiting
def waits_for(actor: Actor, now: datetime) -> list[Waits]:
    """Rows to decide and to mend, changes, unfinished imports, lists not handed in."""
    if actor.centre_id is None or not actor.can(Permission.PLAN):
        return []
    if actor.department_id is not None:
        return [_rows(actor, now)]
    return [_rows(actor, now), _changes(actor, now), _imports(actor, now), *_lists(actor, now)]


def _own_level(actor: Actor) -> ScalarSelect[str]:
    return select(ME.level).where(ME.id == actor.centre_id).scalar_subquery()


def _rows(actor: Actor, now: datetime) -> Waits:
    """One line per month and centre the rows come from."""
    waits = and_(Entry.status == IN_REVIEW, Entry.waits_at_id.in_(ladder.answers_for(actor, Permission.REVIEW)))
    own = Entry.centre_id.in_(ladder.answers_for(actor, Permission.PLAN))
    mine = Entry.department_id == actor.department_id if actor.department_id else own
    back = and_(Entry.status == RETURNED, mine)
    wanted = back if actor.department_id else or_(waits, back)
    row = packed(
        status=Entry.status, month=Entry.month, centre=label(Centre), level=_own_level(actor),
        count=func.count(Entry.id), since=func.min(Entry.waits_since), first=func.min(Entry.id),
    )  # fmt: skip
    grouped = select(row).join(Centre, Centre.id == Entry.centre_id).where(wanted)
    grouped = grouped.group_by(Entry.status, Entry.month, Entry.centre_id, Centre.short_name, Centre.name)
    count = select(func.count(Entry.id)).where(wanted).scalar_subquery()
    return Waits(SECTION, count, grouped.order_by(Entry.month), lambda found: _row(found, now))


def _row(found: dict[str, Any], now: datetime) -> Waiting:
    month, status, count = found["month"], found["status"], found["count"]
    level = profile.current().level(found["level"])
    due, review = level.cutoff(month), level.review or "审核"
    title = f"{found['centre']} {clock.month_name(month)}清单"
    detail = f"{count} 条待{review}" if status == IN_REVIEW else f"{count} 条被退回，改好后送回"
    state = "mine" if status == IN_REVIEW else status
    link = notices.entry_link(found["first"]) if count == 1 else f"{notices.month_link(month)}&state={state}"
    return Waiting(SECTION, title, detail, moment(found["since"]) or now, link, due, tone(due, now, SOON), count)


def _changes(actor: Actor, now: datetime) -> Waits:
    here = EntryChange.waits_at_id.in_(ladder.answers_for(actor, Permission.PUBLISH))
    wanted = (EntryChange.status == ASKED, here)
    row = packed(
        id=EntryChange.id, since=EntryChange.asked_at, kind=EntryChange.kind, reason=EntryChange.reason,
        title=Entry.title,
    )  # fmt: skip
    rows = select(row).join(Entry, Entry.id == EntryChange.entry_id).where(*wanted).order_by(EntryChange.asked_at)
    words = {"edit": "申请变更", "cancel": "申请取消"}

    def line(found: dict[str, Any]) -> Waiting:
        said, link = f"{words[found['kind']]}：{found['reason']}", notices.change_link(found["id"])
        return Waiting(SECTION, found["title"], said, moment(found["since"]) or now, link, None, "gold")

    return Waits(SECTION, select(func.count(EntryChange.id)).where(*wanted).scalar_subquery(), rows, line)


def _imports(actor: Actor, now: datetime) -> Waits:
    wanted = (PlanImport.status == PREVIEW, PlanImport.centre_id == actor.centre_id)
    row = packed(id=PlanImport.id, name=PlanImport.filename, since=PlanImport.created_at)
    rows = select(row).where(*wanted).order_by(PlanImport.created_at)

    def line(found: dict[str, Any]) -> Waiting:
        said, link = "导入的计划表还没有确认完", notices.import_link(found["id"])
        return Waiting(SECTION, found["name"], said, moment(found["since"]) or now, link)

    return Waits(SECTION, select(func.count(PlanImport.id)).where(*wanted).scalar_subquery(), rows, line)


def _lists(actor: Actor, now: datetime) -> list[Waits]:
    """Next month's list: not handed in by this centre, or late below it. What the day itself rules out is not asked."""
    month = clock.add_months(clock.month_of(now), 1)
    filing = [lv for lv in profile.current().levels if lv.files_list]
    soon = [lv.code for lv in filing if (due := lv.cutoff(month)) is not None and now >= due - SOON]
    late = [lv for lv in filing if (due := lv.cutoff(month)) is not None and now >= due]
    return [
        *([_own_list(actor, soon, month, now)] if soon else []),
        *(_late_below(actor, level, month, now) for level in late),
    ]


def _own_list(actor: Actor, levels: list[str], month: str, now: datetime) -> Waits:
    handed = select(Issue.id).where(
        Issue.month == month, Issue.centre_id == actor.centre_id, Issue.submitted_at.is_not(None)
    )
    wanted = (ME.id == actor.centre_id, ME.level.in_(levels), ~handed.exists())

    def line(found: dict[str, Any]) -> Waiting:
        due = profile.current().level(found["level"]).cutoff(month) or now
        title, link, since = f"{clock.month_name(month)}清单还没有上交", notices.month_link(month), min(now, due - SOON)
        return Waiting(SECTION, title, f"{clock.stamp(due)} 截止", since, link, due, tone(due, now, SOON))

    count = select(func.count(ME.id)).where(*wanted).scalar_subquery()
    return Waits(SECTION, count, select(packed(level=ME.level)).where(*wanted), line)


def _late_below(actor: Actor, level: Level, month: str, now: datetime) -> Waits:
    """Told to those who review lists and file none of their own."""
    above = [lv.code for lv in profile.current().levels if lv.review and not lv.files_list]
    missing = unsubmitted(month, level.code, actor.centre_path)
    wanted = (ME.id == actor.centre_id, ME.level.in_(above), missing.exists())
    number = select(func.count()).select_from(missing.subquery()).scalar_subquery()

    def line(found: dict[str, Any]) -> Waiting:
        title, link = f"{clock.month_name(month)}清单未交", notices.late_link(month)
        due = level.cutoff(month) or now
        return Waiting(SECTION, title, f"{found['missing']} 个{level.short}还没有上交", due, link, due, "red")

    count = select(func.count(ME.id)).where(*wanted).scalar_subquery()
    return Waits(SECTION, count, select(packed(missing=number)).select_from(ME).where(*wanted), line)
