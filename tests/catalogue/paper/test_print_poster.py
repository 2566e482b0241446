"""The A3 notice-board poster: read from two metres, and its sheets are full (SPEC C10, Q7)."""

from __future__ import annotations

import dataclasses
import re
import subprocess
from io import BytesIO
from itertools import groupby

import pikepdf
import pypdf
import pytest
from PIL import Image, ImageFilter

from bench.pdf import month
from portal.catalogue.paper import poster
from portal.catalogue.paper.documents import CentrePart, ListDocument
from portal.core import typeset
from portal.core.pdf import render
from tests.core.printed import codes_in, picture, text_of

pytestmark = pytest.mark.once

DISTRICT = month(centres=8, rows=12)
MM = 25.4 / 72


def only(*parts: CentrePart, name: str = "葵涌街道") -> ListDocument:
    return dataclasses.replace(DISTRICT, parts=parts, scope_name=name)


def printed(rows: int) -> tuple[CentrePart, bytes]:
    part = month(centres=1, rows=rows).parts[0]
    return part, render(poster.board_poster(only(part, name="葵涌社区")))


def flat(text: str) -> str:
    return re.sub(r"\s+", "", text)


def sizes(made: bytes) -> dict[str, float]:
    """Each printed piece of text and the smallest size of its type, in points as it stands on the sheet."""
    found: dict[str, float] = {}

    def see(text: str, outer: list[float], inner: list[float], _font: object, size: float) -> None:
        if words := flat(text):
            seen = size * abs(inner[3] or inner[0]) * abs(outer[3] or outer[0])
            found[words] = min(found.get(words, seen), seen)

    for page in pypdf.PdfReader(BytesIO(made)).pages:
        page.extract_text(visitor_text=see)
    return found


def code_sides(made: bytes) -> dict[str, float]:
    """The side of each code in millimetres, by address."""
    with pikepdf.open(BytesIO(made)) as opened:
        links = [link for page in opened.pages for link in page.obj.get("/Annots", ())]
        return {str(link.A.URI): min(abs(float(link.Rect[2] - link.Rect[0])), abs(float(link.Rect[3] - link.Rect[1]))) * MM
                for link in links}  # fmt: skip


def used(made: bytes, page: int = 1) -> float:
    """The share of the sheet's height that is not within a white band of more than two centimetres."""
    image = picture(made, page, 50)
    lines = [image.crop((0, y, image.width, y + 1)).getextrema()[0] > 245 for y in range(image.height)]
    most = 20 / 25.4 * 50
    empty = sum(n for white, run in groupby(lines) if (n := len(list(run))) > most and white)
    return 1 - empty / image.height


@pytest.mark.parametrize(("rows", "sheets"), [(5, 1), (8, 1), (12, 1), (16, 1), (26, 2), (30, 2), (60, 4)])
def test_a_centres_month_is_read_from_two_metres_and_fills_its_sheets(rows: int, sheets: int) -> None:
    part, made = printed(rows)
    pages, items = text_of(made), (*part.rows, *part.weekly)
    assert len(pages) == sheets
    for number, page in enumerate(pages, start=1):
        assert "0755-84200000" in page and f"第{number}页共{sheets}页" in page and "2026年12月1日发布" in page
        assert used(made, number) >= 0.85
    said = "".join(pages)
    assert all(flat(words) in said for item in items for words in (item.title, item.place, item.audience))
    small = {words: size for words, size in sizes(made).items() if size < poster.TEXT - 0.05}
    assert all("以扫码页面为准" in words or "页" in words or "发布" in words for words in small), small
    titles = [size for words, size in sizes(made).items() for item in items if words == flat(item.title)]
    assert titles and min(titles) >= poster.TITLE - 0.05
    sides = code_sides(made)
    assert min(sides[item.short_url] for item in items) >= 20
    seen = {code for number in range(1, sheets + 1) for code in codes_in(picture(made, number, 100))}
    assert seen == {item.short_url for item in items} | {part.url}
    wide, high = picture(made, 1, 72).size
    assert (round(wide / 72 * 25.4), round(high / 72 * 25.4)) == (297, 420)


@pytest.mark.parametrize("rows", [5, 9, 12, 16])
def test_up_to_sixteen_rows_stand_in_one_column(rows: int) -> None:
    sheets = poster.sheets(only(month(1, rows).parts[0]), month(1, rows).parts[:1])
    assert [len(sheet.columns) for sheet in sheets] == [1]
    scales = [poster.sheets(only(p), (p,))[0].scale for n in (5, 9, 16) for p in month(1, n).parts]
    assert scales[0] > scales[1] > scales[2] == 1.0  # few rows: larger type


