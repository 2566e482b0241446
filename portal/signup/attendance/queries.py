"""Reads of who came: the roster of one date, today's dates, who is known to have come or not (SPEC S6)."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import contains_eager, joinedload, selectinload

from portal.catalogue.models import PUBLIC, PUBLISHED, Entry, EntrySession
from portal.centres.models import Centre, label
from portal.centres.queries import inside
from portal.core import clock
from portal.core.db import db
from portal.people import queries as people
from portal.people.models import Relative, Resident
from portal.signup import queries_staff
from portal.signup.attendance import codes, rules
from portal.signup.attendance.models import Attendance, RosterCheck
from portal.signup.models import CONFIRMED, SignUp

LAST_DAYS = timedelta(days=7)  # of what is over and has not been gone through


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody on the roster of one date. came: None as long as nobody has said. phone: in full, masked by the page.

    code: of their sign-up, for the camera; '' of a walk-in.
    """

    key: str
    name: str
    by: str
    phone: str
    places: int
    note: str
    code: str
    came: bool | None
    via: str
    marked_at: datetime | None
    resident_id: int | None
    walk_in: bool = False

    @property
    def tail(self) -> str:
        return rules.tail_of(self.phone)


def date_of(session_id: int) -> EntrySession | None:
    """One date of a public entry that the caller's scope sees, with its entry, all its dates and its centre."""
    statement = select(EntrySession).join(EntrySession.entry).where(EntrySession.id == session_id)
    whole = contains_eager(EntrySession.entry)
    statement = statement.where(Entry.status.in_(PUBLIC)).options(whole.joinedload(Entry.centre))
    return db.session.scalars(statement.options(whole.selectinload(Entry.sessions))).one_or_none()


def marks(session_ids: Iterable[int]) -> dict[tuple[int, str], Attendance]:
    """What is known of these dates, by (date, person). One statement."""
    wanted = select(Attendance).where(Attendance.session_id.in_(list(session_ids)))
    rows = db.session.scalars(wanted.execution_options(populate_existing=True))
    return {(row.session_id, row.person_key): row for row in rows}


def checked(session_ids: Iterable[int]) -> dict[int, RosterCheck]:
    """Those of these dates whose roster has been gone through. The caller has seen that the dates are theirs."""
    rows = db.session.scalars(select(RosterCheck).where(RosterCheck.session_id.in_(list(session_ids))))
    return {row.session_id: row for row in rows}


def roster(date: EntrySession) -> list[Person]:
    """Everybody who has a place, in the order of the paper roster, then the walk-ins. In the caller's scope."""
    known = {key: row for (_, key), row in marks([date.id]).items()}
    found = []
    for r in queries_staff.for_entry(date.entry_id, live_only=True):
        if r.status != CONFIRMED:
            continue
        mark = known.pop(r.person_key, None)
        found.append(Person(
            r.person_key, r.name, r.by, r.phone, r.places, r.note, codes.of_sign_up(r.id),
            mark.came if mark else None, mark.via if mark else "", mark.marked_at if mark else None, r.resident_id,
        ))  # fmt: skip
    return found + _walk_ins(list(known.values()))


def _walk_ins(rows: list[Attendance]) -> list[Person]:
    if not rows:
        return []
    wanted = (
        select(Attendance.id, Resident.name, Resident.phone, Relative.name)
        .outerjoin(Resident, Resident.id == Attendance.resident_id)
        .outerjoin(Relative, Relative.id == Attendance.relative_id)
        .where(Attendance.id.in_([row.id for row in rows]))
    )
    named = {i: (relative or name or "", phone or "") for i, name, phone, relative in db.session.execute(wanted)}
    found = []
    for row in sorted(rows, key=lambda r: (r.marked_at, r.id)):
        name, phone = named[row.id]
        name = f"{row.surname}（现场登记）" if row.surname else name or "现场来的"
        found.append(Person(
            row.person_key, name, "", phone or row.tail, 1, "", "", row.came, row.via, row.marked_at,
            row.resident_id, walk_in=True,
        ))  # fmt: skip
    return found


