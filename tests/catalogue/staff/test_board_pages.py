"""A big month: the board counts what it does not load, and everything is found by turning pages."""

from __future__ import annotations

import itertools
import re
from datetime import timedelta
from typing import Any

import pytest

from portal.catalogue.actions import entry_values
from portal.catalogue.models import ACCEPTED, APPROVED, CANCELLED, DRAFT, IN_REVIEW, PUBLISHED, RETURNED, EntryChange
from portal.catalogue.staff import export, month_board, month_views, publish_views, queries
from portal.core import scope
from portal.core.access import Actor
from tests.catalogue.wording import month_rows
from tests.factories import NOW, Make, Town

MONTH = "2026-12"
STATUSES = (DRAFT, IN_REVIEW, ACCEPTED, RETURNED, APPROVED, PUBLISHED, CANCELLED)
WHO = ("D", "D-LOOK", "A", "A1", "A1-OP", "A1S", "B1", "ZFB")


@pytest.fixture
def every_kind(session: Any, town: Town, make: Make) -> None:
    """A row of each status in each centre, of the centre itself and of a department, waiting at each level."""
    for key, status, waits, department in itertools.product(
        ("A1", "A1S", "B1", "D"), STATUSES, (None, "A1", "A", "D"), (None, town.department.id)
    ):
        author = town.centres["D"] if department else town.centres[key]
        make.entry(
            town.centres[key], title=f"{key} {status} {waits} {department}", status=status, author_centre_id=author.id,
            waits_at_id=town.centres[waits].id if waits else None, department_id=department, place="",
        )  # fmt: skip
    session.commit()


def _waits(line: month_views.Line) -> bool:
    row = line.row
    return line.decidable or line.may_allot or (line.own and row.entry.status == RETURNED and row.editable)


@pytest.mark.usefixtures("every_kind")
def test_what_is_counted_in_sql_is_what_the_guards_allow(town: Town) -> None:
    for who in WHO:
        _counted_as_guarded(town.actor(who))


def _counted_as_guarded(actor: Actor) -> None:
    with scope.use(scope.StaffScope(actor.centre_path, actor.department_id)):
        rows = month_rows(actor, MONTH, NOW)
        lines = [month_views.line_of(row, actor) for row in rows]
        sums = month_board.sums(actor, month_board.on_board(actor, MONTH))
        mine = {row.entry.id for row in month_rows(actor, MONTH, NOW, state="mine")}
    assert lines
    assert mine == {line.row.entry.id for line in lines if _waits(line)}
    assert sums.mine == len(mine) and sums.total == len(lines)
    assert sums.decidable == sum(line.decidable for line in lines)
    assert sums.allot == sum(line.may_allot for line in lines)
    assert sums.ready == sum(_goes_along(line, actor) for line in lines)
    for status in STATUSES:
        assert sums.shown(status) == sum(row.entry.status == status for row in rows)
    for line in lines:  # one transition asked for alone is what the whole list of buttons says
        assert line.row.first(month_board.YES) == next((t for t in line.row.buttons if t.name in month_board.YES), None)


def _goes_along(line: month_views.Line, actor: Actor) -> bool:
    entry = line.row.entry
    if entry.status == DRAFT:
        return entry.centre_id == actor.centre_id and entry.department_id == actor.department_id
    return actor.department_id is None and entry.status == ACCEPTED and entry.waits_at_id == actor.centre_id


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(month_views, "PAGE_SIZE", 4)
    monkeypatch.setattr(publish_views, "PAGE_SIZE", 4)
    monkeypatch.setattr(export, "PART", 4)
    monkeypatch.setattr(queries, "CHANGES", 4)


def _titles(client: Any, path: str, pages: int) -> list[str]:
    found: list[str] = []
    for page in range(1, pages + 1):
        shown = re.findall(r"第\d+号", client.get(f"{path}{'&' if '?' in path else '?'}page={page}").text)
        found += dict.fromkeys(shown)
    return found


