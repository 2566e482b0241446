"""docs/security.md says what is there: each requirement once, each file and test it names, each column of the data map.

asvs_5_0_0.csv: the numbers of OWASP ASVS 5.0.0, levels 1 and 2, with their levels (CC BY-SA 4.0, owasp.org/ASVS).
"""

from __future__ import annotations

import ast
import csv
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from flask import Flask

from portal.core.db import Base
from tests.house.test_personal_columns import PERSONS, declared

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text()
LINES = TEXT.splitlines()
ROOTS = (ROOT, ROOT / "portal", ROOT / "tests")
NUMBER = re.compile(r"\d+\.\d+\.\d+")
FILE = re.compile(r"\w[\w./-]*\.(?:py|md|html|js|toml|csv|txt|cfg|gz)")
IS = {"yes", "doc", "op", "part"}  # in the code; written down; by the operator's set-up; in part, with the reason


def required() -> dict[str, str]:
    with (ROOT / "tests" / "house" / "asvs_5_0_0.csv").open() as lines:
        return {row["number"]: row["level"] for row in csv.DictReader(lines)}


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def section(title: str) -> list[str]:
    """The rows of the tables below the heading that begins with `title`, up to the next of its kind."""
    start = next(i for i, line in enumerate(LINES) if line.startswith(f"## {title}"))
    end = next((i for i in range(start + 1, len(LINES)) if LINES[i].startswith("## ")), len(LINES))
    return [line for line in LINES[start:end] if line.startswith("|")]


def requirements() -> list[list[str]]:
    """no · level | asked | is | how and where | test"""
    return [found for line in section("ASVS") if NUMBER.match((found := cells(line))[0])]


def apart() -> list[str]:
    """Numbers that do not apply, from the table `why | numbers`."""
    return [number for line in section("What does not apply") for number in NUMBER.findall(cells(line)[-1])]


@cache
def names(file: Path) -> frozenset[str]:
    found = ast.walk(ast.parse(file.read_text()))
    return frozenset(n.name for n in found if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef))


def found(path: str) -> Path | None:
    return next((root / path for root in ROOTS if (root / path).is_file()), None)


def test_every_requirement_stands_once_with_its_level() -> None:
    rows = [row[0].split(" · ") for row in requirements()]
    told = [number for number, _ in rows] + apart()
    assert not [number for number, times in Counter(told).items() if times > 1]
    assert set(told) == set(required())
    assert not [row for row in rows if row[1] != f"L{required()[row[0]]}"]


def test_every_row_says_how_and_what_is_met_in_part_has_a_reason() -> None:
    for number, _asked, what, how, shown in requirements():
        assert what in IS, number
        assert how, number
        assert shown != "–" or what != "yes", f"{number}: which test or reading shows it?"
    open_ones = {row[0].split(" · ")[0] for row in requirements() if row[2] == "part"}
    reasons = {number for line in section("Met in part") for number in NUMBER.findall(cells(line)[0])}
    assert open_ones == reasons


def test_every_file_and_test_that_is_named_is_there() -> None:
    missing = []
    for quoted in re.findall(r"`([^`]+)`", TEXT):
        path, _, name = quoted.partition("::")
        if not FILE.fullmatch(path) or ("/" not in path and not name and found(path) is None):
            continue
        file = found(path)
        if file is None or (name and name not in names(file)):
            missing.append(quoted)
    assert not missing


def test_the_data_map_names_columns_that_are_there_and_all_that_are_personal(app: Flask) -> None:
    there = {f"{table.name}.{column.name}" for table in Base.metadata.sorted_tables for column in table.columns}
    told = set()
    for line in section("Data map"):
        for table, columns in re.findall(r"`(\w+)\.([\w ,]+)`", line):
            told |= {f"{table}.{column}" for column in re.split(r"[ ,]+", columns)}
    assert told
    assert not told - there
    assert not declared(PERSONS) - told


def test_the_page_can_be_read() -> None:
    assert not [(number, len(line)) for number, line in enumerate(LINES, 1) if len(line) > 200]
