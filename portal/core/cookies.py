"""Flask's signed session cookie, with the proof remembered: the same signed text needs no second check.

Verifying and parsing costs more than the page's database read; a phone sends the same cookie with every request.
"""

from __future__ import annotations

import time
from typing import Any

from flask import Flask, Request
from flask.json.tag import TaggedJSONSerializer
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from itsdangerous import BadSignature

KEEP = 4096
_parse = TaggedJSONSerializer().loads


class CookieSessions(SecureCookieSessionInterface):
    """Same cookies, same rules, same expiry as Flask's own."""

    def __init__(self) -> None:
        self._proved: dict[str, tuple[str, float]] = {}

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        value = request.cookies.get(self.get_cookie_name(app))
        if not value:
            return self.session_class()
        known = self._proved.get(value)
        if known is None:
            known = self._prove(app, value)
            if known is None:
                return self.session_class()
        payload, until = known
        if time.time() > until:
            return self.session_class()
        return self.session_class(_parse(payload))

    def _prove(self, app: Flask, value: str) -> tuple[str, float] | None:
        serializer = self.get_signing_serializer(app)
        if serializer is None:
            return None
        max_age = int(app.permanent_session_lifetime.total_seconds())
        try:
            data, signed_at = serializer.loads(value, max_age=max_age, return_timestamp=True)
        except BadSignature:
            return None
        if len(self._proved) >= KEEP:
            self._proved.clear()
        proved = (_dump(data), signed_at.timestamp() + max_age)
        self._proved[value] = proved
        return proved


def _dump(data: Any) -> str:
    # Kept as text so that each request gets values of its own.
    return TaggedJSONSerializer().dumps(dict(data))


def init_app(app: Flask) -> None:
    app.session_interface = CookieSessions()
