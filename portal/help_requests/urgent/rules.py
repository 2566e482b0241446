"""Who is alarmed when, and what is said of it. Pure functions (SPEC H4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from portal.core import clock

JOINS = timedelta(minutes=10)  # the same person's next press belongs to the alarm that is open
RINGS = timedelta(hours=24)  # nothing older rings; it is an overdue case then
ALIVE = timedelta(seconds=150)  # a page says every minute that it is there
REPORT = timedelta(hours=24)
ROUGH = 1000  # metres: a position that is worse is no place to go to
MISTAKES_SHOWN, MISTAKES_WITHIN = 3, timedelta(days=30)
MOST_CALLS, CALLS_WITHIN = 12, timedelta(minutes=10)  # of one network, from people who are not signed in
POSITION_KEPT, VOICE_KEPT = timedelta(days=30), timedelta(days=90)
STRANGERS_KEPT = timedelta(days=184)  # of whoever was not signed in
WATCH_KEPT, LISTENERS_KEPT = timedelta(days=40), timedelta(days=8)
HOLD = timedelta(seconds=2)  # that a finger stays, before help is called
MUTE = timedelta(minutes=1)  # of one screen, by whoever sits there; the alarm goes on
DAY_FROM, DAY_UNTIL = 7, 22  # in which somebody should listen
MOST_WORDS, MOST_REPORT = 500, 1000
NUMBERS = {"120": "急救", "110": "报警", "119": "火警"}


def milliseconds(length: timedelta) -> int:
    """For scripts."""
    return int(length / timedelta(milliseconds=1))


@dataclass(frozen=True, slots=True)
class Policy:
    """step: until the next ones are alarmed. move: within which whoever took it must set out. calls, every: how often
    and in what distance the telephones of the top are rung in the end."""

    step: timedelta = timedelta(minutes=3)
    move: timedelta = timedelta(minutes=5)
    every: timedelta = timedelta(minutes=5)
    calls: int = 6
    outcomes: tuple[str, ...] = ()


def policy(table: Mapping[str, Any]) -> Policy:
    """The profile's table [urgent]: minutes and words. Raises TypeError for a key that does not exist."""
    raw: dict[str, Any] = dict(table)
    for key in [key for key in raw if key.endswith("_minutes")]:
        raw[key.removesuffix("_minutes")] = timedelta(minutes=raw.pop(key))
    return Policy(**raw | {"outcomes": tuple(raw.get("outcomes", ()))})


@dataclass(frozen=True, slots=True)
class Place:
    """A centre that may be alarmed. listens: somebody's page is open there now."""

    id: int
    label: str
    listens: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """no: 0 at once … at: from when on. kind: 'screen' or 'phone'."""

    no: int
    centre_id: int
    at: datetime
    why: str
    kind: str = "screen"


@dataclass(frozen=True, slots=True)
class Around:
    """Who may be alarmed about a community: own and the levels above it, nearest first, neighbours, the others below
    the level above."""

    own: Place
    above: Sequence[Place]
    neighbours: Sequence[Place]
    others: Sequence[Place]

    @property
    def top(self) -> Place:
        return self.above[-1] if self.above else self.own


def steps(around: Around, now: datetime, p: Policy) -> list[Step]:
    """Every step of a ring, each centre once by its earliest; then the telephones of the top, again and again.

    The community and the level above at once; so many minutes later the next neighbour and the top; again so many later
    the second one and everybody below the level above. Whoever nobody listens at is not waited for.
    """
    second = now + p.step
    why1 = f"{around.own.label} {_minutes(p.step)} 没有人接"
    if not around.own.listens:
        second, why1 = now, f"{around.own.label}现在没有人在线"
    third = second + p.step
    if not any(place.listens for place in (around.own, *around.above, *around.neighbours[:1])):
        third = now
    found = [Step(0, around.own.id, now, f"{around.own.label}的居民求助")]
    found += [Step(0, place.id, now, f"{around.own.label}归这里管") for place in around.above[:1]]
    found += [Step(1, place.id, second, f"{why1}，您这里最近") for place in around.neighbours[:1]]
    found += [Step(1, around.top.id, second, why1)] if around.above else []
    found += [
        Step(2, place.id, third, f"{why1}，附近也没有人接") for place in (*around.neighbours[1:2], *around.others)
    ]
    by_centre: dict[int, Step] = {}
    for step in found:
        known = by_centre.get(step.centre_id)
        if known is None or step.at < known.at:
            by_centre[step.centre_id] = step
    return [*by_centre.values(), *_phones(by_centre.values(), around.top, third + p.step, p)]


def _phones(screens: Any, top: Place, last: datetime, p: Policy) -> list[Step]:
    """The telephones of each centre with its pages; in the end those of the top every few minutes."""
    first = [Step(s.no, s.centre_id, s.at, s.why, "phone") for s in screens]
    again = [Step(3 + n, top.id, last + n * p.every, "一直没有人接", "phone") for n in range(p.calls)]
    return [*first, *again]


def _minutes(length: timedelta) -> str:
    return clock.lasting(length)


def on_duty(opens: int, closes: int, now: datetime) -> bool:
    """Whether a telephone is rung now; equal: day and night; closes before opens: over midnight."""
    if opens == closes:
        return True
    there = clock.local(now)
    minute = there.hour * 60 + there.minute
    return opens <= minute < closes if opens < closes else minute >= opens or minute < closes


def usable(accuracy: int | None) -> bool:
    """Whether a position is a place to go to."""
    return accuracy is not None and accuracy <= ROUGH


def clock_seconds(moment: datetime) -> str:
    """'14:21:06'."""
    return f"{clock.local(moment):%H:%M:%S}"


def lasted(start: datetime, end: datetime) -> str:
    """'32 秒', '4 分 10 秒', '2 小时 5 分'."""
    seconds = max(0, int((end - start).total_seconds()))
    if seconds < 60:
        return f"{seconds} 秒"
    if seconds < 3600:
        return f"{seconds // 60} 分 {seconds % 60} 秒"
    return f"{seconds // 3600} 小时 {seconds % 3600 // 60} 分"


def counter(start: datetime, now: datetime) -> str:
    """'0:32', as a stop-watch shows it."""
    seconds = max(0, int((now - start).total_seconds()))
    return f"{seconds // 60}:{seconds % 60:02d}"


def uncovered(spans: Sequence[tuple[datetime, datetime]], start: datetime, end: datetime) -> int:
    """How many minutes of [start, end) no span covers; spans may overlap, in any order."""
    free, upto = timedelta(), start
    for since, until in sorted(spans):
        if since > upto:
            free += min(since, end) - upto
        upto = max(upto, until)
        if upto >= end:
            break
    if upto < end:
        free += end - upto
    return int(free.total_seconds() // 60)
