"""The audit page (SPEC P9)."""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, text

from portal.core import audit
from portal.core.access import system_actor
from portal.core.db import db, writing
from portal.notices.models import InboxMessage
from portal.operations import health, work
from portal.people import audit_proof
from portal.people.staff import queries as staff_queries
from tests.factories import NOW, Town


def note(town: Town, who: str, now: datetime, verb: str = "open", **more: Any) -> None:
    audit.record(town.actor(who), verb, more.pop("kind", "staff_account"), more.pop("number", 1), now, **more)
    db.session.commit()


def summaries(page: str) -> list[str]:
    return re.findall(r"<small>([^<]+)</small></td>\s*<td class=\"diff\">", page)


@pytest.fixture
def lines(session: Any, town: Town, now: datetime) -> None:
    note(
        town,
        "A1",
        now - timedelta(days=2),
        summary="甲一的事",
        before={"name": "老名", "role": "经办人"},
        after={"name": "新名", "role": "经办人", "phone": ""},
    )
    note(town, "A1S", now - timedelta(days=1), "disable", summary="服务站的事")
    note(town, "B1", now, "reset", summary="乙一的事", kind="centre", number=77)
    note(town, "ZFB", now, summary="部门的事")
    audit.record(system_actor(), "import", "centre", None, now, summary="系统的事")
    db.session.commit()


@pytest.mark.parametrize(
    ("who", "seen"),
    [
        ("D", ["系统的事", "部门的事", "乙一的事", "服务站的事", "甲一的事"]),
        ("D-LOOK", ["系统的事", "部门的事", "乙一的事", "服务站的事", "甲一的事"]),
        ("A", ["服务站的事", "甲一的事"]),
        ("A1S", ["服务站的事"]),
        ("B2", []),
    ],
)
@pytest.mark.usefixtures("lines")
def test_each_sees_the_own_subtree(client: FlaskClient, town: Town, as_staff: Any, who: str, seen: list[str]) -> None:
    page = as_staff(client, town.staff[who]).get("/staff/audit").text
    assert summaries(page) == seen


@pytest.mark.usefixtures("lines")
def test_a_department_sees_its_own_people(client: FlaskClient, town: Town, session: Any, as_staff: Any) -> None:
    town.staff["ZFB"].role = "manager"
    session.commit()
    assert summaries(as_staff(client, town.staff["ZFB"]).get("/staff/audit").text) == ["部门的事"]


@pytest.mark.usefixtures("lines")
def test_operators_do_not(client: FlaskClient, town: Town, as_staff: Any) -> None:
    as_staff(client, town.staff["A1-OP"])
    assert client.get("/staff/audit").status_code == 403
    assert client.get("/staff/audit.csv").status_code == 403


@pytest.mark.usefixtures("lines")
@pytest.mark.parametrize(
    ("query", "seen"),
    [
        ("who=A1S", ["服务站的事"]),
        ("verb=reset", ["乙一的事"]),
        ("object=centre", ["系统的事", "乙一的事"]),
        ("object=centre&id=77", ["乙一的事"]),
        ("what=服务站", ["服务站的事"]),
        ("first=2026-11-24&last=2026-11-24", ["服务站的事"]),
        ("first=2026-11-24&last=2026-11-23", ["服务站的事", "甲一的事"]),
        ("who=%25", []),
    ],
)
def test_filters(client: FlaskClient, town: Town, as_staff: Any, query: str, seen: list[str]) -> None:
    assert summaries(as_staff(client, town.staff["D"]).get(f"/staff/audit?{query}").text) == seen


@pytest.mark.usefixtures("lines")
def test_centre_filter_stays_inside(client: FlaskClient, town: Town, as_staff: Any) -> None:
    as_staff(client, town.staff["A"])
    page = client.get(f"/staff/audit?centre={town.centres['A1S'].id}").text
    assert summaries(page) == ["服务站的事"]
    page = client.get(f"/staff/audit?centre={town.centres['B1'].id}").text
    assert "没有这个阵地" in page
    assert "乙一的事" not in page


@pytest.mark.usefixtures("lines")
def test_before_and_after_are_readable(client: FlaskClient, town: Town, as_staff: Any) -> None:
    page = as_staff(client, town.staff["A1"]).get("/staff/audit?what=甲一").text
    assert "姓名或名称：<del>老名</del> → <ins>新名</ins>" in page
    assert "角色：" not in page  # did not change
    assert "新建账户" in page
    assert "账户 #1" in page


@pytest.mark.usefixtures("lines")
def test_a_date_that_does_not_exist(client: FlaskClient, town: Town, as_staff: Any) -> None:
    page = as_staff(client, town.staff["D"]).get("/staff/audit?first=2026-02-30&id=abc&before=x&centre=x").text
    assert "“2026-02-30”不是日期" in page


def test_pages_by_id(client: FlaskClient, town: Town, session: Any, as_staff: Any, now: datetime) -> None:
    for number in range(53):
        audit.record(town.actor("A1"), "open", "staff_account", number, now, summary=f"事{number:02d}")
    session.commit()
    as_staff(client, town.staff["A1"])
    page = client.get("/staff/audit?verb=open").text
    assert len(summaries(page)) == 50
    following = re.search(r'rel="next" href="([^"]+)"', page)
    assert following
    older = client.get(following[1].replace("&amp;", "&")).text
    assert summaries(older) == ["事02", "事01", "事00"]
    assert 'rel="next"' not in older


