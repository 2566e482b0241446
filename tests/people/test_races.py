"""Many at once: guesses share the five tries, a number is registered once, a username is taken once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.core import scope
from portal.core.access import Role, system_actor
from portal.core.db import db, is_sqlite, writing
from portal.core.errors import DomainError
from portal.people import queries
from portal.people.actions import callers, login_codes, resident_records, staff_accounts
from portal.people.models import LoginCode, Relative, Resident, StaffAccount
from portal.people.refusals import CodeTooSoon, CodeWrong, UsernameTaken
from tests.factories import Town
from tests.people.conftest import Texts, one, rows

pytestmark = pytest.mark.own_database

NEW = "19900009999"


def at_once(app: Flask, count: int, deed: Callable[[int], Any]) -> list[Any]:
    """`deed(number)` in as many threads, each with its own transaction; what came of it, refusals too."""

    def run(number: int) -> Any:
        with app.app_context(), scope.system("race"):
            try:
                with writing():
                    try:
                        return deed(number)
                    except CodeWrong as refusal:  # a counted try is kept, as the view does
                        return refusal
            except DomainError as refusal:
                return refusal
            finally:
                db.session.remove()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_guesses_share_five_tries(app: Flask, session: Any, texts: Texts, now: datetime) -> None:
    login_codes.send_code(NEW, "", now)
    session.commit()
    right = texts.code()
    wrong = "000000" if right != "000000" else "111111"
    answers = at_once(app, 12, lambda _n: login_codes.check_code(NEW, wrong, now))
    assert all(isinstance(a, DomainError) for a in answers)
    assert one(select(LoginCode)).attempts <= 5
    assert sum(isinstance(a, CodeWrong) for a in answers) == 4


def test_one_code_for_many_presses(app: Flask, session: Any, texts: Texts, now: datetime) -> None:
    answers = at_once(app, 8, lambda _n: login_codes.send_code(NEW, "", now).id)
    assert sum(isinstance(a, CodeTooSoon) for a in answers) == 7
    assert len(texts.sent) == 1


def test_one_resident_for_many_presses(app: Flask, town: Town, session: Any, now: datetime) -> None:
    values = resident_records.ResidentValues("新居民", "测试花园9栋", town.centres["A1"].id)
    session.rollback()
    answers = at_once(app, 8, lambda _n: resident_records.open_resident(NEW, values, now).id)
    assert len(set(answers)) == 1
    assert one(select(Resident).where(Resident.phone == NEW)).id == answers[0]


def test_one_account_for_many_presses(app: Flask, town: Town, session: Any, now: datetime) -> None:
    values = staff_accounts.AccountValues("kx-chen", "陈新", "", town.centres["A1"].id, Role.OPERATOR)
    session.rollback()
    answers = at_once(app, 4, lambda _n: staff_accounts.open_account(system_actor(), values, now).password)
    assert sum(isinstance(a, UsernameTaken) for a in answers) == 3
    assert len(rows(select(StaffAccount).where(StaffAccount.username == "kx-chen"))) == 1


def test_two_colleagues_type_one_new_number(
    app: Flask, town: Town, session: Any, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first has looked and found nobody; the second opens the number before the first does."""
    look, looked = queries.resident_by_phone, threading.Event()

    def second() -> list[Any]:
        return at_once(app, 1, lambda _n: callers.find(system_actor(), NEW, "后到的", "/1/", now).resident.id)

    def held(phone: str) -> Any:
        found = look(phone)
        if not looked.is_set():
            looked.set()
            others.append(pool.submit(second))
            if is_sqlite():  # the first one's BEGIN IMMEDIATE holds the second before its look
                with pytest.raises(TimeoutError):
                    others[0].result(timeout=0.3)
            else:
                others[0].result(timeout=10)
        return found

    others: list[Future[list[Any]]] = []
    monkeypatch.setattr(queries, "resident_by_phone", held)
    session.rollback()
    with ThreadPoolExecutor(1) as pool:
        first = at_once(app, 1, lambda _n: callers.find(system_actor(), NEW, "先到的", "/1/", now).resident.id)
        assert first == others[0].result(timeout=10)
    person = one(select(Resident).where(Resident.phone == NEW))
    assert (person.id, person.name) == (first[0], "先到的" if is_sqlite() else "后到的")


def test_two_colleagues_add_one_relative(app: Flask, town: Town, session: Any, now: datetime) -> None:
    """The first has added and not yet committed; the second waits for the resident's lock and finds what is there."""
    resident_id = town.residents[0].id
    session.rollback()

    def add(_number: int) -> Any:
        row = resident_records.relative_named(db.session.get_one(Resident, resident_id), "周奶奶", now)
        assert row is not None
        return row.id

    with ThreadPoolExecutor(1) as pool, app.app_context(), scope.system("race"):
        with writing():
            first = add(0)
            other = pool.submit(at_once, app, 1, add)
            with pytest.raises(TimeoutError):
                other.result(timeout=0.3)
        assert other.result(timeout=10) == [first]
        db.session.remove()
    assert len(rows(select(Relative).where(Relative.name == "周奶奶"))) == 1
