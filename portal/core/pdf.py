"""Paper: HTML of our own print templates becomes a PDF in a limited child of a warm process, the press (SPEC Q7).

`render` makes a `PrintJob` and waits for it: for commands, the worker and tests, never within a request (there,
`core.pdf_spool` has it made). A job is one document, or parts (one per centre) in a frame, a book. The last edition of
a book is kept with the hashes of its parts' HTML and style: when one centre changes, one part is laid out anew.

In templates, `<a href="qr:ADDRESS">` with a square box becomes a QR code of ADDRESS, and a link to it.
"""

import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from flask import has_request_context
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from portal.core.errors import DomainError

_CORE = Path(__file__).resolve().parent
TEMPLATES = _CORE.parent / "templates" / "print"
ASSETS = _CORE.parent / "static" / "print"

#: Points in a millimetre, and the two papers.
MM = 72 / 25.4
A4 = (210 * MM, 297 * MM)
A3 = (297 * MM, 420 * MM)
SECONDS = 90.0
#: Address space of a child in bytes. Its resident part stays below 250 MiB; the fonts are mapped several times.
MEMORY = 2 * 1024**3
_IDLE_SECONDS = 600.0  # the press, 160 MiB, ends when nothing was printed for so long
_START_SECONDS = 60.0  # most of a second on an idle machine


class PdfFailed(DomainError):
    """The document could not be made; `reason` is for the log."""

    status = 503
    title = "没有做成"
    message = "这份文件没有做成。"
    advice = "请过几分钟再试一次；如果还是不行，请告诉系统管理员。"

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(message, reason=reason)
        self.reason = reason


class PdfTooLarge(PdfFailed):
    message = "这份文件内容太多，做的时间太长，已经停下。"
    advice = "请缩小范围，例如一次只做一个街道。"


@dataclass(frozen=True)
class Part:
    """Pages that belong together, e.g. one centre's. `css` names files of portal/static/print."""

    title: str
    html: str
    css: tuple[str, ...] = ("base.css",)


@dataclass(frozen=True)
class Frame:
    """What surrounds the parts. All measures in points, from the lower left corner of the sheet.

    size: width and height of a sheet. number: right end, baseline and type size of "第 1 页 共 9 页".
    cover: HTML of pages before the parts; `@page-3@` in it becomes the page on which part 3 (from 0) begins, and a
    link to `page:@page-3@` leads there. sheet: HTML of one page that stands under every sheet (the poster's band).
    slots: where part pages stand on a sheet; two slots put two narrow pages side by side.
    """

    title: str
    size: tuple[float, float]
    number: tuple[float, float, float]
    cover: str = ""
    sheet: str = ""
    css: tuple[str, ...] = ("base.css",)
    slots: tuple[tuple[float, float], ...] = ((0.0, 0.0),)


@dataclass(frozen=True)
class PrintJob:
    """What is to be printed: one document, or parts in their order inside a frame.

    Raises: ValueError without parts.
    """

    parts: tuple[Part, ...]
    frame: Frame | None = None

    def __post_init__(self) -> None:
        if not self.parts:
            raise ValueError("a book needs at least one part")

    @property
    def key(self) -> str:
        """The same for the same document."""
        return hashlib.sha256(json.dumps(self.as_data()).encode()).hexdigest()

    def as_data(self) -> dict[str, Any]:
        """Plain values for JSON, with `tools`: what besides the words decides how they look."""
        return asdict(self) | {"tools": _tools()}


def single(html: str, css: Sequence[str] = ("base.css",)) -> PrintJob:
    """One document that numbers its own pages."""
    return PrintJob((Part("", html, tuple(css)),))


