"""Checking in (SPEC S6): marks of staff, one's own at the place, walk-ins, the roster gone through. Flush only.

Every write holds the lock of the entry, as all of sign-up does, so that a place is given once and a walk-in who is
noted by two people at once is found by the second.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from portal.catalogue.models import PUBLISHED, Entry, EntrySession
from portal.core import audit, outbox, scope, states
from portal.core.access import Actor, Permission
from portal.core.db import db, hit
from portal.core.errors import DomainError, Invalid, NotAllowed
from portal.people.actions import callers
from portal.people.models import Resident
from portal.people.rules import WALK_INS_KEPT
from portal.signup import actions as sign_ups
from portal.signup import rules as sign_up_rules
from portal.signup import waiting_list
from portal.signup.attendance import codes, queries, rules
from portal.signup.attendance.models import DOOR, Attendance, AttendanceMark, RosterCheck
from portal.signup.errors import EntryGone, SignUpRefused
from portal.signup.models import CONFIRMED, PENDING, SignUp
from portal.signup.no_shows.rules import SETTLES
from portal.signup.states import MACHINE


class DateGone(DomainError):
    status = 404
    message = "没有找到这一场活动。"
    advice = "它可能改了时间或已经取消，请回到签到页看看今天的场次。"


class NotNow(SignUpRefused):
    """Too early or too late to check in, or no place for a walk-in."""


class NobodyLikeThat(Invalid):
    message = "名单上没有这个人了。"
    advice = "可能刚退出，请刷新名单再看。"


class SeveralLikeThat(Invalid):
    message = "名单上有不止一位姓氏和尾号都相同。"
    advice = "请在名单上点那一位。"
    field = "surname"


class BadWalkIn(Invalid):
    message = rules.walk_in_text()
    field = "surname"


@dataclass(frozen=True, slots=True)
class Mark:
    """What somebody noted. key: its own, so that it counts once however often it is sent. person: a key of the roster.

    at: when it was made.
    """

    key: str
    person: str
    came: bool
    at: datetime
    via: str


@dataclass(slots=True)
class Outcome:
    """applied: keys of marks that count (now, or since they were sent before). refused: key -> why not."""

    applied: list[str] = field(default_factory=list)
    refused: dict[str, DomainError] = field(default_factory=dict)


def _date(session_id: int) -> EntrySession:
    """The date with its entry locked. Raises DateGone."""
    seen = queries.date_of(session_id)
    if seen is None:
        raise DateGone()
    try:
        waiting_list.lock(seen.entry_id)
    except EntryGone:
        raise DateGone() from None
    fresh = queries.date_of(session_id)
    if fresh is None:
        raise DateGone()
    return fresh


def _for_staff(actor: Actor, session_id: int, now: datetime) -> EntrySession:
    if not actor.can(Permission.SIGN_UPS):
        raise NotAllowed()
    date = _date(session_id)
    if date.entry.status != PUBLISHED:
        raise DateGone()
    refusal = rules.staff_refusal(date, now)
    if refusal is not None:
        raise NotNow(refusal)
    return date


def mark(
    actor: Actor, session_id: int, marks: Sequence[Mark], walk_ins: Sequence[tuple[Mark, str, str]], now: datetime
) -> Outcome:
    """Staff note who came to one date, and who did not after all (S6). A later mark wins over an earlier one.

    walk_ins: (mark without a person, surname, number or its last digits): of somebody on the roster it is theirs. Who
    gives the whole number takes a place where one is left and is asked how it was. A fixed number of statements, and
    some for each whole number. Raises DateGone, NotNow, NotAllowed. Lock: the entry's row.
    """
    date = _for_staff(actor, session_id, now)
    outcome = Outcome()
    people = queries.roster(date)
    there = {p.key for p in people}
    good = [m for m in marks if m.person in there]
    outcome.refused.update({m.key: NobodyLikeThat() for m in marks if m.person not in there})
    owners: dict[str, int | None] = {p.key: p.resident_id for p in people}
    unnamed: dict[str, tuple[str, str]] = {}
    for one, surname, tail in walk_ins:
        try:
            person = _whom(people, surname, tail)
            if rules.phone_of(tail) and (person not in there or person.startswith("w")):
                person = _reachable(actor, date, surname, tail, owners, unnamed, now)
            elif person not in there:
                unnamed[person] = (rules.surname_of(surname), rules.tail_of(tail))
        except DomainError as error:
            outcome.refused[one.key] = error
            continue
        good.append(Mark(one.key, person, one.came, one.at, one.via))
    _write(date, good, owners, unnamed, actor.name, now)
    outcome.applied = [m.key for m in good]
    return outcome


def _whom(people: Sequence[queries.Person], surname: str, tail: str) -> str:
    """The person's key: of the roster when exactly one may be meant, else that of a walk-in."""
    surname, tail = rules.surname_of(surname), rules.tail_of(tail)
    if not surname or not tail:
        raise BadWalkIn()
    found = rules.same_person([(p.key, p.name, p.phone) for p in people], surname, tail)
    if len(found) > 1:
        raise SeveralLikeThat()
    return found[0] if found else codes.of_walk_in(surname, tail)


