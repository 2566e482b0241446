"""From a poster to a place, counted: what a person fills and presses (SPEC S1, P1, P2)."""

from __future__ import annotations

import re
from datetime import date, time, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from portal.core import clock
from portal.core.db import db
from portal.people.models import Relative, Resident
from tests import factories
from tests.browser.conftest import House, Visit
from tests.browser.steps import says
from tests.browser.test_no_javascript import last_code

pytestmark = pytest.mark.browser
JANUARY = clock.at(date(2027, 1, 9), time(9))


class Hand:
    """Counts what is filled in and pressed on a page."""

    def __init__(self, page: Page) -> None:
        self.page, self.fields, self.taps = page, 0, 0

    def fill(self, label: str, value: str) -> None:
        self.fields += 1
        self.page.get_by_label(re.compile(f"^{label}")).fill(value)

    def choose(self, label: str, words: str) -> None:
        self.fields += 1
        self.page.get_by_label(re.compile(f"^{label}")).select_option(label=words)

    def tick(self) -> None:
        self.fields += 1
        self.page.get_by_role("checkbox").check()

    def press(self, words: str) -> None:
        self.taps += 1
        button = self.page.get_by_role("button", name=words).or_(self.page.get_by_role("link", name=words))
        button.first.click()


def activity(house: House, title: str, **values: Any) -> int:
    """Of a month of its own, so that nobody else's list has it."""
    return house.entry(title=title, month="2027-01", sessions=[(JANUARY, JANUARY + timedelta(hours=2))], **values)


def family(house: House, **values: Any) -> tuple[int, int]:
    """陈秀英 of A1 and her son of eight: their ids."""
    mother = house.resident(name="陈秀英", birth_year=1988, **values)

    def child(_town: factories.Town, _make: factories.Make) -> int:
        row = Relative(resident_id=mother, name="陈小舟", relation="子女", birth_year=2018, created_at=factories.NOW)
        db.session.add(row)
        db.session.flush()
        return row.id

    return mother, int(house.do(child))


@pytest.mark.parametrize("js", [True, False], ids=["htmx", "plain"])
def test_first_time_from_the_poster(house: House, visit: Visit, js: bool) -> None:
    """Six fields at most, and back at the same activity with one press left."""
    phone = f"1990000120{int(js)}"
    entry = activity(house, "海报上的活动")
    page = visit(house.portal, js=js)
    hand = Hand(page)
    page.goto(f"/s/{entry}")  # what the code on the poster holds
    hand.press("我要报名")
    says(page, "报名《海报上的活动》")
    hand.fill("手机号", phone)
    hand.press("发验证码")
    says(page, "报名《海报上的活动》")
    hand.fill("验证码", last_code(house, phone))
    hand.press("确定")
    hand.fill("姓名", "新来的")
    hand.choose("所在社区", "甲一社区")
    hand.tick()
    hand.press("完成")
    expect(page).to_have_url(re.compile(f"/services/{entry}"))
    hand.press("确认报名")
    says(page, "报上了", "海报上的活动", "前可自行退出")
    assert hand.fields <= 6 and hand.taps <= 5, (hand.fields, hand.taps)


def test_known_one_confirm_and_the_heading_has_the_focus(house: House, visit: Visit) -> None:
    entry, person = activity(house, "一点就好", content="请自带水杯。"), house.resident()
    page = visit(house.portal, cookies=house.as_resident(person))
    hand = Hand(page)
    page.goto(f"/s/{entry}")
    hand.press("确认报名")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    expect(page.get_by_role("status").first).to_contain_text("报上了")
    says(page, "请自带水杯", "存到手机日历", "发给家人", "看我的服务")
    assert (hand.fields, hand.taps) == (0, 1)


def test_a_relative_is_one_more_tap(house: House, visit: Visit) -> None:
    entry = activity(house, "谁都可以来")
    mother, _child = family(house)
    page = visit(house.portal, cookies=house.as_resident(mother))
    hand = Hand(page)
    page.goto(f"/s/{entry}")
    hand.choose("为谁报名", "子女（陈小舟）")
    hand.press("确认报名")
    says(page, "报上了", "陈小舟")
    assert hand.fields + hand.taps == 2


def test_who_fits_needs_no_tap_and_the_wrong_one_is_asked(house: House, visit: Visit) -> None:
    entry = activity(house, "四点半课堂", audience="小学生", groups=["child"])
    mother, child = family(house)
    page = visit(house.portal, cookies=house.as_resident(mother))
    hand = Hand(page)
    page.goto(f"/s/{entry}")
    expect(page.get_by_label("为谁报名")).to_have_value(str(child))
    hand.choose("为谁报名", "我（陈秀英）")
    hand.press("确认报名")
    says(page, "您选的是陈秀英，要换成陈小舟吗？")
    expect(page.locator(".asks")).to_be_focused()
    hand.press("换成陈小舟")
    says(page, "报上了", "陈小舟")
    signed = house.do(lambda town, make: db.session.get_one(Resident, mother).relatives[0].name)
    assert signed == "陈小舟"
