"""The year that Excel puts to a day: 1-9 typed in December becomes 9 January of the year that ends (SPEC C7)."""

import re

from portal.catalogue.excel.table import Draft
from portal.catalogue.excel.when_cells import excel_time
from portal.catalogue.timetext.days import Month, warning
from portal.catalogue.timetext.parts import Problem

_ISO = re.compile(r"(20\d\d)-(\d\d)-\d\d(?= |$)")
_DAY_FIELDS = ("date", "when", "start", "end")


def settle_years(drafts: list[Draft], in_title: str | None, month: Month) -> list[Problem]:
    """Read the dates of a file that has the plan's month in one other year as the plan's; the file says so once.

    A file whose title names that year, or with dates of several years, is left as it is: its rows say what is wrong.
    """
    unshown = {year for draft in drafts for year in draft.years if year != month.year}
    if len(unshown) == 1:
        return [_told(unshown.pop(), month)]
    found = {match.groups() for draft in drafts for match in _dates(draft)}
    years = {int(year) for year, _ in found}
    if len(years) != 1 or {int(number) for _, number in found} != {month.month}:
        return []
    (year,) = years
    if abs(year - month.year) != 1 or (in_title is not None and in_title != f"{month.year}-{month.month:02d}"):
        return []
    for draft in drafts:
        if any(True for _ in _dates(draft)):
            _moved(draft, year, month)
    return [_told(year, month)]


def _told(year: int, month: Month) -> Problem:
    said = f"单元格里日期的年份是{year}，应为{month.year}（Excel 会自己补上当年的年份）；已经按{month.year}年算，请核对"
    return Problem("plan", "warning", said)


def _dates(draft: Draft) -> list[re.Match[str]]:
    found = (_ISO.match(excel_time(draft.texts.get(name, ""))) for name in _DAY_FIELDS)
    return [match for match in found if match is not None]


def _moved(draft: Draft, year: int, month: Month) -> None:
    for name in _DAY_FIELDS:
        text = excel_time(draft.texts.get(name, ""))
        if _ISO.match(text):
            draft.texts[name] = re.sub(rf"\b{year}(?=-\d\d-\d\d)", str(month.year), text)
    draft.problems.append(warning(f"单元格里的年份是{year}，按{month.year}年算，请核对"))