def render(
    job: PrintJob | dict[str, Any], *, edition: Path | None = None, seconds: float = SECONDS, memory: int = MEMORY
) -> bytes:
    """Return the job (or its data) as a PDF with embedded, subset fonts.

    edition: file in which the parts of a book are kept and found. seconds: by the clock. memory: bytes.
    Raises: PdfTooLarge (time or memory limit), PdfFailed (anything else, also an address outside the print assets).
    """
    if has_request_context():
        raise RuntimeError("a request never prints: use core.pdf_spool")
    data = job.as_data() if isinstance(job, PrintJob) else job
    limits = {"edition": edition and str(edition.resolve()), "seconds": seconds, "memory": memory}
    return _press.make(data | limits)


@lru_cache(maxsize=1)
def _tools() -> str:
    """Our style and layout, and the programs. Read once a process."""
    files = (*sorted(ASSETS.iterdir()), _CORE / "pdf_layout.py", _CORE / "qr.py")
    code = hashlib.sha256(b"".join(file.read_bytes() for file in files))
    return f"{version('weasyprint')} {version('pikepdf')} {code.hexdigest()}"


class Press:
    """This process's press: started on first use, anew when it is gone or was another process's (after a fork)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None

    def make(self, job: dict[str, Any]) -> bytes:
        """Have one job made, its limits with it. Raises: as `render`."""
        answer = b""
        with self._begin() as channel, suppress(OSError):
            channel.settimeout(job["seconds"] + 10)  # more than the child's own limit
            channel.sendall(json.dumps(job).encode())
            channel.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: channel.recv(1 << 20), b""))
        if answer.startswith(b"+") and answer.rstrip().endswith(b"%%EOF"):
            return answer[1:]
        reason = answer[1:].decode("utf-8", "replace") if answer.startswith(b"-") else ""
        if not reason or "MemoryError" in reason:  # ended by its limits: it said nothing, or half of it
            raise PdfTooLarge(reason or f"stopped by the system, or longer than {job['seconds']:g} s")
        raise PdfFailed(reason)

    def _begin(self) -> socket.socket:
        """A child's socket. A press that had ended for lack of work, or was killed, is replaced."""
        for _ in range(2):
            channel, handed = socket.socketpair()
            channel.settimeout(_START_SECONDS)
            with self._lock:
                control = self._control = self._control or self._start()
            with suppress(OSError):
                with handed:
                    socket.send_fds(control, [b"j"], [handed.fileno()])
                if channel.recv(1) == b"!":
                    return channel
            channel.close()
            self.close(control)
        raise PdfFailed("the press does not start")

    def _start(self) -> socket.socket:
        # No secrets of the application in the environment of a process that reads other people's text.
        names = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "XDG_CACHE_HOME", "FONTCONFIG_FILE", "FONTCONFIG_PATH")
        environment = {name: os.environ[name] for name in names if name in os.environ}
        control, theirs = socket.socketpair()
        command = [sys.executable, "-I", str(_CORE / "pdf_press.py"), str(_IDLE_SECONDS)]
        with theirs:
            press = subprocess.Popen(  # noqa: S603 (our own interpreter and script; all text goes through sockets)
                command,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env=environment,
                cwd="/",
                start_new_session=True,  # a process group of its own, so that its children end with it
            )
        # Waits for its end, whenever that is, so that no zombie is left.
        threading.Thread(target=press.wait, name="press", daemon=True).start()
        return control

    def close(self, control: socket.socket | None = None) -> None:
        """Let the press (or only the one behind `control`) end; it hears that its owner has gone."""
        with self._lock:
            if self._control is not None and control in (None, self._control):
                self._control.close()
                self._control = None

    def forget(self) -> None:
        """In a forked child: the press is our parent's, and so is whoever holds its lock."""
        self._lock = threading.Lock()
        self.close()


_press = Press()
os.register_at_fork(after_in_child=_press.forget)


@lru_cache(maxsize=1)
def templates() -> Environment:
    """Return the Jinja environment of the print templates: no Flask, everything escaped, nothing undefined."""
    from portal.core import typeset

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(typeset.FILTERS)
    return environment


def html(name: str, **values: object) -> str:
    """Return the print template `name` filled with `values`."""
    return templates().get_template(name).render(**values)
