"""Until when one may answer, what is low, how an average is shown (SPEC S7). Pure functions, no database."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any

from portal.core import clock
from portal.core.words import Refusal

MOST_WORDS = 300
STARS = (1, 2, 3, 4, 5)
STAR_WORDS = {1: "很差", 2: "不满意", 3: "一般", 4: "满意", 5: "很满意"}
GOOD_FROM = 4  # from so many stars on one is asked what was good, below what was not
LAST_HOUR = time(20)


@dataclass(frozen=True, slots=True)
class Tags:
    good: tuple[str, ...] = ()
    poor: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """The deployment's numbers and words (table [feedback] of its profile)."""

    answer_days: int = 14
    change_days: int = 7
    low_stars: int = 2
    public_minimum: int = 5
    again_days: int = 7
    outcomes: tuple[str, ...] = ()
    tags: Mapping[str, Tags] = field(default_factory=dict)  # by kind of subject, 'default' for all others


def policy(table: Mapping[str, Any]) -> Policy:
    """The profile's table as a Policy. Raises TypeError for a key that does not exist."""
    tags = {kind: Tags(tuple(t["good"]), tuple(t["poor"])) for kind, t in table.get("tags", {}).items()}
    plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in table.items() if k != "tags"}
    return Policy(tags=tags, **plain)


def answer_until(asked_at: datetime, p: Policy) -> datetime:
    return _evening(asked_at + timedelta(days=p.answer_days))


def change_until(given_at: datetime, p: Policy) -> datetime:
    return _evening(given_at + timedelta(days=p.change_days))


def _evening(moment: datetime) -> datetime:
    """The first 20:00 in Shanghai not before `moment`: an hour that people keep in mind."""
    evening = clock.at(clock.local(moment).date(), LAST_HOUR)
    return evening if evening >= moment else evening + timedelta(days=1)


def may_answer(until: datetime, given_at: datetime | None, now: datetime, p: Policy) -> Refusal | None:
    """Why one can no longer answer or change the answer, or None. until: half-open, as every deadline."""
    if given_at is None:
        if now < until:
            return None
        return Refusal("over", f"评价已经在{clock.stamp(until)}结束了。", "还有话想说，请打电话给中心。")
    if now < change_until(given_at, p):
        return None
    return Refusal("fixed", f"您已经评过了，{p.change_days} 天内可以改，现在不能再改。", "还有话想说，请打电话给中心。")


def is_low(stars: int, p: Policy) -> bool:
    return stars <= p.low_stars


def tags_for(p: Policy, kind: str, stars: int) -> tuple[str, ...]:
    """The tags offered for so many stars of this kind."""
    tags = p.tags.get(kind) or p.tags.get("default") or Tags()
    return tags.good if stars >= GOOD_FROM else tags.poor


def fitting(p: Policy, kind: str, stars: int, tags: Iterable[str]) -> list[str]:
    """Those of `tags` that are offered for so many stars, in the order of the profile."""
    chosen = set(tags)
    return [t for t in tags_for(p, kind, stars) if t in chosen]


def rounded(total: int, count: int) -> float:
    """total / count to one decimal, half up: 4.25 is 4.3 (floats would say 4.2). count > 0."""
    return (20 * total + count) // (2 * count) / 10


def may_say_again(closed_at: datetime | None, reopened_at: datetime | None, now: datetime, p: Policy) -> Refusal | None:
    """Why 'not solved' can no longer be said, or None: once, within the days after closing."""
    if closed_at is None:
        return Refusal("open", "这件事正在回访，请等我们的电话。")
    if reopened_at is not None:
        return Refusal("twice", "您已经说过一次还没解决，上级也回访过了。", "仍不满意，请打电话给上级中心或政务热线。")
    if now >= closed_at + timedelta(days=p.again_days):
        return Refusal("over", f"回访结束超过 {p.again_days} 天了，不能在这里重开。", "请打电话给中心，我们重新登记。")
    return None
