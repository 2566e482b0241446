"""Activities are evaluated: who is asked (who came), when, and what an average is about (SPEC S6, S7).

The asking itself, the answers and the call-backs are portal.feedback's.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import joinedload, selectinload

from portal.catalogue.models import PUBLISHED, Entry
from portal.core import outbox, registry, scope
from portal.core.db import db
from portal.feedback import actions as feedback
from portal.feedback import queries as evaluations
from portal.feedback import subjects
from portal.feedback.actions import Ask
from portal.feedback.models import Evaluation
from portal.feedback.subjects import Described, Subject
from portal.signup import notices
from portal.signup.attendance import queries as attendance
from portal.signup.attendance.models import Attendance
from portal.signup.models import CONFIRMED, SignUp
from portal.signup.series import KIND, series_key

AFTER = timedelta(hours=1)  # people are home, and still remember
LATEST = timedelta(days=7)  # whoever was not asked by then is not asked any more
LONGEST_SERIES = timedelta(days=62)  # an entry belongs to one month; its sessions lie within two


def describe(ids: Sequence[int]) -> dict[int, Described]:
    """Entries as the evaluation's pages show them, as far as the caller's scope sees them. Two statements."""
    statement = select(Entry).where(Entry.id.in_(ids)).options(joinedload(Entry.centre), selectinload(Entry.sessions))
    return {
        e.id: Described(
            e.title, notices.when(e), e.place, e.centre_id, f"/services/{e.id}", f"/staff/sign-ups/{e.id}",
        )
        for e in db.session.scalars(statement)
    }  # fmt: skip


subjects.register(Subject(KIND, "活动", describe))


@registry.due
def ask_after(now: datetime) -> int:
    """Write one effect per activity that ended lately and was not asked about; returns how many.

    A deadline job: nothing is written when nothing is due, and the outbox key lets each activity be asked about once.
    """
    with scope.system("activities that are over"):
        asked = exists().where(Evaluation.subject_kind == KIND, Evaluation.subject_id == Entry.id)
        came = exists().where(Attendance.entry_id == Entry.id, Attendance.resident_id.is_not(None), Attendance.came)
        statement = select(Entry.id).where(
            Entry.status == PUBLISHED, Entry.last_end > now - LATEST, Entry.last_end <= now - AFTER,
            # By the index of lists: no series is longer, so nothing older can have ended only now.
            Entry.first_start > now - LATEST - LONGEST_SERIES, Entry.first_start < now,
            or_(and_(Entry.walk_in.is_(False), Entry.taken > 0), came), ~asked,
        )  # fmt: skip
        wanted = {str(i): {"entry_id": i} for i in db.session.scalars(statement.order_by(Entry.id))}
        return outbox.put_new("signup.evaluate", wanted, now)


@outbox.handler("signup.evaluate")
def on_evaluate(payload: dict[str, Any], now: datetime) -> None:
    """Ask everybody who came. Dropped when the activity was cancelled meanwhile."""
    ask(payload["entry_id"], now)


def ask(entry_id: int, now: datetime) -> int:
    """Ask how it was: whoever had a place and is not known to have stayed away, and whoever came without one.

    Of an activity that is over; once, however often it is called. Returns how many.
    """
    with scope.system("everybody of an activity that is over"):
        statement = select(Entry).where(Entry.id == entry_id, Entry.status == PUBLISHED)
        entry = db.session.scalars(statement.options(selectinload(Entry.sessions))).one_or_none()
        if entry is None or entry.last_end is None or now < entry.last_end:
            return 0
        people = select(SignUp).where(SignUp.entry_id == entry.id, SignUp.status == CONFIRMED)
        rows = list(db.session.scalars(people.options(joinedload(SignUp.relative)).order_by(SignUp.id)))
        known = attendance.came_to(entry)
        asks = [
            _ask(entry, row, row.resident_id, row.caller_name) for row in rows if row.person_key not in known.absent
        ]
        return feedback.invite([*asks, *(_ask(entry, row, owner) for owner, row in known.walk_ins)], now)


def _ask(entry: Entry, row: SignUp | Attendance, resident_id: int, caller_name: str = "") -> Ask:
    return Ask(
        subject_kind=KIND, subject_id=entry.id, group_key=series_key(entry.centre_id, entry.title),
        centre_id=entry.centre_id, resident_id=resident_id, relative_id=row.relative_id, title=entry.title,
        when_text=notices.when(entry), person=row.relative.name if row.relative else "",
        caller_name=caller_name,
    )  # fmt: skip


@registry.fact
def average_of(entry: Entry) -> tuple[str, dict[str, Any]]:
    """'评价 4.8（23 人）' on an activity's page, once enough people have answered. One statement."""
    key = series_key(entry.centre_id, entry.title)
    found = evaluations.average([key]).get(key, evaluations.NOBODY)
    return "feedback/_average.html", {"panel": found}
