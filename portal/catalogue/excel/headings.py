"""A day or a week that stands alone over the rows that belong to it (SPEC C7)."""

import re
from dataclasses import dataclass
from datetime import date

from portal.catalogue.timetext.days import Month, error, resolve, short
from portal.catalogue.timetext.grammar import Reading, read_groups
from portal.catalogue.timetext.parts import Problem

_WEEK = re.compile(r"第?\s*[一二三四五六1-6]\s*(?:个\s*)?(?:周|星期)|[上中下]旬|(?:本|首|末|最后一)周")
_LONGEST = 40
_BESIDE = re.compile(r"安排|日程|专场|当天|活动|计划|[“”\"]")


@dataclass(frozen=True)
class Heading:
    """`days`: the first and last day it names, both included; None when it is only 第一周. `weekday`: 周六 alone."""

    text: str
    days: tuple[date, date] | None
    weekday: str = ""

    @property
    def is_one_day(self) -> bool:
        return self.days is not None and self.days[0] == self.days[1]


def heading_in(text: str, month: Month) -> Heading | None:
    """The days that a lone text names; None when it is something else, a category or a note."""
    said = " ".join(text.split())
    if not said or len(said) > _LONGEST:
        return None
    reading = read_groups(said, month.month)
    if len(reading.groups) > 1 or reading.told.asides or any(group.times for group in reading.groups):
        return None
    group = reading.groups[0] if reading.groups else None
    beside = _BESIDE.sub("", _WEEK.sub("", "".join(reading.unused)))
    if group is not None and len(group.marks) == 1 and not beside:
        mark = group.marks[0]
        first = resolve(mark.start, month)
        last = resolve(mark.end, month) if mark.end is not None else first
        if isinstance(first, date) and isinstance(last, date) and first <= last:
            return Heading(said, (first, last))
        return None
    if group is not None and group.weekdays and not group.marks and not beside:
        return Heading(said, None, said)
    return Heading(said, None) if _WEEK.fullmatch(re.sub(r"[()（）\s]|\d{1,2}月份?", "", said)) else None


def below(heading: Heading, text: str, own: Reading) -> tuple[str, list[Problem]]:
    """The time of a row below the heading as one text, and what cannot be told. own: what the row's text says."""
    if any(group.marks or group.start_from or group.until for group in own.groups):
        return text, []
    weekly = any(group.weekdays for group in own.groups)
    if heading.weekday:
        return (text if weekly else f"{heading.weekday} {text}"), []
    if heading.days is None:
        return text, [error(f"上面写的“{heading.text}”是哪几天，看不出来；请在这一行写上日期")]
    if heading.is_one_day:
        return f"{short(heading.days[0])} {text}", []
    span = f"{short(heading.days[0])}-{short(heading.days[1])}"
    if not weekly:
        return text, [error(f"只知道在上面写的“{heading.text}”里，没写哪一天；请写上日期或星期几")]
    every = re.sub(r"(?:每个?|逢)*(?=(?:周|星期|礼拜)[一二三四五六日天末])", "每", text)
    return f"{span}{every}", []
