"""One file with everything that cannot be made again: the database, uploads, kept documents.

The archive is a plain tar: manifest.json first (what, when, sizes, SHA-256, rows of each table), then the database,
then the files; with a key it is encrypted as a whole (`sealed`). SQLite is copied by its online backup, PostgreSQL by
pg_dump; the portal goes on working meanwhile. Not inside: keys, Redis, metrics, other backups.
"""

import hashlib
import io
import json
import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import sqlalchemy as sa
from flask import current_app

from portal.core import clock, scope
from portal.core.audit_chain import Anchor
from portal.core.db import db, writing
from portal.core.sessions import WebSession
from portal.operations import fingerprint, replay, sealed
from portal.people import audit_anchors

FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = {"sqlite": "database.sqlite3", "postgresql": "database.dump"}
FILES = "files/"
LEFT_OUT = frozenset({"redis", "metrics", "postgres", "tmp", "cache"})  # folders of DATA_DIR that can be made again
HEADS = (MANIFEST.encode() + b"\0", sealed.MAGIC)  # how backups begin
LOCK_SECONDS = 20
ERASED_AGAIN = "erased_again"  # what `restore` adds to the manifest
READ = 1 << 20


class BackupError(Exception):
    """The backup or restore cannot be done; the text says why and what to do."""


def write(target: Path, now: datetime) -> dict[str, Any]:
    """Write a backup to `target` (mode 0600; replaced only once complete), encrypted when a key is set.

    Returns its manifest. Raises BackupError.
    """
    target = target.resolve()
    key = _key() if current_app.config["BACKUP_KEY_FILE"] else None
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    # The plain copy lies beside the data it is a copy of, not where backups are kept.
    with tempfile.TemporaryDirectory(dir=current_app.config["DATA_DIR"], prefix=".backup-") as folder:
        kind = db.engine.dialect.name
        audit = _audit_ends(now)  # before the copy, which then has these lines and perhaps more
        database = Path(folder) / DATABASE[kind]
        tables = _copy_sqlite(database) if kind == "sqlite" else _dump_postgresql(database)
        members = {DATABASE[kind]: database, **{FILES + name: path for name, path in _kept_files()}}
        manifest = {
            "format": FORMAT, "made_at": now.isoformat(timespec="seconds"), "database": kind, "revision": _revision(),
            "profile": current_app.config["PROFILE"], "audit": audit, "tables": tables,
            "members": {n: _describe(p) for n, p in members.items()},
        }  # fmt: skip
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
                _pack(handle, manifest, members, key)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    return manifest


def file_name(now: datetime) -> str:
    """How the night calls its backup; one that is encrypted says so."""
    return f"portal-{clock.local(now):%Y%m%d-%H%M}.tar{'.sealed' if current_app.config['BACKUP_KEY_FILE'] else ''}"


def kept(folder: Path) -> list[Path]:
    """The nights' backups, oldest first."""
    return sorted([*folder.glob("portal-*.tar"), *folder.glob("portal-*.tar.sealed")])


def _key() -> bytes:
    file = current_app.config["BACKUP_KEY_FILE"]
    if not file:
        raise BackupError("这个备份加了密，这里却没有设置密钥文件（PORTAL_BACKUP_KEY_FILE）。")
    try:
        return sealed.read_key(Path(file))
    except sealed.Unreadable as error:
        raise BackupError(str(error)) from error


def _pack(handle: BinaryIO, manifest: dict[str, Any], members: dict[str, Path], key: bytes | None) -> None:
    sealer = sealed.Sealer(handle, key) if key else None
    with tarfile.open(fileobj=sealer or handle, mode="w|") as archive:  # type: ignore[call-overload]  # has write()
        content = json.dumps(manifest, ensure_ascii=False, indent=1).encode()
        info = tarfile.TarInfo(MANIFEST)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
        for name, path in members.items():
            archive.add(path, name, recursive=False)
    if sealer:
        sealer.finish()
    handle.flush()
    os.fsync(handle.fileno())


def _kept_files() -> Iterator[tuple[str, Path]]:
    """Without earlier backups, wherever they lie: each would hold all the ones before it."""
    root = Path(current_app.config["DATA_DIR"])
    for folder in sorted(p for p in root.iterdir() if p.is_dir() and not p.is_symlink()):
        if folder.name in LEFT_OUT or folder.name.startswith("."):
            continue
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink() and not _is_backup(path):
                yield path.relative_to(root).as_posix(), path


def _is_backup(path: Path) -> bool:
    with path.open("rb") as handle:
        head = handle.read(max(map(len, HEADS)))
    return head.startswith(HEADS)


def _describe(path: Path) -> dict[str, Any]:
    with path.open("rb") as handle:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(handle, "sha256").hexdigest()}


def _revision() -> str:
    """The migration the database stands at; '' when it was not made by migrations."""
    with db.engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return ""
        return str(connection.scalar(sa.text("SELECT version_num FROM alembic_version")) or "")


