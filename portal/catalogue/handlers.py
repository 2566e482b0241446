"""What the outbox carries out for the catalogue: messages to the staff concerned, each told once (SPEC C5, C6, M1)."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select

from portal.cases import ladder
from portal.catalogue import cutoffs, notices
from portal.catalogue.actions import changing, following, publishing
from portal.catalogue.models import IN_REVIEW, RETURNED, BulkStep, Entry
from portal.catalogue.month_rules import DEPARTMENTS
from portal.catalogue.staff import queries
from portal.catalogue.states import ASKED, URGENT
from portal.centres import queries as centres
from portal.centres.models import Centre, Department
from portal.centres.queries import review_chain
from portal.core import clock, outbox, states
from portal.core.access import Permission, Role
from portal.core.db import db
from portal.core.words import Words
from portal.notices.actions import tell_staff
from portal.people import queries as people
from portal.people.models import StaffAccount


def _tell(centre_ids: Iterable[int | None], words: Words, key: str, now: datetime) -> None:
    """Who works there, or whoever does it in their place."""
    wanted = sorted({i for i in centre_ids if i is not None})
    centres = db.session.scalars(select(Centre).where(Centre.id.in_(wanted)))
    accounts = sorted({i for centre in centres for i in ladder.people_at(centre, Permission.PLAN)})
    tell_staff(accounts, words.kind, words.title, words.body, words.link, key, now)


def _tell_owner(entry: Entry, words: Words, key: str, now: datetime) -> None:
    """Whoever can act on the row: its centre's people, or the department's that drew it up."""
    if entry.department_id is None:
        _tell([entry.centre_id], words, key, now)
        return
    mine = select(StaffAccount.id).where(
        StaffAccount.department_id == entry.department_id, StaffAccount.disabled_at.is_(None)
    )
    tell_staff(db.session.scalars(mine).all(), words.kind, words.title, words.body, words.link, key, now)
    if entry.centre_id != entry.author_centre_id:
        _tell([entry.centre_id], words, key, now)


@outbox.handler("catalogue.offered")
def on_offered(payload: dict[str, Any], now: datetime) -> None:
    """A station's row, a department's plan or a mended row has arrived."""
    entry = queries.entry(payload["entry_id"])
    if entry is not None and entry.status == IN_REVIEW and entry.waits_at_id == payload["centre_id"]:
        _tell([entry.waits_at_id], notices.offered(entry), f"offered:{entry.id}:{entry.version}", now)


@outbox.handler("catalogue.submitted")
def on_submitted(payload: dict[str, Any], now: datetime) -> None:
    """A list has arrived at its first reviewer, a department's plan at the centre that allots it."""
    centre = db.session.get_one(Centre, payload["centre_id"])
    department = db.session.get(Department, payload["department_id"]) if "department_id" in payload else None
    above = [centre] if department is not None else review_chain(centre)
    if above:
        month, count, step_id = payload["month"], payload["count"], payload.get("step_id")
        step = db.session.get(BulkStep, step_id) if step_id else None
        if step is not None and step.undone_at is not None:
            return
        count = step.count if step is not None else count
        key = f"submitted:{month}:{centre.id}:{step_id or clock.stamp(now)}"
        words = notices.submitted(centre, month, count)
        words = notices.plan_arrived(department.name, month, count) if department is not None else words
        _tell([above[0].id], words, key, now)


@outbox.handler("catalogue.lifted")
def on_lifted(payload: dict[str, Any], now: datetime) -> None:
    """What waited at a level where nobody works any more has arrived."""
    centre, month = db.session.get_one(Centre, payload["from"]), payload["month"]
    words = notices.lifted(centre, month, payload["count"])
    _tell([payload["to"]], words, f"lifted:{month}:{centre.id}:{payload['to']}:{int(now.timestamp())}", now)


@outbox.handler("catalogue.returned")
def on_returned(payload: dict[str, Any], now: datetime) -> None:
    """The author's centre hears who returned the row and why."""
    entry = queries.entry(payload["id"])
    line = db.session.get_one(states.StateHistory, payload["history_id"])
    if entry is None:
        return
    centre = centres.get(line.centre_id)
    words = notices.returned(entry, centre.label if centre else line.actor_name, line.reason.rstrip("。"))
    _tell_owner(entry, words, f"returned:{line.id}", now)


@outbox.handler("catalogue.returned_many")
def on_returned_many(payload: dict[str, Any], now: datetime) -> None:
    """Each author hears once of all rows that came back for one reason."""
    wanted = select(Entry).where(Entry.id.in_(payload["ids"]), Entry.status == RETURNED).order_by(Entry.id)
    who = centres.get(payload["centre_id"])
    owners: dict[tuple[int, int | None], list[Entry]] = {}
    for entry in db.session.scalars(wanted):
        owners.setdefault((entry.centre_id, entry.department_id), []).append(entry)
    for rows in owners.values():
        words = notices.returned_many(rows, who.label if who else "", rows[0].return_reason.rstrip("。"))
        _tell_owner(rows[0], words, f"returned:{rows[0].id}:{len(rows)}:{int(now.timestamp())}", now)


