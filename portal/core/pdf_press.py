"""Lays out HTML, takes finished parts from the cache and binds everything into one PDF. Runs in the child process.

WeasyPrint writes all text of one run in one go, so each font is subset once. A kept part has lost its fonts: its pages
name glyphs by their numbers in the original font, and any later run that holds those glyphs can lend it its fonts.
"""

from __future__ import annotations

import gc
import hashlib
import json
import logging
import os
import re
import resource
import sys
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

import pikepdf
from pikepdf import Array, Name
from weasyprint import CSS, HTML, Document
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import URLFetcher, URLFetcherResponse

from portal.core import pdf_fonts, qr

ASSETS = Path(__file__).resolve().parent.parent / "static" / "print"
_SHOWN = re.compile(rb"/(\w+) [\d.]+ Tf|<([0-9a-f]+)>")
_KINDS = {".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg"}
_PAGE = re.compile(r"@page-(\d+)@")
_NUMBER_LINE = "第 # 页　共 # 页"


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


def make(press: Press, job: dict[str, Any], *, use_cache: bool = True) -> bytes:
    """Lay out what is not in the cache, write it in one run (so fonts are subset once), and put it together."""
    parts = [Part(spec) for spec in job["parts"]]
    for part in parts:
        part.prepare(press, use_cache=use_cache)
    frame = job.get("frame")
    cover = _cover(press, frame, parts, use_cache=use_cache) if frame and frame["cover"] else None
    everything = parts if cover is None else [cover, *parts]
    sheet = press.layout(frame["sheet"], frame["css"]) if frame and frame["sheet"] else None
    carrier = _carrier(press, everything) if frame else None
    fresh = [part.document for part in everything]
    written = [document for document in (sheet, *fresh, carrier) if document is not None]
    pages = [page for document in written for page in document.pages]
    # Uncompressed: the fonts are made smaller still, and saving compresses everything.
    pdf = pikepdf.open(BytesIO(written[0].copy(pages).write_pdf(uncompressed_pdf=True)))
    fonts = pdf.pages[0].obj.Resources.get("/Font", pikepdf.Dictionary())
    known = {name: pdf_fonts.glyphs(font) for name, font in fonts.items()}
    if not all(_covers(known, part.wanted()) for part in everything):
        return make(press, job, use_cache=False)  # a font was replaced since the part was kept
    _draw_codes(pdf)
    _fill(pdf, everything, 0 if sheet is None else 1)
    pdf_fonts.compact(pdf, fonts)
    if frame:
        for part in everything:
            _keep(part, known, fonts)
        Binder(pdf, frame, fonts, known).bind(cover, parts, None if sheet is None else pdf.pages[0])
    return _save(pdf)


def _save(pdf: pikepdf.Pdf) -> bytes:
    out = BytesIO()
    pdf.save(
        out,
        compress_streams=True,
        object_stream_mode=pikepdf.ObjectStreamMode.generate,
        deterministic_id=True,  # the same data make the same file
    )
    return out.getvalue()


def _cover(press: Press, frame: dict[str, Any], parts: list[Part], *, use_cache: bool) -> Part:
    """Lay out the cover; `@page-3@` in its HTML stands for the number of the page on which part 3 begins."""
    starts = _starts(parts, len(frame["slots"]))
    front = 1
    while True:
        html = _PAGE.sub(lambda mark: str(front + 1 + starts[int(mark[1])]), frame["cover"])  # noqa: B023
        file = frame["cover_file"] and frame["cover_file"].replace("*", hashlib.sha256(html.encode()).hexdigest())
        cover = Part({"html": html, "css": frame["css"], "file": file})
        cover.prepare(press, use_cache=use_cache)
        if len(cover) <= front:
            return cover
        front = len(cover)


