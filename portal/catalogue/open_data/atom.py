"""Atom (RFC 4287) in pages (RFC 5005): a feed as plain data, and its text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

NAMESPACE = "http://www.w3.org/2005/Atom"
MIMETYPE = "application/atom+xml"
# What XML 1.0 has no place for, however it came into a text.
_IMPOSSIBLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Item:
    """One entry. key: its own for ever; updated, published: aware; url: where one reads it."""

    key: str
    title: str
    url: str
    updated: datetime
    published: datetime
    author: str
    category: tuple[str, str]  # code, name
    summary: str
    content: str


@dataclass(frozen=True, slots=True)
class Feed:
    """One page of a feed. links: relation to address (self, alternate, first, next …)."""

    key: str
    title: str
    updated: datetime
    author: str
    links: dict[str, str]
    items: list[Item]


def text(feed: Feed) -> bytes:
    """The feed as a UTF-8 document."""
    root = ET.Element("feed", {"xmlns": NAMESPACE, "xml:lang": "zh-CN"})
    _say(root, "id", feed.key)
    _say(root, "title", feed.title)
    _say(root, "updated", _moment(feed.updated))
    _say(ET.SubElement(root, "author"), "name", feed.author)
    for relation, address in feed.links.items():
        kind = "text/html" if relation == "alternate" else MIMETYPE
        ET.SubElement(root, "link", {"rel": relation, "type": kind, "href": address})
    for item in feed.items:
        _add(root, item)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _add(root: ET.Element, item: Item) -> None:
    entry = ET.SubElement(root, "entry")
    _say(entry, "id", item.key)
    _say(entry, "title", item.title)
    ET.SubElement(entry, "link", {"rel": "alternate", "type": "text/html", "href": item.url})
    _say(entry, "published", _moment(item.published))
    _say(entry, "updated", _moment(item.updated))
    _say(ET.SubElement(entry, "author"), "name", item.author)
    ET.SubElement(entry, "category", {"term": item.category[0], "label": _clean(item.category[1])})
    _say(entry, "summary", item.summary)
    _say(entry, "content", item.content)


def _say(parent: ET.Element, name: str, words: str) -> None:
    ET.SubElement(parent, name).text = _clean(words)


def _clean(words: str) -> str:
    return _IMPOSSIBLE.sub("", words)


def _moment(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
