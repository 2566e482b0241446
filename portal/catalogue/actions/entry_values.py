"""What every action on a row shares: its values, validation, the lock, history and audit lines."""

from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import select

from portal.cases.ladder import at_or_above
from portal.catalogue import rules
from portal.catalogue.models import PUBLIC, Category, DroppedSession, Entry, EntrySession, ServiceType
from portal.catalogue.rules import EntryValues
from portal.catalogue.states import ENTRY
from portal.catalogue.timetext.parts import Problem, Span, error, errors
from portal.centres.models import Centre
from portal.core import audit, states
from portal.core.access import Actor, Permission
from portal.core.db import db
from portal.core.errors import Invalid, NotAllowed, NotYourTurn, Stale

DATES = frozenset({"own_first_until", "groups_first_until", "sign_up_from", "sign_up_until", "withdraw_until"})
# Columns of Entry that carry a value of the same name.
PLAIN = tuple(f.name for f in fields(EntryValues) if f.name not in {"sessions", "groups"})

Changes = list[list[str]]  # [label, before, after] in words


class InvalidRow(Invalid):
    """The values cannot be taken. `problems` holds every one of them; the first gives message and field, the others
    are the advice."""

    def __init__(self, problems: list[Problem]) -> None:
        first, *others = problems
        super().__init__(first.message, advice="".join(p.message for p in others), field=first.field)
        self.problems = problems


def values_of(entry: Entry) -> EntryValues:
    """The row as staff would type it."""
    plain = {name: getattr(entry, name) for name in PLAIN}
    sessions = tuple(Span(s.starts_at, s.ends_at) for s in entry.sessions)
    return EntryValues(**plain, sessions=sessions, groups=tuple(entry.groups or ()))


def put_values(entry: Entry, values: EntryValues) -> None:
    """Write the values into the row. Sessions that stay keep their ids, and one that moves is still the same one, so
    that calendars of phones know which of their dates moved."""
    organiser = entry.organiser
    for name in PLAIN:
        value = getattr(values, name)
        setattr(entry, name, value.strip() if isinstance(value, str) else value)
    entry.organiser = entry.organiser or organiser or ""  # never nobody
    entry.groups = list(values.groups or rules.groups_in(values.audience))
    entry.weekly = rules.still_weekly(values)
    if values.walk_in:
        entry.sign_up_from = entry.sign_up_until = entry.own_first_until = entry.withdraw_until = None
        entry.groups_first_until, entry.groups_only = None, False
    wanted = set(values.sessions)
    kept = [s for s in entry.sessions if Span(s.starts_at, s.ends_at) in wanted]
    known = {Span(s.starts_at, s.ends_at) for s in kept}
    moved = [s for s in entry.sessions if s not in kept]
    new = []
    for span in sorted(wanted - known):
        session = moved.pop(0) if moved else EntrySession()
        session.starts_at, session.ends_at = span.start, span.end
        new.append(session)
    if entry.status in PUBLIC:
        keep_dropped((entry.id, session.id, session.starts_at, session.ends_at) for session in moved)
    entry.sessions = sorted([*kept, *new], key=lambda s: s.starts_at)
    entry.first_start, entry.last_end = values.first_start, values.last_end


def keep_dropped(dates: Iterable[tuple[int, int, datetime, datetime]]) -> None:
    """Remember dates that were public and are not any more: (entry, session's number, start, end)."""
    for entry_id, session_id, start, end in dates:
        row = DroppedSession(entry_id=entry_id, session_id=session_id, starts_at=start, ends_at=end)
        db.session.merge(row)  # SQLite may give a number of a deleted row to another one


def require(
    values: EntryValues,
    now: datetime,
    taken: int = 0,
    draft: bool = False,
    moved: bool = False,
    to_allot: bool = False,
) -> None:
    """Raises InvalidRow when the values have errors (warnings pass)."""
    found = errors(rules.check(values, now, taken, draft, moved, to_allot))
    category = db.session.get(Category, values.category_id)
    if category is None:
        found.insert(0, error("category_id", "请选择类别。"))
    elif values.service_type_id is not None:
        service = db.session.get(ServiceType, values.service_type_id)
        if service is None or service.category_id != category.id:
            found.append(error("service_type_id", "这个服务项目不属于所选的类别。"))
    if found:
        raise InvalidRow(found)


def to_allot(entry: Entry) -> bool:
    """Whether it is a department's plan that stands in no community's list yet."""
    return entry.department_id is not None and entry.centre_id == entry.author_centre_id


