"""A wish as people type it, '周六下午 老人 手机 葵涌', taken apart: when, for whom, where, the other words (SPEC C9).

The times are read by the plan's own reader (timetext). What was typed stays the one truth: each part knows what is left
without it, which is where its chip leads.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from portal.catalogue import words
from portal.catalogue.timetext import clock_times
from portal.catalogue.timetext.tokens import Token, simplify, tokens
from portal.core import clock
from portal.core.text import fold

# Minutes of the day in which something belongs to this part of it; half-open.
PARTS = (
    (("凌晨", *clock_times.MORNING), (0, 12 * 60)),
    (clock_times.NOON, (11 * 60, 14 * 60)),
    (clock_times.AFTERNOON, (12 * 60, 18 * 60)),
    (clock_times.EVENING, (18 * 60, 24 * 60)),
)
HOURS = {word: minutes for said, minutes in PARTS for word in said}
DAYS = (("大后天", 3), ("后天", 2), ("明天", 1), ("明日", 1), ("听日", 1), ("今天", 0), ("今日", 0))
# 今晚: a day and a part of it; and how Cantonese says them.
TOGETHER = {
    "今晚": "今天晚上",
    "明晚": "明天晚上",
    "听晚": "明天晚上",
    "今早": "今天早上",
    "明早": "明天早上",
    "今朝": "今天早上",
    "听朝": "明天早上",
    "朝早": "早上",
    "朝头早": "早上",
    "上昼": "上午",
    **dict.fromkeys(("晏昼", "下昼"), "下午"),
}
_WEEK = re.compile(r"(这|本|今|下)(?:一)?个?(?=周[一二三四五六日天末])")
_WHOLE_WEEK = re.compile(r"(这|本|今|下)一?个?周(?![一二三四五六日天末])")
# What people say around a wish; it is in no title.
_AROUND = (
    r"我想学|我想|想要|教我|帮我|带我|有人|有没有|有什么|有冇|哪里有|哪里能|哪里可以|边度有|想学|想去|想|找|"
    r"参加|去|要|的|搞"
)
_BEFORE = re.compile(rf"^(?:{_AROUND})+")
_AFTER = re.compile(r"(?:的活动|的服务|有什么活动|活动|服务|有吗|吗|的)+$")
JUST_BEEN = timedelta(days=62)  # a date with its month that is no longer ago is not next year's
FREE = "免费"  # said of what is never paid for here
LEAST = 2  # characters that a piece must have to be a word by itself


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a wish. kind: day, hours, group, centre or word; text: as typed, simplified; left: the rest of it."""

    kind: str
    text: str
    label: str
    left: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """days: half-open; weekdays: 0 is Monday, () is each; hours: half-open minutes of the day; q: the words left."""

    days: tuple[date, date] | None = None
    weekdays: tuple[int, ...] = ()
    hours: tuple[int, int] | None = None
    q: str = ""
    parts: tuple[Part, ...] = ()

    @property
    def subject(self) -> str:
        """The words that say what it is about, without whom it is for and where."""
        return " ".join(part.text for part in self.parts if part.kind == "word")

    @property
    def when(self) -> str:
        """The day and the part of it in words; '' when none was said."""
        return " ".join(part.label for part in self.parts if part.kind in ("day", "hours"))


def read(typed: str, now: datetime, centres: Collection[str] = (), same: words.Same = words.OF_PROFILE) -> Wish:
    """What `typed` says. centres: their names as `words.plain`; same: the names of things, of the profile and district.

    Whatever is not understood stays a word; nothing is ever refused. Reads no database.
    """
    wish, today = Wish(), clock.today(now)
    pieces: list[list[Part]] = []
    for piece in words.simplified(fold(typed)).split():
        wish, times, rest = _times(piece, wish, today)
        pieces.append([*times, *_split(rest, centres, same)])
    parts = [part for piece in pieces for part in piece]
    q = " ".join(part.text for part in parts if part.kind not in ("day", "hours"))
    wish = _to_come(wish, now)
    labelled = tuple(_labelled(replace(part, left=_without(pieces, part)), wish) for part in parts)
    return replace(wish, q=q, parts=labelled)


