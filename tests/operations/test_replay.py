"""Erasures after a backup are done again when it comes back, whatever of the list is lost on the way (SPEC P8)."""

from __future__ import annotations

import re
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text

from portal.core import scope
from portal.core.access import Actor
from portal.core.audit import AuditLog
from portal.core.db import db, empty_log, rebuild, writing
from portal.operations import backup, replay, work
from portal.people.actions import erasure_list, resident_records
from portal.people.models import Resident
from tests.conftest import KIND
from tests.factories import NOW, Town

pytestmark = pytest.mark.own_database
LATER = NOW + timedelta(days=1)


@pytest.fixture
def saved(app: Flask, session: Any, town: Town, tmp_path: Path, monkeypatch: Any) -> Path:
    """A backup of the town; the first resident leaves afterwards."""
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.setitem(app.config, "DATA_DIR", data)
    file = tmp_path / "kept" / "portal.tar"
    number = town.residents[0].id
    session.rollback()
    backup.write(file, NOW)
    leave(number)
    return file


def leave(number: int) -> None:
    db.session.rollback()
    with writing(), scope.system("tests"):
        resident_records.erase_resident(Actor("resident", number, ""), db.session.get_one(Resident, number), NOW)
    db.session.remove()


def names() -> list[str]:
    db.session.rollback()
    found = list(db.session.scalars(select(Resident.name).order_by(Resident.id)))
    db.session.rollback()
    return found


def test_the_list_names_nobody_and_is_ours_alone(app: Flask, saved: Path) -> None:
    lines = erasure_list.file().read_text().splitlines()
    assert len(lines) == 1
    assert re.fullmatch(r"[0-9a-f]{64} 2026-11-25T02:00:00\+0000", lines[0])
    assert stat.S_IMODE(erasure_list.file().stat().st_mode) == 0o600
    erasure_list.keep()  # what the database knows is on it already
    assert erasure_list.file().read_text().splitlines() == lines


def test_restored_and_erased_again_by_the_same_code(app: Flask, saved: Path) -> None:
    done = backup.restore(saved, LATER)
    assert (done[backup.ERASED_AGAIN], names()[0], len(names())) == (1, "已注销", 5)
    line = db.session.scalars(select(AuditLog)).one()
    assert (line.verb, line.actor_kind, line.object_type) == ("erase", "system", "resident")
    assert replay.again(LATER) == 0


def test_without_the_list_the_copy_beside_the_backup_knows(app: Flask, saved: Path) -> None:
    """A new machine has neither the file nor the database of the old one."""
    erasure_list.copy_to(saved.parent, NOW)
    erasure_list.file().unlink()
    with writing():
        db.session.execute(text("UPDATE resident SET erased_at = NULL"))
    assert backup.restore(saved, LATER)[backup.ERASED_AGAIN] == 1
    assert names()[0] == "已注销"


def test_without_the_file_the_replaced_database_knows(app: Flask, saved: Path) -> None:
    erasure_list.file().unlink()
    assert backup.restore(saved, LATER)[backup.ERASED_AGAIN] == 1
    assert len(erasure_list.read()) == 1


def test_nobody_is_erased_for_having_the_number_of_somebody_gone(app: Flask, saved: Path, town: Town) -> None:
    """An older backup counts on from its own end: a later resident's number is given again."""
    with writing():
        db.session.add(Resident(phone="19977770000", name="新来的", groups=[], quiet={}, created_at=NOW))
    [number] = db.session.scalars(select(Resident.id).where(Resident.name == "新来的"))
    leave(number)
    assert backup.restore(saved, LATER)[backup.ERASED_AGAIN] == 1
    with writing():
        row = Resident(id=number, phone="19966660000", name="另一位", groups=[], quiet={}, created_at=LATER)
        db.session.add(row)
    assert replay.again(LATER) == 0
    assert names()[-1] == "另一位"


def test_a_newer_backup_still_finds_the_list(app: Flask, saved: Path, tmp_path: Path) -> None:
    """Restoring an old one, in which somebody is not even registered, takes nobody off the list."""
    before = erasure_list.read()
    other = tmp_path / "kept" / "other.tar"
    backup.restore(saved, LATER)
    with writing():
        db.session.execute(text("UPDATE resident SET erased_at = NULL, name = '回来了' WHERE erased_at IS NOT NULL"))
    backup.write(other, LATER)
    assert backup.restore(other, LATER)[backup.ERASED_AGAIN] == 1
    assert erasure_list.read() == before


def test_the_command_says_how_many(app: Flask, saved: Path) -> None:
    db.session.remove()
    done = app.test_cli_runner().invoke(args=["restore", str(saved), "--yes"])
    assert done.exit_code == 0, done.output
    assert "备份之后注销的 1 人已重新注销" in done.output
    again = app.test_cli_runner().invoke(args=["erase-again"])
    assert again.exit_code == 0, again.output
    assert "重新注销 0 人" in again.output and "空闲页里没有旧内容" in again.output


def test_an_older_program_s_backup_waits_for_the_upgrade(app: Flask, saved: Path, monkeypatch: Any) -> None:
    read = backup.read_manifest
    monkeypatch.setattr(backup, "read_manifest", lambda file: read(file) | {"revision": "0003"})
    db.session.remove()
    done = app.test_cli_runner().invoke(args=["restore", str(saved), "--yes"])
    assert "先运行 db upgrade，再运行 erase-again" in done.output
    assert names()[0] == "居民甲"
    again = app.test_cli_runner().invoke(args=["erase-again"])
    assert "重新注销 1 人" in again.output
    assert names()[0] == "已注销"


def test_the_night_does_it_too(app: Flask, saved: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(app.config, "BACKUP_DIR", str(saved.parent))
    monkeypatch.setattr(backup, "_erased_again", lambda _now, _revision: None)
    backup.restore(saved, LATER)
    assert names()[0] == "居民甲"
    [task] = [daily for daily in work.DAILY if daily.name == "erasures"]
    assert task.run(LATER) == "重做注销 1 人"
    assert names()[0] == "已注销"
    work.nightly_backup(LATER)
    known = erasure_list.read()
    erasure_list.file().unlink()  # lost: the copy of the night before is not thrown away for less
    work.nightly_backup(LATER + timedelta(days=1))
    [copy] = erasure_list.copies(saved.parent)  # the newest, under a name of its own
    assert (copy.name, erasure_list.read(copy)) == ("erasures-20261127-0200.txt", known)


def test_a_disk_that_is_full_stops_no_erasure(app: Flask, saved: Path, town: Town, monkeypatch: Any) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(erasure_list, "add", full)
        leave(2)
    assert len(erasure_list.read()) == 1
    replay.nightly(LATER)
    assert len(erasure_list.read()) == 2


@pytest.mark.skipif(KIND != "sqlite", reason="PostgreSQL keeps its pages to itself")
def test_free_pages_from_before_we_overwrote_them_are_gone(app: Flask, session: Any) -> None:
    file = Path(str(db.engine.url.database))
    session.rollback()
    with db.engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA secure_delete=OFF")
        connection.exec_driver_sql("CREATE TABLE old (words TEXT)")
        connection.exec_driver_sql("INSERT INTO old VALUES ('marktheword')")
        connection.exec_driver_sql("DROP TABLE old")
        connection.exec_driver_sql("PRAGMA secure_delete=ON")
    assert empty_log()
    assert b"marktheword" in file.read_bytes()
    session.remove()
    assert rebuild()
    assert b"marktheword" not in file.read_bytes()
