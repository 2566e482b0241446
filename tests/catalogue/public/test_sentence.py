"""A wish in one sentence becomes chips: when, for whom, where, the other words (SPEC C9, issue 11)."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.catalogue.public import month_snapshot, wishes
from portal.core import clock

pytestmark = pytest.mark.once

NOW = clock.at(date(2026, 11, 26), time(10))  # a Thursday
CENTRES = ("葵涌", "葵涌社区", "溪涌", "溪涌社区")
MORNING, NOON, AFTERNOON, EVENING = (0, 720), (660, 840), (720, 1080), (1080, 1440)


def on(month: int, day: int, length: int = 1) -> tuple[date, date]:
    first = date(2026, month, day)
    return first, first + timedelta(days=length)


SENTENCES: dict[str, tuple[Any, Any, list[tuple[str, str]]]] = {
    "周六下午 老人 手机 葵涌": (on(11, 28), AFTERNOON, [("group", "老人"), ("word", "手机"), ("centre", "葵涌")]),
    "周六下午老人手机葵涌": (on(11, 28), AFTERNOON, [("group", "老人"), ("word", "手机"), ("centre", "葵涌")]),
    "葵涌社区星期六晚上瑜伽": (on(11, 28), EVENING, [("centre", "葵涌社区"), ("word", "瑜伽")]),
    "礼拜六 書法": (on(11, 28), None, [("word", "书法")]),
    "禮拜日晏晝": (on(11, 29), AFTERNOON, []),
    "聽日朝早 太極": (on(11, 27), MORNING, [("word", "太极")]),
    "週末 親子": (on(11, 28, 2), None, [("group", "亲子")]),
    "今天": (on(11, 26), None, []),
    "今晚 电影": (on(11, 26), EVENING, [("word", "电影")]),
    "明早太极": (on(11, 27), MORNING, [("word", "太极")]),
    "后天中午": (on(11, 28), NOON, []),
    "大后天": (on(11, 29), None, []),
    "本周 义诊": (on(11, 26, 4), None, [("word", "义诊")]),
    "下周 义诊": (on(11, 30, 7), None, [("word", "义诊")]),
    "下周三下午3点 合唱": (on(11, 30, 7), (900, 960), [("word", "合唱")]),
    "这个周六": (on(11, 28, 2), None, []),
    "12月5号 剪纸": (on(12, 5), None, [("word", "剪纸")]),
    "十二月五日剪纸": (on(12, 5), None, [("word", "剪纸")]),
    "5号": (on(12, 5), None, []),
    "28号": (on(11, 28), None, []),
    "12月 亲子": (on(12, 1, 31), None, [("group", "亲子")]),
    "周一三五晚上 跳舞": (on(11, 26, 7), EVENING, [("word", "跳舞")]),
    "我想学书法": (None, None, [("word", "书法")]),
    "有什么亲子活动": (None, None, [("group", "亲子")]),
    "免费理发": (None, None, [("word", "理发")]),
    "周四早上": (on(11, 26), MORNING, []),
    "周四凌晨": (on(11, 26), MORNING, []),
    # No times: a name, a thing, a month long ago, a date that is none.
    "四点半课堂": (None, None, [("word", "四点半课堂")]),
    "下午茶": (None, None, [("word", "下午茶")]),
    "3号楼": (None, None, [("word", "3号楼")]),
    "十月怀胎": (None, None, [("word", "十月怀胎")]),
    "2月30日": (None, None, [("word", "2月30日")]),
    "送到家": (None, None, [("word", "送到家")]),
    "24小时书吧": (None, None, [("word", "24小时书吧")]),
    "": (None, None, []),
    "！？": (None, None, []),
}  # fmt: skip


@pytest.mark.parametrize("typed", SENTENCES)
def test_what_is_understood(typed: str) -> None:
    days, hours, rest = SENTENCES[typed]
    wish = wishes.read(typed, NOW, CENTRES)
    assert (wish.days, wish.hours) == (days, hours)
    assert [(p.kind, p.text) for p in wish.parts if p.kind not in ("day", "hours")] == rest
    assert wish.q == " ".join(text for _, text in rest)


@pytest.mark.parametrize("typed", SENTENCES)
def test_each_part_is_taken_away_alone(typed: str) -> None:
    """What is left is read as the same sentence without that one part."""
    wish = wishes.read(typed, NOW, CENTRES)
    for gone in wish.parts:
        left = wishes.read(gone.left, NOW, CENTRES)
        assert [p.text for p in left.parts] == [p.text for p in wish.parts if p is not gone], (typed, gone)


PIECES = [
    *"周一二六日天末上下午早晚点半时分号月年0139今明后这本每个的老人手机葵涌-、,()／~ 每隔第最",
    "9999年12月31日",
    "0000年1月1日",
    "99月99日",
]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
@settings(max_examples=300)
def test_whatever_is_typed_is_read(typed: str) -> None:
    """Nothing is refused, and what is left without a part is read again."""
    wish = wishes.read(typed, NOW, CENTRES)
    month_snapshot.Filters(days=wish.days).asked_months(clock.today(NOW))
    assert wish.days is None or wish.days[0] < wish.days[1]
    assert all(len(wishes.read(part.left, NOW, CENTRES).q) <= len(typed) * 2 for part in wish.parts)


def test_a_part_of_today_that_is_over_is_next_week() -> None:
    saturday = clock.at(date(2026, 11, 28), time(18, 30))
    assert wishes.read("周六下午", saturday).days == on(12, 5)
    assert wishes.read("周六晚上", saturday).days == on(11, 28)
    assert "12月5日" in wishes.read("周六下午", saturday).when


@pytest.fixture
def saturday(town: Any, make: Any) -> None:
    month_snapshot.forget()
    a1 = town.centres["A1"]

    def put(title: str, day: int, hour: int, **more: Any) -> None:
        start = clock.at(date(2026, 11, day), time(hour))
        make.entry(a1, [(start, start + timedelta(hours=2))], title=title, content="", audience="居民", **more)

    put("智能手机课堂", 28, 15, groups=["elder"])
    put("智能手机晚课", 28, 19, groups=["elder"])
    put("智能手机早课", 27, 9, groups=["elder"])
    put("儿童手机摄影", 28, 15, groups=["child"])


def page(client: FlaskClient, **query: str) -> str:
    with clock.frozen(NOW):
        return client.get("/services", query_string=query).get_data(as_text=True)


def cards(text: str) -> list[str]:
    return re.findall(r'class="act(?: dim)?".*?<strong>([^<]*)</strong>', text, re.DOTALL)


def chips(text: str) -> dict[str, str]:
    """Words of each chip and where it leads."""
    found = re.findall(r'class="chip wish" href="([^"]*)".*?<span>([^<]*)</span>', text, re.DOTALL)
    return {word: unescape(url) for url, word in found}


def test_chips_are_links_that_take_their_part_away(client: FlaskClient, saturday: Any, town: Any) -> None:
    typed = f"周六下午 老人 手机 {town.centres['A1'].short_name}"
    text = page(client, q=typed)
    assert cards(text) == ["智能手机课堂"] and f'value="{typed}"' in text
    found = chips(text)
    assert list(found) == ["周六 11月28日", "下午", "老人", "手机", town.centres["A1"].short_name]
    with clock.frozen(NOW):
        wider = {word: cards(client.get(url).get_data(as_text=True)) for word, url in found.items()}
    assert wider["下午"] == ["智能手机课堂", "智能手机晚课"]
    assert wider["周六 11月28日"] == ["智能手机课堂"] and wider["老人"] == ["智能手机课堂", "儿童手机摄影"]


def test_a_day_pressed_goes_before_a_day_typed(client: FlaskClient, saturday: Any) -> None:
    assert cards(page(client, q="周六 老人", day="tomorrow")) == ["智能手机早课"]


def test_nothing_at_that_time_shows_the_other_times(client: FlaskClient, saturday: Any) -> None:
    text = page(client, q="周日 老人 手机")
    assert text.index("没有找到合适的服务") < text.index("换个时间有") < text.index("智能手机早课")


def test_one_plain_word_needs_no_chip(client: FlaskClient, saturday: Any) -> None:
    assert not chips(page(client, q="手机")) and list(chips(page(client, q="手机 课堂"))) == ["手机", "课堂"]


def test_a_long_sentence_reads_no_more_than_a_word(client: FlaskClient, saturday: Any, count_queries: Any) -> None:
    counts = []
    for q in ("手机", "课堂", "周六下午 老人 手机 摄影 课堂 太极 义诊"):
        with count_queries() as asked:
            page(client, q=q)
        counts.append(len(asked))
    assert counts[1] == counts[2]


def test_at_the_time_means_an_hour_of_it_or_half() -> None:
    def fits(start: datetime, hours: float) -> bool:
        want = month_snapshot.Filters(hours=EVENING)
        return want.at_time(start, start + timedelta(hours=hours))

    day = date(2026, 11, 28)
    assert (
        fits(clock.at(day, time(17)), 2) and fits(clock.at(day, time(17, 30)), 1) and fits(clock.at(day, time(19)), 1)
    )
    assert not fits(clock.at(day, time(16)), 2) and not fits(clock.at(day, time(16, 30)), 2)
