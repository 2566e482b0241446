"""Whether what a process keeps in memory is still true, asked of the database in the cheapest way (DESIGN Database).

A stamp is one short text, such as 'count:sum of versions:highest id', that changes whenever the kept rows change. On
SQLite it is not even read while the file says that nobody has written; on PostgreSQL it may travel in the viewer's
round trip, and is not computed again while the data's snapshot is the same.
"""

from __future__ import annotations

from typing import Any

from portal.core import reads


class Stamp:
    """One kind of stamp. sql: a scalar query in brackets, with :names that `values` fill in."""

    def __init__(self, sql: str, prefix: str) -> None:
        self.sql, self._mark, self._was = sql, f"{prefix}_mark", f"{prefix}_was"
        # PostgreSQL: two statements with the same snapshot see the same data, so the stamp told with it still holds.
        snapshot = "pg_current_snapshot()::text"
        self._asked = f"({snapshot} || '|' || CASE WHEN {snapshot} = :{self._mark} THEN :{self._was} ELSE {sql} END)"
        self._known: dict[Any, tuple[Any, str]] = {}

    def question(self, key: Any = None, **values: Any) -> tuple[str, dict[str, Any]] | None:
        """A scalar and its values for `access.reading_with`, on PostgreSQL; on SQLite no round trip is saved by it."""
        if reads.embedded():
            return None
        mark, stamp = self._known.get(key, ("", ""))
        return self._asked, {self._mark: mark, self._was: stamp, **values}

    def told(self, answer: str, key: Any = None) -> str:
        """The stamp out of an answer to `question`."""
        mark, _, stamp = answer.partition("|")
        self._known[key] = (mark, stamp)
        return stamp

    def read(self, key: Any = None, **values: Any) -> str:
        """The stamp as of now, by at most one query; '' when there is no row."""
        asked = self.question(key, **values)
        if asked is not None:
            found = reads.row("SELECT " + asked[0], asked[1])
            return self.told(str(found[0]), key) if found else ""
        mark = reads.file_version()
        known = self._known.get(key)
        if known is not None and known[0] == mark:
            return known[1]
        found = reads.row("SELECT " + self.sql, values)
        stamp = str(found[0]) if found else ""
        self._known[key] = (mark, stamp)
        return stamp

    def forget(self) -> None:
        """Another database (tests, restore): nothing told before holds."""
        self._known.clear()
