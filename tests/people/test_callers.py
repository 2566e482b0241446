"""A number that staff type never becomes a name in another tree, on whatever form (SPEC P8)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.core import clock, outbox, scope
from portal.core.audit import AuditLog
from portal.core.remarks import Remark
from portal.feedback import queries as feedback
from portal.feedback.models import Evaluation
from portal.notices.models import Delivery, InboxMessage
from portal.people import rules
from portal.people.actions import callers, resident_records
from portal.people.models import PhoneLookup, Resident
from portal.people.refusals import CallerNameMissing, LookupsFull
from portal.signup import evaluating
from portal.signup.models import SignUp
from portal.venues.models import Booking
from tests.factories import Make, Town
from tests.people.conftest import one, plain, rows

REAL, TYPED = "独特名甲子", "随便写的"


@pytest.fixture
def stranger(town: Town, session: Any) -> Resident:
    """At home in B1, entered by A1's staff."""
    person: Resident = town.residents[3]
    person.name, person.address = REAL, "乙一独特路1号"
    session.commit()
    return person


Enter = Callable[[FlaskClient, str, str], Any]


def _sign_up(town: Town, make: Make) -> tuple[Enter, list[str]]:
    entry = make.entry(town.centres["A1"], capacity=9)

    def enter(client: FlaskClient, phone: str, name: str) -> Any:
        return client.post(f"/staff/sign-ups/{entry.id}/add", data={"phone": phone, "name": name, "relative": ""})

    base = f"/staff/sign-ups/{entry.id}"
    return enter, [base, f"{base}/sign-ups.csv"]


def _booking(town: Town, make: Make) -> tuple[Enter, list[str]]:
    room = make.venue(town.centres["A1"], name="多功能厅")
    wish = {"venue_id": str(room.id), "day": "2026-11-26", "start": "14:00", "end": "16:00", "who": "caller",
            "relative": "", "people": "3", "title": "合唱队排练", "needs": ""}  # fmt: skip

    def enter(client: FlaskClient, phone: str, name: str) -> Any:
        return client.post("/staff/venues/book", data=wish | {"phone": phone, "name": name})

    plan = "/staff/venues/plan?centre=A1&day=2026-11-26"
    return enter, ["/staff/venues/bookings", "/staff/venues/bookings/1", plan, f"{plan}&view=week"]


FORMS = pytest.mark.parametrize("form", [_sign_up, _booking])
# Each address by which staff enter somebody by number; tests/house/test_phone_fields.py keeps it whole.
ENTERED_BY_NUMBER = {"signup_staff.add": _sign_up, "venues_staff.book_for": _booking}


@FORMS
def test_another_trees_number_stays_a_number(
    app: Flask, client: FlaskClient, town: Town, make: Make, session: Any, stranger: Resident, as_staff: Any,
    as_resident: Any, form: Any,
) -> None:  # fmt: skip
    enter, pages = form(town, make)
    as_staff(client, town.staff["A1-OP"])
    # Without a name the answer is that for a number which nobody has.
    unknown, known = (plain(enter(client, n, "").text) for n in ("19900009990", stranger.phone))
    assert unknown == known and "请写上来电人的姓名" in known
    assert enter(client, stranger.phone, TYPED).status_code == 303
    boss = as_staff(app.test_client(), town.staff["A"])
    for reader in (client, boss):
        for page in pages:
            text = reader.get(page).text
            assert REAL not in text and "乙一" not in text, page
        assert any(TYPED in reader.get(page).text for page in pages)
    session.rollback()
    (line,) = rows(select(AuditLog).where(AuditLog.verb.endswith(".add")))
    said = one(select(Remark)).words
    assert stranger.phone[-4:] in said and stranger.phone not in said and REAL not in said and TYPED not in said
    assert line.after["remark"] and not any(word in line.summary for word in (REAL, TYPED, stranger.phone[-4:]))
    # The owner says that it is them: from then on they are known by name.
    row = one(select(SignUp)) if form is _sign_up else one(select(Booking))
    own = f"/services/{row.entry_id}" if form is _sign_up else f"/venues/bookings/{row.id}"
    person = as_resident(app.test_client(), stranger)
    assert TYPED in person.get(own).text
    assert person.post(f"{own}/confirm-name", data={"sign_up": row.id}).status_code == 303
    assert TYPED not in person.get(own).text
    assert REAL in client.get(pages[0]).text