def _audit_ends(now: datetime) -> dict[str, Any]:
    """First line, count and newest line of the audit log; kept with the file, so outside of this machine too."""
    with scope.system("backup"):
        ends = asdict(audit_anchors.here("night", now))
        db.session.rollback()
    return {name: ends[name] for name in ("first", "count", "head")}


def _copy_sqlite(target: Path) -> fingerprint.Tables:
    with closing(sqlite3.connect(str(db.engine.url.database), timeout=30)) as source, \
            closing(sqlite3.connect(target)) as copy:  # fmt: skip
        source.backup(copy)
    return fingerprint.of_sqlite(target)


def _pg_environment(url: sa.URL) -> dict[str, str]:
    """Connection facts for PostgreSQL's own tools; the password never stands on a command line."""
    facts = {
        "PGHOST": url.host or url.query.get("host"), "PGPORT": url.port or url.query.get("port"),
        "PGUSER": url.username, "PGPASSWORD": url.password, "PGDATABASE": url.database,
        "PGSSLMODE": url.query.get("sslmode"), "PGSSLROOTCERT": url.query.get("sslrootcert"),
        "PGCONNECT_TIMEOUT": 10, "PGOPTIONS": f"-c lock_timeout={LOCK_SECONDS}s",
    }  # fmt: skip
    return {**os.environ, **{name: str(value) for name, value in facts.items() if value}}


def _run(url: sa.URL, *command: str) -> None:
    program = shutil.which(command[0])
    if program is None:
        raise BackupError(f"找不到 {command[0]}。请安装 postgresql-client（版本不低于服务器）。")
    done = subprocess.run(  # noqa: S603 fixed program names, no shell
        [program, *command[1:]], env=_pg_environment(url), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        tail = " ".join(done.stderr.strip().splitlines()[-3:])
        raise BackupError(f"{command[0]} 没有成功：{tail}")


def _dump_postgresql(target: Path) -> fingerprint.Tables:
    """The dump and what is counted see one snapshot, so that a drill can compare them."""
    with db.engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        snapshot = connection.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one()
        _run(
            db.engine.url, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}",
            "--file", str(target),
        )  # fmt: skip
        return fingerprint.of_postgresql(connection)


# --- Back again ------------------------------------------------------------------------------------------------------


@contextmanager
def _opened(source: Path) -> Iterator[tarfile.TarFile]:
    """The archive, read once from front to back. What is wrong with the file is a BackupError, wherever it shows."""
    try:
        with source.open("rb") as handle:
            stream = sealed.Opener(handle, _key()) if sealed.is_sealed(source) else handle
            with tarfile.open(fileobj=stream, mode="r|") as archive:  # type: ignore[call-overload]  # has read()
                yield archive
    except sealed.Unreadable as error:
        raise BackupError(f"读不了 {source.name}：{error}没有改动任何数据。") from error
    except OSError as error:
        raise BackupError(f"读不了 {source.name}（{error.strerror}）。没有改动任何数据。") from error
    except (tarfile.TarError, ValueError) as error:
        raise BackupError(f"读不了 {source.name}：不是完整的备份文件。没有改动任何数据。") from error


def _first(archive: tarfile.TarFile) -> Any:
    first = archive.next()
    handle = archive.extractfile(first) if first is not None and first.name == MANIFEST else None
    return json.load(handle) if handle is not None else None


def read_manifest(source: Path) -> dict[str, Any]:
    """The manifest of a backup. Raises BackupError when the file is none of ours or its key is not here."""
    with _opened(source) as archive:
        manifest = _first(archive)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise BackupError(f"{source.name} 不是本系统的备份文件。")
    return manifest


def audit_anchor(manifest: dict[str, Any]) -> Anchor | None:
    """What the backup says about the audit log; None for one made before backups said it, or with an empty log."""
    ends = manifest.get("audit") or {}
    return Anchor(ends["count"], ends["first"], ends["head"]) if ends.get("count") else None


def refuse_foreign(manifest: dict[str, Any]) -> None:
    """Raises BackupError when the backup does not fit this installation."""
    kind = db.engine.dialect.name
    if manifest["database"] != kind:
        raise BackupError(f"备份来自 {manifest['database']}，现在用的是 {kind}；请先换成同样的数据库（DATABASE_URL）。")
    if manifest["profile"] != current_app.config["PROFILE"]:
        raise BackupError(f"备份来自部署“{manifest['profile']}”，现在是“{current_app.config['PROFILE']}”。")
    if manifest["revision"] and manifest["revision"] not in _known_revisions():
        raise BackupError("备份比现在的程序新，请先升级程序再恢复。")


def _known_revisions() -> set[str]:
    from alembic.script import ScriptDirectory

    migrations = current_app.extensions["migrate"].directory
    return {script.revision for script in ScriptDirectory(migrations).walk_revisions()}