def walk_ins(dates: Sequence[EntrySession], signed: Collection[str]) -> list[Person]:
    """Who came to any of these dates without being on the list `signed`, each once; for the paper. Two statements."""
    rows = sorted(marks([d.id for d in dates]).values(), key=lambda r: (r.marked_at, r.id))
    first = {row.person_key: row for row in reversed(rows) if row.came and row.person_key not in signed}
    return _walk_ins(list(first.values()))


@dataclass(frozen=True, slots=True)
class DateLine:
    """One date on the staff's page of check-ins."""

    id: int
    entry_id: int
    title: str
    centre: str
    place: str
    starts_at: datetime
    ends_at: datetime
    expected: int  # people with a place
    came: int  # rows that are marked
    walk_in: bool
    checked: bool

    @property
    def when(self) -> str:
        return clock.span(self.starts_at, self.ends_at)


MOST = 100  # dates on one page


def of_today(path: str, now: datetime, text: str = "") -> list[DateLine]:
    """Today's dates of the subtree at `path`, in the order of the day; `text`: in the title. One statement."""
    first = clock.at(clock.today(now), time())
    named = [Entry.title.contains(text, autoescape=True)] if text else []
    return _lines(path, EntrySession.starts_at >= first, EntrySession.starts_at < first + timedelta(days=1), *named)


def unchecked(path: str, now: datetime) -> list[DateLine]:
    """What ended in the last days, before today, had sign-ups, and whose roster nobody has gone through."""
    today = clock.at(clock.today(now), time())
    return _lines(
        path, EntrySession.starts_at >= today - LAST_DAYS, EntrySession.starts_at < today, EntrySession.ends_at <= now,
        Entry.taken > 0, RosterCheck.session_id.is_(None),
    )  # fmt: skip


def _lines(path: str, *wanted: ColumnElement[bool]) -> list[DateLine]:
    came = select(func.count()).where(Attendance.session_id == EntrySession.id, Attendance.came.is_(True))
    statement = (
        select(
            EntrySession.id, EntrySession.entry_id, Entry.title, label(Centre).label("centre"), Entry.place,
            EntrySession.starts_at, EntrySession.ends_at, Entry.taken.label("expected"),
            came.scalar_subquery().label("came"), Entry.walk_in, RosterCheck.session_id.is_not(None).label("checked"),
        )
        .join(Entry, Entry.id == EntrySession.entry_id)
        .join(Centre, Centre.id == Entry.centre_id)
        .outerjoin(RosterCheck, RosterCheck.session_id == EntrySession.id)
        .where(Entry.status == PUBLISHED, *inside(path), *wanted)
        .order_by(EntrySession.starts_at, EntrySession.id).limit(MOST)
    )  # fmt: skip
    return [DateLine(*row) for row in db.session.execute(statement)]


def date_for_sign_up(sign_up_id: int, now: datetime) -> tuple[SignUp, EntrySession] | None:
    """A sign-up that has a place, and the date of its entry that is on, or next, or was last. In the caller's scope."""
    wanted = select(SignUp).where(SignUp.id == sign_up_id, SignUp.status == CONFIRMED)
    row = db.session.scalars(wanted.options(joinedload(SignUp.entry).selectinload(Entry.sessions))).one_or_none()
    if row is None or not row.entry.sessions:
        return None
    dates = row.entry.sessions
    return row, next((d for d in dates if now < d.ends_at + rules.LATE), dates[-1])


@dataclass(frozen=True, slots=True)
class Came:
    """Who of an entry is known to have come, to be asked how it was.

    absent: keys of people who are known to have come to none of its dates. walk_ins: whose account,
    and the row, of residents who came without a sign-up.
    """

    absent: frozenset[str]
    walk_ins: tuple[tuple[int, Attendance], ...]


