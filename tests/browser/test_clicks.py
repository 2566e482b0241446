"""How many clicks the month's big steps cost (SPEC Q9): a click is a press or a tick; typing and a page's address are not.

The same presses do the same for 30 rows and for 312; `make clicks` counts with the numbers of a real month.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from openpyxl import Workbook
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import func, select

from portal.catalogue.models import Entry
from portal.core.db import db
from portal.signup.models import SignUp, SignUpReview
from tests.browser.conftest import DESK, House, Visit
from tests.browser.steps import says
from tests.factories import MONTH, NOW, Make, Town

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.once]

ROWS = int(os.environ.get("PORTAL_CLICK_ROWS", "60"))  # more than a page of the board shows
PLAN = int(os.environ.get("PORTAL_CLICK_PLAN", "30"))
BOARD = f"/staff/catalogue?month={MONTH}"


class Hand:
    """Presses what the page shows by that name, and counts."""

    def __init__(self, page: Page) -> None:
        self.page, self.clicks = page, 0

    def click(self, target: Locator) -> None:
        target.click()
        self.clicks += 1

    def press(self, words: str | re.Pattern[str]) -> None:
        exact = isinstance(words, str)
        button = self.page.get_by_role("button", name=words, exact=exact)
        self.click(button.or_(self.page.get_by_role("link", name=words, exact=exact)).first)


@pytest.fixture
def waiting(house: House) -> Iterator[int]:
    """So many rows of community B1 that wait for subdistrict B, the second one with something to look at."""

    def rows(town: Town, make: Make) -> None:
        b1, b = town.centres["B1"], town.centres["B"]
        for number in range(ROWS):
            start = NOW + timedelta(days=10 + number % 12, minutes=number)
            make.entry(
                b1,
                [(start, start + timedelta(hours=1))],
                title=f"待审活动{number}",
                status="in_review",
                published_at=None,
                waits_at_id=b.id,
                phone="0755-84200001",
            )

    house.do(rows)
    yield ROWS
    house.do(lambda town, _make: gone(town.centres["B1"].id))


def gone(centre_id: int) -> None:
    """What a test has left in a community's month stands in no other test's way."""
    for entry in db.session.scalars(select(Entry).where(Entry.centre_id == centre_id)):
        entry.month = "2020-01"


def count(house: House, code: str, **wanted: Any) -> int:
    def work(town: Town, _make: Make) -> int:
        found = select(func.count(Entry.id)).where(Entry.centre_id == town.centres[code].id, Entry.month == MONTH)
        return db.session.scalar(found.filter_by(**wanted)) or 0

    return int(house.do(work))


def test_a_month_in_which_nothing_is_wrong(house: House, visit: Visit, waiting: int) -> None:
    """The reviewer passes all of it: 312 rows by at most 12 clicks."""
    page = visit(house.portal, DESK, cookies=house.as_staff("B"))
    page.goto("/staff")
    hand = Hand(page)
    hand.press(re.compile("^服务清单"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("12月服务清单")
    hand.press("全部通过…")
    hand.press(re.compile(rf"^(全部通过|通过) {waiting} 条$"))
    says(page, f"通过了 {waiting} 条")
    assert count(house, "B1", waits_at_id=house.do(lambda town, _: town.centres["D"].id)) == waiting
    assert hand.clicks <= 12
    hand.press("撤回")  # the way back costs one more
    says(page, f"撤回了 {waiting} 条")
    assert count(house, "B1", waits_at_id=house.do(lambda town, _: town.centres["B"].id)) == waiting


def test_ten_rows_returned_for_one_reason(house: House, visit: Visit, waiting: int) -> None:
    """Found by a word, ticked together, a usual reason taken: four clicks."""
    page = visit(house.portal, DESK, cookies=house.as_staff("B"))
    page.goto(f"{BOARD}&q=待审活动5")  # what is wrong with them is in their names: 5, 50 … 59
    hand = Hand(page)
    hand.click(page.locator("input[data-all=row]"))
    hand.press("退回所选…")
    hand.click(page.locator("[data-fill]").first)
    hand.press(re.compile(r"^退回 \d+ 条$"))
    says(page, "退回了 11 条")
    assert count(house, "B1", status="returned") == 11
    assert hand.clicks <= 12


def test_ten_rows_that_have_nothing_in_common(house: House, visit: Visit, waiting: int) -> None:
    """Each is ticked by itself: ten ticks and two presses, the reason typed."""
    page = visit(house.portal, DESK, cookies=house.as_staff("B"))
    page.goto(BOARD)
    hand = Hand(page)
    boxes = page.locator("table.board input[name=row]")
    for number in range(0, 20, 2):
        hand.click(boxes.nth(number))
    hand.press("退回所选…")
    page.locator("textarea[name=reason]").fill("请写明集合点")
    hand.press("退回 10 条")
    says(page, "退回了 10 条")
    assert count(house, "B1", status="returned") == 10
    assert hand.clicks <= 12


def wrong_plan(path: Any, rows: int) -> None:
    book = Workbook()
    sheet = book.active
    sheet.append(["序号", "类别", "服务名称", "服务内容", "时间", "服务对象", "地点", "名额", "联系人及电话"])
    for number in range(rows):
        day, hour = 1 + number % 28, 8 + number // 28
        when = f"12月{day}日 {hour}:00-{hour}:30"
        sheet.append([number + 1, "公共服务", f"错的活动{number}", "讲座", when, "全体居民", "广场", "30人",
                      "李社工 0755-84200002"])  # fmt: skip
    book.save(path)


def test_a_wrong_import_is_undone_by_two(house: House, visit: Visit, tmp_path: Any) -> None:
    wrong_plan(tmp_path / "12月.xlsx", PLAN)
    page = visit(house.portal, DESK, cookies=house.as_staff("B1"))
    page.goto(f"/staff/catalogue/import?month={MONTH}")
    page.locator("input[type=file]").set_input_files(tmp_path / "12月.xlsx")
    page.get_by_role("button", name="上传并预览").click()
    page.get_by_role("button", name=re.compile(rf"^(导入全部好的（{PLAN}）|导入勾选的行)$")).first.click()
    says(page, f"导入了 {PLAN} 条")
    page.goto(BOARD)
    assert count(house, "B1", status="draft") == PLAN
    hand = Hand(page)
    hand.press("撤销这次导入…")
    hand.press(f"撤销导入，拿掉 {PLAN} 条")
    says(page, f"拿掉了 {PLAN} 条草稿")
    assert count(house, "B1", status="draft") == 0
    assert hand.clicks == 2
    house.do(lambda town, _make: gone(town.centres["B1"].id))


def test_sixty_sign_ups_decided(house: House, visit: Visit) -> None:
    """Passed by three clicks; a wrong press costs one more and reaches nobody."""
    entry = house.entry(title="志愿者招募", capacity=80, needs_review=True)
    house.pending(entry, 60)
    page = visit(house.portal, DESK, cookies=house.as_staff("A1"))
    page.goto(f"/staff/sign-ups/{entry}")
    hand = Hand(page)
    hand.click(page.locator("input[data-all=row]"))
    hand.press("通过所选…")
    hand.press("通过 60 份")
    expect(page.locator("#board .tag", has_text="将通过")).to_have_count(60)
    assert hand.clicks == 3
    decided = select(func.count(SignUpReview.sign_up_id)).join(SignUp).where(SignUp.entry_id == entry)
    assert house.count(decided) == 60
    hand.press("撤回")
    says(page, "撤回了 60 份")
    assert house.count(decided) == 0
