"""The files of the morning, as a district and its centres keep them: nothing is arranged for the portal."""

from __future__ import annotations

import csv
import io
from datetime import date
from pathlib import Path

import openpyxl
from openpyxl.styles import Font
from openpyxl.worksheet.worksheet import Worksheet

from portal.centres import table

SAMPLE = Path(__file__).parents[1] / "catalogue" / "data" / "plan-example-kuichong-2026-12.xlsx"
DEPARTMENTS = (
    ("政法办", "0755-84200101"), ("文体局", "0755-84200102"), ("群团工作部", "0755-84200103"), ("义工联", "0755-84200104"),
)  # fmt: skip
# Whoever works at the desk twice: reviewers, and the biggest communities.
SECOND = ("葵涌街道", "大鹏街道", "南澳街道", "葵涌社区", "大鹏社区")


def centres(file: Path) -> int:
    """Fill in the yellow cells of the exported table. Returns how many centres it has below the top."""
    book = openpyxl.load_workbook(file)
    sheet = book[table.SHEET]
    for row in range(2, sheet.max_row + 1):
        told = {
            "phone": f"0755-842{row:05d}", "address": f"演示路{row}号", "latitude": f"{22.5 + row / 1000:.4f}",
            "longitude": f"{114.4 + row / 1000:.4f}", "responsible": "某某某", "area_m2": str(300 + row),
            "hours": "周一至周五 9:00-12:00 14:00-18:00；周六 9:00-12:00", "off_peak": "周三 19:00-21:00 晚间延时",
        }  # fmt: skip
        for name, text in told.items():
            sheet.cell(row, table.NAMES.index(name) + 1).value = text
    book.save(file)
    return sheet.max_row - 1


def accounts(file: Path, exported: Path) -> int:
    """The roster of the district's officers, GBK as Excel saves CSV: one for each centre below the district, a second
    one for some, one for each department. Returns how many."""
    sheet = openpyxl.load_workbook(exported)[table.SHEET]
    code, name = table.NAMES.index("code"), table.NAMES.index("name")
    units = [(row[code], row[name]) for row in sheet.iter_rows(min_row=2, values_only=True)]
    short = [str(unit).removesuffix("党群服务中心").removesuffix("党群服务站") for _, unit in units]
    places = [each for each in short if each not in ("大鹏新区",)]
    people = [(place, "", "管理员") for place in places] + [(place, "", "经办人") for place in SECOND]
    people += [("", department, "经办人") for department, _ in DEPARTMENTS]
    lines = [("序号", "姓名", "手机号码", "单位", "职能部门", "角色")]
    for number, (place, department, role) in enumerate(people, 1):
        who = "二号" if place and number > len(places) else ""
        lines.append(
            (str(number), f"{(place or department)[:12]}经办{who}", f"199000{number:05d}", place, department, role)
        )
    out = io.StringIO()
    csv.writer(out).writerows(lines)
    file.write_bytes(out.getvalue().encode("gbk"))
    return len(people)


def _titled(sheet: Worksheet, title: str, columns: int) -> None:
    sheet.append((title,))
    sheet.merge_cells(start_row=1, start_column=1, end_row=1, end_column=columns)
    sheet["A1"].font = Font(bold=True, size=16)


def xichong(file: Path) -> int:
    """Date and time in columns of their own, the category merged over its rows. Returns how many services."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "12月"
    _titled(sheet, "溪涌社区党群服务中心12月份活动安排表", 8)
    sheet.append(("类别", "活动名称", "日期", "时间", "地点", "对象", "人数", "联系人/电话"))
    rows = (
        ("党群服务", "晨读书吧", date(2026, 12, 3), "9:00-10:30", "二楼书吧", "全体居民", "20人", "林社工 0755-84200201"),
        ("", "老年合唱队排练", "每周四", "15:00-16:30", "多功能厅", "60岁以上长者", "30", "林社工 0755-84200201"),
        ("", "亲子手工：做灯笼", date(2026, 12, 20), "10:00-11:30", "一楼大厅", "亲子家庭", "12组", "林社工 0755-84200201"),
        ("公共服务", "便民义剪", date(2026, 12, 12), "9:00-11:00", "社区广场", "全体居民", "不限", "黄社工 0755-84200202"),
        ("", "消防演练", date(2026, 12, 17), "16:00-17:00", "社区广场", "全体居民", "不限", "黄社工 0755-84200202"),
        ("党员服务", "主题党日", date(2026, 12, 25), "19:30-21:00", "党建室", "辖区党员", "40", "黄社工 0755-84200202"),
    )  # fmt: skip
    for row in rows:
        sheet.append(row)
    sheet.merge_cells("A3:A5")
    sheet.merge_cells("A6:A7")
    sheet.append(("填表人：林社工　　审核人：黄社工",))
    book.save(file)
    return len(rows)


def pengcheng(file: Path) -> int:
    """Headings of their own, one of everything. Returns how many services."""
    book = openpyxl.Workbook()
    sheet = book.active
    _titled(sheet, "鹏城社区党群服务中心2026年12月服务计划", 7)
    sheet.append(("活动主题", "服务类别", "时段", "活动地点", "规模", "牵头人", "备注"))
    rows = (
        ("所城非遗讲解", "社会公益服务", "每周六10:00-11:30", "大鹏所城南门", "25人", "苏社工 0755-84200301", "请自备饮水"),
        ("长者血压测量", "公共服务", "12月8日、22日9:00-11:00", "一楼便民厅", "不限", "苏社工 0755-84200301", ""),
        ("少儿乒乓球", "党群服务", "12月12日（周六）14:30-16:00", "文体室", "16人", "苏社工 0755-84200301", ""),
        ("渔家粽子制作", "党群服务", "12月19日（周六）9:30-11:30", "社区厨房", "20组家庭", "苏社工 0755-84200301", ""),
    )  # fmt: skip
    for row in rows:
        sheet.append(row)
    book.save(file)
    return len(rows)


def department(file: Path) -> int:
    """A department's plan for the whole district, with the communities it thinks of. Returns how many."""
    book = openpyxl.Workbook()
    sheet = book.active
    _titled(sheet, "政法办2026年12月进社区计划", 8)
    sheet.append(("序号", "服务类别", "服务名称", "服务时间", "服务对象", "名额", "拟进社区", "联系人及电话"))
    rows = (
        (1, "政策咨询服务", "反诈宣传进社区", "12月4日（周五）15:00-16:30", "全体居民", "不限", "葵涌社区、溪涌社区", "刘干事 0755-84200101"),
        (2, "政策咨询服务", "法律咨询日", "12月10日（周四）9:30-11:30", "全体居民", "不限", "鹏城社区", "刘干事 0755-84200101"),
        (3, "公共服务", "平安志愿者培训", "12月18日（周五）15:00-17:00", "志愿者", "50人", "葵涌社区", "刘干事 0755-84200101"),
    )  # fmt: skip
    for row in rows:
        sheet.append(row)
    book.save(file)
    return len(rows)
