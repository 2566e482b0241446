"""core.typeset: weeks, dates, line ends."""

from __future__ import annotations

from datetime import date

import pytest

from portal.core import typeset

pytestmark = pytest.mark.once


def test_weeks_are_cut_at_the_ends_of_the_month() -> None:
    found = [(first.day, last.day) for first, last in typeset.weeks("2026-12")]
    assert found == [(1, 6), (7, 13), (14, 20), (21, 27), (28, 31)]
    assert [(a.day, b.day) for a, b in typeset.weeks("2027-02")] == [(1, 7), (8, 14), (15, 21), (22, 28)]
    assert typeset.weeks("2026-11")[0] == (date(2026, 11, 1), date(2026, 11, 1))  # a Sunday by itself


@pytest.mark.parametrize("month", ["2026-13", "2026", "十二月", "2026-1"])
def test_a_wrong_month_is_refused(month: str) -> None:
    with pytest.raises(ValueError):
        typeset.month_words(month)


def test_day_ranges() -> None:
    assert typeset.day_range(date(2026, 12, 7), date(2026, 12, 13)) == "12月7日—13日"
    assert typeset.day_range(date(2026, 11, 30), date(2026, 12, 6)) == "11月30日—12月6日"
    assert typeset.day_range(date(2026, 11, 1), date(2026, 11, 1)) == "11月1日"


def test_no_line_ends_with_one_character() -> None:
    assert str(typeset.tail("亲子绘本阅读会")) == "亲子绘本阅读会"
    long = "大鹏半岛国家地质公园博物馆亲子研学之一"
    assert str(typeset.tail(long)) == f'{long[:-3]}<span class="nb">学之一</span>'
    # A closing mark is never alone; the three characters before it count.
    assert str(typeset.tail(long + "。")) == f'{long[:-3]}<span class="nb">学之一。</span>'


def test_two_marks_in_a_row_lose_one_half_and_words_are_escaped() -> None:
    assert str(typeset.tail("阅读会：《小猪》")) == '阅读会<span class="hw">：</span>《小猪》'
    assert str(typeset.tail("<b>危险</b>")) == "&lt;b&gt;危险&lt;/b&gt;"


def test_big_titles_break_after_a_mark() -> None:
    html = str(typeset.lines("“暖冬行动”高龄老人探访慰问", 9))
    assert html == '<span class="nb">“暖冬行动”</span><wbr><span class="nb">高龄老人探访慰问</span>'
    assert "wbr" not in str(typeset.lines("冬至包汤圆", 9))
    assert "wbr" not in str(typeset.lines("没有任何标点的一个特别长的活动标题", 9))


def test_phones_in_groups() -> None:
    assert typeset.phone_groups("0755-84200001") == "0755-8420 0001"
    assert typeset.phone_groups("19900000001") == "199 0000 0001"
    assert typeset.phone_groups("0755-8420 0001 转 8") == "0755-8420 0001 转 8"
    assert typeset.phone_groups("12345") == "12345"


def test_opening_marks_hang() -> None:
    assert typeset.hang("“扫黑除恶”宣传") == "hang"
    assert typeset.hang("冬至") == typeset.hang("") == ""
