"""Random requests for test_fuzz: odd values, the names that views ask for, and one request after another."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from flask import Flask
from werkzeug.routing import Rule

from portal.core import access
from tests.house.world import World

PORTAL = Path(__file__).parents[2] / "portal"
ASKED = re.compile(r"""(?:form|args|values|files)\.get(?:list)?\(\s*["'](\w+)""")
FIELD = re.compile(r"^    (\w+) = \w*(?:Field|Choose|Pick|Checkboxes|_text|_area)\(", re.MULTILINE)
NAMED = re.compile(r"""name="(\w+)\"""")
# They would end the walk early: the person, the account or the session is gone afterwards.
LAST = {"people.logout", "people_staff.logout", "people.erase", "people_staff.end_session"}
SLOW = {"catalogue_print.print_list", "catalogue_print.activity_poster", "centres_staff.poster", "signup_staff.roster"}

LONE = "\ud800"  # half of a character
ODD = (
    "", " ", "0", "-1", "1", "2", "³", "１２", "９" * 12, "9" * 12, "9" * 30, "9" * 5000, "1e9", "1.5", "NaN", "-0",
    "0x1f", "None", "null", "true", "me", "\x00", "a\x00b", LONE, "😀" * 20, "\u202e倒过来", "a\u0301" * 40,
    "\u200b", "\ufeff", "\r\n\r\n", "x" * 70_000, "长" * 3000, "<script>alert(1)</script>", "\"'><img src=x onerror=a>",
    "{{ 7*7 }}", "%s%n{0}", "' OR 1=1 --", "=cmd|' /C calc'!A0", "@SUM(1)", "../../etc/passwd", "..%2f", "//evil.example",
    "/\\evil.example", "https://evil.example/", "javascript:alert(1)", "2026-12", "2026-13", "0000-00", "9999-12",
    "2026-02-30", "2026-12-13", "2026-12-13T25:61", "2026-12-13T09:00", "0001-01-01", "9999-12-31", "12月13日 8:30-11:00",
    "12月31日 15:00-14:00", "每周五19:30-21:00", "2月30日 9:00-10:00", "13800138000", "+86 138 0013 8000", "0755-84200001",
    "draft", "published", "confirmed", "csv", "xlsx", "a3", "children", "elder", "party", "人", "limited", "unlimited",
    "preview", "yes", "no", "on", "A1", "manager", "正常的一句话。", "18:00", "24:00", "99:99",
)  # fmt: skip
MONTH_FIELDS = {"month", "from_month", "to_month"}


@cache
def field_names() -> tuple[str, ...]:
    """Every name that a view, a form or a template speaks of."""
    found: set[str] = set()
    for file in PORTAL.rglob("*.py"):
        text = file.read_text()
        found.update(ASKED.findall(text))
        if file.name == "forms.py":
            found.update(FIELD.findall(text))
    for file in (PORTAL / "templates").rglob("*.html"):
        found.update(NAMED.findall(file.read_text()))
    return tuple(sorted(found - {"csrf_token"}))


class Source:
    """Random requests from one seed, so that what was found once is found again."""

    def __init__(self, app: Flask, world: World, seed: int) -> None:
        self.app, self.world, self.random = app, world, random.Random(seed)
        self.ids = sorted({str(v) for v in world.ids.values()})

    def value(self, name: str) -> str:
        """Half of the time something that may be right, so that requests also get past the first check."""
        if self.random.random() < 0.5:
            if name in MONTH_FIELDS:
                return "2026-12"
            return self.random.choice(self.ids)
        return self.random.choice(ODD)

    def fields(self, share: float) -> dict[str, list[str]]:
        """Some of all names with one to three values each."""
        chosen = [n for n in field_names() if self.random.random() < share]
        return {n: [self.value(n) for _ in range(self.random.choice((1, 1, 1, 3)))] for n in chosen}

    def url(self, rule: Rule) -> str:
        """The rule's address, now and then with a strange record or word."""
        values: dict[str, Any] = {}
        for name in rule.arguments:
            values[name] = self.world.ids.get(name, 1)
            if name in {"entry_id"} and self.random.random() < 0.5:
                values[name] = self.world.ids["public_entry_id"]
            if (
                name not in {"kind", "form"} and self.random.random() < 0.2
            ):  # werkzeug's own builder refuses half characters
                number = name.endswith("_id") or name in {"number", "row", "row_number", "year"}
                whole = number and name != "session_id"
                values[name] = (
                    self.random.choice((0, 2**31, 2**63, 10**30))
                    if whole
                    else self.random.choice([odd for odd in ODD[1:] if LONE not in odd])
                )
        with self.app.test_request_context():
            return str(self.app.url_map.bind("localhost").build(rule.endpoint, values))

    def request(self, rule: Rule, method: str) -> dict[str, Any]:
        """Arguments for `client.open`."""
        asked: dict[str, Any] = {"path": self.url(rule), "method": method, "headers": self.headers()}
        asked["query_string"] = encoded(self.fields(0.15))
        if method != "GET":
            body: dict[str, Any] = dict(self.fields(self.random.choice((0.2, 0.9))))
            asked |= {"data": encoded(body), "content_type": "application/x-www-form-urlencoded"}
            if self.random.random() < 0.3:
                for name in FILE_FIELDS:
                    body[name] = (io.BytesIO(self.random.choice(FILES)), self.random.choice(NAMES))
                whole = {k: v for k, v in body.items() if LONE not in v}
                asked |= {"data": whole, "content_type": "multipart/form-data"}
            if self.random.random() < 0.05:
                asked |= {"data": b"\xff\xfe{", "content_type": self.random.choice(TYPES)}
        return asked

    def headers(self) -> dict[str, str]:
        """HTMX's own, forged and contradictory."""
        sent = {}
        for name, values in HEADERS.items():
            if self.random.random() < 0.2:
                sent[name] = self.random.choice(values)
        return sent

    def walk(self, audiences: set[str]) -> Iterator[tuple[Rule, str]]:
        """Rules and methods for ever, in random order, each round all of them."""
        pairs = []
        for rule in self.app.url_map.iter_rules():
            declared = access.of(self.app.view_functions[rule.endpoint])
            if declared is None or declared.audience not in audiences or rule.endpoint in LAST:
                continue
            pairs += [(rule, m) for m in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})]
        first = True
        while True:
            self.random.shuffle(pairs)
            # Paper takes a second a sheet: once is enough.
            yield from (pair for pair in pairs if first or pair[0].endpoint not in SLOW)
            first = False


