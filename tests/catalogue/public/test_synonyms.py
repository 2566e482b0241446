"""The district's own words for things: kept on a page, used at once by every process (SPEC C9)."""

from __future__ import annotations

import re
from datetime import date, time, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.catalogue import synonyms
from portal.catalogue.models import SynonymList
from portal.catalogue.public import month_snapshot
from portal.core import clock
from portal.core.audit import AuditLog
from portal.core.db import db
from tests.factories import NOW

PAGE = "/staff/guides/words"


@pytest.fixture
def staff(app: Any, town: Any, as_staff: Any) -> Any:
    """A browser of its own for whoever manages a centre."""
    return lambda code: as_staff(app.test_client(), town.staff[code])


@pytest.fixture(autouse=True)
def _list(town: Any, make: Any) -> None:
    month_snapshot.forget()
    start = clock.at(date(2026, 11, 28), time(9))
    for title in ("便民义剪", "客家山歌会", "长者饭堂开放日"):
        make.entry(town.centres["A1"], [(start, start + timedelta(hours=1))], title=title, content="", audience="居民")


def found(client: FlaskClient, q: str) -> list[str]:
    page = client.get("/services", query_string={"q": q}).get_data(as_text=True)
    assert q in page
    if "没有找到合适的服务" in page:
        return []
    return re.findall(r'class="act(?: dim)?".*?<strong>([^<]*)</strong>', page, re.DOTALL)


def kept(column: Any, *where: Any) -> Any:
    """As it is in the database now."""
    db.session.rollback()
    return db.session.scalar(select(column).where(*where))


def save(client: FlaskClient, text: str, version: int = 0) -> Any:
    return client.post(PAGE, data={"text": text, "version": str(version)})


def test_what_is_saved_finds_at_once_and_what_is_taken_away_no_more(client: FlaskClient, staff: Any) -> None:
    boss = staff("D")
    assert found(client, "推头") == [] and found(client, "山歌剧") == []
    assert save(boss, "推头 理发\n山歌剧 山歌").status_code == 303
    # Joined to the profile's 理发 = 义剪, in either direction; what others had kept of the search is no longer shown.
    assert found(client, "推头") == ["便民义剪"] and found(client, "山歌剧") == ["客家山歌会"]
    assert save(boss, "山歌剧 山歌", 1).status_code == 303
    assert found(client, "推头") == [] and found(client, "山歌剧") == ["客家山歌会"]


def test_another_process_hears_of_it(client: FlaskClient, session: Any) -> None:
    """Nothing but the row is needed: a process that did not write it reads it with its next search."""
    assert found(client, "推头") == []
    session.add(SynonymList(id=1, text="推头 理发", version=1))
    session.commit()
    assert found(client, "推头") == ["便民义剪"]


def test_guides_know_it_too(client: FlaskClient, town: Any, session: Any) -> None:
    from portal.catalogue.models import Guide

    session.add(Guide(category_id=town.categories["life-food"].id, title="哪里义剪", updated_at=NOW))
    session.add(SynonymList(id=1, text="推头 理发", version=1))
    session.commit()
    assert "哪里义剪" in client.get("/guides?q=推头").get_data(as_text=True)


REFUSED = {
    "推头": "一个词",
    "推头 推头": "一个词",
    "飞 理发": "太短",
    "这个词实在是写得太长了一点 理发": "太长",
    "推头 理发\n义剪 理发": "在第 1 行已经有了",
    " ".join(f"词语{n}" for n in range(synonyms.MOST_IN_LINE + 1)): "一行最多",
    "\n".join(f"词语{n} 说法{n}" for n in range(synonyms.MOST_LINES + 1)): "最多 200 行",
    "长 " * 4500: "太长了",
}


@pytest.mark.parametrize("typed", REFUSED, ids=REFUSED.values())
def test_what_cannot_be_used_says_the_line_and_keeps_what_was_typed(staff: Any, typed: str) -> None:
    answer = save(staff("D"), typed)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422 and REFUSED[typed] in page and typed.split(maxsplit=1)[0] in page
    assert kept(SynonymList.id) is None


def test_signs_blanks_and_empty_lines_do_not_matter(staff: Any) -> None:
    assert save(staff("D"), "\n 推頭　理发！ \n\nＷＩＦＩ 无线网\n").status_code == 303
    assert kept(SynonymList.text) == "推头 理发\nwifi 无线网"


def test_two_at_once_lose_nothing(staff: Any) -> None:
    boss = staff("D")
    assert save(boss, "推头 理发").status_code == 303
    late = save(boss, "山歌剧 山歌")
    page = late.get_data(as_text=True)
    assert late.status_code == 422
    assert "别人刚刚改过" in page and "山歌剧 山歌" in page
    assert kept(SynonymList.text) == "推头 理发"


@pytest.mark.parametrize("who", ["A", "A1", "ZFB"])
def test_only_the_top_sets_it_all_see_it(staff: Any, who: str) -> None:
    other = staff(who)
    page = other.get(PAGE).get_data(as_text=True)
    assert "<textarea" not in page and "统一发布清单的上级" in page
    assert save(other, "推头 理发").status_code in (403, 422)
    assert kept(SynonymList.id) is None


def test_it_is_in_the_audit_log(staff: Any) -> None:
    save(staff("D"), "推头 理发")
    line = kept(AuditLog.after, AuditLog.verb == "set_synonyms")
    assert line == {"lines": ["推头 理发"]}


def test_saving_the_same_writes_nothing(staff: Any) -> None:
    boss = staff("D")
    save(boss, "推头 理发"), save(boss, "推头 理发", 1)
    assert kept(SynonymList.version) == 1
