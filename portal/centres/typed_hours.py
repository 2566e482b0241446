"""Opening hours as staff type them: `9:00-12:00 14:00-21:00 晚间延时`; one line a day (SPEC N1)."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from portal.centres.rules import Hours, clock_text, days_text

CLOSED = ("休息", "不开放", "关闭", "闭馆", "关门")
NOTE_MAX, REASON_MAX, LINES_MAX = 20, 60, 60
_RANGE = re.compile(r"(\d{1,2}):(\d{2})[-~至到](\d{1,2}):(\d{2})")
_SPACE = re.compile(r"[\s、,;]+")
_HALF = "上午|早上|中午|下午|晚上|晚间"
_SPAN = re.compile(rf"({_HALF})?(\d{{1,2}}):(\d{{2}})[-~至到]({_HALF})?(\d{{1,2}}):(\d{{2}})")
_SPOKEN = re.compile(r"(\d{1,2})[点时](?:(半)|(\d{1,2})分?)?")  # 8点半
_PREFIX = "(?:周|星期|礼拜)"
_DAYS = "一二三四五六日天"
_TOKEN = rf"每天|每日|全周|工作日|周末|双休日|{_PREFIX}[{_DAYS}](?:[-至到]{_PREFIX}?[{_DAYS}])?"
_WHICH = re.compile(rf"\s*((?:{_TOKEN})(?:[、,和及\s]*(?:{_TOKEN}|[{_DAYS}](?![\u4e00-\u9fff])))*)[:\s]*")
_ONE = re.compile(rf"{_TOKEN}|[{_DAYS}]")
_NAMED = {"工作日": range(5), "周末": range(5, 7), "双休日": range(5, 7)}  # the others: each day


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
    text = _SPOKEN.sub(_as_clock, _plain(text)).replace("24小时", "0:00-24:00").replace("全天", "0:00-24:00")
    text = re.sub(rf"({_HALF})\s+(?=\d)", r"\1", re.sub(r"\s*([-至到])\s*(?=\d|上|早|中|下|晚)", r"\1", text))
    words = [w for w in _SPACE.split(text) if w]
    if not words or words[0] in CLOSED:
        return []
    found: list[Hours] = []
    for word in words:
        match = _SPAN.fullmatch(word)
        if match:
            found.append(_spoken_range(match))
        elif found and not re.match(r"\d|.*\d:\d", word):
            last = found[-1]
            found[-1] = Hours(last.opens, last.closes, _note(f"{last.note}{word.strip('()')}"))
        else:
            raise Unclear(f"没有看懂“{word}”，请按 9:00-12:00 14:00-18:00 的样子写；不开放写“休息”。")
    for one, following in pairwise(found):
        if following.opens < one.closes:
            raise Unclear(f"{_span(one)} 与 {_span(following)} 重叠或前后颠倒了。")
    return found


def _as_clock(match: re.Match[str]) -> str:
    return f"{match[1]}:{'30' if match[2] else (match[3] or '0').zfill(2)}"


def _spoken_range(match: re.Match[str]) -> Hours:
    """下午2:00-5:30 is 14:00-17:30; 上午9:00-下午5:00 too."""
    half, opens, late = match[1] or "", int(match[2]), match[4] or match[1] or ""
    closes = int(match[5])
    if half in ("下午", "晚上", "晚间") and opens < 12:
        opens += 12
    if late in ("下午", "晚上", "晚间") and closes < 12:
        closes += 12
    return _range(str(opens), match[3], str(closes), match[6])


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


def read_week(text: str, empty_note: str = "") -> dict[int, list[Hours]]:
    """The hours of a week in one cell: `周一至周五 9:00-12:00 14:00-18:00；周六 9:00-12:00；周日 休息`, 0 is Monday.

    Without a day it is each day's; a day that is not named is closed. empty_note: of hours beside which nothing is
    said. Raises Unclear, also for a day that is named twice.
    """
    week: dict[int, list[Hours]] = {}
    days: list[int] = []
    for part in filter(None, map(str.strip, re.split(r"[;；\n。]+", text))):
        match = _WHICH.match(_plain(part))
        again = match is None and bool(week)  # 周一 9:00-12:00；14:00-18:00: of the same days
        if match is not None:
            days = _weekdays(match[1])
        elif not again:
            days = list(range(7))
        hours = read_day(_plain(part)[match.end() :] if match else part)
        hours = [h if h.note or not empty_note else Hours(h.opens, h.closes, empty_note) for h in hours]
        for day in days:
            if day in week and not again:
                raise Unclear(f"{NAMES[day]}写了两次。")
            week[day] = together(week.get(day, []), hours)
    return week


NAMES = tuple(f"周{name}" for name in "一二三四五六日")


def _weekdays(text: str) -> list[int]:
    found: list[int] = []
    for token in _ONE.findall(text):
        if token in _NAMED:
            found += _NAMED[token]
            continue
        ends = [_DAYS.index(letter) % 7 if letter != "天" else 6 for letter in re.findall(f"[{_DAYS}]", token)]
        if not ends or token in ("每天", "每日", "全周"):
            found += range(7)
        elif ends[-1] < ends[0]:
            raise Unclear(f"“{token}”的先后反了，请从周一写到周日。")
        else:
            found += range(ends[0], ends[-1] + 1)
    return found


def together(some: Iterable[Hours], others: Iterable[Hours]) -> list[Hours]:
    """Hours of one day from two places, in order. Raises Unclear when they overlap."""
    found = sorted([*some, *others], key=lambda h: h.opens)
    for one, following in pairwise(found):
        if following.opens < one.closes:
            raise Unclear(f"{_span(one)} 与 {_span(following)} 重叠。")
    return found


def write_week(week: Mapping[int, Sequence[Hours]]) -> str:
    """The inverse of `read_week`: days with the same hours together, closed days not named; '' when always closed."""
    same: dict[str, list[int]] = {}
    for day in range(7):
        if week.get(day):
            same.setdefault(write_day(week[day]), []).append(day)
    return "；".join(f"{days_text(days)} {text}" for text, days in same.items())


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
