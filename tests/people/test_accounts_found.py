"""Accounts are found by who, where, what and a number's end, and sorted (SPEC P4)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from portal.core.db import db
from tests.factories import NOW


@pytest.fixture
def desk(client: Any, as_staff: Any, town: Any) -> Any:
    for number, account in enumerate(sorted(town.staff.values(), key=lambda a: a.username)):
        account.phone = f"1991111{number:04d}"
        account.last_login_at = NOW - timedelta(days=number) if number % 2 else None
    town.staff["B2"].disabled_at = NOW
    db.session.commit()
    return as_staff(client, town.staff["D"])


def names(page: str) -> list[str]:
    return re.findall(r'<a href="/staff/accounts/\d+">([^<]+)</a></strong>', page)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("q=甲二", ["A2管理员"]), ("q=a1s", ["A1S管理员"]), ("q=政法", ["政法办经办"]), ("q=0003", ["A1S管理员"]),
        ("q=甲街道 管理员", ["A管理员"]), ("q=100%", []), ("role=inspector", ["D督查"]),
        ("role=operator&q=甲", ["A1经办"]), ("level=station", ["A1S管理员"]), ("state=disabled", ["B2管理员"]),
        ("role=bogus&sort=bogus&q=乙二", ["B2管理员"]), ("q=003", []),
    ],
)  # fmt: skip
def test_found_by(desk: Any, asked: str, found: list[str]) -> None:
    page = desk.get(f"/staff/accounts?{asked}").text
    assert names(page) == found
    assert "本级和下级共 11 个账户" in page, "how many there are is said of all"


def test_a_place_is_meant_with_all_below_it(desk: Any, town: Any) -> None:
    found = names(desk.get(f"/staff/accounts?centre={town.centres['A'].id}").text)
    assert found == ["A管理员", "A1管理员", "A1经办", "A2管理员", "A1S管理员"]
    assert names(desk.get(f"/staff/accounts?department={town.department.id}").text) == ["政法办经办"]


def test_tabs_count_what_is_looked_for(desk: Any) -> None:
    page = desk.get("/staff/accounts?q=乙").text
    assert re.findall(r'<span class="n"[^>]*>(\d+)</span>', page) == ["3", "2", "0", "0", "1"]


def test_sorted(desk: Any) -> None:
    by_name = names(desk.get("/staff/accounts?sort=name").text)
    assert by_name == sorted(by_name)
    recent = names(desk.get("/staff/accounts?sort=login").text)
    assert recent[0] == "A1管理员", "who signed in last"
    assert names(desk.get("/staff/accounts?sort=unused").text)[0] not in recent[:5], "who never did"
