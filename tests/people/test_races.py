"""Many at once: guesses share the five tries, a number is registered once, a username is taken once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.core import scope
from portal.core.access import Role, system_actor
from portal.core.db import db, writing
from portal.core.errors import DomainError
from portal.people import actions, actions_codes, actions_staff
from portal.people.models import LoginCode, Resident, StaffAccount
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
    actions_codes.send_code(NEW, "", now)
    session.commit()
    right = texts.code()
    wrong = "000000" if right != "000000" else "111111"
    answers = at_once(app, 12, lambda _n: actions_codes.check_code(NEW, wrong, now))
    assert all(isinstance(a, DomainError) for a in answers)
    assert one(select(LoginCode)).attempts <= 5
    assert sum(isinstance(a, CodeWrong) for a in answers) == 4


def test_one_code_for_many_presses(app: Flask, session: Any, texts: Texts, now: datetime) -> None:
    answers = at_once(app, 8, lambda _n: actions_codes.send_code(NEW, "", now).id)
    assert sum(isinstance(a, CodeTooSoon) for a in answers) == 7
    assert len(texts.sent) == 1


def test_one_resident_for_many_presses(app: Flask, town: Town, session: Any, now: datetime) -> None:
    values = actions.ResidentValues("新居民", "测试花园9栋", town.centres["A1"].id)
    session.rollback()
    answers = at_once(app, 8, lambda _n: actions.open_resident(NEW, values, now).id)
    assert len(set(answers)) == 1
    assert one(select(Resident).where(Resident.phone == NEW)).id == answers[0]


def test_one_account_for_many_presses(app: Flask, town: Town, session: Any, now: datetime) -> None:
    values = actions_staff.AccountValues("kx-chen", "陈新", "", town.centres["A1"].id, Role.OPERATOR)
    session.rollback()
    answers = at_once(app, 4, lambda _n: actions_staff.open_account(system_actor(), values, now).password)
    assert sum(isinstance(a, UsernameTaken) for a in answers) == 3
    assert len(rows(select(StaffAccount).where(StaffAccount.username == "kx-chen"))) == 1
