"""Finding on a phone: how soon the first activity is seen, a sentence as chips, the calendar, following (issue 11)."""

from __future__ import annotations

from datetime import date, time, timedelta

import pytest
from playwright.sync_api import expect

from portal.core import clock
from tests.browser.conftest import House, Visit

pytestmark = [pytest.mark.browser, pytest.mark.once]
PHONE = {"width": 375, "height": 812}
MONTH = "2027-01"


def offer(house: House, title: str, day: int, hour: int = 14) -> int:
    start = clock.at(date(2027, 1, day), time(hour))
    return house.entry(title=title, sessions=[(start, start + timedelta(hours=2))], groups=["elder"])


@pytest.mark.parametrize(
    "query",
    ["", "?month=2027-01", "?day=2027-01-09", "?for=elder&month=2027-01", "?q=找找看", "?q=1月9日下午 老人 找找看",
     "?q=找找看&for=elder&free=1", "?centre=A1&month=2027-01&free=1"],
)  # fmt: skip
@pytest.mark.parametrize("at_home", [False, True], ids=["stranger", "at home"])
def test_the_first_card_is_within_a_third_of_the_screen(house: House, visit: Visit, query: str, at_home: bool) -> None:
    offer(house, "找找看的活动", 9)
    page = visit(house.portal, PHONE)
    if at_home:
        page.goto("/c/A1")
    page.goto(f"/services{query}")
    box = page.locator("a.act").first.bounding_box()
    assert box is not None and box["y"] <= 0.35 * PHONE["height"], box
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_a_sentence_is_chips_that_go_away_without_a_script(house: House, visit: Visit) -> None:
    offer(house, "句子里的手机课", 9), offer(house, "句子里的晚课", 9, 19)
    page = visit(house.portal, PHONE, js=False)
    page.goto(f"/services?month={MONTH}")
    page.locator(".filters summary", has_text="搜索").click()
    page.get_by_label("找服务").fill("1月9日下午 老人 句子里")
    page.locator("form.search button").click()
    expect(page.locator("a.act")).to_have_count(1)
    page.locator("a.chip.wish", has_text="下午").click()
    expect(page.locator("a.act")).to_have_count(2)
    page.locator(".filters summary").last.click()
    expect(page.get_by_label("找服务")).to_have_value("1月9日 老人 句子里")
    page.locator("a.act").first.click()
    page.get_by_role("link", name="返回").first.click()
    expect(page.locator("a.act")).to_have_count(2)


@pytest.mark.parametrize("js", [True, False], ids=["script", "no script"])
def test_the_calendar_is_reached_and_left_with_the_filters(house: House, visit: Visit, js: bool) -> None:
    offer(house, "日历里的活动", 13)
    page = visit(house.portal, PHONE, js=js)
    page.goto(f"/services?month={MONTH}&for=elder")
    page.locator(".filters summary").first.click()
    page.get_by_role("link", name="看日历").click()
    expect(page.locator(".cal-month")).to_contain_text("2027年1月")
    page.locator(".cal-month .num", has_text="13").click()
    expect(page.locator("a.act").first).to_be_visible()
    assert "for=elder" in page.url and "day=2027-01-13" in page.url and "view" not in page.url
