"""返回 leads to the list as it was (issue 11): filters, words, page and scroll."""

from __future__ import annotations

import re
from datetime import date, time, timedelta

import pytest
from playwright.sync_api import expect

from portal.core import clock
from tests.browser.conftest import House, Visit

pytestmark = [pytest.mark.browser, pytest.mark.once]


def test_back_keeps_the_words_and_the_place(house: House, visit: Visit) -> None:
    for number in range(18):  # in a month of their own: the lists of other tests stay on one page
        start = clock.at(date(2027, 1, 5), time(9)) + timedelta(hours=number)
        house.entry(title=f"返回试试{number:02d}", sessions=[(start, start + timedelta(hours=1))])
    page = visit(house.portal)
    page.goto("/services?q=返回试试")
    page.locator("a.act", has_text="返回试试15").click()
    expect(page.get_by_role("link", name="返回").first).to_be_visible()
    page.get_by_role("link", name="返回").first.click()
    expect(page).to_have_url(re.compile(r"/services\?q="))
    page.wait_for_function("scrollY > 300")


def test_who_comes_by_a_code_goes_to_the_whole_list(house: House, visit: Visit) -> None:
    start = clock.at(date(2027, 1, 4), time(9))
    entry = house.entry(title="海报上的活动", sessions=[(start, start + timedelta(hours=1))])
    page = visit(house.portal)
    page.goto(f"/s/{entry}")
    page.get_by_role("link", name="返回").first.click()
    expect(page).to_have_url(re.compile(r"/services$"))
