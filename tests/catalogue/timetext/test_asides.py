"""What stands beside the time of a service is never a session: signing up, gathering, lunar dates, numbers (SPEC C7)."""

from __future__ import annotations

import pytest

from portal.catalogue.timetext.parse import parse_when
from portal.catalogue.timetext.parts import errors

pytestmark = pytest.mark.once

MONTH = "2026-12"
ONCE = [(5, "08:30", "10:00")]
SOLSTICE = [(22, "14:30", "16:30")]
WEDNESDAYS = [2, 9, 16, 23, 30]


def read(text: str) -> list[tuple[int, str, str]]:
    return [(s.start.day, f"{s.start:%H:%M}", f"{s.end:%H:%M}") for s in parse_when(text, MONTH).spans]


def days(text: str) -> list[int]:
    return [day for day, _start, _end in read(text)]


@pytest.mark.parametrize(
    "text",
    [
        "12月22日（农历十一月十四）14:30-16:30",
        "12月22日（十一月十四）14:30-16:30",
        "12月22日（冬月十四）14:30-16:30",
        "12月22日（农历11月14日）14:30-16:30",
        "12月22日（农历11.14）14:30-16:30",
        "12月22日【农历 十一月 十四】14:30-16:30",
        "12月22日／阴历冬月十四／14:30-16:30",
        "12月22日（农历丙午年十一月十四 冬至）14:30-16:30",
        "2026年12月22日 星期二 农历十一月十四 14:30-16:30",
        "农历十一月十四（12月22日）14:30-16:30",
        "十一月十四（12月22日）14:30-16:30",
    ],
)
def test_a_lunar_date_beside_the_solar_one_is_no_date(text: str) -> None:
    assert read(text) == SOLSTICE
    assert parse_when(text, MONTH).problems == ()


def test_lunar_dates_of_a_range_and_of_other_months() -> None:
    assert days("12月9日（农历十一月初一）至12月15日（农历十一月初七）每天下午2:30-4:00") == list(range(9, 16))
    assert days("12月9日（十一月初一）、16日（十一月初八）14:30-16:30") == [9, 16]
    for text, month, day in (
        ("9月25日（八月十五）19:00-21:00", "2026-09", 25),
        ("6月19日（农历五月初五）9:00-11:00", "2026-06", 19),
        ("10月18日（九月初九）9:00-11:00", "2026-10", 18),
        ("3月20日（二月初二）9:00-11:00", "2026-03", 20),
        ("3月20日（二月二）9:00-11:00", "2026-03", 20),
    ):
        when = parse_when(text, month)
        assert ([s.start.day for s in when.spans], when.problems) == ([day], ()), text


def test_solar_dates_in_chinese_numerals_stay_dates() -> None:
    assert days("十二月五日上午9点-11点") == [5]
    assert days("十二月五、十二日上午9点-11点") == [5, 12]
    assert days("十二月五日至七日上午9点-11点") == [5, 6, 7]


def test_nth_weekdays_said_one_by_one() -> None:
    for text in (
        "12月第一个和第三个周六9:00-10:00",
        "第一个周六和第三个周六9:00-10:00",
        "每月第一、三周的周六9:00-10:00",
    ):
        assert days(text) == [5, 19], text


def test_a_lunar_date_alone_asks_for_the_solar_one() -> None:
    assert "只写了农历" in errors(parse_when("农历十一月十四14:30-16:30", MONTH).problems)[0].message


