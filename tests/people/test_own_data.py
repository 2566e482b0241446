"""What the portal keeps of somebody, readable: a page and a PDF beside the file for programs (SPEC P8)."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.core import pdf, pdf_spool, registry, scope
from portal.people import own_words
from portal.people.actions import resident_records
from portal.people.paper import own_data
from tests.core.printed import fetched, text_of
from tests.factories import NOW, Make, Town
from tests.house import world as worlds


@pytest.fixture
def me(app: Flask, town: Town, make: Make, as_resident: Any) -> FlaskClient:
    """The first resident, of whom there is one record of every kind."""
    worlds.build(town, make)
    client: FlaskClient = as_resident(app.test_client(), town.residents[0])
    return client


@pytest.fixture
def fake_source() -> Iterator[None]:
    """A feature that comes next."""

    def source(resident_id: int) -> dict[str, Any]:
        return {"积分": [{"来源": "值班", "分数": 3, "时间": NOW.isoformat(), "有效": True, "空的": ""}], "借书": []}

    registry.personal(source)
    yield
    del registry.personal_sources[registry.name_of(source)]


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    elif value not in (None, ""):
        yield value


def bare(text: str) -> str:
    """Words alone, without marks and spaces."""
    return re.sub(r"\s+", "", html.unescape(re.sub(r"<[^>]+>", "", text)))


def exported(town: Town) -> dict[str, Any]:
    with scope.use(scope.ResidentScope(town.residents[0].id)):
        return resident_records.export_own(town.residents[0].id, NOW)


def paper(town: Town) -> str:
    job = own_data.sheets(own_data.OwnData("我", "测试区", NOW.date(), own_words.told(exported(town))))
    return job.parts[0].html


@pytest.mark.parametrize("where", ["page", "paper"])
def test_all_that_is_kept_is_told(me: FlaskClient, town: Town, fake_source: None, where: str) -> None:
    """Every source that any feature has registered, to the last value."""
    told = bare(me.get("/me/data/read").text if where == "page" else paper(town))
    data = exported(town)
    assert {"profile", "relatives", "报名", "场地预约", "评价", "消息", "积分"} <= data.keys()
    for source in registry.personal_sources.values():
        with scope.use(scope.ResidentScope(town.residents[0].id)):
            for key in source(town.residents[0].id):
                assert own_words.SECTIONS.get(key, key) in told, key
    for value in leaves({key: value for key, value in data.items() if key != own_words.MADE_AT}):
        assert bare(own_words.words(value)) in told, value
    assert "2026年11月25日10:00" in told and "借书没有" in told and "空的" not in told


def test_every_name_of_the_export_has_words(me: FlaskClient, town: Town) -> None:
    for section in own_words.told(exported(town)):
        assert re.search("[一-鿿]", section.title), section.title
        for name, _ in (line for record in section.records for line in record):
            assert re.search("[一-鿿]", name), f"{section.title}: {name}"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, ""), ("", ""), ([], ""), (True, "是"), (False, "否"), (0, "0"), (["书吧", "", "舞蹈"], "书吧；舞蹈"),
        ("2026-11-25T02:00:00+00:00", "2026年11月25日 10:00"), (datetime.fromisoformat("2026-01-01T00:00+08:00"), "2026年1月1日 0:00"),
        ({"name": "王秀英", "phone": ""}, "姓名：王秀英"), ("2026-11", "2026-11"),
    ],
)  # fmt: skip
@pytest.mark.once
def test_values_in_words(value: Any, words: str) -> None:
    assert own_words.words(value) == words


def test_strangers_and_staff_see_nothing(client: FlaskClient, town: Town, as_staff: Any) -> None:
    for url in ("/me/data/read", "/me/export.pdf"):
        assert client.get(url).location.startswith("/login")
        assert as_staff(client, town.staff["D"]).get(url).status_code in (302, 303, 403)


def test_the_page_is_kept_nowhere_and_words_stay_words(me: FlaskClient, town: Town, session: Any) -> None:
    session.rollback()  # a read transaction of before signing in could not write
    resident_records.add_relative(town.residents[0], resident_records.RelativeValues("<b>王</b>", "母亲"), NOW)
    session.commit()
    answer = me.get("/me/data/read")
    assert "no-store" in answer.headers["Cache-Control"] and "&lt;b&gt;王" in answer.text and "<b>王" not in answer.text
    assert 'href="/me/data/read"' in me.get("/me/data").text and 'href="/me/export.pdf"' in me.get("/me/data").text


def test_paper_is_made_by_the_worker_for_its_owner_alone(app: Flask, me: FlaskClient, town: Town) -> None:
    waits = me.get("/me/export.pdf")
    assert waits.status_code == 202 and waits.headers["Refresh"]
    with app.app_context():
        assert all(ticket.startswith(pdf_spool.PRIVATE) for _, ticket in pdf_spool.spool().line())
    ready = fetched(me, "/me/export.pdf")
    assert ready.status_code == 200 and ready.mimetype == "application/pdf"
    assert ready.headers["Cache-Control"] == "private, no-store"
    pages = text_of(ready.data)
    assert "第1页共" in pages[0] and town.residents[0].phone in "".join(pages)
    assert f"第{len(pages)}页共{len(pages)}页" in pages[-1] and "公开的活动" in "".join(pages)


def test_much_on_paper_goes_on_over_pages() -> None:
    records = tuple(((("活动", f"第{number}场"), ("备注", "说明" * 60))) for number in range(60))
    section = own_words.Section("报名", records)
    made = pdf.render(own_data.sheets(own_data.OwnData("张三", "测试区", NOW.date(), [section])))
    pages = text_of(made)
    assert len(pages) > 3 and "60条" in pages[0] and "第59场" in pages[-1]
