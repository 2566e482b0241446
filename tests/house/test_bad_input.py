"""Bad input is answered in place, and nothing half-done is ever stored (SPEC Q1)."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from typing import Any

import openpyxl
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from portal.catalogue.models import APPROVED, IN_REVIEW, Entry, EntryChange, Guide, Template
from portal.core.audit import AuditLog
from portal.core.outbox import Outbox
from portal.core.states import StateHistory
from portal.people.models import Relative, Resident, StaffAccount
from portal.signup.models import SignUp
from tests.house.browser import post, send, token_of

CHANGE = "/staff/catalogue/{}/change"


@pytest.fixture(autouse=True)
def _with_tokens(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(request.getfixturevalue("app").config, "WTF_CSRF_ENABLED", True)


def count(session: Any, *models: Any) -> list[int]:
    session.rollback()
    return [session.scalar(select(func.count()).select_from(model)) for model in models]


# Places, dates -------------------------------------------------------------------------------------------------------


def change_of(entry: Entry, **changes: Any) -> dict[str, Any]:
    return {
        "title": entry.title,
        "category_id": entry.category_id,
        "sessions": "12月13日 8:30-11:00",
        "place": entry.place,
        "audience": entry.audience,
        "mode": "limited",
        "capacity": "30",
        "unit": "人",
        "content": entry.content,
        "organiser": entry.organiser,
        "contact": entry.contact,
        "phone": entry.phone,
        "reason": "场地有变",
        "version": entry.revision,
        "do": "ask",
    } | changes


@pytest.mark.parametrize(("change", "field", "said"), [
    ({"capacity": "4"}, "capacity", "5"), ({"capacity": "0"}, "capacity", "名额"),
    ({"capacity": "-3"}, "capacity", "名额"), ({"capacity": "9" * 30}, "capacity", "名额"),
    ({"capacity": "³"}, "capacity", "整数|数字"), ({"sessions": "12月13日 11:00-8:30"}, "sessions", "结束"),
    ({"sessions": "12月33日 8:30-11:00"}, "sessions", "12月"), ({"sessions": "11月1日 8:30-11:00"}, "sessions", "太远"),
    ({"reason": " "}, "reason", "原因"), ({"title": "长" * 5000}, "title", "最多"),
    ({"category_id": "99999999999"}, "category_id", ""), ({"unit": "<b>"}, "unit", ""),
])  # fmt: skip
def test_a_wrong_change_after_publication(
    client: FlaskClient,
    town: Any,
    make: Any,
    session: Any,
    as_staff: Any,
    change: dict[str, str],
    field: str,
    said: str,
) -> None:
    entry = make.entry(town.centres["A1"], taken=5)
    as_staff(client, town.operator["A1"])
    where = CHANGE.format(entry.id)
    answer = send(client, where, where, change_of(entry, content="新的内容 ✓", **change))
    assert answer.status_code == 422
    assert f'id="{field}-err"' in answer.text
    assert re.search(said, answer.text)
    assert "新的内容 ✓" in answer.text
    assert count(session, EntryChange) == [0]


def test_places_taken_between_asking_and_deciding(
    client: FlaskClient, town: Any, make: Any, session: Any, as_staff: Any
) -> None:
    entry = make.entry(town.centres["A1"], taken=5)
    as_staff(client, town.operator["A1"])
    where = CHANGE.format(entry.id)
    assert send(client, where, where, change_of(entry, capacity="5")).status_code == 303
    session.rollback()
    change = session.scalars(select(EntryChange)).one()
    session.get_one(Entry, entry.id).taken = 9
    session.commit()
    as_staff(client, town.staff["D"])
    refused = send(client, "/staff", f"/staff/catalogue/changes/{change.id}/apply", {})
    assert "9" in client.get(refused.location).text
    session.rollback()
    assert session.get_one(Entry, entry.id).capacity == 30
    assert session.get_one(EntryChange, change.id).status == "asked"
    assert count(session, Outbox)[0] == 1  # only that it was asked


@pytest.mark.parametrize(
    "month", ["2026-13", "2026-00", "０２６-12", "2026-12\n", "26-12", "9999-12", "../..", "2026-１2"]
)
def test_a_month_that_does_not_exist(client: FlaskClient, town: Any, month: str) -> None:
    from urllib.parse import quote

    for url in (f"/print/list/{quote(month)}/A1.pdf", f"/print/list/{quote(month)}/A1"):
        assert client.get(url).status_code == 404
    for url in ("/services", "/api/v1/services", "/staff/login"):
        assert client.get(f"{url}?month={quote(month)}&day={quote(month)}").status_code in {200, 400}


NUMBERS = ["-1", "1e3", "³", "9" * 30, "9" * 5000, "1.5", "NaN", "٣x", "两个", "<b>"]


@pytest.mark.parametrize("number", NUMBERS)
def test_odd_numbers_of_people(
    client: FlaskClient, town: Any, make: Any, session: Any, as_staff: Any, as_resident: Any, number: str
) -> None:
    entry = make.entry(town.centres["A1"], max_companions=3)
    as_resident(client, town.residents[0])
    page = f"/services/{entry.id}"
    answer = send(client, page, f"{page}/sign-up", {"for": "me", "companions": number})
    assert answer.status_code in {409, 422}
    assert "人数" in answer.text or "最多" in answer.text
    answer = send(client, page, f"{page}/sign-up", {"for": number})
    assert answer.status_code in {404, 409, 422}
    as_staff(client, town.operator["A1"])
    desk = f"/staff/sign-ups/{entry.id}"
    caller = {"phone": "19900000001", "name": "来电", "places": number}
    answer = send(client, desk, f"{desk}/add", caller)
    assert answer.status_code in {409, 422}
    assert "19900000001" in answer.text
    assert count(session, SignUp) == [0]


def test_full_width_numbers_are_numbers(
    client: FlaskClient, town: Any, make: Any, session: Any, as_resident: Any
) -> None:
    entry = make.entry(town.centres["A1"], max_companions=3)
    as_resident(client, town.residents[0])
    page = f"/services/{entry.id}"
    assert send(client, page, f"{page}/sign-up", {"for": "me", "companions": "２"}).status_code == 303
    session.rollback()
    assert session.scalars(select(SignUp.places)).all() == [3]


# Sent twice -----------------------------------------------------------------------------------------------------------


def twice(client: FlaskClient, page: str, url: str, data: dict[str, Any], **more: Any) -> list[Any]:
    token = token_of(client.get(page).text)
    return [post(client, page, url, data | {"csrf_token": token}, **more) for _ in range(2)]


def test_approving_returning_and_publishing_twice(
    client: FlaskClient, town: Any, make: Any, session: Any, as_staff: Any
) -> None:
    a, d = town.centres["A"], town.centres["D"]
    one, two = (make.entry(town.centres["A1"], status=IN_REVIEW, waits_at_id=a.id) for _ in range(2))
    ready = make.entry(town.centres["A1"], status=APPROVED)
    ids = [one.id, two.id, ready.id]
    as_staff(client, town.staff["A"])
    board = "/staff/catalogue?month=2026-12"
    answers = twice(client, board, f"/staff/catalogue/{ids[0]}/approve", {"version": one.revision})
    answers += twice(
        client, board, f"/staff/catalogue/{ids[1]}/return", {"reason": "时间不清", "version": two.revision}
    )
    assert all(a.status_code in {303, 409, 422} for a in answers)
    session.rollback()
    assert session.get_one(Entry, ids[0]).waits_at_id == d.id
    moves = session.execute(
        select(StateHistory.object_id, StateHistory.name).where(StateHistory.object_type == "entry")
    )
    assert sorted(moves.all()) == [(ids[0], "pass_on"), (ids[1], "return")]
    as_staff(client, town.staff["D"])
    publish = {"month": "2026-12", "sure": "1", "reason": "提前"}
    assert [a.status_code for a in twice(client, board, "/staff/catalogue/publish", publish)] == [303, 303]
    session.rollback()
    published = select(func.count()).select_from(StateHistory).where(StateHistory.name == "publish")
    assert session.scalar(published) == 1


def test_adding_people_and_accounts_twice(
    client: FlaskClient, town: Any, make: Any, session: Any, as_staff: Any, as_resident: Any
) -> None:
    entry = make.entry(town.centres["A1"])
    as_staff(client, town.staff["A1"])
    desk = f"/staff/sign-ups/{entry.id}"
    twice(client, desk, f"{desk}/add", {"phone": "19900000077", "name": "来电", "places": "2"})
    assert count(session, SignUp) == [1]
    assert session.get_one(Entry, entry.id).taken == 2
    new = {"name": "新人", "phone": "19900000078", "username": "a1-new", "role": "operator",
           "centre": town.centres["A1"].id}  # fmt: skip
    before = count(session, StaffAccount)[0]
    first, second = twice(client, "/staff/accounts/new", "/staff/accounts/new", new)
    assert (first.status_code, second.status_code) == (200, 422)
    assert "a1-new" in second.text
    assert count(session, StaffAccount) == [before + 1]
    as_resident(client, town.residents[0])
    twice(client, "/me/relatives", "/me/relatives", {"name": "王秀英", "relation": "母亲"})
    assert count(session, Relative) == [1]


# Another's record -----------------------------------------------------------------------------------------------------


def test_ids_of_others_in_forms(
    client: FlaskClient, town: Any, make: Any, session: Any, as_staff: Any, as_resident: Any, now: Any
) -> None:
    foreign = make.entry(town.centres["B1"], status=IN_REVIEW, waits_at_id=town.centres["B"].id)
    approved = make.entry(town.centres["B1"], status=APPROVED)
    entry = make.entry(town.centres["A1"])
    theirs = Relative(resident_id=town.residents[3].id, name="别人家的", relation="母亲", created_at=now)
    shelf = Template(centre_id=town.centres["B1"].id, name="乙的模板", values={}, created_at=now)
    session.add_all([theirs, shelf])
    session.commit()
    ids = {"relative": theirs.id, "template": shelf.id, "foreign": foreign.id, "approved": approved.id}
    as_resident(client, town.residents[0])
    page = f"/services/{entry.id}"
    answer = send(client, page, f"{page}/sign-up", {"for": ids["relative"]})
    assert answer.status_code in {404, 409, 422}
    assert "别人家的" not in answer.text
    as_staff(client, town.staff["A"])
    board = "/staff/catalogue?month=2026-12"
    bulk = send(client, board, "/staff/catalogue/bulk", {"do": "approve", "row": [ids["foreign"], "9" * 30, "-4"]})
    assert bulk.status_code == 303
    for url in (f"/staff/catalogue/templates/{ids['template']}/use", f"/staff/catalogue/templates/{ids['template']}/delete",
                f"/staff/catalogue/{ids['approved']}/return", f"/staff/sign-ups/{ids['approved']}/merge",
                f"/staff/accounts/{town.staff['B1'].id}/reset", f"/staff/accounts/{2**31 - 1}/disable",
                f"/staff/accounts/{10**30}/enable"):  # fmt: skip
        assert send(client, board, url, {"reason": "不是我的", "target": entry.id}).status_code == 404
    merged = send(client, board, f"/staff/sign-ups/{entry.id}/merge", {"target": ids["foreign"]})
    assert merged.status_code in {404, 409, 422}
    assert count(session, SignUp, StateHistory) == [0, 0]
    assert session.get_one(Entry, ids["foreign"]).status == IN_REVIEW
    assert session.get(Template, ids["template"]) is not None


# Strange text ---------------------------------------------------------------------------------------------------------

STRANGE = {
    "emoji": "包👨‍👩‍👧汤圆😀", "right to left": "\u202e倒过来\u202c", "zero width": "a\u200bb", "accents": "e\u0301" * 10,
    "tags": "<b>\"'&amp;", "template": "{{ 7*7 }}{% raw %}", "format": "%s %(x)s {0}", "sql": "'; DROP TABLE entry; --",
    "controls": "a\x00b\x1bc\x7fd", "line ends": "a\r\nb\rc",
}  # fmt: skip


@pytest.mark.parametrize("name", STRANGE)
def test_strange_text_is_kept_as_text(client: FlaskClient, town: Any, session: Any, as_staff: Any, name: str) -> None:
    as_staff(client, town.operator["A1"])
    text, where = STRANGE[name], "/staff/catalogue/new?month=2026-12"
    row = {"month": "2026-12", "title": text.replace("\n", " ").replace("\r", ""), "content": text, "place": "一楼",
           "category_id": town.categories["party"].id, "sessions": "12月22日 14:30-17:00", "audience": "全体居民",
           "mode": "limited", "capacity": "60", "unit": "人", "do": "save"}  # fmt: skip
    done = send(client, where, where, row)
    assert done.status_code == 303
    session.rollback()
    entry = session.scalars(select(Entry)).one()
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", entry.title + entry.content)
    if name not in {"controls", "line ends"}:
        assert (entry.title, entry.content) == (text, text)
    page = client.get(done.location).text
    assert "<b>\"'" not in page
    assert "49" not in re.findall(r"<h1[^>]*>(.*?)</h1>", page, re.DOTALL)[0]


def test_half_a_character_is_dropped(client: FlaskClient, town: Any, session: Any, as_resident: Any) -> None:
    as_resident(client, town.residents[0])
    token = token_of(client.get("/me/profile").text)
    body = f"csrf_token={token}&name=%E7%94%B2%ED%A0%80&address=%00%E6%B5%8B%E8%AF%95%FF%E8%B7%AF1%E5%8F%B7&home="
    body += str(town.centres["A1"].id)
    done = client.post("/me/profile", data=body.encode(), content_type="application/x-www-form-urlencoded")
    assert done.status_code in {303, 422}
    session.rollback()
    person = session.get_one(Resident, town.residents[0].id)
    (person.name + person.address).encode()
    assert "\x00" not in person.address


FORMULAS = (
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-1+1",
    "@SUM(1)",
    '=HYPERLINK("http://evil.example")',
    "＝1+1",
    "＋1",
    "－1",
    "＠SUM(1)",
)


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_cell_never_becomes_a_formula(
    client: FlaskClient, town: Any, make: Any, session: Any, as_staff: Any, now: Any, formula: str
) -> None:
    entry = make.entry(town.centres["A1"], title=formula, content=formula, place=formula, contact=formula)
    person = make.resident(town.centres["A1"], name=formula, address=formula)
    session.add(
        SignUp(
            entry_id=entry.id,
            resident_id=person.id,
            person_key=f"r{person.id}",
            status="confirmed",
            centre_id=entry.centre_id,
            created_at=now,
            note=formula,
        )
    )
    session.commit()
    as_staff(client, town.staff["A1"])
    desk = f"/staff/sign-ups/{entry.id}"
    texts = [
        client.get("/staff/catalogue/export.csv?month=2026-12"),
        client.get(f"{desk}/sign-ups.csv"),
        send(client, desk, f"{desk}/sign-ups.csv", {}),
        client.get("/staff/audit.csv"),
    ]
    for answer in texts:
        assert answer.status_code == 200
        for line in csv.reader(io.StringIO(answer.get_data(as_text=True).lstrip("\ufeff"))):
            assert not [c for c in line if c[:1] in ("=", "@", "＝", "＋", "－", "＠") or re.match(r"[+-]\d\+", c)]
    book = openpyxl.load_workbook(io.BytesIO(client.get("/staff/catalogue/export.xlsx?month=2026-12").data))
    assert {cell.data_type for row in book.active for cell in row if cell.value is not None} == {"s"}


# The way in -----------------------------------------------------------------------------------------------------------

OUTSIDE = ["//evil.example", "/\\evil.example", "https://evil.example/", "\\\\evil.example", "/\t/evil.example",
           "javascript:alert(1)", "http:evil.example", " //evil.example", "///evil.example", "/%0d%0aX: y\r\nX: y"]  # fmt: skip


@pytest.mark.parametrize("target", OUTSIDE)
def test_next_never_leads_outside(
    app: Flask, client: FlaskClient, town: Any, make: Any, session: Any, as_staff: Any, as_resident: Any, target: str
) -> None:
    entry = make.entry(town.centres["A1"], status=IN_REVIEW, waits_at_id=town.centres["A"].id)
    guide = Guide(
        category_id=town.categories["life-food"].id,
        title="指南",
        centre_id=town.centres["A1"].id,
        updated_at=entry.created_at,
    )
    session.add(guide)
    session.commit()
    entry_id, data = entry.id, {"next": target}
    answers = [send(client, "/login", "/elder", data | {"on": "1"})]
    answers.append(send(client, "/login", "/my-centre", data | {"centre": town.centres["A1"].id}))
    as_resident(client, town.residents[0])
    profile = {"name": "居民甲", "address": "测试花园0栋", "home": town.centres["A1"].id}
    answers.append(send(client, "/me/profile", "/me/profile", data | profile))
    answers.append(send(client, "/me/relatives", "/me/relatives", data | {"name": "王秀英", "relation": "母亲"}))
    answers.append(client.get("/login", query_string=data))
    as_staff(client, town.staff["A"])
    answers.append(client.get("/staff/login", query_string=data))
    board = "/staff/catalogue"
    answers.append(send(client, board, f"{board}/{entry_id}/approve", data))
    answers.append(send(client, board, f"{board}/bulk", data | {"do": "approve"}, headers={"HX-Request": "true"}))
    for answer in answers:
        gone = answer.headers.get("Location") or answer.headers.get("HX-Redirect") or ""
        assert answer.status_code in {200, 303}
        assert re.fullmatch(r"/([^/\\].*)?|", gone), (gone, answer.request.path)
        assert "evil" not in gone.partition("?")[0]


def test_a_chinese_target_by_htmx_is_a_legal_header(client: FlaskClient, town: Any, as_staff: Any) -> None:
    as_staff(client, town.staff["A"])
    data = {"do": "approve", "next": "/staff/catalogue?q=汤圆"}
    answer = send(client, "/staff/catalogue", "/staff/catalogue/bulk", data, headers={"HX-Request": "true"})
    assert answer.headers["HX-Redirect"] == "/staff/catalogue?q=%E6%B1%A4%E5%9C%86"


@pytest.mark.parametrize("name", [
    "../../secret_key", "..%2f..%2fsecret_key", "%2e%2e/secret_key", "....//secret_key", "/etc/passwd", "a.jpg",
    "0" * 32 + ".jpg%00.png", "0" * 32 + ".svg",
])  # fmt: skip
def test_no_way_out_of_the_picture_folder(client: FlaskClient, name: str) -> None:
    for base in ("/pictures/", "/static/", "/static/../../"):
        assert client.get(base + name, follow_redirects=True).status_code in {400, 404}


@pytest.mark.parametrize(("kind", "body"), [
    ("application/json", b'{"for": "me"}'), ("text/plain", b"for=me"), ("multipart/form-data", b"no boundary"),
    ("multipart/form-data; boundary=x", b"--x\r\nbroken"), ("application/xml", b"<a/>"), ("", b"\xff\xfe"),
])  # fmt: skip
def test_another_content_type_is_no_crash(
    app: Flask, client: FlaskClient, town: Any, make: Any, session: Any, as_resident: Any, kind: str, body: bytes
) -> None:
    entry = make.entry(town.centres["A1"])
    as_resident(client, town.residents[0])
    token = token_of(client.get(f"/services/{entry.id}").text)
    for url in ("/me/profile", f"/services/{entry.id}/withdraw", "/login", "/staff/login"):
        answer = client.post(url, data=body, content_type=kind, headers={"X-CSRFToken": token})
        assert answer.status_code in {303, 400, 404, 409, 422}
        assert "首页" in answer.text or answer.location or "<form" in answer.text
    assert count(session, SignUp) == [0]


def test_a_method_cannot_be_smuggled(client: FlaskClient, town: Any, make: Any, session: Any, as_resident: Any) -> None:
    entry = make.entry(town.centres["A1"])
    as_resident(client, town.residents[0])
    url = f"/services/{entry.id}/sign-up"
    for headers in ({"X-HTTP-Method-Override": "POST"}, {"X-Method-Override": "POST"}):
        client.get(f"{url}?_method=POST&for=me", headers=headers)
    assert client.open(url, method="DELETE").status_code == 405
    assert count(session, SignUp) == [0]


def test_the_address_is_not_what_a_header_says(client: FlaskClient, town: Any, session: Any) -> None:
    forged = {"X-Forwarded-For": "6.6.6.6", "X-Real-IP": "6.6.6.6", "Forwarded": "for=6.6.6.6"}
    answer = send(
        client, "/staff/login", "/staff/login", {"username": "a1", "password": "tulip-harbour-42"}, headers=forged
    )
    assert answer.status_code == 303
    session.rollback()
    assert session.scalars(select(AuditLog.address)).all() == ["127.0.0.1"]


def test_a_forged_host_gets_onto_no_page(client: FlaskClient, town: Any, make: Any) -> None:
    entry = make.entry(town.centres["A1"])
    forged = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    for url in ("/", "/services", f"/services/{entry.id}", "/c/A1", "/login?next=/me", "/me", "/calendar/A1.ics",
                "/api/v1/services", f"/s/{entry.id}", "/staff/login"):  # fmt: skip
        answer = client.get(url, headers=forged)
        assert b"evil.example" not in answer.data
        assert "evil.example" not in str(answer.headers)


def test_too_much_text_is_said(client: FlaskClient, town: Any, as_resident: Any, session: Any) -> None:
    as_resident(client, town.residents[0])
    home = town.centres["A1"].id
    kept = send(client, "/me/profile", "/me/profile", {"name": "长" * 3000, "address": "住" * 3000, "home": home})
    assert kept.status_code == 422
    assert "最多 40 个字" in kept.text
    huge = send(client, "/me/profile", "/me/profile", {"name": "长" * 1_000_000, "home": home})
    assert huge.status_code == 413
    assert "首页" in huge.text
    session.rollback()
    assert session.get_one(Resident, town.residents[0].id).name == "居民甲"


def test_an_offer_that_lapsed_while_the_page_was_open(
    client: FlaskClient, town: Any, make: Any, session: Any, as_resident: Any, now: Any
) -> None:
    entry = make.entry(town.centres["A1"], capacity=1, taken=1)
    person = town.residents[0]
    session.add(
        SignUp(
            entry_id=entry.id,
            resident_id=person.id,
            person_key=f"r{person.id}",
            status="offered",
            centre_id=entry.centre_id,
            created_at=now,
            accept_by=now - timedelta(minutes=1),
        )
    )
    session.commit()
    as_resident(client, person)
    page = f"/services/{entry.id}"
    answer = send(client, page, f"{page}/accept", {"answer": "yes"})
    assert answer.status_code in {409, 422}
    assert "首页" in answer.text or "返回" in answer.text or "href=" in answer.text
    session.rollback()
    assert session.scalars(select(SignUp.status)).one() == "offered"
