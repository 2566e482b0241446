"""What protects people whatever page they are on: headers, cookies, sessions, caches, files, paper, logs."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import Any

import pytest
import structlog
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import String, Text, select
from sqlalchemy.exc import OperationalError

from portal import settings
from portal.core import access, sessions, uploads
from portal.core.db import Base, db, writing
from portal.core.outbox import Outbox
from portal.core.sessions import WebSession
from portal.notices.models import Delivery
from portal.people import queries
from tests.factories import PASSWORD
from tests.house import world as worlds
from tests.house.browser import token_of
from tests.house.test_access_matrix import routes, url

CSP = "default-src 'none'; script-src 'self'; style-src 'self'"


def test_every_answer_carries_its_headers(app: Flask, client: FlaskClient, town: Any, make: Any, as_staff: Any) -> None:
    entry = make.entry(town.centres["A1"])
    answers = [
        client.get("/"), client.get("/nowhere"), client.get("/logout"), client.get("/static/portal.css"),
        client.get("/me"), client.get(f"/services/{entry.id}/poster.pdf"), client.get(f"/services/{entry.id}/qr.png"),
        client.get("/healthz"), client.get("/api/v1/services"), client.get("/calendar/A1.ics"),
        client.post("/login", data={"phone": "1"}), client.post("/login", data=b"x" * (9 << 20)),
        client.get("/c/%00"), as_staff(client, town.staff["A1"]).get("/staff/catalogue/export.xlsx"),
    ]  # fmt: skip
    for answer in answers:
        assert answer.headers["Content-Security-Policy"].startswith(CSP)
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert {"object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"} <= set(
            answer.headers["Content-Security-Policy"].split("; ")
        )
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
        answer.close()


def test_a_fault_of_ours_is_a_page_with_headers_and_no_details(
    app: Flask, client: FlaskClient, town: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal.core import errors

    def fails() -> None:
        raise RuntimeError("secret detail 19900000000")

    fails.access = access.Access("public")  # type: ignore[attr-defined]
    monkeypatch.setitem(app.view_functions, "people.privacy", fails)
    monkeypatch.setitem(app.error_handler_spec[None][None], Exception, errors._on_any)
    answer = client.get("/privacy")
    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    assert "Traceback" not in answer.text
    assert "电话" in answer.text
    assert answer.headers["Content-Security-Policy"].startswith(CSP)


def test_a_busy_database_asks_to_press_again(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy() -> None:
        raise OperationalError("UPDATE", {}, Exception("deadlock detected"))

    busy.access = access.Access("public")  # type: ignore[attr-defined]
    monkeypatch.setitem(app.view_functions, "people.privacy", busy)
    answer = client.get("/privacy")
    assert answer.status_code == 503
    assert "再按一次" in answer.text


@pytest.mark.once
def test_behind_https_cookies_are_bound_to_the_host(tmp_path: Path) -> None:
    config = settings.from_environment({"PORTAL_HTTPS": "1", "SECRET_KEY": "x", "PORTAL_DATA_DIR": str(tmp_path)})
    assert config["SESSION_COOKIE_NAME"].startswith("__Host-")
    assert config["SESSION_COOKIE_SECURE"] is config["SESSION_COOKIE_HTTPONLY"] is True


def test_cookies_are_not_for_scripts(client: FlaskClient, town: Any) -> None:
    answer = client.post("/staff/login", data={"username": "a1", "password": PASSWORD})
    set_cookies = answer.headers.getlist("Set-Cookie")
    assert len(set_cookies) == 2
    for cookie in set_cookies:
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert "Domain" not in cookie


@pytest.mark.once
def test_no_shared_cache_keeps_a_persons_page(
    app: Flask, town: Any, make: Any, as_staff: Any, as_resident: Any
) -> None:
    world = worlds.build(town, make)
    people = {
        "staff": as_staff(app.test_client(), town.staff["A1"]),
        "resident": as_resident(app.test_client(), town.residents[0]),
    }
    wrong = []
    for audience, client in people.items():
        for rule, method, _ in routes(app, audience):
            if method == "GET":
                kept = client.get(url(app, rule, world)).headers.get("Cache-Control", "")
                if "public" in kept or not ("private" in kept or "no-store" in kept):
                    wrong.append((rule.rule, kept))
    assert not wrong


# Sessions -------------------------------------------------------------------------------------------------------------


def test_a_planted_session_is_worth_nothing_after_the_login(
    app: Flask, client: FlaskClient, town: Any, session: Any
) -> None:
    with client.session_transaction() as cookie:
        cookie["_user_id"] = "planted"
        cookie["csrf_token"] = "planted"
    client.post("/staff/login", data={"username": "a1", "password": PASSWORD})
    with client.session_transaction() as cookie:
        assert cookie["_user_id"] != "planted"
        assert cookie.get("csrf_token") != "planted"
        token = cookie["_user_id"]
    session.rollback()
    assert session.scalars(select(WebSession.id)).all() == [sessions.fingerprint(token)]


def test_what_ends_a_session_is_seen_by_the_very_next_request(
    app: Flask, client: FlaskClient, town: Any, session: Any, as_staff: Any, now: Any
) -> None:
    """The viewer is read on a connection of its own: it must see what any other connection has just committed."""
    account_id = town.staff["A1"].id
    session.rollback()
    for end in ("logout", "elsewhere", "disabled"):
        as_staff(client, town.staff["A1"])
        assert client.get("/staff/sessions").status_code == 200
        if end == "logout":
            copied = client.get_cookie("portal").value
            client.post("/staff/logout")
            client.set_cookie("portal", copied)
        elif end == "elsewhere":
            with writing():
                sessions.end_all("staff", account_id, now, "reset")
        else:
            boss = as_staff(app.test_client(), town.staff["D"])
            assert boss.post(f"/staff/accounts/{account_id}/disable").status_code == 303
        assert client.get("/staff/sessions").location.startswith("/staff/login"), end


@pytest.mark.own_database
def test_a_forked_child_reads_on_its_own_connection(
    app: Flask, town: Any, session: Any, as_staff: Any, client: FlaskClient
) -> None:
    as_staff(client, town.staff["A1"])
    with client.session_transaction() as cookie:
        mark = sessions.fingerprint(cookie["_user_id"])
    session.rollback()

    def name() -> str:
        from portal.core import clock

        row = queries.viewer_row(mark, clock.now())
        return row.staff_name if row is not None else ""

    assert name() == "A1管理员"
    child = os.fork()
    if child == 0:
        os._exit(0 if all(name() == "A1管理员" for _ in range(20)) else 1)
    assert [name() for _ in range(20)] == ["A1管理员"] * 20
    assert os.waitpid(child, 0)[1] == 0
    assert name() == "A1管理员"


def test_a_kept_page_belongs_to_nobody(app: Flask, town: Any, make: Any, as_resident: Any, monkeypatch: Any) -> None:
    """/services is rendered once for all whose frame looks alike; names and tokens stay each one's own."""
    monkeypatch.setitem(app.config, "WTF_CSRF_ENABLED", True)
    make.entry(town.centres["A1"])
    pages, clients = [], [as_resident(app.test_client(), town.residents[i]) for i in (0, 1, 3)]
    for client in [*clients, app.test_client()]:
        pages.append(client.get("/services").text)
    for page in pages:
        assert not [r.name for r in town.residents if r.name in page or r.phone in page]
    tokens = [token_of(page) for page in pages]
    assert len(set(tokens)) == 4
    for client, token in zip(clients, tokens, strict=False):
        assert client.post("/me/inbox/read", headers={"X-CSRFToken": token}).status_code in {200, 303}
    assert clients[0].post("/me/inbox/read", headers={"X-CSRFToken": tokens[1]}).status_code == 400


