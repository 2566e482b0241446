"""The empty plan that a centre downloads, fills in and uploads again (SPEC C7)."""

import io
from collections.abc import Sequence

import xlsxwriter

from portal.catalogue.timetext.days import Month

# The four kinds of 大众化服务, 场地预约 and the rest of SPEC C1; a deployment passes its own.
CATEGORIES = ("党群服务", "公共服务", "社会公益服务", "政策咨询服务", "党员服务")
_AUDIENCES = ("全体居民", "60岁以上长者", "小学生", "3-6岁儿童及家长", "辖区党员", "新就业群体")
_LAST_ROW = 203
_COLUMNS: tuple[tuple[str, int, str], ...] = (
    ("序号", 6, ""),
    ("服务类别", 14, "从下拉框里选。\n例：党群服务"),
    ("服务名称", 28, "居民看到的名字，一行一项。\n例：亲子绘本阅读会"),
    ("服务内容", 36, "一两句话说清做什么。\n例：共读《小猪变形记》，亲子角色扮演"),
    (
        "服务时间",
        32,
        "照平常写就行。例：\n{m}月5日（周{w}）15:00-16:30\n{m}月5日、12日、19日 9:30-11:00"
        "\n每周五19:30-21:00\n每周一至周五16:30-18:00",
    ),
    ("服务对象", 20, "谁都可以来就写“全体居民”。\n例：3-6岁儿童及家长"),
    ("服务地点", 20, "例：二楼书吧"),
    ("名额", 10, "例：30人、15组家庭、不限"),
    ("主办单位", 24, "例：某某社区党群服务中心"),
    ("联系人及电话", 24, "例：某社工 0755-84200000"),
    ("备注", 18, "要特别提醒居民的话，可以不写。"),
)
_NOTE = "备注：鼠标移到列名上可以看到写法；填好后直接上传，上传后先预览，核对无误再导入。"


def template_workbook(month: str, categories: Sequence[str] = CATEGORIES) -> bytes:
    """An empty .xlsx plan for `month` ("YYYY-MM") with drop-down lists and examples as cell comments.

    Raises ValueError when `month` is malformed (SPEC C7).
    """
    plan_month = Month.parse(month)
    stream = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    book = xlsxwriter.Workbook(stream, options)
    sheet = book.add_worksheet("服务清单")
    base = {"font_name": "微软雅黑", "valign": "vcenter", "text_wrap": True}
    strong = {**base, "bold": True, "align": "center"}
    title = book.add_format({**strong, "font_size": 18, "font_color": "#B3161D"})
    head = book.add_format({**strong, "bg_color": "#FBE9E7", "border": 1, "border_color": "#C9A9A6"})
    cell = book.add_format({**base, "border": 1, "border_color": "#D9D9D9", "num_format": "@"})
    note = book.add_format({**base, "font_color": "#666666"})
    last = len(_COLUMNS) - 1
    sheet.merge_range(0, 0, 0, last, f"　　　　党群服务中心{plan_month}服务清单", title)
    sheet.merge_range(1, 0, 1, last, _NOTE, note)
    sheet.set_row(0, 36)
    sheet.set_row(1, 24)
    sheet.set_row(2, 26)
    weekday = "一二三四五六日"[plan_month.first.replace(day=5).weekday()]
    for column, (name, width, hint) in enumerate(_COLUMNS):
        sheet.set_column(column, column, width)
        sheet.write_string(2, column, name, head)
        if hint:
            shown = hint.replace("{m}", str(plan_month.month)).replace("{w}", weekday)
            sheet.write_comment(2, column, shown, {"x_scale": 1.8, "y_scale": 1.4, "font_size": 10})
    for row in range(3, 33):
        for column in range(last + 1):
            sheet.write_blank(row, column, None, cell)
    _lists(sheet, categories)
    sheet.freeze_panes(3, 3)
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(2)
    book.close()
    return stream.getvalue()


def _lists(sheet: xlsxwriter.worksheet.Worksheet, categories: Sequence[str]) -> None:
    # Excel keeps at most 255 characters in a typed-in list; a longer one would break the file.
    kept = [name for index, name in enumerate(categories) if len(",".join(categories[: index + 1])) <= 255]
    if kept:
        wrong = "请从下拉框里选一个服务类别；没有合适的，也可以照写，上传后再改。"
        rule = {"validate": "list", "source": kept, "error_type": "warning", "error_message": wrong}
        sheet.data_validation(3, 1, _LAST_ROW, 1, rule)
    sheet.data_validation(3, 5, _LAST_ROW, 5, {"validate": "list", "source": list(_AUDIENCES), "show_error": False})
