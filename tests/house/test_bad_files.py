"""Files that are not what they should be: said beside the field, nothing by halves (SPEC Q1, C7, N2)."""

from __future__ import annotations

import io
import re
import zipfile
from typing import Any

import openpyxl
import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from portal.catalogue.models import Entry, PlanImport
from portal.centres.models import Centre
from tests.house.browser import post, send, token_of

pytestmark = pytest.mark.once

IMPORT = "/staff/catalogue/import"


@pytest.fixture(autouse=True)
def _with_tokens(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(request.getfixturevalue("app").config, "WTF_CSRF_ENABLED", True)


def count(session: Any, *models: Any) -> list[int]:
    session.rollback()
    return [session.scalar(select(func.count()).select_from(model)) for model in models]


def zipped(**parts: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), data)
    return stream.getvalue()


# Files ----------------------------------------------------------------------------------------------------------------

FILES = {
    "empty": (b"", "选择一个 Excel 文件|空"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + b"0" * 50, "不是 Excel 文件"),
    "an old or locked workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600, "另存为|密码"),
    "half a download": (zipped(xl__workbook_xml=b"<workbook/>")[:60], "打不开"),
    "a letter": (zipped(word__document_xml=b"<doc/>"), "不是 Excel"),
    "a bomb": (zipped(xl__workbook_xml=b"<workbook/>", xl__a_xml=b"0" * 30_000_000), "解开后太大"),
    "a doctype": (zipped(xl__workbook_xml=b"<!DOCTYPE a [<!ENTITY b 'c'>]><workbook/>"), "打不开"),
    "nine megabytes": (b"PK\x03\x04" + b"0" * 9_000_000, "8 MB|太大"),  # lies on disk while it is read
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_plan(client: FlaskClient, town: Any, session: Any, as_staff: Any, name: str) -> None:
    as_staff(client, town.operator["A1"])
    data, said = FILES[name]
    fields = {"month": "2026-12", "centre": town.centres["A1"].id, "file": (io.BytesIO(data), "../../计划\x00.xlsx")}
    answer = send(client, IMPORT, IMPORT, fields)
    assert answer.status_code == 422
    assert re.search(said, answer.text)
    assert 'id="file-err"' in answer.text
    answer.request.environ["wsgi.input"].close()  # the test client leaves its temporary file to the collector
    assert count(session, PlanImport, Entry) == [0, 0]


def workbook(*rows: tuple[Any, ...]) -> io.BytesIO:
    book = openpyxl.Workbook()
    head = ("序号", "服务类别", "服务名称", "服务内容", "服务时间", "服务对象", "服务地点", "名额", "联系人及电话")
    for row in (("甲一社区12月服务清单",), head, *rows):
        book.active.append(row)
    stream = io.BytesIO()
    book.save(stream)
    stream.seek(0)
    return stream


ROWS = {
    "no such day": ("12月32日 9:00-10:00", "30人"), "no such day in February": ("2月30日 9:00-10:00", "30人"),
    "end before start": ("12月5日 15:00-14:00", "30人"), "no time at all": ("另行通知", "30人"),
    "no places": ("12月5日 9:00-10:00", "0人"), "fewer than none": ("12月5日 9:00-10:00", "-5"),
    "too many": ("12月5日 9:00-10:00", "99999999999999999999人"), "words": ("12月5日 9:00-10:00", "若干（<b>见通知</b>）"),
    "a formula": ("=HYPERLINK(\"http://evil.example\")", "30人"),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_a_wrong_row_is_named_and_the_good_one_still_comes(
    client: FlaskClient, town: Any, session: Any, as_staff: Any, name: str
) -> None:
    as_staff(client, town.operator["A1"])
    when, places = ROWS[name]
    bad = (1, "党群服务", "<i>坏行</i>", "内容", when, "全体居民", "一楼", places, "陈社工 0755-84200001")
    good = (2, "党群服务", "好行", "内容", "12月6日 9:00-10:00", "全体居民", "一楼", "30人", "陈社工 0755-84200001")
    fields = {"month": "2026-12", "centre": town.centres["A1"].id, "file": (workbook(bad, good), "计划.xlsx")}
    url = send(client, IMPORT, IMPORT, fields).location
    page = client.get(url).text
    assert "<i>坏行" not in page
    assert "<b>见通知" not in page
    assert "要改 <b>1</b>" in page
    # Ticked by hand all the same, or with a row that is not in the file: refused as a whole, nothing by halves.
    for rows in (["1", "2"], ["2", "77"], ["2", "-1"], ["9" * 30]):
        refused = send(client, url, f"{url}/take", {"row": rows})
        assert refused.status_code == 303
        assert count(session, Entry) == [0]
    numbers = re.findall(r'name="row" value="(\d+)"[^>]* checked', page)
    token = token_of(client.get(url).text)
    for _ in range(2):  # the button pressed twice
        assert post(client, url, f"{url}/take", {"row": numbers, "csrf_token": token}).status_code == 303
    session.rollback()
    assert session.scalars(select(Entry.title)).all() == ["好行"]


CSV = "code,name,level,kind,parent_code,note\n"


@pytest.mark.parametrize("text", [
    CSV + "A9,甲九,community,community,A,\nA9,甲九,community,community,A,\n",
    CSV + "A9,甲九,community,community,A9,\n",
    CSV + "A9,甲九,community,community,A,\nA8,,community,community,A,\n",
    CSV + f"A9,{'长' * 500},community,community,A,\n",
    CSV + f"{'A' * 200},甲九,community,community,A,\n",
    CSV + "A9,甲九\n", CSV, "", "\x00\x01", "a" * 200_000, CSV + '"A9,甲九,community,community,A,\n',
])  # fmt: skip
def test_a_wrong_tree_changes_nothing(client: FlaskClient, town: Any, session: Any, as_staff: Any, text: str) -> None:
    as_staff(client, town.staff["D"])
    before = count(session, Centre)
    where = "/staff/centres/import"
    answer = send(client, where, where, {"file": (io.BytesIO(text.encode()), "u.csv")})
    if answer.status_code != 422:  # a table, whose wrong rows are shown one by one
        page = client.get(answer.location).text
        assert answer.status_code == 303 and "一行也没有导入" in page and 'class="bad"' in page
        send(client, answer.location, f"{answer.location}/take", {"seen": ""})
    assert count(session, Centre) == before


def test_control_characters_in_a_tree_are_left_out(client: FlaskClient, town: Any, session: Any, as_staff: Any) -> None:
    as_staff(client, town.staff["D"])
    where, text = "/staff/centres/import", CSV + "A9,甲\x00九\x1f社区党群服务中心,community,community,A,\n"
    answer = send(client, where, where, {"file": (io.BytesIO(text.encode()), "u.csv")})
    seen = re.findall(r'name="seen" value="(\w+)"', client.get(answer.location).text)
    assert send(client, answer.location, f"{answer.location}/take", {"seen": seen[0]}).status_code == 303
    session.rollback()
    assert session.scalars(select(Centre.name).where(Centre.code == "A9")).one() == "甲九社区党群服务中心"
