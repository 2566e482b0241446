"""Who is above: the nearest level where somebody works; the page says so (I0)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from portal.cases import ladder
from portal.catalogue.actions import reviewing
from portal.core import outbox, scope
from portal.core.access import Permission, Role
from portal.feedback import actions as feedback
from portal.feedback.models import CallBack, Evaluation
from portal.notices.models import InboxMessage
from portal.people.actions import staff_accounts as people
from portal.people.models import StaffAccount
from portal.venues.models import PENDING
from tests.factories import NOW, Make, Town

F = Permission.FEEDBACK


def empty(session: Any, town: Town, *keys: str) -> None:
    """Nobody works there any more, whoever else does."""
    ids = [town.centres[key].id for key in keys]
    session.execute(update(StaffAccount).where(StaffAccount.centre_id.in_(ids)).values(disabled_at=NOW))
    session.commit()


def low(session: Any, town: Town, key: str = "A1") -> CallBack:
    me = town.residents[0]
    row = Evaluation(
        centre_id=town.centres[key].id, subject_kind="activity", subject_id=1, group_key="x", title="书法课",
        resident_id=me.id, person_key=f"r{me.id}", token="t1", asked_at=NOW, answer_until=NOW.replace(year=2027),
    )  # fmt: skip
    session.add(row)
    session.flush()
    feedback.give(row.id, 1, NOW)
    session.commit()
    found: CallBack = session.scalars(select(CallBack)).one()
    return found


def test_above_is_the_nearest_where_somebody_works(session: Any, town: Town) -> None:
    c = town.centres
    assert ladder.above(c["A1S"], F) == c["A1"] and ladder.above(c["D"], F) is None
    empty(session, town, "A", "A1")
    among = ladder.staffed(F)
    assert ladder.above(c["A1S"], F) == ladder.above(c["A1S"], F, among) == c["D"]
    assert ladder.desk(c["A1"], F) == c["D"] and ladder.desk(c["B"], F) == c["B"]
    assert ladder.step_over(c["A"], F) == (c["D"], "甲街道暂无值班账户，已由测试区处理")
    assert ladder.people_at(c["A1"], F) == [town.staff["D"].id]


def test_a_right_is_asked_for_not_a_role(session: Any, town: Town) -> None:
    """An inspector looks on: nothing waits for one."""
    session.execute(update(StaffAccount).where(StaffAccount.username == "a").values(role=Role.INSPECTOR))
    session.commit()
    assert ladder.above(town.centres["A1"], F) == town.centres["D"]
    assert ladder.above(town.centres["A1"], Permission.VIEW) == town.centres["A"]


def test_an_inbox_is_for_the_empty_levels_below_too(session: Any, town: Town) -> None:
    def codes(key: str) -> set[str]:
        ids = session.scalars(ladder.answers_for(town.actor(key), F)).all()
        return {code for code, centre in town.centres.items() if centre.id in ids}

    assert codes("A") == {"A"} and codes("ZFB") == set()
    empty(session, town, "A1", "A1S", "B")
    assert codes("A") == {"A", "A1", "A1S"} and codes("D") == {"D", "B"} and codes("B1") == {"B1"}


def test_the_last_account_goes_and_everything_rises_at_once(
    session: Any, town: Town, make: Make, client: FlaskClient, as_staff: Any
) -> None:
    call = low(session, town, "A1")
    with scope.system("test"):
        from portal.feedback import calling

        calling.hand_up(town.actor("A1"), call.id, "请街道办", NOW)
        entry = make.entry(town.centres["A1"], status="draft", published_at=None)
        reviewing.offer(town.actor("A1"), entry, NOW)
    room = make.venue(town.centres["A"], {d: [(540, 1260)] for d in range(7)}, needs_approval=True)
    booking = make.booking(room, resident=town.residents[0], status=PENDING)
    session.commit()
    assert {call.waits_at.code, entry.waits_at.code, booking.waits_at.code} == {"A"}
    as_staff(client, town.staff["D"])
    assert client.post(f"/staff/accounts/{town.staff['A'].id}/disable").status_code == 303
    session.rollback()
    session.expire_all()
    assert {call.waits_at.code, entry.waits_at.code, booking.waits_at.code} == {"D"}
    inbox = client.get("/staff").text
    assert "回访：书法课" in inbox and "甲一社区 12月清单" in inbox and "场地申请" in inbox
    sentence = "甲街道暂无值班账户，已由测试区处理"
    for page in (f"/staff/feedback/call-backs/{call.id}", f"/staff/catalogue/{entry.id}",
                 f"/staff/venues/bookings/{booking.id}"):  # fmt: skip
        assert sentence in client.get(page).text, page
    session.rollback()
    outbox.run_due(NOW)
    told = session.scalars(select(InboxMessage.title).where(InboxMessage.person_id == town.staff["D"].id)).all()
    assert "转来一件回访：《书法课》" in told and "甲街道的12月清单请您审核" in told


@pytest.mark.parametrize("gone", ["disable", "transfer", "demote"])
def test_what_a_gone_owner_had_is_free_for_colleagues(session: Any, town: Town, gone: str) -> None:
    from portal.feedback import calling

    call, boss = low(session, town), town.actor("D")
    calling.claim(town.actor("A1-OP"), call.id, NOW)
    account = town.staff["A1-OP"]
    steps: dict[str, Callable[[], None]] = {
        "disable": lambda: people.disable(boss, account, NOW),
        "transfer": lambda: people.transfer(
            boss, account, people.AccountValues("", "", "", town.centres["B1"].id, Role.OPERATOR), NOW
        ),
        "demote": lambda: people.change_role(boss, account, Role.INSPECTOR, NOW),
    }
    steps[gone]()
    session.commit()
    assert (call.case.status, call.owner_id, call.waits_at.code) == ("open", None, "A1")


def test_an_account_is_moved_on_a_page(session: Any, town: Town, client: FlaskClient, as_staff: Any) -> None:
    as_staff(client, town.staff["D"])
    address = f"/staff/accounts/{town.staff['A1-OP'].id}/transfer"
    assert "调到别的单位" in client.get(address).text
    assert client.post(address, data={"centre": "", "department": ""}).status_code == 422
    answer = client.post(address, data={"centre": str(town.centres["B1"].id), "department": ""}, follow_redirects=True)
    assert answer.status_code == 200 and "已调到乙一社区" in answer.text
    session.rollback()
    session.expire_all()
    assert session.get_one(StaffAccount, town.staff["A1-OP"].id).centre_id == town.centres["B1"].id
    as_staff(client, town.staff["A1"])
    assert client.get(f"/staff/accounts/{town.staff['B1'].id}/transfer").status_code == 404
    assert client.post(f"/staff/accounts/{town.staff['A1'].id}/transfer",
                       data={"centre": str(town.centres["A1S"].id)}).status_code == 422  # fmt: skip
