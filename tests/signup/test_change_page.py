"""What was changed stands on the page, and leaving because of it is one tap from the message (SPEC C8)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.catalogue.actions import changing, entry_values
from portal.catalogue.models import Entry, EntryChange
from portal.core import clock, outbox
from portal.core.db import writing
from portal.notices.models import InboxMessage
from portal.signup import actions
from portal.signup.models import SignUp
from tests.factories import NOW, Make, Town

SignIn = Callable[[FlaskClient, Any], FlaskClient]


@pytest.fixture
def entry(town: Town, make: Make) -> Entry:
    # Withdrawing is over by now: only the change opens it again.
    return make.entry(town.centres["A1"], title="净滩行动", max_companions=2, withdraw_until=NOW + timedelta(hours=1))


def move(town: Town, entry: Entry, now: Any, who: str = "D", **values: Any) -> EntryChange:
    with writing():
        return changing.ask_change(
            town.actor(who), entry, replace(entry_values.values_of(entry), **values), "场地临时占用", now
        )


def test_old_and_new_of_every_change_until_the_day_is_over(
    session: Any, town: Town, entry: Entry, client: FlaskClient
) -> None:
    first, second = NOW + timedelta(hours=2), NOW + timedelta(hours=3)
    move(town, entry, first, place="二楼书吧")
    move(town, entry, second, contact="李社工")
    session.expire_all()
    evening = entry.last_end + timedelta(hours=3)
    for moment in (second, evening):
        with clock.frozen(moment):
            page = client.get(f"/services/{entry.id}").text
        assert "地点由 一楼大厅 改为 二楼书吧，因场地临时占用。" in page
        assert "联系人由 陈社工 改为 李社工，因场地临时占用。" in page
    with clock.frozen(evening + timedelta(days=1)):
        assert "一楼大厅 改为" not in client.get(f"/services/{entry.id}").text


def test_nothing_is_shown_before_the_publisher_agrees(town: Town, entry: Entry, client: FlaskClient) -> None:
    move(town, entry, NOW, who="A1", place="二楼书吧")
    assert "二楼书吧" not in client.get(f"/services/{entry.id}").text


def test_one_tap_from_the_message(
    session: Any, town: Town, entry: Entry, client: FlaskClient, as_resident: SignIn
) -> None:
    with writing():
        row = actions.sign_up(town.resident_actor(0), entry.id, None, 0, NOW)
    later = NOW + timedelta(hours=3)
    change = move(town, entry, later, place="二楼书吧")
    outbox.run_due(later)
    told = session.scalars(select(InboxMessage).where(InboxMessage.kind == "change.changed")).one()
    assert told.link == f"/services/{entry.id}/sign-up?change={change.id}"
    with clock.frozen(later):
        as_resident(client, town.residents[0])
        page = client.get(told.link).text
        assert "活动有变动，还来吗？" in page and "地点由 一楼大厅 改为 二楼书吧" in page
        assert page.count("来不了，退出") == 1 and "hx-confirm" not in page
        client.post(f"/services/{entry.id}/withdraw", data={"sign_up": row.id})
        session.rollback()
        assert session.get_one(SignUp, row.id).status == "withdrawn"
        # Opened again there is nothing to leave, and the page says so.
        assert "来不了，退出" not in client.get(told.link).text


@pytest.mark.parametrize("number", ["0", "999", "x"])
def test_a_change_that_is_not_there(
    session: Any, town: Town, entry: Entry, client: FlaskClient, as_resident: SignIn, number: str
) -> None:
    with writing():
        actions.sign_up(town.resident_actor(0), entry.id, None, 0, NOW)
    page = as_resident(client, town.residents[0]).get(f"/services/{entry.id}/sign-up?change={number}")
    assert page.status_code == 200 and "还来吗" not in page.text and "报上了" in page.text
