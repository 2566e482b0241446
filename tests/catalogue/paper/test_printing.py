"""Paper from the database: small ones at once, large ones by the worker, kept as issued (SPEC C10)."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pypdf import PdfReader
from sqlalchemy import select

from portal.catalogue.models import Entry, PrintedDocument
from portal.catalogue.paper import printing
from portal.core import clock
from tests import factories
from tests.core.printed import fetched


def spans(*days: int) -> list[tuple[datetime, datetime]]:
    starts = [clock.at(datetime(2026, 12, d).date(), datetime(2026, 1, 1, 9).time()) for d in days]
    return [(s, s + timedelta(hours=2)) for s in starts]


@pytest.fixture
def month(town: factories.Town, make: factories.Make) -> dict[str, Entry]:
    return {
        "a1": make.entry(town.centres["A1"], spans(5), title="亲子绘本阅读会"),
        "station": make.entry(town.centres["A1S"], spans(6), title="小区里的义诊", walk_in=True),
        "weekly": make.entry(
            town.centres["A1"], spans(4, 11, 18), title="合唱团", weekly={"label": "每周五 9:00–11:00"}
        ),
        "a2": make.entry(town.centres["A2"], spans(7), title="防诈骗讲座"),
        "b1": make.entry(town.centres["B1"], spans(8), title="净滩行动", status="cancelled"),
        "own": make.entry(town.centres["A"], spans(9), title="街道运动会"),
        "draft": make.entry(town.centres["A1"], spans(9), title="还没公布", status="draft"),
    }


def words(pdf: bytes) -> str:
    return "".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages).replace("\n", "")


@pytest.mark.once
def test_a_communitys_paper_holds_its_stations_rows(client: FlaskClient, month: Any) -> None:
    answer = fetched(client, "/print/list/2026-12/A1.pdf")
    assert answer.status_code == 200 and answer.mimetype == "application/pdf"
    answer.headers["Content-Disposition"].encode("latin-1")
    text = words(answer.data)
    assert "亲子绘本阅读会" in text and "小区里的义诊" in text and "每周五" in text
    assert "防诈骗" not in text and "还没公布" not in text


@pytest.mark.once
def test_the_poster_is_a3(client: FlaskClient, month: Any) -> None:
    pdf = PdfReader(io.BytesIO(fetched(client, "/print/list/2026-12/A1.pdf?paper=a3").data))
    width, height = (float(v) / 72 * 25.4 for v in pdf.pages[0].mediabox[2:])
    assert (round(width), round(height)) == (297, 420)


def test_rows_stand_under_the_centre_that_draws_up_the_list(session: Any, town: Any, month: Any, now: Any) -> None:
    document = printing.list_document(town.centres["D"], "2026-12", now)
    assert document is not None
    parts = {part.code: [r.title for r in (*part.rows, *part.weekly)] for part in document.parts}
    assert parts == {
        "A": ["街道运动会"],
        "A1": ["亲子绘本阅读会", "小区里的义诊", "合唱团"],
        "A2": ["防诈骗讲座"],
        "B1": ["净滩行动"],
    }
    assert document.parts[-1].rows[0].status_text == "已取消"
    assert printing.from_data(printing.as_data(document)) == document


def test_a_large_one_goes_to_the_worker_and_is_kept(
    client: FlaskClient, session: Any, town: Any, month: Any, now: Any
) -> None:
    answer = fetched(client, "/print/list/2026-12/D.pdf")
    assert answer.status_code == 303 and answer.headers["Location"] == "/print/list/2026-12/D"
    offer = client.get("/print/list/2026-12/D").text
    assert "开始排版" in offer and 'action="/print/list/2026-12/D"' in offer and "测试区12月" in offer
    for _ in range(2):  # asked twice, made once
        assert client.post("/print/list/2026-12/D").status_code == 303
    page = client.get("/print/list/2026-12/D").text
    assert "正在排版" in page and 'hx-trigger="every 2s"' in page and "<noscript>" in page
    session.rollback()
    (row,) = session.scalars(select(PrintedDocument)).all()
    session.rollback()
    assert printing.make(row.id) is True and printing.make(row.id) is False
    assert "打开 PDF" in client.get("/print/list/2026-12/D").text
    first = fetched(client, "/print/list/2026-12/D.pdf")
    assert "净滩行动" in words(first.data)
    entry = session.get(Entry, month["a1"].id)
    entry.title, entry.version = "改了名字", entry.version + 1
    session.commit()
    assert fetched(client, "/print/list/2026-12/D.pdf").status_code == 303  # the new one is to be made
    assert "先看上一版" in client.get("/print/list/2026-12/D").text
    assert fetched(client, f"/print/issued/{row.id}.pdf").data == first.data


def test_what_nobody_took_is_made_by_the_clock(session: Any, town: Any, month: Any, now: Any) -> None:
    document = printing.list_document(town.centres["D"], "2026-12", now)
    assert document is not None
    row = printing.ask(town.centres["D"], document, "a4", now)
    session.commit()
    assert printing.make_waiting(now) == 0  # the worker may still come
    assert printing.make_waiting(now + timedelta(minutes=1)) == 1
    session.rollback()
    assert session.get(PrintedDocument, row.id).status == "ready"


def test_a_dead_maker_is_replaced(session: Any, town: Any, month: Any, now: Any) -> None:
    document = printing.list_document(town.centres["A1"], "2026-12", now)
    assert document is not None
    row = printing.ask(town.centres["A1"], document, "a4", now)
    row.status, row.started_at = "making", now - timedelta(minutes=6)
    session.commit()
    assert printing.make_waiting(now + timedelta(minutes=1)) == 1


def test_a_failure_is_said_and_can_be_tried_again(
    client: FlaskClient, session: Any, town: Any, month: Any, now: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: Any) -> bytes:
        raise RuntimeError("no paper")

    client.post("/print/list/2026-12/D")
    (row_id,) = session.scalars(select(PrintedDocument.id)).all()
    session.rollback()
    with monkeypatch.context() as patch:
        patch.setattr(printing, "print_job", broken)
        assert printing.make(row_id) is False
    assert "上次没有印成" in client.get("/print/list/2026-12/D").text
    client.post("/print/list/2026-12/D")
    assert printing.make(row_id) is True


@pytest.mark.parametrize("path", ["/print/list/2026-13/A1.pdf", "/print/list/2026-12/NOPE.pdf", "/print/list/x/A1"])
def test_no_such_paper(client: FlaskClient, town: Any, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_month_without_a_list_says_so(client: FlaskClient, town: Any) -> None:
    answer = client.get("/print/list/2027-05/A1.pdf", follow_redirects=True)
    assert answer.status_code == 200 and "还没有公布" in answer.text


@pytest.mark.once
def test_an_activitys_poster(client: FlaskClient, month: Any) -> None:
    text = words(fetched(client, f"/services/{month['a1'].id}/poster.pdf").data)
    assert "亲子绘本阅读会" in text and "12月5日" in text
    assert fetched(client, f"/services/{month['draft'].id}/poster.pdf").status_code == 404


@pytest.mark.parametrize(
    ("code", "paper", "size"), [("A1", "a4", (210, 297)), ("D", "a4", (210, 297)), ("D", "a3", (297, 420))]
)
def test_print_list_writes_a_centres_list_and_the_districts_book(
    app: Flask, month: Any, tmp_path: Path, code: str, paper: str, size: tuple[int, int]
) -> None:
    file = tmp_path / "x.pdf"
    call = ["print-list", "--month", "2026-12", "--centre", code, "-o", str(file), "--paper", paper]
    done = app.test_cli_runner().invoke(args=call)
    assert done.exit_code == 0, done.output
    made = file.read_bytes()
    width, height = (float(v) / 72 * 25.4 for v in PdfReader(io.BytesIO(made)).pages[0].mediabox[2:])
    assert (round(width), round(height)) == size
    text = words(made)
    assert "亲子绘本阅读会" in text and "小区里的义诊" in text
    assert ("净滩行动" in text and "防诈骗讲座" in text) is (code == "D")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"--centre": "NOPE"}, "没有编码为 NOPE 的阵地"),
        ({"--month": "2027-05"}, "还没有公布"),
        ({"--month": "2026-13"}, "2026-12 的样子"),
        ({"--paper": "a2"}, "a2"),
        ({"-o": "/proc/none/x.pdf"}, "写不了"),
    ],
)
def test_print_list_says_why_it_writes_nothing(
    app: Flask, month: Any, tmp_path: Path, changes: dict[str, str], said: str
) -> None:
    call = {"--month": "2026-12", "--centre": "A1", "-o": str(tmp_path / "x.pdf")} | changes
    done = app.test_cli_runner().invoke(args=["print-list", *(word for pair in call.items() for word in pair)])
    assert done.exit_code != 0 and said in done.output
    assert not (tmp_path / "x.pdf").exists()


def test_the_centre_issues_the_list_not_the_person_in_charge(
    client: FlaskClient, month: Any, town: factories.Town, session: Any
) -> None:
    for code in ("A1", "A2", "A"):
        town.centres[code].responsible = "某某某"
    session.commit()
    for url in ("/print/list/2026-12/A1.pdf", "/print/list/2026-12/A1.pdf?paper=a3"):
        assert "某某某" not in words(fetched(client, url).data), url
    session.rollback()
    book = printing.list_document(town.centres["A"], "2026-12", factories.NOW, None)
    assert book is not None and book.responsible == town.centres["A"].name
