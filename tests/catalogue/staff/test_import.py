"""Excel plans in the page: uploaded, looked at, mended in place, taken in, found again."""

from __future__ import annotations

import io
from typing import Any

import openpyxl
import pytest
from sqlalchemy import select

from portal.catalogue.actions.importing import rows_of
from portal.catalogue.models import Entry, PlanImport

HEAD = ("序号", "服务类别", "服务名称", "服务内容", "服务时间", "服务对象", "服务地点", "名额", "联系人及电话")
GOOD = (1, "党群服务", "包汤圆", "一起包", "12月22日 14:30-17:00", "全体居民", "一楼", "60人", "陈社工 0755-84200001")
WEEKLY = (2, "公共服务", "四点半课堂", "写作业", "每周五16:30-18:00", "小学生", "二楼", "不限", "李社工 0755-84200002")
BAD = (3, "公共服务", "大讲堂", "讲座", "另行通知", "全体居民", "三楼", "50人", "王干事 0755-84200003")
HTMX = {"HX-Request": "true"}


def plan(*rows: tuple[Any, ...]) -> io.BytesIO:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["甲一社区12月服务清单"])
    sheet.merge_cells("A1:I1")
    for row in (HEAD, *rows):
        sheet.append(row)
    stream = io.BytesIO()
    book.save(stream)
    stream.seek(0)
    return stream


@pytest.fixture
def upload(client: Any, town: Any, session: Any, as_staff: Any) -> Any:
    """Upload a plan as A1's operator; returns the preview's address and the stored import."""

    def one(*rows: tuple[Any, ...], centre: str = "A1") -> tuple[str, int]:
        as_staff(client, town.operator["A1"])
        data = {"month": "2026-12", "centre": town.centres[centre].id, "file": (plan(*rows), "12月清单.xlsx")}
        answer = client.post("/staff/catalogue/import", data=data)
        assert answer.status_code == 303, answer.text
        session.rollback()
        return answer.location, session.scalars(select(PlanImport.id)).one()

    return one


def titles(session: Any) -> list[str]:
    session.rollback()
    return list(session.scalars(select(Entry.title).order_by(Entry.id)))


def test_a_plan_is_shown_row_by_row_and_taken_in_once(client: Any, upload: Any, session: Any) -> None:
    url, number = upload(GOOD, WEEKLY, BAD)
    page = client.get(url).text
    assert "看懂 <b>3</b> 行：可以导入 <b>2</b>，要改 <b>1</b>" in page
    assert "展开 4 场" in page
    assert page.count(" checked>") == 2
    assert titles(session) == []
    listed = client.get("/staff/catalogue/import").text
    assert f"/staff/catalogue/imports/{number}" in listed  # leaving and coming back finds it again
    keys = [r.number for r in rows_of(session.get(PlanImport, number)) if r.ok]
    done = client.post(f"{url}/take", data={"row": keys})
    assert "导入了 2 条" in client.get(done.location).text
    assert titles(session) == ["包汤圆", "四点半课堂"]
    client.post(f"{url}/take", data={"row": keys})
    assert titles(session) == ["包汤圆", "四点半课堂"]
    page = client.get(url).text
    assert "已导入 <b>2</b>" in page
    assert f"/staff/catalogue/{session.scalars(select(Entry.id).limit(1)).one()}" in page


def test_a_bad_row_is_mended_in_place(client: Any, town: Any, upload: Any, session: Any) -> None:
    url, number = upload(GOOD, BAD)
    row = next(r for r in rows_of(session.get(PlanImport, number)) if not r.ok)
    session.rollback()
    where = f"{url}/rows/{row.number}"
    form = client.get(where, headers=HTMX).text
    assert form.lstrip().startswith(f'<tbody id="row-{row.number}">')
    assert 'value="大讲堂"' in form
    assert f'<label for="r{row.number}-title">' in form  # several rows may be open at once
    fields = {
        "title": "大讲堂", "category_id": town.categories["public"].id, "sessions": "还没定", "place": "三楼", "unit": "人",
        "audience": "全体居民", "mode": "limited", "capacity": "50", "content": "打了很久", "contact": "", "phone": "",
    }  # fmt: skip
    refused = client.post(where, data=fields, headers=HTMX)
    assert refused.status_code == 422
    assert "没有看到日期和钟点" in refused.text
    assert "打了很久" in refused.text
    mended = client.post(where, data=fields | {"sessions": "12月30日 9:00-10:00"}, headers=HTMX)
    assert mended.status_code == 200
    assert "改好了" in mended.text
    assert "可以导入 <b>2</b>" in mended.text  # the sums come along
    fragment, _sums = mended.text.split("\n<template>")
    assert fragment in client.get(url).text
    client.post(f"{url}/take", data={"row": [row.number]})
    assert titles(session) == ["大讲堂"]


