"""Reads of sign-ups for staff: the list of entries, everybody of one, what waits to be decided."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Select, and_, exists, func, literal_column, select, union_all
from sqlalchemy.orm import joinedload

from portal.cases import ladder
from portal.catalogue.models import Entry, EntrySession
from portal.catalogue.rules import LONGEST_ROW
from portal.centres.models import Centre, label
from portal.centres.queries import inside
from portal.core import clock, deadlines
from portal.core.access import Actor, Permission
from portal.core.db import db, packed
from portal.people.models import Relative, Resident
from portal.signup import reviewing, rules
from portal.signup.models import ACTIVE, CONFIRMED, OFFERED, PENDING, WAITING, SignUp, SignUpReview
from portal.signup.series import series_key
from portal.signup.states import LABELS, TONES


@dataclass(frozen=True, slots=True)
class EntryLine:
    """One line of the staff's list."""

    id: int
    title: str
    centre: str
    when: str
    starts_at: datetime | None
    taken: int
    capacity: int | None
    unit: str
    waiting: int
    pending: int
    offered: int
    status: str
    low: bool
    needs_review: bool


PAGE = 40
FILTERS = (("", "要开始的"), ("pending", "有待审核"), ("low", "人数不足"), ("full", "已满"), ("past", "已结束"))


def _counted(status: str, *further: ColumnElement[bool]) -> ScalarSelect[int]:
    return (
        select(func.count()).where(SignUp.entry_id == Entry.id, SignUp.status == status, *further)
        .correlate(Entry).scalar_subquery()
    )  # fmt: skip


def staff_list(
    path: str, now: datetime, which: str = "", text: str = "", page: int = 1
) -> tuple[list[EntryLine], bool]:
    """Entries of the subtree at `path` that people sign up for, and whether there are more. One statement.

    which: a key of FILTERS. Upcoming ones first to start first, past ones last first.
    """
    pending, offered = _counted(PENDING, reviewing.undecided()), _counted(OFFERED)
    order = Entry.first_start.desc() if which == "past" else Entry.first_start
    wanted: list[Any] = [Entry.walk_in.is_(False), Entry.centre_id.in_(select(Centre.id).where(*inside(path)))]
    if which == "past":
        wanted += [Entry.first_start <= now, Entry.last_end <= now]
    else:  # the first bound is only there for the index
        wanted += [Entry.first_start > now - LONGEST_ROW, Entry.last_end > now]
    wanted += _narrowed(which, pending, now)
    if text:
        wanted.append(Entry.title.contains(text, autoescape=True))
    # Each status in the order of its index, as far as the page needs it; then the page's rows.
    found = [
        select(Entry.id, Entry.first_start).where(Entry.status == status, *wanted).order_by(order, Entry.id)
        .limit(page * PAGE + 1).subquery() for status in ("published", "cancelled")
    ]  # fmt: skip
    both = union_all(*(select(part.c.id, part.c.first_start) for part in found)).subquery().c
    start = both.first_start.desc() if which == "past" else both.first_start
    ids = select(both.id).order_by(start, both.id).limit(PAGE + 1).offset((page - 1) * PAGE)
    statement = select(Entry, Centre.short_name, Centre.name, pending, offered)
    statement = statement.join(Centre, Centre.id == Entry.centre_id).where(Entry.id.in_(ids))
    rows = db.session.execute(statement.order_by(order, Entry.id)).all()
    return [_line(*row, now) for row in rows[:PAGE]], len(rows) > PAGE


def _narrowed(which: str, pending: ScalarSelect[int], now: datetime) -> list[Any]:
    if which == "pending":
        return [pending > 0]
    if which == "full":
        return [Entry.capacity.is_not(None), Entry.taken >= Entry.capacity]
    if which == "low":
        return _low(now)
    return []


def _low(now: datetime) -> list[Any]:
    """The SQL of rules.is_low."""
    window = (Entry.sign_up_until.is_not(None)) & (Entry.sign_up_until <= now + rules.LOW_WINDOW_LEAD)
    return [
        Entry.status == "published", Entry.walk_in.is_(False), Entry.capacity.is_not(None), Entry.first_start > now,
        (Entry.first_start <= now + rules.LOW_LEAD) | window, Entry.taken < Entry.capacity * rules.LOW_SHARE,
    ]  # fmt: skip


