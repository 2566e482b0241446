"""Services on offer and guides: imported whole or not at all, as often as one likes (SPEC C1, C3)."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.catalogue.actions import service_types
from portal.catalogue.models import Category, Guide, ServiceType
from portal.centres import profile
from portal.core import registry
from portal.core.access import system_actor
from tests.factories import NOW, Town

FOLDER = profile.FOLDER / "dapeng"
TEXT = (FOLDER / "services.csv").read_text(encoding="utf-8")
HEAD = "category,subcategory,name,source\n"


def _import(text: str = TEXT) -> service_types.ServicesResult:
    return service_types.import_services(text, system_actor("测试"), NOW)


def test_the_deployments_services(session: Any, town: Town) -> None:
    result = _import()
    assert (result.added, result.unchanged, result.guides, result.categories) == (117, 0, 40, ())
    assert session.scalar(select(func.count(ServiceType.id))) == 117
    life = session.scalars(select(Category).where(Category.code == "life")).one()
    assert (life.name, life.expected) == ("生活指南", 20)
    guides = select(func.count(Guide.id)).join(Category).where(Category.parent_id == life.id)
    assert session.scalar(guides) == 20
    again = _import()
    assert (again.added, again.unchanged, again.guides) == (0, 117, 0)
    assert session.scalar(select(func.count(Guide.id))) == 40


def test_what_staff_wrote_is_left_alone(session: Any, town: Town) -> None:
    _import()
    guide = session.scalars(select(Guide).where(Guide.title == "社康地址电话")).one()
    guide.phone, guide.steps = "0755-84200099", "我们写的"
    session.flush()
    _import()
    session.refresh(guide)
    assert (guide.phone, guide.steps) == ("0755-84200099", "我们写的")


@pytest.mark.parametrize(
    ("lines", "line", "words"),
    [
        ("大众化服务,党群服务,,x\n", 2, "缺少 name"),
        ("大众化服务,党群服务,读书,x\n大众化服务,党群服务,读书,x\n", 3, "与第 2 行重复"),
        (f"大众化服务,党群服务,{'长' * 61},x\n", 2, "太长"),
        ("大众化服务,党群服务,读书,x,多了\n", 2, "列数比表头多"),
        ("", 1, "没有服务"),
    ],
)
def test_bad_lines_are_named_and_nothing_is_stored(session: Any, town: Town, lines: str, line: int, words: str) -> None:
    with pytest.raises(service_types.ServicesRefused) as caught:
        _import(HEAD + lines)
    assert [(p.line, words in p.reason) for p in caught.value.problems] == [(line, True)]
    assert session.scalar(select(func.count(ServiceType.id))) == 0


def test_a_wrong_header(session: Any, town: Town) -> None:
    with pytest.raises(service_types.ServicesRefused) as caught:
        _import("类别,名称\n大众化服务,读书\n")
    assert caught.value.problems[0].line == 1


def test_an_unknown_category_is_made_and_said(session: Any, town: Town) -> None:
    result = _import(HEAD + "便民服务,理发,老人免费理发,自编\n")
    assert result.categories == ("便民服务", "理发")
    made = session.scalars(select(Category).where(Category.name == "理发")).one()
    assert (made.kind, made.parent.name) == ("activity", "便民服务")


def test_guides_say_only_numbers_that_are_known() -> None:
    """National hotlines only; no invented phone; steps and links well formed."""
    hotlines = {
        "",
        "110",
        "120",
        "122",
        "12315",
        "12316",
        "12320",
        "12328",
        "12333",
        "12345",
        "12348",
        "12385",
        "12393",
    }
    rows = list(csv.DictReader((FOLDER / "guides.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 40
    for row in rows:
        assert row["phone"] in hotlines, row["name"]
        assert not row["link"] or re.fullmatch(r"https://[a-z0-9.]+(?:cn|com)", row["link"]), row["name"]
        assert row["summary"], row["name"]
        assert row["steps"], row["name"]
        assert row["external"] in {"", "1"}


def test_external_services_are_marked(session: Any, town: Town) -> None:
    """Where the parties agree price and service between themselves, the page must say so (C3)."""
    _import()
    marked = set(session.scalars(select(Guide.title).where(Guide.external)))
    assert {"家电安装维修", "房屋开锁", "租车服务", "衣物干洗"} <= marked
    assert not {"社保", "疫苗接种预约"} & marked


def test_init_loads_the_offer(session: Any, town: Town) -> None:
    step = registry.init_steps["portal.catalogue.actions.service_types.load_offer"]
    assert step(NOW) == "类别新增 22，服务项目新增 117，指南新增 40。"
    assert step(NOW) == "类别新增 0，服务项目新增 0，指南新增 0。"


def test_the_command(app: Flask, session: Any, town: Town, tmp_path: Path) -> None:
    session.commit()
    run = app.test_cli_runner().invoke
    good = run(args=["import-services", str(FOLDER / "services.csv")])
    assert "服务项目新增 117，未变 0，指南新增 40。" in good.output
    bad = tmp_path / "坏.csv"
    bad.write_text(HEAD + "大众化服务,党群服务,新的,x\n大众化服务,,没有小类,x\n", encoding="utf-8")
    refused = run(args=["import-services", str(bad)])
    assert refused.exit_code == 1
    assert "第 3 行：缺少 subcategory" in refused.output
    assert session.scalar(select(func.count(ServiceType.id)).where(ServiceType.name == "新的")) == 0
    bad.write_bytes("大众化服务".encode("gb18030"))
    assert "不是 UTF-8" in run(args=["import-services", str(bad)]).output
