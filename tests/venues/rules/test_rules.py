"""Rules of venues in plain cases: each refusal with its sentence and way out, each clock at its edge (SPEC V1-V5, V7)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta

import pytest

from portal.core import clock
from portal.venues import rules
from portal.venues.rules import Closure, Span, Terms

pytestmark = pytest.mark.once

MORNING_AND_AFTERNOON = ((510, 720), (840, 1260))  # 8:30–12:00, 14:00–21:00
WEDNESDAY = date(2026, 12, 2)
NOW = clock.at(date(2026, 12, 1), time(9))
TERMS = Terms(
    weekly=dict.fromkeys(range(1, 7), MORNING_AND_AFTERNOON),  # not on Mondays
    exceptions={date(2026, 12, 5): (), date(2026, 12, 6): ((600, 720),)},
    exception_reasons={date(2026, 12, 5): "换届选举", date(2026, 12, 6): "志愿者日"},
    closures=(Closure(Span(clock.at(date(2026, 12, 4), time(15)), clock.at(date(2026, 12, 4), time(17))), "消防检修"),),
    buffer=15,
    shortest=60,
    longest=180,
    step=30,
    ahead_days=14,
    notice=120,
    capacity=30,
)


def at(text: str, day: date = WEDNESDAY) -> datetime:
    hours, minutes = text.split(":")
    return rules.moment(day, int(hours) * 60 + int(minutes))


def span(text: str, day: date = WEDNESDAY) -> Span:
    """'9:00-11:00' on a day of Shanghai."""
    start, end = text.split("-")
    return Span(at(start, day), at(end, day))


def texts(spans: list[Span]) -> list[str]:
    return [f"{clock.local(s.start):%m-%d %H:%M}–{clock.local(s.end):%H:%M}" for s in spans]


def day_of(number: int) -> date:
    return date(2026, 12, number)


@pytest.mark.parametrize(
    ("wanted", "people", "code", "told", "way_out", "field"),
    [
        (span("11:00-9:00"), 5, "reversed", "结束时间要晚于开始时间", "改晚", "end"),
        (span("9:00-9:00"), 5, "reversed", "结束时间要晚于开始时间", "改晚", "end"),
        (span("8:30-10:00", day_of(1)), 5, "past", "12月1日（周二）8:30已经过去了", "12月1日（周二）11:00以后", "start"),
        (span("10:30-11:30", day_of(1)), 5, "too_soon", "至少要提前 2 小时", "12月1日（周二）11:00以后", "start"),
        (span("9:00-10:00", day_of(16)), 5, "too_far", "最多提前 14 天订，现在能订到12月15日（周二）",
         "12月16日（周三）的从12月2日（周三）起", "day"),
        (span("9:00-10:00"), 0, "bad_people", "至少填 1 人", "大概", "people"),
        (span("9:00-10:00"), 50, "too_many_people", "最多坐 30 人，您填了 50 人", "找别的场地", "people"),
        (span("9:00-9:30"), 5, "too_short", "最短要订 1 小时，您选了 30 分钟", "改晚", "end"),
        (span("14:00-17:30"), 5, "too_long", "最长可订 3 小时，您选了 3 小时 30 分钟", "分两次", "end"),
        (span("9:10-10:30"), 5, "off_step", "30 分钟一格来订，9:10 不在格子上", "开始时间请改成 9:00 或 9:30", "start"),
        (span("9:00-10:10"), 5, "off_step", "10:10 不在格子上", "结束时间请改成 10:00 或 10:30", "end"),
        (span("9:00-10:00", day_of(7)), 5, "closed", "周一不开放", "换一天", "day"),
        (span("9:00-10:00", day_of(5)), 5, "closed", "12月5日（周六）不开放：换届选举。", "换一天", "day"),
        (span("14:00-15:30", day_of(4)), 5, "closed", "12月4日（周五）15:00到12月4日（周五）17:00不开放：消防检修。",
         "17:00以后", "day"),
        (span("7:30-9:00"), 5, "outside_hours", "12月2日（周三）的开放时间是 8:30–12:00、14:00–21:00", "开放时间里面", "start"),
        (span("11:00-12:30"), 5, "outside_hours", "8:30–12:00", "开放时间里面", "end"),
        (span("11:00-14:00"), 5, "outside_hours", "8:30–12:00", "开放时间里面", "end"),
        (span("9:00-11:00", day_of(6)), 5, "outside_hours", "12月6日（周日）（志愿者日）的开放时间是 10:00–12:00",
         "开放时间里面", "start"),
    ],
)  # fmt: skip
def test_every_refusal_says_why_and_what_to_do(
    wanted: Span, people: int, code: str, told: str, way_out: str, field: str
) -> None:
    refusal = rules.refusal(TERMS, wanted, people, NOW)
    assert refusal is not None
    assert (refusal.code, refusal.field) == (code, field)
    assert told in refusal.message and refusal.message.endswith("。")
    assert way_out in refusal.advice and refusal.advice.endswith("。")


@pytest.mark.parametrize(
    "wanted",
    [
        span("8:30-11:30"), span("11:00-12:00"), span("14:00-15:00"), span("20:00-21:00"),  # touching the hours
        span("14:00-15:00", day_of(4)), span("17:00-20:00", day_of(4)),  # touching the closure
        span("11:00-12:00", day_of(1)),  # exactly the notice
        span("20:00-21:00", day_of(15)),  # the last day, up to its end
    ],
)  # fmt: skip
def test_what_touches_a_limit_may_be_booked(wanted: Span) -> None:
    assert rules.refusal(TERMS, wanted, 30, NOW) is None
    assert rules.refusal(TERMS, wanted, None, NOW) is None


def test_nothing_longer_than_a_day() -> None:
    """Even where the venue allows it by mistake."""
    terms = Terms(dict.fromkeys(range(7), ((0, 1440),)), longest=5000)
    start = at("0:00", day_of(3))
    assert rules.refusal(terms, Span(start, start + timedelta(hours=24)), 1, NOW) is None
    refusal = rules.refusal(terms, Span(start, start + timedelta(hours=24, minutes=30)), 1, NOW)
    assert refusal and refusal.code == "too_long" and "最长可订 1 天" in refusal.message


def test_over_midnight_only_where_both_sides_touch_it() -> None:
    late = Terms({2: ((1200, 1440),), 3: ((0, 120),)}, longest=300)
    over = Span(at("22:00"), at("1:00", day_of(3)))
    assert rules.refusal(late, over, 1, NOW) is None
    assert rules.refusal(replace(late, weekly={2: ((1200, 1440),), 3: ((30, 120),)}), over, 1, NOW)
    assert texts(rules.free_spans(late, day_of(3), [], NOW)) == ["12-03 00:00–02:00"]
    assert rules.ends(late, at("23:30"), [], NOW)[-1] == at("2:00", day_of(3))
    closed_next_day = rules.refusal(Terms({2: ((1200, 1440),)}, longest=300), over, 1, NOW)
    assert closed_next_day and closed_next_day.code == "closed" and "周四不开放" in closed_next_day.message


def test_why_a_day_is_closed() -> None:
    assert rules.closed_why(TERMS, WEDNESDAY) is None
    assert rules.closed_why(TERMS, day_of(7)) == "这个场地周一不开放。"
    assert rules.closed_why(TERMS, day_of(5)) == "12月5日（周六）不开放：换届选举。"
    assert rules.closed_why(TERMS, day_of(4)) is None and len(rules.closures_on(TERMS, day_of(4))) == 1
    whole = Span(at("0:00"), at("0:00", day_of(4)))
    renovated = replace(TERMS, closures=(Closure(whole, "装修。"), Closure(whole, "装修。")))
    assert rules.closed_why(renovated, WEDNESDAY) == "12月2日（周三）不开放：装修。"
    assert rules.closed_why(renovated, day_of(4)) is None and rules.closures_on(renovated, day_of(4)) == []
    assert rules.closed_why(replace(TERMS, closures=(Closure(whole),)), WEDNESDAY) == "12月2日（周三）不开放。"


# What is free ---------------------------------------------------------------------------------------------------------


def test_the_buffer_fits_before_the_next_but_may_stick_out_over_closing() -> None:
    taken = [rules.held(span("16:00-17:00"), TERMS.buffer)]
    free = texts(rules.free_spans(TERMS, WEDNESDAY, taken, NOW))
    assert free == ["12-02 08:30–12:00", "12-02 14:00–15:30", "12-02 17:30–21:00"]
    assert texts(rules.free_spans(TERMS, day_of(4), [], NOW))[1] == "12-04 14:00–15:00"  # up to the closure
    no_buffer = replace(TERMS, buffer=0)
    assert texts(rules.free_spans(no_buffer, WEDNESDAY, [span("16:00-17:00")], NOW))[1:] == [
        "12-02 14:00–16:00",
        "12-02 17:00–21:00",
    ]


def test_whoever_comes_right_after_closing_is_not_disturbed() -> None:
    """An activity may hold the room outside its hours; the last booking's buffer ends before it."""
    evening = [span("21:00-22:00")]
    assert texts(rules.free_spans(TERMS, WEDNESDAY, evening, NOW))[-1] == "12-02 14:00–20:30"
    assert texts(rules.free_spans(TERMS, WEDNESDAY, [span("21:15-22:00")], NOW))[-1] == "12-02 14:00–21:00"


