"""A day's limit, calls, delivery's problems and costs (SPEC M2, M3)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from portal.core import clock
from portal.core.access import Actor
from portal.notices import actions, deliveries, kinds, queries, rules
from portal.notices.models import Delivery, InboxMessage
from tests.factories import Town


def tell(
    session: Any, town: Town, now: datetime, number: int, kind: str = "reminder.day", urgent: bool = False
) -> None:
    for n in range(number):
        told = [actions.Told(person.id, f"{kind}:{n}") for person in town.residents[:2]]
        actions.tell_residents(told, kind, "明天见", "别忘了", "/me", now, urgent=urgent)
    session.commit()


def outcomes(session: Any) -> list[str]:
    session.rollback()
    return list(session.scalars(select(Delivery.outcome).order_by(Delivery.id)))


def test_a_days_limit_keeps_the_rest_in_the_inbox(session: Any, town: Town, now: datetime) -> None:
    tell(session, town, now, rules.PER_DAY + 2)
    assert outcomes(session).count("capped") == 4  # two too many for two people
    assert len(session.scalars(select(InboxMessage)).all()) == 2 * (rules.PER_DAY + 2)
    assert deliveries.deliver_due(now) == {"local": 2 * rules.PER_DAY}


def test_the_next_day_counts_anew_and_what_must_come_comes(session: Any, town: Town, now: datetime) -> None:
    tell(session, town, now, rules.PER_DAY)
    tell(session, town, now, 1, "change.changed", urgent=True)
    tell(session, town, now, 1, "call_back.closed")
    assert "capped" not in outcomes(session)
    tell(session, town, now, 1, "sign_up.confirmed")
    assert outcomes(session).count("capped") == 2
    tell(session, town, now + timedelta(days=1), 1, "booking.approved")
    assert outcomes(session).count("capped") == 2


def test_many_at_once_are_counted_one_by_one(session: Any, town: Town, now: datetime) -> None:
    me = town.residents[0].id
    told = [actions.Told(me, f"k{n}") for n in range(rules.PER_DAY + 3)]
    actions.tell_residents(told, "sign_up.confirmed", "报上了", "…", "/me", now)
    session.commit()
    assert outcomes(session).count("capped") == 3


@pytest.fixture
def voice(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.config, "VOICE_URL", "https://voice.example/")


def test_whoever_wishes_is_rung_of_what_is_urgent_but_not_at_night(
    session: Any, town: Town, voice: None, now: datetime
) -> None:
    actions.choose(town.residents[0], ["sign_up"], rules.SMS, calls=True)
    session.commit()
    night = clock.at(clock.today(now), clock.time(23))
    tell(session, town, night, 1, "change.cancelled", urgent=True)
    tell(session, town, night, 1, "place.offered", urgent=True)
    found = session.execute(select(Delivery.channel, Delivery.recipient, Delivery.due_at).order_by(Delivery.id)).all()
    calls = [row for row in found if row.channel == rules.VOICE]
    assert [row.recipient for row in calls] == [town.residents[0].phone]
    assert calls[0].due_at == rules.due_at(night, urgent=False) > night
    assert sum(row.channel == rules.SMS for row in found) == 4


def test_without_a_voice_gateway_nobody_is_offered_calls(
    app: Any, client: Any, as_resident: Any, town: Town, monkeypatch: Any
) -> None:
    me = as_resident(client, town.residents[0])
    assert "打电话告诉我" not in me.get("/me/inbox/choices").text
    monkeypatch.setitem(app.config, "VOICE_URL", "https://voice.example/")
    assert "打电话告诉我" in me.get("/me/inbox/choices").text
    me.post("/me/inbox/choices", data={"kind": ["sign_up"], "calls": "1"})
    assert "checked" in me.get("/me/inbox/choices").text.split('name="calls"')[1][:80]


# --- What did not arrive, and what it cost ----------------------------------------------------------------------------


def put(session: Any, town: Town, now: datetime) -> None:
    """Two months, two kinds; of what left one was not received, one failed, one is in doubt."""
    plan = [
        ("change.changed", "sent", 2, None, now), ("change.cancelled", "sent", 1, False, now),
        ("sign_up.confirmed", "sent", 1, True, now), ("sign_up", "failed", 0, None, now),
        ("sign_up", "unknown", 0, None, now), ("sign_up", "capped", 0, None, now),
        ("change", "sent", 3, None, now - timedelta(days=40)),
    ]  # fmt: skip
    for number, (kind, outcome, pieces, received, at) in enumerate(plan):
        row = actions.delivery_row(rules.SMS, f"1990000{number:04d}", "内容", kind, None, f"c{number}", True, at, {})
        row |= {"outcome": outcome, "done_at": at, "pieces": pieces, "received": received, "last_error": "原因",
                "receipt_at": at if received is not None else None}  # fmt: skip
        actions.outbox.insert_once(Delivery, [row])
    session.commit()


def actor_of(town: Town) -> Actor:
    top = town.staff["D"]
    return Actor("staff", top.id, top.name, top.centre_id, town.centres["D"].path, top.role)


def test_costs_by_month_kind_and_way_come_from_one_query(session: Any, town: Town, now: datetime) -> None:
    put(session, town, now)
    found = [(c.month, c.kind, c.sent, c.pieces, c.lost) for c in queries.costs(actor_of(town))]
    assert found == [
        ("2026-11", "sign_up", 1, 1, 2), ("2026-11", "change", 2, 3, 1), ("2026-10", "change", 1, 3, 0),
    ]  # fmt: skip
    counts = queries.delivery_counts(actor_of(town), queries.Wanted(), now)
    assert counts == {"waiting": 0, "failed": 1, "unknown": 1, "unreceived": 1, "capped": 1, "local": 0, "sent": 2}


def test_a_month_is_shanghais(session: Any, town: Town) -> None:
    for hour, key in ((15, "a"), (16, "b")):  # 23:00 and midnight there
        at = datetime(2026, 11, 30, hour, tzinfo=clock.UTC)
        row = actions.delivery_row(rules.SMS, "19900000000", "x", "change", None, key, True, at, {})
        actions.outbox.insert_once(Delivery, [row | {"outcome": "sent", "done_at": at, "pieces": 1}])
    session.commit()
    assert [(c.month, c.sent) for c in queries.costs(actor_of(town))] == [("2026-12", 1), ("2026-11", 1)]


def test_the_pages_show_problems_and_money(
    app: Any, client: Any, as_staff: Any, session: Any, town: Town, now: datetime, monkeypatch: Any
) -> None:
    put(session, town, now)
    monkeypatch.setitem(app.config, "SMS_PRICE", 0.05)
    staff = as_staff(client, town.staff["D"])
    page = staff.get("/staff/messages").text
    assert "为什么没到" in page and "不确定" in page and "没送到" in page
    assert staff.get("/staff/messages?state=unreceived").text.count("重发") >= 1
    assert "已收到" in staff.get("/staff/messages?state=sent").text
    costs = staff.get("/staff/messages/costs").text
    assert "计费 <b>4</b> 条" in costs and "约 <b>0.20</b> 元" in costs and "约 <b>0.15</b> 元" in costs


def test_what_is_in_doubt_or_was_not_received_may_be_sent_again(session: Any, town: Town, now: datetime) -> None:
    put(session, town, now)
    ids = session.scalars(select(Delivery.id).where(Delivery.outcome != "capped").order_by(Delivery.id)).all()
    assert actions.send_again(actor_of(town), ids, now) == 3
    session.commit()
    again = session.execute(select(Delivery.kind, Delivery.received).where(Delivery.done_at.is_(None))).all()
    assert sorted(again) == [("change.cancelled", None), ("sign_up", None), ("sign_up", None)]


def test_all_at_once_sends_what_failed_only(session: Any, town: Town, now: datetime) -> None:
    """What is in doubt may have arrived: somebody looks at each."""
    put(session, town, now)
    assert actions.send_again(actor_of(town), [], now) == 1


def test_urgent_and_codes_have_their_ranks(session: Any, now: datetime) -> None:
    assert rules.rank(True, True) < rules.rank(False, True) < rules.rank(False, False)
    assert all(kinds.of(code).code == code for code in kinds.CODES)
    session.execute(update(Delivery).values(rank=rules.LAST))
    actions.text_phone("1", "b", "login_code.again", "k", now)
    assert session.scalars(select(Delivery.rank)).one() == rules.CODE
