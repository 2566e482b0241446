"""Writes of staff on sign-ups (SPEC S3, S5): decide, enter a caller, longer sign-up, move everybody elsewhere."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select

from portal.catalogue.actions import changing, entry_values
from portal.catalogue.models import PUBLISHED, Entry
from portal.core import audit, deadlines, outbox, scope, states
from portal.core.access import Actor, Permission
from portal.core.db import db
from portal.core.errors import Invalid, NotAllowed
from portal.core.words import Refusal
from portal.people.actions import callers
from portal.signup import actions, rules, waiting_list
from portal.signup.eligibility import queries as eligibility
from portal.signup.errors import EntryGone, NoRoom, SignUpRefused
from portal.signup.models import ACTIVE, OFFERED, PENDING, SignUp
from portal.signup.states import LABELS, MACHINE


class CannotMerge(Invalid):
    message = "不能并到这个活动。"
    field = "target"


class CannotExtend(Invalid):
    field = "until"


class OtherGroup(Invalid):
    """The caller is not known to belong to those whom the activity is for; staff may know better, and say why."""

    advice = "您了解情况、要照样登记的，请写明为什么，再按一次。"
    field = "although"


def _must(actor: Actor) -> None:
    if not actor.can(Permission.SIGN_UPS):
        raise NotAllowed()


def _noted(actor: Actor, row: SignUp, verb: str, before: str, now: datetime, reason: str = "") -> None:
    """One line of the audit log (P9): which sign-up, from what to what; names stay in the sign-up."""
    audit.record(
        actor, f"sign_up.{verb}", "sign_up", row.id, now, words=reason, centre_id=row.centre_id,
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
    actor: Actor, entry_id: int, phone: str, name: str, relative_name: str, places: int, now: datetime, note: str = "",
    although: str = "",
) -> SignUp:  # fmt: skip
    """Enter somebody who phoned or walked in; finds the resident by phone (11 digits) or opens one.

    relative_name: for whom the caller asks; both names show. Of somebody from elsewhere the list shows `name`. The
    entry's window does not bind staff, its places do: full means waiting list; and so do its groups, unless they say
    why not (although). Raises EntryGone, CallerNameMissing, LookupsFull, SignUpRefused, OtherGroup. Locks: the entry's
    row, the resident.
    """
    _must(actor)
    entry = waiting_list.lock(entry_id)
    refusal = _staff_refusal(entry, places, now)
    if refusal is not None:
        raise SignUpRefused(refusal)
    with scope.system("a resident found by phone"):
        caller = callers.find(actor, phone, name, entry.centre.path, now)
        relative = caller.relative(relative_name, now)
        person = actions.find_person(entry, caller.resident.id, relative.id if relative else None)
        if person.live_id is not None:
            return db.session.get_one(SignUp, person.live_id)
        over = _over_the_groups(entry, person, although.strip(), now)
        row = actions.enter(entry, person, places, actor, now, note.strip())
        row.caller_name = caller.typed
        _noted(actor, row, "add_over" if over else "add", "", now, f"{caller.noted}。{over}" if over else caller.noted)
    return row


def _over_the_groups(entry: Entry, person: actions.Person, although: str, now: datetime) -> str:
    """Why somebody who does not belong to the groups of an entry is entered all the same; '' for whoever does (S3).

    Raises OtherGroup without a reason.
    """
    if eligibility.demand_of(entry, now) is None:
        return ""
    try:
        actions.check_groups(entry, person, eligibility.household(person.resident_id), now)
    except SignUpRefused as refused:
        if not although:
            raise OtherGroup(refused.message) from None
        return although[:200]
    return ""


def _staff_refusal(entry: Entry, places: int, now: datetime) -> Refusal | None:
    if entry.status != PUBLISHED or entry.walk_in:
        return rules.may_sign_up(entry, None, "/", now) or Refusal("gone", "这个活动不用报名。")
    if entry.last_end is not None and now >= entry.last_end:
        return Refusal("ended", "活动已经结束，不能再登记。", "到场的人请在签到表上补记。")
    if places < 1 or (entry.capacity is not None and places > entry.capacity):
        return Refusal("companions", "人数不对。", "请填 1 以上、不超过总名额的数。", "companions")
    return None


def extend(actor: Actor, entry_id: int, until: datetime, now: datetime) -> Entry:
    """Let people sign up until a later moment (S5): a change of what is published that takes effect at once, is told to
    everybody and may be undone by the publisher (C8).

    Raises EntryGone, CannotExtend, what `changing.ask_change` raises. Lock: the entry's row.
    """
    _must(actor)
    entry = waiting_list.lock(entry_id)
    refusal = rules.extension_limit(entry, until, now)
    if refusal is not None:
        raise CannotExtend(refusal.message, advice=refusal.advice)
    values = replace(entry_values.values_of(entry), sign_up_until=until)
    changing.ask_change(actor, entry, values, "报名人数不足，延长报名时间", now)
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
    deadline = deadlines.offer_until(start, now, rules.SHORTEST_OFFER) or (start - deadlines.LATE if start else None)
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
    "LABELS", "CannotExtend", "CannotMerge", "EntryGone", "add_by_staff", "decide", "extend",
    "offer_elsewhere", "withdraw_for",
]  # fmt: skip
