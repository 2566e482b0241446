"""What staff do with an alarm: take it, set out, arrive, end it, write down what happened (SPEC H4). Flush only.

Each step holds the alarm's row, so of five hundred who press at once one has it and the others read who.
"""

from datetime import datetime

from sqlalchemy import select, update

from portal.cases import actions as cases
from portal.cases.ladder import at_or_above, desk
from portal.cases.models import DONE, REFER, Case
from portal.centres.models import Centre
from portal.core import audit, outbox, scope, states
from portal.core.access import Actor, system_actor
from portal.core.db import db, hit
from portal.core.errors import NotAllowed
from portal.help_requests.urgent import filing, queries, rules
from portal.help_requests.urgent.errors import (
    AlreadyTaken,
    CallFirst,
    NoSuchAlarm,
    NumberNeeded,
    PeopleNeeded,
    UnknownOutcome,
    WordsTooLong,
)  # fmt: skip
from portal.help_requests.urgent.models import (
    CLOSED,
    HANDED,
    RINGING,
    TAKEN,
    Alarm,
    AlarmAck,
    AlarmReader,
    AlarmReceipt,
    AlarmStep,
    Listener,
    Watch,
)  # fmt: skip
from portal.help_requests.urgent.states import KIND, MACHINE, has_it, is_above
from portal.people.models import StaffAccount


def _locked(alarm_id: int) -> Alarm:
    """Of the caller's scope. Raises NoSuchAlarm."""
    wanted = select(Alarm).where(Alarm.id == alarm_id).with_for_update().execution_options(populate_existing=True)
    alarm = db.session.scalars(wanted).one_or_none()
    if alarm is None:
        raise NoSuchAlarm()
    return alarm


def _noted(actor: Actor, alarm: Alarm, verb: str, now: datetime, summary: str = "", words: str = "") -> None:
    audit.record(
        actor, f"urgent.{verb}", "urgent_alarm", alarm.id, now, summary=summary, words=words,
        after={"status": alarm.status}, centre_id=alarm.centre_id,
    )  # fmt: skip


def take(actor: Actor, alarm_id: int, now: datetime) -> Alarm:
    """接: by exactly one; the taker may read address and number from then on, and that is logged.

    Raises NoSuchAlarm, AlreadyTaken (says by whom), NotAllowed. Lock: the alarm's row.
    """
    alarm = _locked(alarm_id)
    if alarm.status == TAKEN and alarm.move_by is not None and alarm.move_by <= now:
        _lapse(alarm, now)
    if alarm.status != RINGING:
        raise AlreadyTaken(_has(alarm))
    if not is_above(alarm, actor) and not queries.alarmed(alarm.id, actor.centre_id, now):
        raise NotAllowed()
    account = db.session.get_one(StaffAccount, actor.id or 0)
    centre = db.session.get_one(Centre, actor.centre_id or 0)
    move_by = now + queries.policy().move
    values = {
        "taken_by_id": actor.id, "taken_by": actor.name[:40], "taken_phone": (account.phone or centre.phone)[:30],
        "taken_centre_id": actor.centre_id, "taken_at": now, "move_by": move_by, "moving_at": None, "people": 0,
    }  # fmt: skip
    states.fire(MACHINE, alarm, "take", actor, now, values=values)
    # Written now for the case that nobody sets out: then it rings again by itself.
    filing.write_steps(alarm, alarm.ring + 1, now, move_by)
    _case_to(actor, alarm, centre, now)
    _reads(actor, alarm, now)
    _noted(actor, alarm, "take", now, f"{rules.lasted(alarm.rung_at, now)}后接")
    return alarm


def _has(alarm: Alarm) -> str:
    if alarm.taken_at is None:
        return "这个求助已经结束。"
    centre = db.session.get(Centre, alarm.taken_centre_id or 0)
    return f"{centre.label if centre else ''}{alarm.taken_by} {rules.clock_seconds(alarm.taken_at)} 已经接了。"


