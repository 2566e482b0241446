"""Makes plans as centres write them, and knows what they say: layouts × spellings × units × noise (SPEC C7).

The grammar is that of the files that were found. Each line is made together with its truth: its sessions, or that
nobody can know them (`asked`), its places and unit. `made(seed)` gives the same plan for the same seed.
"""

from __future__ import annotations

import calendar
import io
import random
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import openpyxl
from openpyxl.styles import Font

Session = tuple[int, int, int]  # day of the month, minutes of start and end
WEEK = "一二三四五六日"
NUMERALS = ["", "一", "二", "三", "四", "五", "六", "七", "八", "九", "十", "十一", "十二"]


@dataclass
class Line:
    """A service as written and as meant. asked: it must be an error; counted: it may be fewer with a warning."""

    title: str
    when: str
    sessions: list[Session]
    capacity: str = "30人"
    places: int | None = 30
    unit: str = "人"
    walk_in: bool = False
    asked: bool = False
    day: date | None = None  # alone, for layouts with a column or a heading of days
    hours: str = ""
    extra: dict[str, str] = field(default_factory=dict)


@dataclass
class Made:
    """A plan: its bytes, the month it is for, its lines in order, and titles of rows that are hidden or struck."""

    data: bytes
    month: str
    lines: list[Line]
    left_out: list[str]
    layout: str


def _clock(rng: random.Random, minutes: int, style: int) -> str:
    hour, minute = divmod(minutes, 60)
    if style == 0:
        return f"{hour}:{minute:02d}"
    if style == 1:
        return f"{hour:02d}：{minute:02d}"
    if style == 2:
        return f"{hour}点{'半' if minute == 30 else f'{minute}分' if minute else ''}"
    part = "上午" if hour < 12 else "下午" if hour < 18 else "晚上"
    shown = hour if hour <= 12 else hour - 12
    return f"{part}{shown}点{'半' if minute == 30 else f'{minute:02d}分' if minute else ''}"


def _hours(rng: random.Random) -> tuple[str, int, int]:
    start = rng.randrange(8 * 2, 19 * 2) * 30
    end = start + rng.choice((60, 90, 120))
    style, dash = rng.randrange(4), rng.choice(("-", "—", "–", "~", "～", "至", "到", " - ", "－"))
    return f"{_clock(rng, start, style)}{dash}{_clock(rng, end, style)}", start, end


def _date(rng: random.Random, day: date, style: int | None = None) -> str:
    style = rng.randrange(7) if style is None else style
    weekday = rng.choice(("", "", f"（周{WEEK[day.weekday()]}）", f"(星期{WEEK[day.weekday()]})"))
    plain = f"{day.month}月{day.day}日"
    if style == 1:
        return f"{day.year}年{plain}{weekday}"
    if style == 2:
        return f"{day.month}月{day.day}号{weekday}"
    if style == 3:
        return f"{day.year}-{day.month:02d}-{day.day:02d}{weekday} "
    if style == 4:
        return f"{day.month}/{day.day}{weekday} "
    if style == 5:
        return f"{NUMERALS[day.month]}月{day.day}日{weekday}"
    return f"{plain}{weekday}"


def _lunar(rng: random.Random, day: date) -> str:
    """Any lunar date beside the solar one; which one it is does not matter, it says nothing."""
    month, number = (
        rng.choice(("十一", "冬", "腊", "正", "八", "二")),
        rng.choice(("初一", "初九", "十四", "十五", "廿三")),
    )
    text = f"{month}月{number}"
    return rng.choice((f"（农历{text}）", f"（{text}）", f"（阴历{text}）", f" 农历{text} "))


# --- kinds of times ---------------------------------------------------------------------------------------------------


class _Month:
    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.year, self.month = rng.choice(((2026, 12), (2027, 1), (2027, 3), (2027, 5), (2027, 11)))
        self.days = [
            date(self.year, self.month, day) for day in range(1, calendar.monthrange(self.year, self.month)[1] + 1)
        ]

    def some(self, count: int) -> list[date]:
        return sorted(self.rng.sample(self.days, count))

    def weekly(self, weekday: int, since: date | None = None) -> list[date]:
        return [day for day in self.days if day.weekday() == weekday and (since is None or day >= since)]


def _sessions(days: list[date], start: int, end: int) -> list[Session]:
    return [(day.day, start, end) for day in days]


def _once(rng: random.Random, month: _Month) -> Line:
    (day,) = month.some(1)
    hours, start, end = _hours(rng)
    lunar = _lunar(rng, day) if rng.random() < 0.25 else ""
    text = f"{_date(rng, day)}{lunar}{rng.choice(('', ' '))}{hours}"
    return Line("", text, _sessions([day], start, end), day=day, hours=hours)


