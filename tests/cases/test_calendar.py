"""Working time: equal to a minute-by-minute model; known days; an unknown year is said to be one (SPEC Q10)."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.cases import notice_text
from portal.cases.calendar import WorkClock
from portal.cases.notice_text import Holiday
from portal.cases.policy import Term
from portal.core import clock

pytestmark = pytest.mark.once

REST = frozenset({date(2026, 9, 25), date(2026, 9, 26), date(2026, 9, 27), *(date(2026, 10, d) for d in range(1, 8))})
WORK = frozenset({date(2026, 9, 20), date(2026, 10, 10)})
OFFICE = WorkClock(((510, 720), (840, 1080)), REST, WORK, frozenset({2026}))
AROUND = WorkClock(((0, 1440),), REST, WORK, frozenset({2026}))  # day and night: no minute may be lost at midnight
START = clock.at(date(2026, 9, 10), time())
moments = st.integers(0, 45 * 1440).map(lambda minutes: START + timedelta(minutes=minutes))
clocks = st.sampled_from([OFFICE, AROUND])


def at(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return clock.at(moment.date(), moment.time())


def model(work: WorkClock, start: datetime, end: datetime) -> int:
    """Minute by minute."""
    found, moment = 0, start
    while moment < end:
        found += work.is_open(moment)
        moment += timedelta(minutes=1)
    return found


@settings(max_examples=60, deadline=None)
@given(clocks, moments, st.integers(0, 9 * 1440))
def test_between_equals_the_model(work: WorkClock, start: datetime, minutes: int) -> None:
    end = start + timedelta(minutes=minutes)
    assert work.between(start, end) == model(work, start, end)


@settings(max_examples=300, deadline=None)
@given(clocks, moments, st.integers(1, 4000), st.integers(1, 4000))
def test_adding_is_an_algebra(work: WorkClock, start: datetime, first: int, second: int) -> None:
    there = work.add(start, first)
    assert work.between(start, there) == first
    assert work.add(there, second) == work.add(start, first + second)
    assert there <= work.add(start, first + 1)


def test_known_values() -> None:
    start = at("2026-09-30 16:00")
    assert OFFICE.workday_end(start, 5) == at("2026-10-13 18:00")
    assert OFFICE.add(start, 24 * 60) == at("2026-10-10 17:30")
    assert Term("workdays", 5).due(start, OFFICE) == at("2026-10-13 18:00")
    assert OFFICE.add(at("2026-09-30 11:59"), 1) == at("2026-09-30 12:00"), "spans are half-open"
    assert AROUND.add(at("2026-10-09 23:59"), 2) == at("2026-10-10 00:01"), "no minute is lost at midnight"
    assert OFFICE.is_assumed(at("2027-01-05 10:00")) and not OFFICE.is_assumed(at("2026-12-31 10:00"))


def test_a_calendar_without_work_says_so() -> None:
    never = WorkClock(((510, 720),), frozenset(START.date() + timedelta(days=n) for n in range(1500)))
    with pytest.raises(ValueError, match="no working"):
        never.workday_end(START, 1)
    with pytest.raises(ValueError, match="no working"):
        never.add(START, 1)


@given(st.integers(0, 24 * 400), st.sampled_from([72, 48]))
def test_a_call_back_is_due_by_day_and_never_too_soon(hours: int, amount: int) -> None:
    opened = clock.at(date(2026, 11, 25), time(10)) + timedelta(hours=hours, minutes=17)
    due = clock.local(Term("hours", amount, by_day=True).due(opened, OFFICE))
    least = timedelta(hours=amount)
    assert least <= due - opened <= least + timedelta(hours=19)
    assert 9 <= due.hour <= 18 and due.minute == 0


NOTICE = """一、元旦：1月1日（周五）至3日（周日）放假，共3天。1月4日（周一）上班。
二、春节：2月5日（农历除夕、周五）至12日（周五）放假调休，共8天。2月4日（周四）、2月20日（周六）上班。

国庆节: 9月30日至10月6日放假"""


def test_the_notice_is_read_as_it_is_published_and_written_back() -> None:
    reading = notice_text.read(NOTICE, 2027)
    assert not reading.problems
    rest = [d.day for d in reading.days if not d.works]
    assert len(rest) == 3 + 8 + 7 and date(2027, 10, 6) in rest
    assert [d.day for d in reading.days if d.works] == [date(2027, 1, 4), date(2027, 2, 4), date(2027, 2, 20)]
    assert notice_text.read(notice_text.write(reading.days), 2027) == reading


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "没有写任何节日"), ("放假", "名字"), ("元旦：1月1日", "放假"), ("元旦：32日放假", "没有写月份"),
        ("元旦：1月32日放假", "没有1月32日"), ("元旦：2026年1月1日放假", "不是2027年"), ("元旦：1月9日至1日放假", "起止"),
        ("元旦：1月1日放假，1月1日上班", "写了两次"), ("元旦：放假", "前没有日期"), ("春节：1月1日至2月9日放假", "起止"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_said(text: str, why: str) -> None:
    assert why in "".join(notice_text.read(text, 2027).problems)


holidays = st.lists(
    st.tuples(st.integers(0, 364), st.booleans()), min_size=1, max_size=40, unique_by=lambda pair: pair[0]
)


@given(holidays)
def test_whatever_is_written_is_read_again(found: list[tuple[int, bool]]) -> None:
    days = tuple(Holiday(date(2027, 1, 1) + timedelta(days=n), "节", works) for n, works in sorted(found))
    runs_too_long = any("至" in line for line in ()) or len(days) > 30
    reading = notice_text.read(notice_text.write(days), 2027)
    assert reading.days == days or runs_too_long or any("起止" in p for p in reading.problems)
