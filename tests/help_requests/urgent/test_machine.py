"""The life of an alarm: every state by every transition by who stands where; taken by exactly one (SPEC H4)."""

from __future__ import annotations

import random
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import select

from portal.cases.models import DONE, Case
from portal.core import audit, states
from portal.core.errors import DomainError, NotAllowed
from portal.help_requests.urgent import actions, filing, queries, registry
from portal.help_requests.urgent.errors import AlreadyTaken, CallFirst, NoSuchAlarm
from portal.help_requests.urgent.models import CLOSED, HANDED, MISTAKEN, MOVING, OPEN, RINGING, TAKEN, THERE, Alarm
from portal.help_requests.urgent.states import LABELS, MACHINE
from tests.concurrency import rush
from tests.factories import NOW

MINUTE = timedelta(minutes=1)
# Who may do the steps of an alarm of A1 that A1 has: its own people and the levels above.
MAY = {
    "A1": True,
    "A1-OP": True,
    "A": True,
    "D": True,
    "A2": False,
    "B1": False,
    "B": False,
    "ZFB": False,
    "D-LOOK": False,
}


def test_every_state_transition_and_place(session, town, press):
    alarm = press(0)
    actions.take(town.actor("A1"), alarm.id, NOW)
    for status in LABELS:
        alarm.status = status
        for who, may in MAY.items():
            actor = town.actor(who)
            can = {t.name for t in states.available(MACHINE, alarm, actor)}
            expected = {
                t.name for t in MACHINE.transitions
                if status in t.sources and t.permission and (may or (t.name == "take" and who not in ("ZFB", "D-LOOK")))
            }  # fmt: skip
            assert can == expected, (status, who)
    session.rollback()


def test_the_whole_way_and_its_case(session, town, press):
    alarm, a1 = press(0), town.actor("A1")
    actions.take(a1, alarm.id, NOW + MINUTE)
    case = session.get_one(Case, alarm.case_id)
    assert (case.owner_name, case.url) == ("A1管理员", f"/staff/urgent/{alarm.id}")
    actions.move(a1, alarm.id, 2, NOW + 2 * MINUTE)
    actions.arrive(a1, alarm.id, NOW + 9 * MINUTE)
    actions.close(a1, alarm.id, "已送医", NOW + 30 * MINUTE)
    assert alarm.status == CLOSED and case.status != DONE  # the report is still to be written
    assert alarm.report_by == NOW + timedelta(hours=24)
    with pytest.raises(states.ReasonMissing):
        actions.report(a1, alarm.id, " ", "", NOW + 31 * MINUTE)
    actions.report(a1, alarm.id, "老人摔倒，已送医院。", "区人民医院", NOW + 40 * MINUTE)
    session.commit()
    assert session.get_one(Case, alarm.case_id).status == DONE and alarm.departments == "区人民医院"
    verbs = list(session.scalars(select(audit.AuditLog.verb).where(audit.AuditLog.object_type == "urgent_alarm")))
    assert verbs == ["urgent.take", "urgent.move", "urgent.arrive", "urgent.close", "urgent.report"]


def test_by_mistake_only_after_a_call_and_handed_with_its_number(session, town, press):
    alarm, a1 = press(0), town.actor("A1")
    actions.take(a1, alarm.id, NOW)
    for reason, called in (("孩子按的", False), ("", True)):
        with pytest.raises(CallFirst):
            actions.mistake(a1, alarm.id, reason, called, NOW)
    actions.mistake(a1, alarm.id, "本人接的，孩子按的", True, NOW)
    assert alarm.status == MISTAKEN and session.get_one(Case, alarm.case_id).status == DONE
    assert queries.mistakes(alarm, NOW) == 1
    other = press(3)
    actions.take(town.actor("B1"), other.id, NOW)
    with pytest.raises(DomainError):
        actions.hand(town.actor("B1"), other.id, "911", "", NOW)
    actions.hand(town.actor("B1"), other.id, "120", "深急 20261125-7", NOW)
    assert (other.status, other.handed_to, other.handed_no) == (HANDED, "120", "深急 20261125-7")


