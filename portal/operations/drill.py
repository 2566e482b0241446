"""The restore drill: a backup is brought back into a scratch database and compared with what was counted when made.

The live database is only read (for its address); files are unpacked and checked, and thrown away with the rest.
"""

import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from flask import current_app
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from portal.core.db import db
from portal.operations import backup, fingerprint


@dataclass(frozen=True, slots=True)
class Drill:
    """What a drill found.

    tables: name, rows counted at the backup, rows now, whether the hashes agree. files: unpacked and right.
    rpo: how old the backup is, so what would be lost now. rto: seconds from the file to a database that is compared.
    """

    source: Path
    tables: list[tuple[str, int, int, bool]]
    files: int
    rpo: timedelta
    rto: float

    @property
    def equal(self) -> bool:
        return all(before == after and same for _, before, after, same in self.tables)


def run(source: Path, now: datetime) -> Drill:
    """Try to come back from `source`. Raises BackupError: it cannot be read, does not fit, or cannot be tried here."""
    began = time.perf_counter()
    manifest = backup.read_manifest(source)
    backup.refuse_foreign(manifest)
    expected: fingerprint.Tables = manifest.get("tables") or {}
    if not expected:
        raise backup.BackupError(f"{source.name} 是旧版程序做的，没有逐表的行数和校验值；请先做一个新的备份。")
    with tempfile.TemporaryDirectory(dir=current_app.config["DATA_DIR"], prefix=".drill-") as folder:
        database = backup.unpack(source, Path(folder), manifest)
        with _scratch(Path(folder)) as url:
            backup.load(database, url)
            found = _read(url)
    rto = time.perf_counter() - began
    nothing: fingerprint.Table = {"rows": 0, "sha256": ""}
    names = sorted(expected.keys() | found.keys())
    pairs = [(name, expected.get(name, nothing), found.get(name, nothing)) for name in names]
    return Drill(
        source, [(name, int(a["rows"]), int(b["rows"]), a["sha256"] == b["sha256"]) for name, a, b in pairs],
        len(manifest["members"]) - 1, now - datetime.fromisoformat(manifest["made_at"]), rto,
    )  # fmt: skip


def _read(url: sa.URL) -> fingerprint.Tables:
    if url.drivername.startswith("sqlite"):
        return fingerprint.of_sqlite(Path(str(url.database)))
    engine = sa.create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return fingerprint.of_postgresql(connection)


@contextmanager
def _scratch(folder: Path) -> Iterator[sa.URL]:
    """The address of an empty database of the same kind, gone afterwards."""
    url = db.engine.url
    if url.drivername.startswith("sqlite"):
        yield url.set(database=str(folder / "scratch.sqlite3"))
        return
    name = f"portal_drill_{uuid.uuid4().hex[:12]}"
    server = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    try:
        with server.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE template0")
    except SQLAlchemyError as error:
        how = f"请让数据库管理员执行：ALTER ROLE {url.username} CREATEDB;"
        raise backup.BackupError(f"不能新建演练用的数据库（{type(error.__cause__).__name__}）。{how}") from error
    try:
        yield url.set(database=name)
    finally:
        with server.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
