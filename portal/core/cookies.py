"""Flask's signed session cookie, with the proof remembered: the same signed text needs no second check.

Verifying and parsing costs more than the page's database read; a phone sends the same cookie with every request.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from flask import Flask, Request, Response
from flask.json.tag import TaggedJSONSerializer
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from itsdangerous import BadSignature

KEEP, LONGEST = 4096, 2048  # Cookie headers, characters of each
DAY_SECONDS = 24 * 3600
_json = TaggedJSONSerializer()
PLAIN = (str, int, float, bool, type(None))


@dataclass(frozen=True, slots=True)
class Proved:
    """What one signed text holds; values that could be changed in place stay text, so that nobody shares them."""

    values: dict[str, Any] | None
    text: str
    signed_at: float  # Unix time, seconds
    until: float


class Session(SecureCookieSession):
    """Flask's own, and when its cookie was signed."""

    signed_at = 0.0


class CookieSessions(SecureCookieSessionInterface):
    """Same cookies and rules as Flask's own; one that lasts is signed anew once a day, not with every answer."""

    session_class = Session

    def __init__(self) -> None:
        self._proved: dict[str, Proved] = {}

    def open_session(self, app: Flask, request: Request) -> Session | None:
        header = request.environ.get("HTTP_COOKIE", "")
        known = self._proved.get(header) or self._prove(app, request, header)
        if known is None or time.time() > known.until:
            return self.session_class()
        session = self.session_class(known.values if known.values is not None else _json.loads(known.text))
        session.signed_at = known.signed_at
        return session

    def _prove(self, app: Flask, request: Request, header: str) -> Proved | None:
        value = request.cookies.get(self.get_cookie_name(app))
        serializer = self.get_signing_serializer(app)
        if not value or serializer is None:
            return None
        max_age = int(app.permanent_session_lifetime.total_seconds())
        try:
            data, signed_at = serializer.loads(value, max_age=max_age, return_timestamp=True)
        except BadSignature:
            return None
        signed = signed_at.timestamp()
        plain = all(isinstance(item, PLAIN) for item in data.values())
        proved = Proved(dict(data) if plain else None, _json.dumps(dict(data)), signed, signed + max_age)
        if len(header) <= LONGEST:
            if len(self._proved) >= KEEP:
                self._proved.clear()
            self._proved[header] = proved
        return proved

    def should_set_cookie(self, app: Flask, session: SessionMixin) -> bool:
        old = time.time() - getattr(session, "signed_at", 0.0) > DAY_SECONDS
        return session.modified or (old and super().should_set_cookie(app, session))

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        if session.modified or self.should_set_cookie(app, session):
            super().save_session(app, session, response)
        elif session.accessed and "Cookie" not in response.headers.get("Vary", ""):
            response.vary.add("Cookie")


def init_app(app: Flask) -> None:
    app.session_interface = CookieSessions()
