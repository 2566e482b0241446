"""Twelve marks of one person, planted through the pages, are nowhere after erasing and the next night (SPEC P8, PIPL 47).

Looked for in every table, in the database's files byte by byte, in the data directory with kept documents, in the logs;
and once more after an older backup, which knows the person, was restored.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import select, text

from portal.core import attachments, clock, logs, scope, uploads
from portal.core.access import Actor
from portal.core.audit import AuditLog
from portal.core.db import db, is_sqlite, writing
from portal.feedback.actions import Ask, invite
from portal.feedback.models import CallBack, Evaluation
from portal.notices.models import Delivery, InboxMessage
from portal.operations import backup, work
from portal.people.models import Resident
from portal.signup.models import SignUp
from portal.venues.models import Booking
from tests import marks
from tests.factories import NOW, Make, Town

pytestmark = pytest.mark.own_database

ALBUM = attachments.Album("canary", 5)  # as a later feature keeps what residents send
VOICE = b"OggS\x00" + bytes(range(7, 200))


def picture() -> bytes:
    stream = io.BytesIO()
    Image.effect_noise((60, 40), 90).convert("RGB").save(stream, "PNG")
    return stream.getvalue()


@dataclass
class Canary:
    """What is planted, by kind. picture: as it is stored, that is encoded anew."""

    words: dict[str, str] = field(default_factory=lambda: {
        "name": "葛万里", "phone": "13912345678", "address": "碧落苑七栋", "relative": "葛小满", "note": "坐轮椅来的",
        "reason": "那天要去透析", "title": "金婚答谢宴", "message": "厨房的门总锁着", "search": "寻找助听器电池",
        "file name": "葛家全家福",
    })  # fmt: skip
    picture: bytes = b""
    voice: bytes = VOICE

    def __getitem__(self, kind: str) -> str:
        return self.words[kind]

    def all(self) -> dict[str, str | bytes]:
        return {**self.words, "picture": self.picture, "voice": self.voice}

    def found(self, *places: bytes) -> list[str]:
        return [kind for kind, mark in self.all().items() if mark and marks.left([mark], *places)]


@dataclass
class Stage:
    """The town, its pages, and where everything is kept."""

    app: Flask
    town: Town
    make: Make
    folders: list[Path]
    log: Callable[[], str]
    home: int = 0
    canary: Canary = field(default_factory=Canary)

    def everywhere(self) -> list[bytes]:
        return [marks.tables(), marks.files(*self.folders), self.log().encode()]

    def visitor(self) -> FlaskClient:
        return self.app.test_client()


@pytest.fixture
def log(app: Flask, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """Everything that is logged, by structlog and by libraries."""
    stream = io.StringIO()
    with monkeypatch.context() as patch:
        patch.setattr("sys.stderr", stream)
        logs.init_app(app)
    caplog.set_level(logging.INFO)
    yield lambda: stream.getvalue() + caplog.text
    logs.init_app(app)


@pytest.fixture
def stage(
    app: Flask, session: Any, town: Town, make: Make, tmp_path: Path, monkeypatch: Any, log: Any
) -> Iterator[Stage]:
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.setitem(app.config, "DATA_DIR", data)
    folders = [data] + ([Path(str(db.engine.url.database))] if is_sqlite() else [])
    stage = Stage(app, town, make, folders, log, town.centres["A1"].id)
    if is_sqlite():
        file = Path(str(db.engine.url.database))
        stage.folders = [data]
        stage.everywhere = lambda: [  # type: ignore[method-assign]
            marks.tables(), marks.files(data), log().encode(),
            *(file.with_name(file.name + end).read_bytes() for end in ("", "-wal") if file.with_name(file.name + end).exists()),
        ]  # fmt: skip
    session.rollback()
    yield stage
    db.session.remove()


def registered(stage: Stage) -> FlaskClient:
    """Signs in with the code that was sent, and fills in the form."""
    me, canary = stage.visitor(), stage.canary
    me.post("/login", data={"phone": canary["phone"]})
    with alone():
        sent = db.session.scalars(select(Delivery.body).where(Delivery.recipient == canary["phone"])).one()
    code = re.search(r"\d{6}", sent)
    assert code
    assert me.post("/login/code", data={"code": code[0]}).location.startswith("/register")
    home = str(stage.home)
    form = {"name": canary["name"], "address": canary["address"], "home": home, "agree": "y"}
    assert me.post("/register", data=form).status_code == 303
    form = {"name": canary["relative"], "relation": "母亲", "birth_year": "1932", "phone": ""}
    assert me.post("/me/relatives", data=form).status_code == 303
    return me


@contextmanager
def alone() -> Iterator[None]:
    """No transaction of the test's own is open before and after."""
    db.session.rollback()
    with scope.system("canary"):
        yield
    db.session.rollback()


