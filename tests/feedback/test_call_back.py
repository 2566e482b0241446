"""A call-back has an owner, a clock and an outcome; it is handed up, closed, reopened once (SPEC S7, V6)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.cases import deadlines
from portal.cases.errors import NobodyAbove
from portal.cases.models import Case
from portal.core import clock, scope, states
from portal.core.access import Actor, system_actor
from portal.core.audit import AuditLog
from portal.core.db import db, writing
from portal.core.errors import DomainError, NotAllowed, Stale
from portal.core.scope import StaffScope
from portal.core.states import NoSuchTransition, ReasonMissing
from portal.feedback import actions, calling
from portal.feedback.errors import CannotSayAgain, NoSuchCallBack, UnknownOutcome, WordsTooLong
from portal.feedback.models import CLAIMED, DONE, OPEN, CallBack
from portal.feedback.states import MACHINE
from portal.notices.models import Delivery, InboxMessage
from tests.factories import NOW, Town
from tests.feedback.conftest import deliver

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Low = Callable[..., CallBack]
# What each step may start from; everything else is refused.
ALLOWED = {
    "claim": {OPEN, CLAIMED}, "try": {OPEN, CLAIMED}, "close": {OPEN, CLAIMED}, "hand_up": {OPEN, CLAIMED},
    "hand_back": {OPEN, CLAIMED}, "reopen": {DONE}, "drop": {OPEN, CLAIMED},
}  # fmt: skip


def letters(session: Any, audience: str = "staff") -> list[tuple[int, str]]:
    session.rollback()
    rows = session.execute(
        select(InboxMessage.person_id, InboxMessage.title)
        .where(InboxMessage.audience == audience, InboxMessage.kind != "evaluation")
        .order_by(InboxMessage.id)
    )
    return [tuple(r) for r in rows]


def who(step: str, town: Town) -> Actor:
    if step == "reopen":
        return town.resident_actor(0)
    return system_actor() if step == "drop" else town.actor("A" if step == "hand_back" else "A1")


@pytest.mark.parametrize("status", [OPEN, CLAIMED, DONE])
@pytest.mark.parametrize("step", [t.name for t in MACHINE.transitions])
def test_every_status_and_step(session: Any, town: Town, low: Low, status: str, step: str) -> None:
    call = low()
    db.session.execute(db.update(CallBack).values(status=status))
    if step == "hand_back":
        db.session.execute(db.update(Case).values(waits_at_id=town.centres["A"].id))
    session.refresh(call)
    actor = who(step, town)
    names = {t.name for t in states.available(MACHINE, call, actor)}
    if status in ALLOWED[step]:
        assert step in names
        states.fire(MACHINE, call, step, actor, NOW, "原因")
        assert call.status == MACHINE.transition(step).target
    else:
        assert step not in names
        with pytest.raises(NoSuchTransition):
            states.fire(MACHINE, call, step, actor, NOW, "原因")
        assert call.status == status


@pytest.mark.parametrize("key", ["A1S", "A2", "B1", "D-LOOK"])
def test_others_have_no_buttons(town: Town, low: Low, key: str) -> None:
    call = low()
    assert not states.available(MACHINE, call, town.actor(key))


def test_claim_try_close_and_the_resident_hears(session: Any, town: Town, low: Low) -> None:
    call = low(words="门锁着")
    due = call.due_at
    calling.claim(town.actor("A1-OP"), call.id, NOW + HOUR)
    assert (call.status, call.owner_name, call.due_at) == (CLAIMED, "A1经办", due)
    for hours in (2, 3):
        calling.tried(town.actor("A1-OP"), call.id, "没人接", NOW + hours * HOUR)
    assert (call.tries, call.last_try_at, call.due_at) == (2, NOW + 3 * HOUR, due)
    calling.close(town.actor("A1-OP"), call.id, "已解决", "已当面道歉。", NOW + 4 * HOUR)
    session.commit()
    assert (call.status, call.outcome, call.closed_at) == (DONE, "已解决", NOW + 4 * HOUR)
    deliver(NOW + 4 * HOUR)
    found = letters(session, "resident")
    assert found == [(town.residents[0].id, "《书法课》的意见有回音了")]
    text = session.scalars(select(Delivery.body).order_by(Delivery.id.desc()).limit(1)).one()
    assert "甲一社区回访：已当面道歉。如果还没解决" in text and text.endswith(f"/rate/{call.evaluation.token}")
    names = [h.name for h in states.history(MACHINE, [call.id])]
    assert names == ["open", "claim", "try", "try", "close"]
    verbs = list(session.scalars(select(AuditLog.verb).where(AuditLog.object_type == "call_back")))
    assert verbs == ["call_back.claim", "call_back.try", "call_back.try", "call_back.close"]


def test_a_colleague_takes_over(town: Town, low: Low) -> None:
    call = low()
    calling.claim(town.actor("A1-OP"), call.id, NOW)
    with pytest.raises(NotAllowed):
        calling.claim(town.actor("A1-OP"), call.id, NOW)
    calling.claim(town.actor("A1"), call.id, NOW)
    assert call.owner_name == "A1管理员"


def test_handing_up_never_resets_the_clock(session: Any, town: Town, low: Low) -> None:
    call = low()
    due = call.due_at
    calling.claim(town.actor("A1"), call.id, NOW)
    calling.hand_up(town.actor("A1"), call.id, "要街道协调", NOW + DAY)
    assert (call.waits_at.code, call.status, call.owner_id, call.due_at) == ("A", OPEN, None, due)
    with pytest.raises(NotAllowed, match="已交给甲街道"):
        calling.claim(town.actor("A1"), call.id, NOW + DAY)
    calling.hand_up(town.actor("A"), call.id, "要新区定", NOW + 2 * DAY)
    assert (call.waits_at.code, call.due_at, call.opened_at) == ("D", due, NOW)
    with pytest.raises(NobodyAbove):
        calling.hand_up(town.actor("D"), call.id, "再往上", NOW + 2 * DAY)
    assert "hand_up" not in {t.name for t in states.available(MACHINE, call, town.actor("D"))}
    session.commit()
    deliver(NOW + 2 * DAY)
    titles = [title for person, title in letters(session) if person == town.staff["D"].id]
    assert titles == ["甲一社区交来一件回访：《书法课》"]


def test_what_does_not_belong_above_goes_back_with_the_reason(session: Any, town: Town, low: Low) -> None:
    call = low()
    due = call.due_at
    with pytest.raises(NotAllowed, match="本来就由甲一社区办"):
        calling.hand_back(town.actor("A1"), call.id, "退", NOW)
    calling.hand_up(town.actor("A1"), call.id, "请街道办", NOW + HOUR)
    with pytest.raises(NotAllowed):
        calling.hand_back(town.actor("A1"), call.id, "拿回来", NOW + HOUR)
    calling.hand_back(town.actor("A"), call.id, "社区可以办", NOW + 2 * HOUR)
    assert (call.waits_at.code, call.status, call.owner_id, call.due_at) == ("A1", OPEN, None, due)
    session.commit()
    deliver(NOW + 2 * HOUR)
    told = letters(session)
    assert (town.staff["A1-OP"].id, "上级退回一件回访：《书法课》") in told
    assert town.staff["A"].id not in {person for person, _ in told}, "it was gone again before the message left"


@pytest.mark.parametrize(
    ("outcome", "words", "error"),
    [
        ("", "说了", UnknownOutcome), ("很好", "说了", UnknownOutcome), ("已解决", "  ", ReasonMissing),
        ("已解决", "长" * 501, WordsTooLong),
    ],
)  # fmt: skip
def test_closing_needs_an_outcome_and_words(
    session: Any, town: Town, low: Low, outcome: str, words: str, error: type[DomainError]
) -> None:
    call = low()
    with pytest.raises(error) as caught:
        calling.close(town.actor("A1"), call.id, outcome, words, NOW)
    assert caught.value.status == 422 and caught.value.field in ("outcome", "reason")
    session.rollback()
    assert session.get_one(CallBack, call.id).status == OPEN


def test_overdue_is_told_to_the_owner_and_a_day_later_above(session: Any, town: Town, low: Low) -> None:
    call = low()
    calling.claim(town.actor("A1-OP"), call.id, NOW)
    session.commit()
    due = call.due_at
    assert deadlines.overdue(due - HOUR) == 0
    assert deadlines.overdue(due) == 1 and deadlines.overdue(due) == 0, "two schedulers tell once"
    deliver(due)
    late = [row for row in letters(session) if "超时" in row[1]]
    assert late == [(town.staff["A1-OP"].id, "回访超时了：《书法课》")]
    assert deadlines.overdue(due + DAY - HOUR) == 0
    assert deadlines.overdue(due + DAY) == 1 and deadlines.overdue(due + 9 * DAY) == 0
    deliver(due + DAY)
    late = [row for row in letters(session) if "超时" in row[1]][1:]
    assert late == [(town.staff["A"].id, "甲一社区的回访超时一天：《书法课》")]


def test_nobody_is_warned_of_what_was_closed_meanwhile(session: Any, town: Town, low: Low) -> None:
    call = low()
    session.commit()
    assert deadlines.overdue(call.due_at) == 1
    calling.close(town.actor("A1"), call.id, "已解决", "好了", call.due_at)
    session.commit()
    deliver(call.due_at)
    assert not [row for row in letters(session) if "超时" in row[1]]
    assert deadlines.overdue(call.due_at + 9 * DAY) == 0


def closed(town: Town, low: Low, now: datetime = NOW) -> CallBack:
    call = low()
    calling.close(town.actor("A1"), call.id, "已解释，居民认可", "说明了情况", now)
    db.session.commit()
    return call


def test_not_solved_goes_to_the_level_above_with_a_time_of_its_own(
    session: Any, town: Town, low: Low, client: FlaskClient
) -> None:
    call = closed(town, low, NOW + HOUR)
    address = f"/rate/{call.evaluation.token}"
    page = client.get(address).text
    assert "说明了情况" in page and "还没解决" in page
    with clock.frozen(NOW + 3 * DAY):
        answer = client.post(f"{address}/again", data={"again": "门还是锁着"}, headers={"HX-Request": "true"})
        assert answer.status_code == 200 and "甲街道会在" in answer.text
        assert client.post(f"{address}/again", data={}).status_code == 409
    session.rollback()
    session.expire_all()
    call = session.get_one(CallBack, call.id)
    assert (call.waits_at.code, call.status, call.outcome, call.owner_id) == ("A", OPEN, "", None)
    assert NOW + 5 * DAY <= call.due_at < NOW + 6 * DAY and call.case.clocks[-1].told == 0
    session.commit()
    deliver(NOW + 3 * DAY)
    assert (town.staff["A"].id, "居民说还没解决：《书法课》") in letters(session)
    session.rollback()
    with pytest.raises(NotAllowed, match="由上级回访"):
        calling.hand_back(town.actor("A"), call.id, "社区可以办", NOW + 3 * DAY)
    calling.close(town.actor("A"), call.id, "已解决", "换了锁", NOW + 4 * DAY)
    session.commit()
    with clock.frozen(NOW + 4 * DAY):
        assert "还没解决？" not in client.get(address).text
    with pytest.raises(CannotSayAgain, match="已经说过一次"):
        actions.say_again(call.evaluation_id, "", NOW + 4 * DAY)
    assert states.history(MACHINE, [call.id])[2].details == {"outcome": "已解释，居民认可"}


def test_not_solved_too_late_or_too_long(session: Any, town: Town, low: Low, client: FlaskClient) -> None:
    call = closed(town, low)
    address = f"/rate/{call.evaluation.token}/again"
    answer = client.post(address, data={"again": "长" * 301})
    assert answer.status_code == 422 and "最多 300 个字" in answer.text and "长" * 301 in answer.text
    with clock.frozen(NOW + 8 * DAY):
        answer = client.post(address, data={})
    assert answer.status_code == 409 and "7 天" in answer.text


@pytest.mark.own_database
def test_two_close_at_once_and_one_is_told(app: Flask, session: Any, town: Town, low: Low) -> None:
    call_id, actor = low().id, town.actor("A1")
    session.rollback()

    def press(_number: int) -> str:
        with app.app_context(), scope.system("test"):
            try:
                with writing():
                    calling.close(actor, call_id, "已解决", "好了", NOW)
                return "closed"
            except (Stale, NoSuchTransition):
                return "told"
            finally:
                db.session.remove()

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(press, range(6))) == ["closed"] + ["told"] * 5


@pytest.mark.parametrize("key", ["A1S", "A2", "B1", "B", "ZFB"])
def test_a_foreign_centres_staff_find_nothing(
    session: Any, town: Town, low: Low, client: FlaskClient, as_staff: Any, key: str
) -> None:
    call = low(words="只有甲一知道")
    as_staff(client, town.staff[key])
    base = f"/staff/feedback/call-backs/{call.id}"
    assert client.get(base).status_code == 404
    for step in ("claim", "try", "hand-up", "hand-back", "close", "phone"):
        assert client.post(f"{base}/{step}", data={"outcome": "已解决", "reason": "x"}).status_code == 404
    for page in ("", "?show=all", "/evaluations", "/averages"):
        text = client.get(f"/staff/feedback{page}").text
        assert "只有甲一知道" not in text and "书法课" not in text
    account = town.staff[key]
    with scope.use(StaffScope(account.centre.path, account.department_id)), pytest.raises(NoSuchCallBack):
        calling.claim(town.actor(key), call.id, NOW)
