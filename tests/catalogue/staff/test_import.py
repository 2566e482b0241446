"""Excel plans in the page: uploaded, looked at, mended in place, taken in, found again."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from sqlalchemy import select
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from portal.catalogue.actions import tidying
from portal.catalogue.actions.plan_rows import rows_of
from portal.catalogue.models import Entry, PlanImport
from tests.factories import NOW

HEAD = ("序号", "服务类别", "服务名称", "服务内容", "服务时间", "服务对象", "服务地点", "名额", "联系人及电话")
GOOD = (1, "党群服务", "包汤圆", "一起包", "12月22日 14:30-17:00", "全体居民", "一楼", "60人", "陈社工 0755-84200001")
WEEKLY = (2, "公共服务", "四点半课堂", "写作业", "每周五16:30-18:00", "小学生", "二楼", "不限", "李社工 0755-84200002")
BAD = (3, "公共服务", "大讲堂", "讲座", "另行通知", "全体居民", "三楼", "50人", "王干事 0755-84200003")
PLANS = Path(__file__).parents[1] / "data" / "plans"
HTMX = {"HX-Request": "true"}


def plan(*rows: tuple[Any, ...], title: str = "甲一社区12月服务清单") -> io.BytesIO:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append([title])
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

    def one(*rows: tuple[Any, ...], centre: str = "A1", title: str = "甲一社区12月服务清单") -> tuple[str, int]:
        as_staff(client, town.operator["A1"])
        file = (plan(*rows, title=title), "12月清单.xlsx")
        data = {"month": "2026-12", "centre": town.centres[centre].id, "file": file}
        answer = client.post("/staff/catalogue/import", data=data)
        assert answer.status_code == 303, answer.text
        session.rollback()
        return answer.location, session.scalars(select(PlanImport.id)).one()

    return one


@pytest.fixture
def upload_file(client: Any, town: Any, session: Any, as_staff: Any) -> Any:
    """Upload a kept file as A1's operator."""

    def one(name: str) -> tuple[str, int]:
        as_staff(client, town.operator["A1"])
        file = (io.BytesIO((PLANS / name).read_bytes()), name)
        data = {"month": "2026-12", "centre": town.centres["A1"].id, "file": file}
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


def test_a_row_with_a_problem_stays_and_keeps_nobody_out(client: Any, upload: Any, session: Any) -> None:
    url, number = upload(GOOD, BAD)
    good, bad = rows_of(session.get(PlanImport, number))
    session.rollback()
    done = client.post(f"{url}/take", data={"row": [good.number, bad.number]})
    page = client.get(done.location).text
    assert f"没有导入 1 条：第 {bad.excel_row} 行" in page
    assert "导入了 1 条" in page
    assert "时间还没有定" in page
    assert titles(session) == ["包汤圆"]
    refused = client.post(f"{url}/take", data={"row": [bad.number]})
    assert "没有导入 1 条" in client.get(refused.location).text
    assert "还没有勾选" in client.get(client.post(f"{url}/take", data={}).location).text
    assert titles(session) == ["包汤圆"]


def test_errors_behind_warnings_are_shown_before_the_press(client: Any, upload_file: Any, session: Any) -> None:
    """What is called good is taken in, whatever the reader already said of the field."""
    url, number = upload_file("hidden-errors.xlsx")
    rows = {row.excel_row: row for row in rows_of(session.get(PlanImport, number))}
    session.rollback()
    assert {line: row.state for line, row in rows.items()} == {2: "ready", 3: "bad", 4: "bad", 5: "ready", 6: "bad"}
    page = client.get(f"{url}?state=bad").text
    assert "的时间重叠" in page
    assert "联系人最多 40 个字" in page
    done = client.post(f"{url}/take", data={"all": "1"})
    assert "没有导入 3 条：第 3、4、6 行" in client.get(done.location).text
    assert titles(session) == ["重叠甲", "正常"]


def test_one_warning_for_one_thing(upload: Any, session: Any) -> None:
    """A row without a telephone: the reader and the rules both notice, and it is said once."""
    upload((1, *WEEKLY[1:-1], "李社工"))
    [row] = session.scalars(select(PlanImport.rows)).one()
    assert [message for _, _, message in row["problems"] if "电话" in message] == ["没写联系电话，请补上"]


