"""An activity's place is a booking (SPEC V4): the catalogue, which stands above, says which spans it needs.

One truth: the bookings of an activity are made equal to its sessions, under the venue's lock and the database's net.
Flush only, never commit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import select, update

from portal.core import clock, scope, states
from portal.core.access import Actor, system_actor
from portal.core.db import db
from portal.venues import booking as residents
from portal.venues import facts, locks, queue, rules
from portal.venues.booking import Wish
from portal.venues.errors import RoomTaken
from portal.venues.models import ACTIVE, APPROVED, BY_ACTIVITY, HOLDS, PENDING, Booking, Venue
from portal.venues.rules import Span
from portal.venues.states import MACHINE

MOST_ROOMS = 3
MOVED = "活动改了时间或地点"


@dataclass(frozen=True, slots=True)
class Conflict:
    """A session that cannot have the room: what holds it, other times of the same room, other rooms of the centre."""

    span: Span
    when: str
    held_by: str
    shifts: tuple[Span, ...] = ()
    other_rooms: tuple[tuple[int, str], ...] = ()
    bookings: tuple[int, ...] = ()  # what stands in the way, for links; none when the room is closed


def hold(
    source_id: int, title: str, venue_id: int | None, spans: Sequence[Span], people: int, firm: bool,
    actor: Actor, now: datetime,
) -> None:  # fmt: skip
    """Make the bookings of activity `source_id` equal to `spans` in the venue: add, retitle, end.

    firm: the activity is published, so the holds are approved; before that they are pending at nobody's desk. Spans
    already over are left as they are. All or nothing: raises RoomTaken with every conflict. Locks: venues, lower first.
    """
    with scope.system("a room's holds belong to everybody's bookings"):
        kept = _of(source_id)
        locked = locks.lock_all({b.venue_id for b in kept} | ({venue_id} if venue_id else set()))
        wanted = {s for s in spans if s.end > now} if venue_id in locked and locked[venue_id].bookable else set()
        leaving = [b for b in kept if b.ends_at > now and not _stays(b, venue_id, wanted)]
        staying = [b for b in kept if b not in leaving and b.status in HOLDS and b.venue_id == venue_id]
        new = sorted(wanted - {Span(b.starts_at, b.ends_at) for b in staying}, key=lambda s: s.start)
        if new and venue_id in locked:
            clashes = _conflicts(locked[venue_id], new, now, [b.id for b in kept])
            if clashes:
                raise RoomTaken(locked[venue_id].name, clashes)
        for row in leaving:
            queue.move(locked[row.venue_id], row, "withdraw", actor_of_house(), now, MOVED, ended_at=now)
        if venue_id in locked:
            _put(locked[venue_id], staying, new, (source_id, title, max(1, people), firm), actor, now)
        # Only now: a session put off by half an hour must not lose its own room to whoever waited for the old time.
        for row in leaving:
            queue.free_up(locked[row.venue_id], queue.held(row), now)


def _put(
    venue: Venue, staying: list[Booking], new: list[Span], what: tuple[int, str, int, bool], actor: Actor,
    now: datetime,
) -> None:  # fmt: skip
    source_id, title, people, firm = what
    for row in staying:
        row.title, row.people = title[: residents.TITLE_MAX], people
        if firm and row.status == PENDING:
            queue.move(venue, row, "approve", actor_of_house(), now, decided_at=now)
    for span in new:
        wish = Wish(venue.id, span.start, span.end, people, title)
        row = residents.enter(venue, wish, APPROVED if firm else PENDING, BY_ACTIVITY, actor, now,
                              source_id=source_id)  # fmt: skip
        # The activity's own review decides, not the room's queue.
        row.waits_at_id, row.decide_by = None, None
    db.session.flush()


def _stays(row: Booking, venue_id: int | None, wanted: set[Span]) -> bool:
    return row.venue_id == venue_id and Span(row.starts_at, row.ends_at) in wanted


def actor_of_house() -> Actor:
    """The catalogue's review has decided; the room follows."""
    return system_actor("服务清单")


def _of(source_id: int) -> list[Booking]:
    wanted = select(Booking).where(
        Booking.source == BY_ACTIVITY, Booking.source_id == source_id, Booking.status.in_(ACTIVE)
    )
    return list(db.session.scalars(wanted.order_by(Booking.venue_id, Booking.starts_at)))


def confirm(source_ids: Collection[int], now: datetime) -> dict[int, set[tuple[int, Span]]]:
    """Publication of a month: what is held for these activities becomes firm, by a fixed number of statements.

    Returns what each of them holds from now on: (venue id, span). Locks: their venues, lower ids first.
    """
    mine = select(Booking).where(
        Booking.source == BY_ACTIVITY, Booking.source_id.in_(source_ids), Booking.status.in_(HOLDS)
    )
    with scope.system("a room's holds belong to everybody's bookings"):
        locked = locks.lock_all(db.session.scalars(mine.with_only_columns(Booking.venue_id).distinct()))
        rows = list(db.session.scalars(mine.order_by(Booking.venue_id, Booking.starts_at)))
        asked = [b for b in rows if b.status == PENDING]
        if asked:
            states.fire_many(MACHINE, asked, "approve", actor_of_house(), now)
            decided = update(Booking).where(Booking.id.in_([b.id for b in asked]))
            decided = decided.values(decided_at=now, revision=Booking.revision + 1)
            db.session.execute(decided.execution_options(synchronize_session=False))
        for venue_id in sorted({b.venue_id for b in asked}):
            locks.touch(locked[venue_id], now)
        db.session.flush()
    held: dict[int, set[tuple[int, Span]]] = {}
    for row in rows:
        held.setdefault(row.source_id or 0, set()).add((row.venue_id, Span(row.starts_at, row.ends_at)))
    return held