def _case_to(actor: Actor, alarm: Alarm, centre: Centre, now: datetime) -> None:
    """The case goes where it was taken: responsibility moves with 接."""
    case = _case(alarm)
    if not at_or_above(actor, case.waits_at):
        cases.hand_on(system_actor(), case, REFER, centre, f"{centre.label}先接了", now)
    cases.claim(actor, case, now)


def _case(alarm: Alarm) -> Case:
    with scope.system("the alarm's own case"):
        return db.session.get_one(Case, alarm.case_id, populate_existing=True)


def _case_home(alarm: Alarm, why: str, now: datetime) -> None:
    """Rings again: whose it is has it, nobody in particular."""
    case, home = _case(alarm), db.session.get_one(Centre, alarm.centre_id)
    cases.hand_on(system_actor(), case, REFER, desk(home, KIND.permission), why, now)


def _lapse(alarm: Alarm, now: datetime) -> None:
    """Taken and not set out in time: everybody hears it again. The next ring's steps were written when it was taken."""
    began = alarm.move_by or now
    values = {"ring": alarm.ring + 1, "rung_at": began, "move_by": None}
    with scope.system("nobody has set out"):
        states.fire(MACHINE, alarm, "lapse", system_actor(), now, values=values)
        _case_home(alarm, f"{alarm.taken_by}接了没有出发", now)


def lapse(alarm_id: int, now: datetime) -> bool:
    """What the time has already made true, as a row of the history. Returns whether it was still to do."""
    alarm = _locked(alarm_id)
    if alarm.status != TAKEN or alarm.move_by is None or alarm.move_by > now:
        return False
    _lapse(alarm, now)
    return True


def give_away(actor: Actor, alarm_id: int, reason: str, now: datetime) -> Alarm:
    """交给别人: rings again at once. Raises NoSuchAlarm, NoSuchTransition, ReasonMissing."""
    alarm = _locked(alarm_id)
    reason = _short(reason, "reason")
    values = {"ring": alarm.ring + 1, "rung_at": now, "move_by": None, "moving_at": None}
    states.fire(MACHINE, alarm, "give_away", actor, now, reason, values=values)
    filing.write_steps(alarm, alarm.ring, now)
    _case_home(alarm, reason, now)
    _noted(actor, alarm, "give_away", now, words=reason)
    return alarm


def move(actor: Actor, alarm_id: int, people: int | None, now: datetime) -> Alarm:
    """已派人: so many are on their way. Raises NoSuchAlarm, NoSuchTransition, NotYourTurn, PeopleNeeded."""
    alarm = _locked(alarm_id)
    if people is None or not 1 <= people <= 99:
        raise PeopleNeeded()
    states.fire(MACHINE, alarm, "move", actor, now, values={"moving_at": now, "people": people, "move_by": None})
    filing.forget_next(alarm)
    _noted(actor, alarm, "move", now, f"派了 {people} 人")
    return alarm


def arrive(actor: Actor, alarm_id: int, now: datetime) -> Alarm:
    """到场了. Raises NoSuchAlarm, NoSuchTransition, NotYourTurn."""
    alarm = _locked(alarm_id)
    values = {"there_at": now, "move_by": None, "moving_at": alarm.moving_at or now, "people": alarm.people or 1}
    states.fire(MACHINE, alarm, "arrive", actor, now, values=values)
    filing.forget_next(alarm)
    _noted(actor, alarm, "arrive", now)
    return alarm


def close(actor: Actor, alarm_id: int, outcome: str, now: datetime) -> Alarm:
    """It is over; what happened is written within 24 hours. Raises UnknownOutcome and as arrive."""
    if outcome not in queries.policy().outcomes:
        raise UnknownOutcome()
    alarm = _locked(alarm_id)
    states.fire(MACHINE, alarm, "close", actor, now, values={"ended_at": now, "outcome": outcome, "move_by": None})
    filing.forget_next(alarm)
    _noted(actor, alarm, "close", now)
    return alarm


