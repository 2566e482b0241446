"""Joins the cells that together say when: one column, date and time apart, start and end apart (SPEC C7)."""

import re
from dataclasses import replace
from datetime import datetime, timedelta

from portal.catalogue.excel.headings import below
from portal.catalogue.excel.table import Draft
from portal.catalogue.timetext.grammar import read_groups
from portal.catalogue.timetext.parse import MAX_TEXT, parse_when
from portal.catalogue.timetext.parts import When
from portal.catalogue.timetext.tidy import plain

# Excel counts days from here; 36526 is 2000-01-01, 73050 is 2099-12-31.
_EXCEL_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001  a wall-clock date, no zone in an Excel cell
_FIRST, _LAST = 36526, 73050
_CLOCK = re.compile(r"\d[:：]\d\d")
OWN_TEXT = 5000  # characters of all sessions of a month, each written out


def excel_time(text: str) -> str:
    """A date or time that Excel shows as a bare number: 46359 → `2026-12-03`, 0.625 → `15:00`."""
    if not re.fullmatch(r"\d{5}(?:\.\d+)?|0\.\d+", text):
        return text
    value = float(text)
    moment = _EXCEL_EPOCH + timedelta(minutes=round(value * 24 * 60))
    if value < 1:
        return moment.strftime("%H:%M")
    if not _FIRST <= value <= _LAST:
        return text
    return moment.strftime("%Y-%m-%d" if value.is_integer() else "%Y-%m-%d %H:%M")


def read_when(draft: Draft, month: str) -> When:
    """When the service of a row is held: its own cells, and the day that stands over its rows."""
    texts = draft.texts
    if draft.own_export or (len(texts.get("when", "")) > MAX_TEXT and _CLOCK.search(texts.get("date", ""))):
        return _twice_told(texts, month)
    text = when_text(texts, month)
    if draft.heading is None or not text:
        return parse_when(text, month)
    joined, problems = below(draft.heading, text, read_groups(text, int(month[5:])))
    when = parse_when(joined, month)
    if problems:
        return replace(when, spans=(), weekly=None, problems=tuple(problems))
    return when


def _twice_told(texts: dict[str, str], month: str) -> When:
    """Our own table says the rule in one column and each session in the other; the sessions are what counts."""
    whole = parse_when(texts.get("when", "") or texts.get("date", ""), month, OWN_TEXT)
    shown = parse_when(texts.get("date", ""), month)
    if shown.weekly is not None and shown.spans == whole.spans:
        return replace(whole, weekly=shown.weekly, label=shown.label)
    return whole


def when_text(texts: dict[str, str], month: str) -> str:
    """One text for `parse_when` from the fields date, weekday, when, time, start, end; `month` "YYYY-MM"."""
    date = _day(excel_time(texts.get("date", "")), month)
    when = excel_time(texts.get("when", ""))
    start, end = (excel_time(texts.get(name, "")) for name in ("start", "end"))
    parts = [date, _weekday(texts.get("weekday", ""), date or when), when, excel_time(texts.get("time", ""))]
    if date and "；" in date and "；" in when:
        # A merged title over several rows: the first date goes with the first time, and so on.
        parts = ["；".join(f"{d} {t}" for d, t in zip(date.split("；"), when.split("；"), strict=False))]
    if start or end:
        parts.append(f"{start}-{end}" if start and end else start or end)
    return " ".join(part for part in parts if part)


def _day(text: str, month: str) -> str:
    """A bare day number in a date column: 5 → 5日, 5、12 → 5、12日."""
    return f"{text}日" if re.fullmatch(r"\d{1,2}(?:\s*[、,，]\s*\d{1,2})*", text.strip()) else text


def _weekday(text: str, date: str) -> str:
    said = re.sub("星期|礼拜|周", "", plain(text)).strip("() ")
    if not re.fullmatch("[一二三四五六日天1-7]", said):
        return text
    return f"(周{said})" if date else f"周{said}"
