"""What residents do: press, say where and what, take it back (SPEC H4). Flush only, never commit.

Everything that alarms somebody is written here as rows with a time; no scheduler, worker or queue has to do anything.
"""

import re
import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, or_, select
from sqlalchemy.exc import IntegrityError

from portal.cases import actions as cases
from portal.centres.models import Centre
from portal.core import outbox, scope, states
from portal.core.access import Actor, system_actor
from portal.core.db import db
from portal.help_requests.urgent import queries, rules
from portal.help_requests.urgent.errors import NoSuchAlarm, PlaceNeeded, TooManyCalls, WordsTooLong
from portal.help_requests.urgent.models import OPEN, PHONE, RINGING, SCREEN, TAKEN, Alarm, AlarmStep, UrgentCall
from portal.help_requests.urgent.states import KIND, MACHINE
from portal.people.models import Resident
from portal.people.rules import network

_KEY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Pressed:
    """One press. key: a UUID made by the phone. phone: 11 digits. resident: signed in. centre: where they live or have
    chosen; None when nobody knows. address: of the network."""

    key: str
    phone: str
    centre: Centre | None
    resident: Resident | None = None
    words: str = ""
    address: str = ""


def is_key(text: str) -> bool:
    return bool(_KEY.fullmatch(text))


def file(pressed: Pressed, now: datetime) -> UrgentCall:
    """Alarm the community and the level above, at once; the same key is the same call, and the same person's next press
    within ten minutes joins the open alarm and rings again (H4).

    Raises PlaceNeeded (nobody answers anywhere), TooManyCalls (of one network; its page has the numbers to ring),
    WordsTooLong. Lock: the open alarm's row; two first presses at once of one person are two alarms at worst.
    """
    with scope.system("somebody needs help at once"):
        known = queries.call_by_key(pressed.key)
        if known is not None:
            return known
        words = _short(pressed.words)
        if pressed.resident is None:
            _refuse_flood(pressed, now)
        try:
            with db.session.begin_nested():
                return _file(pressed, words, now)
        except IntegrityError:  # the same key at the same moment (PostgreSQL)
            known = queries.call_by_key(pressed.key)
            if known is None:
                raise
            return known


def _refuse_flood(pressed: Pressed, now: datetime) -> None:
    """A machine that files without end; a building behind one address may well press a dozen times."""
    near = select(func.count()).select_from(UrgentCall).join(Alarm, Alarm.id == UrgentCall.alarm_id).where(
        UrgentCall.network == network(pressed.address)[:60], UrgentCall.at > now - rules.CALLS_WITHIN,
        Alarm.verified.is_(False),
    )  # fmt: skip
    if (db.session.scalar(near) or 0) >= rules.MOST_CALLS:
        raise TooManyCalls()


def _file(pressed: Pressed, words: str, now: datetime) -> UrgentCall:
    alarm = _open_one(pressed, now)
    if alarm is None:
        alarm = _new(pressed, now)
        write_steps(alarm, 1, now)
    else:
        _again(alarm, pressed, now)
    call = UrgentCall(alarm_id=alarm.id, key=pressed.key, at=now, words=words, network=network(pressed.address)[:60])
    db.session.add(call)
    db.session.flush()
    return call


def _open_one(pressed: Pressed, now: datetime) -> Alarm | None:
    """The alarm that the same person has open since less than ten minutes, locked."""
    same = [Alarm.phone == pressed.phone] if pressed.phone else []
    same += [Alarm.resident_id == pressed.resident.id] if pressed.resident else []
    if not same:
        return None
    wanted = select(Alarm).where(or_(*same), Alarm.status.in_(OPEN), Alarm.filed_at > now - rules.RINGS)
    # Ten minutes since the last press, whichever it was.
    last = select(func.max(UrgentCall.at)).where(UrgentCall.alarm_id == Alarm.id).scalar_subquery()
    wanted = wanted.where(last > now - rules.JOINS).order_by(Alarm.id.desc()).limit(1)
    return db.session.scalars(wanted.with_for_update().execution_options(populate_existing=True)).first()


