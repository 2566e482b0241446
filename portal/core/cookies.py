"""What a browser keeps for us: one way to set it, and how the session's own cookie is signed.

Behind https every cookie carries the prefix `__Host-`: browsers then take it from this host and over TLS only, so no
other host of the domain can plant one. The session's cookie only names a row, which ends by its own time; the signature
says it is ours.
"""

import hashlib
from datetime import datetime
from typing import Any

from flask import Flask, Response, current_app, request
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import SignatureExpired, TimestampSigner

DAY = 86_400  # seconds


class SteadySigner(TimestampSigner):
    """A cookie that was signed later than now holds: when a clock is set back an hour, nobody is signed out by it."""

    def unsign(self, signed_value: str | bytes, max_age: int | None = None, return_timestamp: bool = False) -> Any:
        """As TimestampSigner's. Raises BadSignature, SignatureExpired."""
        value, signed_at = super().unsign(signed_value, None, return_timestamp=True)
        assert isinstance(signed_at, datetime)
        if max_age is not None and self.get_timestamp() - signed_at.timestamp() > max_age:
            raise SignatureExpired("the cookie is too old", payload=value, date_signed=signed_at)
        return (value, signed_at) if return_timestamp else value


class CookieSessions(SecureCookieSessionInterface):
    """Flask's own, with that signer and HMAC-SHA-256; its default is SHA-1."""

    digest_method = staticmethod(hashlib.sha256)

    def get_signing_serializer(self, app: Flask) -> Any:
        """See SecureCookieSessionInterface."""
        serializer = super().get_signing_serializer(app)
        if serializer is not None:
            serializer.signer = SteadySigner
        return serializer


def name(plain: str) -> str:
    """The cookie's name on the wire."""
    return f"__Host-{plain}" if current_app.config["HTTPS"] else plain


def read(plain: str) -> str:
    """What the browser kept, '' when it kept nothing. Anybody can write anything into it."""
    return request.cookies.get(name(plain), "")


def keep(answer: Response, plain: str, value: str, days: float) -> None:
    """Have the browser keep `value`; no script may read it, no other site send it along with a form."""
    answer.set_cookie(
        name(plain), value, max_age=int(days * DAY), path="/", httponly=True, samesite="Lax",
        secure=bool(current_app.config["HTTPS"]),
    )  # fmt: skip
