"""A department's plan from Excel: its own, handed to the district in one press, allotted there (SPEC C4, C7, Q9)."""

from __future__ import annotations

import io
import re
from typing import Any

import openpyxl
import pytest
from sqlalchemy import select

from portal.catalogue.models import DRAFT, IN_REVIEW, Entry, Issue, PlanImport
from portal.core import clock, outbox, scope
from portal.notices.models import InboxMessage
from tests.catalogue.staff.test_import import HEAD

TITLE = "政法办2026年12月服务计划"
LAW = (
    1,
    "政策咨询服务",
    "民法典讲座",
    "讲案例",
    "12月9日 15:00-16:30",
    "全体居民",
    "多功能厅",
    "40人",
    "刘干事 0755-84200009",
)
SAFE = (2, "公共服务", "平安宣传", "发资料", "12月15日 9:30-11:00", "全体居民", "广场", "不限", "刘干事 0755-84200009")


def _plan(*rows: tuple[Any, ...], head: tuple[str, ...] = HEAD) -> io.BytesIO:
    book, stream = openpyxl.Workbook(), io.BytesIO()
    for row in ((TITLE,), head, *rows):
        book.active.append(row)
    book.save(stream)
    stream.seek(0)
    return stream


@pytest.fixture
def upload(client: Any, town: Any, session: Any, as_staff: Any) -> Any:
    """Upload a plan as the department's operator; returns the preview's address."""

    def one(*rows: tuple[Any, ...], head: tuple[str, ...] = HEAD) -> str:
        as_staff(client, town.staff["ZFB"])
        data = {"month": "2026-12", "centre": town.centres["D"].id, "file": (_plan(*rows, head=head), "计划.xlsx")}
        answer = client.post("/staff/catalogue/import", data=data)
        assert answer.status_code == 303, answer.text
        session.rollback()
        return str(answer.location)

    return one


def _rows(session: Any) -> list[tuple[str, str, str]]:
    session.rollback()
    with scope.system("look"):
        found = session.scalars(select(Entry).order_by(Entry.first_start))
        return [(entry.title, entry.status, entry.organiser) for entry in found]


def _carry_out(session: Any) -> None:
    with scope.system("effects"):
        outbox.run_due(clock.now())
    session.rollback()


def _titles(session: Any, staff_id: int) -> list[str]:
    return list(
        session.scalars(
            select(InboxMessage.title).where(InboxMessage.audience == "staff", InboxMessage.person_id == staff_id)
        )
    )


def test_from_the_file_to_the_district_in_two_presses(
    client: Any, town: Any, session: Any, upload: Any, as_staff: Any
) -> None:
    address = upload(LAW, SAFE)
    taken = client.post(f"{address}/take", data={"all": "1"}, follow_redirects=True)
    assert "导入了 2 条" in taken.text
    assert _rows(session) == [("民法典讲座", DRAFT, "政法办"), ("平安宣传", DRAFT, "政法办")]
    board = client.get("/staff/catalogue?month=2026-12").text
    assert f"交{town.centres['D'].label}分配（2）" in board
    asked = client.get("/staff/catalogue/bulk?do=hand_in&all=1&month=2026-12")
    assert "上交 2 条" in asked.text
    ids = re.search(r'name="ids" value="([\d,]+)"', asked.text)
    assert ids is not None
    done = client.post("/staff/catalogue/bulk", data={"do": "hand_in", "ids": ids[1], "month": "2026-12"},
                       follow_redirects=True)  # fmt: skip
    assert "上交了 2 条" in done.text
    assert [status for _, status, _ in _rows(session)] == [IN_REVIEW, IN_REVIEW]
    assert session.scalars(select(Issue)).all() == []  # the district's own list is another matter
    _carry_out(session)
    assert _titles(session, town.staff["D"].id) == ["政法办交了12月计划"]
    as_staff(client, town.staff["D"])
    assert "分配…" in client.get("/staff/catalogue?month=2026-12&state=mine").text


