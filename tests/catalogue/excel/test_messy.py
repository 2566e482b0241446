"""SPEC C7: workbooks as they lie on the desks: pictures, hidden and struck rows, days over rows, old and other formats."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.styles import Font
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from portal.catalogue.excel.sheet import MAX_ROWS, read_plan
from portal.catalogue.timetext.parts import Plan, errors
from portal.core.tables.grid import Unreadable
from tests.catalogue.excel.test_sheet import HEADER, book, changed, only

pytestmark = pytest.mark.once

MONTH = "2026-12"
PLANS = Path(__file__).parents[1] / "data" / "plans"


def kept(name: str, month: str = MONTH) -> Plan:
    return read_plan((PLANS / name).read_bytes(), month)


def times(plan: Plan) -> dict[int, list[tuple[int, str, str]]]:
    """Sessions by the row that Excel shows."""
    return {
        row.number: [(s.start.day, f"{s.start:%H:%M}", f"{s.end:%H:%M}") for s in row.when.spans] for row in plan.rows
    }


def said(plan: Plan) -> str:
    return "\n".join(problem.message for problem in plan.problems)


def bad(plan: Plan) -> list[int]:
    return [row.number for row in plan.rows if errors(row.problems)]


# --- the files that failed, with the values that are right ------------------------------------------------------------


def test_lunar_dates() -> None:
    plan = kept("lunar.xlsx")
    assert bad(plan) == []
    solstice = [(22, "14:30", "16:30")]
    expected = {2: solstice, 3: [(22, "10:00", "12:00")], 4: solstice, 5: [(22, "14:30", "15:30")], 6: solstice}
    assert times(plan) == expected | {7: [(day, "14:30", "16:00") for day in range(9, 16)]}


def test_deadlines_and_gathering() -> None:
    plan = kept("deadlines.xlsx")
    assert bad(plan) == [11]  # the rehearsal is asked about
    assert {number: found for number, found in times(plan).items() if number < 11} == {
        number: [(5, "08:30", "10:00")] for number in range(2, 11)
    }
    assert plan.rows[0].when.unused == ("12月3日17:00前报名",)


def test_numbers_of_sessions_and_first_days() -> None:
    plan = kept("numbers.xlsx")
    days = {number: [day for day, _, _ in found] for number, found in times(plan).items()}
    wednesdays = [2, 9, 16, 23, 30]
    assert days == {
        2: wednesdays[:4], 3: wednesdays[:3], 4: wednesdays, 5: wednesdays, 6: wednesdays, 7: wednesdays[:4],
        8: wednesdays, 9: [5, 12, 19], 10: [5, 12, 19], 11: [5, 12, 19], 12: [5, 19],
    }  # fmt: skip
    assert bad(plan) == []
    assert all(plan.rows[i].when.weekly is not None for i in (2, 4))


def test_families() -> None:
    places = [(row.capacity, row.unit) for row in kept("families.xlsx").rows]
    assert places[:3] == [(15, "家庭"), (20, "家庭"), (12, "组")]
    assert places[8:] == [(10, "组"), (12, "组")]


@pytest.mark.parametrize("name", ["picture-contact.xlsx", "picture-remark.xlsx"])
def test_a_picture_in_a_cell_counts_as_empty_and_is_told(name: str) -> None:
    plan = kept(name)
    assert bad(plan) == []
    assert [(row.contact_name, row.contact_phone, row.remark) for row in plan.rows] == [("", "0755-84200000", "")] * 2
    assert "图片没有读：" in said(plan)
    assert "第 2 行" in said(plan)


def test_hidden_and_struck_rows_are_left_out_and_named() -> None:
    hidden, struck = kept("hidden.xlsx"), kept("struck.xlsx")
    assert [row.title for row in hidden.rows] == ["剪纸", "书法"]
    assert "隐藏的行没有读：第 3 行“取消了的广场舞”、第 5 行“旧的一行”" in said(hidden)
    assert [row.title for row in struck.rows] == ["剪纸"]
    assert "划掉的行没有读：第 3 行“划掉的广场舞”" in said(struck)


def test_days_and_weeks_over_their_rows() -> None:
    days = kept("day-headings.xlsx")
    assert times(days) == {3: [(5, "09:00", "11:00")], 4: [(5, "14:30", "16:30")], 6: [(6, "10:00", "11:00")]}
    assert times(kept("week-headings.xlsx")) == {3: [(5, "09:00", "11:00")], 5: [(12, "14:30", "16:30")]}


def test_january_with_the_year_that_excel_put() -> None:
    plan = kept("january.xlsx", "2027-01")
    assert bad(plan) == []
    assert times(plan) == {2: [(9, "15:00", "16:30")], 3: [(10, "15:00", "16:30")], 4: [(11, "15:00", "16:30")]}
    assert said(plan).count("年份是2026，应为2027") == 1


def each(days: Iterable[int], *spans: tuple[str, str]) -> list[tuple[int, str, str]]:
    return [(day, *span) for day in days for span in spans]


MORNING, AFTERNOON = ("09:00", "11:00"), ("14:30", "16:30")
OFFICE_DAYS = [day for day in range(1, 32) if date(2026, 12, day).weekday() < 5]
# Worked out by hand with a calendar of December 2026, which begins on a Tuesday.
ZOO = {
    3: each((6, 13, 20), MORNING),  # 12月6日、13日、20日 上午9:00—11:00
    4: each((1, 3, 8, 10, 15, 17, 22, 24, 29, 31), ("14:00", "17:00")),  # 每周二、四下午: asked to look at
    **{number: each((6,), MORNING) for number in (7, 8, 9, 10, 17)},  # 12.6, 12/6, 2026-12-06 … 12月6日（周六）
    11: each((5, 6, 12, 13, 19, 20, 26, 27), MORNING),  # 每周末上午9点到11点
    13: each((6, 7, 8), ("09:00", "17:00")),  # 12月6-8日
    14: each((15,), MORNING),  # 每月15日
    15: each(range(1, 32), ("09:00", "17:30")),  # 12月1日至12月31日 每天
    16: each((10,), ("15:00", "16:30")),  # 下午3点-4点半
    18: each((31,), ("19:30", "00:30")),  # 19:30-次日0:30
    20: each(OFFICE_DAYS, ("09:00", "12:00"), ("14:00", "17:30")),  # 工作日
    21: each((12,), MORNING),  # 12月12日(星期六）上午九点至十一点
    24: each((24,), ("19:30", "20:30")),  # 晚7:30: an hour is taken, and said
    25: each((5, 19), ("15:00", "16:30")),  # 5号、19号
    26: each((5, 6, 13, 19, 20, 26, 27), AFTERNOON),  # 每周六、日（12日除外）
    27: each(range(7, 12), ("18:30", "20:00")),  # 12月7日—12月11日（每天）
    28: each((9, 23), ("19:00", "20:30")),  # 双周周三
    31: each((16,), ("09:00", "12:00"), ("14:00", "17:00")),  # two lines
    36: each((5, 19), MORNING),  # 每月第一、三个周六
    37: each((2, 9, 16, 23, 30), ("14:30", "16:00")),
}


def test_the_zoo_of_dates() -> None:
    plan = kept("m05-date-zoo.xlsx")
    assert bad(plan) == [5, 6, 12, 19, 22, 23, 29, 30, 32, 33, 34, 35]
    assert {number: found for number, found in times(plan).items() if number not in bad(plan)} == ZOO


def test_the_capacities() -> None:
    plan = kept("m14-caps.xlsx")
    assert bad(plan) == [21]
    assert [row.number for row in plan.rows if row.unlimited] == [8, 9, 13, 16, 19]
    places = {row.number: (row.capacity, row.unit) for row in plan.rows if row.capacity is not None}
    people = {3: 50, 4: 50, 5: 30, 6: 30, 7: 30, 10: 30, 11: 30, 12: 40, 14: 300, 15: 2000, 17: 25, 20: 100}
    assert places == {number: (most, "人") for number, most in people.items()} | {2: (30, "组"), 18: (15, "组")}


def test_three_hundred_rows_are_all_read() -> None:
    plan = kept("m15-300rows.xlsx")
    assert (len(plan.rows), bad(plan)) == (300, [])
    assert {len(row.when.spans) for row in plan.rows} == {1}
    assert [row.number for row in plan.rows] == list(range(plan.rows[0].number, plan.rows[0].number + 300))


def test_a_column_says_whose_row_it_is() -> None:
    assert [row.centre_text for row in kept("m13-combined.xlsx").rows][::4] == [
        "葵涌社区", "葵新社区", "三溪社区", "高源社区", "土洋社区",
    ]  # fmt: skip


def test_walking_in() -> None:
    assert [row.walk_in for row in kept("m17-walkin.xlsx").rows] == [True, True]


# --- their kinds ------------------------------------------------------------------------------------------------------


def test_filtered_rows_a_hidden_column_and_struck_words() -> None:
    def then(workbook: Any) -> None:
        sheet = workbook.active
        sheet.auto_filter.ref = "A1:K5"
        sheet.row_dimensions[3].hidden = True
        sheet["C4"].font = Font(strike=True)
        sheet.column_dimensions["K"].hidden = True
        old, new = InlineFont(strike=True), InlineFont()
        sheet["E5"] = CellRichText(TextBlock(old, "12月4日"), TextBlock(new, "12月5日15:00-16:30"))
        sheet["C5"] = CellRichText(TextBlock(new, "书法"))

    header = (*HEADER, "活动时间")
    rows = [(*changed(服务名称=name), "12月9日9:00-10:00") for name in ("剪纸", "滤掉的", "划掉名称", "书法")]
    plan = read_plan(book(header, *rows, then=then), MONTH)
    assert times(plan) == {2: [(5, "15:00", "16:30")], 5: [(5, "15:00", "16:30")]}
    for words in ("隐藏的行没有读：第 3 行“滤掉的”", "划掉的行没有读：第 4 行“划掉名称”", "隐藏的列没有读：“活动时间”"):
        assert words in said(plan)


def test_a_picture_formula_of_either_program() -> None:
    def then(workbook: Any) -> None:
        sheet = workbook.active
        sheet["J2"] = '=_xlfn.DISPIMG("ID_1",1)'
        sheet["D2"] = '=DISPIMG("ID_2",1)'
        sheet["D2"].data_type = "s"

    row = only(read_plan(book(HEADER, changed(), then=then), MONTH))
    assert (row.contact_name, row.content) == ("", "")
    assert not errors(row.problems)


@pytest.mark.parametrize(
    ("heading", "text", "expected"),
    [
        ("12月5日（周六）", "9:00-11:00", [5]),
        ("2026年12月5日 星期六", "上午9点-11点", [5]),
        ("12.5", "9:00-11:00", [5]),
        ("一、12月5日活动安排", "9:00-11:00", [5]),
        ("12月5日", "12月6日9:00-11:00", [6]),  # the row's own day counts
        ("12月5日", "每周三9:00-11:00", None),
        ("第二周（12月7日-13日）", "周六9:00-11:00", [12]),
        ("第二周（12月7日-13日）", "星期二、四 9:00-11:00", [8, 10]),
        ("12月7日-13日", "每天9:00-11:00", list(range(7, 14))),
        ("12月7日-13日", "9:00-11:00", None),
        ("第二周", "周六9:00-11:00", None),
        ("第二周", "12月12日9:00-11:00", [12]),
    ],
)
@pytest.mark.parametrize("merged", [True, False])
def test_headings_of_days(heading: str, text: str, expected: list[int] | None, merged: bool) -> None:
    rows = [("服务名称", "时间", "地点", "名额"), (heading,), ("亲子手工", text, "三楼", "20人")]
    plan = read_plan(book(*rows, merges=["A2:D2"] if merged else []), MONTH)
    row = only(plan)
    if expected is None:
        assert errors(row.problems)
    else:
        assert [span.start.day for span in row.when.spans] == expected
        assert not errors(row.problems)


def test_a_day_does_not_reach_into_the_next_section() -> None:
    rows = [
        ("服务名称", "时间", "地点"),
        ("12月5日",),
        ("甲", "9:00-11:00", "三楼"),
        ("公共服务",),
        ("乙", "9:00-11:00", "三楼"),
    ]
    plan = read_plan(book(*rows, merges=["A2:C2", "A4:C4"]), MONTH)
    assert bad(plan) == [5]
    assert plan.rows[1].category_text == "公共服务"


def test_a_day_written_once_in_its_column_is_carried_down_and_told() -> None:
    rows = [
        ("日期", "服务名称", "时间"),
        ("12月5日", "甲", "9:00-11:00"),
        ("", "乙", "14:00-16:00"),
        ("12月6日", "丙", "9:00-10:00"),
    ]
    plan = read_plan(book(*rows), MONTH)
    assert times(plan) == {2: [(5, "09:00", "11:00")], 3: [(5, "14:00", "16:00")], 4: [(6, "09:00", "10:00")]}
    assert any("日期空着" in problem.message for problem in plan.rows[1].problems)


@pytest.mark.parametrize("shown", ["yyyy-mm-dd", 'm"月"d"日"', "[$-804]m月d日;@", "yyyy年m月d日"])
def test_a_whole_file_of_another_year_is_read_and_told_once(shown: str) -> None:
    def then(workbook: Any) -> None:
        for number in (2, 3):
            workbook.active.cell(number, 2).number_format = shown

    rows = [
        ("服务名称", "日期", "时间"),
        ("甲", date(2026, 1, 9), "9:00-10:00"),
        ("乙", date(2026, 1, 12), "9:00-10:00"),
    ]
    plan = read_plan(book(*rows, then=then), "2027-01")
    assert {number: [day for day, _, _ in found] for number, found in times(plan).items()} == {2: [9], 3: [12]}
    assert said(plan).count("年份是2026，应为2027") == 1


def test_one_wrong_year_among_right_ones_stays_an_error() -> None:
    rows = [
        ("服务名称", "日期", "时间"),
        ("甲", date(2027, 1, 9), "9:00-10:00"),
        ("乙", date(2026, 1, 12), "9:00-10:00"),
    ]
    assert bad(read_plan(book(*rows), "2027-01")) == [3]
    whole = [("2026年1月服务清单",), ("服务名称", "日期", "时间"), ("乙", date(2026, 1, 12), "9:00-10:00")]
    assert bad(read_plan(book(*whole), "2027-01")) == [3]  # last year's list


def _repacked(data: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return made.getvalue()


def test_strict_open_xml() -> None:
    def strict(_name: str, part: bytes) -> bytes:
        spread = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
        part = part.replace(spread, b"http://purl.oclc.org/ooxml/spreadsheetml/main")
        usual = b"http://schemas.openxmlformats.org/officeDocument/2006/relationships"
        return part.replace(usual, b"http://purl.oclc.org/ooxml/officeDocument/relationships")

    plan = read_plan(_repacked(book(HEADER, changed(), changed(服务时间=datetime(2026, 12, 6, 9))), strict), MONTH)
    assert times(plan) == {2: [(5, "15:00", "16:30")], 3: [(6, "09:00", "10:00")]}


def test_days_that_count_from_1904() -> None:
    def then(workbook: Any) -> None:
        workbook.epoch = CALENDAR_MAC_1904

    rows = [("服务名称", "日期", "时间"), ("甲", date(2026, 12, 5), "9:00-10:00"), ("乙", 46362 - 1462, "9:00-10:00")]
    plan = read_plan(book(*rows, then=then), MONTH)
    assert {number: [day for day, _, _ in found] for number, found in times(plan).items()} == {2: [5], 3: [6]}


def test_chinas_own_number_formats_are_days() -> None:
    def numbered(name: str, part: bytes) -> bytes:
        return part.replace(b'numFmtId="164"', b'numFmtId="58"') if name == "xl/styles.xml" else part

    def then(workbook: Any) -> None:
        workbook.active["B2"].number_format = '"x"0'  # the first format of its own: 164

    data = book(("服务名称", "日期", "时间"), ("甲", 46031, "9:00-10:00"), then=then)
    plan = read_plan(_repacked(data, numbered), "2027-01")  # 46031 is 2026-01-09, shown as 1月9日
    assert times(plan) == {2: [(9, "09:00", "10:00")]}
    assert "年份是2026" in said(plan)


@pytest.mark.parametrize("name", ["old-workbook.xls"])
def test_old_workbooks_are_read_like_new_ones(name: str) -> None:
    plan = kept(name)
    assert times(plan) == {
        3: [(5, "09:00", "10:30")],
        4: [(6, "15:00", "16:00")],
        7: [(5, "09:00", "10:30"), (12, "09:00", "10:30")],
        8: [(10, "09:00", "10:30")],  # 12月9日 before it is struck through
    }
    assert [row.category_text for row in plan.rows] == ["党群服务", "党群服务", "公共服务", "公共服务"]
    assert (plan.rows[2].capacity, plan.rows[2].unit, plan.rows[3].walk_in) == (15, "家庭", True)
    assert "划掉的行没有读：第 5 行“划掉的”" in said(plan)
    assert "隐藏的行没有读：第 6 行“隐藏的”" in said(plan)


CSV = '服务名称,服务时间,名额,联系电话\r\n"读书会","12月5日9:00-10:00\n12月6日9:00-10:00",20人,\'-0755\r\n'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_csv_in_the_ways_programs_write_it(encoding: str, delimiter: str) -> None:
    plan = read_plan(CSV.replace(",", delimiter).encode(encoding), MONTH)
    assert times(plan) == {2: [(5, "09:00", "10:00"), (6, "09:00", "10:00")]}
    assert plan.rows[0].capacity == 20


@pytest.mark.parametrize(
    "data",
    [b"%PDF-1.7 x,y", b"<html><table><tr><td>x</td></tr></table></html>", b"\xff\xd8\xff\xe0 jpeg", b"a\x00b,c"],
)
def test_what_is_no_table_is_refused_with_what_to_do(data: bytes) -> None:
    with pytest.raises(Unreadable, match=r"另存为 \.xlsx"):
        read_plan(data, MONTH)


@pytest.mark.parametrize("cut", [600, 3000, 5000])
def test_a_broken_old_workbook_is_refused(cut: int) -> None:
    with pytest.raises(Unreadable):
        read_plan((PLANS / "old-workbook.xls").read_bytes()[:cut], MONTH)


def test_two_thousand_rows_and_not_one_more() -> None:
    line = "活动{},12月5日9:00-10:00,20人\n"
    text = "服务名称,服务时间,名额\n" + "".join(line.format(number) for number in range(MAX_ROWS))
    assert len(read_plan(text.encode(), MONTH).rows) == 2000
    with pytest.raises(Unreadable, match="超过 2000 行"):
        read_plan((text + line.format("多")).encode(), MONTH)