def encoded(fields: dict[str, list[str]]) -> str:
    """As a browser would send it, and as no browser would: halves of characters too."""
    return urlencode(fields, doseq=True, errors="surrogatepass")


FILE_FIELDS = ("file", "cover_file", "photo", "picture")
HEADERS = {
    "HX-Request": ("true", "false", "1"), "HX-Boosted": ("true",), "HX-History-Restore-Request": ("true",),
    "HX-Target": ("board", "<script>", "x" * 500), "HX-Current-URL": ("https://evil.example/", "::", "http://["),
    "Referer": ("https://evil.example/", "http://localhost/staff", "http://[", "::"), "Range": ("bytes=-1", "bytes=9-1"),
    "Accept-Language": ("xx;q=9",), "If-None-Match": ('"x"', "W/"), "If-Modified-Since": ("yesterday",),
    "X-HTTP-Method-Override": ("DELETE",), "Cookie": ("centre=A1; elder=1", 'centre="\\000"', "centre=" + "x" * 3000, ";;="),
}  # fmt: skip
TYPES = ("application/json", "text/xml", "multipart/form-data", "multipart/form-data; boundary=x", "")
FILES = (b"", b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"GIF89a", b"\xff\xd8\xff", b"code,name\n1,2,3\n", b"\x00" * 2000)
NAMES = ("plan.xlsx", "../../x.xlsx", "", "长" * 300 + ".xlsx", "a\x00b.csv", "<b>.png")
