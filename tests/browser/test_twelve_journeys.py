"""Twelve journeys, each by the keyboard alone, without JavaScript, in the elder version, and at 320 px with type of 200 %.

One phone goes through all twelve; what it meets sideways, what no Tab reaches, and focus that nobody sees, fail it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, time, timedelta
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import func, select

from portal.core import clock
from portal.core.db import db
from portal.feedback.models import Evaluation
from portal.notices import actions as notices
from portal.signup.models import SignUp
from tests import factories
from tests.browser.conftest import House, Visit
from tests.browser.steps import says
from tests.browser.test_no_javascript import last_code

pytestmark = pytest.mark.browser
MODES = ("keyboard", "plain", "elder", "large")
SIZES = {"large": {"width": 320, "height": 640}}
DAY = factories.NOW.date() + timedelta(days=2)
FAR = 150  # presses of Tab after which nobody looks on
# Where the focus is: the element wanted, and whether it can be seen there.
FOCUS = """want => { const e = document.activeElement; if (e !== want) return "";
  const s = getComputedStyle(e); return s.outlineStyle === "none" && s.boxShadow === "none" ? "unseen" : "here"; }"""
BEYOND = "[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > 321).map(e => e.outerHTML.slice(0, 90))"
LARGE = "addEventListener('DOMContentLoaded', () => { document.documentElement.style.fontSize = '200%'; })"


class Hand:
    """Presses and types as the mode does, and looks at each page that comes."""

    def __init__(self, house: House, page: Page, mode: str, person: int) -> None:
        self.house, self.page, self.mode, self.person = house, page, mode, person
        page.on("dialog", lambda dialog: dialog.accept())
        if mode == "large":
            page.add_init_script(LARGE)

    def open(self, path: str) -> None:
        self.page.goto(path)
        self.look()

    def press(self, target: Locator | str) -> None:
        found = self._named(target) if isinstance(target, str) else target
        self._reach(found)
        if self.mode == "keyboard":
            self.page.keyboard.press("Enter")
            self.page.wait_for_load_state()
        else:
            found.click()
        self.look()

    def fill(self, label: str, words: str) -> None:
        field = self.page.get_by_label(re.compile(f"^{re.escape(label)}")).first
        self._reach(field)
        if self.mode == "keyboard":
            self.page.keyboard.press("Control+A")
            self.page.keyboard.insert_text(words)
        else:
            field.fill(words)

    def choose(self, label: str, words: str) -> None:
        box = self.page.get_by_label(re.compile(f"^{re.escape(label)}")).first
        self._reach(box)
        if self.mode != "keyboard":
            box.select_option(label=words)
            return
        for _ in range(20):
            if box.evaluate("e => e.selectedOptions[0].text") == words:
                return
            self.page.keyboard.press("ArrowDown")
        raise AssertionError(f"{words} is not reached by arrows")

    def look(self) -> None:
        if self.mode == "large":
            wide = self.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= 320, f"{self.page.url} is {wide} wide: {self.page.evaluate(BEYOND)}"

    def _named(self, words: str) -> Locator:
        named = re.compile(f"^{re.escape(words)}")
        both = self.page.get_by_role("button", name=named).or_(self.page.get_by_role("link", name=named))
        return both.locator("visible=true").first

    def _reach(self, target: Locator) -> None:
        expect(target).to_be_attached()
        if self.mode != "keyboard":
            return
        want = target.element_handle()
        for _ in range(FAR):
            seen = self.page.evaluate(FOCUS, want)
            if seen:
                assert seen == "here", f"focus is not seen on {target} of {self.page.url}"
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"no Tab reaches {target} of {self.page.url}")

    def summary(self, words: str) -> Locator:
        return self.page.locator("summary", has_text=words).first


def _list_to_sign_up(hand: Hand) -> None:
    hand.open("/")
    hand.press(hand.page.locator("a.door", has_text="报名活动"))
    hand.press(hand.page.locator("a.act", has_text=f"旅程{hand.mode}").first)
    if hand.mode == "keyboard":  # the bar is the last of a long page: a way straight to it
        hand.press(hand.page.get_by_role("link", name="直接去报名"))
        hand.page.keyboard.press("Tab")
        assert hand.page.evaluate("!!document.activeElement.closest('#sign-up')")
    hand.press("确认报名")
    says(hand.page, "报上了")


def _withdraw(hand: Hand) -> None:
    hand.open("/me")
    hand.press(hand.page.locator("a.mine", has_text=f"旅程{hand.mode}"))
    hand.press("退出")
    expect(hand.page.get_by_role("button", name="确认报名")).to_be_attached()
    of_mine = select(func.count()).where(SignUp.resident_id == hand.person, SignUp.status == "withdrawn")
    assert hand.house.count(of_mine) == 1


def _search(hand: Hand) -> None:
    hand.open("/services")
    if hand.summary("搜索").is_visible():
        hand.press(hand.summary("搜索"))
    hand.fill("找服务", f"旅程{hand.mode}")
    hand.press(hand.page.locator("form[role=search] button"))
    expect(hand.page.locator("a.act", has_text=f"旅程{hand.mode}").first).to_be_visible()


def _room(hand: Hand) -> None:
    hand.open("/venues")
    card = hand.page.locator(".room", has_text=f"房间{hand.mode}")
    if hand.mode == "elder":
        hand.press(card.get_by_role("link", name="选时间"))
    hand.press((hand.page if hand.mode == "elder" else card).locator(f'a[href*="day={DAY.isoformat()}"]').first)
    hand.press(hand.page.get_by_role("link", name="14:00", exact=True))
    hand.press("确认预约")
    says(hand.page, "订上了")


def _messages(hand: Hand) -> None:
    hand.open("/me")
    hand.press("消息")
    hand.press(hand.page.get_by_role("button", name=re.compile("活动改到周日")))
    expect(hand.page).to_have_url(re.compile("/me$"))


def _relatives(hand: Hand) -> None:
    hand.open("/me/profile")
    hand.press(hand.page.locator('a[href^="/me/relatives"]').first)
    hand.fill("姓名", "旅程妈妈")
    hand.choose("他（她）是您的", "母亲")
    hand.press("加上")
    says(hand.page, "旅程妈妈")


def _calendar(hand: Hand) -> None:
    hand.open("/services")
    if hand.summary("哪天").is_visible():
        hand.press(hand.summary("哪天"))
    hand.press(hand.page.locator('a[href*="view=calendar"]').first)
    expect(hand.page.locator("main")).to_contain_text("12月")


def _follow(hand: Hand) -> None:
    hand.open("/c/A2")
    hand.press("关注")
    expect(hand.page.get_by_role("button", name=re.compile("^已关注"))).to_be_attached()


def _map_of_centres(hand: Hand) -> None:
    hand.open("/centres")
    hand.press(hand.page.locator("main summary").first)
    hand.press(hand.page.locator('details[open] a[href^="/c/"]').first)
    expect(hand.page).to_have_url(re.compile("/c/"))


def _rate(hand: Hand) -> None:
    hand.open(f"/rate/journey{hand.mode}")
    hand.press(hand.page.locator('.stars button[value="5"]'))
    says(hand.page, "谢谢")


def _other_version(hand: Hand) -> None:
    """The elder version is one press, and one press back."""
    hand.open("/c/A1")
    one, other = ("普通版", "长辈版") if hand.mode == "elder" else ("长辈版", "普通版")
    hand.press(one)
    hand.press(other)
    expect(hand.page.locator("html.elder")).to_have_count(int(hand.mode == "elder"))


def _out_and_in(hand: Hand) -> None:
    hand.open("/me")
    hand.press("退出登录")
    expect(hand.page).not_to_have_url(re.compile("/me$"))
    hand.open("/me/profile")
    phone = f"1990003{MODES.index(hand.mode):04d}"
    hand.fill("手机号", phone)
    hand.press("发验证码")
    if hand.mode != "plain":  # counts, and does not let press in vain
        expect(hand.page.locator("#wait")).to_have_text(re.compile(r"^5\d 秒后可以重新发送$"))
        expect(hand.page.get_by_role("button", name="重新发送")).to_be_disabled()
    hand.fill("验证码", last_code(hand.house, phone))
    hand.press("确定")
    expect(hand.page).to_have_url(re.compile("/me/profile$"))


JOURNEYS: tuple[Callable[[Hand], None], ...] = (
    _list_to_sign_up, _withdraw, _search, _room, _messages, _relatives, _calendar, _follow, _map_of_centres, _rate,
    _other_version, _out_and_in,
)  # fmt: skip


def _prepare(mode: str, person: int) -> Callable[[factories.Town, factories.Make], Any]:
    def work(town: factories.Town, make: factories.Make) -> None:
        a1, start = town.centres["A1"], clock.at(date(2026, 11, 26), time(9, 30))
        entry = make.entry(a1, [(start, start + timedelta(hours=2))], title=f"旅程{mode}", sign_up_until=start)
        make.venue(a1, name=f"房间{mode}")
        told = [notices.Told(person, f"journey {mode}")]
        notices.tell_residents(told, "change", "活动改到周日", "时间变了", "/me", factories.NOW)
        db.session.add(Evaluation(
            subject_kind="activity", subject_id=entry.id, group_key=f"journey:{mode}", title="走完的旅程",
            centre_id=a1.id, resident_id=person, person_key=f"r{person}", token=f"journey{mode}",
            asked_at=factories.NOW, answer_until=clock.now() + timedelta(days=14),
        ))  # fmt: skip

    return work


@pytest.mark.parametrize("mode", MODES)
def test_twelve_journeys(house: House, visit: Visit, mode: str) -> None:
    person = house.resident(phone=f"1990003{MODES.index(mode):04d}")
    house.do(_prepare(mode, person))
    size = SIZES.get(mode, {"width": 375, "height": 760})
    page = visit(house.portal, size, js=mode != "plain", cookies=house.as_resident(person))
    hand = Hand(house, page, mode, person)
    if mode == "elder":
        hand.open("/c/A1")
        hand.press("长辈版")
    for journey in JOURNEYS:
        journey(hand)
