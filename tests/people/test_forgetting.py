"""Whoever leaves is named nowhere any more, and what staff wrote about them is gone; the facts stay (SPEC P8, P9)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, text

from portal.core import audit, audit_chain, clock, outbox, scope
from portal.core.access import Actor
from portal.core.audit import AuditLog
from portal.core.db import db, writing
from portal.core.remarks import Remark
from portal.core.states import StateHistory
from portal.people import audit_proof
from portal.people.actions import resident_records
from portal.people.models import Resident
from portal.venues.actions import approval, booking
from portal.venues.models import Booking
from tests import marks
from tests.factories import NOW, Make, Town
from tests.venues.helping import staff, wish

WHY = "葛万里说那天要去医院"


@pytest.fixture
def booked(session: Any, town: Town, make: Make) -> Booking:
    """The first resident booked a room, and staff took it away again with a reason."""
    room = make.venue(town.centres["A1"])
    row = booking.book(town.resident_actor(0), wish(room), NOW)
    session.commit()
    with staff(town, "A1") as boss:
        approval.cancel(boss, row.id, WHY, NOW)
        session.commit()
    return row


def leave(town: Town) -> None:
    with writing(), scope.system("tests"):
        person = db.session.get_one(Resident, town.residents[0].id)
        resident_records.erase_resident(Actor("resident", person.id, person.name), person, clock.now())


def test_names_are_looked_up_and_never_kept(
    client: FlaskClient, session: Any, town: Town, booked: Booking, as_staff: Any
) -> None:
    lines = session.scalars(select(StateHistory).order_by(StateHistory.id)).all()
    assert [(h.name, h.actor_name) for h in lines] == [("book", ""), ("cancel", "A1管理员")]
    session.get_one(Resident, town.residents[0].id).name = "改过名"
    session.commit()
    address = f"/staff/venues/bookings/{booked.id}"
    page = as_staff(client, town.staff["A1"]).get(address).text
    assert page.count("改过名") >= 2 and WHY in page
    leave(town)
    page = client.get(address).text
    assert "已注销用户" in page and "改过名" not in page and WHY not in page


def test_the_audit_page_says_why_until_the_person_leaves(
    client: FlaskClient, session: Any, town: Town, booked: Booking, as_staff: Any
) -> None:
    as_staff(client, town.staff["A1"])
    for address in ("/staff/audit", "/staff/audit?what=去医院", "/staff/audit.csv"):
        assert WHY in client.get(address).text
    page = client.get("/staff/audit?what=没有写过").text
    assert WHY not in page and "没有符合条件的记录" in page
    assert "seal" not in client.get("/staff/audit").text
    leave(town)
    for address in ("/staff/audit", "/staff/audit.csv"):
        page = client.get(address).text
        assert WHY not in page and "取消" in page  # that it was cancelled, by whom and when, stays
    assert "已注销用户" in page


def test_the_chain_holds_and_its_seals_prove_the_words(session: Any, town: Town, booked: Booking) -> None:
    line = session.scalars(select(AuditLog).where(AuditLog.verb == "booking.cancel")).one()
    said = session.get_one(Remark, line.after["remark"])
    assert (said.words, line.after["seal"], line.summary) == (WHY, said.seal, "")
    leave(town)
    assert audit_chain.verify([]).fault is None
    assert not marks.left([WHY, "居民甲"], marks.tables())
    said = session.get_one(Remark, said.id, populate_existing=True)
    assert (said.words, said.salt) == ("", "")
    session.rollback()
    assert audit_proof.prove(NOW).broken is None


@pytest.mark.parametrize("words", ["别的话", ""])
def test_the_night_finds_words_that_were_changed_past_the_triggers(
    session: Any, town: Town, booked: Booking, words: str
) -> None:
    line = session.scalars(select(AuditLog.id).where(AuditLog.verb == "booking.cancel")).one()
    assert audit_proof.prove(NOW).broken is None
    with writing():
        if db.engine.dialect.name == "sqlite":
            db.session.execute(text("DROP TRIGGER remark_only_blanked"))
        else:
            db.session.execute(text("ALTER TABLE remark DISABLE TRIGGER USER"))
        db.session.execute(text("UPDATE remark SET words = :words"), {"words": words})
    assert audit_proof.prove(NOW).broken == line


def test_an_address_of_a_resident_is_not_kept_in_the_audit_log(session: Any, town: Town) -> None:
    actor = Actor("resident", town.residents[0].id, "居民甲", address="10.1.2.3")
    audit.record(actor, "erase", "resident", 1, NOW)
    session.commit()
    line = session.scalars(select(AuditLog)).one()
    assert (line.actor_name, line.address, line.actor_id) == ("", "", actor.id)


def test_messages_to_staff_about_somebody_who_left_say_nothing(
    session: Any, town: Town, make: Make, client: FlaskClient, as_staff: Any
) -> None:
    room = make.venue(town.centres["A1"], needs_approval=True)
    row = booking.book(town.resident_actor(0), wish(room, title="葛万里的寿宴"), NOW)
    session.commit()
    with staff(town, "A1") as boss:
        approval.hand_up(boss, row.id, WHY, NOW)
        session.commit()
    session.rollback()
    outbox.run_due(NOW + timedelta(minutes=1))
    as_staff(client, town.staff["A"])
    letter = client.get("/staff/inbox-messages").text
    assert "葛万里的寿宴" in letter and WHY in letter
    leave(town)
    letter = client.get("/staff/inbox-messages").text
    assert "葛万里" not in letter and "这位居民已注销" in letter