# Text of people -------------------------------------------------------------------------------------------------------

EVIL = "\"'><i x=1>"
CODES = re.compile(
    r"_?(id|code|status|kind|level|path|month|key|digest|file|hash|paper|unit|channel|audience|role|topic|"
    r"outcome|previous|from_status|to_status|object_type|verb|name_key|person_key|cover|username|link|icon|"
    r"password_hash|code_hash|token_hash|consent_version|actor_kind|import_row)$"
)


def _fill(session: Any, world: Any) -> int:
    """Markup in every column that holds words, of every row that is there."""
    filled = 0
    for mapper in Base.registry.mappers:
        if mapper.local_table.name in {"audit_log", "state_history", "remark", "web_session"}:
            continue
        columns = [
            c
            for c in mapper.columns
            if isinstance(c.type, String | Text)
            and not CODES.fullmatch(c.key)
            and not c.key.endswith(("_code", "_id", "_key"))
            and not c.unique
        ]
        for row in session.scalars(select(mapper.class_)):
            for column in columns:
                if getattr(row, column.key) and (column.type.length or 200) > 15:
                    filled += 1
                    setattr(row, column.key, f"{EVIL}{filled}")
    return filled


@pytest.mark.once
def test_markup_in_any_text_stays_text(
    app: Flask, town: Any, make: Any, session: Any, as_staff: Any, as_resident: Any
) -> None:
    world = worlds.build(town, make)
    clients = {
        "public": app.test_client(),
        "resident": as_resident(app.test_client(), town.residents[0]),
        "staff": as_staff(app.test_client(), town.staff["D"]),
    }
    own = as_staff(app.test_client(), town.staff["A1"])
    session.rollback()
    with writing():
        assert _fill(session, world) > 60
    seen, wrong = 0, []
    for audience, client in clients.items():
        for rule, method, _ in routes(app, audience):
            if method != "GET":
                continue
            for who in (client, own) if audience == "staff" else (client, clients["resident"]):
                address = url(app, rule, world)
                if audience == "public" and "entry_id" in rule.arguments:
                    address = address.replace(f"/{world.ids['entry_id']}", f"/{world.ids['public_entry_id']}")
                answer = who.get(address + ("?month=2026-12" if "pdf" not in address else ""))
                if answer.mimetype == "text/html":
                    seen += "&lt;i x=1&gt;" in answer.text
                    if "<i x=" in answer.text:
                        wrong.append(rule.rule)
    assert not wrong
    assert seen > 30


