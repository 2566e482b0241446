"""Paper, measured: the 26-centre month as the portal prints it, beside the same content in plain fixed tables.

python -m bench --only paper
"""

from __future__ import annotations

import dataclasses
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from html import escape
from pathlib import Path

from bench.table import Line
from portal.catalogue.paper import documents
from portal.core import pdf, qr, typeset

EMPTY = '<html lang="zh-CN"><body></body></html>'
NAMES = "葵涌 葵新 三溪 高源 土洋 溪涌 坝光 官湖 葵丰 大鹏 鹏城 岭澳 水头 布新 王母 下沙 南澳 南渔 东渔 东山 南隆"
CENTRES = f"{NAMES} 水头沙 新大 东涌 西涌 大鹏所城".split()
# title | place | audience | capacity | hours
WORK = """“暖冬行动”高龄老人探访慰问|辖区独居老人家中|80岁以上独居老人|20人|9:00–11:30
亲子绘本阅读会：《小猪变形记》|二楼书吧|3–6岁儿童及家长|15组家庭|15:00–16:30
冬至包汤圆，邻里一家亲|一楼大厅|全体居民|60人|14:30–17:00
“扫黑除恶”宣传|市场广场|全体居民|直接到场|10:00–11:00
普法教育：民法典与邻里纠纷|三楼会议室|全体居民|50人|19:30–21:00
海洋守护净滩行动|沙鱼涌海滩|未成年人须家长陪同|80人|8:30–11:00
垃圾分类进小区有奖问答|金葵小区|全体居民|直接到场|9:30–11:30
生物科技科普：参观国家基因库|国家基因库（专车往返）|四年级以上学生|40人|13:30–17:30
社保、就业、证件办理政策咨询日|一楼便民服务厅|全体居民|直接到场|9:00–12:00
主题党课：上一堂微党课|党建书吧|辖区党员|40人|19:30–20:30
免费量血压、测血糖、中医问诊|社区健康服务站|60岁以上长者|直接到场|8:30–11:00
消防安全演练与灭火器使用|居民小组篮球场|全体居民|100人|16:00–17:30
书法国画兴趣班（春联专场）|四楼活动室|爱好者|25人|10:00–11:30
反诈骗知识讲座|多功能厅|老年居民|45人|15:30–16:30
家电维修、磨刀、理发便民集市|社区公园门口|全体居民|直接到场|9:00–12:00
青少年编程体验课|创客空间|小学生|18人|14:00–15:30
新就业群体“暖蜂”座谈|暖蜂驿站|外卖骑手、快递员|30人|20:00–21:00
妇女维权与婚姻家庭辅导|妇女儿童之家|女性居民|20人|15:00–17:00
渔民画与贝壳手工体验|渔村文化馆|亲子家庭|12组家庭|9:30–11:30
退役军人优抚政策解读|三楼会议室|退役军人及家属|35人|10:00–11:30""".splitlines()
WEEKLY = (
    "四点半课堂|一楼四点半课堂|小学生|30人|每周一至周五 16:30–18:00",
    "长者智能手机学习班|老人活动室|60岁以上长者|25人|每周二 9:30–11:00",
)


def _row(line: str, number: int, day: date | None) -> documents.ListRow:
    title, place, audience, capacity, hours = line.split("|")
    return documents.ListRow(
        day, title, hours, place, audience, capacity, "公共服务", f"https://fuwu.example.gov.cn/s/{1000 + number}"
    )


def month(centres: int = 26, rows: int = 12) -> documents.ListDocument:
    """Return a district's December of `centres` centres with `rows` dated entries each (two more every week)."""
    parts = []
    for index in range(centres):
        name = CENTRES[index % len(CENTRES)] + "社区"
        start = index * rows
        dated = [
            _row(WORK[(start + k * 7) % len(WORK)], start + k, date(2026, 12, 1 + (k * 5 + index) % 31))
            for k in range(rows - 2)
        ]
        weekly = tuple(_row(line, start + rows - 2 + k, None) for k, line in enumerate(WEEKLY))
        parts.append(
            documents.CentrePart(
                code=f"44030700{index:04d}",
                name=f"{name}党群服务中心",
                short_name=name,
                phone=f"0755-842000{index:02d}",
                address=f"{CENTRES[index % len(CENTRES)]}路{index + 8}号",
                hours="每天 9:00–21:00",
                url=f"https://fuwu.example.gov.cn/c/44030700{index:04d}",
                rows=tuple(dated),
                weekly=weekly,
            )
        )
    return documents.ListDocument(
        month="2026-12",
        scope_name="大鹏新区",
        scope_level_label="新区",
        issued_on=date(2026, 12, 1),
        responsible="大鹏新区党群服务中心",
        phone="0755-84200099",
        url="https://fuwu.example.gov.cn/c/440307DP",
        parts=tuple(parts),
        network="大鹏新区党群服务阵地",
    )


