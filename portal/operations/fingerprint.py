"""How many rows each table has and a hash over all of them: two databases with the same ones hold the same."""

import hashlib
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, inspect

Table = Mapping[str, int | str]  # {"rows": count, "sha256": hash}
Tables = Mapping[str, Table]  # by name


def of_sqlite(file: Path) -> Tables:
    """Of a file that nobody writes to, some 500,000 rows a second."""
    found: dict[str, Table] = {}
    with closing(sqlite3.connect(file)) as source:
        names = source.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        for (name,) in sorted(names.fetchall()):
            rows, digest = 0, hashlib.sha256()
            for row in source.execute(f'SELECT * FROM "{name}" ORDER BY rowid'):  # noqa: S608 a name of its own
                digest.update(repr(row).encode())
                rows += 1
            found[name] = {"rows": rows, "sha256": digest.hexdigest()}
    return found


def of_postgresql(connection: Connection) -> Tables:
    """Of what this connection's transaction sees; the server does the work, whatever the order of the rows."""
    connection.exec_driver_sql("SET LOCAL TimeZone = 'UTC'")
    connection.exec_driver_sql("SET LOCAL DateStyle = 'ISO'")
    found: dict[str, Table] = {}
    for name in sorted(inspect(connection).get_table_names()):
        rows, digest = connection.exec_driver_sql(
            "SELECT count(*), encode(sha256(convert_to(coalesce("  # noqa: S608 a name of its own
            f"string_agg(md5(t::text), '' ORDER BY md5(t::text)), ''), 'UTF8')), 'hex') FROM \"{name}\" AS t"
        ).one()
        found[name] = {"rows": rows, "sha256": digest}
    return found
