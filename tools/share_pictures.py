"""Draws static/kinds.svg as pictures for preview cards, which take no SVG: `python -m tools.share_pictures`.

Each picture remembers of what it was drawn (`mark`), so that a test sees when a drawing has changed since.
"""

from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import sync_playwright

from tests.servers import chromium_path

STATIC = Path(__file__).parents[1] / "portal" / "static"
SIDE = 600  # pixels; groups and feeds show a square and refuse less than 300
SYMBOL = re.compile(r'<symbol id="(\w+)"([^>]*)>(.*?)</symbol>', re.DOTALL)
NOTE = "Drawn of"


def drawings() -> dict[str, str]:
    """Each drawing as an SVG of its own, by its name."""
    sprite = (STATIC / "kinds.svg").read_text("utf-8")
    found = SYMBOL.findall(sprite)
    return {name: f'<svg xmlns="http://www.w3.org/2000/svg"{attrs}>{body}</svg>' for name, attrs, body in found}


def mark(drawing: str) -> str:
    """Equal as long as the drawing is."""
    return hashlib.sha256(drawing.encode()).hexdigest()


def main() -> None:
    """Draw all of them into static/share/."""
    page_style = f"margin:0;background:#fff;width:{SIDE}px;height:{SIDE}px;display:grid;place-items:center"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": SIDE, "height": SIDE})
        for name, drawing in drawings().items():
            sized = drawing.replace("<svg ", '<svg width="480" height="480" ')
            page.set_content(f'<body style="{page_style}">{sized}</body>')
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(32)
            note = PngInfo()
            note.add_text(NOTE, mark(drawing))
            picture.save(STATIC / "share" / f"{name}.png", optimize=True, pnginfo=note)
        browser.close()


if __name__ == "__main__":
    main()
