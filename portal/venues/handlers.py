"""What the outbox carries out for bookings: every message, and the question how it was (SPEC M1, V6).

A handler runs in one transaction with its 'done' mark, and inbox rows have keys: it may be repeated and nobody is told
twice.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from portal.cases import ladder
from portal.centres.models import Centre
from portal.core import clock, outbox, states
from portal.core.access import Permission
from portal.core.db import db
from portal.core.deadlines import reminder_due
from portal.core.words import Words
from portal.notices.actions import Told, tell_residents, tell_staff
from portal.venues import notices
from portal.venues.actions import waiting_list
from portal.venues.actions.booking import staff_link
from portal.venues.models import ACTIVE, APPROVED, BY_ACTIVITY, OFFERED, PENDING, WAITING, Booking, Venue


def _booking(booking_id: int) -> Booking | None:
    wanted = select(Booking).where(Booking.id == booking_id).options(
        joinedload(Booking.venue).joinedload(Venue.centre), joinedload(Booking.relative), joinedload(Booking.waits_at),
        joinedload(Booking.centre),
    )  # fmt: skip
    return db.session.scalars(wanted).one_or_none()


def _tell(
    payload: dict[str, Any], topic: str, now: datetime, word: Callable[[Booking], Words | None], what: str = ""
) -> None:
    """Tell the booker; of a booking of the house its own centre, when `what` says what happened."""
    row = _booking(payload["id"])
    if row is None or row.source == BY_ACTIVITY:
        return
    key = f"{topic}:{row.id}:{payload.get('history_id', payload.get('for', 'new'))}"
    if row.resident_id is None:
        if what:
            tell_centre(row, row.centre_id, notices.to_staff(row, what), key, now)
        return
    words = word(row)
    if words is not None:
        told, link = [Told(row.resident_id, key)], f"/venues/bookings/{row.id}"
        how = {"urgent": words.urgent, "sms": words.sms}
        tell_residents(told, words.kind, words.title, words.body, link, now, **how)


def tell_centre(row: Booking, centre_id: int, words: Words, key: str, now: datetime) -> None:
    """Tell everybody at a centre who decides on bookings; once for one `key`."""
    accounts = ladder.people_at(db.session.get_one(Centre, centre_id), Permission.VENUES)
    tell_staff(accounts, words.kind, words.title, words.body, staff_link(row.id), key, now)


def _told(topic: str, word: Callable[[Booking], Words], only: str = "", what: str = "") -> None:
    """Bookers are told of `topic` in these words; only: in this status. what: as `_tell`."""

    @outbox.handler(f"venues.{topic}")
    def on_topic(payload: dict[str, Any], now: datetime) -> None:
        _tell(payload, topic, now, lambda row: word(row) if not only or row.status == only else None, what)


_told("approved", notices.approved, APPROVED)
_told("received", notices.received, PENDING)
_told("offered", notices.offered, OFFERED)  # asking somebody for what is gone would be worse than silence
_told("passed_over", notices.passed_over, WAITING)
_told("moved_up", notices.moved_up, APPROVED, what="候补的时间排上了")
_told("refused", notices.refused)
_told("released", notices.released, what="没有人到，已释放")
_told("withdrawn", notices.withdrawn)  # by staff, because the person said so on the phone: they have it in writing


@outbox.handler("venues.queued")
def on_queued(payload: dict[str, Any], now: datetime) -> None:
    _tell(payload, "queued", now, lambda b: notices.queued(b, number(b, now)) if b.status == WAITING else None)


def number(row: Booking, now: datetime) -> int:
    """The place in line: how many asked earlier for a time that touches this one, and oneself."""
    touching = waiting_list.waiting_for(row.venue_id, waiting_list.held(row), now)
    return sum(other.id <= row.id for other in touching) or 1


@outbox.handler("venues.handed_up")
def on_handed_up(payload: dict[str, Any], now: datetime) -> None:
    """The resident hears who has it now; the level above that it is its turn."""
    _tell(payload, "handed_up", now, lambda b: notices.handed_up(b) if b.status == PENDING else None)
    row = _booking(payload["id"])
    if row is not None and row.waits_at_id is not None:
        history = db.session.get(states.StateHistory, payload["history_id"])
        by_hand = history is not None and history.actor_kind == "staff"
        words = notices.handed_to_you(row, history.reason) if history and by_hand else notices.overdue(row)
        tell_centre(row, row.waits_at_id, words, f"handed_up:{payload['history_id']}", now)


@outbox.handler("venues.lapsed")
def on_lapsed(payload: dict[str, Any], now: datetime) -> None:
    history = db.session.get(states.StateHistory, payload["history_id"])
    was = history.from_status if history else WAITING
    _tell(payload, "lapsed", now, lambda b: notices.lapsed(b, was), "候补没有等到")


@outbox.handler("venues.cancelled")
def on_cancelled(payload: dict[str, Any], now: datetime) -> None:
    row = _booking(payload["id"])
    series = row.series if row is not None else None
    if row is not None and series is not None and series.ended_at is not None:
        # Forty dates of one series that ended are one piece of news.
        tell_centre(row, series.centre_id, notices.series_ended(row, series), f"series_ended:{series.id}", now)
        return
    _tell(payload, "cancelled", now, notices.cancelled, "取消了")


@outbox.handler("venues.moved")
def on_moved(payload: dict[str, Any], now: datetime) -> None:
    history = db.session.get(states.StateHistory, payload["history_id"])
    old = (history.details or {}) if history else {}
    before = str(old.get("venue", ""))
    if old.get("from") and old.get("to"):
        span = clock.span(datetime.fromisoformat(old["from"]), datetime.fromisoformat(old["to"]))
        before = f"{span} {before}"
    _tell(payload, "moved", now, lambda b: notices.moved(b, before) if b.status in ACTIVE else None, "改了时间或场地")


@outbox.handler("venues.remind")
def on_remind(payload: dict[str, Any], now: datetime) -> None:
    """Dropped when it comes too late: 'tomorrow' is not true two hours before."""
    row, rule = _booking(payload["id"]), payload["rule"]
    if row is None or row.status != APPROVED or reminder_due(row.starts_at, now, row.created_at) != rule:
        return
    occasion = {"id": row.id, "history_id": f"{rule}:{int(row.starts_at.timestamp())}"}
    _tell(occasion, "remind", now, lambda b: notices.reminder(b, rule, now))


@outbox.handler("venues.undecided")
def on_undecided(payload: dict[str, Any], now: datetime) -> None:
    """Nobody above: the centre that has it is reminded once."""
    row = _booking(payload["id"])
    if row is not None and row.status == PENDING:
        centre_id = row.waits_at_id or row.centre_id
        tell_centre(row, centre_id, notices.overdue(row), f"undecided:{row.id}:{centre_id}", now)
