"""A district's first morning in Chromium, from an empty database: clicks are counted, each step is photographed.

    python -m tests.first_morning [--out tests/out/first-morning]

Not in the suite (`make first-morning`). What a step does is a function in STEPS: another page of the setting up is one
function more. Ends with 1 when a step does not come to what it should, a page complains, or MOST clicks are passed.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

import openpyxl
from playwright.sync_api import Page, sync_playwright

from portal.centres import table
from tests.browser import steps
from tests.browser.conftest import DESK, FLAGS, PATIENCE, PHONE, Complaints
from tests.browser.live import Portal
from tests.servers import chromium_path

MOST = 120
PASSWORD = "haifeng-7788-chaoxi"
PLAN = Path(__file__).parents[1] / "catalogue" / "data" / "plan-example-kuichong-2026-12.xlsx"
CENTRE = "葵涌社区党群服务中心"


class Morning:
    """The manager at the desk. Clicks count as 1, and so do a choice from a list and a file."""

    def __init__(self, page: Page, address: str, out: Path) -> None:
        self.page, self.address, self.out, self.clicks = page, address, out, 0
        self.given = ""  # the one-time password

    def click(self, selector: str) -> None:
        self.page.locator(selector).first.click()
        self.page.wait_for_load_state()
        self.clicks += 1

    def choose(self, name: str, words: str) -> None:
        steps.choose(self.page.locator(f"select[name={name}]"), words)
        self.clicks += 1

    def send(self, file: Path) -> None:
        self.page.set_input_files("input[type=file]", file)
        self.clicks += 1

    def step(self, title: str) -> str:
        """What the start page says of a step of the first morning."""
        self.page.goto(f"{self.address}/staff/first-morning")
        return self.page.locator("a.rowlink", has_text=title).first.inner_text()

    def look(self, name: str) -> None:
        """Keep pictures of the page, on a desk and on a phone; nothing may stick out."""
        for size in (PHONE, DESK):
            self.page.set_viewport_size({"width": size["width"], "height": size["height"]})
            self.page.screenshot(path=self.out / f"{name}-{size['width']}.png", full_page=True)
            assert not self.page.evaluate("document.documentElement.scrollWidth > innerWidth"), f"{name}: too wide"


def sign_in(m: Morning) -> None:
    m.page.goto(f"{m.address}/staff/login")
    m.page.fill("[name=username]", "admin")
    m.page.fill("[name=password]", m.given)
    m.click("main button[type=submit], form button[type=submit]")
    for name in [field.get_attribute("name") for field in m.page.locator("input[type=password]").all()]:
        m.page.fill(f"[name={name}]", m.given if name == "old" else PASSWORD)
    m.click("main button[type=submit]")
    assert "第一个上午" in m.page.content()


def details(m: Morning) -> None:
    """42 centres from one table: exported, filled in, looked at, taken."""
    m.click("a.rowlink:has-text('补齐信息')")
    with m.page.expect_download() as sent:
        m.click("text=导出现在的表")
    file = m.out / "centres.xlsx"
    sent.value.save_as(file)
    book = openpyxl.load_workbook(file)
    sheet = book[table.SHEET]
    for row in range(2, sheet.max_row + 1):
        told = {
            "phone": f"0755-842{row:05d}", "address": f"演示路{row}号", "latitude": f"{22.5 + row / 1000:.4f}",
            "longitude": f"{114.4 + row / 1000:.4f}", "responsible": "某某某", "area_m2": str(300 + row),
            "hours": "周一至周五 9:00-12:00 14:00-18:00；周六 9:00-12:00", "off_peak": "周三 19:00-21:00 晚间延时",
        }  # fmt: skip
        for name, text in told.items():
            sheet.cell(row, table.NAMES.index(name) + 1).value = text
    book.save(file)
    m.send(file)
    m.click("text=上传并预览")
    m.look("preview")
    m.click("button:has-text('导入（')")
    assert "还没做" not in m.step("补齐信息")


def account(m: Morning) -> None:
    """One by its form; accounts in bulk are a step of their own where there is a page for it."""
    before = m.step("账户")
    m.page.goto(f"{m.address}/staff/accounts/new")
    m.page.fill("[name=name]", "演示经办")
    m.page.fill("[name=phone]", "19900000001")
    m.choose("centre", CENTRE)
    m.click("label:has(input[name=role])")
    m.page.fill("[name=username]", "kuichong-yanshi")
    m.click("main form button[type=submit]")
    assert m.step("账户") != before


def guides(m: Morning) -> None:
    m.step("类别")
    m.click("a.rowlink:has-text('类别和办事指南')")
    assert "还没做" not in m.step("类别")


def dates(m: Morning) -> None:
    m.step("日期")
    m.click("a.rowlink:has-text('日期')")
    assert "还没做" not in m.step("日期")


def first_plan(m: Morning) -> None:
    """A community's plan from Excel, as centres really write it."""
    m.page.goto(f"{m.address}/staff/catalogue/import?month=2026-12")
    m.choose("centre", CENTRE)
    m.send(PLAN)
    m.click("text=上传并预览")
    m.click("button:has-text('导入全部好的')")
    assert "导入了" in m.page.content()


STEPS: tuple[tuple[str, Callable[[Morning], None]], ...] = (
    ("sign-in", sign_in),
    ("details", details),
    ("account", account),
    ("guides", guides),
    ("dates", dates),
    ("first-plan", first_plan),
)


def walk(portal: Portal, out: Path) -> list[str]:
    """Go through all steps; returns what was complained of."""
    told = portal.flask("init")
    complaints = Complaints()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))
        page = complaints.watch(browser.new_page(accept_downloads=True))
        page.set_default_timeout(PATIENCE)
        morning = Morning(page, portal.address, out)
        found = re.search(r"一次性密码：(\S+)", told)
        assert found, told
        morning.given = found[1]
        for name, step in STEPS:
            before = morning.clicks
            step(morning)
            morning.look(name)
            print(f"{name:12} {morning.clicks - before:3} clicks", flush=True)
        browser.close()
    print(f"{'all':12} {morning.clicks:3} clicks of at most {MOST}; pictures in {out}")
    return [*complaints, *([f"{morning.clicks} clicks"] if morning.clicks > MOST else [])]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("tests/out/first-morning"))
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    portal = Portal()
    portal.data.mkdir(parents=True)
    portal.flask("db", "upgrade")
    portal.start()
    try:
        complaints = walk(portal, out)
    finally:
        portal.discard()
    for complaint in complaints:
        print(f"✗ {complaint}", file=sys.stderr)
    return bool(complaints)


if __name__ == "__main__":
    raise SystemExit(main())
