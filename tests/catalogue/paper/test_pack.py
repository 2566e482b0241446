"""/staff/print: what is missing is said before, and many papers are made in one press (SPEC C10, N3, V5, V7, Q7)."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from pypdf import PdfReader
from sqlalchemy import delete, select

from portal.catalogue.models import PrintedDocument
from portal.catalogue.paper import pack, printing
from portal.centres.models import OpeningHours
from portal.core import clock, scope
from tests import factories
from tests.catalogue.paper.test_printing import spans
from tests.core.printed import codes_in, picture
from tests.venues.made import room

MONTH = "2026-12"


@pytest.fixture
def month(town: factories.Town, make: factories.Make) -> Any:
    make.entry(town.centres["A1"], spans(5), title="亲子绘本阅读会")
    make.entry(town.centres["A2"], spans(7), title="防诈骗讲座")
    make.entry(town.centres["A1S"], spans(6), title="小区里的义诊")
    return town


def made(session: Any, *, ready: bool = True) -> PrintedDocument:
    """Do the worker's part; the newest pack."""
    session.rollback()
    with scope.system("test"):
        found = session.scalars(select(PrintedDocument).order_by(PrintedDocument.id.desc()).limit(1)).one()
        pack_id = found.id
    session.rollback()
    turns = iter(range(50))  # a turn lasts seconds; on a busy machine they do not do for all papers
    while not (done := pack.turn(pack_id)) and ready and next(turns, None) is not None:
        session.rollback()
    assert done is ready
    session.rollback()
    with scope.system("test"):
        return session.get(PrintedDocument, pack_id)


def ask(client: FlaskClient, *kinds: str, whom: str = "all", centres: tuple[int, ...] = (), **more: str) -> Any:
    data = {"month": MONTH, "kind": list(kinds), "whom": whom, "centre": [str(i) for i in centres], **more}
    return client.post("/staff/print", data=data)


@pytest.mark.once
def test_a_subdistricts_papers_are_one_book_and_one_folder(
    client: FlaskClient, as_staff: Any, month: Any, session: Any
) -> None:
    hall = room(month.centres["A1"], name="多功能/厅")
    session.commit()
    as_staff(client, month.staff["A"])
    answer = ask(client, "a4", "a3", "code", "week", "door")
    assert answer.status_code == 303
    address = answer.headers["Location"]
    waiting = client.get(address).text
    assert "正在排版" in waiting and "<noscript>" in waiting and 'hx-trigger="every 2s"' in waiting
    found = made(session)
    page = client.get(address).text
    assert "已印好" in page and f"{found.parts} 份，共 {found.pages} 页" in page and "every 2s" not in page
    folder = zipfile.ZipFile(io.BytesIO(client.get(f"{address}.zip").data))
    names = set(folder.namelist())
    centres = [month.centres[c].label for c in ("A", "A1", "A2", "A1S")]
    assert {f"{label}-中心二维码海报.pdf" for label in centres} <= names
    listed = [month.centres[c].label for c in ("A1", "A2")]
    assert {f"{label}-{what}.pdf" for label in listed for what in ("清单 A4", "宣传栏海报 A3")} <= names
    assert f"{centres[1]}-多功能-厅门口二维码.pdf" in names and f"{centres[1]}-场地周表.pdf" in names
    door = folder.read(f"{centres[1]}-多功能-厅门口二维码.pdf")
    assert any(hall.door_key in code for code in codes_in(picture(door)))
    book = PdfReader(io.BytesIO(client.get(f"{address}.pdf").data))
    assert len(book.pages) == found.pages == len(names) == found.parts
    text = "".join(page.extract_text() for page in book.pages).replace("\n", "")
    assert "亲子绘本阅读会" in text and "小区里的义诊" in text and "防诈骗讲座" in text
    assert len(book.outline) == found.parts
    assert client.get("/staff/print").text.count("已印好") == 1


def test_only_what_is_ticked_is_printed(client: FlaskClient, as_staff: Any, month: Any, session: Any) -> None:
    as_staff(client, month.staff["D"])
    for choice, labels in (
        ({"centres": (month.centres["A2"].id,)}, ["A2"]),
        ({"whom": str(month.centres["A1"].id)}, ["A1", "A1S"]),
    ):
        address = ask(client, "code", **choice).headers["Location"]
        made(session)
        names = zipfile.ZipFile(io.BytesIO(client.get(f"{address}.zip").data)).namelist()
        assert names == [f"{month.centres[c].label}-中心二维码海报.pdf" for c in labels]


def test_a_foreign_centre_is_not_printed(client: FlaskClient, as_staff: Any, month: Any) -> None:
    as_staff(client, month.staff["A1"])
    answer = ask(client, "code", centres=(month.centres["B1"].id,))
    assert answer.status_code == 422 and "还没有选" in answer.text


