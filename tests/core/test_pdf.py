"""core.pdf: what it may open, its limits, its fonts, its parts and their cache (SPEC Q7, DESIGN habit 11)."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pikepdf
import pytest
from flask import Flask

from portal.core import pdf
from tests.core.printed import picture, text_of

pytestmark = pytest.mark.once


def page(words: str, head: str = "") -> str:
    return f'<html lang="zh-CN"><head><title>测试</title>{head}</head><body><p>{words}</p></body></html>'


def part(number: int, words: str) -> pdf.Part:
    return pdf.Part(f"第{number}社区", page(f"第{number}社区：{words}"))


def started(press: pdf.Press) -> set[int]:
    """Have something made by a press; the processes that were not there before."""
    before = presses()
    press.make(pdf.single(page("一")).as_data() | {"edition": None, "seconds": 60, "memory": pdf.MEMORY})
    return presses() - before


def presses() -> set[int]:
    """The presses that this process started."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            owner = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if owner == os.getpid() and "pdf_press.py" in (folder / "cmdline").read_text():
                found.add(int(folder.name))
    return found


def gone(pid: int) -> None:
    """Wait until a process has ended and, if it was ours, is no zombie."""
    ended = time.monotonic() + 30
    while time.monotonic() < ended:
        with suppress(ChildProcessError), suppress(FileNotFoundError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            if fields[0] != "Z" or int(fields[1]) == os.getpid():
                time.sleep(0.05)
                continue
        return
    raise AssertionError(f"{pid} is still there")


def ink(made: bytes, page: int) -> float:
    """The share of dark points on a page."""
    counts = picture(made, page, 40).histogram()
    return sum(counts[:128]) / sum(counts)


@pytest.fixture
def own() -> Iterator[pdf.Press]:
    """A press for one test."""
    press = pdf.Press()
    yield press
    press.close()


def book(parts: Sequence[pdf.Part], frame: pdf.Frame | None = None, edition: Path | None = None) -> bytes:
    return pdf.render(pdf.PrintJob(tuple(parts), frame or FRAME), edition=edition)


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
        pdf.render(pdf.single(page("一", tag) if tag.startswith("<link") else page(tag)))
    assert "not one of the print assets" in failed.value.reason or "disallowed" in failed.value.reason
    assert failed.value.message == "这份文件没有做成。"


def test_time_limit_ends_the_child_and_leaves_the_press() -> None:
    pdf.render(pdf.single(page("一")))
    before = presses()
    with pytest.raises(pdf.PdfTooLarge) as late:
        pdf.render(pdf.single(page("<p>字</p>" * 20_000)), seconds=0.2)
    assert "内容太多" in late.value.message
    assert text_of(pdf.render(pdf.single(page("二")))) == ["二"]
    assert presses() == before


def test_memory_limit_ends_the_child() -> None:
    with pytest.raises(pdf.PdfFailed):  # what it fails at depends on what lacks memory first
        pdf.render(pdf.single(page("<p>字</p>" * 20_000)), memory=300 * 1024**2)


def test_a_request_never_prints(app: Flask) -> None:
    with app.test_request_context("/"), pytest.raises(RuntimeError, match="a request never prints"):
        pdf.render(pdf.single(page("一")))


def test_press_sees_no_secrets_of_the_application(monkeypatch: pytest.MonkeyPatch, own: pdf.Press) -> None:
    monkeypatch.setenv("SECRET_KEY", "not-for-paper")
    (pid,) = started(own)
    environment = Path(f"/proc/{pid}/environ").read_text()
    assert "PATH=" in environment
    assert "not-for-paper" not in environment


def test_press_that_was_killed_or_idle_is_started_again_and_leaves_no_zombie(
    monkeypatch: pytest.MonkeyPatch, own: pdf.Press
) -> None:
    (killed,) = started(own)
    os.kill(killed, signal.SIGKILL)
    gone(killed)
    monkeypatch.setattr(pdf, "_IDLE_SECONDS", 0.3)
    (idle,) = started(own)
    gone(idle)
    assert started(own).isdisjoint({killed, idle})


def test_a_forked_process_has_a_press_of_its_own_that_dies_with_it() -> None:
    pdf.render(pdf.single(page("一")))
    ours = presses()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            pdf.render(pdf.single(page("一")))
            os.write(write, json.dumps(sorted(presses())).encode())
        finally:
            os.kill(os.getpid(), signal.SIGKILL)  # no farewell
    os.close(write)
    with open(read) as answer:
        (theirs,) = json.load(answer)
    os.waitpid(child, 0)
    gone(theirs)
    assert text_of(pdf.render(pdf.single(page("二")))) == ["二"]
    assert presses() == ours


def test_fonts_are_embedded_subset_and_small() -> None:
    made = pdf.render(pdf.single(page("党群服务中心<b>月度服务清单</b>“扫黑除恶”宣传，9:00–11:30")))
    with pikepdf.open(BytesIO(made)) as opened:
        fonts = opened.pages[0].obj.Resources.Font
        names = [str(font.BaseFont) for font in fonts.values()]
        assert len(names) == 2
        assert all(re.match(r"/[A-Z]{6}\+Noto-Sans-CJK-SC", name) for name in names), names
        for font in fonts.values():
            assert "/FontFile3" in font.DescendantFonts[0].FontDescriptor
            cmap = font.ToUnicode.read_bytes().lower()
            assert all(f"<{ord(sign):04x}>".encode() in cmap for sign in "服务") or "Bold" not in str(font.BaseFont)
    assert len(made) < 40_000
    assert text_of(made) == ["党群服务中心月度服务清单“扫黑除恶”宣传，9:00–11:30"]


def test_markup_in_words_stays_words() -> None:
    environment = pdf.templates()
    assert environment.from_string("{{ words }}").render(words="<img src=x>") == "&lt;img src=x&gt;"


def test_numbers_run_through_the_book_and_the_cover_knows_them() -> None:
    long = page('<p style="break-after: page">甲</p><p>乙</p>')
    made = pdf.render(pdf.PrintJob((part(1, "红"), pdf.Part("第2社区", long), part(3, "绿")), FRAME))
    pages = text_of(made)
    assert len(pages) == 5
    assert pages[0].startswith("目录235")
    assert [number for text in pages for number in re.findall(r"第(\d)页共5页", text)] == list("12345")
    with pikepdf.open(BytesIO(made)) as opened, opened.open_outline() as outline:
        assert [item.title for item in outline.root] == ["第1社区", "第2社区", "第3社区"]
        assert str(opened.docinfo.Title) == "测试清单"


def test_one_changed_part_costs_one_part(tmp_path: Path) -> None:
    edition = tmp_path / "book.pdf"
    parts = [part(number, "春夏秋冬"[number]) for number in range(3)]
    first = book(parts, edition=edition)
    with pikepdf.open(edition, allow_overwriting_input=True) as kept:
        for page in kept.pages:  # a mark on what comes from the kept edition
            page.contents_add(b"q 0 g 100 100 300 300 re f Q")
        kept.save()
    parts[1] = part(1, "时间改为腊月")
    second = book(parts, edition=edition)
    assert [ink(second, number) > 0.1 for number in (1, 2, 3, 4)] == [False, True, False, True]
    pages = text_of(second)
    assert "第1社区：时间改为腊月" in pages[2]
    assert [pages[0], pages[1], pages[3]] == [text_of(first)[number] for number in (0, 1, 3)]


def test_the_same_book_from_the_last_edition_reads_and_looks_the_same(tmp_path: Path) -> None:
    parts = [part(number, f"“暖冬行动”<b>探访慰问</b>{number}《小猪变形记》") for number in range(3)]
    fresh = book(parts, edition=tmp_path / "book.pdf")
    again = book(parts, edition=tmp_path / "book.pdf")
    assert text_of(again) == text_of(fresh)
    assert picture(again, 2, 60).tobytes() == picture(fresh, 2, 60).tobytes()
    assert book(parts) == book(parts)


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7 broken", b"another"])
def test_a_damaged_edition_is_as_good_as_none(tmp_path: Path, data: bytes) -> None:
    edition = tmp_path / "book.pdf"
    parts = [part(number, "水火土"[number]) for number in range(3)]
    edition.write_bytes(pdf.render(pdf.single(page("别的"))) if data == b"another" else data)
    assert text_of(book(parts, edition=edition)) == text_of(book(parts))
    assert text_of(book(parts, edition=edition)) == text_of(book(parts))


def test_a_book_stays_small_however_often_it_changes(tmp_path: Path) -> None:
    parts = [part(number, "春夏秋冬梅兰竹菊"[number]) for number in range(8)]
    faces = []
    for number in range(6):
        parts[number] = part(number, f"改了{number}")
        made = book(parts, edition=tmp_path / "book.pdf")
        with pikepdf.open(BytesIO(made)) as opened:
            things = [thing for thing in opened.objects if isinstance(thing, pikepdf.Dictionary)]
            faces.append(sum("/DescendantFonts" in thing for thing in things))
    assert text_of(made) == text_of(book(parts))
    assert faces == [1, 2, 3, 1, 2, 3]


def test_two_slots_put_two_parts_on_a_sheet() -> None:
    frame = pdf.Frame("测试", pdf.A3, (800.0, 30.0, 12.0), sheet=page("底"), slots=((0.0, 0.0), (400.0, 0.0)))
    pages = text_of(book([part(1, "一"), part(2, "二"), part(3, "三")], frame))
    assert len(pages) == 2
    assert all("底" in text for text in pages)
    assert "第1社区" in pages[0]
    assert "第2社区" in pages[0]
    assert "第3社区" in pages[1]


def test_a_book_needs_a_part() -> None:
    with pytest.raises(ValueError, match="at least one part"):
        book([])
