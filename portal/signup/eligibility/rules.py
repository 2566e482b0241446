"""For whom an activity is and who fits (SPEC P2, S3). Pure functions, no database.

Only the birth year is known: whoever may be of the age on the day of the activity fits. What is not known is None, and
nobody is stopped or asked because of it.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Protocol

from portal.catalogue.rules import groups_in
from portal.core import clock
from portal.core.words import Refusal

Ages = tuple[int, int]  # full years, both ends included
OLDEST = 150
ME = "me"  # the resident, beside the numbers of relatives

_BRACKETS = re.compile(r"[（(]([^）)]*)[）)]")
_PARTS = re.compile(r"[、，,；;/]|和|及(?!以)|或(?!以)")
_SPAN = re.compile(r"(\d{1,3})\s*周?岁?\s*[-至到~—–]\s*(\d{1,3})\s*周?岁")
_LEAST = re.compile(r"(?:年满\s*)?(\d{1,3})\s*周?岁\s*(?:及以上|或以上|以上)|年满\s*(\d{1,3})\s*周?岁")
_MOST = re.compile(r"(\d{1,3})\s*周?岁\s*(?:及以下|或以下|以下|以内)")
_ONLY_AGE = re.compile(r"[\d\s年满周岁\-至到~—–及或以上下内]+")
_WORDS: tuple[tuple[str, Ages], ...] = (
    ("学龄前|幼儿", (0, 6)), ("中小学", (6, 18)), ("小学", (6, 12)), ("初中|高中|中学", (12, 18)),
    ("未成年", (0, 17)), ("成年", (18, OLDEST)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """One of those whom an activity names: groups, of which one will do, and ages, of which one will do."""

    groups: tuple[str, ...] = ()
    ages: tuple[Ages, ...] = ()


@dataclass(frozen=True, slots=True)
class Aim:
    """For whom an activity is: one of the parts will do; none for everybody. words: as its page says it."""

    parts: tuple[Part, ...] = ()
    words: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody one may sign up. value: 'me', or a relative's number; groups: codes they ticked themselves."""

    value: str
    name: str
    called: str  # '我', '母亲'
    birth_year: int | None = None
    groups: frozenset[str] = field(default_factory=frozenset)

    @property
    def text(self) -> str:
        return f"{self.called}（{self.name}）"


@lru_cache(maxsize=512)
def aim(audience: str, groups: tuple[str, ...] = ()) -> Aim:
    """What an activity's words for its audience and its groups say together: '60岁以上长者、残疾人' are two parts.

    A condition in brackets counts only where it is an age and nothing else: '居民（18岁以上）'.
    """
    plain = _BRACKETS.sub(lambda found: found[1] if _ONLY_AGE.fullmatch(found[1]) else "", audience)
    parts = [part for part in (_part(words) for words in _PARTS.split(plain)) if part.groups or part.ages]
    named = {code for part in parts for code in part.groups}
    others = tuple(code for code in groups if code not in named)
    if others:
        parts.append(Part(others))
    open_to_all = bool(re.search(r"全体|不限|所有|广大", plain)) and not groups
    return Aim(() if open_to_all and not any(p.ages for p in parts) else tuple(parts), audience)


def _part(words: str) -> Part:
    spans = [(int(a), int(b)) for a, b in _SPAN.findall(words)]
    rest = _SPAN.sub("", words)
    spans += [(int(a or b), OLDEST) for a, b in _LEAST.findall(rest)]
    spans += [(0, int(a)) for a in _MOST.findall(rest)]
    if not spans:
        spans = [ages for pattern, ages in _WORDS if re.search(pattern, words)][:1]
    return Part(groups_in(words), tuple(spans))


def ages_on(birth_year: int, year: int) -> Ages:
    """The two ages that somebody born in `birth_year` has in the course of `year`."""
    return year - birth_year - 1, year - birth_year


def _aged(birth_year: int | None, year: int, ages: Iterable[Ages]) -> bool | None:
    if birth_year is None:
        return None
    youngest, oldest = ages_on(birth_year, year)
    return any(low <= oldest and youngest <= high for low, high in ages)


def fits(
    aim: Aim, person: Person, year: int, group_ages: Mapping[str, Ages], household: Sequence[Person] = ()
) -> bool | None:
    """Whether the activity of `year` is for this person; None: what they told does not say.

    group_ages: the ages that tell a group (the deployment's). household: whom else they sign up; parents come with
    their children.
    """  # fmt: skip
    if not aim.parts:
        return True
    answers = [_fits_part(part, person, year, group_ages, household) for part in aim.parts]
    return True if True in answers else None if None in answers else False


def _fits_part(
    part: Part, person: Person, year: int, group_ages: Mapping[str, Ages], household: Sequence[Person]
) -> bool | None:
    if "family" in part.groups:
        return _fits_family(part, person, year, group_ages, household)
    if set(part.groups) & person.groups and _aged(person.birth_year, year, part.ages or ((0, OLDEST),)) is not False:
        return True
    if part.ages:
        aged = _aged(person.birth_year, year, part.ages)
        told_by_age = not part.groups or any(code in group_ages for code in part.groups)
        return aged if told_by_age or aged is False else None
    answers = [
        _aged(person.birth_year, year, [group_ages[code]]) if code in group_ages else None for code in part.groups
    ]
    return True if True in answers else None if None in answers else False


