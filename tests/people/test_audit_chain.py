"""The audit log's chain: whatever is changed, taken out, cut off or written anew is found, and which line is said."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, event, select, text

from portal.core import audit
from portal.core.access import system_actor
from portal.core.audit import AuditHead, AuditLog
from portal.core.db import db, writing
from portal.operations import backup
from portal.people import audit_anchors, audit_proof
from tests.factories import NOW, Town


def note(number: int, now: datetime = NOW) -> None:
    audit.record(system_actor(), "probe", "thing", number, now, centre_path="/1/")
    db.session.commit()


@pytest.fixture
def ids(town: Town) -> list[int]:
    """Twelve lines, the first eight of which were seen by a night."""
    for number in range(8):
        note(number)
    assert audit_proof.prove(NOW).broken is None
    for number in range(8, 12):
        note(number)
    found = list(db.session.scalars(select(AuditLog.id).order_by(AuditLog.id)))
    drop_triggers()
    return found


def drop_triggers() -> None:
    """Somebody has the database in his hands."""
    postgresql = db.engine.dialect.name == "postgresql"
    names = (
        "SELECT tgname FROM pg_trigger WHERE tgrelid = 'audit_log'::regclass AND NOT tgisinternal"
        if postgresql
        else "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_log'"
    )
    found = list(db.session.scalars(text(names)))
    with writing():
        for name in found:
            db.session.execute(text(f"DROP TRIGGER {name}" + (" ON audit_log" if postgresql else "")))


def run(*statements: Any) -> None:
    with writing():
        for statement in statements:
            db.session.execute(text(statement) if isinstance(statement, str) else statement)


def forge(first: int, *, keyed: bool) -> None:
    """Every line from `first` on written anew as well as one can without the key: one falsified, all hashes in order."""
    with writing():
        rows = list(db.session.scalars(select(AuditLog).order_by(AuditLog.id)))
        previous = ""
        for row in rows:
            if row.id >= first:
                row.actor_name, row.previous = "别人", previous
                raw = [
                    row.previous, row.at.isoformat(), row.actor_kind, row.actor_id, row.actor_name, row.centre_id,
                    row.centre_path, row.address, row.verb, row.object_type, row.object_id, row.summary, row.before,
                    row.after,
                ]  # fmt: skip
                said = json.dumps(raw, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
                row.key_id = row.key_id if keyed else ""
                row.hash = hashlib.sha256(said.encode()).hexdigest()
            previous = row.hash
        db.session.execute(text("UPDATE audit_head SET hash = :hash"), {"hash": previous})


def found() -> tuple[int | None, str]:
    proof = audit_proof.prove(NOW)
    return proof.broken, proof.why


def test_whole(ids: list[int]) -> None:
    assert found() == (None, "")


@pytest.mark.parametrize("many", [1, 4, 7, 12])
def test_a_cut_end(ids: list[int], many: int) -> None:
    """Also of lines that no night has seen."""
    run(f"DELETE FROM audit_log WHERE id > {ids[-1] - many}")
    last = ids[-1] - many if many < len(ids) else 0
    assert found() == (last, f"之后少了 {many} 条：末尾的记录不见了")


def test_a_cut_end_with_its_head(ids: list[int]) -> None:
    """The seal cannot be made anew without the key, nor be left out."""
    run(f"DELETE FROM audit_log WHERE id > {ids[9]}", "UPDATE audit_head SET lines = 10, hash = (SELECT hash FROM "
        f"audit_log WHERE id = {ids[9]})")  # fmt: skip
    assert found() == (ids[9], "之后的封签对不上：末尾的记录不全，或封签被改过")
    run("DELETE FROM audit_head")
    assert found() == (ids[9], "之后的封签不见了：末尾的记录可能不全")


def test_a_cut_end_with_an_older_head_put_back(ids: list[int]) -> None:
    """Whoever kept the head of an earlier hour meets what the night kept outside."""
    head = db.session.execute(select(AuditHead.__table__)).one()._mapping
    note(99)
    assert found() == (None, "")
    run(f"DELETE FROM audit_log WHERE id > {ids[-1]}", AuditHead.__table__.update().values(**head))
    assert found() == (ids[-1], "之后少了 1 条：末尾的记录不见了")


def test_a_cut_start(ids: list[int]) -> None:
    run(f"DELETE FROM audit_log WHERE id < {ids[3]}")
    assert found() == (ids[3], "指着更早的一条：开头的记录不见了")


def test_a_start_that_is_not_the_first(ids: list[int]) -> None:
    """All of it written by a portal with the same key, but not what was there."""
    run(delete(AuditLog), delete(AuditHead))
    for number in range(20):
        note(number, NOW + timedelta(minutes=1))
    row, why = found()
    assert row is not None and why == "不是当初的第一条：开头的记录不见了"


def test_a_gap(ids: list[int]) -> None:
    run(f"DELETE FROM audit_log WHERE id IN ({ids[5]}, {ids[6]})")
    assert found() == (ids[7], "与前一条对不上：中间少了记录")


def test_a_changed_line(ids: list[int]) -> None:
    run(f"UPDATE audit_log SET actor_name = '别人' WHERE id = {ids[4]}")
    assert found() == (ids[4], "的内容与校验值对不上：这一条被改过")


@pytest.mark.parametrize("keyed", [True, False])
def test_a_rewritten_tail(ids: list[int], keyed: bool) -> None:
    """Without the key no hash can be made that holds; to say that there is no key is seen too."""
    forge(ids[9], keyed=keyed)
    said = "的内容与校验值对不上：这一条被改过" if keyed else "没有用密钥校验，更早的却有：从这一条起是另写的"
    assert found() == (ids[9], said)


def test_all_of_it_rewritten_without_a_key(ids: list[int]) -> None:
    forge(ids[0], keyed=False)
    run("DELETE FROM audit_head")
    assert found() == (ids[0], "不是当初的第一条：开头的记录不见了")


def test_numbers_left_out_by_a_rollback_are_no_gap(ids: list[int]) -> None:
    """PostgreSQL's sequence goes on when a transaction is taken back."""

    def refuse(_session: Any) -> None:
        raise RuntimeError("no")

    audit.record(system_actor(), "probe", "thing", 98, NOW, centre_path="/1/")
    event.listen(db.session, "before_commit", refuse)
    try:
        with pytest.raises(RuntimeError):
            db.session.commit()
    finally:
        event.remove(db.session, "before_commit", refuse)
    db.session.rollback()
    note(99)
    assert found() == (None, "")