def _without(pieces: Sequence[Sequence[Part]], one: Part) -> str:
    return " ".join(left for piece in pieces if (left := "".join(part.text for part in piece if part is not one)))


# When -----------------------------------------------------------------------------------------------------------------


def _times(piece: str, wish: Wish, today: date) -> tuple[Wish, list[Part], str]:
    """What `piece` says of the time, and what is left of it: '周六下午老人' -> the two parts and '老人'."""
    for said, meant in TOGETHER.items():
        piece = piece.replace(said, meant)
    asked, found, text = _by_name(simplify(piece), wish, today)
    week, rest = _WEEK.search(text), ""
    for token in tokens(_WEEK.sub("", text)):
        before = asked
        asked = _heard(token, asked, today, week[1] if week else "")
        if asked is before:
            rest += token.text
            continue
        of_week = week[0] if week and token.kind == "weekdays" else ""
        found.append(Part("hours" if token.kind in ("part", "clock") else "day", said := of_week + token.text, said))
    if not found or len(words.plain(rest)) == 1:  # 下午茶 is no afternoon
        return wish, [], piece
    return asked, found, rest


def _by_name(text: str, wish: Wish, today: date) -> tuple[Wish, list[Part], str]:
    """Days that have a name by today, which a plan never has: 明天, 下周; and the text without them."""
    found: list[Part] = []
    for name, after in DAYS:
        if name in text and wish.days is None:
            wish, text = replace(wish, days=_one(today + timedelta(days=after))), text.replace(name, "", 1)
            found.append(Part("day", name, name))
    week = _WHOLE_WEEK.search(text)
    if week and wish.days is None:
        monday = today + timedelta(days=7 - today.weekday())
        days = (monday, monday + timedelta(days=7)) if week[1] == "下" else (today, monday)
        wish, text = replace(wish, days=days), text.replace(week[0], "", 1)
        found.append(Part("day", week[0], week[0]))
    return wish, found, text


def _heard(token: Token, wish: Wish, today: date, week: str) -> Wish:
    """The wish with what one token says; the same one when it says no time, or another has been said."""
    if token.kind == "weekdays" and wish.days is None and not wish.weekdays and len(token.days) < 7:
        return _weekdays(wish, token.days, today, week)
    if token.kind == "date" and wish.days is None:
        on = _date(token.date, today)
        return replace(wish, days=_one(on)) if on else wish
    if token.kind == "month" and wish.days is None and token.date[1]:
        return _month(wish, token.date[1], today)
    if token.kind == "part" and wish.hours is None and token.text in HOURS:
        return replace(wish, hours=HOURS[token.text])
    if token.kind == "clock" and wish.hours is None and token.clock is not None:
        at, part = token.clock, token.clock.part
        if part not in HOURS and not (wish.days or wish.weekdays):
            return wish  # 四点半课堂 is a name
        if part not in HOURS and at.spoken and 1 <= at.hour <= 6:
            part = "下午"  # as in a plan: nobody holds an activity at three in the night
        start = clock_times.in_minutes(at, part)
        return replace(wish, hours=(start, start + 60)) if start < 24 * 60 else wish
    return wish


def _weekdays(wish: Wish, days: tuple[int, ...], today: date, week: str) -> Wish:
    """One day is the next such; several are those of the week to come, or of the week that was said."""
    monday = today - timedelta(days=today.weekday())
    if week == "下":
        return replace(wish, days=(monday + timedelta(7), monday + timedelta(14)), weekdays=days)
    if week or days == (5, 6):
        first = monday + timedelta(days[0])
        return replace(wish, days=(max(first, today), monday + timedelta(7)), weekdays=days)
    if len(days) == 1:
        return replace(wish, days=_one(today + timedelta(days=(days[0] - today.weekday()) % 7)), weekdays=days)
    return replace(wish, days=(today, today + timedelta(7)), weekdays=days)