def _listed(rng: random.Random, month: _Month) -> Line:
    days = month.some(rng.randrange(2, 5))
    hours, start, end = _hours(rng)
    joint = rng.choice(("、", "，", ",", " 、"))
    text = joint.join(
        f"{day.month}月{day.day}日" if rng.random() < 0.5 or not i else f"{day.day}日" for i, day in enumerate(days)
    )
    return Line("", f"{text} {hours}", _sessions(days, start, end))


def _range(rng: random.Random, month: _Month) -> Line:
    first = rng.choice(month.days[:-5])
    days = [first + timedelta(days=step) for step in range(rng.randrange(2, 5))]
    hours, start, end = _hours(rng)
    told = rng.choice(("", f"（共{len(days)}天）", "（每天）"))
    text = f"{first.month}月{first.day}日{rng.choice(('-', '至', '—'))}{days[-1].day}日{told}{hours}"
    return Line("", text, _sessions(days, start, end))


def _every(rng: random.Random) -> tuple[str, int]:
    weekday = rng.randrange(7)
    return f"{rng.choice(('每周', '每星期', '逢周', '每个周'))}{WEEK[weekday]}", weekday


def _weekly(rng: random.Random, month: _Month) -> Line:
    words, weekday = _every(rng)
    hours, start, end = _hours(rng)
    return Line("", f"{words}{hours}", _sessions(month.weekly(weekday), start, end))


def _from(rng: random.Random, month: _Month) -> Line:
    words, weekday = _every(rng)
    since = rng.choice(month.weekly(weekday)[:3])
    hours, start, end = _hours(rng)
    day = f"{since.month}月{since.day}日"
    text = rng.choice((
        f"{day}开课，{words}{hours}", f"首课{day}，{words}{hours}", f"{day}起，{words}{hours}", f"{words}{hours}，{day}开课",
        f"自{day}开始{words}{hours}", f"开课时间：{day}；{words}{hours}", f"{words}{hours}（{day}起）", f"{day}开班 {words}{hours}",
    ))  # fmt: skip
    return Line("", text, _sessions(month.weekly(weekday, since), start, end))


def _counted(rng: random.Random, month: _Month) -> Line:
    words, weekday = _every(rng)
    hours, start, end = _hours(rng)
    number = rng.randrange(2, 5)
    unit = rng.choice(("节", "次", "次课", "堂", "期", "课时", "节课"))
    shown = rng.choice((str(number), NUMERALS[number]))
    text = rng.choice((
        f"{words}{hours}（共{shown}{unit}）", f"{words}{hours}，共{shown}{unit}", f"{words}{hours}，连续{shown}周",
        f"{words} {hours}【共{number}{unit}】", f"{words}{hours}（{number}期）", f"{words}{hours} 总共{shown}{unit}",
    ))  # fmt: skip
    return Line("", text, _sessions(month.weekly(weekday)[:number], start, end))


def _deadline(rng: random.Random, month: _Month) -> Line:
    before, day = month.some(2)
    hours, start, end = _hours(rng)
    limit, held = f"{before.month}月{before.day}日", f"{day.month}月{day.day}日"
    clock = rng.choice(("17:00", "18：00", "12:00"))
    text = rng.choice((
        f"{held}{hours}，{limit}{clock}前报名", f"{held}{hours}；报名截止时间{limit}{clock}", f"{held}{hours}（截止报名：{limit}）",
        f"{held}{hours}，报名时间：{limit}{clock}起", f"报名时间：{limit}9:00起；活动时间：{held}{hours}",
        f"{limit}前报名，{held}{hours}", f"报名截止：{limit}{clock}，{held}{hours}", f"{held}{hours} 请于{limit}前报名",
        f"报名日期：{limit}\n活动日期：{held}{hours}", f"{held}{hours}，{limit}公布名单",
    ))  # fmt: skip
    return Line("", text, _sessions([day], start, end))


def _gather(rng: random.Random, month: _Month) -> Line:
    (day,) = month.some(1)
    hours, start, end = _hours(rng)
    early = start - rng.choice((10, 20, 30))
    at, held = f"{early // 60}:{early % 60:02d}", f"{day.month}月{day.day}日"
    word = rng.choice(("签到", "入场", "集合", "到场", "报到", "进场", "检票"))
    text = rng.choice((
        f"{held}{at}{word}，{hours}活动", f"{held}{at}{word} {hours}", f"{held}{hours}，{at}{word}", f"{held}{at}前{word}，{hours}",
        f"{held}{hours}（{at}{word}）", f"{held}（{word}{at}）{hours}", f"{held}{at}-{hours.split('-')[0] if '-' in hours else at}{word}，{hours}"
        if "-" in hours else f"{held}{at}{word}；{hours}",
    ))  # fmt: skip
    return Line("", text, _sessions([day], start, end))


