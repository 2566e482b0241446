"""Large tables are made by the worker, small ones at once (SPEC Q7, C10)."""

import csv
import io
from typing import Any

import pytest
from flask.testing import FlaskClient

from portal.core import exports, pdf_spool, registry
from portal.core.db import db
from tests.core.printed import make_all
from tests.factories import NOW, Make, Town
from tests.people.test_audit_page import note

TABLE = "/staff/catalogue/export.csv?month=2026-12"


@pytest.fixture
def listed(town: Town, make: Make) -> None:
    for name in ("A1", "A1", "B1"):
        make.entry(town.centres[name], title=f"{name}的活动")


def large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "ROWS_AT_ONCE", 1)


def titles(data: bytes) -> list[str]:
    return [line[2] for line in list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))[1:]]


def waits(answer: Any) -> str:
    """Where the waiting page goes by itself."""
    assert answer.status_code == 202 and "正在整理表格" in answer.text
    pause, _, url = answer.headers["Refresh"].partition("; url=")
    assert int(pause) >= 1 and url in answer.text.replace("&amp;", "&")
    return str(url)


@pytest.mark.usefixtures("listed")
def test_a_small_table_comes_at_once(client: FlaskClient, as_staff: Any, town: Town) -> None:
    answer = as_staff(client, town.staff["A1"]).get(TABLE)
    assert answer.status_code == 200 and titles(answer.data) == ["A1的活动"] * 2
    assert "attachment" in answer.headers["Content-Disposition"]
    assert answer.headers["Cache-Control"] == "private, no-store"


@pytest.mark.usefixtures("listed")
def test_a_large_one_is_made_by_the_worker(
    client: FlaskClient, as_staff: Any, town: Town, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    large(monkeypatch)
    made: list[Any] = []
    name = "portal.catalogue.staff.export.month_table"
    real = registry.exporters[name]
    monkeypatch.setitem(registry.exporters, name, lambda actor, asked: made.append(actor) or real(actor, asked))
    phone = as_staff(client, town.staff["D"])
    there = waits(phone.get(TABLE))
    assert waits(phone.get(there)) == there and not made  # waiting makes nothing, and keeps its place
    assert make_all(client) == 1
    answer = phone.get(there)
    assert titles(answer.data) == ["A1的活动", "A1的活动", "B1的活动"] and len(made) == 1
    assert made[0].role == "manager" and not made[0].address
    db.session.rollback()  # what this test has read so far
    make.entry(town.centres["B1"], title="后来添的")
    again = waits(phone.get(TABLE))  # asked anew it is as of now
    make_all(client)
    assert "后来添的" in titles(phone.get(again).data)


@pytest.mark.usefixtures("listed")
def test_whoever_has_the_address_gets_what_they_may_read_themselves(
    client: FlaskClient, as_staff: Any, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    large(monkeypatch)
    there = waits(as_staff(client, town.staff["D"]).get(TABLE))
    make_all(client)
    other = client.application.test_client()
    waits(as_staff(other, town.staff["A"]).get(there))
    make_all(client)
    assert titles(other.get(there).data) == ["A1的活动"] * 2


@pytest.mark.usefixtures("listed")
def test_one_that_fails_says_so(
    client: FlaskClient, as_staff: Any, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    large(monkeypatch)

    def broken(_actor: Any, _asked: Any) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setitem(registry.exporters, "portal.catalogue.staff.export.month_table", broken)
    phone = as_staff(client, town.staff["D"])
    there = waits(phone.get(TABLE))
    make_all(client)
    assert phone.get(there).status_code == 503
    assert make_all(client) == 0
    with client.application.app_context():
        pdf_spool.spool().forget_private()


def test_the_filter_of_the_audit_page_holds_in_the_worker(
    client: FlaskClient, as_staff: Any, session: Any, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    large(monkeypatch)
    for verb in ("open", "reset", "reset"):
        note(town, "A1", NOW, verb, summary=f"做了{verb}")
    phone = as_staff(client, town.staff["D"])
    there = waits(phone.get("/staff/audit.csv?verb=reset&first=2020-01-01"))
    make_all(client)
    table = phone.get(there).data.decode("utf-8-sig")
    assert table.count("做了reset") == 2 and "做了open" not in table
