"""Everybody is asked once, by one message with a link of their own (SPEC S7)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.catalogue.models import Entry
from portal.core import outbox
from portal.core.db import db
from portal.core.outbox import Outbox
from portal.feedback import actions
from portal.feedback.actions import Ask
from portal.feedback.models import Evaluation
from portal.notices.models import Delivery, InboxMessage
from portal.people.models import Relative
from portal.signup import evaluating
from portal.signup.models import SignUp
from tests.factories import NOW, Make, Town
from tests.feedback.conftest import deliver

HOUR = timedelta(hours=1)


def over(make: Make, town: Town, ended: timedelta = 2 * HOUR, status: str = "published", **values: Any) -> Entry:
    end = NOW - ended
    return make.entry(town.centres["A1"], [(end - 2 * HOUR, end)], taken=1, status=status, **values)


def signed_up(entry: Entry, resident_id: int, status: str = "confirmed", relative_id: int | None = None) -> SignUp:
    row = SignUp(
        entry_id=entry.id, resident_id=resident_id, relative_id=relative_id, status=status, centre_id=entry.centre_id,
        person_key=f"v{relative_id}" if relative_id else f"r{resident_id}", created_at=NOW,
    )  # fmt: skip
    db.session.add(row)
    db.session.commit()
    return row


def count(model: Any) -> int:
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def test_confirmed_people_are_asked_once_whatever_runs_twice(session: Any, town: Town, make: Make) -> None:
    entry = over(make, town)
    for number, status in enumerate(("confirmed", "confirmed", "withdrawn", "waiting")):
        signed_up(entry, town.residents[number].id, status)
    assert evaluating.ask_after(NOW) == 1
    assert evaluating.ask_after(NOW) == 0, "a second scheduler"
    assert deliver() == 1
    assert evaluating.ask_after(NOW + HOUR) == 0, "a later tick"
    assert evaluating.ask(entry.id, NOW) == 0, "a repeated handler"
    session.commit()
    rows = list(session.scalars(select(Evaluation).order_by(Evaluation.id)))
    assert [r.resident_id for r in rows] == [town.residents[0].id, town.residents[1].id]
    assert len({r.token for r in rows}) == 2 and all(len(r.token) >= 22 for r in rows)
    letters = list(session.scalars(select(InboxMessage).order_by(InboxMessage.id)))
    assert [m.link for m in letters] == [f"/rate/{r.token}" for r in rows]
    assert {m.kind for m in letters} == {"evaluation"} and entry.title in letters[0].title


def test_two_runs_at_once_ask_once(app: Flask, session: Any, town: Town, make: Make) -> None:
    """Another scheduler wrote the effect after we had looked: the key decides, not the look."""
    entry = over(make, town)
    signed_up(entry, town.residents[0].id)
    outbox.put("signup.evaluate", str(entry.id), {"entry_id": entry.id}, NOW)
    session.commit()
    assert evaluating.ask_after(NOW) == 0
    session.rollback()
    evaluating.ask(entry.id, NOW)
    evaluating.ask(entry.id, NOW)
    session.commit()
    deliver()
    assert count(Evaluation) == 1 and count(InboxMessage) == 1


@pytest.mark.parametrize(
    ("ended", "values"),
    [
        (timedelta(minutes=59), {}),
        (timedelta(days=7, minutes=1), {}),
        (2 * HOUR, {"status": "cancelled"}),
        (2 * HOUR, {"walk_in": True}),
    ],
    ids=["too early", "too late", "cancelled", "nobody signed up"],
)
def test_nobody_is_asked(session: Any, town: Town, make: Make, ended: timedelta, values: dict[str, Any]) -> None:
    signed_up(over(make, town, ended, **values), town.residents[0].id)
    assert evaluating.ask_after(NOW) == 0
    session.rollback()
    assert count(Outbox) == 0


def test_an_activity_that_is_not_over_or_cancelled_meanwhile_asks_nobody(session: Any, town: Town, make: Make) -> None:
    coming = make.entry(town.centres["A1"], taken=1)
    signed_up(coming, town.residents[0].id)
    gone = over(make, town)
    signed_up(gone, town.residents[0].id)
    assert evaluating.ask_after(NOW) == 1
    gone.status = "cancelled"
    session.commit()
    deliver()
    assert evaluating.ask(coming.id, NOW) == 0
    session.commit()
    assert count(Evaluation) == 0


def test_who_signed_up_mother_and_self_is_asked_for_each(session: Any, town: Town, make: Make) -> None:
    me = town.residents[0]
    mother = Relative(resident_id=me.id, name="王秀英", relation="母亲", created_at=NOW)
    session.add(mother)
    session.commit()
    entry = over(make, town)
    signed_up(entry, me.id)
    signed_up(entry, me.id, relative_id=mother.id)
    assert evaluating.ask(entry.id, NOW) == 2
    session.commit()
    bodies = list(session.scalars(select(InboxMessage.body).order_by(InboxMessage.id)))
    assert "王秀英" not in bodies[0] and "王秀英" in bodies[1]


def test_the_text_message_holds_the_link_and_staff_do_not_read_it(
    session: Any, town: Town, client: Any, as_staff: Any, asked: Any
) -> None:
    row = asked()
    text = session.scalars(select(Delivery.body)).one()
    assert text.endswith(f" https://portal.example/rate/{row.token}")
    token = row.token
    session.commit()
    page = as_staff(client, town.staff["A1"]).get("/staff/messages").text
    assert "书法课" in page and token not in page and "链接只给本人" in page


def test_many_are_asked_by_a_fixed_number_of_statements(
    session: Any, town: Town, make: Make, count_queries: Any
) -> None:
    people = make.residents(20, town.centres["A1"])
    centre = town.centres["A1"].id
    asks = [Ask("test", 1, "g", centre, p.id, None, "课", "今天") for p in people]
    session.commit()
    seen = []
    for part in (asks[:3], asks[3:]):
        with count_queries() as statements:
            assert actions.invite(part, NOW) == len(part)
        seen.append(len([s for s in statements if not s.startswith(("BEGIN", "PRAGMA"))]))
        session.commit()
    assert seen[0] == seen[1] <= 6


def test_a_message_at_night_waits_for_the_morning(session: Any, town: Town, asked: Any) -> None:
    night: datetime = NOW.replace(hour=15)  # 23:00 in Shanghai
    asked(now=night)
    assert session.scalars(select(Delivery.due_at)).one() == night.replace(hour=0) + timedelta(days=1)
