"""Texts leave through a gateway: claimed by one sender, tried again, given up visibly (SPEC M1, M2)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from portal.core import registry
from portal.core.db import db
from portal.notices import actions, claims, deliveries, rules, side_by_side
from portal.notices.gateways import GatewayError, Text, configured
from portal.notices.gateways.relay import SmsRelay, WechatRelay
from portal.notices.models import Delivery
from portal.notices.outcomes import RETRY_MINUTES
from tests.conftest import KIND
from tests.notices import gateway_server
from tests.notices.gateway_server import FakeGateway


@pytest.fixture
def gateway(app: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGateway]:
    with gateway_server.running() as fake:
        monkeypatch.setitem(app.config, "SMS_URL", fake.url)
        monkeypatch.setitem(app.config, "SMS_TOKEN", "secret-token")
        yield fake


def put(now: datetime, number: int = 1, kind: str = "change", urgent: bool = True) -> list[int]:
    for n in range(number):
        actions.text_phone(f"1990000{n:04d}", f"改到周日 {n}", kind, f"{kind}:{n}", now, urgent)
    db.session.commit()
    return list(db.session.scalars(select(Delivery.id).order_by(Delivery.id)))


def row(delivery_id: int) -> Delivery:
    db.session.rollback()
    db.session.expire_all()
    return db.session.get_one(Delivery, delivery_id)


def test_sent_with_token_key_and_chinese_text(session: Any, gateway: FakeGateway, now: datetime) -> None:
    first, second = put(now, 2)
    assert deliveries.deliver_due(now) == {"sent": 2}
    headers, body = gateway.received[0]
    assert headers["Authorization"] == "Bearer secret-token"
    assert len(headers["Idempotency-Key"]) == 64
    assert (body["phone"], body["text"]) == ("19900000000", "改到周日 0")
    assert row(first).outcome == row(second).outcome == "sent"
    assert row(first).leased_until is None
    assert deliveries.deliver_due(now) == {}
    assert len(gateway.received) == 2


def test_a_temporary_failure_is_tried_again_with_the_same_key(
    session: Any, gateway: FakeGateway, now: datetime
) -> None:
    (one,) = put(now)
    gateway.answers = [503, 429, 0]
    waits = []
    for _ in range(3):
        moment = row(one).due_at
        assert deliveries.deliver_due(moment) == {"later": 1}
        assert deliveries.deliver_due(moment) == {}  # not before its time
        waits.append((row(one).due_at - moment).total_seconds() / 60)
    assert waits == [1, 3, 10]
    assert "429" not in row(one).last_error
    assert row(one).last_error.startswith("短信网关：连接不上")
    assert deliveries.deliver_due(row(one).due_at) == {"sent": 1}
    assert len(set(gateway.keys())) == 1
    assert row(one).attempts == 4


def test_given_up_after_the_last_try(session: Any, gateway: FakeGateway, now: datetime) -> None:
    (one,) = put(now)
    gateway.answers = [500] * 20
    outcomes = []
    while row(one).done_at is None:
        outcomes.append(deliveries.deliver_due(row(one).due_at))
    assert outcomes == [{"later": 1}] * len(RETRY_MINUTES) + [{"failed": 1}]
    assert (row(one).outcome, row(one).last_error) == ("failed", "短信网关：对方答复 500")


def test_a_permanent_refusal_is_not_tried_again(session: Any, gateway: FakeGateway, now: datetime) -> None:
    bad, good = put(now, 2)
    gateway.answers = [422]
    assert deliveries.deliver_due(now) == {"failed": 1, "sent": 1}
    assert (row(bad).outcome, row(bad).attempts, row(good).outcome) == ("failed", 1, "sent")


def test_a_dead_gateway_is_left_alone_until_the_next_sweep(session: Any, gateway: FakeGateway, now: datetime) -> None:
    ids = put(now, 10)
    gateway.answers = [503] * 100
    assert deliveries.deliver_due(now) == {"later": side_by_side.IN_A_ROW}
    assert len(gateway.received) == side_by_side.IN_A_ROW
    assert all(row(i).leased_until is None and row(i).attempts == 0 for i in ids[side_by_side.IN_A_ROW :])
    gateway.answers = []
    assert deliveries.deliver_due(now)["sent"] == 10 - side_by_side.IN_A_ROW


def test_a_sender_that_died_loses_its_lease(session: Any, gateway: FakeGateway, now: datetime) -> None:
    (one,) = put(now)
    claimed = claims.claim([rules.SMS], now, 20)
    assert [c.id for c in claimed] == [one]
    assert deliveries.deliver_due(now) == {}
    later = now + claims.LEASE
    assert deliveries.deliver_due(later) == {"sent": 1}
    # The first one wakes up again: its lease is gone, so it may not mark.
    assert claims.mark(claimed, outcome="failed", done_at=later) == 0
    assert row(one).outcome == "sent"


@pytest.mark.own_database
def test_two_senders_share_the_work(app: Any, session: Any, gateway: FakeGateway, now: datetime) -> None:
    put(now, 60)
    counts: list[Any] = []

    def send() -> None:
        with app.app_context():
            counts.append(deliveries.deliver_due(now))

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(c["sent"] for c in counts) == 60
    assert len(gateway.received) == len(set(gateway.keys())) == 60


@pytest.mark.own_database
@pytest.mark.skipif(KIND != "postgresql", reason="SQLite has one writer at a time anyway")
def test_a_locked_row_is_skipped(app: Any, session: Any, now: datetime) -> None:
    ids = put(now, 3)
    with db.engine.connect() as other, other.begin():
        other.execute(select(Delivery.id).where(Delivery.id == ids[0]).with_for_update())
        assert [c.id for c in claims.claim([rules.SMS], now, 20)] == ids[1:]


def test_urgent_first(session: Any, gateway: FakeGateway, now: datetime) -> None:
    put(now, 3, urgent=False)
    actions.text_phone("19911110000", "验证码", "login_code", "code", now + timedelta(seconds=1))
    db.session.commit()
    deliveries.deliver_due(now + timedelta(seconds=2))
    assert gateway.phones()[0] == "19911110000"


def test_a_code_is_forgotten_once_sent_and_useless_when_late(session: Any, gateway: FakeGateway, now: datetime) -> None:
    put(now, 1, "login_code")
    fresh, late = put(now, 1, "login_code.resent")
    db.session.get_one(Delivery, late).created_at = now - timedelta(minutes=11)
    db.session.commit()
    assert deliveries.deliver_due(now) == {"sent": 1, "failed": 1}
    assert "改到周日" not in row(fresh).body
    assert len(gateway.received) == 1
    assert row(late).last_error == "已过时，没有再发"


def test_without_a_gateway_it_stays_here(session: Any, now: datetime) -> None:
    (one,) = put(now)
    with capture_logs() as logged:
        assert deliveries.deliver_due(now) == {"local": 1}
    assert (row(one).outcome, row(one).body) == ("local", "改到周日 0")
    assert len(logged) == 1 and "改到周日" not in str(logged)  # what it says may name somebody
    assert "19900000000" not in str(logged)


def test_behind_https_no_log_has_a_code_even_without_a_gateway(
    app: Any, session: Any, now: datetime, monkeypatch: Any
) -> None:
    monkeypatch.setitem(app.config, "HTTPS", True)
    registry.text_phone("19900000000", "验证码 123456，5 分钟内有效。", "login_code", "login-code:1", now)
    session.commit()
    with capture_logs() as logged:
        assert deliveries.deliver_due(now) == {"local": 1}
    assert len(logged) == 1 and not [line for line in logged if "123456" in str(line) or "19900000000" in str(line)]


def test_wechat_falls_back_to_sms(
    app: Any, session: Any, gateway: FakeGateway, now: datetime, monkeypatch: Any
) -> None:
    monkeypatch.setitem(app.config, "WECHAT_URL", gateway.url)
    (one,) = put(now)
    db.session.get_one(Delivery, one).channel = rules.WECHAT
    db.session.commit()
    gateway.answers = [404]
    assert deliveries.deliver_due(now)["failed"] == 1
    deliveries.deliver_due(now)
    assert [sorted(body) for _, body in gateway.received] == [
        ["data", "key", "template", "to"],
        ["key", "phone", "text"],
    ]
    assert gateway.phones() == ["19900000000", "19900000000"]


@pytest.mark.once
def test_errors_say_whether_to_try_again_and_never_whom() -> None:
    nobody = SmsRelay("http://127.0.0.1:1/", "t")
    with pytest.raises(GatewayError) as failed:
        nobody.send(Text("19900000000", "text", "k"))
    assert failed.value.temporary
    assert "1990000" not in str(failed.value)
    for url in ("ftp://x/", "", "http:///path"):
        with pytest.raises(ValueError):
            WechatRelay(url, "")
    settings = {
        "SMS_URL": "",
        "SMS_TOKEN": "",
        "WECHAT_URL": "https://w.example/x",
        "WECHAT_TOKEN": "t",
        "HTTPS": False,
    }
    assert [type(g).__name__ for g in configured(settings).values()] == ["Local", "WechatRelay", "Local"]


@pytest.mark.once
def test_a_gateway_that_never_answers_costs_its_timeout_only() -> None:
    import socket
    import time

    with socket.create_server(("127.0.0.1", 0)) as silent:
        gateway = SmsRelay(f"http://127.0.0.1:{silent.getsockname()[1]}/", "", timeout=0.2)
        began = time.monotonic()
        with pytest.raises(GatewayError):
            gateway.send(Text("19900000000", "text", "k"))
        assert time.monotonic() - began < 30  # it would never have answered


def test_thousands_that_came_too_late_are_over_in_one_run(session: Any, gateway: FakeGateway, now: datetime) -> None:
    old = now - timedelta(hours=1)
    rows = [
        actions.delivery_row(rules.SMS, "19900000000", "b", "login_code", None, f"c{n}", True, old, {})
        for n in range(1200)
    ]
    actions.outbox.insert_once(Delivery, rows)
    db.session.commit()
    assert deliveries.deliver_due(now, 2000) == {"failed": 1200}
    assert gateway.received == []
