"""The organiser's page: every figure is that of its records; a message to all is seen before, sent once, not too often."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.catalogue.models import Entry
from portal.core import clock, outbox, scope
from portal.core.audit import AuditLog
from portal.core.db import writing
from portal.feedback.actions import give
from portal.feedback.models import Evaluation
from portal.notices.models import Delivery, InboxMessage
from portal.signup import actions, evaluating
from portal.signup.attendance import actions as attendance
from portal.signup.attendance.actions import Mark
from portal.signup.models import SignUp
from portal.signup.organiser.models import OrganiserMessage
from portal.signup.organiser.rules import LONGEST, MOST_A_DAY
from tests.factories import NOW, Make, Town

SignIn = Callable[[FlaskClient, Any], FlaskClient]


@pytest.fixture(autouse=True)
def _now() -> Any:
    with clock.frozen(NOW):
        yield


@pytest.fixture
def entry(session: Any, town: Town, make: Make) -> Entry:
    """Three of four who want to come have a place; it begins in half an hour."""
    start = NOW + timedelta(minutes=30)
    made = make.entry(town.centres["A1"], [(start, start + timedelta(hours=2))], title="智能手机课堂", capacity=3)
    for number in range(4):
        actions.sign_up(town.resident_actor(number), made.id, None, 0, NOW - timedelta(days=1))
    session.commit()
    return made


def carry_out(now: Any = NOW) -> None:
    with scope.system("test"):
        outbox.run_due(now)


def figure(page: str, name: str) -> str:
    found = re.search(rf'data-figure="organiser:{name}">([^<]*)<', page)
    assert found is not None, name
    return found[1]


def test_every_figure_is_that_of_its_records(
    session: Any, town: Town, entry: Entry, client: FlaskClient, as_staff: SignIn
) -> None:
    carry_out()
    people = [r.person_key for r in session.scalars(select(SignUp).order_by(SignUp.id))]
    session.rollback()
    date, over = entry.sessions[0].id, entry.last_end + timedelta(hours=2)
    with writing():
        marks = [Mark(f"mark-{key}", key, True, NOW, "list") for key in people[:2]]
        attendance.mark(town.actor("A1"), date, marks, [], NOW)
    with writing(), scope.system("test"):
        evaluating.ask(entry.id, over)
        asked = list(session.scalars(select(Evaluation).order_by(Evaluation.id)))
        give(asked[0].id, 1, over)
        give(asked[1].id, 5, over)
    as_staff(client, town.staff["A1"])
    page = client.get(f"/staff/activities/{entry.id}").text
    told = session.scalars(select(InboxMessage).where(InboxMessage.link == f"/services/{entry.id}",
                                                      InboxMessage.audience == "resident")).all()  # fmt: skip
    assert (figure(page, "taken"), figure(page, "waiting"), figure(page, "came")) == ("3 / 3", "1", "2")
    assert figure(page, "messages") == str(len(told)) == "4"
    assert (figure(page, "average"), figure(page, "calls")) == ("3.0", "1")
    assert "1 星" in page and "5 星" in page and "/staff/feedback/call-backs/" in page
    records = client.get(f"/staff/activities/{entry.id}/messages?kind=sign_up.confirmed").text
    assert records.count("<strong>居民") == 3
    assert town.residents[0].phone not in page + records


def test_a_message_is_seen_before_and_then_sent_once_to_those_people(
    session: Any, town: Town, entry: Entry, client: FlaskClient, as_staff: SignIn
) -> None:
    as_staff(client, town.staff["A1"])
    base, sent = f"/staff/activities/{entry.id}", {"words": "请带身份证", "to": ["confirmed"]}
    seen = client.post(f"{base}/preview", data=sent).text
    assert "请带身份证 有事请打电话 0755-84200001" in seen and "一共 <b>3</b> 人" in seen
    assert session.scalars(select(OrganiserMessage)).all() == []
    once = re.search(r'name="once" value="([^"]+)"', seen)[1]  # type: ignore[index]
    for _ in range(2):
        assert client.post(f"{base}/message", data={**sent, "once": once}).status_code == 303
    session.rollback()
    carry_out()
    carry_out()
    told = session.scalars(select(InboxMessage).where(InboxMessage.kind == "change.message")).all()
    assert {m.person_id for m in told} == {r.id for r in town.residents[:3]} and len(told) == 3
    assert len(session.scalars(select(Delivery).where(Delivery.kind == "change.message")).all()) == 3
    assert session.scalars(select(OrganiserMessage)).one().told == 3
    assert session.scalars(select(AuditLog.verb).where(AuditLog.verb == "sign_up.message")).all() == ["sign_up.message"]
    assert "“请带身份证”（3 人）" in client.get(base).text


@pytest.mark.parametrize(
    ("words", "to", "said"),
    [("", ["confirmed"], "请写要通知什么"), ("好", [], "请选发给谁"), ("好", ["odd"], "请选发给谁"),
     ("长" * (LONGEST + 1), ["confirmed"], "最多"), ("好", ["pending"], "现在没有人")],
)  # fmt: skip
def test_what_cannot_be_sent_says_why_and_keeps_what_was_typed(
    session: Any, town: Town, entry: Entry, client: FlaskClient, as_staff: SignIn, words: str, to: list[str], said: str
) -> None:
    as_staff(client, town.staff["A1"])
    for step in ("preview", "message"):
        answer = client.post(f"/staff/activities/{entry.id}/{step}", data={"words": words, "to": to})
        assert answer.status_code == 422 and said in answer.text
        assert words in answer.text
    assert session.scalars(select(OrganiserMessage)).all() == []


def test_not_more_than_some_a_day(
    session: Any, town: Town, entry: Entry, client: FlaskClient, as_staff: SignIn
) -> None:
    as_staff(client, town.staff["A1"])
    sent = {"words": "请带身份证", "to": ["confirmed", "waiting"]}
    for _ in range(MOST_A_DAY):
        assert client.post(f"/staff/activities/{entry.id}/message", data=sent).status_code == 303
    assert "一天最多发" in client.post(f"/staff/activities/{entry.id}/message", data=sent).text
    with clock.frozen(NOW + timedelta(days=1)):
        as_staff(client, town.staff["A1"])
        assert client.post(f"/staff/activities/{entry.id}/message", data=sent).status_code == 303


def test_of_what_is_cancelled_meanwhile_nobody_is_told(
    session: Any, town: Town, entry: Entry, client: FlaskClient, as_staff: SignIn
) -> None:
    as_staff(client, town.staff["A1"])
    client.post(f"/staff/activities/{entry.id}/message", data={"words": "请带身份证", "to": ["confirmed"]})
    session.rollback()
    entry.status = "cancelled"
    session.commit()
    carry_out()
    assert session.scalars(select(InboxMessage).where(InboxMessage.kind == "change.message")).all() == []


def test_neighbours_and_inspectors(town: Town, entry: Entry, client: FlaskClient, as_staff: SignIn) -> None:
    sent = {"words": "请带身份证", "to": ["confirmed"]}
    for who, seen, status in (("A2", 404, 404), ("B", 404, 404), ("D-LOOK", 200, 403)):
        as_staff(client, town.staff[who])
        assert client.get(f"/staff/activities/{entry.id}").status_code == seen
        assert client.post(f"/staff/activities/{entry.id}/message", data=sent).status_code == status
