"""One file with everything that cannot be made again: the database, uploads, kept documents.

The archive is a plain tar: manifest.json first (what, when, sizes, SHA-256), then the database, then the files. SQLite
is copied by its online backup, PostgreSQL by pg_dump; the portal goes on working meanwhile. Not inside: the secret key,
Redis, metrics.
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
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

import sqlalchemy as sa
from flask import current_app

from portal.core import scope
from portal.core.audit_chain import Anchor
from portal.core.db import db, writing
from portal.core.sessions import WebSession
from portal.people import audit_anchors

FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = {"sqlite": "database.sqlite3", "postgresql": "database.dump"}
FILES = "files/"
LEFT_OUT = frozenset({"redis", "metrics", "postgres", "tmp", "cache"})  # folders of DATA_DIR that can be made again
LOCK_SECONDS = 20


class BackupError(Exception):
    """The backup or restore cannot be done; the text says why and what to do."""


def write(target: Path, now: datetime) -> dict[str, Any]:
    """Write a backup to `target` (mode 0600; replaced only once complete). Returns its manifest. Raises BackupError."""
    target = target.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".backup-") as folder:
        kind = db.engine.dialect.name
        audit = _audit_ends(now)  # before the copy, which then has these lines and perhaps more
        database = Path(folder) / DATABASE[kind]
        _copy_sqlite(database) if kind == "sqlite" else _dump_postgresql(database)
        members = {DATABASE[kind]: database, **{FILES + name: path for name, path in _kept_files()}}
        manifest = {
            "format": FORMAT, "made_at": now.isoformat(timespec="seconds"), "database": kind, "revision": _revision(),
            "profile": current_app.config["PROFILE"], "audit": audit,
            "members": {n: _describe(p) for n, p in members.items()},
        }  # fmt: skip
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
                _pack(handle, manifest, members)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    return manifest


def _pack(handle: Any, manifest: dict[str, Any], members: dict[str, Path]) -> None:
    with tarfile.open(fileobj=handle, mode="w") as archive:
        content = json.dumps(manifest, ensure_ascii=False, indent=1).encode()
        info = tarfile.TarInfo(MANIFEST)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
        for name, path in members.items():
            archive.add(path, name, recursive=False)
    handle.flush()
    os.fsync(handle.fileno())


def _kept_files() -> Iterator[tuple[str, Path]]:
    root = Path(current_app.config["DATA_DIR"])
    for folder in sorted(p for p in root.iterdir() if p.is_dir() and not p.is_symlink()):
        if folder.name in LEFT_OUT or folder.name.startswith("."):
            continue
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield path.relative_to(root).as_posix(), path


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


def _copy_sqlite(target: Path) -> None:
    with closing(sqlite3.connect(str(db.engine.url.database), timeout=30)) as source, \
            closing(sqlite3.connect(target)) as copy:  # fmt: skip
        source.backup(copy)


def _pg_environment() -> dict[str, str]:
    """Connection facts for PostgreSQL's own tools; the password never stands on a command line."""
    url = db.engine.url
    facts = {
        "PGHOST": url.host or url.query.get("host"), "PGPORT": url.port or url.query.get("port"),
        "PGUSER": url.username, "PGPASSWORD": url.password, "PGDATABASE": url.database,
        "PGSSLMODE": url.query.get("sslmode"), "PGSSLROOTCERT": url.query.get("sslrootcert"),
        "PGCONNECT_TIMEOUT": 10, "PGOPTIONS": f"-c lock_timeout={LOCK_SECONDS}s",
    }  # fmt: skip
    return {**os.environ, **{name: str(value) for name, value in facts.items() if value}}


