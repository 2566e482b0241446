"""Every page for everybody (SPEC Q5): axe-core finds nothing serious, nothing is cut off, small or out of reach.

The pages come from the URL map, so a new page is tested from its first day.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from portal.core import access
from tests.browser.conftest import DESK, PHONE, House, Visit

# What a page looks like is no matter of the database.
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.once]

AXE = (Path(__file__).parent / "axe.min.js").read_text("utf-8")
# Answers that are no pages: files, pictures, numbers for machines, redirects.
NO_PAGE = {
    "static", "catalogue.picture", "operations.metrics", "operations.healthz", "operations.readyz", "catalogue.short",
    "people.export", "catalogue.calendar", "people_staff.audit_csv", "signup_staff.table",
    "catalogue_staff.understand", "catalogue_staff.plan_template", "catalogue_staff.export",
    "centres_staff.sheet", "people_staff.department",  # of the top's alone: looked at with the district's desk
    "catalogue_api.services", "catalogue_api.all_centres", "catalogue_api.nowhere",
    "notices_hooks.wechat_event", "wechat.ask", "wechat.back", "wechat.binding",  # only with an official account
    "help.listen", "urgent_staff.listen",  # recordings
    "people_staff.slips",  # of whoever has just made accounts, for minutes
}  # fmt: skip
TOKENS = {"help_orders_member.paper": "paper_token", "help_visit.show": "visit_token"}

FINDINGS = """async () => {
  const found = await axe.run(document, { resultTypes: ["violations"] });
  return found.violations.filter(v => ["serious", "critical"].includes(v.impact)).map(
    v => `${v.id} (${v.impact}): ${v.nodes.slice(0, 3).map(n => n.html.slice(0, 120)).join(" | ")}`);
}"""
# What sticks out to the right of the window, and by how many pixels the page can be pushed aside.
SIDEWAYS = """() => {
  const wide = document.documentElement.clientWidth;
  const out = document.documentElement.scrollWidth > wide ? [`the page is ${document.documentElement.scrollWidth} wide`] : [];
  for (const e of document.querySelectorAll("main *, header *, nav *, .thumb *")) {
    const box = e.getBoundingClientRect();
    if (!box.width || !e.checkVisibility() || e.closest(".chips.scroll, .subtabs, pre, svg, .vh, .skip, thead")) continue;
    const frame = e.parentElement.closest(".panel, .rowlink, .act, .btn, .choice, .door, .stat, td") || document.documentElement;
    const edge = Math.min(wide, frame.getBoundingClientRect().right);
    if (box.right > edge + 1) out.push(`${e.outerHTML.slice(0, 70)} ends at ${Math.round(box.right)} of ${Math.round(edge)}`);
  }
  return out.slice(0, 4);
}"""
# WCAG 2.5.5 leaves out links inside a sentence; a label is the target of its box.
SMALL_TARGETS = """least => {
  const bad = [];
  for (const e of document.querySelectorAll("a[href], button, select, summary, input:not([type=hidden]), textarea")) {
    const target = ["checkbox", "radio"].includes(e.type) ? e.closest("label") || e : e;
    const box = target.getBoundingClientRect();
    if (!box.width || !e.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
    if (e.matches(".skip") || getComputedStyle(e).display === "inline") continue;
    if (box.height < least - .5 || box.width < least - .5)
      bad.push(`${target.outerHTML.slice(0, 90)} ${Math.round(box.width)}x${Math.round(box.height)}`);
  }
  return bad;
}"""
LARGE = ((320, 200), (375, 150))  # pixels of the window, percent of the type
COVERS = """() => [...document.querySelectorAll(".thumb")].filter(bar =>
  getComputedStyle(bar).position !== "static" && bar.offsetHeight > .4 * innerHeight + 1
).map(bar => Math.round(100 * bar.offsetHeight / innerHeight) + " % of the screen")"""
SMALL_TEXT = """least => {
  const bad = new Set(), walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim(), e = walker.currentNode.parentElement;
    if (!text || ["SCRIPT", "STYLE", "NOSCRIPT"].includes(e.tagName) || !e.checkVisibility()) continue;
    const drawn = e.getScreenCTM ? e.getScreenCTM().a : 1;  // a picture is scaled to the window
    const size = Math.round(parseFloat(getComputedStyle(e).fontSize) * drawn * 10) / 10;
    if (size < least) bad.add(`${e.tagName} ${size}px: ${text.slice(0, 30)}`);
  }
  return [...bad];
}"""


def pages(house: House, *audiences: str) -> Iterator[tuple[str, str]]:
    """Endpoint and address of each page of these audiences, for A1's records."""
    for rule in house.app.url_map.iter_rules():
        declared = access.of(house.app.view_functions[rule.endpoint])
        wanted = declared is not None and declared.audience in audiences
        path = rule.rule.rsplit("/", 1)[-1]
        if not wanted or "GET" not in (rule.methods or ()) or rule.endpoint in NO_PAGE or "." in path:
            continue
        values = {name: house.ids[name] for name in rule.arguments}
        public = declared is not None and declared.audience != "staff" and rule.endpoint != "catalogue.short"
        if "entry_id" in values and (public or rule.endpoint.startswith("signup")):
            values["entry_id"] = house.ids["public_entry_id"]
        if rule.endpoint in TOKENS:
            values["token"] = house.ids[TOKENS[rule.endpoint]]
        with house.app.test_request_context():
            yield rule.endpoint, str(house.app.url_map.bind("localhost").build(rule.endpoint, values))


