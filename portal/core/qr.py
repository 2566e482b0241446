"""QR codes: the module matrix, and that matrix as SVG, as PDF operators and as PNG.

Imports nothing of the portal, because the press (pdf_press) loads it without the rest. Every drawing is one path of
horizontal runs: a path filled in one go has no hairlines between its rectangles, and prints sharp at any size.
"""

from functools import lru_cache
from html import escape
from io import BytesIO
from typing import Final

import qrcode
from qrcode.constants import ERROR_CORRECT_H, ERROR_CORRECT_L, ERROR_CORRECT_M, ERROR_CORRECT_Q
from qrcode.util import BIT_LIMIT_TABLE, QRData, length_in_bits

#: Light modules that ISO/IEC 18004 wants around a symbol.
QUIET_ZONE = 4
# A fixed mask is as valid as the "best" one and six times as quick to make; the reader is told which it is.
_MASK = 3
_BYTES: Final = 4  # the mode that holds any address
_LEVELS = (ERROR_CORRECT_L, ERROR_CORRECT_M, ERROR_CORRECT_Q, ERROR_CORRECT_H)

Matrix = tuple[tuple[bool, ...], ...]


@lru_cache(maxsize=2048)
def matrix(text: str) -> Matrix:
    """Return the modules of `text` (True is dark), without quiet zone.

    Picks the smallest symbol first (big modules matter most on paper), then as much error correction as still
    fits into it.

    Raises: ValueError if the text is empty or too long for any symbol.
    """
    if not text:
        raise ValueError("a QR code needs a text")
    data = text.encode()
    versions = [_version(len(data), level) for level in _LEVELS]
    if not versions[0]:
        raise ValueError("too long for a QR code")
    level = [level for level, version in zip(_LEVELS, versions, strict=True) if version == versions[0]][-1]
    code = qrcode.QRCode(version=versions[0], error_correction=level, border=0, mask_pattern=_MASK)
    code.add_data(QRData(data, _BYTES, check_data=False))
    code.make(fit=False)
    return tuple(tuple(bool(cell) for cell in row) for row in code.modules)


def _version(length: int, level: int) -> int:
    """Return the smallest version that holds `length` bytes, 0 if none does."""
    for version in range(1, 41):
        if BIT_LIMIT_TABLE[level][version] >= 4 + length_in_bits(_BYTES, version) + 8 * length:
            return version
    return 0


def runs(modules: Matrix) -> list[tuple[int, int, int]]:
    """Return the dark runs as (column, row, length), in modules from the top left."""
    found = []
    for y, row in enumerate(modules):
        start = None
        for x, dark in enumerate((*row, False)):
            if dark and start is None:
                start = x
            elif not dark and start is not None:
                found.append((start, y, x - start))
                start = None
    return found


def qr_pdf(text: str, x: float, y: float, size: float) -> bytes:
    """Return PDF operators that draw `text` into the square at (x, y), `size` points wide, without quiet zone."""
    modules = matrix(text)
    side = len(modules)
    scale = size / side
    boxes = " ".join(f"{column} {row} {length} 1 re" for column, row, length in runs(modules))
    # The PDF's y axis points up: the matrix turns the rows over.
    return f"q 0 g {scale:.5f} 0 0 {-scale:.5f} {x:.3f} {y + size:.3f} cm {boxes} f Q\n".encode()


def qr_svg(text: str, label: str) -> str:
    """Return an SVG of `text` for a page, quiet zone included. label: what readers of the screen hear."""
    modules = matrix(text)
    side = len(modules) + 2 * QUIET_ZONE
    path = "".join(f"M{x + QUIET_ZONE} {y + QUIET_ZONE}h{length}v1h-{length}z" for x, y, length in runs(modules))
    view = f'viewBox="0 0 {side} {side}" role="img" aria-label="{escape(label, quote=True)}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {view} shape-rendering="crispEdges"><path d="{path}"/></svg>'


def qr_png(text: str, module_px: int = 10, *, quiet_zone: int = QUIET_ZONE) -> bytes:
    """Return a black-and-white PNG of `text`, each module `module_px` pixels wide, quiet zone included."""
    from PIL import Image  # only here: pages that draw SVG need no Pillow

    modules = matrix(text)
    side = len(modules) + 2 * quiet_zone
    image = Image.new("1", (side, side), 1)
    for x, y, length in runs(modules):
        image.paste(0, (x + quiet_zone, y + quiet_zone, x + quiet_zone + length, y + quiet_zone + 1))
    out = BytesIO()
    image.resize((side * module_px, side * module_px), Image.Resampling.NEAREST).save(out, "PNG", optimize=True)
    return out.getvalue()
