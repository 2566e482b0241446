"""Atom feeds of a centre and of a category: whole by RFC 4287, in pages by RFC 5005, steady ids (SPEC C10)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest
from flask.testing import FlaskClient

from portal.catalogue.actions import changing
from portal.catalogue.open_data import queries
from portal.catalogue.public import month_snapshot
from tests.factories import NOW, Make, Town

ATOM = "{http://www.w3.org/2005/Atom}"
START, HOURS = NOW + timedelta(days=8), timedelta(hours=2)


@pytest.fixture(autouse=True)
def _cold() -> None:
    month_snapshot.forget()


def one(parent: ET.Element, name: str) -> str:
    (found,) = parent.findall(ATOM + name)
    return found.text or ""


def moment(text: str) -> datetime:
    when = datetime.fromisoformat(text)
    assert when.tzinfo is not None
    return when


def feed(client: FlaskClient, url: str) -> ET.Element:
    """The feed at `url`, after asking all that RFC 4287 wants of one."""
    answer = client.get(url)
    assert answer.status_code == 200 and answer.mimetype == "application/atom+xml", answer.text
    root = ET.fromstring(answer.data)
    assert root.tag == f"{ATOM}feed" and one(root, "title") and ":" in one(root, "id") and moment(one(root, "updated"))
    entries = root.findall(f"{ATOM}entry")
    assert len({one(entry, "id") for entry in entries}) == len(entries)
    for entry in entries:
        assert one(entry, "title") and moment(one(entry, "published")) <= moment(one(entry, "updated"))
        assert entry.find(f"{ATOM}author/{ATOM}name") is not None and one(entry, "summary")
        assert [link.get("rel") for link in entry.findall(f"{ATOM}link")] == ["alternate"]
    assert max((moment(one(e, "updated")) for e in entries), default=moment(one(root, "updated"))) == moment(
        one(root, "updated")
    )
    return root


def titles(root: ET.Element) -> list[str]:
    return [one(entry, "title") for entry in root.findall(f"{ATOM}entry")]


def links(root: ET.Element) -> dict[str, str]:
    return {str(link.get("rel")): str(link.get("href")) for link in root.findall(f"{ATOM}link")}


def within(address: str) -> str:
    """The path of an absolute address, for the tests' client."""
    parts = urlsplit(address)
    assert parts.scheme in {"http", "https"} and parts.netloc
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def test_a_centres_feed_has_what_is_below_it(client: FlaskClient, town: Town, make: Make) -> None:
    make.entry(town.centres["A1"], title="甲一的")
    make.entry(town.centres["A1S"], title="站里的")
    make.entry(town.centres["A2"], title="甲二的")
    make.entry(town.centres["A1"], title="草稿", status="draft", published_at=None)
    assert sorted(titles(feed(client, "/c/A1/feed.atom"))) == ["甲一的", "站里的"]
    assert sorted(titles(feed(client, "/services/feed.atom"))) == ["甲一的", "甲二的", "站里的"]
    assert titles(feed(client, "/c/B1/feed.atom")) == []


def test_a_categorys_feed(client: FlaskClient, town: Town, make: Make) -> None:
    make.entry(town.centres["A1"], title="党课")
    make.entry(town.centres["A1"], title="义诊", category=town.categories["charity"])
    make.entry(town.centres["A1"], title="座谈", category=town.categories["member"])
    assert titles(feed(client, "/services/feed.atom?category=charity")) == ["义诊"]
    assert sorted(titles(feed(client, "/services/feed.atom?category=popular"))) == ["义诊", "党课"]
    assert client.get("/services/feed.atom?category=nothing").status_code == 404
    assert client.get("/c/NOPE/feed.atom").status_code == 404


def test_what_changed_last_stands_first_under_its_old_id(
    client: FlaskClient, session: Any, town: Town, make: Make
) -> None:
    first = make.entry(town.centres["A1"], [(START, START + HOURS)], title="早的", published_at=NOW - HOURS)
    make.entry(town.centres["A1"], title="晚的", published_at=NOW - timedelta(hours=1))
    before = feed(client, "/c/A1/feed.atom")
    assert titles(before) == ["晚的", "早的"]
    changing.cancel_entry(town.actor("D"), first, "台风", NOW)
    session.commit()
    after = feed(client, "/c/A1/feed.atom")
    assert titles(after) == ["已取消：早的", "晚的"]
    ids = [[one(entry, "id") for entry in root.findall(f"{ATOM}entry")] for root in (before, after)]
    assert ids[0] == ids[1][::-1] and moment(one(after, "updated")) == NOW
    assert one(before, "id") == one(after, "id")


def test_long_feeds_come_in_pages(client: FlaskClient, town: Town, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "PAGE", 2)
    for number in range(5):
        make.entry(town.centres["A1"], title=f"第{number}项", published_at=NOW - timedelta(hours=number))
    seen, url = [], "/services/feed.atom?category=party&junk=1"
    while url:
        root = feed(client, url)
        seen += titles(root)
        said = links(root)
        assert "junk" not in str(said) and within(said["first"]) == "/services/feed.atom?category=party"
        assert within(said["last"]).endswith("&page=3") and ("previous" in said) == (len(seen) > 2)
        url = within(said["next"]) if "next" in said else ""
    assert seen == [f"第{number}项" for number in range(5)]
    assert client.get("/services/feed.atom?category=party&page=4").status_code == 404


def test_an_unchanged_feed_is_answered_by_304(client: FlaskClient, session: Any, town: Town, make: Make) -> None:
    entry = make.entry(town.centres["A1"])
    tag = client.get("/c/A1/feed.atom").headers["ETag"]
    again = client.get("/c/A1/feed.atom", headers={"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")
    entry.taken, entry.version = 1, entry.version + 1  # somebody signs up: nothing that the feed says
    session.commit()
    assert client.get("/c/A1/feed.atom", headers={"If-None-Match": tag}).status_code == 304
    make.entry(town.centres["A1"])
    assert client.get("/c/A1/feed.atom", headers={"If-None-Match": tag}).status_code == 200


def test_odd_words_make_no_broken_feed(client: FlaskClient, town: Town, make: Make) -> None:
    make.entry(town.centres["A1"], title="]]><b>&\x0b舞\u0001", content="<script>\ufffe", place='"一楼"')
    assert titles(feed(client, "/c/A1/feed.atom")) == ["]]><b>&舞"]


def test_pages_lead_to_their_feed(client: FlaskClient, town: Town) -> None:
    assert '<link rel="alternate" type="application/atom+xml" href="/c/A1/feed.atom"' in client.get("/c/A1").text
    assert 'href="/services/feed.atom"' in client.get("/services").text
    assert 'href="/services/feed.atom?category=party"' in client.get("/services?category=party").text