def hand(actor: Actor, alarm_id: int, number: str, case_no: str, now: datetime) -> Alarm:
    """Handed to 110, 119 or 120. case_no: what their desk called it, may be empty. Raises NumberNeeded, as arrive."""
    if number not in rules.NUMBERS:
        raise NumberNeeded()
    alarm = _locked(alarm_id)
    values = {
        "ended_at": now, "handed_to": number, "handed_no": case_no.strip()[:40], "outcome": f"转 {number}",
        "move_by": None,
    }  # fmt: skip
    states.fire(MACHINE, alarm, "hand", actor, now, values=values, details={"number": number})
    filing.forget_next(alarm)
    _noted(actor, alarm, "hand", now)
    return alarm


def mistake(actor: Actor, alarm_id: int, reason: str, called: bool, now: datetime) -> Alarm:
    """误触: only after a call to the resident, and what was said. Raises CallFirst, and as arrive."""
    reason = _short(reason, "reason")
    if not called or not reason:
        raise CallFirst()
    alarm = _locked(alarm_id)
    values = {"ended_at": now, "called_at": now, "outcome": "误触", "reported_at": now, "move_by": None}
    states.fire(MACHINE, alarm, "mistake", actor, now, reason, values=values)
    filing.forget_next(alarm)
    _close_case(actor, alarm, "误触", now)
    _noted(actor, alarm, "mistake", now, "打过电话", reason)
    return alarm


def _close_case(actor: Actor, alarm: Alarm, outcome: str, now: datetime) -> None:
    case = _case(alarm)
    if case.status != DONE:
        cases.close(actor, case, outcome, now)


def report(actor: Actor, alarm_id: int, words: str, departments: str, now: datetime) -> Alarm:
    """What happened, who went, which departments helped; ends the case. May be written anew for a day.

    Raises NoSuchAlarm, NotAllowed, ReasonMissing, WordsTooLong.
    """
    alarm = _locked(alarm_id)
    words = words.strip()
    if alarm.status not in (CLOSED, HANDED):
        raise states.NoSuchTransition()
    why = has_it(alarm, actor)
    if why is not None:
        raise NotAllowed(why)
    if not words:
        raise states.ReasonMissing()
    if len(words) > rules.MOST_REPORT:
        raise WordsTooLong(f"最多 {rules.MOST_REPORT} 个字。", field="reason")
    alarm.report, alarm.departments = words, departments.strip()[:120]
    alarm.reported_at = alarm.reported_at or now
    states.note(MACHINE, alarm, "report", actor, now)
    _close_case(actor, alarm, alarm.outcome, now)
    _noted(actor, alarm, "report", now, words=words)
    return alarm


def note(actor: Actor, alarm_id: int, words: str, now: datetime) -> Alarm:
    """A line for the others, at any state. Raises NoSuchAlarm, ReasonMissing, WordsTooLong."""
    alarm = _locked(alarm_id)
    words = _short(words, "note")
    if not words:
        raise states.ReasonMissing(field="note")
    states.note(MACHINE, alarm, "note", actor, now, words)
    db.session.flush()
    return alarm


def force(actor: Actor, alarm_id: int, now: datetime) -> Alarm:
    """The level above does not wait: the next step rings now. Raises NotAllowed, NoSuchTransition."""
    alarm = _locked(alarm_id)
    if not is_above(alarm, actor):
        raise NotAllowed()
    steps = queries.following(alarm, now)
    if not steps:
        raise states.NoSuchTransition("没有下一步了。", advice="能响铃的都已经响了。")
    no, centre = steps[0].no, db.session.get_one(Centre, actor.centre_id or 0)
    mine = update(AlarmStep).where(
        AlarmStep.alarm_id == alarm.id, AlarmStep.ring == alarm.ring, AlarmStep.no == no, AlarmStep.at > now
    )
    hit(mine.values(at=now, why=f"{centre.label}要求马上响铃"[:80]), synchronize_session=False)
    states.note(MACHINE, alarm, "force", actor, now, details={"no": no})
    filing.wake_phones(alarm, alarm.ring, now)
    _noted(actor, alarm, "force", now)
    return alarm


