"""Limits and passwords, without a database."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher

from portal.core import clock
from portal.people import passwords, rules

pytestmark = pytest.mark.once
NOW = datetime(2026, 11, 25, 2, tzinfo=UTC)
S = timedelta(seconds=1)
M = timedelta(minutes=1)
H = timedelta(hours=1)


def test_next_code() -> None:
    def next_at(
        phone: Any = (), address: Any = (), site: Any = (), own: Any = (), known: bool = False
    ) -> datetime | None:
        return rules.next_code_at(rules.CodesSent(phone, address, site, own), NOW, known)

    assert next_at() is None
    assert next_at([NOW - 59 * S]) == NOW + S
    assert next_at([NOW - 60 * S]) is None
    assert next_at([NOW - 9 * M, NOW - 119 * S]) == NOW + S  # each pause of the hour is twice the last
    five = [NOW - 50 * M, NOW - 40 * M, NOW - 30 * M, NOW - 20 * M, NOW - 10 * M]
    assert next_at(five) == NOW + 10 * M
    assert next_at(five[1:3], five * 4) == NOW + 10 * M
    assert next_at(five[1:3], (five * 4)[1:]) is None
    assert next_at((), (), five * 20) == NOW + 10 * M
    ten = [NOW - n * H for n in range(23, 13, -1)]
    assert next_at(ten, own=ten[7:]) == next_at(ten, own=ten[7:], known=True) == NOW + H
    assert next_at(ten[1:], own=ten[1:4]) is None
    # Strangers leave three of the ten, and neither their pauses nor their hour are the owner's.
    assert next_at(ten[3:]) == NOW + 4 * H
    assert next_at(ten[3:], known=True) is None
    assert next_at(five, known=True) is None
    assert next_at(five[2:], own=five[2:], known=True) == NOW + 30 * M


def test_two_codes_a_night() -> None:
    late, early = clock.at(date(2026, 11, 25), time(23)), clock.at(date(2026, 11, 26), time(6, 59))
    two = rules.CodesSent([late - 10 * M, late])
    assert rules.next_code_at(two, late + 30 * M) == clock.at(date(2026, 11, 26), time(7))
    assert rules.next_code_at(two, early) == clock.at(date(2026, 11, 26), time(7))
    assert rules.next_code_at(two, early + M) is None
    assert rules.next_code_at(rules.CodesSent([late - 2 * H, late]), late + 30 * M) is None  # one of them by day


def test_what_one_device_can_change_counts_as_one_address() -> None:
    one, other = rules.network("2001:db8:1:2::7"), rules.network("2001:0DB8:1:2:ffff:ffff:ffff:ffff")
    assert one == other == "2001:0db8:0001:0002" and rules.network("2001:db8:1:3::7") != one
    assert rules.site(one) == rules.site(rules.network("2001:db8:1:3::7")) == "2001:0db8:0001:"
    assert rules.network("192.0.2.7") == rules.network("::ffff:192.0.2.7") == "192.0.2.7"
    assert rules.site("192.0.2.7") == rules.site("") == "" and rules.network("unix") == "unix"


def test_open_again() -> None:
    four = [NOW - 4 * M, NOW - 3 * M, NOW - 2 * M, NOW - M]
    assert rules.open_again_at(four, 5, NOW) is None
    assert rules.open_again_at([NOW - 5 * M, *four], 5, NOW) == NOW + 10 * M
    assert rules.open_again_at([NOW - 15 * M, *four], 5, NOW) is None


@pytest.mark.parametrize(
    ("password", "word"),
    [
        ("short", "至少 10"), ("x" * 129, "最多 128"), ("chenxin-2026", "用户名"), ("CHENXIN-abcd", "用户名"),
        ("aaaaaaaaaaaa", "太常见"), ("abcdefghijkl", "太常见"), ("98765432100", "太常见"), ("Password123", "太常见"),
        ("陈新" * 6, "不能有自己的"), ("海" * 12, "太常见"),
    ],
)  # fmt: skip
def test_bad_passwords(password: str, word: str) -> None:
    assert word in (rules.password_problem(password, "chenxin", "陈新") or "")


@pytest.mark.parametrize("password", ["seventeen green boats", "海边十七条绿色小船真好看", "k7mf-2qxd-h9tw"])
def test_good_passwords(password: str) -> None:
    assert rules.password_problem(password, "chenxin", "陈新") is None


@pytest.mark.parametrize(("raw", "problem"), [("kx-chen", False), ("a.b_c-9", False), ("ab", True), ("-abc", True),
                                              ("陈新新", True), ("a" * 41, True), ("a b c", True)])  # fmt: skip
def test_usernames(raw: str, problem: bool) -> None:
    assert (rules.username_problem(rules.username(raw)) is not None) is problem


def test_one_spelling_of_a_username() -> None:
    assert rules.username("　ＫＸ-Chen ") == "kx-chen"


def test_changes_show_what_differs() -> None:
    words = {"name": "姓名"}
    found = rules.changes({"name": "甲", "x": 1, "gone": [1, 2]}, {"name": "乙", "x": 1, "new": True}, words)
    assert [(c.label, c.old, c.new) for c in found] == [("姓名", "甲", "乙"), ("gone", "1、2", ""), ("new", "", "是")]
    assert [(c.label, c.new) for c in rules.changes(None, {"a": None, "b": {"c": False}}, {})] == [
        ("a", ""),
        ("b", "c：否"),
    ]


def test_one_time_passwords() -> None:
    made = {passwords.one_time() for _ in range(200)}
    assert len(made) == 200
    assert all(len(p) == 14 and not set(p) & set("01oil") for p in made)
    assert all(rules.password_problem(p, "chenxin") is None for p in made)


def test_hashes() -> None:
    made = passwords.hash_password("seventeen green boats")
    assert made.startswith("$argon2id$")
    assert passwords.matches(made, "seventeen green boats")
    assert not passwords.matches(made, "eighteen green boats")
    assert not passwords.matches("not a hash", "x")
    assert not passwords.is_dated(made)


def test_production_takes_owasps_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    """19 MiB, two passes, one thread; and a hash with others is made anew at the next sign-in."""
    weak = passwords.hash_password("seventeen green boats")
    monkeypatch.setattr(passwords, "hasher", PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1))
    strong = passwords.hash_password("seventeen green boats")
    assert "m=19456,t=2,p=1" in strong and passwords.is_dated(weak) and not passwords.is_dated(strong)
    code = "from portal.people.passwords import hasher as h; print(h.memory_cost, h.time_cost, h.parallelism)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.split()
    assert said == [b"19456", b"2", b"1"]
