"""Lays out HTML and binds pages into one PDF. Runs in a child of the press only (see pdf_press), inside its limits.

All that a job has to lay out is written in one run of WeasyPrint, so its parts share their fonts. The parts of a book
are kept as one ordinary PDF, its last edition; when one centre changes, the other centres' pages come from there.
"""

import hashlib
import json
import os
import re
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from copy import copy
from io import BytesIO
from math import ceil
from pathlib import Path
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Name
from PIL import Image, ImageChops
from weasyprint import CSS, HTML, Document
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import URLFetcher, URLFetcherResponse

from portal.core import qr

ASSETS = Path(__file__).resolve().parent.parent / "static" / "print"
_KINDS = {".css": "text/css", ".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg"}
_PAGE = re.compile(r"@page-(\d+)@")
_MOST_RUNS = 3  # whose pages an edition may hold: each brings its own fonts, about 100 KB; then all is laid out anew
_CORNER = (0.0, 0.0)
_BASELINE = 0.936  # of Noto Sans CJK in a line as high as its type, from above, in em


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


class Typesetter:
    """Lays out HTML with one font configuration and each of our style sheets parsed once."""

    def __init__(self) -> None:
        self.fonts = FontConfiguration()
        self.assets = Assets()
        self.styles: dict[str, CSS] = {}

    def layout(self, html: str, sheets: Iterable[str] = ()) -> Document:
        for name in set(sheets) - self.styles.keys():
            self.styles[name] = CSS(url=f"asset:{name}", url_fetcher=self.assets, font_config=self.fonts)
        source = HTML(string=html, url_fetcher=self.assets, base_url="asset:")
        return source.render(font_config=self.fonts, stylesheets=[self.styles[name] for name in sheets])


def make(typesetter: Typesetter, job: dict[str, Any]) -> bytes:
    """Return the PDF of a job: the data of a core.pdf.PrintJob, and `edition` (a path) or None."""
    for part in job["parts"]:
        part["key"] = hashlib.sha256(f"{job['tools']} {part['css']} {part['html']}".encode()).hexdigest()
    if job["frame"] is not None:
        return _saved(_bind(typesetter, job["parts"], job["frame"], job["edition"] and Path(job["edition"])))
    return _saved(_written([typesetter.layout(part["html"], part["css"]) for part in job["parts"]]))


def _written(documents: Sequence[Document]) -> pikepdf.Pdf:
    """Write the documents in one run, draw their QR codes and make their fonts small."""
    pages = [page for document in documents for page in document.pages]
    pdf = pikepdf.open(BytesIO(documents[0].copy(pages).write_pdf(uncompressed_pdf=True)))
    for page in pdf.pages:
        _draw_codes(page)
    for thing in pdf.objects:
        if isinstance(thing, pikepdf.Stream) and thing.get("/Subtype") == Name.OpenType:
            _compress(thing)
    return pdf


def _draw_codes(page: pikepdf.Page) -> None:
    """Draw a QR code over every link to `qr:ADDRESS` and let the link lead to the address itself."""
    drawn = []
    for link in page.obj.get("/Annots", ()):
        address = str(link.get("/A", Dictionary()).get("/URI", ""))
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


