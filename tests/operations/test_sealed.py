"""Encrypted files: what was written comes back, and nothing else is taken for it."""

from __future__ import annotations

import io
import os
import random
from pathlib import Path

import pytest

from portal.operations import sealed

pytestmark = pytest.mark.once
KEY = bytes(range(32))


def seal(plain: bytes, key: bytes = KEY, step: int = 70_001) -> bytes:
    out = io.BytesIO()
    sealer = sealed.Sealer(out, key)
    for start in range(0, len(plain), step):
        sealer.write(plain[start : start + step])
    sealer.finish()
    return out.getvalue()


def opened(data: bytes, key: bytes = KEY, step: int = 10_240) -> bytes:
    opener = sealed.Opener(io.BytesIO(data), key)
    return b"".join(iter(lambda: opener.read(step), b""))


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed, "CHUNK", 1000)


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 2000, 54_321])
def test_round_trip(size: int) -> None:
    plain = random.Random(size).randbytes(size)
    data = seal(plain)
    assert opened(data) == plain == opened(data, step=-1)
    assert size < 20 or plain[:20] not in data


def test_every_cut_is_refused() -> None:
    data = seal(bytes(3500))
    for end in range(len(data)):
        with pytest.raises(sealed.Unreadable):
            opened(data[:end])


def test_every_changed_byte_is_refused() -> None:
    data = seal(bytes(2500))
    for place in range(len(sealed.MAGIC), len(data)):
        changed = bytearray(data)
        changed[place] ^= 1
        with pytest.raises(sealed.Unreadable):
            opened(bytes(changed))


def test_chunks_cannot_be_moved_left_out_or_added() -> None:
    data, size = seal(random.Random(1).randbytes(4500)), 1016
    head, body = data[: sealed.HEAD_BYTES], data[sealed.HEAD_BYTES :]
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    other = seal(random.Random(1).randbytes(4500))[sealed.HEAD_BYTES :][:size]
    for order in ([1, 0, 2, 3, 4], [0, 2, 3, 4], [0, 1, 2, 3], [0, 0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 4]):
        with pytest.raises(sealed.Unreadable):
            opened(head + b"".join(chunks[n] for n in order))
    with pytest.raises(sealed.Unreadable):  # of another file with the same key
        opened(head + other + b"".join(chunks[1:]))


def test_the_same_twice_looks_different() -> None:
    assert seal(b"same") != seal(b"same")


def test_another_key_is_said() -> None:
    with pytest.raises(sealed.Unreadable, match="另一把密钥"):
        opened(seal(b"x"), bytes(32))


def test_a_key_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    sealed.make_key(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(sealed.read_key(file)) == 32
    with pytest.raises(FileExistsError):
        sealed.make_key(file)
    file.chmod(0o640)
    with pytest.raises(sealed.Unreadable, match="chmod 600"):
        sealed.read_key(file)
    for content in (b"", b"short", "密".encode(), b"A" * 100):
        file.write_bytes(content)
        file.chmod(0o600)
        with pytest.raises(sealed.Unreadable, match="不是密钥"):
            sealed.read_key(file)
    os.unlink(file)
    with pytest.raises(sealed.Unreadable, match="读不了"):
        sealed.read_key(file)
