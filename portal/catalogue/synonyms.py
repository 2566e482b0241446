"""What things are called here: the profile's words and the district's own, and the names of the centres (SPEC C9).

The district's list is one row, read once by whoever searches: a change takes effect at once in all processes.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from flask import g
from sqlalchemy import select, update

from portal.catalogue import words
from portal.catalogue.models import SynonymList
from portal.centres import queries as centres
from portal.core import audit, pages, reads
from portal.core.access import Actor, Permission
from portal.core.db import db, hit
from portal.core.errors import DomainError, Invalid, NotAllowed

THE_ONE = 1
_ONE = SynonymList.id == THE_ONE
# With what tells that the names of centres have changed: one statement for whoever searches.
_KEPT = select(
    select(SynonymList.text).where(_ONE).scalar_subquery().label("text"),
    select(SynonymList.version).where(_ONE).scalar_subquery().label("version"),
    *(column.label(name) for name, column in zip(("count", "changed_at"), centres.TREE.subquery().c, strict=True)),
)
LEVELS = ("社区", "街道", "办事处", "新区")  # left out in speaking: 葵涌


@dataclass(frozen=True, slots=True)
class District:
    """The district's list as typed, its version (0: none yet), all words together with the profile's, and what the
    centres are called, as `words.plain`."""

    text: str
    version: int
    same: words.Same
    centres: Collection[str]


def current() -> District:
    """The list as it is now; read once a request. The names of centres are kept while nothing of them has changed."""
    if "synonyms" not in g:
        row = reads.rows(_KEPT)[0]
        text, names = row.text or "", pages.kept(("names", row.count, row.changed_at), _names)
        g.synonyms = District(text, row.version or 0, _together(text), names)
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


def _names() -> frozenset[str]:
    found = set()
    for place in centres.places():
        for name in (words.plain(place.label), words.plain(place.name)):
            short = next((name.removesuffix(level) for level in LEVELS if name.endswith(level)), name)
            found |= {name, short if len(short) > 1 else name}
    return frozenset(found)


# Setting them ---------------------------------------------------------------------------------------------------------

MOST_LINES, MOST_IN_LINE, SHORTEST, LONGEST = 200, 20, 2, 12  # lines; words in one; characters of a word
MOST_TEXT = 8000  # characters of the whole list


class Unusable(Invalid):
    field = "text"


class ChangedMeanwhile(DomainError):
    message = "别人刚刚改过这张表，您的还没有保存。"
    advice = "请先复制您写的，打开这一页看看现在的，再改一次。"
    field = "text"


def may_set(actor: Actor) -> bool:
    """One list for the whole district: the business of whoever keeps its guides."""
    return actor.can(Permission.GUIDES) and actor.department_id is None and centres.at_top(actor)


def tidied(typed: str) -> str:
    """The list as it is kept: one group a line, words in the form in which they are compared.

    Raises Unusable with the first line that cannot be used, and why.
    """
    lines, seen = [], dict[str, int]()
    for number, line in enumerate(typed.splitlines(), 1):
        group = list(dict.fromkeys(found for word in line.split() if (found := words.plain(word))))
        if not group:
            continue
        problem = _problem(group, seen)
        if problem:
            raise Unusable(f"第 {number} 行：{problem}")
        seen |= dict.fromkeys(group, number)
        lines.append(" ".join(group))
    if len(lines) > MOST_LINES:
        raise Unusable(f"最多 {MOST_LINES} 行，现在 {len(lines)} 行。", advice="意思相同的请并成一行。")
    return "\n".join(lines)


def _problem(group: list[str], seen: dict[str, int]) -> str:
    """What is wrong with one line, and what to do; '' when nothing is."""
    if len(group) < 2:
        return f"只有“{group[0]}”一个词。一行至少写两个意思相同的词，用空格分开。"
    if len(group) > MOST_IN_LINE:
        return f"一行最多 {MOST_IN_LINE} 个词，请只留居民常说的。"
    for word in group:
        if not SHORTEST <= len(word) <= LONGEST:
            return f"“{word}”太{'短' if len(word) < SHORTEST else '长'}，一个词 {SHORTEST} 到 {LONGEST} 个字。"
        if word in seen:
            return f"“{word}”在第 {seen[word]} 行已经有了，请并成一行。"
    return ""


def set_list(actor: Actor, typed: str, version: int, now: datetime) -> int:
    """Write the district's list; searches follow at once. version: of the list that was looked at.

    Returns how many groups there are. Raises NotAllowed, Unusable, ChangedMeanwhile.
    """
    if not may_set(actor):
        raise NotAllowed("全区的说法由统一发布清单的上级来定。")
    text, old = tidied(typed), current()
    if version != old.version:
        raise ChangedMeanwhile()
    if text != old.text:
        _write(text, version)
        g.pop("synonyms")
        gone, new = set(old.text.splitlines()), set(text.splitlines())
        audit.record(
            actor, "set_synonyms", "synonyms", THE_ONE, now, summary=f"{len(new)} 组",
            before={"lines": sorted(gone - new)}, after={"lines": sorted(new - gone)},
        )  # fmt: skip
    return len(text.splitlines())


def _write(text: str, version: int) -> None:
    if version == 0:
        db.session.add(SynonymList(id=THE_ONE, text=text, version=1))
        db.session.flush()
        return
    same = update(SynonymList).where(SynonymList.id == THE_ONE, SynonymList.version == version)
    if hit(same.values(text=text, version=version + 1)) != 1:
        raise ChangedMeanwhile()
