"""Writes of staff on sign-ups (SPEC S3, S5): decide, enter a caller, longer sign-up, move everybody elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from portal.catalogue import windows
from portal.catalogue.models import PUBLISHED, Entry
from portal.core import audit, clock, outbox, scope, states
from portal.core.access import Actor, Permission
from portal.core.db import db
from portal.core.errors import DomainError, NotAllowed
from portal.people.models import Relative, Resident
from portal.signup import actions, rules, waiting_list
from portal.signup.errors import EntryGone, NoRoom, SignUpRefused
from portal.signup.models import ACTIVE, OFFERED, PENDING, SignUp
from portal.signup.states import LABELS, MACHINE


class CallerNameMissing(DomainError):
    message = "这个号码还没有登记过。"
    advice = "请写上来电人的姓名。"
    field = "name"
    status = 422


class CannotMerge(DomainError):
    message = "不能并到这个活动。"
    field = "target"
    status = 422


class CannotExtend(DomainError):
    field = "until"
    status = 422


def _must(actor: Actor) -> None:
    if not actor.can(Permission.SIGN_UPS):
        raise NotAllowed()


def _noted(actor: Actor, row: SignUp, verb: str, before: str, now: datetime, reason: str = "") -> None:
    """One line of the audit log (P9): which sign-up, from what to what; names stay in the sign-up."""
    audit.record(
        actor, f"sign_up.{verb}", "sign_up", row.id, now, summary=reason, centre_id=row.centre_id,
        before={"status": before}, after={"status": row.status, "places": row.places},
    )  # fmt: skip


def decide(actor: Actor, sign_up_id: int, accept: bool, reason: str, now: datetime) -> SignUp:
    """Pass a reviewed sign-up, or refuse it with a reason; a refused one's place goes on (S3).

    Of the waiting list: accept places somebody by hand if there is room, whoever is first. Raises SignUpGone, NoRoom,
    NotAllowed, ReasonMissing, NoSuchTransition when somebody else decided meanwhile. Lock: the entry's row.
    """
    _must(actor)
    entry, row = actions.find(sign_up_id)
    before = row.status
    with scope.system("a refused place goes on to somebody else"):
        if accept and before == PENDING:
            waiting_list.move(entry, row, "confirm", actor, now, decided_at=now)
        elif accept:
            if entry.free is not None and row.places > entry.free:
                raise NoRoom(f"还剩 {entry.free} 个名额，这一份要 {row.places} 个。")
            waiting_list.move(entry, row, "place", actor, now, decided_at=now)
        else:
            reason = reason.strip()
            waiting_list.move(
                entry, row, "refuse", actor, now, reason, decided_at=now, ended_at=now, refusal_reason=reason
            )
            waiting_list.move_up(entry, now)
        _noted(actor, row, "accept" if accept else "refuse", before, now, reason)
    return row


def withdraw_for(actor: Actor, sign_up_id: int, reason: str, now: datetime) -> SignUp:
    """Somebody called to say they cannot come. Raises SignUpGone, NotAllowed. Lock: the entry's row."""
    _must(actor)
    _, seen = actions.find(sign_up_id)
    before = seen.status
    row = actions.withdraw(actor, sign_up_id, now, reason.strip())
    if row.status != before:
        _noted(actor, row, "withdraw", before, now, reason)
    return row


def add_by_staff(
    actor: Actor, entry_id: int, phone: str, name: str, relative_name: str, places: int, now: datetime, note: str = ""
) -> SignUp:
    """Enter somebody who phoned or walked in; finds the resident by phone (11 digits) or opens one.

    A new resident has not agreed to the privacy notice yet and is asked at the first login. relative_name: for whom the
    caller asks; both names show. The entry's window does not bind staff, its places do: full means waiting list. Raises
    EntryGone, CallerNameMissing, SignUpRefused. Lock: the entry's row.
    """
    _must(actor)
    entry = waiting_list.lock(entry_id)
    refusal = _staff_refusal(entry, places, now)
    if refusal is not None:
        raise SignUpRefused(refusal)
    with scope.system("a resident found by phone"):
        resident = _caller(phone, name.strip(), now)
        relative = _relative(resident, relative_name.strip(), now)
        person = actions.find_person(entry, resident.id, relative.id if relative else None)
        if person.live_id is not None:
            return db.session.get_one(SignUp, person.live_id)
        row = actions.enter(entry, person, places, actor, now, note.strip())
        _noted(actor, row, "add", "", now)
    return row


def _staff_refusal(entry: Entry, places: int, now: datetime) -> rules.Refusal | None:
    if entry.status != PUBLISHED or entry.walk_in:
        return rules.may_sign_up(entry, None, "/", now) or rules.Refusal("gone", "这个活动不用报名。")
    if entry.last_end is not None and now >= entry.last_end:
        return rules.Refusal("ended", "活动已经结束，不能再登记。", "到场的人请在签到表上补记。")
    if places < 1 or (entry.capacity is not None and places > entry.capacity):
        return rules.Refusal("companions", "人数不对。", "请填 1 以上、不超过总名额的数。")
    return None