@pytest.mark.once
def test_paper_opens_nothing_that_a_title_names(client: FlaskClient, town: Any, make: Any) -> None:
    from tests.core.printed import fetched, text_of

    tag = "<img src=file:///etc/passwd><link rel=stylesheet href=http://127.0.0.1:9/>"
    entry = make.entry(town.centres["A1"], title=tag[:40], content=tag, place="<a href='qr:http://evil.example'>")
    for address in (f"/services/{entry.id}/poster.pdf", "/print/list/2026-12/A1.pdf"):
        answer = fetched(client, address)
        assert answer.status_code == 200
        assert answer.data.startswith(b"%PDF-")
        words = "".join(text_of(answer.data))
        assert "root:" not in words
        assert "<imgsrc=file" in words


# Files ----------------------------------------------------------------------------------------------------------------


def picture(kind: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(stream, kind)
    return stream.getvalue()


@pytest.mark.once
@pytest.mark.parametrize("data", [
    b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", b"<html><script>alert(1)</script>",
    picture("GIF"), picture("PDF"), b"", b"\xff\xd8\xff\xe0" + b"0" * 100,
])  # fmt: skip
def test_what_is_no_picture_is_refused(app: Flask, data: bytes) -> None:
    with app.app_context(), pytest.raises(uploads.PictureRefused):
        uploads.save_picture(data)


@pytest.mark.once
def test_what_hides_behind_a_picture_stays_outside(app: Flask, client: FlaskClient) -> None:
    with app.app_context():
        name = uploads.save_picture(picture("JPEG") + b"<script>alert(1)</script><?php ?>")
    answer = client.get(f"/pictures/{name}")
    assert answer.mimetype == "image/jpeg"
    assert b"script" not in answer.data
    answer.close()


# What is written down -------------------------------------------------------------------------------------------------


def test_effects_and_logs_name_nobody(
    app: Flask, client: FlaskClient, town: Any, make: Any, session: Any, as_staff: Any, as_resident: Any, capsys: Any
) -> None:
    entry = make.entry(town.centres["A1"], needs_review=True)
    person, phone = town.residents[1], "19900000088"
    names = [person.name, person.phone, person.address, phone, "来电的人", "王秀英"]
    session.rollback()
    with structlog.testing.capture_logs() as logs:
        client.post("/login", data={"phone": phone})
        client.post("/login/code", data={"code": "123456"})
        as_resident(client, person)
        client.post("/me/relatives", data={"name": "王秀英", "relation": "母亲"})
        client.post(f"/services/{entry.id}/sign-up", data={"for": "me"})
        client.get(f"/services?q={phone}")
        as_staff(client, town.staff["A1"])
        client.post(f"/staff/sign-ups/{entry.id}/add", data={"phone": phone, "name": "来电的人", "places": "1"})
        as_staff(client, town.staff["D"])
        shown = client.post(f"/staff/accounts/{town.staff['A1'].id}/reset").text
    session.rollback()
    rows = session.execute(select(Outbox.topic, Outbox.key, Outbox.payload)).all()
    assert {row.topic for row in rows} >= {"signup.received", "people.account_notice"}
    sent = session.scalars(select(Delivery.body).where(Delivery.kind == "login_code")).one()
    code = re.findall(r"\d{6}", sent)[0]
    secret = re.findall(r"<(?:code|output|strong|b)[^>]*>([\w-]{8,})<", shown)
    written = f"{rows} {logs} {capsys.readouterr()}"
    assert not [word for word in [*names, code, *secret] if word in written]
    db.session.rollback()
