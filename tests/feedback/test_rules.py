"""Days, hours, averages: pure functions (SPEC S7)."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.centres import profile
from portal.core import clock
from portal.feedback import rules
from portal.feedback.rules import Policy, Tags
from portal.signup.series import series_key
from tests.factories import NOW

pytestmark = pytest.mark.once

P = Policy(tags={"default": Tags(("好",), ("差",)), "venue": Tags(("干净",), ("太吵",))})


@given(st.lists(st.integers(1, 5), min_size=1, max_size=400))
def test_an_average_is_rounded_half_up(stars: list[int]) -> None:
    exact = Decimal(sum(stars)) / len(stars)
    assert Decimal(str(rules.rounded(sum(stars), len(stars)))) == exact.quantize(Decimal("0.1"), ROUND_HALF_UP)


def test_half_a_tenth_goes_up() -> None:
    assert rules.rounded(17, 4) == 4.3  # 4.25; round() of a float says 4.2


@given(st.integers(0, 24 * 60))
def test_one_may_answer_until_an_evening(minutes: int) -> None:
    asked = NOW + timedelta(minutes=minutes)
    until = rules.answer_until(asked, P)
    assert clock.local(until).hour == 20 and timedelta(0) <= until - asked - timedelta(days=14) < timedelta(days=1)


@pytest.mark.parametrize(
    ("given_at", "now", "allowed"),
    [
        (None, NOW, True),
        (None, NOW + timedelta(days=15), False),
        (NOW, NOW + timedelta(days=6), True),
        (NOW, NOW + timedelta(days=9), False),
    ],
)
def test_answering_and_changing_end(given_at: datetime | None, now: datetime, allowed: bool) -> None:
    refusal = rules.may_answer(rules.answer_until(NOW, P), given_at, now, P)
    assert (refusal is None) is allowed
    assert refusal is None or (refusal.message and refusal.advice)


def test_the_deadline_itself_is_too_late() -> None:
    until = rules.answer_until(NOW, P)
    assert rules.may_answer(until, None, until - timedelta(seconds=1), P) is None
    assert rules.may_answer(until, None, until, P) is not None


def test_tags_follow_kind_and_stars() -> None:
    assert rules.tags_for(P, "venue", 4) == ("干净",) and rules.tags_for(P, "venue", 3) == ("太吵",)
    assert rules.tags_for(P, "help", 5) == ("好",)
    assert rules.tags_for(Policy(), "help", 5) == ()
    assert rules.fitting(P, "venue", 1, ["干净", "太吵"]) == ["太吵"]


def test_not_solved_is_said_once_and_in_time() -> None:
    closed = NOW
    assert rules.may_say_again(closed, None, NOW + timedelta(days=6), P) is None
    assert rules.may_say_again(None, None, NOW, P) is not None
    assert rules.may_say_again(closed, NOW, NOW, P) is not None
    assert rules.may_say_again(closed, None, NOW + timedelta(days=7), P) is not None


@pytest.mark.parametrize("code", profile.codes())
def test_every_deployment_has_its_policy(code: str) -> None:
    table = profile.load(code).feedback
    policy = rules.policy(table)
    assert policy.outcomes and policy.public_minimum > 1 and 1 <= policy.low_stars < 5
    assert set(table) <= {f.name for f in fields(Policy)}
    assert all(tags.good and tags.poor for tags in policy.tags.values())


def test_what_recurs_is_one_group() -> None:
    same = ["书法课", "书法课（第三期）", "《书法课》第12讲", "12月书法课", "书 法 课 2026年"]
    assert len({series_key(7, title) for title in same}) == 1
    assert series_key(8, "书法课") != series_key(7, "书法课") != series_key(7, "书画课")
    assert series_key(7, "第三期") != series_key(7, "第四讲"), "a title that is nothing but a number stays itself"
    assert len(series_key(10**9, "长" * 80)) <= 80
