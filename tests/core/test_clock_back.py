"""The clock is set back an hour: nobody is signed out, nothing is told twice, what was meant for at once is done at once."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import TimestampSigner
from sqlalchemy import func, select

from portal.core import clock, outbox
from portal.core.db import db
from portal.notices import actions, claims, deliveries
from portal.notices.models import Delivery, InboxMessage
from portal.operations import work
from tests.factories import Town

HOUR = timedelta(hours=1)


def test_nobody_is_signed_out(app: Flask, client: FlaskClient, town: Town, as_resident: Any, monkeypatch: Any) -> None:
    with monkeypatch.context() as ahead:
        ahead.setattr(TimestampSigner, "get_timestamp", lambda _self: int(time.time()) + 3600)
        as_resident(client, town.residents[0])
    assert client.get("/me").status_code == 200
    with monkeypatch.context() as later:  # an old one still ends
        later.setattr(TimestampSigner, "get_timestamp", lambda _self: int(time.time()) + 200 * 24 * 3600)
        assert client.get("/me").status_code == 303


def test_what_was_meant_for_at_once_is_done_at_once(town: Town, now: datetime) -> None:
    actions.text_phone("19900000000", "t", "login_code", "a", now)
    outbox.put("x", "later", {}, now, due_at=now + timedelta(minutes=5))
    outbox.put("x", "now", {}, now)
    db.session.commit()
    due = outbox.due_ids(now - HOUR)
    assert len(due) == 1
    assert deliveries.deliver_due(now - HOUR).total() == 1


def test_a_lease_from_the_future_ends(town: Town, now: datetime) -> None:
    """A sender died before the clock was set back."""
    actions.text_phone("19900000000", "t", "change", "a", now)
    db.session.commit()
    assert len(claims.claim(["sms"], now, 10)) == 1
    assert claims.claim(["sms"], now - timedelta(seconds=5), 10) == []  # two machines never quite agree
    assert len(claims.claim(["sms"], now - HOUR, 10)) == 1


def test_daily_tasks_and_what_is_due_happen_once(town: Town, now: datetime) -> None:
    [task] = [daily for daily in work.DAILY if daily.name == "clean_up"]
    assert work.run_daily(task, now)
    with clock.frozen(now - timedelta(hours=7)):  # before its hour of today
        assert not work.run_daily(task, now - timedelta(hours=7))
    work.tick(now)
    count = select(func.count()).select_from(InboxMessage)
    texts = select(func.count()).select_from(Delivery)
    before = db.session.scalar(count), db.session.scalar(texts)
    db.session.rollback()
    for moment in (now - HOUR, now):
        work.tick(moment)
    assert (db.session.scalar(count), db.session.scalar(texts)) == before
