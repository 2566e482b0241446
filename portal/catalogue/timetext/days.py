"""Turns the days of a group into real dates of the plan's month and says which cannot be (SPEC C7)."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

from portal.catalogue.timetext import parts
from portal.catalogue.timetext.grammar import Group, Mark, Ymd
from portal.catalogue.timetext.parts import Problem
from portal.core.clock import WEEKDAYS, weekday

error, warning = partial(parts.error, "when"), partial(parts.warning, "when")  # problems of the time field
_MONTHS_WITH_HOLIDAYS = (1, 2, 4, 5, 6, 9, 10)


@dataclass(frozen=True)
class Month:
    """The plan's month."""

    year: int
    month: int

    @classmethod
    def parse(cls, text: str) -> Month:
        """`2026-12` → Month(2026, 12). Raises ValueError for anything else."""
        year, month = (int(part) for part in text.split("-"))
        date(year, month, 1)
        return cls(year, month)

    @property
    def first(self) -> date:
        return date(self.year, self.month, 1)

    @property
    def last(self) -> date:
        return date(self.year, self.month, calendar.monthrange(self.year, self.month)[1])

    def nearest_year(self, month: int) -> int:
        """The year that puts a bare month nearest to the plan: 1月 in a December plan is next year's."""
        months = self.year * 12 + self.month
        near = min((self.year, self.year - 1, self.year + 1), key=lambda y: abs(y * 12 + month - months))
        return min(max(near, 1), 9999)

    def __contains__(self, day: date) -> bool:
        return (day.year, day.month) == (self.year, self.month)

    def __str__(self) -> str:
        return f"{self.year}年{self.month}月"


def resolve(ymd: Ymd, month: Month) -> date | Problem:
    """The real date, or the problem that there is none. Missing month and year come from the plan's."""
    year, number, day = ymd
    number = month.month if number is None else number
    if not 1 <= number <= 12:
        return error(f"没有{number}月，请核对日期（写成 {month.month}月3日 这样）")
    year = month.nearest_year(number) if year is None else year
    try:
        return date(year, number, day)
    except ValueError:
        if not 1 <= year <= 9999:
            return error(f"{year}年{number}月{day}日这个日期不对，请核对")
        days = calendar.monthrange(year, number)[1]
        return error(f"没有{number}月{day}日这一天（{year}年{number}月只有 {days} 天），请核对日期")


def short(day: date) -> str:
    """`12月3日`."""
    return f"{day.month}月{day.day}日"


def _names(days: tuple[int, ...]) -> str:
    return "、".join(f"周{WEEKDAYS[day]}" for day in days)


def _outside(day: date, month: Month) -> Problem:
    shown = short(day) if day.year == month.year else f"{day.year}年{short(day)}"
    return error(f"{shown}不在{month}内，这份清单只收{month.month}月的，请核对日期")


def bounding(group: Group) -> bool:
    """12月1日-20日每周二: the dates only say from when until when; the weekday chooses among them."""
    return 0 < len(group.weekdays) < 7 and all(mark.end is not None for mark in group.marks)


