"""Places and the waiting list of one entry, always under the lock of its row.

Every write here takes the entry first and its sign-ups afterwards, so two of them never wait for each other in a
circle. PostgreSQL: SELECT … FOR UPDATE. SQLite: the request's BEGIN IMMEDIATE is already the lock.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, select

from portal.catalogue.models import Entry
from portal.core import deadlines, scope, states
from portal.core.access import Actor, system_actor
from portal.core.db import db
from portal.core.states import StateHistory
from portal.signup import rules
from portal.signup.errors import EntryGone
from portal.signup.models import HOLDS_PLACE, WAITING, SignUp
from portal.signup.states import MACHINE


def for_update(statement: Select[Entry]) -> Select[Entry]:
    """The strategy of the lock; the control test takes it away to show that the race then oversells."""
    return statement.with_for_update(of=Entry)


def lock(entry_id: int) -> Entry:
    """The entry with its row locked and its figures fresh. Raises EntryGone when it is not there or not visible.

    Reads inside the caller's scope: a foreign centre's entry does not exist.
    """
    statement = for_update(select(Entry).where(Entry.id == entry_id)).execution_options(populate_existing=True)
    entry = db.session.scalars(statement).one_or_none()
    if entry is None:
        raise EntryGone()
    return entry


def move(
    entry: Entry, row: SignUp, name: str, actor: Actor, now: datetime, reason: str = "", **values: Any
) -> StateHistory:
    """Fire a transition of a sign-up and keep the entry's figures. Needs the lock. Raises what `states.fire` raises."""
    before = row.status
    history = states.fire(MACHINE, row, name, actor, now, reason, values=values)
    shift(entry, row.places * ((row.status in HOLDS_PLACE) - (before in HOLDS_PLACE)),
          (row.status == WAITING) - (before == WAITING))  # fmt: skip
    return history


def shift(entry: Entry, places: int, waiting: int) -> None:
    """Change places taken and length of the queue; the version rises, so that no list shows an old card."""
    entry.taken += places
    entry.waiting += waiting
    entry.version += 1


def move_up(entry: Entry, now: datetime) -> int:
    """Give free places to the next in line (S2). Needs the lock. Returns how many sign-ups moved.

    Early: confirmed at once (or handed to review where the organiser reviews). Less than 24 h before the start: offered
    until a deadline, because the person may have made other plans.
    """
    if entry.waiting == 0 or not rules.may_move_up(entry, now) or entry.free == 0:
        return 0
    with scope.system("a freed place goes to the next, whoever that is"):
        db.session.flush()
        queue = select(SignUp).where(SignUp.entry_id == entry.id, SignUp.status == WAITING)
        # Each takes a place at least, so more rows than free places never move.
        queue = queue.order_by(SignUp.queue_no, SignUp.id).limit(entry.free)
        rows = {row.id: row for row in db.session.scalars(queue)}
        chosen = rules.next_in_line(((r.id, r.places) for r in rows.values()), entry.free)
        for sign_up_id in chosen:
            _move_one(entry, rows[sign_up_id], now)
    return len(chosen)


def _move_one(entry: Entry, row: SignUp, now: datetime) -> None:
    deadline = deadlines.offer_until(entry.first_start, now, rules.SHORTEST_OFFER)
    house = system_actor()
    if entry.needs_review:
        move(entry, row, "examine", house, now)
    elif deadline is None:
        move(entry, row, "move_up", house, now, decided_at=now)
    else:
        move(entry, row, "offer", house, now, accept_by=deadline)
