"""SPEC C7: the ways in which centres write when something is held."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.catalogue.timetext.parse import parse_when
from portal.catalogue.timetext.parts import Span, When, errors
from portal.catalogue.timetext.render import clock_range, render_spans, weekdays_text
from portal.core.clock import SHANGHAI

pytestmark = pytest.mark.once

MONTH = "2026-12"


def at(day: int, start: str, end: str, month: int = 12, year: int = 2026) -> Span:
    """The span of a day of December 2026; `24:00` ends at midnight, `25:00` an hour later."""
    midnight = datetime(year, month, day, tzinfo=SHANGHAI)
    hours = [tuple(int(part) for part in text.split(":")) for text in (start, end)]
    first, last = (midnight + timedelta(hours=hour, minutes=minute) for hour, minute in hours)
    return Span(first, last)


def each(days: list[int], start: str, end: str) -> tuple[Span, ...]:
    return tuple(at(day, start, end) for day in days)


def said(when: When, severity: str) -> list[str]:
    return [problem.message for problem in when.problems if problem.severity == severity]


WORKDAYS = [day for day in range(1, 32) if date(2026, 12, day).weekday() < 5]
AFTERNOON = each([3], "15:00", "16:30")
MORNING = [5, 12, 19]

CLEAR: list[tuple[str, tuple[Span, ...]]] = [
    ("12月3日（周四）15:00-16:30", AFTERNOON),
    ("12月3日15:00-16:30", AFTERNOON),
    ("3日下午3点-4点半", AFTERNOON),
    ("3号下午3:00到4:30", AFTERNOON),
    ("2026年12月3日 15:00-16:30", AFTERNOON),
    ("2026年12月3日（星期四）下午3点至4点30分", AFTERNOON),
    ("12/3 15:00—16:30", AFTERNOON),
    ("12-3 15:00-16:30", AFTERNOON),
    ("12.3 15:00-16:30", AFTERNOON),
    ("12.3（周四）15.00-16.30", AFTERNOON),
    ("2026-12-03 15:00~16:30", AFTERNOON),
    ("2026/12/3 15:00～16:30", AFTERNOON),
    ("2026.12.03 15:00–16:30", AFTERNOON),
    ("20261203 15:00-16:30", AFTERNOON),
    ("2026-12-03 15:00-2026-12-03 16:30", AFTERNOON),
    ("１２月３日（周四）１５：００－１６：３０", AFTERNOON),
    ("12 月 3 日 （ 周四 ） 15 : 00 - 16 : 30", AFTERNOON),
    ("十二月三日下午三点至四点半", AFTERNOON),
    ("12月3日（四）15:00——16:30", AFTERNOON),
    ("周四（12月3日）15:00-16:30", AFTERNOON),
    ("12月3日 礼拜四 15时-16时30分", AFTERNOON),
    ("12月3日下午3-4点半", AFTERNOON),
    ("15:00-16:30（12月3日）", AFTERNOON),
    ("12月3日3:00pm-4:30pm", AFTERNOON),
    ("12月3日15：00，90分钟", AFTERNOON),
    ("12月3日15:00开始，约1.5小时", AFTERNOON),
    ("12月3日15:00，一个半小时", AFTERNOON),
    ("12月3日（12月1日前报名）15:00-16:30", AFTERNOON),
    ("12月3日14:30集合，15:00-16:30", AFTERNOON),
    ("时间：12月3日（周四）15;00-16;30", AFTERNOON),
    ("12月3日\n15:00-16:30", AFTERNOON),
    ("12月16日（周三）9:00-12:00，14:00-17:00", (at(16, "9:00", "12:00"), at(16, "14:00", "17:00"))),
    ("12月16日上午9:00-12:00、下午2:00-5:00", (at(16, "9:00", "12:00"), at(16, "14:00", "17:00"))),
    ("12月5日、12日、19日 9:30-11:00", each(MORNING, "9:30", "11:00")),
    ("12月5、12、19日9:30-11:00", each(MORNING, "9:30", "11:00")),
    ("5、12、19日 9:30-11:00", each(MORNING, "9:30", "11:00")),
    ("12/5、12/12、12/19 9:30-11:00", each(MORNING, "9:30", "11:00")),
    ("12/5、12、19 9:30-11:00", each(MORNING, "9:30", "11:00")),
    ("12.5、12.12、12.19 9:30-11:00", each(MORNING, "9:30", "11:00")),
    ("12月5日（周六）、12日（周六）、19日（周六）9:30-11:00", each(MORNING, "9:30", "11:00")),
    ("12月5日、12日、19日（周六）9:30-11:00", each(MORNING, "9:30", "11:00")),
    ("每周六（5日、12日、19日）9:30-11:00", each(MORNING, "9:30", "11:00")),
    ("每周六9:30-11:00（12月5日、12日、19日）", each(MORNING, "9:30", "11:00")),
    ("12月2日、4日（周三、周五）9:00-10:00", each([2, 4], "9:00", "10:00")),
    ("12月5日-7日 9:00-11:00", each([5, 6, 7], "9:00", "11:00")),
    ("12月5-7日 9:00-11:00", each([5, 6, 7], "9:00", "11:00")),
    ("12月5日（周六）至7日（周一）每天9:00-11:00", each([5, 6, 7], "9:00", "11:00")),
    ("12月2日-4日、7日-8日9:00-10:00", each([2, 3, 4, 7, 8], "9:00", "10:00")),
    ("12月1日-31日（周一至周五）9:00-11:00", each(WORKDAYS, "9:00", "11:00")),
    ("12月3日9:00-11:00，12月10日14:00-16:00", (at(3, "9:00", "11:00"), at(10, "14:00", "16:00"))),
    ("12月3日9:00-11:00\n12月10日14:00-16:00", (at(3, "9:00", "11:00"), at(10, "14:00", "16:00"))),
    ("12月31日22:00-次日0:30", (at(31, "22:00", "24:30"),)),
    ("12月31日22:00-1月1日0:30", (at(31, "22:00", "24:30"),)),
    ("12月24日晚上10点-12点", (at(24, "22:00", "24:00"),)),
    ("12月12日（第二个周六）9:00-11:00", each([12], "9:00", "11:00")),
    ("12月5日15:00-16:30（每月第一个周六）", each([5], "15:00", "16:30")),
    ("12月22日（冬至）14:30-17:00", (at(22, "14:30", "17:00"),)),
    ("12月6日中午12点-1点半", (at(6, "12:00", "13:30"),)),
    ("每月5日、15日 9:00-11:00", each([5, 15], "9:00", "11:00")),
    ("12月5日 2号会议室 9:00-11:00", each([5], "9:00", "11:00")),
]

WEEKLY: list[tuple[str, list[int], str, str, str]] = [
    ("每周五19:30-21:00", [4, 11, 18, 25], "19:30", "21:00", "每周五 19:30–21:00"),
    ("周一至周五16:30-18:00", WORKDAYS, "16:30", "18:00", "每周一至周五 16:30–18:00"),
    ("每周五晚7点半至9点", [4, 11, 18, 25], "19:30", "21:00", "每周五 19:30–21:00"),
    ("12月每周五 19：30—21：00", [4, 11, 18, 25], "19:30", "21:00", "每周五 19:30–21:00"),
    ("每周一至周五16:30-18:00", WORKDAYS, "16:30", "18:00", "每周一至周五 16:30–18:00"),
    ("每周一到五 16:30-18:00", WORKDAYS, "16:30", "18:00", "每周一至周五 16:30–18:00"),
    ("每周1-5 16:30-18:00", WORKDAYS, "16:30", "18:00", "每周一至周五 16:30–18:00"),
    ("工作日16:30-18:00", WORKDAYS, "16:30", "18:00", "每周一至周五 16:30–18:00"),
    ("每周二9:30-11:00", [1, 8, 15, 22, 29], "9:30", "11:00", "每周二 9:30–11:00"),
    (
        "每周二、四 9:30-11:00",
        [1, 3, 8, 10, 15, 17, 22, 24, 29, 31],
        "9:30",
        "11:00",
        "每周二、四 9:30–11:00",
    ),
    (
        "每周二和周四9:30-11:00",
        [1, 3, 8, 10, 15, 17, 22, 24, 29, 31],
        "9:30",
        "11:00",
        "每周二、四 9:30–11:00",
    ),
    (
        "每周二、每周四9:30-11:00",
        [1, 3, 8, 10, 15, 17, 22, 24, 29, 31],
        "9:30",
        "11:00",
        "每周二、四 9:30–11:00",
    ),
    ("每周六、日 9:00-11:00", [5, 6, 12, 13, 19, 20, 26, 27], "9:00", "11:00", "每周六、日 9:00–11:00"),
    ("每周六日9:00-11:00", [5, 6, 12, 13, 19, 20, 26, 27], "9:00", "11:00", "每周六、日 9:00–11:00"),
    ("周末 9:00-11:00", [5, 6, 12, 13, 19, 20, 26, 27], "9:00", "11:00", "每周六、日 9:00–11:00"),
    ("每星期天9点-11点", [6, 13, 20, 27], "9:00", "11:00", "每周日 9:00–11:00"),
    ("每天 9:00-17:00", list(range(1, 32)), "9:00", "17:00", "每天 9:00–17:00"),
    ("每日9:00-17:00", list(range(1, 32)), "9:00", "17:00", "每天 9:00–17:00"),
    ("每晚7点-9点", list(range(1, 32)), "19:00", "21:00", "每天 19:00–21:00"),
    ("每周三（12月9日起）19:00-20:30", [9, 16, 23, 30], "19:00", "20:30", "每周三 19:00–20:30（12月9日起）"),
    ("12月9日起每周三19:00-20:30", [9, 16, 23, 30], "19:00", "20:30", "每周三 19:00–20:30（12月9日起）"),
    ("每周三19:00-20:30（至12月20日）", [2, 9, 16], "19:00", "20:30", "每周三 19:00–20:30（12月16日止）"),
    (
        "12月1日-20日每周二、四9:00-11:00",
        [1, 3, 8, 10, 15, 17],
        "9:00",
        "11:00",
        "每周二、四 9:00–11:00（12月17日止）",
    ),
    ("隔周三（12月9日起）19:00-20:30", [9, 23], "19:00", "20:30", "隔周三 19:00–20:30（12月9日起）"),
    (
        "每周五19:30-21:00（12月25日除外）",
        [4, 11, 18],
        "19:30",
        "21:00",
        "每周五 19:30–21:00（12月25日除外）",
    ),
    ("除12月25日外每周五19:30-21:00", [4, 11, 18], "19:30", "21:00", "每周五 19:30–21:00（12月25日除外）"),
    ("每周五19:30-21:00，12月25日暂停", [4, 11, 18], "19:30", "21:00", "每周五 19:30–21:00（12月25日除外）"),
    (
        "每天9:00-17:00（周一闭馆）",
        [d for d in range(1, 32) if d % 7 != 0],
        "9:00",
        "17:00",
        "每周二至周日 9:00–17:00",
    ),
]

NTH = [
    ("每月第一个周六 9:00-11:00", [5]),
    ("每月首个周六9:00-11:00", [5]),
    ("第二、第四个周三9:00-11:00", [9, 23]),
    ("每月第一、三个周六9:00-11:00", [5, 19]),
    ("每月最后一个周五9:00-11:00", [25]),
    ("每月第三周周四9:00-11:00", [17]),
]


@pytest.mark.parametrize(("text", "spans"), CLEAR)
def test_dates_are_understood_without_a_doubt(text: str, spans: tuple[Span, ...]) -> None:
    when = parse_when(text, MONTH)
    assert when.spans == spans
    assert when.problems == ()
    assert when.weekly is None


@pytest.mark.parametrize(("text", "days", "start", "end", "label"), WEEKLY)
def test_weekly_rules_unfold_over_the_month(text: str, days: list[int], start: str, end: str, label: str) -> None:
    when = parse_when(text, MONTH)
    assert when.spans == each(days, start, end)
    assert when.problems == ()
    assert when.label == label
    assert when.weekly is not None
    assert when.weekly.label == label
    assert (when.weekly.start, when.weekly.end) == tuple(time(*map(int, t.split(":"))) for t in (start, end))
    assert set(when.weekly.weekdays) >= {span.start.weekday() for span in when.spans}


@pytest.mark.parametrize(("text", "days"), NTH)
def test_the_nth_weekday_of_the_month(text: str, days: list[int]) -> None:
    when = parse_when(text, MONTH)
    assert when.spans == each(days, "9:00", "11:00")
    assert when.problems == ()


def test_two_hours_a_day_every_week_have_no_single_rule() -> None:
    when = parse_when("工作日9:00-12:00、14:00-18:00", MONTH)
    assert len(when.spans) == 46
    assert when.weekly is None
    assert when.label == "每周一至周五 9:00–12:00、14:00–18:00"


def test_two_weekly_rules_in_one_cell() -> None:
    when = parse_when("每周一9:00-11:00，周三14:00-16:00", MONTH)
    assert when.spans == tuple(
        sorted([*each([7, 14, 21, 28], "9:00", "11:00"), *each([2, 9, 16, 23, 30], "14:00", "16:00")])
    )
    assert when.label == "每周一 9:00–11:00；每周三 14:00–16:00"
    assert when.problems == ()


DOUBTFUL: list[tuple[str, tuple[Span, ...], str]] = [
    ("12月3日 15:00", each([3], "15:00", "16:00"), "没有结束时间，按 1 小时算，请核对"),
    ("12月3日（周五）15:00-16:30", AFTERNOON, "12月3日是周四，表里写的是周五，请核对"),
    ("周五 12月3日 15:00-16:30", AFTERNOON, "12月3日是周四，表里写的是周五，请核对"),
    (
        "12月5日（周六）-7日（周二）9:00-11:00",
        each([5, 6, 7], "9:00", "11:00"),
        "12月7日是周一，表里写的是周二，请核对",
    ),
    ("12月3日全天", each([3], "0:00", "24:00"), "“全天”按 0:00–24:00 算；最好改成开放的钟点，如 9:00-18:00"),
    ("12月3日上午", each([3], "9:00", "12:00"), "只写了“上午”、没写几点，按 9:00–12:00 算，请核对"),
    (
        "周五19:30-21:00",
        each([4, 11, 18, 25], "19:30", "21:00"),
        "只写了周五、没写日期，按每周都办算，请核对",
    ),
    ("隔周三19:00-20:30", each([2, 16, 30], "19:00", "20:30"), "没写隔周从哪天起，按从12月2日起算，请核对"),
    ("双周周三19:00-20:30", each([9, 23], "19:00", "20:30"), "双周按这个月的第二、四个算，请核对日期"),
    ("12月3日3点-4点半", AFTERNOON, "3:00没写上午下午，按 15:00 算，请核对"),
    ("12月3日3:00-4:30pm", each([3], "15:00", "16:30"), "3:00没写上午下午，按 15:00 算，请核对"),
    ("12月3日3:00-4:30", each([3], "3:00", "4:30"), "3:00是凌晨；如果是下午请写 15:00，请核对"),
    ("12月3日上午11点-1点", each([3], "11:00", "13:00"), "结束时间按下午 13:00 算，请核对"),
    (
        "12月5日9:30-11:00、12日、19日",
        each(MORNING, "9:30", "11:00"),
        "后面的日期没写钟点，按前面的钟点算，请核对",
    ),
    (
        "12月30日-1月2日9:00-11:00",
        each([30, 31], "9:00", "11:00"),
        "12月30日到1月2日超出了2026年12月，只收12月里的日子，请核对",
    ),
    (
        "12月5日9:00-12月7日17:00",
        each([5, 6, 7], "9:00", "17:00"),
        "从12月5日到12月7日，按每天 9:00–17:00 算，请核对",
    ),
    (
        "12月3日9:00-11:00，10:00-12:00",
        (at(3, "9:00", "11:00"), at(3, "10:00", "12:00")),
        "12月3日有两段时间重叠，请核对",
    ),
    (
        "每周二19:00-20:00（学校放假除外）",
        each([1, 8, 15, 22, 29], "19:00", "20:00"),
        "写了除外或暂停，没看出是哪几天，请核对有没有要去掉的日期",
    ),
    (
        "每周二晚",
        each([1, 8, 15, 22, 29], "19:00", "21:00"),
        "只写了“晚”、没写几点，按 19:00–21:00 算，请核对",
    ),
    (
        "每周二19:00-20:00（节假日除外）",
        each([1, 8, 15, 22, 29], "19:00", "20:00"),
        "节假日怎么安排系统不知道，请核对有没有要去掉的日期",
    ),
]


@pytest.mark.parametrize(("text", "spans", "message"), DOUBTFUL)
def test_a_guess_is_told_as_a_warning(text: str, spans: tuple[Span, ...], message: str) -> None:
    when = parse_when(text, MONTH)
    assert when.spans == spans
    assert said(when, "warning") == [message]
    assert not errors(when.problems)


WRONG: list[tuple[str, str]] = [
    ("12月32日 9:00-11:00", "没有12月32日这一天（2026年12月只有 31 天），请核对日期"),
    ("2月30日 9:00-11:00", "没有2月30日这一天（2027年2月只有 28 天），请核对日期"),
    ("13月3日 9:00-11:00", "没有13月，请核对日期（写成 12月3日 这样）"),
    ("11月3日15:00-16:30", "11月3日不在2026年12月内，这份清单只收12月的，请核对日期"),
    ("2025年12月3日15:00-16:30", "2025年12月3日不在2026年12月内，这份清单只收12月的，请核对日期"),
    ("11月每周五19:30-21:00", "写的是11月，这份清单是2026年12月的，请核对"),
    ("12月3日16:30-15:00", "结束时间 15:00 不晚于开始时间 16:30，请核对"),
    ("12月3日15:00-15:00", "结束时间 15:00 不晚于开始时间 15:00，请核对"),
    ("12月7日-5日9:00-11:00", "12月7日到12月5日：后面的日期比前面的早，请核对"),
    ("12月3日", "没有看到几点到几点，请写上开始和结束的钟点，如 9:00-11:00"),
    ("每周六、日", "没有看到几点到几点，请写上开始和结束的钟点，如 9:00-11:00"),
    ("15:00-16:30", "没有看到日期，请写上日期（如 12月3日）或星期（如 每周五）"),
    ("12月3日25:00-26:00", "没有“25:00-26:00”这样的时间，请写成 9:00-11:00 这样"),
    ("12月3日9:75-11:00", "没有“9:75-11:00”这样的时间，请写成 9:00-11:00 这样"),
    ("12月3日15:3-16:30", "没有“15:3”这样的时间，请写成 9:00-11:00 这样"),
    ("待定", "时间还没有定（“待定”），请写成 12月3日15:00-16:30 或 每周五19:30-21:00 这样"),
    ("全体居民", "没有看到日期和钟点，请写成 12月3日15:00-16:30 或 每周五19:30-21:00 这样"),
    ("", "没有写时间，请写成 12月3日15:00-16:30 或 每周五19:30-21:00 这样"),
    ("1" * 600, "时间这一格超过 500 个字，只留日期和钟点"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_what_cannot_be_is_an_error_that_says_why(text: str, message: str) -> None:
    when = parse_when(text, MONTH)
    assert message in said(when, "error")
    assert errors(when.problems)
    assert {problem.field for problem in when.problems} == {"when"}


def test_workdays_in_a_month_of_public_holidays_ask_for_a_look() -> None:
    when = parse_when("工作日9:00-12:00", "2026-10")
    assert said(when, "warning") == ["工作日按周一至周五算，请核对放假和调休的日子"]


def test_a_bare_month_gets_the_nearest_year() -> None:
    assert parse_when("1月5日9:00-10:00", "2027-01").spans == (at(5, "9:00", "10:00", 1, 2027),)
    assert "2025年12月31日不在2026年1月内" in said(parse_when("12月31日9:00-10:00", "2026-01"), "error")[0]


def test_leap_day() -> None:
    assert parse_when("2月29日9:00-10:00", "2028-02").spans == (at(29, "9:00", "10:00", 2, 2028),)


@pytest.mark.parametrize("month", ["2026", "2026-13", "十二月", ""])
def test_a_malformed_month_is_the_callers_mistake(month: str) -> None:
    with pytest.raises(ValueError):
        parse_when("12月3日9:00-10:00", month)


def test_labels_are_short_and_plain() -> None:
    assert parse_when("12月13日8:30-11:00", MONTH).label == "12月13日（周日）8:30–11:00"
    assert parse_when("12月5日-7日 9:00-11:00", MONTH).label == "12月5日（周六）–12月7日（周一）9:00–11:00"
    assert parse_when("  看  情况 ", MONTH).label == "看 情况"


# --- properties -------------------------------------------------------------------------


def _days_in(month: str) -> int:
    year, number = (int(part) for part in month.split("-"))
    return ((date(year, number, 28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)).day


@st.composite
def months_and_spans(draw: st.DrawFn) -> tuple[str, tuple[Span, ...]]:
    month = f"{draw(st.integers(2024, 2032))}-{draw(st.integers(1, 12)):02d}"
    year, number = (int(part) for part in month.split("-"))
    spans = set()
    for day in draw(st.sets(st.integers(1, _days_in(month)), min_size=1, max_size=12)):
        # Sessions of a day do not overlap; only the last may run past midnight.
        cuts = sorted(draw(st.sets(st.integers(6 * 60, 24 * 60 - 1), min_size=2, max_size=4)))
        pairs = list(zip(cuts[::2], cuts[1::2], strict=False))
        if draw(st.booleans()):
            pairs[-1] = (pairs[-1][0], draw(st.sampled_from([24 * 60, 24 * 60 + 30])))
        midnight = datetime(year, number, day, tzinfo=SHANGHAI)
        spans |= {Span(midnight + timedelta(minutes=a), midnight + timedelta(minutes=b)) for a, b in pairs}
    days = {
        span.start.date() for span in spans if span.end.date() > span.start.date() and span.end.hour + span.end.minute
    }
    spans = {span for span in spans if span.start.date() - timedelta(days=1) not in days}
    return month, tuple(sorted(spans))


@settings(max_examples=150, deadline=None)
@given(months_and_spans())
def test_what_is_written_reads_back_the_same(case: tuple[str, tuple[Span, ...]]) -> None:
    month, spans = case
    text = render_spans(spans)
    # A cell this long is refused on purpose; the property is about what fits.
    if len(text) <= 500:
        when = parse_when(text, month)
        assert when.spans == spans
        assert when.problems == ()


@settings(max_examples=100, deadline=None)
@given(
    st.sets(st.integers(0, 6), min_size=1),
    st.integers(6 * 60, 20 * 60),
    st.integers(1, 239),
    st.integers(1, 12),
)
def test_a_weekly_label_reads_back_the_same(days: set[int], start: int, length: int, number: int) -> None:
    month = f"2027-{number:02d}"
    label = f"{weekdays_text(sorted(days))} {clock_range(start, start + length)}"
    when = parse_when(label, month)
    assert not errors(when.problems)
    assert when.weekly is not None
    assert when.weekly.weekdays == tuple(sorted(days))
    assert when.label == label
    dates = [date(2027, number, day) for day in range(1, _days_in(month) + 1)]
    assert [span.start.date() for span in when.spans] == [day for day in dates if day.weekday() in days]
    assert {span.end - span.start for span in when.spans} == {timedelta(minutes=length)}


_PIECES = (
    "12月 3日 5日 32日 周 周四 每周 每周一至周五 第一个 隔 单周 上午 下午 晚上 9点 9:00 16:30 半 "
    "- – ~ 至 到 、 ， ； "
    "（ ） ( ) / . 1 2 12 2026 年 月 日 号 : ： 起 止 前 除 外 除外 暂停 全天 工作日 每天 次日 2小时 90分钟 "
    "节假日 待定 \n am PM = @ 十二 三 最后一个"
)
PIECES = _PIECES.split(" ")


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.text(max_size=80), st.lists(st.sampled_from(PIECES), max_size=25).map("".join)))
def test_no_text_ever_raises_and_nothing_vanishes_silently(text: str) -> None:
    when = parse_when(text, MONTH)
    assert when.spans or when.problems
    assert (not errors(when.problems)) is not bool(said(when, "error"))
    first = datetime(2026, 12, 1, tzinfo=SHANGHAI)
    for span in when.spans:
        assert first <= span.start < datetime(2027, 1, 1, tzinfo=SHANGHAI)
        assert span.start < span.end <= span.start + timedelta(days=2)
    if errors(when.problems):
        assert all(problem.message.strip() for problem in when.problems)