def _run(*command: str) -> None:
    program = shutil.which(command[0])
    if program is None:
        raise BackupError(f"找不到 {command[0]}。请安装 postgresql-client（版本不低于服务器）。")
    done = subprocess.run(  # noqa: S603 fixed program names, no shell
        [program, *command[1:]], env=_pg_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        tail = " ".join(done.stderr.strip().splitlines()[-3:])
        raise BackupError(f"{command[0]} 没有成功：{tail}")


def _dump_postgresql(target: Path) -> None:
    _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", "--file", str(target))


# --- Back again ------------------------------------------------------------------------------------------------------


def read_manifest(source: Path) -> dict[str, Any]:
    """The manifest of a backup. Raises BackupError when the file is none of ours."""
    try:
        with tarfile.open(source, "r:") as archive:
            first = archive.next()
            handle = archive.extractfile(first) if first is not None and first.name == MANIFEST else None
            manifest = json.load(handle) if handle is not None else None
    except (OSError, tarfile.TarError, ValueError) as error:
        raise BackupError(f"读不了 {source.name}：不是完整的备份文件。") from error
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


def restore(source: Path, now: datetime) -> dict[str, Any]:
    """Put a backup in place of what is there, and end every session. Returns its manifest.

    Everything is unpacked and checked first; the database is replaced in one transaction; files are renamed into place.
    Raises BackupError, and then nothing has been changed.
    """
    manifest = read_manifest(source)
    refuse_foreign(manifest)
    root = Path(current_app.config["DATA_DIR"])
    with tempfile.TemporaryDirectory(dir=root, prefix=".restore-") as folder:
        _unpack(source, Path(folder), manifest)
        db.session.remove()
        db.engine.dispose()
        database = Path(folder) / DATABASE[manifest["database"]]
        _load_sqlite(database) if manifest["database"] == "sqlite" else _load_postgresql(database)
        _swap_files(Path(folder) / FILES, root)
    with writing():
        ending = sa.update(WebSession).where(WebSession.ended_at.is_(None))
        db.session.execute(ending.values(ended_at=now, ended_why="restore"))
    with scope.system("restore"):
        audit_anchors.keep(audit_anchors.here("restored", now))  # what was known of the replaced log says nothing now
        db.session.rollback()
    return manifest


def _unpack(source: Path, folder: Path, manifest: dict[str, Any]) -> None:
    members = manifest["members"]
    try:
        with tarfile.open(source, "r:") as archive:
            inside = {member.name: member for member in archive if member.name != MANIFEST}
            if inside.keys() != members.keys() or not all(_is_ours(member) for member in inside.values()):
                odd = sorted({n for n, m in inside.items() if not _is_ours(m)} | (inside.keys() ^ members.keys()))[:3]
                raise BackupError(f"备份不完整：{'、'.join(odd)} 与清单对不上。没有改动任何数据。")
            for member in inside.values():  # by hand: extractall(filter=…) is younger than Debian 12's Python
                target = folder / member.name
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.extractfile(member) as packed, target.open("wb") as unpacked:  # type: ignore[union-attr]
                    shutil.copyfileobj(packed, unpacked)
    except (OSError, tarfile.TarError) as error:
        raise BackupError(f"读不了 {source.name}（{type(error).__name__}）。没有改动任何数据。") from error
    for name, described in members.items():
        if _describe(folder / name) != described:
            raise BackupError(f"备份已损坏：{name} 的校验值不对。没有改动任何数据。")


def _is_ours(member: tarfile.TarInfo) -> bool:
    """A plain file that lands inside the folder it is unpacked to."""
    path = PurePosixPath(member.name)
    return member.isreg() and not path.is_absolute() and ".." not in path.parts


def _load_sqlite(database: Path) -> None:
    """Copy page by page into the live file, so that running processes simply see the new content."""
    with closing(sqlite3.connect(database)) as source:
        if source.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
            raise BackupError("备份里的数据库已损坏。没有改动任何数据。")
        with closing(sqlite3.connect(str(db.engine.url.database), timeout=LOCK_SECONDS)) as live:
            try:
                source.backup(live)
                live.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                raise BackupError(f"数据库正忙（{error}），请先停下服务再恢复。") from error


def _load_postgresql(database: Path) -> None:
    """One transaction: the old schema goes, the dump comes; tables that the dump does not know go too."""
    script = database.with_suffix(".sql")
    _run("pg_restore", "--no-owner", "--no-privileges", "--file", str(script), str(database))
    begin = database.with_name("begin.sql")
    begin.write_text("DROP SCHEMA public CASCADE; CREATE SCHEMA public;")
    _run(
        "psql", "--no-psqlrc", "--quiet", "--single-transaction", "--set", "ON_ERROR_STOP=1", "--output", os.devnull,
        "--file", str(begin), "--file", str(script),
    )  # fmt: skip


def _swap_files(unpacked: Path, root: Path) -> None:
    unpacked.mkdir(exist_ok=True)
    aside = unpacked.with_name("aside")
    aside.mkdir()
    names = {p.name for p in unpacked.iterdir()}
    present = {p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")} - LEFT_OUT
    for name in present:
        (root / name).rename(aside / name)
    for name in names:
        (unpacked / name).rename(root / name)
