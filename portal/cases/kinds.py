"""The kinds of cases. Features above register theirs here, so that cases need not know them."""

from dataclasses import dataclass

from portal.core.access import Permission


@dataclass(frozen=True, slots=True)
class Kind:
    """label: what staff call one ('回访'). section: the line of the left column it counts for. permission: who does it.

    topic: what its outbox effects begin with: '<topic>.overdue' {case_id, step}, '<topic>.lifted' {case_id}, where its
    policy warns '<topic>.soon' {case_id}, where it is offered to others '.offered', '.declined', '.lapsed' {case_id}.
    """

    name: str
    label: str
    section: str
    permission: Permission
    topic: str


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> Kind:
    """Make a kind known; once, when its feature is imported."""
    _kinds[kind.name] = kind
    return kind


def of(name: str) -> Kind:
    """Raises KeyError for a kind whose feature is not installed."""
    return _kinds[name]


def everything() -> list[Kind]:
    return list(_kinds.values())
