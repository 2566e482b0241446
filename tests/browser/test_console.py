"""No page makes the browser complain: no script fails, nothing breaks the content security policy (SPEC Q4).

`visit` collects what the browser says and fails the test at its end. The pages come from the URL map, so a new page is
tested from its first day; steps that HTMX draws in place are pressed on the pages that have most of them.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESK, PHONE, House, Visit
from tests.browser.steps import press, says
from tests.browser.test_accessible import pages

# What a browser says is no matter of the database.
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.once]


def walk(page: Page, addresses: list[str]) -> int:
    """Open each page with all that is folded in it; returns how many were pages."""
    seen = 0
    for address in addresses:
        answer = page.goto(address)
        if answer is not None and answer.status == 200 and "html" in answer.headers.get("content-type", ""):
            page.evaluate("() => document.querySelectorAll('details').forEach(d => { d.open = true; })")
            seen += 1
    return seen


def test_staff_pages(house: House, visit: Visit) -> None:
    """The district's; a community's: test_accessible.test_staff_pages_on_a_phone."""
    page = visit(house.portal, DESK, cookies=house.as_staff("D"))
    assert walk(page, [address for _, address in pages(house, "staff")]) > 40


def test_public_and_resident_pages(house: House, visit: Visit) -> None:
    visitor = visit(house.portal, PHONE, cookies=[("centre", "A1")])
    assert walk(visitor, [address for _, address in pages(house, "public")]) > 12
    own = visit(house.portal, PHONE, cookies=house.as_resident(house.people[0]))
    assert walk(own, [address for _, address in pages(house, "resident")]) > 9


def test_what_is_drawn_in_place(house: House, visit: Visit) -> None:
    """Sign-ups decided one by one, with a wrong press among them; every answer is swapped into the page."""
    entry = house.entry(title="审核的活动", capacity=20, needs_review=True)
    house.pending(entry, 3)
    page = visit(house.portal, DESK, cookies=house.as_staff("A1"))
    page.goto(f"/staff/sign-ups/{entry}")
    rows = page.locator("#board tbody tr")
    rows.nth(0).get_by_role("button", name="通过", exact=True).click()
    expect(page.locator("#board .tag", has_text="已报上")).to_have_count(1)
    refuse = page.locator("details.act-more", has_text="不通过…").first
    refuse.locator("summary").click()
    refuse.get_by_role("button", name="名额不够").or_(refuse.locator("[data-fill]")).first.click()
    refuse.get_by_role("button", name="不通过", exact=True).click()
    says(page, "未通过的 1 份")
    press(page, "登记报名")
    expect(page.locator("#add [role=alert]")).to_be_visible()