def _open(rng: random.Random, month: _Month) -> Line:
    closed = rng.randrange(7)
    start, end = rng.choice(((9 * 60, 17 * 60), (8 * 60 + 30, 17 * 60 + 30)))
    hours = f"{start // 60}:{start % 60:02d}-{end // 60}:{end % 60:02d}"
    day = f"周{WEEK[closed]}"
    text = rng.choice(
        (f"{hours}（{day}闭馆）", f"{hours}，逢{day}休息", f"除{day}外{hours}", f"每天{hours}（{day}闭馆）")
    )
    return Line("", text, _sessions([d for d in month.days if d.weekday() != closed], start, end))


def _unknown(rng: random.Random, month: _Month) -> Line:
    one, two = month.some(2)
    hours, *_ = _hours(rng)
    a, b, weekday = f"{one.month}月{one.day}日", f"{two.month}月{two.day}日", WEEK[(one.weekday() + 1) % 7]
    other = rng.choice([number for number in range(1, 13) if number != month.month])
    text = rng.choice((
        "待定", "另行通知", f"{a}", hours, f"{a}，每周{weekday}{hours}", f"彩排{a}15:00-16:00，演出{b}19:30-21:00",
        f"{a}{hours}（雨天顺延至{b}）", f"原定{a}{hours}，改为{b}{hours}", f"{a}或{b}{hours}", f"{a}{hours}（取消）",
        f"每周一次{hours}", f"{a}、{b}{hours}，共3次", f"{other}月5日{hours}", f"{month.month}月32日{hours}", f"农历十一月十四{hours}",
        f"{a}11:00-9:00", f"{a}{hours}，{b}待定", f"布展{a}，展览{b}{hours}", f"{month.month}月上旬", f"第二周周六{hours}".replace("第二周周六", "第二周"),
    ))  # fmt: skip
    return Line("", text, [], asked=True)


KINDS: tuple[Callable[[random.Random, _Month], Line], ...] = (
    _once, _once, _listed, _range, _weekly, _from, _counted, _deadline, _gather, _open, _unknown,
)  # fmt: skip


# --- places -----------------------------------------------------------------------------------------------------------


def _places(rng: random.Random, line: Line) -> None:
    number = rng.randrange(2, 200)
    line.capacity, line.places, line.unit, line.walk_in = rng.choice((
        (f"{number}人", number, "人", False), (f"限{number}名", number, "人", False), (str(number), number, "人", False),
        (f"{number}个亲子家庭", number, "家庭", False), (f"{number}户居民", number, "家庭", False),
        (f"亲子家庭{number}个", number, "家庭", False), (f"{number}个亲子组合", number, "组", False),
        (f"{number}组家庭", number, "组", False), (f"每组2人，共{number}组", number, "组", False),
        (f"2大1小，限{number}组", number, "组", False), (f"6-12岁儿童{number}名", number, "人", False),
        (f"{number}人，额满即止", number, "人", False), (f"约{number}人", number, "人", False),
        ("不限", None, "人", False), ("不限人数", None, "人", False), ("直接到场", None, "人", True),
        ("无需报名", None, "人", True), ("额满即止", None, "人", False),
    ))  # fmt: skip


# --- noise and layouts --------------------------------------------------------------------------------------------------


def _noisy(rng: random.Random, text: str) -> str:
    """Width, blanks and line breaks that change nothing."""
    if rng.random() < 0.2:
        text = "".join(chr(ord(char) + 0xFEE0) if char in "0123456789:" else char for char in text)
    if rng.random() < 0.15:
        text = f" {text}\u3000"
    return unicodedata.normalize("NFC", text)


HEADINGS = {
    "category": ("服务类别", "类别", "活动类型"),
    "title": ("服务名称", "活动名称", "活动主题", "项目名称"),
    "when": ("服务时间", "活动时间", "时间", "开展时间"),
    "place": ("服务地点", "地点", "活动地点"),
    "audience": ("服务对象", "对象", "活动对象"),
    "capacity": ("名额", "人数", "招募人数（人）", "名额限制"),
    "contact": ("联系人及电话", "联系方式", "联系人/电话"),
}
LAYOUTS = ("plain", "plain", "date column", "day headings", "sections", "merged category", "two header rows", "csv")