def test_the_department_takes_its_press_back(client: Any, town: Any, session: Any, upload: Any) -> None:
    address = upload(LAW, SAFE)
    client.post(f"{address}/take", data={"all": "1"})
    page = client.get("/staff/catalogue/bulk?do=hand_in&all=1&month=2026-12").text
    ids = re.search(r'name="ids" value="([\d,]+)"', page)
    assert ids is not None
    client.post("/staff/catalogue/bulk", data={"do": "hand_in", "ids": ids[1], "month": "2026-12"})
    board = client.get("/staff/catalogue?month=2026-12").text
    step = re.search(r"/staff/catalogue/steps/\d+/undo", board)
    assert step is not None
    assert "撤回了 2 条" in client.post(step[0], data={}, follow_redirects=True).text
    assert [status for _, status, _ in _rows(session)] == [DRAFT, DRAFT]


def test_a_wrong_file_of_a_department_is_undone(client: Any, town: Any, session: Any, upload: Any) -> None:
    address = upload(LAW, SAFE)
    client.post(f"{address}/take", data={"all": "1"})
    assert "撤销这次导入" in client.get("/staff/catalogue?month=2026-12").text
    done = client.post(f"{address}/undo", data={}, follow_redirects=True)
    assert "拿掉了 2 条草稿" in done.text
    assert {status for _, status, _ in _rows(session)} == {"dropped"}


@pytest.mark.parametrize("who", ["D", "A", "A1"])
def test_nobody_else_works_on_it(client: Any, town: Any, session: Any, upload: Any, as_staff: Any, who: str) -> None:
    address = upload(LAW)
    as_staff(client, town.staff[who])
    assert client.get(address).status_code == 404
    assert client.post(f"{address}/take", data={"all": "1"}).status_code == 404
    assert "计划.xlsx" not in client.get("/staff/catalogue/import?month=2026-12").text
    assert "计划.xlsx" not in client.get("/staff").text
    assert _rows(session) == []


def test_an_unfinished_one_waits_for_the_department(client: Any, town: Any, upload: Any) -> None:
    upload(LAW)
    assert "计划.xlsx" in client.get("/staff").text
    assert "计划.xlsx" in client.get("/staff/catalogue/import?month=2026-12").text


def test_communities_in_the_table_are_a_wish_that_whoever_allots_sees(
    client: Any, town: Any, session: Any, upload: Any
) -> None:
    address = upload((*LAW, "甲一社区"), head=(*HEAD, "社区"))
    assert "分到哪些社区由" in client.get(address).text
    client.post(f"{address}/take", data={"all": "1"})
    session.rollback()
    entry = session.scalars(select(Entry)).one()
    assert (entry.centre_id, entry.department_id) == (town.centres["D"].id, town.department.id)
    assert "甲一社区" in entry.check_note


def test_another_centre_cannot_be_chosen(client: Any, town: Any, session: Any, as_staff: Any) -> None:
    as_staff(client, town.staff["ZFB"])
    data = {"month": "2026-12", "centre": town.centres["A1"].id, "file": (_plan(LAW), "计划.xlsx")}
    assert client.post("/staff/catalogue/import", data=data).status_code == 422
    assert session.scalars(select(PlanImport)).all() == []


def test_the_same_file_again_knows_what_was_allotted(
    client: Any, town: Any, session: Any, upload: Any, make: Any
) -> None:
    address = upload(LAW)
    client.post(f"{address}/take", data={"all": "1"})
    session.rollback()
    entry = session.scalars(select(Entry)).one()
    entry.centre_id = town.centres["A1"].id  # as after allotting
    session.commit()
    again = upload(LAW, SAFE)
    page = client.get(again).text
    assert "清单里已有 <b>1</b>" in page
    assert "可以导入 <b>1</b>" in page


