"""Writes of residents and of deadlines (SPEC S1-S4). Staff's are in staff_actions.py. Flush only, never commit."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, bindparam, delete, func, select
from sqlalchemy.orm import joinedload

from portal.catalogue.models import PUBLIC, Entry
from portal.centres.models import Centre
from portal.core import outbox, remarks, scope, states
from portal.core.access import Actor, system_actor
from portal.core.db import db, writing
from portal.core.words import Refusal
from portal.people.models import Relative, Resident
from portal.people.refusals import NameMissing, NoSuchPerson
from portal.signup import rules, waiting_list
from portal.signup.eligibility import queries as eligibility
from portal.signup.eligibility import rules as fitting
from portal.signup.errors import EntryGone, NotForThem, OfferOver, SignUpGone, SignUpRefused, WithdrawRefused
from portal.signup.models import ACTIVE, CANCELLED, CONFIRMED, OFFERED, PENDING, WAITING, SignUp, SignUpReview
from portal.signup.no_shows import queries as no_shows
from portal.signup.no_shows import rules as no_show_rules
from portal.signup.no_shows.models import NoShowRule
from portal.signup.states import BACK, MACHINE

FIRST_TOPIC = {CONFIRMED: "signup.confirmed", PENDING: "signup.received", WAITING: "signup.waiting"}


@dataclass(frozen=True, slots=True)
class Person:
    """For whom: the resident, perhaps a relative, and what this entry already knows of them."""

    resident_id: int
    relative_id: int | None
    key: str
    home_path: str
    live_id: int | None
    last_no: int
    rule_on: bool | None = None  # whether the district's rule for who does not come is on; None: it has none


def sign_up(
    actor: Actor, entry_id: int, for_relative_id: int | None, companions: int, now: datetime, *, sure: bool = True
) -> SignUp:
    """Sign the acting resident, or a relative of theirs, up with `companions` more people (S1, S2).

    sure: they have read for whom it is; else NotForThem is raised where it is meant for others (P2).
    Six statements: lock the entry, read the person, insert, count, history, outbox. A second submit answers with the
    sign-up that is already there. Raises EntryGone, SignUpRefused, NoSuchPerson, NameMissing. Lock: the entry's row.
    """
    with scope.system("places and the queue of a public entry"):
        entry = waiting_list.lock(entry_id)
        if entry.status not in PUBLIC:
            raise EntryGone()
        person = find_person(entry, actor.id or 0, for_relative_id)
        if person.live_id is not None:
            return db.session.get_one(SignUp, person.live_id)
        refusal = rules.may_sign_up(entry, person.home_path, _path(entry), now, 1 + companions)
        refusal = refusal or _stayed_away(person, now)
        if refusal is not None:
            raise SignUpRefused(refusal)
        household = _household(entry, person, sure, now)
        check_groups(entry, person, household, now)
        if not sure:
            _ask_for_whom(entry, person, household, now)
        return enter(entry, person, 1 + companions, actor, now)


def _household(entry: Entry, person: Person, sure: bool, now: datetime) -> list[fitting.Person]:
    """The people of an account, read once, where the entry demands a group or is meant for some; else nobody."""
    asked = eligibility.demand_of(entry, now) is not None or (not sure and bool(eligibility.aim_of(entry).parts))
    return eligibility.household(person.resident_id) if asked else []


def check_groups(entry: Entry, person: Person, household: list[fitting.Person], now: datetime) -> None:
    """Raises SignUpRefused where only some groups may join at this moment; one statement then, else none (S3)."""
    refusal = eligibility.refusals(entry, person.resident_id, household, now).get(str(person.relative_id or fitting.ME))
    if refusal is not None:
        raise SignUpRefused(refusal)


def _ask_for_whom(entry: Entry, person: Person, household: list[fitting.Person], now: datetime) -> None:
    """Raises NotForThem when the entry is surely meant for others; parents may have told nothing of a child."""
    chosen = next((one for one in household if one.value == str(person.relative_id or fitting.ME)), None)
    if chosen is not None and eligibility.fits(entry, chosen, household, now) is False:
        raise NotForThem(Refusal("fit", "请再看一下为谁报名。", f"这个活动给{entry.audience}。", "for"))


def _stayed_away(person: Person, now: datetime) -> Refusal | None:
    """By the district's rule on who signs up and does not come (S8); without one nothing is asked."""
    if person.rule_on is False or (person.rule_on is None and not no_shows.of_profile().on):
        return None
    return no_show_rules.sign_up_refusal(no_shows.counted(person.key), no_shows.policy(), now)


