"""A long select box can be typed into: by keyboard and by finger, and the select is what is sent (SPEC Q2, Q5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import DESK

pytestmark = [pytest.mark.browser, pytest.mark.once]

SCRIPT = Path(__file__).parents[2] / "portal" / "static" / "pick.js"
LISTEN = "() => { window.heard = []; document.addEventListener('change', e => heard.push(e.target.name)); }"
STREETS = ("东河", "西河", "南河")


def html(count: int) -> str:
    """A form with a box of three streets and `count` communities each, and a button behind it."""
    groups = "".join(
        f'<optgroup label="{street}街道">'
        + "".join(f'<option value="{street[0]}{n}">{street[0]}{n}社区</option>' for n in range(count))
        + "</optgroup>"
        for street in STREETS
    )
    return (
        '<div id="toast"></div><form method="get"><label for="c">阵地</label>'
        f'<select id="c" name="centre" data-find><option value="">全部阵地</option>{groups}</select>'
        "<button>查找</button></form>"
    )


@pytest.fixture
def box(chromium: Browser) -> Iterator[Callable[[int], Page]]:
    context = chromium.new_context(viewport=DESK)  # type: ignore[arg-type]

    def show(count: int) -> Page:
        page = context.new_page()
        page.set_content(html(count))
        page.evaluate(LISTEN)
        page.add_script_tag(content=SCRIPT.read_text(encoding="utf-8"))
        return page

    yield show
    context.close()


def sent(page: Page) -> str:
    return str(page.evaluate("() => new FormData(document.forms[0]).get('centre')"))


def test_typed_words_and_keys_choose(box: Callable[[int], Page]) -> None:
    page = box(9)
    field = page.get_by_role("combobox", name="阵地")
    expect(field).to_have_value("全部阵地")
    field.fill("西河 3")
    expect(page.get_by_role("option")).to_have_text(["西3社区"])
    field.fill("社区")
    expect(page.get_by_role("option")).to_have_count(27)
    field.press("ArrowDown")
    expect(page.get_by_role("option", selected=True)).to_have_text("东1社区")
    field.press("Enter")
    expect(field).to_have_value("东1社区")
    expect(field).to_have_attribute("aria-expanded", "false")
    assert sent(page) == "东1"
    assert page.evaluate("heard") == ["centre"], "the form hears of one change, the select's"


def test_a_finger_chooses(box: Callable[[int], Page]) -> None:
    page = box(9)
    page.get_by_role("combobox").click()
    page.get_by_role("option", name="南8社区").click()
    assert sent(page) == "南8"
    expect(page.get_by_role("listbox")).to_have_count(0)


@pytest.mark.parametrize(
    ("typed", "key", "kept"),
    [
        ("西河 3", "Tab", "西3"), ("西", "Tab", "东2"), ("没有这个", "Enter", "东2"), ("西", "Escape", "东2"), ("", "Tab", ""),
    ],
)  # fmt: skip
def test_what_is_not_chosen_is_not_sent(box: Callable[[int], Page], typed: str, key: str, kept: str) -> None:
    page = box(9)
    field = page.get_by_role("combobox")
    field.fill("东2")
    field.press("Enter")
    field.fill(typed)
    field.press(key)
    field.blur()
    assert sent(page) == kept
    said = page.locator("#toast").text_content() or ""
    assert ("没有选定，还是：东2社区" in said) == (kept == "东2" and key != "Escape"), (
        "a word that was not taken is said"
    )


def test_a_short_box_stays_as_it_is(box: Callable[[int], Page]) -> None:
    page = box(3)
    expect(page.locator("select")).to_be_visible()
    assert page.locator("input").count() == 0