class Inspector:
    """Opens pages one after the other and notes what is wrong with each."""

    def __init__(self, page: Page, target: int, text: int) -> None:
        self.page, self.target, self.text = page, target, text
        self.problems: list[str] = []
        self.seen = 0

    def inspect(self, address: str, widths: tuple[int, ...]) -> None:
        answer = self.page.goto(address)
        status = answer.status if answer is not None else 0
        if answer is not None and "html" not in answer.headers.get("content-type", ""):
            return  # a finished paper: tests/catalogue looks at those
        # What this viewer may not open is another viewer's page; the access matrix says whose.
        if status == 403:
            return
        if status >= 400:
            self.problems.append(f"{address}: {status}")
            return
        self.seen += 1
        # Folded parts are part of the page.
        self.page.evaluate("() => document.querySelectorAll('details').forEach(d => { d.open = true; })")
        self.page.evaluate(AXE)
        found: list[Any] = self.page.evaluate(FINDINGS)
        found += [f"target {t}" for t in self.page.evaluate(SMALL_TARGETS, self.target)]
        found += [f"text {t}" for t in self.page.evaluate(SMALL_TEXT, self.text)]
        size = self.page.viewport_size or PHONE
        for width in widths:
            self.page.set_viewport_size({"width": width, "height": size["height"]})
            found += [f"sideways at {width}: {t}" for t in self.page.evaluate(SIDEWAYS)]
        if self.target >= 44:
            found += [problem for width, percent in LARGE for problem in self._large(width, percent)]
        if widths:
            self.page.set_viewport_size(size)
        self.problems += [f"{address}: {problem}" for problem in found]

    def _large(self, width: int, percent: int) -> Iterator[str]:
        """What is wrong with a resident's page in large type: a sideways scroll, a bar that covers the page."""
        self.page.set_viewport_size({"width": width, "height": 568 if width == 320 else 812})
        self.page.evaluate("percent => { document.documentElement.style.fontSize = percent + '%'; }", percent)
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        for problem in self.page.evaluate(SIDEWAYS):
            yield f"sideways at {width} and {percent} %: {problem}"
        for problem in self.page.evaluate(COVERS):
            yield f"the bar covers the page at {width} and {percent} %: {problem}"
        self.page.evaluate("() => { document.documentElement.style.fontSize = ''; }")


BAD_PAGE = """<!doctype html><html lang="zh-CN"><title>坏</title><meta name="viewport" content="width=device-width">
<style>.small { font-size: 12px; height: 20px } .wide { width: 500px } .pale { color: #ccc; background: #fff }</style>
<main><button class="small">按</button><p class="wide">宽</p><p class="pale">看不清</p><img src="data:,"></main>"""


def test_the_inspector_sees_what_is_wrong(house: House, visit: Visit) -> None:
    """A page with every fault; if nothing is found here, the other tests prove nothing."""
    page = visit(house.portal, bypass_csp=True)
    page.route("**/bad", lambda route: route.fulfill(body=BAD_PAGE, content_type="text/html; charset=utf-8"))
    inspector = Inspector(page, 44, 16)
    inspector.inspect("/bad", (375,))
    found = "\n".join(inspector.problems)
    for fault in ("image-alt (critical)", "color-contrast (serious)", "target <button", "text BUTTON 12px", "sideways"):
        assert fault in found


@pytest.mark.parametrize("elder", [False, True], ids=["usual", "elder"])
def test_resident_pages_at_375(house: House, visit: Visit, elder: bool) -> None:
    """Public pages as a visitor of a centre sees them, personal ones signed in; also narrow phones of 320."""
    mode = [("centre", "A1"), ("elder", "1" if elder else "0")]
    visitor = Inspector(visit(house.portal, bypass_csp=True, cookies=mode), 60 if elder else 44, 18 if elder else 16)
    person = house.people[0]
    house.do(lambda town, _make: setattr(town.residents[0], "elder_mode", elder))
    cookies = [*mode, *house.as_resident(person)]
    own = Inspector(visit(house.portal, bypass_csp=True, cookies=cookies), visitor.target, visitor.text)
    for _endpoint, address in pages(house, "public"):
        if not address.startswith("/staff"):
            visitor.inspect(address, (375, 320))
    for _endpoint, address in pages(house, "resident"):
        own.inspect(address, (375, 320))
    own.inspect(f"/services/{house.ids['public_entry_id']}", (375, 320))
    own.inspect(f"/services?month={house.ids['month']}", (375, 320))
    own.inspect(f"/services?month={house.ids['month']}&view=calendar", (375, 320))
    own.inspect("/services?q=周六下午 老人 手机 活动", (375, 320))
    assert not visitor.problems + own.problems, "\n".join(visitor.problems + own.problems)
    assert visitor.seen > 12 and own.seen > 9


