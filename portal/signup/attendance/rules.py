"""When one checks in, who a walk-in is, what a late mark is worth (SPEC S6). Pure functions, no database."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from portal.core import clock
from portal.core.words import Refusal

EARLY = timedelta(hours=1)  # whoever is there before the time is checked in all the same
LATE = timedelta(minutes=30)  # the code at the place works a little longer than the activity
RECONCILED_WITHIN = timedelta(days=31)  # the paper roster is gone through by then
OLDEST_MARK = timedelta(days=7)  # a phone that found no network for longer has no say about the time any more
TAIL = 4  # digits of a telephone by which somebody at the door is told apart
SURNAME = 2  # characters at most (欧阳)


class Date(Protocol):
    """One date of an activity, half-open."""

    starts_at: datetime
    ends_at: datetime


def own_refusal(date: Date, now: datetime) -> Refusal | None:
    """Why the code at the place does not work now: it does from EARLY before the start to LATE after the end."""
    if now < date.starts_at - EARLY:
        return Refusal("early", f"{clock.stamp(date.starts_at - EARLY)} 起才能签到。", "到了时间再扫一次。")
    if now >= date.ends_at + LATE:
        return Refusal("over", "这一场已经结束，签到关了。", "人来过却没签上的，请跟工作人员说一声。")
    return None


def staff_refusal(date: Date, now: datetime) -> Refusal | None:
    """Why staff may not mark anybody now: not before EARLY, and not long after it is over."""
    if now < date.starts_at - EARLY:
        return Refusal("early", f"{clock.stamp(date.starts_at - EARLY)} 起才能登记到场。", "到时候再打开这一页。")
    if now >= date.ends_at + RECONCILED_WITHIN:
        past = clock.lasting(RECONCILED_WITHIN)
        return Refusal("over", f"结束超过 {past}，名单不能再改了。", "纸上的签到表请照旧存档。")
    return None


def not_begun() -> Refusal:
    """Who has not come yet may still come."""
    return Refusal("early", "活动还没开始。", "开始以后再核对名单，没到的人还可能来。")


def walk_in_refusal(needs_review: bool, free: int | None, unnamed: int, waits: bool) -> Refusal | None:
    """Why somebody without a sign-up may not come in by scanning alone; staff may let them in all the same.

    free: places left, None for any number. unnamed: people let in by staff without a sign-up. waits: others stand in
    line and it has not begun.
    """
    if needs_review:
        return Refusal("review", "这个活动要先审核报名。", "请找现场的工作人员，看看还能不能参加。")
    if free is not None and (waits or free - unnamed < 1):
        return Refusal("full", "名额已经满了。", "请找现场的工作人员，看看还能不能参加。")
    return None


def marked_at(age: int, now: datetime) -> datetime:
    """When a mark was made that is `age` seconds old: the phone measured it, so its clock may be wrong."""
    return now - min(timedelta(seconds=max(age, 0)), OLDEST_MARK)


def surname_of(raw: str) -> str:
    """A typed surname, folded; '' when it is none."""
    text = "".join(unicodedata.normalize("NFKC", raw).split())
    return text if 1 <= len(text) <= SURNAME and text.isalpha() else ""


def tail_of(raw: str) -> str:
    """The last four digits of what was typed; '' when there are fewer."""
    digits = re.sub(r"\D", "", unicodedata.normalize("NFKC", raw))
    return digits[-TAIL:] if len(digits) >= TAIL else ""


def phone_of(raw: str) -> str:
    """The whole mobile number that was typed; '' for its end alone."""
    digits = re.sub(r"\D", "", unicodedata.normalize("NFKC", raw))
    return digits if re.fullmatch(r"1\d{10}", digits) else ""


def walk_in_text() -> str:
    """What is to be typed of a walk-in."""
    return f"请填姓氏（最多 {SURNAME} 个字）和手机号，或手机号最后 {TAIL} 位。"


def same_person(people: Sequence[tuple[str, str, str]], surname: str, tail: str) -> list[str]:
    """Keys of those of `people` (key, name, telephone) who may be the one with this surname and these digits."""
    return [key for key, name, phone in people if name.startswith(surname) and tail_of(phone) == tail]


def absent(known: Sequence[bool | None], dates: int) -> bool:
    """Whether somebody is known to have come to none of `dates`. known: per date, None where nobody has said."""
    return len(known) == dates and all(mark is False for mark in known)


def window_text() -> str:
    """'开始前1小时到结束后30分钟', for the paper at the door."""
    return f"开始前{clock.said(EARLY)}到结束后{clock.said(LATE)}"
