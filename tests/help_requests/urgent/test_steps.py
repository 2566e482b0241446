"""Who is alarmed when is a question of the time alone: no scheduler, worker or queue has to live (SPEC H4)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from portal.core.db import db
from portal.help_requests.urgent import actions, filing, queries, registry, rules
from portal.help_requests.urgent.models import MOVING, RINGING, TAKEN, Alarm, AlarmStep, UrgentCall
from portal.help_requests.urgent.rules import Around, Place
from tests.factories import NOW

MINUTE = timedelta(minutes=1)
CODES = ("A1", "A", "A2", "D", "B", "B1", "B2")


def ringing(town: Any, now: Any) -> set[str]:
    """Where an alarm sounds at `now`."""
    db.session.commit()
    return {c for c in CODES if any(d.sounds for d in queries.desk(town.centres[c].id, now))}


def listen(town: Any, *codes: str, now: Any = NOW) -> None:
    for code in codes:
        actions.here(town.actor(code), f"session-{code}", True, True, now)


def test_community_and_level_above_at_once_then_wider(session, town, press):
    listen(town, "A1", "A", "A2", "D")
    press(0)
    assert ringing(town, NOW) == {"A1", "A"}
    assert ringing(town, NOW + 2.9 * MINUTE) == {"A1", "A"}
    assert ringing(town, NOW + 3 * MINUTE) == {"A1", "A", "A2", "D"}
    assert ringing(town, NOW + timedelta(hours=23)) == {"A1", "A", "A2", "D"}
    assert ringing(town, NOW + timedelta(hours=24)) == set()  # nothing older rings


def test_where_nobody_listens_nobody_waits(session, town, press):
    listen(town, "A", "A2", "D")
    press(0)
    assert ringing(town, NOW) == {"A1", "A", "A2", "D"}
    why = session.scalars(select(AlarmStep.why).where(AlarmStep.no == 1)).all()
    assert all("甲一社区现在没有人在线" in text for text in why)


def test_neighbours_are_data_and_each_centre_rings_once():
    own, above, top = Place(1, "甲"), Place(2, "街道"), Place(3, "区")
    near, far = [Place(4, "乙"), Place(5, "丙")], [Place(4, "乙"), Place(5, "丙"), Place(6, "丁")]
    found = rules.steps(Around(own, [above, top], near, far), NOW, rules.Policy())
    screens = [s for s in found if s.kind == "screen"]
    assert [(s.centre_id, (s.at - NOW) / MINUTE) for s in screens] == [(1, 0), (2, 0), (4, 3), (3, 3), (5, 6), (6, 6)]
    again = [s for s in found if s.kind == "phone" and s.no >= 3]
    assert [(s.at - NOW) / MINUTE for s in again] == [9, 14, 19, 24, 29, 34] and {s.centre_id for s in again} == {3}
    alone = rules.steps(Around(own, [], [], []), NOW, rules.Policy())
    assert [s.centre_id for s in alone if s.kind == "screen"] == [1]


@pytest.mark.once
def test_dapeng_knows_its_neighbours(app):
    with app.app_context():
        known = queries._neighbours("dapeng")
    assert len(known) == 25 and all(2 <= len(n) <= 3 and code not in n for code, n in known.items())
    assert known["440307009007"][0] == "440307009004"  # 坝光: over the hills to 高源, never across the bay


def test_taken_is_silent_and_not_moving_rings_again_without_a_scheduler(session, town, press):
    listen(town, "A1", "A", "A2", "D")
    alarm = press(0)
    actions.take(town.actor("A1"), alarm.id, NOW + MINUTE)
    session.commit()
    assert ringing(town, NOW + 2 * MINUTE) == set()
    late = NOW + 6 * MINUTE
    assert session.get_one(Alarm, alarm.id).status == TAKEN and ringing(town, late) == {"A1", "A"}
    assert ringing(town, late + 3 * MINUTE) == {"A1", "A", "A2", "D"}
    assert registry.ring_again(late) == 1 and registry.ring_again(late) == 0
    assert session.get_one(Alarm, alarm.id).status == RINGING and ringing(town, late) == {"A1", "A"}
    actions.take(town.actor("A"), alarm.id, late)
    actions.move(town.actor("A"), alarm.id, 2, late)
    session.commit()
    assert session.get_one(Alarm, alarm.id).status == MOVING and ringing(town, late + timedelta(hours=1)) == set()


def test_acknowledging_stops_ones_own_sound_only_and_pressing_again_rings_again(session, town, press):
    listen(town, "A1", "A", "A2", "D")
    alarm = press(0)
    actions.acknowledge(town.actor("A"), alarm.id, NOW)
    assert ringing(town, NOW) == {"A1"} and len(queries.desk(town.centres["A"].id, NOW)) == 1
    again = press(0, now=NOW + 4 * MINUTE)
    assert again.id == alarm.id and again.ring == 2
    assert ringing(town, NOW + 4 * MINUTE) == {"A1", "A", "A2", "D"}  # nobody who was alarmed is forgotten


def test_ten_minutes_later_it_is_another_one_and_the_same_key_is_the_same(session, town, press):
    first = press(phone="13900000001", key="00000000-0000-4000-8000-000000000001")
    assert press(phone="13900000001", key="00000000-0000-4000-8000-000000000001").id == first.id
    assert len(session.scalars(select(UrgentCall)).all()) == 1
    assert press(phone="13900000001", now=NOW + 9 * MINUTE).id == first.id
    assert press(phone="13900000002", now=NOW + 9 * MINUTE).id != first.id
    assert press(phone="13900000001", now=NOW + 20 * MINUTE).id != first.id


def test_a_good_position_alarms_who_is_near_and_a_rough_one_nobody(session, town, press):
    listen(town, "A1", "A", "A2", "D", "B1", "B")
    alarm = press(0)
    call, b1 = alarm.calls[0], town.centres["B1"]
    filing.locate(call.key, b1.latitude, b1.longitude, 5000, NOW)
    assert ringing(town, NOW) == {"A1", "A"}
    filing.locate(call.key, b1.latitude, b1.longitude, 30, NOW)
    assert ringing(town, NOW) == {"A1", "A", "B1", "B"} and alarm.centre_id == town.centres["A1"].id


def test_the_level_above_need_not_wait(session, town, press):
    listen(town, "A1", "A", "A2", "D")
    alarm = press(0)
    actions.force(town.actor("D"), alarm.id, NOW)
    assert ringing(town, NOW) == {"A1", "A", "A2", "D"}


def test_minutes_without_anybody():
    start, end = NOW, NOW + 60 * MINUTE
    spans = [(NOW + a * MINUTE, NOW + b * MINUTE) for a, b in ((30, 40), (-5, 10), (5, 8))]
    assert rules.uncovered(spans, start, end) == 40 and rules.uncovered([], start, end) == 60
    assert rules.uncovered([(start, end)], start, end) == 0
