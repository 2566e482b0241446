"""A room is booked in four taps on a phone, with JavaScript and without (SPEC 0, V2; Q2, Q5)."""

from __future__ import annotations

import re
from datetime import time, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import func, select

from portal.core import clock
from portal.venues.models import Booking
from tests import factories
from tests.browser.conftest import DESK, PHONE, House, Visit
from tests.browser.steps import press, says
from tests.browser.test_accessible import Inspector

pytestmark = pytest.mark.browser

DAY = factories.NOW.date() + timedelta(days=2)
ISO = DAY.isoformat()


def room(house: House, code: str = "A1", **values: Any) -> int:
    """A room of its own for each test; its id."""
    return int(house.do(lambda town, make: make.venue(town.centres[code], **values).id))


def taken(house: House, venue: int, hour: int, minutes: int = 60) -> None:
    def work(_town: Any, make: factories.Make) -> int:
        from portal.core.db import db
        from portal.venues.models import Venue

        return make.booking(db.session.get_one(Venue, venue), clock.at(DAY, time(hour)), minutes).id

    house.do(work)


def booked(house: House, venue: int, status: str = "approved") -> int:
    of_residents = (Booking.venue_id == venue, Booking.status == status, Booking.source == "resident")
    return house.count(select(func.count()).select_from(Booking).where(*of_residents))


class Taps:
    """Presses what a finger would, and counts."""

    def __init__(self, page: Page) -> None:
        self.page, self.count = page, 0

    def tap(self, target: Any) -> None:
        target.scroll_into_view_if_needed()
        target.click()
        self.count += 1


def four_taps(page: Page, name: str) -> int:
    taps = Taps(page)
    page.goto("/c/A1")
    taps.tap(page.locator("a.door", has_text="订场地"))
    card = page.locator(".room", has_text=name)
    taps.tap(card.locator(f'a[href$="day={ISO}"]'))
    taps.tap(page.get_by_role("link", name="14:00", exact=True))
    taps.tap(page.get_by_role("button", name="确认预约"))
    says(page, "订上了", name, "14:00–15:00")
    return taps.count


@pytest.mark.parametrize("js", [True, False], ids=["js", "plain"])
def test_a_room_in_four_taps(house: House, visit: Visit, js: bool) -> None:
    name = "四下就订的房间" if js else "没有脚本的房间"
    venue, person = room(house, name=name), house.resident()
    page = visit(house.portal, PHONE, js=js, cookies=house.as_resident(person))
    assert four_taps(page, name) <= 4
    assert booked(house, venue) == 1
    page.goto("/me")
    says(page, name)
    press(page, "首页")
    page.goto("/me")
    page.get_by_role("link", name=re.compile(name)).click()
    page.get_by_text("退订…").click()
    press(page, "确定退订")
    says(page, "已退订")
    assert booked(house, venue) == 0


@pytest.mark.parametrize("js", [True, False], ids=["js", "plain"])
def test_the_loser_takes_another_time_in_one_press(house: House, visit: Visit, js: bool) -> None:
    venue = room(house, name="抢手的房间")
    page = visit(house.portal, PHONE, js=js, cookies=house.as_resident(house.resident()))
    page.goto(f"/venues/{venue}?day={ISO}&start=14:00")
    taken(house, venue, 14)
    press(page, "确认预约")
    says(page, "刚刚被别人订走了")
    offer = page.get_by_role("button", name="15:00–16:00")
    expect(offer).to_be_in_viewport()
    offer.click()
    says(page, "订上了", "15:00–16:00")
    assert booked(house, venue) == 1


def test_a_bad_wish_is_told_beside_the_button(house: House, visit: Visit) -> None:
    venue = room(house, capacity=8)
    page = visit(house.portal, PHONE, cookies=house.as_resident(house.resident()))
    page.goto(f"/venues/{venue}?day={ISO}&start=14:00")
    page.get_by_label("几个人").fill("9")
    press(page, "确认预约")
    expect(page.get_by_role("alert")).to_contain_text("最多坐 8 人")
    expect(page.get_by_label("几个人")).to_have_value("9")
    expect(page.get_by_label("几个人")).to_have_attribute("aria-describedby", "book-err")
    page.get_by_label("几个人").fill("8")
    press(page, "确认预约")
    says(page, "订上了", "8 人")


def test_days_change_without_losing_the_place(house: House, visit: Visit) -> None:
    """With JavaScript only the page's inside is fetched; the back button leads back."""
    venue = room(house)
    page = visit(house.portal, PHONE)
    page.goto(f"/venues/{venue}?day={ISO}")
    page.get_by_role("link", name="16:00", exact=True).click()
    expect(page.get_by_role("button", name="登录后预约")).to_be_visible()
    expect(page).to_have_url(re.compile("start=16:00"))
    page.go_back()
    expect(page.get_by_role("button", name="登录后预约")).to_have_count(0)


@pytest.mark.parametrize("elder", [False, True], ids=["usual", "elder"])
def test_every_state_of_the_pages_is_for_everybody(house: House, visit: Visit, elder: bool) -> None:
    """What the URL map does not reach: results, the panel, offers, nothing found, moving a booking."""
    venue, code = room(house, name="看得清的房间"), "A1"
    taken(house, venue, 10, 120)
    person = house.resident(elder_mode=elder)

    def work(_town: Any, make: factories.Make) -> int:
        from portal.core.db import db
        from portal.people.models import Resident
        from portal.venues.models import Venue

        mine = db.session.get_one(Resident, person)
        return make.booking(db.session.get_one(Venue, venue), clock.at(DAY, time(16)), resident=mine).id

    own = house.do(work)
    there = f"/venues/{venue}?day={ISO}"
    addresses = [
        f"/venues?centre={code}&day={ISO}&from=9:00&to=10:00", f"/venues?centre={code}&people=900", "/venues?centre=D",
        f"/venues?centre={code}&when=now", f"/venues?centre={code}&from=9:00&to=8:00", f"{there}&start=14:00",
        f"{there}&start=10:00&end=11:00", f"/venues/{venue}?week={ISO}", f"{there[:-10]}2027-03-01",
        f"/venues/bookings/{own}?day={ISO}&start=9:00",
    ]  # fmt: skip
    page = visit(house.portal, bypass_csp=True, cookies=house.as_resident(person))
    inspector = Inspector(page, 60 if elder else 44, 18 if elder else 16)
    for address in addresses:
        inspector.inspect(address, (375, 320))
    if not elder:
        page.set_viewport_size(DESK)  # type: ignore[arg-type]
        for address in addresses:
            inspector.inspect(address, (1280,))
    assert not inspector.problems, "\n".join(inspector.problems)
    assert inspector.seen == len(addresses) * (1 if elder else 2)