def test_a_first_visit_at_375(house: House, visit: Visit) -> None:
    """Nobody known, no centre chosen; and what an error looks like."""
    inspector = Inspector(visit(house.portal, bypass_csp=True), 44, 16)
    for address in ("/", "/services", "/help", "/help/urgent", "/centres", "/login"):
        inspector.inspect(address, (375, 320))
    assert not inspector.problems, "\n".join(inspector.problems)


def staff_pages(house: House) -> list[str]:
    return [address for _endpoint, address in pages(house, "staff")] + ["/staff/login"]


@pytest.mark.parametrize("half", [0, 1])
def test_staff_pages_at_1280(house: House, visit: Visit, half: int) -> None:
    """A1's own manager, who may open all of them; the desk's targets are a pointer's (WCAG 2.5.8: 24 pixels)."""
    page = visit(house.portal, DESK, bypass_csp=True, cookies=house.as_staff("A1"))
    inspector = Inspector(page, 24, 16)
    for address in staff_pages(house)[half::2]:
        inspector.inspect(address, (1280,))
    assert not inspector.problems, "\n".join(inspector.problems)
    assert inspector.seen > 12


def test_the_districts_desk_at_1280(house: House, visit: Visit) -> None:
    """What only the top sees: all codes, publication, the whole tree's board."""
    page = visit(house.portal, DESK, bypass_csp=True, cookies=house.as_staff("D"))
    inspector = Inspector(page, 24, 16)
    month = house.ids["month"]
    for path in ("", "/messages", f"/catalogue?month={month}", f"/catalogue/publish?month={month}",
                 f"/catalogue/coverage?month={month}", "/accounts", "/audit", "/centres", "/centres/import",
                 f"/centres/import/{house.ids['sheet_id']}", "/first-morning", "/departments", "/accounts/import",
                 f"/departments/{house.ids['department_id']}", "/accounts/slips", "/catalogue/dates"):  # fmt: skip
        inspector.inspect(f"/staff{path}", (1280,))
    assert not inspector.problems, "\n".join(inspector.problems)


def test_sign_ups_decided_at_once(house: House, visit: Visit) -> None:
    """The page that asks, the same with a wrong press, and the list while what was decided can be taken back."""
    entry = house.entry(title="志愿者招募", capacity=9, needs_review=True)
    house.pending(entry, 4)
    page = visit(house.portal, DESK, bypass_csp=True, cookies=house.as_staff("A1"))
    inspector = Inspector(page, 24, 16)
    desk = f"/staff/sign-ups/{entry}"
    for path in ("/review?do=pass&all=1", "/review?do=refuse&all=1"):
        inspector.inspect(f"{desk}{path}", (1280, 375))
    page.get_by_role("button", name="不通过 4 份").click()
    assert page.locator("#reason-err").is_visible()
    page.locator("[data-fill]").first.click()
    page.get_by_role("button", name="不通过 4 份").click()
    page.wait_for_url(f"**{desk}")
    inspector.inspect(desk, (1280, 375))
    assert page.get_by_role("button", name="撤回").is_visible()
    assert not inspector.problems, "\n".join(inspector.problems)
    assert inspector.seen == 3


def test_an_empty_month_and_a_long_day(house: House, visit: Visit) -> None:
    """The cards that say where to begin hold their words; a day of rooms from 8:00 to 22:00 ends inside the window."""
    week = {day: [(8 * 60, 22 * 60)] for day in range(7)}
    house.do(lambda town, make: make.venue(town.centres["B2"], week, name="开到很晚的多功能排练厅").id)
    page = visit(house.portal, DESK, cookies=house.as_staff("B2"))
    page.goto("/staff/catalogue?month=2027-03")
    for width in (1280, 375, 320):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.locator(".start .door").count() == 4
        assert page.evaluate(SIDEWAYS) == []
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto("/staff/venues")
    assert page.locator(".plan thead th", has_text="21:00").count() == 1
    assert (
        page.evaluate("() => { const b = document.querySelector('.plan-box'); return b.scrollWidth - b.clientWidth; }")
        == 0
    )


def test_staff_pages_on_a_phone(house: House, visit: Visit) -> None:
    """Staff sometimes look from a phone: nothing may be cut off there, and nothing breaks the policy of scripts."""
    page, problems, seen = visit(house.portal, PHONE, cookies=house.as_staff("A1")), [], 0
    for address in staff_pages(house):
        answer = page.goto(address)
        problems += [f"{address}: {found}" for found in page.evaluate(SIDEWAYS)]
        page.evaluate("() => document.querySelectorAll('details').forEach(d => { d.open = true; })")
        seen += answer is not None and answer.status == 200
    assert not problems, "\n".join(problems)
    assert seen > 40
