"""What people really do: back, reload, press twice, leave a page open until the session is gone, open two tabs."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import func, select, update

from portal.catalogue.models import Entry
from portal.core.db import db
from portal.core.sessions import WebSession
from portal.signup.models import SignUp
from tests import factories
from tests.browser.conftest import DESK, House, Visit
from tests.browser.steps import fill, press, row_of, says

pytestmark = pytest.mark.browser
MONTH = "2026-12"


def live(house: House, entry: int) -> int:
    """Places taken by sign-ups of an activity."""
    rows = select(func.count()).select_from(SignUp)
    return house.count(rows.where(SignUp.entry_id == entry, SignUp.status == "confirmed"))


def end_sessions(house: House, audience: str, person: int) -> None:
    """As an administrator's reset or the night would."""

    def end(_town: factories.Town, _make: factories.Make) -> None:
        mine = (WebSession.audience == audience, WebSession.person_id == person)
        db.session.execute(update(WebSession).where(*mine).values(ended_at=factories.NOW))

    house.do(end)


@pytest.mark.parametrize("js", [True, False], ids=["htmx", "plain"])
def test_reload_after_signing_up(house: House, visit: Visit, js: bool) -> None:
    entry, person = house.entry(title="重新加载的活动"), house.resident()
    page = visit(house.portal, js=js, cookies=house.as_resident(person))
    page.goto(f"/services/{entry}")
    press(page, "确认报名")
    says(page, "报上了")
    page.reload()
    page.reload()
    assert live(house, entry) == 1
    page.goto(f"/services/{entry}")
    expect(page.get_by_role("button", name="退出")).to_be_visible()


@pytest.mark.parametrize("js", [True, False], ids=["htmx", "plain"])
def test_back_shows_what_is_true_now(house: House, visit: Visit, js: bool) -> None:
    """Back from the answer to the activity: pressing the old button again signs nobody up twice."""
    title = f"后退的活动{'甲' if js else '乙'}"
    entry, person = house.entry(title=title), house.resident()
    page = visit(house.portal, js=js, cookies=house.as_resident(person))
    page.goto(f"/services?month={MONTH}&q={title}")
    page.locator("a.act", has_text=title).click()
    press(page, "确认报名")
    says(page, "报上了")
    page.goto("/me")
    page.go_back()
    old, leave = page.get_by_role("button", name="确认报名"), page.get_by_role("button", name="退出")
    expect(old.or_(leave).first).to_be_visible()
    if old.is_visible():
        old.click()
    expect(leave).to_be_visible()
    assert live(house, entry) == 1


def test_back_to_the_filtered_list(house: House, visit: Visit) -> None:
    """HTMX filters are addresses: back goes from the activity to the same list, and one more back to all."""
    house.entry(title="筛选后退甲")
    page = visit(house.portal)
    page.goto(f"/services?month={MONTH}")
    page.locator(".filters summary", has_text="给谁").click()
    press(page, "只看有名额的")
    expect(page).to_have_url(re.compile("free=1"))
    page.locator("a.act", has_text="筛选后退甲").first.click()
    expect(page.locator("h1")).to_have_text("筛选后退甲")
    page.go_back()
    expect(page).to_have_url(re.compile("free=1"))
    expect(page.locator("#results a.act").first).to_be_visible()
    page.go_back()
    expect(page).not_to_have_url(re.compile("free=1"))
    expect(page.locator("#results a.act").first).to_be_visible()


def test_a_double_click_is_one_sign_up(house: House, visit: Visit) -> None:
    entry, person = house.entry(title="连按两下的活动"), house.resident()
    page = visit(house.portal, cookies=house.as_resident(person))
    sent: list[str] = []
    page.on("request", lambda r: sent.append(r.url) if r.method == "POST" else None)
    page.goto(f"/services/{entry}")
    page.get_by_role("button", name="确认报名").dblclick()
    says(page, "报上了")
    assert live(house, entry) == 1
    assert len([url for url in sent if url.endswith("/sign-up")]) == 1