def test_today_begins_after_the_notice_and_other_days_are_out_of_reach() -> None:
    assert texts(rules.free_spans(TERMS, day_of(1), [], NOW + timedelta(seconds=1)))[0] == "12-01 14:00–21:00"
    assert texts(rules.free_spans(TERMS, day_of(1), [], NOW))[0] == "12-01 11:00–12:00"
    for day in (date(2026, 11, 30), date(2026, 12, 16), date.max, date.min):
        assert rules.free_spans(TERMS, day, [], NOW) == []
        assert rules.starts(TERMS, day, [], NOW, 60) == []
    assert rules.open_spans(TERMS, date.max) == [] == rules.open_spans(TERMS, date.min)


def test_starts_and_ends() -> None:
    taken = [rules.held(span("10:00-11:00"), 15)]
    starts = rules.starts(TERMS, WEDNESDAY, taken, NOW, 60)
    assert [clock.hour(s) for s in starts[:3]] == ["8:30", "14:00", "14:30"] and clock.hour(starts[-1]) == "20:00"
    assert rules.starts(TERMS, WEDNESDAY, taken, NOW, 30) == [] == rules.starts(TERMS, WEDNESDAY, taken, NOW, 210)
    assert [clock.hour(e) for e in rules.ends(TERMS, at("8:30"), taken, NOW)] == ["9:30"]
    late = [clock.hour(e) for e in rules.ends(TERMS, at("14:00"), taken, NOW)]
    assert late == ["15:00", "15:30", "16:00", "16:30", "17:00"]
    assert rules.ends(TERMS, at("11:00"), taken, NOW) == [] == rules.ends(TERMS, at("14:10"), taken, NOW)


