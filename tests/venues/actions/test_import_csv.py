"""Rooms from CSV files: the deployment's with `init`, an operator's with `import-venues` (SPEC V1)."""

from __future__ import annotations

import csv
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.centres import profile
from portal.core import audit, clock, registry
from portal.core.access import system_actor
from portal.venues.actions import import_csv, rooms
from portal.venues.models import Venue
from tests.factories import NOW

HEAD = "name,kind,centre_code,capacity,functions,terms_of_use,phone,link,needs_approval\n"
GOOD = HEAD + "多功能厅,room,A1,80,会议、舞蹈,请轻声|请关灯,,,否\n市图书馆,city,,,,,,https://www.szlib.org.cn,\n"
ROBOT = system_actor("测试")


@pytest.fixture
def top(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fixed town's district is the deployment's top centre."""
    current = profile.load("dapeng")
    monkeypatch.setattr(profile, "current", lambda: current)
    monkeypatch.setitem(current.__dict__, "root_staff_centre", "D")


def take_in(text: str) -> tuple[int, int]:
    return import_csv.import_venues(import_csv.read_venues(text), ROBOT, NOW)


def test_rooms_and_outside_places(town: Any, session: Any, top: None) -> None:
    assert take_in(GOOD) == (2, 0)
    hall, library = session.scalars(select(Venue).order_by(Venue.id))
    assert (hall.centre.code, hall.capacity, hall.functions) == ("A1", 80, ["会议", "舞蹈"])
    assert (hall.terms_of_use, hall.needs_approval, hall.bookable) == ("请轻声\n请关灯", False, True)
    assert (library.centre.code, library.bookable, library.capacity) == ("D", False, None)
    session.commit()
    assert session.scalars(select(audit.AuditLog).where(audit.AuditLog.verb == "import_venues")).one()


def test_a_second_time_changes_nothing_even_what_staff_changed(town: Any, session: Any, top: None) -> None:
    take_in(GOOD)
    hall = session.scalars(select(Venue).where(Venue.name == "多功能厅")).one()
    hall.name, hall.capacity = "大厅", 60
    session.commit()
    assert take_in(GOOD) == (0, 2)
    assert (hall.name, hall.capacity, session.scalar(select(func.count(Venue.id)))) == ("大厅", 60, 2)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (",room,A1,80,,,,,", "缺少 name"),
        ("厅,hall,A1,80,,,,,", "没有“hall”这个类型"),
        ("厅,room,A1,,,,,,", "请写最多容纳多少人"),
        ("厅,room,A1,八十,,,,,", "capacity 应是整数"),
        ("厅,room,A1,0,,,,,", "capacity 应是整数"),
        ("馆,city,,,,,,,", "请写网址或电话"),
        ("馆,city,,,,,,javascript:alert(1),", "https://"),
        ("厅,room,A1,80,一二三四五六七八九十一二三,,,,", "太长"),
        ("厅,room,A1,80,,,,,也许", "写“是”或“否”"),
        (f"{'长' * 61},room,A1,80,,,,,", "太长"),
        ("厅,room,A1,80,,,,,是,多出来", "列数比表头多"),
    ],
)
def test_each_bad_line_is_named_and_nothing_is_kept(town: Any, session: Any, top: None, row: str, why: str) -> None:
    with pytest.raises(import_csv.VenuesRefused) as refused:
        take_in(f"{GOOD}{row}\n")
    assert refused.value.problems[0].line == 4 and why in refused.value.problems[0].reason
    assert session.scalar(select(func.count(Venue.id))) == 0


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("", 1, "缺少列"),
        ("a,b\n1,2\n", 1, "缺少列：name、kind"),
        (HEAD, 1, "没有内容"),
        (f"{HEAD}厅,room,A1,80,,,,,\n厅,room,A1,80,,,,,\n", 3, "与第 2 行重复"),
        (f'{HEAD}"厅,room\n', 2, "缺少 kind"),
    ],
)
def test_what_is_no_table_of_venues(town: Any, top: None, text: str, line: int, why: str) -> None:
    with pytest.raises(import_csv.VenuesRefused) as refused:
        take_in(text)
    assert refused.value.problems[0].line == line and why in refused.value.problems[0].reason


def test_a_centre_that_does_not_exist_or_has_such_a_room(town: Any, make: Any, session: Any, top: None) -> None:
    make.venue(town.centres["A1"], name="书吧")
    with pytest.raises(import_csv.VenuesRefused) as refused:
        take_in(f"{HEAD}厅,room,ZZ,80,,,,,\n书吧,room,A1,20,,,,,\n")
    assert [(p.line, p.reason) for p in refused.value.problems] == [
        (2, "没有编码为 ZZ 的阵地"),
        (3, "甲一社区已经有一个“书吧”"),
    ]


def test_the_command_takes_all_or_nothing(app: Flask, town: Any, session: Any, tmp_path: Path, top: None) -> None:
    session.rollback()
    file = tmp_path / "venues.csv"
    file.write_text(f"{GOOD}厅,room,A1,,,,,,\n", encoding="utf-8")
    bad = app.test_cli_runner().invoke(args=["import-venues", str(file)])
    assert bad.exit_code == 1 and "第 4 行" in bad.output and "一行也没有导入" in bad.output
    file.write_text(f"\ufeff{GOOD}", encoding="utf-8")
    for said in ("场地新增 2，未变 0。", "场地新增 0，未变 2。"):
        assert said in app.test_cli_runner().invoke(args=["import-venues", str(file)]).output
    file.write_bytes("名称".encode("gb18030"))
    assert "CSV UTF-8" in app.test_cli_runner().invoke(args=["import-venues", str(file)]).output


def test_the_deployment_ships_the_venues_of_its_list_of_services(town: Any, session: Any, top: None) -> None:
    step = registry.init_steps["portal.venues.actions.import_csv.load_venues"]
    assert step(NOW) == "场地新增 24，未变 0。"
    assert step(NOW + timedelta(days=1)) == "场地新增 0，未变 24。"
    with (profile.FOLDER / "dapeng" / "services.csv").open(encoding="utf-8", newline="") as file:
        offered = [row["name"] for row in csv.DictReader(file) if row["category"] == "场地预约"]
    venues = list(session.scalars(select(Venue).order_by(Venue.position)))
    assert [v.name for v in venues] == offered
    outside = [v for v in venues if not v.bookable]
    assert len(outside) == 19 and all(v.link.startswith("https://") for v in outside)
    assert all(not rooms.problems(rooms.facts_of(v), None) for v in venues) and clock.today(NOW)


@pytest.mark.parametrize("code", ["hedong", "bincheng", "kunshan"])
def test_other_deployments_get_the_usual_rooms_and_words_but_no_museums_of_another_town(
    monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    current = profile.load(code)
    monkeypatch.setattr(profile, "current", lambda: current)
    assert {row.facts.name for row in import_csv._shipped()} == {"会议室", "四点半课堂", "书吧", "老人活动室", "健身房"}
    assert current.reasons["venues.refuse"] and current.venues.kinds["room"]
