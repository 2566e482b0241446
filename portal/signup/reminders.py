"""Deadlines of sign-ups, derived from rows at every tick (SPEC S5): reminders, low enrolment, offers that lapse.

A tick only writes one outbox row per session and rule, under a unique key; the telling of thousands is the handler's.
So two schedulers, a dead one or a late one change nothing.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from portal.catalogue.models import PUBLISHED, Entry, EntrySession
from portal.core import deadlines, outbox, registry, scope
from portal.core.db import db
from portal.signup import actions, queries_staff
from portal.signup.models import CONFIRMED, SignUp

TOGETHER = 8  # sessions whose people are told in one transaction: some 150, a tenth of a second


@registry.due
def lapse_offers(now: datetime) -> int:
    """Places that nobody accepted in time go on."""
    return actions.lapse_offers(now)


@registry.due
def remind(now: datetime) -> int:
    """Write the reminders that are due now. Returns how many sessions got one."""
    with scope.system("reminders"):
        soon = select(EntrySession.id, EntrySession.starts_at).join(Entry, Entry.id == EntrySession.entry_id)
        soon = soon.where(
            EntrySession.starts_at > now, EntrySession.starts_at <= now + deadlines.DAY_BEFORE,
            Entry.status == PUBLISHED, Entry.walk_in.is_(False), Entry.taken > 0,
        )  # fmt: skip
        rows = [(i, start, deadlines.reminder_due(start, now)) for i, start in db.session.execute(soon)]
        wanted = {
            f"{i}:{rule}:{int(start.timestamp())}": {"session_id": i, "rule": rule} for i, start, rule in rows if rule
        }
        return outbox.put_new("signup.remind", wanted, now)


@registry.due
def warn_of_low_enrolment(now: datetime) -> int:
    """Write the alerts on low enrolment that are due now; one per entry and start."""
    with scope.system("low enrolment"):
        wanted = {
            f"{e.id}:{int(e.first_start.timestamp())}": {"entry_id": e.id}
            for e in queries_staff.low_entries(now)
            if e.first_start
        }
        return outbox.put_new("signup.low", wanted, now)


def audiences(sessions: Mapping[EntrySession, str]) -> dict[EntrySession, list[SignUp]]:
    """Who is reminded of each session by its rule: confirmed, and not told its time only just now. One statement."""
    wanted = select(SignUp).where(SignUp.entry_id.in_({s.entry_id for s in sessions}), SignUp.status == CONFIRMED)
    by_entry: dict[int, list[SignUp]] = {}
    for row in db.session.scalars(wanted.options(joinedload(SignUp.relative)).order_by(SignUp.id)):
        by_entry.setdefault(row.entry_id, []).append(row)
    return {
        session: [
            row
            for row in by_entry.get(session.entry_id, [])
            if row.created_at <= deadlines.reminder_from(session.starts_at, rule)
        ]
        for session, rule in sessions.items()
    }