@FORMS
def test_who_lives_here_is_known_and_a_name_that_matches_is_shown(
    client: FlaskClient, town: Town, make: Make, session: Any, stranger: Resident, as_staff: Any, form: Any
) -> None:
    enter, pages = form(town, make)
    as_staff(client, town.staff["A1-OP"])
    assert enter(client, town.residents[1].phone, "").status_code == 303
    assert town.residents[1].name in client.get(pages[0]).text
    row = one(select(SignUp)) if form is _sign_up else one(select(Booking))
    assert row.caller_name == ""
    found = callers.find(town.actor("A1"), stranger.phone or "", f" {REAL[:2]} {REAL[2:]}", "/1/2/4/", clock.now())
    assert (found.resident.id, found.typed) == (stranger.id, "")


def test_no_message_and_no_call_back_says_the_name(
    client: FlaskClient, town: Town, make: Make, session: Any, stranger: Resident, as_staff: Any, now: datetime
) -> None:
    enter, _ = _sign_up(town, make)
    as_staff(client, town.staff["A1-OP"])
    enter(client, stranger.phone or "", TYPED)
    row = one(select(SignUp))
    outbox.run_due(now)
    with clock.frozen(row.entry.last_end + timedelta(hours=2)):
        evaluating.ask(row.entry_id, clock.now())
        session.commit()
    assert rows(select(Delivery)) and not [m for m in rows(select(InboxMessage)) if REAL in m.title + m.body]
    assert not [d for d in rows(select(Delivery)) if REAL in d.body]
    with scope.system("test"):
        assert feedback.resident_of(one(select(Evaluation))) == (TYPED, stranger.phone)


def test_one_account_types_so_many_numbers_an_hour(
    town: Town, session: Any, now: datetime, client: FlaskClient, make: Make, as_staff: Any
) -> None:
    clerk = town.actor("A1-OP")
    session.add_all(PhoneLookup(account_id=clerk.id, at=now) for _ in range(rules.LOOKUPS_PER_HOUR))
    session.commit()
    with pytest.raises(LookupsFull, match="太多") as full:
        callers.find(clerk, "19900009990", "甲", "/1/", now)
    assert "11:00 以后" in full.value.advice
    callers.find(town.actor("A1"), "19900009990", "甲", "/1/", now)
    with clock.frozen(now + timedelta(hours=1)):
        callers.find(clerk, "19900009990", "甲", "/1/", clock.now())
    session.rollback()
    enter, _ = _booking(town, make)
    answer = enter(as_staff(client, town.staff["A1-OP"]), "19900009990", "甲")
    assert answer.status_code == 429 and "您登记的手机号太多了" in answer.text


def test_erasing_takes_the_typed_name_too(
    client: FlaskClient, town: Town, make: Make, session: Any, stranger: Resident, as_staff: Any, now: datetime
) -> None:
    as_staff(client, town.staff["A1-OP"])
    session.rollback()
    made = [form(town, make)[0] for form in ENTERED_BY_NUMBER.values()]
    for enter in made:
        assert enter(client, stranger.phone or "", TYPED).status_code == 303
    session.rollback()
    resident_records.erase_resident(town.resident_actor(3), session.get_one(Resident, stranger.id), now)
    session.commit()
    assert {r.caller_name for r in [*rows(select(SignUp)), *rows(select(Booking))]} == {""}


def test_a_name_is_asked_for_in_the_same_words(town: Town, now: datetime, stranger: Resident) -> None:
    said = set()
    for phone in ("19900009990", stranger.phone or ""):
        with pytest.raises(CallerNameMissing) as missing:
            callers.find(town.actor("A1"), phone, " ", "/1/2/4/", now)
        said.add((missing.value.message, missing.value.advice))
    assert len(said) == 1
