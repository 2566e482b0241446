"""Many sign-ups decided at once: asked once, nobody told and nothing moved until it cannot be taken back (S3, Q9)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.catalogue import bulk_rules
from portal.catalogue.actions import bulk_steps
from portal.catalogue.actions.taking_back import NotTakenBack, take_back
from portal.catalogue.models import BulkStep, Entry
from portal.core import clock, outbox, scope
from portal.core.db import db, writing
from portal.core.errors import NotAllowed
from portal.core.states import ReasonMissing
from portal.notices.models import InboxMessage
from portal.signup import actions, reviewing, staff_actions
from portal.signup.models import SignUp, SignUpReview
from tests.factories import NOW, Make, Town
from tests.signup import counts

SignIn = Callable[[FlaskClient, Any], FlaskClient]
EFFECT = NOW + bulk_rules.TAKE_BACK


@pytest.fixture
def entry(town: Town, make: Make) -> Entry:
    return make.entry(town.centres["A1"], capacity=3, title="志愿者招募", needs_review=True)


@pytest.fixture
def ids(session: Any, town: Town, entry: Entry) -> list[int]:
    """Three that hold the places, and one that waits."""
    found = [actions.sign_up(town.resident_actor(n), entry.id, None, 0, NOW).id for n in range(4)]
    session.commit()
    outbox.run_due(NOW)
    return found


def statuses(session: Any, ids: list[int]) -> list[str]:
    session.rollback()
    session.expire_all()
    with scope.system("test"):
        return [session.get_one(SignUp, i).status for i in ids]


def decide(town: Town, entry: Entry, ids: list[int], yes: bool, at: datetime = NOW, who: str = "A1") -> BulkStep:
    with writing():
        reviewing.review(town.actor(who), entry.id, ids, yes, "" if yes else "名额只给社区志愿者", at)
    with scope.system("test"):
        return db.session.scalars(select(BulkStep).order_by(BulkStep.id.desc()).limit(1)).one()


def told(session: Any, kind: str) -> int:
    session.rollback()
    return len(session.scalars(select(InboxMessage.id).where(InboxMessage.kind == kind)).all())


def test_nothing_happens_until_it_cannot_be_taken_back(session: Any, town: Town, entry: Entry, ids: list[int]) -> None:
    decide(town, entry, ids[:2], True)
    decide(town, entry, ids[2:3], False)
    outbox.run_due(EFFECT - timedelta(seconds=1))
    assert statuses(session, ids) == ["pending", "pending", "pending", "waiting"]
    assert counts(session, entry) == (3, 1)
    assert told(session, "sign_up.confirmed") == told(session, "sign_up.refused") == 0
    outbox.run_due(EFFECT)
    assert statuses(session, ids) == ["confirmed", "confirmed", "refused", "pending"]  # the queue has moved up
    assert counts(session, entry) == (3, 0)
    assert (told(session, "sign_up.confirmed"), told(session, "sign_up.refused")) == (2, 1)
    with scope.system("test"):
        assert session.get_one(SignUp, ids[2]).refusal_reason == "名额只给社区志愿者"
    assert session.scalars(select(SignUpReview)).all() == []
    outbox.run_due(EFFECT + timedelta(hours=1))
    assert told(session, "sign_up.confirmed") == 2


def test_taken_back_in_time_nobody_hears_of_it(session: Any, town: Town, entry: Entry, ids: list[int]) -> None:
    step = decide(town, entry, ids[:3], False)
    with writing(), pytest.raises(NotAllowed):
        reviewing.take_back(town.actor("A1-OP"), entry.id, step.id, NOW)
    with writing():
        assert reviewing.take_back(town.actor("A1"), entry.id, step.id, EFFECT - timedelta(seconds=1)) == 3
    with writing(), pytest.raises(NotTakenBack):
        reviewing.take_back(town.actor("A1"), entry.id, step.id, NOW)
    outbox.run_due(EFFECT)
    assert statuses(session, ids) == ["pending"] * 3 + ["waiting"]
    assert counts(session, entry) == (3, 1)
    assert told(session, "sign_up.refused") == 0
    decide(town, entry, ids[:3], True, NOW + timedelta(minutes=1))  # and now the right one
    outbox.run_due(EFFECT + timedelta(minutes=1))
    assert statuses(session, ids) == ["confirmed"] * 3 + ["waiting"]


def test_too_late(session: Any, town: Town, entry: Entry, ids: list[int]) -> None:
    step = decide(town, entry, ids[:1], True)
    with writing(), pytest.raises(NotTakenBack, match="超过 10 分钟"):
        reviewing.take_back(town.actor("A1"), entry.id, step.id, EFFECT)
    outbox.run_due(EFFECT)
    # A press that had begun in time and waited for the worker finds that people have been told.
    with writing(), pytest.raises(NotTakenBack, match="已经生效"):
        reviewing.take_back(town.actor("A1"), entry.id, step.id, EFFECT - timedelta(seconds=1))
    assert statuses(session, ids[:1]) == ["confirmed"]


def test_of_what_begins_soon_it_takes_effect_at_once(session: Any, town: Town, entry: Entry, ids: list[int]) -> None:
    assert entry.first_start is not None
    late = entry.first_start - timedelta(minutes=90)
    step = decide(town, entry, ids[:1], True, late)
    outbox.run_due(late)
    assert statuses(session, ids[:1]) == ["confirmed"]
    with writing(), pytest.raises(NotTakenBack, match="已经生效"):
        reviewing.take_back(town.actor("A1"), entry.id, step.id, late)


def test_what_happens_meanwhile_wins(session: Any, town: Town, entry: Entry, ids: list[int]) -> None:
    """One withdrew, one was decided alone: neither is touched again, and the figures are those of the rows."""
    decide(town, entry, ids[:3], False)
    later = NOW + timedelta(minutes=5)
    with writing():
        staff_actions.decide(town.actor("A1-OP"), ids[0], True, "", later)
        with scope.system("test"):
            actions.withdraw(town.resident_actor(1), ids[1], later)
    assert statuses(session, ids) == ["confirmed", "withdrawn", "pending", "pending"]
    outbox.run_due(EFFECT)
    assert statuses(session, ids) == ["confirmed", "withdrawn", "refused", "pending"]
    assert counts(session, entry) == (2, 0)
    assert told(session, "sign_up.refused") == 1


def test_only_what_waits_is_decided(session: Any, town: Town, make: Make, entry: Entry, ids: list[int]) -> None:
    other = make.entry(town.centres["A1"], needs_review=True)
    with scope.system("test"):
        foreign = actions.sign_up(town.resident_actor(4), other.id, None, 0, NOW).id
    session.commit()
    decide(town, entry, ids[:1], True)
    with writing():
        _, found = reviewing.review(town.actor("A1"), entry.id, [*ids, foreign, 987654], True, "", NOW)
    assert (found.done, found.left) == (2, 4)  # decided already, waiting, of another activity, not there
    with writing(), pytest.raises(ReasonMissing):
        reviewing.review(town.actor("A1"), entry.id, ids, False, "  ", NOW)
    with writing(), pytest.raises(NotAllowed):
        reviewing.review(town.actor("D-LOOK"), entry.id, ids, True, "", NOW)


def test_its_steps_are_not_the_boards(session: Any, town: Town, entry: Entry, ids: list[int]) -> None:
    step = decide(town, entry, ids[:1], True)
    assert bulk_steps.open_steps(town.actor("A1"), NOW) == []
    with pytest.raises(NotAllowed):
        take_back(town.actor("A1"), step.id, NOW)
    assert statuses(session, ids[:1]) == ["pending"]


def test_what_no_worker_carried_out_is_not_forgotten(session: Any, town: Town, entry: Entry, ids: list[int]) -> None:
    """The worker stood still for two days, and others decide meanwhile: it still takes effect."""
    assert entry.first_start is not None
    decide(town, entry, ids[:1], True, entry.first_start - timedelta(days=4))
    decide(town, entry, ids[1:2], True, entry.first_start - timedelta(days=2))
    outbox.run_due(entry.first_start - timedelta(days=1))
    assert statuses(session, ids[:2]) == ["confirmed", "confirmed"]
    decide(town, entry, ids[2:3], True, entry.first_start - timedelta(hours=23))
    assert len(session.scalars(select(BulkStep.id)).all()) == 1  # those that are over are forgotten


def test_deciding_costs_the_same_for_two_and_for_forty(
    session: Any, town: Town, make: Make, count_queries: Callable[[], Any]
) -> None:
    seen = []
    for many in (2, 40):
        entry = make.entry(town.centres["A1"], capacity=100, needs_review=True)
        rows = [
            SignUp(
                entry_id=entry.id,
                centre_id=entry.centre_id,
                resident_id=town.residents[0].id,
                person_key=f"x{n}",
                status="pending",
                created_at=NOW,
            )
            for n in range(many)
        ]
        session.add_all(rows)
        entry.taken = many
        session.commit()
        ids = [r.id for r in rows]
        with count_queries() as counted:
            decide(town, entry, ids, True)
        with count_queries() as settled:
            outbox.run_due(EFFECT)
        seen.append((len(counted), len(settled)))
    assert all(many <= few for few, many in zip(*seen, strict=True)), seen


def test_the_pages(
    session: Any, town: Town, entry: Entry, ids: list[int], client: FlaskClient, as_staff: SignIn
) -> None:
    desk = f"/staff/sign-ups/{entry.id}"
    with clock.frozen(NOW):
        as_staff(client, town.staff["A1"])
        assert "全部通过（3）…" in client.get(desk).text
        ask = client.get(f"{desk}/review?do=pass&row={ids[0]}&row={ids[1]}").text
        assert "通过 2 份报名？" in ask
        assert f"{clock.hour(EFFECT)} 生效并通知本人，在那以前可以撤回" in ask
        hidden = re.search(r'name="ids" value="([\d,]+)"', ask)
        assert hidden
        body = client.post(f"{desk}/review", data={"do": "pass", "ids": hidden[1]}, follow_redirects=True).text
        assert f"通过 2 份，{clock.hour(EFFECT)} 生效并通知本人" in body
        assert body.count("将通过") == 2
        assert "待审核 <b>1</b>" in body
        assert "1 份待审核" in client.get("/staff/sign-ups").text
        assert "1 份报名待审核" in client.get("/staff").text
        undo = re.search(rf"{desk}/steps/\d+/undo", body)
        assert undo
        assert "撤回了 2 份" in client.post(undo[0], follow_redirects=True).text
        assert "已经撤回" in client.post(undo[0], follow_redirects=True).text
        assert "待审核 <b>3</b>" in client.get(desk).text
        refused = client.post(f"{desk}/review", data={"do": "refuse", "ids": hidden[1], "reason": " "})
        assert refused.status_code == 422
        assert "请写明原因" in refused.text
        assert hidden[0] in refused.text
        assert "还没有勾选" in client.get(f"{desk}/review?do=pass", follow_redirects=True).text
        assert "还没有勾选" in client.post(f"{desk}/review", data={"do": "pass"}, follow_redirects=True).text
        assert client.get(f"{desk}/review?do=pass&row={ids[3]}").text.count("没有可以审核的") == 1
    assert statuses(session, ids) == ["pending"] * 3 + ["waiting"]