@pytest.mark.parametrize(
    ("text", "aside"),
    [
        ("12月5日（周六）8:30-10:00，12月3日17:00前报名", "12月3日17:00前报名"),
        ("12月5日8:30-10:00；报名截止时间12月3日17:00", "报名截止时间12月3日17:00"),
        ("12月5日8:30-10:00 报名截止日期：12月3日", "报名截止日期:12月3日"),
        ("１２月５日８：３０－１０：００，报名截止１２月３日１７：００", "报名截止12月3日17:00"),
        ("12月5日8:30-10:00，报名时间：12月1日-3日", "报名时间:12月1日-3日"),
        ("12月5日8:30-10:00（报名时间12月1日-12月3日）", "报名时间12月1日-12月3日"),
        ("报名时间：12月1日9:00起；活动时间：12月5日8:30-10:00", "报名时间:12月1日9:00起"),
        ("报名期限 12.1-12.3，活动时间 12.5 8:30-10:00", "报名期限 12.1-12.3"),
        ("报名12/1-12/3；活动12/5 8:30-10:00", "报名12/1-12/3"),
        ("报名：12月1日9:00-12月3日17:00，活动：12月5日8:30-10:00", "报名:12月1日9:00-12月3日17:00"),
        ("12月1日至3日报名，12月5日8:30-10:00活动", "12月1日-3日报名"),
        ("请于12月3日前报名，12月5日8:30-10:00", "请于12月3日前报名"),
        ("11月30日开始报名，12月5日8:30-10:00", "11月30日开始报名"),
        ("12月5日8:30-10:00\n（截止报名：12月3日）", "截止报名:12月3日"),
        ("12月5日8:30-10:00，12月3日17:00截止", "12月3日17:00截止"),
        ("12月5日8:30-10:00，截止时间12月3日17:00", "截止时间12月3日17:00"),
        ("12月5日8:30-10:00，12月3日公布名单", "12月3日公布名单"),
        ("12月5日8:30-10:00，12月3日17:00前提交作品", "12月3日17:00前提交"),
        ("12月5日8:30-10:00，8:10集合", "8:10集合"),
        ("12月5日8:10签到，8:30-10:00活动", "8:10签到"),
        ("12月5日签到8:10，活动8:30-10:00", "签到8:10"),
        ("12月5日（签到8:10，活动8:30-10:00）", "签到8:10"),
        ("12月5日8:00-8:30签到，8:30-10:00", "8:00-8:30签到"),
        ("12月5日8:10-8:30 签到入场；8:30-10:00 正式活动", "8:10-8:30 签到入场"),
        ("12月5日上午8点10分签到，8点半到10点活动", "上午8点10分签到"),
        ("12月5日早上7:30前到场，8:30-10:00", "早上7:30前到场"),
        ("12月5日8:00入场 8:30-10:00", "8:00入场"),
        ("12月5日8:30-10:00（8:00开放入场）", "8:00开放入场"),
        ("12月5日8:00在社区门口集合，8:30-10:00", "8:00在社区门口集合"),
        ("12月5日8:00候场，8:30-10:00", "8:00候场"),
        ("12月4日报到，12月5日8:30-10:00", "12月4日报到"),
        ("报名12月1日-12月3日，12月5日8:30-10:00", "报名12月1日-12月3日"),
        ("活动时间：12月5日8:30-10:00 集合时间：8:00", "集合时间:8:00"),
        ("集合时间：12月5日8:00，活动时间：8:30-10:00", "集合时间:12月5日8:00"),
        ("12月5日8:00签到，8:30正式开始，10:00结束", "8:00签到"),
        ("12月5日8:30-10:00（雨天取消）", "雨天"),
    ],
)
def test_signing_up_and_gathering_are_no_sessions_and_are_shown(text: str, aside: str) -> None:
    assert read(text) == ONCE
    when = parse_when(text, MONTH)
    assert when.problems == ()
    assert aside in when.unused


@pytest.mark.parametrize(
    "text", ["需报名", "需提前报名", "（需提前3天报名）", "电话报名84200000", "请提前15分钟入场", "先到先得"]
)
def test_conditions_behind_the_time_leave_it_alone(text: str) -> None:
    assert read(f"12月5日8:30-10:00 {text}") == ONCE
    assert not errors(parse_when(f"12月5日8:30-10:00 {text}", MONTH).problems)


@pytest.mark.parametrize(
    ("text", "doubt"),
    [
        ("彩排12月4日15:00-16:00，演出12月5日19:30-21:00", "彩排12月4日15:00-16:00"),
        ("布展12月4日，展览12月5日-7日9:00-17:00", "布展12月4日"),
        ("12月5日8:00领早餐，8:30-10:00", "“8:00”没写到几点"),
        ("12月8日9:00-11:00；12月8日10:30", "“10:30”没写到几点"),
        ("12月5日8:30-10:00，12月3日前", "看不出是不是活动的日期"),
        ("12月5日9:00-11:00、12月12日待定", "看不出是不是活动的日期"),
        ("12月5日9:00-11:00（雨天顺延至12月6日）", "“雨天顺延”"),
        ("原定12月4日9:00-11:00，改为12月5日9:00-11:00", "“原定”"),
        ("12月5日或12月6日9:00-11:00", "“或”"),
        ("征集12月1日-20日，评选12月25日9:00-11:00", "“征集”“评选”"),
        ("12月5日9:00-11:00（取消）", "写了取消"),
        ("12月5日8:00出发，17:00返回", "没有看到几点到几点"),
        ("12月5日9:00-11:00报名", "看着是报名、集合的时间"),
        ("12月2日，每周三19:00-20:30", "只办一次还是每周都办"),
        ("每周三（12月2日）19:00-20:30", "只办一次还是每周都办"),
        ("12月1日-10日、15日每周二9:00-10:00", "只办一次还是每周都办"),
        ("每周三19:00-20:30，12月12日", "看不出是不是活动的日期"),
        ("12月中旬每周三9:00-10:00", "“中旬”是哪几天"),
        ("每周三（第一、三周）19:00-20:30", "“三周”是哪几天"),
        ("每周三19:00-20:30，隔周一次", "“隔周一次”是不是"),
        ("12月5日至长期 9:00-11:00", "“长期”"),
        ("12月5日9:00-10:00；12月10日前交作品", "看不出是不是活动的日期"),
        ("每周一次，19:00-20:30", "没有看到日期"),
        ("每周2次19:00-20:30", "没有看到日期"),
        ("12月2日、9日19:00-20:30，共3次", "写了“共3次”，看到的是 2 场"),
        ("12月2日、9日、16日19:00-20:30，共2次", "写了“共2次”，看到的是 3 场"),
        ("12月5-7日9:00-11:00（共4天）", "写了“共4天”，看到的是 3 场"),
        ("每周三9:00-10:00、14:00-15:00，共3次", "一天有 2 场"),
    ],
)
def test_what_cannot_be_told_is_asked(text: str, doubt: str) -> None:
    found = errors(parse_when(text, MONTH).problems)
    assert any(doubt in problem.message for problem in found), found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("每周三19:00-20:30（共4节）", WEDNESDAYS[:4]),
        ("每周三 19:00-20:30【共 4 节】", WEDNESDAYS[:4]),
        ("每周三19:00-20:30，一共四堂课", WEDNESDAYS[:4]),
        ("每周三19:00-20:30，4次", WEDNESDAYS[:4]),
        ("每周三19:00-20:30 ×4次", WEDNESDAYS[:4]),
        ("12月2日起，每周三19:00-20:30，共3次课", WEDNESDAYS[:3]),
        ("每周三19:00-20:30，为期三周", WEDNESDAYS[:3]),
        ("每周三19:00-20:30，连上三周", WEDNESDAYS[:3]),
        ("每周六上午9:00-10:30，连续3周", [5, 12, 19]),
        ("12月5日起连续三个周六上午9:00-10:30", [5, 12, 19]),
        ("12月5日起每周六（3期）9:00-10:30", [5, 12, 19]),
        ("12月前三个周六9:00-10:30", [5, 12, 19]),
        ("每周二、四9:00-10:30，连续2周", [1, 3, 8, 10]),
        ("12月5日起连续3天9:00-11:00", [5, 6, 7]),
        ("工作日9:00-11:00（共3天）", [1, 2, 3]),
        ("12月2日开课，每周三晚上7点-8点半，共3堂", WEDNESDAYS[:3]),
    ],
)
def test_a_number_of_sessions_is_kept_and_told(text: str, expected: list[int]) -> None:
    assert days(text) == expected
    when = parse_when(text, MONTH)
    assert not errors(when.problems)
    assert any("算到" in problem.message for problem in when.problems)


