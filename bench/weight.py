"""What a first visit of a page costs a phone: all bytes over the wire and all requests, as the server sends them."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

ACCEPT = "gzip, deflate, br"
LINKS = {"link": "href", "script": "src", "img": "src", "source": "src", "iframe": "src"}
RELATIONS = {"stylesheet", "icon", "preload", "modulepreload", "manifest"}
SHEET_URL = re.compile(r"""(?:url\(\s*|@import\s+)['"]?([^'")\s;]+)""")
FONT = re.compile(r"@font-face|\.woff2?|\.ttf|\.otf", re.IGNORECASE)


@dataclass
class Part:
    """One answer. sent: bytes over the wire with its headers; text: what the browser makes of it."""

    path: str
    status: int
    sent: int
    encoding: str
    text: str


@dataclass
class Visit:
    parts: list[Part] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)  # addresses on other hosts

    @property
    def bytes(self) -> int:
        return sum(part.sent for part in self.parts)

    @property
    def fonts(self) -> list[str]:
        return [part.path for part in self.parts if FONT.search(part.path) or "@font-face" in part.text]


class _Loaded(HTMLParser):
    """Addresses a browser fetches by itself, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        address = values.get(LINKS.get(tag, ""))
        wanted = tag != "link" or bool(RELATIONS & set((values.get("rel") or "").split()))
        lazy = values.get("loading") == "lazy"
        if address and wanted and not lazy:
            self.found.append(address)


def _decoded(body: bytes, encoding: str) -> str:
    if encoding == "br":
        import brotli  # type: ignore[import-untyped]

        body = brotli.decompress(body)
    elif encoding == "gzip":
        import gzip

        body = gzip.decompress(body)
    return body.decode("utf-8", "replace")


def fetch(port: int, path: str, cookie: str = "") -> Part:
    """GET over a connection of its own."""
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Accept-Encoding: {ACCEPT}", "Connection: close"]
    lines += [f"Cookie: {cookie}"] if cookie else []
    data = b""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as wire:
        wire.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        while chunk := wire.recv(65536):
            data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:])
    encoding = headers.get("content-encoding", "")
    return Part(path, int(data[9:12]), len(data), encoding, _decoded(body, encoding))


def first_visit(port: int, path: str, cookie: str = "") -> Visit:
    """The page and everything it makes a browser with an empty cache load."""
    visit, own = Visit(), f"127.0.0.1:{port}"
    waiting, seen = [f"http://{own}{path}"], set()
    while waiting:
        address = waiting.pop(0)
        split = urlsplit(address)
        if split.scheme == "data" or address in seen:
            continue
        seen.add(address)
        if split.netloc != own:
            visit.foreign.append(address)
            continue
        part = fetch(port, split.path + (f"?{split.query}" if split.query else ""), cookie)
        visit.parts.append(part)
        waiting += [urljoin(address, found) for found in _loads(part)]
    return visit


def _loads(part: Part) -> list[str]:
    if part.path.split("?")[0].endswith(".css"):
        return SHEET_URL.findall(part.text)
    if part.text.lstrip().lower().startswith("<!doctype html"):
        parser = _Loaded()
        parser.feed(part.text)
        return parser.found
    return []