def need(actor: Actor, permission: Permission) -> None:
    """Raises NotAllowed when the actor's role does not grant `permission`."""
    if not actor.can(permission):
        raise NotAllowed()


def need_inside(actor: Actor, centre: Centre) -> None:
    """Raises NotAllowed unless the centre is the actor's own or below it; a department has no centres below."""
    if not at_or_above(actor, centre):
        raise NotAllowed("这个阵地不在您的管理范围内。")


def whole_tree() -> list[Centre]:
    """Every centre in one query. Held while many rows are decided: the session keeps only what somebody holds."""
    return list(db.session.scalars(select(Centre)))


def refuse(why: str | None) -> None:
    """Raises NotAllowed with the sentence `why`; nothing happens without one."""
    if why:
        raise NotYourTurn(why)


def lock(entry: Entry, version: int | None = None) -> None:
    """Row lock (SQLite's writer is alone already). Raises Stale when the row moved since it was read.

    version: the revision that the person saw on the page.
    """
    before = (entry.status, entry.waits_at_id)
    db.session.flush()
    db.session.execute(select(Entry.id).where(Entry.id == entry.id).with_for_update())
    db.session.refresh(entry)
    if (entry.status, entry.waits_at_id) != before or version not in (None, entry.revision):
        raise Stale()


def touched(entry: Entry, now: datetime) -> None:
    """Every change a list shows raises the version, so that cached cards are made anew."""
    entry.version += 1
    entry.revision += 1
    entry.updated_at = now


def moves(now: datetime, **columns: Any) -> dict[str, Any]:
    """Column values for `states.fire`, with the version raised in the same UPDATE."""
    return {"version": Entry.version + 1, "revision": Entry.revision + 1, "updated_at": now, **columns}


def told(before: EntryValues, after: EntryValues) -> Changes:
    """[[label, before, after] …] for a history line."""
    found = []
    for name, *words in rules.differences(before, after):
        found.append([rules.LABELS[name], *(map(_category_name, words) if name == "category_id" else words)])
    if before.venue_id != after.venue_id and before.place.strip() == after.place.strip():
        found.append([rules.LABELS["venue_id"], *(_room(v) for v in (before, after))])
    return found


def _room(values: EntryValues) -> str:
    """The same words as a place may mean a room that is booked, or only words."""
    return f"预订{values.place}" if values.venue_id is not None else f"{values.place}（不预订）"


def _category_name(number: str) -> str:
    row = db.session.get(Category, int(number)) if number.isdigit() else None
    return row.name if row is not None else "（空）"


def note(
    actor: Actor, entry: Entry, verb: str, now: datetime, *, reason: str = "", changes: Changes | None = None
) -> None:
    """A history line without a change of status, and its audit line."""
    states.note(ENTRY, entry, verb, actor, now, reason, details={"changes": changes} if changes else None)
    log(actor, entry, verb, now, changes=changes)


def log(
    actor: Actor, entry: Entry, verb: str, now: datetime, *, changes: Changes | None = None, summary: str = ""
) -> None:
    """An audit line about a row (SPEC P9)."""
    changes = changes or []
    audit.record(
        actor,
        verb,
        "entry",
        entry.id,
        now,
        summary=summary or entry.title,
        before={label: old for label, old, _new in changes} or None,
        after={label: new for label, _old, new in changes} or None,
        centre_id=entry.centre_id,
        centre_path=entry.centre.path,
    )


def to_json(values: EntryValues) -> dict[str, Any]:
    """Values as plain JSON; moments in ISO form."""
    found: dict[str, Any] = {}
    for field in fields(values):
        value = getattr(values, field.name)
        if field.name == "sessions":
            found["sessions"] = [[s.start.isoformat(), s.end.isoformat()] for s in value]
        elif isinstance(value, datetime):
            found[field.name] = value.isoformat()
        else:
            found[field.name] = list(value) if isinstance(value, tuple) else value
    return found


def from_json(stored: dict[str, Any]) -> EntryValues:
    """Values as `to_json` stored them; a field that is newer than the stored row gets its default."""
    values: dict[str, Any] = {f.name: stored[f.name] for f in fields(EntryValues) if f.name in stored}
    moment = datetime.fromisoformat
    values["sessions"] = tuple(Span(moment(s), moment(e)) for s, e in stored.get("sessions", ()))
    values["groups"] = tuple(stored.get("groups", ()))
    for name in DATES & values.keys():
        values[name] = moment(values[name]) if values[name] else None
    return EntryValues(**values)
