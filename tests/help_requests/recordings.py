"""Recordings as phones make them, and forty files that are none."""

from __future__ import annotations

import array
import io
import math
import random
import struct
import wave
import zipfile
from functools import cache

import av
from PIL import Image

from tests.attack import bombs


@cache
def recording(fmt: str = "webm", codec: str = "libopus", seconds: float = 2, amplitude: int = 8000) -> bytes:
    """A tone in a container: what MediaRecorder and the phones' own recorders give."""
    out, rate, size = io.BytesIO(), 48_000, 960
    tone = array.array("h", [int(amplitude * math.sin(i * math.tau / 96)) for i in range(size)]).tobytes()
    with av.open(out, "w", format=fmt) as made:
        stream = made.add_stream(codec, rate=rate, layout="mono")
        for start in range(0, int(seconds * rate), size):
            frame = av.AudioFrame(format="s16", layout="mono", samples=size)
            frame.sample_rate, frame.pts = rate, start
            frame.planes[0].update(tone)
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    return out.getvalue()


def good() -> dict[str, bytes]:
    """What the browsers and recorders of phones send."""
    kinds = (("webm", "libopus"), ("ogg", "libopus"), ("ipod", "aac"), ("mp3", "libmp3lame"), ("wav", "pcm_s16le"),
             ("adts", "aac"))  # fmt: skip
    return {fmt: recording(fmt, codec) for fmt, codec in kinds}


def video() -> bytes:
    """A second of moving pictures, with a sound track missing."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as made:
        stream = made.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(5):
            made.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        made.mux(stream.encode(None))
    return out.getvalue()


def _wave(rate: int, channels: int, frames: bytes) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as made:
        made.setnchannels(channels)
        made.setsampwidth(2)
        made.setframerate(rate)
        made.writeframes(frames)
    return out.getvalue()


def _picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 40), "red").save(out, "JPEG")
    return out.getvalue()


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a", b"\0" * 50_000_000)
    return out.getvalue()


def hostile() -> dict[str, bytes]:
    """Name -> file, of which nothing may be kept."""
    found: dict[str, bytes] = {
        "empty": b"", "one byte": b"\x1a", "text": b"help me " * 100, "html": b"<html><script>alert(1)</script>",
        "picture": _picture(), "zip bomb": _zip(), "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "video": video(), "playlist": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        "concat": b"ffconcat version 1.0\nfile '/etc/passwd'\n", "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\n",
        "elf": b"\x7fELF" + b"\0" * 500, "pdf": b"%PDF-1.7\n", "gif": b"GIF89a" + b"\0" * 50,
        "silent": recording("ogg", "libopus", 2, 0), "long silent": recording("ogg", "libopus", 64, 0),
        "click": recording("ogg", "libopus", 0.04), "zeros": b"\0" * 4_000_000, "workbook": bombs.workbook("")[:4000],
        "wave of no rate": _wave(8000, 1, b"\1\2" * 80)[:24] + b"\0\0\0\0" + b"\1\2" * 80,
        "wave of huge rate": b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\1\0\1\0\xff\xff\xff\x7f\xff\xff\xff\x7f\2\0\x10\0data",
        "wave of 65535 channels": b"RIFF\0\1\0\0WAVEfmt \x10\0\0\0\1\0\xff\xff\x40\x1f\0\0\0\0\0\0\2\0\x10\0data\xff\xff\xff\x7f" + b"\1" * 999,
        "huge box": struct.pack(">I4s", 0x7FFFFFFF, b"ftyp") + b"isom" + b"\0" * 100,
        "box of 2^63": struct.pack(">I4sQ", 1, b"ftyp", 2**63 - 1) + b"M4A " + b"\0" * 64,
        "nested boxes": b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42" + struct.pack(">I4s", 8000, b"moov") * 500,
        "ebml of 2^56": b"\x1aE\xdf\xa3\x01\xff\xff\xff\xff\xff\xff\xff" + b"\xff" * 200,
        "ebml nested": b"\x1aE\xdf\xa3\x84" + b"\x18\x53\x80\x67\x84" * 2000,
        "id3 of 256 MB": b"ID3\4\0\0\x7f\x7f\x7f\x7f" + b"\0" * 2000, "amr head": b"#!AMR\n", "caf head": b"caff\0\1\0\0",
        "flac head": b"fLaC\0\0\0\x22" + b"\0" * 34, "ogg head": b"OggS" + b"\0" * 60,
    }  # fmt: skip
    noise = random.Random(7)
    for beginning in (
        b"\x1aE\xdf\xa3",
        b"OggS",
        b"\0\0\0\x18ftypM4A ",
        b"RIFF\0\0\0\0WAVE",
        b"#!AMR\n",
        b"\xff\xf1",
        b"\xff\xfb",
        b"ID3",
    ):
        found[f"noise after {beginning[:6]!r}"] = beginning + noise.randbytes(3000)
    return found