def test_a_number_of_sessions_that_agrees_says_nothing() -> None:
    for text in (
        "12月5日（第1期）、12月19日（第2期）9:00-10:30",
        "12月5-7日9:00-11:00（共3天）",
        "每周三19:00-20:30，共5次",
    ):
        assert parse_when(text, MONTH).problems == (), text
    said = parse_when("每周三19:00-20:30，共8课时", MONTH)
    assert (len(said.spans), [p.message for p in said.problems]) == (5, ["写了“共8课时”，这个月只有 5 场，请核对"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12月2日开课，每周三19:00-20:30", WEDNESDAYS),
        ("首课12月2日，每周三19:00-20:30", WEDNESDAYS),
        ("12月9日（周三）开课，每周三19:00-20:30", WEDNESDAYS[1:]),
        ("开课时间：12月9日，每周三19:00-20:30", WEDNESDAYS[1:]),
        ("首课：12月9日（周三）19:00，每周三19:00-20:30", WEDNESDAYS[1:]),
        ("第一课12月9日，以后每周三19:00-20:30", WEDNESDAYS[1:]),
        ("12月9日开班，逢周三19:00-20:30", WEDNESDAYS[1:]),
        ("每周三19:00-20:30，12月9日开课", WEDNESDAYS[1:]),
        ("每周三19:00-20:30，12月9日起", WEDNESDAYS[1:]),
        ("每周三19:00-20:30，首节课12月9日", WEDNESDAYS[1:]),
        ("每周三19:00-20:30，12月9日首课，12月23日结课", WEDNESDAYS[1:4]),
        ("每周三19:00-20:30，12月9日至12月23日", WEDNESDAYS[1:4]),
    ],
)
def test_a_first_day_does_not_swallow_the_rule(text: str, expected: list[int]) -> None:
    when = parse_when(text, MONTH)
    assert [span.start.day for span in when.spans] == expected
    assert when.weekly is not None
    assert when.problems == ()


@pytest.mark.parametrize(
    "text",
    [
        "9:00-17:00（周一闭馆）",
        "9:00-17:00，逢周一闭馆",
        "周一闭馆，9:00-17:00",
        "闭馆日：周一，9:00-17:00",
        "除周一外9:00-17:00",
        "开放时间：9:00-17:00（周一全天闭馆）",
        "全年开放，9:00-17:00，周一闭馆",
    ],
)
def test_opening_hours_with_only_the_closing_day(text: str) -> None:
    when = parse_when(text, MONTH)
    assert [span.start.day for span in when.spans] == [day for day in range(1, 32) if day % 7 != 0]
    assert [problem.message for problem in when.problems] == ["没有写哪几天，按这个月每天都开算，请核对"]


@pytest.mark.parametrize(
    "text",
    [
        "5日、" * 160,
        "1-2-" * 120,
        "截止" * 250,
        "日期" * 240 + "x",
        "12月5日9:00" * 60,
        "报名时间" * 120,
        "十一月" * 160,
        "(共" * 240,
    ],
)
def test_no_cell_takes_long(text: str) -> None:
    when = parse_when(text[:500], MONTH)  # a pattern that tries all ways would need years
    assert when.spans or when.problems
