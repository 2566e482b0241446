"""Words compared as people mean them, and tables of words for spreadsheets."""

import io
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from defusedcsv import csv

_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060\ufeff\u00ad]|_x000[dD]_")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def fold(words: str) -> str:
    """Full-width and upper-case letters, and spaces inside words, must not hide a match."""
    return unicodedata.normalize("NFKC", words).casefold()


def tidy(text: str) -> str:
    """Line ends, invisible and control characters put right; the words stay as typed."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _CONTROL.sub("", _INVISIBLE.sub("", text)).replace("\u00a0", " ").replace("\u3000", " ")
    return text.strip()


def megabytes(size: int) -> str:
    """'8 MB' of so many bytes."""
    return f"{size / 2**20:g} MB"


def csv_table(rows: Iterable[Iterable[Any]]) -> str:
    """CSV with the mark that tells Excel that it is UTF-8; no cell becomes a formula, in full width neither."""
    stream = io.StringIO()
    csv.writer(stream).writerows([_harmless(cell) for cell in row] for row in rows)
    return "\ufeff" + stream.getvalue()


def _harmless(cell: Any) -> Any:
    """Chinese spreadsheets read '＝' as '='; defusedcsv knows the half-width signs."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("＝", "＋", "－", "＠", "\t", "\r", "\n")) else cell
