"""Too few people (SPEC S5, C8): longer sign-up is a change that everybody hears of; merging goes to what fits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from portal.catalogue.actions import urgent
from portal.catalogue.models import EntryChange
from portal.core import outbox, scope
from portal.notices.models import InboxMessage
from portal.signup import actions, queries_staff, staff_actions
from portal.signup.staff_actions import CannotExtend
from tests.factories import NOW, Make, Town


def told(session: Any, person: int) -> list[str]:
    wanted = select(InboxMessage.body).where(InboxMessage.audience == "resident", InboxMessage.person_id == person)
    return list(session.scalars(wanted.order_by(InboxMessage.id)))


def test_longer_sign_up_takes_effect_at_once_is_told_and_may_be_undone(session: Any, town: Town, make: Make) -> None:
    entry = make.entry(town.centres["A1"], sign_up_until=NOW + timedelta(hours=2))
    before, until = entry.sign_up_until, NOW + timedelta(days=3)
    actions.sign_up(town.resident_actor(0), entry.id, None, 0, NOW)
    staff_actions.extend(town.actor("A1"), entry.id, until, NOW)
    session.commit()
    change = session.scalars(select(EntryChange)).one()
    assert (entry.sign_up_until, change.status) == (until, "urgent")
    session.rollback()
    with scope.system("test"):
        outbox.run_due(NOW)
    assert "报名人数不足" in told(session, town.residents[0].id)[-1]
    staff = select(InboxMessage).where(InboxMessage.audience == "staff", InboxMessage.person_id == town.staff["D"].id)
    assert session.scalars(staff).all(), "the publisher hears of it"
    session.rollback()
    with scope.system("test"):
        urgent.undo_change(town.actor("D"), session.get_one(EntryChange, change.id), "名单已经报上去了", NOW)
        session.commit()
    assert entry.sign_up_until == before


@pytest.mark.parametrize("until", [NOW - timedelta(hours=1), NOW + timedelta(hours=1), NOW + timedelta(days=90)])
def test_it_must_be_longer_and_not_longer_than_the_activity(session: Any, town: Town, make: Make, until: Any) -> None:
    entry = make.entry(town.centres["A1"], sign_up_until=NOW + timedelta(hours=2))
    with pytest.raises(CannotExtend):
        staff_actions.extend(town.actor("A1"), entry.id, until, NOW)


def test_merging_offers_the_same_series_first_and_only_what_has_room(session: Any, town: Town, make: Make) -> None:
    a1, later = town.centres["A1"], timedelta(hours=1)
    small = make.entry(a1, title="智能手机课（第3期）", taken=3)
    other = make.entry(a1, [(NOW + later, NOW + 2 * later)], title="别的活动")
    issue = make.entry(a1, [(NOW + 3 * later, NOW + 4 * later)], title="智能手机课（第4期）")
    make.entry(a1, title="只剩两个名额", capacity=2)
    make.entry(a1, title="有人候补", capacity=9, waiting=1)
    with scope.system("test"):
        assert queries_staff.merge_targets(small, NOW) == [issue, other]
