"""Backups that hold no backups, encrypted ones, and the drill that brings one back into a scratch database."""

from __future__ import annotations

import tarfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, text

from portal.core import clock
from portal.core.db import db
from portal.operations import backup, drill, sealed, work
from portal.people.models import Relative
from tests.conftest import KIND
from tests.operations.test_backup import data, names

pytestmark = pytest.mark.own_database
__all__ = ["data"]


@pytest.fixture
def key(app: Any, tmp_path: Path, monkeypatch: Any) -> Path:
    file = tmp_path / "key"
    sealed.make_key(file)
    monkeypatch.setitem(app.config, "BACKUP_KEY_FILE", str(file))
    return file


def members(file: Path) -> list[str]:
    with tarfile.open(file) as archive:
        return archive.getnames()


def test_three_backups_in_a_row_hold_none_of_each_other(app: Any, data: Path, town: Any, now: datetime) -> None:
    """Each would hold all before it, and be twice as large; whether somebody set the folder or only typed it."""
    found = []
    for night in range(3):
        file = data / "backups" / f"portal-{night}.tar"
        backup.write(file, now)
        found.append(members(file))
    assert found[0] == found[1] == found[2]
    assert not [name for name in found[2] if "portal-" in name]


def test_encrypted_ones_are_left_out_too(app: Any, data: Path, town: Any, key: Path, now: datetime) -> None:
    backup.write(data / "uploads" / "x.tar.sealed", now)
    manifest = backup.write(data / "y.tar.sealed", now)
    assert [name for name in manifest["members"] if "files/" in name] == [
        "files/documents/2026-12/list.pdf", "files/uploads/a/photo.jpg",
    ]  # fmt: skip


def test_a_restore_keeps_newer_backups(app: Any, data: Path, town: Any, now: datetime) -> None:
    folder = data / "backups"
    for night in range(3):
        backup.write(folder / f"portal-{night}.tar", now)
    db.session.remove()
    backup.restore(folder / "portal-0.tar", now)
    assert sorted(p.name for p in folder.iterdir()) == ["portal-0.tar", "portal-1.tar", "portal-2.tar"]
    assert not list(data.glob(".restore-*"))


def test_an_encrypted_backup_comes_back(
    app: Any, data: Path, town: Any, key: Path, now: datetime, tmp_path: Path
) -> None:
    file = tmp_path / "b.tar.sealed"
    backup.write(file, now)
    assert file.stat().st_mode & 0o777 == 0o600
    assert "居民甲".encode() not in file.read_bytes() and b"manifest.json" not in file.read_bytes()
    town.residents[0].name = "改了名"
    db.session.commit()
    db.session.remove()
    backup.restore(file, now)
    assert names()[0] == "居民甲"
    assert not list(data.glob(".backup-*"))  # no plain copy is left behind


def test_without_the_key_it_is_one_clear_line(
    app: Any, data: Path, town: Any, key: Path, now: datetime, tmp_path: Path, monkeypatch: Any
) -> None:
    file = tmp_path / "b.tar.sealed"
    backup.write(file, now)
    run = app.test_cli_runner().invoke
    monkeypatch.setitem(app.config, "BACKUP_KEY_FILE", "")
    db.session.remove()
    answer = run(args=["restore", "--yes", str(file)])
    assert (answer.exit_code, "没有设置密钥文件" in answer.output) == (1, True)
    other = tmp_path / "other"
    assert run(args=["backup-key", str(other)]).exit_code == 0
    monkeypatch.setitem(app.config, "BACKUP_KEY_FILE", str(other))
    db.session.remove()
    answer = run(args=["restore", "--yes", str(file)])
    assert (answer.exit_code, "另一把密钥" in answer.output) == (1, True)
    monkeypatch.setitem(app.config, "BACKUP_KEY_FILE", str(tmp_path / "nowhere"))
    answer = run(args=["backup", str(tmp_path / "c.tar")])
    assert (answer.exit_code, "读不了密钥文件" in answer.output) == (1, True)
    assert not (tmp_path / "c.tar").exists()
    assert run(args=["backup-key", str(other)]).exit_code == 1