def _date(said: tuple[int | None, int | None, int], today: date) -> date | None:
    """The date meant: 5号 is the next one to come, 12月2日 may also have just been; None when there is none."""
    year, month, day = said
    earliest = today - JUST_BEEN if month else today
    first = clock.month_of(earliest)
    for number in range(1 if year and month else 14):
        that = f"{year:04}-{month:02}" if year and month else clock.add_months(first, number)
        if not clock.is_month(that) or (month and int(that[5:]) != month):
            continue
        start, end = clock.month_days(that)
        on = start + timedelta(days=day - 1)
        if start <= on < end and (on >= earliest or year):
            return on
    return None


def _month(wish: Wish, number: int, today: date) -> Wish:
    """'12月': this month or one of the next two, from today; another is a word (十月 of a title)."""
    for after in range(3):
        month = clock.add_months(clock.month_of(today), after)
        if int(month[5:]) == number:
            first, end = clock.month_days(month)
            return replace(wish, days=(max(first, today), end))
    return wish


def _to_come(wish: Wish, now: datetime) -> Wish:
    """A weekday that is today, said when that part of the day is over, is the one of next week."""
    if len(wish.weekdays) == 1 and wish.hours and wish.days and wish.days == _one(clock.today(now)):
        over = clock.at(wish.days[0], time(0)) + timedelta(minutes=wish.hours[1])
        if over <= now:
            return replace(wish, days=_one(wish.days[0] + timedelta(7)))
    return wish


def _one(day: date) -> tuple[date, date]:
    return day, day + timedelta(days=1)


def _labelled(part: Part, wish: Wish) -> Part:
    """'周六' with its date, so that it is seen which one was understood."""
    if part.kind != "day" or wish.days is None or wish.days[1] - wish.days[0] != timedelta(days=1):
        return part
    on = f"{wish.days[0].month}月{wish.days[0].day}日"
    if wish.weekdays:
        return replace(part, label=f"{part.text} {on}")
    return replace(part, label=on) if part.text[:1].isdigit() else part


# What -----------------------------------------------------------------------------------------------------------------


def _split(rest: str, centres: Collection[str], same: words.Same) -> list[Part]:
    """The words of a piece without a blank: '老人手机葵涌' -> for whom, what, where."""
    rest = _AFTER.sub("", _BEFORE.sub("", rest)) or rest
    if rest.startswith(FREE) and len(rest) > len(FREE):
        rest = rest[len(FREE) :]
    front: list[Part] = []
    back: list[Part] = []
    while (cut := _known(rest, centres, same, False)) is not None and cut[1]:
        front, rest = [*front, cut[0]], cut[1]
    while (cut := _known(rest, centres, same, True)) is not None and cut[1]:
        back, rest = [cut[0], *back], cut[1]
    kind = _kind(words.plain(rest), centres, same) or "word"
    middle = [Part(kind, rest, rest)] if words.plain(rest) else []
    return [*front, *middle, *back]


def _known(rest: str, centres: Collection[str], same: words.Same, at_end: bool) -> tuple[Part, str] | None:
    """A centre or a group of people at one end of `rest`, the longest, and what is left: a word, or nothing."""
    for size in range(len(rest), LEAST - 1, -1):
        piece, left = (rest[-size:], rest[:-size]) if at_end else (rest[:size], rest[size:])
        kind = _kind(piece, centres, same)
        if kind and (not left or len(left) >= LEAST):
            return Part(kind, piece, piece), left
    return None


def _kind(word: str, centres: Collection[str], same: words.Same) -> str:
    if word in centres:
        return "centre"
    return "group" if any(name[:1] == "@" for name in same.get(word, ())) else ""
