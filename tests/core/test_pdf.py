"""core.pdf: what it may open, its limits, its fonts, its parts and their cache (SPEC Q7, DESIGN habit 11)."""

from __future__ import annotations

import re
import subprocess
from io import BytesIO
from pathlib import Path
from typing import Any

import pikepdf
import pytest

from portal.core import pdf, pdf_fonts
from tests.core.printed import picture, text_of


def page(words: str, head: str = "") -> str:
    return f'<html lang="zh-CN"><head><title>测试</title>{head}</head><body><p>{words}</p></body></html>'


def part(number: int, words: str) -> pdf.Part:
    return pdf.Part(f"第{number}社区", page(f"第{number}社区：{words}"))


FRAME = pdf.Frame("测试清单", pdf.A4, (500.0, 30.0, 9.5), cover=page("目录 @page-0@ @page-1@ @page-2@"))


@pytest.mark.parametrize(
    "tag",
    [
        '<img src="http://127.0.0.1:9/x.png">',
        '<img src="file:///etc/hostname">',
        '<img src="data:image/png;base64,iVBORw0KGgo=">',
        '<img src="asset:../../settings.py">',
        '<img src="asset:/etc/hostname">',
        '<img src="asset:../x.svg">',
        '<link rel="stylesheet" href="http://127.0.0.1:9/x.css">',
        '<link rel="attachment" href="file:///etc/hostname">',
    ],
)
def test_only_own_print_assets_can_be_opened(tag: str) -> None:
    with pytest.raises(pdf.PdfFailed) as failed:
        pdf.render(page("一", tag) if tag.startswith("<link") else page(tag))
    assert "not one of the print assets" in failed.value.reason or "disallowed" in failed.value.reason
    assert failed.value.message == "这份文件没有做成。"


def test_time_limit_ends_the_child() -> None:
    with pytest.raises(pdf.PdfTooLarge) as late:
        pdf.render(page("字" * 100), seconds=0.05)
    assert "内容太多" in late.value.message


def test_memory_limit_ends_the_child() -> None:
    with pytest.raises(pdf.PdfFailed):
        pdf.render(page("字" * 100), memory=60 * 1024 * 1024)


def test_child_sees_no_secrets_of_the_application(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    run = subprocess.run

    def spy(*values: Any, **named: Any) -> Any:
        seen.update(named["env"])
        return run(*values, **named)

    monkeypatch.setenv("SECRET_KEY", "not-for-paper")
    monkeypatch.setattr(pdf.subprocess, "run", spy)
    pdf.render(page("一"))
    assert seen
    assert "SECRET_KEY" not in seen
    assert "not-for-paper" not in seen.values()


def test_fonts_are_embedded_subset_and_small() -> None:
    made = pdf.render(page("党群服务中心<b>月度服务清单</b>“扫黑除恶”宣传，9:00–11:30"))
    with pikepdf.open(BytesIO(made)) as opened:
        fonts = opened.pages[0].obj.Resources.Font
        names = [str(font.BaseFont) for font in fonts.values()]
        assert len(names) == 2
        assert all(re.match(r"/[A-Z]{6}\+Noto-Sans-CJK-SC", name) for name in names), names
        for font in fonts.values():
            assert "/FontFile3" in font.DescendantFonts[0].FontDescriptor
            assert set("".join(pdf_fonts.glyphs(font).values())) >= set("服务") or "Bold" not in str(font.BaseFont)
    assert len(made) < 40_000
    assert text_of(made) == ["党群服务中心月度服务清单“扫黑除恶”宣传，9:00–11:30"]


def test_markup_in_words_stays_words() -> None:
    environment = pdf.templates()
    assert environment.from_string("{{ words }}").render(words="<img src=x>") == "&lt;img src=x&gt;"


def test_numbers_run_through_the_book_and_the_cover_knows_them() -> None:
    long = page('<p style="break-after: page">甲</p><p>乙</p>')
    book = pdf.render_book([part(1, "红"), pdf.Part("第2社区", long), part(3, "绿")], FRAME)
    pages = text_of(book)
    assert len(pages) == 5
    assert pages[0].startswith("目录235")
    assert [number for text in pages for number in re.findall(r"第(\d)页共5页", text)] == list("12345")
    with pikepdf.open(BytesIO(book)) as opened, opened.open_outline() as outline:
        assert [item.title for item in outline.root] == ["第1社区", "第2社区", "第3社区"]
        assert str(opened.docinfo.Title) == "测试清单"


def test_one_changed_part_costs_one_part(tmp_path: Path) -> None:
    parts = [part(number, "春夏秋冬"[number]) for number in range(3)]
    first = pdf.render_book(parts, FRAME, cache=tmp_path)
    kept = {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    assert len(kept) == 4  # three parts and the cover

    parts[1] = part(1, "时间改为腊月")
    second = pdf.render_book(parts, FRAME, cache=tmp_path)
    now = {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    assert len(now) == 5
    assert kept.items() <= now.items()
    assert [text.partition("第2页")[0].partition("第3页")[0] for text in text_of(second)[1:3]] == [
        "第0社区：春",
        "第1社区：时间改为腊月",
    ]
    assert text_of(second)[3] == text_of(first)[3]


def test_the_same_book_from_the_cache_reads_and_looks_the_same(tmp_path: Path) -> None:
    parts = [part(number, f"“暖冬行动”<b>探访慰问</b>{number}《小猪变形记》") for number in range(3)]
    fresh = pdf.render_book(parts, FRAME, cache=tmp_path)
    again = pdf.render_book(parts, FRAME, cache=tmp_path)
    assert text_of(again) == text_of(fresh)
    assert picture(again, 2, 60).tobytes() == picture(fresh, 2, 60).tobytes()
    assert pdf.render_book(parts, FRAME) == pdf.render_book(parts, FRAME)


def test_a_damaged_or_foreign_part_is_laid_out_again(tmp_path: Path) -> None:
    parts = [part(1, "水"), part(2, "火")]
    frame = pdf.Frame("测试", pdf.A4, (500.0, 30.0, 9.5))
    good = text_of(pdf.render_book(parts, frame, cache=tmp_path))
    files = sorted(tmp_path.iterdir())
    files[0].write_bytes(b"%PDF-1.7 broken")
    assert text_of(pdf.render_book(parts, frame, cache=tmp_path)) == good

    with pikepdf.open(files[1], allow_overwriting_input=True) as kept:
        glyphs = bytes(kept.Root.PortalGlyphs).replace(b'"glyphs": {"', b'"glyphs": {"64999": "\\u706b", "', 1)
        kept.Root.PortalGlyphs = pikepdf.String(glyphs.decode())
        kept.save()
    assert text_of(pdf.render_book(parts, frame, cache=tmp_path)) == good


def test_two_slots_put_two_parts_on_a_sheet() -> None:
    frame = pdf.Frame("测试", pdf.A3, (800.0, 30.0, 12.0), sheet=page("底"), slots=((0.0, 0.0), (400.0, 0.0)))
    pages = text_of(pdf.render_book([part(1, "一"), part(2, "二"), part(3, "三")], frame))
    assert len(pages) == 2
    assert all("底" in text for text in pages)
    assert "第1社区" in pages[0]
    assert "第2社区" in pages[0]
    assert "第3社区" in pages[1]


def test_a_book_needs_a_part() -> None:
    with pytest.raises(ValueError, match="at least one part"):
        pdf.render_book([], FRAME)
