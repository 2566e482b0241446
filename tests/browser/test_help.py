"""A request from hand to hand: a resident's phone, the subdistrict's and the community's desks at once (SPEC H1-H3)."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import func, select

from portal.help_requests.models import HelpReading, HelpRequest
from tests.browser.conftest import DESK, PHONE, House, Visit
from tests.browser.steps import press, says
from tests.browser.test_accessible import Inspector

pytestmark = pytest.mark.browser


def asked(page: Page) -> int:
    """Kind, words, send: three presses, one field typed; the number of the request."""
    page.goto("/help")
    page.locator("label.help-kind", has_text="跑腿").click()
    page.get_by_label("要帮什么").fill("买两斤青菜送上楼")
    page.locator("label.day-chip", has_text="明天").click()
    press(page, "发出求助")
    says(page, "已经发出", "甲街道", "前")
    return int(page.url.split("/help/")[1].split("?")[0])


def opened(page: Page, number: int, name: str) -> None:
    """Pressed in its row, and what follows is said."""
    page.goto(f"/staff/help?open={number}")
    page.locator("#open").get_by_role("button", name=name, exact=True).click()


@pytest.mark.parametrize("js", [True, False], ids=["js", "plain"])
def test_from_hand_to_hand(house: House, visit: Visit, js: bool) -> None:
    person = house.resident()
    phone = visit(house.portal, PHONE, js=js, cookies=house.as_resident(person))
    subdistrict = visit(house.portal, DESK, js=js, cookies=house.as_staff("A"))
    community = visit(house.portal, DESK, js=js, cookies=house.as_staff("A1"))
    number = asked(phone)
    subdistrict.goto(f"/staff/help?open={number}")
    says(subdistrict, "未备案", "买两斤青菜送上楼", "接单后可见")
    subdistrict.locator("#open summary", has_text="派单").click()
    subdistrict.locator("#to-centre").select_option(label="甲一社区")
    subdistrict.locator("#open").get_by_role("button", name="派单", exact=True).click()
    says(subdistrict, "已派单")
    phone.reload()
    says(phone, "甲一社区", "决定接不接单")
    opened(community, number, "接单")
    says(community, "已接单")
    community.get_by_role("button", name="显示（有记录）").first.click()
    says(community, "在办")
    opened(community, number, "出发")
    phone.reload()
    says(phone, "甲一社区", "姓工作人员")
    community.goto(f"/staff/help?open={number}")
    community.locator("#open summary", has_text="办好了").click()
    community.locator("#finish-why").fill("青菜送到了")
    press(community, "办好了，请居民确认")
    says(community, "已请居民确认")
    phone.reload()
    says(phone, "办好了吗", "青菜送到了")
    phone.get_by_role("button", name="5 星").click()
    says(phone, "谢谢您", "已完成")
    assert house.count(select(func.count()).select_from(HelpReading).where(HelpReading.request_id == number)) == 1
    done = (
        select(func.count()).select_from(HelpRequest).where(HelpRequest.id == number, HelpRequest.status == "confirmed")
    )
    assert house.count(done) == 1
    expect(phone.locator(".way-line .done")).to_have_count(5)


def test_each_page_is_for_everybody(house: House, visit: Visit) -> None:
    person = house.resident()
    phone = visit(house.portal, PHONE, bypass_csp=True, cookies=house.as_resident(person))
    number = asked(phone)
    look = Inspector(phone, 44, 16)
    for address in ("/help", f"/help/{number}"):
        look.inspect(address, (375, 320))
    desk = Inspector(visit(house.portal, DESK, bypass_csp=True, cookies=house.as_staff("A")), 24, 16)
    for address in ("/staff/help", f"/staff/help?open={number}", "/staff/help/record", "/staff/help/registrations",
                    "/staff/help/outside"):  # fmt: skip
        desk.inspect(address, (1280,))
    assert not look.problems + desk.problems, "\n".join(look.problems + desk.problems)