@pytest.mark.parametrize("harm", ["cut", "changed", "longer"])
def test_a_harmed_one_changes_nothing(
    app: Any, data: Path, town: Any, key: Path, now: datetime, tmp_path: Path, harm: str
) -> None:
    """Also where the harm lies behind the last file of the archive."""
    file = tmp_path / "b.tar.sealed"
    backup.write(file, now)
    content = bytearray(file.read_bytes())
    if harm == "cut":
        del content[-20:]
    elif harm == "changed":
        content[-20] ^= 1
    else:
        content += bytes(40)
    file.write_bytes(content)
    town.residents[0].name = "改了名"
    db.session.commit()
    db.session.remove()
    with pytest.raises(backup.BackupError, match="没有改动任何数据"):
        backup.restore(file, now)
    assert names()[0] == "改了名"


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_drill(
    app: Any, data: Path, town: Any, key: Path, now: datetime, tmp_path: Path, monkeypatch: Any, encrypted: bool
) -> None:
    if not encrypted:
        monkeypatch.setitem(app.config, "BACKUP_KEY_FILE", "")
    file = tmp_path / "b.tar"
    backup.write(file, now)
    town.residents[0].name = "改了名"
    db.session.commit()
    done = drill.run(file, now + timedelta(hours=3))
    assert done.equal and done.rpo == timedelta(hours=3) and done.files == 2
    rows = {name: (before, after) for name, before, after, _ in done.tables}
    assert rows["resident"] == (5, 5) and rows["audit_log"][0] == rows["audit_log"][1]
    assert set(rows) == set(inspect(db.engine).get_table_names())
    assert names()[0] == "改了名"  # the live one is not touched
    assert not list(data.glob(".drill-*"))
    if KIND == "postgresql":
        left = "SELECT count(*) FROM pg_database WHERE datname LIKE 'portal_drill_%'"
        assert db.session.scalar(text(left)) == 0


@pytest.mark.parametrize("statement", ["UPDATE resident SET name = 'x' WHERE id = 1", "DELETE FROM relative"])
def test_a_drill_sees_a_difference(
    app: Any, data: Path, town: Any, now: datetime, tmp_path: Path, monkeypatch: Any, statement: str
) -> None:
    """What comes back is not what was counted: one value of one row, or rows that are missing."""
    db.session.add(Relative(resident_id=town.residents[0].id, name="r", relation="child", created_at=now))
    db.session.commit()
    file = tmp_path / "b.tar"
    backup.write(file, now)
    real = drill._read

    def harmed(url: Any) -> Any:
        import sqlalchemy as sa

        engine = sa.create_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql(statement)
        engine.dispose()
        return real(url)

    monkeypatch.setattr(drill, "_read", harmed)
    assert not drill.run(file, now).equal


def test_the_command(app: Any, data: Path, town: Any, now: datetime, tmp_path: Path, monkeypatch: Any) -> None:
    run = app.test_cli_runner().invoke
    db.session.remove()
    answer = run(args=["restore-drill"])
    assert (answer.exit_code, "演练成功" in answer.output) == (0, True), answer.output
    monkeypatch.setitem(app.config, "BACKUP_DIR", str(tmp_path / "nightly"))
    answer = run(args=["restore-drill"])
    assert (answer.exit_code, "还没有备份" in answer.output) == (1, True)
    work.nightly_backup(now)
    answer = run(args=["restore-drill"])
    assert (answer.exit_code, "RPO 0.0 小时" in answer.output, "RTO" in answer.output) == (0, True, True)
    with clock.frozen(now + timedelta(hours=40)):
        answer = run(args=["restore-drill"])
    assert (answer.exit_code, "没有做成" in answer.output) == (1, True)
    newest = backup.kept(tmp_path / "nightly")[-1]
    newest.write_bytes(newest.read_bytes()[:2000])
    assert run(args=["restore-drill"]).exit_code == 1
