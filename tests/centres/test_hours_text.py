"""Opening hours as people say them (SPEC N1)."""

from __future__ import annotations

from portal.centres.rules import Hours, week_text

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