def _caller(phone: str, name: str, now: datetime) -> Resident:
    found = db.session.scalars(select(Resident).where(Resident.phone == phone)).one_or_none()
    if found is not None:
        return found
    if not name:
        raise CallerNameMissing()
    resident = Resident(phone=phone, name=name, groups=[], quiet={}, consent_version="", created_at=now)
    db.session.add(resident)
    db.session.flush()
    return resident


def _relative(resident: Resident, name: str, now: datetime) -> Relative | None:
    if not name or name == resident.name:
        return None
    known = select(Relative).where(
        Relative.resident_id == resident.id, Relative.name == name, Relative.removed_at.is_(None)
    )
    row = db.session.scalars(known.order_by(Relative.id)).first()
    if row is None:
        row = Relative(resident_id=resident.id, name=name, relation="家人", created_at=now)
        db.session.add(row)
        db.session.flush()
    return row


def extend(actor: Actor, entry_id: int, until: datetime, now: datetime) -> Entry:
    """Let people sign up until a later moment (S5). Raises EntryGone, CannotExtend. Lock: the entry's row."""
    _must(actor)
    entry = waiting_list.lock(entry_id)
    refusal = rules.extension_limit(entry, until, now)
    if refusal is not None:
        raise CannotExtend(refusal.message, advice=refusal.advice)
    before = windows.closes_at(entry)
    entry.sign_up_until = until
    entry.version += 1
    entry.updated_at = now
    audit.record(
        actor, "sign_up.extend", "entry", entry.id, now, summary=f"报名延长到{clock.stamp(until)}",
        centre_id=entry.centre_id, before={"sign_up_until": before}, after={"sign_up_until": until},
    )  # fmt: skip
    db.session.flush()
    return entry


def offer_elsewhere(actor: Actor, entry_id: int, target_id: int, now: datetime) -> int:
    """Merge: hold a place in another entry for everybody of this one, and ask them (S5).

    Nobody is moved without saying yes: each gets an offer with a deadline; whoever stays silent has simply left. The
    caller cancels the first entry with its reason. Returns how many are asked. Raises EntryGone, CannotMerge when the
    other has not enough places. Locks: both entries, lower id first.
    """
    _must(actor)
    if entry_id == target_id:
        raise CannotMerge("请选另一个活动。")
    locked = {i: waiting_list.lock(i) for i in sorted((entry_id, target_id))}
    source, target = locked[entry_id], locked[target_id]
    if target.status != PUBLISHED or target.walk_in or (target.first_start and now >= target.first_start):
        raise CannotMerge("那个活动已经不能报名。")
    with scope.system("everybody of the merged entry"):
        people = _to_ask(source, target)
        if target.waiting or not rules.can_take_all(target.free, [p.places for p in people]):
            need = sum(p.places for p in people)
            why = f"《{target.title}》还剩 {target.free} 个名额，这里有 {need} 位。"
            raise CannotMerge(why, advice="请选名额够的活动。")
        for row in people:
            _ask(actor, source, target, row, now)
    audit.record(
        actor, "sign_up.merge", "entry", source.id, now, summary=f"请 {len(people)} 份报名改到《{target.title}》",
        centre_id=source.centre_id, after={"target": target.id},
    )  # fmt: skip
    return len(people)


def _to_ask(source: Entry, target: Entry) -> Sequence[SignUp]:
    """Live sign-ups of the source whose person has none in the target yet."""
    there = select(SignUp.person_key).where(SignUp.entry_id == target.id, SignUp.status.in_(ACTIVE))
    live = select(SignUp).where(
        SignUp.entry_id == source.id, SignUp.status.in_(ACTIVE), SignUp.person_key.not_in(there)
    )
    return db.session.scalars(live.order_by(SignUp.id)).all()


def _ask(actor: Actor, source: Entry, target: Entry, row: SignUp, now: datetime) -> None:
    start = target.first_start
    # As long as possible: nobody else is waiting for these places; a day before the start others may have them.
    deadline = rules.offer_deadline(start, now) or (start - rules.LATE if start else None)
    asked = SignUp(
        entry_id=target.id, centre_id=target.centre_id, resident_id=row.resident_id, relative_id=row.relative_id,
        person_key=row.person_key, places=row.places, status=OFFERED, accept_by=deadline, created_at=now,
        created_by=actor.name, note=f"《{source.title}》报名人数不足，想请您改到这里"[:200],
    )  # fmt: skip
    db.session.add(asked)
    waiting_list.shift(target, row.places, 0)
    db.session.flush()
    states.note(MACHINE, asked, "merge", actor, now, details={"from_entry": source.id})
    outbox.put("signup.merged", f"sign_up:{asked.id}:new", {"id": asked.id}, now)


__all__ = [
    "LABELS", "CallerNameMissing", "CannotExtend", "CannotMerge", "EntryGone", "add_by_staff", "decide", "extend",
    "offer_elsewhere", "withdraw_for",
]  # fmt: skip
