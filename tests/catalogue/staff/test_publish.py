"""The whole list: coverage, late list, publication by hand, a department's plan allotted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from portal.catalogue.actions import handing_in
from portal.catalogue.models import APPROVED, DRAFT, IN_REVIEW, PUBLISHED, RETURNED, Entry
from portal.core import clock
from portal.core.audit import AuditLog

PUBLISH = "/staff/catalogue/publish?month=2026-12"


def status(session: Any, key: int) -> str:
    session.rollback()
    return session.get(Entry, key).status


def test_early_publication_needs_a_tick_and_a_reason(
    client: Any, town: Any, make: Any, session: Any, as_staff: Any
) -> None:
    ready = make.entry(town.centres["A1"], title="过了的", status=APPROVED).id
    back = make.entry(
        town.centres["A1"], title="退了的", status=RETURNED, return_reason="写明集合点", waits_since=make.now
    ).id
    as_staff(client, town.staff["D"])
    page = client.get(PUBLISH).text
    assert "会发布 <b>1</b> 条" in page
    assert "退回：写明集合点" in page
    assert "12月1日 0:00" in page
    for data, message in (({}, "请先核对"), ({"sure": "1"}, "提前发布请写明原因"), ({"reason": "元旦前"}, "请先核对")):
        refused = client.post(PUBLISH, data=data)
        assert refused.status_code == 422
        assert message in refused.text
        assert data.get("reason", "") in refused.text
    assert status(session, ready) == APPROVED
    done = client.post(PUBLISH, data={"sure": "1", "reason": "元旦前要用"})
    assert "发布了 1 条" in client.get(done.location).text
    assert (status(session, ready), status(session, back)) == (PUBLISHED, RETURNED)
    noted = session.scalars(select(AuditLog.summary).where(AuditLog.verb == "publish_early")).one()
    assert "元旦前要用" in noted


def test_after_the_first_no_reason_is_asked(client: Any, town: Any, make: Any, session: Any, as_staff: Any) -> None:
    ready = make.entry(town.centres["A1"], status=APPROVED).id
    as_staff(client, town.staff["D"])
    with clock.frozen(make.now + timedelta(days=8)):
        as_staff(client, town.staff["D"])
        assert "提前发布的原因" not in client.get(PUBLISH).text
        client.post(PUBLISH, data={"sure": "1"})
    assert status(session, ready) == PUBLISHED


def test_only_the_top_publishes(client: Any, town: Any, make: Any, session: Any, as_staff: Any) -> None:
    ready = make.entry(town.centres["A1"], status=APPROVED).id
    as_staff(client, town.staff["A"])
    assert "由上级统一发布" in client.get(PUBLISH).text
    refused = client.post(PUBLISH, data={"sure": "1", "reason": "想发"})
    assert "清单由上级统一发布" in client.get(refused.location).text
    assert status(session, ready) == APPROVED
    as_staff(client, town.inspector["D"])
    assert client.post(PUBLISH, data={"sure": "1", "reason": "想发"}).status_code == 403


def test_coverage_counts_open_their_rows(client: Any, town: Any, make: Any, as_staff: Any) -> None:
    make.entry(town.centres["A1"], status=APPROVED)
    make.entry(town.centres["A1S"], status=IN_REVIEW, waits_at_id=town.centres["A1"].id)
    make.entry(town.centres["B1"], status=APPROVED)
    as_staff(client, town.staff["D"])
    page = client.get("/staff/catalogue/coverage?month=2026-12").text
    link = (
        f"/staff/catalogue?month=2026-12&amp;centre={town.centres['A1'].id}&amp;category={town.categories['party'].id}"
    )
    cell = page.split(link)[1].split("</a>")[0]
    assert cell.endswith("2")
    board = client.get(link.replace("&amp;", "&")).text
    assert board.count('<tbody id="row-') == 2
    as_staff(client, town.staff["A"])
    assert "乙一社区" not in client.get("/staff/catalogue/coverage?month=2026-12").text


def test_the_late_list_names_who_and_gives_the_phone(
    client: Any, town: Any, make: Any, session: Any, as_staff: Any
) -> None:
    make.entry(town.centres["A1"], status=DRAFT)
    session.commit()
    handing_in.submit_issue(town.actor("A1"), town.centres["A1"], "2026-12", make.now - timedelta(days=5))
    session.commit()
    as_staff(client, town.staff["A"])
    page = client.get("/staff/catalogue/late?month=2026-12").text
    rows = {r.split("<strong>")[1].split("<")[0]: r for r in page.split("<table")[1].split("<tr") if "<strong>" in r}
    assert set(rows) == {"甲一社区", "甲二社区"}
    assert "按时" in rows["甲一社区"]
    assert "没交" in rows["甲二社区"]
    assert "超过截止 2 天" in rows["甲二社区"]
    assert "0755-8420 0004" in rows["甲二社区"]


def test_a_department_s_plan_is_allotted(client: Any, town: Any, make: Any, session: Any, as_staff: Any) -> None:
    plan = make.entry(
        town.centres["D"],
        title="反诈宣传",
        status=IN_REVIEW,
        department_id=town.department.id,
        waits_at_id=town.centres["D"].id,
        waits_since=make.now,
    ).id
    as_staff(client, town.staff["D"])
    url = f"/staff/catalogue/allot/{plan}"
    page = client.get(url).text
    assert page.count('name="centre"') == 4
    assert "甲街道" in page
    refused = client.post(url)
    assert refused.status_code == 422
    assert "请选择要分配到的社区" in refused.text
    done = client.post(url, data={"centre": [town.centres["A1"].id, town.centres["B2"].id, town.centres["A"].id]})
    assert "分到了 2 个社区" in client.get(done.location).text
    session.rollback()
    rows = session.scalars(select(Entry).where(Entry.title == "反诈宣传")).all()
    assert {(r.centre.code, r.status, r.department_id) for r in rows} == {
        ("A1", APPROVED, town.department.id),
        ("B2", APPROVED, town.department.id),
    }
    assert "才能分配" in client.get(client.get(url).location).text


def test_a_department_draws_up_and_sees_only_its_own(
    client: Any, town: Any, make: Any, session: Any, as_staff: Any
) -> None:
    make.entry(town.centres["A1"], title="别人的", status=DRAFT)
    as_staff(client, town.staff["ZFB"])
    assert "还没有您部门的计划" in client.get("/staff/catalogue?month=2026-12").text
    assert "/staff/catalogue/new" in client.get("/staff/catalogue/templates").location  # these belong to centres
    for url in ("/staff/catalogue/import", "/staff/catalogue/copy"):  # its own plans
        assert client.get(url).status_code == 200
    made = client.post(
        "/staff/catalogue/new?month=2026-12",
        data={
            "month": "2026-12",
            "title": "普法讲座",
            "category_id": town.categories["public"].id,
            "place": "社区广场",
            "sessions": "12月16日 15:00-16:30",
            "audience": "全体居民",
            "mode": "walk_in",
            "unit": "人",
            "do": "send",
        },
    )
    assert made.status_code == 303
    board = client.get("/staff/catalogue?month=2026-12").text
    assert "普法讲座" in board
    assert "别人的" not in board
    assert "直接到场" in board
    as_staff(client, town.staff["D"])
    assert "分配…" in client.get("/staff/catalogue?month=2026-12").text


def test_a_plan_is_allotted_to_a_whole_subdistrict(
    client: Any, town: Any, make: Any, session: Any, as_staff: Any
) -> None:
    at_top = {"department_id": town.department.id, "waits_at_id": town.centres["D"].id, "waits_since": make.now}
    plan = make.entry(town.centres["D"], title="反诈宣传", status=IN_REVIEW, **at_top).id
    as_staff(client, town.staff["D"])
    url = f"/staff/catalogue/allot/{plan}"
    assert "整个甲街道" in client.get(url).text
    done = client.post(
        url, data={"below": town.centres["A"].id, "centre": [town.centres["A1"].id, town.centres["B2"].id]}
    )
    assert "分到了 3 个社区" in client.get(done.location).text
    session.rollback()
    rows = session.scalars(select(Entry).where(Entry.title == "反诈宣传")).all()
    assert sorted(row.centre.code for row in rows) == ["A1", "A2", "B2"]