@outbox.handler("catalogue.taken_back")
def on_taken_back(payload: dict[str, Any], now: datetime) -> None:
    """Who was told of a bulk step hears that it was taken back."""
    who = centres.get(payload["by"])
    department = db.session.get(Department, payload["department_id"]) if payload.get("department_id") else None
    name = department.name if department is not None else who.label if who else ""
    for centre_id, count in payload["told"]:
        words = notices.taken_back(name, payload["kind"], payload["month"], count)
        _tell([centre_id], words, f"taken_back:{payload['kind']}:{centre_id}:{int(now.timestamp())}", now)


@outbox.handler("catalogue.corrected")
def on_corrected(payload: dict[str, Any], now: datetime) -> None:
    entry = queries.entry(payload["entry_id"])
    if entry is not None:
        _tell_owner(entry, notices.corrected(entry, payload["actor"]), f"corrected:{entry.id}:{entry.version}", now)


@outbox.handler("catalogue.allotted")
def on_allotted(payload: dict[str, Any], now: datetime) -> None:
    """The community hears of a department's activity in its list (C4)."""
    entry = queries.entry(payload["entry_id"])
    if entry is not None:
        department = entry.department.name if entry.department else "部门"
        _tell([payload["centre_id"]], notices.allotted(entry, department), f"allotted:{entry.id}", now)


@outbox.handler("entry.published")
def on_published(payload: dict[str, Any], now: datetime) -> None:
    """Each centre hears how many of its rows are public now; those who follow hear of them with the hour's others."""
    moments = db.session.scalars(select(Entry.published_at).where(Entry.id.in_(payload["ids"])).distinct())
    for moment in moments:
        if moment is not None:
            following.tell_followers(moment, now)
    counts = select(Entry.centre_id, func.count(Entry.id)).where(Entry.id.in_(payload["ids"])).group_by(Entry.centre_id)
    for centre_id, count in db.session.execute(counts.order_by(Entry.centre_id)).all():
        key = f"published:{payload['ids'][0]}:{centre_id}"
        own = [account.id for account in people.staff_of([centre_id], (Role.MANAGER, Role.OPERATOR))]
        words = notices.published(payload["month"], count)  # nobody does anything about it, so nobody else is told
        tell_staff(own, words.kind, words.title, words.body, words.link, key, now)


@outbox.handler("catalogue.room_missing")
def on_room_missing(payload: dict[str, Any], now: datetime) -> None:
    """Published without (all of) its room: whoever can act on the row, and where it is held, must find another."""
    entry = queries.entry(payload["entry_id"])
    if entry is not None:
        _tell_owner(entry, notices.room_missing(entry, payload["said"]), f"room:{entry.id}:{entry.version}", now)


@outbox.handler("catalogue.change_asked")
def on_change_asked(payload: dict[str, Any], now: datetime) -> None:
    change = queries.change(payload["change_id"])
    if change is not None and change.status == ASKED:
        words = notices.change_asked(change, changing.sentence(change))
        _tell([change.waits_at_id], words, f"change:{change.id}", now)


@outbox.handler("catalogue.change_urgent")
def on_change_urgent(payload: dict[str, Any], now: datetime) -> None:
    """The publisher hears of what took effect without them, and that they can undo it."""
    change = queries.change(payload["change_id"])
    if change is not None and change.status == URGENT:
        words = notices.change_urgent(change, changing.sentence(change))
        _tell([change.waits_at_id], words, f"urgent:{change.id}", now)


@outbox.handler("catalogue.change_undone")
def on_change_undone(payload: dict[str, Any], now: datetime) -> None:
    change = queries.change(payload["id"])
    if change is not None:
        words = notices.change_undone(change, changing.sentence(change))
        _tell_owner(change.entry, words, f"undone:{change.id}", now)


@outbox.handler("catalogue.change_applied")
def on_change_applied(payload: dict[str, Any], now: datetime) -> None:
    change = queries.change(payload["change_id"])
    if change is not None:
        words = notices.change_applied(change, changing.sentence(change))
        _tell_owner(change.entry, words, f"applied:{change.id}", now)


@outbox.handler("catalogue.change_refused")
def on_change_refused(payload: dict[str, Any], now: datetime) -> None:
    change = queries.change(payload["id"])
    if change is not None:
        _tell_owner(change.entry, notices.change_refused(change), f"refused:{change.id}", now)


@outbox.handler("catalogue.dates_moved")
def on_dates_moved(payload: dict[str, Any], now: datetime) -> None:
    """Whoever does a part until another moment than before hears both; silent when it has moved again meanwhile."""
    month, dates = payload["month"], cutoffs.of(payload["month"])
    what = {part.code: part.what for part in cutoffs.parts(month)}
    for code, (old, new) in payload["moved"].items():
        at = datetime.fromisoformat(new)
        if dates.get(code) != at:
            continue
        words = notices.date_moved(month, what[code], datetime.fromisoformat(old), at)
        ids = [i for i in db.session.scalars(_doing(code)) if i != payload["by"]]
        key = f"date:{month}:{code}:{old[:16]}:{new[:16]}:{int(now.timestamp())}"
        tell_staff(ids, words.kind, words.title, words.body, words.link, key, now)


