"""What residents come for is at most three presses from home, on a phone, with and without JavaScript (issue 11)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, time, timedelta

import pytest
from playwright.sync_api import Page, expect

from portal.core import clock
from tests.browser.conftest import House, Visit
from tests.browser.test_booking import Taps

pytestmark = [pytest.mark.browser, pytest.mark.once]
PHONE = {"width": 375, "height": 812}
SATURDAY = date(2027, 1, 9)
MOTHERS = "八个愿望里给老人的课"


def _for_my_mother_on_a_saturday(page: Page, taps: Taps) -> None:
    """The sentence is typed: fingers on letters are not counted, the box and the button are."""
    taps.tap(page.get_by_role("link", name="点单"))
    taps.tap(page.locator(".filters summary", has_text="搜索"))
    page.get_by_label("找服务").fill("1月9日 老人 八个愿望")
    taps.tap(page.locator("form[role=search] button"))
    expect(page.get_by_text(MOTHERS).first).to_be_visible()


def _for_children(page: Page, taps: Taps) -> None:
    taps.tap(page.get_by_role("link", name="点单"))
    taps.tap(page.locator(".filters summary", has_text="给谁"))
    taps.tap(page.locator(".filters .drop").get_by_role("link", name=re.compile("儿童")).first)
    expect(page).to_have_url(re.compile("for=child"))


def _at_the_weekend(page: Page, taps: Taps) -> None:
    taps.tap(page.get_by_role("link", name="点单"))
    taps.tap(page.locator(".filters summary", has_text="哪天"))
    taps.tap(page.locator(".filters .drop").get_by_role("link", name="周末"))
    expect(page).to_have_url(re.compile("day=weekend"))


def _a_room(page: Page, taps: Taps) -> None:
    taps.tap(page.locator("a.door", has_text="订场地"))
    expect(page.locator("main h1, header h1").first).to_be_visible()
    assert "/venues" in page.url


def _somebody_to_help(page: Page, taps: Taps) -> None:
    taps.tap(page.locator("a.urgent"))
    expect(page.locator('a[href="tel:120"]').first).to_be_visible()


def _a_voice(page: Page, taps: Taps) -> None:
    """A number to press on the page itself."""
    number = page.locator('main a[href^="tel:"], footer a[href^="tel:"], .foot a[href^="tel:"]').first
    number.scroll_into_view_if_needed()
    expect(number).to_be_visible()
    taps.count += 1


def _the_nearest_place_that_is_open(page: Page, taps: Taps) -> None:
    taps.tap(page.get_by_role("link", name="全部服务点和地图"))
    expect(page.locator("#near .spot").first).to_be_visible()


def _what_i_signed_up_for(page: Page, taps: Taps) -> None:
    taps.tap(page.get_by_role("link", name="我的"))
    expect(page).to_have_url(re.compile("/me|/login"))


WISHES: dict[str, Callable[[Page, Taps], None]] = {
    "something for my mother on Saturday near us": _for_my_mother_on_a_saturday, "for children": _for_children,
    "at the weekend": _at_the_weekend, "a room": _a_room, "help at once": _somebody_to_help, "a voice": _a_voice,
    "the nearest place that is open": _the_nearest_place_that_is_open, "what I signed up for": _what_i_signed_up_for,
}  # fmt: skip


@pytest.mark.parametrize("js", [True, False], ids=["script", "no script"])
def test_eight_wishes_are_three_presses_from_home(house: House, visit: Visit, js: bool) -> None:
    start = clock.at(SATURDAY, time(14))
    house.entry(title=MOTHERS, sessions=[(start, start + timedelta(hours=2))], groups=["elder"])
    page = visit(house.portal, PHONE, js=js)
    page.goto("/c/A1")
    counted = {}
    for name, way in WISHES.items():
        page.goto("/")
        taps = Taps(page)
        way(page, taps)
        counted[name] = taps.count
    assert len(counted) == 8 and max(counted.values()) <= 3, counted