def restore(source: Path, now: datetime, *, keep_sessions: bool = False) -> dict[str, Any]:
    """Put a backup in place of what is there, and end every session. Returns its manifest.

    keep_sessions: nobody could come in since the backup was made, so who was signed in then still is.

    Everything is unpacked and checked first; the database is replaced in one transaction; files are renamed into place.
    Raises BackupError, and then nothing has been changed.
    """
    manifest = read_manifest(source)
    refuse_foreign(manifest)
    root = Path(current_app.config["DATA_DIR"])
    with tempfile.TemporaryDirectory(dir=root, prefix=".restore-") as folder:
        database = unpack(source, Path(folder), manifest)
        replay.remember(source)
        db.session.remove()
        db.engine.dispose()
        load(database, db.engine.url)
        _swap_files(Path(folder) / FILES, root)
    _after_restore(now, keep_sessions)
    return manifest | {ERASED_AGAIN: _erased_again(now, manifest["revision"])}


def _erased_again(now: datetime, revision: str) -> int | None:
    """How many were erased since the backup was made and are again now; None: first the database must be upgraded."""
    return replay.again(now) if revision in ("", _newest_revision()) else None


def _newest_revision() -> str:
    from alembic.script import ScriptDirectory

    return str(ScriptDirectory(current_app.extensions["migrate"].directory).get_current_head())


def _after_restore(now: datetime, keep_sessions: bool) -> None:
    """What the restored content does not know: nobody is signed in, and what was kept of the replaced audit log says
    nothing any more."""
    if not keep_sessions:
        with writing():
            ending = sa.update(WebSession).where(WebSession.ended_at.is_(None))
            db.session.execute(ending.values(ended_at=now, ended_why="restore"))
    with scope.system("restore"):
        audit_anchors.keep(audit_anchors.here("restored", now))
        db.session.rollback()


def unpack(source: Path, folder: Path, manifest: dict[str, Any]) -> Path:
    """Unpack all of it and compare it with its manifest; the database's file. Raises BackupError."""
    members = manifest["members"]
    odd: set[str] = set(members)
    with _opened(source) as archive:
        for member in archive:  # by hand: extractall(filter=…) is younger than Debian 12's Python
            if member.name == MANIFEST:
                continue
            if member.name not in odd or not _is_ours(member):
                raise BackupError(f"备份不完整：{member.name} 与清单对不上。没有改动任何数据。")
            odd.remove(member.name)
            target = folder / member.name
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.extractfile(member) as packed, target.open("wb") as unpacked:  # type: ignore[union-attr]
                shutil.copyfileobj(packed, unpacked)
        while archive.fileobj.read(READ):  # to the marked end of an encrypted one
            pass
    if odd:
        raise BackupError(f"备份不完整：{'、'.join(sorted(odd)[:3])} 与清单对不上。没有改动任何数据。")
    for name, described in members.items():
        if _describe(folder / name) != described:
            raise BackupError(f"备份已损坏：{name} 的校验值不对。没有改动任何数据。")
    return folder / DATABASE[manifest["database"]]


def _is_ours(member: tarfile.TarInfo) -> bool:
    """A plain file that lands inside the folder it is unpacked to."""
    path = PurePosixPath(member.name)
    return member.isreg() and not path.is_absolute() and ".." not in path.parts


def load(database: Path, url: sa.URL) -> None:
    """Replace all that the database at `url` holds, in one step. Raises BackupError, and then nothing has changed."""
    _load_sqlite(database, str(url.database)) if url.drivername.startswith("sqlite") else _load_postgresql(
        database, url
    )


def _load_sqlite(database: Path, target: str) -> None:
    """Copy page by page into the live file, so that running processes simply see the new content."""
    with closing(sqlite3.connect(database)) as source:
        if source.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
            raise BackupError("备份里的数据库已损坏。没有改动任何数据。")
        with closing(sqlite3.connect(target, timeout=LOCK_SECONDS)) as live:
            try:
                source.backup(live)
                live.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                raise BackupError(f"数据库正忙（{error}），请先停下服务再恢复。") from error


def _load_postgresql(database: Path, url: sa.URL) -> None:
    """One transaction: the old schema goes, the dump comes; tables that the dump does not know go too."""
    script = database.with_suffix(".sql")
    _run(url, "pg_restore", "--no-owner", "--no-privileges", "--file", str(script), str(database))
    begin = database.with_name("begin.sql")
    begin.write_text("DROP SCHEMA public CASCADE; CREATE SCHEMA public;")
    _run(
        url, "psql", "--no-psqlrc", "--quiet", "--single-transaction", "--set", "ON_ERROR_STOP=1", "--output",
        os.devnull, "--file", str(begin), "--file", str(script),
    )  # fmt: skip


def _swap_files(unpacked: Path, root: Path) -> None:
    """The backup's folders in place of those that are there. Other backups stay: newer ones may still be needed."""
    unpacked.mkdir(exist_ok=True)
    aside = unpacked.with_name("aside")
    aside.mkdir()
    names = {p.name for p in unpacked.iterdir()}
    present = {p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")} - LEFT_OUT
    for name in present:
        (root / name).rename(aside / name)
    for name in names:
        (unpacked / name).rename(root / name)
    for kept in [p for p in aside.rglob("*") if p.is_file() and not p.is_symlink() and _is_backup(p)]:
        place = root / kept.relative_to(aside)
        place.parent.mkdir(parents=True, exist_ok=True)
        kept.rename(place)