def _doing(code: str) -> Select[int]:
    """Accounts of those who do a part of a month's list: of the departments, or of the centres of a level."""
    wanted = select(StaffAccount.id).where(
        StaffAccount.disabled_at.is_(None), StaffAccount.role.in_((Role.MANAGER, Role.OPERATOR))
    )
    if code == DEPARTMENTS:
        return wanted.join(Department, Department.id == StaffAccount.department_id).where(Department.active)
    centre = wanted.join(Centre, Centre.id == StaffAccount.centre_id)
    return centre.where(Centre.level == code, Centre.active, StaffAccount.department_id.is_(None))


@outbox.handler("catalogue.reminder")
def on_reminder(payload: dict[str, Any], now: datetime) -> None:
    """Two days and one day before a cut-off; silent when the work was done, or the date moved, meanwhile."""
    month, what = payload["month"], payload["what"]
    if what == "department":
        _remind_department(payload, now)
        return
    centre = db.session.get_one(Centre, payload["centre_id"])
    cutoff = _still(payload, centre.level, now)
    if cutoff is None:
        return
    waiting = _waiting(month, centre.id)
    if what == "review":
        done = waiting == 0
    elif what == "plan":
        done = db.session.scalar(publishing.silent_stations(month, centre.level).where(Centre.id == centre.id)) is None
    else:
        issue = queries.issues(month).get(centre.id)
        done = issue is not None and issue.submitted_at is not None
    if not done:
        words = notices.reminder(month, what, payload["days"], cutoff, waiting)
        _tell([centre.id], words, f"reminder:{month}:{centre.id}:{what}:{payload['days']}:{_moved(payload)}", now)


def _still(payload: dict[str, Any], code: str, now: datetime) -> datetime | None:
    """The date that a reminder speaks of, if it is still that one and still to come."""
    cutoff = cutoffs.of(payload["month"]).get(code)
    moved = "cutoff" in payload and cutoff != datetime.fromisoformat(payload["cutoff"])
    return None if cutoff is None or moved or now >= cutoff else cutoff


def _moved(payload: dict[str, Any]) -> str:
    return str(payload.get("cutoff", ""))[:16]


def _remind_department(payload: dict[str, Any], now: datetime) -> None:
    month, number, days = payload["month"], payload["department_id"], payload["days"]
    cutoff = _still(payload, DEPARTMENTS, now)
    if cutoff is None:
        return
    if db.session.scalar(publishing.silent_departments(month).where(Department.id == number)) is None:
        return
    mine = select(StaffAccount.id).where(StaffAccount.department_id == number, StaffAccount.disabled_at.is_(None))
    words = notices.reminder(month, "plan", days, cutoff, 0)
    key = f"reminder:{month}:department{number}:{days}:{_moved(payload)}"
    tell_staff(db.session.scalars(mine).all(), words.kind, words.title, words.body, words.link, key, now)


@outbox.handler("catalogue.urged")
def on_urged(payload: dict[str, Any], now: datetime) -> None:
    """Somebody above waits for a late list; silent when it came meanwhile."""
    month, centre = payload["month"], db.session.get_one(Centre, payload["centre_id"])
    issue, above = queries.issues(month).get(centre.id), centres.get(payload["by"])
    if issue is None or issue.submitted_at is None:
        words = notices.urged(month, above.label if above else "", payload["name"], above.phone if above else "")
        _tell([centre.id], words, f"urged:{month}:{centre.id}:{clock.today(now)}", now)


def _waiting(month: str, centre_id: int) -> int:
    wanted = select(func.count(Entry.id)).where(
        Entry.month == month, Entry.status == IN_REVIEW, Entry.waits_at_id == centre_id
    )
    return db.session.scalar(wanted) or 0


@outbox.handler("catalogue.late")
def on_late(payload: dict[str, Any], now: datetime) -> None:
    """The cut-off has passed: the centre itself hears it."""
    month, centre = payload["month"], db.session.get_one(Centre, payload["centre_id"])
    cutoff = cutoffs.for_centre(centre, cutoffs.of(month))
    issue = queries.issues(month).get(centre.id)
    if cutoff is not None and now >= cutoff and (issue is None or issue.submitted_at is None):
        _tell([centre.id], notices.late(month, cutoff), f"late:{month}:{centre.id}", now)


@outbox.handler("catalogue.late_list")
def on_late_list(payload: dict[str, Any], now: datetime) -> None:
    """The reviewer hears who is missing."""
    month, centre = payload["month"], db.session.get_one(Centre, payload["centre_id"])
    names = [row.centre.label for row in queries.late(month, now, centre.path) if row.submitted_at is None]
    if names:
        key = f"late_list:{month}:{centre.id}:{payload['level']}"
        _tell([centre.id], notices.late_list(month, names), key, now)