@pytest.mark.usefixtures("lines")
def test_csv_is_scoped_and_defused(client: FlaskClient, town: Town, session: Any, as_staff: Any, now: datetime) -> None:
    note(town, "A1", now, summary="=HYPERLINK(1)")
    answer = as_staff(client, town.staff["A"]).get("/staff/audit.csv")
    assert answer.data.startswith(b"\xef\xbb\xbf")
    table = list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))
    assert [row[7] for row in table[1:]] == ["'=HYPERLINK(1)", "服务站的事", "甲一的事"]
    assert table[3][8] == "姓名或名称：老名 → 新名；电话：无 → 无"
    assert table[3][1] == "2026-11-23 10:00:00"


@pytest.mark.usefixtures("lines")
def test_number_of_queries(client: FlaskClient, town: Town, as_staff: Any, count_queries: Any) -> None:
    as_staff(client, town.staff["D"])
    client.get("/staff/audit")
    with count_queries() as seen:
        client.get("/staff/audit")
    mine = [s for s in seen if "FROM audit_log" in s]
    # The page and the words of the filter; the chain is proved at night.
    assert len(mine) == 2


@pytest.mark.usefixtures("lines")
def test_the_chain_is_proved_at_night_and_the_page_says_so(
    client: FlaskClient, town: Town, as_staff: Any, monkeypatch: Any
) -> None:
    as_staff(client, town.staff["D"])
    assert "还没有校验过" in client.get("/staff/audit").text
    newest = audit_proof.prove(NOW).upto
    page = client.get("/staff/audit").text
    assert "记录链完整" in page and f"11月25日 10:00 校验到第 {newest} 条" in page
    monkeypatch.setattr(audit_proof, "FRESH", -timedelta(seconds=1))
    assert "很久没有校验" in client.get("/staff/audit").text


@pytest.mark.usefixtures("lines")
def test_a_broken_chain_shows_and_is_told(client: FlaskClient, town: Town, as_staff: Any, session: Any) -> None:
    [daily] = [d for d in work.DAILY if d.name == "audit_check"]
    manager = town.staff["D"].id
    as_staff(client, town.staff["D"])
    assert work.run_daily(daily, NOW)
    assert health.check(NOW)["daily"]["audit_check"]["ok"]
    first = _tamper()
    assert "记录链完整" in client.get("/staff/audit").text  # as the night found it
    assert work.run_daily(daily, NOW + timedelta(days=1))
    page = client.get("/staff/audit").text
    assert "记录链断了" in page and f"第 {first} 条" in page
    assert not health.check(NOW + timedelta(days=1))["daily"]["audit_check"]["ok"]
    told = select(InboxMessage.person_id).where(InboxMessage.title == "操作记录被改动过")
    assert set(session.scalars(told)) == {manager}


@pytest.mark.usefixtures("lines")
def test_lines_taken_from_the_end_are_missed(town: Town) -> None:
    newest = audit_proof.prove(NOW).upto
    _tamper(f"DELETE FROM audit_log WHERE id = {newest}")
    assert audit_proof.prove(NOW).broken is not None


@pytest.mark.parametrize("proved", [False, True])
def test_every_verb_can_be_chosen_however_old_or_new(town: Town, session: Any, now: datetime, proved: bool) -> None:
    """Of the lines that the night has seen and of those since, not of a page's only."""
    audit.record(system_actor(), "very_old", "relic", None, now, centre_path="/1/")
    session.commit()
    if proved:
        audit_proof.prove(now)
    for number in range(600):
        audit.record(system_actor(), "usual", "thing", number, now, centre_path="/1/")
    audit.record(system_actor(), "brand_new", "novelty", None, now, centre_path="/1/")
    session.commit()
    verbs, kinds = staff_queries.audit_words(town.actor("D"), audit_proof.last())
    assert {"very_old", "usual", "brand_new"} <= set(verbs) and {"relic", "thing", "novelty"} <= set(kinds)


def _postgresql() -> bool:
    return bool(db.engine.dialect.name == "postgresql")


def _tamper(statement: str = "") -> int:
    """Somebody with the database file in his hands. Returns the first line's id, whose name it changes."""
    db.session.rollback()
    first = int(db.session.scalar(text("SELECT min(id) FROM audit_log")) or 0)
    triggers = _triggers()
    db.session.rollback()
    with writing():
        for name in triggers:
            db.session.execute(text(f"DROP TRIGGER {name}" + (" ON audit_log" if _postgresql() else "")))
        db.session.execute(text(statement or f"UPDATE audit_log SET actor_name = '别人' WHERE id = {first}"))
    return first


def _triggers() -> list[str]:
    source = (
        "SELECT tgname FROM pg_trigger WHERE tgrelid = 'audit_log'::regclass AND NOT tgisinternal"
        if _postgresql()
        else "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_log'"
    )
    return list(db.session.scalars(text(source)))