def _path(entry: Entry) -> str:
    """Only asked for while the own-community window lasts: it costs a query."""
    return entry.centre.path if entry.own_first_until is not None else "/"


_LIVE = select(SignUp.id).where(
    SignUp.entry_id == bindparam("entry"), SignUp.person_key == bindparam("key"), SignUp.status.in_(ACTIVE)
)
_LAST = select(func.max(SignUp.queue_no)).where(SignUp.entry_id == bindparam("entry"), SignUp.status == WAITING)
_OF_THEIRS = and_(
    Relative.id == bindparam("relative"), Relative.resident_id == Resident.id, Relative.removed_at.is_(None)
)
_PERSON = (
    select(
        Resident.name,
        Centre.path,
        _LIVE.scalar_subquery(),
        _LAST.scalar_subquery(),
        Relative.id,
        select(NoShowRule.active).where(NoShowRule.id == no_shows.THE_ONE).scalar_subquery(),
    )
    .outerjoin(Centre, Centre.id == Resident.home_centre_id)
    .outerjoin(Relative, _OF_THEIRS)
    .where(Resident.id == bindparam("resident"), Resident.erased_at.is_(None))
)


def find_person(entry: Entry, resident_id: int, relative_id: int | None) -> Person:
    """One statement: the person, their home, their live sign-up for `entry` and the queue's last number."""
    key = f"v{relative_id}" if relative_id else f"r{resident_id}"
    values = {"entry": entry.id, "key": key, "resident": resident_id, "relative": relative_id or 0}
    row = db.session.execute(_PERSON, values).one_or_none()
    if row is None or (relative_id and row[4] is None):
        raise NoSuchPerson()
    if not row[0].strip():
        raise NameMissing()
    return Person(resident_id, relative_id or None, key, row[1] or "", row[2], row[3] or 0, row[5])


def enter(entry: Entry, person: Person, places: int, actor: Actor, now: datetime, note: str = "") -> SignUp:
    """Insert a sign-up where the rules place it, with history and message. Needs the lock."""
    status = rules.decide_place(entry, places)
    waits = status == WAITING
    row = SignUp(
        entry_id=entry.id, centre_id=entry.centre_id, resident_id=person.resident_id,
        relative_id=person.relative_id, person_key=person.key, places=places, status=status,
        queue_no=person.last_no + 1 if waits else None, note=note, created_at=now,
        created_by=actor.name if actor.kind == "staff" else "",
    )  # fmt: skip
    db.session.add(row)
    waiting_list.shift(entry, 0 if waits else places, 1 if waits else 0)
    db.session.flush()
    states.note(MACHINE, row, "sign_up", actor, now)
    outbox.put(FIRST_TOPIC[status], f"sign_up:{row.id}:new", {"id": row.id}, now)
    return row


def find(sign_up_id: int) -> tuple[Entry, SignUp]:
    """The sign-up with its entry locked first. Reads in the caller's scope. Raises SignUpGone."""
    seen = select(SignUp.entry_id).where(SignUp.id == sign_up_id)
    entry_id = db.session.scalars(seen).one_or_none()
    if entry_id is None:
        raise SignUpGone()
    entry = waiting_list.lock(entry_id)
    fresh = select(SignUp).where(SignUp.id == sign_up_id).execution_options(populate_existing=True)
    return entry, db.session.scalars(fresh).one()