def _new(pressed: Pressed, now: datetime) -> Alarm:
    centre = queries.community(pressed.centre) if pressed.centre is not None else queries.top()
    if centre is None:
        raise PlaceNeeded()
    case = cases.open_case(KIND.name, centre, f"{centre.label}居民求助", "", ("report",), now)
    person = pressed.resident
    alarm = Alarm(
        centre_id=centre.id, case_id=case.id, resident_id=person.id if person else None, phone=pressed.phone,
        verified=person is not None, place=person.address if person else "", filed_at=now, rung_at=now,
        report_by=case.due_at,
    )  # fmt: skip
    db.session.add(alarm)
    db.session.flush()
    case.url = f"/staff/urgent/{alarm.id}"
    states.note(MACHINE, alarm, "file", _who(alarm), now)
    return alarm


def _who(alarm: Alarm) -> Actor:
    if alarm.resident_id is None:
        return system_actor("没有登录的居民")
    return Actor(kind="resident", id=alarm.resident_id, name="居民")


def _again(alarm: Alarm, pressed: Pressed, now: datetime) -> None:
    """Pressed once more: what rings begins anew for everybody whom it has reached; who has it reads of it."""
    states.note(MACHINE, alarm, "press_again", _who(alarm), now)
    if pressed.resident is not None and alarm.resident_id is None:
        alarm.resident_id, alarm.verified, alarm.place = pressed.resident.id, True, pressed.resident.address
    if alarm.status == RINGING:
        ring_again(alarm, now)


def ring_again(alarm: Alarm, now: datetime) -> None:
    """A new ring: whoever was alarmed is again, at once, also who has said 知道了; the others when they would have
    been. The set of the alarmed never shrinks."""
    old = list(
        db.session.scalars(select(AlarmStep).where(AlarmStep.alarm_id == alarm.id, AlarmStep.ring == alarm.ring))
    )
    _clear(alarm, alarm.ring + 1)
    alarm.ring, alarm.rung_at = alarm.ring + 1, now
    for step in old:
        at = max(step.at, now) if step.kind == SCREEN else step.at
        if step.kind == PHONE and step.at <= now:
            continue  # rung already: once per step
        db.session.add(
            AlarmStep(
                alarm_id=alarm.id,
                ring=alarm.ring,
                no=step.no,
                centre_id=step.centre_id,
                kind=step.kind,
                at=at,
                why=step.why,
            )
        )
    db.session.flush()
    wake_phones(alarm, alarm.ring, now)


def write_steps(alarm: Alarm, ring: int, now: datetime, begins: datetime | None = None) -> None:
    """Everybody who is alarmed in ring number `ring` if nobody takes it, from `begins` (now) on. Those before stay
    alarmed."""
    begins = begins or now
    _clear(alarm, ring)
    centre = db.session.get_one(Centre, alarm.centre_id)
    around = queries.around(centre, now)
    planned = {(s.centre_id, s.kind, s.no): s for s in rules.steps(around, begins, queries.policy())}
    before = select(AlarmStep.centre_id).where(
        AlarmStep.alarm_id == alarm.id, AlarmStep.kind == SCREEN, AlarmStep.at <= now, AlarmStep.ring < ring
    )
    already = set(db.session.scalars(before))
    for step in planned.values():
        at = begins if step.kind == SCREEN and step.centre_id in already else step.at
        db.session.add(AlarmStep(
            alarm_id=alarm.id, ring=ring, no=step.no, centre_id=step.centre_id, kind=step.kind, at=at, why=step.why
        ))  # fmt: skip
    for number in already - {s.centre_id for s in planned.values() if s.kind == SCREEN}:
        db.session.add(AlarmStep(
            alarm_id=alarm.id, ring=ring, no=2, centre_id=number, kind=SCREEN, at=begins, why="重新响铃"
        ))  # fmt: skip
    db.session.flush()
    wake_phones(alarm, ring, now)


def _clear(alarm: Alarm, ring: int) -> None:
    """What was foreseen for a ring that has not begun."""
    db.session.execute(delete(AlarmStep).where(AlarmStep.alarm_id == alarm.id, AlarmStep.ring == ring))


