"""Staff decide, enter callers, extend, merge (SPEC S3, S5): works; refused; odd input."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from portal.catalogue.models import Entry
from portal.core import outbox, scope
from portal.core.audit import AuditLog
from portal.core.errors import NotAllowed
from portal.core.states import NoSuchTransition, ReasonMissing
from portal.people.models import Relative, Resident
from portal.people.refusals import CallerNameMissing
from portal.signup import actions, staff_actions
from portal.signup.errors import EntryGone, NoRoom, SignUpGone, SignUpRefused
from portal.signup.models import SignUp
from portal.signup.staff_actions import CannotExtend, CannotMerge
from tests.factories import Make, Town
from tests.signup import counts


@pytest.fixture
def entry(town: Town, make: Make) -> Entry:
    return make.entry(town.centres["A1"], capacity=2, needs_review=True)


def fill(town: Town, entry: Entry, now: datetime, people: int) -> list[SignUp]:
    return [actions.sign_up(town.resident_actor(n), entry.id, None, 0, now) for n in range(people)]


def test_accept_and_refuse(session: Any, town: Town, entry: Entry, now: datetime) -> None:
    rows = fill(town, entry, now, 4)
    boss = town.actor("A1-OP")
    staff_actions.decide(boss, rows[0].id, True, "", now)
    staff_actions.decide(boss, rows[1].id, False, " 不在服务对象范围内 ", now)
    assert [r.status for r in rows] == ["confirmed", "refused", "pending", "waiting"]
    assert rows[1].refusal_reason == "不在服务对象范围内"
    assert counts(session, entry) == (2, 1)
    session.commit()
    verbs = session.scalars(select(AuditLog.verb).order_by(AuditLog.id)).all()
    assert verbs[-2:] == ["sign_up.accept", "sign_up.refuse"]


def test_refusing_needs_a_reason(session: Any, town: Town, entry: Entry, now: datetime) -> None:
    rows = fill(town, entry, now, 1)
    with pytest.raises(ReasonMissing):
        staff_actions.decide(town.actor("A1"), rows[0].id, False, "  ", now)
    assert rows[0].status == "pending"


def test_two_people_deciding(session: Any, town: Town, entry: Entry, now: datetime) -> None:
    rows = fill(town, entry, now, 1)
    staff_actions.decide(town.actor("A1"), rows[0].id, True, "", now)
    with pytest.raises(NoSuchTransition):
        staff_actions.decide(town.actor("A1-OP"), rows[0].id, False, "重复", now)
    assert rows[0].status == "confirmed"


def test_by_hand_past_the_queue_only_with_room(session: Any, town: Town, make: Make, now: datetime) -> None:
    entry = make.entry(town.centres["A1"], capacity=2, max_companions=1)
    actions.sign_up(town.resident_actor(0), entry.id, None, 0, now)
    party = actions.sign_up(town.resident_actor(1), entry.id, None, 1, now)
    single = actions.sign_up(town.resident_actor(2), entry.id, None, 0, now)
    with pytest.raises(NoRoom):
        staff_actions.decide(town.actor("A1"), party.id, True, "", now)
    staff_actions.decide(town.actor("A1"), single.id, True, "", now)
    assert (party.status, single.status) == ("waiting", "confirmed")
    assert counts(session, entry) == (2, 1)


def test_without_the_right_or_from_next_door(session: Any, town: Town, entry: Entry, now: datetime) -> None:
    rows = fill(town, entry, now, 1)
    look = town.actor("D-LOOK")
    for call in (
        lambda: staff_actions.decide(look, rows[0].id, True, "", now),
        lambda: staff_actions.withdraw_for(look, rows[0].id, "", now),
        lambda: staff_actions.add_by_staff(look, entry.id, "19900000099", "甲", "", 1, now),
        lambda: staff_actions.extend(look, entry.id, now + timedelta(days=1), now),
        lambda: staff_actions.offer_elsewhere(look, entry.id, 1, now),
    ):
        with pytest.raises(NotAllowed):
            call()
    neighbour = town.actor("A2")
    session.commit()
    with scope.use(scope.StaffScope(town.centres["A2"].path)):
        with pytest.raises(SignUpGone):
            staff_actions.decide(neighbour, rows[0].id, True, "", now)
        with pytest.raises(EntryGone):
            staff_actions.add_by_staff(neighbour, entry.id, "19900000099", "甲", "", 1, now)
    with scope.use(scope.StaffScope(town.centres["A"].path)):  # above may
        staff_actions.decide(town.actor("A"), rows[0].id, True, "", now)
    assert rows[0].status == "confirmed"


def test_a_known_caller(session: Any, town: Town, make: Make, now: datetime) -> None:
    entry = make.entry(town.centres["A1"], capacity=1)
    phone = town.residents[1].phone
    row = staff_actions.add_by_staff(town.actor("A1-OP"), entry.id, phone, "", "", 1, now)
    again = staff_actions.add_by_staff(town.actor("A1-OP"), entry.id, phone, "别的名字", "", 1, now)
    assert (row.id, row.resident_id, row.created_by, row.status) == (
        again.id,
        town.residents[1].id,
        "A1经办",
        "confirmed",
    )
    assert town.residents[1].name == "居民乙"  # a caller's word does not change what the person entered


def test_a_new_caller_for_a_relative(session: Any, town: Town, make: Make, now: datetime) -> None:
    entry = make.entry(town.centres["A1"], capacity=1)
    with pytest.raises(CallerNameMissing):
        staff_actions.add_by_staff(town.actor("A1"), entry.id, "19900000088", " ", "", 1, now)
    row = staff_actions.add_by_staff(town.actor("A1"), entry.id, "19900000088", "赵大姐", "赵爷爷", 1, now)
    resident = session.scalars(select(Resident).where(Resident.phone == "19900000088")).one()
    assert (resident.name, resident.consent_version) == ("赵大姐", "")
    assert session.get_one(Relative, row.relative_id).name == "赵爷爷"
    assert row.person_key == f"v{row.relative_id}"
    second = staff_actions.add_by_staff(town.actor("A1"), entry.id, "19900000088", "赵大姐", "赵爷爷", 1, now)
    assert second.id == row.id


@pytest.mark.parametrize("places", [0, -1, 3])
def test_odd_number_of_places(session: Any, town: Town, entry: Entry, now: datetime, places: int) -> None:
    with pytest.raises(SignUpRefused):
        staff_actions.add_by_staff(town.actor("A1"), entry.id, "19900000088", "赵大姐", "", places, now)


def test_staff_may_add_after_the_window_but_not_after_the_end(
    session: Any, town: Town, make: Make, now: datetime
) -> None:
    entry = make.entry(town.centres["A1"], sign_up_until=now)
    row = staff_actions.add_by_staff(town.actor("A1"), entry.id, "19900000088", "赵大姐", "", 1, now)
    assert row.status == "confirmed"
    with pytest.raises(SignUpRefused):
        staff_actions.add_by_staff(town.actor("A1"), entry.id, "19900000089", "钱大哥", "", 1, entry.last_end)


def test_extend(session: Any, town: Town, make: Make, now: datetime) -> None:
    entry = make.entry(town.centres["A1"], sign_up_until=now)
    version = entry.version
    with pytest.raises(SignUpRefused):
        actions.sign_up(town.resident_actor(0), entry.id, None, 0, now)
    staff_actions.extend(town.actor("A1-OP"), entry.id, now + timedelta(days=2), now)
    assert entry.version == version + 1
    assert actions.sign_up(town.resident_actor(0), entry.id, None, 0, now).status == "confirmed"
    for until in (now, entry.last_end + timedelta(hours=1)):
        with pytest.raises(CannotExtend):
            staff_actions.extend(town.actor("A1-OP"), entry.id, until, now)


def test_merge_asks_and_moves_nobody_without_a_yes(session: Any, town: Town, make: Make, now: datetime) -> None:
    small, other = make.entry(town.centres["A1"]), make.entry(town.centres["A1"], capacity=4)
    fill(town, small, now, 3)
    actions.sign_up(town.resident_actor(0), other.id, None, 0, now)  # is there already
    assert staff_actions.offer_elsewhere(town.actor("A1"), small.id, other.id, now) == 2
    asked = session.scalars(select(SignUp).where(SignUp.entry_id == other.id, SignUp.status == "offered")).all()
    assert len(asked) == 2
    assert counts(session, other) == (3, 0)
    assert counts(session, small) == (3, 0)
    assert asked[0].accept_by == other.first_start - timedelta(hours=24)
    actions.accept_offer(town.resident_actor(1), asked[0].id, now)
    session.commit()
    actions.lapse_offers(asked[1].accept_by)
    session.expire_all()
    assert [a.status for a in asked] == ["confirmed", "lapsed"]
    assert session.scalars(select(outbox.Outbox).where(outbox.Outbox.topic == "signup.merged")).all()


def test_merge_needs_room(session: Any, town: Town, make: Make, now: datetime) -> None:
    small, tight = make.entry(town.centres["A1"]), make.entry(town.centres["A1"], capacity=2)
    begun = make.entry(town.centres["A1"], sessions=[(now - timedelta(hours=1), now + timedelta(hours=1))])
    fill(town, small, now, 3)
    for target in (tight, small, begun):
        with pytest.raises(CannotMerge):
            staff_actions.offer_elsewhere(town.actor("A1"), small.id, target.id, now)
    assert counts(session, tight) == (0, 0)