def test_the_number_of_places_is_not_called_optional(client: Any, town: Any, as_staff: Any) -> None:
    as_staff(client, town.operator["A1"])
    label = re.search(r'<label for="capacity">(.*?)</label>', client.get("/staff/catalogue/new?month=2026-12").text)
    assert label and "限人数时必填" in label[1] and "选填" not in label[1]


def test_tabs_search_and_what_was_not_used(client: Any, upload: Any) -> None:
    aside = (
        4,
        "党群服务",
        "登山",
        "集合爬山",
        "12月5日8:30-10:00，8:10集合",
        "居民",
        "山下",
        "20人",
        "陈社工 0755-84200001",
    )
    url, _ = upload(GOOD, WEEKLY, BAD, aside)
    everything = client.get(url).text
    for tab, count in (("全部", 4), ("要改", 1), ("提醒", 1)):
        assert f'{tab} <span class="n">{count}</span>' in everything
    assert "没用上的文字：8:10集合" in client.get(f"{url}?state=look").text
    found = client.get(f"{url}?q=课堂").text
    assert "四点半课堂" in found and "包汤圆" not in found
    assert "找到 1 行" in found


def test_what_all_rows_lack_is_said_once(client: Any, town: Any, upload_file: Any, session: Any) -> None:
    url, number = upload_file("m14-caps.xlsx")
    page = client.get(url).text
    assert "没有类别的 20 行" in page
    said = {
        "which": "without",
        "category_id": town.categories["party"].id,
        "contact": "陈社工",
        "phone": "0755-84200001",
    }
    done = client.post(f"{url}/set", data=said | {"place": ""})
    assert "设好了 20 行，其中 19 行可以导入" in client.get(done.location).text
    session.rollback()
    rows = rows_of(session.get(PlanImport, number))
    assert {(row.values.contact, row.values.phone) for row in rows} == {("陈社工", "0755-84200001")}
    assert {row.values.place for row in rows} == {"大厅"}  # what is left empty stays as it was
    assert not [p for row in rows for p in row.problems if p.field in ("category_id", "phone")]
    ticked = rows[0].number
    client.post(f"{url}/set", data={"which": "ticked", "row": [ticked], "place": "三楼", "category_id": ""})
    session.rollback()
    assert [row.values.place for row in rows_of(session.get(PlanImport, number))][:2] == ["三楼", "大厅"]
    nothing = client.post(f"{url}/set", data={"which": "ticked", "row": [ticked]})
    assert "请先选好或填好" in client.get(nothing.location).text


def test_a_list_without_categories_is_chosen_for_once(client: Any, town: Any, upload_file: Any, session: Any) -> None:
    url, number = upload_file("no-category.xlsx")
    assert "没有类别的 7 行" in client.get(url).text
    client.post(f"{url}/set", data={"which": "without", "category_id": town.categories["party"].id})
    session.rollback()
    rows = rows_of(session.get(PlanImport, number))
    assert {row.values.category_id for row in rows} == {town.categories["party"].id}
    assert not [p for row in rows for p in row.problems if p.field == "category_id"]


def test_a_subdistricts_combined_table_reaches_its_communities(
    client: Any, town: Any, session: Any, as_staff: Any
) -> None:
    """Five communities in one table, two of them below this subdistrict: their rows go there, the others ask."""
    for code, name in (("A1", "葵涌社区"), ("A2", "葵新社区"), ("B1", "三溪社区")):
        town.centres[code].name = town.centres[code].short_name = name
    session.commit()
    as_staff(client, town.staff["A"])
    file = (io.BytesIO((PLANS / "m13-combined.xlsx").read_bytes()), "合并.xlsx")
    data = {"month": "2026-12", "centre": town.centres["A"].id, "file": file}
    url = client.post("/staff/catalogue/import", data=data).location
    session.rollback()
    rows = rows_of(session.scalars(select(PlanImport)).one())
    ours = {town.centres["A1"].id: "葵涌社区", town.centres["A2"].id: "葵新社区"}
    assert len(rows) == 20
    for row in rows:
        named = row.values.title.split("活动")[0]
        if named in ours.values():
            assert ours[row.centre_id] == named and row.ok
        else:
            assert [p for p in row.problems if p.field == "centre" and p.severity == "error"], named
    assert "葵涌社区" in client.get(url).text


