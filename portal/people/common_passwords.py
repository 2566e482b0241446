"""What is tried first: the commonest passwords in English and Chinese use (data/README.md says where they are from)."""

import gzip
import string
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent / "data" / "common_passwords.txt.gz"
ADDED = 4  # characters before or after a common one that make it no better: 'sunflower!', 'sunflower2026'
SHORTEST = 5  # of what is left: 'seven' with a sentence behind it is no common password


@cache
def _known() -> frozenset[str]:
    return frozenset(gzip.decompress(FILE.read_bytes()).decode().split("\n"))


def is_common(password: str) -> bool:
    """Whether the list has it, in whatever case, as it is or with a few figures and signs at its ends."""
    plain = password.casefold()
    bare = plain.strip(string.digits + string.punctuation)
    dressed = len(plain) - len(bare) <= ADDED and len(bare) >= SHORTEST and bare in _known()
    return plain in _known() or dressed