def release(source_id: int, reason: str, now: datetime) -> int:
    """The activity is gone: its coming holds end and the times go on. Returns how many. Locks: its venues."""
    with scope.system("a room's holds belong to everybody's bookings"):
        rows = _of(source_id)
        locked = locks.lock_all({b.venue_id for b in rows})
        coming = [b for b in rows if b.ends_at > now]
        for row in coming:
            queue.end(locked[row.venue_id], row, "withdraw", actor_of_house(), now, reason)
    return len(coming)


def conflicts(venue_id: int, spans: Iterable[Span], now: datetime, source_id: int | None = None) -> list[Conflict]:
    """What stands in the way of an activity, without taking anything: for previews. Reads with the system scope."""
    with scope.system("a room's holds belong to everybody's bookings"):
        venue = db.session.get(Venue, venue_id)
        if venue is None or not venue.bookable:
            return []
        own = [b.id for b in _of(source_id)] if source_id is not None else []
        return _conflicts(venue, [s for s in spans if s.end > now], now, own)


def _conflicts(venue: Venue, spans: Sequence[Span], now: datetime, own: Sequence[int]) -> list[Conflict]:
    if not spans:
        return []
    first, last = min(s.start for s in spans), max(s.end for s in spans)
    days = clock.local(first).date(), clock.local(last).date() + timedelta(days=1)
    terms = facts.terms_of([venue], *days)[venue.id]
    found = []
    for span in spans:
        why, ids = _why_not(venue, terms, span, own)
        if why:
            found.append(replace(_conflict(venue, terms, span, why, now), bookings=ids))
    return found


def _why_not(venue: Venue, terms: rules.Terms, span: Span, own: Sequence[int]) -> tuple[str, tuple[int, ...]]:
    if span.end - span.start > timedelta(hours=rules.MAX_HOURS):
        return f"一场最长 {rules.MAX_HOURS} 小时，请按天填写", ()
    shut = next((c for c in terms.closures if c.span.start < span.end and span.start < c.span.end), None)
    if shut is not None:
        return f"场地停用（{shut.reason}）", ()
    others = facts.in_the_way(venue.id, rules.held(span, venue.buffer), own)
    return "、".join(dict.fromkeys(words(b) for b in others)), tuple(b.id for b in others)


def words(row: Booking) -> str:
    """What holds the room, for staff: '“主题党课”' or '居民预约（待审批）'; never who."""
    if row.source == BY_ACTIVITY:
        return f"“{row.title}”"
    kind = "居民预约" if row.resident_id is not None else f"“{row.title}”"
    return f"{kind}（待审批）" if row.status == PENDING else kind


def _conflict(venue: Venue, terms: rules.Terms, span: Span, why: str, now: datetime) -> Conflict:
    day = clock.local(span.start).date()
    around = Span(span.start - timedelta(days=1), span.end + timedelta(days=1))
    taken = facts.taken([venue.id], around.start, around.end)[venue.id]
    shifts = tuple(s for s in rules.alternatives(terms, span, taken, now) if clock.local(s.start).date() == day)[:3]
    return Conflict(span, clock.span(span.start, span.end), why, shifts, other_rooms(venue, span))


def other_rooms(venue: Venue, span: Span, people: int | None = None) -> tuple[tuple[int, str], ...]:
    """Rooms of the same centre that are free and open then, big enough, the best fitting first: (id, name)."""
    wanted = select(Venue).where(Venue.centre_id == venue.centre_id, Venue.id != venue.id, Venue.active, Venue.bookable)
    rooms = list(db.session.scalars(wanted))
    if not rooms:
        return ()
    longest = max(r.buffer for r in rooms)
    taken = facts.taken([r.id for r in rooms], span.start, rules.held(span, longest).end)
    day = clock.local(span.start).date()
    terms = facts.terms_of(rooms, day, day + timedelta(days=1))
    need = people or venue.capacity or 0
    free = [
        r for r in rooms
        if not any(rules.collides(rules.held(span, r.buffer), t) for t in taken[r.id])
        and not any(c.span.start < span.end and span.start < c.span.end for c in terms[r.id].closures)
        and any(o.start <= span.start and span.end <= o.end for o in rules.open_spans(terms[r.id], day))
    ]  # fmt: skip
    free.sort(key=lambda r: ((r.capacity or 0) < need, abs((r.capacity or 0) - need), r.position, r.id))
    return tuple((r.id, r.name) for r in free[:MOST_ROOMS])