def changed(document: documents.ListDocument) -> documents.ListDocument:
    """Return the document with another time in one row of one centre."""
    parts = list(document.parts)
    first, *rest = parts[7].rows
    new = dataclasses.replace(first, when_text="19:00–20:30", status="changed", status_text="时间有变")
    parts[7] = dataclasses.replace(parts[7], rows=(new, *rest))
    return dataclasses.replace(document, parts=tuple(parts))


PLAIN_CSS = """@page{size:A4;margin:15mm;@bottom-center{content:"第 " counter(page) " 页 共 " counter(pages) " 页"}}
body{font-family:"Noto Sans CJK SC";font-size:10pt} section{break-before:page} h1{font-size:18pt}
table{table-layout:fixed;width:100%;border-collapse:collapse} td,th{border:.5pt solid #888;padding:1mm}
th.d{width:17mm} th.w{width:26mm} th.q{width:14mm} td svg{width:12mm;height:12mm} td.t{font-weight:700}"""


def plain_tables(document: documents.ListDocument) -> str:
    """Return the same content the plain way: a table per centre, QR codes as inline SVG."""
    body = []
    for part in document.parts:
        rows = []
        for row in (*sorted(part.rows, key=lambda r: r.day or date.min), *part.weekly):
            day = f"{row.day.month}月{row.day.day}日 {typeset.weekday(row.day)}" if row.day else "每周"
            words = (row.when_text, row.title, row.place, row.audience, row.capacity_text)
            cells = "".join(f"<td>{escape(word)}</td>" for word in words)
            rows.append(f"<tr><td>{day}</td>{cells}<td>{_svg(row.short_url)}</td></tr>")
        heads = "<th class=d>日期<th class=w>时间<th>服务<th>地点<th>对象<th>名额<th class=q>扫码"
        body.append(
            f"<section><h1>{part.label} 2026年12月服务清单</h1><p>{part.name} {part.address} {part.phone}</p>"
            f"<table><tr>{heads}</tr>{''.join(rows)}</table></section>"
        )
    return f"<html lang=zh-CN><head><style>{PLAIN_CSS}</style></head><body>{''.join(body)}</body></html>"


def _svg(text: str) -> str:
    modules = qr.matrix(text)
    side = len(modules)
    path = "".join(f"M{x} {y}h{length}v1h-{length}z" for x, y, length in qr.runs(modules))
    return f'<svg viewBox="0 0 {side} {side}" shape-rendering="crispEdges"><path d="{path}"/></svg>'


def _plainly(html: str) -> bytes:
    """Make a PDF as one would at first: a fresh process that gives the HTML to WeasyPrint."""
    code = "import sys; from weasyprint import HTML; HTML(string=sys.stdin.read()).write_pdf(sys.stdout.buffer)"
    return subprocess.run([sys.executable, "-c", code], input=html.encode(), capture_output=True, check=True).stdout


def _timed(work: Callable[[], bytes], runs: int = 1) -> tuple[float, bytes]:
    """Seconds by the clock (median), and what was made."""
    found = []
    for _ in range(runs):
        start = time.perf_counter()
        made = work()
        found.append(time.perf_counter() - start)
    return statistics.median(found), made


def measure(runs: int, folder: Path) -> list[Line]:
    """All figures of paper; the press is warm, as the worker's is."""
    one, book, group = documents.monthly_list(month(1)), documents.monthly_list(month()), "26 centres as PDF"
    pdf.render(pdf.single(EMPTY))
    empty, _ = _timed(lambda: pdf.render(pdf.single(EMPTY)), runs)
    cold, made = _timed(lambda: pdf.render(one), runs)
    kept = folder / f"{one.key}.pdf"
    kept.write_bytes(made)

    def again() -> bytes:
        """What a request does beside its query: build the job, find the file by what it says."""
        return (folder / f"{documents.monthly_list(month(1)).key}.pdf").read_bytes()

    before, _ = _timed(again, runs)
    plain, _ = _timed(lambda: _plainly(plain_tables(month())), runs)
    ours, made = _timed(lambda: pdf.render(book), runs)
    changes = []
    for number in range(runs):
        edition = folder / f"{number}.pdf"
        pdf.render(book, edition=edition)
        changes.append(_timed(lambda: pdf.render(documents.monthly_list(changed(month())), edition=edition))[0])  # noqa: B023
    after = statistics.median(changes)
    return [
        Line("PDF", "an empty page", empty, "s", target=0.15),
        Line("PDF", "a centre", cold, "s", target=0.5),
        Line("PDF", "a centre, made before", before * 1000, "ms", target=20),
        Line(group, "plain fixed tables", plain, "s"),
        Line(group, "ours", ours, "s", ours / plain, "plain", 0.9),
        Line(group, "after one change", after, "s", after / plain, "plain", 0.15),
        Line(group, "size", len(made) / 1000, "KB", target=1300),
    ]