def test_short_rows_stand_in_two_columns_that_end_together() -> None:
    part = month(1, 20).parts[0]
    rows = tuple(dataclasses.replace(r, title=r.title[:9], place=r.place[:5], audience="居民") for r in part.rows)
    part = dataclasses.replace(part, rows=rows, weekly=())
    (sheet,) = poster.sheets(only(part), (part,))
    ends = [column[-1].top + column[-1].height for column in sheet.columns]
    assert len(ends) == 2 and abs(ends[0] - ends[1]) < 1
    made = render(poster.board_poster(only(part)))
    assert set(codes_in(picture(made, 1, 100))) == {item.short_url for item in rows} | {part.url}
    assert min(code_sides(made).values()) >= 20
    assert used(made) >= 0.85


@pytest.mark.parametrize("rows", [16, 30, 60])
def test_no_sheet_is_left_with_a_few_rows(rows: int) -> None:
    part = month(1, rows).parts[0]
    counts = [sum(len(column) for column in sheet.columns) for sheet in poster.sheets(only(part), (part,))]
    assert max(counts) - min(counts) <= 3
    assert poster.sheets(only(part), (part,))[0].columns[0][0].block.row in part.weekly  # what is every week is first


def test_codes_read_in_a_blurred_photograph() -> None:
    part, made = printed(12)
    photo = picture(made, 1, 200)
    photo = photo.resize((photo.width * 13 // 20, photo.height * 13 // 20), Image.Resampling.BILINEAR)
    photo = photo.filter(ImageFilter.GaussianBlur(0.6)).rotate(1.5, fillcolor=200)
    assert set(codes_in(photo)) == {item.short_url for item in (*part.rows, *part.weekly)} | {part.url}


def test_a_subdistricts_short_months_share_a_sheet() -> None:
    short = [dataclasses.replace(part, rows=part.rows[:2]) for part in DISTRICT.parts[4:7]]
    made = render(poster.board_poster(only(*DISTRICT.parts[:2], *short)))
    pages = text_of(made)
    assert len(pages) == 3  # the long months have a sheet of their own, with their own number
    assert [
        part.phone.replace("-", "") in page.replace("-", "")
        for part, page in zip(DISTRICT.parts, pages[:2], strict=False)
    ]
    assert all(part.label in pages[2] and flat(part.phone) in pages[2] for part in short)
    assert "0755-84200099" in pages[2] and "第3页共3页" in pages[2]
    wanted = {item.short_url for part in short for item in (*part.rows, *part.weekly)} | {part.url for part in short}
    assert wanted <= set(codes_in(picture(made, 3, 100)))


def test_the_districts_book_is_whole() -> None:
    made = render(poster.board_poster(DISTRICT))
    pages = text_of(made)
    assert len(pages) == 8
    for number, (part, page) in enumerate(zip(DISTRICT.parts, pages, strict=True), start=1):
        items = (*part.rows, *part.weekly)
        assert all(flat(item.title) in page for item in items)
        assert flat(part.phone) in page
        assert set(codes_in(picture(made, number, 100))) == {item.short_url for item in items} | {part.url}


def test_a_title_without_end_does_not_stop_the_press() -> None:
    part = month(1, 3).parts[0]
    endless = dataclasses.replace(part.rows[0], title="大" * 600)
    sheets = poster.sheets(only(part), (dataclasses.replace(part, rows=(endless,)),))
    assert sum(len(column) for sheet in sheets for column in sheet.columns) == 3


def test_width_is_what_the_font_says() -> None:
    assert typeset.width("亲子绘本阅读会") == 7
    assert typeset.width("会：《小") == 3.5  # of two marks in a row the first gives up its empty half
    assert 5.8 < typeset.width("15:00–16:30") < 6.1


def boxes(made: bytes) -> list[tuple[str, float, float]]:
    """Each word of the first page with its upper and lower edge in points from the top."""
    told = subprocess.run(["pdftotext", "-bbox", "-l", "1", "-", "-"], input=made, capture_output=True, check=True)
    found = re.findall(r'yMin="([\d.]+)" xMax="[\d.]+" yMax="([\d.]+)">([^<]+)<', told.stdout.decode())
    return [(word, float(top), float(bottom)) for top, bottom, word in found]


def test_long_hours_leave_the_line_of_issue_free() -> None:
    part = dataclasses.replace(
        month(centres=1, rows=8).parts[0], address="演示路4号",
        hours="周一、周二、周四、周五 9:00–12:00、14:00–18:00；周三 9:00–12:00、14:00–18:00、19:00–21:00（晚间延时）；周六 9:00–12:00；周日 不开放",
    )  # fmt: skip
    words = boxes(render(poster.board_poster(only(part, name="葵涌社区"))))
    lowest = max(bottom for word, _, bottom in words if "演示路" in word)
    assert all(top >= lowest - 4 for word, top, _ in words if word.startswith(("第", "共")) and top > 1000)
