"""Understands when a service is held, from the words a centre writes in its plan (SPEC C2, C7)."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise

from portal.catalogue.timetext.clock_times import DAY, Minutes, resolve_times
from portal.catalogue.timetext.counts import by_rule, counted
from portal.catalogue.timetext.days import DayReader, Month, error, resolve, short, warning
from portal.catalogue.timetext.grammar import Group, Reading, Times, read_groups
from portal.catalogue.timetext.parts import Problem, Span, WeeklyRule, When
from portal.catalogue.timetext.render import clock_range, render_spans, weekdays_text
from portal.core.clock import SHANGHAI
from portal.core.text import tidy

MAX_TEXT = 500
_HOW = "请写成 12月3日15:00-16:30 或 每周五19:30-21:00 这样"
# Of two dates beside such words only one may hold.
_EITHER = re.compile("雨|台风|顺延|改期|改为|改至|改在|改$|原定|原计划|备选|备用|或|任选|择一|选一|如遇|若遇|其中")
# Words beside a rule that choose among its days, in a way that is not understood.
_LIMIT = re.compile(
    "旬|第[一二三四五六1-6]|单[日号周]|双[日号周]|逢|隔|月[初中底末]|[一二三四五1-5]周|前[一二三四五两1-5]|后[一二三四五两1-5]"
)
_HOW_DATE = "请写上日期（如 12月3日）或星期（如 每周五）"


@dataclass(frozen=True)
class _Held:
    """A group that was understood: its days, its hours and how its label reads."""

    group: Group
    days: list[date]
    hours: list[Minutes]
    label: str


def parse_when(text: str, month: str, most: int = MAX_TEXT) -> When:
    """The sessions a time cell stands for, within `month` ("YYYY-MM", Asia/Shanghai); spans are half-open.

    most: characters. Never raises for any `text`: what is wrong or doubtful comes back as problems of the field `when`,
    and nothing is guessed without a warning (SPEC C7). Raises ValueError when `month` itself is malformed.
    """
    plan_month = Month.parse(month)
    text = tidy(text)
    if not text:
        return When((), None, "", (error(f"没有写时间，{_HOW}"),))
    if len(text) > most:
        return When((), None, text[:MAX_TEXT], (error(f"时间这一格超过 {most} 个字，只留日期和钟点"),))
    reading = read_groups(text, plan_month.month)
    problems = _cell_problems(reading, plan_month)
    _share_times(reading, problems)
    days = DayReader(plan_month)
    dated = [(group, days.dates(group) if group.has_days else []) for group in reading.groups]
    if reading.told.count is not None:
        dated = counted(reading.told.count, dated, problems)
    spans: set[Span] = set()
    held: list[_Held] = []
    for group, dates in dated:
        found, hours = _spans_of(group, dates, plan_month, problems)
        spans |= found
        held.append(_Held(group, dates, hours, _label(group, dates, hours, found)))
    problems += days.problems
    _check_overlap(sorted(spans), problems)
    label = _whole_label(held, spans) if spans else " ".join(text.split())
    unused = tuple(dict.fromkeys((*reading.told.asides, *reading.unused)))
    return When(tuple(sorted(spans)), _single_rule(held), label, tuple(dict.fromkeys(problems)), unused)


def _whole_label(held: list[_Held], spans: set[Span]) -> str:
    if not any(by_rule(each.group) for each in held):
        return render_spans(spans)
    return "；".join(each.label for each in held if each.label)


def _cell_problems(reading: Reading, month: Month) -> list[Problem]:
    problems: list[Problem] = []
    for year, number in reading.months:
        if (number is not None and number != month.month) or (year is not None and year != month.year):
            said = (f"{year}年" if year is not None else "") + (f"{number}月" if number is not None else "")
            problems.append(error(f"写的是{said}，这份清单是{month}的，请核对"))
    asides = "”“".join(reading.told.asides)
    problems += [error(f"“{words}”是不是活动的时间，看不出来；请只留活动自己的时间") for words in reading.told.doubts]
    either = next((words for words in reading.unused if _EITHER.search(words)), None)
    several = len(reading.groups) > 1 or any(len(g.marks) > 1 or len(g.times) > 1 for g in reading.groups)
    if either and several:
        problems.append(error(f"写了“{either}”，看不出到底是哪一天、几点；请只留定下来的时间"))
    limit = next((words for words in reading.unused if _LIMIT.search(words)), None)
    if limit and any(by_rule(group) for group in reading.groups):
        problems.append(error(f"“{limit}”是哪几天，看不出来；请写上日期"))
    if any(group.mixed for group in reading.groups):
        problems.append(error(f"“{'”“'.join(reading.unused)}”写在日期中间，看不出哪几天是活动；请只留活动的日期"))
    problems += [error(f"没有“{bad}”这样的时间，请写成 9:00-11:00 这样") for bad in reading.bad_clocks]
    has_days = any(group.has_days for group in reading.groups)
    has_times = any(group.times for group in reading.groups)
    if reading.told.only_lunar and not has_days:
        problems.append(error("只写了农历的日期，请写上公历日期，如 12月3日"))
    elif reading.vague and not (has_days and has_times):
        problems.append(error(f"时间还没有定（“{reading.vague}”），{_HOW}"))
    elif not has_days and not has_times and not reading.bad_clocks:
        but = f"“{asides}”看着是报名、集合的时间；" if asides else ""
        problems.append(error(f"没有看到日期和钟点，{but}{_HOW}"))
    elif not has_days:
        problems.append(error(f"没有看到日期，{_HOW_DATE}"))
    elif not has_times and not reading.bad_clocks:
        problems.append(error("没有看到几点到几点，请写上开始和结束的钟点，如 9:00-11:00"))
    return problems


def _share_times(reading: Reading, problems: list[Problem]) -> None:
    """A later date without hours takes those of the dates before it: 12月5日9:30-11:00、12日、19日."""
    groups, previous = reading.groups, list[Times]()
    for index, group in enumerate(groups):
        if group.times and not group.has_days and index and groups[index - 1].has_days:
            problems.append(error("有一段时间没写是哪天的，请写上日期"))
        elif not group.times and previous:
            single = group.marks and groups[index - 1].weekly
            if reading.unused or single or not (group.marks or group.weekdays):
                problems.append(error("后面的日期没写钟点，看不出是不是活动的日期；请写上钟点，或把它去掉"))
                continue
            group.times = previous
            problems.append(warning("后面的日期没写钟点，按前面的钟点算，请核对"))
        elif not group.times and any(other.times for other in groups):
            problems.append(error("有的日期没写几点到几点，请补上钟点，如 9:00-11:00"))
        previous = group.times or previous
    _check_open_ends(reading, problems)


def _check_open_ends(reading: Reading, problems: list[Problem]) -> None:
    """8:00热身,8:30-10:00: a lone clock beside a whole time may be when to be there, not a session."""
    every = [times for group in reading.groups for times in group.times if not times.whole]
    lone = [times.text for times in every if times.end is None and times.minutes is None]
    several = reading.unused and any(len(group.times) > 1 for group in reading.groups)
    if lone and (len(lone) < len(every) or several):
        said = f"“{lone[0]}”没写到几点，看不出是活动的时间还是集合、签到的时间；请写成 9:00-11:00，或把它去掉"
        problems.append(error(said))


def _spans_of(
    group: Group, dates: list[date], month: Month, problems: list[Problem]
) -> tuple[set[Span], list[Minutes]]:
    spans: set[Span] = set()
    hours: list[Minutes] = []
    for times in group.times:
        alone = times.end_mark is None
        minutes, found = resolve_times(times) if alone else _across(times, month, dates)
        problems += found
        if minutes is not None and minutes not in hours:
            hours.append(minutes)
            spans.update(Span(_at(day, minutes.start), _at(day, minutes.end)) for day in dates)
    return spans, hours


def _at(day: date, minutes: int) -> datetime:
    # Wall-clock arithmetic is right here: Asia/Shanghai has had no summer time since 1991.
    day += timedelta(days=minutes // (24 * 60))
    return datetime.combine(day, time(minutes // 60 % 24, minutes % 60), SHANGHAI)


def _across(times: Times, month: Month, dates: list[date]) -> tuple[Minutes | None, list[Problem]]:
    """12月5日9:00-12月7日17:00 reads as each day 9:00–17:00; over one night it is a single session."""
    assert times.end_mark is not None
    last = resolve(times.end_mark.start, month)
    minutes, problems = resolve_times(Times(times.start, times.text, times.end))
    if isinstance(last, Problem) or not dates:
        return None, [last] if isinstance(last, Problem) else []
    first = dates[-1]
    if last < first:
        return None, [error(f"{short(first)}到{short(last)}：后面的日期比前面的早，请核对")]
    if last == first:
        return minutes, problems
    over_midnight = minutes is None or minutes.end > DAY
    if last == first + timedelta(days=1) and over_midnight and times.end is not None:
        return resolve_times(Times(times.start, times.text, times.end, next_day=True))
    if minutes is None:
        return None, problems
    if last not in month:
        problems.append(warning(f"{short(last)}超出了{month}，只收{month.month}月里的日子，请核对"))
    step = first + timedelta(days=1)
    while step <= last and step in month:
        dates.append(step)
        step += timedelta(days=1)
    said = f"从{short(first)}到{short(last)}，按每天 {clock_range(minutes.start, minutes.end)} 算，请核对"
    return minutes, [*problems, warning(said)]


def _check_overlap(spans: list[Span], problems: list[Problem]) -> None:
    for before, after in pairwise(spans):
        if after.start < before.end:
            problems.append(warning(f"{short(after.start.date())}有两段时间重叠，请核对"))
            return


def _label(group: Group, dates: list[date], hours: list[Minutes], spans: set[Span]) -> str:
    if not spans:
        return ""
    if not by_rule(group):
        return render_spans(spans)
    shown = "、".join(clock_range(each.start, each.end) for each in hours)
    return f"{_rule_days(group)} {shown}{_limits(group, dates)}"


def _rule_days(group: Group) -> str:
    weekdays = group.weekdays or tuple(range(7))
    names = weekdays_text([day for day in weekdays if day not in group.without_days] or weekdays)
    if group.nth:
        numbers = "、".join("一二三四五"[number - 1] for number in group.nth)
        which = "最后一" if group.nth == (-1,) else f"第{numbers}"
        return f"每月{which}个{names.removeprefix('每')}"
    if group.alternate:
        return names.replace("每", group.alternate if group.alternate == "隔" else f"{group.alternate}周", 1)
    return names


def _limits(group: Group, dates: list[date]) -> str:
    said = []
    weekdays = group.weekdays or tuple(range(7))
    earlier = any((dates[0] - timedelta(days=step)).weekday() in weekdays for step in range(1, dates[0].day))
    later = (dates[-1] + timedelta(days=step) for step in range(1, 32))
    if (group.start_from is not None or group.marks) and earlier:
        said.append(f"{short(dates[0])}起")
    missing = any(day.month == dates[-1].month and day.weekday() in weekdays for day in later)
    if (group.until is not None or group.marks or group.counted) and missing:
        said.append(f"{short(dates[-1])}止")
    said += [f"{mark.text}除外" for mark in group.without]
    return f"（{'，'.join(said)}）" if said else ""


def _single_rule(held: list[_Held]) -> WeeklyRule | None:
    """The rule, when one weekday set with one pair of hours tells the whole truth."""
    if len(held) != 1 or len(held[0].hours) != 1 or not held[0].days:
        return None
    group, minutes = held[0].group, held[0].hours[0]
    if not by_rule(group) or not group.weekdays or group.nth:
        return None
    start, end = (time(value // 60 % 24, value % 60) for value in (minutes.start, minutes.end))
    weekdays = tuple(day for day in group.weekdays if day not in group.without_days)
    return WeeklyRule(weekdays, start, end, held[0].label)
