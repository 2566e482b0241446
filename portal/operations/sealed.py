"""Encrypted files: AES-256-GCM in chunks, each bound to its place, the last one marked as the last.

A file is a head (what it is, which key, a random salt) and chunks of 1 MiB with their tags. The key of a file is
derived from ours and its salt, so counters never meet again under one key. A chunk that was changed, moved, left out or
added is refused when it is read; a file that was cut off lacks its marked end.
"""

import base64
import binascii
import hashlib
import os
from pathlib import Path
from typing import BinaryIO, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MAGIC = b"portal-sealed-1\n"
KEY_BYTES, SALT_BYTES, NAME_BYTES, TAG_BYTES = 32, 16, 8, 16
HEAD_BYTES = len(MAGIC) + NAME_BYTES + SALT_BYTES
CHUNK = 1 << 20  # bytes of plain text


class Unreadable(Exception):
    """The file or its key cannot be used; the text says why."""


class Out(Protocol):
    """What can be written to."""

    def write(self, data: bytes, /) -> int:
        """As a file's."""
        ...


def make_key(file: Path) -> None:
    """Write a new random key (mode 0600). Raises FileExistsError: a key that backups need is never replaced."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
        handle.write(base64.urlsafe_b64encode(os.urandom(KEY_BYTES)) + b"\n")


def read_key(file: Path) -> bytes:
    """The key in the file. Raises Unreadable: not there, not ours to read, readable by others, or not a key."""
    try:
        if file.stat().st_mode & 0o077:
            raise Unreadable(f"密钥文件 {file} 别人也能读，请先 chmod 600。")
        key = base64.urlsafe_b64decode(file.read_bytes().strip())
    except OSError as error:
        raise Unreadable(f"读不了密钥文件 {file}（{error.strerror}）。") from error
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise Unreadable(f"{file} 里不是密钥；新的用 flask backup-key 来做。")
    return key


def name_of(key: bytes) -> str:
    """A key's public name, 16 hex digits."""
    return hashlib.sha256(b"portal backup key" + key).digest()[:NAME_BYTES].hex()


def _cipher(key: bytes, salt: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), length=KEY_BYTES, salt=salt, info=MAGIC).derive(key))


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


class Sealer:
    """Takes plain bytes, writes sealed ones; complete only after `finish`."""

    def __init__(self, out: Out, key: bytes) -> None:
        salt = os.urandom(SALT_BYTES)
        self.head = MAGIC + bytes.fromhex(name_of(key)) + salt
        self.out, self.cipher, self.number, self.kept = out, _cipher(key, salt), 0, bytearray()
        out.write(self.head)

    def write(self, data: bytes) -> int:
        """Take so much more."""
        self.kept += data
        while len(self.kept) > CHUNK:  # the last chunk is only known at the end
            self._put(bytes(self.kept[:CHUNK]), last=False)
            del self.kept[:CHUNK]
        return len(data)

    def finish(self) -> None:
        """Write the last chunk."""
        self._put(bytes(self.kept), last=True)

    def _put(self, chunk: bytes, *, last: bool) -> None:
        self.out.write(self.cipher.encrypt(_nonce(self.number, last), chunk, self.head))
        self.number += 1


def is_sealed(file: Path) -> bool:
    """Whether it begins as such a file does."""
    with file.open("rb") as handle:
        return handle.read(len(MAGIC)) == MAGIC


class Opener:
    """Reads a sealed file; each read raises Unreadable where the file is not what was written."""

    def __init__(self, source: BinaryIO, key: bytes) -> None:
        self.source, self.head = source, source.read(HEAD_BYTES)
        named = self.head[len(MAGIC) : len(MAGIC) + NAME_BYTES].hex()
        if len(self.head) < HEAD_BYTES:
            raise Unreadable("文件不完整。")
        if named != name_of(key):
            raise Unreadable(f"它是用另一把密钥加密的（编号 {named}，现在的是 {name_of(key)}）。")
        self.cipher, self.number, self.plain = _cipher(key, self.head[-SALT_BYTES:]), 0, b""
        self.ahead = source.read(CHUNK + TAG_BYTES)
        self.ended = False

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes; b'' at the marked end only."""
        while not self.ended and (size < 0 or len(self.plain) < size):
            self.plain += self._next()
        size = len(self.plain) if size < 0 else size
        given, self.plain = self.plain[:size], self.plain[size:]
        return given

    def _next(self) -> bytes:
        chunk, self.ahead = self.ahead, self.source.read(CHUNK + TAG_BYTES)
        self.ended = not self.ahead
        try:
            plain = self.cipher.decrypt(_nonce(self.number, self.ended), chunk, self.head)
        except InvalidTag:
            raise Unreadable("文件被截断或被改动过。") from None
        self.number += 1
        return plain
