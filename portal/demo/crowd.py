"""Who signs up for what and when: past activities in bulk, coming ones by the actions, moment by moment."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby

from sqlalchemy import insert, select, update

from portal.catalogue.models import PUBLISHED, Entry, EntrySession
from portal.centres import profile
from portal.core import clock, scope
from portal.core.access import Actor
from portal.core.db import db, writing
from portal.core.errors import DomainError
from portal.core.states import StateHistory
from portal.demo.stage import Stage
from portal.operations import work
from portal.people.models import Relative, Resident
from portal.signup import actions, staff_actions
from portal.signup.attendance.models import LIST, Attendance, RosterCheck
from portal.signup.models import CONFIRMED, PENDING, WAITING, SignUp

NIGHT = (23, 7)  # nobody signs up then


@dataclass(frozen=True)
class Person:
    """Somebody a resident signs up: the resident, or a relative."""

    resident_id: int
    relative_id: int | None
    name: str
    path: str  # of the home centre
    kind: str = "adult"  # elder, adult, child
    groups: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"v{self.relative_id}" if self.relative_id else f"r{self.resident_id}"

    def actor(self) -> Actor:
        return Actor(kind="resident", id=self.resident_id, name=self.name)


@dataclass(order=True)
class Event:
    at: datetime
    number: int
    act: Callable[[datetime], object] = field(compare=False)


def _kind(birth_year: int | None, now: datetime) -> str:
    age = now.year - (birth_year or 1980)
    return "elder" if age >= 60 else "child" if age < 16 else "adult"


def people(stage: Stage) -> list[Person]:
    """Everybody who may be signed up, residents and those they act for."""
    paths = {number: stage.paths[code] for code, number in stage.centres.items()}
    homes: dict[int, Person] = {}
    for r in db.session.scalars(select(Resident).order_by(Resident.id)):
        kind = "elder" if "elder" in r.groups else "adult"
        homes[r.id] = Person(r.id, None, r.name, paths[r.home_centre_id or 0], kind, tuple(r.groups))
    found = list(homes.values())
    for relative in db.session.scalars(select(Relative).order_by(Relative.id)):
        owner = homes[relative.resident_id]
        kind = _kind(relative.birth_year, stage.now)
        found.append(Person(owner.resident_id, relative.id, owner.name, owner.path, kind))
    return sorted(found, key=lambda p: (p.resident_id, p.relative_id or 0))


def _fits(person: Person, groups: list[str]) -> bool:
    """Elders to what is for elders; children where children are meant, with or through a parent."""
    if "child" in groups or "family" in groups:
        return person.kind == "child" or (person.kind == "adult" and person.relative_id is None)
    if "elder" in groups:
        return person.kind == "elder"
    if "party" in groups:
        return "party" in person.groups
    return person.kind != "child"


def _neighbours(stage: Stage, everybody: list[Person], path: str, groups: list[str]) -> list[Person]:
    """Those whom it is for, of the same subdistrict first, in a new order for each activity."""
    street = "/".join(path.split("/")[:4]) + "/"
    # The first resident is the tour's: a page of a dozen things says more than one of forty.
    first = everybody[0].resident_id
    fitting = [p for p in everybody if _fits(p, groups) and (p.resident_id != first or stage.dice.random() < 0.25)]
    stage.dice.shuffle(fitting)
    child_wanted = bool({"child", "family"} & set(groups))
    return sorted(fitting, key=lambda p: (not p.path.startswith(street), child_wanted and p.kind != "child"))


def _demand(stage: Stage, entry: Entry) -> int:
    """How many people want to come: some are overrun, some nearly empty, most in between."""
    size = entry.capacity or 40
    luck = stage.dice.random()
    if luck < 0.35 and size <= 25:
        return size + stage.dice.randint(2, 6)
    if 0.35 <= luck < 0.45:
        return stage.dice.randint(0, 2)
    return min(round(size * stage.dice.uniform(0.25, 0.75)), 12)


def _published(stage: Stage) -> list[Entry]:
    wanted = select(Entry).where(Entry.status == PUBLISHED, Entry.month == stage.month, Entry.walk_in.is_(False))
    return list(db.session.scalars(wanted.order_by(Entry.id)))


def build(stage: Stage, say: Callable[[str], None]) -> None:
    """Past attendance, then the sign-ups of what is to come, with the messages they cause."""
    with writing(), scope.system("demo"):
        everybody = people(stage)
        coming: list[tuple[int, list[Person], int]] = []
        for entry in _published(stage):
            crowd = _neighbours(stage, everybody, stage.paths[stage.code_of(entry.centre_id)], entry.groups)
            wanted = _demand(stage, entry)
            if entry.first_start is not None and entry.first_start < stage.now - timedelta(hours=3):
                _past(stage, entry, crowd[:wanted])
            else:
                coming.append((entry.id, crowd[:wanted], wanted))
    say("过去的活动和签到记录已写好")
    with scope.system("demo"):
        events = _events(stage, coming)
        db.session.rollback()
    play(events)


# Past -----------------------------------------------------------------------------------------------------------------


def _past(stage: Stage, entry: Entry, crowd: list[Person]) -> None:
    """Rows with all their figures: places within the capacity, the others stayed on the waiting list."""
    places = entry.capacity if entry.capacity is not None else len(crowd)
    inside, outside = crowd[:places], crowd[places:]
    rows = [_row(stage, entry, p, CONFIRMED, None) for p in inside]
    rows += [_row(stage, entry, p, WAITING, n) for n, p in enumerate(outside, 1)]
    if not rows:
        return
    db.session.execute(insert(SignUp), rows)
    _check_in(stage, entry, inside)
    ids = select(SignUp).where(SignUp.entry_id == entry.id).order_by(SignUp.id)
    lines = [line for row in db.session.scalars(ids) for line in _history(stage, entry, row)]
    db.session.execute(insert(StateHistory), lines)
    figures = update(Entry).where(Entry.id == entry.id)
    db.session.execute(
        figures.values(taken=len(inside), waiting=len(outside), version=Entry.version + 1).execution_options(
            synchronize_session=False
        )
    )


def _row(stage: Stage, entry: Entry, person: Person, status: str, queue_no: int | None) -> dict[str, object]:
    start = entry.first_start or stage.now
    latest = min(entry.sign_up_until or start, start, stage.now)
    at = _moment(stage, stage.published_at, latest)
    return {
        "entry_id": entry.id, "centre_id": entry.centre_id, "resident_id": person.resident_id,
        "relative_id": person.relative_id, "person_key": person.key, "places": 1, "status": status,
        "queue_no": queue_no, "created_at": at, "note": "", "refusal_reason": "", "created_by": "",
        "decided_at": at if status == CONFIRMED and entry.needs_review else None, "accept_by": None, "ended_at": None,
    }  # fmt: skip


def _check_in(stage: Stage, entry: Entry, people: list[Person]) -> None:
    """Who came to the dates that are over, as staff noted it and then went through the roster."""
    over = [d for d in entry.sessions if d.ends_at < stage.now]
    rows = [_mark(stage, entry, date, person) for date in over for person in people]
    if rows:
        db.session.execute(insert(Attendance), rows)
    checks = [{"session_id": d.id, "checked_by": "值班社工", "checked_at": d.ends_at} for d in over]
    if checks:
        db.session.execute(insert(RosterCheck), checks)


def _mark(stage: Stage, entry: Entry, date: EntrySession, person: Person) -> dict[str, object]:
    arrived = date.starts_at - timedelta(minutes=stage.dice.randint(1, 14))
    return {
        "centre_id": entry.centre_id, "session_id": date.id, "entry_id": entry.id, "resident_id": person.resident_id,
        "relative_id": person.relative_id, "person_key": person.key, "surname": "", "tail": "",
        "came": stage.dice.random() < 0.86, "via": LIST, "marked_at": arrived, "marked_by": "值班社工",
    }  # fmt: skip


def _history(stage: Stage, entry: Entry, row: SignUp) -> list[dict[str, object]]:
    """The line of the signing up, and that of the organiser's yes where sign-ups are reviewed."""
    first = PENDING if entry.needs_review and row.status == CONFIRMED else row.status
    line = {
        "object_type": "sign_up", "object_id": row.id, "name": "sign_up", "from_status": first, "to_status": first,
        "actor_kind": "resident", "actor_id": row.resident_id, "actor_name": "", "centre_id": None,
        "written": "", "about": "", "details": None, "at": row.created_at,
    }  # fmt: skip
    if first == row.status:
        return [line]
    boss = stage.boss(stage.code_of(entry.centre_id))
    decided = {
        "name": "confirm", "to_status": row.status, "actor_kind": "staff", "actor_id": boss.id,
        "actor_name": boss.name, "centre_id": boss.centre_id, "at": row.decided_at,
    }  # fmt: skip
    return [line, line | decided]


