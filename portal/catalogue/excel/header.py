"""Finds the header of a plan and which column says what (SPEC C7)."""

import re
from dataclasses import dataclass
from functools import lru_cache

from portal.catalogue.timetext.tidy import plain
from portal.core.tables.grid import Sheet

_HEADINGS = {
    "number": "序号 编号 序 no 行号",
    "category": "服务类别 类别 类型 服务类型 活动类别 活动类型 项目类别 项目类型 分类 服务分类 "
    "活动分类 板块 服务板块 服务大类 大类 服务种类",
    "title": "服务名称 活动名称 项目名称 活动主题 服务项目 服务主题 活动项目 名称 主题 项目 活动 "
    "服务 课程名称 课程 服务事项 事项 标题 活动名 服务项目名称 服务活动名称 服务名称主题 "
    "活动服务名称 讲座名称 具体项目",
    "content": "服务内容 活动内容 内容 简介 活动简介 服务简介 内容简介 项目内容 主要内容 "
    "活动内容简介 服务内容简介 具体内容 内容概要 活动介绍 服务介绍 课程内容 活动形式及内容 "
    "服务内容及形式 项目简介 活动概要",
    "when": "服务时间 活动时间 时间 开展时间 举办时间 日期时间 活动日期时间 服务日期及时间 "
    "活动日期及时间 日期及时间 服务时段 时间安排 计划时间 开展日期及时间 时间日期 具体时间 "
    "上课时间 拟开展时间 计划开展时间 活动开展时间 服务开展时间",
    "date": "日期 活动日期 服务日期 开展日期 举办日期 计划日期",
    "weekday": "星期 周几 星期几",
    "time": "时段 时间段 活动时段 起止时间 具体时段",
    "start": "开始时间 起始时间 开始",
    "end": "结束时间 截止时间 结束",
    "audience": "服务对象 参与对象 对象 活动对象 面向对象 参加对象 面向人群 服务人群 参与人群 "
    "目标人群 招募对象 参加人员 参与人员 受众 适合人群",
    "place": "服务地点 地点 活动地点 开展地点 举办地点 场地 活动场地 服务场地 服务地址 "
    "活动地址 地址 场所 服务场所 上课地点",
    "capacity": "名额 人数 招募人数 参与人数 服务人数 活动人数 招募名额 活动名额 服务名额 报名人数 "
    "报名名额 人数上限 名额限制 限额 预计人数 计划人数 参加人数 人数限制 预计参与人数 "
    "拟招募人数 招募数量 数量 规模 活动规模 参与规模",
    "organiser": "主办单位 主办 承办 承办单位 主办承办 主办承办单位 组织单位 责任单位 举办单位 "
    "服务单位 实施单位 服务提供单位 开展单位 牵头单位 服务主体 主办方 组织者 提供单位 "
    "单位 主办部门 责任部门",
    "contact": "联系人及电话 联系人电话 联系人及联系电话 联系方式 联系人联系电话 联系人和电话 "
    "联系人及联系方式 联系人联系方式 联系人与电话 咨询报名 报名方式 报名咨询 "
    "联系人姓名及电话 负责人及电话 负责人及联系方式 责任人及电话 负责人电话 咨询方式",
    "contact_name": "联系人 负责人 责任人 牵头人 联系人姓名 活动负责人 服务负责人 联络人 姓名",
    "contact_phone": "联系电话 电话 咨询电话 报名电话 手机 手机号 手机号码 联系人手机 服务电话 热线 电话号码 联络电话",
    "centre": "社区 所属社区 社区名称 所属阵地 阵地 阵地名称 开展社区 村居 所属村居 社区居委会 "
    "社区党群服务中心 党群服务中心 "
    "站点 所属站点 服务站点 服务阵地 开展阵地 申报社区 报送社区 填报社区 街道社区 "
    "拟进社区 拟安排社区 进驻社区 安排社区 落地社区 服务社区 实施社区",
    "remark": "备注 说明 其他 备注说明 其他说明",
}
SYNONYMS: dict[str, tuple[str, ...]] = {name: tuple(words.split()) for name, words in _HEADINGS.items()}
_FIELD_OF = {name: field for field, names in SYNONYMS.items() for name in names}
REQUIRED_WHEN = ("when", "date", "time", "start")
_SEARCH_ROWS = 60


@dataclass(frozen=True)
class Header:
    """`columns` maps a field to its columns (from 1); `top` and `bottom` are the header's rows."""

    top: int
    bottom: int
    columns: dict[str, tuple[int, ...]]
    names: dict[int, str]


@lru_cache(maxsize=5000)
def field_of(text: str) -> str | None:
    """The field a heading stands for; remarks in brackets, blanks and signs do not matter."""
    text = re.sub(r"\([^()]*\)", "", plain(text)).lower()
    text = re.sub(r"[\s*:/、,.及和与&·_-]+", "", text) or ""
    return _FIELD_OF.get(text) or _FIELD_OF_SQUEEZED.get(text)


_FIELD_OF_SQUEEZED = {re.sub("[及和与]", "", name): field for name, field in _FIELD_OF.items()}


def _fields(row: list[str]) -> dict[int, str]:
    found = ((column, field_of(text)) for column, text in enumerate(row, start=1) if text and len(text) <= 40)
    return {column: field for column, field in found if field is not None}


def _is_heading(row: list[str]) -> bool:
    return len(set(_fields(row).values()) - {"number"}) >= 2


def header_at(sheet: Sheet, row: int) -> Header | None:
    """The header whose top is `row` (from 1); it may stand in two rows, the lower one being finer."""
    upper = sheet.rows[row - 1]
    lower = sheet.rows[row] if row < len(sheet.rows) else []
    if not _is_heading(upper):
        return None
    if _is_heading(lower) or any(merge.top == row and merge.bottom > row for merge in sheet.merges):
        fine = {**_fields(upper), **_fields(lower)}
        two_rows = _header(row, row + 1, fine, upper, lower)
        covered = _is_covered(sheet, row, fine)
        if two_rows is not None and covered:
            return two_rows
    return _header(row, row, _fields(upper), upper, [])


def _is_covered(sheet: Sheet, row: int, fields: dict[int, str]) -> bool:
    """In a two-row header every cell below is a heading, empty, or part of the merged cell above it."""
    if row >= len(sheet.rows):
        return False
    for column, text in enumerate(sheet.rows[row], start=1):
        merge = sheet.merge_at(row, column)
        inside = merge is not None and merge.bottom > row
        if text and field_of(text) is None and not inside:
            return False
    return any(sheet.rows[row])


def _header(top: int, bottom: int, fields: dict[int, str], upper: list[str], lower: list[str]) -> Header | None:
    columns: dict[str, tuple[int, ...]] = {}
    for column, field in fields.items():
        columns[field] = (*columns.get(field, ()), column)
    if "title" not in columns or not any(name in columns for name in REQUIRED_WHEN):
        return None
    names = {}
    for column, text in enumerate(upper, start=1):
        finer = lower[column - 1] if column <= len(lower) else ""
        if finer or text:
            names[column] = " ".join((finer or text).split())
    return Header(top, bottom, columns, names)


def find_header(sheet: Sheet) -> Header | None:
    """The first header within the sheet's first 60 rows."""
    for row in range(1, min(len(sheet.rows), _SEARCH_ROWS) + 1):
        header = header_at(sheet, row)
        if header is not None:
            return header
    return None