def test_other_times_are_near_then_shorter_then_on_other_days() -> None:
    taken = [rules.held(span("15:00-16:00"), 0)]
    found = rules.alternatives(replace(TERMS, buffer=0), span("14:30-16:30"), taken, NOW)
    assert texts(found) == ["12-02 16:00–18:00", "12-02 10:00–12:00", "12-03 14:30–16:30", "12-08 14:30–16:30"]
    morning = rules.alternatives(replace(TERMS, buffer=0, shortest=30), span("9:00-11:00"), [span("10:30-11:00")], NOW)
    assert texts(morning) == ["12-02 08:30–10:30", "12-02 14:00–16:00", "12-02 09:00–10:30", "12-03 09:00–11:00"]
    assert rules.alternatives(TERMS, span("9:00-11:00"), [], NOW, 0) == []


def test_the_largest_part_of_the_wish_comes_first() -> None:
    taken = [span("15:00-15:30"), span("17:30-21:00")]
    found = rules.alternatives(replace(TERMS, buffer=0), span("14:00-17:00"), taken, NOW, 3)
    assert texts(found)[0] == "12-02 09:00–12:00" and texts(found)[1] == "12-02 15:30–17:00"


def test_the_buffer_counts_on_later_days_too() -> None:
    taken = [span("9:00-10:00"), span("10:00-11:00", day_of(3)), span("10:15-11:00", day_of(8))]
    found = texts(rules.alternatives(TERMS, span("9:00-10:00"), taken, NOW, 10))
    assert "12-03 09:00–10:00" not in found and "12-08 09:00–10:00" in found


def test_further_shifts_fill_what_no_other_day_can() -> None:
    today_only = replace(TERMS, ahead_days=1, buffer=0)
    found = rules.alternatives(today_only, span("14:00-15:00"), [span("14:00-15:00")], NOW)
    assert texts(found) == ["12-02 15:00–16:00", "12-02 11:00–12:00", "12-02 15:30–16:30", "12-02 16:00–17:00"]


def test_a_wish_that_was_too_long_is_offered_shorter() -> None:
    found = rules.alternatives(TERMS, span("14:00-19:00"), [], NOW)
    assert texts(found) == ["12-02 14:00–17:00"]


# Limits ---------------------------------------------------------------------------------------------------------------


def test_hours_per_week() -> None:
    terms = replace(TERMS, hours_per_week=5)
    own = [span("9:00-11:00", day_of(1)), span("14:00-16:00", day_of(6)), span("9:00-12:00", date(2026, 11, 29))]
    assert rules.over_limits(terms, own, span("9:00-10:00")) is None
    refusal = rules.over_limits(terms, own, span("9:00-10:30"))
    assert refusal and refusal.code == "week_limit"
    assert refusal.message == (
        "每人每周最多订 5 小时。11月30日（周一）到12月6日（周日）您已订 4 小时，再加 1 小时 30 分钟就超了。"
    )
    assert refusal.advice == "可以改短到 1 小时以内，或者订12月7日（周一）起的时间。"
    used_up = rules.over_limits(terms, [*own, span("17:00-18:00")], span("9:00-10:30"))
    assert used_up and used_up.advice == "可以订12月7日（周一）起的时间。"