# To come --------------------------------------------------------------------------------------------------------------


def _moment(stage: Stage, start: datetime, end: datetime) -> datetime:
    """Some waking moment in [start, end)."""
    length = max((end - start).total_seconds(), 60)
    at = start + timedelta(seconds=stage.dice.uniform(0, length * 0.98))
    awake = NIGHT[1] <= clock.local(at).hour < NIGHT[0]
    return at if awake else min(at + timedelta(hours=8), max(start, end - timedelta(minutes=1)))


def _events(stage: Stage, coming: list[tuple[int, list[Person], int]]) -> list[Event]:
    events: list[Event] = []
    for entry_id, crowd, _ in coming:
        entry = db.session.get_one(Entry, entry_id)
        opens = max(stage.published_at, entry.own_first_until or stage.published_at)
        code, most, review = stage.code_of(entry.centre_id), entry.max_companions, entry.needs_review
        closes = min(stage.now - timedelta(minutes=3), entry.sign_up_until or entry.first_start or stage.now)
        if opens >= closes:
            continue
        for person in crowd:
            at = _moment(stage, opens, closes)
            events.append(_sign_up(stage, entry_id, person, most, at, len(events)))
            # Staff decide sooner or later; what came in this week may still wait.
            if review and (at < stage.now - timedelta(days=7) or stage.dice.random() < 0.25):
                events.append(_decide(stage, entry_id, person, code, at, len(events)))
            elif stage.dice.random() < 0.07:
                events.append(_leave(stage, entry_id, person, at, len(events)))
    return sorted(e for e in events if e.at < stage.now)