def _reachable(
    actor: Actor, date: EntrySession, surname: str, phone: str, owners: dict[str, int | None],
    unnamed: dict[str, tuple[str, str]], now: datetime,
) -> str:  # fmt: skip
    """A walk-in with a whole number: their key. They take a place where one is left; staff let them in all the same.
    Of somebody from elsewhere lists show the surname that was typed. Raises what `callers.find` raises."""
    surname, entry = rules.surname_of(surname), date.entry
    with scope.system("a resident found by phone"):
        caller = callers.find(actor, rules.phone_of(phone), surname, entry.centre.path, now)
        person = sign_ups.find_person(entry, caller.resident.id, None)
        _same_as_noted(date, person.key, person.resident_id, surname, rules.tail_of(phone))
        left = entry.free is None or entry.free - _unnamed(date) >= 1
        live = db.session.get(SignUp, person.live_id) if person.live_id is not None else None
        if not entry.walk_in and left and (live is None or live.status != CONFIRMED):
            _give_place(entry, person, live, actor, now).caller_name = caller.typed
    owners.setdefault(person.key, person.resident_id)
    if caller.typed:
        unnamed[person.key] = (surname, rules.tail_of(phone))
    return person.key


def _unnamed(date: EntrySession) -> int:
    """People let in by staff without a sign-up."""
    return sum(m.came and m.person_key.startswith("w") for m in queries.marks([date.id]).values())


def _same_as_noted(date: EntrySession, key: str, resident_id: int, surname: str, tail: str) -> None:
    """Whom staff had noted by surname and last digits alone is the same person, not one more."""
    known = queries.marks([date.id])
    same = known.get((date.id, codes.of_walk_in(surname, tail)))
    if same is not None and (date.id, key) not in known:
        same.person_key, same.resident_id, same.surname, same.tail = key, resident_id, "", ""
        db.session.flush()


