"""返回 without a script: filters, words and page are kept, and nobody is led off the site (issue 11)."""

from __future__ import annotations

import re
from datetime import date, time, timedelta
from html import unescape
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from portal.catalogue.public import month_snapshot
from portal.core import clock
from tests.factories import NOW

pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def _rows(town: Any, make: Any) -> None:
    month_snapshot.forget()
    for number in range(25):
        start = clock.at(date(2026, 11, 28), time(8)) + timedelta(minutes=10 * number)
        make.entry(town.centres["A1"], [(start, start + timedelta(hours=1))], title=f"太极{number:02d}", content="")


def text_of(client: FlaskClient, url: str) -> str:
    with clock.frozen(NOW):
        answer = client.get(url)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def back_of(text: str) -> str:
    return unescape(re.search(r'<a class="pill" href="([^"]*)" data-back>', text)[1])  # type: ignore[index]


LISTS = (
    "/services?q=%E5%A4%AA%E6%9E%81&day=weekend&page=2", "/services?q=%E5%91%A8%E5%85%AD+%E5%A4%AA%E6%9E%81",
    "/services?centre=A1&free=1", "/services?view=calendar&week=2026-11-23", "/services?month=2026-11",
    '/services?q="><script>', "/c/A1",
)  # fmt: skip


@pytest.mark.parametrize("url", LISTS)
def test_the_way_there_and_back_is_the_same_list(client: FlaskClient, url: str) -> None:
    links = re.findall(r'href="(/services/\d+[^"]*)"', text_of(client, url))
    if "script" in url:
        assert "<script>" not in "".join(links)
        links = links or [f"/services/1?back={quote(url)}"]
    back = back_of(text_of(client, unescape(links[0])))
    assert text_of(client, back) and back.startswith(url.split("?", maxsplit=1)[0])
    for part in ("q=", "day=", "page=", "centre=", "free=", "view=", "week=", "month="):
        assert (part in back) == (part in url)
    if "page=2" in url:
        assert "太极24" in text_of(client, back) and "太极00" not in text_of(client, back)


def test_from_the_whole_list_nothing_is_carried(client: FlaskClient) -> None:
    text = text_of(client, "/services")
    assert (
        "back=" not in text and back_of(text_of(client, re.search(r'href="(/services/\d+)"', text)[1])) == "/services"
    )  # type: ignore[index]


@pytest.mark.parametrize(
    "evil",
    ["https://evil.example/", "//evil.example/services?", "/\\evil.example", "javascript:alert(1)", "/logout", "/staff",
     "/services?" + "x" * 400, "/services?\nSet-Cookie: x", ""],
)  # fmt: skip
def test_nobody_is_led_elsewhere(client: FlaskClient, evil: str) -> None:
    link = re.search(r'href="(/services/\d+)"', text_of(client, "/services"))
    assert link and back_of(text_of(client, f"{link[1]}?back={quote(evil)}")) == "/services"
