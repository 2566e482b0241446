"""The first morning of a district: steps as the tables say, what centres lack, the officer's manual (SPEC N2)."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from portal.cases.models import CalendarYear
from portal.catalogue import cutoffs
from portal.catalogue.actions import changing
from portal.catalogue.models import Guide
from portal.centres.models import Centre
from portal.core import registry
from portal.front import first_morning
from portal.people.models import StaffAccount
from tests.core import printed
from tests.factories import NOW, Make, Town

PAGE = "/staff/first-morning"


def open_page(client: FlaskClient, url: str = "/staff") -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def undone(page: str) -> list[str]:
    """The titles of the steps that are still to do."""
    steps = [step for step in first_morning.STEPS if f"{step.title}</b> <span" in page]
    assert steps == list(first_morning.STEPS)
    after = {step.title: page.split(f"{step.title}</b>")[1].split("</span>", maxsplit=1)[0] for step in steps}
    return [title for title, said in after.items() if "还没做" in said]


def test_each_step_is_done_when_the_tables_say_so(
    client: FlaskClient, as_staff: Any, town: Town, make: Make, session: Any
) -> None:
    session.rollback()
    for year in session.query(CalendarYear):
        session.delete(year)
    town.centres["B1"].phone = ""
    for account in session.query(StaffAccount).filter(StaffAccount.centre_id == town.centres["B2"].id):
        account.disabled_at = NOW
    session.commit()
    as_staff(client, town.staff["D"])
    assert undone(open_page(client)) == ["补齐信息", "账户", "类别和办事指南", "日期", "第一个月"]
    page = open_page(client)
    assert "还有 1 个不全" in page and "还有 1 个中心没有账户" in page
    session.rollback()
    town.centres["B1"].phone = "0755-84200001"
    session.add(Guide(category_id=town.categories["life-food"].id, title="食堂", updated_at=NOW))
    session.add(CalendarYear(year=2026, entered_at=NOW))
    for account in session.query(StaffAccount).filter(StaffAccount.centre_id == town.centres["B2"].id):
        account.disabled_at = None
    session.commit()
    assert undone(open_page(client)) == ["第一个月"]
    session.rollback()
    make.entry(town.centres["A1"], title="第一项")
    session.commit()
    page = open_page(client)
    assert "做好了" not in page and PAGE in page  # off the start page when all is done, and still to be found
    assert undone(open_page(client, PAGE)) == []


def test_an_empty_district_is_not_told_that_all_is_done(
    client: FlaskClient, as_staff: Any, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "waiting_lines", lambda *_: [])
    as_staff(client, town.staff["D"])
    page = open_page(client)
    assert "先按下面的步骤" in page and "都处理完了" not in page
    as_staff(client, town.staff["A1"])
    page = open_page(client)
    assert "第一个上午" not in page and "都处理完了" in page


def test_a_step_offers_all_its_pages(client: FlaskClient, as_staff: Any, town: Town) -> None:
    as_staff(client, town.staff["D"])
    page = open_page(client, PAGE)
    for address in ("/staff/departments", "/staff/catalogue/dates", "/staff/calendar"):
        assert f'href="{address}' in page, address
    departments = open_page(client, "/staff/departments")
    marked = [line for line in departments.splitlines() if "<li><a " in line and 'aria-current="page"><svg' in line]
    assert len(marked) == 1 and 'href="/staff/accounts"' in marked[0]


def test_once_a_list_is_out_what_waits_comes_first(
    client: FlaskClient, as_staff: Any, town: Town, make: Make, session: Any
) -> None:
    as_staff(client, town.staff["D"])
    page = open_page(client)
    assert page.index("第一个上午：做好") < page.index('data-part="')
    session.rollback()
    entry = make.entry(town.centres["A1"], title="第一项")
    changing.cancel_entry(town.actor("A1"), entry, "人太少", NOW)
    session.commit()
    page = open_page(client)
    assert page.index("第一个上午：做好") > page.index('data-part="')


def test_put_away_it_comes_back_when_wanted(client: FlaskClient, as_staff: Any, town: Town, session: Any) -> None:
    as_staff(client, town.staff["D"])
    assert "第一个上午：做好" in open_page(client)
    for _ in range(2):  # the button pressed twice
        assert client.post(PAGE, data={"away": "1"}).status_code == 303
    assert "第一个上午：做好" not in open_page(client) and "放回首页" in open_page(client, PAGE)
    assert client.post(PAGE, data={"away": ""}).status_code == 303
    assert "第一个上午：做好" in open_page(client)


def test_it_is_the_tops_business(client: FlaskClient, as_staff: Any, town: Town) -> None:
    for who in ("A", "A1", "A1-OP", "D-LOOK", "ZFB"):
        as_staff(client, town.staff[who])
        assert "第一个上午" not in open_page(client), who
        assert client.get(PAGE).status_code == client.post(PAGE, data={"away": "1"}).status_code == 403, who


def test_what_centres_lack_is_on_the_start_page_with_a_link_each(
    client: FlaskClient, as_staff: Any, town: Town, session: Any, count_queries: Any
) -> None:
    session.rollback()
    for centre in session.query(Centre):
        centre.phone = centre.responsible = ""
    session.commit()
    as_staff(client, town.staff["D"])
    page = open_page(client)
    number = len(town.centres)
    assert f"{number} 个阵地还缺信息" in page and page.count('#phone">电话</a>') == 6
    assert f"全部 {number} 个" in page and "/staff/centres?missing=1" in page
    every = open_page(client, "/staff/centres?missing=1")
    assert every.count('#responsible">负责人</a>') == number


def test_the_manual_is_one_sheet_with_the_deployments_own_dates(client: FlaskClient, as_staff: Any, town: Town) -> None:
    as_staff(client, town.staff["A1"])
    made = printed.fetched(client, "/staff/manual.pdf").data
    (words,) = printed.text_of(made)
    assert "甲一社区" in words and "11月22日18:00前" in words and "11月26日18:00前" in words
    assert town.centres["A"].phone in words  # whom to ask: the level above
    codes = printed.codes_in(printed.picture(made, dpi=100))
    assert [code for code in codes if code.endswith("/staff/login")]


def test_the_manual_says_the_dates_that_were_set(client: FlaskClient, as_staff: Any, town: Town, session: Any) -> None:
    moved = cutoffs.of("2026-12") | {"community": NOW.replace(month=11, day=20, hour=1, minute=0)}
    cutoffs.set_dates(town.actor("D"), "2026-12", moved, NOW)
    session.commit()
    as_staff(client, town.staff["A1"])
    (words,) = printed.text_of(printed.fetched(client, "/staff/manual.pdf").data)
    assert "11月20日9:00前" in words and "11月22日18:00前" not in words