def fresh(statement: Any) -> list[Any]:
    """What the database holds now, and no transaction left open."""
    db.session.rollback()
    rows = list(db.session.scalars(statement))
    db.session.rollback()
    return rows


def staff(stage: Stage, who: str, as_staff: Any) -> FlaskClient:
    boss: FlaskClient = as_staff(stage.visitor(), stage.town.staff[who])
    return boss


def plant_sign_ups(stage: Stage, boss: FlaskClient) -> None:
    """By telephone for a relative with a note, and refused with a reason; the roster is printed and waits to be."""
    canary, entry = stage.canary, stage.make.entry(stage.town.centres["A1"])
    base = f"/staff/sign-ups/{entry.id}"
    form = {"phone": canary["phone"], "name": canary["name"], "relative": canary["relative"], "places": "1",
            "note": canary["note"]}  # fmt: skip
    assert boss.post(f"{base}/add", data=form).status_code == 303
    assert boss.get(f"{base}/roster.pdf").status_code == 202
    [number] = fresh(select(SignUp.id).where(SignUp.entry_id == entry.id))
    assert boss.post(f"{base}/{number}/phone").status_code == 200
    assert boss.post(f"{base}/{number}/withdraw", data={"reason": canary["reason"]}).status_code == 303


def plant_bookings(stage: Stage, me: FlaskClient, boss: FlaskClient) -> None:
    """One that is decided above with a reason and a note about it, one that lies ahead."""
    canary, room = stage.canary, stage.make.venue(stage.town.centres["A1"], needs_approval=True, functions=[])
    for day in ("2026-11-27", "2026-11-28"):
        form = {"day": day, "start": "14:00", "end": "15:00", "people": "5", "title": canary["title"]}
        assert me.post(f"/venues/{room.id}/book", data=form).status_code == 303
    first, _second = fresh(select(Booking.id).order_by(Booking.id))
    base = f"/staff/venues/bookings/{first}"
    assert boss.post(f"{base}/hand-up", data={"reason": canary["reason"]}).status_code == 303
    assert (
        boss.post(f"{base}/note", data={"body": f"{canary['name']}（{canary['phone']}）{canary['note']}"}).status_code
        == 303
    )
    assert boss.post(f"{base}/phone").status_code == 200
    photo = {"photo": (io.BytesIO(picture()), f"{canary['file name']}.png"), "caption": "门口"}
    assert boss.post(f"/staff/venues/rooms/{room.id}/photos", data=photo).status_code == 303


def plant_words(stage: Stage, me: FlaskClient, boss: FlaskClient) -> None:
    """A low answer with words, handed up and answered; and what was looked for."""
    canary, home = stage.canary, stage.home
    with writing():
        person = db.session.scalars(select(Resident).where(Resident.phone == canary["phone"])).one()
        invite([Ask("test", 1, "g", home, person.id, None, "书法课", "昨天", canary["name"])], NOW)
        token = db.session.scalars(select(Evaluation.token)).one()
    assert me.post(f"/rate/{token}", data={"stars": "1"}).status_code == 303
    assert me.post(f"/rate/{token}/more", data={"words": canary["message"]}).status_code == 303
    [call] = fresh(select(CallBack.id))
    work.sweep(NOW)
    base = f"/staff/feedback/call-backs/{call}"
    assert boss.post(f"{base}/try", data={"reason": canary["reason"]}).status_code == 303
    closing = {"outcome": "已解决", "reason": f"{canary['name']}：{canary['reason']}"}
    assert boss.post(f"{base}/close", data=closing).status_code == 303
    for address in ("/services", "/venues", "/venues/find"):
        me.get(address, query_string={"q": canary["search"]})
    assert canary["search"] in me.get("/services", query_string={"q": canary["search"]}).text
    lost = {"title": canary["title"], "needs": canary["address"]}
    assert stage.visitor().post("/me/relatives", data=lost).status_code in (
        303,
        401,
    )  # a session that ended while typing


