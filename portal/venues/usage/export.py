"""The figures of rooms as a workbook (SPEC V7): what the page shows, as numbers."""

import io
from collections.abc import Iterable, Sequence
from typing import Any

import xlsxwriter

from portal.venues.usage import idle
from portal.venues.usage.figures import COMING, MISSED, UNRECORDED, USED, CentreUse, Figures
from portal.venues.usage.idle import Idle

MIMETYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FIGURES = (
    "开放小时", "已订小时", "使用率", "实际使用小时", "预约次数", "用了", "没来", "没有签到记录", "还没到", "使用人次",
    "上午使用率", "下午使用率", "晚上使用率", "说明",
)  # fmt: skip
IDLE = ("所属中心", "场地", "开放小时", "已订小时", "使用率", "一直空着的时间", "本中心没排上的用途")


def to_xlsx(groups: Sequence[CentreUse], idle_rooms: Sequence[Idle], title: str) -> bytes:
    """Three sheets: rooms, centres, idle rooms. Text stays text whatever it begins with."""
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    rooms = [[g.centre.label, u.venue.name, *_cells(u.figures)] for g in groups for u in g.rooms]
    _sheet(book, "场地", ("所属中心", "场地", *FIGURES), rooms, title)
    centres = [[g.centre.label, len(g.rooms), *_cells(g.figures)] for g in groups]
    _sheet(book, "中心", ("中心", "场地数", *FIGURES), centres, title)
    _sheet(book, "闲置", IDLE, [_idle_cells(i) for i in idle_rooms], title)
    book.close()
    return stream.getvalue()


def hours(minutes: int) -> float:
    return round(minutes / 60, 1)


def _share(part: int, whole: int) -> float | str:
    return round(part / whole, 4) if whole else ""


def _cells(figures: Figures) -> list[Any]:
    parts = [_share(booked, opened) for _, _, opened, booked, _ in figures.parts]
    notes = []
    if idle.little_open(figures):
        notes.append("开放时间少")
    if idle.few_bookings(figures):
        notes.append("预约少")
    counts = [figures.counts[kind] for kind in (USED, MISSED, UNRECORDED, COMING)]
    return [
        hours(figures.open), hours(figures.booked), _share(figures.booked, figures.open), hours(figures.used),
        figures.bookings, *counts, figures.people, *parts, "，".join(notes),
    ]  # fmt: skip


def _idle_cells(room: Idle) -> list[Any]:
    opened, booked = room.use.open_minutes, room.use.booked_minutes
    empty = "；".join(f"{days}{word}" for word, days in room.empty)
    unmet = "；".join(f"{name} {times} 次" for name, times, _ in room.unmet)
    place = room.venue
    return [place.centre.label, place.name, hours(opened), hours(booked), _share(booked, opened), empty, unmet]


def _sheet(book: Any, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str) -> None:
    sheet = book.add_worksheet(name)
    head = book.add_format({"bold": True, "bg_color": "#F7F4EF", "border": 1, "valign": "vcenter", "text_wrap": True})
    share = book.add_format({"num_format": "0%"})
    sheet.write_string(0, 0, title, book.add_format({"bold": True, "font_size": 14}))
    for column, word in enumerate(columns):
        sheet.set_column(column, column, 20 if column < 2 or word in IDLE[5:] else 11)
        sheet.write_string(1, column, word, head)
    last = 1
    for last, row in enumerate(rows, start=2):
        for column, value in enumerate(row):
            if isinstance(value, str):
                sheet.write_string(last, column, value)
            else:
                sheet.write_number(last, column, value, share if columns[column].endswith("率") else None)
    sheet.freeze_panes(2, 2)
    sheet.autofilter(1, 0, max(2, last), len(columns) - 1)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
