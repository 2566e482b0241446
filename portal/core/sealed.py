"""What must be read back, or compared, under keys derived from the application's own: a copied database opens nothing.

A key of its own for each purpose (HKDF), so that what was sealed for one can stand for nothing else.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import current_app


@lru_cache(maxsize=16)
def _key(secret: str, purpose: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=f"portal:{purpose}".encode()).derive(secret.encode())


def _own(purpose: str) -> bytes:
    return _key(str(current_app.config["SECRET_KEY"]), purpose)


def seal(text: str, purpose: str) -> str:
    """Encrypted and signed (AES-CBC with HMAC), about 100 characters more than `text`."""
    return Fernet(urlsafe_b64encode(_own(purpose))).encrypt(text.encode()).decode()


def unseal(sealed: str, purpose: str) -> str | None:
    """What was sealed, or None when it was changed, or sealed under another SECRET_KEY."""
    try:
        return Fernet(urlsafe_b64encode(_own(purpose))).decrypt(sealed.encode()).decode()
    except InvalidToken:
        return None


def mark(text: str, purpose: str) -> str:
    """64 hex digits that only this application can make of `text`: for short codes, which could be tried out."""
    return hmac.new(_own(purpose), text.encode(), hashlib.sha256).hexdigest()
