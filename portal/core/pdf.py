"""Paper: HTML of our own print templates becomes a PDF in a child process with a time and a memory limit (SPEC Q7).

`render` makes one document. `render_book` makes a document out of parts (one per centre) whose finished pages are kept
in a directory under the hash of their HTML and style: when one centre changes, one part is laid out anew. Page numbers
run through the whole book because they are drawn when it is bound.

In templates, `<a href="qr:ADDRESS">` with a square box becomes a QR code of ADDRESS, and a link to it.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from portal.core.errors import DomainError

_CORE = Path(__file__).resolve().parent
_CHILD = _CORE / "pdf_child.py"
TEMPLATES = _CORE.parent / "templates" / "print"
ASSETS = _CORE.parent / "static" / "print"

#: Points in a millimetre, and the two papers.
MM = 72 / 25.4
A4 = (210 * MM, 297 * MM)
A3 = (297 * MM, 420 * MM)
SECONDS = 90.0
#: Address space of the child in bytes. Its resident part stays below 250 MiB; the fonts are mapped several times.
MEMORY = 2 * 1024**3
# A document takes a core and up to 250 MiB: a web process makes one at a time, the others wait their turn.
_one_at_a_time = threading.Lock()


class PdfFailed(DomainError):
    """The document could not be made; `reason` is for the log."""

    status = 503
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


def render(html: str, css: Sequence[str] = ("base.css",), *, seconds: float = SECONDS, memory: int = MEMORY) -> bytes:
    """Return `html` as a PDF with embedded, subset fonts.

    Raises: PdfTooLarge (time or memory limit), PdfFailed (anything else, also an address outside the print assets).
    """
    part = {"title": "", "html": html, "css": list(css), "file": None}
    return _run({"parts": [part], "frame": None}, seconds, memory)


def render_book(
    parts: Sequence[Part], frame: Frame, *, cache: Path | None = None, seconds: float = SECONDS, memory: int = MEMORY
) -> bytes:
    """Return the parts in order inside the frame; parts found in the directory `cache` are not laid out again.

    Raises: PdfTooLarge, PdfFailed as `render`; ValueError without parts.
    """
    if not parts:
        raise ValueError("a book needs at least one part")
    specs = [
        {
            "title": part.title,
            "html": part.html,
            "css": list(part.css),
            "file": None if cache is None else str(Path(cache).resolve() / f"{_key(part)}.part.pdf"),
        }
        for part in parts
    ]
    around = asdict(frame)
    # The child puts the hash of the cover's final HTML, with its page numbers, for the star.
    around["cover_file"] = cache and str(Path(cache).resolve() / f"cover-{_style_key(frame.css)[:16]}-*.part.pdf")
    return _run({"parts": specs, "frame": around}, seconds, memory)


def _key(part: Part) -> str:
    return hashlib.sha256(_style_key(part.css).encode() + part.html.encode()).hexdigest()


def _style_key(css: Sequence[str]) -> str:
    digest = hashlib.sha256(_tools().encode())
    for name in css:
        digest.update((ASSETS / name).read_bytes())
    return digest.hexdigest()


@lru_cache(maxsize=1)
def _tools() -> str:
    """What besides the text decides how a kept part looks."""
    code = hashlib.sha256(b"".join((_CORE / name).read_bytes() for name in ("pdf_press.py", "qr.py")))
    return f"{version('weasyprint')} {version('pikepdf')} {code.hexdigest()}"


def _run(job: dict[str, Any], seconds: float, memory: int) -> bytes:
    job |= {"seconds": seconds, "memory": memory}
    # No secrets of the application in the environment of a process that reads other people's text.
    names = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "XDG_CACHE_HOME", "FONTCONFIG_FILE", "FONTCONFIG_PATH")
    environment = {name: os.environ[name] for name in names if name in os.environ}
    with _one_at_a_time:
        try:
            done = subprocess.run(  # noqa: S603 (our own interpreter and script; all text goes through stdin)
                [sys.executable, "-I", str(_CHILD)],
                input=json.dumps(job).encode(),
                capture_output=True,
                timeout=seconds,
                env=environment,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            raise PdfTooLarge(f"longer than {seconds:g} s") from late
    if done.returncode == 0 and done.stdout.startswith(b"%PDF-"):
        return done.stdout
    reason = done.stderr.decode("utf-8", "replace").strip()[-2000:]
    if done.returncode < 0 or "MemoryError" in reason:
        raise PdfTooLarge(f"stopped by signal {-done.returncode}: {reason}")
    raise PdfFailed(reason or f"exit {done.returncode}")


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
