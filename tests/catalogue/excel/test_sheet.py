"""SPEC C7: the Excel files that centres really keep."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.catalogue.excel.sheet import read_plan
from portal.catalogue.excel.template import template_workbook
from portal.catalogue.timetext.parts import Plan, PlanRow, Span, errors
from portal.core.clock import SHANGHAI
from portal.core.tables.grid import Unreadable
from portal.core.tables.workbook import MAX_BYTES

pytestmark = pytest.mark.once

MONTH = "2026-12"
EXAMPLE = Path(__file__).parents[1] / "data" / "plan-example-kuichong-2026-12.xlsx"
_HEADINGS = "序号 服务类别 服务名称 服务内容 服务时间 服务对象 服务地点 名额 主办单位 联系人及电话"
_CELLS = "1 党群服务 绘本阅读会 共读 12月5日15:00-16:30 儿童 书吧 15组家庭 某社区 某社工0755-84200001"
HEADER = tuple(_HEADINGS.split(" "))
ROW = tuple(_CELLS.split(" "))


def sound(read: Plan | PlanRow) -> bool:
    """No errors in it nor in any of its rows; warnings may remain."""
    return not errors(read.problems) and all(sound(row) for row in getattr(read, "rows", ()))


def book(
    *rows: Sequence[Any],
    merges: Sequence[str] = (),
    name: str = "服务清单",
    then: Callable[[Any], None] | None = None,
) -> bytes:
    """An .xlsx with these rows on one sheet; `then` may change the workbook before it is saved."""
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.title = name
    for row in rows:
        sheet.append(list(row))
    for merge in merges:
        sheet.merge_cells(merge)
    if then is not None:
        then(workbook)
    stream = io.BytesIO()
    workbook.save(stream)
    return stream.getvalue()


def changed(**cells: Any) -> tuple[Any, ...]:
    """The usual row with other values, by the Chinese heading."""
    return tuple(cells.get(name, value) for name, value in zip(HEADER, ROW, strict=True))


def only(plan: Plan) -> PlanRow:
    assert len(plan.rows) == 1
    return plan.rows[0]


def messages(thing: Plan | PlanRow) -> list[str]:
    return [f"{problem.severity}: {problem.message}" for problem in thing.problems]


def on(day: int, start: str, end: str) -> Span:
    first, last = (time(*(int(part) for part in text.split(":"))) for text in (start, end))
    day_of = date(2026, 12, day)
    return Span(datetime.combine(day_of, first, SHANGHAI), datetime.combine(day_of, last, SHANGHAI))


WEEKDAYS = [day for day in range(1, 32) if date(2026, 12, day).weekday() < 5]
EXPECTED: list[tuple[str, list[Span], int | None, str]] = [
    ("“暖冬行动”高龄老人探访慰问", [on(2, "9:00", "11:30")], 20, "人"),
    ("亲子绘本阅读会", [on(5, "15:00", "16:30")], 15, "组"),
    ("四点半课堂", [on(day, "16:30", "18:00") for day in WEEKDAYS], 30, "人"),
    ("长者智能手机学习班", [on(day, "9:30", "11:00") for day in (1, 8, 15, 22, 29)], 25, "人"),
    ("冬至包汤圆", [on(22, "14:30", "17:00")], 60, "人"),
    ("“扫黑除恶”宣传", [on(9, "10:00", "11:00")], None, "人"),
    ("普法教育：民法典与邻里纠纷", [on(11, "19:30", "21:00")], 50, "人"),
    ("海洋守护净滩行动", [on(13, "8:30", "11:00")], 80, "人"),
    ("垃圾分类进小区", [on(19, "9:30", "11:30")], None, "人"),
    ("生物科技科普：参观国家基因库", [on(26, "13:30", "17:30")], 40, "人"),
    ("社保、就业政策咨询日", [on(16, "9:00", "12:00"), on(16, "14:00", "17:00")], None, "人"),
    ("主题党课：上一堂微党课", [on(18, "19:30", "20:30")], 40, "人"),
]


def test_the_example_is_understood_row_by_row() -> None:
    plan = read_plan(EXAMPLE.read_bytes(), MONTH)
    assert plan.title == "葵涌社区党群服务中心2026年12月服务清单"
    assert plan.notes == ("备注：活动如有调整，以社区通知为准。",)
    assert plan.problems == ()
    assert sound(plan)
    assert [row.problems for row in plan.rows] == [()] * 12
    got = [(row.title, list(row.when.spans), row.capacity, row.unit) for row in plan.rows]
    assert got == EXPECTED
    assert [row.number for row in plan.rows] == list(range(3, 15))
    assert [row.unlimited for row in plan.rows] == [capacity is None for _, _, capacity, _ in EXPECTED]
    assert len(plan.rows[2].when.spans) == 23
    assert plan.rows[2].when.weekly is not None
    assert plan.rows[2].when.weekly.label == "每周一至周五 16:30–18:00"
    advice = plan.rows[10]
    assert (advice.category_text, advice.place) == ("政策咨询服务", "一楼便民服务厅")
    assert (advice.organiser, advice.audience_text) == ("葵涌街道公共服务办", "全体居民")
    assert (advice.contact_name, advice.contact_phone) == ("赵干事", "0755-84200030")
    assert advice.content == "现场解答社保、就业、证件办理"
    assert advice.raw["服务时间"] == "12月16日（周三）9:00-12:00，14:00-17:00"


def test_another_month_is_told_and_its_dates_are_errors() -> None:
    plan = read_plan(EXAMPLE.read_bytes(), "2027-01")
    assert messages(plan) == ["warning: 表的标题写的是2026年12月，现在选的是2027年1月，请核对有没有传错文件"]
    assert not sound(plan)
    assert [sound(row) for row in plan.rows].count(False) == 10


def test_titles_blank_rows_merged_categories_and_sections() -> None:
    data = book(
        ["某社区党群服务中心12月活动安排表"],
        ["填报单位：某社区　　填报时间：2026年11月20日"],
        [],
        HEADER,
        [],
        changed(),
        changed(服务类别=None, 服务名称="普法讲座", 服务时间="每周五19:30-21:00"),
        [],
        [None, None, "  "],
        changed(服务类别="公共服务", 服务名称="义诊", 名额="不限"),
        [5, None],
        ["备注：以通知为准", None, None, None, "咨询：0755-84200001"],
        merges=["A1:J1", "A2:J2", "B6:B7", "A12:D12"],
    )
    plan = read_plan(data, MONTH)
    assert [(row.number, row.title, row.category_text) for row in plan.rows] == [
        (6, "绘本阅读会", "党群服务"),
        (7, "普法讲座", "党群服务"),
        (10, "义诊", "公共服务"),
    ]
    assert sound(plan)
    assert plan.problems == ()
    assert plan.notes[0].startswith("填报单位")
    assert plan.notes[-1] == "备注：以通知为准 咨询：0755-84200001"


def test_section_headings_name_the_category_and_headers_may_repeat() -> None:
    header = ("序号", "活动主题", "活动时间", "地点", "对象", "人数")
    data = book(
        ["2026年12月服务清单"],
        ["一、党群服务"],
        header,
        [1, "读书会", "12月5日9:00-10:00", "书吧", "居民", 20],
        ["二、公共服务"],
        header,
        [1, "义诊", "12月6日9:00-10:00", "广场", "居民", "不限"],
        ["欢迎广大居民参加"],
        merges=["A1:F1", "A2:F2", "A5:F5", "A8:F8"],
    )
    plan = read_plan(data, MONTH)
    assert [(row.title, row.category_text) for row in plan.rows] == [("读书会", "党群服务"), ("义诊", "公共服务")]
    assert plan.notes == ("欢迎广大居民参加",)


def test_a_header_in_two_rows() -> None:
    data = book(
        ["序号", "项目名称", "活动安排", None, "参与对象", "招募人数（人）", "联系方式", None],
        [None, None, "日期", "时间", None, None, "联系人", "联系电话"],
        [1, "读书会", datetime(2026, 12, 5), "9:00-10:30", "居民", 20, "某社工", "19900000001"],
        merges=["A1:A2", "B1:B2", "C1:D1", "E1:E2", "F1:F2", "G1:H1"],
    )
    row = only(read_plan(data, MONTH))
    assert row.when.spans == (on(5, "9:00", "10:30"),)
    assert (row.capacity, row.contact_name, row.contact_phone) == (20, "某社工", "19900000001")
    assert row.problems == ()


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        (["日期", "时间"], ["12月5日", "9:00-10:30"]),
        (["日期", "星期", "时间"], ["12月5日", "六", "9:00-10:30"]),
        (["日期", "时间"], [datetime(2026, 12, 5), "上午9点-10点半"]),
        (["日期", "开始时间", "结束时间"], [date(2026, 12, 5), time(9, 0), time(10, 30)]),
        (["日期", "开始时间", "结束时间"], [46361, 0.375, 0.4375]),
        (["开始时间", "结束时间"], [datetime(2026, 12, 5, 9), datetime(2026, 12, 5, 10, 30)]),
        (["日期", "时间"], [5, "9:00-10:30"]),
        (["服务时间"], ["2026年12月5日\n（周六）\n9:00－10:30"]),
    ],
)
def test_date_and_time_in_columns_of_their_own(header: list[str], cells: list[Any]) -> None:
    row = only(read_plan(book(["活动名称", *header], ["读书会", *cells]), MONTH))
    assert row.when.spans == (on(5, "9:00", "10:30"),)
    assert row.when.problems == ()


def test_a_date_cell_with_only_a_start_is_an_hour_with_a_warning() -> None:
    row = only(read_plan(book(HEADER, changed(服务时间=datetime(2026, 12, 5, 15))), MONTH))
    assert row.when.spans == (on(5, "15:00", "16:00"),)
    assert messages(row) == ["warning: 没有结束时间，按 1 小时算，请核对"]
    assert sound(row)


def test_one_service_merged_over_two_rows_has_both_sessions() -> None:
    second = changed(服务时间="12月12日15:00-16:30")
    plan = read_plan(book(HEADER, changed(), second, merges=["A2:A3", "C2:C3"]), MONTH)
    assert only(plan).when.spans == (on(5, "15:00", "16:30"), on(12, "15:00", "16:30"))


def test_ditto_and_repeats() -> None:
    plan = read_plan(book(HEADER, changed(), changed(服务类别="同上", 服务对象="〃"), changed(服务类别=None)), MONTH)
    assert [row.category_text for row in plan.rows] == ["党群服务"] * 3
    assert plan.rows[1].audience_text == "儿童"
    assert messages(plan.rows[1]) == ["warning: 和第 2 行的服务、时间、地点都一样，请核对是不是写重了"]
    assert "warning: 类别空着，按上一行的“党群服务”算，请核对" in messages(plan.rows[2])


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        ({"服务名称": None}, "error: 没写服务名称，请补上"),
        ({"服务名称": "很" * 101}, "error: 服务名称超过 100 个字，请缩短，细节写到服务内容里"),
        ({"服务时间": "12月32日9:00-10:00"}, "error: 没有12月32日这一天（2026年12月只有 31 天），请核对日期"),
        ({"服务时间": None}, "error: 没有写时间，请写成 12月3日15:00-16:30 或 每周五19:30-21:00 这样"),
        ({"服务时间": "12月5日16:00-15:00"}, "error: 结束时间 15:00 不晚于开始时间 16:00，请核对"),
        ({"名额": "很多"}, "error: 名额“很多”看不懂，请写数字（如 30人、15组家庭）或“不限”"),
        ({"服务地点": None}, "warning: 没写地点，请补上"),
        ({"服务对象": ""}, "warning: 没写服务对象，请补上（谁都可以来就写“全体居民”）"),
        ({"联系人及电话": "某社工"}, "warning: 没写联系电话，请补上"),
    ],
)
def test_a_bad_cell_says_what_is_wrong_and_the_row_stays(cells: dict[str, Any], problem: str) -> None:
    plan = read_plan(book(HEADER, changed(**cells), changed(服务名称="另一个")), MONTH)
    assert len(plan.rows) == 2
    assert messages(plan.rows[0]) == [problem]
    assert sound(plan.rows[0]) is problem.startswith("warning")
    assert sound(plan.rows[1])


def test_text_that_looks_like_a_formula_is_text_and_formulas_without_result_are_told() -> None:
    def put(workbook: Any) -> None:
        cell = workbook.active["C2"]
        cell.value, cell.data_type = "=HYPERLINK(1)", "s"
        workbook.active["E3"] = '="12月5日"&"9:00-10:00"'

    plan = read_plan(book(HEADER, changed(), changed(服务名称="@义诊"), then=put), MONTH)
    assert plan.rows[0].title == "=HYPERLINK(1)"
    assert sound(plan.rows[0])
    assert plan.rows[1].title == "@义诊"
    assert messages(plan.rows[1]) == ["error: 这一格是公式，文件里没有存下结果；请把它改成直接写的文字，保存后再上传"]


def test_missing_columns_are_told_once() -> None:
    plan = read_plan(book(["活动名称", "时间"], ["读书会", "12月5日9:00-10:00"]), MONTH)
    assert messages(plan) == [
        f"warning: 表里没有“{name}”这一列，请核对" for name in ("服务地点", "服务对象", "名额", "联系人及电话")
    ]


def test_several_sheets_the_month_decides_and_hidden_ones_stay_out() -> None:
    def more(workbook: Any) -> None:
        for name, title, hidden in (("11月", "旧的", False), ("说明", None, False), ("底稿", "藏的", True)):
            sheet = workbook.create_sheet(name)
            if title:
                sheet.append(list(HEADER))
                sheet.append(list(changed(服务名称=title)))
            sheet.sheet_state = "hidden" if hidden else "visible"

    plan = read_plan(book(HEADER, changed(), name="12月", then=more), MONTH)
    assert only(plan).title == "绘本阅读会"
    assert only(plan).sheet == "12月"
    assert messages(plan) == [
        "warning: 隐藏的工作表没有读；需要的话请取消隐藏后再上传",
        "warning: 工作表“11月”不是2026年12月的，没有读",
    ]


def test_sheets_by_category_are_all_read() -> None:
    def more(workbook: Any) -> None:
        sheet = workbook.create_sheet("公共服务")
        sheet.append(list(HEADER))
        sheet.append(list(changed(服务名称="义诊")))

    plan = read_plan(book(HEADER, changed(), name="党群服务", then=more), MONTH)
    assert [(row.sheet, row.title) for row in plan.rows] == [("党群服务", "绘本阅读会"), ("公共服务", "义诊")]
    assert messages(plan) == ["warning: 读了 2 个工作表：“党群服务”“公共服务”，请核对"]


# --- files that cannot be used ------------------------------------------------------------


def _zip(**parts: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return stream.getvalue()


def _hide(workbook: Any) -> None:
    workbook.active.sheet_state = "hidden"
    workbook.create_sheet("空")


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
DTD = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><workbook>&b;</workbook>'


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "这个文件是空的"),
        (b"x" * (8 * 1024 * 1024 + 1), "超过 8 MB"),
        (OLE + b"\0" * 600, "打不开"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "打开密码"),
        (b"PK\x03\x04broken", "打不开"),
        (EXAMPLE.read_bytes()[:4000], "打不开"),
        (_zip(word__document_dot_xml=b"<w/>"), "不是 Excel 的 .xlsx"),
        (_zip(xl__workbook_dot_xml=b"<broken"), "打不开"),
        (_zip(xl__workbook_dot_xml=DTD), "打不开"),
        (_zip(xl__workbook_dot_xml=b"<a/>", xl__big_dot_xml=b" " * (21 * 1024 * 1024)), "解开后太大"),
        (book(), "什么也没有"),
        (book(["姓名", "年龄"], ["甲", 3]), "没有找到表头"),
        (book(HEADER, changed(), then=_hide), "取消隐藏"),
    ],
)
def test_a_file_that_cannot_be_used_says_what_to_do(data: bytes, words: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read_plan(data, MONTH)
    assert words in refused.value.message


def test_a_merged_range_over_the_whole_sheet_costs_nothing() -> None:
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(book(HEADER, changed()))) as source,
        zipfile.ZipFile(stream, "w") as target,
    ):
        for info in source.infolist():
            part = source.read(info)
            if info.filename == "xl/worksheets/sheet1.xml":
                merged = b'</sheetData><mergeCells><mergeCell ref="L1:XFD1048576"/></mergeCells>'
                part = part.replace(b"</sheetData>", merged)
            target.writestr(info, part)
    assert sound(only(read_plan(stream.getvalue(), MONTH)))


def test_five_hundred_rows_are_read() -> None:
    plan = read_plan(book(HEADER, *[changed(服务名称=f"活动{n}") for n in range(500)]), MONTH)
    assert len(plan.rows) == 500
    assert sound(plan)


# --- the template ---------------------------------------------------------------------------


def test_the_template_is_empty_and_can_be_filled_and_read() -> None:
    data = template_workbook(MONTH, ["党群服务", "公共服务"])
    plan = read_plan(data, MONTH)
    assert plan.rows == ()
    assert messages(plan) == ["error: 表里还没有填服务；请在表头下面一行一项填写"]
    workbook = openpyxl.load_workbook(io.BytesIO(data))
    sheet = workbook.active
    lists = [rule.formula1 for rule in sheet.data_validations.dataValidation]
    assert lists[0] == '"党群服务,公共服务"'
    assert "12月5日（周六）15:00-16:30" in sheet["E3"].comment.text
    for column, value in enumerate(ROW, start=1):
        sheet.cell(4, column, value)
    stream = io.BytesIO()
    workbook.save(stream)
    row = only(read_plan(stream.getvalue(), MONTH))
    assert row.problems == ()
    assert row.when.spans == (on(5, "15:00", "16:30"),)
    assert row.number == 4


def test_very_many_categories_do_not_break_the_template() -> None:
    data = template_workbook(MONTH, [f"第{n}种很长很长的服务类别" for n in range(60)])
    assert openpyxl.load_workbook(io.BytesIO(data)).active["C3"].value == "服务名称"


@settings(max_examples=40, deadline=timedelta(seconds=60))
@given(
    st.lists(
        st.lists(st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=12), max_size=10),
        max_size=4,
    )
)
def test_random_cells_never_raise_and_no_row_is_lost(cells: list[list[str]]) -> None:
    rows = [[f"活动{n}", "12月5日9:00-10:00", *row] for n, row in enumerate(cells)]
    header = [
        "服务名称",
        "服务时间",
        "名额",
        "联系人及电话",
        "服务对象",
        "地点",
        "类别",
        "内容",
        "备注",
        "主办",
    ]
    plan = read_plan(book(header, *rows, ["最后", "12月6日9:00-10:00"]), MONTH)
    assert [row.title for row in plan.rows] == [*(f"活动{n}" for n in range(len(cells))), "最后"]


# What costs is what has to be taken apart, whatever the bytes --------------------------------------------------------

CELL = b'<c t="inlineStr"><is><t>a</t></is></c>'


def packed(rows: bytes, styles: bytes = b"") -> bytes:
    """A workbook of these rows and styles, behind a header; written without a dimension, as bombs are."""
    made, given = io.BytesIO(), book(HEADER, changed())
    with zipfile.ZipFile(io.BytesIO(given)) as source, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            part = source.read(name)
            if name == "xl/worksheets/sheet1.xml":
                part = re.sub(rb"<dimension[^>]*/>", b"", part).replace(b"</sheetData>", rows + b"</sheetData>")
            if name == "xl/styles.xml":
                part = part.replace(b"</styleSheet>", styles + b"</styleSheet>")
            target.writestr(name, part)
    return made.getvalue()


@pytest.mark.parametrize(
    ("rows", "styles"),
    [
        (lambda: b"<row>" + CELL * 150_000 + b"</row>", lambda: b""),
        (lambda: b"", lambda: b"<xf/>" * 600_000),
        (lambda: b"<row " + b" ".join(b'a%d="1"' % n for n in range(500_001)) + b"/>", lambda: b""),
        (lambda: b"<a>" * 300_000 + b"</a>" * 300_000, lambda: b""),
    ],
    ids=["cells", "styles", "attributes", "depth"],
)
def test_a_small_file_of_a_million_pieces_is_refused_before_it_is_taken_apart(
    rows: Callable[[], bytes], styles: Callable[[], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = packed(rows(), styles())
    assert len(data) < MAX_BYTES
    monkeypatch.setattr(openpyxl, "load_workbook", lambda *_, **__: pytest.fail("taken apart"))
    with pytest.raises(Unreadable, match="解开后太大"):
        read_plan(data, MONTH)


def test_rows_that_nobody_filled_in_are_not_even_looked_at() -> None:
    """WPS writes a million of them; the first row too many ends the sheet."""
    assert len(read_plan(packed(b"<row/>" * 900_000), MONTH).rows) == 1


def test_whoever_leads_is_whom_one_rings() -> None:
    """What centres call it on their own sheets: 牵头人, with the number in the same cell."""
    header = tuple("牵头人" if cell == "联系人及电话" else cell for cell in HEADER)
    row = read_plan(book(("鹏城社区2026年12月服务计划",), header, ROW), MONTH).rows[0]
    assert (row.contact_name, row.contact_phone) == ("某社工", "0755-84200001")