def _fits_family(
    part: Part, person: Person, year: int, group_ages: Mapping[str, Ages], household: Sequence[Person]
) -> bool | None:
    """Parents with children: a grown-up; of the age wanted is the child, so far as it is known."""
    wanted = part.ages or ((group_ages["child"],) if "child" in group_ages else ())
    if person.groups & {"family"} or not wanted:
        return True
    if _aged(person.birth_year, year, wanted):
        return True
    children = [_aged(other.birth_year, year, wanted) for other in household if other.value != person.value]
    return True if True in children else None


def preselect(
    aim: Aim, people: Sequence[Person], year: int, group_ages: Mapping[str, Ages], household: Sequence[Person] = ()
) -> str:
    """The value of whom it fits best: who surely fits, else who may, else the first; '' for nobody."""
    rank = {True: 0, None: 1, False: 2}
    ranked = sorted(people, key=lambda one: rank[fits(aim, one, year, group_ages, household or people)])
    return ranked[0].value if ranked else ""


def question(aim: Aim, chosen: Person, instead: Person | None) -> str:
    """'这个活动给小学生，您选的是陈秀英，要换成陈小舟吗？'; without somebody better, what else one can do."""
    said = f"这个活动给{aim.words}，您选的是{chosen.name}"
    if instead is not None:
        return f"{said}，要换成{instead.name}吗？"
    return f"{said}。要给家人报，可以先把家人加上；确实合适，也可以照样报。"


# What a rule demands --------------------------------------------------------------------------------------------------

# How a person stands to a demand, the best first. CLAIM_* are also the statuses of models.GroupClaim.
YES, CLAIM_ASKED, UNCONFIRMED, CLAIM_REFUSED, UNKNOWN, NO = (
    "confirmed",
    "asked",
    "unconfirmed",
    "refused",
    "unknown",
    "no",
)
STANDINGS = (YES, CLAIM_ASKED, UNCONFIRMED, CLAIM_REFUSED, UNKNOWN, NO)


class Demanding(Protocol):
    """The columns of an entry that say who alone may join."""

    groups: Sequence[str]
    groups_only: bool
    groups_first_until: datetime | None


@dataclass(frozen=True, slots=True)
class Demand:
    """Who alone may join at this moment: those of one of the groups. words: the groups'. until: None: for good."""

    groups: tuple[str, ...]
    words: str
    until: datetime | None = None


def demand(entry: Demanding, words: str, now: datetime) -> Demand | None:
    """What an entry demands at this moment of whoever joins; None: nothing (S3)."""
    if not entry.groups:
        return None
    if entry.groups_only:
        return Demand(tuple(entry.groups), words)
    until = entry.groups_first_until
    return Demand(tuple(entry.groups), words, until) if until is not None and now < until else None


def standing(
    wanted: Demand, person: Person, year: int, group_ages: Mapping[str, Ages], confirmed: Collection[str],
    claims: Mapping[str, str],
) -> str:  # fmt: skip
    """How a person stands to a demand: one of STANDINGS.

    confirmed: codes on whose own word nothing rests (the deployment's). claims: status of what was asked, by code.
    """
    found = {_stands(code, person, year, group_ages, confirmed, claims.get(code)) for code in wanted.groups}
    return min(found, key=STANDINGS.index)


def _stands(
    code: str, person: Person, year: int, group_ages: Mapping[str, Ages], confirmed: Collection[str],
    claim: str | None,
) -> str:  # fmt: skip
    if claim == YES:
        return YES
    told = _fits_part(Part((code,)), person, year, group_ages, ())
    if told is False:
        return NO
    if code in confirmed:
        return claim or UNCONFIRMED
    return YES if told else UNKNOWN


def refusal(wanted: Demand, stands: str, name: str, why: str = "") -> Refusal | None:
    """Why somebody called `name` may not join now, and what to do; None when they may. why: of a refused claim."""
    if stands == YES:
        return None
    only = f"现在先由{wanted.words}报名" if wanted.until else f"这个活动只限{wanted.words}报名"
    later = f"{clock.stamp(wanted.until)} 起都可以报，到时候再来。" if wanted.until else ""
    said = {
        CLAIM_ASKED: (f"{only}，已请社区确认{name}的情况。", f"确认后马上通知您。{later}"),
        UNCONFIRMED: (f"{only}，要由社区确认一次。", f"点“请社区确认”，确认后通知您，以后不用再办。{later}"),
        CLAIM_REFUSED: (f"{only}，社区没有确认{name}：{why}。", f"情况有变可以再请社区确认。{later}"),
        UNKNOWN: (f"{only}。", f"先填上{name}的出生年份或人群，再回来报。{later}"),
        NO: (f"{only}。", later or "可以看看别的活动，或者给合适的家人报名。"),
    }[stands]
    return Refusal(f"group_{stands}", *said, until=wanted.until)


def to_ask(wanted: Demand, person: Person, confirmed: Collection[str], claims: Mapping[str, str]) -> tuple[str, ...]:
    """Which groups the community is asked about: those the person ticked of the demanded, else all of them."""
    open_ones = [c for c in wanted.groups if c in confirmed and claims.get(c) not in (YES, CLAIM_ASKED)]
    return tuple(c for c in open_ones if c in person.groups) or tuple(open_ones)
