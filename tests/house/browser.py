"""A client that behaves like a browser: it reads a page, takes its token along and says where it came from."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from flask.testing import FlaskClient

HERE = "http://localhost"
TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"|X-CSRFToken": "([^"]+)"')


def token_of(text: str) -> str:
    """The CSRF token of a page."""
    found = TOKEN.search(unescape(text))
    assert found, "no CSRF token in the page"
    return found[1] or found[2]


def send(client: FlaskClient, page: str, url: str, data: dict[str, Any], **more: Any) -> Any:
    """Open `page`, then post the form to `url` with the page's token, as from that page."""
    token = token_of(client.get(page).text)
    return post(client, page, url, data | {"csrf_token": token}, **more)


def post(client: FlaskClient, page: str, url: str, data: dict[str, Any], **more: Any) -> Any:
    """Post as from `page`, with whatever token is in `data`."""
    headers = {"Origin": HERE, "Referer": HERE + page} | more.pop("headers", {})
    return client.post(url, data=data, headers=headers, **more)


def hidden_fields(text: str) -> dict[str, list[str]]:
    """The form of the page 'send it again': every field it would send."""
    found: dict[str, list[str]] = {"csrf_token": [token_of(text)]}
    for name, value in re.findall(r'<textarea name="([^"]+)" hidden>\n?(.*?)</textarea>', text, re.DOTALL):
        found.setdefault(unescape(name), []).append(unescape(value))
    return found
