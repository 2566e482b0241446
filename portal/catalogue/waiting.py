"""What waits for a staff member in the catalogue, for /staff and the counts of the left column (SPEC C6)."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import and_, func, or_, select

from portal.cases import ladder
from portal.cases.policy import tone
from portal.catalogue import notices
from portal.catalogue.actions.publishing import unsubmitted
from portal.catalogue.models import IN_REVIEW, RETURNED, Entry, EntryChange, Issue, PlanImport
from portal.catalogue.states import ASKED, PREVIEW
from portal.centres import profile
from portal.centres.models import Centre
from portal.centres.profile import Level
from portal.core import clock, registry
from portal.core.access import Actor, Permission
from portal.core.db import db
from portal.core.registry import Waiting

SECTION = "catalogue"
SOON = timedelta(days=2)


@registry.waiting
def waits_for(actor: Actor, now: datetime) -> list[Waiting]:
    """Rows to decide and to mend, changes, unfinished imports, lists not handed in. At most six queries."""
    if actor.centre_id is None or not actor.can(Permission.PLAN):
        return []
    level = _level(actor)
    found = _rows(actor, level, now)
    if actor.department_id is None:
        found += _changes(actor) + _imports(actor) + _lists(actor, level, now)
    return found


def _level(actor: Actor) -> Level | None:
    centre = db.session.get(Centre, actor.centre_id)
    return profile.current().level(centre.level) if centre is not None else None


def _rows(actor: Actor, level: Level | None, now: datetime) -> list[Waiting]:
    """One line per month and centre the rows come from."""
    waits = and_(Entry.status == IN_REVIEW, Entry.waits_at_id.in_(ladder.answers_for(actor, Permission.REVIEW)))
    own = Entry.centre_id.in_(ladder.answers_for(actor, Permission.PLAN))
    mine = Entry.department_id == actor.department_id if actor.department_id else own
    back = and_(Entry.status == RETURNED, mine)
    wanted = back if actor.department_id else or_(waits, back)
    grouped = select(
        Entry.status, Entry.month, Entry.centre_id, Centre.short_name, Centre.name,
        func.count(Entry.id), func.min(Entry.waits_since), func.min(Entry.id),
    ).join(Centre, Centre.id == Entry.centre_id)  # fmt: skip
    grouped = grouped.where(wanted).group_by(Entry.status, Entry.month, Entry.centre_id, Centre.short_name, Centre.name)
    found = []
    for status, month, _, short, name, count, since, first in db.session.execute(grouped.order_by(Entry.month)):
        due = level.cutoff(month) if level else None
        title = f"{short or name} {clock.month_name(month)}清单"
        review = level.review if level and level.review else "审核"
        detail = f"{count} 条待{review}" if status == IN_REVIEW else f"{count} 条被退回，改好后送回"
        state = "mine" if status == IN_REVIEW else status
        link = notices.entry_link(first) if count == 1 else f"{notices.month_link(month)}&state={state}"
        line = Waiting(SECTION, title, detail, since or now, link, due, tone(due, now, SOON), count)
        found.append(line)
    return found


def _changes(actor: Actor) -> list[Waiting]:
    wanted = select(EntryChange.id, EntryChange.asked_at, EntryChange.kind, EntryChange.reason, Entry.title)
    wanted = wanted.join(Entry, Entry.id == EntryChange.entry_id)
    wanted = wanted.where(EntryChange.status == ASKED)
    wanted = wanted.where(EntryChange.waits_at_id.in_(ladder.answers_for(actor, Permission.PUBLISH)))
    words = {"edit": "申请变更", "cancel": "申请取消"}
    return [
        Waiting(SECTION, title, f"{words[kind]}：{reason}", at, notices.change_link(number), None, "gold")
        for number, at, kind, reason, title in db.session.execute(wanted.order_by(EntryChange.asked_at))
    ]


def _imports(actor: Actor) -> list[Waiting]:
    wanted = select(PlanImport.id, PlanImport.filename, PlanImport.created_at)
    wanted = wanted.where(PlanImport.status == PREVIEW, PlanImport.centre_id == actor.centre_id)
    return [
        Waiting(SECTION, name, "导入的计划表还没有确认完", at, notices.import_link(number))
        for number, name, at in db.session.execute(wanted.order_by(PlanImport.created_at))
    ]


def _lists(actor: Actor, level: Level | None, now: datetime) -> list[Waiting]:
    """Next month's list: not handed in by this centre, or late below it."""
    month = clock.add_months(clock.month_of(now), 1)
    if level is None:
        return []
    own = _own_list(actor, level, month, now) if level.files_list else []
    return own + (_late_below(actor, month, now) if level.review and not level.files_list else [])


def _own_list(actor: Actor, level: Level, month: str, now: datetime) -> list[Waiting]:
    due = level.cutoff(month)
    if due is None or now < due - SOON:
        return []
    handed = select(Issue.id).where(
        Issue.month == month, Issue.centre_id == actor.centre_id, Issue.submitted_at.is_not(None)
    )
    if db.session.scalar(handed) is not None:
        return []
    title, link = f"{clock.month_name(month)}清单还没有上交", notices.month_link(month)
    return [Waiting(SECTION, title, f"{clock.stamp(due)} 截止", min(now, due - SOON), link, due, tone(due, now, SOON))]


def _late_below(actor: Actor, month: str, now: datetime) -> list[Waiting]:
    found = []
    for level in profile.current().levels:
        due = level.cutoff(month)
        if not level.files_list or due is None or now < due:
            continue
        missing = len(unsubmitted(month, level.code, actor.centre_path))
        if missing:
            title = f"{clock.month_name(month)}清单未交"
            detail = f"{missing} 个{level.short}还没有上交"
            found.append(Waiting(SECTION, title, detail, due, notices.late_link(month), due, "red"))
    return found