def _write(
    date: EntrySession, marks: Sequence[Mark], owners: Mapping[str, int | None], unnamed: dict[str, tuple[str, str]],
    by: str, now: datetime,
) -> None:  # fmt: skip
    """Needs the lock. The person's row is made once, each mark is written once, the latest of them is what counts.

    owners: whose account a person of the roster belongs to. unnamed: surname and digits of walk-ins.
    """
    if not marks:
        return
    ordered = sorted(marks, key=lambda m: (m.at, m.key))
    latest = {m.person: m for m in ordered}
    outbox.insert_once(
        Attendance, [_row(date, m, owners.get(m.person), unnamed.get(m.person, ("", "")), by) for m in latest.values()]
    )
    rows = queries.marks([date.id])
    ids = {m.person: rows[date.id, m.person].id for m in ordered}
    keys = [f"{date.id}:{m.key}" for m in ordered]
    old = set(db.session.scalars(select(AttendanceMark.key).where(AttendanceMark.key.in_(keys))))
    new = {key: m for key, m in zip(keys, ordered, strict=True) if key not in old}
    if not new:
        return
    db.session.execute(insert(AttendanceMark), [
        {"key": key, "attendance_id": ids[m.person], "came": m.came, "via": m.via, "by": by, "at": m.at,
         "received_at": now}
        for key, m in new.items()
    ])  # fmt: skip
    _latest_wins([{
        "row": ids[m.person], "marked": m.at, "is_so": m.came, "how": m.via, "who": by,
    } for m in {m.person: m for m in new.values()}.values()])  # fmt: skip


def _row(date: EntrySession, m: Mark, owner: int | None, walk_in: tuple[str, str], by: str) -> dict[str, Any]:
    relative = int(m.person[1:]) if m.person.startswith("v") else None
    return {
        "centre_id": date.entry.centre_id, "session_id": date.id, "entry_id": date.entry_id, "resident_id": owner,
        "relative_id": relative, "person_key": m.person, "surname": walk_in[0], "tail": walk_in[1], "came": m.came,
        "via": m.via, "marked_at": m.at, "marked_by": by,
    }  # fmt: skip


_LATEST = (
    update(Attendance)
    .where(Attendance.id == bindparam("row"), Attendance.marked_at <= bindparam("marked"))
    .values(came=bindparam("is_so"), via=bindparam("how"), marked_at=bindparam("marked"), marked_by=bindparam("who"))
)


def _latest_wins(values: list[dict[str, Any]]) -> None:
    """A mark that was made before the one that counts now, and only arrives later, changes nothing."""
    db.session.connection().execute(_LATEST, values)
    db.session.info["written"] = True
    db.session.expire_all()


# At the place ---------------------------------------------------------------------------------------------------------


def check_in(actor: Actor, session_id: int, door_key: str, sign_up_ids: Sequence[int], now: datetime) -> int:
    """The resident stands at the place: these own sign-ups are there. Twice is the same as once; what staff have noted
    since stays. Returns how many. Raises DateGone, NotNow. Lock: the entry's row.
    """
    with scope.system("who has a place at this date"):
        date = _at_the_place(session_id, door_key, now)
        wanted = select(SignUp).where(
            SignUp.entry_id == date.entry_id, SignUp.resident_id == actor.id, SignUp.status == CONFIRMED,
            SignUp.id.in_(list(sign_up_ids)),
        )  # fmt: skip
        rows = list(db.session.scalars(wanted.order_by(SignUp.id)))
        _arrive(date, [row.person_key for row in rows], actor, now)
        return len(rows)


def walk_in(actor: Actor, session_id: int, door_key: str, relative_id: int | None, now: datetime) -> None:
    """Somebody without a sign-up scans the code at the place: they are in where nothing is to be signed up for, or
    where a place is left (S6). Twice is the same as once.

    Raises DateGone, NotNow, NoSuchPerson, NameMissing. Lock: the entry's row.
    """
    with scope.system("places of this date"):
        date = _at_the_place(session_id, door_key, now)
        entry = date.entry
        person = sign_ups.find_person(entry, actor.id or 0, relative_id)
        mark = queries.marks([date.id]).get((date.id, person.key))
        if mark is None and not entry.walk_in:
            _take_place(entry, date, person, actor, now)
        _arrive(date, [person.key], actor, now)


def _at_the_place(session_id: int, door_key: str, now: datetime) -> EntrySession:
    if not codes.is_of_date(session_id, door_key):
        raise DateGone("这个二维码不是这个活动的。", advice="请扫现场现在放着的二维码，或找工作人员。")
    date = _date(session_id)
    refusal = sign_up_rules.cancelled(date.entry) or rules.own_refusal(date, now)
    if refusal is not None:
        raise NotNow(refusal)
    return date