@pytest.mark.usefixtures("small")
def test_every_row_is_on_one_page_of_the_board(client: Any, town: Town, make: Make, as_staff: Any) -> None:
    days = [(NOW + timedelta(days=7 + n), NOW + timedelta(days=7 + n, hours=2)) for n in range(10)]
    for number, day in enumerate(days):
        make.entry(town.centres["A1"], [day], title=f"第{number}号", status=IN_REVIEW, waits_at_id=town.centres["A"].id)
    as_staff(client, town.staff["A"])
    for tab in ("", "&state=mine", f"&state={IN_REVIEW}"):
        path = f"/staff/catalogue?month={MONTH}{tab}"
        assert _titles(client, path, 3) == [f"第{n}号" for n in range(10)]
        assert "第 2 页，共 3 页，10 条" in client.get(path + "&page=2").text
        assert ">10</b> 条等您审核" in client.get(path).text


@pytest.mark.usefixtures("small")
def test_what_goes_out_and_what_stays_turn_apart(client: Any, town: Town, make: Make, as_staff: Any) -> None:
    for number in range(10):
        make.entry(town.centres["A1"], title=f"第{number}号", status=APPROVED, place="")
        make.entry(town.centres["A1"], title=f"还差{number}", status=DRAFT, place="")
    as_staff(client, town.staff["D"])
    path = f"/staff/catalogue/publish?month={MONTH}"
    assert _titles(client, path, 3) == [f"第{n}号" for n in range(10)]
    page = client.get(path + "&page=2&rest=3").text
    assert "会发布 <b>10</b> 条" in page and "<b>10</b> 条不会发布" in page
    assert "第4号" in page and "还差9" in page and "还差1" not in page
    assert client.post(path, data={"sure": "1", "reason": "台风前", "month": MONTH}).status_code == 303
    assert "会发布 <b>0</b> 条" in client.get(path).text  # all of the month, whatever page was open


def test_what_goes_out_is_searched_and_sorted(client: Any, town: Town, make: Make, as_staff: Any) -> None:
    for number in range(10):
        make.entry(
            town.centres["A1" if number % 2 else "B1"], title=f"第{9 - number}号", status=APPROVED, place=f"{number}楼"
        )
        make.entry(town.centres["A2"], title=f"还差{number}", status=DRAFT)
    as_staff(client, town.staff["D"])
    path = f"/staff/catalogue/publish?month={MONTH}"

    def rows(more: str) -> list[str]:
        return re.findall(r"<strong>((?:第|还差)\d号?)</strong>", client.get(path + more).text)

    assert rows("&q=第3号") == ["第3号"]
    assert rows("&q=3楼") == ["第6号"]
    assert rows(f"&centre={town.centres['B'].id}&sort=title") == ["第1号", "第3号", "第5号", "第7号", "第9号"]
    assert rows("&q=还差3") == ["还差3"]
    page = client.get(path + "&q=第3号").text
    assert "会发布 <b>10</b> 条" in page, "the button publishes all, whatever is looked for"
    assert "找到会发布的 1 条、不会发布的 0 条" in page
    assert "会发布的里没有这样的" in client.get(path + "&q=还差3").text


@pytest.mark.usefixtures("small")
def test_a_long_wechat_text_comes_in_parts(client: Any, town: Town, make: Make, as_staff: Any) -> None:
    for number in range(10):
        make.entry(town.centres["A1"], title=f"第{number}号")
    as_staff(client, town.staff["A1"])
    path = f"/staff/catalogue/wechat?month={MONTH}"
    assert _titles(client, path, 3) == [f"第{n}号" for n in range(10)]
    last = client.get(path + "&page=3").text
    assert "共 10 项，第 3 部分" in last and "9. 第8号" in last


@pytest.mark.usefixtures("small")
def test_changes_stand_on_pages(client: Any, town: Town, make: Make, session: Any, as_staff: Any) -> None:
    for number in range(10):
        entry = make.entry(town.centres["A1"], title=f"第{number}号")
        values = entry_values.to_json(entry_values.values_of(entry))
        session.add(EntryChange(
            entry_id=entry.id, centre_id=entry.centre_id, kind="cancel", before=values, after=values, reason="台风",
            waits_at_id=town.centres["D"].id, asked_by="甲", asked_at=NOW + timedelta(minutes=number),
        ))  # fmt: skip
    session.commit()
    as_staff(client, town.staff["D"])
    assert _titles(client, "/staff/catalogue/changes", 3) == [f"第{n}号" for n in range(10)]
    assert "<b>10</b> 个等您确认" in client.get("/staff/catalogue/changes").text
