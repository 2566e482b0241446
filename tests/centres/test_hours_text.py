"""Opening hours as people say them (SPEC N1)."""

from __future__ import annotations

import pytest

from portal.centres import table, typed_hours
from portal.centres.rules import Hours, week_text

pytestmark = pytest.mark.once

DAY, EVENING = [Hours(540, 1080)], [Hours(540, 1080), Hours(1140, 1290, "晚间延时")]


def test_days_with_the_same_hours_stand_in_one_line() -> None:
    week = {0: DAY, 1: DAY, 2: EVENING, 3: EVENING, 4: DAY, 5: EVENING, 6: DAY}
    assert week_text(week) == [
        ("周一、周二、周五、周日", "9:00–18:00"),
        ("周三、周四、周六", "9:00–18:00、19:00–21:30（晚间延时）"),
    ]


def test_a_row_of_days_is_a_span_and_closed_days_are_named() -> None:
    assert week_text(dict.fromkeys(range(7), DAY)) == [("每天", "9:00–18:00")]
    assert week_text(dict.fromkeys(range(1, 7), DAY)) == [("周一", "不开放"), ("周二至周日", "9:00–18:00")]


OFFICE = [Hours(510, 720), Hours(840, 1050)]


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("9:00-21:00", "每天 9:00-21:00"),
        ("每天：8:30-12:00，14:00-17:30", "每天 8:30-12:00 14:00-17:30"),
        ("周一到周五上午8:30-12:00，下午2:00-5:30", "周一至周五 8:30-12:00 14:00-17:30"),
        (
            "工作日 8点半-12点 14点-18点；周末 上午9:00-下午5:00",
            "周一至周五 8:30-12:00 14:00-18:00；周六、周日 9:00-17:00",
        ),
        ("周二、四、六 19:00-21:00 晚间延时", "周二、周四、周六 19:00-21:00 晚间延时"),
        ("星期一至星期日 9：00—21：00", "每天 9:00-21:00"),
        ("周一、周二 9:00-12:00；14:00-18:00\n周六 9:00-10:00", "周一、周二 9:00-12:00 14:00-18:00；周六 9:00-10:00"),
        ("周一闭馆；周二至周日 9:00-17:00", "周二至周日 9:00-17:00"),
        ("全年 24小时", None),
        ("24小时", "每天 0:00-24:00"),
        ("周一 9:00-8:00", None),
        ("周一 9:00-10:00；周一 11:00-12:00", None),
        ("周五至周一 9:00-10:00", None),
        ("周一 9:00-12:00 约14:00-18:00", None),  # a time that is not understood is no note
    ],
)
def test_a_week_in_one_cell(said: str, means: str | None) -> None:
    if means is None:
        with pytest.raises(typed_hours.Unclear):
            typed_hours.read_week(said)
        return
    assert typed_hours.write_week(typed_hours.read_week(said)) == means
    assert typed_hours.write_week(typed_hours.read_week(means)) == means


def test_one_half_of_a_weeks_hours_is_told_and_the_other_stays() -> None:
    week = {0: [*OFFICE, Hours(1140, 1260, "晚间延时")], 1: OFFICE}
    told = {0: [Hours(540, 720)]}
    assert table.with_both(week, told, None) == {0: [Hours(540, 720), Hours(1140, 1260, "晚间延时")]}
    late = {5: [Hours(540, 600, "晨练")]}
    assert table.with_both(week, None, late) == {0: OFFICE, 1: OFFICE, 5: late[5]}
    with pytest.raises(table.Wrong, match="周一"):
        table.with_both(week, {0: [Hours(1200, 1300)]}, None)
