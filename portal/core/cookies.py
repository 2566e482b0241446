"""The signed cookie: it only names a session's row, which ends by its own time; the signature says it is ours."""

from datetime import datetime
from typing import Any

from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import SignatureExpired, TimestampSigner


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
    """Flask's own, with that signer."""

    def get_signing_serializer(self, app: Flask) -> Any:
        """See SecureCookieSessionInterface."""
        serializer = super().get_signing_serializer(app)
        if serializer is not None:
            serializer.signer = SteadySigner
        return serializer
