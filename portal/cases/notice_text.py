"""The State Council's notice of a year's holidays, as it is published, to days and back (SPEC Q10). Pure functions.

"一、元旦：1月1日（周四）至3日（周六）放假调休，共3天。1月4日（周日）上班。" A line a holiday; written back alike.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

from portal.core import clock

_NUMBERING = re.compile(r"^[（(]?[一二三四五六七八九十\d]{1,2}[）)、.．]\s*")
_DAY = r"(?:(\d{4})年)?(?:(\d{1,2})月)?(\d{1,2})日(?:（[^）]*）|\([^)]*\))?"
_RANGE = re.compile(rf"{_DAY}(?:\s*(?:至|到|-|—|–)\s*{_DAY})?")
LONGEST = 12  # days off in a row that are still believed


@dataclass(frozen=True, slots=True)
class Holiday:
    """A day that is not what its weekday says. works: a make-up working day."""

    day: date
    name: str
    works: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """What was understood, and the lines that were not (with why)."""

    days: tuple[Holiday, ...]
    problems: tuple[str, ...]


def read(text: str, year: int) -> Reading:
    """Read a notice of `year`, line by line; a day of another year or named twice is a problem."""
    found: dict[date, Holiday] = {}
    problems: list[str] = []
    for line in filter(None, (_NUMBERING.sub("", raw.strip()) for raw in text.splitlines())):
        try:
            for holiday in _line(line, year):
                if holiday.day in found:
                    raise ValueError(f"{clock.day(holiday.day)}写了两次")
                found[holiday.day] = holiday
        except ValueError as error:
            problems.append(f"“{line[:30]}”：{error}")
    if not found and not problems:
        problems.append("没有写任何节日")
    return Reading(tuple(found[day] for day in sorted(found)), tuple(problems))


def _line(line: str, year: int) -> Iterable[Holiday]:
    name, colon, rest = re.sub(r"[:：]", "：", line, count=1).partition("：")
    if not colon or not name.strip() or len(name.strip()) > 20:
        raise ValueError("要先写节日的名字和冒号")
    parts = re.split(r"(放假|休息|上班|补班)", rest)
    if len(parts) < 3:
        raise ValueError("没有写“放假”或“上班”")
    month: int | None = None
    for words, verb in zip(parts[::2], parts[1::2], strict=False):
        spans, month = _spans(words, year, month)
        if not spans:
            raise ValueError(f"“{verb}”前没有日期")
        for start, end in spans:
            for number in range((end - start).days + 1):
                yield Holiday(start + timedelta(days=number), name.strip(), verb in ("上班", "补班"))


def _spans(words: str, year: int, month: int | None) -> tuple[list[tuple[date, date]], int | None]:
    """The dates before a verb; a day without a month is of the month named last."""
    spans = []
    for found in _RANGE.finditer(words):
        first_year, first_month, first_day, last_year, last_month, last_day = found.groups()
        month = int(first_month) if first_month else month
        start = _date(first_year, month, first_day, year)
        month = int(last_month) if last_month else month
        end = _date(last_year, month, last_day, year) if last_day else start
        if not start <= end <= start + timedelta(days=LONGEST):
            raise ValueError("起止日期不对")
        spans.append((start, end))
    return spans, month


def _date(of_year: str | None, month: int | None, day: str, year: int) -> date:
    if month is None:
        raise ValueError("没有写月份")
    if of_year and int(of_year) != year:
        raise ValueError(f"不是{year}年的日子")
    try:
        return date(year, month, int(day))
    except ValueError:
        raise ValueError(f"没有{month}月{day}日") from None


def write(days: Iterable[Holiday]) -> str:
    """'元旦：1月1日（周四）至1月3日（周六）放假，1月4日（周日）上班。' a line a holiday, in order of the year."""
    lines: dict[str, list[str]] = {}
    for (name, works), group in groupby(sorted(days, key=lambda d: d.day), key=lambda d: (d.name, d.works)):
        runs: list[list[date]] = []
        for holiday in group:
            if runs and holiday.day - runs[-1][-1] == timedelta(days=1):
                runs[-1].append(holiday.day)
            else:
                runs.append([holiday.day])
        words = "、".join(clock.day(r[0]) + (f"至{clock.day(r[-1])}" if len(r) > 1 else "") for r in runs)
        lines.setdefault(name, []).append(f"{words}{'上班' if works else '放假'}")
    return "\n".join(f"{name}：{'，'.join(parts)}。" for name, parts in lines.items())
