"""How many sessions a cell says there are, against those its dates make (SPEC C7)."""

from datetime import date, timedelta

from portal.catalogue.timetext.asides import Count
from portal.catalogue.timetext.days import bounding, error, short, warning
from portal.catalogue.timetext.grammar import Group
from portal.catalogue.timetext.parts import Problem

Dated = list[tuple[Group, list[date]]]
_LESSONS = ("节", "课时", "堂", "课")  # may be parts of an hour rather than meetings


def by_rule(group: Group) -> bool:
    """Whether the days follow from a rule (每周三, 12月1日起) rather than from a list of dates."""
    return bool(group.weekdays or group.start_from or group.until) and (not group.marks or bounding(group))


def counted(count: Count, dated: Dated, problems: list[Problem]) -> Dated:
    """The dates of the groups, a rule cut to the number that the cell names; what does not fit is a problem."""
    if not any(dates for _, dates in dated):
        return dated
    if len(dated) == 1 and by_rule(dated[0][0]):
        group, dates = dated[0]
        return [(group, _of_rule(count, group, dates, problems))]
    days = sum(len(dates) for _, dates in dated)
    sessions = sum(len(dates) * len(group.times) for group, dates in dated)
    fits = count.number in (days, sessions) if count.kind != "天" else count.number == days
    if not fits and count.kind != "周":
        lessons = count.kind.startswith(_LESSONS) and sessions < count.number
        say = warning if lessons else error
        problems.append(say(f"写了“{count.text}”，看到的是 {sessions} 场，请核对"))
    return dated


def _of_rule(count: Count, group: Group, dates: list[date], problems: list[Problem]) -> list[date]:
    a_day = max(1, len(group.times))
    if count.kind == "周":
        kept = [day for day in dates if day < dates[0] + timedelta(days=7 * count.number)]
        short_of = (dates[-1] - dates[0]).days // 7 + 1 < count.number
    elif count.kind == "天" or a_day == 1:
        kept, short_of = dates[: count.number], len(dates) < count.number
    elif count.number % a_day:
        problems.append(error(f"写了“{count.text}”，一天有 {a_day} 场，看不出是哪几场；请写上日期"))
        return dates
    else:
        kept, short_of = dates[: count.number // a_day], len(dates) * a_day < count.number
    if len(kept) < len(dates):
        group.counted = True
        problems.append(warning(f"写了“{count.text}”，算到{short(kept[-1])}为止，共 {len(kept) * a_day} 场，请核对"))
    elif short_of:
        problems.append(warning(f"写了“{count.text}”，这个月只有 {len(dates) * a_day} 场，请核对"))
    return kept
