"""No text comes: staff who know somebody read a login code out (SPEC P1)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.core import clock, outbox
from portal.core.audit import AuditLog
from portal.core.sessions import WebSession
from portal.notices.models import Delivery, InboxMessage
from portal.people import rules
from portal.people.models import PhoneLookup, Resident, SpokenCode
from portal.signup import actions, staff_actions
from tests.factories import Make, Town
from tests.people.conftest import Texts, one, plain, rows


def ask(client: FlaskClient, person: Resident, name: str = "") -> Any:
    return client.post("/staff/let-in", data={"phone": person.phone, "name": name or person.name, "known": "y"})


def read(answer: Any) -> str:
    found = re.search(r'id="spoken">(\d{4} \d{4})<', answer.text)
    assert found, answer.status_code
    return found[1]


def enter(client: FlaskClient, person: Resident, code: str, **more: Any) -> Any:
    return client.post("/login/spoken", data={"phone": person.phone, "code": code, "next": "/services"}, **more)


def test_a_code_is_read_out_and_everybody_concerned_can_see_it(
    app: Flask, client: FlaskClient, town: Town, as_staff: Any, now: datetime
) -> None:
    person = town.residents[0]
    clerk = as_staff(client, town.staff["A1-OP"])
    page = ask(clerk, person)
    code = read(page)
    assert page.headers["Cache-Control"] == "no-store" and code not in clerk.get("/staff/let-in").text
    phone = app.test_client()
    assert "我有工作人员读的登录码" in phone.get("/login").text
    assert enter(phone, person, code).location == "/services"
    assert "甲一社区工作人员读的登录码" in phone.get("/me/devices").text
    # It opens the services, not what cannot be taken back.
    assert phone.get("/me/phone").location.startswith("/me/proof")
    assert enter(app.test_client(), person, code).status_code == 422  # once
    line = one(select(AuditLog))
    assert (line.verb, line.actor_name, line.object_id) == ("read_out", "A1经办", person.id)
    assert line.summary == "给手机尾号 0000 的居民读了登录码" and line.centre_path == town.centres["A1"].path
    outbox.run_due(now)
    told, text = one(select(InboxMessage)), one(select(Delivery))
    assert "甲一社区工作人员应您来电读了登录码" in told.body and code.replace(" ", "") not in told.body
    assert (text.recipient, text.urgent, told.link) == (person.phone, True, "/me/devices")
    assert code.replace(" ", "") not in one(select(SpokenCode)).code_hash
    assert one(select(WebSession).where(WebSession.audience == "resident")).let_in_by == "甲一社区"


def test_only_whom_the_centre_knows(
    app: Flask, client: FlaskClient, town: Town, make: Make, session: Any, as_staff: Any, now: datetime
) -> None:
    """At home there, or there by an act of their own; not because staff typed the number somewhere."""
    stranger = town.residents[3]  # of B1
    session.rollback()
    entry, other = make.entry(town.centres["A1"]), make.entry(town.centres["A1"])
    staff_actions.add_by_staff(town.actor("A1-OP"), entry.id, stranger.phone or "", stranger.name, "", 1, now)
    session.commit()
    clerk = as_staff(client, town.staff["A1-OP"])
    nobody = Resident(phone="19900009990", name="没有的人")
    told = ((stranger, stranger.name), (nobody, nobody.name), (town.residents[0], "别的名字"))
    said = {plain(ask(clerk, who, name).text) for who, name in told}
    assert len(said) == 1 and "没有在本中心认得的居民里找到" in said.pop()
    for who in ("A", "D", "A2", "B"):  # nor the levels above, nor the neighbours
        assert ask(as_staff(app.test_client(), town.staff[who]), town.residents[0]).status_code == 422
    assert ask(as_staff(app.test_client(), town.staff["D-LOOK"]), town.residents[0]).status_code == 403
    assert ask(as_staff(app.test_client(), town.staff["ZFB"]), town.residents[0]).status_code == 422
    session.rollback()
    actions.sign_up(town.resident_actor(3), other.id, None, 0, now)
    session.commit()
    assert read(ask(clerk, stranger))
    with clock.frozen(now + rules.ACQUAINTED):
        assert ask(as_staff(app.test_client(), town.staff["A1-OP"]), stranger).status_code == 422


def test_limits_of_account_and_person(
    app: Flask, client: FlaskClient, town: Town, session: Any, as_staff: Any, now: datetime
) -> None:
    clerk, boss = as_staff(client, town.staff["A1-OP"]), as_staff(app.test_client(), town.staff["A1"])
    first = read(ask(clerk, town.residents[0]))
    second = read(ask(clerk, town.residents[0]))
    assert enter(app.test_client(), town.residents[0], first).status_code == 422  # the newer one holds
    assert enter(app.test_client(), town.residents[0], second).status_code == 303
    assert ask(boss, town.residents[0]).status_code == 200
    for reader in (clerk, boss):
        answer = ask(reader, town.residents[0])
        assert answer.status_code == 429 and "次数到上限" in answer.text
    for _ in range(3):
        assert ask(clerk, town.residents[1]).status_code == 200
    assert ask(boss, town.residents[1]).status_code == 429
    session.rollback()
    town.residents[2].home_centre_id = town.centres["A1"].id
    session.commit()
    assert ask(clerk, town.residents[2]).status_code == 429  # five of this account
    assert ask(boss, town.residents[2]).status_code == 200
    # Numbers that were refused are counted too: nobody tries them out.
    lookups = len(rows(select(PhoneLookup)))
    ask(clerk, town.residents[3])
    assert len(rows(select(PhoneLookup))) == lookups + 1
    session.add_all(PhoneLookup(account_id=town.staff["A1-OP"].id, at=now) for _ in range(rules.LOOKUPS_PER_HOUR))
    session.commit()
    assert "您登记的手机号太多了" in ask(clerk, town.residents[3]).text


def test_it_ends_soon_and_guessing_ends_for_the_guesser_alone(
    app: Flask, client: FlaskClient, town: Town, as_staff: Any, now: datetime
) -> None:
    person, clerk = town.residents[0], as_staff(client, town.staff["A1-OP"])
    code = read(ask(clerk, person))
    wrong = "00000000" if code != "0000 0000" else "11111111"
    answers = [enter(app.test_client(), person, wrong, environ_base={"REMOTE_ADDR": "192.0.2.9"}) for _ in range(6)]
    assert [a.status_code for a in answers] == [422] * 5 + [429] and "10:15 以后" in answers[-1].text
    assert "别人打来要您读登录码" in answers[0].text and f'value="{person.phone}"' in answers[0].text
    assert wrong not in answers[0].text or 'id="code"' in answers[0].text
    with clock.frozen(now + rules.SPOKEN_LIFE):
        assert enter(app.test_client(), person, code).status_code == 422
    assert enter(app.test_client(), person, f"　{code}").status_code == 303
    # Many networks together cannot go on for ever either.
    code = read(ask(clerk, person))
    for number in range(rules.SPOKEN_TRIES):
        enter(app.test_client(), person, wrong, environ_base={"REMOTE_ADDR": f"198.51.100.{number}"})
    assert enter(app.test_client(), person, code).status_code == 422


@pytest.mark.parametrize(
    "data", [{"phone": "", "code": ""}, {"phone": "1", "code": "12345678"}, {"phone": "19900000000", "code": "123456"}]
)
def test_odd_input(client: FlaskClient, town: Town, data: dict[str, str]) -> None:
    assert client.post("/login/spoken", data=data).status_code == 422


def test_unknown_and_known_numbers_are_answered_alike(app: Flask, town: Town) -> None:
    known, unknown = (
        plain(app.test_client().post("/login/spoken", data={"phone": phone, "code": "12345678"}).text)
        for phone in (town.residents[0].phone, "19900009990")
    )
    assert known == unknown and "登录码不对" in known


def test_a_failed_attempt_says_whom_to_call(client: FlaskClient, town: Town, texts: Texts, now: datetime) -> None:
    client.set_cookie("centre", "A1")
    phone = town.residents[0].phone
    client.post("/login", data={"phone": phone})
    wrong = "000000" if texts.code() != "000000" else "111111"
    for _ in range(rules.CODE_TRIES):
        answer = client.post("/login/code", data={"code": wrong})
        assert answer.status_code == 422
        for word in ("工作人员认得您", "tel:075584200003", "/login/spoken"):
            assert word in answer.text
    with clock.frozen(now + timedelta(minutes=2)):
        for at in range(rules.CODES_PER_PHONE):
            with clock.frozen(now + timedelta(minutes=2 + 12 * at)):
                answer = client.post("/login", data={"phone": phone})
    assert "工作人员认得您" in client.get("/login").text
