"""Parts of a day, who takes which shift, and why somebody can go or not (SPEC H7). Pure functions, no database.

Spans are aware and half-open; minutes count from midnight in Shanghai, a part may end on the next day.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Any

from portal.core import clock

DAYS = (7, 14, 31)  # how many days a roster shows
AHEAD = timedelta(days=7)  # gaps of so many days are told
LAST_CALL = timedelta(hours=24)  # before the shift begins the captain is told too
ROLE_LABELS = {"captain": "队长", "contact": "联络专员", "leader": "分队长", "member": "队员"}
ANYBODY = "不限"
Span = tuple[datetime, datetime]
NO_SHIFT, NO_SKILL, LEFT, NOT_YET, BUSY, NO_REST = "off", "skill", "left", "not_yet", "busy", "rest"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a day: [opens, closes) in minutes."""

    code: str
    label: str
    opens: int
    closes: int

    def span(self, day: date) -> Span:
        start = clock.at(day, time())
        return start + timedelta(minutes=self.opens), start + timedelta(minutes=self.closes)

    @property
    def hours(self) -> str:
        """'8:00–13:00'; what ends on the next day says so."""
        end = f"次日 {_clock(self.closes - 1440)}" if self.closes > 1440 else _clock(self.closes)
        return f"{_clock(self.opens)}–{end}"


def _clock(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02d}"


@dataclass(frozen=True, slots=True)
class Policy:
    """What of teams is the deployment's: the table [teams] of its profile."""

    parts: tuple[Part, ...]
    kinds: Mapping[str, str]
    skills: Mapping[str, str]
    rest: timedelta

    def part(self, code: str) -> Part:
        return next(part for part in self.parts if part.code == code)


def policy(raw: Mapping[str, Any]) -> Policy:
    """Raises KeyError, ValueError for a table that cannot be used."""
    parts = tuple(Part(code, label, _minutes(a), _minutes(b)) for code, (label, a, b) in raw["parts"].items())
    return Policy(parts, raw["kinds"], raw["skills"], timedelta(minutes=raw["rest_minutes"]))


def _minutes(text: str) -> int:
    hour, minute = map(int, text.split(":"))
    return hour * 60 + minute


# The roster -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """A shift without anybody yet. role '': whoever."""

    id: int
    day: date
    part: str
    role: str


@dataclass(frozen=True, slots=True)
class Hand:
    """A member as far as rosters ask."""

    id: int
    role: str
    since: date
    until: date | None

    def serves(self, day: date) -> bool:
        return self.since <= day and (self.until is None or day < self.until)


def fits(role: str, of: str) -> bool:
    """Whether a member of role `of` may take a shift for `role`."""
    return role in ("", of)


def share_out(places: Sequence[Place], hands: Sequence[Hand], held: Iterable[tuple[int, date, str]]) -> dict[int, int]:
    """Place id -> member id: who has had least so far, nobody twice on a day, none in the morning after a night.

    held: (member, day, part) of the shifts that are filled already. What nobody fits stays open. The same input gives
    the same roster; where it must be, somebody has two parts of a day, never two at once.
    """
    have: dict[tuple[int, date], set[str]] = {}
    load: Counter[int] = Counter()
    for member, day, part in held:
        have.setdefault((member, day), set()).add(part)
        load[member] += 1
    found: dict[int, int] = {}
    for place in sorted(places, key=lambda p: (p.day, p.role == "", _ORDER.get(p.part, 0), p.id)):
        able = [h for h in hands if h.serves(place.day) and fits(place.role, h.role) and _free(have, h.id, place)]
        if not able:
            continue
        best = min(able, key=lambda h: (len(have.get((h.id, place.day), ())), load[h.id], h.id))
        found[place.id] = best.id
        load[best.id] += 1
        have.setdefault((best.id, place.day), set()).add(place.part)
    return found


_ORDER = {"am": 0, "pm": 1, "evening": 2, "night": 3}
_DAY = timedelta(days=1)


