"""The process that turns HTML into one PDF. Run by `portal.core.pdf` as a script, never imported by the portal.

Reads a job (JSON) on stdin, writes the PDF to stdout; on failure it writes one line to stderr and exits with 1.
A fresh process per document keeps WeasyPrint's memory and any crash of its C libraries out of the web workers.
"""

from __future__ import annotations

import json
import logging
import os
import re
import resource
import sys
from html import escape
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).resolve().parent
ASSETS = HERE.parent / "static" / "print"

if __name__ == "__main__":
    # Importing `portal` itself would start half the application; only its folder is wanted.
    for _name, _path in (("portal", HERE.parent), ("portal.core", HERE)):
        _package = ModuleType(_name)
        _package.__path__ = [str(_path)]
        sys.modules[_name] = _package

import pikepdf
from pikepdf import Array, Name
from weasyprint import CSS, HTML, Document
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import URLFetcher, URLFetcherResponse

from portal.core import pdf_fonts, qr

_SHOWN = re.compile(rb"/(\w+) [\d.]+ Tf|<([0-9a-f]+)>")
_KINDS = {".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg"}
_SHEETS = "<!--sheets-->"


class Assets(URLFetcher):
    """Opens `asset:NAME` below portal/static/print and nothing else; any other address ends the document."""

    def __init__(self) -> None:
        super().__init__(allowed_protocols=("asset",), allow_redirects=False, fail_on_errors=True)

    def fetch(self, url: str, headers: Any = None) -> URLFetcherResponse:
        scheme, _, name = url.partition(":")
        path = (ASSETS / name).resolve()
        if scheme != "asset" or not path.is_relative_to(ASSETS) or path.suffix not in _KINDS:
            raise ValueError(f"not one of the print assets: {url[:200]}")
        return URLFetcherResponse(url, path.read_bytes(), {"Content-Type": _KINDS[path.suffix]})


class Press:
    """Lays out HTML with one font configuration and each style sheet parsed once."""

    def __init__(self) -> None:
        self.fonts = FontConfiguration()
        self.assets = Assets()
        self.styles: dict[str, CSS] = {}

    def layout(self, html: str, sheets: list[str]) -> Document:
        source = HTML(string=html, url_fetcher=self.assets, base_url="asset:")
        return source.render(font_config=self.fonts, stylesheets=[self.style(name) for name in sheets])

    def style(self, name: str) -> CSS:
        if name not in self.styles:
            path = (ASSETS / name).resolve()
            if not path.is_relative_to(ASSETS):
                raise ValueError(f"not one of the print assets: {name[:200]}")
            self.styles[name] = CSS(
                string=path.read_text("utf-8"), font_config=self.fonts, url_fetcher=self.assets, base_url="asset:"
            )
        return self.styles[name]