def came_to(entry: Entry) -> Came:
    """Of all dates of an entry. Whoever nobody has said anything about counts as absent only where the roster has been
    gone through. Three statements, in the caller's scope.
    """
    dates = [d.id for d in entry.sessions]
    known, through = marks(dates), checked(dates)
    signed = set(db.session.scalars(
        select(SignUp.person_key).where(SignUp.entry_id == entry.id, SignUp.status == CONFIRMED)
    ))  # fmt: skip
    walk_ins: dict[str, tuple[int, Attendance]] = {}
    for (_, key), row in sorted(known.items()):
        if row.came and row.resident_id is not None and key not in signed:
            walk_ins.setdefault(key, (row.resident_id, row))
    gone = frozenset(key for key in signed if rules.absent(_marks_of(key, dates, known, through), len(dates)))
    return Came(gone, tuple(walk_ins.values()))


def _marks_of(
    key: str, dates: Iterable[int], known: Mapping[tuple[int, str], Attendance], through: Mapping[int, RosterCheck]
) -> list[bool | None]:
    marked = [(date, known.get((date, key))) for date in dates]
    return [row.came if row else False if date in through else None for date, row in marked]


def known_of(dates: Sequence[EntrySession]) -> Callable[[str], tuple[bool | None, ...]]:
    """What asks of a person's key: came, did not come or not known, per date. Two statements."""
    ids = [d.id for d in dates]
    known, through = marks(ids), checked(ids)
    return lambda key: tuple(_marks_of(key, ids, known, through))


# Of residents ---------------------------------------------------------------------------------------------------------


def own(entry_id: int, resident_id: int) -> list[SignUp]:
    """One's own places in an activity that is not over and takes place, oneself first."""
    wanted = select(SignUp).join(SignUp.entry).where(
        SignUp.entry_id == entry_id, SignUp.resident_id == resident_id, SignUp.status == CONFIRMED,
        Entry.status == PUBLISHED,
    )  # fmt: skip
    wanted = wanted.options(
        contains_eager(SignUp.entry).options(joinedload(Entry.centre), selectinload(Entry.sessions)),
        joinedload(SignUp.relative),
    )
    return list(db.session.scalars(wanted.order_by(SignUp.relative_id.is_not(None), SignUp.id)))


@dataclass(frozen=True, slots=True)
class Family:
    """One of the family at the place. number: of the sign-up, 0 without one. value: 'me' or the relative's number."""

    number: int
    value: str
    name: str
    places: int


@dataclass(frozen=True, slots=True)
class Here:
    """Of one account: who may check in, who is checked in. corrected: staff have noted that somebody is not there."""

    expected: tuple[Family, ...]
    there: tuple[Family, ...]
    corrected: bool


def here(date: EntrySession, resident_id: int) -> Here:
    """Who of the family has a place at this date or has come to it. Three statements, by the account's id."""
    signed = {r.person_key: r for r in own(date.entry_id, resident_id)}
    wanted = select(Attendance).where(Attendance.session_id == date.id, Attendance.resident_id == resident_id)
    known = {row.person_key: row for row in db.session.scalars(wanted)}
    names = {f"v{r.id}": r.name for r in people.relatives(resident_id)}
    expected, there = [], []
    for key in [*signed, *(key for key in known if key not in signed)]:
        row, mark = signed.get(key), known.get(key)
        value = "me" if key.startswith("r") else key[1:]
        one = Family(row.id if row else 0, value, names.get(key, "我"), row.places if row else 1)
        if mark is not None and mark.came:
            there.append(one)
        elif row is not None and mark is None:
            expected.append(one)
    return Here(tuple(expected), tuple(there), any(not mark.came for mark in known.values()))


def personal(resident_id: int) -> list[dict[str, object]]:
    """For the export of one's own data (P8): which dates one's family was checked in to."""
    wanted = (
        select(Attendance, Entry.title, EntrySession.starts_at)
        .join(EntrySession, EntrySession.id == Attendance.session_id)
        .join(Entry, Entry.id == Attendance.entry_id)
        .where(Attendance.resident_id == resident_id).order_by(EntrySession.starts_at, Attendance.id)
        .options(joinedload(Attendance.relative))
    )  # fmt: skip
    return [
        {
            "活动": title, "时间": clock.stamp(start), "参加人": row.relative.name if row.relative else "本人",
            "到场": "到" if row.came else "未到", "登记时写的姓": row.surname, "登记时写的手机尾号": row.tail,
        }
        for row, title, start in db.session.execute(wanted)
    ]  # fmt: skip