def _line(entry: Entry, short: str, name: str, pending: int, offered: int, now: datetime) -> EntryLine:
    start, end = entry.first_start, entry.last_end
    weekly = (entry.weekly or {}).get("label")
    when = weekly or (clock.span(start, end) if start and end else "时间未定")
    return EntryLine(
        entry.id, entry.title, short or name, when, start, entry.taken, entry.capacity, entry.unit, entry.waiting,
        pending, offered, entry.status, rules.is_low(entry, now), entry.needs_review,
    )  # fmt: skip


def staff_entry(entry_id: int) -> Entry | None:
    """A public entry of the viewer's subtree (the scope decides), with its sessions and centre."""
    statement = select(Entry).where(Entry.id == entry_id, Entry.status.in_(("published", "cancelled")))
    statement = statement.options(joinedload(Entry.centre), joinedload(Entry.sessions))
    return db.session.scalars(statement).unique().one_or_none()


@dataclass(frozen=True, slots=True)
class Row:
    """One sign-up as staff see it; the phone in full stays here and is masked by the page."""

    id: int
    resident_id: int
    relative_id: int | None
    name: str  # the person who comes
    by: str  # who signed them up, when somebody else did
    phone: str
    places: int
    status: str
    number: int | None
    accept_by: datetime | None
    created_by: str
    created_at: datetime
    reason: str
    note: str
    home: str = ""

    @property
    def person_key(self) -> str:
        return f"v{self.relative_id}" if self.relative_id else f"r{self.resident_id}"

    @property
    def label(self) -> str:
        return f"候补第 {self.number} 位" if self.number else LABELS[self.status]

    @property
    def tone(self) -> str:
        return TONES[self.status]


ORDER = {PENDING: 0, OFFERED: 1, CONFIRMED: 2, WAITING: 3}


def for_entry(entry_id: int, live_only: bool = False) -> list[Row]:
    """Everybody of an entry: to decide, offered, confirmed, then the queue in its order, then ended. One statement.

    Reads in the caller's scope, so a foreign entry has no rows.
    """
    statement = select(SignUp, Resident.name, Resident.phone, Relative.name, Relative.phone, Centre.short_name)
    statement = statement.join(Resident, Resident.id == SignUp.resident_id)
    statement = statement.outerjoin(Relative, Relative.id == SignUp.relative_id)
    statement = statement.outerjoin(Centre, Centre.id == Resident.home_centre_id)
    statement = statement.where(SignUp.entry_id == entry_id)
    if live_only:
        statement = statement.where(SignUp.status.in_(ACTIVE))
    found = sorted(
        db.session.execute(statement), key=lambda r: (ORDER.get(r[0].status, 9), r[0].queue_no or 0, r[0].id)
    )
    waiting = 0
    rows = []
    for sign_up, name, phone, relative, relative_phone, home in found:
        if sign_up.status == WAITING:
            waiting += 1
        rows.append(_row(sign_up, name, phone, relative, relative_phone, home, waiting))
    return rows


def _row(
    s: SignUp, name: str, phone: str | None, relative: str | None, relative_phone: str | None, home: str | None,
    number: int,
) -> Row:  # fmt: skip
    if s.caller_name:  # what staff typed is all they may know
        name, relative_phone, home = s.caller_name, None, None
    return Row(
        id=s.id, resident_id=s.resident_id, relative_id=s.relative_id, name=relative or name,
        by=name if relative else "", phone=relative_phone or phone or "", places=s.places, status=s.status,
        number=number if s.status == WAITING else None, accept_by=s.accept_by, created_by=s.created_by,
        created_at=s.created_at, reason=s.refusal_reason, note=s.note, home=home or "",
    )  # fmt: skip