def test_without_a_place_it_is_held_at_the_community_that_gets_it(
    client: Any, town: Any, session: Any, upload: Any, as_staff: Any
) -> None:
    somewhere = tuple("" if cell == "多功能厅" else cell for cell in LAW)
    address = upload(somewhere)
    assert "就在哪个社区的中心办" in client.get(address).text
    client.post(f"{address}/take", data={"all": "1"})
    board = client.get("/staff/catalogue?month=2026-12").text
    assert "请填写地点" not in board and "政法办" in re.findall(r"<h1>(.*?)</h1>", board)[0]
    assert "清单已交" not in board  # whose lists are in is not a department's business
    page = client.get("/staff/catalogue/bulk?do=hand_in&all=1&month=2026-12").text
    ids = re.search(r'name="ids" value="([\d,]+)"', page)
    assert ids is not None
    client.post("/staff/catalogue/bulk", data={"do": "hand_in", "ids": ids[1], "month": "2026-12"})
    as_staff(client, town.staff["D"])
    chosen = [str(town.centres[code].id) for code in ("A1", "B1")]
    client.post(f"/staff/catalogue/allot/{ids[1]}", data={"centre": chosen})
    session.rollback()
    found = session.scalars(select(Entry).order_by(Entry.id))
    assert [(e.status, e.place) for e in found] == [
        ("approved", town.centres["A1"].name), ("approved", town.centres["B1"].name)
    ]  # fmt: skip


def test_whoever_allots_finds_the_wish_ticked_and_it_goes_with_the_step(
    client: Any, town: Any, session: Any, upload: Any, as_staff: Any
) -> None:
    for code in ("A1", "B1"):
        town.centres[code].short_name = f"{code}社区"
    session.commit()
    address = upload((*LAW, "A1社区、B1社区"), head=(*HEAD, "拟进社区"))
    client.post(f"{address}/take", data={"all": "1"})
    session.rollback()
    entry_id = session.scalars(select(Entry.id)).one()
    client.post("/staff/catalogue/bulk", data={"do": "hand_in", "ids": str(entry_id), "month": "2026-12"})
    as_staff(client, town.staff["D"])
    inbox = client.get("/staff").text
    assert "政法办 12月计划" in inbox and "1 条待分配" in inbox
    board = client.get("/staff/catalogue?month=2026-12&state=mine").text
    assert f"待{town.centres['D'].label}分配" in board
    page = client.get(f"/staff/catalogue/allot/{entry_id}").text
    assert "勾好了 2 个社区" in page
    ticked = re.findall(r'<input[^>]*name="centre"[^>]*value="(\d+)"[^>]*checked', page)
    assert {int(number) for number in ticked} == {town.centres["A1"].id, town.centres["B1"].id}
    client.post(f"/staff/catalogue/allot/{entry_id}", data={"centre": ticked})
    session.rollback()
    assert {entry.check_note for entry in session.scalars(select(Entry))} == {""}
    assert "表里写的是" not in client.get("/staff/catalogue/publish?month=2026-12").text


def test_what_comes_back_is_mended_by_the_department_alone(
    client: Any, town: Any, session: Any, upload: Any, as_staff: Any
) -> None:
    address = upload(LAW)
    client.post(f"{address}/take", data={"all": "1"})
    session.rollback()
    entry_id = session.scalars(select(Entry.id)).one()
    as_staff(client, town.staff["D"])
    draft = client.get("/staff/catalogue?month=2026-12").text
    assert "民法典讲座" in draft and f'name="row" value="{entry_id}"' not in draft  # not the district's to hand in
    as_staff(client, town.staff["ZFB"])
    client.post("/staff/catalogue/bulk", data={"do": "hand_in", "ids": str(entry_id), "month": "2026-12"})
    as_staff(client, town.staff["D"])
    client.post(f"/staff/catalogue/{entry_id}/return", data={"reason": "写明集合点"})
    assert "条被退回" not in client.get("/staff").text
    assert "没有等您处理的" in client.get("/staff/catalogue?month=2026-12&state=mine").text
    as_staff(client, town.staff["ZFB"])
    page = client.get("/staff").text
    assert "政法办 12月计划" in page and "1 条被退回，改好后送回" in page
