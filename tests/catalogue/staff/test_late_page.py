"""The list of who has handed in: searched, filtered, paged; many urged at once (SPEC C5)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import select

from bench.wide import widen
from portal.catalogue.actions import urging
from portal.catalogue.models import Issue, Urge
from portal.core import clock, outbox
from portal.core.audit import AuditLog
from portal.core.db import db
from portal.notices.models import InboxMessage
from tests.factories import MONTH, NOW

PAGE = f"/staff/catalogue/late?month={MONTH}"


def labels(page: str) -> list[str]:
    return re.findall(r"<td><a href=\"[^\"]+\"><strong>([^<]+)</strong>", page)


@pytest.fixture
def handed(town: Any) -> None:
    db.session.add(Issue(month=MONTH, centre_id=town.centres["B1"].id, submitted_at=NOW, submitted_by="乙一"))
    db.session.commit()


def test_found_by_word_place_and_state(client: Any, as_staff: Any, town: Any, handed: None) -> None:
    me = as_staff(client, town.staff["D"])
    assert labels(me.get(PAGE).text) == ["甲一社区", "甲二社区", "乙二社区", "乙一社区"]
    assert labels(me.get(f"{PAGE}&q=甲 一").text) == ["甲一社区"]
    assert labels(me.get(f"{PAGE}&q=84200003").text) == ["甲一社区"], "by its number"
    assert labels(me.get(f"{PAGE}&centre={town.centres['B'].id}").text) == ["乙二社区", "乙一社区"]
    assert labels(me.get(f"{PAGE}&state=late").text) == ["乙一社区"]
    assert labels(me.get(f"{PAGE}&state=missing&q=乙").text) == ["乙二社区"]
    page = me.get(f"{PAGE}&q=没有这个").text
    assert "没有找到" in page
    assert "<b>1</b> / 4 已交" in page, "how it stands is said of all, whatever is looked for"


def test_many_are_urged_at_once_and_the_rest_is_named(client: Any, as_staff: Any, town: Any, handed: None) -> None:
    me, ids = as_staff(client, town.staff["D"]), {key: town.centres[key].id for key in ("A1", "A2", "B1", "B2")}
    answer = me.post(f"/staff/catalogue/late/urge?month={MONTH}&q=社区", data={"row": [ids["A1"], ids["B1"]]})
    assert (answer.status_code, answer.location.partition("?")[0]) == (303, "/staff/catalogue/late")
    assert "q=" in answer.location, "one is where one was"
    page = me.get(answer.location).text
    assert "已经催了 1 个阵地" in page
    assert "1 个没有催：乙一社区：这份清单没有迟交，不用催。" in page
    assert "2</b> 个没交的今天还没催过" in page
    answer = me.post(f"/staff/catalogue/late/urge?month={MONTH}&centre={town.centres['A'].id}", data={"all": "1"})
    assert {u.centre_id for u in urged()} == {ids["A1"], ids["A2"]}, "all means all that were looked for"
    assert "没有可以催的" in me.get(me.post(f"/staff/catalogue/late/urge?month={MONTH}", data={}).location).text
    outbox.run_due(NOW)
    told = db.session.scalars(select(InboxMessage).where(InboxMessage.audience == "staff")).all()
    assert {m.person_id for m in told} == {town.staff[key].id for key in ("A1", "A1-OP", "A2")}
    assert len(db.session.scalars(select(AuditLog).where(AuditLog.verb == "urge")).all()) == 2


def urged() -> list[Urge]:
    db.session.rollback()
    return list(db.session.scalars(select(Urge)))


def test_a_foreign_centre_is_not_urged(client: Any, as_staff: Any, town: Any) -> None:
    me = as_staff(client, town.staff["A"])
    me.post(f"/staff/catalogue/late/urge?month={MONTH}", data={"row": [town.centres["B1"].id, town.centres["A1"].id]})
    assert [u.centre_id for u in urged()] == [town.centres["A1"].id]
    assert as_staff(client, town.inspector["D"]).post("/staff/catalogue/late/urge").status_code == 403


def test_hundreds_are_paged_and_urged_in_a_few_statements(
    client: Any, as_staff: Any, town: Any, session: Any, count_queries: Any
) -> None:
    widen(NOW, 130, entries=0)
    session.commit()
    me = as_staff(client, town.staff["D"])
    first, third = me.get(PAGE).text, me.get(f"{PAGE}&page=3").text
    assert (len(labels(first)), len(labels(third))) == (50, 114 - 100)
    assert "第 1 页，共 3 页，114 个" in first
    assert not set(labels(first)) & set(labels(third))
    with count_queries() as seen:
        me.post(f"/staff/catalogue/late/urge?month={MONTH}", data={"all": "1"})
    assert len(urged()) == 114
    assert len([s for s in seen if not s.startswith(("BEGIN", "PRAGMA"))]) <= 30, "not one for each"
    assert clock.today(urged()[0].at) == clock.today(NOW)
    assert urging.urges(MONTH).keys() == {u.centre_id for u in urged()}