def withdraw(actor: Actor, sign_up_id: int, now: datetime, reason: str = "") -> SignUp:
    """Leave, or leave the waiting list; the place goes to the next (S4).

    Residents: their own, until the deadline. Staff: for anybody of their subtree, any time. Withdrawing twice is the
    same as once. Raises SignUpGone, WithdrawRefused, NotAllowed. Lock: the entry's row.
    """
    entry, row = find(sign_up_id)
    if row.status not in ACTIVE:
        return row
    _must_be_own(actor, row)
    if actor.kind == "resident":
        _check_deadline(entry, row, now)
    with scope.system("the place goes on to somebody else"):
        history = waiting_list.move(entry, row, "withdraw", actor, now, reason, ended_at=now, accept_by=None)
        if actor.kind != "resident":
            payload = {"id": row.id, "history_id": history.id}
            outbox.put("signup.withdrawn", f"sign_up:{row.id}:{history.id}", payload, now)
        waiting_list.move_up(entry, now)
    return row


def _must_be_own(actor: Actor, row: SignUp) -> None:
    if actor.kind == "resident" and row.resident_id != actor.id:
        raise SignUpGone()


def _check_deadline(entry: Entry, row: SignUp, now: datetime) -> None:
    refusal = rules.may_withdraw(entry, row.status, row.created_at, now, row.decided_at)
    if refusal is not None:
        raise WithdrawRefused(refusal)


def reduce_places(actor: Actor, sign_up_id: int, places: int, now: datetime) -> SignUp:
    """Keep `places` of the party and give the others on (S4, companions). Never more than before.

    Raises SignUpGone, SignUpRefused, WithdrawRefused. Lock: the entry's row.
    """
    entry, row = find(sign_up_id)
    _must_be_own(actor, row)
    if row.status not in ACTIVE:
        raise SignUpGone()
    if not 1 <= places <= row.places:
        raise SignUpRefused(Refusal("companions", "这里只能减少人数。", "想多带人，请先退出再重新报名。", "companions"))
    if actor.kind == "resident":
        _check_deadline(entry, row, now)
    before = row.places
    if places == before:
        return row
    with scope.system("the places go on to somebody else"):
        row.places = places
        waiting_list.shift(entry, 0 if row.status == WAITING else places - before, 0)
        states.note(MACHINE, row, "fewer", actor, now, details={"from": before, "to": places})
        waiting_list.move_up(entry, now)
    return row


def accept_offer(actor: Actor, sign_up_id: int, now: datetime) -> SignUp:
    """Take the offered place. Twice is the same as once. Raises SignUpGone, OfferOver. Lock: the entry's row."""
    entry, row = find(sign_up_id)
    _must_be_own(actor, row)
    if row.status == CONFIRMED:
        return row
    if row.status != OFFERED or (row.accept_by is not None and now >= row.accept_by):
        raise OfferOver()
    with scope.system("own offer"):
        waiting_list.move(entry, row, "accept", actor, now, decided_at=now, accept_by=None)
    return row


def confirm_name(actor: Actor, sign_up_id: int) -> SignUp:
    """The resident says that it is them whom staff entered: lists show their own name. Raises SignUpGone."""
    _, row = find(sign_up_id)
    _must_be_own(actor, row)
    row.caller_name = ""
    return row


def decline_offer(actor: Actor, sign_up_id: int, now: datetime) -> SignUp:
    """Say no to the offered place; it goes to the next. Raises SignUpGone, OfferOver. Lock: the entry's row."""
    entry, row = find(sign_up_id)
    _must_be_own(actor, row)
    if row.status != OFFERED:
        raise OfferOver()
    with scope.system("the place goes on to somebody else"):
        waiting_list.move(entry, row, "decline", actor, now, ended_at=now, accept_by=None)
        waiting_list.move_up(entry, now)
    return row


def move_up(entry_id: int, now: datetime) -> int:
    """After more places (capacity raised): the next in line get them. Lock: the entry's row."""
    with scope.system("more places"):
        return waiting_list.move_up(waiting_list.lock(entry_id), now)