def test_a_booking_counts_where_it_starts() -> None:
    sunday_night = Span(at("23:00", day_of(6)), at("2:00", day_of(7)))
    terms = replace(TERMS, hours_per_week=3, bookings_per_month=1)
    weekly = replace(terms, bookings_per_month=None)
    assert rules.over_limits(weekly, [sunday_night], span("9:00-11:00", day_of(8))) is None
    assert rules.over_limits(terms, [span("0:00-1:00", date(2027, 1, 1))], span("9:00-10:00", day_of(31))) is None


def test_bookings_per_month() -> None:
    terms = replace(TERMS, bookings_per_month=2)
    own = [span("9:00-10:00", day_of(1)), span("9:00-10:00", day_of(31)), span("9:00-10:00", date(2026, 11, 30))]
    refusal = rules.over_limits(terms, own, span("9:00-10:00"))
    assert refusal and refusal.code == "month_limit"
    assert refusal.message == "每人每月最多订 2 次，12月您已订 2 次。"
    assert refusal.advice == "可以订1月1日（周五）起的时间，或先取消一次用不上的预约。"
    assert rules.over_limits(terms, own[1:], span("9:00-10:00")) is None
    assert rules.over_limits(terms, own, span("9:00-10:00", date(2027, 1, 1))) is None
    assert rules.over_limits(TERMS, own * 50, span("9:00-10:00")) is None  # no limits set


# Series ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("until", "weekdays", "hours", "code", "told"),
    [
        (day_of(1), {1}, (540, 600), "reversed", "最后一天"),
        (day_of(31), {1}, (600, 600), "reversed", "结束时间"),
        (day_of(31), {1}, (600, 1500), "reversed", "结束时间"),
        (day_of(31), set(), (540, 600), "empty", "星期几"),
        (day_of(3), {6}, (540, 600), "empty", "没有一个"),
        (WEDNESDAY + timedelta(days=120), set(range(7)), (540, 600), "too_long", "一次最多排 120 个日期，现在有 121 个"),
        (date(9999, 12, 31), {2}, (540, 600), "too_long", "120"),
        (WEDNESDAY + timedelta(days=119), set(range(7)), (540, 600), None, ""),
        (WEDNESDAY, {2}, (0, 1440), None, ""),
    ],
)  # fmt: skip
def test_series_that_make_no_sense(
    until: date, weekdays: set[int], hours: tuple[int, int], code: str | None, told: str
) -> None:
    refusal = rules.series_refusal(WEDNESDAY, until, frozenset(weekdays), *hours)
    assert (refusal.code if refusal else None) == code
    if refusal:
        assert told in refusal.message and refusal.advice and refusal.field


# Clocks ---------------------------------------------------------------------------------------------------------------

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
START = at("14:00")


@pytest.mark.parametrize(
    ("asked_before", "hours", "expected_before"),
    [
        (72 * HOUR, 24, 48 * HOUR),
        (10 * HOUR, 24, 30 * MINUTE),  # half an hour before the start at the latest
        (40 * MINUTE, 24, 25 * MINUTE),  # a quarter of an hour to decide
        (10 * MINUTE, 24, timedelta()),  # never after the start
        (72 * HOUR, 0, 72 * HOUR - 15 * MINUTE),
    ],
)
def test_decide_by(asked_before: timedelta, hours: int, expected_before: timedelta) -> None:
    assert rules.decide_by(START - asked_before, hours, START) == START - expected_before


def test_cancel_and_release() -> None:
    assert rules.cancel_until(START, 120) == START - 2 * HOUR and rules.cancel_until(START, 0) == START
    assert rules.release_at(START, 15) == START + 15 * MINUTE
    assert rules.release_at(START, 0) is None


# Words ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("minutes", "text"),
    [(0, "0 分钟"), (45, "45 分钟"), (60, "1 小时"), (90, "1 小时 30 分钟"), (1440, "1 天"), (1500, "25 小时")],
)
def test_duration(minutes: int, text: str) -> None:
    assert rules.duration(minutes) == text


def test_hours_text() -> None:
    assert rules.hours_text(TERMS, WEDNESDAY) == "8:30–12:00、14:00–21:00"
    assert rules.hours_text(TERMS, day_of(5)) == ""
    assert rules.hours_text(Terms({2: ((0, 1440),)}), WEDNESDAY) == "0:00–24:00"
