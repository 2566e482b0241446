"""What the coming list covers and what is missing (SPEC C1)."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from portal.catalogue.actions import service_types
from portal.catalogue.models import Guide
from portal.catalogue.staff import coverage, publish_views
from portal.core.access import system_actor
from tests.catalogue.wording import MONTH, at_subdistrict, draft, span
from tests.factories import NOW, Town


@pytest.fixture
def offer(session: Any, town: Town) -> Town:
    text = service_types.services_file().read_text(encoding="utf-8")
    service_types.import_services(text, system_actor("测试"), NOW)
    session.commit()
    return town


def test_counted_by_category_and_centre(session: Any, offer: Town, make: Any) -> None:
    at_subdistrict(offer, title="老人关爱：上门理发")
    draft(offer, title="亲子阅读（草稿不算）")
    make.entry(offer.centres["A1S"], title="站里的", status="accepted", category=offer.categories["public"])
    make.entry(offer.centres["B1"], title="乙一的", status="approved")
    make.entry(offer.centres["B1"], title="撤下的", status="dropped")
    found = coverage.coverage(MONTH, offer.centres["D"].path)
    by_name = {c.category.name: c for c in found.categories if c.parent == "大众化服务"}
    assert (by_name["党群服务"].count, by_name["公共服务"].count, by_name["社会公益服务"].count) == (2, 1, 0)
    assert "老人关爱" not in by_name["党群服务"].missing  # its name stands in the title
    assert "亲子阅读" in by_name["党群服务"].missing
    centres = {c.centre.code: c for c in found.centres}
    assert {code: c.count for code, c in centres.items()} == {"A1": 2, "A2": 0, "B1": 1, "B2": 0}
    assert "社会公益服务" in centres["A1"].missing
    assert "党群服务" not in centres["A1"].missing
    below = coverage.coverage(MONTH, offer.centres["A"].path)
    assert {c.centre.code for c in below.centres} == {"A1", "A2"}


def test_twenty_guides_and_a_hundred_services(session: Any, offer: Town, make: Any) -> None:
    found = coverage.coverage(MONTH)
    assert (found.guides, found.guides_expected, found.missing_guides) == (20, 20, ())
    assert found.needed == 100 > found.offered
    standing = found.offered
    session.execute(
        update(Guide).where(Guide.title.in_(["衣物回收", "衣物修补", "衣物干洗", "租车服务"])).values(active=False)
    )
    session.commit()
    fewer = coverage.coverage(MONTH)
    assert (fewer.guides, fewer.missing_guides) == (16, ("衣", "行"))
    assert fewer.offered == standing - 4
    assert "衣物回收" in next(c for c in fewer.categories if c.category.name == "衣").missing
    session.execute(update(Guide).values(active=True))
    for number in range(100 - standing):
        make.entry(offer.centres["A1"], title=f"活动{number}", status="approved")
    whole = coverage.coverage(MONTH)
    assert whole.offered >= whole.needed and not whole.missing_guides


def test_another_month_does_not_count(session: Any, offer: Town, make: Any) -> None:
    before = coverage.coverage(MONTH).offered
    january = span(5, month="2027-01")
    make.entry(offer.centres["A1"], sessions=[(january.start, january.end)], status="approved")
    assert coverage.coverage(MONTH).offered == before


def test_the_number_of_queries_does_not_grow(session: Any, offer: Town, make: Any, count_queries: Any) -> None:
    path = offer.centres["D"].path
    session.commit()
    with count_queries() as few:
        coverage.coverage(MONTH, path)
    for number in range(15):
        make.entry(offer.centres["B2"], title=f"活动{number}", status="approved")
    with count_queries() as many:
        coverage.coverage(MONTH, path)
    assert [sum(q.startswith("SELECT") for q in seen) for seen in (few, many)] == [5, 5]


def test_the_table_of_many_centres_turns_pages(
    client: Any, as_staff: Any, town: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish_views, "COVERED", 3)
    for key in ("A1", "B2"):
        make.entry(town.centres[key])
    me = as_staff(client, town.staff["D"])
    path = "/staff/catalogue/coverage?month=2026-12"
    first, second = me.get(path).text, me.get(path + "&page=2").text
    assert ("乙二社区" in first.split("<tbody>")[1], "乙二社区" in second) == (False, True)
    assert "第 1 页，共 2 页，4 个阵地" in first
    for page in (first, second):
        assert "合计（全部 4 个）" in page, "the sum is of all, whatever page is open"
        assert '<b data-figure="counted:2026-12:1">2</b>' in page
    assert "乙二社区" not in me.get(f"{path}&centre={town.centres['A'].id}").text.split("<tbody>")[1]
