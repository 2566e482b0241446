"""The month's list for old eyes (长辈版): A4, no type below 18 points, the telephone on every sheet (SPEC C10, P7)."""

from __future__ import annotations

import dataclasses
import io
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pypdf
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from bench.pdf import month
from portal.catalogue.models import PrintedDocument
from portal.catalogue.paper import documents, printing
from portal.core import clock
from portal.core.pdf import render
from tests.catalogue.paper.test_print_list import centre, flat, only, row
from tests.core.printed import codes_in, fetched, fonts_of, picture, text_of
from tests.factories import Make, Town

DISTRICT = month(centres=8, rows=12)
SMALLEST = 18  # points


@pytest.fixture(scope="module")
def district() -> bytes:
    return render(documents.large_list(DISTRICT))


def sizes(made: bytes) -> set[float]:
    """The sizes of type in which anything is written, in points."""
    found: set[float] = set()

    def see(text: str, over: list[float], here: list[float], _font: Any, size: float) -> None:
        if text.strip():
            found.add(round(abs(size * here[3] * over[3]), 1))

    for page in pypdf.PdfReader(io.BytesIO(made)).pages:
        page.extract_text(visitor_text=see)
    return found


@pytest.mark.once
def test_nothing_is_small_and_every_sheet_has_number_and_telephone(district: bytes) -> None:
    assert min(sizes(district)) >= SMALLEST
    assert min(sizes(render(documents.monthly_list(DISTRICT)))) < 10, "the measure works"
    pages = text_of(district)
    phones = {flat(part.phone).replace("-", "") for part in DISTRICT.parts} | {DISTRICT.phone.replace("-", "")}
    for number, text in enumerate(pages, start=1):
        assert f"第{number}页共{len(pages)}页" in text
        assert any(phone in text.replace("-", "") for phone in phones), number
    assert all(fonts_of(district).values())


@pytest.mark.once
def test_every_word_of_the_list_is_there(district: bytes) -> None:
    text = "".join(text_of(district))
    for part in DISTRICT.parts:
        for item in (*part.rows, *part.weekly):
            assert flat(item.title) in text and flat(item.when_text) in text and flat(item.place) in text
            assert flat(item.audience) in text and flat(item.capacity_text) in text
    for name, value in zip(
        ("width", "height"), pypdf.PdfReader(io.BytesIO(district)).pages[0].mediabox[2:], strict=True
    ):
        assert round(float(value) / 72 * 25.4) == {"width": 210, "height": 297}[name]


@pytest.mark.once
def test_long_words_stay_on_the_sheet_and_states_are_said() -> None:
    part = centre(
        row("长" * 80, place="地" * 80, audience="人" * 80),
        row("不办了", status="cancelled", status_text="已取消"),
        row("改了的", status="changed", status_text="有调整"),
    )
    made = render(documents.large_list(only(part)))
    text = "".join(text_of(made))
    assert all(text.count(char) >= 80 for char in "长地人") and "已取消" in text and "有调整" in text
    assert part.url in codes_in(picture(made, 1))
    image = picture(made, 1, 60)
    edge = image.crop((image.width - 12, 0, image.width, image.height))
    assert edge.getextrema() == (255, 255), "nothing runs over the right edge"


@pytest.mark.once
def test_a_centre_without_number_says_where_to_go() -> None:
    part = dataclasses.replace(centre(row("早操")), phone="", phone_of="")
    assert all("到服务台说一声" in page for page in text_of(render(documents.large_list(only(part)))))


@pytest.fixture
def published(town: Town, make: Make) -> None:
    for code, title in (("A1", "亲子绘本阅读会"), ("A2", "防诈骗讲座"), ("B1", "净滩行动")):
        start = clock.at(datetime(2026, 12, 5).date(), datetime(2026, 1, 1, 9).time())
        make.entry(town.centres[code], [(start, start + timedelta(hours=2))], title=title)


@pytest.mark.once
def test_a_centres_large_list_by_its_address(client: FlaskClient, published: None) -> None:
    answer = fetched(client, "/print/list/2026-12/A1.pdf?paper=big")
    assert answer.status_code == 200 and min(sizes(answer.data)) >= SMALLEST
    assert "亲子绘本阅读会" in "".join(text_of(answer.data))
    assert "%E9%95%BF%E8%BE%88%E7%89%88" in answer.headers["Content-Disposition"]


def test_a_districts_large_list_is_made_by_the_worker_and_kept(
    client: FlaskClient, session: Any, town: Town, published: None, now: datetime
) -> None:
    page = client.get("/print/list/2026-12/D?paper=big").text
    assert "长辈版清单 A4（大字）" in page and "paper=a3" in page and 'name="paper" value="big"' in page
    assert client.post("/print/list/2026-12/D", data={"paper": "big"}).status_code == 303
    made = session.scalars(select(PrintedDocument)).one()
    assert made.paper == "big"
    session.rollback()
    assert printing.make(made.id)
    assert min(sizes(client.get("/print/list/2026-12/D.pdf?paper=big").data)) >= SMALLEST
    document = printing.list_document(town.centres["D"], "2026-12", now)
    assert document is not None and printing.kept(town.centres["D"], document, "a4") is None
    column = PrintedDocument.__table__.c.paper.type
    assert all(len(f"{paper}+") <= column.length for paper in printing.PAPERS)  # type: ignore[attr-defined]


def test_print_list_large(app: Flask, published: None, tmp_path: Path) -> None:
    file = tmp_path / "x.pdf"
    call = ["print-list", "--month", "2026-12", "--centre", "A1", "-o", str(file), "--large"]
    assert app.test_cli_runner().invoke(args=call).exit_code == 0
    assert min(sizes(file.read_bytes())) >= SMALLEST
    refused = app.test_cli_runner().invoke(args=[*call, "--paper", "a3"])
    assert refused.exit_code != 0 and "长辈版只有 A4" in refused.output


@pytest.mark.once
def test_it_is_offered_where_paper_is(client: FlaskClient, published: None, town: Town, as_staff: Any) -> None:
    assert "/print/list/2026-12/A1.pdf?paper=big" in client.get("/c/A1").text
    as_staff(client, town.staff["A1"])
    for url in ("/staff/print?month=2026-12", "/staff/catalogue?month=2026-12"):
        assert "paper=big" in client.get(url).text
    assert 'value="big"' in as_staff(client, town.staff["A"]).get("/staff/print?month=2026-12").text