class DayReader:
    """Unfolds one group after another; problems pile up in `problems`."""

    def __init__(self, month: Month) -> None:
        self.month = month
        self.problems: list[Problem] = []

    def dates(self, group: Group) -> list[date]:
        """The group's dates in the month, sorted, each once."""
        before = len(self.problems)
        if group.marks and not bounding(group):
            self._once_or_weekly(group)
            days = self._marked(group)
        else:
            days = self._weekly(group)
        dropped = {day for mark in group.without for day in self._excluded(mark)}
        kept = [d for d in days if d not in dropped and d.weekday() not in group.without_days]
        if group.holiday:
            self.problems.append(warning("节假日怎么安排系统不知道，请核对有没有要去掉的日期"))
        if group.called_off:
            self.problems.append(error("写了取消或暂停，没看出是哪几天；不办的请从表里删掉"))
        elif group.unclear:
            said = "写了除外或暂停，没看出是哪几天，请核对有没有要去掉的日期"
            self.problems.append(warning(said))
        failed = any(problem.severity == "error" for problem in self.problems[before:])
        if not kept and not failed:
            self.problems.append(error(f"{self.month}里没有符合这个写法的日期，请核对"))
        return kept

    def _excluded(self, mark: Mark) -> list[date]:
        first = resolve(mark.start, self.month)
        last = resolve(mark.end, self.month) if mark.end else first
        if isinstance(first, Problem) or isinstance(last, Problem):
            self.problems.append(first if isinstance(first, Problem) else error("除外的日期不对，请核对"))
            return []
        return self._between(first, last)

    def _between(self, first: date, last: date) -> list[date]:
        first, last = max(first, self.month.first), min(last, self.month.last)
        return [first + timedelta(days=step) for step in range((last - first).days + 1)]

    # --- written dates ----------------------------------------------------------

    def _once_or_weekly(self, group: Group) -> None:
        """12月2日,每周三: one day or each week? A list of days may say what they have in common."""
        ranges = [mark for mark in group.marks if mark.end is not None]
        if group.every and group.weekdays and (len(group.marks) == 1 or ranges) and len(group.weekdays) < 7:
            days, shown = _names(group.weekdays), group.marks[0].text
            said = f"写了{shown}又写了每{days}，看不出是只办一次还是每周都办；每周办请写 {shown}起每{days}"
            self.problems.append(error(said))

    def _marked(self, group: Group) -> list[date]:
        marks = group.marks
        self._spread_weekdays(group)
        found: set[date] = set()
        for mark in marks:
            found.update(self._range(mark) if mark.end is not None else self._single(mark))
        return sorted(found)

    @staticmethod
    def _spread_weekdays(group: Group) -> None:
        """5日、12日、19日（周六）: one remark at the end, or one before, speaks for all."""
        marks = group.marks
        claims = [mark for mark in marks if mark.weekdays]
        spoken = marks[-1].weekdays if claims == [marks[-1]] else ()
        if len(spoken) == len(marks) and all(mark.end is None for mark in marks):
            return
        for mark in marks:
            if mark.end is None:
                mark.weekdays = mark.weekdays or spoken or group.weekdays

    def _single(self, mark: Mark) -> list[date]:
        day = resolve(mark.start, self.month)
        if isinstance(day, Problem):
            self.problems.append(day)
            return []
        if day not in self.month:
            self.problems.append(_outside(day, self.month))
            return []
        self._check_weekday(day, mark.weekdays)
        return [day]

    def _range(self, mark: Mark) -> list[date]:
        ends = self._range_ends(mark)
        if ends is None:
            return []
        days = self._between(*ends)
        self._check_weekday(ends[0], mark.weekdays)
        if not mark.end_weekdays:
            return days
        if len(mark.end_weekdays) == 1 and (mark.weekdays or len(days) <= 7):
            self._check_weekday(ends[1], mark.end_weekdays)
            return days
        # 12月1日-31日（周一至周五）: the weekdays choose among the days of the range.
        kept = [day for day in days if day.weekday() in mark.end_weekdays]
        if len(days) <= 7 and kept != days:
            gone = "、".join(short(day) for day in days if day not in kept)
            self.problems.append(warning(f"{gone}不是表里写的{_names(mark.end_weekdays)}，没有算进去，请核对"))
        return kept

    def _check_weekday(self, day: date, claimed: tuple[int, ...]) -> None:
        if claimed and day.weekday() not in claimed:
            said = f"{short(day)}是{weekday(day)}，表里写的是{_names(claimed)}，请核对"
            self.problems.append(warning(said))

    def _range_ends(self, mark: Mark) -> tuple[date, date] | None:
        """First and last day; None, with a problem noted, when there is no such range in the month."""
        assert mark.end is not None
        first = resolve(mark.start, self.month)
        if isinstance(first, Problem):
            self.problems.append(first)
            return None
        year, number, day = mark.end
        if number is None:
            year, number = first.year, first.month
        elif year is None:
            year = first.year + (number < first.month)
        last = resolve((year, number, day), self.month)
        if isinstance(last, Problem):
            self.problems.append(last)
            return None
        if last < first:
            self.problems.append(error(f"{short(first)}到{short(last)}：后面的日期比前面的早，请核对"))
            return None
        if last < self.month.first or first > self.month.last:
            self.problems.append(_outside(first, self.month))
            return None
        if first not in self.month or last not in self.month:
            said = f"{short(first)}到{short(last)}超出了{self.month}"
            self.problems.append(warning(f"{said}，只收{self.month.month}月里的日子，请核对"))
        return first, last

    # --- weekly rules -----------------------------------------------------------

    def _weekly(self, group: Group) -> list[date]:
        first, last = self._bounds(group)
        if len(group.weekdays) == 1 and not group.every and not group.generic:
            self.problems.append(warning(f"只写了{_names(group.weekdays)}、没写日期，按每周都办算，请核对"))
        if group.loose:
            self.problems.append(warning("没有写哪几天，按这个月每天都开算，请核对"))
        if not group.weekdays and (group.start_from or group.until):
            self.problems.append(warning(f"没写每周几，按{short(first)}到{short(last)}每天都办算，请核对"))
        if group.workday and self.month.month in _MONTHS_WITH_HOLIDAYS:
            self.problems.append(warning("工作日按周一至周五算，请核对放假和调休的日子"))
        weekdays = group.weekdays or tuple(range(7))
        days = [day for day in self._between(first, last) if day.weekday() in weekdays]
        if group.nth:
            return [day for day in days if self._is_nth(day, group.nth)]
        return self._alternate(days, group) if group.alternate else days

    def _bounds(self, group: Group) -> tuple[date, date]:
        first, last = self.month.first, self.month.last
        for mark in group.marks:
            ends = self._range_ends(mark)
            if ends is not None:
                first, last = max(first, ends[0]), min(last, ends[1])
        for limit, is_first in ((group.start_from, True), (group.until, False)):
            day = resolve(limit.start, self.month) if limit else None
            if isinstance(day, Problem):
                self.problems.append(day)
            elif day is not None and (day > self.month.last if is_first else day < self.month.first):
                self.problems.append(_outside(day, self.month))
            elif day is not None and is_first:
                first = max(first, day)
            elif day is not None:
                last = min(last, day)
        return first, last

    def _is_nth(self, day: date, which: tuple[int, ...]) -> bool:
        if -1 in which and day + timedelta(days=7) > self.month.last:
            return True
        return (day.day - 1) // 7 + 1 in which

    def _alternate(self, days: list[date], group: Group) -> list[date]:
        """隔周: every second week from the first date on; 单周/双周: odd or even ones of the month."""
        if not days:
            return days
        if group.alternate in "单双":
            odd = group.alternate == "单"
            days = [day for day in days if ((day.day - 1) // 7 % 2 == 0) == odd]
            word = "第一、三、五" if odd else "第二、四"
            self.problems.append(warning(f"{group.alternate}周按这个月的{word}个算，请核对日期"))
            return days
        start = days[0] - timedelta(days=days[0].weekday())
        days = [day for day in days if (day - start).days // 7 % 2 == 0]
        if group.start_from is None:
            self.problems.append(warning(f"没写隔周从哪天起，按从{short(days[0])}起算，请核对"))
        return days
