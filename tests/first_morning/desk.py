"""Who sits at a desk and what they press; all desks count together. And the processes that work behind the pages."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.browser.conftest import DESK, PATIENCE, PHONE, Complaints
from tests.browser.live import ROOT, Portal

PASSWORD = "haifeng-7788-chaoxi"
PAPER_SECONDS = 90


@dataclass
class Count:
    """clicks: presses of a button, a link, a box, and choices from a list. fields: typed in. files: chosen."""

    clicks: int = 0
    fields: int = 0
    files: int = 0
    pictures: list[str] = field(default_factory=list)

    def since(self, before: Count) -> str:
        clicks, fields, files = (getattr(self, n) - getattr(before, n) for n in ("clicks", "fields", "files"))
        return f"{clicks:3} clicks {fields:3} fields {files:2} files"

    def copy(self) -> Count:
        return Count(self.clicks, self.fields, self.files)


class Desk:
    """One person in a browser of their own."""

    def __init__(self, browser: Browser, portal: Portal, out: Path, count: Count, complaints: Complaints) -> None:
        self.portal, self.out, self.count = portal, out, count
        context = browser.new_context(
            viewport=DESK, accept_downloads=True, locale="zh-CN", timezone_id="Asia/Shanghai"  # type: ignore[arg-type]
        )  # fmt: skip
        context.set_default_timeout(PATIENCE)
        self.page: Page = complaints.watch(context.new_page())

    def click(self, selector: str) -> None:
        """Press it; the page it leads to is there when this returns."""
        self.page.locator(selector).first.click()
        self.page.wait_for_load_state()
        self.count.clicks += 1

    def press(self, words: str) -> None:
        """The button or link of these words in the page's middle."""
        self.click(f"main :is(a, button, summary):has-text('{words}'):visible")

    def go(self, words: str) -> None:
        """The section of the left column."""
        self.click(f"nav a:has-text('{words}')")

    def fill(self, name: str, words: str) -> None:
        self.page.fill(f"main [name={name}]:visible", words)
        self.count.fields += 1

    def send(self, file: Path) -> None:
        self.page.set_input_files("main input[type=file]", file)
        self.count.files += 1

    def says(self, words: str) -> None:
        """The page must say it."""
        assert words in self.page.locator("body").inner_text(), f"{self.page.url}: no {words!r}"

    def sign_in(self, username: str, given: str) -> None:
        """With the one-time password, and choose one's own."""
        self.page.goto(f"{self.portal.address}/staff/login")
        self.fill("username", username)
        self.fill("password", given)
        self.click("main button[type=submit]")
        self.fill("new", PASSWORD)
        self.fill("again", PASSWORD)
        self.click("main button[type=submit]")

    def paper(self, selector: str, name: str) -> bytes:
        """Press a link to a PDF and read the file, however long the worker takes."""
        address = self.page.locator(selector).first.get_attribute("href") or ""
        self.count.clicks += 1
        until = time.monotonic() + PAPER_SECONDS
        while time.monotonic() < until:
            answer = self.page.request.get(f"{self.portal.address}{address}")
            if answer.status == 200 and answer.body().startswith(b"%PDF"):
                (self.out / f"{name}.pdf").write_bytes(answer.body())
                return answer.body()
            time.sleep(0.5)
        raise AssertionError(f"{address}: no paper after {PAPER_SECONDS} s")

    def step(self, title: str) -> str:
        """What the first morning says of a step, on a page beside this one."""
        beside = self.page.context.new_page()
        try:
            beside.goto(f"{self.portal.address}/staff/first-morning")
            return beside.locator("a.rowlink", has_text=title).first.inner_text()
        finally:
            beside.close()

    def look(self, name: str, phone: bool = False) -> None:
        """Keep a picture of the page; nothing may stick out at the side."""
        for size in (DESK, PHONE) if phone else (DESK,):
            self.page.set_viewport_size({"width": size["width"], "height": size["height"]})
            file = f"{len(self.count.pictures) + 1:02}-{name}-{size['width']}.png"
            self.page.screenshot(path=self.out / file, full_page=True)
            self.count.pictures.append(file)
            assert not self.page.evaluate("document.documentElement.scrollWidth > innerWidth"), f"{name}: too wide"
        self.page.set_viewport_size({"width": DESK["width"], "height": DESK["height"]})

    def leave(self) -> None:
        self.page.context.close()


SLIP = re.compile(r"([^\d.\s]+)用户名([a-z0-9-]+?)一次性密码([2-9a-z]{4}(?:-[2-9a-z]{4}){2})")


def secrets_of(words: str) -> dict[str, tuple[str, str]]:
    """By name, the username and one-time password of each slip. words: of the slips, without blanks."""
    return {m[1]: (m[2], m[3]) for m in SLIP.finditer(words)}


class Behind:
    """The worker and the scheduler, with the portal's clock, until the morning is over."""

    def __init__(self, portal: Portal) -> None:
        with (portal.home / "behind.log").open("ab") as log:
            self.running = [
                subprocess.Popen(
                    [sys.executable, "-c", f"import sys, tests.browser.stand; from jobs import {name}; sys.exit({name}.main())"],
                    cwd=ROOT, env=portal.env, stdout=log, stderr=log,
                )
                for name in ("worker", "schedule")
            ]  # fmt: skip

    def end(self) -> None:
        for process in self.running:
            process.terminate()
        for process in self.running:
            process.wait(30)