def test_nothing_chosen_or_too_much_is_refused_with_what_to_do(
    client: FlaskClient, as_staff: Any, month: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_staff(client, month.staff["D"])
    answer = ask(client)
    assert answer.status_code == 422 and "至少各勾一样" in answer.text
    monkeypatch.setattr(pack, "MOST_PAPERS", 3)
    answer = ask(client, "code")
    assert answer.status_code == 422 and "一次最多印 3 份" in answer.text and "只印一个街道" in answer.text
    assert 'value="code" checked' in answer.text  # what was ticked is still ticked


def test_asked_twice_it_is_made_once_and_the_line_is_short(
    client: FlaskClient, as_staff: Any, month: Any, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_staff(client, month.staff["D"])
    assert ask(client, "code").headers["Location"] == ask(client, "code").headers["Location"]
    monkeypatch.setattr(pack, "MOST_OPEN", 1)
    answer = ask(client, "week", "code")
    assert answer.status_code == 503 and "一份一份地打印" in answer.text


@pytest.mark.once
def test_doors_are_for_those_who_look_after_rooms(
    client: FlaskClient, as_staff: Any, month: Any, session: Any, make: factories.Make
) -> None:
    room(month.centres["A1"])
    session.commit()
    as_staff(client, month.staff["A"])
    address = ask(client, "door").headers["Location"]
    found = made(session)
    assert client.get(f"{address}.pdf").status_code == 200
    number = found.id
    as_staff(client, month.staff["D-LOOK"])
    assert client.get(address).status_code == client.get(f"{address}.zip").status_code == 404
    assert "门口二维码" not in client.get("/staff/print").text
    as_staff(client, month.staff["B1"])
    assert client.get(address).status_code == 404  # another subtree
    client.post("/staff/logout")
    assert client.get(f"/print/issued/{number}.pdf").status_code == 404


def test_a_long_pack_is_made_in_turns_and_what_nobody_took_by_the_clock(
    client: FlaskClient, as_staff: Any, month: Any, session: Any, now: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack, "TURN_SECONDS", -1.0)
    as_staff(client, month.staff["A"])
    address = ask(client, "code").headers["Location"]
    first = made(session, ready=False)
    assert first.status == "making"
    session.rollback()
    assert "0 份好了，一共 4 份" in client.get(address).text
    assert pack.make_packs(now) == 0  # its own next turn may still come
    monkeypatch.setattr(pack, "TURN_SECONDS", 60.0)
    assert pack.make_packs(clock.now() + pack.STUCK_AFTER + timedelta(seconds=1)) == 1
    assert "已印好" in client.get(address).text


def test_a_pack_is_gone_after_a_day(client: FlaskClient, as_staff: Any, month: Any, session: Any) -> None:
    as_staff(client, month.staff["A"])
    address = ask(client, "code").headers["Location"]
    found = made(session)
    path = pack.file_of(found, "zip")
    later = found.asked_at + pack.KEEP + timedelta(minutes=1)
    session.rollback()
    assert path.exists()
    pack.make_packs(later)
    assert not path.exists() and client.get(address).status_code == 404


def test_a_month_without_a_list_says_why_nothing_was_made(
    client: FlaskClient, as_staff: Any, month: Any, session: Any
) -> None:
    as_staff(client, month.staff["A"])
    address = client.post("/staff/print", data={"month": "2027-05", "kind": "a4", "whom": "all"}).headers["Location"]
    assert made(session, ready=False).status == "failed"
    assert pack.NothingThere.message in client.get(address).text


def test_what_is_missing_is_said_before_with_a_link_to_mend_it(
    client: FlaskClient, as_staff: Any, month: Any, session: Any
) -> None:
    a, a1, a2 = (month.centres[c] for c in ("A", "A1", "A2"))
    a.phone, a1.phone, a2.phone, a2.address = "0755-84200001", "", "0755-84200002", ""
    session.execute(delete(OpeningHours).where(OpeningHours.centre_id == a2.id))
    session.commit()
    as_staff(client, month.staff["A"])
    page = client.get("/staff/print").text
    told = {line.split("，")[0]: line for line in page.split("<li>") if line.startswith("这 ")}
    borrowed = next(line for start, line in told.items() if "没有自己的电话" in start)
    assert f'href="/staff/centres/{a1.id}"' in borrowed and f'href="/staff/centres/{a2.id}"' not in borrowed
    hours = next(line for start, line in told.items() if "没有填开放时间" in start)
    assert f'href="/staff/centres/{a2.id}"' in hours and f'href="/staff/centres/{a.id}"' not in hours


def test_a_department_prints_nothing_here(client: FlaskClient, as_staff: Any, month: Any) -> None:
    as_staff(client, month.staff["ZFB"])
    assert client.get("/staff/print").status_code == 404


def test_from_today_on(client: FlaskClient, month: Any, session: Any, make: factories.Make) -> None:
    make.entry(month.centres["A1"], spans(20), title="冬至包汤圆")
    session.commit()
    with clock.frozen(clock.at(spans(17)[0][0].date(), spans(17)[0][0].time())):
        now = clock.now()
        since = printing.middle_of(MONTH, now)
        assert since is not None and printing.middle_of("2027-01", now) is None
        document = printing.list_document(month.centres["A1"], MONTH, now, since)
        assert document is not None
        assert [r.title for part in document.parts for r in part.rows] == ["冬至包汤圆"]
        assert document.since == document.issued_on == since
        assert printing.from_data(printing.as_data(document)) == document
        whole = printing.list_document(month.centres["A1"], MONTH, now)
        assert whole is not None and printing.digest_of(whole, "a3") != printing.digest_of(document, "a3")


def test_paper_borrows_the_number_of_the_nearest_centre_above(session: Any, month: Any, now: Any) -> None:
    month.centres["A"].phone, month.centres["A1"].phone = "0755-84200001", ""
    session.execute(delete(OpeningHours).where(OpeningHours.centre_id == month.centres["A1"].id))
    session.commit()
    document = printing.list_document(month.centres["A1"], MONTH, now)
    assert document is not None
    assert (document.phone, document.phone_of) == ("0755-84200001", f"{month.centres['A'].label}中心电话")
    assert (document.parts[0].phone, document.parts[0].hours) == ("0755-84200001", "")
