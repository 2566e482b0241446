"""What things are called here: the profile's words and the district's own, and the names of the centres (SPEC C9).

The district's list is one row, read once by whoever searches: a change takes effect at once in all processes.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from flask import g
from sqlalchemy import select

from portal.catalogue.models import SynonymList
from portal.catalogue.public import words
from portal.centres import queries as centres
from portal.core import pages, reads

THE_ONE = 1
_KEPT = select(SynonymList.text, SynonymList.version).where(SynonymList.id == THE_ONE)
LEVELS = ("社区", "街道", "办事处", "新区")  # left out in speaking: 葵涌


@dataclass(frozen=True, slots=True)
class District:
    """The district's list as typed, its version (0: none yet), and all words together with the profile's."""

    text: str
    version: int
    same: words.Same


def current() -> District:
    """The list as it is now; read once a request."""
    if "synonyms" not in g:
        row = reads.row(_KEPT)
        text, version = (row.text, row.version) if row is not None else ("", 0)
        g.synonyms = District(text, version, _together(text))
    found: District = g.synonyms
    return found


def lines_of(text: str) -> list[list[str]]:
    """A list as typed, taken apart: one group a line, as it is compared."""
    return [found for line in text.splitlines() if (found := [words.plain(word) for word in line.split()])]


@lru_cache(maxsize=4)
def _together(text: str) -> words.Same:
    return words.same_of([*words.LINES, *lines_of(text)]) if text else words.OF_PROFILE


def terms(q: str) -> words.Wanted:
    """The words typed, each with what it may be called here."""
    return words.terms(q, current().same) if q else words.NOTHING


def names() -> Collection[str]:
    """What the centres are called, as `words.plain`; kept while nothing of them has changed."""
    return pages.kept(("names", centres.stamp()), _names)


def _names() -> frozenset[str]:
    found = set()
    for place in centres.places():
        for name in (words.plain(place.label), words.plain(place.name)):
            short = next((name.removesuffix(level) for level in LEVELS if name.endswith(level)), name)
            found |= {name, short if len(short) > 1 else name}
    return frozenset(found)