def _compress(font: pikepdf.Stream) -> None:
    """WeasyPrint keeps the places of all 65,000 glyphs of a font, as a table of offsets of three bytes each.

    Such tables count up, which Flate cannot see; their differences (a PNG predictor, as in every PDF's own table of
    offsets) are all alike. 160 KB of a face become 25.
    """
    data = font.read_bytes()
    rows = -(-len(data) // 3)
    above, now = bytes(3) + data, data.ljust(3 * rows, b"\0")
    images = [Image.frombytes("L", (3, rows), side[: 3 * rows]) for side in (now, above + bytes(3))]
    change = ImageChops.subtract_modulo(*images).tobytes()
    lines = bytearray(b"\2" * (4 * rows))  # each begins with its kind: 2, difference from the line above
    lines[1::4], lines[2::4], lines[3::4] = change[0::3], change[1::3], change[2::3]
    font.write(zlib.compress(lines, 9), filter=Name.FlateDecode, decode_parms=Dictionary(Predictor=12, Columns=3))


def _saved(pdf: pikepdf.Pdf) -> bytes:
    out = BytesIO()  # the same data make the same file
    pdf.save(out, object_stream_mode=pikepdf.ObjectStreamMode.generate, deterministic_id=True)
    return out.getvalue()


def _bind(typesetter: Typesetter, parts: list[Any], frame: dict[str, Any], edition: Path | None) -> pikepdf.Pdf:
    """Put the parts, kept or laid out now, on numbered sheets behind their cover."""
    last = Edition(edition)
    fresh = {p["key"]: typesetter.layout(p["html"], p["css"]) for p in parts if p["key"] not in last.places}
    slots = len(frame["slots"])
    lengths = [len(last.places.get(p["key"]) or fresh[p["key"]].pages) for p in parts]
    starts = [sum(lengths[:n]) // slots for n in range(len(parts))]
    cover = _cover(typesetter, frame, starts)
    front = len(cover.pages) if cover else 0
    numbers = typesetter.layout(_numbers(frame, front + ceil(sum(lengths) / slots)))
    sheet = typesetter.layout(frame["sheet"], frame["css"]) if frame["sheet"] else None

    written = _written([document for document in (sheet, cover, numbers, *fresh.values()) if document is not None])
    following = iter(list(written.pages))

    def take(document: Document | None) -> list[pikepdf.Page]:
        return [next(following) for _ in document.pages] if document else []

    under, covers, lines = take(sheet), take(cover), take(numbers)
    laid_out = {key: take(document) for key, document in fresh.items()}
    placed = {p["key"]: laid_out.get(p["key"]) or last.pages(p["key"]) for p in parts}
    if edition is not None and fresh:
        last.follow(edition, placed)
    pages = [page for part in parts for page in placed[part["key"]]]

    book = pikepdf.new()
    for number, line in enumerate(lines):
        on_it = [(page, _CORNER) for page in (covers[number : number + 1] or under)]
        if number >= front:
            first = (number - front) * slots
            on_it += zip(pages[first : first + slots], frame["slots"], strict=False)
        _sheet(book, frame["size"], [*on_it, (line, _CORNER)])
    _finish(book, frame, front, [(part["title"], front + start) for part, start in zip(parts, starts, strict=True)])
    return book


def _cover(typesetter: Typesetter, frame: dict[str, Any], starts: list[int]) -> Document | None:
    """Lay out the cover; `@page-3@` in its HTML stands for the number of the page on which part 3 begins."""
    front = 1
    while frame["cover"]:
        html = _PAGE.sub(lambda mark: str(front + 1 + starts[int(mark[1])]), frame["cover"])  # noqa: B023
        cover = typesetter.layout(html, frame["css"])
        if len(cover.pages) <= front:
            return cover
        front = len(cover.pages)
    return None


def _numbers(frame: dict[str, Any], total: int) -> str:
    """The HTML of as many sheets as the book has, with nothing on them but their numbers."""
    (width, height), (right, baseline, size) = frame["size"], frame["number"]
    style = (
        f"@page{{size:{width:.3f}pt {height:.3f}pt;margin:0}} p{{margin:0;color:#333;text-align:right;"
        f"font:{size}pt/1 'Noto Sans CJK SC','Noto Sans SC',sans-serif;break-after:page;"
        f"padding:{height - baseline - _BASELINE * size:.3f}pt {width - right:.3f}pt 0 0}}"
        "p:last-child{break-after:auto}"
    )
    lines = "".join(f"<p>第 {number} 页　共 {total} 页</p>" for number in range(1, total + 1))
    return f'<html lang="zh-CN"><head><style>{style}</style></head><body style="margin:0">{lines}</body></html>'


def _sheet(book: pikepdf.Pdf, size: list[float], placed: list[tuple[pikepdf.Page, Sequence[float]]]) -> None:
    """Append one sheet with pages at their places (left, bottom), and their links."""
    sheet = book.add_blank_page(page_size=size)  # type: ignore[arg-type]  # broken numbers are as good
    sheet.obj.Annots = Array()
    for count, (page, (x, y)) in enumerate(placed):
        name = sheet.add_resource(page.as_form_xobject(), Name.XObject, Name(f"/P{count}"))
        sheet.contents_add(f"q 1 0 0 1 {x:.3f} {y:.3f} cm {name} Do Q\n".encode())
        for link in page.obj.get("/Annots", ()):
            if "/URI" in link.get("/A", Dictionary()):
                left, low, right, high = (float(side) for side in link.Rect)
                moved = copy(book.copy_foreign(link))
                moved.Rect = Array([left + x, low + y, right + x, high + y])
                sheet.obj.Annots.append(moved)


def _finish(book: pikepdf.Pdf, frame: dict[str, Any], front: int, contents: list[tuple[str, int]]) -> None:
    """Let links to `page:12` on the cover lead to that page; set outline, title and language."""
    for cover in book.pages[:front]:
        for link in cover.obj.Annots:
            address = str(link.A.URI)
            if address.startswith("page:"):
                target = book.pages[int(address.removeprefix("page:")) - 1]
                link.A = Dictionary(S=Name.GoTo, D=Array([target.obj, Name.Fit]))
    if len(contents) > 1:
        with book.open_outline() as outline:
            outline.root.extend(pikepdf.OutlineItem(title, page) for title, page in contents)
    book.docinfo.Title = frame["title"]
    book.Root.Lang = pikepdf.String("zh-CN")
    book.Root.ViewerPreferences = Dictionary(DisplayDocTitle=True)


class Edition:
    """The pages of a book's parts as they were last printed, kept in one PDF that says which is where."""

    def __init__(self, file: Path | None) -> None:
        self.runs = 0
        self.places: dict[str, range] = {}
        with suppress(OSError, pikepdf.PdfError, KeyError, ValueError):  # none yet, or a damaged one
            self.pdf = pikepdf.open(file or "")
            runs, places = json.loads(str(self.pdf.docinfo["/Edition"]))
            if runs < _MOST_RUNS:
                self.runs, self.places = runs, {key: range(*place) for key, place in places.items()}

    def pages(self, key: str) -> list[pikepdf.Page]:
        """The pages of the part with this key."""
        return [self.pdf.pages[number] for number in self.places[key]]

    def follow(self, file: Path, parts: dict[str, list[pikepdf.Page]]) -> None:
        """Keep `parts` as the next edition."""
        pdf, places = pikepdf.new(), {}
        for key, pages in parts.items():
            places[key] = [len(pdf.pages), len(pdf.pages) + len(pages)]
            pdf.pages.extend(pages)
        pdf.docinfo["/Edition"] = pikepdf.String(json.dumps([self.runs + 1, places]))
        draft = file.with_suffix(f".{os.getpid()}.tmp")
        draft.write_bytes(_saved(pdf))
        draft.replace(file)  # whole or not at all: two processes may print the same book