def _free(have: Mapping[tuple[int, date], set[str]], member: int, place: Place) -> bool:
    """Not at that moment already, and never a night with a shift right before or after it."""
    here = have.get((member, place.day), set())
    if place.part in here:
        return False
    if place.part == "night":
        return "evening" not in here and "am" not in have.get((member, place.day + _DAY), set())
    if place.part == "evening":
        return "night" not in here
    return place.part != "am" or "night" not in have.get((member, place.day - _DAY), set())


def coverage(filled: int, needed: int) -> int:
    """In %, rounded down, so that 100 means that none is missing; 100 where none is needed."""
    return filled * 100 // needed if needed else 100


def gap_step(start: datetime, now: datetime) -> int:
    """Who should know of an open shift by now: 0 nobody, 1 the contact person, 2 the captain too; -1 it has begun."""
    if start <= now:
        return -1
    if start - now <= LAST_CALL:
        return 2
    return 1 if start - now <= AHEAD else 0


# Who is free ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Busy:
    """What keeps a member: [start, end), what: for whoever plans, without a name ('上门办事')."""

    member_id: int
    start: datetime
    end: datetime
    what: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """can: goes. code: which rule says no ('' when none). reason: in words, also for those who can."""

    can: bool
    code: str
    reason: str


def verdict(
    who: Hand, skills: Collection[str], wanted: Span, skill: str, on: Sequence[Span], rostered: bool,
    busy: Sequence[Busy], p: Policy,
) -> Verdict:  # fmt: skip
    """Whether a member can go during `wanted`, and why (not). on: spans of the shifts; rostered: the team has a roster
    of that day; skill '' asks for none.
    """
    day = clock.today(wanted[0])
    if not who.serves(day):
        early = day < who.since
        return Verdict(False, NOT_YET if early else LEFT, f"{clock.day(who.since)} 才入队" if early else "已离队")
    if skill and skill not in skills:
        return Verdict(False, NO_SKILL, f"没有这项技能（{p.skills.get(skill, skill)}）")
    kept = _kept(wanted, busy, p.rest)
    if kept is not None:
        return kept
    if rostered and not _covers(on, wanted):
        return Verdict(False, NO_SHIFT, _off(on))
    return Verdict(True, "", f"在班，{_until(on, busy)}有空" if rostered else "当天没有排班，那时没有别的单")


def _kept(wanted: Span, busy: Sequence[Busy], rest: timedelta) -> Verdict | None:
    start, end = wanted
    least = f"{int(rest.total_seconds() // 60)} 分钟"
    for one in sorted(busy, key=lambda b: b.start):
        if one.start < end and start < one.end:
            return Verdict(False, BUSY, f"那时有单：{clock.hour(one.start)}–{clock.hour(one.end)} {one.what}")
        if timedelta() <= start - one.end < rest:
            return Verdict(False, NO_REST, f"离上一单不到 {least}，{clock.hour(one.end)} 才办完")
        if timedelta() <= one.start - end < rest:
            return Verdict(False, NO_REST, f"离下一单不到 {least}，{clock.hour(one.start)} 就有单")
    return None


def _covers(on: Sequence[Span], wanted: Span) -> bool:
    """Whether shifts, put together, hold the whole span."""
    reached, end = wanted
    for start, stop in sorted(on):
        if start <= reached < stop:
            reached = stop
    return reached >= end


def _off(on: Sequence[Span]) -> str:
    if not on:
        return "不在班，当天没有排他"
    return "不在班，当天排在 " + "、".join(f"{clock.hour(a)}–{clock.hour(b)}" for a, b in sorted(on))


def _until(on: Sequence[Span], busy: Sequence[Busy]) -> str:
    free = _gaps(sorted(on), busy)
    return "、".join(f"{clock.hour(a)}–{clock.hour(b)} " for a, b in free[:2])


def _gaps(on: Sequence[Span], busy: Sequence[Busy]) -> list[Span]:
    """What is left of the shifts, put together where they meet."""
    joined: list[Span] = []
    for start, end in on:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    for one in busy:
        joined = [piece for a, b in joined for piece in ((a, min(b, one.start)), (max(a, one.end), b))
                  if piece[0] < piece[1]]  # fmt: skip
    return joined


@cache
def weekday_label(number: int) -> str:
    return "周" + clock.WEEKDAYS[number]