def test_given_away_rings_again_and_a_neighbour_who_takes_it_has_the_case(session, town, press):
    for code in ("A1", "A", "A2", "D"):
        actions.here(town.actor(code), f"s-{code}", True, True, NOW)
    alarm = press(0)
    actions.take(town.actor("A1"), alarm.id, NOW)
    actions.give_away(town.actor("A1"), alarm.id, "两个人都在外面", NOW)
    assert (alarm.status, alarm.ring) == (RINGING, 2)
    with pytest.raises(NotAllowed):  # it does not ring there yet
        actions.take(town.actor("A2"), alarm.id, NOW + MINUTE)
    actions.take(town.actor("A2"), alarm.id, NOW + 4 * MINUTE)
    case = session.get_one(Case, alarm.case_id, populate_existing=True)
    assert case.waits_at_id == town.centres["A2"].id and case.owner_name == "A2管理员"
    with pytest.raises(AlreadyTaken, match="甲二社区A2管理员 10:04:00 已经接了"):
        actions.take(town.actor("A"), alarm.id, NOW + 4 * MINUTE)
    actions.move(town.actor("A2"), alarm.id, 1, NOW + 5 * MINUTE)


@pytest.mark.own_database
def test_twenty_take_at_once_and_one_has_it(app, session, town, press):
    alarm_id = press(0).id
    session.commit()
    people = [town.actor(who) for who in ("A1", "A1-OP", "A", "D")] * 5
    session.rollback()
    answers = rush(app, [lambda actor=actor: actions.take(actor, alarm_id, NOW).taken_by for actor in people])
    won = [a for a in answers if isinstance(a, str)]
    lost = [a for a in answers if isinstance(a, AlreadyTaken)]
    assert len(won) == 1 and len(lost) == 19 and all(won[0] in a.message for a in lost), answers
    session.expire_all()
    alarm = session.get_one(Alarm, alarm_id)
    assert alarm.taken_by == won[0] and len([h for h in states.history(MACHINE, [alarm_id]) if h.name == "take"]) == 1


STEPS: dict[str, Any] = {
    "take": actions.take, "move": lambda a, n, t: actions.move(a, n, 1, t),
    "arrive": actions.arrive, "give_away": lambda a, n, t: actions.give_away(a, n, "有事", t),
    "close": lambda a, n, t: actions.close(a, n, "已到场处理", t), "hand": lambda a, n, t: actions.hand(a, n, "110", "", t),
    "mistake": lambda a, n, t: actions.mistake(a, n, "打过", True, t), "force": actions.force,
    "report": lambda a, n, t: actions.report(a, n, "经过", "", t), "acknowledge": actions.acknowledge,
}  # fmt: skip


@pytest.mark.once
@pytest.mark.parametrize("seed", range(6))
def test_random_walks_keep_what_must_hold(session, town, press, seed):
    """The alarmed only grow until it is taken; its case is undone as long as something is to do; nothing rings once
    taken and moving; histories are a path."""
    dice = random.Random(seed)
    alarm, now, reached = press(0), NOW, set[int]()
    for _ in range(25):
        now += timedelta(seconds=dice.randint(1, 200))
        name, who = dice.choice(list(STEPS)), dice.choice([w for w in MAY if w not in ("ZFB", "D-LOOK")])
        before = session.get_one(Alarm, alarm.id, populate_existing=True).status
        try:
            if dice.random() < 0.15:
                filing.file(
                    filing.Pressed(f"{seed:08x}-0000-4000-8000-{int(now.timestamp()):012x}", "", None, alarm.resident),
                    now,
                )
            else:
                STEPS[name](town.actor(who), alarm.id, now)
            session.commit()
        except (DomainError, NoSuchAlarm):
            session.rollback()
        registry.ring_again(now)
        alarm = session.get_one(Alarm, alarm.id, populate_existing=True)
        rings = {s.centre_id for s in queries.reached(alarm.id, now) if s.ring == alarm.ring}
        if alarm.status == RINGING:
            assert before != RINGING or reached <= rings
            reached = rings
        sounds = any(d.rings and d.id == alarm.id for c in town.centres.values() for d in queries.desk(c.id, now))
        assert sounds == (alarm.status == RINGING)
        case = session.get_one(Case, alarm.case_id, populate_existing=True)
        assert (case.status == DONE) == (alarm.reported_at is not None), alarm.status
        assert alarm.status in (*OPEN, CLOSED, HANDED, MISTAKEN) and (alarm.taken_at is None) <= (
            alarm.status == RINGING
        )
    way = states.history(MACHINE, [alarm.id])
    assert all(a.to_status == b.from_status for a, b in pairwise(way))
    assert {TAKEN, MOVING, THERE} & {h.to_status for h in way} or alarm.status == RINGING
