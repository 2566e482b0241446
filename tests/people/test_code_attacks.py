"""Codes under attack: the owner comes in all the same, and nobody's telephone or purse is emptied."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.core import clock
from portal.people import rules
from portal.people.actions import login_codes
from portal.people.refusals import CodesFull, CodeTooSoon
from tests.factories import Town
from tests.people.conftest import Texts

DAY = timedelta(days=1)


def post(client: FlaskClient, path: str, address: str = "", **data: str) -> int:
    extra = {"environ_base": {"REMOTE_ADDR": address}} if address else {}
    return client.post(path, data=data, **extra).status_code  # type: ignore[arg-type]


def spend(app: Flask, phone: str, address: str) -> None:
    """A stranger asks as often as it goes, and enters wrong codes until none is taken any more."""
    thief = app.test_client()
    post(thief, "/login", address, phone=phone)
    for _ in range(rules.CODE_TRIES + 1):
        post(thief, "/login/code", address, code="000000")


@pytest.mark.once
@pytest.mark.parametrize("run", range(20))
def test_the_owner_signs_in_while_a_stranger_spends_all_tries(
    app: Flask, client: FlaskClient, town: Town, texts: Texts, now: datetime, run: int
) -> None:
    """Ten times the stranger comes after the owner has asked, ten times before, to the owner's usual browser."""
    phone = town.residents[run % 5].phone or ""
    if run % 2:
        post(client, "/login", phone=phone)
        assert post(client, "/login/code", code=texts.code()) == 303
        client.post("/logout")
    when = now + DAY
    if run % 2 == 0:
        with clock.frozen(when):
            assert post(client, "/login", phone=phone) == 303
            mine = texts.code()
            for number in range(3):
                spend(app, phone, f"192.0.2.{number}")
            assert post(client, "/login/code", code=mine) == 303
            assert client.get("/me/profile").status_code == 200
        return
    for number in range(12):
        with clock.frozen(when + timedelta(minutes=5 * number)):
            spend(app, phone, f"192.0.2.{number}")
    with clock.frozen(when + timedelta(minutes=56)):
        assert post(app.test_client(), "/login", phone=phone) == 429  # nothing is left for anybody else
        assert post(client, "/login", phone=phone) == 303
        assert post(client, "/login/code", code=texts.code()) == 303
        assert client.get("/me/profile").status_code == 200


def test_what_is_kept_for_the_owner_is_the_owners(
    app: Flask, client: FlaskClient, town: Town, texts: Texts, now: datetime
) -> None:
    """Nobody else's browser has it: neither a made-up mark nor that of another number."""
    phone, other = town.residents[0].phone or "", town.residents[1].phone or ""
    post(client, "/login", phone=other)
    post(client, "/login/code", code=texts.code())
    client.post("/logout")
    with clock.frozen(now + DAY):
        thief = app.test_client()
        thief.set_cookie("known", "f" * 64)
        answers = []
        for browser in (thief, client):
            for hours in range(24):
                with clock.frozen(now + DAY + timedelta(hours=hours)):
                    answers.append(post(browser, "/login", phone=phone))
    assert answers.count(303) == sum(p == phone for p, _ in texts.sent) <= rules.CODES_FOR_STRANGERS_A_DAY


@pytest.mark.once
def test_a_thousand_numbers_from_one_network_and_fifty_addresses(
    app: Flask, town: Town, texts: Texts, session: object, now: datetime
) -> None:
    for number in range(1000):
        for address in (f"2001:db8:1:2::{number:x}", f"198.51.100.{number % 50}"):
            try:
                login_codes.send_code(f"199{number:08d}", address, now + timedelta(seconds=number))
            except CodeTooSoon:
                continue
    assert len(texts.sent) <= 51 * rules.CODES_PER_ADDRESS


def test_the_portal_never_sends_more_than_its_ceiling(
    app: Flask, town: Town, texts: Texts, session: object, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.config, "CODES_PER_HOUR", 100)
    full = 0
    for number in range(1000):
        try:
            login_codes.send_code(f"199{number:08d}", f"198.51.{number // 250}.{number % 250}", now)
        except CodesFull:
            full += 1
    assert (len(texts.sent), full) == (100, 900)


def test_a_victim_gets_no_more_than_ten_a_day(
    app: Flask, town: Town, texts: Texts, session: object, now: datetime
) -> None:
    """Whoever asks, from wherever, the owner's own browser among them; through a night too."""
    phone = town.residents[0].phone or ""
    sent: list[datetime] = []
    for minute in range(0, 2 * 24 * 60, 7):
        at = now + timedelta(minutes=minute)
        for known in (False, True):
            try:
                login_codes.send_code(phone, f"198.51.100.{minute % 250}", at, f"b{minute}", known)
                sent.append(at)
            except CodeTooSoon:
                continue
    assert max(sum(at - DAY < other <= at for other in sent) for at in sent) <= rules.CODES_PER_PHONE_A_DAY
    assert len(texts.sent) == len(sent) > rules.CODES_PER_PHONE_A_DAY
