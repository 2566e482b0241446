"""Calls for help of the last weeks: looked after, handed on, pressed by mistake, one on its way. Nothing rings: a demo
that screams is shown to nobody. `flask demo-alarm` makes one that does."""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import select

from portal.core import clock, scope
from portal.core.access import Actor
from portal.core.db import db, writing
from portal.demo.stage import Stage
from portal.help_requests.urgent import actions, filing, phones
from portal.help_requests.urgent.filing import Pressed
from portal.help_requests.urgent.models import Alarm, Watch
from portal.people.models import Resident

MINUTE = timedelta(minutes=1)
PHONES = (("440307DP", "19900000901"), ("440307009", "19900000902"), ("440307009001", "19900000903"))
Then = Callable[[Actor, int, datetime], None]


def build(stage: Stage) -> int:
    """So many calls for help; returns how many."""
    with writing(), scope.system("demo"):
        for code, number in PHONES:
            phones.add(stage.boss(code), number, "值班手机", "", "", stage.published_at)
        _watched(stage)
    told = (
        ("440307009001", 6.4, "老人在楼梯上摔倒，站不起来。", _looked_after),
        ("440307010006", 4.2, "厨房冒烟，已经关火，还有味道。", _handed),
        ("440307011001", 2.7, "", _mistaken),
        ("440307009003", 1.1, "独居老人一天没有开门，敲门没人应。", _waits_for_its_report),
        ("440307009001", 0.015, "阿公胸口闷，家里只有我一个人。", _on_the_way),
    )
    for code, days, words, then in told:
        _happened(stage, code, stage.now - timedelta(days=days), words, then)
    return len(told)


def _watched(stage: Stage) -> None:
    """Who listened on the last days, with some minutes without anybody."""
    for code in ("440307DP", "440307009", "440307010", "440307009001", "440307010006"):
        for back in range(3):
            day = clock.today(stage.now) - timedelta(days=back)
            start = clock.at(day, datetime.min.time().replace(hour=8, minute=stage.dice.randint(0, 40)))
            until = min(start + timedelta(hours=stage.dice.randint(9, 13)), stage.now)
            if until > start:
                db.session.add(Watch(centre_id=stage.centres[code], since=start, until=until))


def _happened(stage: Stage, code: str, at: datetime, words: str, then: Then) -> None:
    with writing(), scope.system("demo"):
        # Of that community where anybody of the demo lives there; the phone does not ask where its owner lives.
        near = Resident.home_centre_id == stage.centres[code]
        person = db.session.scalars(select(Resident).order_by(near.desc(), Resident.id.desc()).limit(1)).one()
        call = filing.file(
            Pressed(str(uuid.UUID(int=stage.dice.getrandbits(128), version=4)), person.phone or "", stage.centre(code),
                    person, words), at
        )  # fmt: skip
        then(stage.boss(code), call.alarm_id, at)


def _gone(actor: Actor, alarm_id: int, at: datetime, people: int = 2) -> None:
    actions.take(actor, alarm_id, at + timedelta(seconds=32))
    actions.move(actor, alarm_id, people, at + 3 * MINUTE)


def _there(actor: Actor, alarm_id: int, at: datetime) -> None:
    _gone(actor, alarm_id, at)
    actions.arrive(actor, alarm_id, at + 9 * MINUTE)


def _looked_after(actor: Actor, alarm_id: int, at: datetime) -> None:
    _there(actor, alarm_id, at)
    actions.close(actor, alarm_id, "已送医", at + 41 * MINUTE)
    said = "两名社工九分钟到场，老人右腿不能动，陪同送医院，已通知家属。"
    actions.report(actor, alarm_id, said, "社康中心", at + 90 * MINUTE)


def _handed(actor: Actor, alarm_id: int, at: datetime) -> None:
    _gone(actor, alarm_id, at)
    actions.hand(actor, alarm_id, "119", "", at + 4 * MINUTE)
    said = "电话里让居民先下楼，转 119。消防到场检查，没有明火。"
    actions.report(actor, alarm_id, said, "消防救援站", at + 120 * MINUTE)


def _mistaken(actor: Actor, alarm_id: int, at: datetime) -> None:
    actions.take(actor, alarm_id, at + timedelta(seconds=50))
    actions.mistake(actor, alarm_id, "本人接的电话，说是手机放口袋里按到了", True, at + 3 * MINUTE)


def _waits_for_its_report(actor: Actor, alarm_id: int, at: datetime) -> None:
    _there(actor, alarm_id, at)
    actions.close(actor, alarm_id, "已到场处理", at + 35 * MINUTE)


def _on_the_way(actor: Actor, alarm_id: int, at: datetime) -> None:
    _gone(actor, alarm_id, at, 1)


def ring(now: datetime) -> Alarm | None:
    """An alarm of the demo's first resident that rings; None where the demo is not loaded. Commits."""
    with writing(), scope.system("demo"):
        person = db.session.scalars(select(Resident).order_by(Resident.id).limit(1)).first()
        if person is None or person.phone is None or person.home_centre is None:
            return None
        call = filing.file(Pressed(str(uuid.uuid4()), person.phone, person.home_centre, person), now)
        return db.session.get_one(Alarm, call.alarm_id)
