"""A centre's Excel plan: preview, mending in place, taken in once and nothing lost (SPEC C7, Q1)."""

from __future__ import annotations

import io
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.catalogue.actions import handing_in, importing, service_types
from portal.catalogue.models import DRAFT, Category, Entry, PlanImport
from portal.catalogue.staff import queries
from portal.core import clock, scope
from portal.core.db import db, writing
from portal.core.errors import NotAllowed
from portal.core.tables.reading import TableRefused
from tests.catalogue.wording import MONTH, span
from tests.factories import NOW, Town

EXAMPLE = next((Path(__file__).parents[1] / "data").glob("plan-example*.xlsx"))
HEADER = (
    "序号",
    "服务类别",
    "服务名称",
    "服务内容",
    "服务时间",
    "服务对象",
    "服务地点",
    "名额",
    "主办单位",
    "联系人及电话",
)


def sheet(*lines: tuple[Any, ...]) -> bytes:
    """A small plan: (category, title, when, capacity) per line, the rest filled in."""
    book = openpyxl.Workbook()
    book.active.append(("甲一社区党群服务中心2026年12月服务清单",))
    book.active.append(HEADER)
    for number, (category, title, when, capacity) in enumerate(lines, 1):
        cells = (
            number,
            category,
            title,
            "内容",
            when,
            "全体居民",
            "一楼大厅",
            capacity,
            "甲一社区",
            "陈社工 0755-84200001",
        )
        book.active.append(cells)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


GOOD = ("党群服务", "包汤圆", "12月22日（周二）14:30-17:00", "60人")
BAD = ("没有的类别", "日期不存在", "12月32日 9:00-10:00", "20人")


def _preview(town: Town, *lines: tuple[Any, ...], who: str = "A1") -> PlanImport:
    return importing.preview_plan(town.actor(who), town.centres["A1"], MONTH, "计划.xlsx", sheet(*lines), NOW)


def test_all_rows_of_the_example_are_understood(session: Any, town: Town) -> None:
    upload = importing.preview_plan(
        town.actor("A1"), town.centres["A1"], MONTH, EXAMPLE.name, EXAMPLE.read_bytes(), NOW
    )
    found = importing.rows_of(upload)
    assert [row.state for row in found] == ["ready"] * 12
    assert session.scalar(select(func.count(Entry.id))) == 0  # nothing enters the list before the confirmation
    by_title = {row.values.title: row for row in found}
    after_school, phones = by_title["四点半课堂"], by_title["长者智能手机学习班"]
    assert (len(after_school.values.sessions), len(phones.values.sessions)) == (23, 5)
    assert by_title["亲子绘本阅读会"].capacity_text == "15 组"
    assert by_title["“扫黑除恶”宣传"].values.capacity is None
    assert by_title["主题党课：上一堂微党课"].values.groups == ("party",)
    assert upload.notes == ["备注：活动如有调整，以社区通知为准。"] or "以社区通知为准" in "".join(upload.notes)
    entries = importing.take_in_plan(town.actor("A1"), upload, None, NOW)
    assert len(entries) == 12
    assert {e.status for e in entries} == {DRAFT}
    assert upload.status == "taken"
    days = by_title["社保、就业政策咨询日"].values.sessions
    assert [clock.local(s.start).hour for s in days] == [9, 14]
    assert handing_in.submit_issue(town.actor("A1"), town.centres["A1"], MONTH, NOW) == 12


def test_nothing_is_taken_in_twice(session: Any, town: Town) -> None:
    upload = _preview(town, GOOD, ("党群服务", "手机班", "每周二9:30-11:00", "25"))
    assert len(importing.take_in_plan(town.actor("A1"), upload, None, NOW)) == 2
    assert importing.take_in_plan(town.actor("A1"), upload, None, NOW) == []
    assert importing.take_in_plan(town.actor("A1"), upload, [3, 4], NOW) == []
    assert session.scalar(select(func.count(Entry.id))) == 2
    assert {r.state for r in importing.rows_of(upload)} == {"taken"}