def wake_phones(alarm: Alarm, ring: int, now: datetime) -> None:
    """An effect for each step that rings telephones, at its time; the sweeper carries it out, once, however many."""
    wanted = select(AlarmStep).where(AlarmStep.alarm_id == alarm.id, AlarmStep.ring == ring, AlarmStep.kind == PHONE)
    for step in db.session.scalars(wanted.order_by(AlarmStep.at, AlarmStep.id)):
        which = {"id": alarm.id, "ring": ring, "no": step.no, "centre_id": step.centre_id}
        key = f"{alarm.id}:{ring}:{step.no}:{step.centre_id}:{int(step.at.timestamp())}"
        outbox.put("urgent.phone", key, which, now, step.at)


def _call(key: str) -> UrgentCall:
    call = queries.call_by_key(key) if is_key(key) else None
    if call is None:
        raise NoSuchAlarm()
    return call


def _short(words: str) -> str:
    words = words.strip()
    if len(words) > rules.MOST_WORDS:
        raise WordsTooLong(f"最多 {rules.MOST_WORDS} 个字。", field="words")
    return words


def locate(key: str, latitude: float, longitude: float, accuracy: int, now: datetime) -> Alarm:
    """Where the phone is. Good to a kilometre, it also alarms the community that is nearest when that is another one,
    and tells whose it is when nobody knew. Raises NoSuchAlarm."""
    with scope.system("the position of somebody who needs help"):
        call = _call(key)
        alarm = db.session.get_one(Alarm, call.alarm_id, with_for_update=True, populate_existing=True)
        call.latitude, call.longitude, call.accuracy = latitude, longitude, max(0, min(accuracy, 100_000))
        near = queries.nearest(latitude, longitude) if rules.usable(call.accuracy) else None
        if near is not None and alarm.status in OPEN and not queries.alarmed(alarm.id, near.id, now):
            _add_near(alarm, near, now)
        db.session.flush()
        return alarm


def _add_near(alarm: Alarm, near: Centre, now: datetime) -> None:
    around = queries.around(near, now)
    unknown = alarm.place == "" and alarm.centre.level not in {near.level}
    for place in (around.own, *around.above[:1]):
        why = f"求助的人现在在{near.label}附近"
        for kind in (SCREEN, PHONE):
            where = (AlarmStep.alarm_id == alarm.id, AlarmStep.ring == alarm.ring, AlarmStep.centre_id == place.id)
            known = db.session.scalars(select(AlarmStep).where(*where, AlarmStep.kind == kind).limit(1)).first()
            if known is not None and known.kind == SCREEN:
                known.at, known.why = min(known.at, now), why
            if known is None:
                db.session.add(AlarmStep(
                    alarm_id=alarm.id, ring=alarm.ring, no=0, centre_id=place.id, kind=kind, at=now, why=why
                ))  # fmt: skip
    if unknown:  # filed without a community: it is this one's
        alarm.centre_id, alarm.case.title = near.id, f"{near.label}居民求助"
    db.session.flush()
    if alarm.status in (RINGING, TAKEN):
        wake_phones(alarm, alarm.ring, now)


def say(key: str, words: str, now: datetime, voice: str = "", seconds: int = 0) -> UrgentCall:
    """What happened, in words or as a recording that is stored already; may be said as often as one likes.

    Raises NoSuchAlarm, WordsTooLong.
    """
    with scope.system("what somebody in need says"):
        call, words = _call(key), _short(words)
        if not words and not voice:
            return call
        db.session.refresh(call, with_for_update=True)
        if (words and call.words) or (voice and call.voice):
            call = UrgentCall(alarm_id=call.alarm_id, key=str(uuid.uuid4()), at=now)
            db.session.add(call)
        call.words = words or call.words
        call.voice, call.voice_seconds = voice or call.voice, seconds or call.voice_seconds
        db.session.flush()
        return call


def by_mistake(key: str, now: datetime) -> Alarm:
    """按错了: said to whoever has it, who rings back all the same; nothing is silenced by it. Raises NoSuchAlarm."""
    with scope.system("pressed by mistake"):
        alarm = db.session.get_one(Alarm, _call(key).alarm_id)
        if not alarm.wrong and alarm.status in OPEN:
            alarm.wrong = True
            states.note(MACHINE, alarm, "wrong", _who(alarm), now)
            db.session.flush()
        return alarm


def forget_next(alarm: Alarm) -> None:
    """Somebody is on the way: what was written for the case that nobody sets out does not happen."""
    _clear(alarm, alarm.ring + 1)