def _starts(parts: list[Part], slots: int) -> list[int]:
    """Return the sheet (from 0) on which each part begins."""
    starts, pages = [], 0
    for part in parts:
        starts.append(pages // slots)
        pages += len(part)
    return starts


def _carrier(press: Press, parts: list[Part]) -> Document:
    """Set every character of the cached parts and the page numbers on a page that is thrown away.

    So the fonts hold them, although nothing that is laid out now shows them.
    """
    texts: dict[str, set[str]] = {"r": set("0123456789" + _NUMBER_LINE), "b": set()}
    for part in parts:
        for used in part.wanted().values():
            texts["b" if used["bold"] else "r"].update(used["glyphs"].values())
    lines = "".join(f"<p class={kind}>{escape(' '.join(sorted(chars)))}</p>" for kind, chars in texts.items())
    return press.layout(f'<html lang="zh-CN"><body class="carrier">{lines}</body></html>', ["base.css"])


def _covers(known: dict[str, dict[int, str]], wanted: dict[str, dict[str, Any]]) -> bool:
    return all({int(glyph) for glyph in used["glyphs"]} <= set(known.get(name, ())) for name, used in wanted.items())


def _draw_codes(pdf: pikepdf.Pdf) -> None:
    """Draw a QR code over every link to `qr:ADDRESS` and let the link lead to the address itself."""
    for page in pdf.pages:
        drawn = []
        for link in page.obj.get("/Annots", ()):
            address = str(link.get("/A", pikepdf.Dictionary()).get("/URI", ""))
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
            used.setdefault(font, set()).update(int(shown[at : at + 4], 16) for at in range(0, len(shown) - 3, 4))
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


class Binder:
    """Puts the parts' pages onto sheets, numbers the sheets and drops the pages the parts were laid out on."""

    def __init__(self, pdf: pikepdf.Pdf, frame: dict[str, Any], fonts: Any, known: dict[str, Any]) -> None:
        self.pdf, self.frame, self.fonts = pdf, frame, fonts
        self.number_font = next(name for name, font in fonts.items() if "Bold" not in str(font.BaseFont))
        self.codes = {text: glyph for glyph, text in known[self.number_font].items()}
        self.widths = pdf_fonts.widths(fonts[self.number_font])

    def bind(self, cover: Part | None, parts: list[Part], sheet: pikepdf.Page | None) -> None:
        under = None if sheet is None else self._form(sheet)
        slots = self.frame["slots"]
        front = [] if cover is None else [[page] for page in cover.pages]
        pages = [page for part in parts for page in part.pages]
        sheets = front + [pages[first : first + len(slots)] for first in range(0, len(pages), len(slots))]
        made = [
            self._sheet(None if number <= len(front) else under, placed, number, len(sheets))
            for number, placed in enumerate(sheets, start=1)
        ]
        del self.pdf.pages[:]
        self.pdf.pages.extend(made)
        self._link_contents(len(front))
        self._outline(parts, len(front))
        self.pdf.docinfo.Title = self.frame["title"]
        self.pdf.Root.Lang = pikepdf.String("zh-CN")
        self.pdf.Root.ViewerPreferences = pikepdf.Dictionary(DisplayDocTitle=True)

    def _form(self, page: pikepdf.Page) -> Any:
        form = page.as_form_xobject()
        if not form.is_owned_by(self.pdf):
            form = self.pdf.copy_foreign(form)
        form.Resources.Font = self.fonts
        return form

    def _sheet(self, under: Any, pages: list[pikepdf.Page], number: int, total: int) -> pikepdf.Page:
        slots = self.frame["slots"] if len(self.frame["slots"]) >= len(pages) else [(0, 0)]
        drawn = [(self._form(page), at) for page, at in zip(pages, slots, strict=False)]
        if under is not None:
            drawn.insert(0, (under, (0, 0)))
        places = [f"q 1 0 0 1 {x:.3f} {y:.3f} cm /P{count} Do Q\n" for count, (_, (x, y)) in enumerate(drawn)]
        links = [link for page, at in zip(pages, slots, strict=False) for link in self._links(page, at)]
        page = pikepdf.Dictionary(
            Type=Name.Page,
            MediaBox=Array([0, 0, *self.frame["size"]]),
            Resources=pikepdf.Dictionary(
                Font=self.fonts,
                XObject=pikepdf.Dictionary({f"/P{count}": form for count, (form, _) in enumerate(drawn)}),
            ),
            Contents=self.pdf.make_stream("".join(places).encode() + self._number(number, total)),
            Annots=Array(links),
        )
        return pikepdf.Page(self.pdf.make_indirect(page))

    def _number(self, number: int, total: int) -> bytes:
        """Return the operators that set the page number, right-aligned."""
        right, low, size = self.frame["number"]
        glyphs = [self.codes[char] for char in _NUMBER_LINE.replace("#", str(number), 1).replace("#", str(total), 1)]
        width = sum(self.widths.get(glyph, 1000) for glyph in glyphs) * size / 1000
        shown = "".join(f"{glyph:04x}" for glyph in glyphs)
        return f"BT 0.2 g {self.number_font} {size} Tf {right - width:.3f} {low:.3f} Td <{shown}> Tj ET\n".encode()

    def _links(self, page: pikepdf.Page, at: list[float]) -> list[Any]:
        links = []
        for link in page.obj.get("/Annots", ()):
            if "/URI" in link.get("/A", pikepdf.Dictionary()):
                left, low, right, high = (float(number) for number in link.Rect)
                moved = pikepdf.Dictionary(
                    Type=Name.Annot,
                    Subtype=Name.Link,
                    Rect=Array([left + at[0], low + at[1], right + at[0], high + at[1]]),
                    Border=Array([0, 0, 0]),
                    A=pikepdf.Dictionary(S=Name.URI, URI=pikepdf.String(str(link.A.URI))),
                )
                links.append(self.pdf.make_indirect(moved))
        return links

    def _link_contents(self, front: int) -> None:
        """Let links to `page:12` on the cover lead to that page."""
        for cover in self.pdf.pages[:front]:
            for link in cover.obj.Annots:
                address = str(link.A.get("/URI", ""))
                if address.startswith("page:"):
                    page = self.pdf.pages[int(address.removeprefix("page:")) - 1]
                    link.A = pikepdf.Dictionary(S=Name.GoTo, D=Array([page.obj, Name.Fit]))

    def _outline(self, parts: list[Part], front: int) -> None:
        if len(parts) < 2:
            return
        with self.pdf.open_outline() as outline:
            for part, start in zip(parts, _starts(parts, len(self.frame["slots"])), strict=True):
                outline.root.append(pikepdf.OutlineItem(part.spec["title"], front + start))


def _limit(job: dict[str, Any]) -> None:
    """Bound address space (bytes) and processor time (seconds) of this process."""
    resource.setrlimit(resource.RLIMIT_AS, (job["memory"], job["memory"]))
    seconds = int(job["seconds"])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> int:
    """One job: JSON on stdin, the PDF on stdout. Returns 1 with the reason on stderr when it cannot be made."""
    logging.getLogger("weasyprint").setLevel(logging.CRITICAL)
    job = json.load(sys.stdin.buffer)
    # Before the limits: fontconfig, short of memory, would store an empty list of fonts for the whole machine.
    press = Press()
    _limit(job)
    # One document and the end: looking again and again for garbage among its boxes costs a third of the time.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    gc.enable()
    try:
        result = make(press, job)
    except BaseException as error:  # WeasyPrint's refusal of an address is not an Exception
        cause = error.__cause__ or error
        print(f"{type(error).__name__}: {cause}"[:2000], file=sys.stderr)  # noqa: T201 (the parent reads it)
        return 1
    sys.stdout.buffer.write(result)
    sys.stdout.buffer.flush()
    return 0
