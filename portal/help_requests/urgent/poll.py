"""GET /staff/alarms?v=…: what the alarm's worker asks every two seconds, from every staff page that is open.

Two hundred pages are a hundred requests a second, so that nothing is open anywhere is said before the portal's own
machinery begins: the signature of the session's cookie, one statement in autocommit, 204. Everything else, and whoever
has no such cookie, goes the usual way.
"""

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask
from itsdangerous import BadSignature
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.http import parse_cookie

from portal.core import reads
from portal.help_requests.urgent import queries

PATH = "/staff/alarms"
Start = Callable[..., Any]


def init_app(app: Flask) -> None:
    """Stand in front of the app."""
    inner = app.wsgi_app

    def answer(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        if environ["PATH_INFO"] == PATH and environ["REQUEST_METHOD"] == "GET" and _quiet(app, environ):
            start("204 NO CONTENT", [("Cache-Control", "no-store")])
            return []
        return inner(environ, start)

    app.wsgi_app = answer  # type: ignore[assignment, method-assign]


def _quiet(app: Flask, environ: dict[str, Any]) -> bool:
    """Whether a signed-in worker asks and nothing is open in the whole deployment."""
    if not environ.get("QUERY_STRING", "").startswith("v="):
        return False
    try:
        with app.app_context():
            return _signed(app, environ.get("HTTP_COOKIE", "")) and reads.row(queries.ANYTHING) is None
    except SQLAlchemyError:
        return False  # the usual way says what is wrong


def _signed(app: Flask, header: str) -> bool:
    """Whether the cookie is ours, of somebody who has signed in; whether it still holds is asked once a minute."""
    serializer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    raw = parse_cookie(header).get(app.config["SESSION_COOKIE_NAME"], "")
    try:
        return bool(raw and serializer is not None and "_user_id" in serializer.loads(raw))
    except BadSignature:
        return False
