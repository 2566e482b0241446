"""Erasures are done again after a restore: the backup may be older than they are (SPEC P8).

By the same code that erased them first. `flask restore` does it, the night does, and `flask erase-again` by hand.
"""

from datetime import datetime
from pathlib import Path

from portal.core import scope
from portal.core.access import system_actor
from portal.core.db import db, empty_log, rebuild, writing
from portal.people.actions import erasure_list, resident_records
from portal.people.models import Resident


def remember(source: Path) -> None:
    """Before a database is replaced: whom it knows as erased, and whom the copies beside the backup do."""
    erasure_list.keep(*erasure_list.copies(source.parent))


def again(now: datetime) -> int:
    """Erase once more whoever a backup has brought back, one transaction each. Returns how many. Repeatable."""
    back = list(erasure_list.returned())
    with scope.system("erased before the backup came back"):
        for resident_id in back:
            with writing():
                resident_records.erase_resident(system_actor(), db.session.get_one(Resident, resident_id), now)
    return len(back)


def thoroughly(now: datetime) -> tuple[int, bool]:
    """As `again`, and the database is written anew without what lies in free pages.

    Returns how many, and whether the second was possible (somebody may be reading).
    """
    erasure_list.keep()
    count = again(now)
    db.session.remove()
    return count, rebuild()


def nightly(now: datetime) -> str:
    """The list and the database make each other good; SQLite's log is cut."""
    erasure_list.keep()
    count = again(now)
    db.session.remove()
    cut = "" if empty_log(5000) else "；预写日志这次没有清空，有人正在读"
    return f"重做注销 {count} 人{cut}"
