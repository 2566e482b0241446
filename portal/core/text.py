"""Words compared as people mean them."""

import unicodedata


def fold(words: str) -> str:
    """Full-width and upper-case letters, and spaces inside words, must not hide a match."""
    return unicodedata.normalize("NFKC", words).casefold()


def megabytes(size: int) -> str:
    """'8 MB' of so many bytes."""
    return f"{size / 2**20:g} MB"
