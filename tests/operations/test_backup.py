"""Backup and restore: a real round trip on either database; a damaged or foreign file changes nothing."""

from __future__ import annotations

import io
import json
import stat
import tarfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from portal.core.db import db
from portal.core.sessions import WebSession, open_session
from portal.operations import backup, work
from portal.people.models import Resident
from tests.conftest import KIND

pytestmark = pytest.mark.own_database


@pytest.fixture
def data(app: Any, session: Any, tmp_path: Path, monkeypatch: Any) -> Iterator[Path]:
    """A data folder with files that belong into a backup, and some that do not."""
    folder = tmp_path / "data"
    for name, content in {
        "uploads/a/photo.jpg": "photo",
        "documents/2026-12/list.pdf": "pdf",
        "redis/appendonly.aof": "redis",
        "metrics/1.json": "{}",
        "secret_key": "key",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    monkeypatch.setitem(app.config, "DATA_DIR", folder)
    yield folder
    db.session.remove()


@pytest.fixture
def saved(data: Path, town: Any, tmp_path: Path, now: datetime) -> Path:
    """A backup of the town, after which a resident is renamed, files change and somebody signs in."""
    open_session("resident", town.residents[0].id, now)
    db.session.commit()
    file = tmp_path / "kept" / "portal.tar"
    backup.write(file, now)
    town.residents[0].name = "改了名"
    open_session("resident", town.residents[1].id, now)
    db.session.execute(text("CREATE TABLE later_table (id INTEGER PRIMARY KEY)"))
    db.session.commit()
    (data / "uploads/a/photo.jpg").write_text("other")
    (data / "uploads/new.jpg").write_text("new")
    return file


def names() -> list[str]:
    db.session.rollback()
    db.session.expire_all()
    return list(db.session.scalars(select(Resident.name).order_by(Resident.id)))


def tables() -> set[str]:
    from sqlalchemy import inspect

    return set(inspect(db.engine).get_table_names())


def test_round_trip(app: Any, saved: Path, data: Path, now: datetime) -> None:
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert names()[0] == "改了名"
    db.session.remove()
    manifest = backup.restore(saved, now)
    assert manifest["database"] == KIND
    assert names()[0] == "居民甲"
    assert len(names()) == 5
    assert "later_table" not in tables()
    assert (data / "uploads/a/photo.jpg").read_text() == "photo"
    assert (data / "documents/2026-12/list.pdf").read_text() == "pdf"
    assert not (data / "uploads/new.jpg").exists()
    assert (data / "redis/appendonly.aof").read_text() == "redis"
    assert (data / "secret_key").read_text() == "key"
    sessions = db.session.scalars(select(WebSession)).all()
    assert [(s.ended_why, s.ended_at) for s in sessions] == [("restore", now)]
    assert not list(data.glob(".restore-*"))


def test_who_was_signed_in_stays_so_when_nobody_could_come_in_meanwhile(app: Any, saved: Path, now: datetime) -> None:
    db.session.remove()
    done = app.test_cli_runner().invoke(args=["restore", "--yes", "--keep-sessions", str(saved)])
    assert done.exit_code == 0, done.output
    assert "重新登录" not in done.output
    assert [s.ended_at for s in db.session.scalars(select(WebSession))] == [None]


def test_the_database_works_on_after_a_restore(app: Any, saved: Path, now: datetime) -> None:
    db.session.remove()
    backup.restore(saved, now)
    resident = db.session.scalars(select(Resident).order_by(Resident.id)).first()
    assert resident is not None
    resident.name = "又改了"
    db.session.commit()
    db.session.add(Resident(phone="19977770000", name="新来的", groups=[], quiet={}, created_at=now))
    db.session.commit()
    assert names()[0] == "又改了"
    if KIND == "sqlite":
        assert db.session.scalar(text("PRAGMA journal_mode")) == "wal"


def test_what_is_inside(saved: Path) -> None:
    with tarfile.open(saved) as archive:
        members = archive.getnames()
    database = "database.sqlite3" if KIND == "sqlite" else "database.dump"
    assert members == ["manifest.json", database, "files/documents/2026-12/list.pdf", "files/uploads/a/photo.jpg"]


def rewrite(file: Path, change: dict[str, bytes], manifest: dict[str, Any] | None = None) -> None:
    """The same archive with some members replaced and some facts of the manifest changed."""
    with tarfile.open(file) as archive:
        members = {m.name: archive.extractfile(m).read() for m in archive}  # type: ignore[union-attr]
    facts = json.loads(members["manifest.json"]) | (manifest or {})
    members |= {"manifest.json": json.dumps(facts).encode()} | change
    with tarfile.open(file, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


@pytest.mark.parametrize(
    ("change", "manifest", "says"),
    [
        ({"files/uploads/a/photo.jpg": b"forged"}, None, "已损坏"),
        ({"files/uploads/extra.jpg": b"x"}, None, "与清单对不上"),
        ({"../outside": b"x"}, None, "没有改动任何数据"),
        ({}, {"database": "oracle"}, "备份来自 oracle"),
        ({}, {"profile": "kunshan"}, "kunshan"),
        ({}, {"revision": "9999_from_the_future"}, "比现在的程序新"),
        ({}, {"format": 2}, "不是本系统的备份文件"),
    ],
)
def test_refused_and_nothing_changed(
    app: Any, saved: Path, data: Path, now: datetime, change: dict[str, bytes], manifest: Any, says: str
) -> None:
    rewrite(saved, change, manifest)
    db.session.remove()
    with pytest.raises(backup.BackupError) as refused:
        backup.restore(saved, now)
    assert says in str(refused.value)
    assert names()[0] == "改了名"
    assert (data / "uploads/a/photo.jpg").read_text() == "other"
    assert not (data.parent / "outside").exists()


def test_not_a_backup_at_all(app: Any, saved: Path, now: datetime, tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(b"nothing of the kind")
    with pytest.raises(backup.BackupError):
        backup.restore(tmp_path / "x.tar", now)
    saved.write_bytes(saved.read_bytes()[:3000])
    with pytest.raises(backup.BackupError):
        backup.restore(saved, now)
    assert names()[0] == "改了名"


def test_commands_ask_first(app: Any, saved: Path, tmp_path: Path) -> None:
    db.session.remove()
    run = app.test_cli_runner().invoke
    assert run(args=["restore", str(saved)], input="n\n").exit_code == 1
    assert names()[0] == "改了名"
    db.session.remove()
    answer = run(args=["restore", str(saved), "--yes"])
    assert answer.exit_code == 0, answer.output
    assert names()[0] == "居民甲"
    db.session.remove()
    again = run(args=["backup", str(tmp_path / "again.tar")])
    assert (again.exit_code, "2 个文件" in again.output) == (0, True)
    (tmp_path / "bad.tar").write_bytes(b"no")
    refused = run(args=["restore", str(tmp_path / "bad.tar"), "--yes"])
    assert (refused.exit_code, "不是完整的备份文件" in refused.output) == (1, True)


def test_nightly_keeps_the_newest(app: Any, data: Path, now: datetime, tmp_path: Path, monkeypatch: Any) -> None:
    folder = tmp_path / "nightly"
    monkeypatch.setitem(app.config, "BACKUP_DIR", "")
    assert "没有设置" in work.nightly_backup(now)
    monkeypatch.setitem(app.config, "BACKUP_DIR", str(folder))
    folder.mkdir()
    for day in range(10, 26):
        (folder / f"portal-202610{day}-0230.tar").touch()
    assert work.nightly_backup(now) == "已备份到 portal-20261125-1000.tar"
    kept = sorted(p.name for p in folder.iterdir())
    assert (len(kept), kept[-1]) == (work.BACKUPS_KEPT, "portal-20261125-1000.tar")


def test_the_night_s_timer_makes_what_the_scheduler_has_not(
    app: Any, data: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    run = app.test_cli_runner().invoke
    monkeypatch.setitem(app.config, "BACKUP_DIR", "")
    without = run(args=["backup"])
    assert (without.exit_code, "PORTAL_BACKUP_DIR" in without.output) == (2, True)
    folder = tmp_path / "nightly"
    monkeypatch.setitem(app.config, "BACKUP_DIR", str(folder))
    first, second = run(args=["backup"]), run(args=["backup"])
    assert (first.exit_code, second.exit_code) == (0, 0), first.output
    assert first.output == second.output
    assert len(backup.kept(folder)) == 1


def test_a_night_without_a_backup_is_a_failure(app: Any, data: Path, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "a file").touch()
    monkeypatch.setitem(app.config, "BACKUP_DIR", str(tmp_path / "a file"))
    for _ in range(2):
        failed = app.test_cli_runner().invoke(args=["backup"])
        assert (failed.exit_code, "没有做成" in failed.output) == (1, True)
