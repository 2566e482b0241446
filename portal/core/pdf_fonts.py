"""Shrinks the embedded subsets of big CJK fonts inside a PDF.

WeasyPrint keeps a font's glyph numbers, so a subset of Noto Sans CJK with 400 characters still carries tables
for 62,000 glyphs (about 85 KB of a face after compression). A second pass drops the empty places and keeps only the
outlines: in a CID-keyed font the outlines remember their old numbers, so the pages need no change.
"""

import ctypes
import ctypes.util
import re
import zlib
from functools import lru_cache
from typing import Any

import pikepdf
from pikepdf import Name

_PAIR = re.compile(rb"<([0-9a-fA-F]{4})> <([0-9a-fA-F]*)>")


def glyphs(font: Any) -> dict[int, str]:
    """Return glyph number → text of a PDF font, from its ToUnicode map."""
    cmap = font.ToUnicode.read_bytes()
    return {int(glyph, 16): bytes.fromhex(text.decode()).decode("utf-16-be") for glyph, text in _PAIR.findall(cmap)}


def widths(font: Any) -> dict[int, int]:
    """Return glyph number → advance in thousandths of the type size, from the font's W array."""
    found: dict[int, int] = {}
    entries = list(font.DescendantFonts[0].W)
    for first, run in zip(entries[::2], entries[1::2], strict=True):
        found.update({int(first) + count: int(width) for count, width in enumerate(run)})
    return found


def compact(pdf: pikepdf.Pdf, fonts: Any) -> None:
    """Replace each embedded CID-keyed OpenType subset by its outlines alone; leave other fonts as they are."""
    for font in fonts.values():
        descendant = font.DescendantFonts[0]
        descriptor = descendant.FontDescriptor
        stream = descriptor.get("/FontFile3")
        if stream is None or stream.get("/Subtype") != Name.OpenType:
            continue
        small = _outlines(stream.read_bytes(), sorted(glyphs(font)))
        if small is None:
            continue
        descriptor.FontFile3 = pdf.make_stream(
            zlib.compress(small, 9), Subtype=Name.CIDFontType0C, Filter=Name.FlateDecode
        )
        if "/CIDToGIDMap" in descendant:
            del descendant["/CIDToGIDMap"]


def _outlines(font: bytes, wanted: list[int]) -> bytes | None:
    """Return the CFF table of `font` with only the `wanted` glyphs, or None if that cannot be done safely."""
    small = _subset(font, wanted)
    cff = None if small is None else _table(small, b"CFF ")
    # Only CID-keyed outlines (operator 12 30, ROS, opens their Top DICT) remember glyph numbers.
    if cff is None or b"\x0c\x1e" not in cff[:256]:
        return None
    return cff


def _table(font: bytes, tag: bytes) -> bytes | None:
    for at in range(12, 12 + 16 * int.from_bytes(font[4:6], "big"), 16):
        if font[at : at + 4] == tag:
            start, length = (int.from_bytes(font[at + k : at + k + 4], "big") for k in (8, 12))
            return font[start : start + length]
    return None


@lru_cache(maxsize=1)
def _harfbuzz() -> tuple[Any, Any] | None:
    try:
        base, subset = ctypes.CDLL("libharfbuzz.so.0"), ctypes.CDLL("libharfbuzz-subset.so.0")
    except OSError:
        return None  # WeasyPrint then subsets with fontTools, and the file is only larger
    pointer, integer = ctypes.c_void_p, ctypes.c_uint
    signatures = {
        base: {
            "hb_blob_create": ([ctypes.c_char_p, integer, ctypes.c_int, pointer, pointer], pointer),
            "hb_face_create": ([pointer, integer], pointer),
            "hb_face_reference_blob": ([pointer], pointer),
            "hb_blob_get_data": ([pointer, ctypes.POINTER(integer)], pointer),
            "hb_set_add": ([pointer, integer], None),
            "hb_blob_destroy": ([pointer], None),
            "hb_face_destroy": ([pointer], None),
        },
        subset: {
            "hb_subset_input_create_or_fail": ([], pointer),
            "hb_subset_input_glyph_set": ([pointer], pointer),
            "hb_subset_input_set_flags": ([pointer, integer], None),
            "hb_subset_input_destroy": ([pointer], None),
            "hb_subset_or_fail": ([pointer, pointer], pointer),
        },
    }
    for library, functions in signatures.items():
        for name, (arguments, result) in functions.items():
            function = getattr(library, name)
            function.argtypes, function.restype = arguments, result
    return base, subset


def _subset(font: bytes, wanted: list[int]) -> bytes | None:
    libraries = _harfbuzz()
    if libraries is None:
        return None
    base, subset = libraries
    blob = base.hb_blob_create(font, len(font), 1, None, None)  # 1: read-only, lives as long as `font`
    face = base.hb_face_create(blob, 0)
    order = subset.hb_subset_input_create_or_fail()
    chosen = subset.hb_subset_input_glyph_set(order)
    for glyph in wanted:
        base.hb_set_add(chosen, glyph)
    subset.hb_subset_input_set_flags(order, 0x01)  # no hinting: paper and phones do not use it
    small = subset.hb_subset_or_fail(face, order)
    result = None
    if small:
        data = base.hb_face_reference_blob(small)
        length = ctypes.c_uint()
        address = base.hb_blob_get_data(data, ctypes.byref(length))
        result = ctypes.string_at(address, length.value)
        base.hb_blob_destroy(data)
        base.hb_face_destroy(small)
    subset.hb_subset_input_destroy(order)
    base.hb_face_destroy(face)
    base.hb_blob_destroy(blob)
    return result