class Part:
    """A run of pages: freshly laid out, or taken from the cache with its fonts taken out."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.document: Document | None = None
        self.stored: pikepdf.Pdf | None = None
        self.pages: list[pikepdf.Page] = []

    def __len__(self) -> int:
        if self.document is not None:
            return len(self.document.pages)
        return len(self.stored.pages) if self.stored is not None else 0

    @property
    def file(self) -> Path | None:
        return Path(self.spec["file"]) if self.spec.get("file") else None

    def prepare(self, press: Press, *, use_cache: bool) -> None:
        if use_cache and self.file is not None and self.file.exists():
            try:
                self.stored = pikepdf.open(self.file)
                return
            except (OSError, pikepdf.PdfError):
                self.stored = None  # a damaged file is as good as none
        self.document, self.stored = press.layout(self.spec["html"], self.spec["css"]), None

    def wanted(self) -> dict[str, dict[str, Any]]:
        """Font → {"bold": …, "glyphs": {number: text}}, of a part from the cache."""
        return {} if self.stored is None else json.loads(bytes(self.stored.Root.PortalGlyphs))


def make(job: dict[str, Any], *, use_cache: bool = True) -> bytes:
    """Lay out what is not in the cache, write it in one run (so fonts are subset once), and put it together."""
    press = Press()
    parts = [Part(spec) for spec in job["parts"]]
    for part in parts:
        part.prepare(press, use_cache=use_cache)
    frame = _frame(press, job, parts)
    carrier = _carrier(press, parts)
    written = [document for document in (frame, *(p.document for p in parts), carrier) if document is not None]
    pages = [page for document in written for page in document.pages]
    pdf = pikepdf.open(BytesIO(written[0].copy(pages).write_pdf()))
    fonts = pdf.pages[0].obj.Resources.get("/Font", pikepdf.Dictionary())
    known = {name: pdf_fonts.glyphs(font) for name, font in fonts.items()}
    if not all(_covers(known, part.wanted()) for part in parts):
        return make(job, use_cache=False)  # a font was replaced since the part was kept
    _draw_codes(pdf)
    _fill(pdf, parts, 0 if frame is None else len(frame.pages))
    for part in parts:
        _keep(part, known, fonts)
    pdf_fonts.compact(pdf, fonts)
    _assemble(pdf, parts, job, 0 if frame is None else len(frame.pages), fonts)
    out = BytesIO()
    pdf.save(
        out,
        compress_streams=True,
        object_stream_mode=pikepdf.ObjectStreamMode.generate,
        deterministic_id=True,  # the same data make the same file
    )
    return out.getvalue()


def _frame(press: Press, job: dict[str, Any], parts: list[Part]) -> Document | None:
    """Lay out what depends on the whole: contents, and one sheet with its page number for every page to come."""
    frame = job.get("frame")
    if frame is None:
        return None
    slots = len(frame["slots"])
    total = sum(len(part) for part in parts)
    marks: dict[int, list[str]] = {}
    page = 0
    for number, part in enumerate(parts):
        mark = f'<a class="mark" id="part-{number}" title="{escape(part.spec["title"])}"></a>'
        marks.setdefault(page // slots, []).append(mark)
        page += len(part)
    sheets = "".join(
        f'<section class="sheet">{"".join(marks.get(sheet, []))}</section>' for sheet in range(-(-total // slots))
    )
    return press.layout(frame["html"].replace(_SHEETS, sheets), frame["css"])


def _carrier(press: Press, parts: list[Part]) -> Document | None:
    """Set every character of the cached parts once, on a page that is thrown away: so the fonts hold them."""
    texts: dict[str, set[str]] = {"r": set(), "b": set()}
    for part in parts:
        for used in part.wanted().values():
            texts["b" if used["bold"] else "r"].update(used["glyphs"].values())
    if not any(texts.values()):
        return None
    lines = "".join(f"<p class={kind}>{escape(' '.join(sorted(chars)))}</p>" for kind, chars in texts.items())
    return press.layout(f'<html lang="zh-CN"><body class="carrier">{lines}</body></html>', ["base.css"])


def _covers(known: dict[str, dict[int, str]], wanted: dict[str, dict[str, Any]]) -> bool:
    return all({int(glyph) for glyph in used["glyphs"]} <= known.get(name, {}).keys() for name, used in wanted.items())


def _draw_codes(pdf: pikepdf.Pdf) -> None:
    """Draw a QR code over every link to `qr:ADDRESS` and let the link lead to the address itself."""
    for page in pdf.pages:
        drawn = []
        for link in page.obj.get("/Annots", ()):
            address = str(link.get("/A", {}).get("/URI", ""))
            if address.startswith("qr:"):
                text = address.removeprefix("qr:")
                left, low, right, high = (float(number) for number in link.Rect)
                size = min(right - left, high - low)
                drawn.append(qr.qr_pdf(text, min(left, right), min(low, high), abs(size)))
                link.A.URI = pikepdf.String(text)
        if drawn:
            # WeasyPrint turns the axes at the start of its stream: keep that inside.
            page.contents_add(b"q\n", prepend=True)
            page.contents_add(b"Q\n" + b"".join(drawn))
            page.contents_coalesce()


def _fill(pdf: pikepdf.Pdf, parts: list[Part], first: int) -> None:
    for part in parts:
        if part.document is not None:
            part.pages = [pdf.pages[first + number] for number in range(len(part.document.pages))]
            first += len(part.pages)
        elif part.stored is not None:
            part.pages = list(part.stored.pages)


def _used(page: pikepdf.Page) -> dict[str, set[int]]:
    used: dict[str, set[int]] = {}
    font = ""
    for name, shown in _SHOWN.findall(page.obj.Contents.read_bytes()):
        if name:
            font = "/" + name.decode()
        else:
            used.setdefault(font, set()).update(
                int(shown[at : at + 4], 16) for at in range(0, len(shown) - 3, 4)
            )
    return used


def _keep(part: Part, known: dict[str, dict[int, str]], fonts: Any) -> None:
    """Store the pages of a fresh part without their fonts, and which glyphs they need."""
    if part.document is None or part.file is None:
        return
    glyphs: dict[str, dict[str, Any]] = {}
    kept = pikepdf.new()
    for page in part.pages:
        for name, numbers in _used(page).items():
            entry = glyphs.setdefault(name, {"bold": "Bold" in str(fonts[name].BaseFont), "glyphs": {}})
            entry["glyphs"].update({number: known[name][number] for number in sorted(numbers)})
        if "/Font" in page.obj.Resources:
            del page.obj.Resources["/Font"]
        kept.pages.append(page)
    kept.Root.PortalGlyphs = pikepdf.String(json.dumps(glyphs))
    part.file.parent.mkdir(parents=True, exist_ok=True)
    draft = part.file.with_suffix(f".{os.getpid()}.tmp")
    kept.save(draft, deterministic_id=True)
    draft.replace(part.file)  # whole or not at all: two processes may keep the same part


def _assemble(pdf: pikepdf.Pdf, parts: list[Part], job: dict[str, Any], front: int, fonts: Any) -> None:
    """Put the parts' pages onto the sheets of the frame and drop the pages they were laid out on."""
    frame = job.get("frame")
    if frame is None:
        return
    for sheet in pdf.pages[:front]:
        sheet.obj.Resources.Font = fonts
    slots = frame["slots"]
    pages = [page for part in parts for page in part.pages]
    sheets = -(-len(pages) // len(slots))
    for number, page in enumerate(pages):
        form = page.as_form_xobject()
        if not form.is_owned_by(pdf):
            form = pdf.copy_foreign(form)
        form.Resources.Font = fonts
        sheet = pdf.pages[front - sheets + number // len(slots)]
        _place(pdf, sheet, form, f"/Part{number % len(slots)}", slots[number % len(slots)])
        _copy_links(pdf, page, sheet, slots[number % len(slots)])
    del pdf.pages[front:]


def _place(pdf: pikepdf.Pdf, sheet: pikepdf.Page, form: Any, name: str, at: list[float]) -> None:
    if "/PortalOwn" not in sheet.obj:
        # All pages of one run share a dictionary of resources: this sheet gets its own, for its own forms.
        sheet.obj.Resources = pikepdf.Dictionary(dict(sheet.obj.Resources.items()))
        sheet.obj.Resources.XObject = pikepdf.Dictionary(dict(sheet.obj.Resources.get("/XObject", {}).items()))
        sheet.obj.PortalOwn = True
        sheet.contents_add(b"q\n", prepend=True)
        sheet.contents_add(b"Q\n")
    sheet.obj.Resources.XObject[name] = form
    sheet.contents_add(f"q 1 0 0 1 {at[0]:.3f} {at[1]:.3f} cm {name} Do Q\n".encode())
    sheet.contents_coalesce()


def _copy_links(pdf: pikepdf.Pdf, page: pikepdf.Page, sheet: pikepdf.Page, at: list[float]) -> None:
    links = []
    for link in page.obj.get("/Annots", ()):
        if "/URI" in link.get("/A", {}):
            left, low, right, high = (float(number) for number in link.Rect)
            links.append(
                pikepdf.Dictionary(
                    Type=Name.Annot,
                    Subtype=Name.Link,
                    Rect=Array([left + at[0], low + at[1], right + at[0], high + at[1]]),
                    Border=Array([0, 0, 0]),
                    A=pikepdf.Dictionary(S=Name.URI, URI=pikepdf.String(str(link.A.URI))),
                )
            )
    if links:
        sheet.obj.Annots = Array([*sheet.obj.get("/Annots", ()), *map(pdf.make_indirect, links)])


def _limit(job: dict[str, Any]) -> None:
    """Bound address space (bytes) and processor time (seconds) of this process."""
    resource.setrlimit(resource.RLIMIT_AS, (job["memory"], job["memory"]))
    seconds = int(job["seconds"])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> int:
    logging.getLogger("weasyprint").setLevel(logging.CRITICAL)
    job = json.load(sys.stdin.buffer)
    _limit(job)
    try:
        result = make(job)
    except BaseException as error:  # WeasyPrint's refusal of an address is not an Exception
        cause = error.__cause__ or error
        print(f"{type(error).__name__}: {cause}"[:2000], file=sys.stderr)  # noqa: T201 (the parent reads it)
        return 1
    sys.stdout.buffer.write(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
