"""The kinds of help of a deployment, and the figures for all of them (SPEC H1; table [help] of its profile)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any

from portal.cases.policy import Term
from portal.centres import profile


@dataclass(frozen=True, slots=True)
class HelpKind:
    """short, words: on the big button. elder, elder_words: how the elder version says it, '' left out there.

    whole: working days from sending it on to its end. For the rest see the profile.
    """

    code: str
    name: str
    short: str
    words: str
    icon: str
    whole: int
    needs_registered: bool = False
    home_visit: bool = False
    health: bool = False
    elder: str = ""
    elder_words: str = ""

    @property
    def term(self) -> Term:
        return Term("workdays", self.whole)


@dataclass(frozen=True, slots=True)
class Policy:
    """Days and metres. silence_days: after which what is done counts as confirmed by default."""

    consent_version: str
    silence_days: int = 7
    near_days: int = 14
    near_metres: int = 200
    position_days: int = 30
    voice_days: int = 90
    kinds: Mapping[str, HelpKind] = field(default_factory=dict)

    @property
    def silence(self) -> timedelta:
        return timedelta(days=self.silence_days)


def read(table: Mapping[str, Any]) -> Policy:
    """The profile's table as a Policy. Raises TypeError for a key that does not exist."""
    kinds = {code: HelpKind(code=code, **values) for code, values in table.get("kinds", {}).items()}
    return Policy(kinds=kinds, **{k: v for k, v in table.items() if k != "kinds"})


@cache
def _policy(code: str) -> Policy:
    return read(profile.load(code).help)


def policy() -> Policy:
    """This deployment's."""
    return _policy(profile.current().code)


def everything() -> list[HelpKind]:
    """In the order of the profile."""
    return list(policy().kinds.values())


def of(code: str) -> HelpKind | None:
    return policy().kinds.get(code)


def name(code: str) -> str:
    """'代办'; of a kind that the profile has no longer, a plain word."""
    found = of(code)
    return found.name if found else "求助"
