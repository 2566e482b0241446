"""Opening hours as staff type them: `9:00-12:00 14:00-21:00 晚间延时`; one line a day (SPEC N1)."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from portal.centres.rules import Hours, clock_text

CLOSED = ("休息", "不开放", "关闭", "闭馆", "关门")
NOTE_MAX, REASON_MAX, LINES_MAX = 20, 60, 60
_RANGE = re.compile(r"(\d{1,2}):(\d{2})[-~至到](\d{1,2}):(\d{2})")
_SPACE = re.compile(r"[\s、,;]+")


class Unclear(ValueError):
    """The text cannot be understood; the message says what to write instead."""


@dataclass(frozen=True, slots=True)
class Special:
    """A day that differs. opens, closes: minutes after midnight; None: closed all day."""

    day: date
    opens: int | None
    closes: int | None
    reason: str


def _plain(text: str) -> str:
    """Half-width signs, one kind of dash, no space around it."""
    text = unicodedata.normalize("NFKC", text).replace("。", " ")
    text = re.sub(r"[–—－~～]+", "-", text)
    return re.sub(r"\s*([-至到])\s*(?=\d)", r"\1", text).strip()


def _minutes(hour: str, minute: str) -> int:
    value = int(hour) * 60 + int(minute)
    if int(minute) > 59 or value > 24 * 60:
        raise Unclear(f"没有 {hour}:{minute} 这个时间。")
    return value


def read_day(text: str) -> list[Hours]:
    """The hours of one weekday; words after a range are its note. Empty or 休息: closed. Raises Unclear."""
    words = [w for w in _SPACE.split(_plain(text)) if w]
    if not words or words[0] in CLOSED:
        return []
    found: list[Hours] = []
    for word in words:
        match = _RANGE.fullmatch(word)
        if match:
            found.append(_range(*match.groups()))
        elif found and not re.match(r"\d", word):
            last = found[-1]
            found[-1] = Hours(last.opens, last.closes, _note(f"{last.note}{word.strip('()')}"))
        else:
            raise Unclear(f"没有看懂“{word}”，请按 9:00-12:00 14:00-18:00 的样子写；不开放写“休息”。")
    for one, following in pairwise(found):
        if following.opens < one.closes:
            raise Unclear(f"{_span(one)} 与 {_span(following)} 重叠或前后颠倒了。")
    return found


def _range(h1: str, m1: str, h2: str, m2: str) -> Hours:
    opens, closes = _minutes(h1, m1), _minutes(h2, m2)
    if closes <= opens:
        raise Unclear(f"{clock_text(opens)}-{clock_text(closes)} 的关门时间早于开门时间。")
    return Hours(opens, closes)


def _note(words: str) -> str:
    if len(words) > NOTE_MAX:
        raise Unclear(f"说明最多 {NOTE_MAX} 个字。")
    return words


def _span(hours: Hours) -> str:
    return f"{clock_text(hours.opens)}-{clock_text(hours.closes)}"


def write_day(hours: Iterable[Hours]) -> str:
    """The inverse of `read_day`, for the form."""
    return " ".join(f"{_span(h)}{' ' + h.note if h.note else ''}" for h in hours) or "休息"


def read_specials(text: str, today: date) -> list[Special]:
    """Days that differ, one a line: `2026-12-25 休息 设备检修` or `2026-12-26 14:00-21:00 上午停电`.

    Raises Unclear with the line's number.
    """
    found: dict[date, Special] = {}
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if len(lines) > LINES_MAX:
        raise Unclear(f"最多写 {LINES_MAX} 天。")
    for number, line in lines:
        try:
            special = _special(line)
            if special.day < today:
                raise Unclear("这一天已经过去了。")
            if special.day in found:
                raise Unclear("这一天写了两次。")
        except Unclear as unclear:
            raise Unclear(f"第 {number} 行：{unclear}") from None
        found[special.day] = special
    return sorted(found.values(), key=lambda s: s.day)


def _special(line: str) -> Special:
    words = _plain(line).split()
    day = _day(words[0])
    rest = words[1:]
    if not rest:
        raise Unclear("请写“休息”或开放时间，再写原因。")
    reason = " ".join(rest[1:])
    if len(reason) > REASON_MAX:
        raise Unclear(f"原因最多 {REASON_MAX} 个字。")
    if not reason:
        raise Unclear("请写原因，居民会看到，例如“设备检修”。")
    if rest[0] in CLOSED:
        return Special(day, None, None, reason)
    match = _RANGE.fullmatch(rest[0])
    if not match:
        raise Unclear(f"没有看懂“{rest[0]}”，请写“休息”或 14:00-21:00。")
    hours = _range(*match.groups())
    return Special(day, hours.opens, hours.closes, reason)


def _day(word: str) -> date:
    match = re.fullmatch(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?", word)
    if not match:
        raise Unclear(f"没有看懂日期“{word}”，请按 2026-12-25 的样子写。")
    try:
        return date(*map(int, match.groups()))
    except ValueError:
        raise Unclear(f"没有 {word} 这一天。") from None


def write_specials(specials: Iterable[Special]) -> str:
    """The inverse of `read_specials`, for the form."""
    lines = []
    for s in specials:
        hours = "休息" if s.opens is None or s.closes is None else f"{clock_text(s.opens)}-{clock_text(s.closes)}"
        lines.append(f"{s.day.isoformat()} {hours} {s.reason}".strip())
    return "\n".join(lines)