def _take_place(entry: Entry, date: EntrySession, person: sign_ups.Person, actor: Actor, now: datetime) -> None:
    """A sign-up of its own, so that places and evaluations know of them; nobody is told what they have just done."""
    live = db.session.get(SignUp, person.live_id) if person.live_id is not None else None
    if live is not None and live.status == CONFIRMED:
        return
    waits = entry.waiting > 0 and now < date.starts_at
    review = entry.needs_review or (live is not None and live.status == PENDING)
    refusal = rules.walk_in_refusal(review, entry.free, _unnamed(date), waits)
    if refusal is not None:
        raise NotNow(refusal)
    _give_place(entry, person, live, actor, now)


def _give_place(entry: Entry, person: sign_ups.Person, live: SignUp | None, actor: Actor, now: datetime) -> SignUp:
    """Needs the lock, and a place that is left."""
    if live is not None:  # stood in line, and there is a place: it is theirs now
        waiting_list.move(entry, live, "withdraw", actor, now, ended_at=now, accept_by=None)
    made = SignUp(
        entry_id=entry.id, centre_id=entry.centre_id, resident_id=person.resident_id, relative_id=person.relative_id,
        person_key=person.key, places=1, status=CONFIRMED, note="现场报名", created_at=now,
        created_by=actor.name if actor.kind == "staff" else "",
    )  # fmt: skip
    db.session.add(made)
    waiting_list.shift(entry, 1, 0)
    db.session.flush()
    states.note(MACHINE, made, "walk_in", actor, now)
    return made


def _arrive(date: EntrySession, keys: Iterable[str], actor: Actor, now: datetime) -> None:
    """One mark for each person and date, whatever number of times they press. Whom staff had noted by surname and last
    digits alone is the same person, not one more."""
    wanted = list(keys)
    resident = db.session.get_one(Resident, actor.id)
    own = f"r{actor.id}"
    if own in wanted:
        _same_as_noted(date, own, resident.id, resident.name[:1], rules.tail_of(resident.phone or ""))
    marks = [Mark(f"door:{key}", key, True, now, DOOR) for key in wanted]
    _write(date, marks, dict.fromkeys(wanted, actor.id), {}, "", now)


def close(actor: Actor, session_id: int, now: datetime) -> int:
    """The roster has been gone through: whoever is not marked did not come. Later corrections are still possible.

    Returns how many did not come. Raises DateGone, NotNow, NotAllowed. Lock: the entry's row.
    """
    date = _for_staff(actor, session_id, now)
    if now < date.starts_at:
        raise NotNow(rules.not_begun())
    missing = [p for p in queries.roster(date) if not p.came and not p.walk_in]
    if outbox.insert_once(RosterCheck, [{"session_id": date.id, "checked_by": actor.name, "checked_at": now}]):
        outbox.put("attendance.checked", str(date.id), {"session_id": date.id}, now, due_at=now + SETTLES)
        audit.record(
            actor, "attendance.check", "entry", date.entry_id, now, centre_id=date.entry.centre_id,
            summary=f"签到名单核对完成，{len(missing)} 份未到", after={"session": date.id, "absent": len(missing)},
        )  # fmt: skip
    return len(missing)


def erase(resident_id: int) -> None:
    """The person leaves the portal: that somebody came stays, who it was does not."""
    mine = update(Attendance).where(Attendance.resident_id == resident_id).values(surname="", tail="")
    db.session.execute(mine.execution_options(synchronize_session=False))


def forget_walk_ins(now: datetime) -> int:
    """Surname and digits of walk-ins go after their time. Returns of how many; flushes."""
    old = update(Attendance).where(Attendance.surname != "", Attendance.marked_at < now - WALK_INS_KEPT)
    return hit(old.values(surname="", tail=""), synchronize_session=False)
