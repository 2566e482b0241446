"""A plan as a centre really keeps it: title row, merged cells, weekly words, and two slips to be mended."""

import io
from datetime import date

import xlsxwriter

from portal.core import clock
from portal.demo.stage import month_dates, table

HEADER = (
    "序号", "服务类别", "服务名称", "服务内容", "服务时间", "服务对象", "服务地点", "名额", "主办单位", "联系人及电话",
)  # fmt: skip


def _nth(month: str, weekday: int, nth: int) -> date:
    return [d for d in month_dates(month) if d.weekday() == weekday][nth]


def _when(month: str, day: str, hours: str, number: int) -> str:
    """A date of the month for a weekday's sign, a day that does not exist for 'bad-day', else the words themselves."""
    if day == "bad-day":
        return f"{int(month[5:])}月32日{hours}"
    if day not in clock.WEEKDAYS:
        return f"{day}{hours}"
    on = _nth(month, clock.WEEKDAYS.index(day), number % 4)
    return f"{on.month}月{on.day}日（{clock.weekday(on)}）{hours}"


def plan(month: str, label: str, contact: str) -> bytes:
    """The workbook of the community `label` for `month` ("YYYY-MM") as .xlsx."""
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    sheet = book.add_worksheet("服务清单")
    # Without a fixed date the same month would give another file each time.
    book.set_properties({"created": clock.month_span(month)[0].replace(tzinfo=None)})
    bold = book.add_format({"bold": True, "align": "center", "text_wrap": True})
    title = f"{label}党群服务中心{clock.month_name(month, with_year=True)}服务清单"
    sheet.merge_range(0, 0, 0, len(HEADER) - 1, title, bold)
    sheet.write_row(1, 0, HEADER, bold)
    rows = table("plan")
    for number, row in enumerate(rows):
        when = _when(month, row["day"], row["hours"], number)
        cells = (
            number + 1, row["category"], row["title"], row["content"], when, row["audience"], row["place"],
            row["places"], f"{label}党群服务中心", contact,
        )  # fmt: skip
        sheet.write_row(2 + number, 0, cells)
    sheet.merge_range(2 + len(rows), 0, 2 + len(rows), len(HEADER) - 1, "备注：活动如有调整，以社区通知为准。")
    book.close()
    return stream.getvalue()