def test_two_tabs_of_one_phone(house: House, visit: Visit) -> None:
    """The second tab still shows the button; pressing it shows how things stand, and leaving there holds in both."""
    entry, person = house.entry(title="两个标签页的活动"), house.resident()
    first = visit(house.portal, cookies=house.as_resident(person))
    second = first.context.new_page()
    for tab in (first, second):
        tab.goto(f"/services/{entry}")
    press(first, "确认报名")
    says(first, "报上了")
    press(second, "确认报名")
    expect(second.get_by_role("button", name="退出")).to_be_visible()
    assert live(house, entry) == 1
    second.on("dialog", lambda dialog: dialog.accept())
    press(second, "退出")
    expect(second.get_by_role("button", name="确认报名")).to_be_visible()
    first.reload()
    expect(first.get_by_role("button", name="确认报名")).to_be_visible()
    assert live(house, entry) == 0


def test_the_last_place_went_to_somebody_else(house: House, visit: Visit) -> None:
    """The page said one place was left; the press says it is gone and what to do, and nobody is oversold."""
    entry = house.entry(title="最后一个名额", capacity=1)
    slow = visit(house.portal, cookies=house.as_resident(house.resident()))
    slow.goto(f"/services/{entry}")
    quick = visit(house.portal, cookies=house.as_resident(house.resident()))
    quick.goto(f"/services/{entry}")
    press(quick, "确认报名")
    says(quick, "报上了")
    press(slow, "确认报名")
    says(slow, "候补第 1 位")
    assert live(house, entry) == 1


def test_a_session_that_ended_leads_to_the_login_and_back(house: House, visit: Visit) -> None:
    """A press by HTMX after the session is gone: the whole page goes to the login, and from there back."""
    entry, person = house.entry(title="过期后报名的活动"), house.resident()
    page = visit(house.portal, cookies=house.as_resident(person))
    page.goto(f"/services/{entry}")
    end_sessions(house, "resident", person)
    press(page, "确认报名")
    expect(page).to_have_url(re.compile(r"/login\?next="))
    assert f"%2Fservices%2F{entry}" in page.url or f"/services/{entry}" in page.url
    assert live(house, entry) == 0


def board(house: House, page: Page) -> Page:
    page.goto(f"/staff/catalogue?month={MONTH}&state=mine")
    return page


def in_review(house: House, title: str) -> int:
    def build(town: factories.Town, make: factories.Make) -> int:
        values = {"status": "in_review", "published_at": None, "waits_at_id": town.centres["B"].id}
        return int(make.entry(town.centres["B1"], title=title, **values).id)

    return int(house.do(build))


def test_staffs_session_ends_during_a_click(house: House, visit: Visit) -> None:
    in_review(house, "过期时审核")
    page = board(house, visit(house.portal, DESK, cookies=house.as_staff("B")))
    end_sessions(house, "staff", house.staff["B"])
    press(row_of(page, "过期时审核"), "退回…")
    expect(page).to_have_url(re.compile(r"/staff/login\?next="))
    fill(page, "用户名", "b")
    fill(page, "密码", factories.PASSWORD)
    press(page, "登录")
    expect(page.locator("h1")).to_have_text("退回 · 过期时审核")


def test_two_reviewers_decide_the_same_row(house: House, visit: Visit) -> None:
    """The slower one is told that somebody was faster; the first decision stands."""
    in_review(house, "两人同审")
    first = board(house, visit(house.portal, DESK, cookies=house.as_staff("B")))
    second = board(house, visit(house.portal, DESK, cookies=house.as_staff("B")))
    press(row_of(first, "两人同审"), "通过")
    expect(row_of(first, "两人同审")).to_contain_text("复审")
    row = row_of(second, "两人同审")
    press(row, "通过")
    expect(row.get_by_role("alert")).to_contain_text(re.compile("刚刚被别人处理过|不由您审核"))
    kept = select(func.count()).where(Entry.title == "两人同审", Entry.status == "in_review")
    assert house.count(kept) == 1
