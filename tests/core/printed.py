"""Reads a PDF as a person with a phone would: its words, its picture, the codes in the picture."""

from __future__ import annotations

import re
import subprocess
from io import BytesIO

import pikepdf
import pypdf
import zxingcpp
from flask.testing import FlaskClient
from PIL import Image
from werkzeug.test import TestResponse

from portal.core import exports, pdf_spool


def text_of(made: bytes) -> list[str]:
    """Return the words of each page without white space."""
    return [re.sub(r"\s+", "", page.extract_text()) for page in pypdf.PdfReader(BytesIO(made)).pages]


def make_all(client: FlaskClient) -> int:
    """Do the worker's part: make what waits in the spool, through the real press. Returns how many there were."""
    with client.application.app_context():
        spool = pdf_spool.spool(exports.maker(client.application))
    count = 0
    while spool.make_next():
        count += 1
    return count


def fetched(client: FlaskClient, url: str) -> TestResponse:
    """Open a PDF's address as a browser does that follows the waiting page."""
    answer = client.get(url)
    if answer.status_code != 202:
        return answer
    assert answer.headers["Refresh"]
    make_all(client)
    return client.get(url)


def picture(made: bytes, page: int = 1, dpi: int = 150, *, grey: bool = True) -> Image.Image:
    """Return one page as a picture; fails if the renderer has anything to complain about."""
    command = ["pdftoppm", "-r", str(dpi), "-f", str(page), "-l", str(page), "-singlefile"]
    done = subprocess.run([*command, *(["-gray"] if grey else []), "-"], input=made, capture_output=True, check=True)
    assert not done.stderr, done.stderr.decode()
    image = Image.open(BytesIO(done.stdout))
    image.load()
    return image


def codes_in(image: Image.Image) -> list[str]:
    return sorted(found.text for found in zxingcpp.read_barcodes(image))


def links_of(made: bytes) -> list[str]:
    with pikepdf.open(BytesIO(made)) as opened:
        actions = [link.A for page in opened.pages for link in page.obj.get("/Annots", ())]
        return [str(action.URI) for action in actions if "/URI" in action]


def fonts_of(made: bytes) -> dict[str, bool]:
    """Return font name → whether its outlines are in the file."""
    found = {}
    with pikepdf.open(BytesIO(made)) as opened:
        for font in opened.objects:
            if isinstance(font, pikepdf.Dictionary) and "/DescendantFonts" in font:
                descriptor = font.DescendantFonts[0].FontDescriptor
                found[str(font.BaseFont)] = "/FontFile3" in descriptor or "/FontFile2" in descriptor
    return found
