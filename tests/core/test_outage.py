"""Database away, disk full, nothing can be written: 503 with a sentence and when to come again; then all goes on."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from portal import create_app
from portal.core import outage
from portal.core.db import db
from portal.people.models import Resident
from tests.conftest import KIND
from tests.factories import Town

ADDED = {"name": "张小花", "relation": "子女", "birth_year": "2015", "phone": ""}


class Disk:
    """What the app's transactions meet: may_write, or read only; full: no page more (SQLite's own way to say so)."""

    may_write, full = True, False

    def begun(self, connection: Any) -> None:
        if KIND == "postgresql":
            if not self.may_write:
                connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            return
        connection.exec_driver_sql(f"PRAGMA query_only={'OFF' if self.may_write else 'ON'}")
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar() if self.full else 1_000_000
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")


@pytest.fixture
def disk(app: Flask) -> Iterator[Disk]:
    found = Disk()
    with app.app_context():
        engine = db.engine
    event.listen(engine, "begin", found.begun)
    yield found
    event.remove(engine, "begin", found.begun)


def says(answer: Any, sentence: str) -> None:
    assert answer.status_code == 503, answer.text[-500:]
    assert sentence in answer.text and "没有留下一半" in answer.text
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.own_database
def test_nothing_can_be_written_and_then_it_can(
    client: FlaskClient, app: Flask, town: Town, as_resident: Any, disk: Disk
) -> None:
    as_resident(client, town.residents[0])
    disk.may_write = False
    says(client.post("/me/relatives", data=ADDED), "现在存不进去")
    assert client.get("/services").status_code == 200
    disk.may_write = True
    assert client.post("/me/relatives", data=ADDED).status_code == 303
    db.session.rollback()
    assert db.session.scalar(text("SELECT count(*) FROM relative WHERE name = '张小花'")) == 1


@pytest.mark.own_database
@pytest.mark.skipif(KIND != "sqlite", reason="PostgreSQL's disk is filled by tests/faults")
def test_a_full_disk_stores_no_half(client: FlaskClient, town: Town, as_resident: Any, disk: Disk) -> None:
    as_resident(client, town.residents[0])
    disk.full = True
    answers = [client.post("/me/relatives", data=ADDED | {"name": chr(0x4E00 + n) * 18}) for n in range(200)]
    refused = [answer for answer in answers if answer.status_code == 503]
    assert refused, {answer.status_code for answer in answers}
    for answer in refused:
        says(answer, "现在存不进去")
    disk.full = False
    assert client.post("/me/relatives", data=ADDED).status_code == 303
    db.session.rollback()
    stored = db.session.scalar(text("SELECT count(*) FROM relative"))
    assert stored == len(answers) - len(refused) + 1
    assert db.session.scalar(text("PRAGMA integrity_check")) == "ok"


@pytest.mark.parametrize("words", ["database or disk is full", "disk I/O error"])
def test_a_commit_that_fails_is_the_same(
    client: FlaskClient, app: Flask, town: Town, as_resident: Any, monkeypatch: Any, words: str
) -> None:
    """Flask brings what goes wrong after the view to its last handler."""
    as_resident(client, town.residents[0])
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)

    def fails(_session: Session) -> None:
        raise OperationalError("COMMIT", {}, Exception(words))

    event.listen(Session, "before_commit", fails)
    try:
        says(client.post("/me/relatives", data=ADDED), "现在存不进去")
    finally:
        event.remove(Session, "before_commit", fails)
    db.session.rollback()
    assert db.session.scalar(text("SELECT count(*) FROM relative WHERE name = '张小花'")) == 0
    assert client.post("/me/relatives", data=ADDED).status_code == 303


@pytest.mark.once
@pytest.mark.parametrize(
    ("gone", "sentence"),
    [
        ("postgresql+psycopg://x@127.0.0.1:1/x?connect_timeout=2", "暂时用不了"),
        ("sqlite:////no/such/folder/x.db", "现在存不进去"),
    ],
)
@pytest.mark.parametrize("htmx", [False, True])
def test_a_database_that_is_away(app: Flask, gone: str, sentence: str, htmx: bool) -> None:
    """For everybody, signed in or not: the error page itself asks it for nothing."""
    lonely = create_app({
        "TESTING": True, "SECRET_KEY": "tests only", "SQLALCHEMY_DATABASE_URI": gone, "DATA_DIR": app.config["DATA_DIR"],
        "REDIS_URL": app.config["REDIS_URL"], "RATELIMIT_ENABLED": False, "WTF_CSRF_ENABLED": False,
    })  # fmt: skip
    client = lonely.test_client()
    with client.session_transaction() as cookie:
        cookie["_user_id"] = "somebody"
    headers = {"HX-Request": "true"} if htmx else {}
    for answer in (
        client.get("/", headers=headers), client.get("/services", headers=headers),
        client.post("/login", data={"phone": "19900000000"}, headers=headers), client.get("/staff", headers=headers),
    ):  # fmt: skip
        says(answer, sentence)
        assert ("<html" in answer.text) is not htmx
    report = lonely.test_client().get("/readyz").json
    assert (report["status"], report["failing"][0]) == ("down", "database")
    assert report["database"]["why"] == ("disk" if "sqlite" in gone else "database")


@pytest.mark.own_database
@pytest.mark.skipif(KIND != "postgresql", reason="SQLite has no connection to lose")
def test_connections_that_are_cut_are_made_anew(client: FlaskClient, town: Town) -> None:
    assert client.get("/services").status_code == 200
    db.session.rollback()
    db.session.execute(text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid()"
    ))  # fmt: skip
    db.session.commit()
    assert client.get("/services").status_code == 200
    assert db.session.scalar(select(func.count()).select_from(Resident)) == 5


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_file_that_cannot_be_written(
    client: FlaskClient, app: Flask, town: Town, as_resident: Any, monkeypatch: Any, number: int
) -> None:
    as_resident(client, town.residents[0])

    def fails(*_: Any, **__: Any) -> None:
        raise OSError(number, "no")

    monkeypatch.setitem(app.view_functions, "people.relatives", _declared(app, fails))
    says(client.get("/me/relatives"), "现在存不进去")


def _declared(app: Flask, view: Any) -> Any:
    view.access = app.view_functions["people.relatives"].access  # type: ignore[attr-defined]
    return view


@pytest.mark.once
def test_what_is_no_outage() -> None:
    assert outage.of(OSError(errno.ENOENT, "no")) is None
    assert outage.of(OperationalError("", {}, Exception("no such table: x"))) is None
    assert outage.of(ValueError()) is None