def lapse_offers(now: datetime) -> int:
    """Offers whose deadline passed go to the next; one transaction an entry (a deadline job, commits by itself)."""
    with scope.system("offers past their deadline"):
        # Distinct and ordered here: in SQL it lures SQLite away from the small index on accept_by.
        over = select(SignUp.entry_id).where(SignUp.accept_by <= now, SignUp.status == OFFERED)
        entry_ids = sorted(set(db.session.scalars(over)))
        db.session.rollback()
        return sum(_lapse_entry(entry_id, now) for entry_id in entry_ids)


def _lapse_entry(entry_id: int, now: datetime) -> int:
    with writing():
        entry = waiting_list.lock(entry_id)
        late = select(SignUp).where(SignUp.entry_id == entry_id, SignUp.status == OFFERED, SignUp.accept_by <= now)
        rows = list(db.session.scalars(late.order_by(SignUp.id)))
        for row in rows:
            waiting_list.move(entry, row, "lapse", system_actor(), now, ended_at=now, accept_by=None)
        waiting_list.move_up(entry, now)
        return len(rows)


def cancel_all(entry_id: int, now: datetime, reason: str) -> list[SignUp]:
    """The entry is cancelled: end every live sign-up and return those rows for the telling (C8).

    Idempotent. Lock: the entry's row.
    """
    with scope.system("everybody of a cancelled entry"):
        entry = waiting_list.lock(entry_id)
        live = select(SignUp).where(SignUp.entry_id == entry_id, SignUp.status.in_(ACTIVE))
        rows = list(db.session.scalars(live.options(joinedload(SignUp.relative)).order_by(SignUp.id)))
        if rows:
            states.fire_many(MACHINE, rows, "cancel", system_actor(), now, reason)
            waiting_list.shift(entry, -entry.taken, -entry.waiting)
    return rows


def reinstate_all(entry_id: int, now: datetime) -> list[SignUp]:
    """The cancelled entry takes place after all: everyone whom that ended is back where they were (C8).

    Returns the rows for the telling. Idempotent. Lock: the entry's row.
    """
    with scope.system("everybody of an entry that takes place after all"):
        entry = waiting_list.lock(entry_id)
        ended = select(SignUp).where(SignUp.entry_id == entry_id, SignUp.status == CANCELLED)
        rows = list(db.session.scalars(ended.options(joinedload(SignUp.relative)).order_by(SignUp.id)))
        before = {
            h.object_id: h.from_status for h in states.history(MACHINE, (r.id for r in rows)) if h.name == "cancel"
        }
        rows = [row for row in rows if row.id in before]
        places = sum(r.places for r in rows if before[r.id] in (CONFIRMED, PENDING))
        for name, status in BACK.items():
            same = [r for r in rows if before[r.id] == status or (status == WAITING and before[r.id] == OFFERED)]
            if same:
                states.fire_many(MACHINE, same, name, system_actor(), now)
        waiting_list.shift(entry, places, sum(r.status == WAITING for r in rows))
    return rows


def erase(resident_id: int, now: datetime) -> None:
    """The person leaves the portal: their live sign-ups end and the places go on; words about them are emptied (P8)."""
    with scope.system("a person erases their data"):
        mine = select(SignUp).where(SignUp.resident_id == resident_id).order_by(SignUp.entry_id, SignUp.id)
        rows = list(db.session.scalars(mine))
        remarks.blank(MACHINE.name, (row.id for row in rows))
        db.session.execute(delete(SignUpReview).where(SignUpReview.sign_up_id.in_([row.id for row in rows])))
        for row in rows:
            entry = waiting_list.lock(row.entry_id) if row.status in ACTIVE else None
            # What is over keeps its figures; the name is gone with the resident's own row.
            if entry is not None and (entry.last_end is None or now < entry.last_end):
                waiting_list.move(entry, row, "withdraw", system_actor(), now, ended_at=now, accept_by=None)
                waiting_list.move_up(entry, now)
            row.note = row.refusal_reason = row.caller_name = ""
        db.session.flush()
