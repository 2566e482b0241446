"""Until when one may sign up and give a place back, and the words for it (SPEC S3, S4)."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from portal.catalogue import windows
from portal.core import clock

pytestmark = pytest.mark.once

START = clock.at(date(2026, 12, 13), time(8, 30))


def entry(**values: Any) -> Any:
    usual = dict.fromkeys(("sign_up_from", "sign_up_until", "own_first_until", "groups_first_until", "withdraw_until"))
    return SimpleNamespace(**({**usual, "first_start": START, "last_end": START + timedelta(days=8)} | values))


def test_the_usual_is_said_without_a_date() -> None:
    plain = entry()
    assert windows.window_text(plain) == "发布后就能报，到活动开始为止" and windows.closes_text(plain) == ""
    assert windows.withdraw_text(plain) == "活动开始前都可自行退出" and windows.own_first_text(plain) == ""


@pytest.mark.parametrize(("column", "text", "said"), [
    ("sign_up_from", windows.window_text, "12月12日 8:30 开始，到活动开始为止"),
    ("sign_up_until", windows.window_text, "发布后就能报，12月12日 8:30 截止"),
    ("sign_up_until", windows.closes_text, "12月12日 8:30 前报名"),
    ("own_first_until", windows.own_first_text, "12月12日 8:30 前本社区居民优先"),
    ("withdraw_until", windows.withdraw_text, "12月12日 8:30 前可自行退出"),
])  # fmt: skip
def test_what_is_set_is_said(column: str, text: Any, said: str) -> None:
    assert text(entry(**{column: START - timedelta(days=1)})) == said


def test_a_series_may_be_joined_later_but_not_after_its_end() -> None:
    late = entry(sign_up_until=START + timedelta(days=20))
    assert windows.closes_at(late) == late.last_end and windows.closes_text(late) == "12月21日 8:30 前报名"


@pytest.mark.parametrize(("lead", "said"), [
    (timedelta(), "活动开始"), (timedelta(hours=2), "活动开始前 2 小时"), (timedelta(days=1), "活动开始前一天"),
    (timedelta(minutes=-30), "活动开始后半小时"),
])  # fmt: skip
def test_the_hint_of_a_field_comes_from_the_rule(lead: timedelta, said: str) -> None:
    def rule(one: windows.Windows) -> datetime | None:
        return one.first_start - lead if one.first_start else None

    assert windows.usual_text(rule) == said


def test_what_a_page_says_is_true_at_the_moment() -> None:
    hour, day = timedelta(hours=1), timedelta(days=1)
    one = entry(
        sign_up_from=START - 5 * day, own_first_until=START - 4 * day, sign_up_until=START - hour,
        withdraw_until=START - day, changed_at=None,
    )  # fmt: skip
    before, between, late = START - 6 * day, START - 2 * hour, START - hour
    assert windows.opening_now(one, before) == "12月8日 8:30 开始" and windows.opening_now(one, START - 5 * day) == ""
    assert windows.own_first_now(one, before) == "本社区居民先报，12月9日 8:30 起都可以报"
    assert windows.own_first_now(one, START - 4 * day) == ""
    assert windows.closing_now(one, between) == "12月13日 7:30 前报名"
    assert windows.closing_now(one, late) == "报名已截止（12月13日 7:30）"
    assert windows.withdrawing_now(one, before) == "12月12日 8:30 前可自行退出"
    assert windows.withdrawing_now(one, between) == "12月12日 8:30 以后退出请打电话；刚报名的，1 小时内还可自行退出"
    assert windows.withdrawing_now(one, late) == "12月12日 8:30 以后退出请打电话"
    assert "调整前就报名的" in windows.withdrawing_now(entry(withdraw_until=START - day, changed_at=before), late)
    assert windows.open_at(one, START - 5 * day) and not windows.open_at(one, before) and not windows.open_at(one, late)