def plant_files(stage: Stage) -> None:
    """A picture and a voice of the resident, by the code that all features share."""
    [number] = fresh(select(Resident.id).where(Resident.phone == stage.canary["phone"]))
    actor = Actor("resident", number, stage.canary["name"])
    name = ALBUM.picture(picture())
    stage.canary.picture = (uploads.folder() / name).read_bytes()
    (uploads.folder() / "voice.ogg").write_bytes(stage.canary.voice)
    with writing(), scope.system("canary"):
        for file in (name, "voice.ogg"):
            ALBUM.add(actor, 1, stage.home, file, stage.canary["file name"], NOW)


def planted(stage: Stage, as_staff: Any) -> FlaskClient:
    """All twelve; the resident's own browser."""
    me, boss = registered(stage), staff(stage, "A1", as_staff)
    with alone():
        plant_sign_ups(stage, boss)
        plant_bookings(stage, me, boss)
        plant_words(stage, me, boss)
        plant_files(stage)
        work.sweep(NOW)
    return me


def night(stage: Stage, days: int = 0) -> None:
    """The tick a minute later, and what the night does."""
    now = NOW + timedelta(days=days)
    with alone(), clock.frozen(now + timedelta(minutes=1)):
        assert -1 not in work.tick(clock.now())[0].values()
    with alone(), clock.frozen(now + timedelta(hours=20)):
        for daily in work.DAILY:
            assert work.run_daily(daily, clock.now())
        assert all(result["ok"] for result in work.daily_results().values())
        db.session.remove()


def leave(me: FlaskClient) -> None:
    assert me.post("/me/erase", data={"sure": "y"}).location == "/erased"


def test_twelve_marks_of_one_person_are_gone(stage: Stage, as_staff: Any) -> None:
    me = planted(stage, as_staff)
    there = stage.canary.found(*stage.everywhere())
    assert set(stage.canary.all()) - set(there) == {"search"}  # a search is kept nowhere
    told = me.get("/me/export.json").text
    assert {kind for kind in stage.canary.words if stage.canary[kind] not in told} == {"search"}
    leave(me)
    night(stage)
    assert stage.canary.found(*stage.everywhere()) == []
    # The facts stay: who did what when, how many, and that the chain of the log holds.
    with alone():
        assert {row.status for row in db.session.scalars(select(Booking))} == {"withdrawn"}
        assert db.session.scalars(select(Evaluation.stars)).one() == 1
        assert "booking.hand_up" in db.session.scalars(select(AuditLog.verb)).all()


def test_an_older_backup_does_not_bring_them_back(stage: Stage, as_staff: Any, tmp_path: Path) -> None:
    me = planted(stage, as_staff)
    file = tmp_path / "kept" / "older.tar"
    with alone():
        backup.write(file, NOW)
    leave(me)
    night(stage)
    with alone():
        done = backup.restore(file, NOW + timedelta(days=1))
    assert done[backup.ERASED_AGAIN] == 1
    night(stage, days=1)
    assert stage.canary.found(*stage.everywhere()) == []


def test_the_next_one_with_the_number_finds_nothing(stage: Stage, as_staff: Any) -> None:
    """Neither messages nor sign-ups of whoever had the number before."""
    me = planted(stage, as_staff)
    leave(me)
    night(stage)
    with alone():
        old = db.session.scalars(select(Resident.id).where(Resident.erased_at.is_not(None))).one()
        left = db.session.scalars(select(InboxMessage).where(InboxMessage.person_id == old)).all()
        assert [row.title for row in left if row.audience == "resident"] == []


def test_errors_name_nobody_in_logs_and_rows(stage: Stage) -> None:
    """What was to be written stands in no error, on either database; numbers are masked wherever they come from."""
    with alone():
        for phone in ("13912345678", "13912345678"):
            try:
                with writing():
                    insert = "INSERT INTO resident (name, phone, address, groups, quiet, consent_version, elder_mode, " \
                        "created_at) VALUES (:name, :phone, '', '[]', '{}', '', false, '2026-11-25')"  # fmt: skip
                    db.session.execute(text(insert), {"name": stage.canary["name"], "phone": phone})
            except Exception as error:
                work.log.exception("probe", error=repr(error), phone=phone)
                said = logs.impersonal(repr(error))
    assert "probe" in stage.log() and "IntegrityError" in said
    assert stage.canary.found(stage.log().encode(), said.encode()) == []