def test_bad_rows_stay_and_are_mended_one_by_one(session: Any, town: Town) -> None:
    upload = _preview(town, GOOD, BAD)
    good, bad = importing.rows_of(upload)
    assert (good.state, bad.state) == ("ready", "bad")
    assert {p.field for p in bad.problems if p.severity == "error"} == {"category_id", "sessions"}
    taken = importing.take_in_plan(town.actor("A1"), upload, [good.number, bad.number], NOW)
    assert [entry.title for entry in taken] == [good.values.title]  # the bad one stays and keeps nobody out
    assert [row.state for row in importing.rows_of(upload)] == ["taken", "bad"]
    assert upload.status == "preview"  # the bad row is not lost
    party = town.categories["party"].id
    half = replace(bad.values, category_id=party)
    assert importing.mend_plan_row(town.actor("A1"), upload, bad.number, half, NOW).state == "bad"
    whole = replace(half, sessions=(span(30),))
    mended = importing.mend_plan_row(town.actor("A1"), upload, bad.number, whole, NOW)
    assert (mended.state, mended.mended, mended.when_text) == ("ready", True, "12月30日（周三）9:00–11:00")
    assert [e.title for e in importing.take_in_plan(town.actor("A1"), upload, None, NOW)] == ["日期不存在"]
    assert upload.status == "taken"


def test_the_same_file_again_opens_the_same_preview(session: Any, town: Town) -> None:
    data = sheet(GOOD, BAD)
    first = importing.preview_plan(town.actor("A1"), town.centres["A1"], MONTH, "计划.xlsx", data, NOW)
    again = importing.preview_plan(town.actor("A1-OP"), town.centres["A1"], MONTH, "计划(1).xlsx", data, NOW)
    assert again.id == first.id
    importing.lay_aside_plan(town.actor("A1"), first, NOW)
    fresh = importing.preview_plan(town.actor("A1"), town.centres["A1"], MONTH, "计划.xlsx", data, NOW)
    assert fresh.id != first.id
    with pytest.raises(importing.RowsNotReady):
        importing.take_in_plan(town.actor("A1"), first, None, NOW)


def test_what_is_already_in_the_list_is_marked(session: Any, town: Town) -> None:
    first = _preview(town, GOOD)
    (entry,) = importing.take_in_plan(town.actor("A1"), first, None, NOW)
    second = _preview(town, GOOD, ("党群服务", "新的", "12月23日 9:00-10:00", "不限"))
    marked, new = importing.rows_of(second)
    assert (marked.state, marked.duplicate_of, new.state) == ("duplicate", entry.id, "ready")
    assert [e.title for e in importing.take_in_plan(town.actor("A1"), second, None, NOW)] == ["新的"]
    assert second.status == "preview"
    again = importing.take_in_plan(town.actor("A1"), second, [marked.number], NOW)  # on purpose
    assert [e.title for e in again] == ["包汤圆"]


def test_warnings_travel_with_the_row(session: Any, town: Town) -> None:
    upload = _preview(town, ("党群服务", "看展", "12月19日（周日）9:00-11:00", "30人"))
    (row,) = importing.rows_of(upload)
    assert any(p.severity == "warning" for p in row.problems), "the 19th is a Saturday"
    (entry,) = importing.take_in_plan(town.actor("A1"), upload, None, NOW)
    assert entry.check_note


@pytest.mark.parametrize(
    ("name", "data"),
    [("空.xlsx", b""), ("旧.xls", b"\xd0\xcf\x11\xe0" + b"\0" * 600), ("图.xlsx", b"\x89PNG\r\n\x1a\n" + b"0" * 100)],
)
def test_files_that_are_no_plan(session: Any, town: Town, name: str, data: bytes) -> None:
    with pytest.raises(TableRefused) as caught:
        importing.preview_plan(town.actor("A1"), town.centres["A1"], MONTH, name, data, NOW)
    assert caught.value.field == "file"
    assert caught.value.message
    assert session.scalar(select(func.count(PlanImport.id))) == 0


