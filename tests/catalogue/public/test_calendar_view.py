"""The list as a calendar: the week and the month, with the filters of the list, without a script (issue 11)."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient

from portal.catalogue.public import calendar_view, month_snapshot
from portal.catalogue.public.month_snapshot import Filters
from portal.core import clock

NOW = clock.at(date(2026, 11, 26), time(10))  # a Thursday


def at(month: int, day: int, hour: int = 9) -> datetime:
    return clock.at(date(2026, month, day), time(hour))


@pytest.fixture(autouse=True)
def _rows(town: Any, make: Any) -> None:
    month_snapshot.forget()
    a1, two = town.centres["A1"], timedelta(hours=2)
    weekly = [(at(11, day), at(11, day) + two) for day in (2, 9, 16, 23, 30)]
    make.entry(a1, weekly, title="每周合唱", content="")
    make.entry(a1, [(at(11, 26, 19), at(11, 26, 21))], title="今晚电影", groups=["elder"], content="")
    make.entry(a1, [(at(11, 24), at(11, 24) + two)], title="已经过去的", content="")
    make.entry(town.centres["B1"], [(at(11, 28), at(11, 28) + two)], title="别处的", content="")
    make.entry(a1, [(at(11, 28), at(11, 28) + two)], title="取消了的", status="cancelled", content="")
    make.entry(a1, [(at(12, 3), at(12, 3) + two)], title="十二月的", content="")
    for number in range(15):
        make.entry(a1, [(at(11, 29), at(11, 29) + two)], title=f"周日{number}", content="")


def page(client: FlaskClient, query: str = "") -> str:
    with clock.frozen(NOW):
        answer = client.get(f"/services?view=calendar{query}")
    assert answer.status_code == 200
    return unescape(answer.get_data(as_text=True))


def week(text: str) -> str:
    return text[text.index('class="cal-week"') : text.index('class="cal-month"')]


def grid(text: str) -> dict[str, str]:
    """The cells of the month that have something, by the number of the day."""
    table = text[text.index("<tbody>") : text.index("</tbody>")]
    cells = [cell for cell in re.findall(r"<td.*?</td>", table, re.DOTALL) if 'class="out' not in cell]
    return {re.search(r"<b>(\d+)</b>", cell)[1]: cell for cell in cells if "项" in cell}  # type: ignore[index]


def test_the_week_begins_today_and_each_date_of_a_series_stands_in_the_month(client: FlaskClient) -> None:
    text = page(client)
    shown = week(text)
    assert "11月23日–29日" in shown and "已经过去的" not in shown and shown.index("今晚电影") < shown.index("别处的")
    assert "取消了的 （已取消）" in shown and "十二月的" not in text and "今天" in shown
    cells = grid(text)
    assert set(cells) == {"2", "9", "16", "23", "30", "24", "26", "28", "29"}
    assert all("每周合唱" in cells[day] for day in ("2", "9", "16", "23", "30"))
    # A full day shows some of it and leads to its list.
    assert cells["29"].count("<li>") == calendar_view.IN_CELL + 1 and "还有 12 项" in cells["29"]
    assert "这天还有 7 项" in shown and 'href="/services?day=2026-11-29"' in shown


def test_on_a_sunday_evening_what_is_over_is_folded_and_the_next_week_is_one_press_away(client: FlaskClient) -> None:
    with clock.frozen(at(11, 29, 20)):
        shown = week(unescape(client.get("/services?view=calendar").get_data(as_text=True)))
    open_, folded = shown.split("<details", maxsplit=1)
    assert "今天的都结束了" in open_ and "周日1" not in open_ and "别处的" not in shown
    assert "今天已结束 15 项" in folded and folded.count("（已结束）") == 15
    assert "week=2026-11-30" in shown.split("看下一周", maxsplit=1)[0]


def test_weeks_and_months_lead_on_and_keep_the_filters(client: FlaskClient) -> None:
    text = page(client, "&for=elder")
    assert "今晚电影" in text and "每周合唱" not in text and set(grid(text)) == {"26"}
    after = re.search(r'href="([^"]*)" aria-label="下一周"', text)
    assert after and "week=2026-11-30" in after[1] and "for=elder" in after[1] and "view=calendar" in after[1]
    assert 'href="/services?for=elder&day=2026-11-26"' in text
    text = page(client, "&month=2026-12")
    assert "2026年12月" in text and "十二月的" in text and set(grid(text)) == {"3"}


def test_a_wish_is_shown_as_a_calendar_too(client: FlaskClient) -> None:
    assert set(grid(page(client, "&q=电影"))) == {"26"} and not grid(page(client, "&q=周日的电影上午"))


@pytest.mark.parametrize(
    "query", ["&week=x", "&week=9999-12-31", "&week=0001-01-01", "&month=9999-12", "&day=nie", "&page=9", "&ended=1"]
)
def test_odd_addresses_are_calendars_still(client: FlaskClient, query: str) -> None:
    assert "上一周" in page(client, query)


def test_the_list_leads_to_it_and_it_leads_back(client: FlaskClient) -> None:
    with clock.frozen(NOW):
        text = unescape(client.get("/services?for=elder").get_data(as_text=True))
    assert 'href="/services?for=elder&view=calendar"' in text and "calendar.css" not in text
    text = page(client, "&for=elder")
    assert 'href="/services?for=elder"' in text and "calendar.css" in text


def test_ones_own_stand_first_on_a_day(client: FlaskClient, town: Any, as_resident: Any) -> None:
    as_resident(client, town.residents[0])
    text = week(page(client))
    assert text.index("取消了的") < text.index("别处的")


WEEKS = {
    ("", "", None): ("2026-11-23", "2026-11"),
    ("2026-12-02", "", None): ("2026-11-30", "2026-12"),
    ("", "2026-12", None): ("2026-11-30", "2026-12"),
    ("", "2026-11", None): ("2026-11-23", "2026-11"),
    ("", "2026-10", None): ("2026-09-28", "2026-10"),
    ("2026-10-15", "2026-10", None): ("2026-10-12", "2026-10"),
    ("", "", (date(2026, 12, 5), date(2026, 12, 6))): ("2026-11-30", "2026-12"),
}


@pytest.mark.parametrize("asked", WEEKS)
def test_which_week_and_month_are_meant(asked: Any) -> None:
    day, month, days = asked
    shown = calendar_view.span(day, Filters(month=month, days=days), date(2026, 11, 26))
    assert (shown.monday.isoformat(), shown.month) == WEEKS[asked]
    first, end = shown.grid
    assert first.weekday() == end.weekday() == 0 and (end - first).days in (28, 35, 42)