def merge_targets(entry: Entry, now: datetime) -> list[Entry]:
    """Open entries of the viewer's subtree that could take all of this one's people: other issues of the same series
    first, then the same category, the soonest first."""
    statement = select(Entry).where(
        Entry.status == "published", Entry.walk_in.is_(False), Entry.id != entry.id, Entry.first_start > now,
    )  # fmt: skip
    rows = db.session.scalars(statement.order_by(Entry.first_start, Entry.id).limit(200))
    enough = [e for e in rows if not e.waiting and (e.free is None or e.free >= entry.taken + entry.waiting)]
    return sorted(enough, key=lambda e: (not same_series(e, entry), e.category_id != entry.category_id))[:30]


def same_series(one: Entry, other: Entry) -> bool:
    """Whether two entries are issues of one thing, by centre and title."""
    return series_key(one.centre_id, one.title) == series_key(other.centre_id, other.title)


Counted = tuple[ScalarSelect[int], Callable[[], Select[Any]]]  # how many; and what makes the SELECT of their rows


def to_check(actor: Actor, now: datetime) -> Counted:
    """Sign-ups that wait for a decision: how many, and a packed row for each of their entries, the oldest first.

    The organiser's own things (and those of centres where nobody works); of others below only what nobody has decided
    a day before the start, so that an upper level's inbox holds what is really its own to do.
    """
    late = and_(*inside(actor.centre_path), Entry.first_start <= now + deadlines.LATE)
    own = Entry.centre_id.in_(ladder.answers_for(actor, Permission.SIGN_UPS))
    # From the few pending ones to their entries, whose scope decides. The status is written out, not bound: only so
    # does SQLite see that the small index of pending ones holds them all.
    s = SignUp.__table__.c
    pending = select(s.entry_id, func.count().label("number"), func.min(s.created_at).label("since"))
    decided = exists().where(SignUpReview.sign_up_id == s.id)
    waits = pending.where(s.status == literal_column("'pending'"), ~decided).group_by(s.entry_id).subquery()

    def found(column: Any) -> Select[Any]:
        joined = select(column).select_from(waits).join(Entry, Entry.id == waits.c.entry_id)
        joined = joined.join(Centre, Centre.id == Entry.centre_id)
        return joined.where(Entry.status != "cancelled", Entry.last_end > now, own | late)

    def rows() -> Select[Any]:
        row = packed(
            id=Entry.id, title=Entry.title, centre=Centre.short_name, start=Entry.first_start, count=waits.c.number,
            since=waits.c.since,
        )  # fmt: skip
        return found(row).order_by(waits.c.since)

    return found(func.sum(waits.c.number)).scalar_subquery(), rows


def too_few(actor: Actor, now: datetime) -> Counted:
    """The organiser's own entries with too few sign-ups: how many, and a packed row each, the next to start first."""
    low = (*_low(now), Entry.centre_id.in_(ladder.answers_for(actor, Permission.SIGN_UPS)))
    return select(func.count(Entry.id)).where(*low).scalar_subquery(), lambda: _too_few(low)


def _too_few(low: tuple[ColumnElement[bool], ...]) -> Select[Any]:
    dates = select(func.count(EntrySession.id)).where(EntrySession.entry_id == Entry.id).scalar_subquery()
    first = select(EntrySession.ends_at).where(EntrySession.entry_id == Entry.id).order_by(EntrySession.starts_at)
    row = packed(
        id=Entry.id, title=Entry.title, centre=label(Centre), start=Entry.first_start, until=Entry.sign_up_until,
        taken=Entry.taken, capacity=Entry.capacity, unit=Entry.unit, weekly=Entry.weekly["label"].as_string(),
        end=first.limit(1).scalar_subquery(), dates=dates,
    )  # fmt: skip
    rows = select(row).select_from(Entry).join(Centre, Centre.id == Entry.centre_id).where(*low)
    return rows.order_by(Entry.first_start, Entry.id)


def low_entries(now: datetime) -> list[Entry]:
    """Entries with too few sign-ups whose organiser must hear of it now (S5)."""
    return list(db.session.scalars(select(Entry).where(*_low(now)).order_by(Entry.id)))
