"""export-centres: what import-centres reads back without a change (SPEC N2, docs/contract.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openpyxl
import pytest
from flask import Flask

from portal.centres import table
from portal.centres.models import Centre


@pytest.mark.parametrize("name", ["all.csv", "all.xlsx"])
def test_there_and_back_nothing_changes(app: Flask, tmp_path: Path, session: Any, town: Any, name: str) -> None:
    town.centres["A1"].phone = "+86 755-84200001"  # would begin a formula
    session.commit()
    file = tmp_path / name
    run = app.test_cli_runner()
    assert run.invoke(args=["export-centres", str(file)]).exit_code == 0
    every = len(town.centres)
    assert f"新增 0，更新 0，未变 {every}" in run.invoke(args=["import-centres", str(file)]).output
    # And what was mended in it is taken.
    told = [{**line.cells} for line in table.read(file.read_bytes()).lines]
    told[1]["responsible"] = "李四"
    (tmp_path / "mended.csv").write_bytes(table.to_csv(told).decode().encode("gb18030"))
    assert "更新 1" in run.invoke(args=["import-centres", str(tmp_path / "mended.csv")]).output
    session.rollback()
    assert session.query(Centre.code).filter(Centre.responsible == "李四").all() == [(told[1]["code"],)]


def test_people_get_a_workbook_in_their_own_words(app: Flask, tmp_path: Path, session: Any, town: Any) -> None:
    file = tmp_path / "all.xlsx"
    app.test_cli_runner().invoke(args=["export-centres", str(file)])
    sheet = openpyxl.load_workbook(file)[table.SHEET]
    head, *rows = sheet.iter_rows(values_only=True)
    assert head == tuple(column.words for column in table.COLUMNS)
    assert [row[2] for row in rows if row[0] == "A1"] == ["社区"]
    assert all(cell is None or isinstance(cell, str) for row in rows for cell in row)  # codes keep their digits


def test_another_ending_is_refused(app: Flask, tmp_path: Path) -> None:
    result = app.test_cli_runner().invoke(args=["export-centres", str(tmp_path / "all.doc")])
    assert result.exit_code == 1 and ".xlsx" in result.output and not (tmp_path / "all.doc").exists()
