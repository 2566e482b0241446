"""A plan as a centre really keeps it: title row, merged cells, weekly words, and two slips to be mended."""

from __future__ import annotations

import io
from datetime import date

import xlsxwriter

from portal.core import clock
from portal.demo.stage import month_dates

HEADER = (
    "序号", "服务类别", "服务名称", "服务内容", "服务时间", "服务对象", "服务地点", "名额", "主办单位", "联系人及电话",
)  # fmt: skip
CONTACT = "陈社工 0755-84200004"
# (category, title, content, weekday or words, hours, audience, place, places)
ROWS = (
    ("党群服务", "高龄老人探访慰问", "社工与党员志愿者入户探访80岁以上独居老人，量血压、查水电", 2, "9:00-11:30", "辖区独居老人",
     "葵涌社区", "20人"),
    ("党群服务", "亲子绘本阅读会", "共读绘本，亲子角色扮演", 5, "15:00-16:30", "3-6岁儿童及家长", "二楼书吧", "15组家庭"),
    ("党群服务", "四点半课堂", "作业辅导、安全教育、兴趣游戏", "每周一至周五", "16:30-18:00", "小学生", "一楼四点半课堂", "30人"),
    ("党群服务", "长者智能手机学习班", "手把手教长者用微信、就医挂号、防诈骗", "每周二", "9:30-11:00", "60岁以上长者", "老人活动室", "25"),
    ("公共服务", "普法教育：民法典与邻里纠纷", "律师讲座与现场咨询", 4, "19:30-21:00", "全体居民", "三楼会议室", "50人"),
    ("公共服务", "海洋守护净滩行动", "沙鱼涌海滩净滩，提供手套与垃圾袋", 6, "8:30-11:00", "全体居民（未成年人须家长陪同）", "沙鱼涌海滩",
     "80人"),
    ("社会公益服务", "垃圾分类进小区", "有奖问答、分类游戏", 5, "9:30-11:30", "全体居民", "金葵小区", "不限"),
    ("社会公益服务", "生物科技科普：参观国家基因库", "专车往返，讲解员导览", "bad-day", "13:30-17:30", "小学四年级以上学生",
     "国家基因库", "40人"),
    ("党员服务", "主题党课：上一堂微党课", "党员轮流主讲", 4, "20:30-19:30", "辖区党员", "党建书吧", "40人"),
)  # fmt: skip


def _nth(month: str, weekday: int, nth: int) -> date:
    return [d for d in month_dates(month) if d.weekday() == weekday][nth]


def _when(month: str, day: int | str, hours: str, number: int) -> str:
    if day == "bad-day":
        return f"{int(month[5:])}月32日{hours}"
    if isinstance(day, str):
        return f"{day}{hours}"
    on = _nth(month, day, number % 4)
    return f"{on.month}月{on.day}日（{clock.weekday(on)}）{hours}"


def plan(month: str) -> bytes:
    """The workbook of 葵涌社区 for `month` ("YYYY-MM") as .xlsx."""
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    sheet = book.add_worksheet("服务清单")
    # Without a fixed date the same month would give another file each time.
    book.set_properties({"created": clock.month_span(month)[0].replace(tzinfo=None)})
    bold = book.add_format({"bold": True, "align": "center", "text_wrap": True})
    title = f"葵涌社区党群服务中心{clock.month_name(month, with_year=True)}服务清单"
    sheet.merge_range(0, 0, 0, len(HEADER) - 1, title, bold)
    sheet.write_row(1, 0, HEADER, bold)
    for number, (category, name, content, day, hours, audience, place, places) in enumerate(ROWS):
        cells = (
            number + 1, category, name, content, _when(month, day, hours, number), audience, place, places,
            "葵涌社区党群服务中心", CONTACT,
        )  # fmt: skip
        sheet.write_row(2 + number, 0, cells)
    sheet.merge_range(2 + len(ROWS), 0, 2 + len(ROWS), len(HEADER) - 1, "备注：活动如有调整，以社区通知为准。")
    book.close()
    return stream.getvalue()
