"""Centres to choose from stand under the subdistrict or community they belong to (SPEC Q2)."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from portal.centres import picking
from portal.centres import queries as centres


def test_the_district_chooses_below_its_subdistricts(town: Any) -> None:
    groups = picking.of(centres.choices(town.centres["D"].path))
    assert [(heading, [text for _, text in items]) for heading, items in groups] == [
        ("", ["测试区党群服务中心"]),
        ("甲街道", ["甲街道党群服务中心", "甲一社区党群服务中心", "\u3000甲一小区党群服务站", "甲二社区党群服务中心"]),
        ("乙街道", ["乙街道党群服务中心", "乙一社区党群服务中心", "乙二社区党群服务中心"]),
    ]


def test_a_heading_over_one_centre_is_left_out(town: Any) -> None:
    groups = picking.of(centres.choices(town.centres["A"].path))
    assert [(heading, len(items)) for heading, items in groups] == [("", 1), ("甲一社区", 2), ("", 1)]
    alone = picking.of(centres.choices(town.centres["B2"].path))
    assert alone == [("", [(str(town.centres["B2"].id), "乙二社区党群服务中心")])]


def test_some_of_them_keep_the_headings_of_all(town: Any) -> None:
    rows = [(c.path, c.code, c.label) for c in (town.centres["A2"], town.centres["B1"], town.centres["B2"])]
    assert picking.below(town.centres["D"].path, rows) == [
        ("甲街道", [("A2", "甲二社区")]), ("乙街道", [("B1", "乙一社区"), ("B2", "乙二社区")])
    ]  # fmt: skip


TREES = st.lists(st.lists(st.integers(0, 3), max_size=4), max_size=3)


@given(TREES)
def test_every_centre_is_offered_once_and_in_order(tree: list[list[int]]) -> None:
    paths = ["/1/"]
    for a, street in enumerate(tree):
        paths.append(f"/1/{10 + a}/")
        for b, stations in enumerate(street):
            paths.append(f"/1/{10 + a}/{100 + 10 * a + b}/")
            paths += [f"/1/{10 + a}/{100 + 10 * a + b}/{1000 + s}/" for s in range(stations)]
    rows = [(path, path, path) for path in paths]
    groups = picking.grouped(rows, {10 + a: f"街道{a}" for a in range(len(tree))}, 1)
    assert [value for _, items in groups for value, _ in items] == paths
    for heading, items in groups:
        below = {value.split("/")[2] for value, _ in items if value != "/1/"}
        assert not heading or (len(below) == 1 and heading == f"街道{int(below.pop()) - 10}")


def test_the_box_says_what_was_chosen(client: Any, as_staff: Any, town: Any) -> None:
    page = as_staff(client, town.staff["D"]).get(f"/staff/accounts?centre={town.centres['A1'].id}").text
    box = re.search(r"<select name=\"centre\" data-find.*?</select>", page, re.DOTALL)
    assert box is not None
    assert re.findall(r"<optgroup label=\"(\w+)\">", box[0]) == ["甲街道", "乙街道"]
    assert re.findall(r"<option value=\"(\d+)\" selected>", box[0]) == [str(town.centres["A1"].id)]
