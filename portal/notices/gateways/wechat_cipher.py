"""The safe mode of an official account (消息加解密, 安全模式): what WeChat tells our server, sealed with AES.

https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Message_encryption_and_decryption_instructions.html:
AES-256-CBC, the key's beginning as IV, padded to 32 bytes; inside: 16 random bytes, the length of the message (4 bytes,
big-endian), the message, the account's id. msg_signature is the SHA-1 of token, timestamp, nonce and what is sealed.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
from base64 import b64decode

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

SEALED = re.compile(rb"<Encrypt>\s*(?:<!\[CDATA\[)?([A-Za-z0-9+/=]{1,20000})")
RANDOM, LENGTH, BLOCK = 16, 4, 32


class NotOurs(ValueError):
    """It is not sealed with our key, for our account, or not signed."""


def key_of(typed: str) -> bytes:
    """The EncodingAESKey of the console, 43 characters, as 32 bytes. Raises ValueError."""
    if not re.fullmatch(r"[A-Za-z0-9]{43}", typed):
        raise ValueError("PORTAL_WECHAT_AES_KEY is not the 43 letters and digits of EncodingAESKey")
    return b64decode(f"{typed}=")


def opened(body: bytes, key: str, app_id: str, token: str, signature: str, timestamp: str, nonce: str) -> bytes:
    """The message inside. Raises NotOurs."""
    found = SEALED.search(body)
    if found is None:
        raise NotOurs("nothing is sealed")
    sealed = found[1].decode()
    word = "".join(sorted((token, timestamp, nonce, sealed)))
    ours = hashlib.sha1(word.encode(), usedforsecurity=False).hexdigest()
    if not token or not hmac.compare_digest(ours, signature):
        raise NotOurs("signature")
    secret = key_of(key)
    try:
        raw = b64decode(sealed, validate=True)
        reader = Cipher(algorithms.AES256(secret), modes.CBC(secret[:RANDOM])).decryptor()
        plain = reader.update(raw) + reader.finalize()
    except (ValueError, binascii.Error) as error:
        raise NotOurs("no whole blocks") from error
    padding = plain[-1] if plain else 0
    if not 1 <= padding <= BLOCK or plain[-padding:] != bytes([padding]) * padding:
        raise NotOurs("padding")
    inside = plain[RANDOM:-padding]
    size = int.from_bytes(inside[:LENGTH], "big")
    if inside[LENGTH + size :] != app_id.encode() or len(inside) < LENGTH + size:
        raise NotOurs("account")
    return inside[LENGTH : LENGTH + size]