def _sign_up(stage: Stage, entry_id: int, person: Person, most: int, at: datetime, number: int) -> Event:
    companions = stage.dice.randint(0, most) if most and stage.dice.random() < 0.4 else 0

    def act(now: datetime) -> object:
        return actions.sign_up(person.actor(), entry_id, person.relative_id, companions, now)

    return Event(at, number, act)


def find(entry_id: int, person: Person) -> SignUp | None:
    wanted = select(SignUp).where(SignUp.entry_id == entry_id, SignUp.person_key == person.key)
    return db.session.scalars(wanted.order_by(SignUp.id.desc())).first()


def _decide(stage: Stage, entry_id: int, person: Person, code: str, at: datetime, number: int) -> Event:
    accept, reason = stage.dice.random() < 0.85, stage.dice.choice(profile.reasons("sign_up.refusal"))
    staff = stage.boss(code)

    def act(now: datetime) -> object:
        row = find(entry_id, person)
        return staff_actions.decide(staff, row.id, accept, reason, now) if row and row.status == PENDING else None

    return Event(at + timedelta(hours=stage.dice.randint(2, 20)), number, act)


def _leave(stage: Stage, entry_id: int, person: Person, at: datetime, number: int) -> Event:
    def act(now: datetime) -> object:
        row = find(entry_id, person)
        return actions.withdraw(person.actor(), row.id, now) if row else None

    return Event(at + timedelta(hours=stage.dice.randint(3, 60)), number, act)


def play(events: list[Event]) -> None:
    """Let things happen in their order; each day's messages go out that evening."""
    for _, day in groupby(events, key=lambda event: clock.today(event.at)):
        with writing(), scope.system("demo"):
            for event in day:
                # A refusal (full window, closed, own community first) is part of life and leaves nothing behind.
                with suppress(DomainError), db.session.begin_nested():
                    event.act(event.at)
        work.sweep(event.at + timedelta(seconds=20))
