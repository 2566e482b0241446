"""What this feature registers: what is due, what is a resident's, what is theirs to read and to have erased, what is
evaluated (SPEC P8, S7, S9)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import joinedload

from portal.cases import actions as cases
from portal.cases.models import DONE
from portal.core import clock, registry, remarks, scope, states
from portal.core.access import system_actor
from portal.core.db import db, hit, writing
from portal.core.registry import Mine
from portal.feedback import subjects
from portal.feedback.subjects import Described, Subject
from portal.help_requests import voice
from portal.help_requests.urgent import actions, queries, rules
from portal.help_requests.urgent.models import OPEN, TAKEN, Alarm, Listener, UrgentCall, Watch
from portal.help_requests.urgent.states import KIND, LABELS, MACHINE, TONES


@registry.due
def ring_again(now: datetime) -> int:
    """Whoever took an alarm and has not set out in time has it no more. Screens ring by the time alone; this writes it
    into the history. Idempotent, one transaction each."""
    with scope.system("taken and not set out"):
        late = select(Alarm.id).where(Alarm.status == TAKEN, Alarm.move_by <= now).order_by(Alarm.id)
        ids = list(db.session.scalars(late))
        db.session.rollback()
        done = 0
        for number in ids:
            with writing():
                done += actions.lapse(number, now)
        return done


def clean_up(now: datetime) -> int:
    """Positions are exact for 30 days, recordings stay 90 days after the end, who listened 40 days."""
    with scope.system("what is past its time"):
        old = select(UrgentCall.id, UrgentCall.voice).join(Alarm, Alarm.id == UrgentCall.alarm_id).where(
            UrgentCall.voice != "", Alarm.ended_at < now - rules.VOICE_KEPT
        )  # fmt: skip
        voices = db.session.execute(old).all()
        exact = select(UrgentCall.id).where(UrgentCall.at < now - rules.POSITION_KEPT, UrgentCall.latitude.is_not(None))
        places = list(db.session.scalars(exact))
        seen = db.session.scalar(select(Watch.id).where(Watch.until < now - rules.WATCH_KEPT).limit(1))
        gone = db.session.scalar(
            select(Listener.session_id).where(Listener.seen_at < now - rules.LISTENERS_KEPT).limit(1)
        )
        strangers = _strangers(now)
        db.session.rollback()
        if not (voices or places or seen or gone or strangers):
            return 0
        with writing():
            plain: dict[str, Any] = {"synchronize_session": False}
            hit(
                update(UrgentCall).where(UrgentCall.id.in_([i for i, _ in voices])).values(voice="", voice_seconds=0),
                **plain,
            )
            forget = {"latitude": None, "longitude": None, "accuracy": None, "network": ""}
            hit(update(UrgentCall).where(UrgentCall.id.in_(places)).values(**forget), **plain)
            _forget_strangers(strangers)
            hit(delete(Watch).where(Watch.until < now - rules.WATCH_KEPT), **plain)
            hit(delete(Listener).where(Listener.seen_at < now - rules.LISTENERS_KEPT), **plain)
        for _, name in voices:
            voice.remove(name)
        return len(voices) + len(places)


def _strangers(now: datetime) -> list[int]:
    """Alarms of people without an account, who have nobody to ask: after half a year number, words and report go."""
    old = select(Alarm.id).where(
        Alarm.resident_id.is_(None), Alarm.ended_at < now - rules.STRANGERS_KEPT, Alarm.phone != ""
    )
    return list(db.session.scalars(old.order_by(Alarm.id).limit(500)))


def _forget_strangers(ids: list[int]) -> None:
    gone = {"phone": "", "place": "", "report": "", "handed_no": "", "departments": ""}
    hit(update(Alarm).where(Alarm.id.in_(ids)).values(**gone), synchronize_session=False)
    hit(update(UrgentCall).where(UrgentCall.alarm_id.in_(ids)).values(words=""), synchronize_session=False)
    remarks.blank(MACHINE.name, ids)


@registry.mine
def my_alarms(resident_id: int, now: datetime, coming: bool) -> list[Mine]:
    """What I asked for: who has it, and how it ended."""
    if coming and not queries.has_open(resident_id):
        return []
    with scope.system("a resident's own calls for help"):
        rows = [a for a in queries.owned(resident_id) if a.calls and (a.status in OPEN or not coming)]
    return [
        Mine(
            section="waiting" if a.status in OPEN else "past",
            title="求助",
            when=clock.stamp(a.filed_at),
            place=a.centre.label,
            status_text=LABELS[a.status],
            tone=TONES[a.status],
            next_text="点开看进展" if a.status in OPEN else "",
            url=f"/help/urgent/{a.calls[0].key}",
            starts_at=a.filed_at,
        )
        for a in rows[:20]
    ]


@registry.personal
def personal(resident_id: int) -> dict[str, Any]:
    """This feature's part of the export of own data."""
    with scope.system("a resident's own calls for help"):
        rows = queries.owned(resident_id)
    return {
        "紧急求助": [
            {
                "时间": clock.stamp(a.filed_at),
                "社区": a.centre.label,
                "电话": a.phone,
                "住址": a.place,
                "状态": LABELS[a.status],
                "结果": a.outcome,
                "接的人": a.taken_by,
                "经过": a.report,
                "说的话": [c.words for c in a.calls if c.words],
                "录音": [f"{c.voice_seconds} 秒" for c in a.calls if c.voice],
                "位置": [
                    f"{c.latitude:.5f}, {c.longitude:.5f}（误差 {c.accuracy} 米）"
                    for c in a.calls
                    if c.latitude is not None and c.longitude is not None
                ],
            }
            for a in rows
        ]
    }


@registry.erase
def erase(resident_id: int, now: datetime) -> None:
    """The person leaves: number, address, words, position and recordings go; that there was an alarm stays."""
    with scope.system("a person erases their data"):
        rows = queries.owned(resident_id, by_number=True)
        remarks.blank(MACHINE.name, [a.id for a in rows])
        for alarm in rows:
            alarm.phone = alarm.place = alarm.report = alarm.handed_no = alarm.departments = ""
            for call in alarm.calls:
                if call.voice:
                    voice.remove(call.voice)
                call.words, call.voice, call.voice_seconds, call.network = "", "", 0, ""
                call.latitude = call.longitude = call.accuracy = None
            if alarm.status in OPEN:
                values = {"ended_at": now, "outcome": "居民已注销", "move_by": None}
                states.fire(MACHINE, alarm, "drop", system_actor(), now, "居民已注销", values=values)
            if alarm.case.status != DONE:
                cases.close(system_actor(), alarm.case, "居民已注销", now, "drop")
        cases.forget([alarm.case for alarm in rows])
        db.session.flush()


def describe(ids: Sequence[int]) -> dict[int, Described]:
    """Calls for help as the evaluation's pages show them: when, and nothing else."""
    rows = db.session.scalars(select(Alarm).where(Alarm.id.in_(ids)).options(joinedload(Alarm.centre)))
    return {
        a.id: Described("求助服务", clock.stamp(a.filed_at), a.centre.label, a.centre_id, "", f"/staff/urgent/{a.id}")
        for a in rows
    }


subjects.register(Subject(KIND.name, "求助", describe))
