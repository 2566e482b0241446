"""Every staff page of the catalogue opens for who may, and for nobody else; all by one walk."""

from __future__ import annotations

from typing import Any

import pytest

OPEN = (
    "/staff/catalogue",
    "/staff/catalogue?month=2026-12&state=mine",
    "/staff/catalogue/coverage?month=2026-12",
    "/staff/catalogue/late?month=2026-12",
    "/staff/catalogue/wechat?month=2026-12",
    "/staff/catalogue/changes",
    "/staff/guides",
    "/staff/catalogue/export.csv?month=2026-12",
    "/staff/catalogue/export.xlsx?month=2026-12",
)
FOR_PLANNERS = (
    "/staff/catalogue/new?month=2026-12",
    "/staff/catalogue/templates",
    "/staff/catalogue/copy?month=2026-12",
    "/staff/catalogue/import",
    "/staff/catalogue/import/template.xlsx",
    "/staff/catalogue/understand?sessions=每周五9:00-10:00",
)
MANAGERS = ("D", "A", "A1", "A1S")


@pytest.mark.parametrize("who", MANAGERS)
def test_pages_open_with_and_without_rows(
    client: Any, town: Any, make: Any, session: Any, as_staff: Any, who: str
) -> None:
    as_staff(client, town.staff[who])
    for url in (*OPEN, *FOR_PLANNERS):
        assert client.get(url).status_code == 200, url
    session.rollback()  # our own read snapshot must not be older than what the pages wrote
    entry = make.entry(town.centres["A1S"], status="in_review", waits_at_id=town.centres["A1"].id, waits_since=make.now)
    make.entry(town.centres["A1S"], status="published")
    make.entry(town.centres["A1S"], status="draft", check_note="请核对")
    for url in (*OPEN, f"/staff/catalogue/{entry.id}"):
        assert client.get(url).status_code == 200, url


def test_an_inspector_reads_and_cannot_plan(client: Any, town: Any, make: Any, as_staff: Any) -> None:
    entry = make.entry(town.centres["A1"], status="draft")
    as_staff(client, town.inspector["D"])
    for url in (*OPEN, f"/staff/catalogue/{entry.id}"):
        assert client.get(url).status_code == 200, url
    for url in (*FOR_PLANNERS, f"/staff/catalogue/{entry.id}/edit", "/staff/guides/new", "/staff/catalogue/publish"):
        assert client.get(url).status_code == 403, url
    page = client.get("/staff/catalogue?month=2026-12").text
    assert "新增一行" not in page
    assert "退回…" not in page


def test_a_stranger_is_sent_to_the_login(client: Any, town: Any) -> None:
    for url in (*OPEN, *FOR_PLANNERS):
        answer = client.get(url)
        assert answer.status_code == 303, url
        assert "/staff/login" in answer.location


def test_a_neighbours_row_does_not_exist(client: Any, town: Any, make: Any, as_staff: Any) -> None:
    entry = make.entry(town.centres["A1"], status="draft")
    as_staff(client, town.staff["A2"])
    reads = ("", "/edit", "/return", "/change", "/drop", "/row")
    writes = (
        "/edit",
        "/approve",
        "/return",
        "/send",
        "/recall",
        "/drop",
        "/cancel",
        "/change",
        "/template",
        "/checked",
    )
    for end in reads:
        assert client.get(f"/staff/catalogue/{entry.id}{end}").status_code == 404, end
    for end in writes:
        assert client.post(f"/staff/catalogue/{entry.id}{end}").status_code == 404, end
    assert client.get(f"/staff/catalogue/allot/{entry.id}").status_code == 404
    assert entry.title not in client.get("/staff/catalogue?month=2026-12").text
