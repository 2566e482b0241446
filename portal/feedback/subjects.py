"""What can be evaluated. Features above register their kinds here, so that this feature need not know them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Described:
    """One occasion as pages show it. url: its public page; staff_url: where staff look at it; either may be ''."""

    title: str
    when_text: str
    place: str
    centre_id: int
    url: str = ""
    staff_url: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """A kind of subject: 'activity', 'venue' … label: its Chinese word. describe(ids) reads in the caller's scope."""

    kind: str
    label: str
    describe: Callable[[Sequence[int]], dict[int, Described]]


_subjects: dict[str, Subject] = {}


def register(subject: Subject) -> Subject:
    """Make a kind known; once, when its feature is imported."""
    _subjects[subject.kind] = subject
    return subject


def of(kind: str) -> Subject | None:
    return _subjects.get(kind)


def label(kind: str) -> str:
    """'活动', '场地' …; a kind whose feature is gone is a plain service."""
    found = _subjects.get(kind)
    return found.label if found else "服务"


def kinds() -> list[tuple[str, str]]:
    """(kind, label) of every registered subject, for filters."""
    return [(s.kind, s.label) for s in _subjects.values()]


def describe(kind: str, subject_id: int) -> Described | None:
    """One occasion, or None when its feature or row is gone."""
    found = _subjects.get(kind)
    return found.describe([subject_id]).get(subject_id) if found else None
