"""GET /staff/alarms?v=…: what the alarm's worker asks every two seconds, from every staff page that is open.

Two hundred pages are a hundred requests a second, so that nothing is open anywhere is said before the portal's own
machinery begins: the signature of the session's cookie, 204. Whether anything is open is one statement in autocommit,
asked at most twice a second by each process however many pages ask. Everything else, and whoever has no such cookie,
goes the usual way.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask
from itsdangerous import BadSignature
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.http import parse_cookie

from portal.core import reads
from portal.help_requests.urgent import queries

PATH = "/staff/alarms"
MOST_KNOWN = 2000  # cookies whose signature this process remembers
FRESH = 0.5  # seconds for which one look at the database serves all pages
Start = Callable[..., Any]


def init_app(app: Flask) -> None:
    """Stand in front of the app."""
    inner, look = app.wsgi_app, Look(app)

    def answer(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        if (
            environ["PATH_INFO"] == PATH
            and environ["REQUEST_METHOD"] == "GET"
            and look.quiet(environ.get("QUERY_STRING", ""), environ.get("HTTP_COOKIE", ""))
        ):
            start("204 NO CONTENT", [("Cache-Control", "no-store")])
            return []
        return inner(environ, start)

    app.extensions.setdefault("portal_door", {})[PATH] = look.at_the_door
    app.wsgi_app = answer  # type: ignore[assignment, method-assign]


class Look:
    """What this process has last seen of the table of alarms."""

    def __init__(self, app: Flask) -> None:
        self.app, self.at, self.nothing = app, float("-inf"), False
        self.serializer: Any = None
        self.ours: set[str] = set()  # signatures do not change: each is worked out once

    def quiet(self, query: str, cookies: str) -> bool:
        """Whether a signed-in worker asks and nothing is open in the whole deployment."""
        if not query.startswith("v=") or not self._signed(cookies):
            return False
        now = time.monotonic()
        if now - self.at >= FRESH:
            self.nothing, self.at = self._look(), now
        return self.nothing

    def at_the_door(self, query: str, cookies: str) -> tuple[int, list[tuple[str, str]], bytes] | None:
        """The answer without a thread, as long as the last look is fresh; asks no database."""
        fresh = self.nothing and time.monotonic() - self.at < FRESH
        return (204, [("cache-control", "no-store")], b"") if fresh and self.quiet(query, cookies) else None

    def _look(self) -> bool:
        try:
            with self.app.app_context():
                return reads.row(queries.ANYTHING) is None
        except SQLAlchemyError:
            return False  # the usual way says what is wrong

    def _signed(self, header: str) -> bool:
        """Whether the cookie is ours, of somebody who has signed in; whether it still holds is asked once a minute."""
        raw = parse_cookie(header).get(self.app.config["SESSION_COOKIE_NAME"], "")
        if not raw or raw in self.ours:
            return bool(raw)
        with self.app.app_context():
            sessions: Any = self.app.session_interface
            self.serializer = self.serializer or sessions.get_signing_serializer(self.app)
            try:
                signed = "_user_id" in self.serializer.loads(raw)
            except BadSignature:
                return False
        if signed and len(self.ours) < MOST_KNOWN:
            self.ours.add(raw)
        return signed