def test_who_may(session: Any, town: Town) -> None:
    upload = _preview(town, GOOD)
    for who in ("A2", "B", "A1S", "D-LOOK"):
        with pytest.raises(NotAllowed):
            _preview(town, GOOD, who=who)
        with pytest.raises(NotAllowed):
            importing.take_in_plan(town.actor(who), upload, None, NOW)
        with pytest.raises(NotAllowed):
            importing.mend_plan_row(town.actor(who), upload, 3, importing.rows_of(upload)[0].values, NOW)
    with pytest.raises(importing.NoSuchRow):
        importing.take_in_plan(town.actor("A1"), upload, [999], NOW)
    number, neighbour = upload.id, town.actor("A2")
    session.commit()
    session.expunge_all()
    with scope.use(scope.StaffScope(town_path(session, "A2"))):
        assert queries.plan_import(number, neighbour) is None


def town_path(session: Any, code: str) -> str:
    from portal.centres.models import Centre

    return session.scalars(select(Centre.path).where(Centre.code == code)).one()


@pytest.mark.own_database
def test_two_clicks_at_once(app: Flask, session: Any, town: Town) -> None:
    upload = _preview(town, GOOD, ("党群服务", "手机班", "每周二9:30-11:00", "25"))
    number, actor = upload.id, town.actor("A1")
    session.commit()
    session.remove()
    barrier, taken = threading.Barrier(2), list[int]()

    def click() -> None:
        with app.app_context(), scope.system("race"):
            barrier.wait(120)
            with writing():
                taken.append(len(importing.take_in_plan(actor, db.session.get_one(PlanImport, number), None, NOW)))
            db.session.remove()

    threads = [threading.Thread(target=click) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(taken) == [0, 2]


def test_the_command(app: Flask, session: Any, town: Town) -> None:
    session.commit()
    run = app.test_cli_runner().invoke
    args = ["import-plan", str(EXAMPLE), "--centre", "A1", "--month", MONTH]
    looked = run(args=args)
    assert looked.exit_code == 0, looked.output
    assert "共 12 行，可导入 12 行，有错误 0 行。" in looked.output
    assert "四点半课堂" in looked.output
    assert session.scalar(select(func.count(PlanImport.id))) == 0
    session.commit()
    done = run(args=[*args, "--commit"])
    assert "已导入 12 条为草稿。" in done.output
    again = run(args=[*args, "--commit"])
    assert "已导入 0 条" in again.output, "a second run takes nothing in twice"
    assert session.scalar(select(func.count(Entry.id))) == 12
    assert run(args=["import-plan", str(EXAMPLE), "--centre", "NO", "--month", MONTH]).exit_code == 1
    assert run(args=["import-plan", str(EXAMPLE), "--centre", "A1", "--month", "2026-13"]).exit_code == 2


def test_a_branch_is_resolved_by_the_service_in_the_title(session: Any, town: Town) -> None:
    """Plans write '党员服务' or '大众化服务'; the service named in the title says which category it is (C7)."""
    service_types.import_services(service_types.services_file().read_text(encoding="utf-8"), town.actor("D"), NOW)
    when = "12月22日（周二）14:30-17:00"
    upload = _preview(
        town,
        ("党员服务", "主题党课：上一堂微党课", when, "40"),
        ("大众化服务", "普法教育讲座", when, "40"),
        ("大众化服务", "随便一个", when, "40"),
        ("公共", "净滩", when, "40"),
        ("大众化服务-公共服务", "净滩二", when, "40"),
        ("生活指南", "不是活动", when, "40"),
    )
    found = importing.rows_of(upload)
    names = {c.id: c.name for c in session.scalars(select(Category))} | {0: "—"}
    assert [names[r.values.category_id] for r in found] == [
        "5+X组织生活",
        "公共服务",
        "党群服务",
        "公共服务",
        "公共服务",
        "—",
    ]
    assert [p.message for p in found[2].problems] == ["“大众化服务”是大类，暂按“党群服务”算，请核对。"]
    assert [r.state for r in found] == ["ready"] * 5 + ["bad"]
