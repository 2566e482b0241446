"""What a person does in front of a page, in the words on the page."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.core import printed
from tests.factories import PASSWORD

XLSX = Path(__file__).parents[1] / "catalogue/data/plan-example-kuichong-2026-12.xlsx"


def press(page: Page | Locator, words: str, exact: bool = True) -> None:
    """Press the button or link that says so."""
    target = page.get_by_role("button", name=words, exact=exact).or_(page.get_by_role("link", name=words, exact=exact))
    target.first.click()


def says(page: Page, *words: str) -> None:
    """The page shows each of these words."""
    for text in words:
        expect(page.locator("body")).to_contain_text(text)


def fill(page: Page, label: str, value: str) -> None:
    """Write into the field whose label begins so (a required one goes on with 必填)."""
    page.get_by_label(re.compile(f"^{re.escape(label)}")).fill(value)


def row_of(page: Page, title: str) -> Locator:
    """The row of the month board with this title; a neighbour's warning may name it too."""
    return page.locator("table.board > tbody", has=page.locator("td.name strong", has_text=title))


def staff_signs_in(page: Page, username: str, password: str) -> None:
    page.goto("/staff/login")
    fill(page, "用户名", username)
    fill(page, "密码", password)
    press(page, "登录")


def first_login(page: Page, username: str, one_time: str) -> None:
    """With the one-time password; no other page opens until it is changed."""
    staff_signs_in(page, username, one_time)
    expect(page).to_have_url(re.compile("/staff/password$"))
    page.goto("/staff/catalogue")
    expect(page).to_have_url(re.compile("/staff/password$"))
    fill(page, "新密码", PASSWORD)
    fill(page, "再写一遍新密码", PASSWORD)
    press(page, "保存新密码")
    expect(page).to_have_url(re.compile("/staff$"))


def open_account(page: Page, username: str, name: str, centre: str) -> str:
    """A superior opens a manager's account; returns the one-time password, which is shown once."""
    page.goto("/staff/accounts")
    press(page, "新建账户")
    fill(page, "姓名", name)
    fill(page, "手机号", "19900000099")
    choose(page.locator("select[name=centre]"), centre)
    page.get_by_role("radio", name=re.compile("^管理员")).check()
    fill(page, "用户名", username)
    press(page, "建账户，显示初始密码")
    return page.locator("#secret").inner_text()


def choose(box: Locator, words: str) -> None:
    """The first option with these words: from the select, or typed into the box that stands for a long one."""
    if box.is_visible():
        box.select_option(box.locator("option", has_text=words).first.get_attribute("value"))
        return
    typed = box.locator("xpath=preceding-sibling::span[1]").get_by_role("combobox")
    typed.fill(words)
    typed.press("Enter")


def pdf_text(data: bytes) -> str:
    """The words of a PDF without spaces and line ends, which the columns decide."""
    return re.sub(r"\s+", "", "".join(printed.text_of(data)))


def codes_on(data: bytes) -> list[str]:
    """What a phone reads in the QR codes of every page of a PDF, printed at 150 dpi."""
    count = len(printed.text_of(data))
    return [code for page in range(1, count + 1) for code in printed.codes_in(printed.picture(data, page))]