def test_mending_works_without_any_script(client: Any, town: Any, upload: Any, session: Any) -> None:
    url, number = upload(BAD)
    row = rows_of(session.get(PlanImport, number))[0].number
    session.rollback()
    assert "改第" in client.get(f"{url}/rows/{row}").text
    done = client.post(
        f"{url}/rows/{row}",
        data={
            "title": "大讲堂",
            "category_id": town.categories["public"].id,
            "sessions": "12月30日 9:00-10:00",
            "unit": "人",
            "place": "三楼",
            "audience": "全体居民",
            "mode": "unlimited",
        },
    )
    assert done.status_code == 303
    assert client.get(f"{url}/rows/99").status_code == 404


def test_a_row_with_a_problem_is_not_taken_in(client: Any, upload: Any, session: Any) -> None:
    url, number = upload(GOOD, BAD)
    keys = [r.number for r in rows_of(session.get(PlanImport, number))]
    session.rollback()
    refused = client.post(f"{url}/take", data={"row": keys})
    assert "一行也没有导入" in client.get(refused.location).text
    assert "还没有勾选" in client.get(client.post(f"{url}/take", data={}).location).text
    assert titles(session) == []


def test_what_is_there_already_is_marked_and_not_ticked(client: Any, upload: Any, session: Any) -> None:
    url, number = upload(GOOD)
    client.post(f"{url}/take", data={"row": [r.number for r in rows_of(session.get(PlanImport, number))]})
    session.rollback()
    again = client.post(
        "/staff/catalogue/import",
        data={
            "month": "2026-12",
            "centre": session.get(PlanImport, number).centre_id,
            "file": (plan(GOOD, WEEKLY), "又一份.xlsx"),
        },
    )
    page = client.get(again.location).text
    assert "清单里已有" in page
    assert page.count(" checked>") == 1


@pytest.mark.parametrize(
    ("name", "data"),
    [("照片.xlsx", b"\xff\xd8\xff\xe0 not a table"), ("空.xlsx", b""), ("旧.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")],
)
def test_an_unreadable_file_gets_one_clear_sentence(
    client: Any, town: Any, session: Any, as_staff: Any, name: str, data: bytes
) -> None:
    as_staff(client, town.staff["A1"])
    form = {"month": "2026-12", "centre": town.centres["A1"].id, "file": (io.BytesIO(data), name)}
    refused = client.post("/staff/catalogue/import", data=form)
    assert refused.status_code == 422
    assert 'id="file-err"' in refused.text
    assert "还有 1 处要改" in refused.text
    session.rollback()
    assert session.scalars(select(PlanImport)).all() == []


def test_a_superior_uploads_for_a_centre_below_only(client: Any, town: Any, session: Any, as_staff: Any) -> None:
    as_staff(client, town.staff["A"])
    form = {"month": "2026-12", "centre": town.centres["B1"].id, "file": (plan(GOOD), "a.xlsx")}
    refused = client.post("/staff/catalogue/import", data=form)
    assert refused.status_code == 422
    assert "请从列表里选一项" in refused.text
    allowed = client.post(
        "/staff/catalogue/import", data=form | {"centre": town.centres["A2"].id, "file": (plan(GOOD), "a.xlsx")}
    )
    assert allowed.status_code == 303


def test_laid_aside_and_foreign(client: Any, town: Any, upload: Any, session: Any, as_staff: Any) -> None:
    url, number = upload(GOOD)
    as_staff(client, town.staff["B1"])
    for method, end in (("get", ""), ("post", "/take"), ("post", "/lay-aside"), ("get", "/rows/1")):
        assert getattr(client, method)(url + end).status_code == 404, end
    as_staff(client, town.inspector["D"])
    assert client.get(url).status_code == 200
    assert client.post(f"{url}/take", data={"row": [1]}).status_code == 403
    as_staff(client, town.staff["A1"])
    client.post(f"{url}/lay-aside")
    session.rollback()
    assert session.get(PlanImport, number).status == "laid_aside"
    assert f"imports/{number}" not in client.get("/staff/catalogue/import").text