def read(actor: Actor, alarm_id: int, now: datetime) -> Alarm:
    """Open address, number and recording: whose people have it, and the levels above the community once it is taken.

    Logged (P8). Raises NoSuchAlarm, NotAllowed.
    """
    alarm = _locked(alarm_id)
    if alarm.taken_at is None or has_it(alarm, actor) is not None:
        raise NotAllowed("接了才看得到地址和电话。")
    _reads(actor, alarm, now)
    _noted(actor, alarm, "read", now)
    return alarm


def _reads(actor: Actor, alarm: Alarm, now: datetime) -> None:
    row = {"alarm_id": alarm.id, "account_id": actor.id, "name": actor.name[:40], "at": now}
    outbox.insert_once(AlarmReader, [row])


def acknowledge(actor: Actor, alarm_id: int, now: datetime) -> Alarm:
    """知道了: this centre's own sound stops, the others' and the next steps go on. Raises NoSuchAlarm."""
    alarm = _locked(alarm_id)
    late = alarm.status == TAKEN and alarm.move_by is not None and alarm.move_by <= now
    row = {
        "alarm_id": alarm.id, "ring": alarm.ring + 1 if late else alarm.ring, "centre_id": actor.centre_id,
        "account_id": actor.id, "name": actor.name[:40], "at": now,
    }  # fmt: skip
    if outbox.insert_once(AlarmAck, [row]):
        states.note(MACHINE, alarm, "acknowledge", actor, now)
        db.session.flush()
    return alarm


# Pages that listen ----------------------------------------------------------------------------------------------------


def here(actor: Actor, session_id: str, sound: bool, visible: bool, now: datetime) -> None:
    """A page of this browser is open and would ring; once a minute. Two statements."""
    values = {"account_id": actor.id, "centre_id": actor.centre_id, "seen_at": now, "sound": sound, "visible": visible}
    mine = update(Listener).where(Listener.session_id == session_id).values(**values)
    if not hit(mine, synchronize_session=False):
        outbox.insert_once(Listener, [{**values, "session_id": session_id, "tried_at": None, "heard": None}])
    going = update(Watch).where(
        Watch.centre_id == actor.centre_id, Watch.until >= now - rules.ALIVE, Watch.until <= now
    )
    if not hit(going.values(until=now), synchronize_session=False):
        fresh = select(Watch.id).where(Watch.centre_id == actor.centre_id, Watch.until > now)
        if db.session.scalar(fresh.limit(1)) is None:
            db.session.add(Watch(centre_id=actor.centre_id or 0, since=now, until=now))
    db.session.flush()


def tried(session_id: str, heard: bool, now: datetime) -> None:
    """试响: whether it could be heard. Without an open page of the browser nothing is kept."""
    mine = update(Listener).where(Listener.session_id == session_id)
    hit(mine.values(tried_at=now, heard=heard), synchronize_session=False)


def shown(actor: Actor, session_id: str, alarm_id: int, ring: int, sounded: bool, now: datetime) -> None:
    """The alarm is on this screen. Once per ring; that the sound came later is kept too."""
    if not queries.alarmed(alarm_id, actor.centre_id, now):
        return
    row = {
        "alarm_id": alarm_id, "ring": ring, "session_id": session_id, "account_id": actor.id,
        "centre_id": actor.centre_id, "shown_at": now, "sounded": sounded,
    }  # fmt: skip
    if not outbox.insert_once(AlarmReceipt, [row]) and sounded:
        mine = update(AlarmReceipt).where(
            AlarmReceipt.alarm_id == alarm_id, AlarmReceipt.ring == ring, AlarmReceipt.session_id == session_id
        )
        hit(mine.values(sounded=True), synchronize_session=False)


def _short(words: str, field: str) -> str:
    words = words.strip()
    if len(words) > rules.MOST_WORDS:
        raise WordsTooLong(f"最多 {rules.MOST_WORDS} 个字。", field=field)
    return words