def test_a_plan_titled_for_another_centre_asks_first(client: Any, upload: Any, session: Any, town: Any) -> None:
    other = town.centres["B1"].label
    url, _ = upload(GOOD, title=f"{other}党群服务中心2026年12月服务清单")
    page = client.get(url).text
    assert "是不是传错了" in page
    assert f"表的标题写的是“{other}”" in page
    assert "导入勾选的行" not in page
    refused = client.post(f"{url}/take", data={"all": "1"})
    assert "没传错" in client.get(refused.location).text
    assert titles(session) == []
    client.post(f"{url}/answer")
    client.post(f"{url}/take", data={"all": "1"})
    assert titles(session) == ["包汤圆"]


def test_too_large_is_said_beside_the_file_with_month_and_centre(client: Any, town: Any, as_staff: Any) -> None:
    as_staff(client, town.staff["A"])
    form = {
        "month": "2027-03",
        "centre": town.centres["A2"].id,
        "file": FileStorage(io.BytesIO(b"P" * (9 * 2**20)), "大.xlsx"),
    }
    boundary, body = encode_multipart(form)  # the client itself would leave a temporary file open
    typed = f"multipart/form-data; boundary={boundary}"
    refused = client.post("/staff/catalogue/import", data=body, content_type=typed)
    assert refused.status_code == 422
    assert "文件超过 8 MB" in refused.text
    assert 'value="2027-03"' in refused.text
    assert f'<option selected value="{town.centres["A2"].id}">' in refused.text


def test_two_thousand_rows_fit_on_pages(client: Any, town: Any, session: Any, as_staff: Any) -> None:
    as_staff(client, town.operator["A1"])
    line = "党群服务,活动{},12月5日9:00-10:00；12月6日9:00-10:00；12月7日9:00-10:00,二楼多功能室,20人\n"
    text = "类别,服务名称,服务时间,地点,名额\n" + "".join(line.format(number) for number in range(2000))
    form = {"month": "2026-12", "centre": town.centres["A1"].id, "file": (io.BytesIO(text.encode("gbk")), "大.csv")}
    url = client.post("/staff/catalogue/import", data=form).location
    page = client.get(url)
    assert "看懂 <b>2000</b> 行" in page.text
    assert len(page.data) <= 300_000
    assert "活动1999" in client.get(f"{url}?page=40").text
    assert "活动1999" in client.get(f"{url}?q=活动1999").text


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


def test_handed_in_and_taken_back_a_wrong_import_is_still_undone(
    client: Any, town: Any, upload: Any, session: Any
) -> None:
    url, import_id = upload(GOOD, WEEKLY)
    client.post(f"{url}/take", data={"all": "1"})
    session.rollback()
    ids = ",".join(str(number) for number in session.scalars(select(Entry.id)))
    done = client.post("/staff/catalogue/bulk", data={"do": "hand_in", "ids": ids, "month": "2026-12"})
    board = "/staff/catalogue?month=2026-12"
    assert "撤销这次导入" not in client.get(board).text
    undo = re.search(r"/staff/catalogue/steps/\d+/undo", client.get(board).text)
    assert done.status_code == 303 and undo
    client.post(undo[0])
    assert "有 2 条草稿还没动过" in client.get(board).text
    client.post(f"/staff/catalogue/imports/{import_id}/undo")
    session.rollback()
    assert set(session.scalars(select(Entry.status))) == {"dropped"}


def test_undoing_an_import_asks_with_what_goes_and_what_stays(
    client: Any, town: Any, upload: Any, session: Any
) -> None:
    url, import_id = upload(GOOD, WEEKLY)
    client.post(f"{url}/take", data={"all": "1"})
    session.rollback()
    kept = session.scalars(select(Entry.id).where(Entry.title == WEEKLY[2])).one()
    tidying.set_place(town.actor("A1"), [kept], "广场", NOW)
    session.commit()
    undo = f"/staff/catalogue/imports/{import_id}/undo"
    goes, stays = client.get(undo).text.split("留着的 1 条")
    assert "拿掉 1 条" in goes and GOOD[2] in goes and WEEKLY[2] not in goes
    assert WEEKLY[2] in stays
    assert f"{WEEKLY[2]}</a>：导入以后有人改过或已送审" in client.post(undo).text