def test_lines_from_before_the_key_stay_provable(app: Flask, ids: list[int]) -> None:
    """An installation that is upgraded: plain hashes first, no head, then lines with the key."""
    (app.config["DATA_DIR"] / audit_anchors.FILE).unlink()
    forge(ids[0], keyed=False)
    run("DELETE FROM audit_head")
    assert found() == (None, "")
    note(99)
    assert found() == (None, "")
    run(f"UPDATE audit_log SET actor_name = '又是' WHERE id = {ids[2]}")
    assert found() == (ids[2], "的内容与校验值对不上：这一条被改过")


def test_a_new_key_beside_the_old_one(app: Flask, ids: list[int], monkeypatch: Any) -> None:
    monkeypatch.setitem(app.config, "AUDIT_KEYS", ("new", "tests only"))
    note(99)
    assert found() == (None, "")
    assert len(set(db.session.scalars(select(AuditLog.key_id)))) == 2


def test_a_lost_key(app: Flask, ids: list[int], monkeypatch: Any) -> None:
    monkeypatch.setitem(app.config, "AUDIT_KEYS", ("new",))
    runner = app.test_cli_runner()
    db.session.remove()
    answer = runner.invoke(args=["audit-check"])
    assert answer.exit_code == 1
    assert f"第 {ids[0]} 条用的密钥" in answer.output and "请把原来的密钥放回密钥文件" in answer.output
    answer = runner.invoke(args=["audit-check", "--accept-lost-key"])
    assert (answer.exit_code, "共 13 条" in answer.output) == (0, True), answer.output
    note(99)
    assert found() == (None, "")
    run(f"DELETE FROM audit_log WHERE id = {ids[5]}")
    assert found() == (ids[6], "与前一条对不上：中间少了记录")


def test_the_command_says_which_line(app: Flask, ids: list[int]) -> None:
    db.session.remove()
    runner = app.test_cli_runner()
    answer = runner.invoke(args=["audit-check"])
    assert (answer.exit_code, f"共 12 条，最后是第 {ids[-1]} 条" in answer.output) == (0, True)
    run(f"DELETE FROM audit_log WHERE id = {ids[5]}")
    answer = runner.invoke(args=["audit-check"])
    assert (answer.exit_code, f"第 {ids[6]} 条与前一条对不上" in answer.output) == (1, True)


def test_the_page_says_which_line(client: FlaskClient, town: Town, as_staff: Any, ids: list[int]) -> None:
    run(f"DELETE FROM audit_log WHERE id > {ids[8]}")
    audit_proof.prove(NOW)
    page = as_staff(client, town.staff["D"]).get("/staff/audit").text
    assert "记录链断了" in page and f"第 {ids[8]} 条之后少了 3 条：末尾的记录不见了。" in page


def test_an_emptied_log_is_found(client: FlaskClient, town: Town, as_staff: Any, ids: list[int]) -> None:
    run(delete(AuditLog))
    assert found() == (0, "之后少了 12 条：末尾的记录不见了")
    assert "记录链断了" in as_staff(client, town.staff["D"]).get("/staff/audit").text


def test_a_half_written_anchor_hides_nothing(app: Flask, ids: list[int]) -> None:
    file = app.config["DATA_DIR"] / audit_anchors.FILE
    with file.open("a") as handle:
        handle.write('{"at": "2026-')
    assert found() == (None, "")
    assert [anchor.count for anchor in audit_anchors.read()] == [8, 12]
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.own_database
def test_a_backups_manifest_is_an_anchor_too(app: Flask, ids: list[int], tmp_path: Path) -> None:
    """It lies elsewhere: whoever could change database and data directory meets it."""
    db.session.remove()
    backup.write(tmp_path / "b.tar", NOW)
    (app.config["DATA_DIR"] / audit_anchors.FILE).unlink()
    run(delete(AuditLog), delete(AuditHead))
    for number in range(20):
        note(number, NOW + timedelta(minutes=1))
    db.session.remove()
    runner = app.test_cli_runner()
    answer = runner.invoke(args=["audit-check", "--backup", str(tmp_path / "b.tar")])
    assert (answer.exit_code, "不是当初的第一条" in answer.output) == (1, True)


@pytest.mark.own_database
def test_after_a_restore_the_chain_is_whole(app: Flask, ids: list[int], tmp_path: Path) -> None:
    db.session.remove()
    backup.write(tmp_path / "b.tar", NOW)
    note(98)
    note(99)
    assert found() == (None, "")
    db.session.remove()
    backup.restore(tmp_path / "b.tar", NOW)
    assert found() == (None, "")
    note(97)
    assert found() == (None, "")
