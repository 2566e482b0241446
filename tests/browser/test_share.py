"""A centre passed on, and data for other platforms, as a browser sees them (SPEC N1, C10, Q2)."""

from __future__ import annotations

import json

import pytest

from tests.browser.conftest import PHONE, House, Visit

# What a browser does is no matter of the database.
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.once]


@pytest.mark.parametrize("js", [True, False])
def test_one_tap_marks_all_ready_words(house: House, visit: Visit, js: bool) -> None:
    page = visit(house.portal, PHONE, js=js)
    page.goto("/c/A1/share")
    page.locator("#share-text").click()
    marked = page.evaluate("() => getSelection().toString()").strip()
    assert (
        marked.startswith("【甲一社区")
        and "/c/A1" in marked
        and marked == page.locator("#share-text").inner_text().strip()
    )
    assert page.get_by_role("button", name="复制文字").count() == js


def test_the_policy_of_scripts_lets_data_through(house: House, visit: Visit) -> None:
    """`visit` fails when the browser complains of the policy."""
    page = visit(house.portal, PHONE)
    for address, kind in (("/c/A1", "GovernmentOffice"), (f"/services/{house.ids['public_entry_id']}", "Event")):
        answer = page.goto(address)
        assert answer is not None and "script-src 'self'" in answer.headers["content-security-policy"]
        said = json.loads(page.locator('script[type="application/ld+json"]').inner_text() or "{}")
        assert said["@type"] == kind and page.evaluate("(address) => location.pathname === address", address)
