"""A form with an old token, or sent after the session has ended: explained, and nothing typed is lost (SPEC Q1).

Only for forms sent from our own pages (by Origin or Referer): a foreign page must not get its fields onto a page of
ours with one button below. Passwords and codes are never written back, files cannot be.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import Flask, Response, make_response, render_template, request, session
from flask_wtf.csrf import CSRFError

from portal.core import incoming, security_log

SECRET = frozenset({"password", "old", "new", "again", "code"})
OURS = frozenset({"csrf_token", "next", "version"})
MOST = 300_000  # characters that are worth writing back


@dataclass(frozen=True, slots=True)
class Kept:
    """What was sent: every field, and the texts a person will recognise."""

    action: str
    fields: list[tuple[str, str]]
    texts: list[str]
    had_files: bool


def from_here() -> bool:
    """Whether the browser says that one of our own pages sent this."""
    told = request.headers.get("Origin") or request.headers.get("Referer", "")
    try:
        sender = urlsplit(told)
    except ValueError:
        return False
    return sender.scheme in ("http", "https") and sender.netloc == request.host


def kept() -> Kept | None:
    """The form to be sent once more, or None when it may not or need not be kept."""
    if request.method != "POST" or not from_here() or SECRET & request.form.keys():
        return None
    fields = [(name, value) for name, value in request.form.items(multi=True) if name != "csrf_token"]
    if sum(len(name) + len(value) for name, value in fields) > MOST:
        return None
    texts = [value for name, value in fields if name not in OURS and _is_typed(value)]
    had_files = any(sent.filename for sent in request.files.values())
    return Kept(request.full_path.rstrip("?"), fields, list(dict.fromkeys(texts)), had_files)


def _is_typed(value: str) -> bool:
    """Words of a person rather than a choice's code: something with a character outside ASCII, or a space."""
    return len(value) > 1 and (not value.isascii() or " " in value)


def lost_session(login: str) -> Response | None:
    """The session has ended while somebody was typing: 401 with the text kept, or None when nothing was typed."""
    found = kept()
    if found is None or not found.texts:
        return None
    if incoming.htmx():
        return make_response("", 401)  # the text stays in the page; portal.js says what to do
    return make_response(render_template("errors/resend.html", kept=found, login=login, back=""), 401)


def _on_token(error: CSRFError) -> Response:
    """No dead end: send it again with today's token, or go back to where it came from."""
    from flask_wtf.csrf import generate_csrf

    security_log.refused("csrf", from_here=from_here())
    found = kept()
    if incoming.htmx() and from_here():
        answer = make_response("", 400)
        answer.headers["X-New-Token"] = generate_csrf()  # readable for our own pages only
        return answer
    back = _back() if from_here() else ""
    page = render_template("errors/resend.html", kept=found, login="", back=back)
    session.modified = True  # the new token must reach the browser together with the page
    return make_response(page, 400)


def _back() -> str:
    parts = urlsplit(request.referrer or "")
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else ""


def init_app(app: Flask) -> None:
    app.register_error_handler(CSRFError, _on_token)
