"""import-centres: idempotent, nothing by halves, all four districts (SPEC N2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.centres import actions, profile, queries
from portal.centres.models import Centre
from portal.core.access import system_actor
from portal.core.audit import AuditLog

HEADER = "code,name,level,kind,parent_code,note\n"
UNITS = Path(profile.FOLDER) / "dapeng" / "units.csv"


def load(text: str, now: Any, code: str = "dapeng") -> actions.ImportResult:
    return actions.import_centres(text, profile.load(code), system_actor(), now)


def test_dapeng_is_imported_once(session: Any, now: Any, app: Flask) -> None:
    before = session.scalar(select(func.count()).select_from(Centre))
    first = load(UNITS.read_text(encoding="utf-8"), now)
    session.commit()
    assert (first.added, first.changed) == (43, 0)
    second = load(UNITS.read_text(encoding="utf-8"), now)
    assert (second.added, second.changed, second.unchanged) == (0, 0, 43)
    assert session.scalar(select(func.count()).select_from(Centre)) == before + 43
    station = queries.by_code("440307011009S02")
    assert station is not None and [c.code for c in queries.ancestors(station)] == [
        "4403",
        "440307DP",
        "440307011",
        "440307011009",
    ]
    assert [c.code for c in queries.review_chain(station)] == ["440307011009", "440307011", "440307DP"]
    assert station.short_name == "芽山居民小组"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("X1,社区,village,village,D,", "没有“village”这个层级"),
        ("X1,,community,community,A,", "缺少 name"),
        (",名字,community,community,A,", "缺少 code"),
        ("X1,社区,community,community,NOPE,", "找不到上级 NOPE"),
        ("X1,社区,community,community,X1,", "上级不能是自己"),
        ("X1,社区,subdistrict,subdistrict,A1,", "层级不高于本级"),
        ("X1,社区,community,community,A,,more", "列数比表头多"),
    ],
)
def test_a_bad_row_stops_the_whole_file(session: Any, now: Any, row: str, reason: str) -> None:
    text = HEADER + "GOOD,好社区,community,community,A,\n" + row + "\n"
    with pytest.raises(actions.ImportRefused) as refusal:
        load(text, now)
    assert [p.line for p in refusal.value.problems] == [3]
    assert reason in refusal.value.problems[0].reason
    assert queries.by_code("GOOD") is None


def test_duplicate_code_and_circle(session: Any, now: Any) -> None:
    twice = HEADER + "X1,一,community,community,A,\nX1,二,community,community,A,\n"
    with pytest.raises(actions.ImportRefused, match="一行也没有") as refusal:
        load(twice, now)
    assert "与第 2 行重复" in refusal.value.problems[0].reason


def test_wrong_header_is_named(session: Any, now: Any) -> None:
    with pytest.raises(actions.ImportRefused) as refusal:
        load("名字,街道\n1,2\n", now)
    assert refusal.value.problems[0].line == 1 and "缺少列“编码”" in refusal.value.problems[0].reason


def test_moving_a_community_moves_what_is_below(session: Any, town: Any, now: Any) -> None:
    load(HEADER + "A1,甲一社区党群服务中心,community,community,B,\n", now)
    session.commit()
    station = queries.by_code("A1S")
    assert station is not None
    assert [c.code for c in queries.ancestors(station)] == ["D", "B", "A1"]
    assert station.depth == 3


def test_an_import_is_audited(session: Any, now: Any) -> None:
    load(HEADER + "X9,新社区,community,community,A,\n", now)
    session.commit()
    line = session.scalars(select(AuditLog)).one()
    assert line.verb == "import" and "新增 1" in line.summary


def test_command_reports_line_and_reason(app: Flask, tmp_path: Path, session: Any) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text(HEADER + "X1,社区,village,village,D,\n", encoding="utf-8")
    result = app.test_cli_runner().invoke(args=["import-centres", str(bad)])
    assert result.exit_code == 1 and "第 2 行" in result.output
    gbk = tmp_path / "gbk.csv"
    gbk.write_bytes((HEADER + "X1,社区,community,community,A,\n").encode("gbk"))
    result = app.test_cli_runner().invoke(args=["import-centres", str(gbk)])
    assert result.exit_code == 0 and "新增 1" in result.output
    none = tmp_path / "none.csv"
    none.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 50)
    result = app.test_cli_runner().invoke(args=["import-centres", str(none)])
    assert result.exit_code == 1 and "不是 Excel 文件" in result.output


def test_profiles_know_their_levels(app: Flask) -> None:
    assert profile.codes() == ["bincheng", "dapeng", "hedong", "kunshan"]
    kunshan = profile.load("kunshan")
    assert [lv.code for lv in kunshan.levels] == ["centre_network", "centre", "station", "point"]
    assert [lv.review for lv in kunshan.review_levels] == ["复审", "初审", "整合"]


def test_a_deployment_without_lists_of_its_own_uses_those_it_is_based_on(app: Flask) -> None:
    kunshan = profile.load("kunshan")
    assert kunshan.file("categories.csv") == profile.FOLDER / "dapeng" / "categories.csv"
    assert profile.load("dapeng").file("categories.csv").parent == profile.load("dapeng").folder


def test_cutoff_is_in_the_month_before(app: Flask, now: Any) -> None:
    from portal.core import clock

    level = profile.load("dapeng").level("community")
    assert clock.stamp(level.cutoff("2026-12")) == "11月22日 18:00"  # type: ignore[arg-type]
    assert clock.stamp(profile.load("dapeng").level("district").cutoff("2027-03")) == "2月28日 18:00"  # type: ignore[arg-type]
