"""Who is looking: one statement, idle and absolute limits, last seen (SPEC P3)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.core import clock, pages, sessions
from portal.core.access import Role
from portal.core.db import db
from portal.core.sessions import WebSession
from portal.notices.models import InboxMessage
from portal.people import viewer
from tests.factories import Town


def open_one(session: Any, audience: Any, person_id: int, now: datetime) -> str:
    token = sessions.open_session(audience, person_id, now)
    session.commit()
    return token


def test_resident_with_home_and_unread_in_one_statement(
    session: Any, town: Town, now: datetime, count_queries: Any
) -> None:
    person = town.residents[0]
    token = open_one(session, "resident", person.id, now)
    for number, read in enumerate((None, None, now)):
        session.add(
            InboxMessage(
                audience="resident",
                person_id=person.id,
                kind="x",
                title="t",
                body="b",
                key=f"k{number}",
                created_at=now,
                read_at=read,
            )
        )
    session.add(
        InboxMessage(audience="staff", person_id=person.id, kind="x", title="t", body="b", key="s", created_at=now)
    )
    session.commit()
    with count_queries() as seen:
        found = viewer.load(token, now)
    assert len([s for s in seen if not s.startswith("BEGIN")]) == 1
    assert found is not None
    assert (found.id, found.audience, found.name, found.unread, found.elder) == (
        person.id,
        "resident",
        "居民甲",
        2,
        False,
    )
    assert found.home_centre is not None
    assert (found.home_centre.code, found.home_centre.short_name, found.home_centre.mark) == ("A1", "甲一社区", "甲")
    assert found.get_id() == token
    assert found.as_actor("192.0.2.1").kind == "resident"


def test_staff(session: Any, town: Town, now: datetime) -> None:
    found = viewer.load(open_one(session, "staff", town.staff["ZFB"].id, now), now)
    assert found is not None
    assert (found.role, found.department_name, found.level) == (Role.OPERATOR, "政法办", "district")
    assert found.post_label == "政法办 经办人"
    actor = found.as_actor("192.0.2.1")
    assert (actor.kind, actor.department_id, actor.centre_path) == ("staff", town.department.id, town.centres["D"].path)


@pytest.mark.parametrize(("audience", "who"), [("resident", 0), ("staff", "A1")])
def test_idle_and_absolute_limits(session: Any, town: Town, now: datetime, audience: Any, who: Any) -> None:
    person = town.residents[who] if audience == "resident" else town.staff[who]
    token = open_one(session, audience, person.id, now)
    idle, absolute = sessions.IDLE[audience], sessions.ABSOLUTE[audience]
    assert viewer.load(token, now + idle - timedelta(seconds=1)) is not None
    assert viewer.load(token, now + 2 * idle) is None
    row = session.get(WebSession, sessions.fingerprint(token))
    row.last_seen_at = now + absolute - timedelta(minutes=1)
    session.commit()
    assert viewer.load(token, now + absolute - timedelta(seconds=1)) is not None
    assert viewer.load(token, now + absolute) is None


def test_nobody(session: Any, town: Town, now: datetime) -> None:
    assert viewer.load("no such token", now) is None
    account = town.staff["A1"]
    token = open_one(session, "staff", account.id, now)
    account.disabled_at = now
    session.commit()
    assert viewer.load(token, now) is None
    person = town.residents[0]
    token = open_one(session, "resident", person.id, now)
    person.erased_at = now
    session.commit()
    assert viewer.load(token, now) is None


@pytest.mark.parametrize("method", ["get", "post"])
def test_last_seen_moves_at_most_every_five_minutes(
    app: Flask, client: FlaskClient, town: Town, as_resident: Any, now: datetime, method: str
) -> None:
    as_resident(client, town.residents[0])

    def seen_at() -> datetime:
        db.session.rollback()
        return db.session.query(WebSession).one().last_seen_at

    def look() -> None:
        if method == "get":
            assert client.get("/me/relatives").status_code == 200
        else:
            assert client.post("/me/relatives", data={"name": "王秀英", "relation": "母亲"}).status_code == 303

    with clock.frozen(now + timedelta(minutes=4)):
        look()
    assert seen_at() == now
    with clock.frozen(now + timedelta(minutes=6)):
        look()
    assert seen_at() == now + timedelta(minutes=6)


def test_a_locked_database_does_not_stop_a_page(
    app: Flask, client: FlaskClient, town: Town, as_resident: Any, now: datetime
) -> None:
    as_resident(client, town.residents[0])
    with db.engine.connect() as other:
        other.exec_driver_sql("UPDATE web_session SET agent = 'held'")  # a write that does not end
        if db.engine.dialect.name == "postgresql":
            other.rollback()  # a row lock would rightly be waited for; SQLite locks the whole file
        with clock.frozen(now + timedelta(minutes=6)):
            assert client.get("/me/relatives").status_code == 200
        other.rollback()


def test_visitor_chooses_a_centre_and_elder_mode(client: FlaskClient, town: Town) -> None:
    client.set_cookie("centre", "B1")
    client.set_cookie("elder", "1")
    page = client.get("/privacy").text
    assert 'class="elder"' in page
    assert pages.phone_text(town.centres["B1"].phone) in page
    client.set_cookie("centre", "nonsense" * 10)
    client.set_cookie("elder", "0")
    page = client.get("/privacy").text
    assert 'class="elder"' not in page
    assert town.centres["B1"].phone not in page