def made(seed: int) -> Made:
    """The plan of that number."""
    rng = random.Random(seed)
    month = _Month(rng)
    layout = rng.choice(LAYOUTS)
    lines = []
    for number in range(rng.randrange(3, 9)):
        kind = _once if layout in ("date column", "day headings") else rng.choice(KINDS)
        line = kind(rng, month)
        line.title = f"活动{number + 1}{rng.choice(('', '（亲子）', '·冬'))}"
        line.when = _noisy(rng, line.when)
        _places(rng, line)
        lines.append(line)
    rows, titles = _rows(rng, layout, lines, month)
    if layout == "csv":
        text = "\n".join(",".join(f'"{cell}"' for cell in row) for row in rows)
        return Made(
            text.encode(rng.choice(("utf-8", "utf-8-sig", "gb18030"))),
            f"{month.year}-{month.month:02d}",
            lines,
            [],
            layout,
        )
    return _workbook(rng, rows, titles, lines, f"{month.year}-{month.month:02d}", layout)


def _cells(line: Line, when: str) -> list[str]:
    return ["公共服务", line.title, when, "二楼书吧", "全体居民", line.capacity, "陈社工 0755-84200001"]


def _rows(rng: random.Random, layout: str, lines: list[Line], month: _Month) -> tuple[list[list[Any]], dict[str, int]]:
    """Cells, and in which row (from 1) each title stands."""
    head = [rng.choice(words) for words in HEADINGS.values()]
    rows: list[list[Any]] = [[f"某社区{month.year}年{month.month}月服务清单"]] if rng.random() < 0.7 else []
    titles: dict[str, int] = {}
    if layout == "date column":
        rows.append([*head[:2], rng.choice(("日期", "活动日期")), rng.choice(("时段", "时间")), *head[3:]])
    elif layout == "two header rows":
        rows += [[*head[:2], "活动安排", *head[3:]], ["", "", head[2], *([""] * 4)]]
    else:
        rows.append(head)
    for number, line in enumerate(lines):
        cells = _cells(line, line.when)
        if layout == "date column":
            assert line.day is not None
            shown = rng.choice((f"{line.day.month}月{line.day.day}日", line.day, line.day.day))
            cells[2:3] = [shown, line.hours]  # type: ignore[list-item]
        elif layout == "day headings":
            assert line.day is not None
            rows.append([_date(rng, line.day, rng.choice((0, 1, 2)))])
            cells[2] = line.hours
        elif layout == "sections" and number % 3 == 0:
            rows.append([f"{NUMERALS[number // 3 + 1]}、公共服务"])
        if layout == "sections" or (layout == "merged category" and number):
            cells[0] = ""
        if rng.random() < 0.15:
            rows.append([])
        rows.append(cells)
        titles[line.title] = len(rows)
    if rng.random() < 0.5:
        rows.append(["备注：以通知为准"])
    return rows, titles


def _workbook(
    rng: random.Random, rows: list[list[Any]], titles: dict[str, int], lines: list[Line], month: str, layout: str
) -> Made:
    book = openpyxl.Workbook()
    sheet = book.active
    _fill(rng, sheet, rows, titles, layout)
    left_out = []
    for line in list(lines):
        draw = rng.random()
        if draw > 0.12 or len(lines) - len(left_out) < 2 or (layout == "merged category" and line is lines[0]):
            continue
        number = titles[line.title]
        if draw < 0.06:
            sheet.row_dimensions[number].hidden = True
        else:
            for cell in sheet[number]:
                cell.font = Font(strike=True)
        left_out.append(line.title)
    stream = io.BytesIO()
    book.save(stream)
    return Made(stream.getvalue(), month, [line for line in lines if line.title not in left_out], left_out, layout)


def _fill(rng: random.Random, sheet: Any, rows: list[list[Any]], titles: dict[str, int], layout: str) -> None:
    for number, row in enumerate(rows, 1):
        for column, cell in enumerate(row, 1):
            if cell != "":
                sheet.cell(number, column, cell)
    width = max(len(row) for row in rows)
    for number, row in enumerate(rows, 1):
        if len(row) == 1 and rng.random() < 0.7:
            sheet.merge_cells(start_row=number, end_row=number, start_column=1, end_column=width)
    if layout == "two header rows":
        top = next(number for number, row in enumerate(rows, 1) if "活动安排" in row)
        for column in (1, 2, 4, 5, 6, 7):
            sheet.merge_cells(start_row=top, end_row=top + 1, start_column=column, end_column=column)
    if layout == "merged category":
        sheet.merge_cells(start_row=min(titles.values()), end_row=max(titles.values()), start_column=1, end_column=1)
