"""Spoken messages: what a phone has recorded is written anew in a confined child, kept beside the database, and heard
only by whom a feature lets listen (SPEC H4, H5).

`save(sent(upload))` first, then the feature's own rows in its transaction; `static/voice.js` is the button 按住说话.
"""

import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from flask import Response, abort, current_app, request
from werkzeug.datastructures import FileStorage

from portal.core import confined
from portal.core.db import let_go
from portal.core.errors import Invalid

MOST_SECONDS = 60
SECONDS, MEMORY = 20, 300 * 1024 * 1024  # of the child; it needs 2 s and 170 MB of addresses
MOST_BYTES = 8 * 1024 * 1024  # a minute without any compression is 5.8 MB
ACCEPT = "audio/*,.m4a,.mp3,.amr,.wav,.ogg,.webm,.aac"
_NAME = re.compile(r"[0-9a-f]{32}\.m4a")
WHY = {
    "unknown": "这不是录音，或者格式打不开。", "video": "这是录像或图片，不是录音。", "silent": "没有录到声音。",
    "short": "录音太短，没有听清。", "broken": "这段录音坏了，打不开。", "large": "这段录音太大。",
}  # fmt: skip


class VoiceRefused(Invalid):
    """A recording that cannot be kept."""

    message = WHY["broken"]
    advice = "请再录一次，或者写几个字。"


@dataclass(frozen=True, slots=True)
class Voice:
    """A stored recording. name: for the database. cut: it was longer, the first minute is kept."""

    name: str
    seconds: int
    cut: bool = False


def folder() -> Path:
    """Where recordings lie: in the backup, never among the public files."""
    return Path(current_app.config["DATA_DIR"]) / "voices"


def sent(upload: FileStorage | None) -> bytes:
    """What a form's file field brought; b'' for none."""
    return upload.read(MOST_BYTES + 1) if upload is not None and upload.filename else b""


def save(data: bytes, field: str | None = None) -> Voice:
    """Write a recording anew as AAC (m4a), at most 60 seconds of it (H4).

    Before anything is written or locked: it takes up to two seconds in a child of its own, and SQLite's writers would
    wait. Raises VoiceRefused, beside the form's `field`.
    """
    let_go()
    if len(data) > MOST_BYTES:
        raise VoiceRefused(WHY["large"], field=field)
    try:
        made = confined.call("portal.help_requests.voice_encoding", "encode", data, seconds=SECONDS, memory=MEMORY)
    except confined.Exceeded:
        made = "broken"
    if isinstance(made, str):
        raise VoiceRefused(WHY.get(made, WHY["broken"]), field=field)
    recording, seconds, cut = made
    name = f"{secrets.token_hex(16)}.m4a"  # never a hash: the same words of two people are two files
    target = folder() / name
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(f".{os.getpid()}.part")
    unfinished.write_bytes(recording)
    unfinished.replace(target)
    return Voice(name, max(1, round(seconds)), cut)


def known(name: str | None) -> bool:
    """Whether it is a recording of ours that is still there."""
    return bool(name and _NAME.fullmatch(name) and (folder() / name).is_file())


def play(name: str | None) -> Response:
    """The recording itself; phones ask for parts of it. The view has decided who may listen. Aborts with 404."""
    if not known(name):
        abort(404)
    recording = (folder() / str(name)).read_bytes()  # a quarter of a MB at most
    answer = Response(recording, mimetype="audio/mp4")
    answer.make_conditional(request, accept_ranges=True, complete_length=len(recording))
    answer.headers["Cache-Control"] = "private, no-store"
    answer.headers["Content-Disposition"] = "inline"
    return answer


def remove(name: str | None) -> None:
    """Delete a recording; twice is the same as once."""
    if name and _NAME.fullmatch(name):
        (folder() / name).unlink(missing_ok=True)
