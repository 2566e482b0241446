"""What leaves the house besides paper: CSV, XLSX, and the text for WeChat groups (SPEC C10)."""

import io
from collections.abc import Callable, Sequence
from typing import Any

import xlsxwriter

from portal.catalogue.staff import month_board, queries
from portal.catalogue.staff.month_board import Told
from portal.catalogue.staff.queries import Row
from portal.catalogue.timetext.parts import Span
from portal.catalogue.timetext.render import render_spans
from portal.centres import queries as centre_queries
from portal.centres.models import Centre
from portal.core import clock, registry
from portal.core.access import Actor
from portal.core.text import csv_table

COLUMNS = (
    ("日期", 26), ("时间", 34), ("服务名称", 30), ("类别", 14), ("服务内容", 40), ("地点", 22),
    ("服务对象", 18), ("名额", 10), ("已报名", 8),
    ("主办单位", 24), ("所属阵地", 18), ("编制单位", 18), ("联系人", 12), ("联系电话", 16), ("状态", 16),
    ("编号", 8),
)  # fmt: skip


def _cells(row: Row) -> list[str]:
    entry = row.entry
    # One by one, and in words that an import reads back: 次日 where it goes past midnight.
    every = "；".join(render_spans([Span(clock.local(s.starts_at), clock.local(s.ends_at))]) for s in entry.sessions)
    return [
        row.when, every, entry.title, entry.category.name, entry.content, entry.place, entry.audience,
        row.capacity_text, str(entry.taken), entry.organiser, entry.centre.label, entry.author, entry.contact,
        entry.phone, row.status_text, str(entry.id),
    ]  # fmt: skip


def to_csv(rows: Sequence[Row]) -> bytes:
    """UTF-8, as text.csv_table."""
    return csv_table([[name for name, _ in COLUMNS], *map(_cells, rows)]).encode()


def to_xlsx(rows: Sequence[Row]) -> bytes:
    """A sheet with fixed head and filters; every cell is text."""
    stream = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    book = xlsxwriter.Workbook(stream, options)
    sheet = book.add_worksheet("服务清单")
    head = book.add_format({"bold": True, "bg_color": "#F7F4EF", "border": 1, "valign": "vcenter"})
    cell = book.add_format({"text_wrap": True, "valign": "top"})
    for column, (name, width) in enumerate(COLUMNS):
        sheet.set_column(column, column, width)
        sheet.write_string(0, column, name, head)
    for number, row in enumerate(rows, 1):
        for column, text in enumerate(_cells(row)):
            sheet.write_string(number, column, text, cell)
    sheet.freeze_panes(1, 3)
    sheet.autofilter(0, 0, max(1, len(rows)), len(COLUMNS) - 1)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    book.close()
    return stream.getvalue()


WRITERS: dict[str, Callable[[Sequence[Row]], bytes]] = {"csv": to_csv, "xlsx": to_xlsx}


@registry.exporter
def month_table(actor: Actor, asked: dict[str, Any]) -> bytes:
    """The rows of a month's board. asked: kind (of WRITERS), month, status, category and centre (ids or None)."""
    centre = centre_queries.get(asked["centre"]) if asked["centre"] else None
    board = month_board.on_board(
        actor, asked["month"], centre, asked["category"], asked.get("q", ""), asked.get("alone", False)
    )
    wanted = (*board, *month_board.in_state(actor, asked["status"]))
    return WRITERS[asked["kind"]](queries.board_rows(actor, wanted, clock.now(), looked_at=False))


PART = 200  # services in one text: nobody reads, and no phone pastes, a longer one


def wechat_text(
    centre: Centre, month: str, rows: Sequence[Told], link: str, absolute: Callable[[str], str], count: int, part: int
) -> str:
    """The month's list in the lines people read on a phone; each with its short address. part: which, from 1, of the
    texts that `count` services make."""
    which = f"，第 {part} 部分" if count > PART else ""
    lines = [f"【{centre.label}】{clock.month_name(month)}服务清单，共 {count} 项{which}", ""]
    for number, row in enumerate(rows, (part - 1) * PART + 1):
        lines.append(f"{number}. {row.title}")
        lines.append(f"   {row.when} · {row.where}")
        who = "" if row.audience == "全体居民" else f"{row.audience}，"
        lines.append(f"   {who}{row.places}　{absolute(f'/s/{row.id}')}")
    lines += ["", f"全部服务和报名：{link}"]
    if centre.phone:
        lines.append(f"不会用手机，请打电话：{centre.phone}")
    return "\n".join(lines)
